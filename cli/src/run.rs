//! `fanlight run`: one job, now, as the function would run it.

use std::io::{self, BufWriter};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use shared::collect::{Collector, MetricResult, Run, RunError, RunReport};
use shared::event::Event;
use shared::placeholders::Resolver;
use tokio::time::Instant;

use crate::output::unless_closed;

/// No function ends this run; the job's own timeout does.
const NO_DEADLINE: Duration = Duration::from_hours(1);

/// Runs one job now, whatever its schedule.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The job's name
    job: String,
    /// Print the exposition text that would be pushed, and push nothing
    #[arg(long)]
    dry_run: bool,
}

/// Runs the command.
///
/// # Errors
/// The folder cannot be read, the job is not there or has mistakes, or its run failed.
pub async fn run(args: RunArgs, config: &Path) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let loaded = shared::config::load(config)?;
    if let Err(unknown) = loaded.configuration.job(&args.job)
        && loaded.report.mistakes() > 0
    {
        let report = loaded.report.summary();
        return Err(format!("{unknown}; the configuration has mistakes:\n{report}").into());
    }
    let providers = loaded.configuration.providers.clone();
    let collector = Collector::new(loaded.configuration, Resolver::of_process(providers));
    if args.dry_run {
        let mut output = BufWriter::new(io::stdout().lock());
        match collector.dry_run(&args.job, &mut output).await {
            Err(RunError::Output(error)) => unless_closed(Err(error)).map_err(RunError::Output)?,
            other => drop(other?),
        }
        return Ok(ExitCode::SUCCESS);
    }
    let event = Event {
        job: args.job,
        scheduled_time: None,
    };
    match collector.run(&event, Instant::now() + NO_DEADLINE).await? {
        Run::Succeeded(report) => println!("{}", describe(&report)),
        Run::Skipped(skipped) => println!("{}: skipped: {}", skipped.job, skipped.reason),
    }
    Ok(ExitCode::SUCCESS)
}

/// What was pushed, a line a metric.
pub(crate) fn describe(report: &RunReport) -> String {
    let mut lines = vec![format!(
        "{}: {} series in {:.2} s",
        report.job,
        report.series(),
        report.duration.as_secs_f64()
    )];
    for metric in &report.metrics {
        lines.push(match &metric.result {
            Ok(MetricResult::Made(counts)) => {
                format!("  {}: {} series from {} rows", metric.name, counts.series, counts.rows)
            }
            Ok(MetricResult::Kept) => format!("  {}: no rows; its series stay as they are", metric.name),
            Err(failure) => format!("  {}: {}", metric.name, failure.message),
        });
    }
    lines.join("\n")
}
