//! An issuer's keys, fetched when they are needed and kept.
//!
//! Keys are fetched again after an hour, and when a JWT names one that is not among them: then its issuer has a new one.
//! Whoever makes up names of keys gets no more than one request out of it in half a minute. While the issuer cannot be
//! reached, the keys that it last had go on for a day.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use serde_json::Value;
use tokio::sync::Mutex;

use super::keys::Key;
use crate::config::metrics_api::{Algorithm, Issuer};
use crate::moment::Moment;
use crate::tls::{CaFileError, http_client_builder};

/// Real sets have some kilobytes.
const LARGEST_ANSWER: usize = 256 << 10;

/// How long things last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// How long keys are used before they are fetched again.
    pub(super) lifetime: Duration,
    /// How long they are used while they cannot be.
    pub(super) grace: Duration,
    /// How soon an unknown key may have them fetched again.
    pub(super) interval: Duration,
    /// How soon they may be asked for again after it went wrong.
    pub(super) retry: Duration,
    /// The most that a fetch may take; API Gateway waits ten seconds for an authorizer.
    pub(super) patience: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            lifetime: Duration::from_hours(1),
            grace: Duration::from_hours(24),
            interval: Duration::from_secs(30),
            retry: Duration::from_secs(10),
            patience: Duration::from_secs(5),
        }
    }
}

/// The keys of one issuer.
pub(super) struct KeySet {
    issuer: String,
    jwks_url: Option<String>,
    client: Client,
    times: Times,
    /// Held during a fetch, so that those who wait find what it brought.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    keys: Vec<Arc<Key>>,
    fetched: Option<Moment>,
    tried: Option<Moment>,
    /// Why the last fetch brought nothing; `None` when it did.
    failure: Option<KeysError>,
}

/// An issuer's keys cannot be had.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the keys of the issuer {issuer}: {url} {reason}")]
pub struct KeysError {
    /// The issuer.
    pub issuer: String,
    /// What was asked.
    pub url: String,
    /// What came of it.
    pub reason: KeysErrorReason,
}

/// What came of a request for an issuer's keys.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KeysErrorReason {
    /// No answer.
    #[error("gives no answer: {0}; check the URL and the network's way to it")]
    NoAnswer(String),
    /// None in time.
    #[error("gives no answer within {} ms; check the network's way to it", _0.as_millis())]
    TimedOut(Duration),
    /// An answer that is not "200 OK".
    #[error("answers with HTTP status {0}; check the URL")]
    Status(u16),
    /// A longer answer than any set of keys.
    #[error("answers with more than {LARGEST_ANSWER} bytes")]
    TooLarge,
    /// Something else than JSON.
    #[error("does not answer with JSON")]
    NotJson,
    /// The discovery document of another issuer (OIDC Discovery 1.0, section 4.3).
    #[error("is the discovery document of another issuer: its `issuer` must be the configured one to the letter")]
    OtherIssuer,
    /// A discovery document that does not say where the keys are, or only where they can be changed on their way.
    #[error("has no `jwks_uri` with the issuer's own scheme; set `jwks_url` in the configuration")]
    NoKeysUrl,
    /// No key that could verify a JWT.
    #[error("has no key with a `kid` for any of the algorithms that can be configured")]
    NoKeys,
}

impl KeySet {
    /// The set; nothing is fetched yet.
    pub(super) fn new(issuer: &Issuer, times: Times) -> Result<Self, IssuerError> {
        let fail = |kind| IssuerError {
            issuer: issuer.issuer.clone(),
            kind,
        };
        Ok(Self {
            issuer: issuer.issuer.clone(),
            jwks_url: issuer.jwks_url.clone(),
            client: client(issuer.ca_file.as_deref()).map_err(fail)?,
            times,
            state: Mutex::default(),
        })
    }

    /// The key of this name for this algorithm; `None` when the issuer has no such key.
    pub(super) async fn key(&self, id: &str, algorithm: Algorithm) -> Result<Option<Arc<Key>>, KeysError> {
        let mut state = self.state.lock().await;
        let now = Moment::now();
        if state.is_younger_than(self.times.lifetime, now)
            && let Some(key) = state.find(id, algorithm)
        {
            return Ok(Some(key));
        }
        if state.may_try(&self.times, now) {
            self.fetch(&mut state).await;
        }
        let usable = state.is_younger_than(self.times.grace, Moment::now());
        let key = if usable { state.find(id, algorithm) } else { None };
        match (key, &state.failure) {
            (Some(key), _) => Ok(Some(key)),
            // Perhaps the issuer has it by now.
            (None, Some(error)) => Err(error.clone()),
            (None, None) => Ok(None),
        }
    }

    async fn fetch(&self, state: &mut State) {
        let asked = Moment::now();
        state.tried = Some(asked);
        let mut url = self.first_url();
        let outcome = match tokio::time::timeout(self.times.patience, self.ask(&mut url)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(KeysErrorReason::TimedOut(self.times.patience)),
        };
        match outcome {
            Ok(keys) => {
                tracing::debug!(issuer = self.issuer, keys = keys.len(), "fetched an issuer's keys");
                state.keys = keys;
                state.fetched = Some(asked);
                state.failure = None;
            }
            Err(reason) => {
                let issuer = self.issuer.clone();
                let error = KeysError { issuer, url, reason };
                tracing::warn!(%error, "an issuer's keys cannot be fetched");
                state.failure = Some(error);
            }
        }
    }

    fn first_url(&self) -> String {
        // OIDC Discovery 1.0, section 4.1: a slash at the issuer's end is removed.
        let discovery = || format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        self.jwks_url.clone().unwrap_or_else(discovery)
    }

    /// Leaves in `url` what was asked last.
    async fn ask(&self, url: &mut String) -> Result<Vec<Arc<Key>>, KeysErrorReason> {
        if self.jwks_url.is_none() {
            let document = self.get(url).await?;
            if document.get("issuer").and_then(Value::as_str) != Some(&self.issuer) {
                return Err(KeysErrorReason::OtherIssuer);
            }
            let keys = document.get("jwks_uri").and_then(Value::as_str);
            let scheme = |url: &str| url.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
            let keys = keys.filter(|keys| scheme(keys).is_some() && scheme(keys) == scheme(url));
            *url = keys.ok_or(KeysErrorReason::NoKeysUrl)?.to_owned();
        }
        let set = self.get(url).await?;
        let keys = set
            .get("keys")
            .and_then(Value::as_array)
            .ok_or(KeysErrorReason::NoKeys)?;
        let keys: Vec<_> = keys.iter().filter_map(Key::read).map(Arc::new).collect();
        if keys.is_empty() {
            return Err(KeysErrorReason::NoKeys);
        }
        Ok(keys)
    }

    async fn get(&self, url: &str) -> Result<Value, KeysErrorReason> {
        let answer = self.client.get(url).header("accept", "application/json").send();
        let mut answer = answer.await.map_err(no_answer)?;
        if answer.status() != reqwest::StatusCode::OK {
            return Err(KeysErrorReason::Status(answer.status().as_u16()));
        }
        let body = body(&mut answer).await?;
        serde_json::from_slice(&body).map_err(|_| KeysErrorReason::NotJson)
    }
}

impl State {
    fn find(&self, id: &str, algorithm: Algorithm) -> Option<Arc<Key>> {
        self.keys.iter().find(|key| key.is(id, algorithm)).cloned()
    }

    fn is_younger_than(&self, limit: Duration, now: Moment) -> bool {
        self.fetched.is_some_and(|fetched| !fetched.is_older_than(limit, now))
    }

    fn may_try(&self, times: &Times, now: Moment) -> bool {
        let wait = if self.failure.is_some() {
            times.retry
        } else {
            times.interval
        };
        self.tried.is_none_or(|tried| tried.is_older_than(wait, now))
    }
}

/// An issuer whose keys can never be fetched as it is configured.
#[derive(Debug, thiserror::Error)]
#[error("the issuer {issuer}: {kind}")]
pub struct IssuerError {
    /// The issuer.
    pub issuer: String,
    kind: IssuerErrorKind,
}

#[derive(Debug, thiserror::Error)]
enum IssuerErrorKind {
    #[error(transparent)]
    CaFile(#[from] CaFileError),
    #[error("the HTTP client cannot be made: {0}")]
    Client(#[from] reqwest::Error),
}

fn client(ca_file: Option<&Path>) -> Result<Client, IssuerErrorKind> {
    let client = http_client_builder(ca_file)?
        // Trust is in a configured place, not in where that sends us.
        .redirect(Policy::none())
        // A request an hour finds no connection that is still alive.
        .pool_max_idle_per_host(0)
        .user_agent(concat!("fanlight/", env!("CARGO_PKG_VERSION")))
        .build()?;
    Ok(client)
}

async fn body(answer: &mut Response) -> Result<Vec<u8>, KeysErrorReason> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(no_answer)? {
        if body.len() + chunk.len() > LARGEST_ANSWER {
            return Err(KeysErrorReason::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// What caused an error, in one line; the URL is told beside it.
fn no_answer(error: reqwest::Error) -> KeysErrorReason {
    let error = error.without_url();
    let causes = std::iter::successors(Some(&error as &dyn Error), |cause: &&dyn Error| (*cause).source());
    let causes: Vec<_> = causes.map(ToString::to_string).collect();
    KeysErrorReason::NoAnswer(causes.join(": "))
}

#[cfg(test)]
mod tests;
