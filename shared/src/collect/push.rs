//! From families to the gateway: what is replaced, what stays, and in which request.

use secrecy::ExposeSecret;
use std::time::Duration;

use super::queries::Made;
use super::report::MetricFailure;
use crate::assembly::{EncodedText, Outcome};
use crate::config::job::{OnError, PushgatewaySink, SinkAuth};
use crate::placeholders::{ResolveError, Resolver};
use crate::pushgateway::{Auth, Body, Pushgateway, SinkError};

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

/// Decides by what came of the metrics.
pub(super) fn plan(on_error: OnError, made: &[Made<'_>]) -> Plan {
    let any = |is: fn(&Result<Outcome, MetricFailure>) -> bool| made.iter().any(|(_, outcome)| is(outcome));
    let failed = any(Result::is_err);
    let kept = any(|outcome| matches!(outcome, Ok(Outcome::Keep)));
    let has_series = any(|outcome| matches!(outcome, Ok(Outcome::Family(family)) if family.series > 0));
    match (failed, on_error) {
        (true, OnError::Fail) => Plan::Nothing,
        (false, _) | (true, OnError::Drop) if !kept => Plan::Put,
        // A POST replaces families that it holds, and can hold no family without series: one that has become empty
        // keeps its old series until every metric of the job succeeds again.
        _ if has_series => Plan::Post,
        _ => Plan::Nothing,
    }
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
pub(super) async fn client(sink: &PushgatewaySink, resolver: &Resolver) -> Result<Pushgateway, ClientError> {
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
    use crate::assembly::Family;
    use crate::config::job::Metric;

    fn family(series: usize) -> Result<Outcome, MetricFailure> {
        let text = EncodedText::Gzip(vec![]);
        Ok(Outcome::Family(Family {
            name: "m".into(),
            series,
            rows: 0,
            nulls: 0,
            without_organisation: 0,
            text,
        }))
    }

    fn failed() -> Result<Outcome, MetricFailure> {
        Err(MetricFailure {
            kind: "sql",
            message: "no".into(),
        })
    }

    #[test]
    fn the_plan_follows_what_came_of_the_metrics() {
        let metric = crate::config::job::Metric {
            name: "m".into(),
            kind: crate::config::job::MetricKind::Gauge,
            help: String::new(),
            static_labels: vec![],
            labels: vec![],
            values: crate::config::job::Values::Column("v".into()),
            null_value: crate::config::job::NullValue::Skip,
            null_label: String::new(),
            on_empty: crate::config::job::OnEmpty::Clear,
            duplicates: crate::config::job::Duplicates::Error,
            fill: vec![],
            max_series: 1,
            external: false,
        };
        let metric: &Metric = &metric;
        let all_three = [OnError::Keep, OnError::Drop, OnError::Fail];
        for (outcomes, expected) in [
            (&[family(1), family(2)] as &[_], [Plan::Put, Plan::Put, Plan::Put]),
            (&[family(0)], [Plan::Put, Plan::Put, Plan::Put]),
            (&[family(1), Ok(Outcome::Keep)], [Plan::Post, Plan::Post, Plan::Post]),
            (&[Ok(Outcome::Keep)], [Plan::Nothing, Plan::Nothing, Plan::Nothing]),
            (&[family(1), failed()], [Plan::Post, Plan::Put, Plan::Nothing]),
            (&[family(0), failed()], [Plan::Nothing, Plan::Put, Plan::Nothing]),
            (&[failed()], [Plan::Nothing, Plan::Put, Plan::Nothing]),
            (
                &[family(1), Ok(Outcome::Keep), failed()],
                [Plan::Post, Plan::Post, Plan::Nothing],
            ),
        ] {
            for (on_error, expected) in all_three.into_iter().zip(expected) {
                let made: Vec<_> = outcomes
                    .iter()
                    .map(|outcome| match outcome {
                        Ok(Outcome::Keep) => (metric, Ok(Outcome::Keep)),
                        Ok(Outcome::Family(made)) => (metric, family(made.series)),
                        Err(failure) => (metric, Err(failure.clone())),
                    })
                    .collect();
                assert_eq!(plan(on_error, &made), expected, "{on_error:?} {made:?}");
            }
        }
    }
}
