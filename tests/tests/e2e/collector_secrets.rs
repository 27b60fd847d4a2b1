//! Jobs whose placeholders are filled from AWS Secrets Manager: rotation, and what is missing.

use std::time::Duration;

use anyhow::Result;
use fanlight_tests::canary::ROTATED_PASSWORD;
use fanlight_tests::{Collector, Database, PASSWORD, Postgres, Pushgateway, SecretsManager, Told};
use serde_json::{Value, json};

/// A secret as AWS makes it for RDS, with its numeric port.
fn rds(database: &Database, user: &str, password: &str) -> String {
    json!({
        "username": user, "password": password, "engine": "postgres", "host": "127.0.0.1", "port": database.port(),
        "dbname": database.name(),
    })
    .to_string()
}

const CONFIG: &str = "
placeholders:
  USERNAME: {secret: shop/db, field: username}
  PASSWORD: {secret: shop/db, field: password}
  HOST: {secret: shop/db, field: host}
  PORT: {secret: shop/db, field: port}
  NAME: {secret: shop/db, field: dbname}
sources:
  shop: 'postgres://{{USERNAME}}:{{PASSWORD}}@{{HOST}}:{{PORT}}/{{NAME}}'
jobs:
- name: j
  schedule: '* * * * *'
  source: shop
  metrics:
  - name: things
    help: h
    value: v
    query: SELECT v FROM things
";

struct Vault {
    database: Database,
    gateway: Pushgateway,
    aws: SecretsManager,
    collector: Collector,
}

async fn vault(config: &str) -> Result<Vault> {
    let database = Postgres::shared().await?.database().await?;
    database.execute("CREATE TABLE things AS SELECT 1 AS v").await?;
    let (gateway, aws) = (Pushgateway::start().await?, SecretsManager::start().await?);
    let environment = aws
        .environment()
        .into_iter()
        .chain([("PUSHGATEWAY_URL", gateway.url())]);
    let collector = Collector::new(&[("a.yaml", config)], environment, Duration::from_secs(30))?;
    Ok(Vault {
        database,
        gateway,
        aws,
        collector,
    })
}

impl Vault {
    /// The answer, or the error's type and message.
    async fn run(&self) -> Result<Result<Value, (String, String)>> {
        let outcome = self.collector.invoke(&json!({"job": "j"})).await?;
        Ok(outcome.map_err(|failure| (failure.error_type, failure.message)))
    }

    async fn things(&self) -> Result<Vec<String>> {
        self.gateway.series("things").await
    }
}

const ONE: &str = r#"things{instance="",job="j"} 1"#;
const TWO: &str = r#"things{instance="",job="j"} 2"#;

#[tokio::test]
async fn a_password_that_is_rotated_between_two_runs() -> Result<()> {
    let vault = vault(CONFIG).await?;
    let role = format!("rotated_{}", vault.database.name());
    let set_password = |password: &str| {
        let password = password.replace('\'', "''");
        // Whoever is logged in stays so in a rotation; that the connection is lost as well is what makes it matter.
        format!(
            "ALTER ROLE {role} PASSWORD '{password}';
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'"
        )
    };
    let create = format!("CREATE ROLE {role} LOGIN; GRANT SELECT ON things TO {role}");
    vault.database.execute(&create).await?;
    vault.database.execute(&set_password(PASSWORD)).await?;
    vault
        .aws
        .create("shop/db", &rds(&vault.database, &role, PASSWORD))
        .await?;
    assert!(vault.run().await?.is_ok());
    assert_eq!(vault.things().await?, [ONE]);

    vault.database.execute("UPDATE things SET v = 2").await?;
    vault.database.execute(&set_password(ROTATED_PASSWORD)).await?;
    vault
        .aws
        .put("shop/db", &rds(&vault.database, &role, ROTATED_PASSWORD))
        .await?;
    let outcome = vault.run().await?;
    assert_eq!(outcome, Ok(json!({"job": "j", "series": 1})));
    assert_eq!(vault.things().await?, [TWO]);
    let log = vault.collector.log();
    let words = "the database refused the login; trying again with the secret fetched anew";
    assert_eq!(log.matches(words).count(), 1, "{log}");
    Ok(())
}

#[tokio::test]
async fn a_secret_with_a_wrong_password_is_fetched_again_once() -> Result<()> {
    let vault = vault(CONFIG).await?;
    let secret = rds(&vault.database, fanlight_tests::USER, ROTATED_PASSWORD);
    vault.aws.create("shop/db", &secret).await?;
    let before = vault.aws.log().matches("POST / HTTP").count();
    let (kind, message) = vault.run().await?.expect_err("a wrong password");
    assert_eq!(kind, "login");
    assert!(
        message.starts_with("job j: things failed: source `shop`: cannot connect to PostgreSQL at 127.0.0.1:"),
        "{message}"
    );
    assert!(message.contains("password authentication failed"), "{message}");
    let asked = vault.aws.log().matches("POST / HTTP").count() - before;
    assert_eq!(asked, 2, "{}", vault.aws.log());
    assert!(vault.things().await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_secret_that_is_missing() -> Result<()> {
    let vault = vault(CONFIG).await?;
    let (kind, message) = vault.run().await?.expect_err("no secret");
    assert_eq!(kind, "placeholder");
    assert_eq!(
        message,
        "job j: things failed: {{USERNAME}}: the secret `shop/db` does not exist in eu-west-3: check its name and the \
         region, or create it; nothing was pushed"
    );
    assert!(vault.gateway.group("j").await?.is_none());
    let told = Told::of(&vault.gateway, "j").await?;
    assert_eq!((told.job("up"), told.metrics("up").as_str()), (Some(0.0), "things=0"));

    // Once it is there, the next run finds it.
    let secret = rds(&vault.database, fanlight_tests::USER, PASSWORD);
    vault.aws.create("shop/db", &secret).await?;
    assert!(vault.run().await?.is_ok());
    assert_eq!(vault.things().await?, [ONE]);
    Ok(())
}

#[tokio::test]
async fn a_field_that_is_missing() -> Result<()> {
    let vault = vault(CONFIG).await?;
    let secret = json!({"username": "u", "pasword": PASSWORD, "host": "h", "port": 1, "dbname": "d"});
    vault.aws.create("shop/db", &secret.to_string()).await?;
    let (kind, message) = vault.run().await?.expect_err("no field");
    assert_eq!(kind, "placeholder");
    assert_eq!(
        message,
        "job j: things failed: {{PASSWORD}}: the secret `shop/db` has no field `password` (did you mean `pasword`?); it \
         has `dbname`, `host`, `pasword`, `port`, `username`; nothing was pushed"
    );
    Ok(())
}

#[tokio::test]
async fn secrets_of_a_service_that_is_down() -> Result<()> {
    let mut vault = vault(&CONFIG.replace("source: shop", "source: shop\n  timeout: 3s")).await?;
    vault.aws.stop()?;
    let (kind, message) = vault.run().await?.expect_err("no service");
    assert_eq!(kind, "placeholder");
    assert!(message.contains("the secret"), "{message}");
    assert_eq!(Told::of(&vault.gateway, "j").await?.job("up"), Some(0.0));
    Ok(())
}

#[tokio::test]
async fn credentials_of_the_gateway_from_a_secret() -> Result<()> {
    let config = CONFIG.replace(
        "sources:",
        "  GATEWAY_USER: {secret: shop/gateway, field: user}
  GATEWAY_PASSWORD: {secret: shop/gateway, field: password}
sinks:
  metrics:
    pushgateway:
      url: '{{PUSHGATEWAY_URL}}'
      ca_file: ca.pem
      basic: {username: '{{GATEWAY_USER}}', password: '{{GATEWAY_PASSWORD}}'}
sources:",
    );
    let database = Postgres::shared().await?.database().await?;
    database.execute("CREATE TABLE things AS SELECT 1 AS v").await?;
    let (gateway, aws) = (Pushgateway::start_guarded().await?, SecretsManager::start().await?);
    aws.create("shop/db", &rds(&database, fanlight_tests::USER, PASSWORD))
        .await?;
    let credentials = json!({"user": fanlight_tests::GATEWAY_USER, "password": fanlight_tests::GATEWAY_PASSWORD});
    aws.create("shop/gateway", &credentials.to_string()).await?;
    let environment = aws
        .environment()
        .into_iter()
        .chain([("PUSHGATEWAY_URL", gateway.url())]);
    let certificate = std::fs::read_to_string(gateway.ca_file())?;
    let files = [("a.yaml", config.as_str()), ("ca.pem", certificate.as_str())];
    let collector = Collector::new(&files, environment, Duration::from_secs(30))?;
    collector.invoke(&json!({"job": "j"})).await??;
    assert_eq!(gateway.series("things").await?, [ONE]);
    Ok(())
}
