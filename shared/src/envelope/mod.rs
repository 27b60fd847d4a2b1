//! The passage of an upstream's answer to a caller: its `data` byte for byte, and nothing that could name what is not his.
//!
//! A query in which every selector is enforced reads only the caller's series, so what is computed from them is his. What
//! stands around it is not: warnings and errors come from storage, from other stores and from limits of a whole tenant,
//! and name them. So an answer is looked through as it passes, in memory that does not depend on its length: [`Passage`]
//! for plain JSON, [`relay`] for a body as it comes and goes, compressed or not.

mod relay;

#[cfg(test)]
mod tests;

use serde::Deserialize;

use crate::compression::Gunzip;

pub use passage::{Head, Passage, PassageError, UpstreamSaid, safe};
pub use relay::{RelayError, Relayed, relay};

/// The most of an error's body that is read, in bytes, before and after decompression.
pub const MOST_OF_AN_ERROR: usize = 64 * 1024;

/// What the body of an answer other than 2xx says, where it is Prometheus' and no longer than [`MOST_OF_AN_ERROR`].
#[must_use]
pub fn error_body(body: &[u8], gzip: bool) -> Option<UpstreamSaid> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Body {
        status: String,
        #[serde(default)]
        error_type: String,
        #[serde(default)]
        error: String,
    }
    let body = if gzip { &gunzip(body)? } else { body };
    if body.len() > MOST_OF_AN_ERROR {
        return None;
    }
    let body: Body = serde_json::from_slice(body).ok()?;
    (body.status == "error").then_some(UpstreamSaid {
        error_type: body.error_type,
        error: body.error,
    })
}

/// What a compressed body says, where it is whole and no longer than [`MOST_OF_AN_ERROR`].
pub(crate) fn gunzip(mut body: &[u8]) -> Option<Vec<u8>> {
    let mut plain = vec![0; MOST_OF_AN_ERROR];
    let mut gunzip = Gunzip::default();
    let length = gunzip.step(&mut body, &mut plain).ok()?;
    gunzip.finish().ok()?;
    plain.truncate(length);
    body.is_empty().then_some(plain)
}
