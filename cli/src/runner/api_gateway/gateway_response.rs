//! What API Gateway answers by itself, and how an API may word it.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html>

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

/// A type of answer that an API may word in its own way (`GatewayResponses` of a SAM template).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ResponseType {
    /// 403: the authorizer's policy does not allow the method.
    AccessDenied,
    /// 500: the authorizer failed, or what it answered is no policy.
    AuthorizerConfigurationError,
    /// 504: the integration took too long.
    IntegrationTimeout,
    /// 403: the method needs an API key and there is none, or none of a usage plan.
    InvalidApiKey,
    /// 403: the API has no such method.
    MissingAuthenticationToken,
    /// 429: the quota of the usage plan is spent.
    QuotaExceeded,
    /// 413: the request is larger than 10 MB, or its event larger than what Lambda takes.
    RequestTooLarge,
    /// 429: faster than the usage plan allows.
    Throttled,
    /// 401: the credentials are missing or wrong.
    Unauthorized,
    /// Every other answer of status 4xx.
    Default4xx,
    /// Every other answer of status 5xx.
    Default5xx,
}

impl ResponseType {
    /// The name in a template and in `$context.error.responseType`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AccessDenied => "ACCESS_DENIED",
            Self::AuthorizerConfigurationError => "AUTHORIZER_CONFIGURATION_ERROR",
            Self::IntegrationTimeout => "INTEGRATION_TIMEOUT",
            Self::InvalidApiKey => "INVALID_API_KEY",
            Self::MissingAuthenticationToken => "MISSING_AUTHENTICATION_TOKEN",
            Self::QuotaExceeded => "QUOTA_EXCEEDED",
            Self::RequestTooLarge => "REQUEST_TOO_LARGE",
            Self::Throttled => "THROTTLED",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::Default4xx => "DEFAULT_4XX",
            Self::Default5xx => "DEFAULT_5XX",
        }
    }
}

/// How an API words an answer of a type; what is not set stays as AWS has it.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct GatewayResponse {
    status: Option<StatusCode>,
    headers: HeaderMap,
    template: Option<String>,
}

impl GatewayResponse {
    /// AWS' own words.
    pub fn new() -> Self {
        Self::default()
    }

    /// Another status.
    pub fn status(mut self, status: StatusCode) -> Self {
        self.status = Some(status);
        self
    }

    /// A header more (`ResponseParameters`).
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    /// Another body, of type `application/json`. It may name `$context.error.message`, `$context.error.messageString`
    /// (quoted), `$context.error.responseType` and `$context.requestId`; API Gateway knows more, which are refused here.
    pub fn body(mut self, template: impl Into<String>) -> Self {
        self.template = Some(template.into());
        self
    }

    /// The first variable of the template that is not known.
    pub(super) fn unknown_variable(&self) -> Option<&str> {
        let template = self.template.as_deref().unwrap_or_default();
        template
            .match_indices("$context")
            .map(|(at, _)| &template[at..])
            .find(|rest| !VARIABLES.iter().any(|variable| names(rest, variable)))
            .map(|rest| rest.split(|next: char| !is_of_name(next)).next().unwrap_or(rest))
    }
}

const VARIABLES: [&str; 4] = [
    "$context.error.messageString",
    "$context.error.message",
    "$context.error.responseType",
    "$context.requestId",
];

fn is_of_name(next: char) -> bool {
    next.is_ascii_alphanumeric() || "$._".contains(next)
}

/// Whether `text` begins with the variable and not with a longer one.
fn names(text: &str, variable: &str) -> bool {
    text.strip_prefix(variable)
        .is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_alphanumeric()))
}

/// The answers that an API words in its own way.
pub(super) type GatewayResponses = BTreeMap<ResponseType, GatewayResponse>;

/// Why API Gateway answers by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GatewayError {
    WrongStage,
    BadRequest(&'static str),
    NoSuchMethod,
    RequestTooLarge,
    ArnTooLong,
    Unauthorized,
    Authorizer,
    AccessDenied {
        explicitly: bool,
    },
    InvalidApiKey,
    Throttled,
    QuotaExceeded,
    /// The integration failed, or what it answered makes no sense.
    Integration,
    /// The integration's function has no instance to spare.
    IntegrationThrottled,
    IntegrationTimeout,
    /// The answer's base64 is none.
    Base64,
}

/// What AWS answers to an error unless the API words it otherwise.
struct Default {
    /// `None`: cannot be worded otherwise.
    response_type: Option<ResponseType>,
    status: u16,
    message: Option<&'static str>,
    /// The header `x-amzn-ErrorType`.
    error_type: &'static str,
}

impl GatewayError {
    fn default(self) -> Default {
        use ResponseType as Type;
        let (response_type, status, message, error_type) = match self {
            Self::WrongStage => (None, 403, "Forbidden", "ForbiddenException"),
            Self::BadRequest(message) => (None, 400, message, "BadRequestException"),
            Self::NoSuchMethod => (
                Some(Type::MissingAuthenticationToken),
                403,
                "Missing Authentication Token",
                "MissingAuthenticationTokenException",
            ),
            Self::RequestTooLarge => (
                Some(Type::RequestTooLarge),
                413,
                "Request Too Long",
                "RequestTooLongException",
            ),
            Self::ArnTooLong => (
                Some(Type::Default4xx),
                414,
                "Request URI too long",
                "RequestURITooLongException",
            ),
            Self::Unauthorized => (Some(Type::Unauthorized), 401, "Unauthorized", "UnauthorizedException"),
            Self::Authorizer => (
                Some(Type::AuthorizerConfigurationError),
                500,
                "",
                "AuthorizerConfigurationException",
            ),
            Self::AccessDenied { explicitly } => (
                Some(Type::AccessDenied),
                403,
                if explicitly {
                    "User is not authorized to access this resource with an explicit deny"
                } else {
                    "User is not authorized to access this resource"
                },
                "AccessDeniedException",
            ),
            Self::InvalidApiKey => (Some(Type::InvalidApiKey), 403, "Forbidden", "ForbiddenException"),
            Self::Throttled => (
                Some(Type::Throttled),
                429,
                "Too Many Requests",
                "TooManyRequestsException",
            ),
            Self::QuotaExceeded => (
                Some(Type::QuotaExceeded),
                429,
                "Limit Exceeded",
                "LimitExceededException",
            ),
            Self::Integration => (
                Some(Type::Default5xx),
                502,
                "Internal server error",
                "InternalServerErrorException",
            ),
            Self::IntegrationThrottled | Self::Base64 => (
                Some(Type::Default5xx),
                500,
                "Internal server error",
                "InternalServerErrorException",
            ),
            Self::IntegrationTimeout => (
                Some(Type::IntegrationTimeout),
                504,
                "Endpoint request timed out",
                "InternalServerErrorException",
            ),
        };
        Default {
            response_type,
            status,
            message: Some(message).filter(|message| !message.is_empty()),
            error_type,
        }
    }

    /// The answer in AWS' words or in those of the API.
    pub(super) fn answer(self, responses: &GatewayResponses, request_id: &str) -> Response<Body> {
        let Default {
            response_type,
            status,
            message,
            error_type,
        } = self.default();
        let fallback = if status < 500 {
            ResponseType::Default4xx
        } else {
            ResponseType::Default5xx
        };
        let worded = response_type.and_then(|kind| responses.get(&kind).or_else(|| responses.get(&fallback)));
        // `null` where AWS has nothing to say.
        let quoted = serde_json::Value::from(message).to_string();
        let body = match worded.and_then(|worded| worded.template.as_deref()) {
            // VARIABLES stands in the order in which a longer name comes before its beginning.
            Some(template) => template
                .replace(VARIABLES[0], &quoted)
                .replace(VARIABLES[1], message.unwrap_or("null"))
                .replace(VARIABLES[2], response_type.map_or("", ResponseType::name))
                .replace(VARIABLES[3], request_id),
            // The one answer whose key AWS writes with a capital.
            None if matches!(self, Self::AccessDenied { .. }) => format!(r#"{{"Message":{quoted}}}"#),
            None => format!(r#"{{"message":{quoted}}}"#),
        };
        let mut response = Response::new(body.into());
        *response.status_mut() = worded
            .and_then(|worded| worded.status)
            .or_else(|| StatusCode::from_u16(status).ok())
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(
            HeaderName::from_static("x-amzn-errortype"),
            HeaderValue::from_static(error_type),
        );
        headers.extend(worded.map(|worded| worded.headers.clone()).unwrap_or_default());
        response
    }
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    async fn answer(error: GatewayError, responses: &GatewayResponses) -> (u16, HeaderMap, String) {
        let (parts, body) = error.answer(responses, "the-id").into_parts();
        let body = to_bytes(body, usize::MAX).await.expect("a body");
        (
            parts.status.as_u16(),
            parts.headers,
            String::from_utf8(body.to_vec()).expect("UTF-8"),
        )
    }

    #[tokio::test]
    async fn what_is_not_worded_is_in_the_words_of_aws() {
        let cases = [
            (
                GatewayError::NoSuchMethod,
                403,
                r#"{"message":"Missing Authentication Token"}"#,
            ),
            (GatewayError::Unauthorized, 401, r#"{"message":"Unauthorized"}"#),
            (GatewayError::Authorizer, 500, r#"{"message":null}"#),
            (
                GatewayError::AccessDenied { explicitly: true },
                403,
                r#"{"Message":"User is not authorized to access this resource with an explicit deny"}"#,
            ),
            (GatewayError::InvalidApiKey, 403, r#"{"message":"Forbidden"}"#),
            (GatewayError::Throttled, 429, r#"{"message":"Too Many Requests"}"#),
            (GatewayError::QuotaExceeded, 429, r#"{"message":"Limit Exceeded"}"#),
            (GatewayError::Integration, 502, r#"{"message":"Internal server error"}"#),
            (
                GatewayError::IntegrationTimeout,
                504,
                r#"{"message":"Endpoint request timed out"}"#,
            ),
            (GatewayError::RequestTooLarge, 413, r#"{"message":"Request Too Long"}"#),
        ];
        for (error, status, body) in cases {
            let (given_status, headers, given) = answer(error, &GatewayResponses::new()).await;
            assert_eq!((given_status, given.as_str()), (status, body), "{error:?}");
            assert_eq!(headers[CONTENT_TYPE], "application/json");
        }
    }

    #[tokio::test]
    async fn an_api_words_its_answers() {
        let worded = GatewayResponse::new()
            .header(
                HeaderName::from_static("www-authenticate"),
                HeaderValue::from_static("Bearer"),
            )
            .body(r#"{"status":"error","errorType":"unauthorized","error":$context.error.messageString,"id":"$context.requestId $context.error.responseType"}"#);
        let general = GatewayResponse::new()
            .status(StatusCode::IM_A_TEAPOT)
            .body("$context.error.message");
        let responses = GatewayResponses::from([
            (ResponseType::Unauthorized, worded),
            (ResponseType::Default4xx, general),
        ]);
        let (status, headers, body) = answer(GatewayError::Unauthorized, &responses).await;
        assert_eq!(
            (status, &headers["www-authenticate"]),
            (401, &HeaderValue::from_static("Bearer"))
        );
        assert_eq!(
            body,
            r#"{"status":"error","errorType":"unauthorized","error":"Unauthorized","id":"the-id UNAUTHORIZED"}"#
        );
        let (status, _, body) = answer(GatewayError::Throttled, &responses).await;
        assert_eq!((status, body.as_str()), (418, "Too Many Requests"));
        // Those of another class, and those that cannot be worded at all.
        assert_eq!(answer(GatewayError::Integration, &responses).await.0, 502);
        assert_eq!(answer(GatewayError::WrongStage, &responses).await.0, 403);
    }

    #[test]
    fn a_variable_that_is_not_known_is_found() {
        let cases = [
            ("{}", None),
            ("$context.error.messageString$context.requestId", None),
            ("$context.error.messages", Some("$context.error.messages")),
            ("x $context.identity.sourceIp y", Some("$context.identity.sourceIp")),
        ];
        for (template, unknown) in cases {
            assert_eq!(
                GatewayResponse::new().body(template).unknown_variable(),
                unknown,
                "{template}"
            );
        }
    }
}
