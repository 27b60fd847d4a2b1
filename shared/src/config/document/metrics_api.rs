//! The Metrics API as it is written under `metrics_api` in `fanlight.yaml`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{BasicSpec, Count, DurationText};
use crate::config::metrics_api::{Algorithm, Conflict, LabelSource};
use crate::config::read::{Entry, Mapping};

/// The Metrics API: which Prometheus it asks, what every selector carries, who may call and how much he may ask.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MetricsApiSpec {
    /// The Prometheus, or what speaks its API, that holds everybody's series.
    #[schemars(required)]
    pub(crate) upstream: Option<Entry<UpstreamSpec>>,
    /// The labels that every selector must carry. At least one has its values from the caller's organisations.
    #[schemars(required)]
    pub(crate) labels: Option<Entry<Vec<Entry<LabelSpec>>>>,
    /// Whether `/api/v1/query_exemplars` is served. Default: false.
    pub(crate) exemplars: Option<Entry<bool>>,
    /// What callers may ask, by the name of their plan. Without any there is `default` with every limit's default.
    pub(crate) plans: Option<Entry<Mapping<PlanSpec>>>,
    /// Who may call.
    #[schemars(required)]
    pub(crate) authorizer: Option<Entry<AuthorizerSpec>>,
}

/// An upstream and how to reach it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpstreamSpec {
    /// `https://host:port/prefix`, with placeholders; `/api/v1/query` and the like follow it.
    #[schemars(required)]
    pub(crate) url: Option<Entry<String>>,
    /// Basic authentication.
    pub(crate) basic: Option<Entry<BasicSpec>>,
    /// A bearer token, normally a placeholder.
    pub(crate) bearer: Option<Entry<String>>,
    /// AWS' request signature, for Amazon Managed Service for Prometheus.
    pub(crate) sigv4: Option<Entry<SigV4Spec>>,
    /// Headers with a fixed value, such as `X-Scope-OrgID`.
    pub(crate) headers: Option<Entry<Mapping<String>>>,
    /// A file with certificates to trust besides the public ones, relative to this one.
    pub(crate) ca_file: Option<Entry<String>>,
    /// The client's certificate and those that lead to its authority, in PEM, normally a placeholder.
    pub(crate) client_certificate: Option<Entry<String>>,
    /// The private key of the client's certificate, in PEM, a placeholder.
    pub(crate) client_key: Option<Entry<String>>,
    /// The most that the upstream may take until its answer begins. Default: 25s.
    pub(crate) timeout: Option<Entry<DurationText>>,
}

/// AWS' request signature, version 4, with the function's own credentials.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SigV4Spec {
    /// The Region of the service. Default: the function's own.
    pub(crate) region: Option<Entry<String>>,
    /// The service's name in the signature. Default: `aps`.
    pub(crate) service: Option<Entry<String>>,
    /// The ARN of a role to assume, for a workspace of another account.
    pub(crate) role: Option<Entry<String>>,
}

/// A label that every selector must carry: with one `value`, or `from` what the authorizer says of the caller.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LabelSpec {
    /// The label's name.
    #[schemars(required)]
    pub(crate) name: Option<Entry<String>>,
    /// The only value that may be read.
    pub(crate) value: Option<Entry<String>>,
    /// Where the values come from that may be read.
    pub(crate) from: Option<Entry<LabelSource>>,
    /// What becomes of a query that asks for another `value`: an error (`refuse`, default), or the value takes its place.
    pub(crate) on_conflict: Option<Entry<Conflict>>,
    /// Characters that organisations may have besides ASCII letters, digits, `_` and `-`.
    pub(crate) characters: Option<Entry<String>>,
}

/// What a caller may ask. What is beyond is refused, and the refusal names the limit.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlanSpec {
    /// Bytes of a query. Default: 16384.
    pub(crate) query_bytes: Option<Entry<Count>>,
    /// How deep a query may be nested. Default: 64.
    pub(crate) depth: Option<Entry<Count>>,
    /// Selectors of a query, and of a request's `match[]` together. Default: 100.
    pub(crate) selectors: Option<Entry<Count>>,
    /// How long the time between `start` and `end` may be. Default: 31d.
    pub(crate) range: Option<Entry<DurationText>>,
    /// How far back samples may be read, by `start`, `offset`, `@` or `[5m]`. Default: 90d.
    pub(crate) reach: Option<Entry<DurationText>>,
    /// Points that a query may compute on its way to the answer, for one series a selector. Default: 500000.
    pub(crate) points: Option<Entry<Count>>,
    /// The least time between two points of a range query. Default: 1s.
    pub(crate) step: Option<Entry<DurationText>>,
    /// Bytes of an answer, before compression. Default: 104857600 (100 MiB).
    pub(crate) response_bytes: Option<Entry<Count>>,
    /// The most that an answer may take, from the request to its last byte. Default: 1m.
    pub(crate) time: Option<Entry<DurationText>>,
    /// Requests a second on average, which API Gateway's usage plan holds the caller to. Default: 10.
    pub(crate) requests_per_second: Option<Entry<Count>>,
    /// Requests at once, likewise. Default: 20.
    pub(crate) burst: Option<Entry<Count>>,
}

/// Who may call: those with a token, those with a JWT of an issuer, or both.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuthorizerSpec {
    /// The records that `fanlight token new` prints, as JSON: a placeholder for the secret that holds them.
    pub(crate) tokens: Option<Entry<String>>,
    /// The records of tokens that open the dashboards and no series, likewise: a placeholder for a secret of its own. Without it
    /// nobody reads them.
    pub(crate) dashboards: Option<Entry<String>>,
    /// Issuers of JWTs that are trusted.
    pub(crate) issuers: Option<Entry<Vec<Entry<IssuerSpec>>>>,
}

/// An OIDC issuer whose JWTs are trusted.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct IssuerSpec {
    /// The `iss` of its tokens, a URL.
    #[schemars(required)]
    pub(crate) issuer: Option<Entry<String>>,
    /// What `aud` must name one of.
    #[schemars(required)]
    pub(crate) audience: Option<Entry<Vec<Entry<String>>>>,
    /// Where its keys are. Default: what its `/.well-known/openid-configuration` says.
    pub(crate) jwks_url: Option<Entry<String>>,
    /// A file with certificates to trust besides the public ones when its keys are fetched, relative to this one.
    pub(crate) ca_file: Option<Entry<String>>,
    /// Algorithms that its tokens may be signed with. Default: RS256 and ES256.
    pub(crate) algorithms: Option<Entry<Vec<Entry<Algorithm>>>>,
    /// The claim that holds the caller's organisations: a text or a list of texts. A name, or a JSON pointer that begins
    /// with `/`. Default: `organisations`.
    pub(crate) organisations_claim: Option<Entry<String>>,
    /// The claim that holds the caller's name, likewise. Default: `sub`.
    pub(crate) client_claim: Option<Entry<String>>,
    /// The plan of its callers. Default: `default`.
    pub(crate) plan: Option<Entry<String>>,
    /// The claim that holds the caller's plan, likewise; `plan` is that of callers without the claim.
    pub(crate) plan_claim: Option<Entry<String>>,
}
