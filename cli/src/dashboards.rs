//! `fanlight dashboards`: Grafana's dashboards of what the configuration measures, watches and promises.

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use shared::config::FolderError;
use shared::dashboards::{BuildError, BuiltDashboard, HEAD};

use crate::built::{Built, FilesError};
use crate::count::count;

/// Writes Grafana's dashboards of the metrics and their alerts.
#[derive(Debug, Args)]
pub struct DashboardsArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Writes a file for each dashboard, below the folders of its environment and of Grafana
    Build {
        /// The folder to write to
        #[arg(long, value_name = "DIR", default_value = "dashboards")]
        out: PathBuf,
        /// Write nothing; exit status 1 if the folder does not hold what would be written
        #[arg(long)]
        check: bool,
    },
}

/// Why there are no dashboards.
#[derive(Debug, thiserror::Error)]
pub enum DashboardsError {
    /// The configuration cannot be read.
    #[error(transparent)]
    Configuration(#[from] FolderError),
    /// It has mistakes.
    #[error(
        "{0} in the configuration: nothing is built, for what is left out would be missed by nobody; `fanlight check` says more"
    )]
    Flawed(String),
    /// They cannot be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// They cannot be written.
    #[error(transparent)]
    Files(#[from] FilesError),
}

/// Runs the command.
///
/// # Errors
/// When the configuration or the files cannot be used.
pub fn run(args: &DashboardsArgs, config: &Path) -> Result<ExitCode, DashboardsError> {
    let loaded = shared::config::load_with_alerts(config)?;
    let mistakes = loaded.report.mistakes();
    if mistakes > 0 {
        eprint!("{}", loaded.report.render(io::stderr().is_terminal()));
        return Err(DashboardsError::Flawed(count(mistakes, "mistake")));
    }
    let configuration = &loaded.configuration;
    let dashboards = shared::dashboards::build(&configuration.environments, &configuration.dashboards)?;
    let built = Built {
        files: dashboards
            .iter()
            .map(|built| (built.path.as_path(), built.text.as_str()))
            .collect(),
        ends: &[".json"],
        depths: 1..=4,
        is_ours: |text| text.contains(HEAD),
        command: "fanlight dashboards build",
    };
    let Command::Build { out, check } = &args.command;
    if *check {
        return Ok(built.check(out)?);
    }
    let written = built.write(out)?;
    for line in summaries(&dashboards) {
        println!("{}/{line}", out.display());
    }
    for line in written.removals() {
        println!("{line}");
    }
    println!("{}: {}, {written}", out.display(), count(dashboards.len(), "dashboard"));
    Ok(ExitCode::SUCCESS)
}

/// `prod/Growth/growth-main.json: 8 panels`, for each dashboard.
fn summaries(dashboards: &[BuiltDashboard]) -> impl Iterator<Item = String> {
    let line = |built: &BuiltDashboard| format!("{}: {}", built.path.display(), count(built.panels, "panel"));
    dashboards.iter().map(line)
}
