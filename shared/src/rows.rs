//! Rows as every source hands them over: columns by position, each cell readable as a label or as a sample value.

use std::borrow::Cow;

/// A column of a result, as the source describes it before the first row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// The column's name as the query gives it.
    pub name: String,
    /// The source's own name of the column's type (`numeric`, `int8`, `my_enum`), for messages.
    pub type_name: String,
    /// Whether cells of this type can be read as a sample value by [`Row::number`].
    pub numeric: bool,
    /// Whether cells of this type can be read as a label by [`Row::text`].
    pub label: bool,
}

/// One row of a result, borrowed from the source while it streams.
pub trait Row {
    /// The cell as label text; `None` for NULL.
    ///
    /// # Errors
    /// Names what cannot be read as text and why.
    fn text(&self, column: usize) -> Result<Option<Cow<'_, str>>, UnreadableCell>;

    /// The cell as a sample value; `None` for NULL. Booleans are 0 and 1, intervals seconds, points in time seconds
    /// since the epoch.
    ///
    /// # Errors
    /// Names what cannot be read as a number and why.
    fn number(&self, column: usize) -> Result<Option<f64>, UnreadableCell>;
}

/// A cell that cannot be read as what the metric wants of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column:?} of type {type_name}: {reason}")]
pub struct UnreadableCell {
    /// The column's name.
    pub column: String,
    /// The source's own name of its type.
    pub type_name: String,
    /// What is wrong and what to do, never the cell's content.
    pub reason: String,
}
