//! Lambda's Invoke API, for `aws lambda invoke --endpoint-url` and the SDKs.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>
//!
//! It takes no credentials, so it belongs on the loopback interface. Requests that a web page has sent are refused: a
//! browser may reach this interface too.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::header::{CONTENT_TYPE, ORIGIN};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::post;

use super::function::{Function, InvokeError};
use super::invocation::{Invocation, Outcome};

/// The largest event of a synchronous invocation: 6 MB.
pub(super) const LARGEST_EVENT: usize = 6 * 1024 * 1024;
/// The largest event of an asynchronous one: 1 MB.
const LARGEST_ASYNCHRONOUS_EVENT: usize = 1024 * 1024;

const ERROR_TYPE: &str = "x-amzn-errortype";
const REQUEST_ID: &str = "x-amzn-requestid";

/// `POST /2015-03-31/functions/{name}/invocations` for each of the functions.
pub fn router(functions: impl IntoIterator<Item = Function>) -> Router {
    let functions: BTreeMap<String, Function> = functions
        .into_iter()
        .map(|function| (function.name().to_owned(), function))
        .collect();
    Router::new()
        .route("/2015-03-31/functions/{name}/invocations", post(invoke))
        .with_state(Arc::new(functions))
}

#[derive(Clone, Copy)]
enum InvocationType {
    RequestResponse,
    Event,
    DryRun,
}

/// An error as the SDKs know it.
struct ApiError {
    status: StatusCode,
    error_type: &'static str,
    message: String,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let at_fault = if self.status.is_server_error() {
            "Service"
        } else {
            "User"
        };
        let body = serde_json::json!({"Type": at_fault, "Message": self.message}).to_string();
        (
            self.status,
            [
                (ERROR_TYPE, self.error_type),
                (CONTENT_TYPE.as_str(), "application/json"),
            ],
            body,
        )
            .into_response()
    }
}

impl ApiError {
    fn new(status: StatusCode, error_type: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            error_type,
            message: message.into(),
        }
    }
}

impl From<InvokeError> for ApiError {
    fn from(error: InvokeError) -> Self {
        match error {
            InvokeError::Throttled { .. } => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "TooManyRequestsException",
                error.to_string(),
            ),
            InvokeError::ShutDown { .. } => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "ServiceException", error.to_string())
            }
        }
    }
}

async fn invoke(
    State(functions): State<Arc<BTreeMap<String, Function>>>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    if request.headers().contains_key(ORIGIN) {
        let message = "requests from web pages are refused";
        return Err(ApiError::new(StatusCode::FORBIDDEN, "AccessDeniedException", message));
    }
    let function = find(&functions, &name, request.uri())?;
    let invocation_type = invocation_type(request.headers())?;
    let payload = read_event(invocation_type, request).await?;
    match invocation_type {
        InvocationType::RequestResponse => Ok(answer(function.invoke(payload).await?)),
        InvocationType::Event => {
            let event = function.invoke_event(payload);
            Ok((StatusCode::ACCEPTED, [(REQUEST_ID, event.request_id)]).into_response())
        }
        InvocationType::DryRun => Ok(StatusCode::NO_CONTENT.into_response()),
    }
}

/// The function with this name, partial ARN or ARN.
fn find<'a>(functions: &'a BTreeMap<String, Function>, name: &str, uri: &Uri) -> Result<&'a Function, ApiError> {
    let unqualified = name.strip_suffix(":$LATEST").unwrap_or(name);
    let short = unqualified
        .rsplit_once(":function:")
        .map_or(unqualified, |(_, short)| short);
    let qualifier = uri
        .query()
        .unwrap_or_default()
        .split('&')
        .find_map(|pair| pair.strip_prefix("Qualifier="));
    let latest = qualifier.is_none_or(|qualifier| ["$LATEST", "%24LATEST"].contains(&qualifier));
    functions.get(short).filter(|_| latest).ok_or_else(|| {
        let version = if latest {
            String::new()
        } else {
            format!(" in version {}", qualifier.unwrap_or_default())
        };
        let known: Vec<&str> = functions.keys().map(String::as_str).collect();
        let message = format!(
            "Function not found: {short}{version}; this runner has {}",
            known.join(", ")
        );
        ApiError::new(StatusCode::NOT_FOUND, "ResourceNotFoundException", message)
    })
}

fn invocation_type(headers: &HeaderMap) -> Result<InvocationType, ApiError> {
    let Some(value) = headers.get("x-amz-invocation-type") else {
        return Ok(InvocationType::RequestResponse);
    };
    match value.as_bytes() {
        b"RequestResponse" => Ok(InvocationType::RequestResponse),
        b"Event" => Ok(InvocationType::Event),
        b"DryRun" => Ok(InvocationType::DryRun),
        _ => {
            let message = "X-Amz-Invocation-Type must be RequestResponse, Event or DryRun";
            Err(ApiError::new(
                StatusCode::BAD_REQUEST,
                "InvalidParameterValueException",
                message,
            ))
        }
    }
}

/// The event: JSON of a size that Lambda takes; an empty one is `{}`.
async fn read_event(invocation_type: InvocationType, request: Request) -> Result<Bytes, ApiError> {
    let largest = match invocation_type {
        InvocationType::RequestResponse | InvocationType::DryRun => LARGEST_EVENT,
        InvocationType::Event => LARGEST_ASYNCHRONOUS_EVENT,
    };
    let payload = to_bytes(request.into_body(), largest).await.map_err(|_| {
        let message = format!("Request must be smaller than {largest} bytes for the InvokeFunction operation");
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestTooLargeException", message)
    })?;
    if payload.is_empty() {
        return Ok(Bytes::from_static(b"{}"));
    }
    match serde_json::from_slice::<serde::de::IgnoredAny>(&payload) {
        Ok(_) => Ok(payload),
        Err(error) => {
            let message = format!("Could not parse request body into json: {error}");
            Err(ApiError::new(
                StatusCode::BAD_REQUEST,
                "InvalidRequestContentException",
                message,
            ))
        }
    }
}

fn answer(invocation: Invocation) -> Response {
    let headers = [
        (REQUEST_ID, invocation.request_id),
        ("x-amz-executed-version", "$LATEST".into()),
    ];
    match invocation.outcome {
        Outcome::Success(reply) => {
            let content_type = reply.content_type.unwrap_or_else(|| "application/json".into());
            (headers, [(CONTENT_TYPE, content_type)], reply.body).into_response()
        }
        Outcome::Failure(failure) => {
            let function_error = [
                ("x-amz-function-error", "Unhandled"),
                (CONTENT_TYPE.as_str(), "application/json"),
            ];
            (headers, function_error, failure.payload).into_response()
        }
    }
}
