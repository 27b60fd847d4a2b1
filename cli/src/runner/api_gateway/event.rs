//! The events that API Gateway sends to an authorizer and to an integration.
//!
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html#api-gateway-simple-proxy-for-lambda-input-format>
//! and <https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-input.html>. `path` and
//! `pathParameters` are encoded as they came, parameters decoded once.

use std::collections::BTreeMap;

use axum::http::header::CONTENT_TYPE;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::request::ApiRequest;
use super::routes::{PathParameters, Resource};
use crate::runner::function::ACCOUNT;

/// The identifier of the API, which AWS would have made up.
pub(super) const API_ID: &str = "local00000";

/// Everything that an event tells.
pub(super) struct EventSource<'a> {
    pub(super) request: &'a ApiRequest,
    pub(super) resource: &'a Resource,
    pub(super) path_parameters: &'a PathParameters,
    pub(super) region: &'a str,
    pub(super) stage: &'a str,
}

/// An API key and its identifier.
pub(super) struct UsedKey<'a> {
    pub(super) value: &'a str,
    pub(super) id: &'a str,
}

impl EventSource<'_> {
    /// The ARN of the method, with the path of the request rather than that of the resource.
    pub(super) fn method_arn(&self) -> String {
        let Self {
            request, region, stage, ..
        } = self;
        let (method, path) = (&request.method, &request.path);
        format!("arn:aws:execute-api:{region}:{ACCOUNT}:{API_ID}/{stage}/{method}{path}")
    }

    /// The event of an authorizer of type `REQUEST`.
    pub(super) fn authorizer_event(&self) -> Bytes {
        let mut event = self.common();
        event.insert("type".into(), "REQUEST".into());
        event.insert("methodArn".into(), self.method_arn().into());
        event.insert("requestContext".into(), self.context(None).into());
        // Writing a value cannot fail.
        Value::Object(event).to_string().into()
    }

    /// The event of the integration.
    pub(super) fn proxy_event(
        &self,
        authorizer: Option<Map<String, Value>>,
        key: Option<&UsedKey<'_>>,
        binary_media_types: &[String],
    ) -> Bytes {
        let mut context = self.context(key);
        if let Some(authorizer) = authorizer {
            context.insert("authorizer".into(), authorizer.into());
        }
        let mut event = self.common();
        event.insert("requestContext".into(), context.into());
        let body = &self.request.body;
        let content_type = self.request.header(CONTENT_TYPE.as_str()).unwrap_or_default();
        let binary = is_binary(content_type, binary_media_types);
        let text = match (body.is_empty(), binary) {
            (true, _) => Value::Null,
            (false, true) => STANDARD.encode(body).into(),
            // What is no UTF-8 arrives damaged, as on AWS.
            (false, false) => String::from_utf8_lossy(body).into_owned().into(),
        };
        event.insert("isBase64Encoded".into(), (binary && !body.is_empty()).into());
        event.insert("body".into(), text);
        Value::Object(event).to_string().into()
    }

    /// What both events have.
    fn common(&self) -> Map<String, Value> {
        let request = self.request;
        let mut event = Map::new();
        event.insert("resource".into(), self.resource.path.as_str().into());
        event.insert("path".into(), request.path.as_str().into());
        event.insert("httpMethod".into(), request.method.as_str().into());
        event.insert("headers".into(), single(&request.headers));
        event.insert("multiValueHeaders".into(), multiple(&request.headers));
        event.insert("queryStringParameters".into(), single(&request.query));
        event.insert("multiValueQueryStringParameters".into(), multiple(&request.query));
        event.insert("pathParameters".into(), or_null(json!(self.path_parameters)));
        event.insert("stageVariables".into(), Value::Null);
        event
    }

    fn context(&self, key: Option<&UsedKey<'_>>) -> Map<String, Value> {
        let Self {
            request,
            resource,
            stage,
            ..
        } = self;
        let mut identity: Map<String, Value> = [
            "accessKey",
            "accountId",
            "caller",
            "cognitoAuthenticationProvider",
            "cognitoAuthenticationType",
            "cognitoIdentityId",
            "cognitoIdentityPoolId",
            "principalOrgId",
            "user",
            "userArn",
        ]
        .map(|name| (name.to_owned(), Value::Null))
        .into_iter()
        .collect();
        identity.insert("sourceIp".into(), request.source_ip.to_string().into());
        identity.insert("userAgent".into(), request.header("user-agent").into());
        if let Some(key) = key {
            identity.insert("apiKey".into(), key.value.into());
            identity.insert("apiKeyId".into(), key.id.into());
        }
        let values = [
            ("accountId", Value::from(ACCOUNT)),
            ("apiId", API_ID.into()),
            ("deploymentId", "local0".into()),
            ("domainName", request.host.as_str().into()),
            (
                "domainPrefix",
                request.host.split(['.', ':']).next().unwrap_or_default().into(),
            ),
            ("extendedRequestId", request.ids.extended.as_str().into()),
            ("httpMethod", request.method.as_str().into()),
            ("identity", identity.into()),
            ("path", format!("/{stage}{}", request.path).into()),
            ("protocol", request.protocol.into()),
            ("requestId", request.ids.request_id.as_str().into()),
            (
                "requestTime",
                request.received.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string().into(),
            ),
            ("requestTimeEpoch", request.received.as_millisecond().into()),
            ("resourceId", resource.id.as_str().into()),
            ("resourcePath", resource.path.as_str().into()),
            ("stage", (*stage).into()),
        ];
        values
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }
}

/// The last value of each name, or `null`.
fn single(pairs: &[(String, String)]) -> Value {
    let values: Map<String, Value> = pairs
        .iter()
        .map(|(name, value)| (name.clone(), value.as_str().into()))
        .collect();
    or_null(values.into())
}

/// All values of each name in their order, or `null`.
fn multiple(pairs: &[(String, String)]) -> Value {
    let mut values: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, value) in pairs {
        values.entry(name).or_default().push(value);
    }
    or_null(json!(values))
}

/// API Gateway writes `null` for a map without entries.
fn or_null(map: Value) -> Value {
    match map {
        Value::Object(map) if map.is_empty() => Value::Null,
        map => map,
    }
}

/// Whether a media type is among those that the API treats as binary, as `image/png`, `image/*` or `*/*`.
pub(super) fn is_binary(media_type: &str, binary_media_types: &[String]) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    binary_media_types.iter().any(|binary| {
        binary == "*/*"
            || binary.eq_ignore_ascii_case(essence)
            || binary.strip_suffix('*').is_some_and(|kind| {
                kind.ends_with('/')
                    && essence
                        .get(..kind.len())
                        .is_some_and(|given| given.eq_ignore_ascii_case(kind))
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_media_type_is_binary_where_the_api_says_so() {
        let cases: [(&str, &[&str], bool); 8] = [
            ("image/png", &[], false),
            ("image/png", &["image/png"], true),
            ("IMAGE/PNG; q=1", &["image/png"], true),
            ("image/png", &["image/*"], true),
            ("imagery/png", &["image/*"], false),
            ("text/plain", &["image/*", "*/*"], true),
            ("", &["*/*"], true),
            ("", &["image/*"], false),
        ];
        for (media_type, binary, expected) in cases {
            let binary: Vec<String> = binary.iter().map(|kind| (*kind).into()).collect();
            assert_eq!(is_binary(media_type, &binary), expected, "{media_type} {binary:?}");
        }
    }
}
