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

/// Takes the rows of one query as they arrive.
pub trait Consumer {
    /// Why it takes no more.
    type Error;

    /// Takes the description of the columns, once and before the first row.
    ///
    /// # Errors
    /// When the columns are not what it needs; then the query is not run.
    fn columns(&mut self, columns: &[Column]) -> Result<(), Self::Error>;

    /// Takes a row.
    ///
    /// # Errors
    /// When the row cannot be used; then the rest of the result is not read.
    fn row(&mut self, row: &dyn Row) -> Result<(), Self::Error>;
}

/// A cell of a row that a source has made itself.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell<'a> {
    /// Nothing.
    Null,
    /// Text, which is also a number where it is one in decimal notation.
    Text(Cow<'a, str>),
    /// A number, whose label is its digits.
    Number(f64),
    /// A truth value: the label `true` or `false`, or the number 1 or 0.
    Boolean(bool),
    /// What can be neither, by the source's own name for it.
    Other(&'static str),
}

/// A row of a source that has no row format of its own.
#[derive(Debug)]
pub struct Cells<'a> {
    /// The columns, as they were described.
    pub columns: &'a [Column],
    /// As many cells.
    pub cells: &'a [Cell<'a>],
}

impl Cells<'_> {
    fn cell(&self, column: usize) -> Result<&Cell<'_>, UnreadableCell> {
        self.cells
            .get(column)
            .ok_or_else(|| self.unreadable(column, "there is no such column"))
    }

    fn unreadable(&self, column: usize, reason: impl Into<String>) -> UnreadableCell {
        let described = self.columns.get(column);
        UnreadableCell {
            column: described.map(|column| column.name.clone()).unwrap_or_default(),
            type_name: described.map(|column| column.type_name.clone()).unwrap_or_default(),
            reason: reason.into(),
        }
    }
}

impl Row for Cells<'_> {
    fn text(&self, column: usize) -> Result<Option<Cow<'_, str>>, UnreadableCell> {
        match self.cell(column)? {
            Cell::Null => Ok(None),
            Cell::Text(text) => Ok(Some(Cow::Borrowed(text))),
            Cell::Number(number) => Ok(Some(Cow::Owned(number.to_string()))),
            Cell::Boolean(value) => Ok(Some(Cow::Borrowed(if *value { "true" } else { "false" }))),
            Cell::Other(what) => Err(self.unreadable(column, format!("{what} cannot be a label"))),
        }
    }

    fn number(&self, column: usize) -> Result<Option<f64>, UnreadableCell> {
        match self.cell(column)? {
            Cell::Null => Ok(None),
            Cell::Number(number) => Ok(Some(*number)),
            Cell::Boolean(value) => Ok(Some(f64::from(u8::from(*value)))),
            Cell::Text(text) => match decimal(text) {
                Some(number) => Ok(Some(number)),
                None => Err(self.unreadable(column, "a text is no number in decimal notation")),
            },
            Cell::Other(what) => Err(self.unreadable(column, format!("{what} is no number"))),
        }
    }
}

/// A finite number in decimal notation: `12`, `-0.5`, `1e3`. What `f64` would read besides (`nan`, `inf`, ` 1`) is none.
fn decimal(text: &str) -> Option<f64> {
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E'));
    let number: f64 = text.parse().ok().filter(|_| plain)?;
    number.is_finite().then_some(number)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_reads_as_a_label_and_as_a_value() {
        let columns = [Column {
            name: "c".to_owned(),
            type_name: "json".to_owned(),
            numeric: true,
            label: true,
        }];
        let no_number = "column \"c\" of type json: a text is no number in decimal notation";
        let text = |text: &'static str| Cell::Text(text.into());
        for (cell, label, value) in [
            (Cell::Null, Ok(None), Ok(None)),
            (Cell::Boolean(true), Ok(Some("true")), Ok(Some(1.0))),
            (Cell::Boolean(false), Ok(Some("false")), Ok(Some(0.0))),
            (Cell::Number(10.0), Ok(Some("10")), Ok(Some(10.0))),
            (Cell::Number(0.1), Ok(Some("0.1")), Ok(Some(0.1))),
            (text("1e3"), Ok(Some("1e3")), Ok(Some(1000.0))),
            (text("-0.5"), Ok(Some("-0.5")), Ok(Some(-0.5))),
            (text(""), Ok(Some("")), Err(no_number)),
            (text(" 1"), Ok(Some(" 1")), Err(no_number)),
            (text("nan"), Ok(Some("nan")), Err(no_number)),
            (text("1e999"), Ok(Some("1e999")), Err(no_number)),
            (
                Cell::Other("a list"),
                Err("column \"c\" of type json: a list cannot be a label"),
                Err("column \"c\" of type json: a list is no number"),
            ),
        ] {
            let cells = [cell];
            let row = Cells {
                columns: &columns,
                cells: &cells,
            };
            let told = |error: UnreadableCell| error.to_string();
            let read = row.text(0).map_err(told);
            assert_eq!(
                read.as_ref().map(Option::as_deref).map_err(String::as_str),
                label,
                "{cells:?}"
            );
            let read = row.number(0).map_err(told);
            assert_eq!(read.as_ref().copied().map_err(String::as_str), value, "{cells:?}");
        }
    }
}
