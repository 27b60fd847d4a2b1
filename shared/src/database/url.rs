//! Connection URLs of databases, part by part: what is wrong with each is noted with its place and never quoted, since it
//! may be a part of the password.

use std::fmt;
use std::net::Ipv6Addr;
use std::ops::Range;
use std::time::Duration;

use secrecy::SecretString;

/// Stands for each byte of a placeholder while the literal parts are inspected.
pub(crate) const MASK: char = '\u{1}';

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
pub struct UrlError(pub(crate) String);

/// A host and a port as they stand in a URL.
pub(crate) struct Authority<'a> {
    pub(crate) name: &'a str,
    pub(crate) port: u16,
}

impl fmt::Display for Authority<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.contains(':') {
            write!(formatter, "[{}]:{}", self.name, self.port)
        } else {
            write!(formatter, "{}:{}", self.name, self.port)
        }
    }
}

/// Replaces each placeholder by as many bytes that no URL holds.
pub(crate) fn mask(url: &str) -> String {
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

/// A part of the URL and where it begins.
#[derive(Clone, Copy)]
pub(crate) struct Part<'a> {
    pub(crate) text: &'a str,
    pub(crate) start: usize,
}

impl<'a> Part<'a> {
    pub(crate) fn range(self) -> Range<usize> {
        self.start..self.start + self.text.len()
    }

    pub(crate) fn masked(self) -> bool {
        self.text.contains(MASK)
    }

    pub(crate) fn sub(self, range: Range<usize>) -> Part<'a> {
        Part {
            start: self.start + range.start,
            text: &self.text[range],
        }
    }

    /// Splits at the first `separator`, which belongs to neither half.
    pub(crate) fn split_once(self, separator: char) -> Option<(Part<'a>, Part<'a>)> {
        let at = self.text.find(separator)?;
        Some((self.sub(0..at), self.sub(at + separator.len_utf8()..self.text.len())))
    }

    /// As [`Self::split_once`], where the separator may be absent.
    fn cut(self, separator: char) -> (Part<'a>, Option<Part<'a>>) {
        self.split_once(separator)
            .map_or((self, None), |(head, tail)| (head, Some(tail)))
    }

    pub(crate) fn split(self, separator: char) -> impl Iterator<Item = Part<'a>> {
        let mut rest = Some(self);
        std::iter::from_fn(move || {
            let part = rest?;
            let (head, tail) = part.cut(separator);
            rest = tail;
            Some(head)
        })
    }
}

/// Notes what is wrong while a URL is taken apart.
#[derive(Debug, Default)]
pub struct Reader {
    pub(crate) findings: Vec<UrlFinding>,
}

/// What follows the scheme, part by part.
pub(crate) struct Parts<'a> {
    /// The user's name and the password.
    pub(crate) credentials: Option<Part<'a>>,
    /// The hosts.
    pub(crate) authority: Part<'a>,
    /// What follows the `/`.
    pub(crate) path: Option<Part<'a>>,
    /// What follows the `?`.
    pub(crate) parameters: Option<Part<'a>>,
}

impl<'a> Parts<'a> {
    /// The credentials end at the first `@` before the path.
    pub(crate) fn of(rest: Part<'a>) -> Self {
        let path_start = rest.text.find('/').unwrap_or(rest.text.len());
        let (credentials, rest) = match rest.text[..path_start].find('@') {
            Some(at) => (Some(rest.sub(0..at)), rest.sub(at + 1..rest.text.len())),
            None => (None, rest),
        };
        let (location, parameters) = rest.cut('?');
        let (authority, path) = location.cut('/');
        Self {
            credentials,
            authority,
            path,
            parameters,
        }
    }
}

impl Reader {
    pub(crate) fn error(&mut self, part: Part<'_>, message: impl Into<String>) {
        self.find(part, UrlSeverity::Error, message.into());
    }

    pub(crate) fn find(&mut self, part: Part<'_>, severity: UrlSeverity, message: String) {
        self.findings.push(UrlFinding {
            range: part.range(),
            severity,
            message,
        });
    }

    pub(crate) fn has_errors(&self) -> bool {
        let mut findings = self.findings.iter();
        findings.any(|finding| finding.severity == UrlSeverity::Error)
    }

    /// What follows the scheme, which must be one of `schemes` with its `://`; `None` for what is no such URL.
    pub(crate) fn after_scheme<'a>(&mut self, whole: Part<'a>, schemes: &[&str]) -> Option<Part<'a>> {
        let Some(scheme) = schemes.iter().find(|scheme| whole.text.starts_with(**scheme)) else {
            if !whole.text.starts_with(MASK) {
                let message = format!("the URL does not begin with {}", schemes.join(" or "));
                self.error(whole, message);
            }
            return None;
        };
        if whole
            .text
            .contains(|character: char| character.is_control() && character != MASK)
        {
            self.error(whole, "the URL holds a control character; is there a line break in it?");
            return None;
        }
        Some(whole.sub(scheme.len()..whole.text.len()))
    }

    /// The user's name and the password.
    pub(crate) fn credentials(&mut self, credentials: Part<'_>) -> (String, Option<SecretString>) {
        if credentials.text.contains('?') {
            self.error(
                credentials,
                "the user's name or password holds a raw `?`, which must be written %3F",
            );
        }
        let (user, password) = credentials
            .split_once(':')
            .map_or((credentials, None), |(user, password)| (user, Some(password)));
        let user = self.decode(user, "user's name").unwrap_or_default();
        (user, password.and_then(|password| self.password(password)))
    }

    /// A password, about which a warning is noted where a part of it stands in the configuration.
    pub(crate) fn password(&mut self, password: Part<'_>) -> Option<SecretString> {
        let literal = !password.text.is_empty() && !password.text.chars().all(|character| character == MASK);
        if literal {
            self.find(
                password,
                UrlSeverity::Warning,
                "a password stands in the configuration; use a placeholder such as {{DB_PASSWORD}}".to_owned(),
            );
        }
        self.decode(password, "password")
            .filter(|password| !password.is_empty())
            .map(SecretString::from)
    }

    /// The database's name, which is all of the path.
    pub(crate) fn database(&mut self, path: Part<'_>) -> Option<String> {
        if path.text.contains(['@', '/']) {
            self.error(
                path,
                "the database's name holds a raw `@` or `/`; a `/` in the user's name or password must be written \
                 %2F, or everything before it is taken for the host",
            );
        }
        self.decode(path, "database's name").filter(|name| !name.is_empty())
    }

    /// One host with its port, if it has one, which is `default` otherwise.
    pub(crate) fn host_and_port(&mut self, element: Part<'_>, default: u16) -> Option<(String, u16)> {
        if element.text.contains('@') {
            self.error(
                element,
                "the host holds an `@`; an `@` in the user's name or password must be written %40, or everything \
                 after it is taken for the host",
            );
            return None;
        }
        let bracketed = element.text.starts_with('[').then(|| element.text.find(']')).flatten();
        let name_end = bracketed.map_or_else(|| element.text.find(':'), |end| Some(end + 1));
        let name_end = name_end.unwrap_or(element.text.len());
        let (name, port) = (element.sub(0..name_end), element.sub(name_end..element.text.len()));
        let port = match port.text.strip_prefix(':') {
            Some(_) => self.port(port.sub(1..port.text.len()), default)?,
            None if port.text.is_empty() => default,
            None => {
                self.error(
                    port,
                    "there is something other than a port after the `]` of an IPv6 address",
                );
                return None;
            }
        };
        let host = match bracketed {
            Some(end) => self.ipv6(name.sub(1..end)),
            None => self.decode(name, "host").and_then(|decoded| self.host(name, &decoded)),
        };
        host.map(|host| (host, port))
    }

    /// A port; `default` when empty. A placeholder passes for it here, since only its place is judged.
    pub(crate) fn port(&mut self, port: Part<'_>, default: u16) -> Option<u16> {
        if port.text.is_empty() || port.masked() {
            return Some(default);
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

    pub(crate) fn ipv6(&mut self, address: Part<'_>) -> Option<String> {
        let decoded = self.decode(address, "host")?;
        let plain = decoded.split('%').next().unwrap_or_default();
        if plain.parse::<Ipv6Addr>().is_err() && !address.masked() {
            self.error(address, "what stands in [brackets] is not an IPv6 address");
            return None;
        }
        Some(decoded)
    }

    /// Checks a host that a resolver would be asked for whatever it holds; a path of a socket passes.
    pub(crate) fn host(&mut self, part: Part<'_>, host: &str) -> Option<String> {
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

    /// Hands over each parameter's name and value, as far as they are that.
    pub(crate) fn parameters<'a>(&mut self, given: Part<'a>, mut take: impl FnMut(&mut Self, Part<'a>, Part<'a>)) {
        let mut seen: Vec<&str> = Vec::new();
        for parameter in given.split('&').filter(|parameter| !parameter.text.is_empty()) {
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
            take(self, name, value);
        }
    }

    /// Picks one of a parameter's values by its name.
    pub(crate) fn choose<T: Copy>(
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

    /// A whole number of seconds; `None` for none or less.
    pub(crate) fn seconds(&mut self, name: &str, value: Part<'_>, decoded: &str, seconds: &mut Option<Duration>) {
        match decoded.parse::<i32>() {
            Ok(number) => {
                let number = u64::try_from(number).unwrap_or(0);
                *seconds = (number > 0).then(|| Duration::from_secs(number));
            }
            Err(_) if value.masked() => {}
            Err(_) => self.error(value, format!("{name} is not a whole number of seconds")),
        }
    }

    /// Percent-decodes as strictly as libpq.
    pub(crate) fn decode(&mut self, part: Part<'_>, what: &str) -> Option<String> {
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
                    self.error(part, format!("the {what} holds %00, which no database takes"));
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
