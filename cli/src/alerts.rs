//! `fanlight alerts`: Prometheus' rules of the alerts and SLOs that teams declare, and the tests that prove each of them.

mod files;
mod promtool;

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use shared::alerts::{BuildError, BuiltFile};
use shared::config::FolderError;

use self::files::Written;

/// Writes and tests Prometheus' rules for the alerts and SLOs beside the metrics.
#[derive(Debug, Args)]
pub struct AlertsArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Writes a file of rules and one of tests for each environment and service
    Build {
        /// The folder to write to
        #[arg(long, value_name = "DIR", default_value = "alerts")]
        out: PathBuf,
        /// Write nothing; exit status 1 if the folder does not hold what would be written
        #[arg(long)]
        check: bool,
    },
    /// Has promtool check the rules and run their tests; exit status 1 if one fails
    Test,
}

/// Why there are no rules, or no result of their tests.
#[derive(Debug, thiserror::Error)]
pub enum AlertsError {
    /// The configuration cannot be read.
    #[error(transparent)]
    Configuration(#[from] FolderError),
    /// It has mistakes.
    #[error(
        "{0} in the configuration: nothing is built, for an alert that is left out would be missed by nobody; `fanlight check` \
         says more"
    )]
    Flawed(String),
    /// The alerts cannot be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// A file cannot be read or written.
    #[error("{} cannot be {done}: {source}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// `read`, `written` or `removed`.
        done: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A file of somebody else's stands in the way.
    #[error("{} was not written by `fanlight alerts build`: move it, or name another folder with --out", .0.display())]
    Foreign(PathBuf),
    /// promtool is not there.
    #[error(
        "promtool is not there: install Debian's package `prometheus` (`apt-get install prometheus`), which has it"
    )]
    NoPromtool,
    /// promtool cannot be run.
    #[error("promtool cannot be run: {0}")]
    Promtool(io::Error),
}

/// Runs the command.
///
/// # Errors
/// When the configuration, the files or promtool cannot be used.
pub fn run(args: &AlertsArgs, config: &Path) -> Result<ExitCode, AlertsError> {
    let loaded = shared::config::load_with_alerts(config)?;
    let mistakes = loaded.report.mistakes();
    if mistakes > 0 {
        eprint!("{}", loaded.report.render(io::stderr().is_terminal()));
        return Err(AlertsError::Flawed(count(mistakes, "mistake")));
    }
    let files = shared::alerts::build(&loaded.configuration.environments)?;
    match &args.command {
        Command::Build { out, check: true } => check(&files, out),
        Command::Build { out, check: false } => build(&files, out),
        Command::Test => promtool::test(&files, &shared::alerts::parts(&loaded.configuration.environments)?),
    }
}

fn build(files: &[BuiltFile], out: &Path) -> Result<ExitCode, AlertsError> {
    let Written { written, removed } = files::write(files, out)?;
    for line in summaries(files) {
        println!("{}/{line}", out.display());
    }
    let changed = match (written, removed) {
        (0, 0) => "as before".to_owned(),
        (written, 0) => format!("{written} written"),
        (written, removed) => format!("{written} written, {removed} removed"),
    };
    println!("{}: {}, {changed}", out.display(), count(files.len(), "file"));
    Ok(ExitCode::SUCCESS)
}

fn check(files: &[BuiltFile], out: &Path) -> Result<ExitCode, AlertsError> {
    let stale = files::stale(files, out)?;
    for line in &stale {
        eprintln!("{line}");
    }
    if stale.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!(
        "{} is stale: run `fanlight alerts build` and commit what it writes",
        out.display()
    );
    Ok(ExitCode::FAILURE)
}

/// `prod: 5 alerts, 1 SLO, 42 tests`, for each environment.
fn summaries(files: &[BuiltFile]) -> Vec<String> {
    let mut lines: Vec<(&str, [usize; 3])> = Vec::new();
    for file in files {
        let own = [file.alerts.unwrap_or_default(), file.slos, file.tests];
        match lines.last_mut() {
            Some((environment, all)) if *environment == file.environment => {
                all.iter_mut().zip(own).for_each(|(all, own)| *all += own);
            }
            _ => lines.push((&file.environment, own)),
        }
    }
    let lines = lines.into_iter().map(|(environment, [alerts, slos, tests])| {
        let slos = if slos > 0 {
            format!(", {}", count(slos, "SLO"))
        } else {
            String::new()
        };
        format!(
            "{environment}: {}{slos}, {}",
            count(alerts, "alert"),
            count(tests, "test")
        )
    });
    lines.collect()
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
