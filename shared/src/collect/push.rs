//! From families to the gateway: what is replaced, what stays, and in which request.

use secrecy::ExposeSecret;
use std::time::Duration;

use crate::assembly::{EncodedText, Outcome};
use crate::config::job::{OnError, PushgatewaySink, SinkAuth};
use crate::placeholders::{ResolveError, Resolver};
use crate::pushgateway::{Auth, Body, Pushgateway, SinkError};
use crate::sources::{Made, MetricFailure};

/// What is done with a job's group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plan {
    /// The group becomes exactly the families that were made: what vanished from the database vanishes.
    Put,
    /// The families that were made are replaced; all others stay as they stand.
    Post,
    /// The group stays as it is.
    Nothing,
}

/// What came of a metric, as far as the push goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Came {
    /// A family with series.
    Series,
    /// A family without any.
    Empty,
    /// Nothing, and what stands in the gateway is to stay (`on_empty: keep`).
    Kept,
    /// An error.
    Failed,
}

impl Came {
    fn of(outcome: &Result<Outcome, MetricFailure>) -> Self {
        match outcome {
            Ok(Outcome::Family(family)) if family.series > 0 => Self::Series,
            Ok(Outcome::Family(_)) => Self::Empty,
            Ok(Outcome::Keep) => Self::Kept,
            Err(_) => Self::Failed,
        }
    }
}

/// Decides by what came of the job's metrics.
fn plan(on_error: OnError, metrics: &[Came]) -> Plan {
    let failed = metrics.contains(&Came::Failed);
    let kept = metrics.contains(&Came::Kept);
    match (failed, on_error) {
        (true, OnError::Fail) => Plan::Nothing,
        (false, _) | (true, OnError::Drop) if !kept => Plan::Put,
        // A POST replaces families that it holds, and can hold no family without series: one that has become empty
        // keeps its old series until every metric of the job succeeds again.
        _ if metrics.contains(&Came::Series) => Plan::Post,
        _ => Plan::Nothing,
    }
}

/// The kind of failure of a family whose old series cannot be removed.
pub(super) const CANNOT_VANISH: &str = "kept";

/// Decides what is pushed of what was made. Families without series that a POST cannot hold are failed on the way:
/// their old series would stand, and nothing would tell.
pub(super) fn settle(on_error: OnError, made: &mut [Made<'_>]) -> Plan {
    let mut came: Vec<_> = made.iter().map(|(_, outcome)| Came::of(outcome)).collect();
    let untouched = on_error == OnError::Fail && came.contains(&Came::Failed);
    if !untouched && plan(on_error, &came) != Plan::Put {
        for ((_, outcome), came) in made.iter_mut().zip(&mut came) {
            if *came == Came::Empty {
                *came = Came::Failed;
                *outcome = Err(cannot_vanish());
            }
        }
    }
    plan(on_error, &came)
}

fn cannot_vanish() -> MetricFailure {
    let message = "it has no series any more, but the old ones stand until no other metric of the job keeps its own: \
                   the gateway can remove series only with the whole group";
    MetricFailure::new(CANNOT_VANISH, message)
}

/// The families that were made, one behind the other.
pub(super) fn body(made: Vec<Made<'_>>) -> Body {
    let mut members = Vec::new();
    for (_, outcome) in made {
        if let Ok(Outcome::Family(family)) = outcome
            && let EncodedText::Gzip(member) = family.text
        {
            members.extend_from_slice(&member);
        }
    }
    // Nothing at all is no gzip stream; as plain text it is an empty group.
    if members.is_empty() {
        Body::Plain(members.into())
    } else {
        Body::Gzip(members.into())
    }
}

/// Why there is no client for a sink.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// A placeholder has no value.
    #[error(transparent)]
    Placeholder(#[from] ResolveError),
    /// The sink's settings cannot be used.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// The secrets did not come in time.
    #[error("the secrets could not be fetched in the time that the job has")]
    TimedOut,
}

/// A client for a sink, its placeholders filled in.
pub(crate) async fn client(sink: &PushgatewaySink, resolver: &Resolver) -> Result<Pushgateway, ClientError> {
    let url = resolver.resolve_url(&sink.url).await?;
    let auth = match &sink.auth {
        SinkAuth::None => Auth::None,
        SinkAuth::Basic { username, password } => Auth::Basic {
            username: resolver.resolve(username).await?,
            password: resolver.resolve(password).await?,
        },
        SinkAuth::Bearer(token) => Auth::Bearer(resolver.resolve(token).await?),
    };
    Ok(Pushgateway::new(
        url.expose_secret(),
        auth,
        sink.ca_file.as_deref(),
        sink.timeout,
    )?)
}

/// The part of a run's time that is kept for its pushes: queries end before.
pub(super) fn reserve(timeout: Duration) -> Duration {
    (timeout / 5).min(Duration::from_secs(5))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Came::{Empty, Failed, Kept, Series};

    #[test]
    fn the_plan_follows_what_came_of_the_metrics() {
        for (metrics, keep, drop, fail) in [
            (&[Series, Series] as &[_], Plan::Put, Plan::Put, Plan::Put),
            (&[Series, Empty], Plan::Put, Plan::Put, Plan::Put),
            (&[Empty], Plan::Put, Plan::Put, Plan::Put),
            (&[Series, Kept], Plan::Post, Plan::Post, Plan::Post),
            (&[Kept], Plan::Nothing, Plan::Nothing, Plan::Nothing),
            (&[Series, Failed], Plan::Post, Plan::Put, Plan::Nothing),
            (&[Empty, Failed], Plan::Nothing, Plan::Put, Plan::Nothing),
            (&[Failed], Plan::Nothing, Plan::Put, Plan::Nothing),
            (&[Series, Kept, Failed], Plan::Post, Plan::Post, Plan::Nothing),
        ] {
            let plans = [OnError::Keep, OnError::Drop, OnError::Fail].map(|on_error| plan(on_error, metrics));
            assert_eq!(plans, [keep, drop, fail], "{metrics:?}");
        }
    }
}
