//! What is read from another exporter's configuration: the jobs that Fanlight would run, and what it cannot carry over.

use std::path::PathBuf;

use super::connection::{self, Connection};

/// A configuration of ours, in the making.
#[derive(Default)]
pub(super) struct Imported {
    pub(super) sources: Vec<Source>,
    pub(super) jobs: Vec<Job>,
    pub(super) notes: Vec<Note>,
    /// The connections read so far, by what they were read from, which may hold a password.
    connections: Vec<(String, Connection)>,
}

/// The databases that other exporters read and Fanlight reads too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Postgres,
    /// MariaDB too.
    Mysql,
}

/// A database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) name: String,
    pub(super) url: String,
    /// Whether the URL does not say of which kind it is, being one placeholder.
    pub(super) bare: bool,
    /// The placeholder that stands where the password stood.
    pub(super) password: Option<String>,
}

/// A job.
#[derive(Debug, Clone, Default)]
pub(super) struct Job {
    pub(super) name: String,
    pub(super) comments: Vec<String>,
    pub(super) schedule: String,
    /// A name under `sources`, or a URL without anything secret.
    pub(super) source: String,
    pub(super) static_labels: Vec<(String, String)>,
    pub(super) timeout: Option<String>,
    /// Queries that several metrics share.
    pub(super) queries: Vec<(String, Query)>,
    pub(super) metrics: Vec<Metric>,
}

/// A query and what is bound to its parameters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) sql: String,
    /// As they are written in YAML.
    pub(super) parameters: Vec<String>,
}

/// A metric.
#[derive(Debug, Clone)]
pub(super) struct Metric {
    pub(super) name: String,
    pub(super) comments: Vec<String>,
    pub(super) help: String,
    pub(super) counter: bool,
    /// Label and column.
    pub(super) labels: Vec<(String, String)>,
    pub(super) static_labels: Vec<(String, String)>,
    pub(super) value: Value,
    /// Whether it is a mistake that there are no rows.
    pub(super) needs_rows: bool,
    pub(super) query: QueryOf,
    /// Where the metric was declared.
    pub(super) place: Place,
}

/// The column or columns of the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Column(String),
    /// The label that tells the columns apart, and the columns.
    Columns(String, Vec<String>),
}

/// Where a metric's query stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum QueryOf {
    Own(Query),
    /// Under the job's `queries`.
    Shared(String),
}

/// Something that could not be carried over, or not as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) place: Place,
    pub(super) message: String,
}

/// A place in a file; line and column from 1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) file: PathBuf,
    pub(super) line: usize,
    pub(super) column: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

impl Imported {
    /// The source for a connection, of which something or nothing is known: one source a connection, each with a name of
    /// its own. The error is of which kind it is, if of none that Fanlight has.
    pub(super) fn connect(&mut self, name: &str, dsn: Option<&str>, place: &Place) -> Result<Connection, String> {
        if let Some((_, connection)) = self.connections.iter().find(|(known, _)| Some(known.as_str()) == dsn) {
            return Ok(connection.clone());
        }
        let base = connection::identifier(name);
        let taken = |name: &String| self.sources.iter().any(|source| source.name == *name);
        let mut name = base.clone();
        let mut number = 1;
        while taken(&name) {
            number += 1;
            name = format!("{base}_{number}");
        }
        let connection = match dsn {
            Some(dsn) => connection::read(&name, dsn)?,
            None => connection::unknown(name, Kind::Postgres, "it does not stand in this file"),
        };
        for note in &connection.notes {
            self.note(place.clone(), note.clone());
        }
        self.sources.push(connection.source.clone());
        if let Some(dsn) = dsn {
            self.connections.push((dsn.to_owned(), connection.clone()));
        }
        Ok(connection)
    }

    /// A metric that is left out since its query is not there, which stands under a name or nowhere.
    pub(super) fn note_no_query(&mut self, place: Place, metric: &str, name: Option<&str>) {
        let message = match name {
            Some(name) => format!("`{metric}` has the query `{name}`, which is not there"),
            None => format!("`{metric}` has no query"),
        };
        self.note(place, message);
    }

    pub(super) fn note(&mut self, place: Place, message: impl Into<String>) {
        let message = message.into();
        let note = Note { place, message };
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }
}

/// Puts several metrics of one query under a name, and leaves a single one its own.
pub(super) fn share(job: &mut Job, name: &str, query: Query, mut metrics: Vec<Metric>) {
    if metrics.len() > 1 {
        for metric in &mut metrics {
            metric.query = QueryOf::Shared(name.to_owned());
        }
        job.queries.push((name.to_owned(), query));
    } else if let Some(metric) = metrics.first_mut() {
        metric.query = QueryOf::Own(query);
    }
    job.metrics.extend(metrics);
}
