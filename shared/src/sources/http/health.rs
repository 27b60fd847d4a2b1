//! Health pages: a list of checks, each with a state and maybe a message.
//!
//! A check gives three rows, one a state, and 1 in its own. One in a state that is not known gives three zeros: it is there,
//! and it is not `ok`. Messages go to the log and nowhere else.

use serde_json::{Map, Value};
use tracing::warn;

use super::json::{PageProblem, Pointer, shape};
use crate::config::mask;
use crate::rows::{Cell, Column};
use crate::sources::TARGET;

/// The states that a check can be in.
pub(super) const STATES: [&str; 3] = ["ok", "warning", "critical"];
/// The member of a check that holds its message.
const MESSAGE: &str = "msg";
/// The most characters of anything that a page says in the log.
const LONGEST_TEXT: usize = 500;
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

/// The checks at a pointer.
pub(super) fn checks<'v>(page: &'v Value, at: &Pointer) -> Result<Vec<Check<'v>>, PageProblem> {
    let Value::Array(items) = at.find(page)? else {
        return Err(at.shape(at.find(page)?, "a list of checks"));
    };
    let check = |(index, item): (usize, &'v Value)| match item {
        Value::Object(members) => check(members, &at.item(index), item),
        other => Err(at.item(index).shape(other, "a check, such as `{\"db\": \"ok\"}`,")),
    };
    items.iter().enumerate().map(check).collect()
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

/// What somebody else says, for the log: on one line, without what could move a terminal's cursor or the direction of
/// writing, shortened, and without passwords of URLs.
fn one_line(text: &str) -> String {
    let plain = |c: char| match c {
        c if c.is_control() || c.is_whitespace() => ' ',
        // Marks of direction, line and paragraph separators, and characters that cannot be seen.
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => ' ',
        c => c,
    };
    // A password may end behind the cut.
    let generous: String = text.chars().take(4 * LONGEST_TEXT).map(plain).collect();
    let masked = mask(&generous);
    let mut characters = masked.chars();
    let mut shortened: String = characters.by_ref().take(LONGEST_TEXT).collect();
    if characters.next().is_some() || text.chars().nth(4 * LONGEST_TEXT).is_some() {
        shortened.push('…');
    }
    shortened
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
            (json!(null), "has null at its root, where a list of checks is expected"),
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
        assert_eq!(checks(&json!([]), &whole()).unwrap(), []);
        let inside = json!({"data": {"checks": [{"a": "ok"}]}});
        assert_eq!(
            checks(&inside, &Pointer::parse("/data/checks").unwrap()).unwrap().len(),
            1
        );
    }

    #[test]
    fn a_message_is_one_short_line_without_passwords() {
        for (text, expected) in [
            ("plain", "plain"),
            (
                "two\nlines\r\n{\"level\":\"ERROR\"}",
                "two lines  {\"level\":\"ERROR\"}",
            ),
            ("\u{1b}[2J\u{202e}txet\u{2028}x\u{0}", " [2J txet x "),
            (
                "cannot reach postgres://app:hunter2@db/shop",
                "cannot reach postgres://app:***@db/shop",
            ),
            ("é漢", "é漢"),
        ] {
            assert_eq!(one_line(text), expected, "{text:?}");
        }
        let long = one_line(&"é".repeat(100_000));
        assert_eq!(long.chars().count(), LONGEST_TEXT + 1);
        assert!(long.ends_with('…'));
        let cut = format!(
            "{}postgres://app:{}@db",
            "x".repeat(LONGEST_TEXT - 20),
            "hunter2".repeat(3)
        );
        assert!(
            !one_line(&cut).contains("hunter2"),
            "a password that the end cuts in two"
        );
    }

    proptest! {
        #[test]
        fn whatever_a_page_says_is_one_short_line(text in "(?s).{0,3000}") {
            let line = one_line(&text);
            prop_assert!(line.chars().count() <= LONGEST_TEXT + 1);
            let moves = |c: char| c.is_control() || matches!(c, '\u{2028}'..='\u{202e}');
            prop_assert!(!line.contains(moves), "{:?}", line);
        }

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
