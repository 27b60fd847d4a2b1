//! The Pushgateway: grouping keys, PUT and POST, and what its answers mean.
//!
//! PUT replaces a whole group at once, so that what is not in the body vanishes; POST replaces the families that are in
//! the body and leaves the group's others alone. A body without series can therefore clear a group by PUT, but a POST
//! cannot make a family vanish. Pushing the same body twice changes nothing, so both may be tried again.
//!
//! The gateway refuses a body as a whole or takes it as a whole. It does not refuse labels in the body that are part of
//! the grouping key: it overwrites their values without a word, which is why the configuration does not allow them.

mod error;
mod grouping;
mod groups;
mod retry;
mod stored;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;

use bytes::Bytes;
use jiff::Timestamp;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, Url};

use crate::endpoint::{BaseUrl, USER_AGENT};
use crate::exposition::{self, Labels};
use crate::tls::http_client_builder;
use retry::Attempts;

pub use crate::endpoint::{Auth, BaseUrlError};
pub use error::{Answer, Attempt, GatewayError, GaveUp, SinkError};
pub use grouping::GroupingKey;
pub(crate) use groups::time;
pub use groups::{Family, Group, Sample};

/// Exposition text to push, whole families that end in a line feed.
#[derive(Debug, Clone)]
pub enum Body {
    /// Gzip members, one behind the other.
    Gzip(Bytes),
    /// The text as it is.
    Plain(Bytes),
}

/// One Pushgateway.
pub struct Pushgateway {
    client: Client,
    url: BaseUrl,
    auth: Auth,
    timeout: Duration,
}

/// The URL may hold a secret in its path, so only the host is shown.
impl fmt::Debug for Pushgateway {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Pushgateway")
            .field("at", &self.url.at())
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl Pushgateway {
    /// A client for the gateway at `url` (its path is kept as a prefix), each request limited to `timeout`.
    ///
    /// # Errors
    /// A URL that is none, a file of certificates that cannot be used.
    pub fn new(url: &str, auth: Auth, ca_file: Option<&Path>, timeout: Duration) -> Result<Self, SinkError> {
        let url = BaseUrl::parse(url)?;
        let client = http_client_builder(ca_file)?
            // A redirected PUT would become a GET that looks like success, and credentials would travel on.
            .redirect(Policy::none())
            .user_agent(USER_AGENT)
            .build()
            .map_err(SinkError::Client)?;
        Ok(Self {
            client,
            url,
            auth,
            timeout,
        })
    }

    /// Replaces the whole group: families that are not in the body vanish.
    ///
    /// # Errors
    /// [`GatewayError`]. Only when it says that it gave up may the gateway have taken the body nevertheless.
    pub async fn put(&self, group: &GroupingKey, body: Body, deadline: Instant) -> Result<(), GatewayError> {
        self.push(Method::PUT, group, body, deadline).await
    }

    /// Replaces the families that are in the body, and leaves the group's others as they stand.
    ///
    /// # Errors
    /// As [`Pushgateway::put`].
    pub async fn post(&self, group: &GroupingKey, body: Body, deadline: Instant) -> Result<(), GatewayError> {
        self.push(Method::POST, group, body, deadline).await
    }

    async fn push(
        &self,
        method: Method,
        group: &GroupingKey,
        body: Body,
        deadline: Instant,
    ) -> Result<(), GatewayError> {
        let url = self.url.path(&format!("/metrics{}", group.path()));
        let mut attempts = self.attempts(deadline);
        loop {
            let request = self
                .request(method.clone(), url.clone())
                .header(CONTENT_TYPE, exposition::CONTENT_TYPE);
            let request = match &body {
                // No bytes at all are no gzip stream.
                Body::Gzip(members) if !members.is_empty() => {
                    request.header(CONTENT_ENCODING, "gzip").body(members.clone())
                }
                Body::Gzip(text) | Body::Plain(text) => request.body(text.clone()),
            };
            match retry::answer(request, attempts.limit()?).await {
                Ok(_) => return Ok(()),
                Err(failure) => attempts.again(failure).await?,
            }
        }
    }

    /// The value of a gauge in a group, or `None` if the group does not hold it; `labels` are those of the gauge beyond
    /// the grouping key's. The gateway's whole exposition is read until the gauge is found, in constant memory.
    ///
    /// # Errors
    /// As [`Pushgateway::put`].
    pub async fn stored_gauge(
        &self,
        name: &str,
        group: &GroupingKey,
        labels: &[(String, String)],
        deadline: Instant,
    ) -> Result<Option<f64>, GatewayError> {
        let wanted = group.labels().iter().chain(labels);
        let wanted: BTreeMap<_, _> = wanted
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        self.scan(name, deadline, |found, labels, value| {
            let labels = labels.iter().map(|(name, value)| (*name, value.as_str()));
            *found = labels
                .eq(wanted.iter().map(|(name, value)| (*name, *value)))
                .then_some(value);
            found.is_none()
        })
        .await
    }

    /// When the gateway's process began, if it tells. What it held before is gone, unless it keeps a file.
    ///
    /// # Errors
    /// As [`Pushgateway::put`].
    pub async fn started(&self, deadline: Instant) -> Result<Option<Timestamp>, GatewayError> {
        let started = self.scan("process_start_time_seconds", deadline, |found, labels, value| {
            *found = labels.is_empty().then_some(value);
            found.is_none()
        });
        Ok(started.await?.and_then(time))
    }

    /// A gauge's values in all groups, each with its labels that are not empty, those of the grouping key among them.
    ///
    /// # Errors
    /// As [`Pushgateway::put`].
    pub async fn stored_gauges(
        &self,
        name: &str,
        deadline: Instant,
    ) -> Result<Vec<(BTreeMap<String, String>, f64)>, GatewayError> {
        self.scan(name, deadline, |found: &mut Vec<_>, labels, value| {
            let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
            found.push((labels.collect(), value));
            true
        })
        .await
    }

    /// Hands a gauge's values to `take`, which says whether it wants more; what an attempt has found that failed is
    /// forgotten.
    async fn scan<T: Default>(
        &self,
        name: &str,
        deadline: Instant,
        take: impl Fn(&mut T, &Labels<'_>, f64) -> bool,
    ) -> Result<T, GatewayError> {
        let url = self.url.path("/metrics");
        let mut attempts = self.attempts(deadline);
        loop {
            let mut found = T::default();
            let scanner = stored::Scanner::new(name, |labels, value| take(&mut found, labels, value));
            let request = self.request(Method::GET, url.clone());
            match stored::read(request, attempts.limit()?, scanner).await {
                Ok(()) => return Ok(found),
                Err(failure) => attempts.again(failure).await?,
            }
        }
    }

    /// What the gateway holds, group by group; one that hides its own key behind a family of the name `labels` is left
    /// out.
    ///
    /// # Errors
    /// As [`Pushgateway::put`], and when the answer is no listing.
    pub async fn groups(&self, deadline: Instant) -> Result<Vec<Group>, GatewayError> {
        let url = self.url.path("/api/v1/metrics");
        let mut attempts = self.attempts(deadline);
        loop {
            match groups::read(self.request(Method::GET, url.clone()), attempts.limit()?).await {
                Ok(groups) => return Ok(groups),
                Err(failure) => attempts.again(failure).await?,
            }
        }
    }

    /// Deletes a group, and no other whose key has more labels. The gateway answers before it has done so; a group that
    /// is not there is deleted as well.
    ///
    /// # Errors
    /// As [`Pushgateway::put`].
    pub async fn delete(&self, group: &GroupingKey, deadline: Instant) -> Result<(), GatewayError> {
        let url = self.url.path(&format!("/metrics{}", group.path()));
        let mut attempts = self.attempts(deadline);
        loop {
            match retry::answer(self.request(Method::DELETE, url.clone()), attempts.limit()?).await {
                Ok(_) => return Ok(()),
                Err(failure) => attempts.again(failure).await?,
            }
        }
    }

    /// Scheme, host and port, for messages.
    #[must_use]
    pub fn at(&self) -> String {
        self.url.at()
    }

    /// Whether the other's URL is the same; one gateway may have several.
    #[must_use]
    pub fn has_url_of(&self, other: &Self) -> bool {
        self.url.path("/") == other.url.path("/")
    }

    fn attempts(&self, deadline: Instant) -> Attempts {
        Attempts::new(self.url.at(), self.timeout, deadline)
    }

    fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.auth.apply(self.client.request(method, url))
    }
}
