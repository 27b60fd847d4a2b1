//! Connection URLs as libpq reads them, refusing what libpq would quietly misread.
//!
//! The rules are those of "34.1.1.2. Connection URIs" in PostgreSQL's manual. A raw `@` or `/` in a password makes
//! libpq look for another host; here that is a mistake, and no message ever repeats a part of the URL.

use std::fmt;
use std::net::Ipv6Addr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;
use tokio_postgres::config::ChannelBinding;

const DEFAULT_PORT: u16 = 5432;
/// Stands for each byte of a placeholder while the literal parts are inspected.
const MASK: char = '\u{1}';
const PARAMETERS: [&str; 14] = [
    "application_name",
    "channel_binding",
    "connect_timeout",
    "dbname",
    "gssencmode",
    "host",
    "options",
    "password",
    "port",
    "ssl",
    "sslmode",
    "sslrootcert",
    "target_session_attrs",
    "user",
];

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
            Self::Tcp { name, port } if name.contains(':') => write!(formatter, "[{name}]:{port}"),
            Self::Tcp { name, port } => write!(formatter, "{name}:{port}"),
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

/// Something about a connection URL that cannot be right, or is unwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlFinding {
    /// The bytes of the URL that it is about.
    pub range: Range<usize>,
    /// Whether the URL can be used all the same.
    pub severity: UrlSeverity,
    /// What is wrong and what to do, without repeating any part of the URL but parameters' names.
    pub message: String,
}

/// Whether a URL can be used in spite of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UrlSeverity {
    /// It can, but should not.
    Warning,
    /// It cannot.
    Error,
}

/// A connection URL that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("connection URL: {0}")]
pub struct UrlError(String);

/// Judges a connection URL as it stands in the configuration, before its `{{NAME}}` placeholders are filled in; they
/// count as right wherever they stand.
#[must_use]
pub fn inspect(url: &str) -> Vec<UrlFinding> {
    let (_, mut findings) = read(&mask(url));
    findings.sort_by_key(|finding| (finding.range.start, finding.range.end));
    findings
}

/// Reads a URL whose placeholders are filled in; `ca_file` stands in for an absent `sslrootcert`.
pub(super) fn parse(url: &str, ca_file: Option<&Path>) -> Result<(Target, Option<SecretString>), UrlError> {
    let (reading, findings) = read(url);
    if let Some(finding) = findings
        .into_iter()
        .find(|finding| finding.severity == UrlSeverity::Error)
    {
        return Err(UrlError(finding.message));
    }
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

/// Replaces each placeholder by as many bytes that no URL holds.
fn mask(url: &str) -> String {
    let mut masked = String::with_capacity(url.len());
    let mut rest = url;
    while let Some(start) = rest.find("{{") {
        let Some(length) = rest[start..].find("}}") else { break };
        masked.push_str(&rest[..start]);
        masked.extend(std::iter::repeat_n(MASK, length + 2));
        rest = &rest[start + length + 2..];
    }
    masked.push_str(rest);
    masked
}

struct Reading {
    target: Target,
    password: Option<SecretString>,
}

/// A part of the URL and where it begins.
#[derive(Clone, Copy)]
struct Part<'a> {
    text: &'a str,
    start: usize,
}

impl<'a> Part<'a> {
    fn range(self) -> Range<usize> {
        self.start..self.start + self.text.len()
    }

    fn masked(self) -> bool {
        self.text.contains(MASK)
    }

    fn sub(self, range: Range<usize>) -> Part<'a> {
        Part {
            start: self.start + range.start,
            text: &self.text[range],
        }
    }

    /// Splits at the first `separator`, which belongs to neither half.
    fn split_once(self, separator: char) -> Option<(Part<'a>, Part<'a>)> {
        let at = self.text.find(separator)?;
        Some((self.sub(0..at), self.sub(at + separator.len_utf8()..self.text.len())))
    }

    fn split(self, separator: char) -> impl Iterator<Item = Part<'a>> {
        let mut rest = Some(self);
        std::iter::from_fn(move || {
            let part = rest?;
            let (head, tail) = part
                .split_once(separator)
                .map_or((part, None), |(head, tail)| (head, Some(tail)));
            rest = tail;
            Some(head)
        })
    }
}

#[derive(Default)]
struct Reader {
    findings: Vec<UrlFinding>,
}

fn read(url: &str) -> (Reading, Vec<UrlFinding>) {
    let mut reader = Reader::default();
    let reading = reader.read(url);
    (reading, reader.findings)
}

impl Reader {
    fn error(&mut self, part: Part<'_>, message: impl Into<String>) {
        self.find(part, UrlSeverity::Error, message.into());
    }

    fn find(&mut self, part: Part<'_>, severity: UrlSeverity, message: String) {
        self.findings.push(UrlFinding {
            range: part.range(),
            severity,
            message,
        });
    }

    fn read(&mut self, url: &str) -> Reading {
        let mut reading = Reading {
            target: Target {
                hosts: Vec::new(),
                user: String::new(),
                database: None,
                application_name: "fanlight".to_owned(),
                options: None,
                ssl_mode: SslMode::Prefer,
                roots: Roots::Unsaid,
                channel_binding: ChannelBinding::Prefer,
                connect_timeout: Some(Duration::from_secs(10)),
                session: SessionAttributes::Any,
            },
            password: None,
        };
        let whole = Part { text: url, start: 0 };
        let Some(prefix) = ["postgres://", "postgresql://"]
            .into_iter()
            .find(|prefix| url.starts_with(prefix))
        else {
            if !url.starts_with(MASK) {
                self.error(whole, "the URL does not begin with postgres:// or postgresql://");
            }
            return reading;
        };
        if url.contains(|character: char| character.is_control() && character != MASK) {
            self.error(whole, "the URL holds a control character; is there a line break in it?");
            return reading;
        }
        let rest = whole.sub(prefix.len()..url.len());
        let path_start = rest.text.find('/').unwrap_or(rest.text.len());
        let (credentials, rest) = match rest.text[..path_start].find('@') {
            Some(at) => (Some(rest.sub(0..at)), rest.sub(at + 1..rest.text.len())),
            None => (None, rest),
        };
        if let Some(credentials) = credentials {
            self.credentials(credentials, &mut reading);
        }
        let (location, parameters) = rest
            .split_once('?')
            .map_or((rest, None), |(head, tail)| (head, Some(tail)));
        let (authority, path) = location
            .split_once('/')
            .map_or((location, None), |(head, tail)| (head, Some(tail)));
        self.authority(authority, &mut reading.target.hosts);
        if let Some(path) = path {
            if path.text.contains(['@', '/']) {
                self.error(
                    path,
                    "the database's name holds a raw `@` or `/`; a `/` in the user's name or password must be written \
                     %2F, or everything before it is taken for the host",
                );
            }
            reading.target.database = self.decode(path, "database's name").filter(|name| !name.is_empty());
        }
        let listed = parameters
            .map(|parameters| self.parameters(parameters, &mut reading))
            .unwrap_or_default();
        let ssl_said = listed.ssl_said;
        self.listed_hosts(listed, whole, &mut reading.target.hosts);
        self.whole(whole, ssl_said, &mut reading.target);
        reading
    }

    fn credentials(&mut self, credentials: Part<'_>, reading: &mut Reading) {
        if credentials.text.contains('?') {
            self.error(
                credentials,
                "the user's name or password holds a raw `?`, which must be written %3F",
            );
        }
        let (user, password) = credentials
            .split_once(':')
            .map_or((credentials, None), |(user, password)| (user, Some(password)));
        reading.target.user = self.decode(user, "user's name").unwrap_or_default();
        if let Some(password) = password {
            self.password(password, reading);
        }
    }

    fn password(&mut self, password: Part<'_>, reading: &mut Reading) {
        let literal = !password.text.is_empty() && !password.text.chars().all(|character| character == MASK);
        if literal {
            self.find(
                password,
                UrlSeverity::Warning,
                "a password stands in the configuration; use a placeholder such as {{DB_PASSWORD}}".to_owned(),
            );
        }
        reading.password = self
            .decode(password, "password")
            .filter(|password| !password.is_empty())
            .map(SecretString::from);
    }

    fn authority(&mut self, authority: Part<'_>, hosts: &mut Vec<Host>) {
        if authority.text.is_empty() {
            return;
        }
        for element in authority.split(',') {
            if element.text.contains('@') {
                self.error(
                    element,
                    "the host holds an `@`; an `@` in the user's name or password must be written %40, or everything \
                     after it is taken for the host",
                );
                continue;
            }
            let bracketed = element.text.starts_with('[').then(|| element.text.find(']')).flatten();
            let (name, port) = match bracketed {
                Some(end) => (element.sub(0..end + 1), element.sub(end + 1..element.text.len())),
                None => {
                    let colon = element.text.find(':').unwrap_or(element.text.len());
                    (element.sub(0..colon), element.sub(colon..element.text.len()))
                }
            };
            let port = match port.text.strip_prefix(':') {
                Some(_) => self.port(port.sub(1..port.text.len())),
                None if port.text.is_empty() => Some(DEFAULT_PORT),
                None => {
                    self.error(
                        port,
                        "there is something other than a port after the `]` of an IPv6 address",
                    );
                    None
                }
            };
            let Some(port) = port else { continue };
            let host = match bracketed {
                Some(end) => self.ipv6(name.sub(1..end)),
                None => self.decode(name, "host").and_then(|decoded| self.host(name, &decoded)),
            };
            hosts.extend(host.map(|host| at_port(host, port)));
        }
    }

    /// A port; 5432 when empty, as in libpq. A placeholder passes for 5432 here, since only its place is judged.
    fn port(&mut self, port: Part<'_>) -> Option<u16> {
        if port.text.is_empty() || port.masked() {
            return Some(DEFAULT_PORT);
        }
        let number = port.text.parse().ok().filter(|port| *port != 0);
        if number.is_none() {
            self.error(
                port,
                "the port is not a number from 1 to 65535; a `/` or `:` in the user's name or password must be written \
                 %2F or %3A, and an IPv6 address stands in [brackets]",
            );
        }
        number
    }

    fn ipv6(&mut self, address: Part<'_>) -> Option<String> {
        let decoded = self.decode(address, "host")?;
        let plain = decoded.split('%').next().unwrap_or_default();
        if plain.parse::<Ipv6Addr>().is_err() && !address.masked() {
            self.error(address, "what stands in [brackets] is not an IPv6 address");
            return None;
        }
        Some(decoded)
    }

    /// Checks a host that libpq would try to resolve whatever it holds.
    fn host(&mut self, part: Part<'_>, host: &str) -> Option<String> {
        if part.masked() || host.starts_with('/') {
            return Some(host.to_owned());
        }
        if host.is_empty() {
            self.error(part, "a host is empty");
        } else if host.contains(':') {
            self.error(
                part,
                "the host holds a `:`; its port stands after it as it is, `{{DB_HOST}}:{{DB_PORT}}`",
            );
        } else if host.contains(|c: char| c.is_whitespace() || c.is_control() || "@/?#%\\\"'".contains(c)) {
            self.error(part, "the host holds a character that no host has");
        } else {
            return Some(host.to_owned());
        }
        None
    }

    fn parameters<'a>(&mut self, parameters: Part<'a>, reading: &mut Reading) -> Listed<'a> {
        let mut listed = Listed::default();
        let mut seen: Vec<&str> = Vec::new();
        for parameter in parameters.split('&').filter(|parameter| !parameter.text.is_empty()) {
            let Some((name, value)) = parameter.split_once('=') else {
                self.error(parameter, "a parameter has no value; parameters are written name=value");
                continue;
            };
            if name.masked() {
                continue;
            }
            if seen.contains(&name.text) {
                self.error(name, format!("the parameter {} is given twice", name.text));
                continue;
            }
            seen.push(name.text);
            listed.ssl_said |= matches!(name.text, "ssl" | "sslmode");
            if name.text == "password" {
                self.password(value, reading);
                continue;
            }
            let Some(decoded) = self.decode(value, name.text) else {
                continue;
            };
            match name.text {
                "host" => listed.hosts = Some((value, decoded)),
                "port" => listed.ports = Some(value),
                _ => self.parameter(name, value, &decoded, &mut reading.target),
            }
        }
        listed
    }

    fn parameter(&mut self, name: Part<'_>, value: Part<'_>, decoded: &str, target: &mut Target) {
        match name.text {
            "user" => decoded.clone_into(&mut target.user),
            "dbname" => target.database = Some(decoded.to_owned()),
            "application_name" => decoded.clone_into(&mut target.application_name),
            "options" => target.options = Some(decoded.to_owned()),
            "sslrootcert" if decoded == "system" => target.roots = Roots::Public,
            "sslrootcert" => target.roots = Roots::File(PathBuf::from(decoded)),
            "sslmode" => self.choose(name, value, decoded, &SSL_MODES, &mut target.ssl_mode),
            // What JDBC's users write; libpq takes it for `require` too.
            "ssl" => self.choose(
                name,
                value,
                decoded,
                &[("true", SslMode::Require)],
                &mut target.ssl_mode,
            ),
            "channel_binding" => self.choose(name, value, decoded, &CHANNEL_BINDINGS, &mut target.channel_binding),
            "target_session_attrs" => {
                self.choose(name, value, decoded, &SESSION_ATTRIBUTES, &mut target.session);
            }
            "connect_timeout" => match decoded.parse::<i32>() {
                Ok(seconds) => {
                    let seconds = u64::try_from(seconds).unwrap_or(0);
                    target.connect_timeout = (seconds > 0).then(|| Duration::from_secs(seconds));
                }
                Err(_) if value.masked() => {}
                Err(_) => self.error(value, "connect_timeout is not a whole number of seconds"),
            },
            // There is no GSSAPI here, so not using it is the only choice.
            "gssencmode" => self.choose(name, value, decoded, &[("disable", ()), ("prefer", ())], &mut ()),
            unknown => {
                let known = PARAMETERS.join(", ");
                self.error(
                    name,
                    format!("the parameter {unknown:?} is not supported; known are {known}"),
                );
            }
        }
    }

    /// Picks one of a parameter's values by its name.
    fn choose<T: Copy>(
        &mut self,
        name: Part<'_>,
        value: Part<'_>,
        decoded: &str,
        choices: &[(&str, T)],
        chosen: &mut T,
    ) {
        match choices.iter().find(|(choice, _)| *choice == decoded) {
            Some((_, choice)) => *chosen = *choice,
            None if value.masked() => {}
            None => {
                let names: Vec<&str> = choices.iter().map(|(choice, _)| *choice).collect();
                self.error(value, format!("{} must be one of {}", name.text, names.join(", ")));
            }
        }
    }

    /// `?host=a,b&port=1,2`: one port for all hosts, or one for each.
    fn listed_hosts(&mut self, listed: Listed<'_>, whole: Part<'_>, hosts: &mut Vec<Host>) {
        if let Some((part, names)) = listed.hosts {
            if !hosts.is_empty() {
                self.error(part, "the host is given twice, before the path and as a parameter");
                return;
            }
            let names: Vec<String> = names
                .split(',')
                .filter_map(|name| self.listed_host(part, name))
                .collect();
            hosts.extend(names.into_iter().map(|name| at_port(name, DEFAULT_PORT)));
        }
        let Some(part) = listed.ports else { return };
        let ports: Vec<u16> = part.split(',').filter_map(|port| self.port(port)).collect();
        match ports.as_slice() {
            [port] => hosts.iter_mut().for_each(|host| set_port(host, *port)),
            ports if ports.len() == hosts.len() => {
                hosts
                    .iter_mut()
                    .zip(ports)
                    .for_each(|(host, port)| set_port(host, *port));
            }
            _ if whole.masked() => {}
            _ => self.error(part, "there must be one port, or as many as there are hosts"),
        }
    }

    fn listed_host(&mut self, part: Part<'_>, name: &str) -> Option<String> {
        if name.parse::<Ipv6Addr>().is_ok() {
            Some(name.to_owned())
        } else {
            self.host(part, name)
        }
    }

    /// What only the whole of the URL shows.
    fn whole(&mut self, whole: Part<'_>, ssl_said: bool, target: &mut Target) {
        if self
            .findings
            .iter()
            .any(|finding| finding.severity == UrlSeverity::Error)
        {
            return;
        }
        if target.hosts.is_empty() {
            self.error(whole, "the URL names no host");
        }
        if target.user.is_empty() {
            self.error(whole, "the URL names no user");
        }
        if target.roots == Roots::Public {
            if !ssl_said {
                target.ssl_mode = SslMode::VerifyFull;
            } else if target.ssl_mode != SslMode::VerifyFull && !whole.masked() {
                self.error(
                    whole,
                    "sslrootcert=system needs sslmode=verify-full: by a weaker one, anybody's certificate would do",
                );
            }
        }
    }

    /// Percent-decodes as strictly as libpq.
    fn decode(&mut self, part: Part<'_>, what: &str) -> Option<String> {
        let mut bytes = Vec::with_capacity(part.text.len());
        let mut rest = part.text.as_bytes();
        while let [first, tail @ ..] = rest {
            if *first != b'%' {
                bytes.push(*first);
                rest = tail;
                continue;
            }
            let byte = tail
                .get(..2)
                .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))
                .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
            match byte {
                Some(0) => {
                    self.error(part, format!("the {what} holds %00, which PostgreSQL cannot take"));
                    return None;
                }
                Some(byte) => bytes.push(byte),
                None => {
                    self.error(
                        part,
                        format!("the {what} holds a `%` without two hexadecimal digits; a `%` itself is written %25"),
                    );
                    return None;
                }
            }
            rest = &tail[2..];
        }
        let decoded = String::from_utf8(bytes).ok();
        if decoded.is_none() {
            self.error(part, format!("the {what} is not UTF-8"));
        }
        decoded
    }
}

#[derive(Default)]
struct Listed<'a> {
    hosts: Option<(Part<'a>, String)>,
    ports: Option<Part<'a>>,
    ssl_said: bool,
}

fn at_port(name: String, port: u16) -> Host {
    if name.starts_with('/') {
        Host::Unix {
            folder: PathBuf::from(name),
            port,
        }
    } else {
        Host::Tcp { name, port }
    }
}

fn set_port(host: &mut Host, to: u16) {
    match host {
        Host::Tcp { port, .. } | Host::Unix { port, .. } => *port = to,
    }
}

const SSL_MODES: [(&str, SslMode); 6] = [
    ("disable", SslMode::Disable),
    ("allow", SslMode::Allow),
    ("prefer", SslMode::Prefer),
    ("require", SslMode::Require),
    ("verify-ca", SslMode::VerifyCa),
    ("verify-full", SslMode::VerifyFull),
];

const CHANNEL_BINDINGS: [(&str, ChannelBinding); 3] = [
    ("disable", ChannelBinding::Disable),
    ("prefer", ChannelBinding::Prefer),
    ("require", ChannelBinding::Require),
];

const SESSION_ATTRIBUTES: [(&str, SessionAttributes); 6] = [
    ("any", SessionAttributes::Any),
    ("read-write", SessionAttributes::ReadWrite),
    ("read-only", SessionAttributes::ReadOnly),
    ("primary", SessionAttributes::Primary),
    ("standby", SessionAttributes::Standby),
    ("prefer-standby", SessionAttributes::PreferStandby),
];

#[cfg(test)]
mod tests;
