//! `fanlight check`: every mistake of a configuration at once; with `--live` also what the sources say of the queries.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use shared::config::FolderError;
use shared::placeholders::Resolver;

use crate::count::count;

/// Says every mistake in the configuration, with its place and what to do; exit status 1 if there is one.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The folder to check, instead of the one that --config names
    dir: Option<PathBuf>,
    /// Also ask the sources: missing columns, wrong types, SQL errors and writes. No SQL is run
    #[arg(long)]
    live: bool,
}

/// Runs the command.
///
/// # Errors
/// The folder cannot be read.
pub async fn run(args: CheckArgs, config: &Path) -> Result<ExitCode, FolderError> {
    let folder = args.dir.as_deref().unwrap_or(config);
    let mut loaded = shared::config::load_with_alerts(folder)?;
    loaded.check(|name| std::env::var_os(name).is_some());
    if args.live {
        let resolver = Resolver::of_process(loaded.configuration.providers.clone());
        shared::sources::check_live(&mut loaded, &resolver).await;
    }
    let report = &loaded.report;
    eprint!("{}", report.render(std::io::stderr().is_terminal()));
    let jobs = &loaded.configuration.jobs;
    let metrics: usize = jobs.iter().map(|job| job.metrics().count()).sum();
    let counts = format!(
        "{}: {}, {}, {}, at most {} series",
        folder.display(),
        count(loaded.files, "file"),
        count(jobs.len(), "job"),
        count(metrics, "metric"),
        loaded.configuration.most_series()
    );
    if report.mistakes() == 0 {
        println!("{counts}: no mistakes, {}", count(report.warnings(), "warning"));
        return Ok(ExitCode::SUCCESS);
    }
    println!(
        "{counts}: {}, {}",
        count(report.mistakes(), "mistake"),
        count(report.warnings(), "warning")
    );
    Ok(ExitCode::FAILURE)
}
