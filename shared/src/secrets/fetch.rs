//! One secret out of AWS Secrets Manager, by a client that is built when the first one is needed.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::retry::RetryConfig;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;
use secrecy::SecretString;
use tokio::sync::OnceCell;

use super::Limits;
use crate::aws::{self, causes};

/// A secret that cannot be fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// There is none of this name.
    #[error("does not exist in {region}: check its name and the region, or create it")]
    NotFound {
        /// The region asked.
        region: String,
    },
    /// The role may not read it.
    #[error(
        "may not be read: allow `secretsmanager:GetSecretValue` on it, and `kms:Decrypt` on its key \
         when it has one of its own (AWS says: {message})"
    )]
    Denied {
        /// AWS' own message.
        message: String,
    },
    /// It holds bytes.
    #[error("is binary: store text or a JSON object in it (`SecretString`)")]
    Binary,
    /// It holds nothing, as after its creation without a value.
    #[error("has no value yet: store one in it")]
    Empty,
    /// Nothing says which region to ask.
    #[error("cannot be fetched because no AWS region is known: set AWS_REGION")]
    NoRegion,
    /// No request or no answer, for want of credentials or because the connection broke; the SDK tells these apart in
    /// words only.
    #[error(
        "cannot be fetched: {message}; check the AWS credentials and settings of this environment, \
         and the network's way to AWS Secrets Manager"
    )]
    NotAnswered {
        /// The SDK's own message.
        message: String,
    },
    /// No connection.
    #[error(
        "cannot be fetched because AWS Secrets Manager is not reachable: {message}; \
         check the network's way to it (a VPC needs an endpoint or a NAT gateway)"
    )]
    Unreachable {
        /// The SDK's own message.
        message: String,
    },
    /// No answer in time.
    #[error(
        "cannot be fetched because AWS Secrets Manager did not answer within {} ms; \
         check the network's way to it (a VPC needs an endpoint or a NAT gateway)",
        within.as_millis()
    )]
    TimedOut {
        /// The most that a fetch may take.
        within: Duration,
    },
    /// An answer that is no value.
    #[error("was refused by AWS Secrets Manager: {code}: {message}")]
    Refused {
        /// AWS' code, or the HTTP status.
        code: String,
        /// AWS' own message.
        message: String,
    },
}

impl FetchError {
    /// Whether it is the secret that is at fault and not the way to it: the answer comes at once, and is another as soon as somebody has
    /// mended it.
    pub(super) fn is_of_the_secret(&self) -> bool {
        match self {
            Self::NotFound { .. } | Self::Denied { .. } | Self::Binary | Self::Empty => true,
            Self::NoRegion
            | Self::NotAnswered { .. }
            | Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::Refused { .. } => false,
        }
    }
}

/// Secrets Manager as it is reached from here.
pub(super) struct Remote {
    config: Option<SdkConfig>,
    client: OnceCell<Client>,
    limits: Limits,
}

impl Remote {
    pub(super) fn new(config: Option<SdkConfig>, limits: Limits) -> Self {
        Self {
            config: config.map(aws::by_our_client),
            client: OnceCell::new(),
            limits,
        }
    }

    /// The secret's text.
    pub(super) async fn fetch(&self, id: &str) -> Result<SecretString, FetchError> {
        // The SDK's own time-outs do not cover the search for a region.
        match tokio::time::timeout(self.limits.total, self.ask(id)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(self.timed_out()),
        }
    }

    async fn ask(&self, id: &str) -> Result<SecretString, FetchError> {
        let client = self.client.get_or_init(|| self.build()).await;
        let region = client.config().region().ok_or(FetchError::NoRegion)?;
        let started = std::time::Instant::now();
        let answer = client.get_secret_value().secret_id(id).send().await;
        let answer = answer.map_err(|error| self.explain(error, region.as_ref()))?;
        tracing::debug!(
            secret = id,
            elapsed_ms = started.elapsed().as_millis(),
            "fetched a secret"
        );
        match (answer.secret_string, answer.secret_binary) {
            (Some(text), _) => Ok(text.into()),
            (None, Some(_)) => Err(FetchError::Binary),
            (None, None) => Err(FetchError::Empty),
        }
    }

    async fn build(&self) -> Client {
        let config = match &self.config {
            Some(config) => config,
            None => &aws::environment().await,
        };
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(self.limits.connect)
            .operation_attempt_timeout(self.limits.attempt)
            .operation_timeout(self.limits.total)
            .build();
        let retries = RetryConfig::standard()
            .with_max_attempts(self.limits.attempts)
            .with_initial_backoff(Duration::from_millis(100));
        let config = aws_sdk_secretsmanager::config::Builder::from(config)
            .timeout_config(timeouts)
            .retry_config(retries);
        Client::from_conf(config.build())
    }

    fn timed_out(&self) -> FetchError {
        FetchError::TimedOut {
            within: self.limits.total,
        }
    }

    /// Takes from the SDK's error what cannot hold a secret: never an answer's body.
    fn explain(&self, error: SdkError<GetSecretValueError>, region: &str) -> FetchError {
        match error {
            SdkError::TimeoutError(_) => self.timed_out(),
            SdkError::DispatchFailure(failure) => match failure.as_connector_error() {
                Some(connector) if connector.is_timeout() => self.timed_out(),
                Some(connector) if connector.is_io() => FetchError::Unreachable {
                    message: causes(connector),
                },
                Some(connector) => FetchError::NotAnswered {
                    message: causes(connector),
                },
                None => FetchError::NotAnswered {
                    message: "the request could not be sent".to_owned(),
                },
            },
            SdkError::ServiceError(refusal) => {
                let status = refusal.raw().status().as_u16();
                let error = refusal.into_err();
                let message = error.message().unwrap_or("without a message").to_owned();
                match error.code() {
                    Some("ResourceNotFoundException") => FetchError::NotFound {
                        region: region.to_owned(),
                    },
                    Some("AccessDeniedException" | "DecryptionFailure") => FetchError::Denied { message },
                    Some(code) => FetchError::Refused {
                        code: code.to_owned(),
                        message,
                    },
                    None => FetchError::Refused {
                        code: format!("HTTP status {status}"),
                        message,
                    },
                }
            }
            SdkError::ResponseError(response) => FetchError::Refused {
                code: format!("HTTP status {}", response.raw().status().as_u16()),
                message: "the answer cannot be read".to_owned(),
            },
            error => FetchError::NotAnswered {
                message: causes(&error),
            },
        }
    }
}
