//! A metric's columns are found in a query's result, or the error says what the query gives instead.

use super::error::ColumnError;
use crate::rows::Column;

/// The position of the column called `name`, which `purpose` needs.
pub(super) fn find(columns: &[Column], name: &str, purpose: &str) -> Result<usize, ColumnError> {
    let mut found = (0..columns.len()).filter(|&at| columns[at].name == name);
    let Some(at) = found.next() else {
        return Err(ColumnError::Missing {
            column: name.to_owned(),
            purpose: purpose.to_owned(),
            given: columns.iter().map(|column| column.name.clone()).collect(),
            suggestion: closest(columns, name),
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

/// The same for a column that must hold numbers.
pub(super) fn find_numeric(columns: &[Column], name: &str, purpose: &str) -> Result<usize, ColumnError> {
    let at = find(columns, name, purpose)?;
    if columns[at].numeric {
        return Ok(at);
    }
    Err(ColumnError::NotNumeric {
        column: name.to_owned(),
        purpose: purpose.to_owned(),
        type_name: columns[at].type_name.clone(),
    })
}

/// PostgreSQL folds names that are not quoted to lower case, so case does not count as a difference.
fn closest(columns: &[Column], name: &str) -> Option<String> {
    let wanted = name.to_lowercase();
    let distance = |column: &Column| strsim::damerau_levenshtein(&column.name.to_lowercase(), &wanted);
    let (distance, column) = columns
        .iter()
        .map(|column| (distance(column), column))
        .min_by_key(|(distance, _)| *distance)?;
    (distance <= name.chars().count().div_ceil(3)).then(|| column.name.clone())
}
