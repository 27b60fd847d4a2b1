//! Queries that fail: alone, with the reason, and never with a value.

use std::time::Duration;

use anyhow::Result;
use fanlight_tests::MariaDb;
use secrecy::SecretString;
use shared::mysql::{Connections, Mysql, Position, QueryError};

use super::connection_id;
use crate::databases::{MODEST, begin, failure, refusal, soon, table};

#[tokio::test]
async fn a_wrong_password_is_told_from_other_failures() -> Result<()> {
    let database = MariaDb::shared().await?.database().await?;
    let url = |user: &str, name: &str| format!("mysql://{user}@{}/{name}?ssl-mode=DISABLED", database.host());
    for user in ["fanlight:hunter2", "fanlight", "nobody:hunter2"] {
        let wrong = refusal::<Mysql>(&url(user, database.name())).await?;
        assert!(wrong.is_login_failure(), "{wrong}");
        let message = wrong.to_string();
        assert!(message.contains("Access denied for user"), "{message}");
        assert!(message.contains("[error 1045, SQLSTATE 28000]"), "{message}");
        assert!(!format!("{message} {wrong:?}").contains("hunter2"));
    }
    let elsewhere = refusal::<Mysql>(&database.url().replace(database.name(), "nowhere")).await?;
    assert!(!elsewhere.is_login_failure());
    assert!(
        elsewhere
            .to_string()
            .ends_with("Unknown database 'nowhere' [error 1049, SQLSTATE 42000]"),
        "{elsewhere}"
    );
    Ok(())
}

#[tokio::test]
async fn too_many_connections_are_told() -> Result<()> {
    let mariadb = MariaDb::start_with(&["--max-connections=10"]).await?;
    let database = mariadb.database().await?;
    let mut held = Vec::new();
    let error = loop {
        match begin(&Connections::new(), &database.url()).await {
            Ok(_) => held.push(database.connect().await),
            Err(error) => break error,
        }
    };
    assert!(!error.is_login_failure());
    assert!(
        error.to_string().contains("Too many connections [error 1040"),
        "{error}"
    );
    Ok(())
}

#[tokio::test]
async fn a_query_that_takes_too_long_is_ended_by_the_server() -> Result<()> {
    let database = MariaDb::shared().await?.database().await?;
    let connections = Connections::new();
    let url = SecretString::from(database.url());
    let mut transaction = connections.begin(&url, None, soon(MODEST)).await?;
    let id = connection_id(&mut transaction).await?;
    let error = table(&mut transaction, "SELECT SLEEP(60)").await.unwrap_err();
    assert!(matches!(error, QueryError::TimedOut), "{error}");
    // The connection is still there, and has nothing to do.
    let state = format!("SELECT COMMAND FROM information_schema.PROCESSLIST WHERE ID = {id}");
    assert_eq!(database.value(&state).await?, "Sleep");
    Ok(())
}

#[tokio::test]
async fn a_table_that_is_locked_is_not_waited_for() -> Result<()> {
    let database = MariaDb::shared().await?.database().await?;
    database.execute("CREATE TABLE t (n INT)").await?;
    let mut other = database.connect().await?;
    mysql_async::prelude::Queryable::query_drop(&mut other, "LOCK TABLES t WRITE").await?;
    let connections = Connections::new();
    let url = SecretString::from(database.url());
    let mut transaction = connections.begin(&url, None, soon(MODEST)).await?;
    let error = table(&mut transaction, "SELECT n FROM t").await.unwrap_err();
    assert!(matches!(error, QueryError::TimedOut), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_server_that_hangs_in_a_query_is_given_up_at_the_deadline() -> Result<()> {
    let mut mariadb = MariaDb::start().await?;
    let database = mariadb.database().await?;
    let connections = Connections::new();
    let url = SecretString::from(database.url());
    let mut transaction = connections.begin(&url, None, soon(MODEST)).await?;
    mariadb.freeze()?;
    let error = table(&mut transaction, "SELECT 1").await.unwrap_err();
    assert!(matches!(error, QueryError::TimedOut), "{error}");
    let error = table(&mut transaction, "SELECT 1").await.unwrap_err();
    assert!(matches!(error, QueryError::Gone), "{error}");
    mariadb.thaw()
}

#[tokio::test]
async fn a_query_that_the_server_does_not_end_is_cancelled() -> Result<()> {
    let mariadb = MariaDb::start().await?;
    let database = mariadb.database().await?;
    let connections = Connections::new();
    let url = SecretString::from(database.url());
    let mut transaction = connections.begin(&url, None, soon(MODEST)).await?;
    let id = connection_id(&mut transaction).await?;
    // Undoes the server's limit, as no limit of MySQL's covers all that a statement can do.
    let sql = "SET STATEMENT max_statement_time = 0 FOR SELECT SLEEP(60)";
    let error = table(&mut transaction, sql).await.unwrap_err();
    assert!(matches!(error, QueryError::TimedOut), "{error}");
    let left = format!("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID = {id}");
    for _ in 0..2_000 {
        if database.value(&left).await? == "0" {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    anyhow::bail!("the query goes on")
}

#[tokio::test]
async fn refusals_have_their_place() -> Result<()> {
    let database = MariaDb::shared().await?.database().await?;
    database.execute("CREATE TABLE orders (photo BLOB, total INT)").await?;
    let connections = Connections::new();
    let mut transaction = begin(&connections, &database.url()).await?;
    for (sql, message, place) in [
        (
            "SELECT 1 FROM\n  FROM orders",
            "there is an error in the SQL near `FROM orders`",
            (2, 3),
        ),
        (
            "SELECT 'é', (1\nFROM orders",
            "there is an error in the SQL near `FROM orders`",
            (2, 1),
        ),
        ("SELECT total\nFROM", "the SQL ends too early", (2, 5)),
        (
            "SELECT total,\n o.totl FROM orders o",
            "Unknown column 'o.totl'",
            (2, 4),
        ),
        ("SELECT 1 FROM\n\nordrs", "ordrs' doesn't exist", (3, 1)),
        ("SELECT nothing(1)", "nothing does not exist", (1, 8)),
    ] {
        let error = table(&mut transaction, sql).await.unwrap_err();
        let QueryError::Sql { error, position } = &error else {
            panic!("{sql}: {error}");
        };
        assert!(error.message.contains(message), "{sql}: {error}");
        let (line, column) = place;
        assert_eq!(*position, Some(Position { line, column }), "{sql}");
    }
    Ok(())
}

#[tokio::test]
async fn refusals_hold_no_values() -> Result<()> {
    let database = MariaDb::shared().await?.database().await?;
    database
        .execute(
            "CREATE TABLE people (name VARCHAR(20)); INSERT INTO people VALUES ('alice');
             CREATE FUNCTION tell() RETURNS INT READS SQL DATA
             BEGIN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no customer alice'; RETURN 1; END",
        )
        .await?;
    for (sql, words) in [
        ("SELECT EXTRACTVALUE('<a/>', '~alice')", "XPATH syntax error: '..'"),
        ("SELECT tell()", "a function raised an error, whose text is not shown"),
        (
            "SELECT (SELECT seq FROM seq_1_to_2)",
            "Subquery returns more than 1 row [error 1242, SQLSTATE 21000]",
        ),
        (
            "SELECT 18446744073709551615 + 1",
            "BIGINT UNSIGNED value is out of range in '..'",
        ),
    ] {
        let message = failure::<Mysql>(&database.url(), sql).await?;
        assert!(
            message.contains(words) && !message.contains("alice"),
            "{sql}: {message}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn what_is_not_granted_is_refused() -> Result<()> {
    let mariadb = MariaDb::shared().await?;
    let database = mariadb.database().await?;
    database
        .execute(&format!(
            "CREATE TABLE t (n INT); CREATE TABLE u (n INT); CREATE USER reader@'%' IDENTIFIED BY 'hunter2';
             GRANT SELECT ON {}.t TO reader@'%'",
            database.name()
        ))
        .await?;
    let url = format!(
        "mysql://reader:hunter2@{}/{}?ssl-mode=DISABLED",
        database.host(),
        database.name()
    );
    let connections = Connections::new();
    let mut transaction = begin(&connections, &url).await?;
    assert_eq!(table(&mut transaction, "SELECT COUNT(*) FROM t").await?.texts(), ["0"]);
    let error = table(&mut transaction, "SELECT COUNT(*) FROM u")
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("SELECT command denied to user 'reader'"), "{error}");
    assert!(error.ends_with("[error 1142, SQLSTATE 42000]"), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_connection_that_is_killed_is_lost() -> Result<()> {
    let database = MariaDb::shared().await?.database().await?;
    let connections = Connections::new();
    let mut transaction = begin(&connections, &database.url()).await?;
    let id = connection_id(&mut transaction).await?;
    let kill = async {
        let sleeping = format!("SELECT STATE FROM information_schema.PROCESSLIST WHERE ID = {id}");
        while database.value(&sleeping).await? != "User sleep" {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        database.execute(&format!("KILL {id}")).await
    };
    let (outcome, killed) = tokio::join!(table(&mut transaction, "SELECT SLEEP(60)"), kill);
    killed?;
    let error = outcome.unwrap_err();
    assert!(matches!(error, QueryError::Lost { .. }), "{error}");
    let words = format!("the connection to MySQL at {} was lost: ", database.host());
    assert!(error.to_string().starts_with(&words), "{error}");
    Ok(())
}
