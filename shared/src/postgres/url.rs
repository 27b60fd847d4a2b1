//! Connection URLs as libpq reads them, refusing what libpq would quietly misread.
//!
//! The rules are those of "34.1.1.2. Connection URIs" in PostgreSQL's manual. A raw `@` or `/` in a password makes
//! libpq look for another host; here that is a mistake, and no message ever repeats a part of the URL.

mod hosts;
mod parameters;
mod reader;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;
use tokio_postgres::config::ChannelBinding;

use crate::database::url::{Authority, Reader};
use crate::database::{self, NotForToken, UrlError};
use crate::rds::Login;
use reader::Reading;

/// Everything a URL says but the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub(super) hosts: Vec<Host>,
    pub(super) user: String,
    pub(super) database: Option<String>,
    pub(super) application_name: String,
    pub(super) options: Option<String>,
    pub(super) ssl_mode: SslMode,
    pub(super) roots: Roots,
    pub(super) channel_binding: ChannelBinding,
    /// For each host; `None` waits as long as the job may run.
    pub(super) connect_timeout: Option<Duration>,
    pub(super) session: SessionAttributes,
}

/// One of the hosts that are tried in turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Host {
    Tcp { name: String, port: u16 },
    Unix { folder: PathBuf, port: u16 },
}

impl fmt::Display for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { name, port } => Authority { name, port: *port }.fmt(formatter),
            Self::Unix { folder, port } => write!(formatter, "{}/.s.PGSQL.{port}", folder.display()),
        }
    }
}

/// libpq's `sslmode`, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SslMode {
    Disable,
    Allow,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

/// Whose certificates are trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Roots {
    /// `sslrootcert` is absent: public roots, and only `verify-full` looks at them.
    Unsaid,
    /// `sslrootcert=system`.
    Public,
    /// `sslrootcert=PATH`, or the source's CA file: these and no others.
    File(PathBuf),
}

/// libpq's `target_session_attrs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SessionAttributes {
    Any,
    ReadWrite,
    ReadOnly,
    Primary,
    Standby,
    PreferStandby,
}

impl database::Target for Target {
    fn read(reader: &mut Reader, url: &str) -> (Self, Option<SecretString>) {
        let Reading { target, password } = reader.postgres(url);
        (target, password)
    }

    /// Where `sslrootcert` is absent, the file stands in for it.
    fn with_ca_file(mut self, ca_file: Option<&Path>) -> Result<Self, UrlError> {
        if let (Roots::Unsaid, Some(file)) = (&self.roots, ca_file) {
            self.roots = Roots::File(file.to_owned());
        }
        // As in libpq, a root certificate makes `require` verify; see "34.19.1" of the manual.
        if self.ssl_mode == SslMode::Require && matches!(self.roots, Roots::File(_)) {
            self.ssl_mode = SslMode::VerifyCa;
        }
        if self.ssl_mode == SslMode::VerifyCa && !matches!(self.roots, Roots::File(_)) {
            return Err(UrlError(
                "sslmode=verify-ca needs a certificate authority of your own: by the public ones, anybody's \
                 certificate would do; name a file in sslrootcert or ca_file, or use sslmode=verify-full"
                    .to_owned(),
            ));
        }
        Ok(self)
    }

    /// RDS makes the host's name a part of the token.
    fn login(&self) -> Result<Login, NotForToken> {
        let [Host::Tcp { name, port }] = self.hosts.as_slice() else {
            return Err(NotForToken(
                "rds_iam needs one host: the token is for the name of the database's own endpoint",
            ));
        };
        if self.ssl_mode != SslMode::VerifyFull {
            return Err(NotForToken(
                "rds_iam needs sslmode=verify-full: the token goes to the server as it is, and whoever gets it can log in",
            ));
        }
        Ok(Login {
            host: name.clone(),
            port: *port,
            user: self.user.clone(),
        })
    }
}
