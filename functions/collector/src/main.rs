//! Lambda function: runs one configured job and pushes what it found; or tells which jobs have not run; or runs again those
//! whose groups vanished.

use std::time::Duration;

use jiff::Timestamp;
use lambda_runtime::{Diagnostic, Error, LambdaEvent, service_fn};
use serde_json::{Value, json};
use shared::collect::{Collector, Run, RunError, WatchError};
use shared::config::heal::DEFAULT_MIN_PERIOD;
use shared::event::{HealEvent, MalformedEvent, Request};
use shared::placeholders::Resolver;
use shared::tidy::heal::{self, Healing, NotHealed, Scope};

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
    match Request::parse(&event.payload)? {
        Request::Run(event) => Ok(ran(collector.run(&event, deadline).await?)),
        Request::Watch => {
            let watch = collector.watch(Timestamp::now(), deadline).await?;
            let overdue: Vec<_> = watch.overdue.iter().map(|overdue| &overdue.job).collect();
            Ok(json!({ "enabled": watch.enabled, "overdue": overdue }))
        }
        Request::Heal(request) => heal_jobs(collector, request, deadline).await,
    }
}

fn ran(run: Run) -> Value {
    match run {
        Run::Succeeded(report) => json!({ "job": report.job, "series": report.series() }),
        Run::Skipped(skipped) => json!({ "job": skipped.job, "skipped": skipped.reason }),
    }
}

async fn heal_jobs(
    collector: &Collector,
    request: HealEvent,
    deadline: tokio::time::Instant,
) -> Result<Value, Failure> {
    let configured = collector
        .configuration()
        .heal
        .as_ref()
        .map(|settings| settings.min_period);
    let scope = Scope {
        min_period: request.min_period.or(configured).unwrap_or(DEFAULT_MIN_PERIOD),
        jobs: request.jobs,
    };
    let healing = heal::heal(collector, &scope, deadline, |_| {}).await?;
    if !healing.succeeded() {
        return Err(NotHealed::from(&healing).into());
    }
    let Healing { runs, waiting, .. } = healing;
    let healed: Vec<Value> = runs.into_iter().filter_map(|(_, run)| run.ok()).map(ran).collect();
    let waiting: Vec<Value> = waiting
        .into_iter()
        .map(|(job, reason)| json!({ "job": job, "reason": reason }))
        .collect();
    Ok(json!({ "healed": healed, "waiting": waiting }))
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

impl From<NotHealed> for Failure {
    fn from(error: NotHealed) -> Self {
        Self(Diagnostic {
            error_type: "heal".to_owned(),
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
