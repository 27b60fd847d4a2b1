//! An OIDC issuer on loopback: its keys, its documents, and JWTs signed as told.

use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
    RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair, RsaPublicKeyComponents,
};
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::config::metrics_api::{Algorithm, Claim, Issuer};

/// A key pair of one kind.
pub(super) enum Pair {
    Rsa(RsaKeyPair),
    Ec256(EcdsaKeyPair),
    Ec384(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

impl Pair {
    pub(super) fn rsa() -> Self {
        Self::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())
    }

    pub(super) fn ec256() -> Self {
        Self::Ec256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    pub(super) fn ec384() -> Self {
        Self::Ec384(EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap())
    }

    pub(super) fn ed() -> Self {
        Self::Ed(Ed25519KeyPair::generate().unwrap())
    }

    /// The public half, as an issuer shows it.
    pub(super) fn jwk(&self, id: &str) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let point = |curve: &str, pair: &EcdsaKeyPair| {
            let point = &pair.public_key().as_ref()[1..];
            let (x, y) = point.split_at(point.len() / 2);
            json!({"kty": "EC", "crv": curve, "kid": id, "x": text(x), "y": text(y)})
        };
        match self {
            Self::Rsa(pair) => {
                let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                json!({"kty": "RSA", "kid": id, "n": text(&public.n), "e": text(&public.e)})
            }
            Self::Ec256(pair) => point("P-256", pair),
            Self::Ec384(pair) => point("P-384", pair),
            Self::Ed(pair) => json!({"kty": "OKP", "crv": "Ed25519", "kid": id, "x": text(pair.public_key().as_ref())}),
        }
    }

    /// A signature of the kind that the algorithm's name promises, where the key can make it.
    fn sign(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(pair) => {
                let encoding: &'static dyn RsaEncoding = if algorithm == "PS256" {
                    &RSA_PSS_SHA256
                } else {
                    &RSA_PKCS1_SHA256
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &random, message, &mut signature).unwrap();
                signature
            }
            Self::Ec256(pair) | Self::Ec384(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Self::Ed(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }

    /// A JWT of these parts, which need not make sense.
    pub(super) fn jwt(&self, header: &str, claims: &str) -> String {
        let algorithm = serde_json::from_str::<Value>(header).ok();
        let algorithm = algorithm.and_then(|header| Some(header.get("alg")?.as_str()?.to_owned()));
        let message = unsigned(header, claims);
        let signature = self.sign(&algorithm.unwrap_or_default(), message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// The first two parts of a JWT.
pub(super) fn unsigned(header: &str, claims: &str) -> String {
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims))
}

/// What the issuer answers.
pub(super) struct Answers {
    pub(super) discovery: Value,
    pub(super) keys: Vec<Value>,
    /// Instead of the keys.
    pub(super) instead: Option<(StatusCode, String)>,
    pub(super) hangs: bool,
    /// The paths that were asked for.
    pub(super) asked: Vec<String>,
}

pub(super) struct FakeIssuer {
    pub(super) url: String,
    answers: Arc<Mutex<Answers>>,
    server: JoinHandle<()>,
}

impl FakeIssuer {
    pub(super) async fn start(keys: Vec<Value>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answers = Arc::new(Mutex::new(Answers {
            discovery: json!({"issuer": url, "jwks_uri": format!("{url}/keys")}),
            keys,
            instead: None,
            hangs: false,
            asked: Vec::new(),
        }));
        let router = Router::new().fallback(answer).with_state(Arc::clone(&answers));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, answers, server }
    }

    pub(super) fn answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap()
    }

    pub(super) fn asked(&self) -> Vec<String> {
        self.answers().asked.clone()
    }

    /// Its entry in the configuration.
    pub(super) fn configured(&self) -> Issuer {
        use Algorithm::{ES256, ES384, EdDSA, PS256, RS256};
        Issuer {
            issuer: self.url.clone(),
            audience: vec!["https://metrics.example".to_owned(), "metrics".to_owned()],
            jwks_url: None,
            ca_file: None,
            algorithms: vec![RS256, PS256, ES256, ES384, EdDSA],
            organisations_claim: Claim::Name("organisations".to_owned()),
            client_claim: Claim::Name("sub".to_owned()),
            plan: "default".to_owned(),
            plan_claim: Some(Claim::Pointer("/realm/plan".to_owned())),
        }
    }
}

impl Drop for FakeIssuer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(State(answers): State<Arc<Mutex<Answers>>>, uri: Uri) -> (StatusCode, String) {
    let (hangs, answer) = {
        let mut answers = answers.lock().unwrap();
        answers.asked.push(uri.path().to_owned());
        let answer = match (uri.path(), &answers.instead) {
            ("/.well-known/openid-configuration", _) => (StatusCode::OK, answers.discovery.to_string()),
            ("/keys", Some(instead)) => instead.clone(),
            ("/keys", None) => (StatusCode::OK, json!({"keys": answers.keys}).to_string()),
            _ => (StatusCode::NOT_FOUND, String::new()),
        };
        (answers.hangs, answer)
    };
    if hangs {
        pending::<()>().await;
    }
    answer
}
