//! Keeping the gateway tidy: what stands there of the configuration's jobs, what does not belong there any more, and what
//! should stand there and does not.
//!
//! A Pushgateway forgets nothing by itself, and everything when it is started again. Whose a group is, is told by the
//! group that Fanlight pushes beside each job's ([`told`]); what no such group speaks for is somebody else's.

pub mod delete;
pub mod heal;
pub mod stale;
pub mod status;
mod survey;
#[cfg(test)]
mod tests;
mod told;

pub use survey::{Holdings, Survey, SurveyError, survey};
pub use told::{MetricTold, Told};

use crate::config::job::{Job, PushgatewaySink, Sink};

/// Where a job's series go.
fn sink_of(job: &Job) -> &PushgatewaySink {
    let Sink::Pushgateway(sink) = &job.sink;
    sink
}
