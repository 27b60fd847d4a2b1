//! What goes back to the caller: a status, headers of ours alone, and a body that is made as it goes.

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER, VARY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::problem::Problem;
use super::record::{BrokenOff, Record, Recorded};

/// The answer to a request.
pub struct Response {
    /// Its status.
    pub status: StatusCode,
    /// Its headers; none is the upstream's.
    pub headers: HeaderMap,
    /// Its body. A body that breaks off has ended before its time, in a way that its format and its encoding tell.
    pub body: BoxStream<'static, Bytes>,
}

/// An answer whose body can still say why it breaks off.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    body: BoxStream<'static, Result<Bytes, BrokenOff>>,
}

/// What a body is.
pub(super) struct Content {
    pub(super) kind: HeaderValue,
    pub(super) gzip: bool,
    /// What of the request it depends on, besides what was asked.
    pub(super) vary: &'static str,
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");

impl Content {
    /// Prometheus' JSON.
    pub(super) fn json(gzip: bool) -> Self {
        Self {
            kind: JSON,
            gzip,
            vary: "Accept-Encoding",
        }
    }
}

impl Reply {
    pub(super) fn new(content: Content, body: BoxStream<'static, Result<Bytes, BrokenOff>>) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, content.kind);
        if content.gzip {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        headers.insert(VARY, HeaderValue::from_static(content.vary));
        // Whoever keeps it does not know whose it is.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        Self {
            status: StatusCode::OK,
            headers,
            body,
        }
    }

    /// Of JSON that is at hand.
    pub(super) fn json(body: Vec<u8>) -> Self {
        Self::new(Content::json(false), stream::iter([Ok(Bytes::from(body))]).boxed())
    }

    pub(super) fn problem(problem: &Problem) -> Self {
        let mut reply = Self::json(problem.body());
        reply.status = StatusCode::from_u16(problem.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if let Some(allow) = problem.allow {
            reply.headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        if let Some(seconds) = problem.retry_after {
            reply.headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if reply.status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static(r#"Bearer realm="fanlight", Basic realm="fanlight""#);
            reply.headers.insert(WWW_AUTHENTICATE, challenge);
        }
        reply
    }

    /// The answer, of which `record` will tell.
    pub(super) fn recorded(self, mut record: Record) -> Response {
        record.status = self.status.as_u16();
        Response {
            status: self.status,
            headers: self.headers,
            body: Recorded::new(record, self.body).boxed(),
        }
    }
}
