//! Health pages: a list of checks, each with a state and maybe a message.
//!
//! A check gives three rows, one a state, and 1 in its own. One in a state that is not known gives three zeros: it is there,
//! and it is not `ok`. Messages go to the log and nowhere else.

use std::collections::HashMap;

use serde_json::{Map, Value};
use tracing::warn;

use super::json::{PageProblem, Pointer, shape};
use super::message::one_line;
use crate::rows::{Cell, Column};
use crate::sources::TARGET;

/// The states that a check can be in.
pub(super) const STATES: [&str; 3] = ["ok", "warning", "critical"];
/// The member of a check that holds its message.
const MESSAGE: &str = "msg";
/// The most checks of one page that are told in the log; the rest are counted.
const MOST_TOLD: usize = 100;

/// The columns of a health page's rows.
pub(super) fn columns() -> Vec<Column> {
    let text = |name: &str| Column {
        name: name.to_owned(),
        type_name: "text".to_owned(),
        numeric: false,
        label: true,
    };
    let value = Column {
        numeric: true,
        type_name: "number".to_owned(),
        ..text("value")
    };
    vec![text(TARGET), text("check"), text("state"), value]
}

/// A check as its service tells it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Check<'v> {
    pub(super) name: &'v str,
    pub(super) state: &'v str,
    message: Option<&'v Value>,
}

impl<'v> Check<'v> {
    pub(super) fn is_known(&self) -> bool {
        STATES.contains(&self.state)
    }

    /// Its three rows.
    pub(super) fn rows(&self, target: &'v str) -> impl Iterator<Item = [Cell<'v>; 4]> {
        let text = |text: &'v str| Cell::Text(text.into());
        STATES.into_iter().map(move |state| {
            let value = f64::from(u8::from(state == self.state));
            [text(target), text(self.name), text(state), Cell::Number(value)]
        })
    }
}

/// The checks at a pointer, each of another name. `null` is none.
///
/// What would make two series one is refused here, for it is this target's page alone that is wrong then.
pub(super) fn checks<'v>(page: &'v Value, at: &Pointer) -> Result<Vec<Check<'v>>, PageProblem> {
    let items = match at.find(page)? {
        // What services in Go write for a list without members.
        Value::Null => return Ok(Vec::new()),
        Value::Array(items) => items,
        other => return Err(at.shape(other, "a list of checks")),
    };
    let check = |(index, item): (usize, &'v Value)| match item {
        Value::Object(members) => check(members, &at.item(index), item),
        other => Err(at.item(index).shape(other, "a check, such as `{\"db\": \"ok\"}`,")),
    };
    let checks: Vec<Check<'v>> = items.iter().enumerate().map(check).collect::<Result<_, _>>()?;
    let mut seen = HashMap::with_capacity(checks.len());
    for (index, check) in checks.iter().enumerate() {
        if let Some(first) = seen.insert(check.name, index) {
            return Err(PageProblem::CheckTwice {
                pointer: at.item(index).to_string(),
                first: at.item(first).to_string(),
            });
        }
    }
    Ok(checks)
}

/// A check is the one member of its object that is not the message.
fn check<'v>(members: &'v Map<String, Value>, at: &Pointer, item: &Value) -> Result<Check<'v>, PageProblem> {
    let mut named = members.iter().filter(|(name, _)| *name != MESSAGE);
    let (Some((name, state)), None) = (named.next(), named.next()) else {
        return Err(at.shape(item, "a check, whose one member besides `msg` is its state,"));
    };
    let Value::String(state) = state else {
        return Err(PageProblem::Shape {
            pointer: at.to_string(),
            found: shape(state),
            expected: "a check's state as text",
        });
    };
    Ok(Check {
        name,
        state,
        message: members.get(MESSAGE),
    })
}

/// Tells in the log which checks are not `ok`, a line each.
pub(super) fn log(target: &str, checks: &[Check<'_>]) {
    let mut failing = checks.iter().filter(|check| check.state != "ok");
    for check in failing.by_ref().take(MOST_TOLD) {
        let name = one_line(check.name);
        let state = one_line(check.state);
        let msg = match check.message {
            None => String::new(),
            Some(Value::String(text)) => one_line(text),
            Some(other) => one_line(&other.to_string()),
        };
        if check.is_known() {
            warn!(source_target = target, check = name, state, msg, "a check is not ok");
        } else {
            warn!(
                source_target = target,
                check = name,
                state,
                msg,
                "a check is in a state that is not known"
            );
        }
    }
    let more = failing.count();
    if more > 0 {
        warn!(source_target = target, more, "more checks are not ok");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn whole() -> Pointer {
        Pointer::default()
    }

    #[test]
    fn the_page_of_a_service_is_its_checks() {
        let page = json!([
            {"CeleryHealthCheck": "ok"},
            {"queue_automaticfundfrombalanceclient": "warning", "msg": "warning msg"},
            {"msg": "error msg", "amazon_s3": "critical"},
            {"odd": "OK"},
        ]);
        let read = checks(&page, &whole()).unwrap();
        let short: Vec<_> = read
            .iter()
            .map(|check| {
                (
                    check.name,
                    check.state,
                    check.is_known(),
                    check.message.and_then(Value::as_str),
                )
            })
            .collect();
        assert_eq!(
            short,
            [
                ("CeleryHealthCheck", "ok", true, None),
                (
                    "queue_automaticfundfrombalanceclient",
                    "warning",
                    true,
                    Some("warning msg")
                ),
                ("amazon_s3", "critical", true, Some("error msg")),
                ("odd", "OK", false, None),
            ]
        );
        let expected = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]];
        for (check, expected) in read.iter().zip(expected) {
            let values: Vec<_> = check.rows("t").map(|[_, _, _, value]| value).collect();
            assert_eq!(values, expected.map(Cell::Number), "{}", check.name);
        }
    }

    #[test]
    fn what_is_no_check_is_told_by_its_place_and_never_by_its_content() {
        for (page, expected) in [
            (
                json!({"secret": "ok"}),
                "has an object at its root, where a list of checks is expected",
            ),
            (
                json!("secret"),
                "has a text at its root, where a list of checks is expected",
            ),
            (
                json!([{"secret": "ok"}, {"b": "ok"}, {"secret": "ok"}]),
                "has the check at `/2` a second time: it stands at `/0` already",
            ),
            (
                json!([{"a": "ok"}, "secret"]),
                "has a text at `/1`, where a check, such as `{\"db\": \"ok\"}`, is expected",
            ),
            (
                json!([{}]),
                "has an object at `/0`, where a check, whose one member besides `msg` is its state, is expected",
            ),
            (
                json!([{"msg": "secret"}]),
                "has an object at `/0`, where a check, whose one",
            ),
            (
                json!([{"a": "secret", "b": "ok"}]),
                "has an object at `/0`, where a check, whose one",
            ),
            (
                json!([{"secret": 1}]),
                "has a number at `/0`, where a check's state as text is expected",
            ),
            (
                json!([{"secret": null}]),
                "has null at `/0`, where a check's state as text is expected",
            ),
        ] {
            let problem = checks(&page, &whole()).unwrap_err();
            assert_eq!(problem.kind(), "rows");
            let problem = problem.to_string();
            assert!(
                problem.starts_with(expected) && !problem.contains("secret"),
                "{problem}"
            );
        }
        for none in [json!([]), json!(null)] {
            assert_eq!(checks(&none, &whole()).unwrap(), [], "{none}");
        }
        let inside = json!({"data": {"checks": [{"a": "ok"}]}});
        assert_eq!(
            checks(&inside, &Pointer::parse("/data/checks").unwrap()).unwrap().len(),
            1
        );
    }

    proptest! {
        #[test]
        fn a_check_is_in_one_state_or_in_none(name in "[a-z]{1,8}", state in "ok|warning|critical|OK|[a-z]{0,8}") {
            prop_assume!(name != MESSAGE);
            let page = json!([{ name: state }]);
            let read = checks(&page, &whole()).unwrap();
            let values = read[0].rows("t").map(|[.., value]| u32::from(value == Cell::Number(1.0)));
            prop_assert_eq!(values.sum::<u32>() == 1, read[0].is_known());
        }
    }
}
