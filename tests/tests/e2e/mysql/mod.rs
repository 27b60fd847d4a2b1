//! Queries against real MariaDB: what comes out, and what is said when nothing does.

mod connection;
mod failures;
mod tls;
mod types;

use std::time::Duration;

use anyhow::{Context as _, Result};
use fanlight_tests::MariaDatabase;
use secrecy::SecretString;
use shared::mysql::{ConnectError, Connections, Consumer, QueryError, Transaction};
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

/// Refuses the row after the last it may take, or the columns if it may take none.
#[derive(Debug)]
struct UpTo(usize);

impl Consumer for UpTo {
    type Error = String;

    fn columns(&mut self, _columns: &[Column]) -> Result<(), String> {
        if self.0 == 0 {
            Err("no columns".to_owned())
        } else {
            Ok(())
        }
    }

    fn row(&mut self, _row: &dyn Row) -> Result<(), String> {
        self.0 = self.0.checked_sub(1).filter(|left| *left > 0).ok_or("enough")?;
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

async fn with_parameters(
    transaction: &mut Transaction<'_>,
    sql: &str,
    parameters: &[Option<&str>],
) -> Result<Table, QueryError<String>> {
    let parameters: Vec<_> = parameters.iter().map(|text| text.map(str::to_owned)).collect();
    let mut table = Table::default();
    transaction.query(sql, &parameters, &mut table).await?;
    Ok(table)
}

/// The server's number of the connection that a transaction runs on.
async fn connection_id(transaction: &mut Transaction<'_>) -> Result<String> {
    let table = table(transaction, "SELECT CONNECTION_ID()").await?;
    Ok(table.texts().first().context("no row")?.to_string())
}

/// A query on a connection of its own, and what it fails with.
async fn failure(database: &MariaDatabase, sql: &str) -> Result<String> {
    let connections = Connections::new();
    let mut transaction = begin(&connections, &database.url()).await?;
    let error = table(&mut transaction, sql).await.err().context("it did not fail")?;
    let after = table(&mut transaction, "SELECT 1").await?;
    assert_eq!(after.texts(), ["1"], "the transaction goes on after {sql}");
    Ok(error.to_string())
}
