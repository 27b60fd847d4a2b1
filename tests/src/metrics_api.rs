//! The Metrics API as customers meet it: both functions' real binaries behind the local API Gateway.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use fanlight_cli::metrics_api::rest_api;
use fanlight_cli::runner::api_gateway::{Authorizer, RestApiBuilder};
use fanlight_cli::runner::{CapturedLog, Function, LogSink};
use jiff::Timestamp;
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use shared::authorization::{Record, Token};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::{ConfigFolder, binaries, canary, http};

/// The functions' time-out, and API Gateway's.
const TIMEOUT: Duration = Duration::from_secs(25);
const CONCURRENCY: usize = 100;
const METRICS_API: &str = "metrics-api";
/// How long something may take that a test waits for.
const HOLDS_WITHIN: Duration = Duration::from_secs(20);

/// Somebody with a token.
#[derive(Debug)]
pub struct Customer {
    name: String,
    token: Token,
    record: Record,
}

impl Customer {
    /// A customer who may read the series of these organisations, for an hour and from anywhere, on the plan `default`.
    ///
    /// # Errors
    /// When the machine has no randomness.
    pub fn new(name: &str, organisations: &[&str]) -> Result<Self> {
        let token = Token::generate()?;
        let record = Record {
            id: format!("{name}-1"),
            hash: token.hash(),
            client: name.to_owned(),
            organisations: organisations.iter().map(ToString::to_string).collect(),
            origins: None,
            expires: Timestamp::now() + Duration::from_hours(1),
            plan: "default".to_owned(),
        };
        Ok(Self {
            name: name.to_owned(),
            token,
            record,
        })
    }

    /// The same customer with another record of his token.
    #[must_use]
    pub fn recorded(mut self, change: impl FnOnce(&mut Record)) -> Self {
        change(&mut self.record);
        self
    }

    /// His name, which is the user's name of basic authentication.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// His token, which is the password.
    #[must_use]
    pub fn token(&self) -> &str {
        self.token.expose()
    }

    /// His token's record, as the secret holds it.
    #[must_use]
    pub fn record(&self) -> Value {
        self.record.to_json()
    }

    /// The value of the `Authorization` header.
    #[must_use]
    pub fn authorization(&self) -> String {
        format!("Bearer {}", self.token())
    }
}

/// The records of these customers' tokens, as the secret holds them.
#[must_use]
pub fn records(customers: &[Customer]) -> String {
    let records: Vec<Value> = customers.iter().map(Customer::record).collect();
    json!({ "tokens": records }).to_string()
}

/// An answer, whole.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body as it came.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as text.
    ///
    /// # Errors
    /// When it is none.
    pub fn text(&self) -> Result<&str> {
        Ok(std::str::from_utf8(&self.body)?)
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// When it is none, with the body.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body).with_context(|| String::from_utf8_lossy(&self.body).into_owned())
    }

    /// The `data` of a success.
    ///
    /// # Errors
    /// The answer, when it is none.
    pub fn data(&self) -> Result<Value> {
        let mut json = self.json()?;
        ensure!(
            self.status == 200 && json["status"] == "success",
            "{}: {json}",
            self.status
        );
        Ok(json["data"].take())
    }

    /// `errorType: error` of an error in Prometheus' form, with its status.
    ///
    /// # Errors
    /// The answer, when it is none.
    pub fn error(&self) -> Result<(u16, String)> {
        let json = self.json()?;
        ensure!(
            json["status"] == "error" && !self.status.is_success(),
            "{}: {json}",
            self.status
        );
        let word = |key: &str| json[key].as_str().with_context(|| format!("no {key}: {json}"));
        Ok((
            self.status.as_u16(),
            format!("{}: {}", word("errorType")?, word("error")?),
        ))
    }
}

/// The API in front of an upstream.
#[derive(Debug)]
pub struct MetricsApi {
    url: String,
    log: CapturedLog,
    server: JoinHandle<()>,
    /// Read whenever an instance of a function starts.
    config: Option<ConfigFolder>,
    /// Tokens and their hashes, which belong into no log and no answer.
    secrets: Vec<String>,
}

/// How the API is deployed.
pub struct Deployment<'a> {
    /// The text of the configuration.
    pub config: &'a str,
    /// The functions' further environment.
    pub environment: Vec<(&'static str, String)>,
    /// Whose tokens must show up nowhere.
    pub customers: &'a [Customer],
    /// The functions' time-out; API Gateway waits for as long as it does by default.
    pub timeout: Duration,
    /// How long API Gateway keeps the authorizer's answers.
    pub cache_ttl: Duration,
    /// Further settings of API Gateway.
    pub gateway: fn(RestApiBuilder) -> RestApiBuilder,
}

impl<'a> Deployment<'a> {
    /// As [`MetricsApi::configured`], of a configuration's text whose tokens are `{{API_TOKENS}}`.
    #[must_use]
    pub fn new(config: &'a str, customers: &'a [Customer]) -> Self {
        Self {
            config,
            // Whatever could be logged is, so that a secret in it is found.
            environment: vec![("API_TOKENS", records(customers)), ("FANLIGHT_LOG", "trace".to_owned())],
            customers,
            timeout: TIMEOUT,
            cache_ttl: Duration::from_mins(5),
            gateway: |api| api,
        }
    }

    /// The API.
    ///
    /// # Errors
    /// When the workspace does not build or nothing can be listened on.
    pub async fn start(self) -> Result<MetricsApi> {
        let config = ConfigFolder::new(&[("fanlight.yaml", self.config)])?;
        let mut api = self.serve(config.path()).await?;
        api.config = Some(config);
        Ok(api)
    }

    async fn serve(self, config: &Path) -> Result<MetricsApi> {
        let (sink, log) = LogSink::captured();
        let function = |name: &str, binary| {
            Function::builder(name, binary)
                .env("FANLIGHT_CONFIG", config)
                .envs(self.environment.clone())
                .timeout(self.timeout)
                // An instance whose last answer was just read is not free yet.
                .concurrency(CONCURRENCY)
                .log(sink.clone())
                .build()
        };
        let authorizer = Authorizer::new(function("authorizer", binaries::authorizer()?)?).cache_ttl(self.cache_ttl);
        let api = rest_api(authorizer, &function(METRICS_API, binaries::metrics_api()?)?, TIMEOUT);
        let api = (self.gateway)(api).build()?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = api.url(listener.local_addr()?);
        let server = tokio::spawn(async move {
            // Serving goes on until the task is aborted.
            let _ = api.serve(listener).await;
        });
        let secrets = self
            .customers
            .iter()
            .flat_map(|customer| [customer.token().to_owned(), customer.record.hash.to_hex()]);
        Ok(MetricsApi {
            url,
            log,
            server,
            config: None,
            secrets: secrets.collect(),
        })
    }
}

/// The configuration of an API whose tokens are `{{API_TOKENS}}`: these lines of the upstream's settings, indented by
/// four, and further ones of `metrics_api`, indented by two.
#[must_use]
pub fn configuration(upstream: &str, rest: &str) -> String {
    format!(
        "metrics_api:\n  upstream:\n{upstream}  labels:\n  - {{name: metric_purpose, value: external}}\n  \
         - {{name: organisation_id, from: organisations}}\n  authorizer: {{tokens: '{{{{API_TOKENS}}}}'}}\n{rest}"
    )
}

impl MetricsApi {
    /// The API in front of an upstream, for these customers, with every default.
    ///
    /// # Errors
    /// When the workspace does not build or nothing can be listened on.
    pub async fn start(upstream: &str, customers: &[Customer]) -> Result<Self> {
        Self::configured(&format!("    url: {upstream:?}\n"), "", customers).await
    }

    /// The same with these lines of the upstream's settings, indented by four, and further ones of `metrics_api`,
    /// indented by two.
    ///
    /// # Errors
    /// When the workspace does not build or nothing can be listened on.
    pub async fn configured(upstream: &str, rest: &str, customers: &[Customer]) -> Result<Self> {
        Deployment::new(&configuration(upstream, rest), customers).start().await
    }

    /// The API of a configuration whose tokens are `{{API_TOKENS}}`, with the functions' further environment.
    ///
    /// # Errors
    /// When the workspace does not build or nothing can be listened on.
    pub async fn serving(
        config: &Path,
        environment: impl IntoIterator<Item = (&'static str, String)>,
        customers: &[Customer],
    ) -> Result<Self> {
        let tokens = ("API_TOKENS", records(customers));
        let deployment = Deployment {
            environment: environment.into_iter().chain([tokens]).collect(),
            ..Deployment::new("", customers)
        };
        deployment.serve(config).await
    }

    /// Where customers point their tools, without a slash at its end.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A request to be finished by the caller; nobody's without a customer.
    ///
    /// # Errors
    /// When there is no client.
    pub fn request(&self, customer: Option<&Customer>, method: Method, target: &str) -> Result<RequestBuilder> {
        let request = http::client()?.request(method, format!("{}{target}", self.url));
        Ok(match customer {
            Some(customer) => request.header("authorization", customer.authorization()),
            None => request,
        })
    }

    /// What a customer gets for a path and query.
    ///
    /// # Errors
    /// When there is no whole answer, or one of ours gives a secret away.
    pub async fn get(&self, customer: &Customer, target: &str) -> Result<Answer> {
        self.send(self.request(Some(customer), Method::GET, target)?).await
    }

    /// What a customer gets for a form.
    ///
    /// # Errors
    /// When there is no whole answer, or one of ours gives a secret away.
    pub async fn post(&self, customer: &Customer, path: &str, form: &str) -> Result<Answer> {
        let request = self.request(Some(customer), Method::POST, path)?;
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        self.send(request.body(form.to_owned())).await
    }

    /// The whole answer to a request.
    ///
    /// # Errors
    /// When there is no whole answer, or the log gives a secret away.
    pub async fn send(&self, request: RequestBuilder) -> Result<Answer> {
        let answer = request.send().await?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = answer.bytes().await?.to_vec();
        canary::absent("the answer", &String::from_utf8_lossy(&body))?;
        self.no_secret_in("the answer", &String::from_utf8_lossy(&body))?;
        canary::absent("the log", &self.log())?;
        self.no_secret_in("the log", &self.log())?;
        Ok(Answer { status, headers, body })
    }

    fn no_secret_in(&self, place: &str, text: &str) -> Result<()> {
        for secret in &self.secrets {
            let line = text.lines().find(|line| line.contains(secret));
            ensure!(line.is_none(), "{place} gives a token or its hash away: {line:?}");
        }
        Ok(())
    }

    /// Waits until the log is as wanted.
    ///
    /// # Errors
    /// The log, when it does not come to that.
    pub async fn log_until(&self, wanted: impl Fn(&str) -> bool) -> Result<String> {
        let deadline = Instant::now() + HOLDS_WITHIN;
        loop {
            let log = self.log();
            if wanted(&log) {
                return Ok(log);
            }
            ensure!(
                Instant::now() < deadline,
                "the log did not come to what was wanted in {HOLDS_WITHIN:?}: {log}"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The most memory that the Metrics API's function has had resident by the end of each invocation so far, in MiB,
    /// once there have been so many.
    ///
    /// # Errors
    /// When there have not been.
    pub async fn peak_memory(&self, invocations: usize) -> Result<Vec<u64>> {
        let peaks = || -> Vec<u64> {
            let lines = self.log.lines();
            let reports = lines.iter().filter(|line| &*line.function == METRICS_API);
            reports
                .filter_map(|line| {
                    let (_, used) = line.text.split_once("Max Memory Used: ")?;
                    used.split_once(" MB")?.0.parse().ok()
                })
                .collect()
        };
        self.log_until(|_| peaks().len() >= invocations).await?;
        Ok(peaks())
    }

    /// Everything that both functions have logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.text()
    }
}

impl Drop for MetricsApi {
    fn drop(&mut self) {
        // The functions' processes end with the last clone of the API.
        self.server.abort();
    }
}
