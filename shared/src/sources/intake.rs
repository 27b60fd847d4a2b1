//! Where a query's rows go: into the families of its metrics, or into the reason why there are none.

use std::fmt;

use super::MetricFailure;
use crate::assembly::{Form, MetricError, Outcome, QueryAssembler};
use crate::config::job::{Metric, Query};
use crate::rows::{Column, Consumer, Row};

/// A metric and what was made of it.
pub(crate) type Made<'q> = (&'q Metric, Result<Outcome, MetricFailure>);

/// Takes the rows of one query. A source that hands over neither columns nor a failure has failed.
pub(crate) struct Intake<'q> {
    query: &'q Query,
    form: Form,
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
    pub(crate) fn new(query: &'q Query, form: Form) -> Self {
        Self {
            query,
            form,
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

    /// What became of each metric. To be called only when the query has given all of its rows, or has failed.
    pub(crate) fn finish(self) -> Vec<Made<'q>> {
        let failure = match self.state {
            State::Taking(assembler) => {
                let told = |error: MetricError| metric_failure(self.query, &error);
                let outcomes = assembler.finish().into_iter();
                return outcomes
                    .map(|(metric, outcome)| (metric, outcome.map_err(told)))
                    .collect();
            }
            State::Failed(failure) => failure,
            State::Waiting => {
                let message = format!("{}: the source gave no answer", self.query.place(None));
                MetricFailure::new("query", message)
            }
        };
        let metrics = self.query.metrics.iter();
        metrics.map(|metric| (metric, Err(failure.clone()))).collect()
    }
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
