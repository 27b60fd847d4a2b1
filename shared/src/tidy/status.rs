//! How each job is: what the gateway tells of it, held against its schedule.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Holdings, MetricTold, Survey, Told, sink_of};
use crate::config::job::Job;
use crate::pushgateway::GroupingKey;

/// How much later than its jitter and its timeout a run may end: it is delivered late, or its clock is slow.
const LATENESS: SignedDuration = SignedDuration::from_mins(1);

/// How a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Its last run succeeded in everything, and the one before the next has been.
    Ok,
    /// It is switched off.
    Disabled,
    /// Its last run failed in part or altogether.
    Failing,
    /// It was due and has not run.
    Stale,
    /// The gateway holds nothing of it, and did not run yet when the job was last due: what it held is gone.
    Vanished,
    /// The gateway holds nothing of it.
    Never,
    /// Its gateway does not tell.
    Unknown,
}

impl State {
    /// In one word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Disabled => "disabled",
            Self::Failing => "failing",
            Self::Stale => "stale",
            Self::Vanished => "vanished",
            Self::Never => "never",
            Self::Unknown => "unknown",
        }
    }

    /// Whether nothing needs to be done.
    #[must_use]
    pub fn is_well(self) -> bool {
        matches!(self, Self::Ok | Self::Disabled)
    }
}

/// A job, and how it is.
#[derive(Debug)]
pub struct JobStatus<'a> {
    /// The job.
    pub job: &'a Job,
    /// How it is.
    pub state: State,
    /// What is the matter, in a sentence; empty if nothing is.
    pub reason: String,
    /// When it last ran, whatever came of it.
    pub last_run: Option<Timestamp>,
    /// When it last succeeded in everything.
    pub last_success: Option<Timestamp>,
    /// When it last failed, as far as the gateway knows: its last run, or the last push that was refused.
    pub last_failure: Option<Timestamp>,
    /// The scheduled time of the run whose series stand in the gateway.
    pub scheduled: Option<Timestamp>,
    /// How long the last run took.
    pub duration: Option<Duration>,
    /// The series that stand in the gateway.
    pub series: Option<usize>,
    /// The metrics that could not be made in the last run.
    pub failed_metrics: Vec<String>,
    /// When it is due next; `None` if it is switched off.
    pub next_run: Option<Timestamp>,
}

/// How every job is, by what its sink's gateway holds.
#[must_use]
pub fn of_jobs<'a>(
    jobs: impl IntoIterator<Item = &'a Job>,
    surveys: &[Survey<'_>],
    now: Timestamp,
) -> Vec<JobStatus<'a>> {
    jobs.into_iter()
        .map(|job| {
            let name = &sink_of(job).name;
            match surveys
                .iter()
                .find(|survey| survey.sink.name == *name)
                .map(|survey| &survey.found)
            {
                Some(Ok(holdings)) => of_job(job, holdings, now),
                Some(Err(_)) | None => {
                    let reason = format!("it is not known what the gateway of the sink `{name}` holds");
                    JobStatus::new(job, (State::Unknown, reason), None, now)
                }
            }
        })
        .collect()
}

/// How a job is, by what its gateway holds.
#[must_use]
pub fn of_job<'a>(job: &'a Job, holdings: &Holdings, now: Timestamp) -> JobStatus<'a> {
    let grouping = &sink_of(job).grouping;
    let told = holdings.told(&job.name, grouping);
    let data = holdings.group(&GroupingKey::new(&job.name, grouping));
    let verdict = verdict(job, holdings, told.as_ref(), now);
    let mut status = JobStatus::new(job, verdict, told.as_ref(), now);
    status.series = data.map(crate::pushgateway::Group::series);
    status.last_failure = status
        .last_failure
        .max(data.and_then(crate::pushgateway::Group::refused));
    status
}

impl<'a> JobStatus<'a> {
    fn new(job: &'a Job, (state, reason): (State, String), told: Option<&Told<'_>>, now: Timestamp) -> Self {
        let failed = told
            .into_iter()
            .flat_map(|told| &told.metrics)
            .filter(|(_, metric)| !metric.up);
        Self {
            job,
            state,
            reason,
            last_run: told.and_then(|told| told.last_run),
            last_success: told.and_then(|told| told.last_success),
            last_failure: told.filter(|told| !told.up).and_then(|told| told.last_run),
            scheduled: told.and_then(|told| told.scheduled),
            duration: told.and_then(|told| told.duration),
            series: None,
            failed_metrics: failed.map(|(name, _)| name.clone()).collect(),
            next_run: job.enabled.then(|| job.schedule.next_after(now)).flatten(),
        }
    }
}

fn verdict(job: &Job, holdings: &Holdings, told: Option<&Told<'_>>, now: Timestamp) -> (State, String) {
    if !job.enabled {
        return (State::Disabled, String::new());
    }
    let Some(told) = told else {
        return match (job.schedule.last_up_to(now), holdings.started) {
            (Some(due), Some(started)) if started >= due => {
                let reason = format!(
                    "nothing stands in the gateway, which was started at {started:.0}, after the job was last due"
                );
                (State::Vanished, reason)
            }
            _ => (
                State::Never,
                "nothing stands in the gateway: it never ran, or its groups were deleted".to_owned(),
            ),
        };
    };
    if is_gone(told, holdings) && told.up {
        return (
            State::Vanished,
            "the series of its last run are gone from the gateway".to_owned(),
        );
    }
    if let Some(missed) = missed(job, told, now) {
        return (State::Stale, format!("it was due at {missed} and has not run since"));
    }
    if !told.up {
        let failed: Vec<&str> = told
            .metrics
            .iter()
            .filter(|(_, metric)| !metric.up)
            .map(|(name, _)| name.as_str())
            .collect();
        let what = if failed.is_empty() {
            "the push".to_owned()
        } else {
            failed.join(", ")
        };
        return (State::Failing, format!("in its last run failed: {what}"));
    }
    (State::Ok, String::new())
}

/// Whether the job has been due for longer than a run takes, and has not run since.
fn missed(job: &Job, told: &Told<'_>, now: Timestamp) -> Option<Timestamp> {
    let due = job.schedule.last_up_to(now - allowance(job))?;
    told.last_run.is_none_or(|last_run| last_run < due).then_some(due)
}

/// How long after its scheduled time a run has ended, one way or the other.
pub(super) fn allowance(job: &Job) -> SignedDuration {
    let signed = |length| SignedDuration::try_from(length).unwrap_or(SignedDuration::MAX);
    signed(job.timeout)
        .saturating_add(signed(job.jitter))
        .saturating_add(LATENESS)
}

/// Whether a run pushed series that do not stand there any more: their group is gone, or somebody else has replaced what
/// it held.
pub(super) fn is_gone(told: &Told<'_>, holdings: &Holdings) -> bool {
    let data = holdings.group(&told.data_key()).filter(|group| group.push_time > 0.0);
    let Some(data) = data else {
        return !told.up || told.series() > 0;
    };
    if told.up {
        let lacks = |(name, metric): (&String, &MetricTold)| metric.series > 0 && !data.families.contains_key(name);
        return told.metrics.iter().any(lacks);
    }
    // Which of its families a run that failed left there is not known; a group of none but others is not its.
    !data.families.is_empty() && !told.metrics.keys().any(|name| data.families.contains_key(name))
}
