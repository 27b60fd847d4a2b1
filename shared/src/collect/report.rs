//! What came of a run.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use tracing::{error, info, warn};

use crate::pushgateway::GatewayError;

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
    /// Whether any series were pushed.
    pub pushed: bool,
    /// Why the push failed, if it did.
    pub push_error: Option<GatewayError>,
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

/// Why a metric could not be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricFailure {
    /// The kind of failure, for logs and alerts: of low cardinality.
    pub kind: &'static str,
    /// What went wrong and where, in a sentence.
    pub message: String,
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
    /// Whether every metric was made and pushed.
    pub fn succeeded(&self) -> bool {
        self.push_error.is_none() && self.metrics.iter().all(|metric| metric.result.is_ok())
    }

    /// The series pushed.
    pub fn series(&self) -> usize {
        if !self.pushed {
            return 0;
        }
        self.metrics.iter().map(|metric| metric.counts().series).sum()
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
        let duration_ms = u64::try_from(self.duration.as_millis()).unwrap_or(u64::MAX);
        if let Some(failure) = &self.push_error {
            error!(error_type = "push", error = %failure, duration_ms, "push failed");
        } else {
            info!(pushed = self.pushed, series = self.series(), duration_ms, "run done");
        }
    }
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
        match (&report.push_error, report.pushed) {
            (Some(error), _) => write!(f, "nothing was pushed: {error}"),
            (None, true) => f.write_str("the other metrics were pushed"),
            (None, false) => f.write_str("nothing was pushed"),
        }
    }
}

impl std::error::Error for RunFailed {}
