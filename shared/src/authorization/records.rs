//! The document of all tokens' records, the customers' or the readers': `{"tokens": [..]}`, one secret.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::object::Object;
use super::record::{Flaw, Record};
use super::token::Token;

/// What the tokens of a document open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opens {
    /// The series of the customers for whom they were made.
    Series,
    /// The dashboards, and no series.
    Dashboards,
}

impl Opens {
    /// One of their records, in words.
    fn record(self) -> &'static str {
        match self {
            Self::Series => "token record",
            Self::Dashboards => "dashboard token record",
        }
    }

    /// All of them, in words.
    pub(super) fn records(self) -> &'static str {
        match self {
            Self::Series => "tokens' records",
            Self::Dashboards => "dashboard tokens' records",
        }
    }

    /// Their document, in words.
    fn document(self) -> &'static str {
        match self {
            Self::Series => "tokens' document",
            Self::Dashboards => "dashboard tokens' document",
        }
    }
}

/// The records that can be used, and what is wrong with the others.
#[derive(Debug, Clone, Default)]
pub struct Records {
    /// Each with an `id` and a token of its own.
    pub records: Vec<Record>,
    /// Why records were left out: each of them denies its client and nobody else.
    pub flaws: Vec<RecordFlaw>,
}

/// A record that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: the {} {number}{} {flaw}", opens.record(), id.as_ref().map_or_else(String::new, |id| format!(" (`{id}`)")))]
pub struct RecordFlaw {
    /// Where in the document, from 1.
    pub line: usize,
    /// Where in that line, in characters from 1.
    pub column: usize,
    /// What its document opens.
    pub opens: Opens,
    /// Which record, from 1.
    pub number: usize,
    /// Its `id`, if it has a usable one.
    pub id: Option<String>,
    /// What is wrong with it.
    pub flaw: Flaw,
}

/// A document that cannot be read at all. Shows nothing of its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// Not JSON.
    #[error("the {} stops being JSON at line {line}, column {column}", opens.document())]
    NotJson {
        /// What it was to open.
        opens: Opens,
        /// Where reading it ended, from 1.
        line: usize,
        /// Likewise, from 1.
        column: usize,
    },
    /// JSON of another shape.
    #[error("the {} is not an object with the one field `tokens`, a list: store {{\"tokens\": [..]}}", .0.document())]
    OtherShape(Opens),
}

impl Records {
    /// Reads the document.
    ///
    /// # Errors
    /// It is not `{"tokens": [..]}`. A record that cannot be used is no error but one of the [`Records::flaws`].
    pub fn read(text: &str, opens: Opens) -> Result<Self, DocumentError> {
        let document: &RawValue = serde_json::from_str(text).map_err(|error| DocumentError::NotJson {
            opens,
            line: error.line(),
            column: error.column(),
        })?;
        let shape = |_| DocumentError::OtherShape(opens);
        let document: Object<&RawValue> = serde_json::from_str(document.get()).map_err(shape)?;
        let mut fields = document.fields().map_err(|_| DocumentError::OtherShape(opens))?;
        let tokens = fields.remove("tokens").filter(|_| fields.is_empty());
        let tokens = tokens.ok_or(DocumentError::OtherShape(opens))?;
        let tokens: Vec<&RawValue> = serde_json::from_str(tokens.get()).map_err(shape)?;

        let mut read = Vec::new();
        let mut flaws = Vec::new();
        let mut flaw = |number, at, id, flaw| {
            let (line, column) = place(text, at);
            flaws.push(RecordFlaw {
                line,
                column,
                opens,
                number,
                id,
                flaw,
            });
        };
        for (number, token) in (1..).zip(tokens) {
            let mut id = None;
            match Record::read(token, opens, &mut id) {
                Ok(record) => read.push((number, token.get(), record)),
                Err(found) => flaw(number, found.at, id, found.flaw),
            }
        }
        let ids = counts(read.iter().map(|(.., record)| &record.id));
        let hashes = counts(read.iter().map(|(.., record)| &record.hash));
        let twice = |record: &Record| match (ids.get(&record.id), hashes.get(&record.hash)) {
            (_, Some(2..)) => Some("sha256"),
            (Some(2..), _) => Some("id"),
            _ => None,
        };
        let shared: Vec<_> = read.iter().map(|(.., record)| twice(record)).collect();
        let mut records = Vec::new();
        for ((number, at, record), shared) in read.into_iter().zip(shared) {
            match shared {
                Some(field) => flaw(number, at, Some(record.id), Flaw::Shared(field)),
                None => records.push(record),
            }
        }
        flaws.sort_by_key(|flaw| flaw.number);
        Ok(Self { records, flaws })
    }

    /// The token's record. All are compared, each in constant time.
    pub(super) fn of(&self, token: &Token) -> Option<&Record> {
        let hash = token.hash();
        let mut found = None;
        for record in &self.records {
            if record.hash.is(&hash) {
                found = Some(record);
            }
        }
        found
    }
}

fn counts<T: Ord + Clone>(values: impl Iterator<Item = T>) -> BTreeMap<T, usize> {
    let mut counts = BTreeMap::new();
    for value in values {
        *counts.entry(value).or_insert(0) += 1;
    }
    counts
}

/// The line and column where `part`, which is a slice of `text`, begins.
fn place(text: &str, part: &str) -> (usize, usize) {
    let offset = (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    let before = text.get(..offset).unwrap_or_default();
    let line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}

#[cfg(test)]
mod tests;
