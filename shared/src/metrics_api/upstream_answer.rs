//! What the upstream answers: the body of a success, until the time is up, or what a caller may know of a failure.

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use tokio::time::{Instant, timeout_at};

use crate::envelope::{self, MOST_OF_AN_ERROR, PassageError, RelayError, UpstreamSaid, safe};
use crate::upstream::{Answer, UpstreamError};

use super::federate::too_large;
use super::problem::{Kind, Problem};
use super::record::BrokenOff;

/// A body that ends with the time of the request.
pub(super) type BodyStream = BoxStream<'static, Result<Bytes, BodyError>>;

/// Why a body does not come to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    #[error("the time for the answer is up")]
    Time,
}

impl BodyError {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Upstream(error) => kind(error),
            Self::Time => Kind::Timeout,
        }
    }

    /// What a caller is told, without where the upstream is and what it said.
    pub(super) fn problem(&self) -> Problem {
        match self {
            Self::Upstream(error) => unanswered(error),
            Self::Time => Problem::new(Kind::Timeout, TIME_IS_UP),
        }
    }
}

const TIME_IS_UP: &str = "the upstream did not answer in time; ask for less";

fn kind(error: &UpstreamError) -> Kind {
    if error.is_timeout() { Kind::Timeout } else { Kind::Upstream }
}

/// What a caller is told when the upstream did not answer.
pub(super) fn unanswered(error: &UpstreamError) -> Problem {
    match kind(error) {
        Kind::Timeout => Problem::new(Kind::Timeout, TIME_IS_UP),
        kind => Problem::new(kind, "the upstream cannot be reached; try again later"),
    }
}

/// The body until `deadline`, after which it is an error.
pub(super) fn until(
    body: BoxStream<'static, Result<Bytes, UpstreamError>>,
    deadline: Instant,
) -> BodyStream {
    stream::unfold(Some(body), move |body| async move {
        let mut body = body?;
        match timeout_at(deadline, body.next()).await {
            Ok(Some(Ok(bytes))) => Some((Ok(bytes), Some(body))),
            Ok(Some(Err(error))) => Some((Err(error.into()), None)),
            Ok(None) => None,
            Err(_) => Some((Err(BodyError::Time), None)),
        }
    })
    .boxed()
}

/// What is said of an answer that is no success, to the caller and, in the upstream's own words, to the operator.
pub(super) async fn failed(answer: Answer, deadline: Instant) -> (Problem, String) {
    let Answer {
        status,
        retry_after,
        gzip,
        body,
        ..
    } = answer;
    let status = status.as_u16();
    let mut body = until(body, deadline);
    let mut read = Vec::new();
    while let Some(Ok(chunk)) = body.next().await {
        read.extend_from_slice(&chunk);
        if read.len() > MOST_OF_AN_ERROR {
            break;
        }
    }
    let said = envelope::error_body(&read, gzip);
    let reason = match &said {
        Some(said) => format!("the upstream answered {status}: {}: {}", said.error_type, said.error),
        None => format!("the upstream answered {status}, and not in Prometheus' form"),
    };
    let problem = match (status, said) {
        (429, _) => Problem::new(Kind::RateLimited, "too many requests; try again later"),
        // Whatever is wrong with our credentials is no fault of the caller's.
        (401 | 403, _) => Problem::new(Kind::Upstream, "the upstream does not let us ask; tell whoever runs this API"),
        (400..=599, Some(said)) => refused(&said),
        (503, None) => Problem::new(Kind::UpstreamUnavailable, "the upstream cannot answer now; try again later"),
        (504, None) => Problem::new(Kind::Timeout, TIME_IS_UP),
        (404 | 405 | 501, None) => Problem::new(Kind::Upstream, "the upstream does not serve this"),
        _ => Problem::new(Kind::Upstream, "the upstream failed; try again later"),
    };
    let retry_after = retry_after.filter(|_| matches!(problem.status(), 429 | 503));
    let problem = Problem { retry_after, ..problem };
    (problem, reason)
}

/// An error of the upstream's engine, as far as it may be passed on.
pub(super) fn refused(said: &UpstreamSaid) -> Problem {
    let safe = safe::error(said);
    let (kind, status) = match safe.error_type {
        "bad_data" => (Kind::UpstreamRefused, 400),
        "not_found" => (Kind::UpstreamRefused, 404),
        "not_acceptable" => (Kind::UpstreamRefused, 406),
        "timeout" => (Kind::Timeout, 503),
        "canceled" | "unavailable" => (Kind::UpstreamUnavailable, 503),
        "internal" => (Kind::Upstream, 502),
        _ => (Kind::UpstreamRefused, 422),
    };
    Problem {
        own: Some((status, safe.error_type)),
        ..Problem::new(kind, safe.error)
    }
}

/// What a caller is told of an answer that cannot be passed on.
pub(super) fn unrelayed(error: &RelayError<BodyError>, plan: &str) -> Problem {
    match error {
        RelayError::Upstream(error) => error.problem(),
        RelayError::Passage(PassageError::TooLarge { limit }) => too_large(*limit, plan),
        RelayError::Passage(PassageError::Broken(_)) | RelayError::Gunzip(_) => {
            Problem::new(Kind::Upstream, "the upstream's answer cannot be understood")
        }
    }
}

/// The end of an answer that was being passed on: its JSON and its compression stay incomplete.
pub(super) fn broken_off(error: &RelayError<BodyError>, plan: &str) -> BrokenOff {
    BrokenOff {
        kind: unrelayed(error, plan).kind,
        reason: error.to_string(),
        last: Bytes::new(),
    }
}
