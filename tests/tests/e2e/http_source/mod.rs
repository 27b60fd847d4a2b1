//! Pages of services over HTTP as a source, through the collector's binary.

mod credentials;
mod failures;
mod health;
mod json;
mod targets;

use std::time::Duration;

use anyhow::{Result, bail};
use fanlight_tests::canary::TOKEN;
use fanlight_tests::scripted::{Scripted, whole};
use fanlight_tests::{Collector, GATEWAY_PASSWORD, PASSWORD, Pushgateway, canary};
use serde_json::{Value, json};

/// A health page as services answer it.
const HEALTH: &str = r#"[{"CeleryHealthCheck": "ok"},
    {"queue_automaticfundfrombalanceclient": "warning", "msg": "warning msg"},
    {"amazon_s3": "critical", "msg": "error msg"}]"#;

/// A job `j` that reads a health page of the source `pages`.
const HEALTH_JOB: &str = "
jobs:
- name: j
  schedule: '* * * * *'
  source: pages
  metrics:
  - name: check_state
    help: h
    labels: [target, check, state]
    value: value
    query: {http: {page: health}}
";

/// The collector and its gateway; the services are the test's own.
struct Pages {
    gateway: Pushgateway,
    collector: Collector,
}

impl Pages {
    async fn new(config: &str) -> Result<Self> {
        Self::with(&[("a.yaml", config)]).await
    }

    async fn with(files: &[(&str, &str)]) -> Result<Self> {
        let gateway = Pushgateway::start().await?;
        let environment = [
            ("PUSHGATEWAY_URL", gateway.url()),
            ("SOURCE_PASSWORD", PASSWORD.to_owned()),
            ("SOURCE_TOKEN", TOKEN.to_owned()),
            ("GATEWAY_PASSWORD", GATEWAY_PASSWORD.to_owned()),
        ];
        let collector = Collector::new(files, environment, Duration::from_secs(30))?;
        Ok(Self { gateway, collector })
    }

    /// The answer, or the error's type and message; the gateway holds no secret either.
    async fn run(&self) -> Result<Result<Value, (String, String)>> {
        let outcome = self.collector.invoke(&json!({"job": "j"})).await?;
        canary::absent("the gateway", &self.gateway.metrics().await?)?;
        Ok(outcome.map_err(|failure| (failure.error_type, failure.message)))
    }

    async fn succeed(&self) -> Result<Value> {
        match self.run().await? {
            Ok(answer) => Ok(answer),
            Err((kind, message)) => bail!("{kind}: {message}"),
        }
    }

    async fn fail(&self) -> Result<(String, String)> {
        match self.run().await? {
            Ok(answer) => bail!("the job succeeded: {answer}"),
            Err(failure) => Ok(failure),
        }
    }

    /// A metric's series without the labels that all have.
    async fn series(&self, metric: &str) -> Result<Vec<String>> {
        let short = |line: String| {
            line.replace(r#"{instance="",job="j"}"#, "")
                .replace(r#"fanlight_job="j","#, "")
                .replace(r#"instance="","#, "")
                .replace(r#",job="j""#, "")
                .replace(r#"job="j","#, "")
                .replace(r#"job="fanlight","#, "")
        };
        let series = self.gateway.series(metric).await?.into_iter().map(short);
        Ok(series.collect())
    }

    /// The records of the log with this message.
    fn logged(&self, message: &str) -> Vec<Value> {
        let log = self.collector.log();
        let records = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        records.filter(|record| record["message"] == message).collect()
    }
}

/// A server that always answers with this page.
async fn page(body: &str) -> Result<Scripted> {
    Scripted::always(whole(200, &[("content-type", "application/json")], body)).await
}

/// The one source `pages` at a URL, with more settings.
fn source(url: &str, more: &str) -> String {
    format!("sources:\n  pages: {{http: {{url: '{url}'{more}}}}}\n")
}
