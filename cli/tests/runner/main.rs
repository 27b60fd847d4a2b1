//! The runner, held against a real function: every way in which an invocation can end, by its name.

#![expect(
    clippy::expect_used,
    reason = "what a helper of a test does not expect fails the test"
)]

mod api;
mod events;
#[path = "../examples/mod.rs"]
mod examples;
mod lifecycle;
mod outcomes;

use std::time::Duration;

use fanlight_cli::runner::{CapturedLog, Failure, Function, FunctionBuilder, Invocation, LogSink, Outcome};
use serde_json::Value;

use examples::example;

/// The probe, with a log that the test can read. Its limits are far beyond what a busy machine needs.
fn probe() -> (FunctionBuilder, CapturedLog) {
    let (sink, log) = LogSink::captured();
    let builder = Function::builder("probe", example("probe"))
        .timeout(Duration::from_mins(1))
        .init_limit(Duration::from_mins(1))
        .log(sink);
    (builder, log)
}

/// One invocation of a probe that is started for it and gone afterwards, and the log.
async fn once(event: &str) -> (Invocation, String) {
    let (builder, log) = probe();
    let function = builder.build().expect("a function");
    let invocation = function.invoke(event.to_owned()).await.expect("an invocation");
    function.shutdown().await;
    (invocation, log.text())
}

fn failure(invocation: &Invocation) -> &Failure {
    match &invocation.outcome {
        Outcome::Failure(failure) => failure,
        Outcome::Success(reply) => panic!("a success: {reply:?}"),
    }
}

fn json(invocation: Invocation) -> Value {
    let body = invocation.outcome.into_result().expect("a success");
    serde_json::from_slice(&body).expect("JSON")
}

/// Whether the process runs. One that has ended and that nobody has reaped does not.
fn runs(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = status.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    state.is_some_and(|state| state != 'Z' && state != 'X')
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

/// The process that the probe has announced in a log.
fn announced_pid(log: &str) -> Option<u32> {
    log.lines().find_map(|line| line.rsplit_once("pid ")?.1.parse().ok())
}
