//! Where a query's rows go: into the families of its metrics, or into the reason why there are none.

use std::fmt;

use super::{MetricFailure, TARGET, TargetReport};
use crate::assembly::{Form, MetricError, Outcome, QueryAssembler};
use crate::config::job::{Label, Metric, Query};
use crate::rows::{Cell, Cells, Column, Consumer, Row};

/// A metric and what was made of it.
pub(crate) type Made<'q> = (&'q Metric, Result<Outcome, MetricFailure>);

/// Metrics by their places in the query, and why each does not accept a target's rows.
type Unfit = Vec<(usize, MetricError)>;

/// Takes the rows of one query. A source that hands over neither columns nor a failure has failed.
pub(crate) struct Intake<'q> {
    query: &'q Query,
    form: Form,
    /// Whether a metric may be made without the series of a target that has failed.
    partial: bool,
    targets: Vec<TargetReport>,
    /// Why a target gave no rows at all.
    lost: Option<MetricFailure>,
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
            lost: None,
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

    /// One of several services that the source has asked gave no rows. A metric that tells targets apart loses that one's
    /// series only; any other fails, since what it adds up would be incomplete.
    pub(crate) fn lost_target(&mut self, name: &str, failure: MetricFailure) {
        self.target(TargetReport {
            name: name.to_owned(),
            failure: Some(failure.clone()),
            unknown_states: None,
        });
        self.lost.get_or_insert(failure);
    }

    /// What came of one that gave rows, in [`Self::rows_of_targets`].
    pub(crate) fn target(&mut self, report: TargetReport) {
        self.targets.push(report);
    }

    /// Takes the rows of several services. A metric that tells targets apart goes without those whose rows it does not
    /// accept, unless it accepts nobody's: then it is itself at fault. Gives for each target the first metric that goes
    /// without it, and why.
    pub(crate) fn rows_of_targets(
        &mut self,
        columns: &[Column],
        targets: &[Vec<Vec<Cell<'_>>>],
    ) -> Vec<Option<(&'q str, MetricError)>> {
        let unfit = self.unfit(columns, targets);
        // Whoever wants no rows knows why, and takes none.
        let _ = self.columns(columns);
        if let State::Taking(assembler) = &mut self.state {
            for (rows, unfit) in targets.iter().zip(&unfit) {
                // Where nothing may be pushed without a target, the metric is to fail of its row.
                let without: Vec<usize> = unfit
                    .iter()
                    .map(|(metric, _)| *metric)
                    .filter(|_| self.partial)
                    .collect();
                for cells in rows {
                    assembler.row_without(&Cells { columns, cells }, &without);
                }
            }
        }
        let first = |unfit: Unfit| {
            let (metric, error) = unfit.into_iter().next()?;
            Some((self.query.metrics[metric].name.as_str(), error))
        };
        unfit.into_iter().map(first).collect()
    }

    /// For each target the metrics that do not accept its rows, and those of another.
    fn unfit(&self, columns: &[Column], targets: &[Vec<Vec<Cell<'_>>>]) -> Vec<Unfit> {
        if targets.len() == 1 {
            return vec![Unfit::new()];
        }
        let mut unfit: Vec<_> = targets.iter().map(|rows| self.tried_on(columns, rows)).collect();
        let accepted: Vec<bool> = (0..self.query.metrics.len())
            .map(|at| {
                let mut given = targets.iter().zip(&unfit).filter(|(rows, _)| !rows.is_empty());
                given.any(|(_, unfit)| unfit.iter().all(|(metric, _)| *metric != at))
            })
            .collect();
        for unfit in &mut unfit {
            unfit.retain(|(metric, _)| accepted[*metric]);
        }
        unfit
    }

    /// The metrics that tell targets apart and do not accept these rows of one.
    fn tried_on(&self, columns: &[Column], rows: &[Vec<Cell<'_>>]) -> Unfit {
        let mut trial = QueryAssembler::new(&self.query.metrics, columns, self.form);
        for cells in rows {
            trial.row(&Cells { columns, cells });
        }
        let outcomes = trial.finish().into_iter().enumerate();
        let error = |(at, (metric, outcome)): (usize, (&Metric, Result<Outcome, MetricError>))| {
            let error = outcome.err()?;
            (tells_targets_apart(metric) && error.is_of_a_row()).then_some((at, error))
        };
        outcomes.filter_map(error).collect()
    }

    /// What became of each metric and of each target. To be called only when the query has given all of its rows, or has
    /// failed.
    pub(crate) fn finish(self) -> (Vec<Made<'q>>, Vec<TargetReport>) {
        let without = |metric: &Metric| {
            self.lost
                .as_ref()
                .filter(|_| !(self.partial && tells_targets_apart(metric)))
        };
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
            State::Waiting => self.lost.unwrap_or_else(|| {
                let message = format!("{}: the source gave no answer", self.query.place(None));
                MetricFailure::new("query", message)
            }),
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
