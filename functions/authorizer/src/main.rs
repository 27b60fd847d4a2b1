//! Lambda authorizer: who calls the Metrics API, and whose metrics he may read.

use jiff::Timestamp;
use lambda_runtime::{Diagnostic, Error, LambdaEvent, service_fn};
use serde_json::Value;
use shared::authorization::{Authenticator, MalformedRequest, NotAuthenticated, Request};
use shared::placeholders::Resolver;

#[global_allocator]
static ALLOCATOR: shared::allocator::Allocator = shared::allocator::Allocator;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    shared::logging::init(shared::logging::Audience::Authorizer)?;
    start()
        .await
        .inspect_err(|error| tracing::error!(%error, "the authorizer cannot start, and lets nobody in"))
}

async fn start() -> Result<(), Error> {
    let configuration = shared::config::load(&shared::config::deployed_folder())?.configuration;
    let metrics_api = configuration.metrics_api()?.clone();
    let resolver = Resolver::of_process(configuration.providers);
    let authenticator = Authenticator::new(metrics_api, resolver)?;
    lambda_runtime::run(service_fn(async |event| handle(&authenticator, &event).await)).await
}

async fn handle(authenticator: &Authenticator, event: &LambdaEvent<Value>) -> Result<Value, Failure> {
    let request = Request::parse(&event.payload)?;
    let admitted = authenticator.authenticate(&request, Timestamp::now()).await?;
    Ok(request.allow(&admitted))
}

/// Why nobody is let in, as API Gateway understands it: the message `Unauthorized` makes it answer with 401, any other
/// with 500.
#[derive(Debug)]
struct Failure(Diagnostic);

impl From<MalformedRequest> for Failure {
    fn from(error: MalformedRequest) -> Self {
        tracing::error!(%error, "the authorizer is not called as it should be");
        Self(Diagnostic {
            error_type: "malformed_event".to_owned(),
            error_message: error.to_string(),
        })
    }
}

impl From<NotAuthenticated> for Failure {
    fn from(error: NotAuthenticated) -> Self {
        let error_type = match &error {
            NotAuthenticated::Denied(_) => "denied",
            NotAuthenticated::Unavailable(error) => error.kind(),
        };
        Self(Diagnostic {
            error_type: error_type.to_owned(),
            error_message: error.to_string(),
        })
    }
}

impl From<Failure> for Diagnostic {
    fn from(Failure(diagnostic): Failure) -> Self {
        diagnostic
    }
}
