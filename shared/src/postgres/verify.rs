//! What each `sslmode` demands of the server's certificate, as in "34.19" of PostgreSQL's manual.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::url::{Roots, SslMode};
use crate::tls::{self, CaFileError};

/// The TLS configuration for a mode that uses TLS at all.
pub(super) fn client_config(mode: SslMode, roots: &Roots) -> Result<Arc<ClientConfig>, CaFileError> {
    let demand = match (mode, roots) {
        (SslMode::VerifyFull, Roots::Unsaid | Roots::Public) => return tls::client_config(None),
        (SslMode::VerifyFull, Roots::File(file)) => Demand::Name(tls::roots_in(file)?),
        (SslMode::VerifyCa, Roots::File(file)) => Demand::Chain(tls::roots_in(file)?),
        // The parser of URLs refuses this; an empty store lets nothing pass.
        (SslMode::VerifyCa, Roots::Unsaid | Roots::Public) => Demand::Chain(RootCertStore::empty()),
        (SslMode::Disable | SslMode::Allow | SslMode::Prefer | SslMode::Require, _) => Demand::Nothing,
    };
    let algorithms = tls::provider().signature_verification_algorithms;
    let config = tls::builder()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier { demand, algorithms }))
        .with_no_client_auth();
    Ok(Arc::new(config))
}

#[derive(Debug)]
enum Demand {
    /// Encryption only: whoever sits in between can read along, as libpq documents for `require`.
    Nothing,
    /// A chain to one of these, for whatever name.
    Chain(RootCertStore),
    /// A chain to one of these, for the host's name.
    Name(RootCertStore),
}

#[derive(Debug)]
struct Verifier {
    demand: Demand,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let (roots, named) = match &self.demand {
            Demand::Nothing => return Ok(ServerCertVerified::assertion()),
            Demand::Chain(roots) => (roots, false),
            Demand::Name(roots) => (roots, true),
        };
        let certificate = ParsedCertificate::try_from(end_entity)?;
        let algorithms = self.algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&certificate, roots, intermediates, now, algorithms)?;
        if named {
            verify_server_name(&certificate, server_name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
