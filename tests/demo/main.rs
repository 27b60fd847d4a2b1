//! The demo: a shop's numbers on their way from PostgreSQL through the collector and the Pushgateway to Prometheus, and
//! from there through the Metrics API to two customers, and through Alertmanager to what Slack would show.
//!
//! Everything is real: the servers of the tests' harness, the configuration in `config/`, the functions' own binaries,
//! started by the local runner as Lambda would start it. With `ONCE=1` every job runs once, the series are shown, and
//! the exit status says whether all of them arrived; without, the shop lives and the schedules fire until Ctrl-C.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the demo speaks to whoever started it"
)]

mod alerting;
mod collector;
mod customers;
mod progress;
mod shop;
mod tables;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail, ensure};
use fanlight_tests::{Prometheus, Pushgateway, binaries};
use shared::config::{self, Configuration};

use crate::alerting::Alerting;
use crate::collector::{Collector, Run};
use crate::customers::Customers;
use crate::progress::Progress;
use crate::shop::Shop;

/// The job that an alert is shown by.
const LEADS: &str = "leads";

#[tokio::main]
async fn main() -> ExitCode {
    // An empty variable is what `make` passes on when nobody has set it.
    let once = std::env::var("ONCE").is_ok_and(|once| !once.is_empty() && once != "0");
    let ended = tokio::select! {
        // Leaving ends the servers: they live as long as the values that this drops.
        interrupted = tokio::signal::ctrl_c() => interrupted.map_err(Into::into),
        ended = demo(once) => ended,
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the demo failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn demo(once: bool) -> Result<()> {
    let progress = Progress::new();
    progress.step("building the functions");
    let binary = tokio::task::spawn_blocking(binaries::collector).await??;
    progress.step("reading the configuration");
    let folder = binaries::workspace()
        .join("config")
        .canonicalize()
        .context("the folder config/")?;
    let configuration = load(&folder)?;
    progress.step("starting PostgreSQL with a shop in it");
    let shop = Shop::open().await?;
    progress.step("starting the Pushgateway");
    let gateway = Pushgateway::start().await?;
    progress.step("starting Alertmanager, and Prometheus with the rules of the alerts");
    let mut alerting = Alerting::start(&folder).await?;
    let prometheus = alerting.prometheus(&[gateway.target()]).await?;

    let mut environment = shop.environment();
    environment.push(("PUSHGATEWAY_URL", gateway.url()));
    let collector = Collector::new(&binary, &folder, environment)?;

    let mut runs = Vec::new();
    for job in configuration.jobs.iter().filter(|job| job.enabled) {
        progress.step(&format!("running {}", job.name));
        runs.push(collector.run(job).await?);
    }
    ensure!(!runs.is_empty(), "no job of {} is enabled", folder.display());
    progress.step("waiting for Prometheus to see the series");
    for run in &mut runs {
        run.series = arrived(&prometheus, run).await?;
    }
    progress.step("letting two customers in");
    let customers = Customers::arrive(&folder, &prometheus).await?;
    let told = customers.ask().await?;
    progress.step("stopping the leads of a group of campaigns, and letting them come again");
    let leads = configuration.job(LEADS)?;
    let slack = alerting.stop_the_leads(&shop, &collector, leads).await?;
    progress.end();

    if once {
        println!("{}", tables::series(&runs));
    }
    println!("{}", tables::runs(&runs));
    let failed: Vec<_> = runs.iter().filter_map(Run::problem).collect();
    if !failed.is_empty() {
        bail!("{}\nthe function's log:\n{}", failed.join("\n"), collector.log());
    }
    println!("{told}");
    println!("What Slack shows when the leads stop, and when they come again:\n\n{slack}");
    if !once {
        let mut places = tables::places(&shop, &gateway, &prometheus);
        places.add_row(["Alertmanager".to_owned(), alerting.url()]);
        customers.places(&mut places);
        println!("{places}");
        println!("The shop is open and the schedules fire; Ctrl-C ends it all.");
        tokio::try_join!(
            shop.live(),
            collector.follow_schedules(&configuration),
            alerting.follow()
        )?;
    }
    Ok(())
}

fn load(folder: &Path) -> Result<Configuration> {
    let loaded = config::load(folder)?;
    ensure!(loaded.report.mistakes() == 0, "{}", loaded.report.render(false));
    Ok(loaded.configuration)
}

/// The series of each of the job's metrics as Prometheus has them; none for a metric that never came.
async fn arrived(prometheus: &Prometheus, run: &Run<'_>) -> Result<Vec<fanlight_tests::Series>> {
    let mut all = Vec::new();
    if run.failure.is_some() {
        return Ok(all);
    }
    for metric in run.job.metrics() {
        let selector = format!("{}{{job={:?}}}", metric.name, run.job.name);
        let series = prometheus.query_until(&selector, |series| !series.is_empty()).await;
        all.extend(series.with_context(|| format!("job {}: no series of {}", run.job.name, metric.name))?);
    }
    Ok(all)
}
