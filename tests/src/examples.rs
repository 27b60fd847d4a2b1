//! The example configuration at work: its shop, its gateway, what Lambda counts, and one run of each job.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::{CloudWatch, ConfigFolder, Database, Pushgateway, Say, binaries, fanlight};

const SHOP: &str = include_str!("../demo/shop.sql");

/// The examples, with what needs AWS switched on, after one run of each job.
#[derive(Debug)]
pub struct Examples {
    /// The folder in which `config` is.
    pub folder: ConfigFolder,
    /// What holds the series.
    pub gateway: Pushgateway,
    /// The jobs that have run.
    pub jobs: Vec<String>,
}

impl Examples {
    /// Runs every job once, on a database that gets the shop's tables.
    ///
    /// # Errors
    /// When a server does not start, or what a job says when it fails.
    pub async fn run(database: &Database) -> Result<Self> {
        database.execute(SHOP).await?;
        let folder = switched_on()?;
        let (gateway, aws) = (Pushgateway::start().await?, lambda().await?);
        let mut environment = database.environment();
        environment.extend(aws.environment());
        environment.push(("PUSHGATEWAY_URL", gateway.url()));
        let configuration = shared::config::load(&folder.path().join("config"))?.configuration;
        let mut jobs = Vec::new();
        for job in configuration.jobs.iter().filter(|job| job.enabled) {
            let ended = fanlight(
                folder.path(),
                ["--config", "config", "run", &job.name],
                environment.clone(),
            )
            .await?;
            ensure!(ended.status == Some(0), "{}: {}", job.name, ended.err);
            jobs.push(job.name.clone());
        }
        Ok(Self { folder, gateway, jobs })
    }
}

fn switched_on() -> Result<ConfigFolder> {
    let root = binaries::workspace();
    let config = ConfigFolder::new(&[])?;
    let mut folders = vec![root.join("config")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(&path)?.replace("enabled: false\n  schedule", "enabled: true\n  schedule");
            config.write(&path.strip_prefix(root)?.to_string_lossy(), &text)?;
        }
    }
    Ok(config)
}

/// The three functions of a stack, as CloudWatch tells of them.
async fn lambda() -> Result<CloudWatch> {
    CloudWatch::scripted(|told, _| {
        if told.operation == "ListMetrics" {
            let metric = |function: &str| {
                let name = format!("fanlight-{function}");
                json!({"Namespace": "AWS/Lambda", "MetricName": told.input["MetricName"],
                    "Dimensions": [{"Name": "FunctionName", "Value": name}]})
            };
            let metrics: Vec<_> = ["collector", "metrics-api", "authorizer"].map(metric).into();
            return Say::Answer(json!({"Metrics": metrics}));
        }
        let entries = told.input["MetricDataQueries"].as_array().into_iter().flatten();
        let wanted = entries.filter(|entry| entry["ReturnData"] != json!(false));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // The last period that had ended five minutes ago.
        let newest = (now.as_secs() - 300) / 300 * 300 - 300;
        let point = |entry: &Value| {
            let value = match entry["MetricStat"]["Metric"]["MetricName"].as_str() {
                Some("Invocations") => 40.0,
                Some("ConcurrentExecutions") => 3.0,
                Some(_) => 0.0,
                // An expression: how long the slow ones took.
                None => 0.4,
            };
            json!({"Id": entry["Id"], "Label": "l", "StatusCode": "Complete", "Timestamps": [newest], "Values": [value]})
        };
        Say::Answer(json!({"MetricDataResults": wanted.map(point).collect::<Vec<_>>()}))
    })
    .await
}
