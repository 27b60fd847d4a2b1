//! Queries against real MariaDB: what comes out, and what is said when nothing does.

mod connection;
mod failures;
mod tls;
mod types;

use anyhow::Result;
use shared::mysql::Transaction;

use crate::databases::cell;

/// The server's number of the connection that a transaction runs on.
async fn connection_id(transaction: &mut Transaction<'_>) -> Result<String> {
    cell(transaction, "SELECT CONNECTION_ID()").await
}
