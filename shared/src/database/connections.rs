//! Connections kept warm from one run to the next, and the transactions on them.

use std::convert::Infallible;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use super::target::{parse, parse_for_token};
use super::{ConnectError, Database, Description, Failure, Limits, QueryError, Session};
use crate::rows::Consumer;

/// A connection that was used before must answer within this, or another is made: after a freeze of the function, a
/// server or something in between may have forgotten it without a word.
const PATIENCE_WITH_IDLE: Duration = Duration::from_secs(1);
/// Sources of one function that stay connected between runs.
const KEPT: usize = 4;

/// The connections of a function, kept warm from one run to the next.
pub struct Connections<D: Database> {
    /// The last one used at the end.
    idle: Mutex<Vec<Idle<D>>>,
}

struct Idle<D: Database> {
    target: D::Target,
    password: Option<SecretString>,
    session: D::Session,
}

impl<D: Database> Default for Connections<D> {
    fn default() -> Self {
        Self {
            idle: Mutex::new(Vec::new()),
        }
    }
}

impl<D: Database> Connections<D> {
    /// No connections yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins the one read-only transaction of a job, on a warm connection or a new one. `ca_file` stands in for the
    /// parameter of the URL that names one. Everything done in the transaction ends by the deadline.
    ///
    /// # Errors
    /// When the URL or a certificate file cannot be used, or no host can; [`ConnectError::is_login_failure`] tells
    /// whether another password might help.
    pub async fn begin(
        &self,
        url: &SecretString,
        ca_file: Option<&Path>,
        deadline: Instant,
    ) -> Result<Transaction<'_, D>, ConnectError<D>> {
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
    ) -> Result<Transaction<'_, D>, ConnectError<D>> {
        let (target, password) = match token {
            None => parse::<D>(url.expose_secret(), ca_file)?,
            Some(token) => (parse_for_token::<D>(url.expose_secret(), ca_file)?, Some(token.clone())),
        };
        let warm = self.warm(&target, password.as_ref(), deadline).await;
        let session = if let Some(session) = warm {
            session
        } else {
            let mut session = D::connect(&target, password.as_ref(), deadline).await?;
            let begun = session.begin(Limits::within(deadline), deadline).await;
            begun.map_err(|reason| ConnectError::host(session.place(), reason))?;
            session
        };
        Ok(Transaction {
            home: self,
            target,
            password,
            session: Some(session),
            deadline,
        })
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle<D>>> {
        // Whoever panicked has left whole connections behind: they are put in and taken out as one.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection to this target that was kept, with its transaction begun, if it still works.
    async fn warm(&self, target: &D::Target, password: Option<&SecretString>, deadline: Instant) -> Option<D::Session> {
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
        match session.begin_again(Limits::within(deadline), until).await {
            Ok(()) => Some(session),
            Err(reason) => {
                tracing::debug!(host = session.place(), %reason, "a kept connection is dead; connecting again");
                None
            }
        }
    }
}

/// A read-only REPEATABLE READ transaction: all its queries see the database at one moment, as far as its tables have
/// transactions. Dropping it, or a future of one of its methods, closes the connection.
pub struct Transaction<'a, D: Database> {
    home: &'a Connections<D>,
    target: D::Target,
    password: Option<SecretString>,
    /// `None` once the connection is lost.
    session: Option<D::Session>,
    deadline: Instant,
}

impl<D: Database> Transaction<'_, D> {
    /// Runs a query and hands its rows to the consumer as they come, in constant memory; returns how many there were.
    /// Its parameters go to the server apart from it, as texts. A query that fails does not touch the others, unless the
    /// connection is lost.
    ///
    /// # Errors
    /// What the server, the connection or the consumer refuses.
    pub async fn query<C: Consumer>(
        &mut self,
        sql: &str,
        parameters: &[Option<String>],
        consumer: &mut C,
    ) -> Result<u64, QueryError<C::Error, D>> {
        let limits = Limits::within(self.deadline);
        let mut session = self.session.take().ok_or(QueryError::Gone)?;
        let outcome = session.query(sql, parameters, consumer, limits).await;
        self.settle(session, outcome).await
    }

    /// What a query would give, and what it would write, without running it. What a function called in it would do cannot
    /// be seen.
    ///
    /// # Errors
    /// What the server or the connection refuses.
    pub async fn describe(&mut self, sql: &str) -> Result<Description, QueryError<Infallible, D>> {
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
    async fn settle<T, E>(
        &mut self,
        session: D::Session,
        outcome: Result<T, Failure<E, D>>,
    ) -> Result<T, QueryError<E, D>> {
        let error = match outcome {
            Ok(value) => {
                self.session = Some(session);
                return Ok(value);
            }
            Err(Failure::Query(error)) => {
                self.session = Some(session);
                error
            }
            Err(Failure::Late) => {
                session.cancel(self.deadline).await;
                QueryError::TimedOut
            }
            Err(Failure::Lost(reason)) => QueryError::Lost {
                place: session.place().to_owned(),
                reason,
            },
        };
        Err(error)
    }
}
