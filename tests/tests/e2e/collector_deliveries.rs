//! Events that are late, doubled, malformed, or for jobs that do not run.

use anyhow::Result;
use fanlight_tests::{Stage, job};
use serde_json::json;

const COUNT: &str = "
  metrics:
  - name: m
    help: h
    value: v
    query: SELECT 1 / v * 6 AS v FROM t
";
const TABLE: &str = "CREATE TABLE t AS SELECT 1 AS v";

#[tokio::test]
async fn a_late_delivery_changes_nothing_and_says_so() -> Result<()> {
    let stage = Stage::new(&job(COUNT), TABLE).await?;
    stage.deliver("j", "2026-01-31T10:20:00Z").await??;
    let before = stage.gateway.metrics().await?;
    stage.database.execute("UPDATE t SET v = -1").await?;
    let answer = stage.deliver("j", "2026-01-31T10:10:00Z").await??;
    let reason = "the delivery for 2026-01-31T10:10:00Z is late: the gateway already holds the series of \
                  2026-01-31T10:20:00Z";
    assert_eq!(answer, json!({"job": "j", "skipped": reason}));
    let log = stage.collector.log();
    assert!(
        log.lines()
            .any(|line| line.contains("skipped") && line.contains(reason)),
        "{log}"
    );
    assert_eq!(
        pushes(&stage.gateway.metrics().await?),
        pushes(&before),
        "not even a push time has changed"
    );

    stage.deliver("j", "2026-01-31T10:30:00Z").await??;
    assert_eq!(stage.gateway.series("m").await?, [r#"m{instance="",job="j"} -6"#]);
    Ok(())
}

/// What was pushed, and when.
fn pushes(metrics: &str) -> Vec<&str> {
    let of_groups = |line: &&str| line.contains(r#"job=""#);
    metrics.lines().filter(of_groups).collect()
}

#[tokio::test]
async fn a_doubled_delivery_after_a_success_changes_nothing_and_says_so() -> Result<()> {
    let stage = Stage::new(&job(COUNT), TABLE).await?;
    stage.deliver("j", "2026-01-31T10:20:00Z").await??;
    stage.database.execute("UPDATE t SET v = -1").await?;
    let answer = stage.deliver("j", "2026-01-31T10:20:00Z").await??;
    let reason = "the delivery for 2026-01-31T10:20:00Z is doubled: the gateway already holds the series of \
                  2026-01-31T10:20:00Z";
    assert_eq!(answer, json!({"job": "j", "skipped": reason}));
    assert_eq!(stage.gateway.series("m").await?, [r#"m{instance="",job="j"} 6"#]);
    Ok(())
}

#[tokio::test]
async fn a_delivery_that_is_tried_again_after_a_failure_runs() -> Result<()> {
    let two = COUNT.to_owned() + "  - name: n\n    help: h\n    value: v\n    query: SELECT 1 AS v\n";
    let stage = Stage::new(&job(&two), TABLE).await?;
    stage.database.execute("UPDATE t SET v = 0").await?;
    let failure = stage
        .deliver("j", "2026-01-31T10:20:00Z")
        .await?
        .expect_err("a division by zero");
    assert!(failure.message.ends_with("the other metrics were pushed"), "{failure}");
    assert_eq!(
        stage.told("j").await?.job("scheduled_timestamp_seconds"),
        Some(1_769_854_800.0)
    );
    stage.database.execute("UPDATE t SET v = 1").await?;
    let answer = stage.deliver("j", "2026-01-31T10:20:00Z").await??;
    assert_eq!(answer, json!({"job": "j", "series": 2}));
    assert_eq!(stage.gateway.series("m").await?, [r#"m{instance="",job="j"} 6"#]);
    Ok(())
}

#[tokio::test]
async fn jobs_are_late_each_on_its_own() -> Result<()> {
    let one = job(COUNT);
    let other = one
        .trim_start_matches("jobs:\n")
        .replace("name: j", "name: k")
        .replace("name: m", "name: n");
    let stage = Stage::new(&format!("{one}{other}"), TABLE).await?;
    stage.deliver("j", "2026-01-31T10:20:00Z").await??;
    let answer = stage.deliver("k", "2026-01-31T10:10:00Z").await??;
    assert_eq!(answer, json!({"job": "k", "series": 1}));
    Ok(())
}

#[tokio::test]
async fn deployments_that_share_a_gateway_are_told_apart_by_their_grouping() -> Result<()> {
    let config = format!(
        "sinks:\n  blue: {{pushgateway: {{url: '{{{{PUSHGATEWAY_URL}}}}', grouping: {{cluster: blue/1}}}}}}\n{}",
        job(COUNT)
    );
    let stage = Stage::new(&config, TABLE).await?;
    stage
        .gateway
        .put(
            "job/fanlight/fanlight_job/j",
            "# TYPE fanlight_job_scheduled_timestamp_seconds gauge\nfanlight_job_scheduled_timestamp_seconds 4e9\n",
        )
        .await?;
    stage.deliver("j", "2026-01-31T10:20:00Z").await??;
    assert_eq!(
        stage.gateway.series("m").await?,
        [r#"m{cluster="blue/1",instance="",job="j"} 6"#]
    );
    let answer = stage.deliver("j", "2026-01-31T10:20:00Z").await??;
    assert!(answer["skipped"].is_string(), "{answer}");
    Ok(())
}

#[tokio::test]
async fn an_event_that_names_no_job_to_run_is_a_clear_error() -> Result<()> {
    let disabled = job(COUNT)
        .replace("name: j", "name: off\n  enabled: false")
        .replace("name: m", "name: n");
    let config = format!("{}{}", job(COUNT), disabled.trim_start_matches("jobs:\n"));
    let stage = Stage::new(&config, TABLE).await?;
    let expected =
        "; expected {\"job\": \"NAME\", \"scheduled_time\": \"2026-01-31T10:20:00Z\"} or {\"watchdog\": true}";
    let malformed = |problem: &str| format!("malformed event: {problem}{expected}");
    for (event, kind, message) in [
        (
            json!({"job": "offf"}),
            "unknown_job",
            "there is no job `offf`; did you mean `off`?".to_owned(),
        ),
        (
            json!({"job": "transfers"}),
            "unknown_job",
            "there is no job `transfers`; the jobs are j, off".to_owned(),
        ),
        (
            json!({"job": "off"}),
            "disabled_job",
            "the job `off` is disabled; remove `enabled: false` from it to run it".to_owned(),
        ),
        (json!({}), "malformed_event", malformed("missing field `job`")),
        (json!("j"), "malformed_event", malformed("it is not a JSON object")),
        (json!(null), "malformed_event", malformed("it is not a JSON object")),
        (
            json!({"job": "j", "scheduled_time": "<aws.scheduler.scheduled-time>"}),
            "malformed_event",
            malformed(
                "`scheduled_time` is the unfilled <aws.scheduler.scheduled-time>: only EventBridge Scheduler replaces it",
            ),
        ),
        (
            json!({"job": "j", "Records": []}),
            "malformed_event",
            malformed("unknown field `Records`, expected `job` or `scheduled_time`"),
        ),
    ] {
        let failure = stage.collector.invoke(&event).await?.expect_err(&message);
        assert_eq!(
            (failure.error_type.as_str(), failure.message.as_str()),
            (kind, message.as_str()),
            "{event}"
        );
        // As Lambda reports it to whoever invoked.
        let payload: serde_json::Value = serde_json::from_slice(&failure.payload)?;
        assert_eq!(payload, json!({"errorType": kind, "errorMessage": message}), "{event}");
    }
    assert!(
        stage.gateway.groups().await?.is_empty(),
        "none of them touched the gateway"
    );
    stage.succeed("j").await?;
    Ok(())
}

/// The older run takes three seconds, the newer none; each gives the minute that it is for.
const SLOW_FOR_TEN_PAST: &str = "
  metrics:
  - name: m
    help: h
    value: v
    query: |
      SELECT extract(minute FROM $1::timestamptz) AS v
      FROM pg_sleep(CASE WHEN extract(minute FROM $1::timestamptz) = 10 THEN 3 ELSE 0 END)
    parameters: [{scheduled_time: 0s}]
";

#[tokio::test]
async fn a_run_that_a_newer_one_has_overtaken_changes_nothing_and_says_so() -> Result<()> {
    let stage = Stage::new(&job(SLOW_FOR_TEN_PAST), "SELECT 1").await?;
    let newer = async {
        stage.until_a_query_sleeps().await?;
        stage.deliver("j", "2026-01-31T10:20:00Z").await
    };
    let (older, newer) = tokio::join!(stage.deliver("j", "2026-01-31T10:10:00Z"), newer);
    assert_eq!(newer??, json!({"job": "j", "series": 1}));
    let older = older??;
    assert!(
        older["skipped"].as_str().is_some_and(|why| why.contains("is late")),
        "{older}"
    );
    assert_eq!(stage.gateway.series("m").await?, [r#"m{instance="",job="j"} 20"#]);
    assert_eq!(
        stage.told("j").await?.job("scheduled_timestamp_seconds"),
        Some(1_769_854_800.0)
    );
    Ok(())
}

#[tokio::test]
async fn a_delivery_from_the_future_is_refused() -> Result<()> {
    let stage = Stage::new(&job(COUNT), TABLE).await?;
    let failure = stage
        .deliver("j", "2999-01-31T10:10:00Z")
        .await?
        .expect_err("the future");
    assert_eq!(failure.error_type, "future", "{failure}");
    assert!(
        failure
            .message
            .contains("scheduled for 2999-01-31T10:10:00Z, which lies in the future"),
        "{failure}"
    );
    assert_eq!(stage.gateway.series("m").await?, Vec::<String>::new());
    Ok(())
}

#[tokio::test]
async fn a_future_time_in_the_gateway_does_not_stop_the_job() -> Result<()> {
    let stage = Stage::new(&job(COUNT), TABLE).await?;
    let held = "fanlight_job_scheduled_timestamp_seconds 32474887200\n";
    stage.gateway.put("job/fanlight/fanlight_job/j", held).await?;
    assert_eq!(
        stage.deliver("j", "2026-01-31T10:10:00Z").await??,
        json!({"job": "j", "series": 1})
    );
    let log = stage.collector.log();
    assert!(
        log.contains("the gateway holds the series of a time that has not come"),
        "{log}"
    );
    Ok(())
}
