//! MySQL and MariaDB: one read-only transaction a job, rows streamed as they come.

mod login;
mod row;
mod server_error;
mod session;
mod types;
mod url;

use secrecy::SecretString;
use tokio::time::Instant;

pub use server_error::ServerError;

pub use crate::database::Position;
use crate::database::{self, Database};
pub use crate::rows::Consumer;
use session::Session;
use url::Target;

/// MySQL, MariaDB, and what speaks their protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mysql;

impl Database for Mysql {
    const NAME: &'static str = "MySQL";
    const PARAMETERS: &'static str = "?";

    type Target = Target;
    type Session = Session;
    type ServerError = ServerError;

    async fn connect(
        target: &Target,
        password: Option<&SecretString>,
        deadline: Instant,
    ) -> Result<Session, ConnectError> {
        login::connect(target, password, deadline).await
    }
}

/// The connections of a function, kept warm from one run to the next.
pub type Connections = database::Connections<Mysql>;
/// A read-only transaction.
pub type Transaction<'a> = database::Transaction<'a, Mysql>;
/// Why there is no transaction to run queries in.
pub type ConnectError = database::ConnectError<Mysql>;
/// Why a query failed.
pub type QueryError<E> = database::QueryError<E, Mysql>;

type Reason = database::Reason<Mysql>;
type Failure<E> = database::Failure<E, Mysql>;
