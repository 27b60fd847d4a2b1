//! How long a database may take over a query: its own limit first, then the moment at which it is given up.

use std::time::Duration;

use tokio::time::Instant;

/// Until when a query may take, on the server's side and on this one.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The server's own limit, in whole milliseconds, after which it reports an error and the session goes on.
    pub(crate) statement: Duration,
    /// When the server is given up.
    pub(crate) guard: Instant,
}

impl Limits {
    /// Leaves time before the deadline for the server's own timeout to be reported, and for a cancel request.
    pub(crate) fn within(deadline: Instant) -> Self {
        let now = Instant::now();
        let left = deadline.saturating_duration_since(now);
        let margin = (left / 8).min(Duration::from_millis(250));
        Self {
            statement: whole_milliseconds(left.saturating_sub(2 * margin)),
            guard: now + left - margin,
        }
    }

    pub(crate) fn milliseconds(self) -> u128 {
        self.statement.as_millis()
    }
}

/// What servers can be told, for which 0 would mean no limit.
fn whole_milliseconds(limit: Duration) -> Duration {
    let most = Duration::from_millis(i32::MAX.unsigned_abs().into());
    let limit = limit.clamp(Duration::from_millis(1), most);
    limit.saturating_sub(Duration::from_nanos((limit.subsec_nanos() % 1_000_000).into()))
}
