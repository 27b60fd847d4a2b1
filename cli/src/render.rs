//! `fanlight render`: the jobs' schedules as a template for CloudFormation, and whether the one that is there is theirs.

mod schedules;

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use shared::config::FolderError;
use shared::config::job::Job;

use self::schedules::Unrenderable;
use crate::built::{difference, write_whole};
use crate::count::count;

/// What template.yaml gives the collector for a run unless told otherwise: the default of `CollectorTimeout` without the margin.
const USUAL_TIME: Duration = Duration::from_mins(1);
/// What the function has beyond a job's `timeout`, to start and to tell that a run took too long.
const MARGIN: Duration = Duration::from_secs(5);
/// The longest that Lambda lets a function run, hence the most for `CollectorTimeout`.
const MOST_TIME: Duration = Duration::from_mins(15);

/// Writes schedules.yaml: one schedule of EventBridge Scheduler for each enabled job, and one for `heal`, for template.yaml to nest.
#[derive(Debug, Args)]
pub struct RenderArgs {
    /// The file to write
    #[arg(long, value_name = "FILE", default_value = "schedules.yaml")]
    output: PathBuf,
    /// Write nothing; exit status 1 if the file is not what would be written
    #[arg(long)]
    check: bool,
}

/// Why there is no template.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The configuration cannot be read.
    #[error(transparent)]
    Configuration(#[from] FolderError),
    /// It has mistakes.
    #[error(
        "{0} in the configuration: nothing is rendered, for a job that is left out would lose its schedule; `fanlight check` \
         says more"
    )]
    Flawed(String),
    /// The jobs fit into no template.
    #[error(transparent)]
    Unrenderable(#[from] Unrenderable),
    /// The file cannot be read or written.
    #[error("{} cannot be {done}: {source}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// `read` or `written`.
        done: &'static str,
        /// Why.
        source: io::Error,
    },
}

/// Runs the command.
///
/// # Errors
/// When the configuration or the file cannot be used.
pub fn run(args: &RenderArgs, config: &Path) -> Result<ExitCode, RenderError> {
    let mut loaded = shared::config::load(config)?;
    loaded.check_schedules();
    let mistakes = loaded.report.mistakes();
    if mistakes > 0 {
        eprint!("{}", loaded.report.render(io::stderr().is_terminal()));
        return Err(RenderError::Flawed(count(mistakes, "mistake")));
    }
    let heal = loaded.configuration.heal.as_ref();
    let rendered = schedules::template(&loaded.configuration.jobs, heal)?;
    let file = &args.output;
    let failed = |done| {
        move |source| RenderError::File {
            file: file.clone(),
            done,
            source,
        }
    };
    let stored = match std::fs::read_to_string(file) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed("read")(error)),
    };
    let fresh = stored.as_deref() == Some(rendered.as_str());
    if args.check {
        if fresh {
            return Ok(ExitCode::SUCCESS);
        }
        let difference = stored.map_or_else(|| "it is not there".to_owned(), |stored| difference(&stored, &rendered));
        eprintln!(
            "{} is stale: {difference}; run `fanlight render` and commit what it writes",
            file.display()
        );
        return Ok(ExitCode::FAILURE);
    }
    if !fresh {
        write_whole(file, &rendered).map_err(failed("written"))?;
    }
    if let Some(warning) = too_long(&loaded.configuration.jobs) {
        eprintln!("warning: {warning}");
    }
    let enabled = loaded.configuration.jobs.iter().filter(|job| job.enabled).count();
    let schedules = enabled + usize::from(heal.is_some());
    println!(
        "{}: {}{}",
        file.display(),
        count(schedules, "schedule"),
        if fresh { ", as before" } else { "" }
    );
    Ok(ExitCode::SUCCESS)
}

/// Which enabled jobs may take longer than the collector, and what to set for them.
fn too_long(jobs: &[Job]) -> Option<String> {
    let long = || jobs.iter().filter(|job| job.enabled && job.timeout > USUAL_TIME);
    let longest = long().map(|job| job.timeout).max()?;
    let names: Vec<String> = long().map(|job| format!("`{}`", job.name)).collect();
    Some(format!(
        "the job{} {} may take longer than {} s: deploy with CollectorTimeout={} at least, or what takes longer is ended",
        if names.len() == 1 { "" } else { "s" },
        names.join(", "),
        USUAL_TIME.as_secs(),
        collector_timeout(longest)
    ))
}

/// The `CollectorTimeout` for a job of this `timeout`, in seconds.
fn collector_timeout(longest: Duration) -> u64 {
    (longest + MARGIN).min(MOST_TIME).as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_collector_has_five_seconds_more_than_the_longest_job_where_lambda_has_them() {
        for (longest, seconds) in [(61, 66), (300, 305), (895, 900), (900, 900)] {
            assert_eq!(collector_timeout(Duration::from_secs(longest)), seconds);
        }
    }
}
