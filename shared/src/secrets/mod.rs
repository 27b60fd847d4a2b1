//! AWS Secrets Manager, cached for five minutes.
//!
//! Nothing is built and nothing is asked before the first secret is needed, so that a function whose jobs need none
//! starts without paying for it.

mod cache;
mod fetch;
mod field;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use secrecy::SecretString;

use cache::Cache;
use fetch::Remote;

pub use fetch::FetchError;
pub use field::FieldError;

/// Secrets by name or ARN. Clones share one cache and one client.
#[derive(Clone)]
pub struct SecretsManager {
    cache: Arc<Cache>,
}

/// How long values are kept, and how long Secrets Manager may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How long a value is used before it is fetched again.
    pub lifetime: Duration,
    /// How soon after one [`SecretsManager::refresh`] the next may ask again, and anybody while Secrets Manager is not to be reached.
    pub interval: Duration,
    /// The most that a TCP and TLS handshake may take.
    pub connect: Duration,
    /// The most that one attempt may take.
    pub attempt: Duration,
    /// The most that a fetch may take, all attempts, the loading of AWS' configuration and credentials included.
    pub total: Duration,
    /// How often a fetch is tried, the first attempt included.
    pub attempts: u32,
}

impl Default for Limits {
    /// An attempt takes some 30 ms cold: these are for an endpoint that is not well, within the shortest usual job.
    fn default() -> Self {
        Self {
            lifetime: Duration::from_mins(5),
            interval: Duration::from_secs(10),
            connect: Duration::from_secs(2),
            attempt: Duration::from_secs(3),
            total: Duration::from_secs(8),
            attempts: 3,
        }
    }
}

/// A secret whose value cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the secret `{id}` {reason}")]
pub struct SecretError {
    /// The secret's name or ARN, as configured.
    pub id: String,
    /// What is wrong with it.
    pub reason: SecretErrorReason,
}

/// What is wrong with a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretErrorReason {
    /// It cannot be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// It has been fetched and does not hold what the configuration expects.
    #[error(transparent)]
    Field(#[from] FieldError),
}

impl SecretsManager {
    /// Finds region, credentials and endpoint where every AWS SDK does (`AWS_REGION`, `AWS_ENDPOINT_URL`, the
    /// function's role ..), once the first secret is needed.
    #[must_use]
    pub fn from_environment(limits: Limits) -> Self {
        Self {
            cache: Arc::new(Cache::new(Remote::new(None, limits), limits)),
        }
    }

    /// Takes region, credentials and endpoint from a configuration that is already loaded.
    #[must_use]
    pub fn from_config(config: SdkConfig, limits: Limits) -> Self {
        Self {
            cache: Arc::new(Cache::new(Remote::new(Some(config), limits), limits)),
        }
    }

    /// The secret's text or, with `field`, one field of the JSON object that it holds. Numbers and booleans are given
    /// as they are written: AWS' own RDS secrets have a numeric `port`.
    ///
    /// Callers that ask for the same secret at the same time share one fetch and its outcome; a caller that gives up
    /// (drops the future) does not take it from the others. Where Secrets Manager could not be reached, nobody tries
    /// again within [`Limits::interval`], so that whoever asks next does not wait as long for the same.
    ///
    /// # Errors
    /// The secret cannot be fetched, or could not a moment ago, or holds something else than expected.
    pub async fn value(&self, id: &str, field: Option<&str>) -> Result<SecretString, SecretError> {
        let text = self.cache.get(id).await.map_err(|error| SecretError::new(id, error))?;
        match field {
            None => Ok(text),
            Some(field) => field::of(&text, field).map_err(|error| SecretError::new(id, error)),
        }
    }

    /// Fetches the secret again although its value is still kept, for a caller whose login failed: the password may
    /// have been rotated. Asks nobody within [`Limits::interval`] of the last time, whatever came of that, so that
    /// neither a login which fails for another reason nor a Secrets Manager that is down turns into a stream of requests.
    ///
    /// # Errors
    /// The secret cannot be fetched, or could not a moment ago; the value that is kept stays.
    pub async fn refresh(&self, id: &str) -> Result<(), SecretError> {
        self.cache
            .refresh(id)
            .await
            .map_err(|error| SecretError::new(id, error))
    }
}

impl SecretError {
    fn new(id: &str, reason: impl Into<SecretErrorReason>) -> Self {
        Self {
            id: id.to_owned(),
            reason: reason.into(),
        }
    }
}

impl fmt::Debug for SecretsManager {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SecretsManager").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
