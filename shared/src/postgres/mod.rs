//! PostgreSQL: connections as libpq makes them, one read-only transaction a job, rows streamed as text.

mod cancel;
mod describe;
mod handover;
mod login;
mod number;
mod row;
mod server_error;
mod session;
mod types;
mod url;
mod verify;
mod wire;

use secrecy::SecretString;
use tokio::time::Instant;

pub use server_error::ServerError;

pub use crate::database::Position;
use crate::database::{self, Database};
pub use crate::rows::Consumer;
use session::Session;
use url::Target;

/// PostgreSQL, and what speaks its protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Postgres;

impl Database for Postgres {
    const NAME: &'static str = "PostgreSQL";
    const PARAMETERS: &'static str = "$1 ..";

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
pub type Connections = database::Connections<Postgres>;
/// A read-only transaction.
pub type Transaction<'a> = database::Transaction<'a, Postgres>;
/// Why there is no transaction to run queries in.
pub type ConnectError = database::ConnectError<Postgres>;
/// Why a query failed.
pub type QueryError<E> = database::QueryError<E, Postgres>;

type HostFailure = database::HostFailure<Postgres>;
type Reason = database::Reason<Postgres>;
type Failure<E> = database::Failure<E, Postgres>;

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::rows::{Column, Row};

    struct Nothing;

    impl Consumer for Nothing {
        type Error = Infallible;

        fn columns(&mut self, _columns: &[Column]) -> Result<(), Infallible> {
            Ok(())
        }

        fn row(&mut self, _row: &dyn Row) -> Result<(), Infallible> {
            Ok(())
        }
    }

    /// Runtimes of several threads can run it; compiling is the test.
    #[test]
    fn a_transaction_can_be_sent_to_another_thread() {
        fn sent(future: impl Future<Output = ()> + Send + 'static) {
            drop(future);
        }
        sent(async {
            let connections = Connections::new();
            let url = SecretString::from("postgres://u@db");
            let Ok(mut transaction) = connections.begin(&url, None, Instant::now()).await else {
                return;
            };
            let _ = transaction.query("SELECT 1", &[None], &mut Nothing).await;
            let _ = transaction.describe("SELECT 1").await;
            transaction.finish().await;
        });
    }
}
