//! Why a metric could not be made from a query's rows. The job and the metric are named by whoever reports it.

use std::io;

use crate::config::job::ORGANISATION_LABEL;
use crate::rows::UnreadableCell;

/// The most that a label's value may take. With `max_series` it bounds a family's size.
pub(super) const MAX_LABEL_BYTES: usize = 4 * 1024;

/// Why a metric has no family this time.
#[derive(Debug, thiserror::Error)]
pub enum MetricError {
    /// The query does not give what the metric is made from.
    #[error(transparent)]
    Column(#[from] ColumnError),
    /// Customers may see the metric, but whose its series are is not certain.
    #[error(transparent)]
    External(#[from] ExternalError),
    /// A cell does not hold what its column promised.
    #[error("row {row}: {cell}")]
    Cell {
        /// The row's number, from 1.
        row: u64,
        /// What is wrong with the cell.
        cell: UnreadableCell,
    },
    /// A label's value is no label but a document.
    #[error(
        "row {row}: column {column:?} holds a label value of {bytes} bytes, and {MAX_LABEL_BYTES} are the most: shorten \
         it in the query, or fold rare values with `allowed_values`"
    )]
    LabelTooLong {
        /// The row's number, from 1.
        row: u64,
        /// The label's column.
        column: String,
        /// How long the value is.
        bytes: usize,
    },
    /// A NULL where the metric wants none.
    #[error(
        "row {row}: value column {column:?} is NULL: give it a value with coalesce(), or set `null_value` to skip, zero \
         or nan"
    )]
    NullValue {
        /// The row's number, from 1.
        row: u64,
        /// The value column.
        column: String,
    },
    /// Two rows would be the same series.
    #[error(
        "row {row} has the same labels as an earlier row, {labels}: group the query by all label columns, add the label \
         that tells the rows apart, or set `duplicates` to sum, max or last"
    )]
    Duplicate {
        /// The later row's number, from 1.
        row: u64,
        /// The labels as they would be exposed, shortened when long.
        labels: String,
    },
    /// The metric has more series than it may.
    #[error(
        "more than {limit} series: group by fewer labels, fold rare values with `allowed_values`, or raise `max_series` \
         (now {limit})"
    )]
    TooManySeries {
        /// The metric's `max_series`.
        limit: usize,
    },
    /// No rows, and the metric says that this is an error.
    #[error("the query gave no rows, which `on_empty: error` makes a failure")]
    NoRows,
    /// `on_empty: zero` cannot know which series to set to 0.
    #[error("`on_empty: zero` needs `fill` because the metric has labels: list the label values that are to be 0")]
    ZeroWithoutFill,
    /// The text could not be spooled.
    #[error("the exposition text could not be written to temporary storage: {0}")]
    Spool(#[from] io::Error),
}

impl MetricError {
    /// Whether a row is at fault, and without it there would be a family.
    #[must_use]
    pub fn is_of_a_row(&self) -> bool {
        matches!(
            self,
            Self::Cell { .. } | Self::LabelTooLong { .. } | Self::NullValue { .. } | Self::Duplicate { .. }
        )
    }
}

/// A query's result does not have the column that a metric is made from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ColumnError {
    /// No column has the name.
    #[error(
        "the query gives no column {column:?}, which {purpose} needs{}; it gives {}",
        suggestion.as_ref().map(|name| format!(" (did you mean {name:?}?)")).unwrap_or_default(),
        listed(given)
    )]
    Missing {
        /// The column that is looked for.
        column: String,
        /// What of the metric needs it: ``label `os` ``, `the value`.
        purpose: String,
        /// The columns that the query gives, in its order.
        given: Vec<String>,
        /// The closest of them, if any is close.
        suggestion: Option<String>,
    },
    /// Several columns have the name.
    #[error(
        "the query gives {count} columns named {column:?}, which {purpose} needs: name the others differently with AS"
    )]
    Ambiguous {
        /// The column that is looked for.
        column: String,
        /// What of the metric needs it.
        purpose: String,
        /// How many columns have the name.
        count: usize,
    },
    /// A label column's type has no text that could be a label.
    #[error(
        "column {column:?} is of type {type_name}, which cannot be a label, but {purpose} needs one: cast it to text in the query"
    )]
    NoLabel {
        /// The column.
        column: String,
        /// What of the metric needs it.
        purpose: String,
        /// The source's own name of its type.
        type_name: String,
    },
    /// A value column's type is no number.
    #[error(
        "column {column:?} is of type {type_name}, which is no number, but {purpose} needs one: cast it in the query"
    )]
    NotNumeric {
        /// The column.
        column: String,
        /// What of the metric needs it.
        purpose: String,
        /// The source's own name of its type.
        type_name: String,
    },
}

impl ColumnError {
    /// The column that the metric needs.
    #[must_use]
    pub fn column(&self) -> &str {
        match self {
            Self::Missing { column, .. }
            | Self::Ambiguous { column, .. }
            | Self::NoLabel { column, .. }
            | Self::NotNumeric { column, .. } => column,
        }
    }
}

/// An external metric does not say for certain whose series it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ExternalError {
    /// There is no organisation label.
    #[error("`external: true` needs the label `{ORGANISATION_LABEL}`, so that each customer sees only his own series")]
    NoOrganisation,
    /// Several customers would share one value of the organisation label.
    #[error("`{ORGANISATION_LABEL}` of an external metric cannot have `allowed_values`: a bucket would mix customers")]
    OrganisationBucket,
}

fn listed(given: &[String]) -> String {
    if given.is_empty() {
        return "no columns at all".to_owned();
    }
    given
        .iter()
        .map(|name| format!("{name:?}"))
        .collect::<Vec<_>>()
        .join(", ")
}
