//! A metric's columns are found in a query's result, or the error says what the query gives instead.

use super::error::ColumnError;
use crate::config::job::{Label, Metric, Values};
use crate::rows::Column;
use crate::suggest;

/// Everything for which a metric cannot be made from a query's columns, in the order of its labels and values; nothing
/// if it can.
#[must_use]
pub fn column_problems(metric: &Metric, columns: &[Column]) -> Vec<ColumnError> {
    let labels = metric.labels.iter().map(|label| label_position(columns, label));
    let values: Vec<_> = match &metric.values {
        Values::Column(name) => vec![value_position(columns, name, None)],
        Values::Columns { label, columns: wanted } => wanted
            .iter()
            .map(|(name, value)| value_position(columns, name, Some((label, value))))
            .collect(),
    };
    labels.chain(values).filter_map(Result::err).collect()
}

/// The position of a label's column.
pub(super) fn label_position(columns: &[Column], label: &Label) -> Result<usize, ColumnError> {
    let purpose = format!("label `{}`", label.name);
    let at = find(columns, &label.column, &purpose)?;
    if columns[at].label {
        return Ok(at);
    }
    Err(ColumnError::NoLabel {
        column: label.column.clone(),
        purpose,
        type_name: columns[at].type_name.clone(),
    })
}

/// The position of a value's column; where there are several, `label` says which of them it is.
pub(super) fn value_position(
    columns: &[Column],
    name: &str,
    label: Option<(&str, &str)>,
) -> Result<usize, ColumnError> {
    let purpose = match label {
        Some((label, value)) => format!("the value where `{label}` is {value:?}"),
        None => "the value".to_owned(),
    };
    let at = find(columns, name, &purpose)?;
    if columns[at].numeric {
        return Ok(at);
    }
    Err(ColumnError::NotNumeric {
        column: name.to_owned(),
        purpose,
        type_name: columns[at].type_name.clone(),
    })
}

/// The position of the column called `name`, which `purpose` needs.
fn find(columns: &[Column], name: &str, purpose: &str) -> Result<usize, ColumnError> {
    let mut found = (0..columns.len()).filter(|&at| columns[at].name == name);
    let Some(at) = found.next() else {
        return Err(ColumnError::Missing {
            column: name.to_owned(),
            purpose: purpose.to_owned(),
            given: columns.iter().map(|column| column.name.clone()).collect(),
            suggestion: suggest::closest(name, columns.iter().map(|column| column.name.as_str())).map(str::to_owned),
        });
    };
    match found.count() {
        0 => Ok(at),
        more => Err(ColumnError::Ambiguous {
            column: name.to_owned(),
            purpose: purpose.to_owned(),
            count: more + 1,
        }),
    }
}
