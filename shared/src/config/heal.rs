//! When the collector looks for jobs whose groups vanished.

use std::time::Duration;

use crate::schedule::Schedule;

/// Jobs that run more often than this soon run anyway.
pub const DEFAULT_MIN_PERIOD: Duration = Duration::from_hours(1);

/// The section `heal`.
#[derive(Debug, Clone)]
pub struct HealSettings {
    /// When to look.
    pub schedule: Schedule,
    /// Jobs that run more often than this are left to themselves.
    pub min_period: Duration,
}
