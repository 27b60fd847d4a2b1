//! Data source names of other exporters as sources of ours; a password in one is never passed on.

use shared::database::{UrlFinding, UrlSeverity, inspect};
use shared::mysql::Mysql;
use shared::postgres::Postgres;

use super::model::{Kind, Source};
use super::mysql;

/// Schemes that mean PostgreSQL: libpq's own, those of Go's and of Python's drivers.
const POSTGRES: [&str; 8] = [
    "postgres",
    "postgresql",
    "pg",
    "pgsql",
    "pgx",
    "postgresql+psycopg2",
    "postgresql+psycopg",
    "postgresql+asyncpg",
];
/// Parameters of a connection that hold what nobody may see.
const SECRET_PARAMETERS: [&str; 3] = ["password", "sslpassword", "pwd"];
/// Words in a parameter's value behind which may stand what nobody may see.
const SECRET_WORDS: [&str; 5] = ["password", "passwd", "pwd", "secret", "token"];

/// A source of ours, and what of the connection it is and is not made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Connection {
    pub(super) kind: Kind,
    pub(super) source: Source,
    /// Parts of the connection for labels; empty where they are not known.
    pub(super) user: String,
    pub(super) host: String,
    pub(super) database: String,
    /// What could not be carried over, in sentences.
    pub(super) notes: Vec<String>,
}

/// Reads a data source name. `name` is what the source is to be called.
///
/// The error says of which kind the source is; nothing of the text beyond its scheme.
pub(super) fn read(name: &str, dsn: &str) -> Result<Connection, String> {
    let dsn = dsn.trim();
    let name = identifier(name);
    if let Some(variable) = variable(dsn) {
        return Ok(from_variable(name, &variable));
    }
    if let Some(rest) = mysql::go_dsn(&with_our_placeholders(dsn.strip_prefix("mysql://").unwrap_or(dsn))) {
        return Ok(from_url(name, Kind::Mysql, &rest));
    }
    let Some((scheme, rest)) = dsn.split_once("://") else {
        return Ok(unknown(name, Kind::Postgres, "it is no URL"));
    };
    let lower = scheme.to_ascii_lowercase();
    let kind = if POSTGRES.contains(&lower.as_str()) {
        Kind::Postgres
    } else if mysql::SCHEMES.contains(&lower.as_str()) {
        Kind::Mysql
    } else {
        return Err(kind_only(scheme));
    };
    Ok(from_url(name, kind, &with_our_placeholders(rest)))
}

impl Kind {
    fn scheme(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
        }
    }

    fn inspect(self, url: &str) -> Vec<UrlFinding> {
        match self {
            Self::Postgres => inspect::<Postgres>(url),
            Self::Mysql => inspect::<Mysql>(url),
        }
    }
}

/// The scheme of what may hold a password where a scheme should be.
fn kind_only(scheme: &str) -> String {
    let is_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    if scheme.chars().all(is_scheme) {
        scheme.to_owned()
    } else {
        "an unknown kind".to_owned()
    }
}

/// The URL where nothing can be carried over.
pub(super) fn from_placeholders(kind: Kind) -> String {
    kind.scheme().to_owned() + "://{{DB_USERNAME}}:{{DB_PASSWORD}}@{{DB_HOST}}/{{DB_NAME}}"
}

/// A source whose connection is put together from the environment.
pub(super) fn unknown(name: String, kind: Kind, why: &str) -> Connection {
    Connection {
        kind,
        source: Source {
            name,
            url: from_placeholders(kind),
            bare: false,
            password: None,
        },
        user: String::new(),
        host: String::new(),
        database: String::new(),
        notes: vec![format!(
            "the connection is not carried over, for {why}; the source is made of DB_USERNAME, DB_PASSWORD, DB_HOST and DB_NAME"
        )],
    }
}

/// The variable that holds the whole connection: `env:NAME`, `$NAME`, `${NAME}`, or what a tag `!env` leaves.
fn variable(dsn: &str) -> Option<String> {
    let named = dsn
        .strip_prefix("env:")
        .or_else(|| dsn.strip_prefix("${")?.strip_suffix('}'))
        .or_else(|| dsn.strip_prefix('$'));
    let name = named.unwrap_or(dsn);
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && (named.is_some() || !name.chars().any(|c| c.is_ascii_lowercase()));
    is_name.then(|| name.to_owned())
}

fn from_variable(name: String, variable: &str) -> Connection {
    Connection {
        source: Source {
            url: format!("{{{{{variable}}}}}"),
            bare: true,
            ..unknown(name, Kind::Postgres, "").source
        },
        notes: vec![format!(
            "the connection comes from the variable {variable}, and PostgreSQL is assumed"
        )],
        ..unknown(String::new(), Kind::Postgres, "")
    }
}

/// `${NAME}` becomes `{{NAME}}`.
fn with_our_placeholders(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("${") {
        let Some((name, after)) = behind.split_once('}') else {
            break;
        };
        out += before;
        out.extend(["{{", name, "}}"]);
        rest = after;
    }
    out + rest
}

/// Whether a text is one `{{NAME}}` and nothing else.
pub(super) fn is_placeholder(text: &str) -> bool {
    let name = text.strip_prefix("{{").and_then(|text| text.strip_suffix("}}"));
    name.is_some_and(|name| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

fn from_url(name: String, kind: Kind, rest: &str) -> Connection {
    // The last one: a password may hold the character, and nothing behind it may be taken for a host.
    let (userinfo, rest) = rest.rsplit_once('@').unwrap_or(("", rest));
    let (user, password) = match userinfo.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (userinfo, None),
    };
    let (target, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    let (host, database) = target.split_once('/').unwrap_or((target, ""));
    let placeholder = format!("{}_PASSWORD", name.to_ascii_uppercase());
    let mut notes = Vec::new();
    // What is a placeholder already, and nothing besides, is no secret.
    let literal = password.is_some_and(|password| !is_placeholder(password) && !password.is_empty());
    let credentials = match password {
        Some(_) if literal => format!("{user}:{{{{{placeholder}}}}}@"),
        Some(password) if !password.is_empty() => format!("{user}:{password}@"),
        _ if user.is_empty() => {
            notes.push("the connection names no user, for whom DB_USERNAME and DB_PASSWORD stand".to_owned());
            "{{DB_USERNAME}}:{{DB_PASSWORD}}@".to_owned()
        }
        _ => format!("{user}@"),
    };
    let mut url = format!("{}://{credentials}{target}", kind.scheme());
    if is_wrong(&url, kind) {
        return unknown(name, kind, "its URL cannot be read");
    }
    let mut secret = literal;
    let (translated, foreign) = match kind {
        Kind::Postgres => (parameters.split('&').map(str::to_owned).collect(), Vec::new()),
        Kind::Mysql => {
            let read = mysql::parameters(parameters);
            notes.extend(read.notes);
            (read.carried, read.unknown)
        }
    };
    let translated = translated.into_iter().map(|parameter| (parameter, true));
    let parameters = translated.chain(foreign.into_iter().map(|parameter| (parameter, false)));
    for (parameter, known) in parameters.filter(|(parameter, _)| !parameter.is_empty()) {
        let (key, value) = parameter.split_once('=').unwrap_or((&parameter, ""));
        let carried = if SECRET_PARAMETERS.contains(&key.to_ascii_lowercase().as_str()) && !is_placeholder(value) {
            secret = true;
            format!("{key}={{{{{placeholder}}}}}")
        } else {
            parameter.clone()
        };
        let separator = if url.contains('?') { '&' } else { '?' };
        let with = format!("{url}{separator}{carried}");
        let hides = carried == parameter && may_hold_a_secret(value);
        if !known || hides || is_wrong(&with, kind) {
            // What has no value is perhaps no parameter.
            let name = parameter.split_once('=').map(|(key, _)| key);
            let name = name.filter(|key| key.chars().all(|c| c.is_ascii_lowercase() || c == '_'));
            notes.push(match name {
                Some(name) => format!("the connection's parameter `{name}` is not carried over"),
                None => "a parameter of the connection is not carried over".to_owned(),
            });
        } else {
            url = with;
        }
    }
    if secret {
        notes.push(format!(
            "the password is not carried over: store it as the field `password` of the secret `fanlight/{name}` in AWS Secrets \
             Manager, or change where {placeholder} comes from"
        ));
    }
    let decoded = |text: &str| {
        percent_encoding::percent_decode_str(text)
            .decode_utf8_lossy()
            .into_owned()
    };
    Connection {
        kind,
        source: Source {
            name,
            url,
            bare: false,
            password: secret.then_some(placeholder),
        },
        user: decoded(user),
        host: host.to_owned(),
        database: decoded(database),
        notes,
    }
}

/// Whether a parameter's value, such as `-c password=..`, names what nobody may see.
fn may_hold_a_secret(value: &str) -> bool {
    // Twice, for `options` may be encoded within.
    let decode = |text: &str| {
        percent_encoding::percent_decode_str(text)
            .decode_utf8_lossy()
            .into_owned()
    };
    let value = decode(&decode(value)).to_lowercase();
    let is_given = |end: usize| {
        let rest = value[end..].trim_start_matches(|c: char| c.is_alphanumeric() || matches!(c, '_' | '-'));
        rest.trim_start().starts_with(['=', ':'])
    };
    SECRET_WORDS
        .iter()
        .flat_map(|word| value.match_indices(word))
        .any(|(at, word)| is_given(at + word.len()))
}

fn is_wrong(url: &str, kind: Kind) -> bool {
    kind.inspect(url)
        .iter()
        .any(|finding| finding.severity == UrlSeverity::Error)
}

/// A name that placeholders and secrets can be called by.
pub(super) fn identifier(name: &str) -> String {
    let mut identifier: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '_'
            }
        })
        .collect();
    if !identifier.starts_with(|c: char| c.is_ascii_alphabetic()) {
        identifier.insert_str(0, "db_");
    }
    identifier
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: &str = "postgres://{{DB_USERNAME}}:{{DB_PASSWORD}}@{{DB_HOST}}/{{DB_NAME}}";

    fn url(dsn: &str) -> Result<String, String> {
        read("Shop-1", dsn).map(|connection| connection.source.url)
    }

    #[test]
    fn a_url_keeps_everything_but_its_password() {
        for (dsn, expected) in [
            (
                "postgres://u:geheim@db:5432/shop?sslmode=verify-full",
                "postgres://u:{{SHOP_1_PASSWORD}}@db:5432/shop?sslmode=verify-full",
            ),
            (
                "postgresql+psycopg2://u:geheim@db/shop",
                "postgres://u:{{SHOP_1_PASSWORD}}@db/shop",
            ),
            ("pgx://u@db/shop", "postgres://u@db/shop"),
            (
                "postgres://db/shop",
                "postgres://{{DB_USERNAME}}:{{DB_PASSWORD}}@db/shop",
            ),
            // A raw `@`, `/` and `:` in a password.
            (
                "postgres://u:ge@he:im/geheim@db/shop",
                "postgres://u:{{SHOP_1_PASSWORD}}@db/shop",
            ),
            (
                "postgres://u:${DB_PW}@${DB_HOST}/shop",
                "postgres://u:{{DB_PW}}@{{DB_HOST}}/shop",
            ),
            (
                "postgres://u@db/shop?password=geheim&sslmode=require&no_such_thing=geheim",
                "postgres://u@db/shop?password={{SHOP_1_PASSWORD}}&sslmode=require",
            ),
            ("env:SHOP_DSN", "{{SHOP_DSN}}"),
            ("${SHOP_DSN}", "{{SHOP_DSN}}"),
            ("SHOP_DSN", "{{SHOP_DSN}}"),
            ("host=db password=geheim", NOTHING),
            // A part of a password is a password.
            (
                "postgres://u:${PW}geheim@db/shop",
                "postgres://u:{{SHOP_1_PASSWORD}}@db/shop",
            ),
            ("postgres://u:{{ge@db/shop", "postgres://u:{{SHOP_1_PASSWORD}}@db/shop"),
            (
                "postgres://u:{{A}}geheim{{B}}@db/shop",
                "postgres://u:{{SHOP_1_PASSWORD}}@db/shop",
            ),
            (
                "postgres://u:${PW:-geheim}@db/shop",
                "postgres://u:{{SHOP_1_PASSWORD}}@db/shop",
            ),
            (
                "postgres://u@db/shop?password=${PW}&options=-c%20password%3Dgeheim",
                "postgres://u@db/shop?password={{PW}}",
            ),
            (
                "postgres://u@db/shop?options=-c%20statement_timeout%3D5",
                "postgres://u@db/shop?options=-c%20statement_timeout%3D5",
            ),
            (
                "postgres://u@db/shop?sslrootcert=/run/secrets/ca.pem",
                "postgres://u@db/shop?sslrootcert=/run/secrets/ca.pem",
            ),
            (
                "mysql://u:geheim@db:3306/shop?ssl_mode=REQUIRED",
                "mysql://u:{{SHOP_1_PASSWORD}}@db:3306/shop?ssl-mode=REQUIRED",
            ),
            ("mariadb://u:${PW}@db/shop", "mysql://u:{{PW}}@db/shop"),
            (
                "mysql+pymysql://u:geheim@db/shop?charset=utf8mb4&ssl_ca=/ca.pem",
                "mysql://u:{{SHOP_1_PASSWORD}}@db/shop?ssl-ca=/ca.pem",
            ),
            ("u:geheim@tcp(db)/shop", "mysql://u:{{SHOP_1_PASSWORD}}@db/shop"),
            (
                "mysql://u@x:ge:he/im@tcp(db:3307)/shop?tls=skip-verify&geheim=1",
                "mysql://u%40x:{{SHOP_1_PASSWORD}}@db:3307/shop?ssl-mode=REQUIRED",
            ),
            (
                "u:${PW}@tcp(${DB_HOST}:3306)/shop?tls=true",
                "mysql://u:{{PW}}@{{DB_HOST}}:3306/shop?ssl-mode=VERIFY_IDENTITY",
            ),
            (
                "u:geheim@unix(/run/mysqld.sock)/shop",
                "mysql://{{DB_USERNAME}}:{{DB_PASSWORD}}@{{DB_HOST}}/{{DB_NAME}}",
            ),
        ] {
            assert_eq!(url(dsn).as_deref(), Ok(expected), "{dsn}");
        }
        for (dsn, kind) in [
            ("sqlserver://u:geheim@db/shop", "sqlserver"),
            ("sqlite:///geheim.db", "sqlite"),
            ("u:geheim@x://y", "an unknown kind"),
        ] {
            assert_eq!(url(dsn), Err(kind.to_owned()), "{dsn}");
        }
    }

    #[test]
    fn no_message_holds_a_part_of_what_may_be_a_password() {
        for dsn in [
            "postgres://u:geheim@db/shop",
            "postgres://u:geheim@geheim@db/shop?geheim",
            "postgres://u:x@db:geheim/shop",
            "postgres://u:${PW}geheim@h/d",
            "postgres://u:{{geheim@h/d",
            "postgres://u@h/d?options=-c%20password=geheim",
            "postgres://u@h/d?options=-c%2520pass%2577ord%3Dgeheim",
            "mysql://u:geheim@db/shop?passwd=geheim&geheim",
            "u:geheim@tcp(db)/shop?tls=geheim",
            "u:geheim@tcp(db:geheim)/shop",
            "mysql://u:x@db/shop?ssl_mode=geheim&timeout=geheim",
            "postgres://u@db/shop?pass_word=geheim&password=geheim",
            "host=db password=geheim",
            "geheim://u:geheim",
            "://geheim",
        ] {
            match read("shop", dsn) {
                Ok(connection) => {
                    let told = format!("{:?} {:?}", connection.notes, connection.source);
                    assert!(!told.contains("geheim"), "{dsn}: {told}");
                }
                Err(kind) => assert!(dsn.starts_with(&format!("{kind}://")), "{dsn}: {kind}"),
            }
        }
    }

    #[test]
    fn parts_of_a_connection_are_known_for_labels() {
        let connection = read("shop", "postgres://us%65r:x@db:5432/shop?sslmode=require").unwrap();
        assert_eq!(
            (
                connection.user.as_str(),
                connection.host.as_str(),
                connection.database.as_str()
            ),
            ("user", "db:5432", "shop")
        );
    }
}
