//! Asynchronous invocations, as from a schedule: queued at once, retried when they fail, dropped when they are too old.
//! <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html>

use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::task::JoinHandle;
use tokio::time;
use uuid::Uuid;

use super::function::{Function, InvokeError};
use super::invocation::{Invocation, Outcome};

/// What Lambda's `EventInvokeConfig` says.
pub(super) struct AsynchronousSettings {
    pub(super) retries: u32,
    pub(super) retry_delay: Duration,
    pub(super) maximum_age: Duration,
}

impl Default for AsynchronousSettings {
    fn default() -> Self {
        Self {
            retries: 1,
            retry_delay: Duration::from_mins(1),
            maximum_age: Duration::from_mins(5),
        }
    }
}

/// The first pause after a throttled attempt and the longest; each is twice the one before.
const THROTTLED_PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(5));

/// An event that has been accepted.
#[derive(Debug)]
pub struct EventInvocation {
    /// The request ID of each attempt.
    pub request_id: String,
    task: JoinHandle<EventReport>,
}

impl EventInvocation {
    /// Waits until the event is done with. The event does not depend on this.
    pub async fn finished(self) -> EventReport {
        match self.task.await {
            Ok(report) => report,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => EventReport {
                attempts: Vec::new(),
                end: EventEnd::ShutDown,
            },
        }
    }
}

/// What became of an event.
#[derive(Debug, Clone)]
pub struct EventReport {
    /// Each attempt that reached the function, in order.
    pub attempts: Vec<Invocation>,
    /// How it ended.
    pub end: EventEnd,
}

/// How an event ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventEnd {
    /// The last attempt succeeded.
    Succeeded,
    /// All attempts failed.
    Failed,
    /// The event grew too old while it was retried, or throttled.
    Expired,
    /// The function was shut down before.
    ShutDown,
}

impl Function {
    /// Accepts an event and invokes the function with it in the background, again when that fails.
    #[must_use]
    pub fn invoke_event(&self, payload: impl Into<Bytes>) -> EventInvocation {
        let request_id = Uuid::new_v4().to_string();
        let task = tokio::spawn(deliver(self.clone(), request_id.clone(), payload.into()));
        EventInvocation { request_id, task }
    }
}

async fn deliver(function: Function, request_id: String, payload: Bytes) -> EventReport {
    let settings = function.asynchronous_settings();
    let accepted = Instant::now();
    let mut attempts = Vec::new();
    let (mut throttled_pause, longest_pause) = THROTTLED_PAUSE;
    loop {
        let pause = match function.invoke_as(request_id.clone(), payload.clone()).await {
            Ok(invocation) => {
                let succeeded = matches!(invocation.outcome, Outcome::Success(_));
                attempts.push(invocation);
                if succeeded {
                    return EventReport {
                        attempts,
                        end: EventEnd::Succeeded,
                    };
                }
                let tried = u32::try_from(attempts.len()).unwrap_or(u32::MAX);
                if tried > settings.retries {
                    return EventReport {
                        attempts,
                        end: EventEnd::Failed,
                    };
                }
                settings.retry_delay.saturating_mul(tried)
            }
            Err(InvokeError::Throttled { .. }) => {
                let pause = throttled_pause;
                throttled_pause = (throttled_pause * 2).min(longest_pause);
                pause
            }
            Err(InvokeError::ShutDown { .. }) => {
                return EventReport {
                    attempts,
                    end: EventEnd::ShutDown,
                };
            }
        };
        if accepted.elapsed() + pause > settings.maximum_age {
            return EventReport {
                attempts,
                end: EventEnd::Expired,
            };
        }
        // An event that is still to be retried ends with the function.
        if function.unless_shut_down(time::sleep(pause)).await.is_none() {
            return EventReport {
                attempts,
                end: EventEnd::ShutDown,
            };
        }
    }
}
