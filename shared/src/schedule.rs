//! When a job runs: unix cron in a time zone.

/// A unix cron expression and the time zone it is read in.
#[derive(Debug, Clone)]
pub struct Schedule {}
