//! From a target to a logged-in session: addresses in turn, TLS as `ssl-mode` says, errors that name host and port.

use std::io;
use std::net::IpAddr;

use mysql_async::{Conn, DriverError, Error, IoError, Opts, OptsBuilder, SslOpts};
use secrecy::{ExposeSecret, SecretString};
use tokio::net::lookup_host;
use tokio::time::{Instant, timeout_at};

use super::server_error::ServerError;
use super::session::Session;
use super::url::{SslMode, Target};
use super::{ConnectError, Reason};
use crate::tls::roots_in;

/// No row that becomes a sample is this large; a larger one would have to be held in memory whole.
const LARGEST_PACKET: usize = 16 * 1024 * 1024;

fn no_tls(wanted: SslMode) -> Reason {
    let told = match wanted {
        SslMode::VerifyIdentity => "VERIFY_IDENTITY if nothing else is said",
        SslMode::VerifyCa => "VERIFY_CA",
        _ => "REQUIRED",
    };
    Reason::Other(format!(
        "the server offers no TLS, for which ssl-mode asks ({told}): let it have a certificate, or, where nobody else is \
         on the way, write ssl-mode=DISABLED"
    ))
}

impl From<Error> for Reason {
    fn from(error: Error) -> Self {
        match error {
            Error::Io(IoError::Io(error)) => Self::Dial(error),
            Error::Server(error) => Self::Server(ServerError::read(&error)),
            Error::Driver(DriverError::CleartextPluginDisabled) => Self::Other(
                "the server asks for the password itself, which is sent only over TLS with ssl-mode=VERIFY_IDENTITY"
                    .to_owned(),
            ),
            // The client's name for it shows all that the server sent.
            Error::Driver(DriverError::UnexpectedPacket { .. }) => {
                Self::Other("the server sent something that is no part of a login".to_owned())
            }
            Error::Driver(error) => Self::Other(error.to_string()),
            Error::Io(IoError::Tls(error)) => Self::Other(error.to_string()),
            error => Self::Other(error.to_string()),
        }
    }
}

/// Connects to the first address that can be used.
pub(super) async fn connect(
    target: &Target,
    password: Option<&SecretString>,
    deadline: Instant,
) -> Result<Session, ConnectError> {
    if let Some(file) = &target.ca_file {
        // The client would say less about what is wrong with it.
        roots_in(file)?;
    }
    let failed = |reason: Reason| ConnectError::host(&target.place(), reason);
    let until = || {
        let limit = target.connect_timeout.map(|timeout| Instant::now() + timeout);
        limit.map_or(deadline, |limit| limit.min(deadline))
    };
    let found = timeout_at(until(), lookup_host((target.host.as_str(), target.port))).await;
    let addresses: Vec<_> = match found {
        Ok(Ok(addresses)) => addresses.map(|address| address.ip()).collect(),
        Ok(Err(error)) => return Err(failed(Reason::Resolve(error))),
        Err(_) => return Err(failed(Reason::TimedOut)),
    };
    let mut failure = Reason::Resolve(io::Error::other("it has no address"));
    for address in addresses {
        match timeout_at(until(), log_in(target, address, password)).await {
            Ok(Ok(session)) => return Ok(session),
            // Another address would refuse the password too, and count towards locking the user out.
            Ok(Err(Reason::Server(error))) => return Err(failed(Reason::Server(error))),
            Ok(Err(reason)) => failure = reason,
            Err(_) => failure = Reason::TimedOut,
        }
    }
    Err(failed(failure))
}

async fn log_in(target: &Target, address: IpAddr, password: Option<&SecretString>) -> Result<Session, Reason> {
    let options = options(target, address, password);
    let encrypted = target.ssl_mode > SslMode::Disabled;
    let outcome = match Conn::new(with_tls(&options, target, encrypted)).await {
        Err(Error::Driver(DriverError::NoClientSslFlagFromServer)) if target.ssl_mode == SslMode::Preferred => {
            Conn::new(with_tls(&options, target, false)).await
        }
        Err(Error::Driver(DriverError::NoClientSslFlagFromServer)) => return Err(no_tls(target.ssl_mode)),
        outcome => outcome,
    };
    Session::greet(outcome?, target.place()).await
}

fn options(target: &Target, address: IpAddr, password: Option<&SecretString>) -> OptsBuilder {
    OptsBuilder::default()
        .ip_or_hostname(target.host.as_str())
        .tcp_port(target.port)
        // One address, so that a request to cancel goes where the query is.
        .resolved_ips(Some(vec![address]))
        .user(Some(target.user.as_str()))
        .pass(password.map(|password| password.expose_secret().to_owned()))
        .db_name(target.database.clone())
        // The client would go over to the socket of a server on this machine.
        .prefer_socket(false)
        // Nothing is prepared for longer than it is needed.
        .stmt_cache_size(0)
        // The client would ask the server for these two.
        .max_allowed_packet(Some(LARGEST_PACKET))
        .wait_timeout(Some(0))
        // To whoever has proved to be the server, the password itself can be sent, as PAM, LDAP and RDS ask for.
        .enable_cleartext_plugin(target.ssl_mode == SslMode::VerifyIdentity)
}

fn with_tls(options: &OptsBuilder, target: &Target, encrypted: bool) -> Opts {
    let mut tls = SslOpts::default();
    if let Some(file) = &target.ca_file {
        tls = tls
            .with_root_certs(vec![file.clone().into()])
            .with_disable_built_in_roots(true);
    }
    let tls = match target.ssl_mode {
        SslMode::VerifyIdentity => tls,
        SslMode::VerifyCa => tls.with_danger_skip_domain_validation(true),
        SslMode::Disabled | SslMode::Preferred | SslMode::Required => tls.with_danger_accept_invalid_certs(true),
    };
    options.clone().ssl_opts(encrypted.then_some(tls)).into()
}
