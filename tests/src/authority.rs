//! A certificate authority of our own, whose servers are `localhost` and 127.0.0.1.

use std::sync::OnceLock;

use anyhow::{Context as _, Result};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// The authority's certificate and one certificate of a server, in PEM.
#[derive(Debug)]
pub struct Authority {
    /// What a client has to trust.
    pub certificate: String,
    pub(crate) server_certificate: String,
    pub(crate) server_key: String,
}

impl Authority {
    /// The authority of this process.
    ///
    /// # Errors
    /// When a key cannot be made.
    pub fn shared() -> Result<&'static Self> {
        static SHARED: OnceLock<Result<Authority>> = OnceLock::new();
        SHARED
            .get_or_init(Self::new)
            .as_ref()
            .map_err(|error| anyhow::anyhow!("{error:#}"))
    }

    fn new() -> Result<Self> {
        let mut authority = CertificateParams::default();
        authority
            .distinguished_name
            .push(DnType::CommonName, "Fanlight's tests");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().context("cannot make the authority's key")?;
        let certificate = authority.self_signed(&key)?;
        let issuer = Issuer::new(authority, key);

        let server_key = KeyPair::generate().context("cannot make the server's key")?;
        let mut server = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()])?;
        server.distinguished_name.push(DnType::CommonName, "localhost");
        let server_certificate = server.signed_by(&server_key, &issuer)?;
        Ok(Self {
            certificate: certificate.pem(),
            server_certificate: server_certificate.pem(),
            server_key: server_key.serialize_pem(),
        })
    }
}
