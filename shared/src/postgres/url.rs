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

use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::config::ChannelBinding;

use crate::database_url::{Authority, PASSWORD_AND_TOKEN, in_order, in_the_way_of_a_token, mask, usable};
pub use crate::database_url::{UrlError, UrlFinding, UrlSeverity};
use crate::rds::Login;
use reader::{Reading, read};

/// Everything a URL says but the password: what tells one warm connection from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
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

/// Judges a connection URL as it stands in the configuration, before its `{{NAME}}` placeholders are filled in; they
/// count as right wherever they stand.
#[must_use]
pub fn inspect(url: &str) -> Vec<UrlFinding> {
    in_order(read(&mask(url)).1)
}

/// As [`inspect`], of a URL that is used with a token instead of a password: what is wrong with it besides.
#[must_use]
pub fn inspect_for_token(url: &str) -> Vec<UrlFinding> {
    let masked = mask(url);
    let (Reading { target, password }, _) = read(&masked);
    in_the_way_of_a_token(&masked, problem_with_token(&target, password.is_some()))
}

/// Whose token a URL asks for, of which RDS makes a part of the host's name.
///
/// # Errors
/// The URL cannot be used with a token.
pub(crate) fn login_for_token(url: &SecretString, ca_file: Option<&Path>) -> Result<Login, UrlError> {
    let Target { hosts, user, .. } = parse_for_token(url.expose_secret(), ca_file)?;
    match hosts.into_iter().next() {
        Some(Host::Tcp { name: host, port }) => Ok(Login { host, port, user }),
        _ => Err(UrlError(ONE_HOST.to_owned())),
    }
}

/// As [`parse`], of a URL that is used with a token instead of a password.
pub(super) fn parse_for_token(url: &str, ca_file: Option<&Path>) -> Result<Target, UrlError> {
    let (target, password) = parse(url, ca_file)?;
    match problem_with_token(&target, password.is_some()) {
        Some((problem, _)) => Err(UrlError(problem.to_owned())),
        None => Ok(target),
    }
}

const ONE_HOST: &str = "rds_iam needs one host: the token is for the name of the database's own endpoint";

/// Why a token cannot be used, and whether the parameters decide it.
fn problem_with_token(target: &Target, has_password: bool) -> Option<(&'static str, bool)> {
    if has_password {
        Some((PASSWORD_AND_TOKEN, false))
    } else if !matches!(target.hosts.as_slice(), [Host::Tcp { .. }]) {
        Some((ONE_HOST, true))
    } else if target.ssl_mode != SslMode::VerifyFull {
        let problem =
            "rds_iam needs sslmode=verify-full: the token goes to the server as it is, and whoever gets it can log in";
        Some((problem, true))
    } else {
        None
    }
}

/// Reads a URL whose placeholders are filled in; `ca_file` stands in for an absent `sslrootcert`.
pub(super) fn parse(url: &str, ca_file: Option<&Path>) -> Result<(Target, Option<SecretString>), UrlError> {
    let (reading, findings) = read(url);
    usable(findings)?;
    let Reading { mut target, password } = reading;
    if let (Roots::Unsaid, Some(file)) = (&target.roots, ca_file) {
        target.roots = Roots::File(file.to_owned());
    }
    // As in libpq, a root certificate makes `require` verify; see "34.19.1" of the manual.
    if target.ssl_mode == SslMode::Require && matches!(target.roots, Roots::File(_)) {
        target.ssl_mode = SslMode::VerifyCa;
    }
    if target.ssl_mode == SslMode::VerifyCa && !matches!(target.roots, Roots::File(_)) {
        return Err(UrlError(
            "sslmode=verify-ca needs a certificate authority of your own: by the public ones, anybody's certificate \
             would do; name a file in sslrootcert or ca_file, or use sslmode=verify-full"
                .to_owned(),
        ));
    }
    Ok((target, password))
}
