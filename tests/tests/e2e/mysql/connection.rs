//! One warm connection, one snapshot a transaction, results in constant memory.

use anyhow::{Context as _, Result};
use fanlight_tests::MariaDb;
use shared::mysql::{Connections, QueryError};

use super::connection_id;
use crate::databases::{UpTo, begin, table};

#[tokio::test]
async fn all_queries_of_a_transaction_see_the_same_moment() -> Result<()> {
    let database = MariaDb::shared().await?.database().await?;
    database.execute("CREATE TABLE t AS SELECT 1 AS n").await?;
    let connections = Connections::new();
    let mut transaction = begin(&connections, &database.url()).await?;
    // The moment is that of the beginning, not of the first query.
    database.execute("INSERT INTO t VALUES (2)").await?;
    let count = "SELECT COUNT(*) FROM t";
    assert_eq!(table(&mut transaction, count).await?.texts(), ["1"]);
    assert!(table(&mut transaction, "SELECT nothing").await.is_err());
    database.execute("INSERT INTO t VALUES (3)").await?;
    assert_eq!(table(&mut transaction, count).await?.texts(), ["1"]);
    transaction.finish().await;
    let mut transaction = begin(&connections, &database.url()).await?;
    assert_eq!(table(&mut transaction, count).await?.texts(), ["3"]);
    Ok(())
}

#[tokio::test]
async fn nothing_is_written() -> Result<()> {
    let database = MariaDb::shared().await?.database().await?;
    database.execute("CREATE TABLE t (n INT)").await?;
    let connections = Connections::new();
    let mut transaction = begin(&connections, &database.url()).await?;
    for (sql, words) in [
        ("INSERT INTO t VALUES (1)", "READ ONLY transaction"),
        ("INSERT INTO t VALUES (1) RETURNING n", "READ ONLY transaction"),
        ("OPTIMIZE TABLE t", "READ ONLY transaction"),
        ("CREATE TABLE u (n INT)", "READ ONLY transaction"),
        ("COMMIT", "the statement gives no rows"),
        ("SET SESSION TRANSACTION READ WRITE", "the statement gives no rows"),
        ("SELECT 1; DELETE FROM t", "near `DELETE FROM t`"),
    ] {
        let error = table(&mut transaction, sql)
            .await
            .err()
            .with_context(|| sql.to_owned())?;
        assert!(error.to_string().contains(words), "{sql}: {error}");
    }
    assert_eq!(database.value("SELECT COUNT(*) FROM t").await?, "0");
    Ok(())
}

#[tokio::test]
async fn the_connection_is_kept_between_transactions_and_nothing_on_it() -> Result<()> {
    let database = MariaDb::shared().await?.database().await?;
    let connections = Connections::new();
    let mut ids = Vec::new();
    for _ in 0..3 {
        let mut transaction = begin(&connections, &database.url()).await?;
        ids.push(connection_id(&mut transaction).await?);
        assert_eq!(table(&mut transaction, "SELECT @left").await?.texts(), ["none"]);
        table(&mut transaction, "SELECT @left := 1").await?;
        assert!(table(&mut transaction, "SELECT nothing").await.is_err());
        let statements =
            "SELECT VARIABLE_VALUE FROM information_schema.SESSION_STATUS WHERE VARIABLE_NAME = 'Com_stmt_close'";
        table(&mut transaction, statements).await?;
        transaction.finish().await;
    }
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    Ok(())
}

#[tokio::test]
async fn a_transaction_that_is_dropped_closes_its_connection() -> Result<()> {
    let database = MariaDb::shared().await?.database().await?;
    let connections = Connections::new();
    let mut transaction = begin(&connections, &database.url()).await?;
    let id = connection_id(&mut transaction).await?;
    drop(transaction);
    let mut transaction = begin(&connections, &database.url()).await?;
    assert_ne!(connection_id(&mut transaction).await?, id);
    let left = format!("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID = {id}");
    for _ in 0..1_000 {
        if database.value(&left).await? == "0" {
            return Ok(());
        }
    }
    anyhow::bail!("the connection stays")
}

#[tokio::test]
async fn a_dead_connection_is_made_again_once() -> Result<()> {
    let mut mariadb = MariaDb::start().await?;
    let database = mariadb.database().await?;
    let connections = Connections::new();
    let mut transaction = begin(&connections, &database.url()).await?;
    let id = connection_id(&mut transaction).await?;
    transaction.finish().await;
    database.execute(&format!("KILL {id}")).await?;
    let mut transaction = begin(&connections, &database.url()).await?;
    assert_ne!(connection_id(&mut transaction).await?, id);
    transaction.finish().await;

    mariadb.stop()?;
    let error = begin(&connections, &database.url())
        .await
        .err()
        .context("it did not fail")?;
    assert!(error.to_string().contains("Connection refused"), "{error}");
    mariadb.start_again().await?;
    let mut transaction = begin(&connections, &database.url()).await?;
    connection_id(&mut transaction).await?;
    Ok(())
}

#[tokio::test]
async fn another_password_is_tried_out_in_spite_of_a_warm_connection() -> Result<()> {
    let database = MariaDb::shared().await?.database().await?;
    let connections = Connections::new();
    begin(&connections, &database.url()).await?.finish().await;
    let wrong = format!(
        "mysql://fanlight:hunter2@{}/{}?ssl-mode=DISABLED",
        database.host(),
        database.name()
    );
    let error = begin(&connections, &wrong).await.err().context("it did not fail")?;
    assert!(error.is_login_failure(), "{error}");
    begin(&connections, &database.url()).await?.finish().await;
    Ok(())
}

#[tokio::test]
async fn a_result_that_is_not_wanted_does_not_cost_the_transaction() -> Result<()> {
    let database = MariaDb::shared().await?.database().await?;
    let connections = Connections::new();
    let mut transaction = begin(&connections, &database.url()).await?;
    let id = connection_id(&mut transaction).await?;
    for (sql, rows, refusal) in [
        ("SELECT seq FROM seq_1_to_5", 0, "no columns"),
        ("SELECT seq FROM seq_1_to_5", 3, "enough"),
        // More than can be read in the time that is given to the rest: the query is cancelled.
        ("SELECT seq, REPEAT('x', 1000) FROM seq_1_to_100000000", 3, "enough"),
    ] {
        let error = transaction.query(sql, &[], &mut UpTo(rows)).await.unwrap_err();
        assert!(
            matches!(&error, QueryError::Consumer(said) if said == refusal),
            "{sql}: {error}"
        );
    }
    assert_eq!(connection_id(&mut transaction).await?, id);
    Ok(())
}
