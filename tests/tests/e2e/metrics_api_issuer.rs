//! An OIDC issuer on loopback, whose keys are made when it starts.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use axum::Router;
use axum::routing::get;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use rcgen::{KeyPair, PKCS_ED25519, SigningKey as _};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// An Ed25519 key and its name.
pub(crate) struct Key {
    id: String,
    pair: KeyPair,
}

impl Key {
    pub(crate) fn new(id: &str) -> Result<Self> {
        let pair = KeyPair::generate_for(&PKCS_ED25519)?;
        Ok(Self {
            id: id.to_owned(),
            pair,
        })
    }

    /// A JWT of these claims.
    pub(crate) fn jwt(&self, claims: &Value) -> Result<String> {
        self.jwt_with(&json!({"alg": "EdDSA", "typ": "JWT", "kid": self.id}), claims)
    }

    /// A JWT of this header, which need not be true.
    pub(crate) fn jwt_with(&self, header: &Value, claims: &Value) -> Result<String> {
        let message = format!(
            "{}.{}",
            BASE64.encode(header.to_string()),
            BASE64.encode(claims.to_string())
        );
        let signature = BASE64.encode(self.pair.sign(message.as_bytes())?);
        Ok(format!("{message}.{signature}"))
    }

    fn public(&self) -> Value {
        let point = BASE64.encode(self.pair.public_key_raw());
        json!({"kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": self.id, "x": point})
    }
}

/// The issuer.
pub(crate) struct Issuer {
    url: String,
    keys: Arc<Mutex<Vec<Value>>>,
    task: JoinHandle<()>,
}

impl Issuer {
    pub(crate) async fn start(key: &Key) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let keys = Arc::new(Mutex::new(vec![key.public()]));
        let discovery = json!({"issuer": url, "jwks_uri": format!("{url}/keys")}).to_string();
        let shown = Arc::clone(&keys);
        let set = move || {
            let keys = shown.lock().unwrap_or_else(PoisonError::into_inner).clone();
            std::future::ready(json!({ "keys": keys }).to_string())
        };
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/keys", get(set));
        let task = tokio::spawn(async move {
            // Accepting goes on until the task is aborted.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { url, keys, task })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// From now on it shows this key alone.
    pub(crate) fn rotate(&self, key: &Key) {
        *self.keys.lock().unwrap_or_else(PoisonError::into_inner) = vec![key.public()];
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.task.abort();
    }
}
