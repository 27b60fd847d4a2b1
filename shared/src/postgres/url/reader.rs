//! Takes a connection URL apart and notes everything that is wrong on the way.

use std::ops::Range;
use std::time::Duration;

use secrecy::SecretString;
use tokio_postgres::config::ChannelBinding;

use super::{MASK, Roots, SessionAttributes, SslMode, Target, UrlFinding, UrlSeverity};

pub(super) struct Reading {
    pub(super) target: Target,
    pub(super) password: Option<SecretString>,
}

/// A part of the URL and where it begins.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) text: &'a str,
    pub(super) start: usize,
}

impl<'a> Part<'a> {
    pub(super) fn range(self) -> Range<usize> {
        self.start..self.start + self.text.len()
    }

    pub(super) fn masked(self) -> bool {
        self.text.contains(MASK)
    }

    pub(super) fn sub(self, range: Range<usize>) -> Part<'a> {
        Part {
            start: self.start + range.start,
            text: &self.text[range],
        }
    }

    /// Splits at the first `separator`, which belongs to neither half.
    pub(super) fn split_once(self, separator: char) -> Option<(Part<'a>, Part<'a>)> {
        let at = self.text.find(separator)?;
        Some((self.sub(0..at), self.sub(at + separator.len_utf8()..self.text.len())))
    }

    pub(super) fn split(self, separator: char) -> impl Iterator<Item = Part<'a>> {
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
pub(super) struct Reader {
    pub(super) findings: Vec<UrlFinding>,
}

pub(super) fn read(url: &str) -> (Reading, Vec<UrlFinding>) {
    let mut reader = Reader::default();
    let reading = reader.read(url);
    (reading, reader.findings)
}

impl Reader {
    pub(super) fn error(&mut self, part: Part<'_>, message: impl Into<String>) {
        self.find(part, UrlSeverity::Error, message.into());
    }

    pub(super) fn find(&mut self, part: Part<'_>, severity: UrlSeverity, message: String) {
        self.findings.push(UrlFinding {
            range: part.range(),
            severity,
            message,
        });
    }

    pub(super) fn read(&mut self, url: &str) -> Reading {
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

    pub(super) fn credentials(&mut self, credentials: Part<'_>, reading: &mut Reading) {
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

    pub(super) fn password(&mut self, password: Part<'_>, reading: &mut Reading) {
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

    /// What only the whole of the URL shows.
    pub(super) fn whole(&mut self, whole: Part<'_>, ssl_said: bool, target: &mut Target) {
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
    pub(super) fn decode(&mut self, part: Part<'_>, what: &str) -> Option<String> {
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
