//! What is served: one table of paths, methods and parameters. Nothing that is not in it is read of a request.

use super::label_name::LabelName;
use super::problem::{Kind, Problem};

/// What a caller may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Endpoint {
    Query,
    QueryRange,
    Series,
    Labels,
    LabelValues(LabelName),
    QueryExemplars,
    FormatQuery,
    BuildInfo,
    Federate,
    Explain,
}

/// How often a parameter may be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Times {
    Once,
    Often,
}

/// A parameter's name, and how often it may be given.
pub(super) type Parameter = (&'static str, Times);

const QUERY: Parameter = ("query", Times::Once);
const TIME: Parameter = ("time", Times::Once);
const START: Parameter = ("start", Times::Once);
const END: Parameter = ("end", Times::Once);
const STEP: Parameter = ("step", Times::Once);
const TIMEOUT: Parameter = ("timeout", Times::Once);
const LIMIT: Parameter = ("limit", Times::Once);
const MATCH: Parameter = ("match[]", Times::Often);

/// A method that an endpoint may allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Post,
}

const GET: &[Method] = &[Method::Get];
/// Where Prometheus takes a form as well.
const BOTH: &[Method] = &[Method::Get, Method::Post];

impl Method {
    fn parse(name: &str) -> Option<Self> {
        match name {
            "GET" => Some(Self::Get),
            "POST" => Some(Self::Post),
            _ => None,
        }
    }
}

const LABEL: &str = "/api/v1/label/";
const VALUES: &str = "/values";

impl Endpoint {
    /// The endpoint at `path`, which is compared byte for byte: only a label's name may be percent-encoded.
    ///
    /// # Errors
    /// When there is nothing at that path, the label's name is none, or the method is not one of its own.
    pub(super) fn of(method: &str, path: &str, exemplars: bool) -> Result<(Self, Method), Problem> {
        let endpoint = match path {
            "/api/v1/query" => Self::Query,
            "/api/v1/query_range" => Self::QueryRange,
            "/api/v1/series" => Self::Series,
            "/api/v1/labels" => Self::Labels,
            "/api/v1/query_exemplars" if exemplars => Self::QueryExemplars,
            "/api/v1/format_query" => Self::FormatQuery,
            "/api/v1/status/buildinfo" => Self::BuildInfo,
            "/api/v1/explain" => Self::Explain,
            "/federate" => Self::Federate,
            _ => {
                let segment = path.strip_prefix(LABEL).and_then(|rest| rest.strip_suffix(VALUES));
                match segment.filter(|segment| !segment.contains('/')) {
                    Some(segment) => Self::LabelValues(LabelName::of_segment(segment)?),
                    None => return Err(not_found(path)),
                }
            }
        };
        let methods = endpoint.methods();
        let allowed = Method::parse(method).filter(|method| methods.contains(method));
        match allowed {
            Some(method) => Ok((endpoint, method)),
            None => Err(Problem {
                allow: Some(if methods == GET { "GET" } else { "GET, POST" }),
                ..Problem::new(
                    Kind::MethodNotAllowed,
                    format!("{} takes {}", endpoint.name(), endpoint.methods_in_words()),
                )
            }),
        }
    }

    fn methods(&self) -> &'static [Method] {
        match self {
            Self::LabelValues(_) | Self::BuildInfo | Self::Federate => GET,
            Self::Query
            | Self::QueryRange
            | Self::Series
            | Self::Labels
            | Self::QueryExemplars
            | Self::FormatQuery
            | Self::Explain => BOTH,
        }
    }

    fn methods_in_words(&self) -> &'static str {
        if self.methods() == GET { "GET" } else { "GET and POST" }
    }

    /// The parameters that may be given; every other is refused by its name.
    pub(super) fn parameters(&self) -> &'static [Parameter] {
        match self {
            Self::Query => &[QUERY, TIME, TIMEOUT, LIMIT],
            Self::QueryRange => &[QUERY, START, END, STEP, TIMEOUT, LIMIT],
            Self::Series | Self::Labels | Self::LabelValues(_) => &[MATCH, START, END, LIMIT],
            Self::QueryExemplars => &[QUERY, START, END],
            Self::FormatQuery => &[QUERY],
            Self::BuildInfo => &[],
            Self::Federate => &[MATCH],
            Self::Explain => &[QUERY, MATCH, TIME, START, END, STEP],
        }
    }

    /// The path, as logs and messages name it: of low cardinality.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Query => "/api/v1/query",
            Self::QueryRange => "/api/v1/query_range",
            Self::Series => "/api/v1/series",
            Self::Labels => "/api/v1/labels",
            Self::LabelValues(_) => "/api/v1/label/{name}/values",
            Self::QueryExemplars => "/api/v1/query_exemplars",
            Self::FormatQuery => "/api/v1/format_query",
            Self::BuildInfo => "/api/v1/status/buildinfo",
            Self::Federate => "/federate",
            Self::Explain => "/api/v1/explain",
        }
    }
}

pub(super) fn not_found(path: &str) -> Problem {
    const SHOWN: usize = 100;
    let shown: String = path.chars().take(SHOWN).collect();
    let more = if shown.len() < path.len() { ".." } else { "" };
    Problem::new(Kind::NotFound, format!("nothing is served at {shown:?}{more}"))
}
