//! The answer of a streamed integration: its prelude, then its body as it comes.

use std::time::Duration;

use axum::body::Body;
use axum::http::Response;
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use tokio::task::yield_now;
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use super::answer::{Head, MalformedAnswer, ProxyAnswer};
use super::gateway_response::GatewayError;
use super::integration::Integration;
use crate::runner::{BrokenStream, InvokeError, StreamedInvocation, Streaming};

const CONTENT_TYPE: &str = "application/vnd.awslambda.http-integration-response";
const DELIMITER: [u8; 8] = [0; 8];
/// Within which the prelude and its delimiter must stand.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/response-transfer-mode-lambda.html>
const LONGEST_PRELUDE: usize = 16 * 1024;
/// After which a stream without a byte is cut, at a regional endpoint.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/response-transfer-mode.html>
const IDLE_TIMEOUT: Duration = Duration::from_mins(5);

/// Why a stream has no head.
enum NoHead {
    NotInvoked(InvokeError),
    Broken(String),
    Malformed(MalformedAnswer),
}

/// Why a stream is cut.
#[derive(Debug, thiserror::Error)]
enum Cut {
    #[error("the function broke off: {0}")]
    Broken(#[from] BrokenStream),
    #[error("the integration's time-out has passed")]
    TimedOut,
    #[error("no byte came for 5 minutes")]
    Idle,
}

/// Invokes the function and answers as soon as it has said how. The body ends in an error where the function's does not
/// end well, which makes the server close the connection without the last chunk.
pub(super) async fn respond(integration: &Integration, event: Bytes) -> Result<Response<Body>, GatewayError> {
    let function = &integration.function;
    let deadline = Instant::now() + integration.timeout;
    let begun = timeout_at(deadline, async {
        match function.invoke_streaming(event).await {
            Ok(Streaming::Begun(invocation)) => read_head(invocation).await,
            Ok(Streaming::Failed(invocation)) => Err(NoHead::Broken(match invocation.outcome.into_result() {
                Ok(_) => "it ended without an answer".into(),
                Err(failure) => failure.to_string(),
            })),
            Err(error) => Err(NoHead::NotInvoked(error)),
        }
    });
    let name = function.name();
    match begun.await {
        Ok(Ok((head, rest, invocation))) => Ok(head.with(body(rest, invocation, deadline))),
        Ok(Err(NoHead::NotInvoked(error @ InvokeError::Throttled { .. }))) => {
            warn!("{error}");
            Err(GatewayError::IntegrationThrottled)
        }
        Ok(Err(NoHead::NotInvoked(error))) => {
            warn!("{error}");
            Err(GatewayError::Integration)
        }
        Ok(Err(NoHead::Broken(why))) => {
            warn!(integration = name, "the function did not answer: {why}");
            Err(GatewayError::Integration)
        }
        Ok(Err(NoHead::Malformed(error))) => {
            warn!(integration = name, "the answer cannot be used: {error}");
            Err(GatewayError::Integration)
        }
        Err(_) => Err(GatewayError::IntegrationTimeout),
    }
}

/// Reads up to the delimiter: the head, what had come of the body with it, and the rest of the stream.
async fn read_head(mut invocation: StreamedInvocation) -> Result<(Head, Bytes, StreamedInvocation), NoHead> {
    let head = &invocation.head;
    if !head.streamed || head.content_type.as_deref() != Some(CONTENT_TYPE) {
        return Err(NoHead::Malformed(MalformedAnswer::NotStreamed));
    }
    let mut read = BytesMut::new();
    loop {
        match invocation.next().await {
            Some(Ok(bytes)) => read.extend_from_slice(&bytes),
            Some(Err(error)) => return Err(NoHead::Broken(error.to_string())),
            None => return Err(NoHead::Malformed(MalformedAnswer::NoDelimiter)),
        }
        let within = &read[..read.len().min(LONGEST_PRELUDE)];
        let found = within.windows(DELIMITER.len()).position(|window| window == DELIMITER);
        if let Some(at) = found {
            let prelude = read.split_to(at);
            let rest = read.split_off(DELIMITER.len()).freeze();
            let head = ProxyAnswer::prelude(&prelude).map_err(NoHead::Malformed)?;
            return Ok((head, rest, invocation));
        }
        if read.len() >= LONGEST_PRELUDE {
            return Err(NoHead::Malformed(MalformedAnswer::NoDelimiter));
        }
    }
}

/// The rest of the answer. The function waits while the client does not read; when the client leaves, the invocation is
/// dropped and runs on.
fn body(rest: Bytes, invocation: StreamedInvocation, deadline: Instant) -> Body {
    let state = (Some(rest).filter(|rest| !rest.is_empty()), invocation);
    Body::from_stream(stream::try_unfold(state, move |(rest, mut invocation)| async move {
        if let Some(rest) = rest {
            return Ok(Some((rest, (None, invocation))));
        }
        let idle = Instant::now() + IDLE_TIMEOUT;
        let cut = match timeout_at(deadline.min(idle), invocation.next()).await {
            Ok(Some(Ok(bytes))) => return Ok(Some((bytes, (None, invocation)))),
            Ok(None) => return Ok(None),
            Ok(Some(Err(error))) => Cut::Broken(error),
            Err(_) if deadline <= idle => Cut::TimedOut,
            Err(_) => Cut::Idle,
        };
        warn!(request = invocation.request_id, "the answer is cut off: {cut}");
        // The server writes out what it has whenever it has to wait, and throws it away at an error.
        yield_now().await;
        Err(cut)
    }))
}
