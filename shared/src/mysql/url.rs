//! Connection URLs of MySQL and MariaDB, with TLS as MySQL's own clients name its modes.
//!
//! Where `ssl-mode` is absent, the server has to prove who it is: a client that quietly goes on without TLS, as MySQL's
//! does, can be made to by anybody on the way.

use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;

use crate::database::url::{Authority, Part, Parts, Reader};
use crate::database::{self, NotForToken, UrlError};
use crate::rds::Login;

const DEFAULT_PORT: u16 = 3306;

const PARAMETERS: [&str; 3] = ["connect-timeout", "ssl-ca", "ssl-mode"];

const SSL_MODES: [(&str, SslMode); 5] = [
    ("DISABLED", SslMode::Disabled),
    ("PREFERRED", SslMode::Preferred),
    ("REQUIRED", SslMode::Required),
    ("VERIFY_CA", SslMode::VerifyCa),
    ("VERIFY_IDENTITY", SslMode::VerifyIdentity),
];

/// Everything a URL says but the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: String,
    pub(super) database: Option<String>,
    pub(super) ssl_mode: SslMode,
    /// The certificates to trust, and no others; the public ones if there is none.
    pub(super) ca_file: Option<PathBuf>,
    /// For each address; `None` waits as long as the job may run.
    pub(super) connect_timeout: Option<Duration>,
}

impl Target {
    /// `host:port`, for messages.
    pub(super) fn place(&self) -> String {
        let (name, port) = (self.host.as_str(), self.port);
        Authority { name, port }.to_string()
    }
}

/// MySQL's `--ssl-mode`, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SslMode {
    /// No TLS.
    Disabled,
    /// TLS if the server offers it, with whatever certificate.
    Preferred,
    /// TLS with whatever certificate.
    Required,
    /// A certificate of one of the authorities.
    VerifyCa,
    /// A certificate of one of the authorities, for the host's name.
    VerifyIdentity,
}

impl database::Target for Target {
    fn read(reader: &mut Reader, url: &str) -> (Self, Option<SecretString>) {
        let mut target = Self {
            host: String::new(),
            port: DEFAULT_PORT,
            user: String::new(),
            database: None,
            ssl_mode: SslMode::VerifyIdentity,
            ca_file: None,
            connect_timeout: Some(Duration::from_secs(10)),
        };
        let whole = Part { text: url, start: 0 };
        let Some(rest) = reader.after_scheme(whole, &["mysql://", "mariadb://"]) else {
            return (target, None);
        };
        let parts = Parts::of(rest);
        let mut password = None;
        if let Some(credentials) = parts.credentials {
            (target.user, password) = reader.credentials(credentials);
        }
        host(reader, parts.authority, &mut target);
        target.database = parts.path.and_then(|path| reader.database(path));
        if let Some(given) = parts.parameters {
            reader.parameters(given, |reader, name, value| parameter(reader, name, value, &mut target));
        }
        if !reader.has_errors() && target.user.is_empty() {
            reader.error(whole, "the URL names no user");
        }
        (target, password)
    }

    /// Where `ssl-ca` is absent, the file stands in for it.
    fn with_ca_file(mut self, ca_file: Option<&Path>) -> Result<Self, UrlError> {
        self.ca_file = self.ca_file.or_else(|| ca_file.map(Path::to_owned));
        match (self.ssl_mode, &self.ca_file) {
            (SslMode::VerifyCa, None) => Err(UrlError(
                "ssl-mode=VERIFY_CA needs a certificate authority of your own: by the public ones, anybody's \
                 certificate would do; name a file in ssl-ca or ca_file, or use ssl-mode=VERIFY_IDENTITY"
                    .to_owned(),
            )),
            (SslMode::Disabled | SslMode::Preferred | SslMode::Required, Some(_)) => Err(UrlError(
                "there are certificates to trust, at which only ssl-mode=VERIFY_CA and VERIFY_IDENTITY look: use one \
                 of these, or remove ssl-ca and ca_file"
                    .to_owned(),
            )),
            _ => Ok(self),
        }
    }

    fn login(&self) -> Result<Login, NotForToken> {
        if self.ssl_mode != SslMode::VerifyIdentity {
            return Err(NotForToken(
                "rds_iam needs ssl-mode=VERIFY_IDENTITY: the token goes to the server as it is, and whoever gets it can \
                 log in",
            ));
        }
        Ok(Login {
            host: self.host.clone(),
            port: self.port,
            user: self.user.clone(),
        })
    }
}

fn host(reader: &mut Reader, authority: Part<'_>, target: &mut Target) {
    if authority.text.is_empty() {
        reader.error(authority, "the URL names no host");
    } else if authority.text.contains(',') {
        reader.error(
            authority,
            "the URL names several hosts: name one, such as the cluster's own endpoint",
        );
    } else if let Some((host, port)) = reader.host_and_port(authority, DEFAULT_PORT) {
        if host.starts_with('/') {
            reader.error(authority, "the host is a path; a socket cannot be named here");
        }
        (target.host, target.port) = (host, port);
    }
}

fn parameter(reader: &mut Reader, name: Part<'_>, value: Part<'_>, target: &mut Target) {
    let Some(decoded) = reader.decode(value, name.text) else {
        return;
    };
    match name.text {
        // MySQL's clients take the modes in any case.
        "ssl-mode" => {
            let mode = decoded.to_ascii_uppercase();
            reader.choose(name, value, &mode, &SSL_MODES, &mut target.ssl_mode);
        }
        "ssl-ca" => target.ca_file = Some(PathBuf::from(decoded)),
        "connect-timeout" => reader.seconds(name.text, value, &decoded, &mut target.connect_timeout),
        unknown => {
            let known = PARAMETERS.join(", ");
            reader.error(
                name,
                format!("the parameter {unknown:?} is not supported; known are {known}"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::super::Mysql;
    use super::*;
    use crate::database::{UrlFinding, UrlSeverity};

    const CA: &str = "/etc/ca.pem";

    fn target(url: &str) -> Target {
        parse(url, None).unwrap().0
    }

    fn parse(url: &str, ca_file: Option<&Path>) -> Result<(Target, Option<SecretString>), UrlError> {
        database::parse::<Mysql>(url, ca_file)
    }

    fn inspect(url: &str) -> Vec<UrlFinding> {
        database::inspect::<Mysql>(url)
    }

    fn errors(url: &str) -> Vec<(String, &str)> {
        let wrong = |finding: &UrlFinding| finding.severity == UrlSeverity::Error;
        let findings = inspect(url).into_iter().filter(wrong);
        findings
            .map(|finding| (finding.message, url.get(finding.range).unwrap()))
            .collect()
    }

    #[test]
    fn hosts_ports_and_names_are_read() {
        for (url, place, user, database) in [
            (
                "mysql://u:p@db.example.com/shop",
                "db.example.com:3306",
                "u",
                Some("shop"),
            ),
            ("mariadb://u@db:3307", "db:3307", "u", None),
            ("mysql://u@db:/", "db:3306", "u", None),
            ("mysql://u@[::1]:7/x", "[::1]:7", "u", Some("x")),
            ("mysql://u%40x%3Ay@db/sh%2Fop", "db:3306", "u@x:y", Some("sh/op")),
        ] {
            let read = target(url);
            assert_eq!(
                (read.place().as_str(), read.user.as_str(), read.database.as_deref()),
                (place, user, database),
                "{url}"
            );
        }
        let (_, password) = parse("mysql://u:p%40s%2Fs%25%3F@db", None).unwrap();
        assert_eq!(password.unwrap().expose_secret(), "p@s/s%?");
        assert!(parse("mysql://u:@db", None).unwrap().1.is_none());
    }

    #[test]
    fn the_mode_of_tls_is_the_strictest_unless_another_is_named() {
        use SslMode::{Disabled, Preferred, Required, VerifyCa, VerifyIdentity};
        for (query, ca_file, mode, trusted) in [
            ("", None, VerifyIdentity, None),
            ("", Some(CA), VerifyIdentity, Some(CA)),
            (
                "ssl-mode=VERIFY_IDENTITY&ssl-ca=%2Fother.pem",
                Some(CA),
                VerifyIdentity,
                Some("/other.pem"),
            ),
            ("ssl-mode=verify_ca", Some(CA), VerifyCa, Some(CA)),
            ("ssl-mode=REQUIRED", None, Required, None),
            ("ssl-mode=Preferred", None, Preferred, None),
            ("ssl-mode=disabled", None, Disabled, None),
        ] {
            let (read, _) = parse(&format!("mysql://u@db?{query}"), ca_file.map(Path::new)).unwrap();
            let expected = (mode, trusted.map(PathBuf::from));
            assert_eq!((read.ssl_mode, read.ca_file), expected, "{query} {ca_file:?}");
        }
        for (query, ca_file, words) in [
            ("ssl-mode=VERIFY_CA", None, "anybody's certificate would do"),
            (
                "ssl-mode=REQUIRED",
                Some(CA),
                "there are certificates to trust, at which only",
            ),
            (
                "ssl-mode=DISABLED&ssl-ca=/x",
                None,
                "there are certificates to trust, at which only",
            ),
        ] {
            let error = parse(&format!("mysql://u@db?{query}"), ca_file.map(Path::new)).unwrap_err();
            assert!(error.to_string().contains(words), "{query}: {error}");
        }
    }

    #[test]
    fn time_to_connect_is_limited() {
        assert_eq!(target("mysql://u@db").connect_timeout, Some(Duration::from_secs(10)));
        let timeout = |seconds: &str| target(&format!("mysql://u@db?connect-timeout={seconds}")).connect_timeout;
        assert_eq!((timeout("3"), timeout("0")), (Some(Duration::from_secs(3)), None));
    }

    #[test]
    fn what_cannot_be_used_is_said_with_its_place_and_without_its_text() {
        for (url, message, at) in [
            (
                "postgres://u@db",
                "does not begin with mysql:// or mariadb://",
                "postgres://u@db",
            ),
            ("mysql://u:hun@ter2@db/x", "the host holds an `@`", "ter2@db"),
            ("mysql://u:hun/ter2@db/x", "the port is not a number", "hun"),
            (
                "mysql://u:hunter%2@db",
                "a `%` without two hexadecimal digits",
                "hunter%2",
            ),
            (
                "mysql://u:hunter2\n@db",
                "holds a control character",
                "mysql://u:hunter2\n@db",
            ),
            ("mysql://u:hunter2@/x", "the URL names no host", ""),
            ("mysql://db/x", "the URL names no user", "mysql://db/x"),
            ("mysql://u@a,b/x", "names several hosts", "a,b"),
            (
                "mysql://u@%2Frun%2Fmysqld.sock/x",
                "the host is a path",
                "%2Frun%2Fmysqld.sock",
            ),
            (
                "mysql://u@db?ssl-mode=on",
                "ssl-mode must be one of DISABLED, PREFERRED",
                "on",
            ),
            (
                "mysql://u@db?sslmode=REQUIRED",
                "the parameter \"sslmode\" is not supported; known are",
                "sslmode",
            ),
            (
                "mysql://u@db?ssl-ca=a&ssl-ca=b",
                "the parameter ssl-ca is given twice",
                "ssl-ca",
            ),
            (
                "mysql://u@db?connect-timeout=soon",
                "not a whole number of seconds",
                "soon",
            ),
            ("mysql://u@db?ssl-mode", "a parameter has no value", "ssl-mode"),
        ] {
            let error = parse(url, None).unwrap_err().to_string();
            assert!(
                error.starts_with("connection URL: ") && error.contains(message),
                "{url}: {error}"
            );
            assert!(!error.contains("hun") && !error.contains("ter2"), "{url}: {error}");
            assert_eq!(errors(url).first().unwrap().1, at, "{url}");
        }
    }

    #[test]
    fn placeholders_are_right_wherever_they_stand() {
        for url in [
            "{{DATABASE_URL}}",
            "mysql://{{DB_USERNAME}}:{{DB_PASSWORD}}@{{DB_HOST}}/{{DB_NAME}}",
            "mariadb://{{secret:app/db#user}}:{{P}}@{{H}}:{{DB_PORT}}/{{N}}?ssl-mode={{MODE}}&connect-timeout={{T}}",
            "mysql://{{U}}:{{P}}@[{{V6}}]:1/x?{{KEY}}=1",
        ] {
            assert_eq!(inspect(url), [], "{url}");
        }
        assert_eq!(inspect("mysql://u:hunter2@db")[0].severity, UrlSeverity::Warning);
    }

    proptest::proptest! {
        #[test]
        fn no_url_makes_it_panic(url in "mysql://[a-z:@/?,\\[\\]%{}=&\u{1}é0-9]{0,60}") {
            let _ = parse(&url, None);
            for finding in inspect(&url) {
                proptest::prop_assert!(url.get(finding.range).is_some());
            }
        }
    }
}
