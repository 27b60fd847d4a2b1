//! One request and its whole answer, within its time and its size.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderValue, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Request, StatusCode};
use tokio::time::{Instant, timeout_at};

use crate::endpoint::{USER_AGENT, redirect_origin};
use crate::tls::{CaFileError, http_client_builder};
use crate::upstream::{Dns, Problem};

/// The most that the making of a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// A service may move a page within itself, `/health` to `/health/`.
const MOST_REDIRECTS: usize = 3;

/// A client for one run: connections that a frozen function has kept may be dead, and a page is not asked for often.
pub(super) struct Client {
    client: reqwest::Client,
    connect: Duration,
}

/// What an answer may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) deadline: Instant,
    pub(super) timeout: Duration,
    pub(super) max_bytes: usize,
}

/// A whole answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Vec<u8>,
}

/// There can be no client.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    #[error(transparent)]
    CaFile(#[from] CaFileError),
    #[error("no HTTP client could be made: {0}")]
    Client(reqwest::Error),
}

/// Why there is no whole answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum FetchError {
    /// Before the first byte, or while bytes came.
    #[error("{}", told(.0))]
    Broken(Problem),
    /// Nothing came in time.
    #[error("did not answer within {:.1} s", .0.as_secs_f64())]
    TimedOut(Duration),
    /// Not all came in time.
    #[error("had not sent all of its answer within {:.1} s", .0.as_secs_f64())]
    Incomplete(Duration),
    /// Earlier pages took all the time.
    #[error("was not asked: the time that the job has was over")]
    NoTimeLeft,
    /// It is elsewhere.
    #[error(
        "answered {status}, a redirect to {location}, which is not followed, since credentials would go there: \
         configure the URL that it leads to"
    )]
    Redirected { status: StatusCode, location: String },
    /// It is somewhere else within the service, again and again.
    #[error(
        "answered {0}, still a redirect after {MOST_REDIRECTS} within the same host: do they go round in a circle?"
    )]
    TooManyRedirects(StatusCode),
    /// It is larger than it may be.
    #[error("answered with more than the {0} bytes that `max_bytes` allows")]
    TooLarge(usize),
    /// It is compressed, although nobody has asked for that.
    #[error("answered with a content encoding, which was not asked for")]
    Encoded,
}

fn told(problem: &Problem) -> String {
    match problem {
        Problem::Tls(reason) => format!("could not be talked to by TLS: {reason}; check `ca_file`"),
        other => other.to_string(),
    }
}

impl FetchError {
    /// The kind of failure.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Broken(Problem::Cut | Problem::CutInside | Problem::Protocol(_)) => "connection",
            Self::Broken(_) => "connect",
            Self::TimedOut(_) | Self::Incomplete(_) | Self::NoTimeLeft => "timeout",
            Self::Redirected { .. } | Self::TooManyRedirects(_) => "status",
            Self::TooLarge(_) | Self::Encoded => "page",
        }
    }
}

impl Client {
    pub(super) fn new(ca_file: Option<&Path>, timeout: Duration) -> Result<Self, ClientError> {
        let connect = CONNECT.min(timeout);
        let client = http_client_builder(ca_file)?
            .redirect(Policy::custom(|attempt| {
                let before = attempt.previous();
                let same = before
                    .last()
                    .is_some_and(|last| last.origin() == attempt.url().origin());
                if same && before.len() <= MOST_REDIRECTS {
                    attempt.follow()
                } else {
                    attempt.stop()
                }
            }))
            .referer(false)
            .no_proxy()
            .retry(reqwest::retry::never())
            .dns_resolver(Arc::new(Dns))
            .connect_timeout(connect)
            .user_agent(USER_AGENT)
            .build()
            .map_err(|error| ClientError::Client(error.without_url()))?;
        Ok(Self { client, connect })
    }

    /// The answer to a request, whatever its status, but for redirects to elsewhere.
    pub(super) async fn fetch(&self, mut request: Request, limits: Limits) -> Result<Answer, FetchError> {
        let now = Instant::now();
        let until = limits.deadline.min(now + limits.timeout);
        let given = until.saturating_duration_since(now);
        if given.is_zero() {
            return Err(FetchError::NoTimeLeft);
        }
        request
            .headers_mut()
            .insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let broken = |error: &reqwest::Error| FetchError::Broken(Problem::of(error, self.connect));
        let mut response = match timeout_at(until, self.client.execute(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(broken(&error)),
            Err(_) => return Err(FetchError::TimedOut(given)),
        };
        let status = response.status();
        if status.is_redirection() {
            let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            let location = redirect_origin(location, response.url());
            // Within its origin it would have been followed, had there not been so many.
            return Err(if location == response.url().origin().ascii_serialization() {
                FetchError::TooManyRedirects(status)
            } else {
                FetchError::Redirected { status, location }
            });
        }
        let encoding = response.headers().get(CONTENT_ENCODING);
        if encoding.is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
            return Err(FetchError::Encoded);
        }
        let too_large = |length: u64| usize::try_from(length).map_or(true, |length| length > limits.max_bytes);
        if response.content_length().is_some_and(too_large) {
            return Err(FetchError::TooLarge(limits.max_bytes));
        }
        let mut body = Vec::new();
        loop {
            // A time-out alone would let pass whatever is there already, and so an answer that never stops.
            if until <= Instant::now() {
                return Err(FetchError::Incomplete(given));
            }
            match timeout_at(until, response.chunk()).await {
                Ok(Ok(Some(piece))) if body.len() + piece.len() <= limits.max_bytes => body.extend_from_slice(&piece),
                Ok(Ok(Some(_))) => return Err(FetchError::TooLarge(limits.max_bytes)),
                Ok(Ok(None)) => return Ok(Answer { status, body }),
                Ok(Err(error)) => {
                    return Err(match broken(&error) {
                        FetchError::Broken(Problem::Cut) => FetchError::Broken(Problem::CutInside),
                        other => other,
                    });
                }
                Err(_) => return Err(FetchError::Incomplete(given)),
            }
        }
    }

    /// A request to be finished by the caller.
    pub(super) fn request(&self, method: reqwest::Method, url: reqwest::Url) -> reqwest::RequestBuilder {
        self.client.request(method, url)
    }
}
