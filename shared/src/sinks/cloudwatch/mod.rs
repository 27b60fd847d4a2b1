//! A namespace of CloudWatch as a sink: each series one data point of the scheduled time, by `PutMetricData`.
//!
//! CloudWatch adds up data points of the same time: sent twice, a gauge keeps its average and doubles its sum. So a
//! request is repeated only when it was surely not taken, because it came too fast or never left; one that no answer says
//! anything of is told and let be. What CloudWatch cannot take is left out and counted.

mod datum;

use std::time::Duration;

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::types::MetricDatum;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::time::Instant;
use tracing::warn;

use super::{Delivery, Samples, Sent, SinkKind};
use crate::backoff::jittered;
use crate::cloudwatch::{Account, Refusal, Repeats, namespace_problem};
use crate::config::{DurationText, Entry, File, Scope};
use crate::sources::MetricFailure;
use datum::Batch;

pub(crate) use crate::cloudwatch::Clients;

const ACTION: &str = "cloudwatch:PutMetricData";
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// A namespace of CloudWatch.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "CloudWatchSinkSpec")]
pub(crate) struct SinkSpec {
    /// The namespace, such as `Fanlight/Shop`.
    #[schemars(required)]
    namespace: Option<Entry<String>>,
    /// The region, such as `eu-west-3`. Default: the function's own.
    region: Option<Entry<String>>,
    /// The ARN of a role to assume, as for another account, with placeholders.
    role: Option<Entry<String>>,
    /// The external identifier that the role asks for, with placeholders.
    external_id: Option<Entry<String>>,
    /// How fine CloudWatch keeps the data points: `1m` (default), or `1s`, for which alarms may look every 10 seconds.
    resolution: Option<Entry<DurationText>>,
}

/// A namespace of CloudWatch, in an account and region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sink {
    namespace: String,
    account: Account,
    /// In seconds: 1 or 60.
    resolution: i32,
}

impl SinkKind for Sink {
    type Spec = SinkSpec;
    type Clients = Clients;

    fn from_settings(scope: &mut Scope<'_>, file: &File, entry: &Entry<SinkSpec>) -> Option<Self> {
        let spec = entry.get()?;
        let account = Account::resolve(
            scope,
            file,
            spec.region.as_ref(),
            spec.role.as_ref(),
            spec.external_id.as_ref(),
        );
        let Some(namespace) = &spec.namespace else {
            scope.mistake(file, &entry.span, "a CloudWatch sink needs a `namespace`", |mistake| {
                mistake.help("add `namespace: Fanlight/Shop`")
            });
            return None;
        };
        let text = namespace.get()?;
        let own = text.starts_with("AWS/").then(|| {
            let message = "namespaces that begin with `AWS/` are AWS' own".to_owned();
            (message, "write one such as `Fanlight/Shop`")
        });
        if let Some((message, help)) = namespace_problem(text).or(own) {
            scope.mistake(file, &namespace.span, message, |mistake| mistake.help(help));
        }
        let resolution = match &spec.resolution {
            Some(entry) => resolution(scope, file, entry)?,
            None => 60,
        };
        Some(Self {
            namespace: text.clone(),
            account: account?,
            resolution,
        })
    }

    async fn send(&self, clients: &Clients, mut samples: Samples<'_>, delivery: &Delivery<'_>) -> Sent {
        let mut sent = Sent::default();
        let begun = tokio::time::timeout_at(delivery.deadline, self.client(clients, delivery)).await;
        let client = match begun {
            Ok(Ok(client)) => client,
            Ok(Err(failure)) => {
                sent.failure = Some(failure);
                return sent;
            }
            Err(_) => {
                let message = "the secrets could not be fetched in the time that the job has";
                sent.failure = Some(MetricFailure::new("placeholder", message));
                return sent;
            }
        };
        let mut batch = Batch::new(
            &self.namespace,
            delivery.group,
            delivery.scheduled_time,
            self.resolution,
        );
        loop {
            let datum = match samples.next() {
                Ok(Some(sample)) => match batch.datum(&sample) {
                    Ok(datum) => Some(datum),
                    Err(reason) => {
                        *sent.left_out.entry(reason).or_default() += 1;
                        continue;
                    }
                },
                Ok(None) => None,
                Err(error) => {
                    let message = format!("the series cannot be read back: {error}");
                    sent.failure.get_or_insert(MetricFailure::new("query", message));
                    None
                }
            };
            let last = datum.is_none();
            let full = match datum {
                Some((datum, bytes)) => batch.add(datum, bytes),
                None => batch.take(),
            };
            let more = match full {
                Some(data) => self.put(&client, data, delivery.deadline, &mut sent).await,
                None => true,
            };
            if last || !more {
                return sent;
            }
        }
    }
}

impl Sink {
    async fn client(&self, clients: &Clients, delivery: &Delivery<'_>) -> Result<Client, MetricFailure> {
        let account = self.account.reach(delivery.resolver).await;
        let account = account.map_err(|error| MetricFailure::new("placeholder", error.to_string()))?;
        let client = clients.client(&account, Repeats::No).await;
        if client.config().region().is_none() {
            let message = "no AWS region is known: set AWS_REGION, or give the sink a `region`";
            return Err(MetricFailure::new("connect", message));
        }
        Ok(client)
    }

    /// Sends one request; whether a further one may succeed.
    async fn put(&self, client: &Client, data: Vec<MetricDatum>, deadline: Instant, sent: &mut Sent) -> bool {
        let series = data.len() as u64;
        let request = client
            .put_metric_data()
            .namespace(&self.namespace)
            .set_metric_data(Some(data));
        let region = client.config().region().map(AsRef::as_ref);
        let mut pause = FIRST_PAUSE;
        loop {
            let Ok(answer) = tokio::time::timeout_at(deadline, request.clone().send()).await else {
                sent.unknown += series;
                let message = format!(
                    "CloudWatch did not answer in the time that the job has; whether it took {series} of the series is \
                     not known"
                );
                sent.failure.get_or_insert(MetricFailure::new("timeout", message));
                return false;
            };
            let refusal = match answer {
                Ok(_) => {
                    sent.series += series;
                    return true;
                }
                Err(error) => Refusal::of(ACTION, region, &error),
            };
            let not_taken = !refusal.may_have_been_taken;
            let wait = jittered(pause);
            if not_taken && matches!(refusal.kind, "throttled" | "connect") && Instant::now() + wait < deadline {
                warn!(error = %refusal, "trying again in {} ms", wait.as_millis());
                tokio::time::sleep(wait).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
                continue;
            }
            let message = if not_taken {
                format!("{refusal}; {series} of the series were not taken")
            } else {
                sent.unknown += series;
                format!(
                    "{refusal}; whether {series} of the series were taken is not known, and they are not sent again"
                )
            };
            sent.failure.get_or_insert(MetricFailure::new(refusal.kind, message));
            // What concerns one request may not concern the next.
            return matches!(refusal.kind, "query" | "status");
        }
    }
}

fn resolution(scope: &mut Scope<'_>, file: &File, entry: &Entry<DurationText>) -> Option<i32> {
    match entry.get()?.0.as_secs_f64() {
        1.0 => Some(1),
        60.0 => Some(60),
        _ => {
            scope.mistake(
                file,
                &entry.span,
                "CloudWatch's resolutions are `1s` and `1m`",
                |mistake| mistake.help("write `resolution: 1s`, or remove it"),
            );
            None
        }
    }
}
