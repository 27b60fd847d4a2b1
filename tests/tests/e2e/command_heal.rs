//! `fanlight heal`, and the collector that heals by itself: jobs whose groups vanished run again, and no others.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result};
use fanlight_tests::{Collector, ConfigFolder, Ended, Stage, fanlight, fanlight_in};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};

/// A job that is due once a year, one every minute, and one that is switched off.
const CONFIG: &str = "
defaults: {source: 'postgres://{{DB_USERNAME}}:{{DB_PASSWORD}}@{{DB_HOST}}/{{DB_NAME}}'}
jobs:
- name: yearly
  schedule: '0 0 1 1 *'
  metrics:
  - name: due_year
    help: H.
    value: v
    query: SELECT extract(year FROM $1::timestamptz AT TIME ZONE 'UTC') AS v FROM t
    parameters: [{scheduled_time: 0s}]
- name: often
  schedule: '* * * * *'
  metrics: [{name: often_number, help: H., value: v, query: SELECT 1 AS v}]
- name: idle
  enabled: false
  schedule: '0 0 1 1 *'
  metrics: [{name: idle_number, help: H., value: v, query: SELECT 1 AS v}]
";
const TABLE: &str = "CREATE TABLE t AS SELECT 1 AS v";

async fn stage() -> Result<Stage> {
    Stage::new(CONFIG, TABLE).await
}

async fn heal(stage: &Stage, arguments: &[&str]) -> Result<Ended> {
    let config = ConfigFolder::new(&[("a.yaml", CONFIG)])?;
    let url = ("PUSHGATEWAY_URL", stage.gateway.url());
    let environment = stage.database.environment().into_iter().chain([url]);
    fanlight(
        config.path(),
        ["--config", ".", "heal"].iter().chain(arguments),
        environment,
    )
    .await
}

async fn restart(stage: &mut Stage) -> Result<()> {
    stage.gateway.stop()?;
    stage.gateway.start_again().await
}

/// The first of January.
fn due() -> String {
    format!("{}-01-01T00:00:00Z", Timestamp::now().strftime("%Y"))
}

async fn invoke(stage: &Stage, event: Value) -> Result<Value> {
    Ok(stage.collector.invoke(&event).await??)
}

#[tokio::test]
async fn what_a_restart_took_is_run_again_for_the_time_that_it_was_due() -> Result<()> {
    let mut stage = stage().await?;
    stage.succeed("yearly").await?;
    restart(&mut stage).await?;
    let listed = heal(&stage, &["--dry-run", "yearly"]).await?;
    assert_eq!(
        (listed.status, listed.out),
        (Some(0), format!("yearly: vanished; would run for {}\n", due()))
    );
    assert_eq!(stage.gateway.keys().await?, [""; 0]);

    let healed = heal(&stage, &["yearly"]).await?;
    assert_eq!(healed.status, Some(0), "{}", healed.err);
    let running = format!("yearly: vanished; running for {}\nyearly: 1 series in ", due());
    assert!(healed.out.starts_with(&running), "{}", healed.out);
    let year: f64 = Timestamp::now().strftime("%Y").to_string().parse()?;
    assert!((stage.gateway.value("due_year{").await? - year).abs() < f64::EPSILON);
    let scheduled = due().parse::<Timestamp>()?.as_second();
    assert_eq!(
        stage.told("yearly").await?.job("scheduled_timestamp_seconds"),
        Some(scheduled as f64)
    );

    let again = heal(&stage, &["yearly"]).await?;
    assert_eq!(
        (again.status, again.out.as_str()),
        (Some(0), "nothing to heal\n"),
        "{}",
        again.err
    );
    // The rule of late deliveries goes on from there.
    let late = stage.deliver("yearly", "2020-01-01T00:00:00Z").await??;
    assert!(late["skipped"].is_string(), "{late}");
    Ok(())
}

#[tokio::test]
async fn series_that_are_gone_while_their_run_is_told_come_back() -> Result<()> {
    let stage = stage().await?;
    stage.deliver("yearly", &due()).await??;
    stage.gateway.delete("job/yearly").await?;
    let doubled = stage.deliver("yearly", &due()).await??;
    assert!(
        doubled["skipped"].is_string(),
        "the collector alone takes it for a doubled delivery: {doubled}"
    );
    let healed = heal(&stage, &["yearly"]).await?;
    assert_eq!(healed.status, Some(0), "{}", healed.err);
    assert_eq!(stage.gateway.series("due_year").await?.len(), 1);

    // The group may stand all the same: others push to it.
    stage.gateway.delete("job/yearly").await?;
    stage.gateway.put("job/yearly", "theirs 1\n").await?;
    let healed = heal(&stage, &["yearly"]).await?;
    assert_eq!(healed.status, Some(0), "{}", healed.err);
    assert_eq!(stage.gateway.series("due_year").await?.len(), 1, "{}", healed.out);
    Ok(())
}

#[tokio::test]
async fn the_collector_heals_by_itself_what_runs_rarely() -> Result<()> {
    let mut stage = stage().await?;
    stage.succeed("yearly").await?;
    stage.succeed("often").await?;
    assert_eq!(
        invoke(&stage, json!({"heal": {}})).await?,
        json!({"healed": [], "waiting": []})
    );
    restart(&mut stage).await?;
    let answer = invoke(&stage, json!({"heal": {}})).await?;
    assert_eq!(answer["healed"], json!([{"job": "yearly", "series": 1}]), "{answer}");
    assert_eq!(answer["waiting"][0]["job"], json!("often"), "{answer}");
    let reason = answer["waiting"][0]["reason"].as_str().unwrap_or_default();
    assert!(reason.ends_with(", for it runs every 1m"), "{reason}");
    assert_eq!(
        stage.gateway.keys().await?,
        ["fanlight_job=yearly job=fanlight", "job=yearly"]
    );
    // A second one, as Lambda may deliver it.
    assert_eq!(invoke(&stage, json!({"heal": {}})).await?["healed"], json!([]));
    Ok(())
}

#[tokio::test]
async fn the_least_period_is_what_the_event_says_or_else_the_configuration() -> Result<()> {
    let stage = stage().await?;
    let a_year = json!({"heal": {"min_period": "400d"}});
    assert_eq!(invoke(&stage, a_year).await?["healed"], json!([]));
    let heal = "heal: {schedule: '7 * * * *', min_period: 400d}\n";
    let environment = || {
        let url = ("PUSHGATEWAY_URL", stage.gateway.url());
        stage.database.environment().into_iter().chain([url])
    };
    let files = [("fanlight.yaml", heal), ("a.yaml", CONFIG)];
    let collector = Collector::new(&files, environment(), Duration::from_secs(30))?;
    let answer = collector.invoke(&json!({"heal": {"jobs": ["yearly"]}})).await??;
    assert_eq!(answer["healed"], json!([]), "{answer}");
    let answer = collector
        .invoke(&json!({"heal": {"jobs": ["yearly"], "min_period": "1h"}}))
        .await??;
    assert_eq!(answer["healed"], json!([{"job": "yearly", "series": 1}]));
    Ok(())
}

#[tokio::test]
async fn a_job_that_fails_is_told_and_not_tried_again_at_once() -> Result<()> {
    let stage = stage().await?;
    stage.database.execute("DROP TABLE t").await?;
    let failure = stage
        .collector
        .invoke(&json!({"heal": {}}))
        .await?
        .expect_err("the table is gone");
    assert_eq!(failure.error_type, "heal");
    assert!(
        failure.message.starts_with("job yearly: due_year failed: ") && failure.message.contains("relation \"t\""),
        "{failure}"
    );
    let answer = invoke(&stage, json!({"heal": {}})).await?;
    let reason = answer["waiting"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|left| left["job"] == "yearly");
    let reason = reason.and_then(|left| left["reason"].as_str()).unwrap_or_default();
    assert!(reason.contains(" failed; it is tried again from "), "{answer}");
    let ended = heal(&stage, &["--min-period", "1h"]).await?;
    assert!(
        ended.out.contains("yearly: vanished; not run: its run at "),
        "{}",
        ended.out
    );
    // Whoever has mended it says so by its name.
    stage.database.execute(TABLE).await?;
    let ended = heal(&stage, &["yearly"]).await?;
    assert_eq!(ended.status, Some(0), "{}{}", ended.out, ended.err);
    assert_eq!(stage.gateway.series("due_year").await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_gateway_that_is_down_is_an_error() -> Result<()> {
    let mut stage = stage().await?;
    stage.gateway.stop()?;
    let failure = stage
        .collector
        .invoke(&json!({"heal": {}}))
        .await?
        .expect_err("the gateway is down");
    assert_eq!(failure.error_type, "heal");
    assert!(
        failure.message.starts_with("sink `default`: the gateway at "),
        "{failure}"
    );
    let ended = heal(&stage, &[]).await?;
    assert_eq!((ended.status, ended.out.as_str()), (Some(1), ""));
    assert!(ended.err.contains("nothing of it is healed"), "{}", ended.err);
    Ok(())
}

#[tokio::test]
async fn names_that_cannot_be_healed_are_told() -> Result<()> {
    let stage = stage().await?;
    for (name, words) in [
        ("yaerly", "did you mean `yearly`?"),
        ("idle", "the job `idle` is disabled"),
    ] {
        let ended = heal(&stage, &[name]).await?;
        assert_eq!((ended.status, ended.out.as_str()), (Some(1), ""), "{name}");
        assert!(ended.err.contains(words), "{}", ended.err);
        let failure = stage
            .collector
            .invoke(&json!({"heal": {"jobs": [name]}}))
            .await?
            .expect_err(name);
        assert!(failure.message.contains(words), "{failure}");
    }
    Ok(())
}

#[tokio::test]
async fn an_event_that_heals_nothing_is_malformed() -> Result<()> {
    let stage = stage().await?;
    let failure = stage
        .collector
        .invoke(&json!({"heal": {"perid": "1h"}}))
        .await?
        .expect_err("a typing error");
    assert_eq!(failure.error_type, "malformed_event");
    assert!(failure.message.contains("unknown field `perid`"), "{failure}");
    Ok(())
}

#[tokio::test]
async fn the_local_runner_heals_on_the_schedule() -> Result<()> {
    let stage = stage().await?;
    let rare = CONFIG.replace("'* * * * *'", "'0 0 1 1 *'");
    let heal = "heal: {schedule: '* * * * *'}\n";
    let config = ConfigFolder::new(&[("fanlight.yaml", heal), ("a.yaml", &rare)])?;
    let url = ("PUSHGATEWAY_URL", stage.gateway.url());
    let environment = stage.database.environment().into_iter().chain([url]);
    let arguments = ["--config", ".", "dev", "--listen", "127.0.0.1:0"];
    let mut child = fanlight_in(config.path(), arguments, environment)?
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("standard output")?).lines();
    let mut told = Vec::new();
    while !told
        .iter()
        .any(|line: &String| line.ends_with("  heal  ran yearly, often, whose groups had vanished"))
    {
        told.push(
            lines
                .next_line()
                .await?
                .with_context(|| format!("it ended: {told:?}"))?,
        );
    }
    let plan = "  heal  first look for what vanished (* * * * * UTC)";
    assert!(told.iter().any(|line| line.ends_with(plan)), "{told:?}");
    assert_eq!(stage.gateway.series("due_year").await?.len(), 1);
    let pid = child.id().context("running")?.to_string();
    let interrupted = std::process::Command::new("kill").args(["-INT", &pid]).status()?;
    assert!(interrupted.success());
    let ended = tokio::time::timeout(Duration::from_secs(20), child.wait()).await??;
    assert_eq!(ended.code(), Some(0));
    Ok(())
}
