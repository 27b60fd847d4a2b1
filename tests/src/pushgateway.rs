//! The Pushgateway, plain or behind TLS and a password.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::authority::Authority;
use crate::http;
use crate::supervisor::{StopSignal, Supervised, program, words};

/// The user that a guarded gateway knows.
pub const GATEWAY_USER: &str = "pusher";
/// The password that a guarded gateway wants.
pub const GATEWAY_PASSWORD: &str = "let me: in";
/// [`GATEWAY_PASSWORD`] as the gateway's own configuration holds it (bcrypt at its lowest cost, 4).
const GATEWAY_PASSWORD_HASH: &str = "$2b$04$4D1deU0Tfv2vQXV2SUU.W.lF.6lQ60z00uhfyUsRi5r8cF8cO8vCi";

/// A gateway for one test.
#[derive(Debug)]
pub struct Pushgateway {
    server: Supervised,
    program: String,
    guarded: bool,
    port: u16,
}

impl Pushgateway {
    /// A gateway that anyone may push to over plain HTTP.
    ///
    /// # Errors
    /// When it is not installed or does not start, with its log.
    pub async fn start() -> Result<Self> {
        Self::start_as(false).await
    }

    /// A gateway behind TLS (certificate: [`Pushgateway::ca_file`]) and HTTP basic authentication.
    ///
    /// # Errors
    /// When it is not installed or does not start, with its log.
    pub async fn start_guarded() -> Result<Self> {
        Self::start_as(true).await
    }

    async fn start_as(guarded: bool) -> Result<Self> {
        let program = program("prometheus-pushgateway", "prometheus-pushgateway")?;
        let server = Supervised::new("pushgateway", StopSignal::Term)?;
        Authority::shared()?.write_to(&server, "")?;
        let users = format!("basic_auth_users:\n  {GATEWAY_USER}: {GATEWAY_PASSWORD_HASH}\n");
        let tls = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n";
        server.write(
            "web.yaml",
            &if guarded {
                format!("{tls}{users}")
            } else {
                String::new()
            },
        )?;
        let mut gateway = Self {
            server,
            program,
            guarded,
            port: 0,
        };
        let (server, command, ready) = gateway.parts();
        gateway.port = server.start(command, ready).await?;
        Ok(gateway)
    }

    /// The gateway's address, without a slash at its end.
    #[must_use]
    pub fn url(&self) -> String {
        url(self.guarded, self.port)
    }

    /// `host:port`, as Prometheus wants a target.
    #[must_use]
    pub fn target(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The certificate that clients have to trust, as a file.
    #[must_use]
    pub fn ca_file(&self) -> PathBuf {
        self.server.folder().join("ca.pem")
    }

    /// The folder that holds everything of this gateway.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.server.folder()
    }

    /// The gateway's process, while it runs.
    #[must_use]
    pub fn process(&self) -> Option<u32> {
        self.server.process()
    }

    /// What the gateway has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.server.log()
    }

    /// Everything that Prometheus would scrape, as text.
    ///
    /// # Errors
    /// When the gateway does not answer.
    pub async fn metrics(&self) -> Result<String> {
        self.get("/metrics").await
    }

    /// The lines of one metric's series, without its comments, sorted.
    ///
    /// # Errors
    /// When the gateway does not answer.
    pub async fn series(&self, metric: &str) -> Result<Vec<String>> {
        let metrics = self.metrics().await?;
        let of_metric = |line: &&str| {
            line.strip_prefix(metric)
                .is_some_and(|rest| rest.starts_with(['{', ' ']))
        };
        let mut series: Vec<_> = metrics.lines().filter(of_metric).map(str::to_owned).collect();
        series.sort();
        Ok(series)
    }

    /// The value of the one series that starts with these characters, such as `up{job="a",` or `up`.
    ///
    /// # Errors
    /// When there is no such series or more than one, with all that there are.
    pub async fn value(&self, start: &str) -> Result<f64> {
        let metrics = self.metrics().await?;
        let found: Vec<_> = metrics.lines().filter(|line| line.starts_with(start)).collect();
        ensure!(
            found.len() == 1,
            "{} series start with {start:?} in\n{}",
            found.len(),
            without_own(&metrics)
        );
        let value = found[0].rsplit(' ').next().context("a line without a value")?;
        Ok(value.parse()?)
    }

    /// The text that was pushed, without the gateway's metrics about itself.
    ///
    /// # Errors
    /// When the gateway does not answer.
    pub async fn pushed(&self) -> Result<String> {
        Ok(without_own(&self.metrics().await?))
    }

    /// The groups as `/api/v1/metrics` lists them: an array of objects with `labels`, `push_time_seconds` and one
    /// member for each family.
    ///
    /// # Errors
    /// When the gateway does not answer, or not with groups.
    pub async fn groups(&self) -> Result<Vec<Value>> {
        let mut answer: Value = serde_json::from_str(&self.get("/api/v1/metrics").await?)?;
        // Without any group, `data` is null.
        Ok(answer["data"].as_array_mut().map(std::mem::take).unwrap_or_default())
    }

    /// The group whose `job` label is this, if there is one.
    ///
    /// # Errors
    /// When the gateway does not answer, or not with groups.
    pub async fn group(&self, job: &str) -> Result<Option<Value>> {
        Ok(self
            .groups()
            .await?
            .into_iter()
            .find(|group| group["labels"]["job"] == job))
    }

    /// Pushes text into a group, as another client of the gateway would.
    ///
    /// # Errors
    /// What the gateway says against it.
    pub async fn put(&self, path: &str, exposition: &str) -> Result<()> {
        let url = format!("{}/metrics/{path}", self.url());
        let request = http::client()?
            .put(&url)
            .basic_auth(GATEWAY_USER, Some(GATEWAY_PASSWORD));
        let answer = request.body(exposition.to_owned()).send().await?;
        let status = answer.status();
        ensure!(status.is_success(), "PUT {url}: {status}: {}", answer.text().await?);
        Ok(())
    }

    /// The grouping keys of all groups as text, `fanlight_job=j job=fanlight`, in order.
    ///
    /// # Errors
    /// When the gateway does not answer, or not with groups.
    pub async fn keys(&self) -> Result<Vec<String>> {
        let groups = self.groups().await?;
        let mut keys: Vec<String> = groups
            .iter()
            .filter_map(|group| group["labels"].as_object())
            .map(|labels| {
                let labels = labels
                    .iter()
                    .map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default()));
                labels.collect::<Vec<_>>().join(" ")
            })
            .collect();
        keys.sort();
        Ok(keys)
    }

    /// Deletes a group, as another client of the gateway would, and returns when it is gone.
    ///
    /// # Errors
    /// What the gateway says against it.
    pub async fn delete(&self, path: &str) -> Result<()> {
        let url = format!("{}/metrics/{path}", self.url());
        let before = self.keys().await?.len();
        let answer = http::client()?.delete(&url).send().await?;
        ensure!(answer.status().is_success(), "DELETE {url}: {}", answer.status());
        while self.keys().await?.len() == before {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Ends the gateway: connections are refused, and what was pushed is lost.
    ///
    /// # Errors
    /// When the supervising shell is gone.
    pub fn stop(&mut self) -> Result<()> {
        self.server.stop()
    }

    /// Starts a stopped gateway on its old port, empty.
    ///
    /// # Errors
    /// When it does not come up, with its log.
    pub async fn start_again(&mut self) -> Result<()> {
        let port = self.port;
        let (server, command, ready) = self.parts();
        server.start_on(port, command, ready).await
    }

    /// Makes the gateway hang: connections are accepted and nothing is answered.
    ///
    /// # Errors
    /// When the supervising shell is gone.
    pub fn freeze(&mut self) -> Result<()> {
        self.server.freeze()
    }

    /// Ends the hang.
    ///
    /// # Errors
    /// When the supervising shell is gone.
    pub fn thaw(&mut self) -> Result<()> {
        self.server.thaw()
    }

    async fn get(&self, path: &str) -> Result<String> {
        get(&format!("{}{path}", self.url())).await
    }

    fn parts(
        &mut self,
    ) -> (
        &mut Supervised,
        impl Fn(u16) -> Vec<String> + use<>,
        impl AsyncFn(u16) -> Result<()> + use<>,
    ) {
        let (program, guarded) = (self.program.clone(), self.guarded);
        let command = move |port| {
            words![
                program,
                format!("--web.listen-address=127.0.0.1:{port}"),
                "--web.config.file=web.yaml",
                // Debian's default is the file of the machine's own gateway.
                "--persistence.file=",
            ]
        };
        let ready = async move |port| get(&format!("{}/-/ready", url(guarded, port))).await.map(drop);
        (&mut self.server, command, ready)
    }
}

fn url(guarded: bool, port: u16) -> String {
    format!("{}://127.0.0.1:{port}", if guarded { "https" } else { "http" })
}

async fn get(url: &str) -> Result<String> {
    let request = http::client()?
        .get(url)
        .basic_auth(GATEWAY_USER, Some(GATEWAY_PASSWORD));
    let answer = request.send().await?;
    ensure!(answer.status().is_success(), "GET {url}: {}", answer.status());
    Ok(answer.text().await?)
}

fn without_own(metrics: &str) -> String {
    let own = |line: &str| {
        let name = line.trim_start_matches("# HELP ").trim_start_matches("# TYPE ");
        ["go_", "process_", "pushgateway_", "push_time_", "push_failure_"]
            .iter()
            .any(|own| name.starts_with(own))
    };
    metrics
        .lines()
        .filter(|line| !own(line))
        .fold(String::new(), |mut text, line| {
            // Writing into a string cannot fail.
            let _ = writeln!(text, "{line}");
            text
        })
}
