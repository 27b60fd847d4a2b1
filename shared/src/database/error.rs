//! Why there is no transaction, and why a query in one gives nothing. No message repeats a value.

use std::fmt;
use std::io;

use super::{Database, Position, ServerError as _, UrlError};
use crate::tls::CaFileError;

/// Why there is no transaction to run queries in.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError<D: Database> {
    /// The URL cannot be used.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// The certificates to trust cannot be read.
    #[error(transparent)]
    CaFile(#[from] CaFileError),
    /// None of the hosts could be used; each says why.
    #[error("cannot connect to {} {}", D::NAME, .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Hosts(Vec<HostFailure<D>>),
}

impl<D: Database> ConnectError<D> {
    /// The one host there is could not be used.
    pub(crate) fn host(place: &str, reason: impl Into<Reason<D>>) -> Self {
        Self::Hosts(vec![HostFailure::new(place, reason)])
    }

    /// Whether the server refused the user or the password, so that fetching the secret again may help.
    #[must_use]
    pub fn is_login_failure(&self) -> bool {
        matches!(self, Self::Hosts(failures) if failures.iter().any(HostFailure::is_login_failure))
    }
}

/// Why one host could not be used.
#[derive(Debug)]
pub struct HostFailure<D: Database> {
    place: String,
    reason: Reason<D>,
}

impl<D: Database> HostFailure<D> {
    pub(crate) fn new(place: &str, reason: impl Into<Reason<D>>) -> Self {
        Self {
            place: place.to_owned(),
            reason: reason.into(),
        }
    }

    pub(crate) fn is_login_failure(&self) -> bool {
        matches!(&self.reason, Reason::Server(error) if error.is_login_failure())
    }
}

impl<D: Database> fmt::Display for HostFailure<D> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "at {}: {}", self.place, self.reason)
    }
}

/// What was in the way of a login, or of a transaction's beginning.
#[derive(Debug, thiserror::Error)]
pub enum Reason<D: Database> {
    /// The host's name leads nowhere.
    #[error("the host's name cannot be resolved: {0}")]
    Resolve(io::Error),
    /// Nobody answers at the address.
    #[error("{0}")]
    Dial(io::Error),
    /// The time is over.
    #[error("no answer in time")]
    TimedOut,
    /// The server refuses.
    #[error("{0}")]
    Server(D::ServerError),
    /// Anything else, in words.
    #[error("{0}")]
    Other(String),
}

/// Why a query failed.
#[derive(Debug, thiserror::Error)]
pub enum QueryError<E, D: Database> {
    /// The server refused it.
    #[error("{}{error}", position.map(|position| format!("{position}: ")).unwrap_or_default())]
    Sql {
        /// What the server says.
        error: D::ServerError,
        /// Where in the SQL, as far as it can be told.
        position: Option<Position>,
    },
    /// It did not end by the deadline.
    #[error("the query did not finish in the time that the job has")]
    TimedOut,
    /// It is a statement without a result.
    #[error("the statement gives no rows; a query must be a SELECT or another statement that does")]
    NoRows,
    /// It has more or fewer parameters than there are values for them.
    #[error(
        "the query has {expected} parameter{} ({}) and is given {given}",
        if *expected == 1 { "" } else { "s" },
        D::PARAMETERS
    )]
    Parameters {
        /// How many it has.
        expected: usize,
        /// How many are given.
        given: usize,
    },
    /// The database has no way to take it, or what its parameters stand for.
    #[error("{0}")]
    Unfit(String),
    /// The connection was lost; what the consumer was given is not the whole result.
    #[error("the connection to {} at {place} was lost: {reason}", D::NAME)]
    Lost {
        /// The host and port.
        place: String,
        /// What happened.
        reason: String,
    },
    /// The connection was lost before.
    #[error("not run: the connection was lost in an earlier query of the job")]
    Gone,
    /// The consumer refused the columns or a row.
    #[error("{0}")]
    Consumer(E),
}

/// Why a session gave nothing for a query.
#[derive(Debug)]
pub enum Failure<E, D: Database> {
    /// The session can go on.
    Query(QueryError<E, D>),
    /// The server did not answer in time; the session cannot go on.
    Late,
    /// The session cannot go on, in words.
    Lost(String),
}

impl<E, D: Database> From<QueryError<E, D>> for Failure<E, D> {
    fn from(error: QueryError<E, D>) -> Self {
        Self::Query(error)
    }
}
