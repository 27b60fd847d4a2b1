//! One query of a job fails: what the job's `on_error` makes of the others, and what stands in the gateway afterwards.

use anyhow::Result;
use fanlight_tests::{Stage, Told, job};

const METRICS: &str = "
  metrics:
  - name: before
    help: h
    labels: [l]
    value: v
    query: SELECT l, v FROM good
  - name: breaks
    help: h
    labels: [l]
    value: v
    query: |
      SELECT l,
        1 / v AS v FROM bad
  - name: after
    help: h
    value: v
    query: SELECT count(*) AS v FROM good
";
const TABLES: &str = "
    CREATE TABLE good (l text, v int); INSERT INTO good VALUES ('old', 1), ('stays', 2);
    CREATE TABLE bad (l text, v int); INSERT INTO bad VALUES ('x', 1)";
/// New rows for the metrics that go on, and a division by zero for the one between them.
const CHANGE: &str = "
    DELETE FROM good WHERE l = 'old'; UPDATE good SET v = 3; INSERT INTO good VALUES ('new', 4), ('newer', 5);
    UPDATE bad SET v = 0";

struct Afterwards {
    stage: Stage,
    message: String,
    before: Told,
    after: Told,
}

/// A run that succeeds and one of which a query fails.
async fn fail_in_the_middle(on_error: &str) -> Result<Afterwards> {
    let stage = Stage::new(&job(&format!("  on_error: {on_error}{METRICS}")), TABLES).await?;
    stage.deliver("j", "2026-01-31T10:20:00Z").await??;
    let before = stage.told("j").await?;
    assert_eq!(
        (before.job("up"), before.metrics("up").as_str()),
        (Some(1.0), "after=1 before=1 breaks=1")
    );

    stage.database.execute(CHANGE).await?;
    let failure = stage
        .deliver("j", "2026-01-31T10:30:00Z")
        .await?
        .expect_err("a division by zero");
    assert_eq!(failure.error_type, "sql");
    let place = format!("query breaks ({}/a.yaml:", stage.collector.config.path().display());
    let start = format!("job j: breaks failed: {place}");
    assert!(
        failure.message.starts_with(&start) && failure.message.contains("division by zero [SQLSTATE 22012]; "),
        "{}",
        failure.message
    );
    let after = stage.told("j").await?;
    assert_eq!(
        (after.job("up"), after.metrics("up").as_str()),
        (Some(0.0), "after=1 before=1 breaks=0")
    );
    assert_eq!(
        after.job("last_success_timestamp_seconds"),
        before.job("last_success_timestamp_seconds"),
        "the last success stays"
    );
    assert!(after.job("last_run_timestamp_seconds") > before.job("last_run_timestamp_seconds"));
    let log = stage.collector.log();
    assert!(
        log.contains(r#""metric":"breaks""#) && log.contains(r#""error_type":"sql""#),
        "{log}"
    );
    Ok(Afterwards {
        message: failure.message,
        stage,
        before,
        after,
    })
}

impl Afterwards {
    async fn series(&self) -> Result<String> {
        let mut series = Vec::new();
        for metric in ["before", "breaks", "after"] {
            series.extend(self.stage.gateway.series(metric).await?);
        }
        Ok(series
            .join("\n")
            .replace(r#"{instance="",job="j"}"#, "")
            .replace(r#"instance="",job="j","#, ""))
    }
}

#[tokio::test]
async fn keep_replaces_the_others_and_leaves_the_failed_one_at_its_last_good_series() -> Result<()> {
    let run = fail_in_the_middle("keep").await?;
    assert!(
        run.message.ends_with("the other metrics were pushed"),
        "{}",
        run.message
    );
    assert_eq!(
        run.series().await?,
        "before{l=\"new\"} 4\nbefore{l=\"newer\"} 5\nbefore{l=\"stays\"} 3\nbreaks{l=\"x\"} 1\nafter 3"
    );
    assert_eq!(run.after.job("scheduled_timestamp_seconds"), Some(1_769_855_400.0));
    Ok(())
}

#[tokio::test]
async fn drop_replaces_the_others_and_removes_the_failed_one() -> Result<()> {
    let run = fail_in_the_middle("drop").await?;
    assert!(
        run.message
            .ends_with("the other metrics were pushed, and its old series removed"),
        "{}",
        run.message
    );
    assert_eq!(
        run.series().await?,
        "before{l=\"new\"} 4\nbefore{l=\"newer\"} 5\nbefore{l=\"stays\"} 3\nafter 3"
    );
    Ok(())
}

#[tokio::test]
async fn drop_empties_the_group_when_everything_fails_and_says_so() -> Result<()> {
    let config = job(
        "  on_error: drop\n  owner: growth\n  metrics:\n  - name: m\n    help: h\n    value: v\n    query: SELECT 1 / v AS v FROM t\n",
    );
    let stage = Stage::new(&config, "CREATE TABLE t AS SELECT 1 AS v").await?;
    stage.succeed("j").await?;
    stage.database.execute("UPDATE t SET v = 0").await?;
    let (kind, message) = stage.fail("j").await?;
    assert_eq!(kind, "sql");
    assert!(
        message.ends_with("; the job's series were removed (owner: growth)"),
        "{message}"
    );
    assert_eq!(stage.gateway.series("m").await?, Vec::<String>::new());
    Ok(())
}

#[tokio::test]
async fn fail_changes_nothing() -> Result<()> {
    let run = fail_in_the_middle("fail").await?;
    assert!(run.message.ends_with("nothing was pushed"), "{}", run.message);
    assert_eq!(
        run.series().await?,
        "before{l=\"old\"} 1\nbefore{l=\"stays\"} 2\nbreaks{l=\"x\"} 1\nafter 2"
    );
    let scheduled = |told: &Told| told.job("scheduled_timestamp_seconds");
    assert_eq!(
        scheduled(&run.after),
        scheduled(&run.before),
        "no series of the new time were pushed"
    );
    Ok(())
}

#[tokio::test]
async fn a_run_after_a_failure_makes_everything_good() -> Result<()> {
    let run = fail_in_the_middle("keep").await?;
    run.stage
        .database
        .execute("UPDATE bad SET l = 'y', v = 1; DELETE FROM good")
        .await?;
    run.stage.succeed("j").await?;
    assert_eq!(run.series().await?, "breaks{l=\"y\"} 1\nafter 0");
    let told = run.stage.told("j").await?;
    assert_eq!(
        (told.job("up"), told.metrics("up").as_str()),
        (Some(1.0), "after=1 before=1 breaks=1")
    );
    assert!(told.job("last_success_timestamp_seconds") > run.before.job("last_success_timestamp_seconds"));
    Ok(())
}

/// What can be wrong with a query, its kind and its words; none repeats data. The good metric before them is pushed.
#[tokio::test]
async fn each_mistake_of_a_query_is_told_at_its_place() -> Result<()> {
    let cases = [
        (
            "SELECT nothing AS v",
            "sql",
            "/a.yaml:13:20): column \"nothing\" does not exist [SQLSTATE 42703]",
        ),
        (
            "SELECT 1 AS w",
            "column",
            "the query gives no column \"v\", which the value needs; it gives \"w\"",
        ),
        (
            "SELECT 'x' AS v",
            "column",
            "column \"v\" is of type text, which is no number, but the value needs one",
        ),
        (
            "SELECT 1 AS v, 2 AS v",
            "column",
            "the query gives 2 columns named \"v\"",
        ),
        (
            "DELETE FROM t RETURNING 1 AS v",
            "sql",
            "cannot execute DELETE in a read-only transaction [SQLSTATE 25006]",
        ),
        (
            "CREATE TABLE u (v int)",
            "query",
            "the statement gives no rows; a query must be a SELECT",
        ),
        (
            "SELECT 1 AS v; SELECT 2 AS v",
            "sql",
            "cannot insert multiple commands into a prepared statement",
        ),
        (
            "SELECT ('canary' || v)::int AS v FROM t",
            "sql",
            "invalid input syntax for type integer: \"..\" [SQLSTATE 22P02]",
        ),
        (
            "SELECT $1::int AS v",
            "query",
            "the query has 1 parameter ($1 ..) and is given 0",
        ),
        ("SELECT point(1, 2) AS v", "column", "column \"v\" is of type point"),
    ];
    let metrics = cases.iter().enumerate().fold(
        "  metrics:\n  - name: good\n    help: h\n    value: v\n    query: SELECT v FROM t\n".to_owned(),
        |text, (number, (sql, ..))| {
            text + &format!("  - name: m{number}\n    help: h\n    value: v\n    query: \"{sql}\"\n")
        },
    );
    let stage = Stage::new(&job(&metrics), "CREATE TABLE t AS SELECT 7 AS v").await?;
    let (kind, message) = stage.fail("j").await?;
    assert_eq!(kind, "sql", "that of the first");
    let log = stage.collector.log();
    for (number, (sql, kind, words)) in cases.iter().enumerate() {
        let start = format!("m{number} failed: query m{number} (");
        let told = message
            .split("; m")
            .find_map(|part| part.find(&start[1..]).map(|at| &part[at..]));
        let told = told.unwrap_or_else(|| panic!("nothing about {sql}: {message}"));
        assert!(told.contains(words), "{sql}: {told}");
        let logged = log
            .lines()
            .find(|line| line.contains(&format!(r#""metric":"m{number}""#)))
            .unwrap_or_default();
        assert!(logged.contains(&format!(r#""error_type":"{kind}""#)), "{sql}: {logged}");
    }
    assert!(
        !message.contains("canary") && !log.contains("canary7"),
        "{message}\n{log}"
    );
    assert_eq!(stage.gateway.series("good").await?, [r#"good{instance="",job="j"} 7"#]);
    assert_eq!(
        stage.database.value("SELECT count(*) FROM t").await?,
        "1",
        "nothing was deleted"
    );
    Ok(())
}
