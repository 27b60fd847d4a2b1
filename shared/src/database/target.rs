//! What a connection URL leads to, for every kind of database: as it stands in the configuration, and filled in.

use std::path::Path;

use secrecy::{ExposeSecret, SecretString};

use super::Database;
use super::url::{MASK, Reader, UrlError, UrlFinding, UrlSeverity, mask};
use crate::rds::Login;

/// Everything a URL says but the password: what tells one warm connection from another.
pub trait Target: PartialEq + Sized + Send + Sync {
    /// Takes a URL apart, and the password out of it; whatever is wrong with it is told to the reader.
    fn read(reader: &mut Reader, url: &str) -> (Self, Option<SecretString>);

    /// With the certificates to trust of a file, unless the URL names another.
    ///
    /// # Errors
    /// The certificates to trust do not go with the rest.
    fn with_ca_file(self, ca_file: Option<&Path>) -> Result<Self, UrlError>;

    /// Whose token a server asks for. A token goes to the server as it is, and whoever gets it can log in.
    ///
    /// # Errors
    /// No token can be used here.
    fn login(&self) -> Result<Login, NotForToken>;
}

/// Why no token can be used. The parameters of the URL decide it, so that a placeholder there may yet make it right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotForToken(pub(crate) &'static str);

const PASSWORD_AND_TOKEN: &str = "the URL has a password, and rds_iam makes one: remove it from the URL";

/// Judges a connection URL as it stands in the configuration, before its `{{NAME}}` placeholders are filled in; they
/// count as right wherever they stand.
#[must_use]
pub fn inspect<D: Database>(url: &str) -> Vec<UrlFinding> {
    let (_, _, mut findings) = read::<D::Target>(&mask(url));
    findings.sort_by_key(|finding| (finding.range.start, finding.range.end));
    findings
}

/// As [`inspect`], of a URL that is used with a token instead of a password: what is wrong with it besides.
#[must_use]
pub fn inspect_for_token<D: Database>(url: &str) -> Vec<UrlFinding> {
    let masked = mask(url);
    let (target, password, _) = read::<D::Target>(&masked);
    let parameters = masked.split_once('?').map_or("", |(_, parameters)| parameters);
    let message = if masked.starts_with(MASK) {
        None
    } else if password.is_some() {
        Some(PASSWORD_AND_TOKEN)
    } else {
        let problem = target.login().err().map(|NotForToken(problem)| problem);
        problem.filter(|_| !parameters.contains(MASK))
    };
    let finding = |message: &str| UrlFinding {
        range: 0..masked.len(),
        severity: UrlSeverity::Error,
        message: message.to_owned(),
    };
    message.map(finding).into_iter().collect()
}

/// Reads a URL whose placeholders are filled in; `ca_file` stands in for the parameter that names one.
pub(crate) fn parse<D: Database>(
    url: &str,
    ca_file: Option<&Path>,
) -> Result<(D::Target, Option<SecretString>), UrlError> {
    let (target, password, findings) = read::<D::Target>(url);
    let wrong = |finding: &UrlFinding| finding.severity == UrlSeverity::Error;
    if let Some(error) = findings.into_iter().find(wrong) {
        return Err(UrlError(error.message));
    }
    Ok((target.with_ca_file(ca_file)?, password))
}

/// As [`parse`], of a URL that is used with a token instead of a password.
pub(crate) fn parse_for_token<D: Database>(url: &str, ca_file: Option<&Path>) -> Result<D::Target, UrlError> {
    with_login::<D>(url, ca_file).map(|(target, _)| target)
}

/// Whose token a URL asks for.
///
/// # Errors
/// The URL cannot be used with a token.
pub(crate) fn login_for_token<D: Database>(url: &SecretString, ca_file: Option<&Path>) -> Result<Login, UrlError> {
    with_login::<D>(url.expose_secret(), ca_file).map(|(_, login)| login)
}

fn with_login<D: Database>(url: &str, ca_file: Option<&Path>) -> Result<(D::Target, Login), UrlError> {
    let (target, password) = parse::<D>(url, ca_file)?;
    if password.is_some() {
        return Err(UrlError(PASSWORD_AND_TOKEN.to_owned()));
    }
    match target.login() {
        Ok(login) => Ok((target, login)),
        Err(NotForToken(problem)) => Err(UrlError(problem.to_owned())),
    }
}

fn read<T: Target>(url: &str) -> (T, Option<SecretString>, Vec<UrlFinding>) {
    let mut reader = Reader::default();
    let (target, password) = T::read(&mut reader, url);
    (target, password, reader.findings)
}
