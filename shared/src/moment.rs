//! How old something is, in a process that may be frozen for hours, and how long it has left.

use std::time::{Duration, Instant, SystemTime};

/// A point in time by both clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    wall: SystemTime,
    monotonic: Instant,
}

impl Moment {
    pub(crate) fn now() -> Self {
        Self {
            wall: SystemTime::now(),
            monotonic: Instant::now(),
        }
    }

    /// Whether either clock says so. The monotonic one may stand still while a Lambda sandbox is frozen, and the wall
    /// clock may be set back, which counts as old.
    pub(crate) fn is_older_than(self, limit: Duration, now: Self) -> bool {
        now.monotonic.saturating_duration_since(self.monotonic) >= limit
            || now.wall.duration_since(self.wall).map_or(true, |age| age >= limit)
    }
}

/// The instant that leaves `margin` before a point in time of the wall clock, such as the end that Lambda gives an
/// invocation; now, where there is not as much left.
#[must_use]
pub fn deadline(end: SystemTime, margin: Duration) -> tokio::time::Instant {
    let left = end.duration_since(SystemTime::now()).unwrap_or_default();
    tokio::time::Instant::now() + left.saturating_sub(margin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn age_is_what_the_clock_says_that_ran_on() {
        let then = Moment::now();
        let seconds = Duration::from_secs;
        let limit = seconds(300);
        for (wall, monotonic, older) in [
            (seconds(0), seconds(0), false),
            (seconds(299), seconds(299), false),
            (seconds(300), seconds(0), true),
            (seconds(0), seconds(300), true),
        ] {
            let now = Moment {
                wall: then.wall + wall,
                monotonic: then.monotonic + monotonic,
            };
            assert_eq!(then.is_older_than(limit, now), older, "{wall:?} {monotonic:?}");
        }
        let set_back = Moment {
            wall: then.wall - seconds(1),
            monotonic: then.monotonic,
        };
        assert!(then.is_older_than(limit, set_back));
    }
}
