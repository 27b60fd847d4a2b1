//! `fanlight alerts`: Prometheus' rules of the alerts and SLOs that teams declare, Alertmanager's configuration, and the tests that
//! prove each of them.

mod amtool;
mod files;
mod promtool;

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use shared::alertmanager::UnreadableCases;
use shared::alerts::{BuildError, BuiltFile};
use shared::config::FolderError;

use self::amtool::Tested;
use crate::built::FilesError;
use crate::count::count;

/// Writes and tests Prometheus' rules for the alerts and SLOs beside the metrics, and Alertmanager's configuration.
#[derive(Debug, Args)]
pub struct AlertsArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Writes for each environment and service a file of rules and one of tests, and Alertmanager's configuration
    Build {
        /// The folder to write to
        #[arg(long, value_name = "DIR", default_value = "alerts")]
        out: PathBuf,
        /// Write nothing; exit status 1 if the folder does not hold what would be written
        #[arg(long)]
        check: bool,
    },
    /// Has promtool check the rules and run their tests, and amtool the configuration of Alertmanager; exit status 1 if one fails
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
    /// Files cannot be read or written, or are somebody else's.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// promtool is not there.
    #[error(
        "promtool is not there: install Debian's package `prometheus` (`apt-get install prometheus`), which has it"
    )]
    NoPromtool,
    /// amtool is not there.
    #[error(
        "amtool is not there: install Debian's package `prometheus-alertmanager` (`apt-get install prometheus-alertmanager`), \
         which has it"
    )]
    NoAmtool,
    /// amtool cannot be run.
    #[error("amtool cannot be run: {0}")]
    Amtool(io::Error),
    /// The cases for amtool cannot be read back.
    #[error(transparent)]
    Cases(#[from] UnreadableCases),
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
    let environments = &loaded.configuration.environments;
    let rules = shared::alerts::build(environments)?;
    let alertmanagers = shared::alertmanager::build(environments)?;
    match &args.command {
        Command::Build { out, check: true } => Ok(files::built(&[rules, alertmanagers].concat()).check(out)?),
        Command::Build { out, check: false } => build(&rules, &alertmanagers, out),
        Command::Test => test(&rules, &shared::alerts::parts(environments)?, &alertmanagers),
    }
}

fn test(rules: &[BuiltFile], parts: &[BuiltFile], alertmanagers: &[BuiltFile]) -> Result<ExitCode, AlertsError> {
    let mut failed = promtool::test(rules, parts)?;
    for Tested {
        environment,
        line,
        failures,
    } in amtool::test(alertmanagers)?
    {
        if failures.is_empty() {
            println!("{line}: all pass");
        } else {
            failed.insert(environment);
            println!("{line}: amtool refuses them");
            for failure in failures {
                eprintln!("{failure}");
            }
        }
    }
    if !failed.is_empty() {
        eprintln!(
            "fanlight: {} failed; nothing was written",
            count(failed.len(), "environment")
        );
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn build(rules: &[BuiltFile], alertmanagers: &[BuiltFile], out: &Path) -> Result<ExitCode, AlertsError> {
    let files = &[rules, alertmanagers].concat();
    let written = files::built(files).write(out)?;
    for line in summaries(rules) {
        println!("{}/{line}", out.display());
    }
    for line in written.removals() {
        println!("{line}");
    }
    println!("{}: {}, {written}", out.display(), count(files.len(), "file"));
    Ok(ExitCode::SUCCESS)
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
