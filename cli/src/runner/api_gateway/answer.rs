//! The answer of an integration, gathered or as the prelude of a stream, and what API Gateway makes of its head.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html#api-gateway-simple-proxy-for-lambda-output-format>

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

/// Headers that only the connection may have: dropped.
const DROPPED: [&str; 6] = [
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
/// Headers that API Gateway sets itself; a function's own are renamed.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html>
const REMAPPED: [(&str, &str); 5] = [
    ("connection", "x-amzn-remapped-connection"),
    ("content-length", "x-amzn-remapped-content-length"),
    ("date", "x-amzn-remapped-date"),
    ("server", "x-amzn-remapped-server"),
    ("www-authenticate", "x-amzn-remapped-www-authenticate"),
];

/// An answer that API Gateway cannot use (`Malformed Lambda proxy response`).
#[derive(Debug, thiserror::Error)]
pub(super) enum MalformedAnswer {
    #[error("it is not of the form that API Gateway takes: {0}")]
    Shape(#[from] serde_json::Error),
    #[error("its statusCode is {0}, which is none of an answer")]
    Status(Value),
    #[error("its header `{0}` has a name or a value that no header can have")]
    Header(String),
    #[error("it has `{0}`, which belongs into {1}")]
    Misplaced(&'static str, &'static str),
    #[error("it is not streamed with the content type application/vnd.awslambda.http-integration-response")]
    NotStreamed,
    #[error("its first 16 KB have no prelude that ends with eight NULs")]
    NoDelimiter,
}

/// What a function answers. Nothing is mandatory, and there may be nothing else.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ProxyAnswer {
    status_code: Option<Value>,
    headers: Option<BTreeMap<String, Scalar>>,
    multi_value_headers: Option<BTreeMap<String, Vec<Scalar>>>,
    cookies: Option<Vec<String>>,
    body: Option<String>,
    is_base64_encoded: Option<bool>,
}

/// The value of a header. A list, as some runtimes write repeated headers of a prelude, is documented nowhere.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Scalar {
    Text(String),
    Truth(bool),
}

impl Scalar {
    fn into_string(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Truth(value) => value.to_string(),
        }
    }
}

/// The status and the headers of an answer.
#[derive(Debug)]
pub(super) struct Head {
    status: StatusCode,
    headers: HeaderMap,
}

/// The body of an answer that was gathered.
#[derive(Debug)]
pub(super) struct BufferedBody {
    text: String,
    is_base64_encoded: bool,
}

impl ProxyAnswer {
    /// Reads an answer that was gathered.
    pub(super) fn buffered(bytes: &[u8]) -> Result<(Head, BufferedBody), MalformedAnswer> {
        let mut answer: Self = serde_json::from_slice(bytes)?;
        if answer.cookies.is_some() {
            return Err(MalformedAnswer::Misplaced("cookies", "the prelude of a stream"));
        }
        let body = BufferedBody {
            text: answer.body.take().unwrap_or_default(),
            is_base64_encoded: answer.is_base64_encoded.unwrap_or_default(),
        };
        Ok((answer.into_head()?, body))
    }

    /// Reads the prelude of a stream.
    pub(super) fn prelude(bytes: &[u8]) -> Result<Head, MalformedAnswer> {
        let answer: Self = serde_json::from_slice(bytes)?;
        if answer.body.is_some() || answer.is_base64_encoded.is_some() {
            return Err(MalformedAnswer::Misplaced("body", "an answer that is not streamed"));
        }
        answer.into_head()
    }

    fn into_head(self) -> Result<Head, MalformedAnswer> {
        let status = match &self.status_code {
            None => Some(StatusCode::OK),
            Some(Value::Number(number)) => number
                .as_u64()
                .and_then(|number| u16::try_from(number).ok())
                .and_then(|number| StatusCode::from_u16(number).ok()),
            Some(Value::String(text)) => text.parse().ok(),
            Some(_) => None,
        };
        let status = status
            .filter(|status| !status.is_informational())
            .ok_or_else(|| MalformedAnswer::Status(self.status_code.unwrap_or_default()))?;
        let multiple = self.multi_value_headers.unwrap_or_default();
        let cookies = self.cookies.unwrap_or_default().into_iter();
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (name, values) in multiple {
            pairs.extend(values.into_iter().map(|value| (name.clone(), value.into_string())));
        }
        // What is in both counts once.
        for (name, value) in self.headers.unwrap_or_default() {
            let pair = (name, value.into_string());
            if !pairs.contains(&pair) {
                pairs.push(pair);
            }
        }
        pairs.extend(cookies.map(|cookie| (SET_COOKIE.to_string(), cookie)));
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            let given = (HeaderName::try_from(&name), HeaderValue::try_from(value));
            let (Ok(mut header), Ok(value)) = given else {
                return Err(MalformedAnswer::Header(name));
            };
            if DROPPED.contains(&header.as_str()) {
                continue;
            }
            if let Some((_, renamed)) = REMAPPED.iter().find(|(own, _)| *own == header.as_str()) {
                header = HeaderName::from_static(renamed);
            }
            headers.append(header, value);
        }
        headers
            .entry(CONTENT_TYPE)
            .or_insert(HeaderValue::from_static("application/json"));
        Ok(Head { status, headers })
    }
}

impl Head {
    pub(super) fn with(self, body: Body) -> Response<Body> {
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}

impl BufferedBody {
    /// The bytes for a client that takes binary answers, and the text as it is for any other.
    pub(super) fn into_bytes(self, takes_binary: bool) -> Result<Vec<u8>, base64::DecodeError> {
        if self.is_base64_encoded && takes_binary {
            STANDARD.decode(self.text)
        } else {
            Ok(self.text.into_bytes())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn head(answer: &Value) -> Head {
        ProxyAnswer::prelude(answer.to_string().as_bytes()).expect("a prelude")
    }

    fn headers(head: &Head) -> Vec<(&str, &str)> {
        let mut headers: Vec<(&str, &str)> = head
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().expect("text")))
            .collect();
        headers.sort_unstable();
        headers
    }

    #[test]
    fn single_and_multiple_headers_and_cookies_are_joined() {
        let head = head(&json!({
            "statusCode": 201,
            "headers": {"Content-Type": "text/plain", "X-Both": "a", "X-More": "c", "X-True": true},
            "multiValueHeaders": {"X-Both": ["a", "b"], "X-More": ["d"]},
            "cookies": ["e=f", "g=h"],
        }));
        assert_eq!(head.status, 201);
        let expected = [
            ("content-type", "text/plain"),
            ("set-cookie", "e=f"),
            ("set-cookie", "g=h"),
            ("x-both", "a"),
            ("x-both", "b"),
            ("x-more", "c"),
            ("x-more", "d"),
            ("x-true", "true"),
        ];
        assert_eq!(headers(&head), expected);
    }

    #[test]
    fn headers_of_the_connection_are_dropped_or_renamed() {
        let head = head(&json!({"headers": {
            "Content-Length": "7",
            "Connection": "close",
            "Date": "today",
            "Server": "mine",
            "WWW-Authenticate": "Basic",
            "Transfer-Encoding": "chunked",
            "Upgrade": "h2c",
            "Trailer": "x",
        }}));
        let expected = [
            ("content-type", "application/json"),
            ("x-amzn-remapped-connection", "close"),
            ("x-amzn-remapped-content-length", "7"),
            ("x-amzn-remapped-date", "today"),
            ("x-amzn-remapped-server", "mine"),
            ("x-amzn-remapped-www-authenticate", "Basic"),
        ];
        assert_eq!(headers(&head), expected);
        assert_eq!(head.status, 200);
    }

    #[test]
    fn what_api_gateway_does_not_take_is_malformed() {
        let cases = [
            json!(null),
            json!("text"),
            json!({"status": 200}),
            json!({"statusCode": "abc"}),
            json!({"statusCode": 99}),
            json!({"statusCode": 101}),
            json!({"statusCode": 1000}),
            json!({"headers": {"a": 1}}),
            json!({"headers": {"a": ["b"]}}),
            json!({"headers": {"a b": "c"}}),
            json!({"headers": {"a": "b\r\nc: d"}}),
            json!({"multiValueHeaders": {"a": "b"}}),
            json!({"errorMessage": "no luck"}),
        ];
        for answer in cases {
            let text = answer.to_string();
            assert!(ProxyAnswer::prelude(text.as_bytes()).is_err(), "{answer}");
            assert!(ProxyAnswer::buffered(text.as_bytes()).is_err(), "{answer}");
        }
        assert!(ProxyAnswer::prelude(br#"{"body": "a"}"#).is_err());
        assert!(ProxyAnswer::buffered(br#"{"cookies": ["a=b"]}"#).is_err());
        assert!(ProxyAnswer::buffered(br#"{"body": {"a": 1}}"#).is_err());
    }

    #[test]
    fn base64_is_decoded_for_those_who_take_it() {
        let body = || {
            let answer = json!({"statusCode": "200", "body": "/wA=", "isBase64Encoded": true});
            ProxyAnswer::buffered(answer.to_string().as_bytes())
                .expect("an answer")
                .1
        };
        assert_eq!(body().into_bytes(true), Ok(vec![0xff, 0]));
        assert_eq!(body().into_bytes(false), Ok(b"/wA=".to_vec()));
        let broken = br#"{"body": "%", "isBase64Encoded": true}"#;
        assert!(
            ProxyAnswer::buffered(broken)
                .expect("an answer")
                .1
                .into_bytes(true)
                .is_err()
        );
    }
}
