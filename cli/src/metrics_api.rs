//! The Metrics API behind API Gateway on this machine, with the settings with which it is deployed.

use std::time::Duration;

use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};

use crate::runner::Function;
use crate::runner::api_gateway::{Authorizer, GatewayResponse, Integration, ResponseType, RestApi, RestApiBuilder};

/// What API Gateway answers by itself: the type, Prometheus' `errorType`, and the words, or AWS' own.
const GATEWAY_RESPONSES: [(ResponseType, &str, Option<&str>); 9] = [
    (ResponseType::Unauthorized, "unauthorized", None),
    (ResponseType::AccessDenied, "forbidden", None),
    (ResponseType::InvalidApiKey, "forbidden", None),
    (ResponseType::Throttled, "too_many_requests", None),
    (ResponseType::QuotaExceeded, "too_many_requests", None),
    (ResponseType::IntegrationTimeout, "timeout", None),
    // For which AWS has no words.
    (
        ResponseType::AuthorizerConfigurationError,
        "internal",
        Some("Internal server error"),
    ),
    (ResponseType::Default4xx, "bad_data", None),
    (ResponseType::Default5xx, "internal", None),
];

/// The API: everything to the function `metrics-api`, streamed for at most `timeout`, and only past the authorizer.
/// Errors of API Gateway itself are in Prometheus' form.
pub fn rest_api(authorizer: Authorizer, metrics_api: Function, timeout: Duration) -> RestApiBuilder {
    let builder = RestApi::builder()
        .any("/{proxy+}", Integration::streamed(metrics_api).timeout(timeout))
        .authorizer(authorizer);
    // What AWS calls a missing token is a path that the API has not, such as that of its stage.
    let nothing = GatewayResponse::new()
        .status(StatusCode::NOT_FOUND)
        .body(r#"{"status":"error","errorType":"not_found","error":"nothing is served here"}"#);
    let builder = builder.gateway_response(ResponseType::MissingAuthenticationToken, nothing);
    GATEWAY_RESPONSES
        .into_iter()
        .fold(builder, |builder, (response_type, error_type, words)| {
            let words = words.map_or_else(
                || "$context.error.messageString".into(),
                |words| serde_json::Value::from(words).to_string(),
            );
            let body = format!(r#"{{"status":"error","errorType":"{error_type}","error":{words}}}"#);
            let response = headers(response_type)
                .into_iter()
                .fold(GatewayResponse::new().body(body), |response, (name, value)| {
                    response.header(name, value)
                });
            builder.gateway_response(response_type, response)
        })
}

fn headers(response_type: ResponseType) -> Option<(HeaderName, HeaderValue)> {
    match response_type {
        ResponseType::Unauthorized => Some((
            WWW_AUTHENTICATE,
            HeaderValue::from_static(r#"Bearer realm="fanlight", Basic realm="fanlight""#),
        )),
        ResponseType::Throttled => Some((RETRY_AFTER, HeaderValue::from_static("1"))),
        _ => None,
    }
}
