//! RDS' IAM authentication end to end: the collector's real binary, a front that takes nothing but its tokens, and real
//! databases behind.

use std::fs;
use std::time::Duration;

use anyhow::Result;
use fanlight_tests::{Collector, IAM_KEYS, IAM_REGION, IAM_USER, MariaDb, Postgres, Pushgateway, Rds, Told, fanlight};
use serde_json::json;

/// As long as those of roles are, whose tokens exceed a thousand characters.
fn session_token() -> String {
    "IQoJb3JpZ2luX2VjE/+=".repeat(60)
}

fn config(source: &str, mode: &str, iam: &str) -> String {
    format!(
        "jobs:
- name: j
  schedule: '* * * * *'
  source:
    {source}:
      url: '{source}://{IAM_USER}@{{{{DB_HOST}}}}/{{{{DB_NAME}}}}{mode}'
      ca_file: ca.pem
      rds_iam: {{{iam}}}
  metrics:
  - {{name: things, help: h, value: v, query: SELECT 7 AS v}}
"
    )
}

struct Setting {
    gateway: Pushgateway,
    collector: Collector,
}

/// A function with an AWS identity.
async fn setting(config: &str, ca: &str, rds: &Rds, database: &str, keys: [&str; 2]) -> Result<Setting> {
    let gateway = Pushgateway::start().await?;
    let environment = vec![
        ("PUSHGATEWAY_URL", gateway.url()),
        ("DB_HOST", rds.address().to_string()),
        ("DB_NAME", database.to_owned()),
        ("AWS_ACCESS_KEY_ID", keys[0].to_owned()),
        ("AWS_SECRET_ACCESS_KEY", keys[1].to_owned()),
        ("AWS_SESSION_TOKEN", session_token()),
        ("AWS_REGION", IAM_REGION.to_owned()),
    ];
    let files = [("a.yaml", config), ("ca.pem", ca)];
    let collector = Collector::new(&files, environment, Duration::from_secs(30))?;
    Ok(Setting { gateway, collector })
}

/// Runs twice with one token; with other keys, is refused after a second try; and never shows a token.
async fn logs_in_by_tokens(source: &str, mode: &str, rds: &Rds, database: &str, ca: &str) -> Result<()> {
    let config = config(source, mode, "");
    let Setting { gateway, collector } = setting(&config, ca, rds, database, IAM_KEYS).await?;
    for _ in 0..2 {
        collector.invoke(&json!({"job": "j"})).await??;
    }
    assert_eq!(gateway.series("things").await?, [r#"things{instance="",job="j"} 7"#]);
    assert_eq!(rds.tokens().len(), 1, "the second run has the first one's connection");
    let token = &rds.tokens()[0];
    assert!(token.len() > 1000 && token.contains("X-Amz-Security-Token="), "{token}");
    assert!(!collector.log().contains("X-Amz-Signature") && !collector.log().contains(&session_token()));

    let wrong = setting(&config, ca, rds, database, [IAM_KEYS[0], "another key"]).await?;
    let failure = wrong
        .collector
        .invoke(&json!({"job": "j"}))
        .await?
        .expect_err("wrong keys");
    assert_eq!(failure.error_type, "login", "{failure}");
    assert!(
        failure.message.contains(&format!(" at {}: ", rds.address())),
        "{failure}"
    );
    assert!(!failure.message.contains("X-Amz"), "{failure}");
    assert!(!wrong.collector.log().contains("X-Amz-Signature"));
    assert_eq!(Told::of(&wrong.gateway, "j").await?.job("up"), Some(0.0));
    Ok(())
}

#[tokio::test]
async fn postgres_takes_a_token_for_a_password() -> Result<()> {
    let postgres = Postgres::start().await?;
    let hba = postgres.folder().join("data/pg_hba.conf");
    let rules = fs::read_to_string(&hba)?;
    fs::write(&hba, format!("host all {IAM_USER} 127.0.0.1/32 password\n{rules}"))?;
    let database = postgres.database().await?;
    database.value("SELECT pg_reload_conf()").await?;
    let rds = Rds::postgres(&database).await?;
    let ca = fs::read_to_string(postgres.ca_file())?;
    logs_in_by_tokens("postgres", "?sslmode=verify-full", &rds, database.name(), &ca).await
}

#[tokio::test]
async fn mariadb_takes_a_token_for_a_password() -> Result<()> {
    let mariadb = MariaDb::start().await?;
    let database = mariadb.database().await?;
    let rds = Rds::mariadb(&database).await?;
    let ca = fs::read_to_string(mariadb.ca_file())?;
    logs_in_by_tokens("mysql", "", &rds, database.name(), &ca).await
}

#[tokio::test]
async fn a_token_goes_to_nobody_who_has_not_proved_to_be_the_server() -> Result<()> {
    let mariadb = MariaDb::shared().await?;
    let rds = Rds::mariadb(&mariadb.database().await?).await?;
    // Only known when the job runs.
    let source = config("mysql", "?ssl-mode={{MODE}}", "");
    let settings = source.replace("      ca_file: ca.pem\n", "");
    let folder = fanlight_tests::ConfigFolder::new(&[("config/a.yaml", &settings)])?;
    for (mode, words) in [
        ("REQUIRED", "rds_iam needs ssl-mode=VERIFY_IDENTITY"),
        ("DISABLED", "rds_iam needs ssl-mode=VERIFY_IDENTITY"),
        // The front's certificate is of nobody's whom everybody knows.
        ("VERIFY_IDENTITY", "invalid peer certificate: UnknownIssuer"),
    ] {
        let environment = vec![
            ("PUSHGATEWAY_URL", "http://gateway:9091".to_owned()),
            ("MODE", mode.to_owned()),
            ("DB_HOST", rds.address().to_string()),
            ("DB_NAME", "first".to_owned()),
            ("AWS_ACCESS_KEY_ID", IAM_KEYS[0].to_owned()),
            ("AWS_SECRET_ACCESS_KEY", IAM_KEYS[1].to_owned()),
            ("AWS_REGION", IAM_REGION.to_owned()),
        ];
        let ended = fanlight(folder.path(), ["check", "--live"], environment).await?;
        let told = format!("{}{}", ended.out, ended.err);
        assert!(told.contains(words), "{mode}: {told}");
    }
    assert_eq!(rds.tokens(), Vec::<String>::new());
    Ok(())
}

/// What the configuration needs, whatever it is.
const VARIABLES: [&str; 5] = ["PUSHGATEWAY_URL", "DB_HOST", "DB_NAME", "MODE", "P"];

#[tokio::test]
async fn what_cannot_be_used_with_tokens_is_a_mistake() -> Result<()> {
    for (source, mode, user, words) in [
        (
            "postgres",
            "",
            IAM_USER,
            "rds_iam needs sslmode=verify-full: the token goes to the server as it is",
        ),
        (
            "postgres",
            "?sslmode=require",
            IAM_USER,
            "rds_iam needs sslmode=verify-full",
        ),
        ("postgres", "?sslmode=verify-full&host=a,b", IAM_USER, "host"),
        (
            "postgres",
            "?sslmode=verify-full",
            "u:{{P}}",
            "the URL has a password, and rds_iam makes one",
        ),
        (
            "mysql",
            "?ssl-mode=PREFERRED",
            IAM_USER,
            "rds_iam needs ssl-mode=VERIFY_IDENTITY",
        ),
        ("mysql", "", "u:{{P}}", "the URL has a password, and rds_iam makes one"),
    ] {
        let config = config(source, mode, "region: eu-west-3").replace(IAM_USER, user);
        let folder = fanlight_tests::ConfigFolder::new(&[("config/a.yaml", &config), ("config/ca.pem", "")])?;
        let ended = fanlight(
            folder.path(),
            ["check"],
            VARIABLES.map(|name| (name, "http://gateway:9091".to_owned())),
        )
        .await?;
        assert_eq!(ended.status, Some(1), "{source} {mode}: {}", ended.out);
        assert!(
            ended.err.contains(words) && ended.err.contains("a.yaml:6:"),
            "{source} {mode}: {}",
            ended.err
        );
    }
    for (source, mode) in [
        ("postgres", "?sslmode={{MODE}}"),
        ("mysql", ""),
        ("mysql", "?ssl-mode=verify_identity"),
    ] {
        let folder =
            fanlight_tests::ConfigFolder::new(&[("config/a.yaml", &config(source, mode, "")), ("config/ca.pem", "")])?;
        let ended = fanlight(
            folder.path(),
            ["check"],
            VARIABLES.map(|name| (name, "http://gateway:9091".to_owned())),
        )
        .await?;
        assert_eq!(ended.status, Some(0), "{source} {mode}: {}", ended.err);
    }
    Ok(())
}
