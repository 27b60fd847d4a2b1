//! What it means that CloudWatch did not do as it was asked.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::aws::{self, causes};

/// Codes of requests that came too fast, and were not taken.
const THROTTLED: [&str; 6] = [
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestLimitExceeded",
    "TooManyRequestsException",
    "SlowDown",
];
/// Codes that speak of who asks.
const LOGIN: [&str; 12] = [
    "AccessDenied",
    "AccessDeniedException",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "NotAuthorized",
    "OptInRequired",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
];

/// Why a request did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("CloudWatch ({region}): {action}: {message}")]
pub(crate) struct Refusal {
    /// One of the kinds of [`MetricFailure`](crate::sources::MetricFailure).
    pub(crate) kind: &'static str,
    /// Whether CloudWatch may have done as it was asked all the same.
    pub(crate) may_have_been_taken: bool,
    region: String,
    /// What was asked, by its name in a policy of IAM.
    action: &'static str,
    message: String,
}

impl Refusal {
    /// Takes from the SDK's error what cannot hold credentials.
    pub(crate) fn of<E>(action: &'static str, region: Option<&str>, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let (kind, may_have_been_taken, message) = explain(action, error);
        Self {
            kind,
            may_have_been_taken,
            region: region.unwrap_or("no region").to_owned(),
            action,
            message,
        }
    }
}

fn explain<E>(action: &'static str, error: &SdkError<E, HttpResponse>) -> (&'static str, bool, String)
where
    E: ProvideErrorMetadata + Error + 'static,
{
    if let Some(credentials) = credentials_error(error) {
        let message = format!(
            "there are no credentials to ask with: {}; check the function's role, and that the role to assume trusts it",
            causes(credentials)
        );
        return ("login", false, message);
    }
    match error {
        SdkError::TimeoutError(_) => ("timeout", true, "no answer came in time".to_owned()),
        SdkError::DispatchFailure(failure) => match failure.as_connector_error() {
            Some(connector) if connector.is_timeout() => ("timeout", true, "no answer came in time".to_owned()),
            Some(connector) if connector.is_io() => {
                let message = format!(
                    "it is not reachable: {}; check the network's way to it (a VPC needs an endpoint or a NAT gateway)",
                    causes(connector)
                );
                ("connect", !aws::never_connected(connector), message)
            }
            Some(connector) => ("connect", true, causes(connector)),
            None => ("connect", true, "the request could not be sent".to_owned()),
        },
        SdkError::ServiceError(refusal) => {
            let status = refusal.raw().status().as_u16();
            let error = refusal.err();
            let code = error
                .code()
                .map_or_else(|| format!("HTTP status {status}"), str::to_owned);
            let said = error.message().unwrap_or("without a message");
            if THROTTLED.contains(&code.as_str()) || status == 429 {
                ("throttled", false, format!("too many requests ({code}: {said})"))
            } else if LOGIN.contains(&code.as_str()) || matches!(status, 401 | 403) {
                let message = format!("refused: allow `{action}` to the role that asks (AWS says: {code}: {said})");
                ("login", false, message)
            } else if status >= 500 {
                ("status", true, format!("it failed by itself ({code}: {said})"))
            } else {
                ("query", false, format!("refused: {code}: {said}"))
            }
        }
        SdkError::ResponseError(response) => {
            let status = response.raw().status().as_u16();
            let message = format!("the answer cannot be read (HTTP status {status})");
            ("status", true, message)
        }
        SdkError::ConstructionFailure(_) => ("query", false, format!("it cannot be asked: {}", causes(error))),
        error => ("query", true, causes(error)),
    }
}

/// The error of whoever was to hand out credentials, which the SDK wraps as one of the network's.
fn credentials_error<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e CredentialsError> {
    std::iter::successors(Some(error), |cause: &&'e (dyn Error + 'static)| (*cause).source())
        .find_map(|cause| cause.downcast_ref())
}
