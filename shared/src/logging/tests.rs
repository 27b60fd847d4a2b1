//! What the two formats write.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use secrecy::SecretString;
use serde_json::{Value, json};
use tracing::{Instrument as _, debug, error, info, info_span, warn};

use super::*;

/// Everything that was written, for a look afterwards.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Paper {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

fn filter(text: &str) -> Targets {
    filter::from_environment(Audience::Function, |name| {
        (name == "FANLIGHT_LOG").then(|| text.to_owned())
    })
    .unwrap()
}

/// The lines that `work` logs as JSON.
fn lines(level: &str, work: impl FnOnce()) -> Vec<Value> {
    let paper = Paper::default();
    let writer = paper.clone();
    tracing::subscriber::with_default(json(filter(level), move || writer.clone()), work);
    paper
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn one_line(work: impl FnOnce()) -> Value {
    let lines = lines("trace", work);
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines.into_iter().next().unwrap()
}

/// A line without its time.
fn timeless(mut line: Value) -> Value {
    line.as_object_mut().unwrap().remove("timestamp");
    line
}

#[test]
fn a_line_begins_with_what_every_line_has() {
    let paper = Paper::default();
    let writer = paper.clone();
    tracing::subscriber::with_default(json(filter("info"), move || writer.clone()), || {
        info!(job = "transfers", rows = 3, "pushed");
    });
    let text = paper.text();
    let (time, rest) = text.strip_prefix(r#"{"timestamp":""#).unwrap().split_once('"').unwrap();
    assert!(
        time.parse::<jiff::Timestamp>().is_ok() && time.len() == "2026-01-01T00:00:00.000Z".len(),
        "{time}"
    );
    assert_eq!(
        rest,
        ",\"level\":\"INFO\",\"target\":\"shared::logging::tests\",\"message\":\"pushed\",\"job\":\"transfers\",\"rows\":3}\n"
    );
}

#[test]
fn fields_of_all_spans_stand_beside_the_records_own() {
    let line = one_line(|| {
        let request = info_span!(target: "lambda_runtime::layers::trace", "Lambda runtime invoke", requestId = "r-1");
        request.in_scope(|| {
            let job = info_span!("job", job = "transfers", rows = tracing::field::Empty, metric = "outer");
            job.record("rows", 7);
            job.in_scope(|| info_span!("metric", metric = "transfers_status").in_scope(|| warn!(nulls = 2, "nulls")));
        });
    });
    assert_eq!(
        timeless(line),
        json!({
            "level": "WARN", "target": "shared::logging::tests", "message": "nulls", "requestId": "r-1",
            "job": "transfers", "rows": 7, "metric": "transfers_status", "nulls": 2,
        })
    );
}

#[tokio::test]
async fn spans_follow_their_futures() {
    let paper = Paper::default();
    let writer = paper.clone();
    let _guard = tracing::subscriber::set_default(json(filter("info"), move || writer.clone()));
    let work = |job: &'static str| {
        async move {
            tokio::task::yield_now().await;
            info!(own = job, "done");
        }
        .instrument(info_span!("job", job))
    };
    tokio::join!(work("a"), work("b"));
    let lines: Vec<Value> = paper
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    for line in lines {
        assert_eq!(line["job"], line["own"], "{line}");
    }
}

#[test]
fn every_kind_of_value_is_json() {
    let line = one_line(|| {
        let error = io::Error::other(filter::FilterErrorKind::Foreign);
        error!(
            flag = true,
            negative = -1,
            large = u64::MAX,
            elapsed = 12_u128,
            huge = u128::MAX,
            ratio = 0.5,
            nan = f64::NAN,
            infinite = f64::INFINITY,
            text = "a \"quoted\"\nline \u{1b}[31m",
            debug = ?Some(1),
            display = %"shown",
            error = &error as &(dyn std::error::Error + 'static),
        );
    });
    let line = timeless(line);
    let error = line["error"].as_str().unwrap();
    assert!(error.starts_with("but libraries are held at warn"), "{error}");
    for (name, value) in [
        ("flag", json!(true)),
        ("negative", json!(-1)),
        ("large", json!(u64::MAX)),
        ("elapsed", json!(12)),
        ("huge", json!(u128::MAX.to_string())),
        ("ratio", json!(0.5)),
        ("nan", json!("NaN")),
        ("infinite", json!("inf")),
        ("text", json!("a \"quoted\"\nline \u{1b}[31m")),
        ("debug", json!("Some(1)")),
        ("display", json!("shown")),
    ] {
        assert_eq!(line[name], value, "{name}");
    }
}

#[test]
fn a_field_cannot_pass_itself_off_as_what_every_line_has() {
    let line = one_line(|| {
        let span = info_span!("job", level = "span", timestamp = "never");
        span.in_scope(|| info!(level = "DEBUG", target = "elsewhere", "said"));
    });
    assert_eq!(
        timeless(line),
        json!({"level": "INFO", "target": "shared::logging::tests", "message": "said"})
    );
}

#[test]
fn libraries_below_warn_are_silent_at_every_level() {
    let messages: Vec<_> = lines("trace", || {
        debug!(target: "tokio_postgres::query", "parameters: hunter2");
        info!(target: "aws_smithy_runtime::client", "hunter2");
        tracing::trace!(target: "hyper_util::client::legacy", "hunter2");
        warn!(target: "hyper_util::client::legacy", "broken");
        debug!("ours");
    });
    let messages: Vec<_> = messages.iter().map(|line| line["message"].as_str().unwrap()).collect();
    assert_eq!(messages, ["broken", "ours"]);
}

#[test]
fn a_secret_among_the_fields_is_not_shown() {
    let secret = SecretString::from("hunter2");
    let line = one_line(|| info!(?secret, "connecting"));
    assert!(!line.to_string().contains("hunter2"), "{line}");
}

#[test]
fn people_read_words() {
    for colours in [false, true] {
        let paper = Paper::default();
        let writer = paper.clone();
        let subscriber = human(filter("info"), Clock { short: true }, colours, move || writer.clone());
        tracing::subscriber::with_default(subscriber, || {
            info_span!("run", job = "transfers").in_scope(|| info!(rows = 3, "pushed"));
            debug!("unseen");
        });
        let text = paper.text();
        assert_eq!(text.contains("\u{1b}["), colours, "{text}");
        if !colours {
            let (time, rest) = text.split_once(' ').unwrap();
            assert!(jiff::civil::Time::strptime("%H:%M:%S", time).is_ok(), "{time}");
            assert_eq!(rest, " INFO run{job=\"transfers\"}: pushed rows=3\n");
        }
    }
}

#[test]
fn lambda_and_the_local_runner_get_json() {
    for (set, expected) in [
        ("AWS_LAMBDA_RUNTIME_API", Format::Json),
        ("AWS_LAMBDA_FUNCTION_NAME", Format::Json),
        ("AWS_REGION", Format::Human),
    ] {
        assert_eq!(format(|name| (name == set).then(|| "x".to_owned())), expected, "{set}");
    }
}
