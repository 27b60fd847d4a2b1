//! Running again the jobs whose groups vanished with a restart of their gateway, so that nobody waits for Monday.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;
use tracing::info;

use super::status::{allowance, is_gone};
use super::{Holdings, SurveyError, sink_of, survey};
use crate::collect::{Collector, Run, RunError, is_future};
use crate::config::job::Job;
use crate::event::Event;

/// The most that the gateways may take to say what they hold.
const PATIENCE: Duration = Duration::from_secs(15);
/// A job that failed is not tried again sooner by itself.
const PAUSE: SignedDuration = SignedDuration::from_hours(1);

/// Which jobs are healed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// Jobs that run more often than this soon run anyway.
    pub min_period: Duration,
    /// Only jobs of these names, also where they failed just now; empty for all.
    pub jobs: Vec<String>,
}

/// What is to be done about a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    /// Nothing: what it pushed stands.
    None,
    /// It is to run.
    Run(Lost),
    /// It is left alone, though nothing of it stands.
    Wait(String),
}

/// A job whose group vanished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// The job's name.
    pub job: String,
    /// The time that it runs for: when it was last due, or, if somebody ran it after that, then.
    pub scheduled_time: Timestamp,
    /// Whether it has run for that time, and only the series are gone.
    pub again: bool,
}

/// What came of it all.
#[derive(Debug, Default)]
pub struct Healing {
    /// The jobs that ran, or would have, in the order in which they did.
    pub runs: Vec<(Lost, Result<Run, RunError>)>,
    /// Jobs that were left alone though nothing of them stands, and why.
    pub waiting: Vec<(String, String)>,
    /// Sinks whose gateways did not tell what they hold.
    pub unknown: Vec<(String, SurveyError)>,
}

impl Healing {
    /// Whether every gateway answered and every job that was to run succeeded.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.unknown.is_empty() && self.runs.iter().all(|(_, run)| run.is_ok())
    }
}

/// The failures of a healing, in a line.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NotHealed(String);

impl From<&Healing> for NotHealed {
    fn from(healing: &Healing) -> Self {
        let sinks = healing
            .unknown
            .iter()
            .map(|(sink, error)| format!("sink `{sink}`: {error}"));
        let jobs = healing
            .runs
            .iter()
            .filter_map(|(lost, run)| Some((lost, run.as_ref().err()?)));
        let told = jobs.map(|(lost, error)| match error {
            // They name the job themselves.
            RunError::Failed(_) | RunError::Sink { .. } => error.to_string(),
            _ => format!("job {}: {error}", lost.job),
        });
        Self(sinks.chain(told).collect::<Vec<_>>().join("; "))
    }
}

/// What is told while jobs are healed.
#[derive(Debug)]
pub enum Step<'a> {
    /// A job is about to run.
    Begins(&'a Lost),
    /// It has run.
    Ended(&'a Lost, &'a Result<Run, RunError>),
}

/// Finds the jobs whose groups vanished, and what is to be done about each.
///
/// # Errors
/// There is no enabled job of a name that the scope has.
pub async fn diagnose(
    collector: &Collector,
    scope: &Scope,
    deadline: Instant,
) -> Result<(Vec<Lost>, Healing), RunError> {
    let configuration = collector.configuration();
    for name in &scope.jobs {
        if !configuration.job(name)?.enabled {
            return Err(RunError::Disabled(name.clone()));
        }
    }
    let patience = deadline.min(Instant::now() + PATIENCE);
    let jobs = || {
        let named = |job: &&Job| scope.jobs.is_empty() || scope.jobs.contains(&job.name);
        configuration.jobs.iter().filter(|job| job.enabled).filter(named)
    };
    let used = configuration
        .sinks
        .iter()
        .filter(|sink| jobs().any(|job| sink_of(job).name == sink.name));
    let surveys = survey(used, collector.resolver(), patience).await;
    let now = Timestamp::now();
    let mut healing = Healing::default();
    let mut lost = Vec::new();
    for job in jobs() {
        let Some(survey) = surveys.iter().find(|survey| survey.sink.name == sink_of(job).name) else {
            continue;
        };
        let Ok(holdings) = &survey.found else { continue };
        match need(job, holdings, scope, now) {
            Need::None => {}
            Need::Run(found) => lost.push(found),
            Need::Wait(reason) => healing.waiting.push((job.name.clone(), reason)),
        }
    }
    for survey in surveys {
        if let Err(error) = survey.found {
            healing.unknown.push((survey.sink.name.clone(), error));
        }
    }
    // What was due first has been waited for the longest.
    lost.sort_by_key(|lost| lost.scheduled_time);
    Ok((lost, healing))
}

/// Runs the jobs whose groups vanished, one after the other, as far as there is time. The first one runs in what time
/// there is; each further one only when there is as much as it may take.
///
/// # Errors
/// As [`diagnose`]. That a job failed is not an error here.
pub async fn heal(
    collector: &Collector,
    scope: &Scope,
    deadline: Instant,
    mut tell: impl FnMut(&Step<'_>),
) -> Result<Healing, RunError> {
    let (lost, mut healing) = diagnose(collector, scope, deadline).await?;
    for lost in lost {
        let timeout = collector.configuration().job(&lost.job)?.timeout;
        let left = deadline.saturating_duration_since(Instant::now());
        if !healing.runs.is_empty() && left < timeout {
            let reason = format!("there is no time left for it, which may take {} s", timeout.as_secs());
            healing.waiting.push((lost.job, reason));
            continue;
        }
        tell(&Step::Begins(&lost));
        info!(job = lost.job, scheduled_time = %lost.scheduled_time, "its group vanished; running it again");
        let event = Event {
            job: lost.job.clone(),
            scheduled_time: Some(lost.scheduled_time),
        };
        let run = if lost.again {
            collector.run_again(&event, deadline).await
        } else {
            collector.run(&event, deadline).await
        };
        tell(&Step::Ended(&lost, &run));
        healing.runs.push((lost, run));
    }
    for (job, reason) in &healing.waiting {
        info!(job, reason, "its group vanished; not run");
    }
    Ok(healing)
}

/// What is to be done about a job, by what its gateway holds.
pub(super) fn need(job: &Job, holdings: &Holdings, scope: &Scope, now: Timestamp) -> Need {
    let told = holdings.told(&job.name, &sink_of(job).grouping);
    if told.as_ref().is_some_and(|told| !is_gone(told, holdings)) {
        return Need::None;
    }
    // A schedule without a past or a future is one that cannot be parsed.
    let (Some(due), Some(next)) = (job.schedule.last_up_to(now), job.schedule.next_after(now)) else {
        return Need::None;
    };
    let period = next.duration_since(due);
    let timeout = SignedDuration::try_from(job.timeout).unwrap_or(SignedDuration::MAX);
    if SignedDuration::try_from(scope.min_period).is_ok_and(|least| period < least) {
        return Need::Wait(format!("it is due again at {next}, for it runs every {period:#}"));
    }
    if now.duration_since(due) < allowance(job) {
        return Need::Wait(format!("it was due at {due} and may still be running"));
    }
    if next.duration_since(now) <= timeout {
        return Need::Wait(format!("it is due again at {next}"));
    }
    let held = told
        .as_ref()
        .and_then(|told| told.scheduled)
        .filter(|held| !is_future(*held));
    // Whoever names a job may have mended it.
    let failed = told.as_ref().filter(|told| !told.up && scope.jobs.is_empty());
    if let Some(last_run) = failed.and_then(|told| told.last_run)
        // Further ahead than this its clock was wrong.
        && now.duration_since(last_run).abs() < PAUSE
    {
        let again = last_run + PAUSE;
        let when = if again < next {
            format!("it is tried again from {again:.0} on, or at once by its name")
        } else {
            format!("it is due again at {next}, or runs at once by its name")
        };
        return Need::Wait(format!("its run at {last_run:.0} failed; {when}"));
    }
    let scheduled_time = held.map_or(due, |held| held.max(due));
    Need::Run(Lost {
        job: job.name.clone(),
        scheduled_time,
        again: held == Some(scheduled_time),
    })
}
