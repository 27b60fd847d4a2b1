//! Two answers, and whether they are the same.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::canary;
use super::client::{Answer, encoded};
use super::exposition;
use super::requests::{Fate, Request};

/// What a pair of answers comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Both say the same, and not nothing.
    Same,
    /// Both say that there is nothing.
    Empty,
    /// Both refuse.
    BothRefuse,
    /// Fanlight refuses what it should, or may.
    Refused,
    /// The answers differ, and so do Prometheus' own to the same request, which has no one answer.
    Undetermined,
    /// Something of others was found, or the answers differ: what, for people.
    Different(String),
}

/// Of an answer that is shown.
const SHOWN: usize = 600;

/// Compares what Prometheus says of A's series alone with what A was told.
pub(super) fn compare(request: &Request, raw: &Answer, enforced: &Answer) -> Verdict {
    let different = |what: &str| Verdict::Different(format!("{what}\n{}", shown(request, raw, enforced)));
    if let Some(found) = leak(request, enforced) {
        return different(&format!("LEAK of {found:?}, which is others'"));
    }
    let ok = |answer: &Answer| (200..300).contains(&answer.status);
    if enforced.status >= 500 {
        return different("it fails");
    }
    match (ok(raw), ok(enforced), request.fate) {
        (_, false, Fate::Refused | Fate::Either) => Verdict::Refused,
        (_, true, Fate::Refused) => different("it answers what it should refuse"),
        (false, false, _) => Verdict::BothRefuse,
        (true, false, Fate::Answered) => different("it refuses what it should answer"),
        // Whoever is told that there is nothing is told nothing.
        (false, true, Fate::Either) if matches!(same(request, enforced, enforced), Ok(false)) => Verdict::Refused,
        (false, true, _) => different("it answers what Prometheus refuses"),
        (true, true, _) => match same(request, raw, enforced) {
            Ok(true) => Verdict::Same,
            Ok(false) => Verdict::Empty,
            Err(what) => different(&what),
        },
    }
}

/// Functions whose value depends on the order in which they come to the series, which is that of a Go map where those are
/// results of something: of equals they take the first, or they take the first whatever they are, or they round
/// differently. A query with one of them may be answered differently, but only if Prometheus itself answers it in more
/// than one way, and never with anything of others.
const ORDERLY: [&str; 13] = [
    "topk",
    "bottomk",
    "limitk",
    "limit_ratio",
    "sort",
    "sort_desc",
    "sum",
    "avg",
    "stddev",
    "stdvar",
    // Of 0 and -0, and beside NaN.
    "max",
    "min",
    "quantile",
];

/// Whether a request that has been answered differently might have no one answer.
pub(super) fn may_be_undetermined(request: &Request) -> bool {
    let is_word = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let query = request.parameters.iter().find(|(name, _)| name == "query");
    query.is_some_and(|(_, query)| query.split(|c| !is_word(c)).any(|word| ORDERLY.contains(&word)))
}

/// Whether two answers of Prometheus to the same request contradict each other.
pub(super) fn contradict(request: &Request, one: &Answer, other: &Answer) -> bool {
    one.status == 200 && other.status == 200 && same(request, one, other).is_err()
}

/// What of others stands anywhere in an answer.
fn leak(request: &Request, answer: &Answer) -> Option<&'static str> {
    let mut asked = format!("{} {}", request.path, encoded(&request.parameters));
    for (_, value) in &request.parameters {
        asked.push_str(value);
    }
    canary::find(&answer.body, &asked).or_else(|| canary::find(answer.headers.as_bytes(), &asked))
}

/// Whether two successful answers say the same; if so, whether that is anything at all.
fn same(request: &Request, raw: &Answer, enforced: &Answer) -> Result<bool, String> {
    if request.path == "/federate" {
        let (raw, enforced) = (exposition::samples(&raw.body)?, exposition::samples(&enforced.body)?);
        return match raw.iter().find(|sample| !enforced.contains(sample)) {
            Some((series, value)) => Err(format!("it lacks {series:?} {value}")),
            None => match enforced.iter().find(|sample| !raw.contains(sample)) {
                Some((series, value)) => Err(format!("it has {series:?} {value}, which is not A's")),
                None => Ok(!raw.is_empty()),
            },
        };
    }
    let (raw, enforced) = (data(raw)?, data(enforced)?);
    // Most are the same to the byte.
    if raw.get() != enforced.get() {
        let parse = |data: &RawValue| serde_json::from_str::<Value>(data.get()).map_err(|error| error.to_string());
        let (mut raw, mut enforced) = (parse(raw)?, parse(enforced)?);
        if !request.is_ordered() {
            sort(&mut raw);
            sort(&mut enforced);
        }
        if raw != enforced {
            return Err(format!("the answers differ: {}", first_difference(&raw, &enforced)));
        }
    }
    let text = enforced_text(enforced);
    Ok(text != "[]" && !text.contains("\"result\":[]"))
}

fn enforced_text(data: &RawValue) -> &str {
    data.get()
}

#[derive(Deserialize)]
struct Envelope<'a> {
    status: String,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

fn data(answer: &Answer) -> Result<&RawValue, String> {
    let envelope: Envelope<'_> =
        serde_json::from_slice(&answer.body).map_err(|error| format!("an answer is no JSON of Prometheus: {error}"))?;
    match envelope.data {
        Some(data) if envelope.status == "success" => Ok(data),
        _ => Err("an answer has the status of a success and says something else".to_owned()),
    }
}

/// Puts lists of series and of names in an order; that of an answer says something only where it was asked for.
fn sort(data: &mut Value) {
    let list = match data {
        Value::Array(list) => list,
        Value::Object(object) => match object.get_mut("result") {
            // The two numbers of a scalar are no list of things.
            Some(Value::Array(list)) if list.iter().all(Value::is_object) => list,
            _ => return,
        },
        _ => return,
    };
    list.sort_by_cached_key(|item| match item.get("metric") {
        Some(metric) => metric.to_string(),
        None => item.to_string(),
    });
}

fn first_difference(raw: &Value, enforced: &Value) -> String {
    let list = |data: &Value| {
        data.get("result")
            .unwrap_or(data)
            .as_array()
            .cloned()
            .unwrap_or_default()
    };
    let (raw, enforced) = (list(raw), list(enforced));
    let short = |item: Option<&Value>| match item {
        Some(item) => cut(item.to_string().as_bytes()),
        None => "nothing".to_owned(),
    };
    let at = raw
        .iter()
        .zip(&enforced)
        .take_while(|(raw, enforced)| raw == enforced)
        .count();
    format!(
        "{} against {} entries; the first that differs:\n    A alone  {}\n    enforced {}",
        raw.len(),
        enforced.len(),
        short(raw.get(at)),
        short(enforced.get(at))
    )
}

fn shown(request: &Request, raw: &Answer, enforced: &Answer) -> String {
    format!(
        "  {request}\n  A alone  {} {}\n  enforced {} {}",
        raw.status,
        cut(&raw.body),
        enforced.status,
        cut(&enforced.body)
    )
}

fn cut(body: &[u8]) -> String {
    String::from_utf8_lossy(&body[..body.len().min(SHOWN)]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::super::client::Answer;
    use super::super::requests::Fate::{self, Answered, Either, Refused};
    use super::super::requests::Request;
    use super::{Verdict, compare};

    const ONE: &str = r#"{"metric":{"job":"a"},"value":[1,"1"]}"#;
    const OTHER: &str = r#"{"metric":{"job":"b"},"value":[1,"1"]}"#;
    const CHANGED: &str = r#"{"metric":{"job":"b"},"value":[1,"1.0000000000000002"]}"#;
    const ERROR: &str = r#"{"status":"error","errorType":"bad_data","error":"no"}"#;

    fn answer(status: u16, body: impl Into<Vec<u8>>) -> Answer {
        Answer {
            status,
            headers: String::new(),
            body: body.into(),
        }
    }

    fn vector(series: &[&str]) -> Answer {
        let series = series.join(",");
        answer(
            200,
            format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{series}]}}}}"#),
        )
    }

    fn said(request: &Request, raw: &Answer, enforced: &Answer) -> String {
        match compare(request, raw, enforced) {
            Verdict::Different(what) => what,
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn pairs_of_answers_have_their_verdicts() {
        let both = || vector(&[ONE, OTHER]);
        let error = |status| answer(status, ERROR);
        let cases: [(&str, Fate, Answer, Answer, &str); 17] = [
            ("the same", Answered, both(), both(), "Same"),
            ("another order", Answered, both(), vector(&[OTHER, ONE]), "Same"),
            ("another number", Answered, both(), vector(&[ONE, CHANGED]), "differ"),
            ("one less", Either, both(), vector(&[ONE]), "differ"),
            ("one more", Answered, vector(&[ONE]), both(), "differ"),
            ("nothing", Answered, vector(&[]), vector(&[]), "Empty"),
            ("nothing instead of something", Answered, both(), vector(&[]), "differ"),
            ("two errors", Answered, error(422), error(400), "BothRefuse"),
            ("a refusal", Answered, both(), error(400), "it refuses"),
            ("a refusal that may be", Either, both(), error(400), "Refused"),
            ("a refusal that must be", Refused, both(), error(400), "Refused"),
            ("an answer that may not be", Refused, both(), both(), "it answers"),
            (
                "an answer instead of an error",
                Either,
                error(422),
                both(),
                "it answers",
            ),
            (
                "nothing instead of an error",
                Either,
                error(404),
                vector(&[]),
                "Refused",
            ),
            ("a failure", Refused, error(422), error(502), "it fails"),
            ("a leak", Either, both(), answer(400, "no zyzzyva_ring"), "LEAK"),
            ("an empty body", Answered, both(), answer(200, ""), "no JSON"),
        ];
        for (name, fate, raw, enforced, wanted) in cases {
            let mut request = Request::new("query", "/api/v1/query", &[("query", "x")]);
            request.fate = fate;
            let said = said(&request, &raw, &enforced);
            assert!(said.contains(wanted), "{name}: {said}");
        }
    }

    #[test]
    fn the_order_counts_where_it_was_asked_for() {
        let request = Request::new("query", "/api/v1/query", &[("query", "sort(x)")]);
        let said = said(&request, &vector(&[ONE, OTHER]), &vector(&[OTHER, ONE]));
        assert!(said.contains("differ"), "{said}");
    }
}
