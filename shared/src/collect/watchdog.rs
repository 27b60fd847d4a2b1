//! The watchdog of the watchers: which jobs should have run and have not, whatever the reason.
//!
//! A job that does not run says nothing, and no alarm on what is said can notice it. So it is looked at from the other
//! end: what the schedule asks for, against what the job's self-metrics in the gateway hold.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::gateway::{JobGateway, LastRuns};
use super::{Collector, RunError, self_metrics};
use crate::config::job::{Job, Sink};
use crate::pushgateway::GatewayError;

/// What a run has beyond its jitter and its timeout: deliveries are tried again for five minutes, and then run.
const GRACE: SignedDuration = SignedDuration::from_mins(10);

/// The most that a watch may take: the next one is not far.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the watchdog saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    /// How many jobs are enabled.
    pub enabled: usize,
    /// Those that have not run when they should have, by name.
    pub overdue: Vec<Overdue>,
}

/// A job that has not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overdue {
    /// The job's name.
    pub job: String,
    /// The scheduled time that no run has followed.
    pub due: Timestamp,
    /// When it last ran, if the gateway knows of any run.
    pub last_run: Option<Timestamp>,
}

/// Why the watchdog cannot tell.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// There is no client for a sink.
    #[error(transparent)]
    Sink(RunError),
    /// A gateway does not show what it holds.
    #[error("which jobs have run cannot be told: sink `{sink}`: {error}")]
    Gateway {
        /// The sink's name.
        sink: String,
        /// What the gateway says.
        error: GatewayError,
    },
}

impl Collector {
    /// Which enabled jobs have not run up to `now` although their schedules say so. Each sink's gateway is asked once.
    ///
    /// # Errors
    /// When a gateway cannot be asked: of its jobs nothing is known then.
    pub async fn watch(&self, now: Timestamp, deadline: Instant) -> Result<Watch, WatchError> {
        let outcome = self.look(now, deadline.min(Instant::now() + PATIENCE)).await;
        match &outcome {
            Ok(watch) => watch.log(),
            Err(error) => error!(%error, error_type = "watchdog", "the watchdog cannot tell"),
        }
        outcome
    }

    async fn look(&self, now: Timestamp, deadline: Instant) -> Result<Watch, WatchError> {
        let enabled = || self.configuration.jobs.iter().filter(|job| job.enabled);
        let mut by_sink: BTreeMap<&str, Vec<&Job>> = BTreeMap::new();
        for job in enabled() {
            let Sink::Pushgateway(sink) = &job.sink;
            by_sink.entry(&sink.name).or_default().push(job);
        }
        let mut overdue = Vec::new();
        for (sink, jobs) in by_sink {
            let Some(first) = jobs.first() else { continue };
            let mut gateway = JobGateway::new(first, &self.resolver, deadline)
                .await
                .map_err(WatchError::Sink)?;
            let runs = gateway.last_runs(deadline).await.map_err(|error| WatchError::Gateway {
                sink: sink.to_owned(),
                error,
            })?;
            overdue.extend(jobs.into_iter().filter_map(|job| look_at(job, &runs, now)));
        }
        overdue.sort_by(|a, b| a.job.cmp(&b.job));
        Ok(Watch {
            enabled: enabled().count(),
            overdue,
        })
    }
}

fn look_at(job: &Job, runs: &LastRuns, now: Timestamp) -> Option<Overdue> {
    let whole = |duration| SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
    let patience = GRACE
        .saturating_add(whole(job.jitter))
        .saturating_add(whole(job.timeout));
    let due = job.schedule.last_up_to(now.checked_sub(patience).ok()?)?;
    let Sink::Pushgateway(sink) = &job.sink;
    let group = self_metrics::group(&job.name, &sink.grouping);
    let labels = group.labels().iter().filter(|(_, value)| !value.is_empty()).cloned();
    let last_run = runs.get(&labels.collect::<BTreeMap<_, _>>()).copied();
    last_run.is_none_or(|ran| ran < due).then(|| Overdue {
        job: job.name.clone(),
        due,
        last_run,
    })
}

impl Watch {
    /// One record that an alarm can count by, and one for each job that is overdue.
    fn log(&self) {
        for Overdue { job, due, last_run } in &self.overdue {
            match last_run {
                Some(last_run) => warn!(job, %due, %last_run, "the job has not run"),
                None => warn!(job, %due, "the job has not run, as far as the gateway knows never"),
            }
        }
        info!(enabled = self.enabled, overdue = self.overdue.len(), "watched");
    }
}
