//! The collector's session with PostgreSQL: one moment for all queries, an end in time, and a connection kept warm.

use std::time::Duration;

use anyhow::Result;
use fanlight_tests::{PgBouncer, Postgres, Stage, job};

#[tokio::test]
async fn all_queries_of_a_job_see_the_same_moment() -> Result<()> {
    let stage = Stage::new(
        &job("
  metrics:
  - name: first
    help: h
    value: v
    query: SELECT count(*) AS v FROM t, (SELECT pg_sleep(1.5)) AS nap
  - name: second
    help: h
    value: v
    query: SELECT count(*) AS v FROM t
"),
        "CREATE TABLE t AS SELECT generate_series(1, 3)",
    )
    .await?;
    let write = async {
        let sleeping = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = '{}'",
            stage.database.name()
        );
        while stage.database.value(&sleeping).await? == "0" {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stage
            .database
            .execute("INSERT INTO t SELECT generate_series(4, 9)")
            .await?;
        stage.database.value(&sleeping).await
    };
    let (run, still_sleeping) = tokio::time::timeout(Duration::from_secs(20), async {
        tokio::join!(stage.succeed("j"), write)
    })
    .await?;
    run?;
    assert_eq!(
        still_sleeping?, "1",
        "the writer has committed while the first query ran"
    );
    for metric in ["first", "second"] {
        assert_eq!(
            stage.gateway.series(metric).await?,
            [format!(r#"{metric}{{instance="",job="j"}} 3"#)]
        );
    }
    stage.succeed("j").await?;
    assert_eq!(
        stage.gateway.series("second").await?,
        [r#"second{instance="",job="j"} 9"#]
    );
    Ok(())
}

#[tokio::test]
async fn a_query_that_takes_too_long_ends_in_time_and_on_the_server() -> Result<()> {
    let stage = Stage::new(
        &job("
  timeout: 2s
  metrics:
  - name: slow
    help: h
    value: v
    query: |
      SELECT 1 AS v, pg_sleep(60)
  - name: quick
    help: h
    value: v
    query: SELECT 1 AS v
"),
        "",
    )
    .await?;
    // A minute of sleep, and half a minute of the function's time.
    let (kind, message) = stage.fail("j").await?;
    assert_eq!(kind, "timeout", "{message}");
    let place = format!("{}/a.yaml:11:7", stage.collector.config.path().display());
    assert!(
        message.starts_with(&format!(
            "job j: slow failed: query slow ({place}): the query did not finish in the time that the job has"
        )),
        "{message}"
    );
    let running = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND state = 'active' AND datname = '{}' \
         AND pid <> pg_backend_pid()",
        stage.database.name()
    );
    assert_eq!(
        stage.database.value(&running).await?,
        "0",
        "it no longer runs on the server"
    );
    let told = stage.told("j").await?;
    assert_eq!(told.job("up"), Some(0.0));
    assert!(told.metrics("up").ends_with("slow=0"), "{}", told.metrics("up"));
    Ok(())
}

/// The server's process that a run was served by, and when that process began.
const WHO: &str = "
  metrics:
  - name: backend
    help: h
    value: pid
    query: SELECT pg_backend_pid() AS pid
";

#[tokio::test]
async fn runs_that_follow_each_other_share_a_connection() -> Result<()> {
    let stage = Stage::new(&job(WHO), "").await?;
    stage.succeed("j").await?;
    let first = stage.gateway.value("backend{").await?;
    stage.succeed("j").await?;
    assert_eq!(stage.gateway.value("backend{").await?.to_string(), first.to_string());
    Ok(())
}

#[tokio::test]
async fn a_run_after_a_failed_query_has_the_connection_too() -> Result<()> {
    let both = WHO.to_owned() + "  - name: fails\n    help: h\n    value: v\n    query: SELECT 1 / v AS v FROM t\n";
    let stage = Stage::new(&job(&both), "CREATE TABLE t AS SELECT 0 AS v").await?;
    stage.fail("j").await?;
    let first = stage.gateway.value("backend{").await?;
    stage.database.execute("UPDATE t SET v = 1").await?;
    stage.succeed("j").await?;
    assert_eq!(stage.gateway.value("backend{").await?.to_string(), first.to_string());
    Ok(())
}

#[tokio::test]
async fn a_connection_that_died_meanwhile_is_made_anew() -> Result<()> {
    let mut postgres = Postgres::start().await?;
    let stage = Stage::on(postgres.database().await?, &job(WHO)).await?;
    stage.succeed("j").await?;
    postgres.stop()?;
    postgres.start_again().await?;
    stage.succeed("j").await?;
    let log = stage.collector.log();
    let words = "a kept connection is dead; connecting again";
    assert_eq!(log.matches(words).count(), 1, "{log}");
    assert_eq!(stage.told("j").await?.job("up"), Some(1.0));
    Ok(())
}

#[tokio::test]
async fn a_pooler_in_transaction_mode_serves_two_jobs_from_one_connection() -> Result<()> {
    let postgres = Postgres::shared().await?;
    let pooler = PgBouncer::start(&postgres.database().await?).await?;
    let one = job(WHO);
    let other = one
        .trim_start_matches("jobs:\n")
        .replace("name: j", "name: k")
        .replace("name: backend", "name: other");
    let stage = Stage::on(pooler.pooled().clone(), &format!("{one}{other}")).await?;
    for _ in 0..2 {
        stage.succeed("j").await?;
        stage.succeed("k").await?;
    }
    let (one, other) = (
        stage.gateway.value("backend{").await?,
        stage.gateway.value("other{").await?,
    );
    assert_eq!(one.to_string(), other.to_string());
    Ok(())
}
