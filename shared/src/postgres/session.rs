//! What a job does on a logged-in connection: one read-only transaction in which queries fail alone.
//!
//! All statements are parsed without a name (see `wire.rs`), in a transaction, which keeps them on one server connection
//! behind PgBouncer. A savepoint stands at the transaction's beginning and each query first goes back to it: whatever
//! the query before did, failed or changed by `set_config`, is undone, while the snapshot stays that of the transaction.

use std::sync::Arc;
use std::time::Duration;

use fallible_iterator::FallibleIterator;
use postgres_protocol::message::backend::Message;
use tokio::time::Instant;
use tokio_postgres::types::Oid;

use super::cancel::Canceller;
use super::row::{Columns, TextRow};
use super::server_error::ServerError;
use super::types::{Kind, TypeInfo, UserTypes};
use super::url::SessionAttributes;
use super::wire::{Incoming, Status, Wire, WireError};
use super::{Consumer, Failure, Position, Postgres, QueryError, Reason, describe};
use crate::database::{self, Description, Limits};

/// How long the rest of a result may take that nobody wants before the query is cancelled.
const DRAIN: Duration = Duration::from_millis(100);

/// A logged-in connection and what has been learnt on it.
pub struct Session {
    pub(super) wire: Wire,
    canceller: Arc<Canceller>,
    pub(super) types: UserTypes,
    /// For errors.
    pub(super) host: String,
}

impl<E> From<WireError> for Failure<E> {
    fn from(error: WireError) -> Self {
        match error {
            WireError::Deadline => Self::Late,
            error => Self::Lost(error.to_string()),
        }
    }
}

impl<E> From<std::io::Error> for Failure<E> {
    fn from(error: std::io::Error) -> Self {
        WireError::from(error).into()
    }
}

/// A statement that the server has parsed.
pub(super) struct Parsed {
    pub(super) parameters: Vec<Oid>,
    /// `None` for a statement that has no result.
    columns: Option<Vec<(String, Oid)>>,
    /// Whether another request has since replaced it on the server.
    stale: bool,
}

impl database::Session for Session {
    type Database = Postgres;

    fn place(&self) -> &str {
        &self.host
    }

    async fn begin(&mut self, limits: Limits, deadline: Instant) -> Result<(), Reason> {
        // ISO output is what `number.rs` reads. The zone and the order of day and month stay the user's own.
        let sql = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
             SET LOCAL statement_timeout = {limit}; \
             SET LOCAL idle_in_transaction_session_timeout = {limit}; \
             SET LOCAL datestyle = 'ISO'; \
             SET LOCAL intervalstyle = 'iso_8601'; \
             SET LOCAL extra_float_digits = 1; \
             SAVEPOINT fanlight",
            limit = limits.milliseconds()
        );
        let (ready, _) = self.wire.simple(&sql, deadline).await?;
        match (ready.error, ready.status) {
            (Some(error), _) => Err(error.into()),
            (None, Status::InTransaction) => Ok(()),
            (None, _) => Err(WireError::OutOfOrder.into()),
        }
    }

    async fn query<C: Consumer>(
        &mut self,
        sql: &str,
        parameters: &[Option<String>],
        consumer: &mut C,
        limits: Limits,
    ) -> Result<u64, Failure<C::Error>> {
        let mut parsed = self.parse(sql, limits).await?;
        let columns = self.columns(&mut parsed, limits).await?.ok_or(QueryError::NoRows)?;
        let (expected, given) = (parsed.parameters.len(), parameters.len());
        if expected != given {
            return Err(QueryError::Parameters { expected, given }.into());
        }
        let holds_nul = |parameter: &Option<String>| parameter.as_ref().is_some_and(|text| text.contains('\0'));
        if let Some(index) = parameters.iter().position(holds_nul) {
            return Err(QueryError::Unfit(format!(
                "parameter ${} holds a NUL character, which PostgreSQL cannot take",
                index + 1
            ))
            .into());
        }
        consumer.columns(&columns.described).map_err(QueryError::Consumer)?;

        if parsed.stale {
            self.wire.add_parse(sql)?;
        }
        self.wire.add_execute(parameters)?;
        self.wire.add_sync();
        // Before the server can begin, so that its limit has not passed later there than here.
        let began = Instant::now();
        self.wire.send(limits.guard).await?;
        self.stream(sql, &columns, consumer, limits, began).await
    }

    async fn describe<E>(&mut self, sql: &str, limits: Limits) -> Result<Description, Failure<E>> {
        describe::describe(self, sql, limits).await
    }

    async fn end(&mut self, deadline: Instant) -> bool {
        matches!(self.wire.simple("COMMIT", deadline).await, Ok((ready, _)) if ready.status == Status::Idle)
    }

    async fn cancel(&self, deadline: Instant) {
        self.canceller.cancel(deadline).await;
    }
}

impl Session {
    pub(super) fn new(wire: Wire, canceller: Arc<Canceller>) -> Self {
        Self {
            wire,
            canceller,
            types: UserTypes::default(),
            host: String::new(),
        }
    }

    pub(super) async fn has_role(&mut self, wanted: SessionAttributes, until: Instant) -> Result<bool, Reason> {
        if wanted == SessionAttributes::Any {
            return Ok(true);
        }
        let question = "SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('transaction_read_only')";
        let (ready, rows) = self.wire.simple(question, until).await?;
        if let Some(error) = ready.error {
            return Err(error.into());
        }
        let [Some(recovery), Some(read_only)] = rows.first().map(Vec::as_slice).unwrap_or_default() else {
            return Err(WireError::OutOfOrder.into());
        };
        Ok(match wanted {
            SessionAttributes::Any | SessionAttributes::PreferStandby => true,
            SessionAttributes::ReadWrite => read_only == "off",
            SessionAttributes::ReadOnly => read_only == "on",
            SessionAttributes::Primary => recovery == "f",
            SessionAttributes::Standby => recovery == "t",
        })
    }

    async fn stream<C: Consumer>(
        &mut self,
        sql: &str,
        columns: &Columns,
        consumer: &mut C,
        limits: Limits,
        began: Instant,
    ) -> Result<u64, Failure<C::Error>> {
        let mut rows = 0;
        let mut error = None;
        let mut cells = Vec::with_capacity(columns.len());
        loop {
            match self.wire.next(limits.guard).await? {
                Incoming::Message(Message::DataRow(body)) => {
                    cells.clear();
                    let mut ranges = body.ranges();
                    while let Some(range) = ranges.next()? {
                        cells.push(range);
                    }
                    if let Err(refusal) = consumer.row(&TextRow {
                        columns,
                        body: body.buffer(),
                        cells: &cells,
                    }) {
                        self.stop(limits).await?;
                        return Err(QueryError::Consumer(refusal).into());
                    }
                    rows += 1;
                }
                Incoming::Message(_) => {}
                Incoming::Refused(refusal) => error = error.or(Some(refusal)),
                Incoming::Ready(status) => {
                    return match error {
                        Some(error) => Err(refused(error, sql, began, limits).into()),
                        // Only a query that ended the transaction itself gets here, and nothing it gave is to be trusted.
                        None if status == Status::Idle => Err(WireError::OutOfOrder.into()),
                        None => Ok(rows),
                    };
                }
            }
        }
    }

    /// Gets rid of the rest of a result: a small one is read, a large one cancelled.
    async fn stop(&mut self, limits: Limits) -> Result<(), WireError> {
        let patience = limits.guard.min(Instant::now() + DRAIN);
        match self.wire.finish(patience, |_| Ok(())).await {
            Err(WireError::Deadline) => {}
            outcome => return outcome.map(drop),
        }
        self.canceller.cancel(limits.guard).await;
        self.wire.finish(limits.guard, |_| Ok(())).await.map(drop)
    }

    /// Has the server parse a statement and describe its result, back at the savepoint.
    pub(super) async fn parse<E>(&mut self, sql: &str, limits: Limits) -> Result<Parsed, Failure<E>> {
        if sql.contains('\0') {
            return Err(QueryError::Unfit("the SQL holds a NUL character".to_owned()).into());
        }
        let back = format!(
            "ROLLBACK TO SAVEPOINT fanlight; SET LOCAL statement_timeout = {}",
            limits.milliseconds()
        );
        let began = Instant::now();
        let mut again = true;
        loop {
            self.wire.add_simple(&back)?;
            self.wire.add_parse(sql)?;
            self.wire.add_describe()?;
            self.wire.add_sync();
            self.wire.send(limits.guard).await?;
            let at_savepoint = self.wire.finish(limits.guard, |_| Ok(())).await?;
            let mut parsed = Parsed {
                parameters: Vec::new(),
                columns: None,
                stale: false,
            };
            let ready = self.wire.finish(limits.guard, |message| parsed.take(&message)).await?;
            return match (at_savepoint.error, ready.error) {
                // A cancel request for the query before may arrive late.
                (Some(error), _) if error.code == "57014" && again => {
                    again = false;
                    continue;
                }
                (Some(error), _) => Err(WireError::Ended(error).into()),
                (None, Some(error)) => Err(refused(error, sql, began, limits).into()),
                (None, None) => Ok(parsed),
            };
        }
    }

    /// The columns with their types, some of which the server may have to be asked for.
    pub(super) async fn columns<E>(
        &mut self,
        parsed: &mut Parsed,
        limits: Limits,
    ) -> Result<Option<Columns>, Failure<E>> {
        let Some(columns) = &parsed.columns else {
            return Ok(None);
        };
        let oids = columns.iter().map(|(_, oid)| *oid);
        if let Some(question) = self.types.question(oids) {
            let (ready, rows) = self.wire.simple(&question, limits.guard).await?;
            if let Some(error) = ready.error {
                return Err(QueryError::Sql { error, position: None }.into());
            }
            self.types.learn(&rows);
            parsed.stale = true;
        }
        Ok(Some(Columns::new(
            columns.iter().map(|(name, oid)| (name.clone(), self.type_of(*oid))),
        )))
    }

    pub(super) fn type_of(&self, oid: Oid) -> TypeInfo {
        let unknown = || TypeInfo {
            name: format!("with OID {oid}"),
            kind: Kind::Unsupported,
        };
        self.types.get(oid).unwrap_or_else(unknown)
    }
}

impl Parsed {
    fn take(&mut self, message: &Message) -> Result<(), WireError> {
        match message {
            Message::ParameterDescription(body) => self.parameters = body.parameters().collect()?,
            Message::RowDescription(body) => {
                let fields = body
                    .fields()
                    .map(|field| Ok((field.name().to_owned(), field.type_oid())));
                self.columns = Some(fields.collect()?);
            }
            _ => {}
        }
        Ok(())
    }
}

/// The server's refusal of a statement, told apart from its running out of time.
pub(super) fn refused<E>(error: ServerError, sql: &str, began: Instant, limits: Limits) -> QueryError<E> {
    if error.code == "57014" && began.elapsed() >= limits.statement {
        return QueryError::TimedOut;
    }
    let position = error.position.map(|character| Position::of(sql, character));
    QueryError::Sql { error, position }
}
