//! One run of one job: from the event to the gateway.
//!
//! Everything is made before anything is pushed, and each push is one request that the gateway takes or refuses whole:
//! at no moment does a half-made group stand there.

mod push;
mod queries;
mod report;
mod self_metrics;

use std::io::{self, Write};

use jiff::Timestamp;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::assembly::{Form, Outcome};
use crate::config::job::{Job, OnError, Sink};
use crate::config::{Configuration, UnknownJob};
use crate::event::Event;
use crate::placeholders::Resolver;
use crate::postgres::Connections;
use crate::pushgateway::{Body, GatewayError, Pushgateway};

pub use push::ClientError;
pub use report::{Counts, MetricFailure, MetricReport, MetricResult, RunFailed, RunReport};

use push::{Came, Plan};
use queries::{Context, Made};

/// Runs jobs of a configuration, and keeps its connections warm from one run to the next.
pub struct Collector {
    configuration: Configuration,
    resolver: Resolver,
    connections: Connections,
}

/// What came of an event that was not an error.
#[derive(Debug)]
pub enum Run {
    /// The job ran and succeeded in everything.
    Succeeded(RunReport),
    /// The delivery was late or doubled, and changed nothing.
    Skipped(Skipped),
}

/// Why a delivery changed nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The job's name.
    pub job: String,
    /// What was found, in a sentence.
    pub reason: String,
}

/// Why a job did not run, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The configuration has no such job, or the job has a mistake.
    #[error(transparent)]
    Unknown(#[from] UnknownJob),
    /// The job is switched off.
    #[error("the job `{0}` is disabled; remove `enabled: false` from it to run it")]
    Disabled(String),
    /// There is no time to run in.
    #[error("the job `{0}` cannot run: the function's time is up; raise the function's timeout")]
    NoTime(String),
    /// There is no client for the sink, so that nothing could be told, not even of this.
    #[error("job {job}: sink `{sink}`: {error}")]
    Sink {
        /// The job's name.
        job: String,
        /// The sink's name.
        sink: String,
        /// What is wrong.
        error: Box<ClientError>,
    },
    /// It ran and failed in part or altogether.
    #[error(transparent)]
    Failed(Box<RunFailed>),
    /// The exposition text could not be written.
    #[error("the exposition text cannot be written: {0}")]
    Output(#[from] io::Error),
}

impl RunError {
    /// The kind of failure, for logs and alerts: of low cardinality.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unknown(_) => "unknown_job",
            Self::Disabled(_) => "disabled_job",
            Self::NoTime(_) => "no_time",
            Self::Sink { .. } => "sink",
            Self::Failed(failed) if failed.0.push_error.is_some() => "push",
            Self::Failed(failed) => {
                let failures = failed
                    .0
                    .metrics
                    .iter()
                    .filter_map(|metric| metric.result.as_ref().err());
                failures.map(|failure| failure.kind).next().unwrap_or("run")
            }
            Self::Output(_) => "output",
        }
    }
}

impl Collector {
    /// A collector; nothing is connected yet.
    #[must_use]
    pub fn new(configuration: Configuration, resolver: Resolver) -> Self {
        Self {
            configuration,
            resolver,
            connections: Connections::new(),
        }
    }

    /// Runs the job that an event names, and tells the gateway what came of it. `deadline` is when the function ends.
    ///
    /// # Errors
    /// When the job did not run, or failed in part or altogether; [`RunFailed`] says what stands in the gateway then.
    #[tracing::instrument(skip_all, fields(job = event.job))]
    pub async fn run(&self, event: &Event, deadline: Instant) -> Result<Run, RunError> {
        let started = Instant::now();
        let job = self.job(&event.job)?;
        let deadline = deadline.min(started + job.timeout);
        if deadline <= started {
            return Err(RunError::NoTime(job.name.clone()));
        }
        let Sink::Pushgateway(sink) = &job.sink;
        let gateway = match tokio::time::timeout_at(deadline, push::client(sink, &self.resolver)).await {
            Ok(client) => client,
            Err(_) => Err(ClientError::TimedOut),
        };
        let gateway = gateway.map_err(|error| RunError::Sink {
            job: job.name.clone(),
            sink: sink.name.clone(),
            error: Box::new(error),
        })?;
        if let Some(scheduled_time) = event.scheduled_time
            && let Some(reason) = lateness(job, &gateway, scheduled_time, deadline).await
        {
            info!(reason, "skipped");
            return Ok(Run::Skipped(Skipped {
                job: job.name.clone(),
                reason,
            }));
        }
        let scheduled_time = event.scheduled_time.unwrap_or_else(now);
        let context = Context {
            resolver: &self.resolver,
            scheduled_time,
            deadline: deadline - push::reserve(deadline - started),
            form: Form::Gzip,
        };
        let made = queries::run(job, &self.connections, &context).await;
        let metrics = made.iter().map(report_metric).collect();
        let outcome = push_families(job, &gateway, made, deadline).await;
        let report = RunReport {
            job: job.name.clone(),
            scheduled_time,
            ended: Timestamp::now(),
            duration: started.elapsed(),
            metrics,
            pushed: matches!(outcome, Ok(true)),
            push_error: outcome.err(),
        };
        report.log();
        if let Err(error) = push_self_metrics(job, &gateway, &report, deadline).await {
            warn!(%error, "what the run tells of itself could not be pushed");
        }
        if report.succeeded() {
            Ok(Run::Succeeded(report))
        } else {
            Err(RunError::Failed(Box::new(RunFailed(report))))
        }
    }

    /// Runs a job's queries and writes the text that would be pushed. Nothing is pushed, and the sink is not asked.
    ///
    /// # Errors
    /// As [`Collector::run`]; what the job's `on_error` would push all the same is written first.
    #[tracing::instrument(skip_all, fields(job = name))]
    pub async fn dry_run(&self, name: &str, output: &mut impl Write) -> Result<RunReport, RunError> {
        let started = Instant::now();
        let job = self.job(name)?;
        let scheduled_time = now();
        let context = Context {
            resolver: &self.resolver,
            scheduled_time,
            deadline: started + job.timeout,
            form: Form::Plain,
        };
        let made = queries::run(job, &self.connections, &context).await;
        let report = RunReport {
            job: job.name.clone(),
            scheduled_time,
            ended: Timestamp::now(),
            duration: started.elapsed(),
            metrics: made.iter().map(report_metric).collect(),
            pushed: false,
            push_error: None,
        };
        if report.succeeded() || job.on_error != OnError::Fail {
            for (_, outcome) in made {
                if let Ok(Outcome::Family(family)) = outcome {
                    family.text.write_to(output)?;
                }
            }
            output.flush()?;
        }
        if report.succeeded() {
            Ok(report)
        } else {
            Err(RunError::Failed(Box::new(RunFailed(report))))
        }
    }

    fn job(&self, name: &str) -> Result<&Job, RunError> {
        let job = self.configuration.job(name)?;
        if job.enabled {
            Ok(job)
        } else {
            Err(RunError::Disabled(job.name.clone()))
        }
    }
}

/// The scheduled time of a run that somebody asks for: whole seconds, like every schedule's.
fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

/// Whether the group already holds the series of this scheduled time or of a later one: then this delivery is late or
/// doubled (Lambda delivers asynchronous events at least once, and retries them for up to six hours).
async fn lateness(job: &Job, gateway: &Pushgateway, scheduled_time: Timestamp, deadline: Instant) -> Option<String> {
    let Sink::Pushgateway(sink) = &job.sink;
    let group = self_metrics::group(&job.name, &sink.grouping);
    // A gateway that does not answer must leave the queries their time.
    let now = Instant::now();
    let patience = now + push::reserve(deadline.saturating_duration_since(now));
    let stored = |name: &'static str| gateway.stored_gauge(name, &group, &[], patience);
    let held = match stored(self_metrics::SCHEDULED).await {
        Ok(held) => held?,
        Err(error) => {
            warn!(%error, "cannot tell whether this delivery is late; running");
            return None;
        }
    };
    let scheduled = scheduled_time.as_duration().as_secs_f64();
    if scheduled > held {
        return None;
    }
    // A run that failed may be tried again for the same time; one that succeeded need not.
    if scheduled < held || matches!(stored(self_metrics::UP).await, Ok(Some(up)) if up > 0.0) {
        let what = if scheduled < held { "late" } else { "doubled" };
        let held = jiff::SignedDuration::try_from_secs_f64(held)
            .ok()
            .and_then(|held| Timestamp::from_duration(held).ok());
        let held = held.map_or_else(|| "a later time".to_owned(), |held| held.to_string());
        return Some(format!(
            "the delivery for {scheduled_time} is {what}: the gateway already holds the series of {held}"
        ));
    }
    None
}

fn report_metric((metric, outcome): &Made<'_>) -> MetricReport {
    let result = match outcome {
        Ok(Outcome::Family(family)) => Ok(MetricResult::Made(Counts {
            rows: family.rows,
            series: family.series,
            nulls: family.nulls,
            without_organisation: family.without_organisation,
        })),
        Ok(Outcome::Keep) => Ok(MetricResult::Kept),
        Err(failure) => Err(failure.clone()),
    };
    MetricReport {
        name: metric.name.clone(),
        external: metric.external,
        result,
    }
}

/// Pushes what was made, as the job's policy has it; tells whether anything was pushed.
async fn push_families(
    job: &Job,
    gateway: &Pushgateway,
    made: Vec<Made<'_>>,
    deadline: Instant,
) -> Result<bool, GatewayError> {
    let Sink::Pushgateway(sink) = &job.sink;
    let group = crate::pushgateway::GroupingKey::new(&job.name, &sink.grouping);
    let came: Vec<_> = made.iter().map(|(_, outcome)| Came::of(outcome)).collect();
    match push::plan(job.on_error, &came) {
        Plan::Put => gateway.put(&group, push::body(made), deadline).await.map(|()| true),
        Plan::Post => gateway.post(&group, push::body(made), deadline).await.map(|()| true),
        Plan::Nothing => Ok(false),
    }
}

/// A success replaces the group; a failure leaves in it what it has nothing to say about, such as the last success.
async fn push_self_metrics(
    job: &Job,
    gateway: &Pushgateway,
    report: &RunReport,
    deadline: Instant,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let Sink::Pushgateway(sink) = &job.sink;
    let group = self_metrics::group(&job.name, &sink.grouping);
    let body = Body::Plain(self_metrics::encode(report)?.into());
    if report.succeeded() && report.pushed {
        gateway.put(&group, body, deadline).await?;
    } else {
        gateway.post(&group, body, deadline).await?;
    }
    Ok(())
}
