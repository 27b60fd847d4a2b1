//! The database is down, hangs, dies or refuses: what the error says, and that the last good series stay.

use anyhow::{Result, ensure};
use fanlight_tests::faults::{Hanging, refusing};
use fanlight_tests::{Collector, Postgres, Pushgateway, Stage, Told, USER, job};
use serde_json::json;
use std::time::Duration;

const COUNT: &str = "
  timeout: 2s
  metrics:
  - name: things
    help: h
    value: v
    query: SELECT count(*) AS v FROM things
  - name: others
    help: h
    value: v
    query: SELECT 1 AS v
";

/// A cluster of the test's own with one good run behind it.
async fn run_once(config: &str) -> Result<(Postgres, Stage)> {
    let postgres = Postgres::start().await?;
    let database = postgres.database().await?;
    database
        .execute("CREATE TABLE things AS SELECT generate_series(1, 3); CHECKPOINT")
        .await?;
    let stage = Stage::on(database, config).await?;
    stage.succeed("j").await?;
    assert_eq!(stage.gateway.series("things").await?, [THINGS]);
    Ok((postgres, stage))
}

const THINGS: &str = r#"things{instance="",job="j"} 3"#;

/// Runs the job, which fails as a whole: the error's words, the last good series, and what is told of the run.
async fn fails_as_a_whole(stage: &Stage, kind: &str, words: &str) -> Result<String> {
    let before = stage.told("j").await?;
    let (error_type, message) = stage.fail("j").await?;
    assert_eq!(error_type, kind, "{message}");
    assert!(message.starts_with("job j: things, others failed: "), "{message}");
    assert!(message.contains(words), "{message}");
    assert!(message.ends_with("; nothing was pushed"), "{message}");
    failure_is_told(stage, &before).await?;
    Ok(message)
}

async fn failure_is_told(stage: &Stage, before: &Told) -> Result<()> {
    assert_eq!(stage.gateway.series("things").await?, [THINGS]);
    let told = stage.told("j").await?;
    assert_eq!(
        (told.job("up"), told.metrics("up").as_str()),
        (Some(0.0), "others=0 things=0")
    );
    let success = "last_success_timestamp_seconds";
    assert_eq!(told.job(success), before.job(success));
    assert!(told.job("last_run_timestamp_seconds") > before.job("last_run_timestamp_seconds"));
    Ok(())
}

#[tokio::test]
async fn a_database_that_is_down_from_the_start() -> Result<()> {
    let gateway = Pushgateway::start().await?;
    let address = refusing()?;
    let database = Postgres::shared().await?.maintenance();
    let environment = database
        .environment()
        .into_iter()
        .chain([("DB_HOST", address.to_string()), ("PUSHGATEWAY_URL", gateway.url())]);
    let collector = Collector::new(&[("a.yaml", &job(COUNT))], environment, Duration::from_secs(30))?;
    let failure = collector.invoke(&json!({"job": "j"})).await?.expect_err("no database");
    assert_eq!(failure.error_type, "connect");
    let words = format!(
        "job j: things, others failed: cannot connect to PostgreSQL at {address}: Connection refused (os error 111); \
         nothing was pushed"
    );
    assert_eq!(failure.message, words);
    assert!(gateway.group("j").await?.is_none());
    let told = Told::of(&gateway, "j").await?;
    assert_eq!(
        (told.job("up"), told.metrics("up").as_str()),
        (Some(0.0), "others=0 things=0")
    );
    assert_eq!(told.job("last_success_timestamp_seconds"), None);
    Ok(())
}

#[tokio::test]
async fn a_database_that_goes_down_and_comes_back() -> Result<()> {
    let (mut postgres, stage) = run_once(&job(COUNT)).await?;
    postgres.stop()?;
    fails_as_a_whole(&stage, "connect", "Connection refused").await?;
    postgres.start_again().await?;
    stage.succeed("j").await?;
    assert_eq!(stage.told("j").await?.job("up"), Some(1.0));
    Ok(())
}

#[tokio::test]
async fn a_database_that_accepts_and_says_nothing() -> Result<()> {
    let gateway = Pushgateway::start().await?;
    let hanging = Hanging::start().await?;
    let database = Postgres::shared().await?.maintenance();
    let environment = database.environment().into_iter().chain([
        ("DB_HOST", hanging.address().to_string()),
        ("PUSHGATEWAY_URL", gateway.url()),
    ]);
    let collector = Collector::new(&[("a.yaml", &job(COUNT))], environment, Duration::from_secs(30))?;
    let failure = collector.invoke(&json!({"job": "j"})).await?.expect_err("no answer");
    assert_eq!(failure.error_type, "connect", "{failure}");
    assert!(
        failure.message.contains(&format!(
            "cannot connect to PostgreSQL at {}: no answer in time",
            hanging.address()
        )),
        "{failure}"
    );
    assert!(gateway.group("j").await?.is_none());
    assert_eq!(Told::of(&gateway, "j").await?.job("up"), Some(0.0));
    Ok(())
}

#[tokio::test]
async fn a_database_that_freezes_between_two_runs() -> Result<()> {
    let (mut postgres, stage) = run_once(&job(COUNT)).await?;
    postgres.freeze()?;
    fails_as_a_whole(&stage, "connect", "cannot connect to PostgreSQL at 127.0.0.1:").await?;
    postgres.thaw()?;
    stage.succeed("j").await?;
    Ok(())
}

/// The second query waits until somebody ends it; the first has succeeded by then.
const WAITS: &str = "
  timeout: 4s
  metrics:
  - name: others
    help: h
    value: v
    query: SELECT 1 AS v
  - name: things
    help: h
    value: v
    query: SELECT count(*) AS v FROM things, (SELECT pg_sleep(seconds) FROM naps) AS nap
";

/// A stage on which a run waits in its second query, and the run.
async fn run_that_waits() -> Result<(Postgres, Stage)> {
    let postgres = Postgres::start().await?;
    let database = postgres.database().await?;
    database
        .execute(
            "CREATE TABLE things AS SELECT generate_series(1, 3);
            CREATE TABLE naps AS SELECT 0 AS seconds; CHECKPOINT",
        )
        .await?;
    let stage = Stage::on(database, &job(WAITS)).await?;
    stage.succeed("j").await?;
    stage.database.execute("UPDATE naps SET seconds = 60").await?;
    Ok((postgres, stage))
}

/// What is left when the second query fails: its series stay, the first one's are replaced.
async fn only_the_second_failed(stage: &Stage, kind: &str, message: &str, words: &str) -> Result<()> {
    ensure!(message.starts_with("job j: things failed: query things ("), "{message}");
    ensure!(message.contains(words), "{message}");
    ensure!(message.ends_with("; the other metrics were pushed"), "{message}");
    assert_eq!(stage.gateway.series("things").await?, [THINGS]);
    assert_eq!(
        stage.gateway.series("others").await?,
        [r#"others{instance="",job="j"} 1"#]
    );
    assert_eq!(stage.told("j").await?.metrics("up"), "others=1 things=0");
    assert!(stage.collector.log().contains(&format!(r#""error_type":"{kind}""#)));
    Ok(())
}

#[tokio::test]
async fn a_database_that_dies_in_the_middle_of_a_query() -> Result<()> {
    let (mut postgres, stage) = run_that_waits().await?;
    let die = async {
        stage.until_a_query_sleeps().await?;
        postgres.stop()
    };
    let (failed, died) = tokio::join!(stage.fail("j"), die);
    died?;
    let (kind, message) = failed?;
    assert_eq!(kind, "connection", "{message}");
    only_the_second_failed(
        &stage,
        "connection",
        &message,
        "the connection to PostgreSQL at 127.0.0.1:",
    )
    .await
}

#[tokio::test]
async fn a_backend_that_is_terminated_in_the_middle_of_a_query() -> Result<()> {
    let (_postgres, stage) = run_that_waits().await?;
    let terminate = async {
        stage.until_a_query_sleeps().await?;
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
        stage.database.value(sql).await
    };
    let (failed, terminated) = tokio::join!(stage.fail("j"), terminate);
    terminated?;
    let (kind, message) = failed?;
    assert_eq!(kind, "connection", "{message}");
    let words = "terminating connection due to administrator command";
    only_the_second_failed(&stage, "connection", &message, words).await
}

#[tokio::test]
async fn a_database_that_freezes_in_the_middle_of_a_query() -> Result<()> {
    let (mut postgres, stage) = run_that_waits().await?;
    let freeze = async {
        stage.until_a_query_sleeps().await?;
        postgres.freeze()
    };
    let (failed, frozen) = tokio::join!(stage.fail("j"), freeze);
    frozen?;
    let (kind, message) = failed?;
    assert_eq!(kind, "timeout", "{message}");
    let words = "the query did not finish in the time that the job has";
    only_the_second_failed(&stage, "timeout", &message, words).await?;
    postgres.thaw()
}

#[tokio::test]
async fn a_query_after_a_lost_connection_is_not_run() -> Result<()> {
    let stage = Stage::new(
        &job("
  metrics:
  - name: first
    help: h
    value: v
    query: SELECT 1 AS v, pg_terminate_backend(pg_backend_pid())
  - name: second
    help: h
    value: v
    query: SELECT 2 AS v
"),
        "",
    )
    .await?;
    let (kind, message) = stage.fail("j").await?;
    assert_eq!(kind, "connection", "{message}");
    assert!(message.contains("first failed: query first ("), "{message}");
    assert!(
        message.contains("not run: the connection was lost in an earlier query of the job; nothing was pushed"),
        "{message}"
    );
    assert!(stage.gateway.group("j").await?.is_none());
    Ok(())
}

#[tokio::test]
async fn a_wrong_password() -> Result<()> {
    let gateway = Pushgateway::start().await?;
    let database = Postgres::shared().await?.database().await?;
    let environment = database.environment().into_iter().chain([
        ("DB_PASSWORD", fanlight_tests::canary::ROTATED_PASSWORD.to_owned()),
        ("PUSHGATEWAY_URL", gateway.url()),
    ]);
    let collector = Collector::new(&[("a.yaml", &job(COUNT))], environment, Duration::from_secs(30))?;
    let failure = collector
        .invoke(&json!({"job": "j"}))
        .await?
        .expect_err("a wrong password");
    assert_eq!(failure.error_type, "login");
    let words = format!(
        "cannot connect to PostgreSQL at {}: password authentication failed for user \"{USER}\"",
        database.host()
    );
    assert!(failure.message.contains(&words), "{failure}");
    assert_eq!(Told::of(&gateway, "j").await?.job("up"), Some(0.0));
    Ok(())
}

#[tokio::test]
async fn a_database_that_does_not_exist() -> Result<()> {
    let gateway = Pushgateway::start().await?;
    let environment = Postgres::shared()
        .await?
        .maintenance()
        .environment()
        .into_iter()
        .chain([("DB_NAME", "nowhere".to_owned()), ("PUSHGATEWAY_URL", gateway.url())]);
    let collector = Collector::new(&[("a.yaml", &job(COUNT))], environment, Duration::from_secs(30))?;
    let failure = collector.invoke(&json!({"job": "j"})).await?.expect_err("no database");
    assert_eq!(failure.error_type, "connect");
    assert!(
        failure
            .message
            .contains("database \"nowhere\" does not exist [SQLSTATE 3D000]"),
        "{failure}"
    );
    Ok(())
}
