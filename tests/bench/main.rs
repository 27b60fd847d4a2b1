//! The benchmark: the release binaries beside their peers, on the same data in one run. `bench collector` and
//! `bench metrics-api` measure one half.
//!
//! It prints ratios and whether they meet their goals. No test depends on them: they are a machine's and a day's.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the benchmark speaks to whoever started it"
)]

mod collector;
mod measure;
mod metrics_api;
mod report;

use std::process::ExitCode;

use anyhow::{Result, bail};
use fanlight_tests::binaries;

#[tokio::main]
async fn main() -> ExitCode {
    match bench().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the benchmark failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn bench() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (collector, metrics_api) = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => (true, true),
        ["collector"] => (true, false),
        ["metrics-api"] => (false, true),
        _ => bail!("there are the benchmarks `collector` and `metrics-api`, not {arguments:?}"),
    };
    println!("building the release binaries, which takes minutes the first time");
    // Always all of them: their crates agree on the features of what they share.
    let names = ["fanlight", "collector", "authorizer", "metrics-api", "empty-function"];
    let binaries = binaries::release(&names)?;
    let mut table = report::table();
    if collector {
        collector::bench(&mut table, &binaries).await?;
    }
    if metrics_api {
        metrics_api::bench(&mut table, &binaries).await?;
    }
    println!("{table}");
    Ok(())
}
