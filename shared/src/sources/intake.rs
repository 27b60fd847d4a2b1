//! Where a query's rows go: into the families of its metrics, or into the reason why there are none.

use std::fmt;

use super::{MetricFailure, TARGET, TargetReport};
use crate::assembly::{Form, MetricError, Outcome, QueryAssembler};
use crate::config::job::{Label, Metric, Query};
use crate::rows::{Column, Consumer, Row};

/// A metric and what was made of it.
pub(crate) type Made<'q> = (&'q Metric, Result<Outcome, MetricFailure>);

/// Takes the rows of one query. A source that hands over neither columns nor a failure has failed.
pub(crate) struct Intake<'q> {
    query: &'q Query,
    form: Form,
    /// Whether a metric may be made without the series of a target that has failed.
    partial: bool,
    targets: Vec<TargetReport>,
    state: State<'q>,
}

enum State<'q> {
    Waiting,
    Taking(QueryAssembler<'q>),
    Failed(MetricFailure),
}

/// Every metric of the query has failed already, and each knows why.
#[derive(Debug)]
pub(crate) struct NoneWanted;

impl fmt::Display for NoneWanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no metric takes the rows")
    }
}

impl<'q> Intake<'q> {
    /// `partial` is whether a metric may be made without the series of a target that has failed.
    pub(crate) fn new(query: &'q Query, form: Form, partial: bool) -> Self {
        Self {
            query,
            form,
            partial,
            targets: Vec::new(),
            state: State::Waiting,
        }
    }

    pub(crate) fn query(&self) -> &'q Query {
        self.query
    }

    /// The query has failed: what its rows have given so far is dropped.
    pub(crate) fn fail(&mut self, failure: MetricFailure) {
        self.state = State::Failed(failure);
    }

    /// What came of one of several services that the source has asked. Where one has failed, a metric that tells targets
    /// apart loses that one's series only; any other fails, since what it adds up would be incomplete.
    pub(crate) fn target(&mut self, report: TargetReport) {
        self.targets.push(report);
    }

    /// What became of each metric and of each target. To be called only when the query has given all of its rows, or has
    /// failed.
    pub(crate) fn finish(self) -> (Vec<Made<'q>>, Vec<TargetReport>) {
        let failed = self.targets.iter().find_map(|target| target.failure.as_ref());
        let without = |metric: &Metric| failed.filter(|_| !(self.partial && tells_targets_apart(metric)));
        let failure = match self.state {
            State::Taking(assembler) => {
                let told = |error: MetricError| metric_failure(self.query, &error);
                let outcomes = assembler.finish().into_iter();
                let made = outcomes
                    .map(|(metric, outcome)| match without(metric) {
                        Some(failure) => (metric, Err(failure.clone())),
                        None => (metric, outcome.map_err(told)),
                    })
                    .collect();
                return (made, self.targets);
            }
            State::Failed(failure) => failure,
            State::Waiting => {
                let message = format!("{}: the source gave no answer", self.query.place(None));
                MetricFailure::new("query", message)
            }
        };
        let metrics = self.query.metrics.iter();
        (
            metrics.map(|metric| (metric, Err(failure.clone()))).collect(),
            self.targets,
        )
    }
}

/// Whether each series of the metric is one target's: neither does a bucket add several up, nor does a grid say 0 of one
/// that is not known.
fn tells_targets_apart(metric: &Metric) -> bool {
    let is_target = |label: &Label| label.column == TARGET && label.allowed.is_none();
    metric.labels.iter().any(is_target) && metric.fill.is_empty()
}

impl Consumer for Intake<'_> {
    type Error = NoneWanted;

    fn columns(&mut self, columns: &[Column]) -> Result<(), NoneWanted> {
        let assembler = QueryAssembler::new(&self.query.metrics, columns, self.form);
        let wanted = assembler.wants_rows();
        self.state = State::Taking(assembler);
        wanted.then_some(()).ok_or(NoneWanted)
    }

    fn row(&mut self, row: &dyn Row) -> Result<(), NoneWanted> {
        let State::Taking(assembler) = &mut self.state else {
            return Err(NoneWanted);
        };
        assembler.row(row);
        assembler.wants_rows().then_some(()).ok_or(NoneWanted)
    }
}

fn metric_failure(query: &Query, error: &MetricError) -> MetricFailure {
    let kind = match error {
        MetricError::Column(_) => "column",
        MetricError::External(_) => "external",
        _ => "rows",
    };
    MetricFailure::new(kind, format!("{}: {error}", query.place(None)))
}
