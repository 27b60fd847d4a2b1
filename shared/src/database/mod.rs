//! What databases have in common: one read-only transaction a job, on a connection that is kept warm.
//!
//! A kind of database is a type that implements [`Database`], with the two that it names: what its URLs say ([`Target`]), and
//! a connection that is logged in ([`Session`]). Which transaction runs on which connection, what becomes of it, and what
//! is said when it fails, is written once, here.

mod cancel;
mod connections;
mod error;
mod limits;
mod position;
mod target;
pub(crate) mod url;

use std::fmt;

use secrecy::SecretString;
use tokio::time::Instant;

pub(crate) use cancel::cancel;
pub use connections::{Connections, Transaction};
pub use error::{ConnectError, Failure, HostFailure, QueryError, Reason};
pub use limits::Limits;
pub use position::Position;
pub(crate) use target::login_for_token;
#[cfg(test)]
pub(crate) use target::parse;
pub use target::{NotForToken, Target, inspect, inspect_for_token};
pub use url::{UrlError, UrlFinding, UrlSeverity};

use crate::rows::{Column, Consumer};

/// A kind of database.
pub trait Database: fmt::Debug + Sized + Send + Sync + 'static {
    /// What messages call it.
    const NAME: &'static str;
    /// How its SQL writes parameters, for messages.
    const PARAMETERS: &'static str;

    /// What its URLs say.
    type Target: Target;
    /// A connection that is logged in.
    type Session: Session<Database = Self>;
    /// What its servers say.
    type ServerError: ServerError;

    /// Logs in.
    fn connect(
        target: &Self::Target,
        password: Option<&SecretString>,
        deadline: Instant,
    ) -> impl Future<Output = Result<Self::Session, ConnectError<Self>>> + Send;
}

/// An error that a server reported, without the data that it may quote.
pub trait ServerError: fmt::Debug + fmt::Display + Send + Sync + 'static {
    /// Whether the server refused the user or the password.
    fn is_login_failure(&self) -> bool;

    /// Whether it refused the statement because that would write.
    fn is_write(&self) -> bool;
}

/// A connection that is logged in, on which one transaction runs after the other.
#[expect(
    async_fn_in_trait,
    reason = "whether its futures can be sent is known of each kind; see the tests of `postgres`"
)]
pub trait Session: Sized + Send {
    /// The kind of database.
    type Database: Database;

    /// The host and port, for messages.
    fn place(&self) -> &str;

    /// Begins the transaction.
    async fn begin(&mut self, limits: Limits, until: Instant) -> Result<(), Reason<Self::Database>>;

    /// As [`Self::begin`], on a connection that was used before: this is how a dead one is found.
    async fn begin_again(&mut self, limits: Limits, until: Instant) -> Result<(), Reason<Self::Database>> {
        self.begin(limits, until).await
    }

    /// Runs a query and hands its rows to the consumer as they come; the number of rows.
    async fn query<C: Consumer>(
        &mut self,
        sql: &str,
        parameters: &[Option<String>],
        consumer: &mut C,
        limits: Limits,
    ) -> Result<u64, Failure<C::Error, Self::Database>>;

    /// What a query would give and do, found out without running it.
    async fn describe<E>(&mut self, sql: &str, limits: Limits) -> Result<Description, Failure<E, Self::Database>>;

    /// Ends the transaction; whether the connection can be used again.
    async fn end(&mut self, deadline: Instant) -> bool;

    /// Ends whatever the server does for it.
    async fn cancel(&self, deadline: Instant);
}

/// What a query would give and do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Its columns, in order.
    pub columns: Vec<Column>,
    /// Its parameters' types by the server's names, where the server infers them.
    pub parameters: Vec<Option<String>>,
    /// What it would write or lock, in words, where the server tells; such a query fails when it runs.
    pub writes: Option<String>,
}
