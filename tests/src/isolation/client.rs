//! Asks one of the two, over connections that are kept.

use std::io::Read as _;

use anyhow::{Context as _, Result};
use flate2::read::MultiGzDecoder;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::Door;
use super::requests::Request;
use crate::http;

/// A client of a door, or of Prometheus itself.
pub(super) struct Client {
    http: reqwest::Client,
    door: Door,
}

/// What was answered.
pub(super) struct Answer {
    pub(super) status: u16,
    /// Of the headers, everything but what HTTP itself puts there; nothing of others may stand in them either.
    pub(super) headers: String,
    pub(super) body: Vec<u8>,
}

impl Client {
    pub(super) fn new(door: &Door) -> Result<Self> {
        Ok(Self {
            http: http::keeping_connections()?,
            door: door.clone(),
        })
    }

    pub(super) async fn ask(&self, request: &Request, parameters: &[(String, String)]) -> Result<Answer> {
        let encoded = encoded(parameters);
        let url = format!("{}{}", self.door.url, request.path);
        let mut asked = if request.post {
            self.http
                .post(&url)
                .header("content-type", "application/x-www-form-urlencoded")
                .body(encoded)
        } else {
            self.http.get(format!("{url}?{encoded}"))
        };
        if let Some(authorization) = &self.door.authorization {
            asked = asked.header("authorization", authorization);
        }
        if let Some(accept) = request.accept {
            asked = asked.header("accept", accept);
        }
        if request.gzip {
            asked = asked.header("accept-encoding", "gzip");
        }
        let answer = asked.send().await.with_context(|| request.to_string())?;
        let status = answer.status().as_u16();
        let headers = answer
            .headers()
            .iter()
            .map(|(name, value)| format!("{name}: {value:?}\n"));
        let headers = headers.collect();
        let compressed = answer
            .headers()
            .get("content-encoding")
            .is_some_and(|coding| coding == "gzip");
        let mut body = answer.bytes().await.with_context(|| request.to_string())?.to_vec();
        if compressed {
            let mut plain = Vec::new();
            let read = MultiGzDecoder::new(body.as_slice()).read_to_end(&mut plain);
            read.with_context(|| format!("no gzip: {request}"))?;
            body = plain;
        }
        Ok(Answer { status, headers, body })
    }
}

/// As a form and a URL's query have them.
pub(super) fn encoded(parameters: &[(String, String)]) -> String {
    let pair = |(name, value): &(String, String)| {
        let encode = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
        format!("{}={}", encode(name), encode(value))
    };
    parameters.iter().map(pair).collect::<Vec<_>>().join("&")
}
