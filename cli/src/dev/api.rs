//! The Metrics API of `fanlight dev`: its two functions behind API Gateway.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use shared::config::metrics_api::MetricsApi;
use tokio::net::TcpListener;

use super::{AUTHORIZER, DevArgs, DevError, LONGEST_TIMEOUT, METRICS_API, beside};
use crate::metrics_api::rest_api;
use crate::runner::api_gateway::{Authorizer, RestApi};
use crate::runner::{Function, FunctionBuilder};

/// What the function has beyond the longest time that a plan allows, to end an answer properly.
const MARGIN: Duration = Duration::from_secs(5);
/// What the authorizer has, fetching an issuer's keys included.
const AUTHORIZER_TIMEOUT: Duration = Duration::from_secs(10);
/// A dashboard asks for all of its panels at once.
const CONCURRENCY: usize = 50;

/// The API, ready to be served.
pub(super) struct LocalApi {
    api: RestApi,
    pub(super) address: SocketAddr,
    listener: TcpListener,
    functions: [Function; 2],
}

impl LocalApi {
    /// The API of these settings. Each function begins with `builder`.
    pub(super) async fn start(
        settings: &MetricsApi,
        args: &DevArgs,
        builder: impl Fn(&'static str, PathBuf) -> FunctionBuilder,
    ) -> Result<Self, DevError> {
        let build = |package, binary: &Option<PathBuf>, timeout: Duration| {
            let binary = beside(package, binary.as_ref())?;
            let builder = builder(package, binary).timeout(timeout).concurrency(CONCURRENCY);
            builder.build().map_err(|source| DevError::Function { package, source })
        };
        let longest = settings.plans.values().map(|plan| plan.time).max().unwrap_or_default();
        let timeout = (longest + MARGIN).min(LONGEST_TIMEOUT);
        let metrics_api = build(METRICS_API, &args.metrics_api, timeout)?;
        let authorizer = build(AUTHORIZER, &args.authorizer, AUTHORIZER_TIMEOUT)?;
        let functions = [metrics_api.clone(), authorizer.clone()];
        let api = rest_api(Authorizer::new(authorizer), &metrics_api, timeout).build()?;
        let listening = |source| api_listen(args, source);
        let listener = TcpListener::bind(args.api_listen).await.map_err(listening)?;
        let address = listener.local_addr().map_err(listening)?;
        Ok(Self {
            api,
            address,
            listener,
            functions,
        })
    }

    pub(super) fn url(&self) -> String {
        self.api.url(self.address)
    }

    pub(super) fn functions(&self) -> [Function; 2] {
        self.functions.clone()
    }

    pub(super) async fn serve(self) -> io::Result<()> {
        self.api.serve(self.listener).await
    }
}

pub(super) fn api_listen(args: &DevArgs, source: io::Error) -> DevError {
    DevError::Listen {
        address: args.api_listen,
        option: "api-listen",
        source,
    }
}
