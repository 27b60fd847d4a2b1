//! `fanlight heal`: runs again the jobs whose groups vanished with a restart of their gateway.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use shared::collect::{Collector, Run};
use shared::config::LengthOfTime;
use shared::placeholders::Resolver;
use shared::tidy::heal::{self, Healing, Lost, Scope, Step};
use tokio::time::Instant;

use crate::run::describe;

/// No function ends this; each job's own timeout does.
const NO_DEADLINE: Duration = Duration::from_hours(24);

/// Runs again the jobs whose groups vanished from their gateway, each for the time that it was last due.
#[derive(Debug, Args)]
pub struct HealArgs {
    /// Only these jobs; without any, all
    jobs: Vec<String>,
    /// List, and run nothing
    #[arg(long)]
    dry_run: bool,
    /// Leave alone jobs that run more often than this, such as 1h
    #[arg(long, value_name = "TIME", value_parser = length)]
    min_period: Option<Duration>,
}

fn length(text: &str) -> Result<Duration, String> {
    let deserializer = serde::de::value::StrDeserializer::<serde::de::value::Error>::new(text);
    serde::Deserialize::deserialize(deserializer)
        .map(|LengthOfTime(length)| length)
        .map_err(|error| error.to_string())
}

/// Runs the command.
///
/// # Errors
/// The configuration cannot be read, or has no job of a name that was given. That a job or a gateway failed is told, and
/// makes the exit status 1.
pub async fn run(args: HealArgs, config: &Path) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let loaded = shared::config::load(config)?;
    if loaded.report.mistakes() > 0 {
        eprintln!(
            "fanlight: the configuration has mistakes, which `fanlight check` shows; jobs with mistakes are not run"
        );
    }
    let providers = loaded.configuration.providers.clone();
    let collector = Collector::new(loaded.configuration, Resolver::of_process(providers));
    let scope = Scope {
        min_period: args.min_period.unwrap_or_default(),
        jobs: args.jobs,
    };
    let deadline = Instant::now() + NO_DEADLINE;
    let healing = if args.dry_run {
        let (lost, healing) = heal::diagnose(&collector, &scope, deadline).await?;
        for lost in &lost {
            println!("{}", would_run(lost));
        }
        say_rest(&healing, lost.len());
        healing
    } else {
        let healing = heal::heal(&collector, &scope, deadline, tell).await?;
        say_rest(&healing, healing.runs.len());
        healing
    };
    Ok(if healing.succeeded() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn would_run(
    Lost {
        job, scheduled_time, ..
    }: &Lost,
) -> String {
    format!("{job}: vanished; would run for {scheduled_time}")
}

fn tell(step: &Step<'_>) {
    match step {
        Step::Begins(Lost {
            job, scheduled_time, ..
        }) => {
            println!("{job}: vanished; running for {scheduled_time}");
        }
        Step::Ended(_, Ok(Run::Succeeded(report))) => println!("{}", describe(report)),
        Step::Ended(_, Ok(Run::Skipped(skipped))) => println!("{}: skipped: {}", skipped.job, skipped.reason),
        Step::Ended(_, Err(error)) => eprintln!("fanlight: {error}"),
    }
}

fn say_rest(healing: &Healing, run: usize) {
    for (job, reason) in &healing.waiting {
        println!("{job}: vanished; not run: {reason}");
    }
    for (sink, error) in &healing.unknown {
        eprintln!("fanlight: sink `{sink}`: {error}; nothing of it is healed");
    }
    if run == 0 && healing.waiting.is_empty() && healing.unknown.is_empty() {
        println!("nothing to heal");
    }
}
