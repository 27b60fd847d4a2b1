//! `fanlight status`: how every job is, in a table, in JSON and by the exit status.

use anyhow::Result;
use fanlight_tests::{fanlight_at_terminal, free_port};
use serde_json::{Value, json};

use crate::command_stage::CommandStage as Stage;

const CONFIG: &str = "
defaults: {source: 'postgres://{{DB_USERNAME}}:{{DB_PASSWORD}}@{{DB_HOST}}/{{DB_NAME}}', owner: payments}
jobs:
- name: well
  schedule: '0 6 * * *'
  timezone: Europe/Paris
  metrics: [{name: well_number, help: H., value: v, labels: [l], query: \"SELECT 1 AS v, unnest(ARRAY['a', 'b']) AS l\"}]
- name: broken
  schedule: '0 6 * * *'
  metrics:
  - {name: broken_number, help: H., value: v, query: SELECT 1 / 0 AS v}
  - {name: good_number, help: H., value: v, query: SELECT 1 AS v}
- name: new
  schedule: '0 6 * * *'
  metrics: [{name: new_number, help: H., value: v, query: SELECT 1 AS v}]
- name: idle
  enabled: false
  schedule: '0 6 * * *'
  metrics: [{name: idle_number, help: H., value: v, query: SELECT 1 AS v}]
";

impl Stage {
    async fn json(&self, arguments: &[&str]) -> Result<(Option<i32>, Value)> {
        let ended = self.fanlight(&[&["status", "--json"], arguments].concat()).await?;
        Ok((ended.status, serde_json::from_str(&ended.out)?))
    }
}

/// The cells of the line of a job.
fn cells<'a>(text: &'a str, job: &str) -> Vec<&'a str> {
    let line = text.lines().find(|line| line.split_whitespace().nth(1) == Some(job));
    line.unwrap_or_default()
        .split("  ")
        .map(str::trim)
        .filter(|cell| !cell.is_empty())
        .collect()
}

#[tokio::test]
async fn every_job_is_told_as_it_is() -> Result<()> {
    let stage = Stage::new(CONFIG).await?;
    assert_eq!(stage.fanlight(&["run", "well"]).await?.status, Some(0));
    assert_eq!(stage.fanlight(&["run", "broken"]).await?.status, Some(1));
    let ended = stage.fanlight(&["status"]).await?;
    assert_eq!(ended.status, Some(1), "{}", ended.err);
    assert!(
        !ended.out.contains('\u{1b}'),
        "no colour without a terminal: {}",
        ended.out
    );
    let well = cells(&ended.out, "well");
    assert_eq!(well[..2], ["ok", "well"], "{}", ended.out);
    // As the clocks of the schedule's own time zone show it.
    assert!(well[2].ends_with(" CET") || well[2].ends_with(" CEST"), "{well:?}");
    assert_eq!((well[4], well[6]), ("2", "-"), "{well:?}");
    assert!(well[7].contains(" 06:00 CE"), "{well:?}");
    let broken = cells(&ended.out, "broken");
    assert_eq!((broken[0], broken[2], broken[4]), ("failing", "-", "1"), "{broken:?}");
    assert!(
        broken[6].ends_with(" s ago") && broken[7].ends_with(" 06:00 UTC"),
        "{broken:?}"
    );
    assert_eq!(cells(&ended.out, "idle")[0], "disabled", "{}", ended.out);
    assert!(
        ended
            .out
            .contains("\nbroken: in its last run failed: broken_number (owner: payments)\n"),
        "{}",
        ended.out
    );
    assert!(
        ended.out.contains("\nnew: nothing stands in the gateway"),
        "{}",
        ended.out
    );
    let gateway = format!("\nsink `default` ({}): 4 groups, ", stage.gateway.url());
    assert!(ended.out.contains(&gateway), "{}", ended.out);

    // What is picked out decides the exit status.
    let ended = stage.fanlight(&["status", "well"]).await?;
    assert_eq!(ended.status, Some(0), "{}", ended.out);
    assert!(!ended.out.contains("broken"), "{}", ended.out);
    let wrong = stage.fanlight(&["status", "wel"]).await?;
    assert_eq!(wrong.status, Some(1));
    assert!(
        wrong.err.contains("there is no job `wel`; did you mean `well`?"),
        "{}",
        wrong.err
    );
    Ok(())
}

#[tokio::test]
async fn json_has_the_shape_that_is_documented() -> Result<()> {
    let stage = Stage::new(CONFIG).await?;
    stage.fanlight(&["run", "well"]).await?;
    stage.fanlight(&["run", "broken"]).await?;
    let (status, report) = stage.json(&[]).await?;
    assert_eq!((status, &report["well"]), (Some(1), &json!(false)));
    let keys = |value: &Value| {
        let mut keys: Vec<_> = value
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, _)| name.clone())
            .collect();
        keys.sort();
        keys.join(" ")
    };
    assert_eq!(keys(&report), "jobs sinks time well");
    let documented = "age_seconds duration_seconds enabled failed_metrics last_failure last_run last_success name next_run \
                      owner reason schedule scheduled_time series sink state timezone";
    let states: Vec<&Value> = report["jobs"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|job| &job["state"])
        .collect();
    assert_eq!(states[..2], ["ok", "failing"]);
    // The gateway was started when the jobs had been due, or before: it depends on the time of day.
    assert!(
        ["vanished", "never"].contains(&states[2].as_str().unwrap_or_default()),
        "{report}"
    );
    assert_eq!(states[3], "disabled");
    for job in report["jobs"].as_array().into_iter().flatten() {
        assert_eq!(keys(job), documented);
    }
    let well = &report["jobs"][0];
    assert_eq!(
        [
            &well["name"],
            &well["owner"],
            &well["enabled"],
            &well["sink"],
            &well["schedule"],
            &well["timezone"]
        ],
        [
            &json!("well"),
            &json!("payments"),
            &json!(true),
            &json!("default"),
            &json!("0 6 * * *"),
            &json!("Europe/Paris")
        ]
    );
    assert_eq!(
        (&well["series"], &well["failed_metrics"], &well["reason"]),
        (&json!(2), &json!([]), &json!(null))
    );
    assert!(
        well["age_seconds"].as_i64().is_some_and(|age| age >= 0) && well["duration_seconds"].is_f64(),
        "{well}"
    );
    for time in ["last_run", "last_success", "next_run", "scheduled_time"] {
        let text = well[time].as_str().unwrap_or_default();
        assert!(
            text.parse::<jiff::Timestamp>().is_ok() && text.ends_with('Z'),
            "{time}: {well}"
        );
    }
    let broken = &report["jobs"][1];
    assert_eq!(
        (&broken["failed_metrics"], &broken["last_success"]),
        (&json!(["broken_number"]), &json!(null))
    );
    assert_eq!(broken["last_failure"], broken["last_run"]);
    assert_eq!(report["jobs"][3]["next_run"], json!(null));
    assert_eq!(keys(&report["sinks"][0]), "at error groups name series started");
    assert_eq!(report["sinks"][0]["groups"], json!(4));
    let (status, report) = stage.json(&["well"]).await?;
    assert_eq!(
        (status, &report["well"], report["jobs"].as_array().map(Vec::len)),
        (Some(0), &json!(true), Some(1))
    );
    Ok(())
}

#[tokio::test]
async fn a_gateway_that_is_down_is_told_with_its_sink() -> Result<()> {
    let mut stage = Stage::new(CONFIG).await?;
    stage.fanlight(&["run", "well"]).await?;
    stage.gateway.stop()?;
    let ended = stage.fanlight(&["status"]).await?;
    assert_eq!(ended.status, Some(1));
    assert_eq!(cells(&ended.out, "well")[0], "unknown", "{}", ended.out);
    let words = format!(
        "\nsink `default`: the gateway at {} could not be reached",
        stage.gateway.url()
    );
    assert!(ended.out.contains(&words), "{}", ended.out);
    let (status, report) = stage.json(&[]).await?;
    assert_eq!((status, &report["jobs"][0]["state"]), (Some(1), &json!("unknown")));
    assert!(
        report["sinks"][0]["error"]
            .as_str()
            .is_some_and(|error| error.contains("could not be reached")),
        "{report}"
    );
    Ok(())
}

#[tokio::test]
async fn one_sink_that_is_down_hides_nothing_of_the_other() -> Result<()> {
    let port = free_port()?;
    let sinks = format!(
        "sinks:\n  down: {{pushgateway: {{url: 'http://127.0.0.1:{port}'}}}}\n  default: {{pushgateway: {{url: \
         '{{{{PUSHGATEWAY_URL}}}}'}}}}\n"
    );
    let config = sinks + &CONFIG.replace("- name: new\n", "- name: new\n  sink: down\n");
    let stage = Stage::new(&config).await?;
    stage.fanlight(&["run", "well"]).await?;
    let (_, report) = stage.json(&[]).await?;
    assert_eq!(
        (&report["jobs"][0]["state"], &report["jobs"][2]["state"]),
        (&json!("ok"), &json!("unknown"))
    );
    assert_eq!(
        report["jobs"][2]["reason"],
        json!("it is not known what the gateway of the sink `down` holds")
    );
    Ok(())
}

#[tokio::test]
async fn what_a_restart_took_is_told_as_vanished() -> Result<()> {
    // Due a minute ago or less, and so before the gateway came up again.
    let mut stage = Stage::new(&CONFIG.replace("'0 6 * * *'", "'0 0 1 1 *'")).await?;
    stage.fanlight(&["run", "well"]).await?;
    stage.gateway.stop()?;
    stage.gateway.start_again().await?;
    let (status, report) = stage.json(&["well"]).await?;
    assert_eq!((status, &report["jobs"][0]["state"]), (Some(1), &json!("vanished")));
    let reason = report["jobs"][0]["reason"].as_str().unwrap_or_default();
    assert!(
        reason.contains("which was started at ") && reason.ends_with("after the job was last due"),
        "{reason}"
    );
    Ok(())
}

#[tokio::test]
async fn a_job_with_a_mistake_is_listed_as_one() -> Result<()> {
    let stage = Stage::new(&CONFIG.replace("- name: new\n", "- name: new\n  on_eror: keep\n")).await?;
    stage.fanlight(&["run", "well"]).await?;
    let ended = stage.fanlight(&["status"]).await?;
    assert_eq!(ended.status, Some(1));
    assert_eq!(cells(&ended.out, "new")[..2], ["mistake", "new"], "{}", ended.out);
    assert!(
        ended
            .err
            .contains("the configuration has mistakes, which `fanlight check` shows"),
        "{}",
        ended.err
    );
    let (_, report) = stage.json(&["new"]).await?;
    assert_eq!(
        (&report["jobs"][0]["state"], &report["jobs"][0]["enabled"]),
        (&json!("mistake"), &json!(null))
    );
    Ok(())
}

#[tokio::test]
async fn a_terminal_gets_colours_unless_it_wants_none() -> Result<()> {
    let stage = Stage::new(CONFIG).await?;
    stage.fanlight(&["run", "well"]).await?;
    let arguments = ["--config", ".", "status", "well"];
    let seen = fanlight_at_terminal(stage.config.path(), &arguments, stage.environment(), ("", "")).await?;
    assert!(seen.text.contains("\u{1b}[32mok\u{1b}[0m "), "{}", seen.text);
    let environment = stage.environment().into_iter().chain([("NO_COLOR", "1".to_owned())]);
    let seen = fanlight_at_terminal(stage.config.path(), &arguments, environment, ("", "")).await?;
    assert!(!seen.text.contains('\u{1b}'), "{}", seen.text);
    Ok(())
}
