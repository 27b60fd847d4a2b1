//! An issuer's public keys (JWKS, RFC 7517): which of them verify, and what.

use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use serde::Deserialize as _;
use serde_json::Value;

use crate::config::metrics_api::Algorithm;

/// A public key, and what it may verify.
pub(super) struct Key {
    id: String,
    /// What the kind of key is for or, where the key says so itself, this one alone.
    algorithms: Vec<Algorithm>,
    decoding: DecodingKey,
}

impl Key {
    /// Reads a JWK. `None` for what verifies no signature of ours: keys for encryption, shared keys, keys without a name,
    /// kinds, curves and algorithms that are not known. RFC 7517 (section 5) has such keys ignored.
    pub(super) fn read(jwk: &Value) -> Option<Self> {
        let jwk = Jwk::deserialize(jwk).ok()?;
        let for_signatures = matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
        let operations = jwk.common.key_operations.as_ref();
        let verifies = operations.is_none_or(|operations| operations.contains(&KeyOperations::Verify));
        let of_kind = algorithms(&jwk.algorithm)?;
        let algorithms = match jwk.common.key_algorithm {
            None => of_kind.to_vec(),
            Some(own) => {
                let own = jsonwebtoken::Algorithm::try_from(own).ok()?;
                let own = of_kind
                    .iter()
                    .copied()
                    .filter(|algorithm| of_library(*algorithm) == own);
                own.collect()
            }
        };
        let id = jwk.common.key_id.clone()?;
        let decoding = DecodingKey::from_jwk(&jwk).ok()?;
        (for_signatures && verifies && !algorithms.is_empty()).then_some(Self {
            id,
            algorithms,
            decoding,
        })
    }

    /// Whether it is the key of this name and for this algorithm.
    pub(super) fn is(&self, id: &str, algorithm: Algorithm) -> bool {
        self.id == id && self.algorithms.contains(&algorithm)
    }

    pub(super) fn decoding(&self) -> &DecodingKey {
        &self.decoding
    }
}

/// What a kind of key may verify; `None` for kinds that verify nothing here.
fn algorithms(parameters: &AlgorithmParameters) -> Option<&'static [Algorithm]> {
    use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    match parameters {
        AlgorithmParameters::RSA(_) => Some(&[RS256, RS384, RS512, PS256, PS384, PS512]),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Some(&[ES256]),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P384 => Some(&[ES384]),
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => Some(&[EdDSA]),
        _ => None,
    }
}

/// The library's name of an algorithm.
pub(super) fn of_library(algorithm: Algorithm) -> jsonwebtoken::Algorithm {
    match algorithm {
        Algorithm::RS256 => jsonwebtoken::Algorithm::RS256,
        Algorithm::RS384 => jsonwebtoken::Algorithm::RS384,
        Algorithm::RS512 => jsonwebtoken::Algorithm::RS512,
        Algorithm::PS256 => jsonwebtoken::Algorithm::PS256,
        Algorithm::PS384 => jsonwebtoken::Algorithm::PS384,
        Algorithm::PS512 => jsonwebtoken::Algorithm::PS512,
        Algorithm::ES256 => jsonwebtoken::Algorithm::ES256,
        Algorithm::ES384 => jsonwebtoken::Algorithm::ES384,
        Algorithm::EdDSA => jsonwebtoken::Algorithm::EdDSA,
    }
}
