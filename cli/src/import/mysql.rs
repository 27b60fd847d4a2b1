//! Connections to MySQL and MariaDB as other drivers write them, as URLs of ours.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::interval;

/// Schemes of URLs: their own, short ones of Go's, and those of Python's drivers.
pub(super) const SCHEMES: [&str; 13] = [
    "mysql",
    "mariadb",
    "my",
    "maria",
    "mysql+pymysql",
    "mysql+mysqldb",
    "mysql+mysqlconnector",
    "mysql+aiomysql",
    "mysql+asyncmy",
    "mysql+mariadbconnector",
    "mariadb+pymysql",
    "mariadb+mysqldb",
    "mariadb+mariadbconnector",
];
/// Parameters that change nothing of what Fanlight does, in lower case.
const WITHOUT_MEANING: [&str; 6] = [
    "allownativepasswords",
    "charset",
    "checkconnliveness",
    "collation",
    "interpolateparams",
    "parsetime",
];
/// Modes that look at no certificate.
const BLIND: [&str; 3] = ["DISABLED", "PREFERRED", "REQUIRED"];
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The parameters of a connection in our words, and what is to be said about them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parameters {
    /// As they stand in a URL.
    pub(super) carried: Vec<String>,
    pub(super) notes: Vec<String>,
    /// Parameters that mean nothing here, as they stood.
    pub(super) unknown: Vec<String>,
}

/// `user:password@tcp(host:3306)/database?parameters`, which Go's driver takes, as what follows a URL's scheme.
pub(super) fn go_dsn(text: &str) -> Option<String> {
    let (credentials, rest) = match text.rsplit_once('@') {
        Some((credentials, rest)) => (Some(credentials), rest),
        None => (None, text),
    };
    let (protocol, rest) = rest.split_once('(')?;
    let (address, rest) = rest.split_once(')')?;
    if !matches!(protocol, "tcp" | "tcp4" | "tcp6" | "unix" | "") || !(rest.is_empty() || rest.starts_with('/')) {
        return None;
    }
    // A socket is no host; that it is a path, our own reading of URLs says.
    let address = if protocol == "unix" {
        encoded(address)
    } else {
        address.to_owned()
    };
    let credentials = credentials.map(|credentials| match credentials.split_once(':') {
        Some((user, password)) => format!("{}:{}@", encoded(user), encoded(password)),
        None => format!("{}@", encoded(credentials)),
    });
    Some(format!("{}{address}{rest}", credentials.unwrap_or_default()))
}

/// Percent-encodes what Go takes as it is, but for a placeholder.
fn encoded(text: &str) -> String {
    if super::connection::is_placeholder(text) {
        text.to_owned()
    } else {
        utf8_percent_encode(text, KEPT).to_string()
    }
}

pub(super) fn parameters(given: &str) -> Parameters {
    let mut parameters = Parameters::default();
    let mut mode: Option<String> = None;
    let mut authorities = None;
    for parameter in given.split('&').filter(|parameter| !parameter.is_empty()) {
        let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let decoded = percent_decode_str(value).decode_utf8_lossy().to_ascii_lowercase();
        let key = key.to_ascii_lowercase().replace('-', "_");
        match (key.as_str(), decoded.as_str()) {
            ("ssl_mode" | "sslmode", _) => mode = Some(decoded.to_ascii_uppercase()),
            ("tls" | "ssl", "true")
            | ("ssl_verify_identity" | "ssl_verify_cert" | "ssl_check_hostname", "true" | "1") => {
                mode.get_or_insert_with(|| "VERIFY_IDENTITY".to_owned());
            }
            ("tls" | "ssl", "false") | ("ssl_disabled", "true" | "1") => mode = Some("DISABLED".to_owned()),
            ("tls", "skip-verify") | ("ssl_verify_cert", "false" | "0") => mode = Some("REQUIRED".to_owned()),
            ("tls", "preferred") => mode = Some("PREFERRED".to_owned()),
            ("ssl_disabled" | "ssl_verify_identity" | "ssl_check_hostname", "false" | "0") => {}
            ("ssl_ca", _) => authorities = Some(value.to_owned()),
            ("connect_timeout" | "timeout", _) => match interval::read(&decoded) {
                Some(length) => {
                    let seconds = length.as_secs_f64().ceil();
                    parameters.carried.push(format!("connect-timeout={seconds}"));
                }
                None => parameters.unknown.push(parameter.to_owned()),
            },
            (key, _) if WITHOUT_MEANING.contains(&key) => {}
            _ => parameters.unknown.push(parameter.to_owned()),
        }
    }
    let blind = mode.as_deref().is_some_and(|mode| BLIND.contains(&mode));
    match (&mode, authorities) {
        (Some(mode), Some(_)) if blind => parameters.notes.push(format!(
            "the connection's certificates to trust are not carried over: with ssl-mode={mode} nobody looks at them"
        )),
        (_, Some(authorities)) => parameters.carried.push(format!("ssl-ca={authorities}")),
        (None, None) => parameters.notes.push(
            "the connection says nothing of TLS, without which its driver goes on: here the server has to prove who it is, unless \
             the URL has another `ssl-mode`"
                .to_owned(),
        ),
        (Some(_), None) => {}
    }
    if let Some(mode) = mode {
        parameters.carried.push(format!("ssl-mode={mode}"));
    }
    parameters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_go_writes_is_a_url() {
        for (dsn, expected) in [
            ("u:p@tcp(db:3306)/shop?tls=true", Some("u:p@db:3306/shop?tls=true")),
            ("u:p@ss:w/rd@tcp(db)/", Some("u:p%40ss%3Aw%2Frd@db/")),
            ("u:{{PW}}@tcp([::1]:3306)/shop", Some("u:{{PW}}@[::1]:3306/shop")),
            ("u@(db:3306)/shop", Some("u@db:3306/shop")),
            ("tcp(db)/shop", Some("db/shop")),
            ("u@unix(/run/mysqld.sock)/shop", Some("u@%2Frun%2Fmysqld.sock/shop")),
            ("u:p@db/shop", None),
            ("u:p@tcp(db/shop", None),
            ("count(*)", None),
        ] {
            assert_eq!(go_dsn(dsn).as_deref(), expected, "{dsn}");
        }
    }

    #[test]
    fn tls_is_what_it_was_or_stricter_or_told() {
        for (given, carried, notes, unknown) in [
            (
                "tls=true&parseTime=true&charset=utf8mb4",
                &["ssl-mode=VERIFY_IDENTITY"][..],
                0,
                &[][..],
            ),
            ("tls=false", &["ssl-mode=DISABLED"], 0, &[]),
            (
                "tls=skip-verify&timeout=1500ms",
                &["connect-timeout=2", "ssl-mode=REQUIRED"],
                0,
                &[],
            ),
            ("tls=preferred", &["ssl-mode=PREFERRED"], 0, &[]),
            ("tls=custom&loc=Local", &[], 1, &["tls=custom", "loc=Local"]),
            (
                "ssl_ca=%2Fca.pem&ssl_verify_cert=true",
                &["ssl-ca=%2Fca.pem", "ssl-mode=VERIFY_IDENTITY"],
                0,
                &[],
            ),
            ("ssl_ca=/ca.pem", &["ssl-ca=/ca.pem"], 0, &[]),
            ("ssl_ca=/ca.pem&ssl_verify_cert=false", &["ssl-mode=REQUIRED"], 1, &[]),
            (
                "ssl_mode=required&ssl_key=/k",
                &["ssl-mode=REQUIRED"],
                0,
                &["ssl_key=/k"],
            ),
            (
                "ssl_disabled=true&connect_timeout=5",
                &["connect-timeout=5", "ssl-mode=DISABLED"],
                0,
                &[],
            ),
            ("", &[], 1, &[]),
        ] {
            let read = parameters(given);
            assert_eq!(
                (&read.carried[..], read.notes.len(), &read.unknown[..]),
                (
                    &carried.iter().map(|&text| text.to_owned()).collect::<Vec<String>>()[..],
                    notes,
                    &unknown
                        .iter()
                        .map(|&text: &&str| text.to_owned())
                        .collect::<Vec<String>>()[..]
                ),
                "{given}"
            );
        }
    }
}
