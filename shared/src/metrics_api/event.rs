//! What API Gateway hands over of a request, as far as anything of it is read.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::form::{self, FormError};
use super::problem::{Kind, Problem};

/// The most parameters of a request, whatever its plan.
const MOST_PARAMETERS: usize = 1000;
/// The most bytes of a request's parameters, whatever its plan.
const MOST_BYTES: usize = 1 << 20;

const FORM: &str = "application/x-www-form-urlencoded";

/// A request to a REST API with Lambda proxy integration: the payload format 1.0.
///
/// The maps with one value a name are not read where there are others: they drop what is given twice. The client's
/// headers are dropped as they are read, but for those that say what he sends, what he takes and what he has.
#[derive(Deserialize)]
#[serde(from = "Wire")]
pub struct Event {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) request_id: String,
    /// What the authorizer said of the caller.
    pub(super) authorizer: Option<Map<String, Value>>,
    query: BTreeMap<String, Vec<String>>,
    headers: Headers,
    body: Option<String>,
    is_base64: bool,
}

#[derive(Default)]
struct Headers {
    content_type: Vec<String>,
    content_encoding: Vec<String>,
    accept: Vec<String>,
    accept_encoding: Vec<String>,
    if_none_match: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    http_method: String,
    path: String,
    multi_value_query_string_parameters: Option<BTreeMap<String, Vec<String>>>,
    query_string_parameters: Option<BTreeMap<String, String>>,
    multi_value_headers: Option<BTreeMap<String, Vec<String>>>,
    headers: Option<BTreeMap<String, String>>,
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: Option<bool>,
    request_context: WireContext,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireContext {
    authorizer: Option<Map<String, Value>>,
    request_id: Option<String>,
}

fn several(map: Option<BTreeMap<String, String>>) -> BTreeMap<String, Vec<String>> {
    map.unwrap_or_default()
        .into_iter()
        .map(|(name, value)| (name, vec![value]))
        .collect()
}

impl From<Wire> for Event {
    fn from(wire: Wire) -> Self {
        let mut headers = Headers::default();
        for (name, values) in wire.multi_value_headers.unwrap_or_else(|| several(wire.headers)) {
            let kept = match name.to_ascii_lowercase().as_str() {
                "content-type" => &mut headers.content_type,
                "content-encoding" => &mut headers.content_encoding,
                "accept" => &mut headers.accept,
                "accept-encoding" => &mut headers.accept_encoding,
                "if-none-match" => &mut headers.if_none_match,
                _ => continue,
            };
            kept.extend(values);
        }
        let query = wire.multi_value_query_string_parameters;
        Self {
            method: wire.http_method,
            path: wire.path,
            request_id: wire.request_context.request_id.unwrap_or_default(),
            authorizer: wire.request_context.authorizer,
            query: query.unwrap_or_else(|| several(wire.query_string_parameters)),
            headers,
            body: wire.body.filter(|body| !body.is_empty()),
            is_base64: wire.is_base64_encoded.unwrap_or_default(),
        }
    }
}

impl Event {
    /// The value of `Accept`; several lines of it are one list (RFC 9110, 5.3).
    pub(super) fn accept(&self) -> Option<String> {
        (!self.headers.accept.is_empty()).then(|| self.headers.accept.join(","))
    }

    /// The value of `If-None-Match`, likewise.
    pub(super) fn if_none_match(&self) -> Option<String> {
        (!self.headers.if_none_match.is_empty()).then(|| self.headers.if_none_match.join(","))
    }

    /// Whether the client takes gzip, and does not refuse it by `q=0` (RFC 9110, 12.5.3).
    pub(super) fn accepts_gzip(&self) -> bool {
        let weight = |wanted: &str| {
            let lists = self.headers.accept_encoding.iter();
            lists.flat_map(|list| list.split(',')).find_map(|item| {
                let (coding, parameters) = item.split_once(';').unwrap_or((item, ""));
                coding.trim().eq_ignore_ascii_case(wanted).then(|| {
                    let weight = parameters.trim().trim_start_matches(['q', 'Q']).trim_start_matches('=');
                    weight.is_empty() || weight.parse().is_ok_and(|weight: f64| weight > 0.0)
                })
            })
        };
        weight("gzip").or_else(|| weight("*")).unwrap_or_default()
    }

    /// The parameters of the body, and then those of the URL, as Go's `Request.Form` has them.
    pub(super) fn parameters(&self, takes_form: bool) -> Result<Vec<(String, String)>, Problem> {
        let mut pairs = match &self.body {
            None => Vec::new(),
            Some(_) if !takes_form => {
                return Err(Problem::new(
                    Kind::UnsupportedBody,
                    format!("a {} request may have no body", self.method),
                ));
            }
            Some(body) => self.form(body)?,
        };
        let of_url = self.query.iter();
        pairs.extend(of_url.flat_map(|(name, values)| values.iter().map(|value| (name.clone(), value.clone()))));
        if pairs.len() > MOST_PARAMETERS {
            return Err(too_many(pairs.len()));
        }
        let bytes = pairs.iter().map(|(name, value)| name.len() + value.len()).sum();
        if bytes > MOST_BYTES {
            return Err(too_large(bytes));
        }
        Ok(pairs)
    }

    fn form(&self, body: &str) -> Result<Vec<(String, String)>, Problem> {
        let refuse = |why: String| Err(Problem::new(Kind::UnsupportedBody, why));
        if self
            .headers
            .content_encoding
            .iter()
            .any(|coding| !coding.eq_ignore_ascii_case("identity"))
        {
            return refuse("the body is compressed; send it as it is".to_owned());
        }
        match self.headers.content_type.as_slice() {
            [content_type] if is_form(content_type) => {}
            [] => return refuse(format!("the body has no Content-Type; send {FORM}")),
            [content_type] => {
                let shown: String = content_type.chars().take(64).collect();
                return refuse(format!("the body is {shown:?}; send {FORM}"));
            }
            _ => return refuse(format!("the body has several Content-Types; send {FORM}")),
        }
        // Encoded by base64 or percent signs, no body may become much smaller.
        if body.len() > 4 * MOST_BYTES {
            return Err(too_large(body.len()));
        }
        let decoded = if self.is_base64 {
            match BASE64_STANDARD.decode(body) {
                Ok(decoded) => decoded,
                Err(_) => return refuse("the body is not the base64 that it is said to be".to_owned()),
            }
        } else {
            body.as_bytes().to_vec()
        };
        form::parse(&decoded, MOST_PARAMETERS).map_err(|error| {
            let kind = match error {
                FormError::Escape(_) | FormError::Encoding(_) => Kind::Parameter,
                FormError::TooMany(_) => Kind::TooLarge,
            };
            Problem::new(kind, error.to_string())
        })
    }
}

fn too_many(found: usize) -> Problem {
    let message = format!("the request has {found} parameters, more than the {MOST_PARAMETERS} allowed");
    Problem::new(Kind::TooLarge, message)
}

fn too_large(found: usize) -> Problem {
    let message = format!("the request has {found} bytes of parameters, more than the {MOST_BYTES} allowed");
    Problem::new(Kind::TooLarge, message)
}

/// Whether a body is a form, in UTF-8 if it says anything of that.
fn is_form(content_type: &str) -> bool {
    let mut parts = content_type.split(';').map(str::trim);
    let is_form = parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case(FORM));
    is_form
        && parts.filter(|parameter| !parameter.is_empty()).all(|parameter| {
            parameter.split_once('=').is_some_and(|(name, value)| {
                name.eq_ignore_ascii_case("charset") && value.trim_matches('"').eq_ignore_ascii_case("utf-8")
            })
        })
}
