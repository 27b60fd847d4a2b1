//! The Metrics API as customers meet it: both functions' real binaries behind the local API Gateway.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use fanlight_cli::metrics_api::rest_api;
use fanlight_cli::runner::api_gateway::{Authorizer, RestApi};
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

    /// The value of the `Authorization` header.
    #[must_use]
    pub fn authorization(&self) -> String {
        format!("Bearer {}", self.token())
    }
}

/// The records of these customers' tokens, as the secret holds them.
#[must_use]
pub fn records(customers: &[Customer]) -> String {
    let records: Vec<Value> = customers.iter().map(|customer| customer.record.to_json()).collect();
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
    /// Its configuration, which is read when an instance of a function starts.
    pub config: ConfigFolder,
    url: String,
    log: CapturedLog,
    server: JoinHandle<()>,
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
        let config = format!(
            "metrics_api:\n  upstream:\n{upstream}  labels:\n  - {{name: metric_purpose, value: external}}\n  \
             - {{name: organisation_id, from: organisations}}\n  authorizer: {{tokens: '{{{{API_TOKENS}}}}'}}\n{rest}"
        );
        let config = ConfigFolder::new(&[("fanlight.yaml", &config)])?;
        let (sink, log) = LogSink::captured();
        let function = |name: &str, binary| {
            Function::builder(name, binary)
                .env("FANLIGHT_CONFIG", config.path())
                // Whatever could be logged is, so that a secret in it is found.
                .env("FANLIGHT_LOG", "trace")
                .env("API_TOKENS", records(customers))
                .timeout(TIMEOUT)
                .log(sink.clone())
                .build()
        };
        let authorizer = Authorizer::new(function("authorizer", binaries::authorizer()?)?);
        let api = rest_api(authorizer, function("metrics-api", binaries::metrics_api()?)?, TIMEOUT).build()?;
        let (url, server) = serve(api).await?;
        Ok(Self {
            config,
            url,
            log,
            server,
        })
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
        canary::absent("the log", &self.log())?;
        Ok(Answer { status, headers, body })
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

async fn serve(api: RestApi) -> Result<(String, JoinHandle<()>)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let url = api.url(listener.local_addr()?);
    let server = tokio::spawn(async move {
        // Serving goes on until the task is aborted.
        let _ = api.serve(listener).await;
    });
    Ok((url, server))
}
