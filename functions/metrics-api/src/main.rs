//! Lambda function: the Prometheus API that lets each customer query his own metrics.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use jiff::Timestamp;
use lambda_runtime::{Error, LambdaEvent, MetadataPrelude, StreamResponse, service_fn};
use shared::metrics_api::{Event, MetricsApi};
use shared::placeholders::Resolver;
use shared::upstream::Upstream;

#[global_allocator]
static ALLOCATOR: shared::allocator::Allocator = shared::allocator::Allocator;

/// What is left of the function's time for ending an answer in a way that its reader notices.
const MARGIN: Duration = Duration::from_millis(500);

/// The runtime writes an error in the midst of a stream into the body as text, so there is none.
type Body = BoxStream<'static, Result<Bytes, Infallible>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    shared::logging::init(shared::logging::Audience::Function)?;
    start()
        .await
        .inspect_err(|error| tracing::error!(%error, "the function cannot start"))
}

async fn start() -> Result<(), Error> {
    let loaded = shared::config::load(&shared::config::deployed_folder())?;
    // A mistake in a job is none of this function's business; one in `metrics_api` keeps it from serving anything.
    let settings = loaded.configuration.metrics_api()?.clone();
    let resolver = Resolver::of_process(loaded.configuration.providers.clone());
    let upstream = Upstream::new(settings.upstream.clone(), resolver);
    let api = MetricsApi::new(settings, upstream, &shared::config::deployed_dashboards());
    lambda_runtime::run(service_fn(async |event| answer(&api, event).await)).await
}

async fn answer(api: &MetricsApi, event: LambdaEvent<Event>) -> Result<StreamResponse<Body>, Error> {
    let deadline = shared::moment::deadline(event.context.deadline(), MARGIN);
    let response = api.answer(&event.payload, Timestamp::now(), deadline).await;
    Ok(StreamResponse {
        metadata_prelude: MetadataPrelude {
            status_code: response.status,
            headers: response.headers,
            cookies: Vec::new(),
        },
        stream: response.body.map(Ok).boxed(),
    })
}
