//! A metric's columns are found in a query's result, or the error says what the query gives instead.

use super::error::ColumnError;
use crate::rows::Column;
use crate::suggest;

/// The position of the column called `name`, which `purpose` needs.
pub(super) fn find(columns: &[Column], name: &str, purpose: &str) -> Result<usize, ColumnError> {
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
