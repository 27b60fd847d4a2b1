//! Where a job's series can go besides its Pushgateway: one module a kind of sink, and one line in the table.
//!
//! The Pushgateway itself is no line of it. It holds what a job has pushed and what the job tells of itself, by which late
//! and doubled deliveries are known; what stands here only takes. A new kind is a module here, named by its key in the
//! configuration, with
//!
//! - `SinkSpec`, its settings as written, and `Sink`, the same resolved, which implements [`SinkKind`];
//! - `Clients`, what it keeps warm from one run to the next, with a `Default`;
//!
//! and its line below. A sink takes what the run has made and does not fail it before the others have had theirs: each is
//! told by itself.

#[macro_use]
mod table;

pub mod cloudwatch;
mod samples;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::time::Instant;

use crate::config::{Entry, File, PushgatewaySpec, Scope};
use crate::placeholders::Resolver;
use crate::pushgateway::Body;
use crate::sources::MetricFailure;

pub(crate) use samples::{Sample, Samples};

sinks! {
    /// A namespace of AWS CloudWatch.
    cloudwatch: CloudWatch,
}

/// A sink that a job's series also go to.
#[derive(Debug, Clone)]
pub struct Sink {
    /// The name under `sinks`.
    pub name: String,
    /// What it is.
    pub kind: Kind,
}

/// What every kind of sink does.
pub(crate) trait SinkKind: Sized {
    /// The settings as written.
    type Spec;
    /// What it keeps warm from one run to the next.
    type Clients: Default;

    /// The sink of the settings under its key. Mistakes are told to the scope.
    fn from_settings(scope: &mut Scope<'_>, file: &File, entry: &Entry<Self::Spec>) -> Option<Self>;

    /// Sends a run's series.
    async fn send(&self, clients: &Self::Clients, samples: Samples<'_>, delivery: &Delivery<'_>) -> Sent;
}

/// What sinks are sent with.
pub(crate) struct Delivery<'d> {
    pub(crate) resolver: &'d Resolver,
    /// The time that the series are of.
    pub(crate) scheduled_time: Timestamp,
    /// When it must be over.
    pub(crate) deadline: Instant,
    /// The labels that every series has besides its own: those of the job's group.
    pub(crate) group: &'d [(String, String)],
}

/// What became of the series that a sink was sent.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    /// Series that it has taken.
    pub(crate) series: u64,
    /// Series that it may have taken: no answer says whether.
    pub(crate) unknown: u64,
    /// Series that it cannot take, by the reason.
    pub(crate) left_out: BTreeMap<&'static str, u64>,
    /// Why not all that it can take were taken.
    pub(crate) failure: Option<MetricFailure>,
}

/// What came of one of a job's further sinks.
#[derive(Debug)]
pub struct SinkReport {
    /// The name under `sinks`.
    pub name: String,
    /// Series that it has taken in this run.
    pub series: u64,
    /// Series that it cannot take, by the reason.
    pub left_out: BTreeMap<&'static str, u64>,
    /// Why it did not take what it can.
    pub failure: Option<MetricFailure>,
    /// The scheduled time of the newest run of which it has, or may have, series.
    pub newest: Option<Timestamp>,
}

/// What is known of a sink from earlier runs.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Earlier {
    /// The scheduled time of the newest run of which it has, or may have, series.
    pub(crate) newest: Option<Timestamp>,
    /// Whether it took them all.
    pub(crate) succeeded: bool,
}

/// Sends a run's series to a sink, unless an earlier run has done so for the same time: a sink may add up what it is sent
/// twice.
pub(crate) async fn send(
    sink: &Sink,
    clients: &Clients,
    body: Option<&Body>,
    earlier: Earlier,
    delivery: &Delivery<'_>,
) -> SinkReport {
    let report = |sent: Sent, newest| SinkReport {
        name: sink.name.clone(),
        series: sent.series,
        left_out: sent.left_out,
        failure: sent.failure,
        newest,
    };
    if earlier.newest.is_some_and(|newest| newest >= delivery.scheduled_time) {
        let failure = (!earlier.succeeded).then(|| {
            let message = format!(
                "an earlier run for {} has sent a part of the series, or may have; they are not sent again, since they \
                 would be added up",
                delivery.scheduled_time
            );
            MetricFailure::new("sent_before", message)
        });
        let sent = Sent {
            failure,
            ..Sent::default()
        };
        return report(sent, earlier.newest);
    }
    let Some(body) = body else {
        return report(Sent::default(), earlier.newest);
    };
    let sent = sink.kind.send(clients, Samples::new(body), delivery).await;
    let newest = if sent.series + sent.unknown > 0 {
        Some(delivery.scheduled_time)
    } else {
        earlier.newest
    };
    report(sent, newest)
}
