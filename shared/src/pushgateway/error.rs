//! What can go wrong between us and the gateway, told apart by whether it is worth trying again.

use std::fmt;
use std::time::Duration;

use reqwest::StatusCode;

use crate::endpoint::{BaseUrlError, innermost};
use crate::tls::CaFileError;

/// The most of a gateway's message that is kept, in bytes.
pub(super) const LONGEST_MESSAGE: usize = 2048;

/// A sink that no client can be made for.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The URL cannot be used. It is not shown, because it may hold secrets.
    #[error("the sink's `url` {0}")]
    Url(#[from] BaseUrlError),
    /// The certificates to trust cannot be used.
    #[error(transparent)]
    CaFile(#[from] CaFileError),
    /// The client cannot be made.
    #[error("no HTTP client for the sink could be made: {0}")]
    Client(reqwest::Error),
}

/// Why a request to the gateway has failed for good.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The gateway understood and said no (4xx). The same request would be answered the same, so it is not tried again;
    /// after a refused push the group is as it was.
    #[error("the gateway at {at} refused the request with {answer}{}", hint(answer.status))]
    Refused {
        /// Scheme, host and port.
        at: String,
        /// What it said.
        answer: Answer,
    },
    /// The gateway is elsewhere. Redirects are not followed: they would carry credentials to where they do not belong.
    #[error(
        "the gateway at {at} answered {status}, a redirect to {location}, which is not followed: set the sink's `url` to \
         where the gateway is"
    )]
    Redirected {
        /// Scheme, host and port.
        at: String,
        /// The status.
        status: StatusCode,
        /// Scheme, host and port of where it points.
        location: String,
    },
    /// What it answered is no listing of groups.
    #[error("the gateway at {at} did not list its groups: {problem} (is the sink's `url` that of a Pushgateway?)")]
    Unreadable {
        /// Scheme, host and port.
        at: String,
        /// What is wrong with the answer.
        problem: String,
    },
    /// The deadline came before any attempt succeeded.
    #[error(transparent)]
    GaveUp(#[from] GaveUp),
    /// There was no time left for a single attempt.
    #[error(
        "no time was left for a request to the gateway at {at}: raise the job's `timeout`, or make its queries faster"
    )]
    NoTimeLeft {
        /// Scheme, host and port.
        at: String,
    },
}

impl GatewayError {
    /// Whether the gateway may have taken the body although nothing says so.
    #[must_use]
    pub fn may_have_been_taken(&self) -> bool {
        // Attempts before the last may have been of another kind, but then the gateway was there and let go.
        matches!(
            self,
            Self::GaveUp(GaveUp {
                last: Attempt::TimedOut(_) | Attempt::Broken(_),
                ..
            })
        )
    }

    /// Whether the gateway, or a proxy before it, did not accept the credentials.
    #[must_use]
    pub fn is_login_failure(&self) -> bool {
        matches!(self, Self::Refused { answer, .. }
            if matches!(answer.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN))
    }
}

/// All attempts failed in ways that may pass.
#[derive(Debug, thiserror::Error)]
#[error("the gateway at {at} {last}; gave up after {attempts} attempt{} in {:.1} s", plural(*attempts), elapsed.as_secs_f64())]
pub struct GaveUp {
    /// Scheme, host and port.
    pub at: String,
    /// How many times it was tried.
    pub attempts: u32,
    /// From the first attempt's start to giving up.
    pub elapsed: Duration,
    /// What happened at the last attempt.
    pub last: Attempt,
}

/// How one attempt failed in a way that may pass.
#[derive(Debug, thiserror::Error)]
pub enum Attempt {
    /// No connection: refused, unreachable, unknown host, TLS.
    #[error("could not be reached: {0}")]
    Connect(String),
    /// No answer in time.
    #[error("did not answer within {:.1} s", .0.as_secs_f64())]
    TimedOut(Duration),
    /// The connection broke before the answer was complete.
    #[error("broke the connection off: {0}")]
    Broken(String),
    /// The gateway has a problem of its own (5xx).
    #[error("answered {0}")]
    Unavailable(Answer),
}

/// A status and the message that came with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The answer's body on one line, shortened when long; empty if there is none.
    pub message: String,
}

impl Answer {
    pub(super) fn new(status: StatusCode, body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(&body[..body.len().min(LONGEST_MESSAGE)]);
        let words = text.split(|character: char| character.is_whitespace() || character.is_control());
        let mut message = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
        if body.len() > LONGEST_MESSAGE {
            message.push('…');
        }
        Self { status, message }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.status)?;
        if self.message.is_empty() {
            Ok(())
        } else {
            write!(formatter, ": {}", self.message)
        }
    }
}

impl Attempt {
    /// `limit` is what the request was given.
    pub(super) fn of(error: &reqwest::Error, limit: Duration) -> Self {
        if error.is_timeout() {
            Self::TimedOut(limit)
        } else if error.is_connect() {
            Self::Connect(innermost(error))
        } else {
            Self::Broken(innermost(error))
        }
    }
}

fn hint(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 | 403 => " (check the sink's `basic` or `bearer`)",
        404 | 405 => " (is the path of the sink's `url` right?)",
        413 => " (a proxy in front of the gateway limits the size of requests)",
        _ => "",
    }
}

fn plural(count: u32) -> &'static str {
    if count == 1 { "" } else { "s" }
}
