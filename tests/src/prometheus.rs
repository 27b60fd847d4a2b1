//! Prometheus, which scrapes what a test tells it to every second, and `promtool`.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use crate::alertmanager::Alertmanager;
use crate::http;
use crate::supervisor::{StopSignal, Supervised, program, words};

const HOLDS_WITHIN: Duration = Duration::from_secs(30);

/// A Prometheus for one test.
#[derive(Debug)]
pub struct Prometheus {
    server: Supervised,
    port: u16,
}

/// A series of an instant query's answer, displayed as `name{label="value"}`.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// The metric's name; empty where the query has made a new value.
    pub metric: String,
    /// The other labels.
    pub labels: BTreeMap<String, String>,
    /// The sample's value.
    pub value: f64,
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let labels: Vec<_> = self
            .labels
            .iter()
            .map(|(label, value)| format!("{label}={value:?}"))
            .collect();
        if labels.is_empty() {
            f.write_str(&self.metric)
        } else {
            write!(f, "{}{{{}}}", self.metric, labels.join(","))
        }
    }
}

impl Prometheus {
    /// Scrapes these targets (`host:port`) each second and keeps the labels that they give (`honor_labels`), as one
    /// does with a Pushgateway.
    ///
    /// # Errors
    /// When Prometheus is not installed or does not start, with its log.
    pub async fn start(targets: &[String]) -> Result<Self> {
        let program = program("prometheus", "prometheus")?;
        let server = Supervised::new("prometheus", StopSignal::Term)?;
        let targets = targets.iter().fold(String::new(), |mut list, target| {
            // Writing into a string cannot fail.
            let _ = write!(list, "{target:?}, ");
            list
        });
        let config = format!(
            "global:\n  scrape_interval: 1s\nscrape_configs:\n- job_name: pushgateway\n  honor_labels: true\n  \
             static_configs:\n  - targets: [{targets}]\n"
        );
        Self::run(server, program, &config, &[]).await
    }

    /// Scrapes these targets in the same way, evaluates the rules in these files each second, and tells an Alertmanager.
    ///
    /// # Errors
    /// When Prometheus is not installed or does not start, with its log.
    pub async fn alerting(targets: &[String], rule_files: &[&Path], alertmanager: &Alertmanager) -> Result<Self> {
        let config = json!({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "scrape_configs": [{
                "job_name": "pushgateway",
                "honor_labels": true,
                "static_configs": [{"targets": targets}],
            }],
            "rule_files": rule_files,
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager.target()]}]}]},
        });
        let program = program("prometheus", "prometheus")?;
        let server = Supervised::new("prometheus", StopSignal::Term)?;
        // Of what fires before Prometheus has found its Alertmanager, it would tell that only after a minute.
        let flags = ["--rules.alert.resend-delay=10s"];
        // JSON is YAML.
        Self::run(server, program, &config.to_string(), &flags).await
    }

    /// One with this configuration and further files beside it.
    ///
    /// # Errors
    /// When Prometheus is not installed or does not start, with its log.
    pub async fn configured(config: &str, files: &[(&str, &str)]) -> Result<Self> {
        let program = program("prometheus", "prometheus")?;
        let server = Supervised::new("prometheus", StopSignal::Term)?;
        for (name, content) in files {
            server.write(name, content)?;
        }
        Self::run(server, program, config, &[]).await
    }

    /// One that scrapes nothing and holds these samples: `OpenMetrics` text with times.
    ///
    /// # Errors
    /// When promtool does not take the text, or Prometheus is not installed or does not start, with its log.
    pub async fn with_history(text: &str) -> Result<Self> {
        let server = Supervised::new("prometheus", StopSignal::Term)?;
        server.write("history.txt", text)?;
        let file = |name: &str| server.folder().join(name).display().to_string();
        promtool(&[
            "tsdb",
            "create-blocks-from",
            "openmetrics",
            &file("history.txt"),
            &file("data"),
        ])
        .await?;
        let program = program("prometheus", "prometheus")?;
        Self::run(server, program, "global: {}\n", &[]).await
    }

    /// An empty one that takes what is written to it remotely; `program` is another than Debian's.
    ///
    /// # Errors
    /// When Prometheus is not installed or does not start, with its log.
    pub(crate) async fn receiving(program: String, flags: &[&str]) -> Result<Self> {
        let server = Supervised::new("prometheus", StopSignal::Term)?;
        let flags = [&["--web.enable-remote-write-receiver"], flags].concat();
        Self::run(server, program, "global: {}\n", &flags).await
    }

    async fn run(mut server: Supervised, program: String, config: &str, flags: &[&str]) -> Result<Self> {
        server.write("prometheus.yaml", config)?;
        let flags: Vec<String> = flags.iter().map(ToString::to_string).collect();
        let command = move |port| {
            let mut command = words![
                program,
                "--config.file=prometheus.yaml",
                "--storage.tsdb.path=data",
                format!("--web.listen-address=127.0.0.1:{port}"),
            ];
            command.extend_from_slice(&flags);
            command
        };
        let ready = async |port| http::get(&format!("http://127.0.0.1:{port}/-/ready")).await.map(drop);
        let port = server.start(command, ready).await?;
        Ok(Self { server, port })
    }

    /// The server's address, without a slash at its end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The folder that holds everything of this server.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.server.folder()
    }

    /// The server's process, while it runs.
    #[must_use]
    pub fn process(&self) -> Option<u32> {
        self.server.process()
    }

    /// The answer to an instant query, in the order of names and labels.
    ///
    /// # Errors
    /// What Prometheus says against the query, or that its answer is no vector.
    pub async fn query(&self, promql: &str) -> Result<Vec<Series>> {
        let url = format!("{}/api/v1/query", self.url());
        let body = http::client()?
            .post(&url)
            .header("content-type", "application/x-www-form-urlencoded");
        let body = body
            .body(format!("query={}", form_encoded(promql)))
            .send()
            .await?
            .text()
            .await?;
        let answer: Value = serde_json::from_str(&body).with_context(|| format!("{promql}: {body}"))?;
        ensure!(answer["status"] == "success", "{promql}: {}", answer["error"]);
        let result = answer["data"]["result"]
            .as_array()
            .with_context(|| format!("{promql}: {answer}"))?;
        let mut series = result.iter().map(series).collect::<Result<Vec<_>>>()?;
        series.sort_by(|a, b| (&a.metric, &a.labels).cmp(&(&b.metric, &b.labels)));
        Ok(series)
    }

    /// Repeats an instant query until its answer is as wanted, for half a minute at most.
    ///
    /// # Errors
    /// The last answer, when none was as wanted.
    pub async fn query_until(&self, promql: &str, wanted: impl Fn(&[Series]) -> bool) -> Result<Vec<Series>> {
        let deadline = Instant::now() + HOLDS_WITHIN;
        loop {
            let series = self.query(promql).await?;
            if wanted(&series) {
                return Ok(series);
            }
            if Instant::now() > deadline {
                bail!("{promql} did not come to what was wanted in {HOLDS_WITHIN:?}: {series:?}");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// What `promtool` prints for these arguments.
///
/// # Errors
/// What it says on standard error when it fails, or that it is not installed.
pub async fn promtool(arguments: &[&str]) -> Result<String> {
    let output = tokio::process::Command::new(program("promtool", "prometheus")?)
        .args(arguments)
        .output()
        .await?;
    ensure!(
        output.status.success(),
        "promtool {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}

/// Holds text against `promtool check metrics`, whose complaints are the error.
///
/// # Errors
/// What promtool says, or that it is not installed.
pub fn promtool_check_metrics(exposition: &str) -> Result<()> {
    let mut promtool = Command::new(program("promtool", "prometheus")?)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    // Dropping it at the end of the statement is the end of promtool's input.
    promtool
        .stdin
        .take()
        .context("promtool has no standard input")?
        .write_all(exposition.as_bytes())?;
    let output = promtool.wait_with_output()?;
    let said = [output.stdout, output.stderr].concat();
    ensure!(
        output.status.success() && said.is_empty(),
        "promtool: {}",
        String::from_utf8_lossy(&said)
    );
    Ok(())
}

fn series(result: &Value) -> Result<Series> {
    let mut labels: BTreeMap<String, String> = serde_json::from_value(result["metric"].clone())?;
    let value = result["value"][1]
        .as_str()
        .with_context(|| format!("a series without value: {result}"))?;
    Ok(Series {
        metric: labels.remove("__name__").unwrap_or_default(),
        labels,
        value: value.parse()?,
    })
}

fn form_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        // Writing into a string cannot fail.
        let _ = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => write!(encoded, "{}", char::from(byte)),
            _ => write!(encoded, "%{byte:02X}"),
        };
        encoded
    })
}
