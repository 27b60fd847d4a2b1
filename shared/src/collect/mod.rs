//! One run of one job: from the event to the gateway.
//!
//! Everything is made before anything is pushed, and each push is one request that the gateway takes or refuses whole:
//! at no moment does a half-made group stand there.

mod gateway;
pub(crate) mod push;
mod report;
pub(crate) mod self_metrics;
mod watchdog;

use std::io::{self, Write};
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::assembly::{Form, Outcome};
use crate::config::job::{Job, OnError};
use crate::config::{Configuration, UnknownJob};
use crate::event::Event;
use crate::placeholders::Resolver;
use crate::sinks::{self, Delivery, Earlier};
use crate::sources::{Clients, Context, Intake, Made};

pub use crate::sinks::SinkReport;
pub use crate::sources::{MetricFailure, TargetReport};
pub(crate) use gateway::is_future;
pub use push::ClientError;
pub use report::{Counts, MetricReport, MetricResult, Push, RunFailed, RunReport};

pub use watchdog::{Overdue, Watch, WatchError};

use gateway::JobGateway;
use push::Plan;

/// Queries that take longer than this may have been overtaken by those of a newer run.
const OVERTAKING: Duration = Duration::from_secs(1);

/// Runs jobs of a configuration, and keeps its sources' connections warm from one run to the next.
pub struct Collector {
    configuration: Configuration,
    resolver: Resolver,
    clients: Clients,
    sinks: sinks::Clients,
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
    /// The run is for a time that has not come: pushed now, it would make every delivery until then a late one.
    #[error(
        "the job `{job}` is scheduled for {scheduled_time}, which lies in the future; send the time that it is for"
    )]
    Future {
        /// The job's name.
        job: String,
        /// The time.
        scheduled_time: Timestamp,
    },
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
            Self::Future { .. } => "future",
            Self::NoTime(_) => "no_time",
            Self::Sink { .. } => "sink",
            Self::Failed(failed) if matches!(failed.0.push, Push::Failed(_)) => "push",
            Self::Failed(failed) => {
                let failures = || {
                    failed
                        .0
                        .metrics
                        .iter()
                        .filter_map(|metric| metric.result.as_ref().err())
                };
                // What failed by itself says more than what could not vanish beside it.
                let first = failures()
                    .find(|failure| failure.kind != push::CANNOT_VANISH)
                    .or(failures().next());
                let of_target = failed.0.failed_targets().next();
                first
                    .or(of_target)
                    .or(failed.0.failed_sinks().next())
                    .map_or("run", |failure| failure.kind)
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
            clients: Clients::default(),
            sinks: sinks::Clients::default(),
        }
    }

    /// Runs the job that an event names, and tells the gateway what came of it. `deadline` is when the function ends.
    ///
    /// # Errors
    /// When the job did not run, or failed in part or altogether; [`RunFailed`] says what stands in the gateway then.
    #[tracing::instrument(skip_all, fields(job = event.job, owner = tracing::field::Empty))]
    pub async fn run(&self, event: &Event, deadline: Instant) -> Result<Run, RunError> {
        self.execute(event, deadline, false).await
    }

    /// Runs a job again for a time that it has run for, since what it had pushed is gone from the gateway. A delivery
    /// that is late changes nothing all the same.
    ///
    /// # Errors
    /// As [`Collector::run`].
    #[tracing::instrument(skip_all, fields(job = event.job, owner = tracing::field::Empty))]
    pub async fn run_again(&self, event: &Event, deadline: Instant) -> Result<Run, RunError> {
        self.execute(event, deadline, true).await
    }

    async fn execute(&self, event: &Event, deadline: Instant, again: bool) -> Result<Run, RunError> {
        let started = Instant::now();
        let job = self.job(&event.job)?;
        tracing::Span::current().record("owner", job.owner.as_deref());
        let deadline = deadline.min(started + job.timeout);
        if deadline <= started {
            return Err(RunError::NoTime(job.name.clone()));
        }
        let scheduled_time = event.scheduled_time.unwrap_or_else(now);
        if gateway::is_future(scheduled_time) {
            return Err(RunError::Future {
                job: job.name.clone(),
                scheduled_time,
            });
        }
        let mut gateway = JobGateway::new(job, &self.resolver, deadline).await?;
        let skipped = |reason: String| {
            info!(reason, "skipped");
            Ok(Run::Skipped(Skipped {
                job: job.name.clone(),
                reason,
            }))
        };
        if event.scheduled_time.is_some() {
            let reason = if again {
                gateway.overtaken(scheduled_time, deadline).await
            } else {
                gateway.late_or_doubled(scheduled_time, deadline).await
            };
            if let Some(reason) = reason {
                return skipped(reason);
            }
        }
        let queries_began = Instant::now();
        let reserve = push::reserve(deadline.saturating_duration_since(started));
        let context = Context {
            resolver: &self.resolver,
            scheduled_time,
            deadline: deadline - reserve,
            form: Form::Gzip,
            source: job.source.name.as_deref(),
        };
        let (mut made, targets) = ask(job, &self.clients, &context).await;
        let plan = push::settle(job.on_error, &mut made);
        // A newer run may have overtaken this one. The gateway knows no compare-and-set, so milliseconds remain.
        if queries_began.elapsed() > OVERTAKING
            && let Some(reason) = gateway.overtaken(scheduled_time, deadline).await
        {
            return skipped(reason);
        }
        let metrics = made.iter().map(report_metric).collect();
        let body = push::body(made);
        let earlier = self.earlier(job, event, &gateway, deadline).await;
        let group = gateway.group();
        let delivery = Delivery {
            resolver: &self.resolver,
            scheduled_time,
            // A push that hangs must leave time to tell of it.
            deadline: deadline - reserve / 4,
            group: group.labels(),
        };
        // Side by side, so that one that hangs does not take the other's time.
        let series = (plan != Plan::Nothing).then_some(&body);
        let further = job.also_to.iter().zip(earlier);
        let further = further.map(|(sink, earlier)| sinks::send(sink, &self.sinks, series, earlier, &delivery));
        let (push, sinks) = tokio::join!(gateway.push(plan, body.clone(), delivery.deadline), join_all(further));
        let report = RunReport {
            job: job.name.clone(),
            scheduled_time,
            ended: Timestamp::now(),
            duration: started.elapsed(),
            metrics,
            targets,
            owner: job.owner.clone(),
            push,
            sinks,
        };
        report.log();
        if let Err(error) = gateway.tell(&report, deadline).await {
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
            source: job.source.name.as_deref(),
        };
        let (made, targets) = ask(job, &self.clients, &context).await;
        let report = RunReport {
            job: job.name.clone(),
            scheduled_time,
            ended: Timestamp::now(),
            duration: started.elapsed(),
            metrics: made.iter().map(report_metric).collect(),
            targets,
            owner: job.owner.clone(),
            push: Push::Untouched,
            sinks: Vec::new(),
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

    /// What it runs by.
    #[must_use]
    pub fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    pub(crate) fn resolver(&self) -> &Resolver {
        &self.resolver
    }

    /// What earlier runs have sent to a job's further sinks. Nobody delivers twice what somebody asks for by hand.
    async fn earlier(&self, job: &Job, event: &Event, gateway: &JobGateway<'_>, deadline: Instant) -> Vec<Earlier> {
        let mut earlier = vec![Earlier::default(); job.also_to.len()];
        if event.scheduled_time.is_some() {
            for (sink, earlier) in job.also_to.iter().zip(&mut earlier) {
                *earlier = gateway.earlier(&sink.name, deadline).await;
            }
        }
        earlier
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

/// Asks a job's source all of its queries. A failure that concerns them all is told for each metric.
async fn ask<'a>(job: &'a Job, clients: &Clients, context: &Context<'_>) -> (Vec<Made<'a>>, Vec<TargetReport>) {
    let partial = job.on_error != OnError::Fail;
    let intake = |query| Intake::new(query, context.form, partial);
    let mut intakes: Vec<_> = job.queries.iter().map(intake).collect();
    if let Err(failure) = job.source.kind.run(clients, &mut intakes, context).await {
        for intake in &mut intakes {
            intake.fail(failure.clone());
        }
    }
    let (mut made, mut targets) = (Vec::new(), Vec::<TargetReport>::new());
    for (of_query, told) in intakes.into_iter().map(Intake::finish) {
        made.extend(of_query);
        for report in told {
            match targets.iter_mut().find(|known| known.name == report.name) {
                Some(known) => known.merge(report),
                None => targets.push(report),
            }
        }
    }
    (made, targets)
}

/// The scheduled time of a run that somebody asks for: whole seconds, like every schedule's.
fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
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
