//! API Gateway in front of functions: a regional REST API with Lambda proxy integrations and a `REQUEST` authorizer.
//!
//! [`RestApi`] turns each HTTP request into the events that AWS would send to the functions, and their answers into what
//! AWS would answer. It is served below its stage, as `http://ADDR/prod/api/v1/query`.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use fanlight_cli::runner::Function;
//! use fanlight_cli::runner::api_gateway::{Authorizer, Integration, RestApi};
//!
//! let authorizer = Function::builder("authorizer", "target/debug/authorizer").build()?;
//! let metrics_api = Function::builder("metrics-api", "target/debug/metrics-api").build()?;
//! let api = RestApi::builder()
//!     .authorizer(Authorizer::new(authorizer))
//!     .any("/{proxy+}", Integration::streamed(metrics_api))
//!     .build()?;
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:9002").await?;
//! println!("{}", api.url(listener.local_addr()?));
//! api.serve(listener).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # A stream that breaks off
//! Once the head of an answer is sent there is no status left to tell of a failure. When the function crashes, times out
//! or breaks its stream off in the middle, this closes the client's connection without the last chunk, so that the
//! client knows. AWS documents the time-outs of a stream and that an answer without a prelude is an error, but not what
//! a client sees when the function fails after it; functions must not rely on the connection being cut.
//!
//! # What differs from AWS
//! - Names of headers come in lower case, as those of an HTTP/2 client do; those of API Gateway itself in its own case.
//! - A stream is limited neither to 2 MB/s after its first 10 MB nor to 200 MB.
//! - Stage variables, mappings, validators, caches, WAF and API keys in a header are not there. A quota never starts
//!   anew.
//! - What AWS does not document and nobody is known to have recorded is said where it is decided: how large headers and
//!   forbidden bytes in the query are refused, and double slashes, which are kept.
//! - It speaks HTTP, takes requests from whoever can reach it, and belongs on the loopback interface.

mod answer;
mod authorizer;
mod builder;
mod event;
mod gateway_response;
mod integration;
mod policy;
mod request;
mod routes;
mod stream;
mod usage_plan;

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, State};
use axum::http::header::{ACCEPT, AUTHORIZATION};
use axum::http::{HeaderName, HeaderValue, Request, Response};
use axum::serve::ListenerExt as _;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tracing::warn;

pub use self::authorizer::Authorizer;
pub use self::builder::{InvalidRestApi, RestApiBuilder};
pub use self::gateway_response::{GatewayResponse, ResponseType};
pub use self::integration::Integration;
pub use self::usage_plan::UsagePlan;

use self::answer::ProxyAnswer;
use self::event::{EventSource, UsedKey, is_binary};
use self::gateway_response::{GatewayError, GatewayResponses};
use self::integration::Transfer;
use self::request::{ApiRequest, RequestIds};
use self::routes::Resource;
use self::usage_plan::ApiKey;
use super::function::InvokeError;
use super::invocation::Outcome;
use super::invoke_api::LARGEST_EVENT;

/// A REST API on this machine. Clones are the same API.
#[derive(Clone)]
pub struct RestApi {
    inner: Arc<Inner>,
}

struct Inner {
    region: String,
    stage: String,
    resources: Vec<Resource>,
    authorizer: Option<Authorizer>,
    /// By their values. When there are any, every method needs one that does not say otherwise.
    keys: HashMap<String, ApiKey>,
    responses: GatewayResponses,
    binary_media_types: Vec<String>,
}

impl RestApi {
    /// Begins the settings of an API.
    pub fn builder() -> RestApiBuilder {
        RestApiBuilder::new()
    }

    /// The address of the API's stage, without a slash at its end.
    #[must_use]
    pub fn url(&self, address: SocketAddr) -> String {
        format!("http://{address}/{}", self.inner.stage)
    }

    /// The API as a part of another server. Clients' addresses are known if that is made with
    /// [`Router::into_make_service_with_connect_info`] of [`SocketAddr`], and otherwise taken to be 127.0.0.1.
    pub fn router(&self) -> Router {
        Router::new().fallback(handle).with_state(self.clone())
    }

    /// Serves the API until this is dropped.
    ///
    /// # Errors
    /// When the listener fails for good.
    pub async fn serve(&self, listener: TcpListener) -> io::Result<()> {
        let service = self.router().into_make_service_with_connect_info::<SocketAddr>();
        // An answer's last piece must not wait until the client has acknowledged those before.
        let listener = listener.tap_io(|connection| {
            let _ = connection.set_nodelay(true);
        });
        axum::serve(listener, service).await
    }
}

async fn handle(State(RestApi { inner }): State<RestApi>, request: Request<Body>) -> Response<Body> {
    let ids = RequestIds::new();
    let result = inner.respond(request, ids.clone()).await;
    // What API Gateway answers by itself belongs to no trace.
    let trace = result.is_ok().then_some(("x-amzn-trace-id", ids.trace));
    let mut response = result.unwrap_or_else(|error| error.answer(&inner.responses, &ids.request_id));
    let own = [("x-amzn-requestid", ids.request_id), ("x-amz-apigw-id", ids.extended)];
    for (name, value) in own.into_iter().chain(trace) {
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    response
}

impl Inner {
    /// In the order in which API Gateway does it: the method, the authorizer, the API key, the integration.
    async fn respond(&self, request: Request<Body>, ids: RequestIds) -> Result<Response<Body>, GatewayError> {
        let source_ip = request
            .extensions()
            .get::<ConnectInfo<SocketAddr>>()
            .map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |ConnectInfo(address)| address.ip());
        let request = ApiRequest::read(request, &self.stage, source_ip, ids).await?;
        let (resource, path_parameters) =
            routes::find(&self.resources, &request.path).ok_or(GatewayError::NoSuchMethod)?;
        let integration = resource
            .integration(&request.method)
            .ok_or(GatewayError::NoSuchMethod)?;
        let source = EventSource {
            request: &request,
            resource,
            path_parameters: &path_parameters,
            region: &self.region,
            stage: &self.stage,
        };
        let (context, usage_identifier_key) = match &self.authorizer {
            Some(authorizer) => {
                let method_arn = source.method_arn();
                if method_arn.len() > LONGEST_METHOD_ARN {
                    return Err(GatewayError::ArnTooLong);
                }
                let authorization = request.header(AUTHORIZATION.as_str());
                let event = || source.authorizer_event();
                let authorized = authorizer
                    .authorize(authorization, source_ip, &method_arn, event)
                    .await?;
                (Some(authorized.context), authorized.usage_identifier_key)
            }
            None => (None, None),
        };
        let keyless = self.keys.is_empty() || !integration.needs_key;
        let key = match (usage_identifier_key.as_deref(), keyless) {
            (_, true) => None,
            (value, false) => {
                let (value, key) = value
                    .and_then(|value| self.keys.get_key_value(value))
                    .ok_or(GatewayError::InvalidApiKey)?;
                key.take(Instant::now())?;
                Some(UsedKey { value, id: &key.id })
            }
        };
        let event = source.proxy_event(context, key.as_ref(), &self.binary_media_types);
        // Lambda takes no more, streamed or not.
        if event.len() > LARGEST_EVENT {
            return Err(GatewayError::RequestTooLarge);
        }
        match integration.transfer {
            Transfer::Stream => stream::respond(integration, event).await,
            Transfer::Buffered => {
                let accept = request.header(ACCEPT.as_str()).unwrap_or_default();
                // The first that the client names decides.
                let first = accept.split(',').next().unwrap_or_default();
                let takes_binary = is_binary(first, &self.binary_media_types);
                respond_buffered(integration, event, takes_binary).await
            }
        }
    }
}

/// The longest ARN of a method that has an authorizer.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-output.html>
const LONGEST_METHOD_ARN: usize = 1600;

/// Invokes the function and answers once its answer is whole.
async fn respond_buffered(
    integration: &Integration,
    event: Bytes,
    takes_binary: bool,
) -> Result<Response<Body>, GatewayError> {
    let function = &integration.function;
    let name = function.name();
    let invocation = timeout(integration.timeout, function.invoke(event))
        .await
        .map_err(|_| GatewayError::IntegrationTimeout)?
        .map_err(|error| {
            warn!("{error}");
            match error {
                InvokeError::Throttled { .. } => GatewayError::IntegrationThrottled,
                InvokeError::ShutDown { .. } => GatewayError::Integration,
            }
        })?;
    let reply = match invocation.outcome {
        Outcome::Success(reply) => reply,
        Outcome::Failure(failure) => {
            warn!(integration = name, "the function did not answer: {failure}");
            return Err(GatewayError::Integration);
        }
    };
    let (head, body) = ProxyAnswer::buffered(&reply.body).map_err(|error| {
        warn!(integration = name, "the answer cannot be used: {error}");
        GatewayError::Integration
    })?;
    let body = body.into_bytes(takes_binary).map_err(|error| {
        warn!(
            integration = name,
            "the body is not base64, as isBase64Encoded says: {error}"
        );
        GatewayError::Base64
    })?;
    Ok(head.with(body.into()))
}
