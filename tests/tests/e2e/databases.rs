//! What holds for queries of every kind of database; what a kind has of its own is in the modules of their names.

use std::time::Duration;

use anyhow::{Context as _, Result};
use fanlight_tests::USER;
use fanlight_tests::faults::{Hanging, refusing};
use secrecy::SecretString;
use shared::database::{ConnectError, Connections, Database, QueryError, Transaction};
use shared::mysql::Mysql;
use shared::postgres::Postgres;
use shared::rows::{Column, Consumer, Row, UnreadableCell};
use tokio::time::Instant;

/// More than any of these tests takes on a machine that does nothing else.
pub(crate) const LONG: Duration = Duration::from_mins(1);
/// The end of a short time in which something must have been given up.
const SHORT: Duration = Duration::from_millis(1500);
/// The same where something must have worked before, also on a slow machine.
pub(crate) const MODEST: Duration = Duration::from_secs(5);

/// A cell in both of its readings.
type Cell = (
    Result<Option<String>, UnreadableCell>,
    Result<Option<f64>, UnreadableCell>,
);

/// Keeps everything it is given.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<Vec<Cell>>,
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
    pub(crate) fn texts(&self) -> Vec<&str> {
        fn text(row: &[Cell]) -> Option<&str> {
            row.first()?.0.as_ref().ok()?.as_deref()
        }
        self.rows.iter().map(|row| text(row).unwrap_or("none")).collect()
    }
}

/// Refuses the row after the last it may take, or the columns if it may take none.
#[derive(Debug)]
pub(crate) struct UpTo(pub(crate) usize);

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

pub(crate) fn soon(limit: Duration) -> Instant {
    Instant::now() + limit
}

pub(crate) async fn begin<'c, D: Database>(
    connections: &'c Connections<D>,
    url: &str,
) -> Result<Transaction<'c, D>, ConnectError<D>> {
    connections.begin(&SecretString::from(url), None, soon(LONG)).await
}

pub(crate) async fn table<D: Database>(
    transaction: &mut Transaction<'_, D>,
    sql: &str,
) -> Result<Table, QueryError<String, D>> {
    with_parameters(transaction, sql, &[]).await
}

pub(crate) async fn with_parameters<D: Database>(
    transaction: &mut Transaction<'_, D>,
    sql: &str,
    parameters: &[Option<&str>],
) -> Result<Table, QueryError<String, D>> {
    let parameters: Vec<_> = parameters.iter().map(|text| text.map(str::to_owned)).collect();
    let mut table = Table::default();
    transaction.query(sql, &parameters, &mut table).await?;
    Ok(table)
}

/// The one cell that a query gives, as text.
pub(crate) async fn cell<D: Database>(transaction: &mut Transaction<'_, D>, sql: &str) -> Result<String> {
    let table = table(transaction, sql).await?;
    Ok(table.texts().first().context("no row")?.to_string())
}

/// A query on a connection of its own, and what it fails with.
pub(crate) async fn failure<D: Database>(url: &str, sql: &str) -> Result<String> {
    let connections = Connections::<D>::new();
    let mut transaction = begin(&connections, url).await?;
    let error = table(&mut transaction, sql).await.err().context("it did not fail")?;
    let after = table(&mut transaction, "SELECT 1").await?;
    assert_eq!(after.texts(), ["1"], "the transaction goes on after {sql}");
    Ok(error.to_string())
}

/// Why no transaction begins within a short time.
pub(crate) async fn refusal<D: Database>(url: &str) -> Result<ConnectError<D>> {
    Connections::new()
        .begin(&SecretString::from(url), None, soon(SHORT))
        .await
        .err()
        .context("it did not fail")
}

/// As [`refusal`], in words, of what has nothing to do with the password, which is `hunter2`.
async fn unreachable<D: Database>(url: &str) -> Result<String> {
    let error = refusal::<D>(url).await?;
    assert!(!error.is_login_failure(), "{error}");
    let words = error.to_string();
    assert!(!words.contains("hunter2"), "{words}");
    Ok(words)
}

#[tokio::test]
async fn a_refused_connection_names_host_and_port() -> Result<()> {
    let address = refusing()?;
    let target = format!("{USER}:hunter2@{address}/shop");
    for (name, told) in [
        (
            "PostgreSQL",
            unreachable::<Postgres>(&format!("postgres://{target}")).await?,
        ),
        ("MySQL", unreachable::<Mysql>(&format!("mysql://{target}")).await?),
    ] {
        let expected = format!("cannot connect to {name} at {address}: Connection refused (os error 111)");
        assert_eq!(told, expected);
    }
    Ok(())
}

#[tokio::test]
async fn an_unknown_host_is_named() -> Result<()> {
    for (place, told) in [
        (
            "PostgreSQL at db.invalid:5432",
            unreachable::<Postgres>("postgres://u:hunter2@db.invalid/shop").await?,
        ),
        (
            "MySQL at db.invalid:3306",
            unreachable::<Mysql>("mysql://u:hunter2@db.invalid/shop").await?,
        ),
    ] {
        assert!(told.starts_with(&format!("cannot connect to {place}: ")), "{told}");
    }
    Ok(())
}

#[tokio::test]
async fn a_database_that_hangs_at_the_connection_ends_at_the_deadline() -> Result<()> {
    let hanging = Hanging::start().await?;
    let address = hanging.address();
    let target = format!("u:hunter2@{address}/shop");
    for query in ["", "?sslmode=disable", "?connect_timeout=1", "?connect_timeout=0"] {
        let told = unreachable::<Postgres>(&format!("postgres://{target}{query}")).await?;
        assert_eq!(
            told,
            format!("cannot connect to PostgreSQL at {address}: no answer in time")
        );
    }
    for query in ["", "?ssl-mode=DISABLED", "?connect-timeout=1", "?connect-timeout=0"] {
        let told = unreachable::<Mysql>(&format!("mysql://{target}{query}")).await?;
        assert_eq!(told, format!("cannot connect to MySQL at {address}: no answer in time"));
    }
    Ok(())
}
