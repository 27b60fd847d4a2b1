//! The watchdog: which jobs have not run, by what the gateway holds of them.

use anyhow::Result;
use fanlight_tests::{MetricFilter, Stage};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// A job; further settings follow, indented by two.
fn job(name: &str, schedule: &str, more: &str) -> String {
    format!(
        "- name: {name}
  schedule: '{schedule}'
  source: 'postgres://{{{{DB_USERNAME}}}}:{{{{DB_PASSWORD}}}}@{{{{DB_HOST}}}}/{{{{DB_NAME}}}}'
  metrics:
  - name: of_{name}
    help: h
    value: v
    query: SELECT 1 / v AS v FROM t
{more}"
    )
}

/// Every day at a time that lies so many minutes back.
fn daily(minutes_ago: i64) -> String {
    let time = Timestamp::now() - SignedDuration::from_mins(minutes_ago);
    time.strftime("%-M %-H * * *").to_string()
}

const WATCHDOG: &str = r#"{"watchdog": true}"#;

async fn watch(stage: &Stage) -> Result<Value> {
    Ok(stage.collector.invoke(&serde_json::from_str(WATCHDOG)?).await??)
}

const LAST_RUN: &str = "# TYPE fanlight_job_last_run_timestamp_seconds gauge\nfanlight_job_last_run_timestamp_seconds ";

/// A job that last ran so many minutes ago.
async fn ran(stage: &Stage, job: &str, minutes_ago: i64) -> Result<()> {
    let time = (Timestamp::now() - SignedDuration::from_mins(minutes_ago)).as_second();
    let gauge = format!("{LAST_RUN}{time}\n");
    stage
        .gateway
        .put(&format!("job/fanlight/fanlight_job/{job}"), &gauge)
        .await
}

#[tokio::test]
async fn a_job_that_has_not_run_when_it_should_have_is_told_of_until_it_runs() -> Result<()> {
    let jobs = [
        job("failing", "* * * * *", ""),
        job("never", "* * * * *", ""),
        job("ran_since", &daily(180), ""),
        job("stopped", &daily(180), ""),
        // Within its patience: ten minutes and its timeout.
        job("due_just_now", &daily(5), ""),
        job("due_just_now_with_jitter", &daily(20), "  jitter: 30m\n"),
        job("off", "* * * * *", "  enabled: false\n"),
    ];
    let stage = Stage::new(&format!("jobs:\n{}", jobs.concat()), "CREATE TABLE t AS SELECT 0 AS v").await?;
    // A job that runs and fails is no business of the watchdog's: its failure tells of itself.
    assert!(stage.run("failing").await?.is_err());
    ran(&stage, "ran_since", 120).await?;
    ran(&stage, "stopped", 240).await?;
    ran(&stage, "due_just_now", 23 * 60).await?;
    ran(&stage, "due_just_now_with_jitter", 23 * 60).await?;
    // Another job of the same name elsewhere.
    stage
        .gateway
        .put(
            "job/fanlight/fanlight_job/never/cluster/blue",
            &format!("{LAST_RUN}4102444800\n"),
        )
        .await?;

    assert_eq!(
        watch(&stage).await?,
        json!({"enabled": 6, "overdue": ["never", "stopped"]})
    );
    assert_eq!(MetricFilter::of("JobsOverdue")?.count(&stage.collector.log()), 1);
    // What the deployed metric filter adds up, and what somebody reads who is told of the alarm.
    let records = || {
        stage
            .collector
            .log()
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    };
    let log: Vec<Value> = records();
    let watched = log.iter().find(|record| record["message"] == "watched").unwrap();
    assert_eq!(
        (&watched["level"], &watched["overdue"]),
        (&json!("INFO"), &json!(2)),
        "{watched}"
    );
    let told: Vec<_> = log
        .iter()
        .filter(|record| record["level"] == "WARN" && record["due"].is_string())
        .map(|record| (record["job"].as_str().unwrap(), record["last_run"].is_string()))
        .collect();
    assert_eq!(told, [("never", false), ("stopped", true)]);

    stage.database.execute("UPDATE t SET v = 1").await?;
    stage.succeed("never").await?;
    stage.succeed("stopped").await?;
    assert_eq!(watch(&stage).await?, json!({"enabled": 6, "overdue": []}));
    Ok(())
}

#[tokio::test]
async fn a_gateway_that_is_down_is_an_error_and_no_all_clear() -> Result<()> {
    let mut stage = Stage::new(
        &format!("jobs:\n{}", job("j", "* * * * *", "")),
        "CREATE TABLE t AS SELECT 1 AS v",
    )
    .await?;
    stage.succeed("j").await?;
    assert_eq!(watch(&stage).await?, json!({"enabled": 1, "overdue": []}));
    stage.gateway.stop()?;
    let failure = stage
        .collector
        .invoke(&serde_json::from_str(WATCHDOG)?)
        .await?
        .unwrap_err();
    let failure: Value = serde_json::from_slice(&failure.payload)?;
    assert_eq!(failure["errorType"], "watchdog");
    let message = failure["errorMessage"].as_str().unwrap_or_default();
    assert!(
        message.starts_with("which jobs have run cannot be told: sink `default`: "),
        "{message}"
    );
    Ok(())
}
