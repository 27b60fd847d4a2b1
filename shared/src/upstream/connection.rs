//! The HTTP client of an upstream, and the connections that it keeps.
//!
//! A sandbox that is frozen between two invocations does not see its connections die: the upstream has closed them, or a
//! load balancer or NAT gateway has forgotten them (after 350 s at AWS). So connections that have lain for long are not used
//! again, and one that turns out to be cut before a byte of an answer has come is made anew once; a question only reads.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Client, Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::credentials::{Access, Identity};
use super::error::{NoAddress, Problem, UpstreamError};
use crate::config::metrics_api::UpstreamSettings;
use crate::endpoint::{BaseUrl, USER_AGENT};
use crate::moment::Moment;
use crate::tls::{client_config, client_config_as};

/// How long a connection may lie idle and still be trusted.
const LONGEST_IDLE: Duration = Duration::from_mins(1);

/// The most that the making of a connection may take.
const CONNECT: Duration = Duration::from_secs(5);

/// An HTTP client with its connections.
pub(super) struct Connection {
    client: Client,
    url: BaseUrl,
    identity: Option<Identity>,
    connect: Duration,
    /// How many connections it has begun to make.
    made: Arc<AtomicU64>,
    used: Mutex<Moment>,
}

/// A request that failed.
pub(super) struct Failure {
    pub(super) error: UpstreamError,
    /// Whether it was a connection kept from before that was cut.
    pub(super) may_be_repeated: bool,
}

impl Connection {
    pub(super) fn new(settings: &UpstreamSettings, access: &Access) -> Result<Self, UpstreamError> {
        let fail = |error: String| UpstreamError::at(access.url.at(), Problem::Settings(error));
        let ca_file = settings.ca_file.as_deref();
        let tls = match &access.identity {
            None => client_config(ca_file)
                .map(|config| rustls::ClientConfig::clone(&config))
                .map_err(|error| fail(error.to_string()))?,
            Some(identity) => client_config_as(ca_file, &identity.certificate, &identity.key)
                .map_err(|error| fail(error.to_string()))?,
        };
        let connect = CONNECT.min(settings.timeout);
        let made = Arc::new(AtomicU64::new(0));
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .http1_only()
            .redirect(Policy::none())
            .no_proxy()
            .retry(reqwest::retry::never())
            .dns_resolver(Arc::new(Dns))
            .connector_layer(Counting(Arc::clone(&made)))
            .connect_timeout(connect)
            .pool_idle_timeout(LONGEST_IDLE)
            .user_agent(USER_AGENT)
            .build()
            .map_err(|error| fail(error.without_url().to_string()))?;
        Ok(Self {
            client,
            url: access.url.clone(),
            identity: access.identity.clone(),
            connect,
            made,
            used: Mutex::new(Moment::now()),
        })
    }

    /// Whether it leads where these say, as who they say, and has not lain for too long.
    pub(super) fn serves(&self, access: &Access) -> bool {
        let used = *self.used.lock().unwrap_or_else(PoisonError::into_inner);
        self.url == access.url && self.identity == access.identity && !used.is_older_than(LONGEST_IDLE, Moment::now())
    }

    pub(super) fn url(&self) -> &BaseUrl {
        &self.url
    }

    pub(super) fn at(&self) -> String {
        self.url.at()
    }

    /// Sends a request and returns when the head of the answer is there.
    pub(super) async fn send(&self, request: Request) -> Result<Response, Failure> {
        let made = self.made.load(Ordering::Relaxed);
        let outcome = self.client.execute(request).await;
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Moment::now();
        outcome.map_err(|error| {
            let problem = Problem::of(&error, self.connect);
            // Where another request makes a connection at the same time, this one is not repeated, which is safe.
            let reused = self.made.load(Ordering::Relaxed) == made;
            Failure {
                may_be_repeated: reused && problem == Problem::Cut,
                error: UpstreamError::at(self.at(), problem),
            }
        })
    }
}

/// The system's resolver, whose errors can be told from others.
pub(crate) struct Dns;

impl Resolve for Dns {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let addresses = tokio::net::lookup_host((name.as_str(), 0)).await.map_err(NoAddress)?;
            let addresses: Addrs = Box::new(addresses.collect::<Vec<_>>().into_iter());
            Ok(addresses)
        })
    }
}

/// Counts the connections that are made.
#[derive(Clone)]
struct Counting(Arc<AtomicU64>);

impl<S> Layer<S> for Counting {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Counted<S> {
        Counted {
            inner,
            made: Arc::clone(&self.0),
        }
    }
}

#[derive(Clone)]
struct Counted<S> {
    inner: S,
    made: Arc<AtomicU64>,
}

impl<S, R> Service<R> for Counted<S>
where
    S: Service<R>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: R) -> S::Future {
        self.made.fetch_add(1, Ordering::Relaxed);
        self.inner.call(request)
    }
}
