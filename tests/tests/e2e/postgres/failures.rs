//! Queries that fail: alone, with the reason, and never with a value.

use std::time::Duration;

use anyhow::Result;
use fanlight_tests::Postgres;
use secrecy::SecretString;
use shared::postgres::{Connections, Position, Postgres as Kind, QueryError};
use tokio::time::Instant;

use super::backend;
use crate::databases::{LONG, MODEST, Table, UpTo, begin, failure, refusal, soon, table, with_parameters};

#[tokio::test]
async fn a_missing_socket_is_named() -> Result<()> {
    let error = refusal::<Kind>("postgres://u:hunter2@%2Fnowhere:7/shop")
        .await?
        .to_string();
    let expected = "cannot connect to PostgreSQL at /nowhere/.s.PGSQL.7: No such file or directory (os error 2)";
    assert_eq!(error, expected);
    Ok(())
}

#[tokio::test]
async fn a_wrong_password_is_told_from_other_failures() -> Result<()> {
    let database = Postgres::shared().await?.database().await?;
    let url = |user: &str, name: &str| format!("postgres://{user}@{}/{name}", database.host());
    let wrong = refusal::<Kind>(&url("fanlight:hunter2", database.name())).await?;
    assert!(wrong.is_login_failure());
    let message = wrong.to_string();
    assert!(
        message.contains("password authentication failed for user \"fanlight\" [SQLSTATE 28P01]"),
        "{message}"
    );
    assert!(!format!("{message} {wrong:?}").contains("hunter2"));

    let missing = refusal::<Kind>(&url("fanlight", database.name())).await?.to_string();
    assert!(
        missing.contains("the server asks for a password and the URL has none"),
        "{missing}"
    );

    let elsewhere = format!("{}x", database.url());
    let elsewhere = refusal::<Kind>(&elsewhere).await?;
    assert!(!elsewhere.is_login_failure());
    assert!(
        elsewhere.to_string().contains("does not exist [SQLSTATE 3D000]"),
        "{elsewhere}"
    );
    Ok(())
}

#[tokio::test]
async fn a_query_that_takes_too_long_is_ended_by_the_server() -> Result<()> {
    let database = Postgres::shared().await?.database().await?;
    let connections = Connections::new();
    let mut transaction = connections
        .begin(&SecretString::from(database.url()), None, soon(MODEST))
        .await?;
    let error = table(&mut transaction, "SELECT 1 AS one, pg_sleep(60)::text")
        .await
        .unwrap_err();
    assert!(matches!(error, QueryError::TimedOut), "{error}");
    let running = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%60%'
                   AND state = 'active' AND pid <> pg_backend_pid()";
    assert_eq!(database.value(running).await?, "0");
    Ok(())
}

#[tokio::test]
async fn a_server_that_hangs_in_a_query_is_given_up_at_the_deadline() -> Result<()> {
    let mut postgres = Postgres::start().await?;
    let database = postgres.database().await?;
    let connections = Connections::new();
    let mut transaction = connections
        .begin(&SecretString::from(database.url()), None, soon(MODEST))
        .await?;
    let process = backend(&mut transaction).await?;
    // The postmaster's children are frozen with it only where they share its process group.
    postgres.freeze()?;
    std::process::Command::new("kill").args(["-STOP", &process]).status()?;
    let error = table(&mut transaction, "SELECT 1").await.unwrap_err();
    assert!(matches!(error, QueryError::TimedOut), "{error}");
    let error = table(&mut transaction, "SELECT 1").await.unwrap_err();
    assert!(matches!(error, QueryError::Gone), "{error}");
    std::process::Command::new("kill").args(["-CONT", &process]).status()?;
    postgres.thaw()?;
    Ok(())
}

#[tokio::test]
async fn a_connection_that_dies_in_the_middle_of_a_query_says_so() -> Result<()> {
    let database = Postgres::shared().await?.database().await?;
    let connections = Connections::new();
    let mut transaction = begin(&connections, &database.url()).await?;
    let process = backend(&mut transaction).await?;
    let killer = tokio::spawn({
        let database = database.clone();
        async move {
            let busy = format!("SELECT state FROM pg_stat_activity WHERE pid = {process} AND query LIKE '%many%'");
            while !database.value(&busy).await.is_ok_and(|state| state == "active") {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            database.value(&format!("SELECT pg_terminate_backend({process})")).await
        }
    });
    let mut rows = Table::default();
    let slow = "SELECT n, pg_sleep(0.0005)::text FROM generate_series(1, 1000000) AS many (n)";
    let error = transaction.query(slow, &[], &mut rows).await.unwrap_err().to_string();
    killer.await??;
    assert_eq!(
        error,
        format!(
            "the connection to PostgreSQL at {} was lost: the server ended the connection: terminating connection due \
             to administrator command [SQLSTATE 57P01]",
            database.host()
        )
    );
    let error = table(&mut transaction, "SELECT 1").await.unwrap_err();
    assert!(matches!(error, QueryError::Gone), "{error}");
    transaction.finish().await;
    let mut transaction = begin(&connections, &database.url()).await?;
    assert_eq!(table(&mut transaction, "SELECT 1").await?.texts(), ["1"]);
    Ok(())
}

#[tokio::test]
async fn a_failing_query_says_where_and_does_not_touch_the_others() -> Result<()> {
    let database = Postgres::shared().await?.database().await?;
    database.execute("CREATE TABLE t (n int)").await?;
    for (sql, message) in [
        (
            "SELECT n\nFROM t\nWHERE nn = 1",
            "line 3, column 7: column \"nn\" does not exist (hint: Perhaps you meant",
        ),
        (
            "SELECT FROM FROM",
            "line 1, column 13: syntax error at or near \"FROM\" [SQLSTATE 42601]",
        ),
        (
            "SELECT 'é', x",
            "line 1, column 13: column \"x\" does not exist [SQLSTATE 42703]",
        ),
        ("", "the statement gives no rows"),
        ("-- nothing", "the statement gives no rows"),
        ("SELECT 1/0", "division by zero [SQLSTATE 22012]"),
        (
            "SELECT 'hunter2'::int",
            "line 1, column 8: invalid input syntax for type integer: \"..\" [SQLSTATE 22P02]",
        ),
        (
            "SELECT ('hunter' || n)::int FROM generate_series(1, 3) n",
            "invalid input syntax for type integer: \"..\"",
        ),
        (
            "SELECT 1; SELECT 2",
            "cannot insert multiple commands into a prepared statement [SQLSTATE 42601]",
        ),
        (
            "SELECT 1; COMMIT; DROP TABLE t; SELECT 2",
            "cannot insert multiple commands into a prepared statement",
        ),
        ("COMMIT", "the statement gives no rows"),
        ("ROLLBACK TO SAVEPOINT fanlight", "the statement gives no rows"),
        ("SET transaction_read_only = off", "the statement gives no rows"),
        ("DROP TABLE t", "the statement gives no rows"),
        ("INSERT INTO t VALUES (1)", "the statement gives no rows"),
        ("COPY t TO STDOUT", "the statement gives no rows"),
        (
            "INSERT INTO t VALUES (1) RETURNING n",
            "cannot execute INSERT in a read-only transaction [SQLSTATE 25006]",
        ),
        (
            "WITH x AS (DELETE FROM t RETURNING n) SELECT * FROM x",
            "cannot execute SELECT in a read-only transaction [SQLSTATE 25006]",
        ),
        (
            "SELECT n FROM t FOR UPDATE",
            "cannot execute SELECT FOR UPDATE in a read-only transaction",
        ),
        (
            "SELECT set_config('transaction_read_only', 'off', true)",
            "cannot set transaction read-write mode inside",
        ),
        ("SELECT $1::int", "the query has 1 parameter ($1 ..) and is given 0"),
        ("SELECT 'a\0b'", "the SQL holds a NUL character"),
    ] {
        let said = failure::<Kind>(&database.url(), sql).await?;
        assert!(said.starts_with(message), "{sql}: {said}");
    }
    assert_eq!(database.value("SELECT count(*) FROM t").await?, "0");
    Ok(())
}

#[tokio::test]
async fn an_exception_of_a_function_is_not_repeated() -> Result<()> {
    let database = Postgres::shared().await?.database().await?;
    let function = "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE 'no customer hunter2'; END $$";
    database.execute(function).await?;
    let said = failure::<Kind>(&database.url(), "SELECT f()").await?;
    assert_eq!(
        said,
        "a function raised an exception, whose text is not shown since it may hold data [SQLSTATE P0001]"
    );
    Ok(())
}

#[tokio::test]
async fn parameters_that_do_not_fit_are_refused_without_their_values() -> Result<()> {
    let database = Postgres::shared().await?.database().await?;
    let connections = Connections::new();
    let mut transaction = begin(&connections, &database.url()).await?;
    for (sql, parameters, message) in [
        (
            "SELECT 1",
            &[Some("hunter2")][..],
            "the query has 0 parameters ($1 ..) and is given 1",
        ),
        (
            "SELECT $2::int",
            &[Some("1")],
            "could not determine data type of parameter $1",
        ),
        (
            "SELECT $1::int",
            &[Some("hunter2")],
            "invalid input syntax for type integer: \"..\" [SQLSTATE 22P02]",
        ),
        (
            "SELECT $1::text, $2::text",
            &[None, Some("a\0b")],
            "parameter $2 holds a NUL character",
        ),
    ] {
        let said = with_parameters(&mut transaction, sql, parameters)
            .await
            .unwrap_err()
            .to_string();
        assert!(said.starts_with(message) || said.contains(message), "{sql}: {said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
    Ok(())
}

#[tokio::test]
async fn comments_and_semicolons_at_the_end_do_not_matter() -> Result<()> {
    let database = Postgres::shared().await?.database().await?;
    let connections = Connections::new();
    let mut transaction = begin(&connections, &database.url()).await?;
    for sql in [
        "SELECT 1;",
        "SELECT 1 ; -- done",
        "/* ; */ SELECT 1 -- ;\n;;\n",
        "SELECT 1 -- $1",
        "SHOW server_version",
    ] {
        assert_eq!(table(&mut transaction, sql).await?.rows.len(), 1, "{sql}");
    }
    assert_eq!(table(&mut transaction, "SELECT 1 WHERE false").await?.rows.len(), 0);
    Ok(())
}

#[tokio::test]
async fn a_consumer_that_has_enough_stops_a_huge_result() -> Result<()> {
    let database = Postgres::shared().await?.database().await?;
    let connections = Connections::new();
    let mut transaction = begin(&connections, &database.url()).await?;
    let process = backend(&mut transaction).await?;
    let huge = "SELECT generate_series(1, 100000000), md5(random()::text)";
    for sql in [huge, "SELECT 1 FROM generate_series(1, 10)", huge] {
        let began = Instant::now();
        let error = transaction.query(sql, &[], &mut UpTo(3)).await.unwrap_err();
        assert!(
            matches!(&error, QueryError::Consumer(said) if said == "enough"),
            "{error}"
        );
        // Reading it all would take minutes.
        assert!(began.elapsed() < LONG / 2);
        assert_eq!(
            backend(&mut transaction).await?,
            process,
            "the connection is still the same"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_description_is_made_without_running_the_query() -> Result<()> {
    let database = Postgres::shared().await?.database().await?;
    database
        .execute("CREATE TABLE t (n int); CREATE TYPE state AS ENUM ('paid'); CREATE SEQUENCE s")
        .await?;
    let connections = Connections::new();
    let mut transaction = begin(&connections, &database.url()).await?;
    let description = transaction
        .describe("SELECT count(*) AS many, 'paid'::state AS state, nextval('s') FROM t WHERE n = $1 AND 'paid'::state = $2 -- !")
        .await?;
    let columns = description.columns.iter();
    let columns: Vec<_> = columns
        .map(|c| (c.name.as_str(), c.type_name.as_str(), c.numeric))
        .collect();
    assert_eq!(
        columns,
        [
            ("many", "int8", true),
            ("state", "state", false),
            ("nextval", "int8", true)
        ]
    );
    assert_eq!(
        (description.parameters, description.writes),
        (vec![Some("int4".to_owned()), Some("state".to_owned())], None)
    );

    for (sql, writes) in [
        (
            "SELECT n FROM t FOR UPDATE",
            Some("row locks by FOR UPDATE or FOR SHARE"),
        ),
        (
            "SELECT n FROM t WHERE n = $1 FOR SHARE",
            Some("row locks by FOR UPDATE or FOR SHARE"),
        ),
        ("INSERT INTO t VALUES ($1)", Some("INSERT on t")),
        ("UPDATE t SET n = 2 WHERE n = $1 RETURNING n", Some("UPDATE on t")),
        (
            "WITH x AS (DELETE FROM t RETURNING n) SELECT count(*) FROM x",
            Some("DELETE on t"),
        ),
        ("SELECT n FROM t", None),
        ("SHOW server_version", None),
        ("VALUES (1)", None),
    ] {
        assert_eq!(transaction.describe(sql).await?.writes.as_deref(), writes, "{sql}");
    }
    for (sql, message) in [
        ("DROP TABLE t", "the statement gives no rows"),
        ("CREATE TABLE u AS SELECT 1", "the statement gives no rows"),
        ("SELECT\n  m FROM t", "line 2, column 3: column \"m\" does not exist"),
    ] {
        let said = transaction.describe(sql).await.unwrap_err().to_string();
        assert!(said.starts_with(message), "{sql}: {said}");
    }
    let error = transaction.describe("SELECT\n  m FROM t").await.unwrap_err();
    assert!(
        matches!(
            error,
            QueryError::Sql {
                position: Some(Position { line: 2, column: 3 }),
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(database.value("SELECT is_called::text FROM s").await?, "false");
    Ok(())
}

#[tokio::test]
async fn a_description_needs_the_rights_that_the_query_needs() -> Result<()> {
    let database = Postgres::shared().await?.database().await?;
    let setup = "CREATE TABLE t (n int); CREATE ROLE without_rights";
    database.execute(setup).await?;
    let connections = Connections::new();
    let url = format!("{}?options=-c%20role%3Dwithout_rights", database.url());
    let mut transaction = begin(&connections, &url).await?;
    let error = transaction.describe("SELECT n FROM t").await.unwrap_err().to_string();
    assert_eq!(error, "permission denied for table t [SQLSTATE 42501]");
    assert_eq!(table(&mut transaction, "SELECT 1").await?.texts(), ["1"]);
    Ok(())
}
