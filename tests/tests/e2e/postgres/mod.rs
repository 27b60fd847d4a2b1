//! Queries against real PostgreSQL: what comes out, and what is said when nothing does.

mod connection;
mod failures;
mod pooling;
mod tls;
mod types;

use std::time::Duration;

use anyhow::{Context as _, Result};
use fanlight_tests::Database;
use secrecy::SecretString;
use shared::postgres::{ConnectError, Connections, Consumer, QueryError, Transaction};
use shared::rows::{Column, Row, UnreadableCell};
use tokio::time::Instant;

/// More than any of these tests takes on a machine that does nothing else.
const LONG: Duration = Duration::from_mins(1);

/// A cell in both of its readings.
type Cell = (
    Result<Option<String>, UnreadableCell>,
    Result<Option<f64>, UnreadableCell>,
);

/// Keeps everything it is given.
#[derive(Debug, Default)]
struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

impl Consumer for Table {
    type Error = String;

    fn columns(&mut self, columns: &[Column]) -> Result<(), String> {
        self.columns = columns.to_vec();
        Ok(())
    }

    fn row(&mut self, row: &dyn Row) -> Result<(), String> {
        let cell = |column| (row.text(column).map(|text| text.map(Into::into)), row.number(column));
        self.rows.push((0..self.columns.len()).map(cell).collect());
        Ok(())
    }
}

impl Table {
    /// The first column as text.
    fn texts(&self) -> Vec<&str> {
        fn text(row: &[Cell]) -> Option<&str> {
            row.first()?.0.as_ref().ok()?.as_deref()
        }
        self.rows.iter().map(|row| text(row).unwrap_or("none")).collect()
    }
}

/// Counts rows and refuses the one after the last it may take.
#[derive(Debug)]
struct UpTo(usize);

impl Consumer for UpTo {
    type Error = String;

    fn columns(&mut self, _columns: &[Column]) -> Result<(), String> {
        Ok(())
    }

    fn row(&mut self, _row: &dyn Row) -> Result<(), String> {
        self.0 = self
            .0
            .checked_sub(1)
            .context("enough")
            .map_err(|error| error.to_string())?;
        Ok(())
    }
}

fn soon(limit: Duration) -> Instant {
    Instant::now() + limit
}

async fn begin<'a>(connections: &'a Connections, url: &str) -> Result<Transaction<'a>, ConnectError> {
    connections.begin(&SecretString::from(url), None, soon(LONG)).await
}

async fn table(transaction: &mut Transaction<'_>, sql: &str) -> Result<Table, QueryError<String>> {
    with_parameters(transaction, sql, &[]).await
}

fn owned(parameters: &[Option<&str>]) -> Vec<Option<String>> {
    parameters.iter().map(|text| text.map(str::to_owned)).collect()
}

async fn with_parameters(
    transaction: &mut Transaction<'_>,
    sql: &str,
    parameters: &[Option<&str>],
) -> Result<Table, QueryError<String>> {
    let parameters = owned(parameters);
    let mut table = Table::default();
    transaction.query(sql, &parameters, &mut table).await?;
    Ok(table)
}

/// The process of the server that a transaction runs in.
async fn backend(transaction: &mut Transaction<'_>) -> Result<String> {
    let table = table(transaction, "SELECT pg_backend_pid()").await?;
    Ok(table.texts().first().context("no row")?.to_string())
}

/// A query on a connection of its own, and what it fails with.
async fn failure(database: &Database, sql: &str) -> Result<String> {
    let connections = Connections::new();
    let mut transaction = begin(&connections, &database.url()).await?;
    let error = table(&mut transaction, sql).await.err().context("it did not fail")?;
    let after = table(&mut transaction, "SELECT 1").await?;
    assert_eq!(after.texts(), ["1"], "the transaction goes on after {sql}");
    Ok(error.to_string())
}
