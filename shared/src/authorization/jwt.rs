//! JWTs of configured OIDC issuers (RFC 7519; RFC 8725 for what goes wrong with them).
//!
//! Nothing in a JWT says how it is to be verified. Its `iss` chooses among the configured issuers, its `kid` among that
//! issuer's keys, and its `alg` must be one that both the issuer and the key are for. Headers that bring a key along
//! (`jwk`, `jku`, `x5c`, `x5u`) are not read.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{DecodingKey, Validation};
use serde::Deserialize as _;
use serde_json::{Map, Value};

use super::caller::Caller;
use super::key_set::{IssuerError, KeySet, Times};
use super::keys::{Key, of_library};
use super::object::Object;
use super::record::is_name;
use super::refusal::{NotAuthenticated, Reason, Unavailable};
use crate::config::metrics_api::{Algorithm, Issuer};

/// How far an issuer's clock may be off, in seconds.
const LEEWAY: u64 = 30;
/// The types of JWT that are taken, if one says its type: ID tokens and access tokens (RFC 9068). A logout token or a
/// proof of possession has the same issuer, and is no credential.
const TYPES: [&str; 3] = ["jwt", "at+jwt", "application/at+jwt"];

/// An issuer whose JWTs are trusted, and its keys.
pub(super) struct Trusted {
    issuer: Issuer,
    keys: KeySet,
}

/// What a JWT's header says, as far as it is heeded.
struct Header {
    algorithm: Algorithm,
    key: String,
}

impl Trusted {
    pub(super) fn new(issuer: Issuer, times: Times) -> Result<Self, IssuerError> {
        let keys = KeySet::new(&issuer, times)?;
        Ok(Self { issuer, keys })
    }

    async fn key(&self, header: &Header) -> Result<Arc<Key>, NotAuthenticated> {
        if !self.issuer.algorithms.contains(&header.algorithm) {
            return Err(Reason::Algorithm.into());
        }
        let key = self
            .keys
            .key(&header.key, header.algorithm)
            .await
            .map_err(Unavailable::from)?;
        key.ok_or_else(|| Reason::UnknownKey.into())
    }

    /// The claims, once the signature is that of the key, and `iss`, `aud`, `exp` and `nbf` are right.
    fn verify(&self, jwt: &str, algorithm: Algorithm, key: &DecodingKey) -> Result<Map<String, Value>, Reason> {
        let mut validation = Validation::new(of_library(algorithm));
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        validation.set_issuer(&[&self.issuer.issuer]);
        validation.set_audience(&self.issuer.audience);
        validation.set_required_spec_claims(&["iss", "aud", "exp"]);
        let verified = jsonwebtoken::decode::<Object<Value>>(jwt, key, &validation);
        let claims = verified.map_err(|error| reason(error.kind()))?.claims;
        once(claims)
    }

    fn caller(&self, claims: &Map<String, Value>) -> Result<Caller, Reason> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let client = self.issuer.client_claim.of(claims).and_then(text);
        let client = client.filter(|client| is_name(client)).ok_or(Reason::Claims)?;
        let organisations = match self.issuer.organisations_claim.of(claims) {
            Some(Value::String(one)) => vec![one.clone()],
            Some(Value::Array(list)) => list.iter().map(text).collect::<Option<_>>().ok_or(Reason::Claims)?,
            _ => return Err(Reason::Claims),
        };
        if organisations.is_empty() || organisations.iter().any(String::is_empty) {
            return Err(Reason::Claims);
        }
        let plan = match self.issuer.plan_claim.as_ref().and_then(|claim| claim.of(claims)) {
            Some(plan) => text(plan).ok_or(Reason::Claims)?,
            None => self.issuer.plan.clone(),
        };
        Ok(Caller {
            client,
            organisations,
            plan,
            expires: claims.get("exp").and_then(end).ok_or(Reason::Claims)?,
        })
    }
}

/// Whoever the JWT names, if an issuer that is trusted says so.
pub(super) async fn authenticate(jwt: &str, trusted: &[Trusted]) -> Result<Caller, NotAuthenticated> {
    let (header, issuer) = unverified(jwt)?;
    let trusted = trusted
        .iter()
        .find(|trusted| trusted.issuer.issuer == issuer)
        .ok_or(Reason::Issuer)?;
    let key = trusted.key(&header).await?;
    let claims = trusted.verify(jwt, header.algorithm, key.decoding())?;
    Ok(trusted.caller(&claims)?)
}

/// What the JWT says of how it wants to be verified, and of who has made it; nothing of it is proved.
fn unverified(jwt: &str) -> Result<(Header, String), Reason> {
    let mut parts = jwt.split('.');
    let (Some(header), Some(claims), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(Reason::MalformedJwt);
    };
    let header = header_of(&object(header)?)?;
    let claims = object(claims)?;
    let issuer = claims.get("iss").and_then(Value::as_str).ok_or(Reason::Issuer)?;
    Ok((header, issuer.to_owned()))
}

fn header_of(header: &Map<String, Value>) -> Result<Header, Reason> {
    // RFC 7515, section 4.1.11: what must be understood is not, whatever it is. Encryption and compression are not either.
    if ["crit", "enc", "zip"].iter().any(|name| header.contains_key(*name)) {
        return Err(Reason::JwtHeader);
    }
    let is_type = |value: &Value| {
        value
            .as_str()
            .is_some_and(|text| TYPES.contains(&text.to_ascii_lowercase().as_str()))
    };
    if !header.get("typ").is_none_or(is_type) {
        return Err(Reason::JwtHeader);
    }
    // `none` and the algorithms of shared keys are no names of algorithms here.
    let algorithm = header.get("alg").and_then(|value| Algorithm::deserialize(value).ok());
    let key = header.get("kid").and_then(Value::as_str);
    Ok(Header {
        algorithm: algorithm.ok_or(Reason::Algorithm)?,
        key: key.ok_or(Reason::UnknownKey)?.to_owned(),
    })
}

fn object(part: &str) -> Result<Map<String, Value>, Reason> {
    let json = URL_SAFE_NO_PAD.decode(part).map_err(|_| Reason::MalformedJwt)?;
    once(serde_json::from_slice(&json).map_err(|_| Reason::MalformedJwt)?)
}

fn once(object: Object<Value>) -> Result<Map<String, Value>, Reason> {
    let fields = object.fields().map_err(|_| Reason::MalformedJwt)?;
    Ok(fields.into_iter().collect())
}

/// The end of a JWT, with the leeway that it has been granted.
fn end(claim: &Value) -> Option<Timestamp> {
    #[expect(clippy::cast_possible_truncation, reason = "saturates, and is clamped below")]
    let seconds = match (claim.as_u64(), claim.as_f64()) {
        (Some(seconds), _) => i64::try_from(seconds).unwrap_or(i64::MAX),
        (None, Some(seconds)) => seconds.round() as i64,
        (None, None) => return None,
    };
    let last = Timestamp::MAX.as_second();
    Timestamp::from_second(seconds.saturating_add_unsigned(LEEWAY).min(last)).ok()
}

fn reason(error: &ErrorKind) -> Reason {
    match error {
        ErrorKind::InvalidSignature => Reason::Signature,
        ErrorKind::ExpiredSignature => Reason::Expired,
        ErrorKind::ImmatureSignature => Reason::NotYetValid,
        ErrorKind::InvalidIssuer => Reason::Issuer,
        ErrorKind::InvalidAudience => Reason::Audience,
        ErrorKind::InvalidAlgorithm => Reason::Algorithm,
        ErrorKind::MissingRequiredClaim(_) | ErrorKind::InvalidClaimFormat(_) => Reason::Claims,
        _ => Reason::MalformedJwt,
    }
}

#[cfg(test)]
mod tests;
