//! The gateway is down, hangs, refuses or stumbles: what the error says, and what stands in it afterwards.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};
use fanlight_tests::canary::{self, TOKEN};
use fanlight_tests::faults::{Answering, Hanging, refusing};
use fanlight_tests::{Collector, GATEWAY_PASSWORD, GATEWAY_USER, Postgres, Pushgateway, Stage, job};
use serde_json::json;

const TWO: &str = "
  timeout: 2s
  metrics:
  - name: one
    help: h
    value: v
    query: SELECT 1 AS v
  - name: two
    help: h
    value: v
    query: SELECT v FROM t
";
const TABLE: &str = "CREATE TABLE t AS SELECT 2 AS v";

/// A collector with the good job above, whose gateway is somewhere.
async fn collector_that_pushes_to(url: &str, config: &str) -> Result<Collector> {
    let database = Postgres::shared().await?.database().await?;
    database.execute(TABLE).await?;
    let environment = database.environment().into_iter().chain([
        ("PUSHGATEWAY_URL", url.to_owned()),
        ("GATEWAY_PASSWORD", GATEWAY_PASSWORD.to_owned()),
        ("TOKEN", TOKEN.to_owned()),
    ]);
    Collector::new(&[("a.yaml", config)], environment, Duration::from_secs(30))
}

#[tokio::test]
async fn a_gateway_that_is_down() -> Result<()> {
    let address = refusing()?;
    let collector = collector_that_pushes_to(&format!("http://{address}"), &job(TWO)).await?;
    // With a scheduled time, lateness cannot be told, and the job runs.
    let event = json!({"job": "j", "scheduled_time": "2026-01-31T10:20:00Z"});
    let failure = collector.invoke(&event).await?.expect_err("no gateway");
    assert_eq!(failure.error_type, "push", "{failure}");
    let start = format!(
        "job j: nothing was pushed: the gateway at http://{address} could not be reached: Connection refused (os error \
         111); gave up after "
    );
    assert!(failure.message.starts_with(&start), "{failure}");
    let log = collector.log();
    assert!(
        log.contains("cannot tell whether this delivery is late; running"),
        "{log}"
    );
    assert!(
        log.contains("what the run tells of itself could not be pushed"),
        "{log}"
    );
    Ok(())
}

#[tokio::test]
async fn a_gateway_that_accepts_and_says_nothing() -> Result<()> {
    let hanging = Hanging::start().await?;
    let url = format!("http://{}", hanging.address());
    let collector = collector_that_pushes_to(&url, &job(TWO)).await?;
    let failure = collector.invoke(&json!({"job": "j"})).await?.expect_err("no answer");
    assert_eq!(failure.error_type, "push", "{failure}");
    let start = format!("job j: nothing was pushed: the gateway at {url} did not answer within ");
    assert!(failure.message.starts_with(&start), "{failure}");
    Ok(())
}

#[tokio::test]
async fn a_gateway_that_freezes_between_two_runs_keeps_the_last_good_series() -> Result<()> {
    let mut stage = Stage::new(&job(TWO), TABLE).await?;
    stage.succeed("j").await?;
    let before = stage.gateway.pushed().await?;
    stage.database.execute("UPDATE t SET v = 3").await?;
    stage.gateway.freeze()?;
    let (kind, message) = stage.fail("j").await?;
    assert_eq!(kind, "push", "{message}");
    assert!(message.contains(" did not answer within "), "{message}");
    stage.gateway.thaw()?;
    // What had been sent before the freeze may still be taken, whole: the old values or the new ones.
    let after = stage.gateway.pushed().await?;
    let taken = after.contains("\ntwo{instance=\"\",job=\"j\"} 3\n");
    assert!(after == before || taken, "{after}");
    stage.succeed("j").await?;
    assert_eq!(stage.gateway.series("two").await?, [r#"two{instance="",job="j"} 3"#]);
    Ok(())
}

#[tokio::test]
async fn a_gateway_that_lost_everything_is_filled_again() -> Result<()> {
    let mut stage = Stage::new(&job(TWO), TABLE).await?;
    stage.deliver("j", "2026-01-31T10:20:00Z").await??;
    stage.gateway.stop()?;
    stage.gateway.start_again().await?;
    // The same delivery again: nothing is there that it could be late for.
    stage.deliver("j", "2026-01-31T10:20:00Z").await??;
    assert_eq!(stage.gateway.series("two").await?, [r#"two{instance="",job="j"} 2"#]);
    assert_eq!(stage.told("j").await?.job("up"), Some(1.0));
    Ok(())
}

#[tokio::test]
async fn a_type_clash_with_another_group_is_refused_and_leaves_the_group_untouched() -> Result<()> {
    let stage = Stage::new(&job(TWO), TABLE).await?;
    stage.succeed("j").await?;
    let success = stage.told("j").await?.job("last_success_timestamp_seconds");
    // A job of somebody else whose metric has the name that ours will have, and another type.
    stage
        .gateway
        .put("job/other", "# TYPE three counter\nthree 9\n")
        .await?;
    let with_three = job(&TWO.replace("name: two", "name: three"));
    let environment = stage
        .database
        .environment()
        .into_iter()
        .chain([("PUSHGATEWAY_URL", stage.gateway.url())]);
    let changed = Collector::new(&[("a.yaml", &with_three)], environment, Duration::from_secs(30))?;
    let failure = changed.invoke(&json!({"job": "j"})).await?.expect_err("a clash");
    assert_eq!(failure.error_type, "push");
    assert!(
        failure.message.starts_with(&format!(
            "job j: nothing was pushed: the gateway at {} refused the request with 400 Bad Request: ",
            stage.gateway.url()
        )),
        "{failure}"
    );
    assert!(
        failure.message.contains("collected metric \"three\"") && failure.message.contains("is not a "),
        "{failure}"
    );
    let log = changed.log();
    assert!(
        log.contains("pushed metrics are invalid or inconsistent"),
        "the gateway's message is logged: {log}"
    );
    assert!(!log.contains("trying again"), "a refusal is final: {log}");

    assert_eq!(stage.gateway.series("one").await?, [r#"one{instance="",job="j"} 1"#]);
    assert_eq!(stage.gateway.series("two").await?, [r#"two{instance="",job="j"} 2"#]);
    assert_eq!(
        stage.gateway.series("three").await?,
        [r#"three{instance="",job="other"} 9"#]
    );
    let told = stage.told("j").await?;
    assert_eq!(told.job("up"), Some(0.0));
    assert_eq!(told.job("last_success_timestamp_seconds"), success);
    // The metrics could be made; it is the push that failed, and that nothing was pushed is in the series.
    assert_eq!(told.metrics("up"), "one=1 three=1");
    Ok(())
}

#[tokio::test]
async fn a_gateway_that_stumbles_is_tried_again() -> Result<()> {
    let gateway = Answering::start(&[(503, "not now"), (500, "still not"), (202, "")]).await?;
    let collector = collector_that_pushes_to(&gateway.url(), &job(TWO)).await?;
    let answer = collector.invoke(&json!({"job": "j"})).await??;
    assert_eq!(answer, json!({"job": "j", "series": 2}));
    assert_eq!(
        gateway.requests(),
        [
            "PUT /metrics/job/j",
            "PUT /metrics/job/j",
            "PUT /metrics/job/j",
            "PUT /metrics/job/fanlight/fanlight_job/j"
        ]
    );
    let log = collector.log();
    assert!(
        log.contains("answered 503 Service Unavailable: not now; trying again in "),
        "{log}"
    );
    Ok(())
}

#[tokio::test]
async fn a_gateway_that_refuses_is_not_tried_again() -> Result<()> {
    let gateway = Answering::start(&[(413, "too much"), (202, "")]).await?;
    let collector = collector_that_pushes_to(&gateway.url(), &job(TWO)).await?;
    let failure = collector.invoke(&json!({"job": "j"})).await?.expect_err("a refusal");
    assert!(
        failure.message.ends_with(
            "refused the request with 413 Payload Too Large: too much (a proxy in front of the gateway limits the size of requests)"
        ),
        "{failure}"
    );
    assert_eq!(
        gateway.requests(),
        ["PUT /metrics/job/j", "POST /metrics/job/fanlight/fanlight_job/j"],
        "the self-metrics say that it failed"
    );
    Ok(())
}

/// A job behind a sink with credentials.
fn with_sink(sink: &str) -> String {
    format!(
        "sinks:\n  default:\n    pushgateway:\n      url: '{{{{PUSHGATEWAY_URL}}}}'\n{sink}{}",
        job(TWO)
    )
}

#[tokio::test]
async fn tls_and_basic_authentication() -> Result<()> {
    let gateway = Pushgateway::start_guarded().await?;
    let certificate = fs::read_to_string(gateway.ca_file())?;
    let sink = format!("      basic: {{username: {GATEWAY_USER}, password: '{{{{GATEWAY_PASSWORD}}}}'}}\n");
    let trusting = format!("      ca_file: ca.pem\n{sink}");
    let collector = collector_that_pushes_to(&gateway.url(), &with_sink(&trusting)).await?;
    collector.config.write("ca.pem", &certificate)?;
    collector.invoke(&json!({"job": "j"})).await??;
    assert_eq!(gateway.series("two").await?, [r#"two{instance="",job="j"} 2"#]);
    canary::absent("the gateway", &gateway.metrics().await?)?;
    canary::absent("the gateway's log", &gateway.log())?;

    let wrong = with_sink(&trusting.replace("{{GATEWAY_PASSWORD}}", "{{TOKEN}}"));
    for (config, words) in [
        (
            &wrong,
            "401 Unauthorized: Unauthorized (check the sink's `basic` or `bearer`)",
        ),
        (
            &with_sink(&sink),
            "could not be reached: invalid peer certificate: UnknownIssuer",
        ),
    ] {
        let collector = collector_that_pushes_to(&gateway.url(), config).await?;
        collector.config.write("ca.pem", &certificate)?;
        let failure = collector.invoke(&json!({"job": "j"})).await?.expect_err(words);
        assert!(failure.message.contains(words), "{failure}");
    }
    Ok(())
}

#[tokio::test]
async fn a_bearer_token() -> Result<()> {
    let gateway = Answering::start(&[(202, "")]).await?;
    let config = with_sink("      bearer: '{{TOKEN}}'\n");
    let collector = collector_that_pushes_to(&gateway.url(), &config).await?;
    collector.invoke(&json!({"job": "j"})).await??;
    let authorizations = gateway.header("authorization");
    assert_eq!(
        authorizations,
        vec![format!("Bearer {TOKEN}"); 2],
        "data and self-metrics"
    );
    Ok(())
}

#[tokio::test]
async fn a_gateway_url_with_credentials_in_it_is_refused_without_showing_them() -> Result<()> {
    let url = "http://pusher:let%20me%3A%20in@127.0.0.1:1";
    let collector = collector_that_pushes_to(url, &job(TWO)).await?;
    let failure = collector.invoke(&json!({"job": "j"})).await?.expect_err("credentials");
    assert_eq!(failure.error_type, "sink");
    assert_eq!(
        failure.message,
        "job j: sink `default`: the sink's `url` holds credentials: put them under `basic` or `bearer` instead"
    );
    assert!(!collector.log().contains("let%20me"));
    Ok(())
}

#[tokio::test]
async fn a_gateway_url_that_nobody_gave() -> Result<()> {
    let database = Postgres::shared().await?.database().await?;
    let collector = Collector::new(
        &[("a.yaml", &job(TWO))],
        database.environment(),
        Duration::from_secs(30),
    )?;
    let failure = collector.invoke(&json!({"job": "j"})).await?.err().context("no sink")?;
    assert_eq!(failure.error_type, "sink");
    assert!(
        failure.message.starts_with(
            "job j: sink `default`: {{PUSHGATEWAY_URL}}: the environment variable PUSHGATEWAY_URL is not set"
        ),
        "{failure}"
    );
    Ok(())
}
