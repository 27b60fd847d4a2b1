//! AWS' SDK as it is set up here: its requests go by the HTTP client of everything else.
//!
//! The client that it brings would be a second HTTP stack in each function, with HTTP/2 that AWS' services do not need
//! and the image's roots, whose loading delays the first secret.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use reqwest::redirect::Policy;
use reqwest::{Body, Client, Request};

use crate::tls::http_client_builder;

/// A connection that has lain idle for longer was probably cut while the function was frozen.
const LONGEST_IDLE: Duration = Duration::from_mins(1);

/// What the environment says: region, endpoints, and where credentials come from, as with every SDK of AWS.
pub(crate) async fn environment() -> SdkConfig {
    aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(SharedHttpClient::new(Clients::default()))
        .load()
        .await
}

/// The same settings, by our client.
pub(crate) fn by_our_client(config: SdkConfig) -> SdkConfig {
    config
        .into_builder()
        .http_client(SharedHttpClient::new(Clients::default()))
        .build()
}

/// To connect within, and to read the next bytes within.
type Limits = (Option<Duration>, Option<Duration>);

/// One client for each pair of limits, of which the SDK has few.
#[derive(Debug, Default)]
struct Clients(Mutex<HashMap<Limits, SharedHttpConnector>>);

impl HttpClient for Clients {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        let limits = (settings.connect_timeout(), settings.read_timeout());
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let connector = clients
            .entry(limits)
            .or_insert_with(|| SharedHttpConnector::new(Connector::new(limits)));
        connector.clone()
    }
}

/// A client, or why there is none.
#[derive(Debug)]
struct Connector(Result<Client, String>);

impl Connector {
    fn new((connect, read): Limits) -> Self {
        let built = http_client_builder(None).map_err(|error| error.to_string());
        Self(built.and_then(|builder| {
            // The SDK repeats requests by itself, and none of AWS' services sends clients elsewhere.
            let mut builder = builder
                .http1_only()
                .redirect(Policy::none())
                .retry(reqwest::retry::never())
                .pool_idle_timeout(LONGEST_IDLE);
            if let Some(limit) = connect {
                builder = builder.connect_timeout(limit);
            }
            if let Some(limit) = read {
                builder = builder.read_timeout(limit);
            }
            builder.build().map_err(|error| error.to_string())
        }))
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        match &self.0 {
            Ok(client) => HttpConnectorFuture::new(answer(client.clone(), request)),
            Err(problem) => HttpConnectorFuture::ready(Err(ConnectorError::user(problem.clone().into()))),
        }
    }
}

async fn answer(client: Client, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
    let request = request
        .try_into_http1x()
        .map_err(|error| ConnectorError::user(error.into()))?;
    let request = Request::try_from(request.map(Body::wrap)).map_err(explain)?;
    let response: http::Response<Body> = client.execute(request).await.map_err(explain)?.into();
    HttpResponse::try_from(response.map(SdkBody::from_body_1_x))
        .map_err(|error| ConnectorError::other(error.into(), None))
}

/// In the SDK's terms, by which it decides whether to try again. The URL is of no use: the SDK knows whom it asks.
fn explain(error: reqwest::Error) -> ConnectorError {
    let error = error.without_url();
    if error.is_builder() {
        ConnectorError::user(error.into())
    } else if error.is_timeout() {
        ConnectorError::timeout(error.into())
    } else if error.is_connect() {
        ConnectorError::io(error.into()).never_connected()
    } else {
        ConnectorError::io(error.into())
    }
}

/// Whether a request surely never left, because there was no connection.
pub(crate) fn never_connected(error: &(dyn Error + 'static)) -> bool {
    std::iter::successors(Some(error), |cause: &&(dyn Error + 'static)| (*cause).source())
        .filter_map(|cause| cause.downcast_ref::<reqwest::Error>())
        .any(reqwest::Error::is_connect)
}

/// What caused an error, in one line: its own text is but a kind.
pub(crate) fn causes(error: &(dyn Error + 'static)) -> String {
    let causes: Vec<_> = std::iter::successors(error.source(), |cause: &&(dyn Error + 'static)| (*cause).source())
        .map(ToString::to_string)
        .collect();
    if causes.is_empty() {
        error.to_string()
    } else {
        causes.join(": ")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::Router;
    use axum::http::StatusCode;
    use axum::response::IntoResponse as _;
    use axum::routing::{any, post};
    use tokio::net::TcpListener;

    use super::*;

    async fn serve(router: Router) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("http://{address}")
    }

    async fn ask(url: &str, limits: Limits) -> Result<HttpResponse, ConnectorError> {
        let request = http::Request::post(url)
            .header("x-amz-target", "secretsmanager.GetSecretValue")
            .body(SdkBody::from("asked"))
            .unwrap();
        Connector::new(limits)
            .call(HttpRequest::try_from(request).unwrap())
            .await
    }

    #[tokio::test]
    async fn method_headers_and_bodies_go_both_ways() {
        let url = serve(Router::new().route(
            "/there",
            post(async |headers: http::HeaderMap, body: String| {
                let target = headers["x-amz-target"].to_str().unwrap().to_owned();
                (StatusCode::IM_A_TEAPOT, [("x-amzn-requestid", "7")], target + &body)
            }),
        ))
        .await;
        let answer = ask(&format!("{url}/there"), (None, None)).await.unwrap();
        assert_eq!(answer.status().as_u16(), 418);
        assert_eq!(answer.headers().get("x-amzn-requestid"), Some("7"));
        let body = http::Response::new(Body::wrap(answer.into_body()));
        let body = reqwest::Response::from(body).text().await.unwrap();
        assert_eq!(body, "secretsmanager.GetSecretValueasked");
    }

    #[tokio::test]
    async fn nobody_is_led_elsewhere() {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let url = serve(Router::new().fallback(any(move || {
            count.fetch_add(1, Ordering::SeqCst);
            async { (StatusCode::TEMPORARY_REDIRECT, [("location", "/elsewhere")]).into_response() }
        })))
        .await;
        let answer = ask(&url, (None, None)).await.unwrap();
        assert_eq!((answer.status().as_u16(), asked.load(Ordering::SeqCst)), (307, 1));
    }

    #[tokio::test]
    async fn failures_are_of_the_kinds_that_the_sdk_knows_and_name_no_url() {
        let closed = {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            listener.local_addr().unwrap()
        };
        let hanging = serve(Router::new().fallback(any(async || std::future::pending::<()>().await))).await;
        let soon = Some(Duration::from_millis(100));
        let refused = ask(&format!("http://{closed}/secret"), (soon, None)).await.unwrap_err();
        assert!(refused.is_io() && !refused.is_timeout(), "{refused:?}");
        assert!(never_connected(&refused));
        let late = ask(&format!("{hanging}/secret"), (None, soon)).await.unwrap_err();
        assert!(late.is_timeout() && !never_connected(&late), "{late:?}");
        let strange = ask("gopher://somewhere/secret", (None, None)).await.unwrap_err();
        assert!(strange.is_user(), "{strange:?}");
        for error in [refused, late, strange] {
            assert!(!format!("{error:?}").contains("/secret"), "{error:?}");
        }
    }
}
