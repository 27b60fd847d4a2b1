//! Queries against real PostgreSQL: what comes out, and what is said when nothing does.

mod connection;
mod failures;
mod pooling;
mod tls;
mod types;

use anyhow::Result;
use shared::postgres::Transaction;

use crate::databases::cell;

/// The process of the server that a transaction runs in.
async fn backend(transaction: &mut Transaction<'_>) -> Result<String> {
    cell(transaction, "SELECT pg_backend_pid()").await
}
