//! Debian's `prometheus-sql-exporter`, what the benchmark measures against.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::http;
use crate::postgres::Database;
use crate::supervisor::{StopSignal, Supervised, program, words};

/// What it took the exporter to show the rows of a query.
#[derive(Debug, Clone, Copy)]
pub struct Exported {
    /// From its start to the end of the first `/metrics` that held every row.
    pub wall: Duration,
    /// The most memory that was resident until then, in bytes.
    pub peak_memory: u64,
}

/// Starts the exporter with a configuration of its own, waits until its metrics hold this text, and gives them.
///
/// # Errors
/// When it is not installed, does not start, or never shows the text.
pub async fn scraped(config: &str, text: &str) -> Result<String> {
    let mut server = Supervised::new("sql-exporter", StopSignal::Term)?;
    let config = server.write("exporter.yaml", config)?;
    let program = program("prometheus-sql-exporter", "prometheus-sql-exporter")?;
    let scrape = async |port| http::get(&format!("http://127.0.0.1:{port}/metrics")).await;
    let ready = async |port| {
        let metrics = scrape(port).await?;
        ensure!(metrics.contains(text), "no {text} in {metrics}");
        Ok(())
    };
    let port = server.start(|port| command(&program, &config, port), ready).await?;
    scrape(port).await
}

fn command(program: &str, config: &Path, port: u16) -> Vec<String> {
    words![
        "env",
        "LOGLEVEL=warn",
        program,
        format!("-config.file={}", config.display()),
        format!("-web.listen-address=127.0.0.1:{port}"),
    ]
}

/// Starts the exporter, waits until every row of the query is a series of its metrics, and ends it.
///
/// # Errors
/// When it is not installed, does not start, or never shows so many series.
pub async fn export(database: &Database, query: &str, labels: &[&str], value: &str, rows: usize) -> Result<Exported> {
    let program = program("prometheus-sql-exporter", "prometheus-sql-exporter")?;
    let mut server = Supervised::new("sql-exporter", StopSignal::Term)?;
    let connection = format!("{}?sslmode=disable", database.url());
    let config = format!(
        "jobs:\n- name: bench\n  interval: 1h\n  connections: [{connection:?}]\n  queries:\n  - name: bench\n    \
         help: Rows.\n    labels: {labels:?}\n    values: [{value}]\n    query: {query:?}\n"
    );
    let config = server.write("exporter.yaml", &config)?;
    let full = async |port| {
        let metrics = http::get(&format!("http://127.0.0.1:{port}/metrics")).await?;
        let series = metrics.lines().filter(|line| line.starts_with("sql_bench{")).count();
        ensure!(series == rows, "{series} of {rows} series");
        Ok(())
    };
    let start = Instant::now();
    server.start(|port| command(&program, &config, port), full).await?;
    let wall = start.elapsed();
    let process = server.process().context("it was not started")?;
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    Ok(Exported {
        wall,
        peak_memory: 1024 * peak.context("no peak memory")?.parse::<u64>()?,
    })
}
