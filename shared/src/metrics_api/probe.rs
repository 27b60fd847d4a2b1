//! Whether the upstream honours `match[]` where it could as well ignore it, and answer with everybody's labels.
//!
//! Without its query a query is an error; `/labels` and `/label/../values` without their `match[]` are not. Prometheus
//! before 2.24 ignores it there, Thanos has, and whatever drops the body of a POST on the way does. So before such an
//! answer is passed on, the same is asked with a matcher that no series can have. Whoever honours `match[]` answers with
//! nothing.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{TryStreamExt as _, stream};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

use crate::envelope::{self, PassageError, RelayError, Relayed};
use crate::promql::Limits;
use crate::upstream::{Answer, UpstreamError};

use super::endpoint::Endpoint;
use super::event::Event;
use super::problem::{Kind, Problem};
use super::rebuild::{Asker, Rebuilt};
use super::time::{Millis, seconds};
use super::upstream_answer;
use super::{Failure, MetricsApi, said_with_success, unrelayed};

/// The label that no series has, with a value that nobody can know.
const LABEL: &str = "__fanlight_probe__";

/// The longest answer that can be one of nothing, in bytes: there may be warnings beside it.
const MOST: usize = 8 << 10;

/// How far back from now is always looked: what lies in a moment of the caller's choice may come to be between the probe
/// and his question. This much there is in every upstream that is worth protecting.
const RECENT: Duration = Duration::from_hours(1);

/// The most paths that are remembered.
const MOST_PATHS: usize = 1000;

/// The paths on which the upstream has been seen to honour `match[]`, for as long as the process lives. Each label's
/// values have their own: some stores have answered for some labels without a look at the matchers.
#[derive(Debug, Default)]
pub(super) struct Honoured(Mutex<HashSet<String>>);

impl Honoured {
    /// Whether an answer from there needs a probe first.
    pub(super) fn is_doubtful(&self, endpoint: &Endpoint, path: &str) -> bool {
        let could_ignore = matches!(endpoint, Endpoint::Labels | Endpoint::LabelValues(_));
        could_ignore && !self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(path)
    }

    /// After a probe's empty answer the same question without the probe's matcher was answered with something, so it was
    /// for the matcher that the first was empty. Two empty answers would show nothing: neither a label that nobody has
    /// nor a time without data tells who ignores what.
    pub(super) fn remember(&self, path: String) {
        let mut paths = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if paths.len() < MOST_PATHS {
            paths.insert(path);
        }
    }
}

#[derive(Deserialize)]
struct Success {
    data: Value,
}

impl MetricsApi {
    /// Asks what `rebuilt` does, of nothing. Unless the upstream answers with nothing, it may not be asked.
    pub(super) async fn probe(
        &self,
        event: &Event,
        asker: &Asker<'_>,
        rebuilt: &Rebuilt,
        deadline: Instant,
    ) -> Result<(), Failure> {
        let probe = probe(asker, rebuilt)?;
        let probed = async {
            let answer = self.ask(event, probe, deadline).await?;
            judge(answer, &rebuilt.path, asker.held.name).await
        };
        probed.await.map_err(|failure| Failure {
            reason: format!("asked with a matcher of nothing, as a probe: {}", failure.reason),
            ..failure
        })
    }
}

/// The same request for what the caller may see and nobody has.
fn probe(asker: &Asker<'_>, rebuilt: &Rebuilt) -> Result<Rebuilt, Failure> {
    let mut random = [0; 16];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| internal("there is no randomness".to_owned()))?;
    let mut selector = format!("{{{LABEL}=\"");
    for byte in random {
        // Writing to a `String` cannot fail.
        let _ = write!(selector, "{byte:02x}");
    }
    selector.push_str("\"}");
    // The plan's limits are on what callers write.
    let policy = asker.policy.clone().with_limits(Limits::default());
    let selector = policy
        .enforce_selector(&selector)
        .map_err(|error| internal(error.to_string()))?;
    let rest = rebuilt.form.iter().filter(|(name, _)| *name != "match[]");
    let mut form = vec![("match[]", selector)];
    form.extend(rest.map(|(name, value)| match *name {
        "start" if rebuilt.found.reach.is_none_or(|reach| reach < RECENT) => (*name, seconds(recent(asker.now))),
        _ => (*name, value.clone()),
    }));
    Ok(Rebuilt {
        form,
        ..rebuilt.clone()
    })
}

fn recent(now: Millis) -> Millis {
    now.saturating_sub(i64::try_from(RECENT.as_millis()).unwrap_or(i64::MAX))
}

/// Only a whole answer of nothing will do.
async fn judge(answer: Answer, path: &str, plan: &str) -> Result<(), Failure> {
    let gzip = answer.gzip;
    let body = answer.body.beginning(MOST + 1).await;
    let body = body.map_err(|error| unrelayed(&RelayError::Upstream(error), plan))?;
    if body.len() > MOST {
        return Err(ignored(path));
    }
    let failure = |error: RelayError<UpstreamError>| match error {
        RelayError::Passage(PassageError::TooLarge { .. }) => ignored(path),
        error => unrelayed(&error, plan),
    };
    let body = stream::iter([Ok(Bytes::from(body))]);
    let json = match envelope::relay(body, gzip, MOST as u64).await.map_err(failure)? {
        Relayed::Error(said) => return Err(said_with_success(&said)),
        Relayed::Success { body, .. } => body
            .map_ok(|bytes| bytes.to_vec())
            .try_concat()
            .await
            .map_err(failure)?,
    };
    let json = if gzip { envelope::gunzip(&json) } else { Some(json) };
    match json.and_then(|json| serde_json::from_slice(&json).ok()) {
        Some(Success {
            data: Value::Array(data),
        }) if data.is_empty() => Ok(()),
        Some(Success { data: Value::Array(_) }) => Err(ignored(path)),
        _ => Err(Failure {
            problem: upstream_answer::not_understood(),
            reason: "the answer's `data` is no array".to_owned(),
        }),
    }
}

fn ignored(path: &str) -> Failure {
    Failure {
        problem: Problem::new(
            Kind::Upstream,
            "the upstream cannot tell your labels from those of others, so it was not asked; tell whoever runs this API",
        ),
        reason: format!(
            "the upstream ignores `match[]` of {path} and answers with everybody's labels, so nothing of it is passed on; \
             it takes Prometheus 2.24 or later, or its equal, and nothing on the way that drops the body of a POST"
        ),
    }
}

fn internal(reason: String) -> Failure {
    Failure {
        problem: Problem::new(Kind::Internal, "the request could not be made safe; nothing was asked"),
        reason,
    }
}
