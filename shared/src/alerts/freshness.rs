//! How often a job pushes, and from when on what it pushed is stale: from its schedule alone.

use std::time::Duration;

use crate::schedule::Schedule;

/// Runs that may be lost before anybody speaks of a dead pusher.
const LOST_RUNS: u32 = 2;
/// What is pushed every minute is not scraped every minute: EventBridge takes up to one to start a run, the run its time, and
/// Prometheus up to another minute to come by.
const LEAST_LIMIT: Duration = Duration::from_mins(5);

/// How often something is pushed, and for how long it is fresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freshness {
    /// The shortest time between two runs.
    pub shortest: Duration,
    /// The longest, such as a night or a weekend.
    pub longest: Duration,
    /// How much later than scheduled a run may begin.
    pub jitter: Duration,
}

impl Freshness {
    /// That of a job which is run by this schedule.
    #[must_use]
    pub fn of(schedule: &Schedule, jitter: Duration) -> Self {
        let intervals = schedule.intervals();
        Self {
            shortest: intervals.shortest,
            longest: intervals.longest,
            jitter,
        }
    }

    /// The age at which what was pushed is stale: the longest pause, two lost runs, and what a run may begin late. For a job
    /// that runs at even intervals without jitter that is three of them, and never less than five minutes.
    #[must_use]
    pub fn limit(&self) -> Duration {
        (self.longest + self.shortest * LOST_RUNS + self.jitter).max(LEAST_LIMIT)
    }

    /// The shortest window over which something may be said not to have happened. A dead pusher's last push is as old as the
    /// window before it looks like that, and by then the gate has been shut for a run.
    #[must_use]
    pub fn least_window(&self) -> Duration {
        self.limit() + self.longest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn freshness(cron: &str, jitter: u64) -> Freshness {
        Freshness::of(&Schedule::parse(cron, "UTC").unwrap(), Duration::from_mins(jitter))
    }

    #[test]
    fn even_intervals_are_fresh_for_three_of_them() {
        let ten = freshness("*/10 * * * *", 0);
        assert_eq!(ten.limit(), Duration::from_mins(30));
        assert_eq!(ten.least_window(), Duration::from_mins(40));
        assert_eq!(freshness("* * * * *", 0).limit(), Duration::from_mins(5));
    }

    #[test]
    fn a_run_that_begins_late_is_waited_for() {
        assert_eq!(freshness("*/10 * * * *", 5).limit(), Duration::from_mins(35));
    }
}
