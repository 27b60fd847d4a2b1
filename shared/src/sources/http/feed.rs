//! From pages to the rows of a query.

use serde_json::Value;

use super::health;
use super::json::{self, PageProblem};
use super::query::{Page, Query};
use crate::rows::{Cell, Cells, Consumer as _};
use crate::sources::Intake;

/// Hands the rows of one page after the other to a query's intake.
pub(super) struct Feed<'f, 'q, 'i> {
    query: &'q Query,
    intake: &'f mut Intake<'i>,
    log: bool,
    pub(super) begun: bool,
    rows: u64,
    /// Which of the table's cells any row had.
    seen: Vec<bool>,
}

impl<'f, 'q, 'i> Feed<'f, 'q, 'i> {
    pub(super) fn new(query: &'q Query, intake: &'f mut Intake<'i>, log: bool) -> Self {
        let cells = match &query.page {
            Page::Health { .. } => 0,
            Page::Table { cells, .. } => cells.len(),
        };
        Self {
            query,
            intake,
            log,
            begun: false,
            rows: 0,
            seen: vec![false; cells],
        }
    }

    /// Takes a target's page whole or not at all. Gives the checks of a health page whose state is not known.
    pub(super) fn take(&mut self, target: &str, page: &Value) -> Result<Option<u64>, PageProblem> {
        match &self.query.page {
            Page::Health { checks } => {
                let checks = health::checks(page, checks)?;
                if self.log {
                    health::log(target, &checks);
                }
                self.begin();
                for check in &checks {
                    for cells in check.rows(target) {
                        self.row(&cells);
                    }
                }
                Ok(Some(checks.iter().filter(|check| !check.is_known()).count() as u64))
            }
            Page::Table { rows, keyed, cells } => {
                let rows = json::rows(page, rows, *keyed)?;
                self.begin();
                let mut values = Vec::with_capacity(self.query.columns.len());
                for (key, row) in rows {
                    values.clear();
                    values.push(Cell::Text(target.into()));
                    values.extend(key.map(|key| Cell::Text(key.into())));
                    for (at, pointer) in cells.iter().enumerate() {
                        let value = pointer.get(page, row);
                        self.seen[at] |= value.is_some();
                        values.push(json::cell(value));
                    }
                    self.row(&values);
                }
                Ok(None)
            }
        }
    }

    fn begin(&mut self) {
        if !std::mem::replace(&mut self.begun, true) {
            // Whoever wants no rows knows why, and takes none.
            let _ = self.intake.columns(&self.query.columns);
        }
    }

    fn row(&mut self, cells: &[Cell<'_>]) {
        self.rows += 1;
        let row = Cells {
            columns: &self.query.columns,
            cells,
        };
        let _ = self.intake.row(&row);
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
