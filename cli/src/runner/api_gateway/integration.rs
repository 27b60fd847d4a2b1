//! A Lambda proxy integration: the function behind a method, and how its answer is handed on.

use std::time::Duration;

use crate::runner::Function;

/// The time-out of an integration unless it is set: 29 seconds.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(29);

/// The function behind a method of the API.
#[derive(Debug, Clone)]
#[must_use]
pub struct Integration {
    pub(super) function: Function,
    pub(super) transfer: Transfer,
    pub(super) timeout: Duration,
    /// Whether the method counts requests by API keys, where the API has any.
    pub(super) needs_key: bool,
}

/// When the answer is sent to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transfer {
    /// Once it is whole.
    Buffered,
    /// While it comes.
    Stream,
}

impl Integration {
    /// The function's answer is gathered: `{"statusCode": .., "headers": .., "body": ..}`.
    pub fn buffered(function: Function) -> Self {
        Self {
            function,
            transfer: Transfer::Buffered,
            timeout: DEFAULT_TIMEOUT,
            needs_key: true,
        }
    }

    /// The function's answer is streamed (SAM's `ResponseTransferMode: RESPONSE_STREAM`): a JSON prelude, eight NULs,
    /// the body.
    pub fn streamed(function: Function) -> Self {
        Self {
            transfer: Transfer::Stream,
            ..Self::buffered(function)
        }
    }

    /// The method asks for no API key although others do (`ApiKeyRequired: false`).
    pub fn without_key(mut self) -> Self {
        self.needs_key = false;
        self
    }

    /// The most that an answer may take to its end; 29 seconds by default. AWS takes up to 15 minutes for a streamed one.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}
