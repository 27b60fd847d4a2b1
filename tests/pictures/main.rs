//! `make pictures`: each dashboard of the examples as its reader sees it, drawn in Chromium from a Prometheus' answers.
//!
//! The series are those of one real run of each job; `history` gives them six hours of a past, in which one step of the sign-up breaks
//! for a while. Grafana is not asked: `draw.mjs` draws its panels, by the library that draws Grafana's own.

#![expect(clippy::print_stderr, reason = "what goes wrong is told to whoever runs it")]

mod history;

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, ensure};
use fanlight_tests::{Examples, Postgres, Prometheus, binaries};

/// Hours that the dashboards show.
const HOURS: u64 = 6;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match draw().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("no pictures: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn draw() -> Result<()> {
    let root = binaries::workspace();
    let out = std::env::var_os("OUT").map_or_else(|| root.join("target/pictures"), PathBuf::from);
    let postgres = Postgres::start().await?;
    let database = postgres.create_database("shop").await?;
    let examples = Examples::run(&database).await?;
    let (text, end) = history::of(&examples.gateway.metrics().await?, HOURS);
    let prometheus = Prometheus::with_history(&text).await?;
    prometheus
        .query_until("fanlight_job_up", |series| !series.is_empty())
        .await?;
    let tools = root.join("tests/dashboards");
    ensure!(
        tools.join("node_modules").is_dir(),
        "{} is not there: `scripts/install pictures` installs it",
        tools.join("node_modules").display()
    );
    let status = Command::new("node")
        .arg(tools.join("draw.mjs"))
        .arg(prometheus.url())
        .args([(end - HOURS * 3600).to_string(), end.to_string()])
        .arg(&out)
        .arg(root.join("dashboards/prod"))
        .status()
        .context("node cannot be run: `scripts/install pictures` installs it")?;
    ensure!(status.success(), "draw.mjs failed");
    Ok(())
}
