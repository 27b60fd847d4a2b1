//! What a job does on a logged-in connection: one read-only transaction in which queries fail alone.
//!
//! Every query is prepared, which refuses several statements at once, tells the columns before anything runs, and has
//! the values come in MySQL's binary form, which keeps a FLOAT's digits.

use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use mysql_async::consts::StatusFlags;
use mysql_async::prelude::Queryable as _;
use mysql_async::{BinaryProtocol, Conn, DriverError, Error, Opts, QueryResult, Row, Statement, Value};
use tokio::time::{Instant, timeout, timeout_at};

use super::row::BinaryRow;
use super::server_error::ServerError;
use super::types::Columns;
use super::{Failure, Mysql, QueryError, Reason};
use crate::database::{self, Description, Limits};
use crate::rows::Consumer;

/// How long the rest of a result may take that nobody wants before the query is cancelled.
const DRAIN: Duration = Duration::from_millis(100);
/// How long saying goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);
/// What tells one server from another behind the same address.
const IDENTITY: &str = "CONCAT_WS('/', @@hostname, @@port, @@server_id)";

/// A logged-in connection.
pub struct Session {
    /// `None` only while it is being dropped.
    conn: Option<Conn>,
    canceller: Arc<Canceller>,
    limit: ServerLimit,
    /// For errors.
    host: String,
}

/// The variable by which the server limits a statement's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ServerLimit {
    /// MySQL's, in milliseconds, for SELECT only.
    MaxExecutionTime,
    /// MariaDB's, in seconds.
    MaxStatementTime,
    /// Servers older than these.
    None,
}

impl ServerLimit {
    fn of(version: &str, number: (u16, u16, u16)) -> Self {
        if version.contains("MariaDB") {
            if number >= (10, 1, 1) {
                Self::MaxStatementTime
            } else {
                Self::None
            }
        } else if number >= (5, 7, 8) {
            Self::MaxExecutionTime
        } else {
            Self::None
        }
    }

    /// The assignments, with a comma before each. Waiting for a table that is being altered has a limit of its own.
    fn assignments(self, limits: Limits) -> String {
        let milliseconds = limits.milliseconds();
        let lock = format!(", lock_wait_timeout = {}", milliseconds.div_ceil(1000));
        match self {
            Self::MaxExecutionTime => format!(", max_execution_time = {milliseconds}{lock}"),
            Self::MaxStatementTime => {
                let (seconds, rest) = (milliseconds / 1000, milliseconds % 1000);
                format!(", max_statement_time = {seconds}.{rest:03}{lock}")
            }
            Self::None => lock,
        }
    }
}

/// Why nothing more can be had from a connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum Loss {
    #[error("the server did not answer in time")]
    Deadline,
    #[error("the server ended the connection: {0}")]
    Ended(ServerError),
    #[error("a row takes more than 16 MiB")]
    TooLarge,
    #[error("the query has ended the transaction")]
    NoTransaction,
    #[error("{0}")]
    Client(String),
}

impl<E> From<Loss> for Failure<E> {
    fn from(loss: Loss) -> Self {
        match loss {
            Loss::Deadline => Self::Late,
            loss => Self::Lost(loss.to_string()),
        }
    }
}

impl From<Loss> for Reason {
    fn from(loss: Loss) -> Self {
        match loss {
            Loss::Deadline => Self::TimedOut,
            loss => Self::Other(loss.to_string()),
        }
    }
}

impl From<Error> for Loss {
    fn from(error: Error) -> Self {
        match error {
            Error::Server(error) => Self::Ended(ServerError::read(&error)),
            Error::Driver(DriverError::PacketTooLarge) => Self::TooLarge,
            Error::Driver(DriverError::ConnectionClosed) => Self::Client("the server closed the connection".to_owned()),
            Error::Io(mysql_async::IoError::Io(error)) => Self::Client(format!("the connection failed: {error}")),
            // The client's own texts of these show what the server sent.
            Error::Driver(DriverError::UnexpectedPacket { .. }) => {
                Self::Client("the server sent a message out of order".to_owned())
            }
            error => Self::Client(error.to_string()),
        }
    }
}

/// Waits for the server until `until`.
async fn answer<T>(until: Instant, asked: impl Future<Output = Result<T, Error>>) -> Result<Result<T, Error>, Loss> {
    // A timeout looks at the clock only when it has to wait, which a server that keeps on sending never makes it do.
    if Instant::now() >= until {
        return Err(Loss::Deadline);
    }
    timeout_at(until, asked).await.map_err(|_| Loss::Deadline)
}

impl database::Session for Session {
    type Database = Mysql;

    fn place(&self) -> &str {
        &self.host
    }

    async fn begin(&mut self, limits: Limits, until: Instant) -> Result<(), Reason> {
        // The zone makes a TIMESTAMP a point in time whatever the server's settings; NAMES has texts come as UTF-8
        // whatever the columns' character sets.
        let settings = format!(
            "SET NAMES utf8mb4, time_zone = '+00:00'{}",
            self.limit.assignments(limits)
        );
        let conn = self.conn.as_mut().ok_or(Reason::TimedOut)?;
        for statement in [
            settings.as_str(),
            // Of the session, so that not even a statement that ends the transaction unasked could write.
            "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
            "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
        ] {
            timeout_at(until, conn.query_drop(statement))
                .await
                .map_err(|_| Reason::TimedOut)??;
        }
        Ok(())
    }

    async fn begin_again(&mut self, limits: Limits, until: Instant) -> Result<(), Reason> {
        self.reset(until).await?;
        self.begin(limits, until).await
    }

    async fn query<C: Consumer>(
        &mut self,
        sql: &str,
        parameters: &[Option<String>],
        consumer: &mut C,
        limits: Limits,
    ) -> Result<u64, Failure<C::Error>> {
        let statement = self.prepare(sql, limits).await?;
        let outcome = self.run(&statement, sql, parameters, consumer, limits).await;
        if outcome.is_ok() {
            self.still_in_transaction()?;
        }
        if let Ok(_) | Err(Failure::Query(_)) = outcome {
            self.close(statement, limits).await?;
        }
        outcome
    }

    async fn describe<E>(&mut self, sql: &str, limits: Limits) -> Result<Description, Failure<E>> {
        let statement = self.prepare(sql, limits).await?;
        let description = Description {
            columns: Columns::of(&statement.columns()).described,
            parameters: vec![None; usize::from(statement.num_params())],
            writes: None,
        };
        let rows = statement.num_columns() > 0;
        self.close(statement, limits).await?;
        if rows {
            Ok(description)
        } else {
            Err(QueryError::NoRows.into())
        }
    }

    async fn end(&mut self, deadline: Instant) -> bool {
        let Ok(conn) = self.conn() else { return false };
        matches!(answer(deadline, conn.query_drop("COMMIT")).await, Ok(Ok(())))
    }

    async fn cancel(&self, deadline: Instant) {
        self.canceller.cancel("KILL", deadline).await;
    }
}

impl Session {
    /// Learns which server it is on a new connection.
    pub(super) async fn greet(mut conn: Conn, host: String) -> Result<Self, Reason> {
        let question = format!("SELECT VERSION(), CONNECTION_ID(), {IDENTITY}");
        let answer: Option<(String, u64, String)> = conn.query_first(question).await?;
        let (version, id, server) =
            answer.ok_or_else(|| Reason::Other("the server does not say who it is".to_owned()))?;
        Ok(Self {
            limit: ServerLimit::of(&version, conn.server_version()),
            canceller: Arc::new(Canceller {
                options: conn.opts().clone(),
                server,
                id,
            }),
            conn: Some(conn),
            host,
        })
    }

    /// The connection, which is there until the session is dropped.
    fn conn(&mut self) -> Result<&mut Conn, Loss> {
        self.conn.as_mut().ok_or(Loss::NoTransaction)
    }

    /// Brings a connection that was used before back to where a new one is.
    async fn reset(&mut self, until: Instant) -> Result<(), Loss> {
        let conn = self.conn()?;
        if !answer(until, conn.reset()).await?? {
            answer(until, conn.ping()).await??;
        }
        Ok(())
    }

    /// Has the server parse a statement, with the limits of what is left of the job's time.
    async fn prepare<E>(&mut self, sql: &str, limits: Limits) -> Result<Statement, Failure<E>> {
        let settings = self.limit.assignments(limits);
        let settings = format!("SET {}", settings.trim_start_matches(", "));
        let conn = self.conn()?;
        answer(limits.guard, conn.query_drop(settings))
            .await?
            .map_err(Loss::from)?;
        let began = Instant::now();
        match answer(limits.guard, conn.prep(sql)).await? {
            Ok(statement) => Ok(statement),
            Err(Error::Driver(DriverError::MixedParams)) => Err(QueryError::Unfit(
                "the query has a `:name` besides its `?`; a parameter is written `?`".to_owned(),
            )
            .into()),
            Err(error) => Err(refused(error, sql, began, limits)),
        }
    }

    async fn close(&mut self, statement: Statement, limits: Limits) -> Result<(), Loss> {
        let conn = self.conn()?;
        Ok(answer(limits.guard, conn.close(statement)).await??)
    }

    async fn run<C: Consumer>(
        &mut self,
        statement: &Statement,
        sql: &str,
        parameters: &[Option<String>],
        consumer: &mut C,
        limits: Limits,
    ) -> Result<u64, Failure<C::Error>> {
        if statement.num_columns() == 0 {
            return Err(QueryError::NoRows.into());
        }
        let (expected, given) = (usize::from(statement.num_params()), parameters.len());
        if expected != given {
            return Err(QueryError::Parameters { expected, given }.into());
        }
        // What a parameter makes of the columns is known only once it is there.
        let prepared = (given == 0).then(|| Columns::of(&statement.columns()));
        if let Some(columns) = &prepared {
            consumer.columns(&columns.described).map_err(QueryError::Consumer)?;
        }
        let values = parameters.iter().map(Value::from).collect::<Vec<_>>();
        let conn = self.conn.as_mut().ok_or(Loss::NoTransaction)?;
        // Before the server can begin, so that its limit has not passed later there than here.
        let began = Instant::now();
        let executed = answer(limits.guard, conn.exec_iter(statement, values)).await?;
        let mut result = executed.map_err(|error| refused(error, sql, began, limits))?;
        let columns = Columns::of(result.columns_ref());
        let mut rows = 0;
        let refusal = 'rows: {
            if prepared.is_none()
                && let Err(refusal) = consumer.columns(&columns.described)
            {
                break 'rows refusal;
            }
            let stream = answer(limits.guard, result.stream::<Row>()).await?;
            let Some(mut stream) = stream.map_err(Loss::from)? else {
                return Ok(0);
            };
            loop {
                let next = answer(limits.guard, stream.try_next()).await?;
                let Some(row) = next.map_err(|error| refused(error, sql, began, limits))? else {
                    return Ok(rows);
                };
                if let Err(refusal) = consumer.row(&BinaryRow {
                    columns: &columns,
                    row: &row,
                }) {
                    break 'rows refusal;
                }
                rows += 1;
            }
        };
        drop(result);
        self.stop(limits).await?;
        Err(QueryError::Consumer(refusal).into())
    }

    /// Gets rid of the rest of a result: a small one is read, a large one cancelled.
    async fn stop(&mut self, limits: Limits) -> Result<(), Loss> {
        let conn = self.conn()?;
        let patience = limits.guard.min(Instant::now() + DRAIN);
        match answer(patience, rest(conn)).await {
            Err(Loss::Deadline) => {}
            outcome => return Ok(outcome??),
        }
        self.canceller.cancel("KILL QUERY", limits.guard).await;
        let conn = self.conn()?;
        match answer(limits.guard, rest(conn)).await? {
            // What the cancelled query ends with.
            Err(Error::Server(error)) if ServerError::read(&error).is_interruption() => Ok(()),
            outcome => Ok(outcome?),
        }
    }

    /// Only a statement that ends the transaction itself gets out of it, and nothing that it gave is to be trusted. To be
    /// asked right after a result: what the client keeps of other answers is no status.
    fn still_in_transaction(&mut self) -> Result<(), Loss> {
        let status = self.conn()?.last_ok_packet().map(mysql_async::OkPacket::status_flags);
        match status {
            Some(status) if !status.contains(StatusFlags::SERVER_STATUS_IN_TRANS) => Err(Loss::NoTransaction),
            _ => Ok(()),
        }
    }
}

impl Drop for Session {
    /// Says goodbye. Dropped by itself, the client's connection would first read all that is left of a result.
    fn drop(&mut self) {
        let Some(conn) = self.conn.take() else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(timeout(GOODBYE, conn.disconnect()));
        }
    }
}

async fn rest(conn: &mut Conn) -> Result<(), Error> {
    QueryResult::<'_, '_, BinaryProtocol>::new(conn).drop_result().await
}

/// The server's refusal of a statement, told apart from its running out of time and from the loss of the connection.
fn refused<E>(error: Error, sql: &str, began: Instant, limits: Limits) -> Failure<E> {
    let Error::Server(error) = error else {
        return Loss::from(error).into();
    };
    let (error, position) = ServerError::read_about(&error, sql);
    if error.ends_the_connection() {
        return Loss::Ended(error).into();
    }
    let interrupted_late = error.is_interruption() && began.elapsed() >= limits.statement;
    if error.is_timeout() || interrupted_late {
        return QueryError::TimedOut.into();
    }
    QueryError::Sql { error, position }.into()
}

/// Asks the server to end what a session is doing.
struct Canceller {
    options: Opts,
    server: String,
    id: u64,
}

impl Canceller {
    async fn cancel(self: &Arc<Self>, command: &'static str, deadline: Instant) {
        let canceller = Arc::clone(self);
        database::cancel(async move { canceller.request(command).await }, deadline).await;
    }

    async fn request(&self, command: &str) -> Result<(), Loss> {
        let mut conn = Conn::new(self.options.clone()).await?;
        let server: Option<String> = conn.query_first(format!("SELECT {IDENTITY}")).await?;
        // Behind a balancer of loads, the number may be that of another session of ours.
        if server.as_deref() != Some(self.server.as_str()) {
            return Err(Loss::Client("the address leads to another server now".to_owned()));
        }
        conn.query_drop(format!("{command} {}", self.id)).await?;
        Ok(conn.disconnect().await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_server_is_limited_by_its_own_variable() {
        let limits = Limits {
            statement: Duration::from_millis(1_050),
            guard: Instant::now(),
        };
        for (version, number, assignments) in [
            (
                "8.0.36",
                (8, 0, 36),
                ", max_execution_time = 1050, lock_wait_timeout = 2",
            ),
            (
                "5.7.8-log",
                (5, 7, 8),
                ", max_execution_time = 1050, lock_wait_timeout = 2",
            ),
            ("5.6.51", (5, 6, 51), ", lock_wait_timeout = 2"),
            (
                "10.11.19-MariaDB-0+deb12u1",
                (10, 11, 19),
                ", max_statement_time = 1.050, lock_wait_timeout = 2",
            ),
            ("5.5.68-MariaDB", (5, 5, 68), ", lock_wait_timeout = 2"),
        ] {
            assert_eq!(
                ServerLimit::of(version, number).assignments(limits),
                assignments,
                "{version}"
            );
        }
    }
}
