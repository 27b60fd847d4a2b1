//! One warm connection, one snapshot a transaction.

use anyhow::{Context as _, Result};
use fanlight_tests::Postgres;
use fanlight_tests::faults::refusing;
use shared::postgres::Connections;

use super::backend;
use crate::databases::{LONG, begin, soon, table};

#[tokio::test]
async fn all_queries_of_a_transaction_see_the_same_moment() -> Result<()> {
    let database = Postgres::shared().await?.database().await?;
    database.execute("CREATE TABLE t AS SELECT 1 AS n").await?;
    let connections = Connections::new();
    let mut transaction = begin(&connections, &database.url()).await?;
    let count = "SELECT count(*) FROM t";
    assert_eq!(table(&mut transaction, count).await?.texts(), ["1"]);
    database.execute("INSERT INTO t VALUES (2)").await?;
    assert_eq!(table(&mut transaction, count).await?.texts(), ["1"]);
    // A failure goes back to the savepoint, not to another snapshot.
    assert!(table(&mut transaction, "SELECT 1/0").await.is_err());
    database.execute("INSERT INTO t VALUES (3)").await?;
    assert_eq!(table(&mut transaction, count).await?.texts(), ["1"]);
    transaction.finish().await;
    let mut transaction = begin(&connections, &database.url()).await?;
    assert_eq!(table(&mut transaction, count).await?.texts(), ["3"]);
    Ok(())
}

#[tokio::test]
async fn a_snapshot_is_kept_when_the_first_query_fails() -> Result<()> {
    let database = Postgres::shared().await?.database().await?;
    database.execute("CREATE TABLE t AS SELECT 1 AS n").await?;
    let connections = Connections::new();
    let mut transaction = begin(&connections, &database.url()).await?;
    assert!(
        table(&mut transaction, "SELECT count(*), 1 / (count(*) - 1) FROM t")
            .await
            .is_err()
    );
    database.execute("INSERT INTO t VALUES (2)").await?;
    assert_eq!(table(&mut transaction, "SELECT count(*) FROM t").await?.texts(), ["1"]);
    Ok(())
}

#[tokio::test]
async fn what_a_query_sets_is_gone_in_the_next() -> Result<()> {
    let database = Postgres::shared().await?.database().await?;
    let connections = Connections::new();
    let mut transaction = begin(&connections, &database.url()).await?;
    let set = "SELECT set_config('timezone', 'Asia/Kolkata', false), set_config('statement_timeout', '1', false)";
    table(&mut transaction, set).await?;
    let zone = "SELECT current_setting('timezone'), pg_sleep(0.05)::text";
    let zone = table(&mut transaction, zone).await?;
    assert_ne!(zone.texts(), ["Asia/Kolkata"]);
    Ok(())
}

#[tokio::test]
async fn the_connection_is_kept_between_transactions() -> Result<()> {
    let database = Postgres::shared().await?.database().await?;
    let connections = Connections::new();
    let mut processes = Vec::new();
    for _ in 0..3 {
        let mut transaction = begin(&connections, &database.url()).await?;
        processes.push(backend(&mut transaction).await?);
        assert!(table(&mut transaction, "SELECT 1/0").await.is_err());
        transaction.finish().await;
    }
    assert!(
        processes.iter().all(|process| *process == processes[0]),
        "{processes:?}"
    );
    let idle = "SELECT string_agg(state || ' ' || application_name, ',') FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid()";
    assert_eq!(database.value(idle).await?, "idle fanlight");
    Ok(())
}

#[tokio::test]
async fn a_transaction_that_is_dropped_closes_its_connection() -> Result<()> {
    let database = Postgres::shared().await?.database().await?;
    let connections = Connections::new();
    let mut transaction = begin(&connections, &database.url()).await?;
    let process = backend(&mut transaction).await?;
    drop(transaction);
    let mut transaction = begin(&connections, &database.url()).await?;
    assert_ne!(backend(&mut transaction).await?, process);
    Ok(())
}

#[tokio::test]
async fn a_dead_connection_is_made_again_once() -> Result<()> {
    let mut postgres = Postgres::start().await?;
    let database = postgres.database().await?;
    let connections = Connections::new();
    let mut transaction = begin(&connections, &database.url()).await?;
    let process = backend(&mut transaction).await?;
    transaction.finish().await;

    database
        .value(&format!("SELECT pg_terminate_backend({process})"))
        .await?;
    let mut transaction = begin(&connections, &database.url()).await?;
    assert_ne!(backend(&mut transaction).await?, process);
    transaction.finish().await;

    postgres.stop()?;
    let error = begin(&connections, &database.url())
        .await
        .err()
        .context("it did not fail")?;
    assert!(error.to_string().contains("Connection refused"), "{error}");
    postgres.start_again().await?;
    let mut transaction = begin(&connections, &database.url()).await?;
    backend(&mut transaction).await?;
    Ok(())
}

#[tokio::test]
async fn a_connection_that_hangs_after_a_freeze_is_made_again() -> Result<()> {
    let database = Postgres::shared().await?.database().await?;
    let connections = Connections::new();
    let mut transaction = begin(&connections, &database.url()).await?;
    let process = backend(&mut transaction).await?;
    transaction.finish().await;
    // To the client a stopped server process looks like a flow that something in between has forgotten.
    std::process::Command::new("kill").args(["-STOP", &process]).status()?;
    let outcome = async {
        let mut transaction = begin(&connections, &database.url()).await?;
        backend(&mut transaction).await
    }
    .await;
    std::process::Command::new("kill").args(["-CONT", &process]).status()?;
    assert_ne!(outcome?, process);
    Ok(())
}

#[tokio::test]
async fn another_password_is_tried_out_in_spite_of_a_warm_connection() -> Result<()> {
    let database = Postgres::shared().await?.database().await?;
    let connections = Connections::new();
    begin(&connections, &database.url()).await?.finish().await;
    let wrong = format!("postgres://fanlight:hunter2@{}/{}", database.host(), database.name());
    let error = begin(&connections, &wrong).await.err().context("it did not fail")?;
    assert!(error.is_login_failure(), "{error}");
    begin(&connections, &database.url()).await?.finish().await;
    Ok(())
}

#[tokio::test]
async fn hosts_are_tried_in_turn_and_judged_by_their_role() -> Result<()> {
    let database = Postgres::shared().await?.database().await?;
    let refusing = refusing()?;
    let url = |attributes: &str| {
        let hosts = format!("{refusing},{}", database.host());
        format!(
            "{}?target_session_attrs={attributes}",
            database.url().replace(&database.host(), &hosts)
        )
    };
    for (attributes, taken) in [
        ("any", true),
        ("read-write", true),
        ("primary", true),
        ("prefer-standby", true),
        ("read-only", false),
        ("standby", false),
    ] {
        let outcome = Connections::new()
            .begin(&url(attributes).into(), None, soon(LONG))
            .await
            .map(drop);
        match outcome {
            Ok(()) => assert!(taken, "{attributes}"),
            Err(error) => {
                assert!(!taken, "{attributes}: {error}");
                let expected = format!(
                    "cannot connect to PostgreSQL at {refusing}: Connection refused (os error 111); at {}: the server \
                     is not what target_session_attrs asks for",
                    database.host()
                );
                assert_eq!(error.to_string(), expected);
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_wrong_password_is_not_tried_at_the_other_hosts() -> Result<()> {
    let database = Postgres::shared().await?.database().await?;
    let hosts = format!("{0},{0}", database.host());
    let url = format!("postgres://fanlight:hunter2@{hosts}/{}", database.name());
    let error = begin(&Connections::new(), &url)
        .await
        .err()
        .context("it did not fail")?
        .to_string();
    assert_eq!(error.matches("password authentication failed").count(), 1, "{error}");
    Ok(())
}
