//! What a caller is told when he does not get what he asked for: Prometheus' JSON, and its status codes.

use serde::Serialize;

/// What went wrong, as logs and alerts count it: of low cardinality.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nobody in particular is calling.
    Unauthenticated,
    /// The caller may read nothing.
    Forbidden,
    /// There is no such endpoint.
    NotFound,
    /// The endpoint does not take the method.
    MethodNotAllowed,
    /// The body is no form.
    UnsupportedBody,
    /// The request is larger than any that could be answered.
    TooLarge,
    /// A parameter is unknown, given too often, or means nothing.
    Parameter,
    /// The query is no PromQL.
    Query,
    /// The query asks for what the caller may not ask.
    Refused,
    /// The query or its time is more than Prometheus takes.
    Resolution,
    /// A limit of the plan on how a request is written.
    Limit,
    /// A limit of the plan on what a request costs.
    CostLimit,
    /// The upstream asks to be asked later.
    RateLimited,
    /// The upstream refuses the request, in words that may be passed on or not.
    UpstreamRefused,
    /// The upstream cannot be reached, or gives no answer that can be understood.
    Upstream,
    /// The upstream cannot answer now.
    UpstreamUnavailable,
    /// There was no time left.
    Timeout,
    /// A fault of ours.
    Internal,
}

impl Kind {
    /// The name in logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::UnsupportedBody => "unsupported_body",
            Self::TooLarge => "too_large",
            Self::Parameter => "parameter",
            Self::Query => "query",
            Self::Refused => "refused",
            Self::Resolution => "resolution",
            Self::Limit => "limit",
            Self::CostLimit => "cost_limit",
            Self::RateLimited => "rate_limited",
            Self::UpstreamRefused => "upstream_refused",
            Self::Upstream => "upstream",
            Self::UpstreamUnavailable => "upstream_unavailable",
            Self::Timeout => "timeout",
            Self::Internal => "internal",
        }
    }

    /// The status code and the `errorType`, which are Prometheus' own where it has any.
    fn shown(self) -> (u16, &'static str) {
        match self {
            Self::Unauthenticated => (401, "unauthorized"),
            Self::Forbidden => (403, "forbidden"),
            Self::NotFound => (404, "not_found"),
            Self::MethodNotAllowed => (405, "method_not_allowed"),
            Self::UnsupportedBody => (415, "bad_data"),
            Self::TooLarge => (413, "bad_data"),
            Self::Parameter | Self::Query | Self::Refused | Self::Resolution | Self::Limit => (400, "bad_data"),
            Self::CostLimit | Self::UpstreamRefused => (422, "execution"),
            Self::RateLimited => (429, "too_many_requests"),
            Self::Upstream => (502, "unavailable"),
            Self::UpstreamUnavailable => (503, "unavailable"),
            Self::Timeout => (504, "timeout"),
            Self::Internal => (500, "internal"),
        }
    }
}

/// Why a request is not answered with data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) kind: Kind,
    /// In a sentence, for the caller: nothing in it is from anyone but him and the configuration.
    pub(super) message: String,
    /// The value of `Allow`.
    pub(super) allow: Option<&'static str>,
    /// Seconds for `Retry-After`.
    pub(super) retry_after: Option<u32>,
    /// The status and the type of the upstream's own error, where they may be passed on.
    pub(super) own: Option<(u16, &'static str)>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    status: &'a str,
    error_type: &'a str,
    error: &'a str,
}

impl Problem {
    pub(super) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            allow: None,
            retry_after: None,
            own: None,
        }
    }

    /// What is wrong with a parameter, as Prometheus says it.
    pub(super) fn parameter(name: &str, why: impl std::fmt::Display) -> Self {
        Self::new(Kind::Parameter, format!("invalid parameter {name:?}: {why}"))
    }

    pub(super) fn status(&self) -> u16 {
        self.own.unwrap_or_else(|| self.kind.shown()).0
    }

    /// Prometheus' JSON.
    pub(super) fn body(&self) -> Vec<u8> {
        let document = Document {
            status: "error",
            error_type: self.own.unwrap_or_else(|| self.kind.shown()).1,
            error: &self.message,
        };
        // Strings alone are always JSON; an empty body would still have the right status.
        serde_json::to_vec(&document).unwrap_or_default()
    }
}
