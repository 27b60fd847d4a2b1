//! A request as API Gateway reads it, before anybody is asked about it.

use std::net::IpAddr;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::header::HOST;
use axum::http::{HeaderMap, Method, Request, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use uuid::Uuid;

use super::gateway_response::GatewayError;
use crate::runner::function::trace_root;

/// The largest body, by
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html>.
const LARGEST_BODY: usize = 10 * 1024 * 1024;
/// The most bytes of all headers together, by the same page.
const LARGEST_HEADERS: usize = 10_240;

/// Headers that never reach a function: those that belong to the connection, and some more.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html>
const DROPPED: [&str; 14] = [
    "connection",
    "content-length",
    "content-md5",
    "expect",
    "keep-alive",
    "max-forwards",
    "proxy-authenticate",
    "proxy-connection",
    "server",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "www-authenticate",
];
/// Headers that API Gateway writes itself, in the case in which it does.
const OWN: [&str; 5] = [
    "Host",
    "X-Amzn-Trace-Id",
    "X-Forwarded-For",
    "X-Forwarded-Port",
    "X-Forwarded-Proto",
];

/// A request for one stage of the API.
pub(super) struct ApiRequest {
    pub(super) method: Method,
    /// Behind the stage, encoded as it came.
    pub(super) path: String,
    /// Names as they came, which the HTTP library in front gives in lower case, as HTTP/2 does; API Gateway's own in
    /// its own case.
    pub(super) headers: Vec<(String, String)>,
    /// Decoded once.
    pub(super) query: Vec<(String, String)>,
    pub(super) body: Bytes,
    pub(super) source_ip: IpAddr,
    pub(super) protocol: &'static str,
    pub(super) host: String,
    pub(super) received: Timestamp,
    pub(super) ids: RequestIds,
}

/// What a request is known by.
#[derive(Clone)]
pub(super) struct RequestIds {
    /// A UUID.
    pub(super) request_id: String,
    /// What the header `x-amz-apigw-id` says.
    pub(super) extended: String,
    pub(super) trace: String,
}

impl RequestIds {
    pub(super) fn new() -> Self {
        Self {
            request_id: Uuid::new_v4().to_string(),
            extended: STANDARD.encode(&Uuid::new_v4().as_bytes()[..11]),
            trace: trace_root(),
        }
    }
}

impl ApiRequest {
    /// Reads the request and its body, or says why it is refused.
    pub(super) async fn read(
        request: Request<Body>,
        stage: &str,
        source_ip: IpAddr,
        ids: RequestIds,
    ) -> Result<Self, GatewayError> {
        let (parts, body) = request.into_parts();
        let size: usize = parts
            .headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len())
            .sum();
        if size > LARGEST_HEADERS {
            // The status is not documented; the words are those that people report.
            return Err(GatewayError::BadRequest("HTTP header is larger than 10240 bytes."));
        }
        let path = within_stage(parts.uri.path(), stage).ok_or(GatewayError::WrongStage)?;
        let query = decode_query(parts.uri.query().unwrap_or_default())?;
        let host = parts.headers.get(HOST).map_or_else(|| "localhost".into(), text);
        let body = to_bytes(body, LARGEST_BODY)
            .await
            // A client that breaks off reads no answer.
            .map_err(|_| GatewayError::RequestTooLarge)?;
        Ok(Self {
            path: path.into(),
            headers: headers(&parts.headers, &host, source_ip, &ids.trace),
            query,
            body,
            source_ip,
            protocol: match parts.version {
                Version::HTTP_10 => "HTTP/1.0",
                _ => "HTTP/1.1",
            },
            host,
            received: Timestamp::now(),
            ids,
            method: parts.method,
        })
    }

    /// The last value of a header, as in the event's `headers`.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .rfind(|(given, _)| given.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// The path behind the stage, `/` at least.
fn within_stage<'a>(path: &'a str, stage: &str) -> Option<&'a str> {
    let rest = path.strip_prefix('/')?.strip_prefix(stage)?;
    match rest {
        "" => Some("/"),
        _ => rest.starts_with('/').then_some(rest),
    }
}

/// Bytes that are no UTF-8 are replaced: the event is JSON.
fn text(value: &axum::http::HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

fn headers(received: &HeaderMap, host: &str, source_ip: IpAddr, trace: &str) -> Vec<(String, String)> {
    let mut headers: Vec<(String, String)> = received
        .iter()
        .filter(|(name, _)| {
            !DROPPED.contains(&name.as_str()) && !OWN.iter().any(|own| own.eq_ignore_ascii_case(name.as_str()))
        })
        .map(|(name, value)| (name.as_str().into(), text(value)))
        .collect();
    let mut forwarded: Vec<String> = received.get_all("x-forwarded-for").iter().map(text).collect();
    forwarded.push(source_ip.to_string());
    let values = [
        host.to_owned(),
        trace.to_owned(),
        forwarded.join(", "),
        // As on AWS, where there is nothing but HTTPS.
        "443".into(),
        "https".into(),
    ];
    headers.extend(OWN.iter().map(|name| (*name).to_owned()).zip(values));
    headers
}

/// The parameters, decoded once, `+` as a space; a semicolon parts them like an ampersand, and some bytes must be
/// encoded (<https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html>).
fn decode_query(query: &str) -> Result<Vec<(String, String)>, GatewayError> {
    if query.contains(['|', '{', '}']) {
        // That these are refused is documented; how is not.
        return Err(GatewayError::BadRequest("Bad Request"));
    }
    let decode = |text: &str| {
        let spaced = text.replace('+', " ");
        percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
    };
    Ok(query
        .split(['&', ';'])
        .filter(|parameter| !parameter.is_empty())
        .map(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            (decode(name), decode(value))
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stage_is_the_first_part_of_the_path() {
        let cases = [
            ("/prod", Some("/")),
            ("/prod/", Some("/")),
            ("/prod/api/v1/query", Some("/api/v1/query")),
            ("/prod//a", Some("//a")),
            ("/production/a", None),
            ("/a/prod", None),
            ("/", None),
            ("*", None),
        ];
        for (path, rest) in cases {
            assert_eq!(within_stage(path, "prod"), rest, "{path}");
        }
    }

    #[test]
    fn parameters_are_decoded_once() {
        let cases: [(&str, &[(&str, &str)]); 9] = [
            ("", &[]),
            ("a=1&a=2&b", &[("a", "1"), ("a", "2"), ("b", "")]),
            ("a=b+c%2Bd", &[("a", "b c+d")]),
            ("match%5B%5D=up%7Ba%3D%22b%22%7D", &[("match[]", "up{a=\"b\"}")]),
            ("a=%252F", &[("a", "%2F")]),
            ("a=1;b=2", &[("a", "1"), ("b", "2")]),
            ("a=b=c", &[("a", "b=c")]),
            ("a=%FF", &[("a", "\u{fffd}")]),
            ("a=%zz&&", &[("a", "%zz")]),
        ];
        for (query, parameters) in cases {
            let decoded = decode_query(query).expect("parameters");
            let decoded: Vec<(&str, &str)> = decoded.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
            assert_eq!(decoded, parameters, "{query}");
        }
        for query in ["query=up{a=1}", "a|b"] {
            assert_eq!(
                decode_query(query),
                Err(GatewayError::BadRequest("Bad Request")),
                "{query}"
            );
        }
    }

    #[test]
    fn headers_of_the_connection_are_dropped_and_those_of_api_gateway_are_its_own() {
        let mut received = HeaderMap::new();
        for (name, value) in [
            ("host", "spoofed"),
            ("connection", "keep-alive"),
            ("content-length", "3"),
            ("accept", "a"),
            ("accept", "b"),
            ("x-forwarded-for", "10.0.0.1"),
            ("x-forwarded-proto", "gopher"),
            ("x-amzn-trace-id", "Root=1-0-0"),
        ] {
            received.append(name, value.parse().expect("a value"));
        }
        let headers = headers(&received, "api", IpAddr::from([127, 0, 0, 1]), "Root=1-2-3");
        let expected = [
            ("accept", "a"),
            ("accept", "b"),
            ("Host", "api"),
            ("X-Amzn-Trace-Id", "Root=1-2-3"),
            ("X-Forwarded-For", "10.0.0.1, 127.0.0.1"),
            ("X-Forwarded-Port", "443"),
            ("X-Forwarded-Proto", "https"),
        ];
        let headers: Vec<(&str, &str)> = headers.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert_eq!(headers, expected);
    }
}
