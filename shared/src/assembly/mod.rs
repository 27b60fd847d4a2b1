//! Rows become series: labels, values, the policies for NULL, duplicates and grids, and the count of it all.
//!
//! Rows are encoded as they stream by, so what is kept in memory is small and does not hold the rows:
//!
//! | kept | for | bytes a series |
//! |---|---|---|
//! | a keyed 128-bit hash | `duplicates: error` | 19 to 39 |
//! | hash, value and encoded labels | `duplicates: sum`, `max`, `last`; rows in an `other` bucket | 55 to 90 and the labels' text |
//! | a keyed 128-bit hash | cells of a `fill` grid that no row has given yet | 19 to 39 |
//!
//! `max_series` bounds all of them. The text itself is compressed as it is written, or spooled to a temporary file.

mod assembler;
mod columns;
mod error;
mod grid;
mod index;
mod text;

#[cfg(test)]
mod tests;

pub use assembler::{Assembler, Family, Outcome};
pub use columns::column_problems;
pub use error::{ColumnError, ExternalError, MetricError};
pub use text::{EncodedText, Form};

use crate::config::job::Metric;
use crate::rows::{Column, Row};

/// The families of one query's metrics, assembled side by side; one that fails leaves the others alone.
#[derive(Debug)]
pub struct QueryAssembler<'a> {
    metrics: Vec<(&'a Metric, Result<Assembler<'a>, MetricError>)>,
}

impl<'a> QueryAssembler<'a> {
    /// Finds each metric's columns in the query's result. A metric that does not find them has failed already.
    #[must_use]
    pub fn new(metrics: &'a [Metric], columns: &[Column], form: Form) -> Self {
        let metrics = metrics
            .iter()
            .map(|metric| (metric, Assembler::new(metric, columns, form)))
            .collect();
        Self { metrics }
    }

    /// Whether any metric still takes rows; when none does, the rest of the result need not be read.
    #[must_use]
    pub fn wants_rows(&self) -> bool {
        self.metrics.iter().any(|(_, assembler)| assembler.is_ok())
    }

    /// Hands a row to each metric that has not failed. What a failing metric had written is dropped at once.
    pub fn row(&mut self, row: &(impl Row + ?Sized)) {
        self.row_without(row, &[]);
    }

    /// As [`Self::row`], but for the metrics at these places.
    pub fn row_without(&mut self, row: &(impl Row + ?Sized), without: &[usize]) {
        for (at, (_, assembler)) in self.metrics.iter_mut().enumerate() {
            if !without.contains(&at)
                && let Ok(running) = assembler
                && let Err(error) = running.row(row)
            {
                *assembler = Err(error);
            }
        }
    }

    /// What became of each metric, in the order they were given. To be called only when the query has given all of its
    /// rows.
    #[must_use]
    pub fn finish(self) -> Vec<(&'a Metric, Result<Outcome, MetricError>)> {
        let finish =
            |(metric, assembler): (_, Result<Assembler<'a>, _>)| (metric, assembler.and_then(Assembler::finish));
        self.metrics.into_iter().map(finish).collect()
    }
}
