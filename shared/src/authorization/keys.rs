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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::fake_issuer::Pair;
    use super::*;

    const ALL: [Algorithm; 9] = [
        Algorithm::RS256,
        Algorithm::RS384,
        Algorithm::RS512,
        Algorithm::PS256,
        Algorithm::PS384,
        Algorithm::PS512,
        Algorithm::ES256,
        Algorithm::ES384,
        Algorithm::EdDSA,
    ];

    #[test]
    fn a_key_is_for_the_algorithms_of_its_kind_or_the_one_that_it_names() {
        use Algorithm::{ES256, ES384, EdDSA, RS256};
        let (rsa, p256, p384, ed) = (Pair::rsa(), Pair::ec256(), Pair::ec384(), Pair::ed());
        for (pair, changes, expected) in [
            (&rsa, json!({}), Some(&ALL[..6])),
            (&rsa, json!({"alg": "RS256"}), Some(&[RS256][..])),
            (
                &rsa,
                json!({"use": "sig", "key_ops": ["verify"], "x5t": "a", "issuer": {}}),
                Some(&ALL[..6]),
            ),
            (&p256, json!({}), Some(&[ES256])),
            (&p256, json!({"alg": "ES256"}), Some(&[ES256])),
            (&p384, json!({}), Some(&[ES384])),
            (&ed, json!({}), Some(&[EdDSA])),
            (&rsa, json!({"use": "enc"}), None),
            (&rsa, json!({"use": "other"}), None),
            (&rsa, json!({"key_ops": ["encrypt"]}), None),
            (&rsa, json!({"key_ops": []}), None),
            (&rsa, json!({"alg": "RSA-OAEP"}), None),
            (&rsa, json!({"alg": "HS256"}), None),
            (&rsa, json!({"alg": "ES256"}), None),
            (&rsa, json!({"alg": "XY1"}), None),
            (&rsa, json!({"alg": null, "kid": null}), None),
            (&rsa, json!({"kid": 1}), None),
            (&rsa, json!({"n": "!"}), None),
            (&rsa, json!({"kty": "oct", "k": "c2VjcmV0"}), None),
            (&p256, json!({"crv": "P-521"}), None),
            (&p256, json!({"crv": "secp256k1"}), None),
            (&p256, json!({"alg": "ES384"}), None),
            (&ed, json!({"crv": "X25519"}), None),
        ] {
            let mut jwk = pair.jwk("k");
            for (name, value) in changes.as_object().unwrap() {
                jwk[name] = value.clone();
            }
            let key = Key::read(&jwk);
            let algorithms: Option<Vec<_>> =
                key.map(|key| ALL.into_iter().filter(|algorithm| key.is("k", *algorithm)).collect());
            assert_eq!(algorithms.as_deref(), expected, "{changes}");
        }
        for value in [
            json!(null),
            json!("k"),
            json!({}),
            json!({"kty": "oct", "kid": "k", "k": "c2VjcmV0"}),
        ] {
            assert!(Key::read(&value).is_none(), "{value}");
        }
        assert!(!Key::read(&rsa.jwk("k")).unwrap().is("K", RS256));
    }
}
