//! From pages to the rows of a query.

use serde_json::Value;

use super::health;
use super::json::{self, PageProblem};
use super::query::{Page, Query};
use crate::rows::Cell;

/// Reads one page after the other, and what no row of them has.
pub(super) struct Feed<'q> {
    query: &'q Query,
    log: bool,
    rows: usize,
    /// Which of the table's cells any row had.
    seen: Vec<bool>,
}

/// What a target's page gives.
pub(super) struct Taken<'p> {
    pub(super) rows: Vec<Vec<Cell<'p>>>,
    /// How many checks of a health page are in a state that is not known.
    pub(super) unknown_states: Option<u64>,
}

impl<'q> Feed<'q> {
    pub(super) fn new(query: &'q Query, log: bool) -> Self {
        let cells = match &query.page {
            Page::Health { .. } => 0,
            Page::Table { cells, .. } => cells.len(),
        };
        Self {
            query,
            log,
            rows: 0,
            seen: vec![false; cells],
        }
    }

    /// Takes a target's page whole or not at all.
    pub(super) fn take<'p>(&mut self, target: &'p str, page: &'p Value) -> Result<Taken<'p>, PageProblem> {
        let taken = match &self.query.page {
            Page::Health { checks } => {
                let checks = health::checks(page, checks)?;
                if self.log {
                    health::log(target, &checks);
                }
                let rows = checks.iter().flat_map(|check| check.rows(target));
                Taken {
                    rows: rows.map(Vec::from).collect(),
                    unknown_states: Some(checks.iter().filter(|check| !check.is_known()).count() as u64),
                }
            }
            Page::Table { rows, keyed, cells } => {
                let mut taken = Vec::new();
                for (key, row) in json::rows(page, rows, *keyed)? {
                    let mut values = Vec::with_capacity(self.query.columns.len());
                    values.push(Cell::Text(target.into()));
                    values.extend(key.map(|key| Cell::Text(key.into())));
                    for (at, pointer) in cells.iter().enumerate() {
                        let value = pointer.get(page, row);
                        self.seen[at] |= value.is_some();
                        values.push(json::cell(value));
                    }
                    taken.push(values);
                }
                Taken {
                    rows: taken,
                    unknown_states: None,
                }
            }
        };
        self.rows += taken.rows.len();
        Ok(taken)
    }

    /// The columns of a table that no row had, if there were rows.
    pub(super) fn absent(&self) -> Vec<&'q str> {
        if self.rows == 0 {
            return Vec::new();
        }
        let first = self.query.columns.len() - self.seen.len();
        let columns = self.query.columns[first..].iter().zip(&self.seen);
        columns
            .filter(|(_, seen)| !**seen)
            .map(|(column, _)| column.name.as_str())
            .collect()
    }
}
