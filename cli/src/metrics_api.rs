//! The Metrics API behind API Gateway on this machine, with the settings with which it is deployed.

use std::time::Duration;

use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};

use crate::runner::Function;
use crate::runner::api_gateway::{Authorizer, GatewayResponse, Integration, ResponseType, RestApi, RestApiBuilder};

/// What API Gateway answers by itself: the type, Prometheus' `errorType`, and the words, or AWS' own.
const GATEWAY_RESPONSES: [(ResponseType, &str, Option<&str>); 10] = [
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
    // What AWS calls a missing token is a path that the API has not, such as that of its stage.
    (
        ResponseType::MissingAuthenticationToken,
        "not_found",
        Some("nothing is served here"),
    ),
    (ResponseType::Default4xx, "bad_data", None),
    (ResponseType::Default5xx, "internal", None),
];

/// The methods of readers of the dashboards, for which no API key is asked.
const DASHBOARDS: [&str; 2] = ["/grafana", "/grafana/{file}"];

/// The API: everything to the function `metrics-api`, streamed for at most `timeout`, and only past the authorizer.
/// Errors of API Gateway itself are in Prometheus' form.
pub fn rest_api(authorizer: Authorizer, metrics_api: &Function, timeout: Duration) -> RestApiBuilder {
    let integration = || Integration::streamed(metrics_api.clone()).timeout(timeout);
    let builder = RestApi::builder()
        .any("/{proxy+}", integration())
        .authorizer(authorizer);
    let builder = DASHBOARDS.into_iter().fold(builder, |builder, path| {
        let methods = [Method::GET, Method::HEAD].into_iter();
        methods.fold(builder, |builder, method| {
            builder.method(method, path, integration().without_key())
        })
    });
    GATEWAY_RESPONSES
        .into_iter()
        .fold(builder, |builder, (response_type, error_type, words)| {
            let response = GatewayResponse::new().body(body(error_type, words));
            let response = headers(response_type)
                .into_iter()
                .fold(response, |response, (name, value)| response.header(name, value));
            let response = status(response_type)
                .into_iter()
                .fold(response, GatewayResponse::status);
            builder.gateway_response(response_type, response)
        })
}

/// The status, where it is not AWS' own.
fn status(response_type: ResponseType) -> Option<StatusCode> {
    matches!(response_type, ResponseType::MissingAuthenticationToken).then_some(StatusCode::NOT_FOUND)
}

fn body(error_type: &str, words: Option<&str>) -> String {
    let words = words.map_or_else(
        || "$context.error.messageString".into(),
        |words| serde_json::Value::from(words).to_string(),
    );
    format!(r#"{{"status":"error","errorType":"{error_type}","error":{words}}}"#)
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::Value;

    use super::*;

    /// An answer of API Gateway: its status where that is not AWS' own, its headers, its body.
    type Answer = (Option<u64>, BTreeMap<String, String>, String);

    fn deployed() -> BTreeMap<String, Answer> {
        let template = concat!(env!("CARGO_MANIFEST_DIR"), "/../template.yaml");
        let template: Value = serde_saphyr::from_str(&std::fs::read_to_string(template).unwrap()).unwrap();
        let responses = &template["Resources"]["Api"]["Properties"]["GatewayResponses"];
        let responses = responses.as_object().unwrap().iter();
        responses
            .map(|(name, response)| {
                let headers = response["ResponseParameters"]["Headers"].as_object();
                let headers = headers.into_iter().flatten().map(|(name, value)| {
                    // API Gateway takes as it is what stands in quotes.
                    let quoted = value.as_str().unwrap().strip_prefix('\'');
                    let value = quoted.and_then(|value| value.strip_suffix('\'')).unwrap();
                    (name.to_ascii_lowercase(), value.to_owned())
                });
                let body = response["ResponseTemplates"]["application/json"].as_str().unwrap();
                let answer = (response["StatusCode"].as_u64(), headers.collect(), body.to_owned());
                (name.clone(), answer)
            })
            .collect()
    }

    #[test]
    fn api_gateway_answers_here_as_it_does_deployed() {
        let here: BTreeMap<String, Answer> = GATEWAY_RESPONSES
            .into_iter()
            .map(|(response_type, error_type, words)| {
                let headers = headers(response_type)
                    .into_iter()
                    .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
                let status = status(response_type).map(|status| status.as_u16().into());
                let answer = (status, headers.collect(), body(error_type, words));
                (response_type.name().to_owned(), answer)
            })
            .collect();
        assert_eq!(here, deployed());
    }
}
