//! What the gateways of all sinks hold, asked at the same time.

use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::time::Instant;

use super::Told;
use crate::collect::ClientError;
use crate::collect::push;
use crate::config::job::PushgatewaySink;
use crate::placeholders::Resolver;
use crate::pushgateway::{GatewayError, Group, GroupingKey, Pushgateway};

/// A sink, and what its gateway holds.
#[derive(Debug)]
pub struct Survey<'a> {
    /// The sink.
    pub sink: &'a PushgatewaySink,
    /// What was found.
    pub found: Result<Holdings, SurveyError>,
}

/// What a gateway holds.
#[derive(Debug)]
pub struct Holdings {
    /// Its client, for what is to be done about it.
    pub client: Pushgateway,
    /// Every group, of whomever it is.
    pub groups: Vec<Group>,
    /// When its process began, if it tells.
    pub started: Option<Timestamp>,
}

/// Why it is not known what a gateway holds.
#[derive(Debug, thiserror::Error)]
pub enum SurveyError {
    /// There is no client for the sink.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The gateway did not say.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
}

/// Asks every sink's gateway.
pub async fn survey<'a>(
    sinks: impl IntoIterator<Item = &'a PushgatewaySink>,
    resolver: &Resolver,
    deadline: Instant,
) -> Vec<Survey<'a>> {
    let surveys = sinks.into_iter().map(async |sink| Survey {
        sink,
        found: ask(sink, resolver, deadline).await,
    });
    join_all(surveys).await
}

async fn ask(sink: &PushgatewaySink, resolver: &Resolver, deadline: Instant) -> Result<Holdings, SurveyError> {
    let client = match tokio::time::timeout_at(deadline, push::client(sink, resolver)).await {
        Ok(client) => client?,
        Err(_) => return Err(ClientError::TimedOut.into()),
    };
    let groups = client.groups(deadline).await?;
    // It only explains; without it, groups that are gone are told all the same.
    let started = client.started(deadline).await.unwrap_or_default();
    Ok(Holdings {
        client,
        groups,
        started,
    })
}

impl Holdings {
    /// The group with exactly this key.
    #[must_use]
    pub fn group(&self, key: &GroupingKey) -> Option<&Group> {
        let labels = key.labels();
        self.groups.iter().find(|group| {
            group.labels.len() == labels.len()
                && labels.iter().all(|(name, value)| group.labels.get(name) == Some(value))
        })
    }

    /// What stands there of a job's runs.
    #[must_use]
    pub fn told(&self, job: &str, grouping: &[(String, String)]) -> Option<Told<'_>> {
        let key = crate::collect::self_metrics::group(job, grouping);
        self.group(&key).and_then(Told::of)
    }

    /// Whether both are the same gateway: asked by the same URL, or by another of its names, for no two gateways were
    /// pushed to at the very same moment.
    pub(super) fn is_same_gateway(&self, other: &Self) -> bool {
        self.client.has_url_of(&other.client)
            || self.groups.iter().any(|group| {
                let twin = |twin: &&Group| twin.labels == group.labels;
                let theirs = other.groups.iter().find(twin).map(|twin| twin.push_time.to_bits());
                group.push_time > 0.0 && theirs == Some(group.push_time.to_bits())
            })
    }
}
