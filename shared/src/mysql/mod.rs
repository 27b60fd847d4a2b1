//! MySQL and MariaDB: one read-only transaction a job, rows streamed as they come.

mod login;
mod row;
mod server_error;
mod session;
mod types;
mod url;

use std::convert::Infallible;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

pub use login::{ConnectError, HostFailure};
pub use server_error::ServerError;
pub(crate) use url::login_for_token;
pub use url::{UrlError, UrlFinding, UrlSeverity, inspect, inspect_for_token};

use crate::query_limits::Limits;
use crate::rows::Column;
pub use crate::rows::Consumer;
pub use crate::sql_position::Position;
use session::{Failure, Loss, Session};
use url::Target;

/// A connection that was used before must answer within this, or another is made: after a freeze of the function, a
/// server or something in between may have forgotten it without a word.
const PATIENCE_WITH_IDLE: Duration = Duration::from_secs(1);
/// Sources of one function that stay connected between runs.
const KEPT: usize = 4;

/// The connections of a function, kept warm from one run to the next.
#[derive(Default)]
pub struct Connections {
    /// The last one used at the end.
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    target: Target,
    password: Option<SecretString>,
    session: Session,
}

impl Connections {
    /// No connections yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins the one read-only transaction of a job, on a warm connection or a new one. `ca_file` is what `ssl-ca` in
    /// the URL would name. Everything done in the transaction ends by the deadline.
    ///
    /// # Errors
    /// When the URL or a certificate file cannot be used, or the host cannot; [`ConnectError::is_login_failure`] tells
    /// whether another password might help.
    pub async fn begin(
        &self,
        url: &SecretString,
        ca_file: Option<&Path>,
        deadline: Instant,
    ) -> Result<Transaction<'_>, ConnectError> {
        self.begin_with(url, ca_file, None, deadline).await
    }

    /// As [`Self::begin`], with a token that stands for the password, which the URL must not have then.
    ///
    /// # Errors
    /// As [`Self::begin`], and when the token would travel where others could see it.
    pub(crate) async fn begin_with(
        &self,
        url: &SecretString,
        ca_file: Option<&Path>,
        token: Option<&SecretString>,
        deadline: Instant,
    ) -> Result<Transaction<'_>, ConnectError> {
        let (target, password) = match token {
            None => url::parse(url.expose_secret(), ca_file)?,
            Some(token) => (url::parse_for_token(url.expose_secret(), ca_file)?, Some(token.clone())),
        };
        let session = match self.warm(&target, password.as_ref(), deadline).await {
            Some(session) => session,
            None => {
                let mut session = login::connect(&target, password.as_ref(), deadline).await?;
                let begun = session.begin(Limits::within(deadline), deadline).await;
                begun.map_err(|reason| ConnectError::Host(HostFailure::new(target.place(), reason)))?;
                session
            }
        };
        Ok(Transaction {
            home: self,
            target,
            password,
            session: Some(session),
            deadline,
        })
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        // Whoever panicked has left whole connections behind: they are put in and taken out as one.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection to this target that was kept, with its transaction begun, if it still works.
    async fn warm(&self, target: &Target, password: Option<&SecretString>, deadline: Instant) -> Option<Session> {
        let Idle {
            password: used,
            mut session,
            ..
        } = {
            let mut idle = self.idle();
            let kept = idle.iter().position(|idle| idle.target == *target)?;
            idle.remove(kept)
        };
        // A connection that was made with another password would hide that the new one is wrong.
        let exposed = |password: Option<&SecretString>| password.map(|password| password.expose_secret().to_owned());
        if exposed(used.as_ref()) != exposed(password) {
            return None;
        }
        let until = deadline.min(Instant::now() + PATIENCE_WITH_IDLE);
        let dead = match session.reset(until).await {
            Ok(()) => match session.begin(Limits::within(deadline), until).await {
                Ok(()) => return Some(session),
                Err(reason) => reason.to_string(),
            },
            Err(loss) => loss.to_string(),
        };
        tracing::debug!(
            host = session.host,
            reason = dead,
            "a kept connection is dead; connecting again"
        );
        None
    }
}

/// A read-only REPEATABLE READ transaction: all its queries see the database at one moment, as far as its tables are of
/// an engine with transactions. Dropping it, or a future of one of its methods, closes the connection.
pub struct Transaction<'a> {
    home: &'a Connections,
    target: Target,
    password: Option<SecretString>,
    /// `None` once the connection is lost.
    session: Option<Session>,
    deadline: Instant,
}

impl Transaction<'_> {
    /// Runs a query and hands its rows to the consumer as they come, in constant memory; returns how many there were.
    /// Each `?` stands for one of the parameters, which are texts to the server. A query that fails does not touch the
    /// others, unless the connection is lost.
    ///
    /// # Errors
    /// What the server, the connection or the consumer refuses.
    pub async fn query<C: Consumer>(
        &mut self,
        sql: &str,
        parameters: &[Option<String>],
        consumer: &mut C,
    ) -> Result<u64, QueryError<C::Error>> {
        let limits = Limits::within(self.deadline);
        let mut session = self.session.take().ok_or(QueryError::Gone)?;
        let outcome = session.query(sql, parameters, consumer, limits).await;
        self.settle(session, outcome).await
    }

    /// What a query would give, without running it: the server prepares it.
    ///
    /// # Errors
    /// What the server or the connection refuses.
    pub async fn describe(&mut self, sql: &str) -> Result<Description, QueryError<Infallible>> {
        let limits = Limits::within(self.deadline);
        let mut session = self.session.take().ok_or(QueryError::Gone)?;
        let outcome = session.describe(sql, limits).await;
        self.settle(session, outcome).await
    }

    /// Ends the transaction and keeps the connection for the next.
    pub async fn finish(mut self) {
        let Some(mut session) = self.session.take() else { return };
        if session.end(self.deadline).await {
            let mut idle = self.home.idle();
            idle.push(Idle {
                target: self.target,
                password: self.password,
                session,
            });
            if idle.len() > KEPT {
                idle.remove(0);
            }
        }
    }

    /// Keeps the session unless it is lost.
    async fn settle<T, E>(&mut self, session: Session, outcome: Result<T, Failure<E>>) -> Result<T, QueryError<E>> {
        let loss = match outcome {
            Err(Failure::Lost(loss)) => loss,
            Err(Failure::Query(error)) => {
                self.session = Some(session);
                return Err(error);
            }
            Ok(value) => {
                self.session = Some(session);
                return Ok(value);
            }
        };
        if matches!(loss, Loss::Deadline) {
            session.cancel(self.deadline).await;
            return Err(QueryError::TimedOut);
        }
        Err(QueryError::Lost {
            host: session.host.clone(),
            reason: loss.to_string(),
        })
    }
}

/// What a query would give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Its columns, in order.
    pub columns: Vec<Column>,
    /// How many parameters it has.
    pub parameters: usize,
}

/// Why a query failed. No message repeats a value.
#[derive(Debug, thiserror::Error)]
pub enum QueryError<E> {
    /// The server refused it.
    #[error("{}{error}", position.map(|position| format!("{position}: ")).unwrap_or_default())]
    Sql {
        /// What the server says.
        error: ServerError,
        /// Where in the SQL, as far as it can be told.
        position: Option<Position>,
    },
    /// It did not end by the deadline.
    #[error("the query did not finish in the time that the job has")]
    TimedOut,
    /// It is a statement without a result.
    #[error("the statement gives no rows; a query must be a SELECT or another statement that does")]
    NoRows,
    /// It has more or fewer `?` than there are parameters.
    #[error("the query has {expected} parameter{} (?) and is given {given}", if *expected == 1 { "" } else { "s" })]
    Parameters {
        /// How many it has.
        expected: usize,
        /// How many are given.
        given: usize,
    },
    /// It has what the client takes for a parameter with a name, besides those without.
    #[error("the query has a `:name` besides its `?`; a parameter is written `?`")]
    NamedParameter,
    /// The connection was lost; what the consumer was given is not the whole result.
    #[error("the connection to MySQL at {host} was lost: {reason}")]
    Lost {
        /// The host and port.
        host: String,
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
