//! Both sides of TLS prove who they are.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;

use super::*;
use crate::config::metrics_api::ClientCertificate;

/// An authority, its certificate's file, and what it certifies.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, folder }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A certificate and its key, in PEM.
    fn certify(&self, name: &str, usage: ExtendedKeyUsagePurpose) -> (String, String) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages.push(usage);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}

/// A server that asks for a certificate of this authority.
async fn tls_server(authority: &Authority) -> SocketAddr {
    let (certificate, key) = authority.certify("localhost", ExtendedKeyUsagePurpose::ServerAuth);
    let mut roots = RootCertStore::empty();
    roots.add(authority.issuer.der().clone()).unwrap();
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), crate::tls::provider())
        .build()
        .unwrap();
    let config = rustls::ServerConfig::builder_with_provider(crate::tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(clients)
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
        )
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    raw(move |_, stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                return;
            };
            while read_request(&mut stream).await {
                stream.write_all(OK).await.unwrap();
            }
        }
    })
    .await
}

#[tokio::test]
async fn both_sides_of_tls_prove_who_they_are() {
    let authority = Authority::new();
    let other = Authority::new();
    let at = tls_server(&authority).await;
    let url = format!("https://localhost:{}", at.port());
    let good = authority.certify("client", ExtendedKeyUsagePurpose::ClientAuth);
    let foreign = other.certify("client", ExtendedKeyUsagePurpose::ClientAuth);
    let mixed = (good.0.clone(), foreign.1.clone());
    let no_key = (good.0.clone(), format!("hello {CANARY}"));
    let no_certificate = ("hello".to_owned(), good.1.clone());
    let ask = async |ca_file: Option<PathBuf>, identity: Option<&(String, String)>| {
        let mut settings = settings(&url);
        settings.ca_file = ca_file;
        settings.client_certificate = identity.map(|_| ClientCertificate {
            certificate: template("{{CERTIFICATE}}"),
            key: template("{{KEY}}"),
        });
        let (certificate, key) = identity.cloned().unwrap_or_default();
        let upstream = Upstream::new(settings, resolver(&[("CERTIFICATE", &certificate), ("KEY", &key)]));
        let outcome = upstream.ask(&up(), soon()).await;
        assert!(!format!("{outcome:?} {upstream:?}").contains(CANARY));
        outcome
            .map(|answer| answer.status.as_u16())
            .map_err(|error| (error.kind(), error.to_string()))
    };
    assert_eq!(ask(Some(authority.file()), Some(&good)).await, Ok(200));
    for (ca_file, identity, kind, message) in [
        (None, Some(&good), "tls", "invalid peer certificate: UnknownIssuer"),
        (Some(other.file()), Some(&good), "tls", "invalid peer certificate"),
        (Some(authority.file()), None, "tls", "CertificateRequired"),
        (Some(authority.file()), Some(&foreign), "tls", "received fatal alert"),
        (
            Some(authority.file()),
            Some(&mixed),
            "settings",
            "certificate and private key cannot be used",
        ),
        (
            Some(authority.file()),
            Some(&no_key),
            "settings",
            "private key is not PEM",
        ),
        (
            Some(authority.file()),
            Some(&no_certificate),
            "settings",
            "certificate is not PEM",
        ),
        (
            Some(Path::new("/nowhere/ca.pem").to_owned()),
            Some(&good),
            "settings",
            "CA file /nowhere/ca.pem: cannot be read",
        ),
    ] {
        let (found, error) = ask(ca_file, identity).await.unwrap_err();
        assert!(
            found == kind && error.contains(message),
            "{found}: {error}; not {kind}: {message}"
        );
    }
}
