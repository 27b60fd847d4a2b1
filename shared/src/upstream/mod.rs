//! The Prometheus behind the Metrics API: questions to it, and its answers as they come.
//!
//! Every request is built here, from a path, a form and the configuration: nothing of a caller's request reaches the
//! upstream but what its question says. Redirects are not followed, and proxies that the environment names are not used:
//! both would carry credentials, and answers that hold everybody's series, to where nobody has configured them.
//!
//! Nothing is read, resolved or connected before the first question. Connections are kept for the next one; see
//! `connection.rs` for those that did not outlive a frozen sandbox.

mod body;
mod connection;
mod credentials;
mod error;
mod sigv4;

#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use aws_config::SdkConfig;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER,
};
use reqwest::{Request, Response, StatusCode};
use tokio::time::Instant;

use crate::config::metrics_api::UpstreamSettings;
use crate::endpoint::redirect_origin;
use crate::placeholders::Resolver;
use connection::Connection;
use credentials::Access;
use sigv4::Signer;

pub use body::Body;
pub use error::{Problem, UpstreamError};

pub(crate) use connection::Dns;

/// What RFC 3986 does not count as unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The upstream of one configuration.
pub struct Upstream {
    settings: UpstreamSettings,
    resolver: Resolver,
    signer: Option<Signer>,
    connection: Mutex<Option<Arc<Connection>>>,
}

/// The method of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// The form stands in the URL.
    Get,
    /// The form is the body.
    Post,
}

/// What an upstream is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// How.
    pub method: Method,
    /// Of which endpoint, percent-encoded and from the upstream's base URL on: `/api/v1/query`.
    pub path: String,
    /// The parameters, not encoded, in their order.
    pub form: Vec<(String, String)>,
    /// Whether the answer may be compressed by gzip. If not, it is not.
    pub gzip: bool,
}

/// What an upstream answers.
#[derive(Debug)]
pub struct Answer {
    /// The status, which is no redirect.
    pub status: StatusCode,
    /// After how many seconds to ask again, where the upstream says so.
    pub retry_after: Option<u32>,
    /// Whether the body is compressed by gzip; otherwise it is not compressed.
    pub gzip: bool,
    /// The body's length in bytes as it comes, where the upstream says so.
    pub content_length: Option<u64>,
    /// The body.
    pub body: Body,
}

/// The URL may hold secrets, and so may the headers.
impl std::fmt::Debug for Upstream {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Upstream").finish_non_exhaustive()
    }
}

impl Upstream {
    /// The upstream of these settings. AWS credentials, where it asks for them, are looked for where every AWS SDK does.
    #[must_use]
    pub fn new(settings: UpstreamSettings, resolver: Resolver) -> Self {
        Self::with_aws(settings, resolver, None)
    }

    /// As [`Upstream::new`], with a configuration of AWS that is already loaded.
    #[must_use]
    pub fn with_aws(settings: UpstreamSettings, resolver: Resolver, aws: Option<SdkConfig>) -> Self {
        Self {
            signer: Signer::of(&settings.auth, aws),
            settings,
            resolver,
            connection: Mutex::new(None),
        }
    }

    /// Asks, and returns as soon as the head of the answer is there. The body ends by `deadline` at the latest.
    ///
    /// A connection that was kept from an earlier question and cut before a byte of the answer came is made anew, once.
    /// When the credentials are refused (401), the secrets are fetched again and, if they have changed, the question is
    /// asked once more.
    ///
    /// # Errors
    /// [`UpstreamError`]. Whatever the status, an answer is none, except a redirect.
    pub async fn ask(&self, question: &Question, deadline: Instant) -> Result<Answer, UpstreamError> {
        let until = deadline.min(Instant::now() + self.settings.timeout);
        let allowed = until.saturating_duration_since(Instant::now());
        if allowed.is_zero() {
            return Err(UpstreamError::unnamed(Problem::NoTimeLeft));
        }
        match tokio::time::timeout_at(until, self.answer(question, deadline)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(UpstreamError {
                at: self.kept().map(|connection| connection.at()),
                problem: Problem::TimedOut(allowed),
            }),
        }
    }

    async fn answer(&self, question: &Question, deadline: Instant) -> Result<Answer, UpstreamError> {
        let mut access = Access::resolve(&self.settings, &self.resolver).await?;
        let mut connection = self.connection(&access)?;
        let mut response = self.exchange(&mut connection, &access, question).await?;
        if response.status() == StatusCode::UNAUTHORIZED
            && let Some(anew) = access.anew(&self.settings, &self.resolver).await
        {
            tracing::info!("the upstream refused the credentials; asking again with the secrets fetched anew");
            access = anew;
            connection = self.connection(&access)?;
            response = self.exchange(&mut connection, &access, question).await?;
        }
        answer(connection.at(), response, question.gzip, deadline)
    }

    /// Sends a question, and once more if the connection had not outlived the time since the last one.
    async fn exchange(
        &self,
        connection: &mut Arc<Connection>,
        access: &Access,
        question: &Question,
    ) -> Result<Response, UpstreamError> {
        let request = self.request(connection, access, question).await?;
        match connection.send(request).await {
            Err(failure) if failure.may_be_repeated => {
                tracing::info!("the upstream had cut the connection meanwhile; asking again on a new one");
                *connection = self.connect(access)?;
                let request = self.request(connection, access, question).await?;
                connection.send(request).await.map_err(|failure| failure.error)
            }
            outcome => outcome.map_err(|failure| failure.error),
        }
    }

    async fn request(
        &self,
        connection: &Connection,
        access: &Access,
        question: &Question,
    ) -> Result<Request, UpstreamError> {
        let error = |problem| UpstreamError::at(connection.at(), problem);
        let mut url = connection.url().path(&question.path);
        if !url.path().ends_with(&question.path) {
            // The parser of URLs resolves `..`, in every spelling.
            return Err(error(Problem::Settings(
                "the path of the question is not in its normal form".to_owned(),
            )));
        }
        let form = encode(&question.form);
        let mut headers = HeaderMap::new();
        let method = match question.method {
            Method::Get => {
                url.set_query((!form.is_empty()).then_some(&form));
                reqwest::Method::GET
            }
            Method::Post => {
                headers.insert(
                    CONTENT_TYPE,
                    HeaderValue::from_static("application/x-www-form-urlencoded"),
                );
                reqwest::Method::POST
            }
        };
        let body = match question.method {
            Method::Get => String::new(),
            Method::Post => form,
        };
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let encoding = if question.gzip { "gzip" } else { "identity" };
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(encoding));
        // What the configuration says comes last: a fixed header may replace `accept`.
        access
            .headers()
            .for_each(|(name, value)| drop(headers.insert(name, value.clone())));
        if let Some(signer) = &self.signer {
            signer
                .sign(&method, &url, &mut headers, body.as_bytes())
                .await
                .map_err(error)?;
        }
        let mut request = Request::new(method, url);
        *request.headers_mut() = headers;
        if question.method == Method::Post {
            *request.body_mut() = Some(body.into());
        }
        Ok(request)
    }

    /// The connection that was kept, if it is still what the settings say and has not lain too long.
    fn connection(&self, access: &Access) -> Result<Arc<Connection>, UpstreamError> {
        match self.kept() {
            Some(connection) if connection.serves(access) => Ok(connection),
            _ => self.connect(access),
        }
    }

    fn connect(&self, access: &Access) -> Result<Arc<Connection>, UpstreamError> {
        let connection = Arc::new(Connection::new(&self.settings, access)?);
        *self.connection.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&connection));
        Ok(connection)
    }

    fn kept(&self) -> Option<Arc<Connection>> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A form with everything percent-encoded that RFC 3986 does not call unreserved, so that it means the same in a URL, in
/// a body, and to whoever verifies a signature.
fn encode(form: &[(String, String)]) -> String {
    let mut encoded = String::new();
    for (name, value) in form {
        if !encoded.is_empty() {
            encoded.push('&');
        }
        // Writing to a `String` cannot fail.
        let _ = write!(
            encoded,
            "{}={}",
            utf8_percent_encode(name, RESERVED),
            utf8_percent_encode(value, RESERVED)
        );
    }
    encoded
}

fn answer(at: String, response: Response, gzip: bool, deadline: Instant) -> Result<Answer, UpstreamError> {
    let status = response.status();
    let headers = response.headers();
    if status.is_redirection() {
        let location = headers.get(LOCATION).and_then(|location| location.to_str().ok());
        let location = redirect_origin(location, response.url());
        return Err(UpstreamError::at(at, Problem::Redirected { status, location }));
    }
    let compressed = match headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes) {
        None | Some(b"identity") => false,
        Some(b"gzip") if gzip => true,
        Some(encoding) => {
            let encoding: String = String::from_utf8_lossy(encoding).chars().take(40).collect();
            let problem = format!("its answer has the encoding {encoding:?}, for which it was not asked");
            return Err(UpstreamError::at(at, Problem::Protocol(problem)));
        }
    };
    let retry_after = headers
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    Ok(Answer {
        status,
        retry_after,
        gzip: compressed,
        content_length: response.content_length(),
        body: Body::new(at, response, deadline),
    })
}
