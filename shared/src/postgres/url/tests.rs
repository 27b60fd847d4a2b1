use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_postgres::config::ChannelBinding;

use super::super::Postgres;
use super::*;
use crate::database::{UrlFinding, UrlSeverity};

const CA: &str = "/etc/ca.pem";

fn parse(url: &str, ca_file: Option<&Path>) -> Result<(Target, Option<SecretString>), UrlError> {
    database::parse::<Postgres>(url, ca_file)
}

fn inspect(url: &str) -> Vec<UrlFinding> {
    database::inspect::<Postgres>(url)
}

fn target(url: &str) -> Target {
    parse(url, None).unwrap().0
}

fn password(url: &str) -> Option<String> {
    use secrecy::ExposeSecret as _;
    parse(url, None)
        .unwrap()
        .1
        .map(|password| password.expose_secret().to_owned())
}

fn tcp(name: &str, port: u16) -> Host {
    Host::Tcp {
        name: name.to_owned(),
        port,
    }
}

#[test]
fn hosts_ports_and_names_are_read_as_libpq_reads_them() {
    let socket = |port| Host::Unix {
        folder: PathBuf::from("/var/run/pg"),
        port,
    };
    for (url, hosts, user, database) in [
        (
            "postgres://u:p@db.example.com/shop",
            vec![tcp("db.example.com", 5432)],
            "u",
            Some("shop"),
        ),
        ("postgresql://u@db:6432", vec![tcp("db", 6432)], "u", None),
        ("postgres://u@db:/shop", vec![tcp("db", 5432)], "u", Some("shop")),
        ("postgres://u@db/", vec![tcp("db", 5432)], "u", None),
        (
            "postgres://u@a:1,b,c:3/x",
            vec![tcp("a", 1), tcp("b", 5432), tcp("c", 3)],
            "u",
            Some("x"),
        ),
        ("postgres://u@[::1]:7/x", vec![tcp("::1", 7)], "u", Some("x")),
        ("postgres://u@[2001:db8::5]", vec![tcp("2001:db8::5", 5432)], "u", None),
        ("postgres://u@%2Fvar%2Frun%2Fpg:7/x", vec![socket(7)], "u", Some("x")),
        ("postgres://u@/x?host=/var/run/pg", vec![socket(5432)], "u", Some("x")),
        (
            "postgres:///x?host=a,b&port=1,2&user=u",
            vec![tcp("a", 1), tcp("b", 2)],
            "u",
            Some("x"),
        ),
        (
            "postgres:///?host=a,::1&port=9&user=u&dbname=y",
            vec![tcp("a", 9), tcp("::1", 9)],
            "u",
            Some("y"),
        ),
        (
            "postgres://u%40x%3Ay@db/sh%2Fop%40",
            vec![tcp("db", 5432)],
            "u@x:y",
            Some("sh/op@"),
        ),
    ] {
        let read = target(url);
        assert_eq!(
            (read.hosts, read.user.as_str(), read.database.as_deref()),
            (hosts, user, database),
            "{url}"
        );
    }
}

#[test]
fn passwords_are_decoded() {
    for (url, expected) in [
        ("postgres://u@db", None),
        ("postgres://u:@db", None),
        ("postgres://u:p%40s%2Fs%25%3F%20+@db", Some("p@s/s%? +")),
        ("postgres://u:a:b@db", Some("a:b")),
        ("postgres://u:%C3%A9@db", Some("é")),
        ("postgres://u@db?password=p%26q", Some("p&q")),
    ] {
        assert_eq!(password(url).as_deref(), expected, "{url}");
    }
}

#[test]
fn sslmode_and_root_certificates_combine_as_in_libpq() {
    use SslMode::{Allow, Disable, Prefer, Require, VerifyCa, VerifyFull};
    let file = || Roots::File(PathBuf::from(CA));
    for (query, ca_file, mode, roots) in [
        ("", None, Prefer, Roots::Unsaid),
        ("", Some(CA), Prefer, file()),
        ("sslmode=disable", None, Disable, Roots::Unsaid),
        ("sslmode=allow", None, Allow, Roots::Unsaid),
        ("sslmode=prefer", None, Prefer, Roots::Unsaid),
        ("sslmode=require", None, Require, Roots::Unsaid),
        ("ssl=true", None, Require, Roots::Unsaid),
        ("sslmode=require&sslrootcert=/etc/ca.pem", None, VerifyCa, file()),
        ("sslmode=require", Some(CA), VerifyCa, file()),
        ("sslmode=verify-ca", Some(CA), VerifyCa, file()),
        ("sslmode=verify-full", None, VerifyFull, Roots::Unsaid),
        (
            "sslmode=verify-full&sslrootcert=%2Fetc/ca.pem",
            Some("/other"),
            VerifyFull,
            file(),
        ),
        ("sslrootcert=system", None, VerifyFull, Roots::Public),
        (
            "sslrootcert=system&sslmode=verify-full",
            Some(CA),
            VerifyFull,
            Roots::Public,
        ),
    ] {
        let (read, _) = parse(&format!("postgres://u@db?{query}"), ca_file.map(Path::new)).unwrap();
        assert_eq!((read.ssl_mode, read.roots), (mode, roots), "{query} {ca_file:?}");
    }
}

#[test]
fn the_other_parameters_are_read() {
    let read = target("postgres://u@db");
    assert_eq!(read.application_name, "fanlight");
    assert_eq!(read.connect_timeout, Some(Duration::from_secs(10)));
    let read = target(
        "postgres://u@db?application_name=a%20b&options=-c%20work_mem%3D1MB&connect_timeout=3&channel_binding=require\
         &target_session_attrs=prefer-standby&gssencmode=disable",
    );
    assert_eq!(read.application_name, "a b");
    assert_eq!(read.options.as_deref(), Some("-c work_mem=1MB"));
    assert_eq!(read.connect_timeout, Some(Duration::from_secs(3)));
    assert_eq!(read.channel_binding, ChannelBinding::Require);
    assert_eq!(read.session, SessionAttributes::PreferStandby);
    assert_eq!(target("postgres://u@db?connect_timeout=0").connect_timeout, None);
}

/// URLs that cannot be used, what is said, and the part of them that it is said about.
const WRONG: [(&str, &str, &str); 29] = [
    ("mysql://u@db", "does not begin with postgres://", "mysql://u@db"),
    ("host=db user=u", "does not begin with postgres://", "host=db user=u"),
    (
        "postgres://u:hunter2\n@db",
        "holds a control character",
        "postgres://u:hunter2\n@db",
    ),
    ("postgres://u:hun@ter2@db/x", "the host holds an `@`", "ter2@db"),
    ("postgres://u:hun/ter2@db/x", "the port is not a number", "hun"),
    (
        "postgres://u:1/hunter2@db",
        "the database's name holds a raw `@` or `/`",
        "hunter2@db",
    ),
    ("postgres://u:hun?ter2@db", "holds a raw `?`", "u:hun?ter2"),
    (
        "postgres://u:hunter%2@db",
        "the password holds a `%` without two hexadecimal digits",
        "hunter%2",
    ),
    (
        "postgres://u:hunter%+2@db",
        "the password holds a `%` without two hexadecimal digits",
        "hunter%+2",
    ),
    ("postgres://u:hunter%FF@db", "the password is not UTF-8", "hunter%FF"),
    ("postgres://u:hunter%002@db", "the password holds %00", "hunter%002"),
    ("postgres://u@db%3A5432/x", "the host holds a `:`", "db%3A5432"),
    ("postgres://u@db%40x/x", "no host has", "db%40x"),
    ("postgres://u@::1/x", "the port is not a number", ":1"),
    ("postgres://u@[::1]5432/x", "after the `]`", "5432"),
    ("postgres://u@[nonsense]/x", "not an IPv6 address", "nonsense"),
    ("postgres://u@a,,b/x", "a host is empty", ""),
    (
        "postgres://u@db:65536",
        "the port is not a number from 1 to 65535",
        "65536",
    ),
    ("postgres://u@db:0", "the port is not a number from 1 to 65535", "0"),
    (
        "postgres://u@db?sslmode=on",
        "sslmode must be one of disable, allow, prefer, require, verify-ca",
        "on",
    ),
    (
        "postgres://u@db?sslmod=require",
        "the parameter \"sslmod\" is not supported; known are app",
        "sslmod",
    ),
    (
        "postgres://u@db?sslkey=/k",
        "the parameter \"sslkey\" is not supported",
        "sslkey",
    ),
    ("postgres://u@db?sslmode", "a parameter has no value", "sslmode"),
    (
        "postgres://u@db?user=a&user=b",
        "the parameter user is given twice",
        "user",
    ),
    ("postgres://u@db?host=b", "the host is given twice", "b"),
    (
        "postgres://u@a,b?port=1,2,3",
        "one port, or as many as there are hosts",
        "1,2,3",
    ),
    (
        "postgres://u@db?connect_timeout=soon",
        "not a whole number of seconds",
        "soon",
    ),
    ("postgres://db/x", "the URL names no user", "postgres://db/x"),
    ("postgres://u@/x", "the URL names no host", "postgres://u@/x"),
];

#[test]
fn what_cannot_be_used_is_said_with_its_place_and_without_its_text() {
    for (url, message, at) in WRONG {
        let error = parse(url, None).unwrap_err().to_string();
        assert!(
            error.starts_with("connection URL: ") && error.contains(message),
            "{url}: {error}"
        );
        for secret in ["hunter", "ter2", "hun"] {
            assert!(!error.contains(secret), "{url}: {error}");
        }
        let findings = inspect(url);
        let finding = findings
            .iter()
            .find(|finding| finding.severity == UrlSeverity::Error)
            .unwrap();
        assert_eq!(&url[finding.range.clone()], at, "{url}");
    }
}

#[test]
fn roots_that_anybody_has_a_certificate_of_need_the_name_to_be_verified() {
    for query in [
        "sslmode=verify-ca",
        "sslrootcert=system&sslmode=require",
        "sslrootcert=system&sslmode=verify-ca",
    ] {
        let error = parse(&format!("postgres://u@db?{query}"), None)
            .unwrap_err()
            .to_string();
        assert!(error.contains("anybody's certificate would do"), "{error}");
    }
}

#[test]
fn placeholders_are_right_wherever_they_stand() {
    for url in [
        "{{DATABASE_URL}}",
        "postgres://{{DB_USERNAME}}:{{DB_PASSWORD}}@{{DB_HOST}}/{{DB_NAME}}",
        "postgres://{{secret:app/db@prod#user}}:{{P}}@{{H}}:{{DB_PORT}}/{{N}}?sslmode={{MODE}}&connect_timeout={{T}}",
        "postgres://{{U}}:{{P}}@[{{V6}}]:1/x?port={{PORTS}}&{{KEY}}=1",
        "postgres:///x?host={{H}}&user={{U}}&sslrootcert=system&sslmode={{MODE}}",
    ] {
        assert_eq!(inspect(url), [], "{url}");
    }
}

#[test]
fn the_literal_parts_between_placeholders_are_judged() {
    for (url, message, at) in [
        (
            "postgres://{{U}}:a@b{{P}}@{{H}}/x",
            "the host holds an `@`",
            "b{{P}}@{{H}}",
        ),
        (
            "postgres://{{U}}:{{P}}@{{H}}:port/x",
            "the port is not a number",
            "port",
        ),
        (
            "postgres://{{U}}:{{P}}@{{H}}/x?sslmode=on",
            "sslmode must be one of",
            "on",
        ),
    ] {
        let findings = inspect(url);
        let finding = findings
            .iter()
            .find(|finding| finding.severity == UrlSeverity::Error)
            .unwrap();
        assert!(finding.message.contains(message), "{url}: {}", finding.message);
        assert_eq!(&url[finding.range.clone()], at, "{url}");
    }
}

#[test]
fn a_password_in_the_configuration_is_unwise() {
    for (url, at) in [
        ("postgres://u:hunter2@db/x", "hunter2"),
        ("postgres://u:{{P}}2@db/x", "{{P}}2"),
        ("postgres://u@db/x?password=hunter2", "hunter2"),
    ] {
        let findings = inspect(url);
        assert_eq!(findings.len(), 1, "{url}");
        assert_eq!(findings[0].severity, UrlSeverity::Warning);
        assert_eq!(&url[findings[0].range.clone()], at);
    }
}

proptest::proptest! {
    #[test]
    fn no_url_makes_it_panic(url in "postgres://[a-z:@/?,\\[\\]%{}=&\u{1}é0-9]{0,60}") {
        let _ = parse(&url, None);
        for finding in inspect(&url) {
            proptest::prop_assert!(url.get(finding.range).is_some());
        }
    }

    #[test]
    fn what_is_percent_encoded_comes_back(user in "\\PC{1,20}", secret in "\\PC{1,20}") {
        use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let url = format!("postgres://{}:{}@db/x", encode(&user), encode(&secret));
        proptest::prop_assert_eq!(target(&url).user, user);
        proptest::prop_assert_eq!(password(&url), Some(secret));
    }
}
