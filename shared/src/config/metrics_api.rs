//! The Metrics API as it runs: its upstream, what every selector carries, its plans, and who may call.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::placeholders::Template;
use crate::promql::{Characters, EnforcedLabel, Limits, Policy, PolicyError};

/// The plan of callers that have no other.
pub const DEFAULT_PLAN: &str = "default";

/// The Metrics API.
#[derive(Debug, Clone)]
pub struct MetricsApi {
    /// Whom it asks.
    pub upstream: UpstreamSettings,
    /// What every selector must carry; at least one has its values from the organisations.
    pub labels: Vec<LabelRule>,
    /// Whether exemplars are served.
    pub exemplars: bool,
    /// What callers may ask, by the name of the plan.
    pub plans: BTreeMap<String, Plan>,
    /// Who may call.
    pub authorizer: Authorizer,
}

/// The Prometheus, or what speaks its API, that holds everybody's series, and how to reach it.
#[derive(Debug, Clone)]
pub struct UpstreamSettings {
    /// `http(s)://host:port/prefix`, with placeholders.
    pub url: Template,
    /// The credentials that it asks for.
    pub auth: UpstreamAuth,
    /// Headers with a fixed value, by their names in lower case.
    pub headers: Vec<(String, Template)>,
    /// Certificates to trust besides the public roots.
    pub ca_file: Option<PathBuf>,
    /// The client's certificate.
    pub client_certificate: Option<ClientCertificate>,
    /// The most that it may take until its answer begins.
    pub timeout: Duration,
}

/// Credentials for an upstream.
#[derive(Debug, Clone)]
pub enum UpstreamAuth {
    /// No `Authorization` header.
    None,
    /// HTTP basic authentication.
    Basic {
        /// The user's name.
        username: Template,
        /// The password.
        password: Template,
    },
    /// A bearer token.
    Bearer(Template),
    /// AWS' request signature, version 4, with the process's own credentials.
    SigV4 {
        /// The service's Region; the process's own where there is none.
        region: Option<String>,
        /// The service's name in the signature.
        service: String,
        /// The ARN of a role to assume.
        role: Option<String>,
    },
}

/// A certificate by which this client proves who it is.
#[derive(Debug, Clone)]
pub struct ClientCertificate {
    /// The certificate and those that lead to its authority, in PEM.
    pub certificate: Template,
    /// Its private key, in PEM.
    pub key: Template,
}

/// A label that every selector must carry.
#[derive(Debug, Clone)]
pub enum LabelRule {
    /// With one value.
    Fixed(EnforcedLabel),
    /// With the caller's organisations.
    Organisations {
        /// The label's name.
        name: String,
        /// What organisations may consist of.
        characters: Characters,
    },
}

/// What a caller may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Bytes of a query.
    pub query_bytes: u32,
    /// How deep a query may be nested.
    pub depth: u32,
    /// Selectors of a query, and of a request's `match[]` together.
    pub selectors: u32,
    /// The time between `start` and `end`.
    pub range: Duration,
    /// How far back samples may be read.
    pub reach: Duration,
    /// Points that a query may compute, as [`crate::promql::Analysis::points`] counts them.
    pub points: u64,
    /// The least time between two points of a range query.
    pub step: Duration,
    /// Bytes of an answer, before compression.
    pub response_bytes: u64,
    /// The most that an answer may take.
    pub time: Duration,
    /// Requests a second on average.
    pub requests_per_second: u32,
    /// Requests at once.
    pub burst: u32,
}

impl Default for Plan {
    fn default() -> Self {
        const DAY: Duration = Duration::from_hours(24);
        Self {
            query_bytes: 16 << 10,
            depth: 64,
            selectors: 100,
            range: DAY * 31,
            reach: DAY * 90,
            points: 500_000,
            step: Duration::from_secs(1),
            response_bytes: 100 << 20,
            time: Duration::from_mins(1),
            requests_per_second: 10,
            burst: 20,
        }
    }
}

impl Plan {
    /// What the plan says of a query's text.
    #[must_use]
    pub fn query_limits(&self) -> Limits {
        Limits {
            bytes: self.query_bytes,
            depth: self.depth,
            selectors: self.selectors,
            ..Limits::default()
        }
    }
}

/// Who may call.
#[derive(Debug, Clone)]
pub struct Authorizer {
    /// The records of tokens, as JSON.
    pub tokens: Option<Template>,
    /// The records of tokens that open the dashboards, as JSON; `None` lets nobody read them.
    pub dashboards: Option<Template>,
    /// Trusted issuers of JWTs, each `iss` once.
    pub issuers: Vec<Issuer>,
}

/// An OIDC issuer whose JWTs are trusted.
#[derive(Debug, Clone)]
pub struct Issuer {
    /// The `iss` of its tokens.
    pub issuer: String,
    /// What `aud` must name one of.
    pub audience: Vec<String>,
    /// Where its keys are; `None` for where its discovery document says.
    pub jwks_url: Option<String>,
    /// Certificates to trust besides the public roots when its keys are fetched.
    pub ca_file: Option<PathBuf>,
    /// Algorithms that its tokens may be signed with.
    pub algorithms: Vec<Algorithm>,
    /// The claim that holds the caller's organisations.
    pub organisations_claim: Claim,
    /// The claim that holds the caller's name.
    pub client_claim: Claim,
    /// The plan of callers whose token names none.
    pub plan: String,
    /// The claim that holds the caller's plan.
    pub plan_claim: Option<Claim>,
}

/// Where in a JWT's claims something stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// Under this name.
    Name(String),
    /// Where this JSON pointer (RFC 6901) leads.
    Pointer(String),
}

impl Claim {
    pub(crate) fn parse(text: &str) -> Self {
        if text.starts_with('/') {
            Self::Pointer(text.to_owned())
        } else {
            Self::Name(text.to_owned())
        }
    }

    /// What stands there.
    #[must_use]
    pub fn of<'c>(&self, claims: &'c serde_json::Map<String, serde_json::Value>) -> Option<&'c serde_json::Value> {
        match self {
            Self::Name(name) => claims.get(name),
            Self::Pointer(pointer) => {
                let (first, rest) = pointer[1..].split_at(pointer[1..].find('/').unwrap_or(pointer.len() - 1));
                claims.get(&first.replace("~1", "/").replace("~0", "~"))?.pointer(rest)
            }
        }
    }
}

/// An algorithm of JWTs' signatures; none with a shared key, none without a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "these are RFC 7518's and RFC 8037's names")]
pub enum Algorithm {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
}

/// Where the values of a label come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LabelSource {
    /// The organisations that the authorizer names for the caller.
    Organisations,
}

/// What becomes of a query that asks for another value of a label than the fixed one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Conflict {
    /// It is refused.
    #[default]
    Refuse,
    /// The fixed value takes the other's place.
    Override,
}

impl MetricsApi {
    /// What a caller of these organisations may read. Without any organisation it denies everything.
    ///
    /// # Errors
    /// When an organisation cannot be a value of the label: nothing may then be read.
    pub fn policy(&self, organisations: &[String], limits: Limits) -> Result<Policy, PolicyError> {
        let label = |rule: &LabelRule| match rule {
            LabelRule::Fixed(label) => Ok(label.clone()),
            LabelRule::Organisations { name, characters } => {
                EnforcedLabel::one_of(name, organisations, characters.clone())
            }
        };
        let labels: Vec<EnforcedLabel> = self.labels.iter().map(label).collect::<Result<_, _>>()?;
        Ok(Policy::new(labels)?.with_limits(limits))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_claim_is_found_by_name_or_pointer() {
        let claims = json!({"organisations": ["a"], "https://x/y": "b", "realm": {"orgs": {"ids": ["c"]}}, "a~b": 1});
        let claims = claims.as_object().unwrap();
        for (claim, found) in [
            ("organisations", Some(json!(["a"]))),
            ("https://x/y", Some(json!("b"))),
            ("/https:~1~1x~1y", Some(json!("b"))),
            ("/a~0b", Some(json!(1))),
            ("/realm/orgs/ids", Some(json!(["c"]))),
            ("/realm/orgs/ids/0", Some(json!("c"))),
            ("/organisations", Some(json!(["a"]))),
            ("/realm/none", None),
            ("/", None),
            ("none", None),
        ] {
            assert_eq!(Claim::parse(claim).of(claims), found.as_ref(), "{claim}");
        }
    }
}
