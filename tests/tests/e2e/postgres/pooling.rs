//! Behind PgBouncer in transaction mode with a single server connection that all clients share.

use anyhow::Result;
use fanlight_tests::{PgBouncer, Postgres};
use shared::postgres::{Connections, QueryError};

use crate::databases::{UpTo, begin, table, with_parameters};

const LEFT_BEHIND: &str = "SELECT count(*) FROM pg_prepared_statements";

/// Statements of tokio-postgres' own names, as another application of the same pool may have left them.
const FOREIGN: &str =
    "PREPARE s0 AS SELECT 1; PREPARE s1 AS SELECT 2; PREPARE s2 AS SELECT 3; PREPARE fanlight AS SELECT 4";

#[tokio::test]
async fn many_clients_share_one_server_connection_and_leave_nothing_on_it() -> Result<()> {
    let database = Postgres::shared().await?.database().await?;
    database
        .execute(
            "CREATE TYPE state AS ENUM ('paid', 'failed'); CREATE TABLE t AS SELECT 'paid'::state AS state, 1 AS n",
        )
        .await?;
    let pooler = PgBouncer::start(&database).await?;
    let behind = pooler.pooled();
    behind.execute(FOREIGN).await?;

    let clients = (0..4).map(|_| {
        let url = behind.url();
        tokio::spawn(async move {
            let connections = Connections::new();
            for round in 0..10 {
                let mut transaction = begin(&connections, &url).await?;
                let read = table(&mut transaction, "SELECT state, ARRAY[state], n FROM t").await?;
                assert_eq!(read.texts(), ["paid"]);
                assert!(table(&mut transaction, "SELECT 1/0").await.is_err());
                let round = round.to_string();
                let sql = "SELECT $1::int, $2::state";
                let read = with_parameters(&mut transaction, sql, &[Some(&round), Some("failed")]).await?;
                assert_eq!(read.texts(), [round.as_str()]);
                transaction.describe("SELECT state FROM t WHERE state = $1").await?;
                transaction.finish().await;
            }
            anyhow::Ok(())
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await??;
    }
    assert_eq!(behind.value(LEFT_BEHIND).await?, "4", "the foreign ones and no others");
    assert_eq!(behind.value("SHOW transaction_isolation").await?, "read committed");
    assert_eq!(behind.value("SHOW statement_timeout").await?, "0");
    Ok(())
}

#[tokio::test]
async fn a_client_that_vanishes_in_a_transaction_leaves_nothing_to_the_next() -> Result<()> {
    let database = Postgres::shared().await?.database().await?;
    let pooler = PgBouncer::start(&database).await?;
    let url = pooler.pooled().url();
    for _ in 0..3 {
        let connections = Connections::new();
        let mut transaction = begin(&connections, &url).await?;
        table(&mut transaction, "SELECT set_config('application_name', 'gone', false)").await?;
        drop(transaction);
        drop(connections);
    }
    let connections = Connections::new();
    let mut transaction = begin(&connections, &url).await?;
    assert_eq!(
        table(&mut transaction, "SELECT current_setting('application_name')")
            .await?
            .texts(),
        ["fanlight"]
    );
    Ok(())
}

#[tokio::test]
async fn a_result_that_is_too_large_is_cancelled_through_the_pooler() -> Result<()> {
    let database = Postgres::shared().await?.database().await?;
    let pooler = PgBouncer::start(&database).await?;
    let connections = Connections::new();
    let mut transaction = begin(&connections, &pooler.pooled().url()).await?;
    let huge = "SELECT generate_series(1, 100000000)";
    let error = transaction.query(huge, &[], &mut UpTo(3)).await.unwrap_err();
    assert!(matches!(error, QueryError::Consumer(_)), "{error}");
    assert_eq!(table(&mut transaction, "SELECT 1").await?.texts(), ["1"]);
    transaction.finish().await;
    Ok(())
}
