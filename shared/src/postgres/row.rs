//! A row as the server sent it, read cell by cell on demand.

use std::borrow::Cow;
use std::ops::Range;

use super::number;
use super::types::{Kind, TypeInfo};
use crate::rows::{Column, Row, UnreadableCell};

/// The columns of a result with what it takes to read their cells.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) described: Vec<Column>,
    kinds: Vec<Kind>,
}

impl Columns {
    pub(super) fn new(columns: impl Iterator<Item = (String, TypeInfo)>) -> Self {
        let (described, kinds) = columns
            .map(|(name, TypeInfo { name: type_name, kind })| {
                (
                    Column {
                        name,
                        type_name,
                        numeric: kind.is_numeric(),
                        label: kind.is_label(),
                    },
                    kind,
                )
            })
            .unzip();
        Self { described, kinds }
    }

    pub(super) fn len(&self) -> usize {
        self.kinds.len()
    }

    fn unreadable(&self, column: usize, reason: impl Into<String>) -> UnreadableCell {
        let described = self.described.get(column);
        UnreadableCell {
            column: described.map(|column| column.name.clone()).unwrap_or_default(),
            type_name: described.map(|column| column.type_name.clone()).unwrap_or_default(),
            reason: reason.into(),
        }
    }
}

/// One row in the server's text format.
pub(super) struct TextRow<'a> {
    pub(super) columns: &'a Columns,
    pub(super) body: &'a [u8],
    pub(super) cells: &'a [Option<Range<usize>>],
}

impl TextRow<'_> {
    fn cell(&self, column: usize) -> Result<Option<(Kind, &str)>, UnreadableCell> {
        let (Some(kind), Some(cell)) = (self.columns.kinds.get(column), self.cells.get(column)) else {
            return Err(self
                .columns
                .unreadable(column, format!("there is no column at index {column}")));
        };
        let Some(range) = cell else { return Ok(None) };
        match std::str::from_utf8(&self.body[range.clone()]) {
            Ok(text) => Ok(Some((*kind, text))),
            Err(_) => Err(self
                .columns
                .unreadable(column, "the server sent text that is not UTF-8")),
        }
    }
}

impl Row for TextRow<'_> {
    fn text(&self, column: usize) -> Result<Option<Cow<'_, str>>, UnreadableCell> {
        let Some((kind, text)) = self.cell(column)? else {
            return Ok(None);
        };
        match kind {
            kind if !kind.is_label() => Err(self
                .columns
                .unreadable(column, "this type cannot be a label; cast it to text in the query")),
            Kind::Boolean => Ok(Some(Cow::Borrowed(if number::boolean(text) == Some(true) {
                "true"
            } else {
                "false"
            }))),
            Kind::Padded => Ok(Some(Cow::Borrowed(text.trim_end_matches(' ')))),
            _ => Ok(Some(Cow::Borrowed(text))),
        }
    }

    fn number(&self, column: usize) -> Result<Option<f64>, UnreadableCell> {
        let Some((kind, text)) = self.cell(column)? else {
            return Ok(None);
        };
        if !kind.is_numeric() {
            return Err(self
                .columns
                .unreadable(column, "this type is not a number; cast it to one in the query"));
        }
        match number::read(kind, text) {
            Some(number) => Ok(Some(number)),
            None if kind == Kind::Decimal => Err(self
                .columns
                .unreadable(column, "a value is out of the range of a 64-bit floating-point number")),
            None => Err(self
                .columns
                .unreadable(column, "a value is not in the form that its type has in ISO style")),
        }
    }
}
