//! What can go wrong between us and the upstream. For logs: callers are told none of it.

use std::error::Error;
use std::io;
use std::time::Duration;

use reqwest::StatusCode;

use crate::endpoint::innermost;

/// Why a question has no answer, or no whole one.
#[derive(Debug, thiserror::Error)]
#[error("the upstream{} {problem}", at.as_ref().map(|at| format!(" at {at}")).unwrap_or_default())]
pub struct UpstreamError {
    /// Scheme, host and port, as far as they are known.
    pub at: Option<String>,
    /// What happened.
    pub problem: Problem,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// What the configuration says cannot be used.
    #[error("cannot be asked: {0}")]
    Settings(String),
    /// There are no credentials.
    #[error("cannot be asked for want of credentials: {0}")]
    Credentials(String),
    /// The host has no address.
    #[error("is not known by name: {0}; check the host in its `url`")]
    Dns(String),
    /// Nobody listens there.
    #[error("refused the connection; is it running, and is the port of its `url` right?")]
    Refused,
    /// There is no way there.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// One of both did not accept the other's certificate, or what was spoken was no TLS.
    #[error("could not be talked to by TLS: {0}; check `ca_file` and `client_certificate`")]
    Tls(String),
    /// No connection in time.
    #[error("did not accept a connection within {:.1} s", .0.as_secs_f64())]
    ConnectTimedOut(Duration),
    /// No head of an answer in time.
    #[error("did not answer within {:.1} s", .0.as_secs_f64())]
    TimedOut(Duration),
    /// The body stopped coming.
    #[error("sent nothing for {:.1} s in the middle of its answer", .0.as_secs_f64())]
    Stalled(Duration),
    /// The body was not complete when the request's time was over.
    #[error("had not sent all of its answer when the request's time was over")]
    Overdue,
    /// There was no time to ask at all.
    #[error("was not asked, for the request's time was over")]
    NoTimeLeft,
    /// The connection was cut before the answer.
    #[error("cut the connection before it answered")]
    Cut,
    /// The connection was cut in the answer's middle.
    #[error("cut the connection in the middle of its answer")]
    CutInside,
    /// What came is no HTTP, or not what was asked for.
    #[error("does not keep to HTTP: {0}")]
    Protocol(String),
    /// It is elsewhere. Redirects are not followed.
    #[error("answered {status}, a redirect to {location}, which is not followed: set its `url` to where it is")]
    Redirected {
        /// The status.
        status: StatusCode,
        /// Scheme, host and port of where it points.
        location: String,
    },
}

impl Problem {
    /// One word for logs and metrics, which does not change.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Settings(_) => "settings",
            Self::Credentials(_) => "credentials",
            Self::Dns(_) => "dns",
            Self::Refused => "refused",
            Self::Unreachable(_) => "unreachable",
            Self::Tls(_) => "tls",
            Self::ConnectTimedOut(_) | Self::TimedOut(_) | Self::Stalled(_) | Self::Overdue | Self::NoTimeLeft => {
                "timeout"
            }
            Self::Cut | Self::CutInside => "cut",
            Self::Protocol(_) => "protocol",
            Self::Redirected { .. } => "redirected",
        }
    }
}

impl UpstreamError {
    pub(super) fn at(at: String, problem: Problem) -> Self {
        Self { at: Some(at), problem }
    }

    pub(super) fn unnamed(problem: Problem) -> Self {
        Self { at: None, problem }
    }

    /// One word for logs and metrics, which does not change.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.problem.kind()
    }

    /// Whether it was a matter of time.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        self.kind() == "timeout"
    }
}

/// A name that could not be resolved, so that it can be told from a connection that could not be made.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct NoAddress(pub(super) io::Error);

impl Problem {
    /// What an error of the HTTP client's means; `connect` is how long a connection may take.
    pub(crate) fn of(error: &reqwest::Error, connect: Duration) -> Self {
        let chain = || std::iter::successors(Some(error as &(dyn Error + 'static)), |error| cause(*error));
        if let Some(error) = chain().find_map(|error| error.downcast_ref::<NoAddress>()) {
            return Self::Dns(error.to_string());
        }
        if let Some(error) = chain().find_map(|error| error.downcast_ref::<rustls::Error>()) {
            return Self::Tls(error.to_string());
        }
        if error.is_connect() {
            if error.is_timeout() {
                return Self::ConnectTimedOut(connect);
            }
            return match chain().filter_map(|error| error.downcast_ref::<io::Error>()).last() {
                Some(error) if error.kind() == io::ErrorKind::ConnectionRefused => Self::Refused,
                _ => Self::Unreachable(innermost(error)),
            };
        }
        let cut_by_io = chain()
            .filter_map(|error| error.downcast_ref::<io::Error>())
            .any(|error| is_cut(error.kind()));
        let cut_by_http = chain()
            .filter_map(|error| error.downcast_ref::<hyper::Error>())
            .any(|error| error.is_incomplete_message() || error.is_closed() || error.is_canceled());
        if cut_by_io || cut_by_http {
            return if error.is_body() || error.is_decode() {
                Self::CutInside
            } else {
                Self::Cut
            };
        }
        Self::Protocol(innermost(error))
    }
}

/// The cause of an error, also of an I/O error that wraps another: its own `source` skips the one that it wraps.
fn cause<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

fn is_cut(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof};
    matches!(
        kind,
        BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | UnexpectedEof
    )
}
