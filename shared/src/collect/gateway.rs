//! A job's gateway during one run: whether the delivery is late, the push of what was made, and of what the run tells of
//! itself.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;
use tracing::{info, warn};

use super::push::{self, ClientError, Plan};
use super::report::{Push, RunReport};
use super::{RunError, self_metrics};
use crate::config::job::{Job, PushgatewaySink, Sink, SinkAuth};
use crate::placeholders::{Resolver, Template};
use crate::pushgateway::{Body, GatewayError, GroupingKey, Pushgateway, time};
use crate::sinks::Earlier;

/// How far a clock may be ahead of another.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// Whether a time lies in the future, whoever's clock it was read from.
pub(crate) fn is_future(time: Timestamp) -> bool {
    time.duration_since(Timestamp::now()) > CLOCK_TOLERANCE
}

/// By the labels of a group, those that are not empty.
pub(super) type LastRuns = BTreeMap<BTreeMap<String, String>, Timestamp>;

pub(super) struct JobGateway<'a> {
    job: &'a Job,
    sink: &'a PushgatewaySink,
    resolver: &'a Resolver,
    client: Pushgateway,
}

impl<'a> JobGateway<'a> {
    pub(super) async fn new(job: &'a Job, resolver: &'a Resolver, deadline: Instant) -> Result<Self, RunError> {
        let Sink::Pushgateway(sink) = &job.sink;
        let client = match tokio::time::timeout_at(deadline, push::client(sink, resolver)).await {
            Ok(client) => client,
            Err(_) => Err(ClientError::TimedOut),
        };
        match client {
            Ok(client) => Ok(Self {
                job,
                sink,
                resolver,
                client,
            }),
            Err(error) => Err(RunError::Sink {
                job: job.name.clone(),
                sink: sink.name.clone(),
                error: Box::new(error),
            }),
        }
    }

    /// Why a delivery is to change nothing: the group already holds the series of a later time, or those of the same
    /// time from a run that succeeded. Lambda delivers asynchronous events at least once, and retries them for hours.
    pub(super) async fn late_or_doubled(&self, scheduled_time: Timestamp, deadline: Instant) -> Option<String> {
        let held = self.held(deadline).await?;
        // A run that failed may be tried again for the same time; one that succeeded need not.
        if scheduled_time == held && self.stored(self_metrics::UP, deadline).await.ok()? > Some(0.0) {
            return Some(already_held("doubled", scheduled_time, held));
        }
        (scheduled_time < held).then(|| already_held("late", scheduled_time, held))
    }

    /// Why a run is to push nothing: a newer one has overtaken it.
    pub(super) async fn overtaken(&self, scheduled_time: Timestamp, deadline: Instant) -> Option<String> {
        let held = self.held(deadline).await?;
        (scheduled_time < held).then(|| already_held("late", scheduled_time, held))
    }

    /// The scheduled time of the newest run whose series the group holds, if it is known.
    async fn held(&self, deadline: Instant) -> Option<Timestamp> {
        match self.stored(self_metrics::SCHEDULED, deadline).await {
            Ok(held) => time(held?).filter(|held| {
                let future = is_future(*held);
                if future {
                    warn!(%held, "the gateway holds the series of a time that has not come; running");
                }
                !future
            }),
            Err(error) => {
                warn!(%error, "cannot tell whether this delivery is late; running");
                None
            }
        }
    }

    /// When each job last ran, by the labels of its group of self-metrics; when the credentials are refused, asked once
    /// more with secrets fetched anew.
    pub(super) async fn last_runs(&mut self, deadline: Instant) -> Result<LastRuns, GatewayError> {
        let mut stored = self.client.stored_gauges(self_metrics::LAST_RUN, deadline).await;
        if stored.as_ref().is_err_and(GatewayError::is_login_failure) && self.log_in_anew(deadline).await {
            stored = self.client.stored_gauges(self_metrics::LAST_RUN, deadline).await;
        }
        let runs = stored?.into_iter();
        Ok(runs.filter_map(|(labels, ran)| Some((labels, time(ran)?))).collect())
    }

    async fn stored(&self, gauge: &str, deadline: Instant) -> Result<Option<f64>, GatewayError> {
        self.stored_with(gauge, &[], deadline).await
    }

    /// What earlier runs have told of one of the job's further sinks; nothing, where the gateway does not say.
    pub(super) async fn earlier(&self, sink: &str, deadline: Instant) -> Earlier {
        let labels = [(self_metrics::SINK_LABEL.to_owned(), sink.to_owned())];
        let newest = match self.stored_with(self_metrics::SINK_SCHEDULED, &labels, deadline).await {
            Ok(newest) => newest.and_then(time).filter(|newest| !is_future(*newest)),
            Err(error) => {
                warn!(sink, %error, "cannot tell whether the sink has had the series; sending them");
                None
            }
        };
        let up = match newest {
            Some(_) => self.stored_with(self_metrics::SINK_UP, &labels, deadline).await,
            None => Ok(None),
        };
        Earlier {
            newest,
            succeeded: up.is_ok_and(|up| up > Some(0.0)),
        }
    }

    /// The labels of the job's group.
    pub(super) fn group(&self) -> GroupingKey {
        GroupingKey::new(&self.job.name, &self.sink.grouping)
    }

    async fn stored_with(
        &self,
        gauge: &str,
        labels: &[(String, String)],
        deadline: Instant,
    ) -> Result<Option<f64>, GatewayError> {
        let group = self_metrics::group(&self.job.name, &self.sink.grouping);
        // A gateway that does not answer must leave the queries their time.
        let now = Instant::now();
        let patience = now + push::reserve(deadline.saturating_duration_since(now));
        self.client.stored_gauge(gauge, &group, labels, patience).await
    }

    /// Pushes what was made, as it was decided; when the credentials are refused, once more with secrets
    /// fetched anew, for they may have been rotated.
    pub(super) async fn push(&mut self, plan: Plan, body: Body, deadline: Instant) -> Push {
        let mut outcome = self.send(plan, body.clone(), deadline).await;
        if outcome.as_ref().is_err_and(GatewayError::is_login_failure) && self.log_in_anew(deadline).await {
            outcome = self.send(plan, body, deadline).await;
        }
        outcome.unwrap_or_else(Push::Failed)
    }

    async fn send(&self, plan: Plan, body: Body, deadline: Instant) -> Result<Push, GatewayError> {
        let group = self.group();
        match plan {
            Plan::Put => self.client.put(&group, body, deadline).await.map(|()| Push::Replaced),
            Plan::Post => self.client.post(&group, body, deadline).await.map(|()| Push::Updated),
            Plan::Nothing => Ok(Push::Untouched),
        }
    }

    /// Makes the client again with secrets fetched anew; whether there are any.
    async fn log_in_anew(&mut self, deadline: Instant) -> bool {
        let templates: Vec<&Template> = match &self.sink.auth {
            SinkAuth::None => return false,
            SinkAuth::Basic { username, password } => vec![username, password],
            SinkAuth::Bearer(token) => vec![token],
        };
        let anew = async {
            let refreshed = self.resolver.refresh(templates).await.unwrap_or(false);
            if refreshed {
                push::client(self.sink, self.resolver).await.ok()
            } else {
                None
            }
        };
        let Ok(Some(client)) = tokio::time::timeout_at(deadline, anew).await else {
            return false;
        };
        info!("the gateway refused the credentials; trying again with the secret fetched anew");
        self.client = client;
        true
    }

    /// Pushes what the run tells of itself. A success replaces the group; a failure leaves in it what it has nothing to
    /// say about, such as the last success.
    pub(super) async fn tell(
        &self,
        report: &RunReport,
        deadline: Instant,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let group = self_metrics::group(&self.job.name, &self.sink.grouping);
        let body = Body::Plain(self_metrics::encode(report)?.into());
        if report.succeeded() && report.push.done() {
            self.client.put(&group, body, deadline).await?;
        } else {
            self.client.post(&group, body, deadline).await?;
        }
        Ok(())
    }
}

fn already_held(what: &str, scheduled_time: Timestamp, held: Timestamp) -> String {
    format!("the delivery for {scheduled_time} is {what}: the gateway already holds the series of {held}")
}
