//! What came of a run.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use tracing::{error, info, warn};

use crate::pushgateway::GatewayError;
use crate::sinks::SinkReport;
use crate::sources::{MetricFailure, TargetReport};

/// What came of a run that was not skipped.
#[derive(Debug)]
pub struct RunReport {
    /// The job's name.
    pub job: String,
    /// The time that the run was scheduled for.
    pub scheduled_time: Timestamp,
    /// When the run ended.
    pub ended: Timestamp,
    /// How long it took.
    pub duration: Duration,
    /// Each metric in the order of the configuration.
    pub metrics: Vec<MetricReport>,
    /// Each service that was asked, where the source has several; empty for any other.
    pub targets: Vec<TargetReport>,
    /// The team to ask.
    pub owner: Option<String>,
    /// What became of the job's group in the gateway.
    pub push: Push,
    /// What became of its series in each of its further sinks.
    pub sinks: Vec<SinkReport>,
}

/// What became of a job's group in the gateway.
#[derive(Debug)]
pub enum Push {
    /// It is exactly what was made in this run.
    Replaced,
    /// What was made took the place of its predecessor; the rest stands as it was.
    Updated,
    /// It was not touched.
    Untouched,
    /// The gateway could not be brought to take it.
    Failed(GatewayError),
}

impl Push {
    /// Whether the group holds what was made in this run.
    pub(super) fn done(&self) -> bool {
        matches!(self, Self::Replaced | Self::Updated)
    }
}

/// What came of a metric.
#[derive(Debug)]
pub struct MetricReport {
    /// The metric's full name.
    pub name: String,
    /// Whether customers may see it.
    pub external: bool,
    /// What was made, or why not.
    pub result: Result<MetricResult, MetricFailure>,
}

/// A metric that could be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricResult {
    /// Its series were made from rows.
    Made(Counts),
    /// There were no rows, and its series in the gateway stay as they are (`on_empty: keep`).
    Kept,
}

/// What a metric was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Rows of the query.
    pub rows: u64,
    /// Series pushed.
    pub series: usize,
    /// Values that were NULL.
    pub nulls: u64,
    /// Rows of an external metric left out for want of an organisation.
    pub without_organisation: u64,
}

impl MetricReport {
    /// What the metric was made from: nothing, if it was not made.
    pub fn counts(&self) -> Counts {
        match self.result {
            Ok(MetricResult::Made(counts)) => counts,
            Ok(MetricResult::Kept) | Err(_) => Counts::default(),
        }
    }
}

impl RunReport {
    /// Whether every metric was made, of every target, and pushed to every sink.
    pub fn succeeded(&self) -> bool {
        !matches!(self.push, Push::Failed(_))
            && self.metrics.iter().all(|metric| metric.result.is_ok())
            && self.failed_targets().next().is_none()
            && self.failed_sinks().next().is_none()
    }

    /// Why further sinks did not take what they can.
    pub(super) fn failed_sinks(&self) -> impl Iterator<Item = &MetricFailure> {
        self.sinks.iter().filter_map(|sink| sink.failure.as_ref())
    }

    /// Why targets gave no rows.
    pub(super) fn failed_targets(&self) -> impl Iterator<Item = &MetricFailure> {
        self.targets.iter().filter_map(|target| target.failure.as_ref())
    }

    /// The series pushed.
    pub fn series(&self) -> usize {
        if !self.push.done() {
            return 0;
        }
        self.metrics.iter().map(|metric| metric.counts().series).sum()
    }

    fn log_sinks(&self) {
        for sink in &self.sinks {
            let name = &sink.name;
            for (reason, series) in &sink.left_out {
                warn!(
                    sink = name,
                    reason, series, "series that the sink cannot take were left out"
                );
            }
            match &sink.failure {
                Some(failure) => error!(
                    sink = name,
                    series = sink.series,
                    error_type = failure.kind,
                    error = failure.message,
                    "sink failed"
                ),
                None => info!(sink = name, series = sink.series, "sent to a further sink"),
            }
        }
    }

    /// Logs what came of each metric and of the run.
    pub(super) fn log(&self) {
        for metric in &self.metrics {
            match &metric.result {
                Ok(MetricResult::Made(counts)) => {
                    info!(
                        metric = metric.name,
                        rows = counts.rows,
                        series = counts.series,
                        nulls = counts.nulls,
                        "metric made"
                    );
                    if counts.without_organisation > 0 {
                        warn!(
                            metric = metric.name,
                            rows = counts.without_organisation,
                            "rows without an organisation were left out of an external metric"
                        );
                    }
                }
                Ok(MetricResult::Kept) => info!(metric = metric.name, "no rows; its series stay as they are"),
                Err(failure) => {
                    error!(
                        metric = metric.name,
                        error_type = failure.kind,
                        error = failure.message,
                        "metric failed"
                    );
                }
            }
        }
        for target in &self.targets {
            let source_target = &target.name;
            if let Some(failure) = &target.failure {
                error!(
                    source_target,
                    error_type = failure.kind,
                    error = failure.message,
                    "target failed"
                );
            }
            if let Some(checks @ 1..) = target.unknown_states {
                warn!(
                    source_target,
                    checks, "checks are in states that are not known: all of their series are 0"
                );
            }
        }
        self.log_sinks();
        let duration_ms = milliseconds(self.duration);
        if let Push::Failed(failure) = &self.push {
            error!(error_type = "push", error = %failure, duration_ms, "push failed");
        } else {
            info!(
                pushed = self.push.done(),
                series = self.series(),
                duration_ms,
                "run done"
            );
        }
    }
}

/// For logs, which know no 128 bits.
fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A run that failed in part or altogether.
#[derive(Debug)]
pub struct RunFailed(pub RunReport);

impl fmt::Display for RunFailed {
    /// The whole story in a line: what failed, why, and what stands in the gateway now.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(report) = self;
        write!(f, "job {}: ", report.job)?;
        let mut failures: Vec<(&MetricFailure, Vec<&str>)> = Vec::new();
        for metric in &report.metrics {
            if let Err(failure) = &metric.result {
                match failures.iter_mut().find(|(known, _)| *known == failure) {
                    // One cause that takes all metrics down is told once.
                    Some((_, names)) => names.push(&metric.name),
                    None => failures.push((failure, vec![&metric.name])),
                }
            }
        }
        for (failure, names) in &failures {
            write!(f, "{} failed: {}; ", names.join(", "), failure.message)?;
        }
        let of_metrics = |message: &str| failures.iter().any(|(failure, _)| failure.message == message);
        for target in &report.targets {
            if let Some(failure) = target.failure.as_ref().filter(|failure| !of_metrics(&failure.message)) {
                write!(f, "target {} failed: {}; ", target.name, failure.message)?;
            }
        }
        for sink in &report.sinks {
            if let Some(failure) = &sink.failure {
                write!(f, "sink {} failed: {}; ", sink.name, failure.message)?;
            }
        }
        match &report.push {
            Push::Replaced | Push::Updated if failures.is_empty() && report.failed_targets().next().is_none() => {
                f.write_str("the gateway has the job's series")?;
            }
            Push::Replaced | Push::Updated if failures.is_empty() => {
                f.write_str("the series of the other targets were pushed")?;
            }
            Push::Failed(error) if error.may_have_been_taken() => {
                write!(f, "whether the gateway took the push is not known: {error}")?;
            }
            Push::Failed(error) => write!(f, "nothing was pushed: {error}")?,
            Push::Replaced if report.series() == 0 => f.write_str("the job's series were removed")?,
            Push::Replaced => f.write_str("the other metrics were pushed, and its old series removed")?,
            Push::Updated => f.write_str("the other metrics were pushed")?,
            Push::Untouched => f.write_str("nothing was pushed")?,
        }
        match &report.owner {
            Some(owner) => write!(f, " (owner: {owner})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for RunFailed {}
