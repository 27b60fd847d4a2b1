//! `fanlight dev` with the real collector: Lambda's Invoke API in front of it, and nothing left when it is interrupted.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use fanlight_tests::{ConfigFolder, Postgres, Pushgateway, fanlight_in, job, post};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};

const METRIC: &str = "
  metrics:
  - name: things
    help: Things.
    value: v
    query: SELECT 7 AS v
";

#[tokio::test]
async fn a_job_is_invoked_through_lambdas_api_and_an_interrupt_leaves_nothing_behind() -> Result<()> {
    let database = Postgres::shared().await?.database().await?;
    let gateway = Pushgateway::start().await?;
    // A schedule that does not fire while the test runs.
    let config = ConfigFolder::new(&[("a.yaml", &job(METRIC).replace("* * * * *", "0 0 29 2 *"))])?;
    let environment = database
        .environment()
        .into_iter()
        .chain([("PUSHGATEWAY_URL", gateway.url())]);
    let mut child = fanlight_in(
        config.path(),
        ["--config", ".", "dev", "--listen", "127.0.0.1:0"],
        environment,
    )?
    .stdout(Stdio::piped())
    .stderr(Stdio::piped())
    .spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("standard output")?).lines();
    let mut address = None;
    while address.is_none() {
        let line = lines.next_line().await?.context("it ended before it listened")?;
        address = line.split_once("http://").map(|(_, address)| address.to_owned());
    }
    let address = address.context("an address")?;

    let url = format!("http://{address}/2015-03-31/functions/collector/invocations");
    let invoke =
        async |event: Value| -> Result<Value> { Ok(serde_json::from_str(&post(&url, &event.to_string()).await?)?) };
    assert_eq!(invoke(json!({"job": "j"})).await?, json!({"job": "j", "series": 1}));
    assert_eq!(gateway.series("things").await?, [r#"things{instance="",job="j"} 7"#]);
    let unknown = invoke(json!({"job": "k"})).await?;
    assert_eq!(unknown["errorType"], "unknown_job");

    let folder = config.path().canonicalize()?.display().to_string();
    ensure!(
        !processes_with(&folder).is_empty(),
        "the collector's process is not found at all"
    );
    let pid = child.id().context("running")?.to_string();
    ensure!(
        std::process::Command::new("kill")
            .args(["-INT", &pid])
            .status()?
            .success()
    );
    let status = tokio::time::timeout(Duration::from_secs(20), child.wait()).await??;
    assert_eq!(status.code(), Some(0));
    assert_eq!(processes_with(&folder), Vec::<String>::new());
    let mut err = String::new();
    child
        .stderr
        .take()
        .context("standard error")?
        .read_to_string(&mut err)
        .await?;
    fanlight_tests::canary::absent("standard error", &err)
}

/// The processes whose environment names this folder.
fn processes_with(folder: &str) -> Vec<String> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let names = |path: &std::path::Path| {
        let environment = fs::read(path.join("environ")).unwrap_or_default();
        String::from_utf8_lossy(&environment).contains(&format!("FANLIGHT_CONFIG={folder}"))
    };
    processes
        .map(|process| process.path())
        .filter(|path| names(path))
        .map(|path| path.display().to_string())
        .collect()
}
