//! A request is tried again while that may help and there is time.

use std::time::Duration;

use tokio::time::Instant;

use reqwest::header::LOCATION;
use reqwest::{RequestBuilder, Response};

use super::error::{Answer, Attempt, GatewayError, GaveUp, LONGEST_MESSAGE};
use crate::backoff::jittered;
use crate::endpoint::redirect_origin;

/// The pause before the second attempt; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How an attempt failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// It may pass.
    Passing(Attempt),
    /// The gateway understood and said no.
    Refused(Answer),
    /// The gateway is elsewhere.
    Redirected(reqwest::StatusCode, String),
    /// It is none, or no gateway that we know.
    Unreadable(String),
}

impl From<Attempt> for Failure {
    fn from(attempt: Attempt) -> Self {
        Self::Passing(attempt)
    }
}

/// The attempts at one request.
#[derive(Debug)]
pub(super) struct Attempts {
    at: String,
    timeout: Duration,
    start: Instant,
    deadline: Instant,
    failed: u32,
    pause: Duration,
}

impl Attempts {
    /// `at` names the gateway in messages; no attempt takes longer than `timeout`, nor beyond the deadline.
    pub(super) fn new(at: String, timeout: Duration, deadline: Instant) -> Self {
        Self {
            at,
            timeout,
            start: Instant::now(),
            deadline,
            failed: 0,
            pause: FIRST_PAUSE,
        }
    }

    /// How long the next attempt may take.
    pub(super) fn limit(&self) -> Result<Duration, GatewayError> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() && self.failed == 0 {
            return Err(GatewayError::NoTimeLeft { at: self.at.clone() });
        }
        Ok(self.timeout.min(left))
    }

    /// Waits until it is time for another attempt. Fails when there is none: the failure is final, or the pause would not
    /// leave time before the deadline.
    pub(super) async fn again(&mut self, failure: Failure) -> Result<(), GatewayError> {
        self.failed += 1;
        let at = self.at.clone();
        let last = match failure {
            Failure::Refused(answer) => return Err(GatewayError::Refused { at, answer }),
            Failure::Redirected(status, location) => return Err(GatewayError::Redirected { at, status, location }),
            Failure::Unreadable(problem) => return Err(GatewayError::Unreadable { at, problem }),
            Failure::Passing(attempt) => attempt,
        };
        let wait = jittered(self.pause);
        if Instant::now() + wait >= self.deadline {
            let elapsed = self.start.elapsed();
            let attempts = self.failed;
            return Err(GaveUp {
                at,
                attempts,
                elapsed,
                last,
            }
            .into());
        }
        tracing::warn!(
            attempt = self.failed,
            "the gateway at {at} {last}; trying again in {} ms",
            wait.as_millis()
        );
        tokio::time::sleep(wait).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }
}

/// Sends a request; an answer other than 2xx is a failure.
pub(super) async fn answer(request: RequestBuilder, limit: Duration) -> Result<Response, Failure> {
    let mut response = request
        .timeout(limit)
        .send()
        .await
        .map_err(|error| Attempt::of(&error, limit))?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    if status.is_redirection() {
        let location = response
            .headers()
            .get(LOCATION)
            .and_then(|location| location.to_str().ok());
        return Err(Failure::Redirected(status, redirect_origin(location, response.url())));
    }
    let mut body = Vec::new();
    while body.len() <= LONGEST_MESSAGE {
        // The status alone says enough when the message breaks off.
        let Ok(Some(chunk)) = response.chunk().await else { break };
        body.extend_from_slice(&chunk);
    }
    let answer = Answer::new(status, &body);
    Err(if status.is_client_error() {
        Failure::Refused(answer)
    } else {
        Attempt::Unavailable(answer).into()
    })
}
