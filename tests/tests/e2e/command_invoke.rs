//! `fanlight invoke`: every event of `events/` through its function, on the example configuration; and what goes wrong.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use fanlight_tests::faults::Answering;
use fanlight_tests::{ConfigFolder, Customer, Ended, Postgres, Prometheus, Pushgateway, binaries, fanlight, records};
use jiff::Timestamp;
use serde_json::{Value, json};
use shared::authorization::{Record, Token};

/// What customers' metrics would look like; the last two are nobody's and another's.
const SERIES: &str = r#"customer_transfers{metric_purpose="external",organisation_id="acme-fr",status="failed"} 3
customer_transfers{metric_purpose="external",organisation_id="acme-fr",status="to_send"} 2
customer_cards{metric_purpose="external",organisation_id="acme-fr",status="active"} 5
customer_transfers{metric_purpose="external",organisation_id="bolt",status="failed"} 100
customer_transfers{metric_purpose="internal",organisation_id="acme-fr",status="failed"} 1000
"#;

/// A command in the repository, where `config` and `events` are.
async fn invoke(arguments: &[&str], environment: Vec<(&'static str, String)>) -> Result<Ended> {
    fanlight(binaries::workspace(), ["invoke"].iter().chain(arguments), environment).await
}

fn event(name: &str) -> Result<Value> {
    let text = fs::read_to_string(binaries::workspace().join("events").join(name))?;
    serde_json::from_str(&text).with_context(|| name.to_owned())
}

/// The variables that the example configuration names, for functions that need no database.
fn environment(prometheus: &str, tokens: String) -> Vec<(&'static str, String)> {
    vec![("PROMETHEUS_URL", prometheus.to_owned()), ("API_TOKENS", tokens)]
}

#[tokio::test]
async fn the_collectors_events_push_a_jobs_series_and_tell_which_jobs_have_not_run() -> Result<()> {
    let database = Postgres::shared().await?.database().await?;
    database
        .execute(
            "CREATE TABLE transfers (id int GENERATED ALWAYS AS IDENTITY, status text);
            INSERT INTO transfers (status) SELECT unnest(ARRAY['failed', 'to_send', 'failed'])",
        )
        .await?;
    let gateway = Pushgateway::start().await?;
    let environment = database
        .environment()
        .into_iter()
        .chain([("PUSHGATEWAY_URL", gateway.url())])
        .collect::<Vec<_>>();
    let Ended { status, out, err } =
        invoke(&["collector", "events/collector-schedule.json"], environment.clone()).await?;
    let expected = "{\"job\":\"transfers-status-collection\",\"series\":2}\n";
    assert_eq!((status, out.as_str()), (Some(0), expected), "{err}");
    assert!(err.contains("collector | REPORT RequestId: "), "{err}");
    let Ended { status, out, err } =
        invoke(&["collector", "events/collector-watchdog.json"], environment.clone()).await?;
    assert_eq!(status, Some(0), "{err}");
    let told: Value = serde_json::from_str(&out)?;
    let overdue = told["overdue"].as_array().context(out)?;
    assert!(
        !overdue.is_empty() && !overdue.contains(&json!("transfers-status-collection")),
        "{overdue:?}"
    );
    // All jobs of the example run often enough to come back by themselves.
    let Ended { status, out, err } = invoke(&["collector", "events/collector-heal.json"], environment).await?;
    assert_eq!(status, Some(0), "{err}");
    let healed: Value = serde_json::from_str(&out)?;
    assert_eq!(healed["healed"], json!([]), "{healed}");
    let failed = gateway.series("core_transfers_status").await?;
    assert!(
        failed
            .iter()
            .any(|series| series.contains(r#"status="failed""#) && series.ends_with(" 2")),
        "{failed:?}"
    );
    let scheduled = gateway.series("fanlight_job_scheduled_timestamp_seconds").await?;
    // 2026-01-31T10:20:00Z
    assert!(
        scheduled.iter().any(|series| series.ends_with(" 1.7698548e+09")),
        "{scheduled:?}"
    );
    Ok(())
}

#[tokio::test]
async fn each_event_of_the_metrics_api_gets_its_answer() -> Result<()> {
    let page = Answering::start(&[(200, SERIES)]).await?;
    let prometheus = Prometheus::start(&[page.url().trim_start_matches("http://").to_owned()]).await?;
    prometheus
        .query_until("customer_cards", |series| !series.is_empty())
        .await?;
    let environment = environment(&prometheus.url(), records(&[]));
    let answer = async |name: &str| -> Result<(String, String)> {
        let file = format!("events/{name}");
        let ended = invoke(&["metrics-api", &file], environment.clone()).await?;
        assert_eq!(ended.status, Some(0), "{name}: {}", ended.err);
        let (head, body) = ended.out.split_once("\n\n").context(ended.err)?;
        Ok((head.to_owned(), body.to_owned()))
    };
    let cases = [
        "metrics-api-query-get.json",
        "metrics-api-query.json",
        "metrics-api-query-base64.json",
    ];
    for name in cases {
        let (head, body) = answer(name).await?;
        ensure!(
            head.starts_with("HTTP/1.1 200 OK\n") && head.contains("content-type: application/json"),
            "{name}: {head}"
        );
        let body: Value = serde_json::from_str(&body).with_context(|| format!("{name}: {body}"))?;
        let mut found: Vec<_> = body["data"]["result"]
            .as_array()
            .with_context(|| format!("{name}: {body}"))?
            .iter()
            .map(|series| (series["metric"].to_string(), series["value"][1].to_string()))
            .collect();
        found.sort();
        let expected = [
            (r#"{"status":"failed"}"#, r#""3""#),
            (r#"{"status":"to_send"}"#, r#""2""#),
        ];
        assert_eq!(
            found,
            expected.map(|(metric, value)| (metric.to_owned(), value.to_owned())),
            "{name}"
        );
    }
    let (head, body) = answer("metrics-api-federate.json").await?;
    assert!(head.contains("content-type: application/openmetrics-text"), "{head}");
    let samples: Vec<_> = body.lines().filter(|line| line.starts_with("customer_")).collect();
    assert!(
        body.ends_with("# EOF\n") && samples.len() == 3 && !body.contains("bolt"),
        "{body}"
    );
    let (head, body) = answer("metrics-api-health.json").await?;
    assert!(
        head.starts_with("HTTP/1.1 200 OK\n") && body.contains("\"version\""),
        "{head}\n\n{body}"
    );

    let ended = invoke(&["metrics-api", "events/authorizer-request.json"], environment.clone()).await?;
    assert!(
        ended.status == Some(0) && ended.out.starts_with("HTTP/1.1 401 Unauthorized\n"),
        "{ended:?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_readers_event_gets_the_dashboard_that_it_has_not() -> Result<()> {
    let environment = environment("http://127.0.0.1:9", String::new());
    let ended = invoke(&["metrics-api", "events/metrics-api-grafana.json"], environment).await?;
    let (head, body) = ended.out.split_once("\n\n").context("no body")?;
    assert!(
        head.starts_with("HTTP/1.1 200 OK\n") && head.contains("etag: \""),
        "{head}"
    );
    let stored = fs::read_to_string(binaries::workspace().join("dashboards/prod/Growth/growth-main.json"))?;
    assert_eq!(body.trim_end(), stored.trim_end());
    Ok(())
}

#[tokio::test]
async fn the_authorizers_event_is_allowed_with_its_record_and_with_no_other() -> Result<()> {
    let header = event("authorizer-request.json")?["headers"]["Authorization"].take();
    let basic = header
        .as_str()
        .and_then(|header| header.strip_prefix("Basic "))
        .context("no basic authentication")?;
    let basic = String::from_utf8(BASE64_STANDARD.decode(basic)?)?;
    let token = basic.strip_prefix("acme:").context("not acme")?;
    let record = Record {
        id: "example".to_owned(),
        hash: Token::parse(token).context("not in the form of a token")?.hash(),
        client: "acme".to_owned(),
        organisations: vec!["acme-fr".to_owned()],
        origins: None,
        expires: Timestamp::now() + std::time::Duration::from_hours(1),
        plan: "default".to_owned(),
    };
    let arguments = ["authorizer", "events/authorizer-request.json"];
    let tokens = json!({"tokens": [record.to_json()]}).to_string();
    let ended = invoke(&arguments, environment("http://p", tokens)).await?;
    assert_eq!(ended.status, Some(0), "{}", ended.err);
    let allowed: Value = serde_json::from_str(&ended.out)?;
    assert_eq!(allowed["policyDocument"]["Statement"][0]["Effect"], "Allow");
    // What the events of the Metrics API carry is what the authorizer says, as API Gateway passes it on.
    let carried = &event("metrics-api-query-get.json")?["requestContext"];
    for name in ["client", "organisations", "plan"] {
        assert_eq!(allowed["context"][name], carried["authorizer"][name], "{name}");
    }
    assert_eq!(allowed["usageIdentifierKey"], carried["identity"]["apiKey"]);

    let others = records(&[Customer::new("bolt", &["bolt"])?]);
    let ended = invoke(&arguments, environment("http://p", others)).await?;
    assert_eq!((ended.status, ended.out.as_str()), (Some(1), ""));
    assert!(
        ended
            .err
            .ends_with("fanlight: the function failed: denied: Unauthorized\n"),
        "{}",
        ended.err
    );
    assert!(!ended.err.contains(token), "{}", ended.err);
    Ok(())
}

#[tokio::test]
async fn no_event_goes_untested() -> Result<()> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(binaries::workspace().join("events"))? {
        names.insert(entry?.file_name().into_string().unwrap_or_default());
    }
    let source = include_str!("command_invoke.rs");
    for name in &names {
        assert!(source.contains(&format!("{name}\"")), "{name}");
    }
    assert_eq!(names.len(), 10);
    Ok(())
}

#[tokio::test]
async fn what_goes_wrong_is_said_with_the_functions_log() -> Result<()> {
    let folder = ConfigFolder::new(&[
        ("broken.json", "{\"job\":\n]"),
        ("unknown.json", r#"{"job": "nobody"}"#),
        (
            "a.yaml",
            &fanlight_tests::job("\n  metrics:\n  - {name: m, help: h, value: v, query: SELECT 1 AS v}\n"),
        ),
    ])?;
    let run = async |arguments: &[&str]| {
        let arguments = ["--config", ".", "invoke"].iter().chain(arguments);
        fanlight(folder.path(), arguments, []).await
    };
    let cases: [(&[&str], i32, &str); 5] = [
        (
            &["collector", "nowhere.json"],
            1,
            "fanlight: the event nowhere.json cannot be read: No such file or directory (os error 2)\n",
        ),
        (
            &["collector", "broken.json"],
            1,
            "fanlight: the event broken.json is not JSON: expected value at line 2 column 1\n",
        ),
        (
            &["collector", "unknown.json", "--binary", "a.yaml"],
            1,
            "a.yaml is not an executable file; build it (`cargo build -p collector`) or name it with --binary PATH\n",
        ),
        (
            &["collector", "unknown.json"],
            1,
            "fanlight: the function failed: unknown_job: there is no job `nobody`; the jobs are j\n",
        ),
        (
            &["gateway", "unknown.json"],
            2,
            "\n\nFor more information, try '--help'.\n",
        ),
    ];
    for (arguments, status, words) in cases {
        let ended = run(arguments).await?;
        assert_eq!((ended.status, ended.out.as_str()), (Some(status), ""), "{arguments:?}");
        assert!(ended.err.ends_with(words), "{arguments:?}: {}", ended.err);
    }
    let ended = run(&["collector", "unknown.json"]).await?;
    assert!(ended.err.contains("collector | START RequestId: "), "{}", ended.err);
    Ok(())
}
