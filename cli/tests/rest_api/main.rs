//! The REST API in front of the probe: what it sends, whom it lets pass, and what becomes of each answer, by its name.

#![expect(
    clippy::expect_used,
    reason = "what a helper of a test does not expect fails the test"
)]

mod answers;
mod authorizers;
mod client;
mod events;
#[path = "../examples/mod.rs"]
mod examples;
mod streams;

use std::net::SocketAddr;
use std::time::Duration;

use fanlight_cli::runner::api_gateway::{Authorizer, Integration, RestApi, RestApiBuilder};
use fanlight_cli::runner::{CapturedLog, Function, LogSink};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use client::Answer;
use examples::example;

/// The probe under a name. Its limits are far beyond what a busy machine needs.
fn probe(name: &str) -> (Function, CapturedLog) {
    let (sink, log) = LogSink::captured();
    let function = Function::builder(name, example("api_probe"))
        .timeout(Duration::from_mins(2))
        .init_limit(Duration::from_mins(1))
        .log(sink)
        .build()
        .expect("a function");
    (function, log)
}

/// An API that is served until the test ends.
struct Served {
    address: SocketAddr,
    log: CapturedLog,
    function: Function,
    server: JoinHandle<()>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Served {
    async fn serve(builder: RestApiBuilder, function: Function, log: CapturedLog) -> Self {
        let api = builder.build().expect("an API");
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        assert_eq!(api.url(address), format!("http://{address}/prod"));
        let server = tokio::spawn(async move {
            api.serve(listener).await.expect("a server");
        });
        Self {
            address,
            log,
            function,
            server,
        }
    }

    /// `ANY /{proxy+}` to the probe, streamed, without an authorizer.
    async fn open() -> Self {
        let (function, log) = probe("integration");
        let builder = RestApi::builder().any("/{proxy+}", Integration::streamed(function.clone()));
        Self::serve(builder, function, log).await
    }

    /// The same, gathered.
    async fn buffered() -> Self {
        let (function, log) = probe("integration");
        let builder = RestApi::builder().any("/{proxy+}", Integration::buffered(function.clone()));
        Self::serve(builder, function, log).await
    }

    /// With the probe as an authorizer too; the log is the authorizer's.
    async fn guarded(settings: impl FnOnce(RestApiBuilder, Authorizer) -> RestApiBuilder) -> Self {
        let (function, _) = probe("integration");
        let (authorizer, log) = probe("authorizer");
        let builder = RestApi::builder().any("/{proxy+}", Integration::streamed(function.clone()));
        Self::serve(settings(builder, Authorizer::new(authorizer)), function, log).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.get_with(path, "").await
    }

    async fn get_with(&self, path: &str, headers: &str) -> Answer {
        client::exchange(self.address, "GET", path, headers, b"").await
    }
}

/// The answer's body as JSON.
fn json(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).expect("JSON")
}

/// Waits until the condition holds. The bound only ends a test that would never end.
#[track_caller]
fn until(condition: impl Fn() -> bool) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        let holds = async {
            while !condition() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let in_time = tokio::time::timeout(Duration::from_mins(1), holds).await;
        assert!(in_time.is_ok(), "never came true: {caller}");
    }
}
