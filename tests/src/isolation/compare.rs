//! Two answers, and whether they are the same.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::canary;
use super::client::{Answer, encoded};
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
const ORDERLY: [&str; 10] = [
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
        let (raw, enforced) = (exposition(&raw.body)?, exposition(&enforced.body)?);
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
        if !request.ordered {
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
    let list = |data: &Value| data.get("result").unwrap_or(data).as_array().cloned().unwrap_or_default();
    let (raw, enforced) = (list(raw), list(enforced));
    let short = |item: Option<&Value>| match item {
        Some(item) => cut(item.to_string().as_bytes()),
        None => "nothing".to_owned(),
    };
    let at = raw.iter().zip(&enforced).take_while(|(raw, enforced)| raw == enforced).count();
    format!(
        "{} against {} entries; the first that differs:\n    A alone  {}\n    enforced {}",
        raw.len(),
        enforced.len(),
        short(raw.get(at)),
        short(enforced.get(at))
    )
}

/// A metric's name and labels.
type Labels = BTreeMap<String, String>;

/// The samples of a text without their times, apart from what Fanlight says of itself.
fn exposition(body: &[u8]) -> Result<BTreeSet<(Labels, String)>, String> {
    let text = str::from_utf8(body).map_err(|error| format!("the exposition is no UTF-8: {error}"))?;
    let mut samples = BTreeSet::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (labels, rest) = series(line).ok_or_else(|| format!("no sample: {line}"))?;
        let value = rest.split_whitespace().next().ok_or_else(|| format!("no value: {line}"))?;
        // Ways to write a number are many; which number it is counts.
        let value = value.parse::<f64>().map_err(|error| format!("{error}: {line}"))?;
        if labels.get("__name__").is_some_and(|name| name.starts_with("fanlight_")) {
            continue;
        }
        if !samples.insert((labels, format!("{value:?}"))) {
            return Err(format!("a series stands there twice: {line}"));
        }
    }
    Ok(samples)
}

/// A line's name and labels, `name{label="value"}` or `{"name",label="value"}`, and what follows them. Labels without
/// a value are none.
fn series(line: &str) -> Option<(Labels, &str)> {
    let mut labels = Labels::new();
    let name_end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(name_end);
    if !name.is_empty() {
        labels.insert("__name__".to_owned(), name.to_owned());
    }
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            rest = rest.trim_start_matches([',', ' ']);
            if let Some(after) = rest.strip_prefix('}') {
                rest = after;
                break;
            }
            let name = if rest.starts_with('"') {
                let (name, after) = string(rest)?;
                rest = after;
                name
            } else {
                let (name, after) = rest.split_at(rest.find('=')?);
                rest = after;
                name.to_owned()
            };
            match rest.strip_prefix('=') {
                Some(after) => {
                    let (value, after) = string(after)?;
                    rest = after;
                    if !value.is_empty() {
                        labels.insert(name, value);
                    }
                }
                None => {
                    labels.insert("__name__".to_owned(), name);
                }
            }
        }
    }
    Some((labels, rest))
}

/// A quoted string of the exposition format, and what follows it.
fn string(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.strip_prefix('"')?.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 2..])),
            '\\' => value.push(match characters.next()?.1 {
                'n' => '\n',
                escaped => escaped,
            }),
            plain => value.push(plain),
        }
    }
    None
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
    use super::super::requests::{Fate, Request};
    use super::{Verdict, compare, exposition};

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status,
            headers: String::new(),
            body: body.into(),
        }
    }

    fn vector(entries: &str) -> String {
        format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{entries}]}}}}"#)
    }

    #[test]
    fn pairs_of_answers_have_their_verdicts() {
        let one = r#"{"metric":{"job":"a"},"value":[1,"1"]}"#;
        let other = r#"{"metric":{"job":"b"},"value":[1,"1"]}"#;
        let changed = r#"{"metric":{"job":"b"},"value":[1,"1.0000000000000002"]}"#;
        let both = vector(&format!("{one},{other}"));
        let error = r#"{"status":"error","errorType":"bad_data","error":"no"}"#;
        let cases = [
            ("the same", Fate::Answered, 200, both.clone(), 200, both.clone(), "Same"),
            (
                "another order",
                Fate::Answered,
                200,
                both.clone(),
                200,
                vector(&format!("{other},{one}")),
                "Same",
            ),
            (
                "another number",
                Fate::Answered,
                200,
                both.clone(),
                200,
                vector(&format!("{one},{changed}")),
                "differ",
            ),
            ("one less", Fate::Either, 200, both.clone(), 200, vector(one), "differ"),
            ("one more", Fate::Answered, 200, vector(one), 200, both.clone(), "differ"),
            ("nothing", Fate::Answered, 200, vector(""), 200, vector(""), "Empty"),
            ("an error", Fate::Answered, 422, error.into(), 400, error.into(), "BothRefuse"),
            ("a refusal", Fate::Answered, 200, both.clone(), 400, error.into(), "it refuses"),
            ("a refusal that may be", Fate::Either, 200, both.clone(), 400, error.into(), "Refused"),
            ("an answer that may not be", Fate::Refused, 200, both.clone(), 200, both.clone(), "it answers"),
            ("an answer instead of an error", Fate::Either, 422, error.into(), 200, both.clone(), "it answers"),
            ("a failure", Fate::Refused, 422, error.into(), 502, error.into(), "it fails"),
            ("a leak", Fate::Either, 200, both.clone(), 400, r#"no zyzzyva_ring"#.into(), "LEAK"),
            ("an empty body", Fate::Answered, 200, both.clone(), 200, String::new(), "no JSON"),
        ];
        for (name, fate, raw_status, raw, status, enforced, wanted) in cases {
            let mut request = Request::new("query", "/api/v1/query", &[("query", "x")]);
            request.fate = fate;
            let verdict = compare(&request, &answer(raw_status, &raw), &answer(status, &enforced));
            let said = match &verdict {
                Verdict::Different(what) => what.clone(),
                other => format!("{other:?}"),
            };
            assert!(said.contains(wanted), "{name}: {said}");
        }
    }

    #[test]
    fn the_order_counts_where_it_was_asked_for() {
        let (one, other) = (r#"{"metric":{"a":"1"},"value":[1,"1"]}"#, r#"{"metric":{"a":"2"},"value":[1,"1"]}"#);
        let mut request = Request::new("query", "/api/v1/query", &[("query", "sort(x)")]);
        request.ordered = true;
        let raw = answer(200, &vector(&format!("{one},{other}")));
        let enforced = answer(200, &vector(&format!("{other},{one}")));
        assert!(matches!(compare(&request, &raw, &enforced), Verdict::Different(_)));
    }

    #[test]
    fn texts_are_read_in_both_notations() -> Result<(), String> {
        let one = "# TYPE a untyped\na{b=\"c\\\"\\n\",d=\"\"} 1 1000\n\"e\" 2\n";
        let other = "{\"a\", \"b\"=\"c\\\"\\n\"} 1.0 2000\nfanlight_federate_samples 7\n";
        assert_eq!(exposition(b"{\"e\"} 2")?, exposition(b"e 2e0 3")?);
        assert!(exposition(one.as_bytes()).is_ok());
        assert_eq!(exposition(one.split("\"e\"").next().unwrap_or_default().as_bytes())?, exposition(other.as_bytes())?);
        assert!(exposition(b"a 1\na 1\n").is_err());
        assert!(exposition(b"a{b=\"} 1\n").is_err());
        Ok(())
    }
}
