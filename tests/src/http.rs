//! How the harness itself speaks HTTP with its servers.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use reqwest::{Client, ClientBuilder};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use crate::authority::Authority;

/// A client that trusts our own authority only and keeps no connection, since each test has a runtime of its own.
pub(crate) fn client() -> Result<&'static Client> {
    static CLIENT: OnceLock<Result<Client>> = OnceLock::new();
    CLIENT
        .get_or_init(build)
        .as_ref()
        .map_err(|error| anyhow::anyhow!("{error:#}"))
}

/// A client of the same trust that keeps its connections, for one runtime that asks very much.
///
/// # Errors
/// When there is no client.
pub fn keeping_connections() -> Result<Client> {
    Ok(builder()?.timeout(Duration::from_mins(2)).build()?)
}

fn build() -> Result<Client> {
    Ok(builder()?
        .pool_max_idle_per_host(0)
        .timeout(Duration::from_secs(10))
        .build()?)
}

fn builder() -> Result<ClientBuilder> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(
        Authority::shared()?.certificate.as_bytes(),
    )?)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Client::builder().tls_backend_preconfigured(tls).no_proxy())
}

/// The body of the answer to a POST, whatever its status.
///
/// # Errors
/// When there is no answer.
pub async fn post(url: &str, body: &str) -> Result<String> {
    let answer = client()?.post(url).body(body.to_owned()).send().await;
    let answer = answer.with_context(|| format!("POST {url}"))?;
    Ok(answer.text().await?)
}

/// The body of a page that answers with success.
pub(crate) async fn get(url: &str) -> Result<String> {
    let answer = client()?.get(url).send().await.with_context(|| format!("GET {url}"))?;
    let status = answer.status();
    let body = answer.text().await.with_context(|| format!("GET {url}"))?;
    ensure!(status.is_success(), "GET {url}: {status}: {body}");
    Ok(body)
}
