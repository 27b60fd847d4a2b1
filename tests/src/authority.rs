//! A certificate authority of our own, whose servers are `localhost` and 127.0.0.1.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::OnceLock;

use anyhow::{Context as _, Result};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use crate::supervisor::Supervised;

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

    /// Puts `ca.pem` into a server's folder, and `server.crt` and `server.key`, which only its owner may read, into one
    /// within; the key's path.
    pub(crate) fn write_to(&self, server: &Supervised, inner: &str) -> Result<PathBuf> {
        server.write("ca.pem", &self.certificate)?;
        server.write(&format!("{inner}server.crt"), &self.server_certificate)?;
        let key = server.write(&format!("{inner}server.key"), &self.server_key)?;
        fs::set_permissions(&key, Permissions::from_mode(0o600))?;
        Ok(key)
    }
}
