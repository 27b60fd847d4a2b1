//! The collector's real binary over real MariaDB: what stands in the gateway, and each failure by its name.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use fanlight_tests::faults::{Hanging, refusing};
use fanlight_tests::{
    Collector, ConfigFolder, MariaDatabase, MariaDb, Pushgateway, SecretsManager, Stage, Told, USER, fanlight,
    free_port,
};
use serde_json::json;

const JOB: &str = "jobs:
- name: j
  schedule: '* * * * *'
  source: 'mysql://{{DB_USERNAME}}:{{DB_PASSWORD}}@{{DB_HOST}}/{{DB_NAME}}?ssl-mode=REQUIRED'
";

fn job(rest: &str) -> String {
    format!("{JOB}{}", rest.trim_start_matches('\n'))
}

async fn stage_on(database: MariaDatabase, config: &str) -> Result<Stage<MariaDatabase>> {
    let environment = database.environment();
    Stage::over(database, environment, config).await
}

async fn stage(config: &str, sql: &str) -> Result<Stage<MariaDatabase>> {
    let database = MariaDb::shared().await?.database().await?;
    database.execute(sql).await?;
    stage_on(database, config).await
}

#[tokio::test]
async fn rows_become_series() -> Result<()> {
    let stage = stage(
        &job("
  metrics:
  - name: orders
    help: h
    labels: [state, shop]
    value: total
    query: |
      SELECT state, shop, SUM(amount) AS total FROM orders
      WHERE placed_at >= ? AND placed_at < ? AND shop <> ? GROUP BY state, shop
    parameters: [{scheduled_time: -1h}, {scheduled_time: 0s}, test]
  - name: newest
    help: h
    value: at
    query: SELECT MAX(placed_at) AS at FROM orders
"),
        "CREATE TABLE orders (state ENUM('paid', 'failed'), shop VARCHAR(20) CHARACTER SET latin1, amount DECIMAL(10, 2),
                              placed_at DATETIME(3));
         INSERT INTO orders VALUES ('paid', 'Café', 0.10, '2026-01-31 10:00:00'), ('paid', 'Café', 0.20, '2026-01-31 10:19:59.999'),
                                   ('failed', 'Café', 5, '2026-01-31 09:20:00'), ('failed', 'Café', 7, '2026-01-31 10:20:00'),
                                   ('paid', 'test', 9, '2026-01-31 10:00:00')",
    )
    .await?;
    stage.deliver("j", "2026-01-31T10:20:00Z").await??;
    assert_eq!(
        stage.gateway.series("orders").await?,
        [
            r#"orders{instance="",job="j",shop="Café",state="failed"} 5"#,
            r#"orders{instance="",job="j",shop="Café",state="paid"} 0.3"#,
        ]
    );
    assert_eq!(stage.gateway.value("newest{").await?.to_string(), "1769854800");
    assert_eq!(stage.told("j").await?.job("up"), Some(1.0));
    Ok(())
}

/// Each row is put into one of two series, so that nothing but the source could take memory for it.
#[tokio::test]
async fn a_million_rows_take_no_more_memory_than_a_few() -> Result<()> {
    let mut peaks = Vec::new();
    for rows in [10, 1_000_000] {
        let config = job(&format!(
            "
  metrics:
  - name: things
    help: h
    labels: [l]
    allowed_values: {{l: [none]}}
    value: v
    query: SELECT REPEAT('x', 200 + seq % 2) AS l, 1 AS v FROM seq_1_to_{rows}
"
        ));
        let database = MariaDb::shared().await?.first();
        let stage = stage_on(database, &config).await?;
        stage.succeed("j").await?;
        assert_eq!(stage.gateway.value("things{").await?.to_string(), rows.to_string());
        let log = stage.collector.log();
        let used = log
            .split("Max Memory Used: ")
            .last()
            .and_then(|used| used.split(' ').next());
        peaks.push(used.context("no report in the log")?.parse::<u64>()?);
    }
    let [few, many] = peaks[..] else { bail!("{peaks:?}") };
    ensure!(many <= few + 8, "{few} MB for a few rows, {many} MB for a million");
    Ok(())
}

const COUNT: &str = "
  timeout: 2s
  metrics:
  - {name: things, help: h, value: v, query: SELECT COUNT(*) AS v FROM things}
  - {name: others, help: h, value: v, query: SELECT 1 AS v}
";
const THINGS: &str = r#"things{instance="",job="j"} 3"#;

/// Runs a job that has no database, and gives the error's kind and message; nothing is pushed but what is told of it.
async fn fails_without(environment: Vec<(&'static str, String)>) -> Result<(String, String)> {
    let gateway = Pushgateway::start().await?;
    let environment = environment.into_iter().chain([("PUSHGATEWAY_URL", gateway.url())]);
    let collector = Collector::new(&[("a.yaml", &job(COUNT))], environment, Duration::from_secs(30))?;
    let failure = collector.invoke(&json!({"job": "j"})).await?.expect_err("no database");
    assert!(gateway.group("j").await?.is_none());
    assert_eq!(Told::of(&gateway, "j").await?.job("up"), Some(0.0));
    Ok((failure.error_type, failure.message))
}

#[tokio::test]
async fn a_database_that_cannot_be_used() -> Result<()> {
    let database = MariaDb::shared().await?.database().await?;
    let with = |name: &'static str, value: String| {
        let environment = database.environment().into_iter();
        environment
            .filter(|(key, _)| *key != name)
            .chain([(name, value)])
            .collect::<Vec<_>>()
    };
    let (refusing, hanging) = (refusing()?, Hanging::start().await?);
    for (environment, kind, words) in [
        (
            with("DB_HOST", refusing.to_string()),
            "connect",
            format!("cannot connect to MySQL at {refusing}: Connection refused (os error 111)"),
        ),
        (
            with("DB_HOST", hanging.address().to_string()),
            "connect",
            format!("cannot connect to MySQL at {}: no answer in time", hanging.address()),
        ),
        (
            with("DB_NAME", "nowhere".to_owned()),
            "connect",
            "Unknown database 'nowhere' [error 1049".to_owned(),
        ),
        (
            with("DB_PASSWORD", fanlight_tests::canary::ROTATED_PASSWORD.to_owned()),
            "login",
            format!(
                "cannot connect to MySQL at {}: Access denied for user '{USER}'@",
                database.host()
            ),
        ),
    ] {
        let (error_type, message) = fails_without(environment).await?;
        assert_eq!(error_type, kind, "{message}");
        assert!(
            message.contains(&words) && message.ends_with("; nothing was pushed"),
            "{message}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_database_that_goes_down_and_comes_back() -> Result<()> {
    let mut mariadb = MariaDb::start().await?;
    let database = mariadb.database().await?;
    database
        .execute("CREATE TABLE things AS SELECT seq FROM seq_1_to_3")
        .await?;
    let stage = stage_on(database, &job(COUNT)).await?;
    stage.succeed("j").await?;
    assert_eq!(stage.gateway.series("things").await?, [THINGS]);
    mariadb.stop()?;
    let (kind, message) = stage.fail("j").await?;
    assert_eq!(kind, "connect", "{message}");
    assert!(message.contains("Connection refused"), "{message}");
    assert_eq!(stage.gateway.series("things").await?, [THINGS]);
    mariadb.start_again().await?;
    stage.succeed("j").await?;
    assert_eq!(stage.told("j").await?.job("up"), Some(1.0));
    Ok(())
}

/// One query that succeeds and one that does not.
async fn second_fails(query: &str, timeout: &str) -> Result<(Stage<MariaDatabase>, String, String)> {
    let config = job(&format!(
        "
  timeout: {timeout}
  metrics:
  - {{name: others, help: h, value: v, query: SELECT 1 AS v}}
  - name: things
    help: h
    value: v
    query: |
      {query}
"
    ));
    let stage = stage(&config, "CREATE TABLE things (v INT, l TEXT, at DATE)").await?;
    let (kind, message) = stage.fail("j").await?;
    assert_eq!(
        stage.gateway.series("others").await?,
        [r#"others{instance="",job="j"} 1"#]
    );
    assert_eq!(stage.told("j").await?.metrics("up"), "others=1 things=0");
    ensure!(message.ends_with("; the other metrics were pushed"), "{message}");
    Ok((stage, kind, message))
}

#[tokio::test]
async fn each_query_fails_alone_and_with_its_place() -> Result<()> {
    for (query, kind, place, words) in [
        (
            "SELECT v\n      FROM FROM things",
            "sql",
            ":13:12",
            "there is an error in the SQL near `FROM things` [error 1064",
        ),
        (
            "SELECT vv AS v\n      FROM things",
            "sql",
            ":12:14",
            "Unknown column 'vv' in ",
        ),
        (
            "SELECT v\n      FROM thing",
            "sql",
            ":13:12",
            "thing' doesn't exist [error 1146",
        ),
        (
            "SELECT SLEEP(60) AS v",
            "timeout",
            ":12:7",
            "the query did not finish in the time that the job has",
        ),
        (
            "DELETE FROM things",
            "sql",
            ":12:7",
            "Cannot execute statement in a READ ONLY transaction",
        ),
        (
            "DO 1",
            "query",
            ":12:7",
            "the statement gives no rows; a query must be a SELECT",
        ),
        (
            "SELECT ? AS v",
            "query",
            ":12:7",
            "the query has 1 parameter (?) and is given 0",
        ),
        ("SELECT 1 AS w", "column", ":12:7", "gives no column \"v\""),
        ("SELECT 'x' AS v", "column", ":12:7", "varchar"),
    ] {
        let (_, error_type, message) = second_fails(query, "4s").await?;
        assert_eq!(error_type, kind, "{message}");
        ensure!(message.starts_with("job j: things failed: query things ("), "{message}");
        ensure!(
            message.contains(place) && message.contains(words),
            "{query}: {place} {words}: {message}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_connection_that_is_lost_in_the_middle() -> Result<()> {
    let config = job("
  timeout: 20s
  metrics:
  - {name: first, help: h, value: v, query: SELECT SLEEP(60) AS v}
  - {name: second, help: h, value: v, query: SELECT 2 AS v}
");
    let stage = stage(&config, "DO 0").await?;
    let kill = async {
        let find = format!(
            "SELECT IFNULL(MAX(ID), 0) FROM information_schema.PROCESSLIST WHERE STATE = 'User sleep' AND DB = '{}'",
            stage.database.name()
        );
        for _ in 0..2_000 {
            let id = stage.database.value(&find).await?;
            if id != "0" {
                return stage.database.execute(&format!("KILL {id}")).await;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        bail!("no query sleeps")
    };
    let (failed, killed) = tokio::join!(stage.fail("j"), kill);
    killed?;
    let (kind, message) = failed?;
    assert_eq!(kind, "connection", "{message}");
    assert!(message.contains(": the connection to MySQL at 127.0.0.1:"), "{message}");
    assert!(
        message.contains("not run: the connection was lost in an earlier query of the job"),
        "{message}"
    );
    Ok(())
}

#[tokio::test]
async fn a_rotated_password_is_fetched_anew_once() -> Result<()> {
    let mariadb = MariaDb::shared().await?;
    let database = mariadb.database().await?;
    let user = format!("rotated_{}", database.name());
    let old = fanlight_tests::PASSWORD;
    let new = fanlight_tests::canary::ROTATED_PASSWORD;
    database
        .execute(&format!(
            "CREATE USER {user}@'%' IDENTIFIED BY '{old}'; GRANT SELECT ON *.* TO {user}@'%'"
        ))
        .await?;
    let secrets = SecretsManager::start().await?;
    let secret = |password: &str| json!({"username": user, "password": password}).to_string();
    secrets.create("db", &secret(old)).await?;
    let config = "placeholders:
  USERNAME: {secret: db, field: username}
  PASSWORD: {secret: db, field: password}
jobs:
- name: j
  schedule: '* * * * *'
  source: 'mysql://{{USERNAME}}:{{PASSWORD}}@{{DB_HOST}}/{{DB_NAME}}?ssl-mode=REQUIRED'
  metrics:
  - {name: others, help: h, value: v, query: SELECT 1 AS v}
";
    let mut environment = vec![("DB_HOST", database.host()), ("DB_NAME", database.name().to_owned())];
    environment.extend(secrets.environment());
    let stage = Stage::over(database, environment, config).await?;
    stage.succeed("j").await?;
    // The server ends what was logged in with the old password, as many a rotation does.
    let id = "SELECT ID FROM information_schema.PROCESSLIST WHERE USER = '";
    let id = stage.database.value(&format!("{id}{user}'")).await?;
    stage
        .database
        .execute(&format!("ALTER USER {user}@'%' IDENTIFIED BY '{new}'; KILL {id}"))
        .await?;
    secrets.put("db", &secret(new)).await?;
    stage.succeed("j").await?;
    assert!(
        stage
            .collector
            .log()
            .contains("trying again with the secret fetched anew")
    );
    Ok(())
}

#[tokio::test]
async fn check_live_asks_the_database() -> Result<()> {
    let database = MariaDb::shared().await?.database().await?;
    database
        .execute("CREATE TABLE t (name TEXT, photo BLOB, n INT)")
        .await?;
    let config = ConfigFolder::new(&[(
        "config/a.yaml",
        &job("
  metrics:
  - {name: good, help: h, labels: [name], value: n, query: 'SELECT name, n FROM t'}
  - {name: a, help: h, labels: [photo], value: name, query: 'SELECT photo, name FROM t'}
  - {name: b, help: h, value: n, query: SELECT n FROM tt}
  - {name: c, help: h, value: n, query: 'SELECT n FROM t WHERE n = ?'}
  - {name: d, help: h, value: n, query: DELETE FROM t}
  - {name: e, help: h, labels: [nam], value: n, query: 'SELECT name, n FROM t'}
"),
    )])?;
    let gateway = ("PUSHGATEWAY_URL", "http://gateway:9091".to_owned());
    let environment = database.environment().into_iter().chain([gateway.clone()]);
    let ended = fanlight(config.path(), ["check", "--live"], environment).await?;
    let told = format!("{}{}", ended.out, ended.err);
    for words in [
        "the column `photo` is of type blob, which cannot be a label of `a`",
        "the column `name` is of type text, and `a` needs a number",
        "tt' doesn't exist [error 1146, SQLSTATE 42S02]",
        "the query has 1 parameter and is given 0",
        "give each `?` its entry under `parameters`, in their order",
        "the query would write",
        "a job only reads: its transaction is read-only",
        "the query gives no column `nam`, which `e` needs",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    assert!(!told.contains("`good`"), "{told}");
    // What is not there is not asked twice.
    let nowhere = vec![("DB_USERNAME", "u"), ("DB_PASSWORD", "p"), ("DB_NAME", "d")];
    let mut environment: Vec<_> = nowhere
        .into_iter()
        .map(|(name, value)| (name, value.to_owned()))
        .collect();
    environment.push(gateway);
    environment.push(("DB_HOST", format!("127.0.0.1:{}", free_port()?)));
    let ended = fanlight(config.path(), ["check", "--live"], environment).await?;
    let told = format!("{}{}", ended.out, ended.err);
    assert_eq!(
        told.matches("cannot connect to MySQL at 127.0.0.1:").count(),
        1,
        "{told}"
    );
    Ok(())
}
