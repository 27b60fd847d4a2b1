//! `GET /grafana` and `GET /grafana/FILE`: the dashboards as they were built, for readers with a credential of their own.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use http::header::{CACHE_CONTROL, ETAG};
use http::{HeaderValue, StatusCode};
use jiff::Timestamp;

use super::Failure;
use super::event::Event;
use super::problem::{Kind, Problem};
use super::record::Record;
use super::response::Reply;
use super::shelf::{Document, Shelf, ShelfError};
use crate::authorization::{Caller, Reader};

const LIST: &str = "/grafana";
const FILES: &str = "/grafana/";
/// A dashboard's path, as logs name it.
const FILE: &str = "/grafana/{file}";

/// The dashboards of an environment, read when the first reader asks for one.
pub(super) struct Dashboards {
    folder: PathBuf,
    shelf: OnceLock<Result<Shelf, ShelfError>>,
}

/// What a reader may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted<'a> {
    List,
    File(&'a str),
}

impl<'a> Wanted<'a> {
    /// What a path asks for; `None` where it is none of the dashboards'.
    pub(super) fn of(path: &'a str) -> Option<Self> {
        match path {
            LIST => Some(Self::List),
            _ => path.strip_prefix(FILES).map(Self::File),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::List => LIST,
            Self::File(_) => FILE,
        }
    }
}

impl Dashboards {
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            shelf: OnceLock::new(),
        }
    }

    /// Answers a reader; to anybody else, there is nothing here.
    pub(super) fn serve(
        &self,
        event: &Event,
        wanted: Wanted<'_>,
        now: Timestamp,
        record: &mut Record,
    ) -> Result<Reply, Failure> {
        let context = |name: &str| event.authorizer.as_ref().and_then(|context| context.get(name));
        let reader = Reader::from_context(context, now);
        let reader = reader.map_err(|error| match Caller::from_context(context, now) {
            // A customer is told what he is told of any path that there is not.
            Ok(caller) => {
                record.client = caller.client;
                record.plan = caller.plan;
                Failure {
                    problem: super::endpoint::not_found(&event.path),
                    reason: format!("a customer asks for dashboards: {error}"),
                }
            }
            Err(_) => super::nobody(error),
        })?;
        record.client = reader.client;
        record.endpoint = wanted.name();
        let head = match event.method.as_str() {
            "GET" => false,
            "HEAD" => true,
            _ => {
                let problem = Problem::new(Kind::MethodNotAllowed, format!("{} takes GET and HEAD", wanted.name()));
                return Err(Failure::from(Problem {
                    allow: Some("GET, HEAD"),
                    ..problem
                }));
            }
        };
        if let Some((name, _)) = event.parameters(false)?.first() {
            return Err(Failure::from(Problem::parameter(
                name,
                "not known here; there are none",
            )));
        }
        let shelf = self.shelf.get_or_init(|| Shelf::read(&self.folder));
        let shelf = shelf.as_ref().map_err(|error| Failure {
            problem: Problem::new(Kind::Internal, "the dashboards cannot be read; the log says why"),
            reason: error.to_string(),
        })?;
        let document = match wanted {
            Wanted::List => &shelf.list,
            Wanted::File(file) => shelf.files.get(file).ok_or_else(|| {
                Failure::from(Problem::new(
                    Kind::NotFound,
                    format!("there is no such dashboard; {LIST} lists those that there are"),
                ))
            })?,
        };
        reply(document, event.if_none_match().as_deref(), head)
    }
}

/// The document, or that the reader has it already (RFC 9110, 13.1.2 and 15.4.5).
fn reply(document: &Document, if_none_match: Option<&str>, head: bool) -> Result<Reply, Failure> {
    let tag = HeaderValue::try_from(format!("\"{}\"", document.tag)).map_err(|error| Failure {
        problem: Problem::new(Kind::Internal, "the dashboard has no entity tag"),
        reason: error.to_string(),
    })?;
    let known = if_none_match.is_some_and(|tags| names(tags, &document.tag));
    let body = if head || known {
        Vec::new()
    } else {
        document.text.to_vec()
    };
    let mut reply = Reply::json(body);
    if known {
        reply.status = StatusCode::NOT_MODIFIED;
        // What a 200 would say of the document is left out of a 304, but for what caches need.
        reply.headers.remove(http::header::CONTENT_TYPE);
    }
    reply.headers.insert(ETAG, tag);
    reply.headers.remove(http::header::VARY);
    // Whoever keeps it asks before he uses it.
    reply
        .headers
        .insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    Ok(reply)
}

/// Whether `If-None-Match` names the tag: `*`, or a list in which it stands, strong or weak (RFC 9110, 8.8.3.2). A header that is
/// not in that form names nothing, and the document is sent.
fn names(header: &str, tag: &str) -> bool {
    let mut rest = header.trim_matches([' ', '\t']);
    if rest == "*" {
        return true;
    }
    let mut found = false;
    loop {
        // Elements of a list may be empty (RFC 9110, 5.6.1.2).
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return found;
        }
        let opaque = rest.strip_prefix("W/").unwrap_or(rest).strip_prefix('"');
        let Some((opaque, after)) = opaque.and_then(|opaque| opaque.split_once('"')) else {
            return false;
        };
        let after = after.trim_start_matches([' ', '\t']);
        if !opaque.bytes().all(is_etagc) || !(after.is_empty() || after.starts_with(',')) {
            return false;
        }
        found |= opaque == tag;
        rest = after;
    }
}

/// The characters of an entity tag.
fn is_etagc(byte: u8) -> bool {
    byte == 0x21 || (0x23..=0x7e).contains(&byte) || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_compared_weakly_and_in_lists() {
        for (header, expected) in [
            ("*", true),
            (" * ", true),
            ("\"a\"", true),
            ("W/\"a\"", true),
            ("\"b\", \"a\"", true),
            ("\"b\",W/\"a\"", true),
            (", ,\"b\",, \"a\" ,", true),
            ("\"b,a\", \"a\"", true),
            ("\"b\"", false),
            ("\"A\"", false),
            ("\"b,a\"", false),
            ("a", false),
            ("w/\"a\"", false),
            ("W/ \"a\"", false),
            ("\"a", false),
            ("\"a\" \"b\"", false),
            ("\"a\"b", false),
            ("*, \"a\"", false),
            ("\"a\", *", false),
            ("\"a\", b", false),
            ("\"b c\", \"a\"", false),
            ("", false),
        ] {
            assert_eq!(names(header, "a"), expected, "{header}");
        }
    }

    #[test]
    fn paths_are_compared_byte_for_byte() {
        for (path, wanted) in [
            ("/grafana", Some(Wanted::List)),
            ("/grafana/", Some(Wanted::File(""))),
            ("/grafana/a.json", Some(Wanted::File("a.json"))),
            ("/grafana/../x", Some(Wanted::File("../x"))),
            ("/Grafana", None),
            ("/grafanas", None),
            ("/prod/grafana", None),
        ] {
            assert_eq!(Wanted::of(path), wanted, "{path}");
        }
    }
}
