//! The collector: the dry run of a job beside `psql` and Debian's SQL exporter, on the same table, and its start.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use comfy_table::Table;
use fanlight_cli::runner::{Function, LogSink, scheduler};
use fanlight_tests::{ConfigFolder, Database, Postgres, Pushgateway, export};
use jiff::Timestamp;
use serde_json::Value;

use crate::measure::{measure, median, milliseconds};
use crate::report::{line, memory, mib, size, verdict};

const ROWS: usize = 100_000;
const MANY_ROWS: usize = 1_000_000;
const RUNS: usize = 7;
const EXPORTER_RUNS: usize = 3;
const STARTS: usize = 21;

/// Adds its rows to the table.
pub(crate) async fn bench(table: &mut Table, binaries: &Path) -> Result<()> {
    let postgres = Postgres::start().await?;
    let gateway = Pushgateway::start().await?;
    let database = postgres.database().await?;
    for (table, rows) in [("rows", ROWS), ("many_rows", MANY_ROWS)] {
        println!("filling a table with {rows} rows");
        database.execute(&filled(table, rows)).await?;
        database.execute(&format!("VACUUM ANALYZE {table}")).await?;
    }
    // All three peers read their rows in the clear: it is the reading that is compared. TLS is measured with the first
    // invocation.
    let plain = format!("{}?sslmode=disable", database.url());
    let encrypted = format!(
        "{}?sslmode=verify-full&sslrootcert={}",
        database.url(),
        postgres.ca_file().display()
    );
    let folder = ConfigFolder::new(&[("bench.yaml", &configuration(&plain, &encrypted, &gateway.url()))])?;
    let scratch = tempfile::Builder::new().prefix("fanlight-bench.").tempdir()?;

    rows(table, binaries, &database, &folder, scratch.path()).await?;
    starts(table, binaries, &folder).await
}

/// The dry run of a job against psql and the exporter.
async fn rows(
    table: &mut Table,
    binaries: &Path,
    database: &Database,
    folder: &ConfigFolder,
    scratch: &Path,
) -> Result<()> {
    let fanlight = binaries.join("fanlight").display().to_string();
    let config = folder.path().display().to_string();
    let dry_run = |job: &str| {
        measure(
            &[&fanlight, "run", job, "--dry-run", "--config", &config],
            &[],
            &scratch.join(job),
        )
    };
    let (url, query) = (format!("{}?sslmode=disable", database.url()), query("rows"));
    let psql = || {
        measure(
            &[
                "psql",
                &url,
                "--no-psqlrc",
                "--tuples-only",
                "--no-align",
                "--command",
                &query,
            ],
            &[],
            &scratch.join("psql"),
        )
    };

    // The first runs fill the caches; then they take turns, so that a busy moment of the machine meets both.
    psql()?;
    dry_run("rows")?;
    let mut ours = Vec::new();
    let mut psqls = Vec::new();
    for run in 1..=RUNS {
        println!("rows: run {run} of {RUNS}");
        psqls.push(psql()?.wall);
        ours.push(dry_run("rows")?);
    }
    let wall = median(ours.iter().map(|run| run.wall));
    let psql = median(psqls);
    let mut exporter = Vec::new();
    for run in 1..=EXPORTER_RUNS {
        println!("exporter: run {run} of {EXPORTER_RUNS}");
        exporter.push(export(database, &query, &["shop", "product", "customer"], "value", ROWS).await?);
    }
    let exporter_wall = median(exporter.iter().map(|run| run.wall));

    let slower = wall.as_secs_f64() / psql.as_secs_f64();
    let faster = exporter_wall.as_secs_f64() / wall.as_secs_f64();
    table.add_row(line(
        "dry run, 100,000 rows",
        wall,
        "psql into a file",
        psql,
        slower,
        "at most 1.5",
        slower <= 1.5,
    ));
    table.add_row(line(
        "",
        wall,
        "exporter",
        exporter_wall,
        faster,
        "at least 15",
        faster >= 15.0,
    ));
    let exporter_memory = exporter.iter().map(|run| run.peak_memory).max().unwrap_or_default();
    table.add_row(memory(
        "its peak memory",
        ours.iter().map(|run| run.peak_memory),
        &format!("exporter {:.1} MiB", mib(exporter_memory)),
        16.0,
    ));
    println!("many rows");
    table.add_row(memory(
        "peak memory, 1,000,000 rows",
        [dry_run("many_rows")?.peak_memory],
        "",
        64.0,
    ));
    Ok(())
}

/// The function's start and first invocation, each time in a fresh process.
async fn starts(table: &mut Table, binaries: &Path, folder: &ConfigFolder) -> Result<()> {
    // Each start has a scheduled time of its own: a second run for the same time would change nothing, and be quick.
    let began = Timestamp::now() - Duration::from_hours(1);
    let minute = |start: usize| began + Duration::from_mins(start as u64);
    let mut inits = Vec::new();
    let mut empty_inits = Vec::new();
    let mut firsts = Vec::new();
    for start in 1..=STARTS {
        println!("start {start} of {STARTS}");
        let (init, _) = first_invocation(&binaries.join("empty-function"), folder, minute(start)).await?;
        empty_inits.push(init);
        let (init, first) = first_invocation(&binaries.join("collector"), folder, minute(start)).await?;
        inits.push(init);
        firsts.push(first);
    }
    let (init, empty, first) = (median(inits), median(empty_inits), median(firsts));
    let above = milliseconds(init) - milliseconds(empty);
    table.add_row([
        "exec to first poll".to_owned(),
        format!("{:.1} ms", milliseconds(init)),
        format!("empty function {:.1} ms", milliseconds(empty)),
        format!("+{above:.1} ms"),
        "at most +5 ms".to_owned(),
        verdict(above <= 5.0),
    ]);
    table.add_row([
        "first invocation, TLS and SCRAM".to_owned(),
        format!("{:.1} ms", milliseconds(first)),
        String::new(),
        String::new(),
        "at most 20 ms".to_owned(),
        verdict(milliseconds(first) <= 20.0),
    ]);
    table.add_row(size(binaries, "collector")?);
    Ok(())
}

async fn first_invocation(binary: &Path, folder: &ConfigFolder, time: Timestamp) -> Result<(Duration, Duration)> {
    let (log, lines) = LogSink::captured();
    let function = Function::builder("bench", binary)
        .env("FANLIGHT_CONFIG", folder.path())
        .timeout(Duration::from_secs(10))
        .log(log)
        .build()?;
    let invocation = function.invoke(scheduler::event("one", time)).await?;
    function.shutdown().await;
    let answer = invocation.outcome.into_result();
    let answer = answer.with_context(|| format!("{}: {}", binary.display(), lines.text()))?;
    let answer: Value = serde_json::from_slice(&answer)?;
    ensure!(answer.get("skipped").is_none(), "the run was not a run: {answer}");
    Ok((
        invocation.init_duration.context("the process was there already")?,
        invocation.duration,
    ))
}

fn filled(table: &str, rows: usize) -> String {
    format!(
        "CREATE TABLE {table} AS SELECT 'shop-' || n % 50 AS shop, 'product-' || n % 700 AS product,
           'customer-' || n AS customer, round((random() * 10000)::numeric, 2) AS value
         FROM generate_series(1, {rows}) AS n"
    )
}

fn query(table: &str) -> String {
    format!("SELECT shop, product, customer, value FROM {table}")
}

fn configuration(plain: &str, encrypted: &str, gateway: &str) -> String {
    let job = |name: &str, source: &str, query: &str, most: usize| {
        format!(
            "- name: {name}\n  source: {source}\n  schedule: '*/10 * * * *'\n  timeout: 60s\n  metrics:\n  - name: bench_{name}\n    \
             help: Rows.\n    labels: [shop, product, customer]\n    value: value\n    max_series: {most}\n    \
             query: {query}\n"
        )
    };
    format!(
        "sources:\n  plain: {plain:?}\n  encrypted: {encrypted:?}\nsinks:\n  default:\n    pushgateway:\n      \
         url: {gateway:?}\njobs:\n{}{}{}",
        job("rows", "plain", &query("rows"), ROWS),
        job("many_rows", "plain", &query("many_rows"), MANY_ROWS),
        job(
            "one",
            "encrypted",
            "SELECT 'a' AS shop, 'b' AS product, 'c' AS customer, 1 AS value",
            1
        ),
    )
}
