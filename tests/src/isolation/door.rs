//! Where A's requests go in, which is Fanlight as it is deployed: API Gateway, the authorizer, the Metrics API.

use std::fmt;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use fanlight_cli::metrics_api::rest_api;
use fanlight_cli::runner::api_gateway::Authorizer;
use fanlight_cli::runner::{Function, LogSink};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::data::ORGANISATIONS;
use crate::{ConfigFolder, Customer, binaries, http, records};

/// The functions' time-out, and API Gateway's.
const TIMEOUT: Duration = Duration::from_mins(1);

/// A log that goes into `first` while that is there.
fn log_into(first: &Arc<Mutex<Option<String>>>) -> LogSink {
    let first = Arc::clone(first);
    LogSink::new(move |line| {
        if let Some(log) = first.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            log.push_str(&line.text);
            log.push('\n');
        }
    })
}

/// Where A's requests go in: `GET` and `POST` of `{url}/api/v1/query` and so on.
#[derive(Clone)]
pub struct Door {
    /// Without a slash at its end.
    pub url: String,
    /// The value of the `Authorization` header that makes the caller A, who may read the external series of
    /// [`ORGANISATIONS`].
    pub authorization: Option<String>,
}

impl fmt::Debug for Door {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Door")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// The functions before one Prometheus, on the local runner.
#[derive(Debug)]
pub struct Fanlight {
    door: Door,
    server: JoinHandle<std::io::Result<()>>,
    /// Which the functions read while they start, and that is with their first requests.
    _config: ConfigFolder,
}

impl Fanlight {
    /// Puts the functions before the Prometheus at `upstream`.
    ///
    /// # Errors
    /// When the workspace does not build or the functions cannot be set up.
    pub async fn before(upstream: &str, at_once: usize) -> Result<Self> {
        // Limits are held elsewhere; here everything that Prometheus answers is to be answered.
        let configuration = format!(
            "metrics_api:
  upstream: {{url: {upstream:?}}}
  exemplars: true
  labels:
  - {{name: metric_purpose, value: external}}
  - {{name: organisation_id, from: organisations}}
  plans:
    default: {{query_bytes: 65536, depth: 256, selectors: 1000, range: 1000000h, reach: 1000000h, points: 1000000000}}
  authorizer: {{tokens: '{{{{API_TOKENS}}}}'}}
"
        );
        let config = ConfigFolder::new(&[("fanlight.yaml", &configuration)])?;
        let customer = Customer::new("a", &ORGANISATIONS)?;
        // Of 200,000 requests that of the first is enough, which tells why the functions do not start.
        let first = Arc::new(Mutex::new(Some(String::new())));
        let log = log_into(&first);
        let records = records(std::slice::from_ref(&customer));
        let function = |name: &str, binary| {
            Function::builder(name, binary)
                .env("FANLIGHT_CONFIG", config.path())
                .env("API_TOKENS", &records)
                .timeout(TIMEOUT)
                // An instance is busy for a moment longer than its answer takes.
                .concurrency(4 * at_once)
                .log(log.clone())
                .build()
        };
        let authorizer = Authorizer::new(function("authorizer", binaries::authorizer()?)?);
        let api = rest_api(authorizer, &function("metrics-api", binaries::metrics_api()?)?, TIMEOUT).build()?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let door = Door {
            url: api.url(listener.local_addr()?),
            authorization: Some(customer.authorization()),
        };
        let fanlight = Self {
            door,
            server: tokio::spawn(async move { api.serve(listener).await }),
            _config: config,
        };
        let ready = fanlight.get("/api/v1/status/buildinfo").await;
        let log = first.lock().unwrap_or_else(PoisonError::into_inner).take();
        ready.with_context(|| format!("the functions do not answer; their log:\n{}", log.unwrap_or_default()))?;
        Ok(fanlight)
    }

    async fn get(&self, path: &str) -> Result<()> {
        let mut request = http::client()?.get(format!("{}{path}", self.door.url));
        if let Some(authorization) = &self.door.authorization {
            request = request.header("authorization", authorization);
        }
        let answer = request.send().await?;
        let status = answer.status();
        ensure!(status.is_success(), "{path}: {status}: {}", answer.text().await?);
        Ok(())
    }

    /// The way in, as A.
    #[must_use]
    pub fn door(&self) -> &Door {
        &self.door
    }
}

impl Drop for Fanlight {
    fn drop(&mut self) {
        self.server.abort();
    }
}
