//! Placeholders filled in from AWS Secrets Manager, as moto plays it.

use std::collections::{BTreeMap, HashMap};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_secretsmanager::config::{Credentials, SharedCredentialsProvider};
use fanlight_tests::SecretsManager as Aws;
use fanlight_tests::faults::{self, Hanging};
use secrecy::ExposeSecret as _;
use shared::placeholders::{Environment, Provider, ResolveError, Resolver, Template};
use shared::secrets::{Limits, SecretsManager};

const URL: &str = "postgres://{{USERNAME}}:{{PASSWORD}}@{{HOST}}:{{PORT}}/{{DATABASE}}";
/// What AWS makes for an RDS instance.
const RDS: &str = r#"{"username":"app","password":"p@ss/w:rd#?%","engine":"postgres","host":"db.example","port":5432,
    "dbname":"shop","dbInstanceIdentifier":"shop"}"#;

fn secret(id: &str, field: &str) -> Provider {
    let field = (!field.is_empty()).then(|| field.to_owned());
    Provider::Secret {
        id: id.to_owned(),
        field,
    }
}

fn rds(id: &str) -> Vec<(&'static str, Provider)> {
    let fields = [
        ("USERNAME", "username"),
        ("PASSWORD", "password"),
        ("HOST", "host"),
        ("PORT", "port"),
        ("DATABASE", "dbname"),
    ];
    fields.map(|(name, field)| (name, secret(id, field))).into()
}

fn resolver(endpoint: &str, limits: Limits, providers: impl IntoIterator<Item = (&'static str, Provider)>) -> Resolver {
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("eu-west-3"))
        .endpoint_url(endpoint)
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
            "test", "test", None, None, "test",
        )))
        .build();
    let providers: BTreeMap<_, _> = providers
        .into_iter()
        .map(|(name, provider)| (name.to_owned(), provider))
        .collect();
    Resolver::new(
        providers,
        Environment::Given(HashMap::new()),
        SecretsManager::from_config(config, limits),
    )
}

async fn resolve(resolver: &Resolver, text: &str) -> Result<String> {
    let value = resolver.resolve_url(&Template::parse(text)?).await?;
    Ok(value.expose_secret().to_owned())
}

/// The error of a resolution, after a look that it shows no value.
async fn error(resolver: &Resolver, text: &str) -> Result<String> {
    let outcome: Result<_, ResolveError> = resolver.resolve(&Template::parse(text)?).await;
    let Err(error) = outcome else {
        anyhow::bail!("{text} is resolved")
    };
    for leak in ["p@ss", "hunter2"] {
        ensure!(!format!("{error} {error:?}").contains(leak), "{error:?}");
    }
    Ok(error.to_string())
}

#[tokio::test]
async fn an_rds_secret_makes_a_url_out_of_one_request() -> Result<()> {
    let aws = Aws::start().await?;
    aws.create("prod/shop", RDS).await?;
    let resolver = resolver(&aws.url(), Limits::default(), rds("prod/shop"));
    let before = requests(&aws);
    let url = resolve(&resolver, URL).await?;
    assert_eq!(url, "postgres://app:p%40ss%2Fw%3Ard%23%3F%25@db.example:5432/shop");
    assert_eq!(resolve(&resolver, URL).await?, url);
    assert_eq!(requests(&aws), before + 1, "{}", aws.log());
    Ok(())
}

#[tokio::test]
async fn a_plain_secret_is_taken_whole() -> Result<()> {
    let aws = Aws::start().await?;
    let url = "https://pusher:a%20b@gateway.example/prefix";
    aws.create("gateway-url", url).await?;
    let resolver = resolver(&aws.url(), Limits::default(), [("GATEWAY", secret("gateway-url", ""))]);
    assert_eq!(resolve(&resolver, "{{GATEWAY}}").await?, url);
    Ok(())
}

#[tokio::test]
async fn what_is_missing_is_named() -> Result<()> {
    let aws = Aws::start().await?;
    aws.create("db", RDS).await?;
    aws.create("plain", "hunter2").await?;
    let providers = [
        ("NO_SECRET", secret("other", "password")),
        ("NO_FIELD", secret("db", "pasword")),
        ("NOT_JSON", secret("plain", "password")),
    ];
    let resolver = resolver(&aws.url(), Limits::default(), providers);
    for (text, expected) in [
        (
            "{{NO_SECRET}}",
            "{{NO_SECRET}}: the secret `other` does not exist in eu-west-3: check its name and the region, or create it",
        ),
        (
            "{{NO_FIELD}}",
            "{{NO_FIELD}}: the secret `db` has no field `pasword` (did you mean `password`?); it has \
             `dbInstanceIdentifier`, `dbname`, `engine`, `host`, `password`, `port`, `username`",
        ),
        (
            "{{NOT_JSON}}",
            "{{NOT_JSON}}: the secret `plain` is not a JSON object, so that it has no field `password` \
             (line 1, column 1): leave `field` out to take its whole text, or store an object in it",
        ),
        (
            "{{UNDECLARED}}",
            "{{UNDECLARED}}: the environment variable UNDECLARED is not set: set it, or name the secret that holds \
             the value in the configuration",
        ),
    ] {
        assert_eq!(error(&resolver, text).await?, expected);
    }
    Ok(())
}

#[tokio::test]
async fn a_rotated_secret_is_seen_after_a_refresh() -> Result<()> {
    let aws = Aws::start().await?;
    aws.create("db", r#"{"password":"old"}"#).await?;
    let resolver = resolver(&aws.url(), Limits::default(), [("PASSWORD", secret("db", "password"))]);
    let text = "x://u:{{PASSWORD}}@h";
    assert_eq!(resolve(&resolver, text).await?, "x://u:old@h");
    aws.put("db", r#"{"password":"new"}"#).await?;
    assert_eq!(resolve(&resolver, text).await?, "x://u:old@h");
    assert!(resolver.refresh([&Template::parse(text)?]).await?);
    assert_eq!(resolve(&resolver, text).await?, "x://u:new@h");

    // Further logins that fail do not ask again at once.
    let before = requests(&aws);
    assert!(resolver.refresh([&Template::parse(text)?]).await?);
    assert_eq!(requests(&aws), before, "{}", aws.log());
    Ok(())
}

#[tokio::test]
async fn a_value_that_is_kept_outlives_the_service() -> Result<()> {
    let mut aws = Aws::start().await?;
    aws.create("db", RDS).await?;
    let resolver = resolver(&aws.url(), Limits::default(), rds("db"));
    let url = resolve(&resolver, URL).await?;
    aws.stop()?;
    let refused = resolver
        .refresh([&Template::parse(URL)?])
        .await
        .unwrap_err()
        .to_string();
    assert!(refused.contains("the secret `db` cannot be fetched"), "{refused}");
    assert_eq!(resolve(&resolver, URL).await?, url);
    Ok(())
}

#[tokio::test]
async fn a_service_that_is_down_is_named() -> Result<()> {
    let endpoint = format!("http://{}", faults::refusing()?);
    let resolver = resolver(&endpoint, Limits::default(), rds("db"));
    let error = error(&resolver, "{{PASSWORD}}").await?;
    let start = "{{PASSWORD}}: the secret `db` cannot be fetched because AWS Secrets Manager is not reachable: ";
    assert!(error.starts_with(start) && error.contains("refused"), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_service_that_hangs_is_given_up() -> Result<()> {
    let hanging = Hanging::start().await?;
    let limits = Limits {
        attempt: Duration::from_millis(50),
        total: Duration::from_millis(200),
        ..Limits::default()
    };
    let resolver = resolver(&format!("http://{}", hanging.address()), limits, rds("db"));
    let error = error(&resolver, "{{PASSWORD}}").await?;
    assert_eq!(
        error,
        "{{PASSWORD}}: the secret `db` cannot be fetched because AWS Secrets Manager did not answer within 200 ms; \
         check the network's way to it (a VPC needs an endpoint or a NAT gateway)"
    );
    Ok(())
}

#[tokio::test]
async fn a_deployments_environment_leads_to_its_secrets() -> Result<()> {
    let aws = Aws::start().await?;
    aws.create("db", RDS).await?;
    // Variables are set for a whole process, so this needs one of its own.
    let child = Command::new(std::env::current_exe()?)
        .args([
            "--exact",
            "secrets::child_that_resolves_by_its_environment",
            "--ignored",
            "--nocapture",
        ])
        .envs(aws.environment())
        .env("USERNAME", "from the environment")
        .output()?;
    let output = String::from_utf8_lossy(&child.stdout);
    let expected = "resolved: x://from%20the%20environment:p%40ss%2Fw%3Ard%23%3F%25@h";
    assert!(
        output.contains(expected),
        "{output}{}",
        String::from_utf8_lossy(&child.stderr)
    );
    Ok(())
}

#[tokio::test]
#[ignore = "run by a_deployments_environment_leads_to_its_secrets in a process of its own"]
async fn child_that_resolves_by_its_environment() -> Result<()> {
    let providers = BTreeMap::from([("PASSWORD".to_owned(), secret("db", "password"))]);
    let secrets = SecretsManager::from_environment(Limits::default());
    let resolver = Resolver::new(providers, Environment::Process, secrets);
    println!(
        "resolved: {}",
        resolve(&resolver, "x://{{USERNAME}}:{{PASSWORD}}@h").await?
    );
    Ok(())
}

/// How many requests the service has answered, those of the harness included.
fn requests(aws: &Aws) -> usize {
    aws.log().matches("POST / HTTP").count()
}
