//! One TLS configuration for every connection: rustls with aws-lc.
//!
//! The provider is passed explicitly wherever a configuration is made, so that no process-wide default has to be
//! installed before something else installs another. The public roots are Mozilla's, compiled in: they do not depend on
//! the image that a function runs in.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};
use secrecy::{ExposeSecret as _, SecretString};

static PROVIDER: LazyLock<Arc<CryptoProvider>> =
    LazyLock::new(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()));

/// Loading the public roots takes a millisecond, so it happens at most once and only when a connection needs them.
static PUBLIC: LazyLock<Arc<ClientConfig>> = LazyLock::new(|| Arc::new(with_roots(public_roots())));

/// A configuration that verifies servers by the public roots and, where given, the certificates in `ca_file` (PEM).
///
/// # Errors
/// When the file cannot be read or holds no usable certificate.
pub fn client_config(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, CaFileError> {
    let Some(ca_file) = ca_file else {
        return Ok(Arc::clone(&PUBLIC));
    };
    let mut roots = public_roots();
    roots.extend(roots_in(ca_file)?.roots);
    Ok(Arc::new(with_roots(roots)))
}

/// As [`client_config`], by a client that proves who it is: `certificate` is its own in PEM and those that lead to its
/// authority, `key` the private key in PEM.
///
/// # Errors
/// As [`client_config`], and when certificate or key cannot be used.
pub fn client_config_as(
    ca_file: Option<&Path>,
    certificate: &SecretString,
    key: &SecretString,
) -> Result<ClientConfig, ClientTlsError> {
    let mut roots = public_roots();
    if let Some(ca_file) = ca_file {
        roots.extend(roots_in(ca_file)?.roots);
    }
    let chain: Vec<_> = CertificateDer::pem_slice_iter(certificate.expose_secret().as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|_| ClientTlsError::Certificate)?;
    if chain.is_empty() {
        return Err(ClientTlsError::Certificate);
    }
    // What the reader says of a key's text might quote it.
    let key = PrivateKeyDer::from_pem_slice(key.expose_secret().as_bytes()).map_err(|_| ClientTlsError::Key)?;
    builder()
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .map_err(ClientTlsError::Unusable)
}

/// An HTTP client to be finished by the caller, with the TLS of [`client_config`].
///
/// # Errors
/// As [`client_config`].
pub fn http_client_builder(ca_file: Option<&Path>) -> Result<reqwest::ClientBuilder, CaFileError> {
    let config = ClientConfig::clone(&*client_config(ca_file)?);
    Ok(reqwest::Client::builder().tls_backend_preconfigured(config))
}

/// The beginning of every configuration: the provider and the protocol versions (TLS 1.2 and 1.3).
pub(crate) fn builder() -> ConfigBuilder<ClientConfig, WantsVerifier> {
    #[expect(
        clippy::expect_used,
        reason = "fails only for a provider without cipher suites of these versions"
    )]
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("aws-lc has cipher suites for TLS 1.2 and 1.3")
}

/// The one crypto provider.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::clone(&PROVIDER)
}

/// Mozilla's roots.
pub(crate) fn public_roots() -> RootCertStore {
    RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    }
}

/// The certificates in a PEM file, and no others.
pub(crate) fn roots_in(file: &Path) -> Result<RootCertStore, CaFileError> {
    let fail = |kind| CaFileError {
        file: file.to_owned(),
        kind,
    };
    let pem = std::fs::read(file).map_err(|error| fail(CaFileErrorKind::Unreadable(error)))?;
    let mut roots = RootCertStore::empty();
    for (index, certificate) in CertificateDer::pem_slice_iter(&pem).enumerate() {
        let certificate = certificate.map_err(|_| fail(CaFileErrorKind::NotPem { position: index + 1 }))?;
        roots.add(certificate).map_err(|error| {
            fail(CaFileErrorKind::Unusable {
                position: index + 1,
                error,
            })
        })?;
    }
    if roots.is_empty() {
        return Err(fail(CaFileErrorKind::Empty));
    }
    Ok(roots)
}

fn with_roots(roots: RootCertStore) -> ClientConfig {
    builder().with_root_certificates(roots).with_no_client_auth()
}

/// TLS with a client's certificate that cannot be.
#[derive(Debug, thiserror::Error)]
pub enum ClientTlsError {
    /// The certificates to trust cannot be used.
    #[error(transparent)]
    CaFile(#[from] CaFileError),
    /// There is no certificate in the text.
    #[error("the client's certificate is not PEM: it must begin with `-----BEGIN CERTIFICATE-----`")]
    Certificate,
    /// There is no private key in the text.
    #[error("the client's private key is not PEM: it must begin with `-----BEGIN PRIVATE KEY-----`")]
    Key,
    /// They do not belong together, or are of a kind that is not known.
    #[error("the client's certificate and private key cannot be used: {0}")]
    Unusable(rustls::Error),
}

/// A file of certificates that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("CA file {}: {kind}", file.display())]
pub struct CaFileError {
    /// The file as the configuration names it.
    pub file: PathBuf,
    kind: CaFileErrorKind,
}

#[derive(Debug, thiserror::Error)]
enum CaFileErrorKind {
    #[error("cannot be read: {0}")]
    Unreadable(std::io::Error),
    #[error("certificate {position} is not valid PEM")]
    NotPem { position: usize },
    #[error("certificate {position} cannot be used: {error}")]
    Unusable { position: usize, error: rustls::Error },
    #[error(
        "holds no certificate; it must hold one or more in PEM, each between BEGIN CERTIFICATE and END CERTIFICATE"
    )]
    Empty,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ca_file_that_cannot_be_used_is_named_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        for (content, reason) in [
            (None, "cannot be read: No such file or directory (os error 2)"),
            (Some("hello\n"), "holds no certificate; it must hold one or more"),
            (
                Some("-----BEGIN CERTIFICATE-----\nAAAA\n"),
                "certificate 1 is not valid PEM",
            ),
            (
                Some("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"),
                "certificate 1 is not valid PEM",
            ),
            (
                Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
                "certificate 1 cannot be used: invalid peer certificate: BadEncoding",
            ),
        ] {
            let file = folder.path().join("ca.pem");
            if let Some(content) = content {
                std::fs::write(&file, content).unwrap();
            }
            let error = client_config(Some(&file)).unwrap_err().to_string();
            let expected = format!("CA file {}: {reason}", file.display());
            assert!(error.starts_with(&expected), "{error}");
        }
    }

    #[test]
    fn a_ca_file_comes_on_top_of_the_public_roots() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        std::fs::write(&file, include_str!("tls/ca.pem")).unwrap();
        assert_eq!(roots_in(&file).unwrap().len(), 1);
        client_config(Some(&file)).unwrap();
        http_client_builder(Some(&file)).unwrap().build().unwrap();
    }

    #[test]
    fn without_a_ca_file_the_configuration_is_made_once() {
        assert!(Arc::ptr_eq(
            &client_config(None).unwrap(),
            &client_config(None).unwrap()
        ));
        assert!(public_roots().len() > 100);
        http_client_builder(None).unwrap().build().unwrap();
    }
}
