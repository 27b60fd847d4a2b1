//! Lambda function: runs one configured job and pushes what it found, or tells which jobs have not run.

use std::time::Duration;

use jiff::Timestamp;
use lambda_runtime::{Diagnostic, Error, LambdaEvent, service_fn};
use serde_json::{Value, json};
use shared::collect::{Collector, Run, RunError, WatchError};
use shared::event::{MalformedEvent, Request};
use shared::placeholders::Resolver;

#[global_allocator]
static ALLOCATOR: shared::allocator::Allocator = shared::allocator::Allocator;

/// What is left of the function's time for its own answer.
const MARGIN: Duration = Duration::from_millis(500);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    shared::logging::init(shared::logging::Audience::Function)?;
    start()
        .await
        .inspect_err(|error| tracing::error!(%error, "the function cannot start"))
}

async fn start() -> Result<(), Error> {
    let loaded = shared::config::load(&shared::config::deployed_folder())?;
    if loaded.report.mistakes() > 0 {
        // The jobs without mistakes run; `fanlight check` would have stopped the deployment.
        tracing::warn!(mistakes = loaded.report.summary(), "the configuration has mistakes");
    }
    let providers = loaded.configuration.providers.clone();
    let collector = Collector::new(loaded.configuration, Resolver::of_process(providers));
    lambda_runtime::run(service_fn(async |event| handle(&collector, event).await)).await
}

async fn handle(collector: &Collector, event: LambdaEvent<Value>) -> Result<Value, Failure> {
    let deadline = shared::moment::deadline(event.context.deadline(), MARGIN);
    let event = match Request::parse(&event.payload)? {
        Request::Run(event) => event,
        Request::Watch => {
            let watch = collector.watch(Timestamp::now(), deadline).await?;
            let overdue: Vec<_> = watch.overdue.iter().map(|overdue| &overdue.job).collect();
            return Ok(json!({ "enabled": watch.enabled, "overdue": overdue }));
        }
    };
    Ok(match collector.run(&event, deadline).await? {
        Run::Succeeded(report) => json!({ "job": report.job, "series": report.series() }),
        Run::Skipped(skipped) => json!({ "job": skipped.job, "skipped": skipped.reason }),
    })
}

/// Why an invocation failed, as Lambda reports it.
#[derive(Debug)]
struct Failure(Diagnostic);

impl From<MalformedEvent> for Failure {
    fn from(error: MalformedEvent) -> Self {
        Self(Diagnostic {
            error_type: "malformed_event".to_owned(),
            error_message: error.to_string(),
        })
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        Self(Diagnostic {
            error_type: error.kind().to_owned(),
            error_message: error.to_string(),
        })
    }
}

impl From<WatchError> for Failure {
    fn from(error: WatchError) -> Self {
        Self(Diagnostic {
            error_type: "watchdog".to_owned(),
            error_message: error.to_string(),
        })
    }
}

impl From<Failure> for Diagnostic {
    fn from(Failure(diagnostic): Failure) -> Self {
        diagnostic
    }
}
