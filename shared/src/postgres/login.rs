//! From a target to a logged-in session: hosts in turn, TLS as `sslmode` says, errors that name host and port.

use std::error::Error as _;
use std::io;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use tokio::net::lookup_host;
use tokio::time::{Instant, timeout_at};
use tokio_postgres::Config;
use tokio_postgres::config::SslMode as Negotiation;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::cancel::{Address, Canceller};
use super::handover::{Lent, LentTls};
use super::server_error::ServerError;
use super::session::Session;
use super::url::{Host, SessionAttributes, SslMode, Target};
use super::verify;
use super::wire::{Wire, WireError};
use super::{ConnectError, HostFailure, Reason};

impl From<WireError> for Reason {
    fn from(error: WireError) -> Self {
        match error {
            WireError::Deadline => Self::TimedOut,
            WireError::Ended(error) => Self::Server(error),
            error => Self::Other(error.to_string()),
        }
    }
}

impl From<ServerError> for Reason {
    fn from(error: ServerError) -> Self {
        Self::Server(error)
    }
}

/// Connects to the first host that can be used.
pub(super) async fn connect(
    target: &Target,
    password: Option<&SecretString>,
    deadline: Instant,
) -> Result<Session, ConnectError> {
    let tls = MakeRustlsConnect::new(rustls::ClientConfig::clone(&*verify::client_config(
        target.ssl_mode,
        &target.roots,
    )?));
    let login = Login {
        target,
        password,
        tls,
        deadline,
    };
    let rounds: &[SessionAttributes] = match target.session {
        SessionAttributes::PreferStandby => &[SessionAttributes::Standby, SessionAttributes::Any],
        ref session => std::slice::from_ref(session),
    };
    let mut failures = Vec::new();
    for wanted in rounds {
        failures.clear();
        for host in &target.hosts {
            match login.host(host, *wanted).await {
                Ok(session) => return Ok(session),
                Err(reason) => failures.push(HostFailure::new(&host.to_string(), reason)),
            }
            // As in libpq: another host would refuse the password too, and count towards locking the user out.
            if failures.last().is_some_and(HostFailure::is_login_failure) {
                return Err(ConnectError::Hosts(failures));
            }
        }
    }
    Err(ConnectError::Hosts(failures))
}

struct Login<'a> {
    target: &'a Target,
    password: Option<&'a SecretString>,
    tls: MakeRustlsConnect,
    deadline: Instant,
}

impl Login<'_> {
    /// The time until which one address may take, as `connect_timeout` says.
    fn until(&self) -> Instant {
        self.target
            .connect_timeout
            .map_or(self.deadline, |timeout| self.deadline.min(Instant::now() + timeout))
    }

    async fn host(&self, host: &Host, wanted: SessionAttributes) -> Result<Session, Reason> {
        let (addresses, name) = match host {
            Host::Unix { folder, port } => (
                vec![Address::Unix(folder.join(format!(".s.PGSQL.{port}")))],
                "localhost".to_owned(),
            ),
            Host::Tcp { name, port } => {
                let found = timeout_at(self.until(), lookup_host((name.clone(), *port))).await;
                let found = found.map_err(|_| Reason::TimedOut)?.map_err(Reason::Resolve)?;
                (found.map(Address::Tcp).collect(), name.clone())
            }
        };
        let mut failure = Reason::Resolve(io::Error::other("it has no address"));
        for address in addresses {
            let until = self.until();
            failure = match timeout_at(until, self.address(&address, &name, until, wanted)).await {
                Ok(Ok(mut session)) => {
                    session.host = host.to_string();
                    return Ok(session);
                }
                Ok(Err(reason)) => reason,
                Err(_) => Reason::TimedOut,
            };
            if matches!(failure, Reason::Server(_)) {
                break;
            }
        }
        Err(failure)
    }

    /// Logs in with TLS or without, in libpq's order; see `sslmode` in "34.1.2" of PostgreSQL's manual.
    async fn address(
        &self,
        address: &Address,
        name: &str,
        until: Instant,
        wanted: SessionAttributes,
    ) -> Result<Session, Reason> {
        let (first, second) = match (address, self.target.ssl_mode) {
            (Address::Unix(_), _) | (_, SslMode::Disable) => (Negotiation::Disable, None),
            (_, SslMode::Allow) => (Negotiation::Disable, Some(Negotiation::Require)),
            (_, SslMode::Prefer) => (Negotiation::Prefer, Some(Negotiation::Disable)),
            (_, SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull) => (Negotiation::Require, None),
        };
        let mut outcome = self.log_in(address, name, first).await;
        if let (Err(reason), Some(second)) = (&outcome, second)
            && worth_the_other_way(reason)
        {
            // The first refusal says more than that the second way is closed too.
            outcome = match self.log_in(address, name, second).await {
                Err(_) => outcome,
                session => session,
            };
        }
        let mut session = outcome?;
        if !session.has_role(wanted, until).await? {
            return Err(Reason::Other(
                "the server is not what target_session_attrs asks for".to_owned(),
            ));
        }
        Ok(session)
    }

    async fn log_in(&self, address: &Address, name: &str, negotiation: Negotiation) -> Result<Session, Reason> {
        let mut config = Config::new();
        config
            .user(&self.target.user)
            .application_name(&self.target.application_name)
            .ssl_mode(negotiation)
            .channel_binding(self.target.channel_binding);
        if let Some(database) = &self.target.database {
            config.dbname(database);
        }
        if let Some(options) = &self.target.options {
            config.options(options);
        }
        if let Some(password) = self.password {
            config.password(password.expose_secret());
        }
        let tls = LentTls::new(self.tls.clone(), name.to_owned());
        let plain = Lent::new(address.dial().await.map_err(Reason::Dial)?);
        let (client, connection) = config
            .connect_raw(plain.clone(), tls.clone())
            .await
            .map_err(|error| explain(&error))?;
        let canceller = Canceller {
            address: address.clone(),
            token: client.cancel_token(),
            tls: tls.again(),
        };
        // Neither has anything to send as long as the connection is not polled.
        drop(client);
        drop(connection);
        Ok(Session::new(Wire::new(tls.take_back(plain)), Arc::new(canceller)))
    }
}

/// Whether `allow` or `prefer` has reason to try with TLS instead of without, or the other way round: not when the
/// password was wrong, since that would count twice.
fn worth_the_other_way(reason: &Reason) -> bool {
    match reason {
        Reason::Server(error) => error.code != "28P01",
        Reason::Other(_) => true,
        _ => false,
    }
}

fn explain(error: &tokio_postgres::Error) -> Reason {
    if let Some(error) = error.as_db_error() {
        return Reason::Server(error.into());
    }
    match error.source() {
        Some(source) if source.to_string() == "password missing" => {
            Reason::Other("the server asks for a password and the URL has none".to_owned())
        }
        Some(source) => Reason::Other(format!("{error}: {source}")),
        None => Reason::Other(error.to_string()),
    }
}
