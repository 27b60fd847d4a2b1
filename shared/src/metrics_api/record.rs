//! One record a request, written when its body has ended, however it ended.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::problem::Kind;

/// What is logged of a request. The query is not: whoever wants it sets this module's level to `debug`.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) request_id: String,
    pub(super) endpoint: &'static str,
    pub(super) client: String,
    pub(super) plan: String,
    pub(super) status: u16,
    /// What was wrong, if anything was.
    pub(super) kind: Option<Kind>,
    /// In words for the operator.
    pub(super) reason: String,
    pub(super) started: Instant,
    pub(super) bytes: u64,
}

/// How a body ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Complete,
    /// It broke off, and what has gone out shows it.
    Broken,
    /// Nobody wants it any more.
    Abandoned,
}

impl End {
    fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Broken => "broken",
            Self::Abandoned => "abandoned",
        }
    }
}

impl Record {
    /// Of a request that begins now.
    pub(super) fn new(request_id: &str) -> Self {
        Self {
            request_id: request_id.to_owned(),
            endpoint: "",
            client: String::new(),
            plan: String::new(),
            status: 0,
            kind: None,
            reason: String::new(),
            started: Instant::now(),
            bytes: 0,
        }
    }

    fn write(&self, end: End) {
        let milliseconds = milliseconds(self.started.elapsed());
        macro_rules! write_at {
            ($level:ident) => {
                $level!(
                    request_id = self.request_id,
                    endpoint = self.endpoint,
                    client = self.client,
                    plan = self.plan,
                    status = self.status,
                    kind = self.kind.map(Kind::name),
                    reason = (!self.reason.is_empty()).then_some(self.reason.as_str()),
                    bytes = self.bytes,
                    milliseconds,
                    end = end.name(),
                    "request"
                )
            };
        }
        match self.kind {
            Some(Kind::Internal | Kind::Upstream) => write_at!(error),
            Some(Kind::UpstreamUnavailable | Kind::Timeout) => write_at!(warn),
            _ if end == End::Broken => write_at!(warn),
            _ => write_at!(info),
        }
    }
}

/// To the microsecond: more digits say nothing.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// Why a body ends before its time.
#[derive(Debug)]
pub(super) struct BrokenOff {
    pub(super) kind: Kind,
    pub(super) reason: String,
    /// What still goes out, so that nobody takes the body for complete.
    pub(super) last: Bytes,
}

/// A body that is counted as it goes, and recorded when it has ended.
pub(super) struct Recorded {
    body: BoxStream<'static, Result<Bytes, BrokenOff>>,
    /// `None` once it is written.
    record: Option<Record>,
}

impl Recorded {
    pub(super) fn new(record: Record, body: BoxStream<'static, Result<Bytes, BrokenOff>>) -> Self {
        Self {
            body,
            record: Some(record),
        }
    }

    fn end(&mut self, end: End) {
        if let Some(record) = self.record.take() {
            record.write(end);
        }
    }
}

impl Stream for Recorded {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.record.is_none() {
            return Poll::Ready(None);
        }
        let next = std::task::ready!(self.body.poll_next_unpin(context));
        let bytes = match next {
            Some(Ok(bytes)) => bytes,
            Some(Err(broken)) => {
                if let Some(record) = &mut self.record {
                    record.kind = Some(broken.kind);
                    record.reason = broken.reason;
                    record.bytes += broken.last.len() as u64;
                }
                self.end(End::Broken);
                return Poll::Ready((!broken.last.is_empty()).then_some(broken.last));
            }
            None => {
                self.end(End::Complete);
                return Poll::Ready(None);
            }
        };
        if let Some(record) = &mut self.record {
            record.bytes += bytes.len() as u64;
        }
        Poll::Ready(Some(bytes))
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        self.end(End::Abandoned);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_have_three_digits() {
        for (nanos, expected) in [
            (0, "0"),
            (499, "0"),
            (500, "0.001"),
            (1_234_567, "1.235"),
            (100_000, "0.1"),
            (3_600_000_123_456, "3600000.123"),
        ] {
            assert_eq!(
                milliseconds(Duration::from_nanos(nanos)).to_string(),
                expected,
                "{nanos}"
            );
        }
    }
}
