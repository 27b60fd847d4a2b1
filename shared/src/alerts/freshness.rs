//! How often a job pushes, and from when on what it pushed is stale: from its schedule alone.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::schedule::Schedule;

/// A Monday, from which firings are looked at.
const FROM: DateTime = jiff::civil::date(2027, 1, 4).at(0, 0, 0, 0);
/// The days with firings that are looked at: every distance between two of them occurs within some of these, but for
/// schedules that fire on few days in many years.
const FIRING_DAYS: usize = 400;
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
}

impl Freshness {
    /// That of a schedule, on a clock that is never changed.
    #[must_use]
    pub fn of(schedule: &Schedule) -> Self {
        let fallback = Self {
            shortest: Duration::from_mins(1),
            longest: Duration::from_mins(1),
        };
        // The expression has been read in the schedule's own zone; in UTC no hour is skipped or repeated.
        Schedule::parse(schedule.expression(), "UTC")
            .map_or(fallback, |schedule| intervals(&schedule).unwrap_or(fallback))
    }

    /// The age at which what was pushed is stale: the longest pause, and two lost runs. For a job that runs at even
    /// intervals that is three of them, and never less than five minutes.
    #[must_use]
    pub fn limit(&self) -> Duration {
        (self.longest + self.shortest * LOST_RUNS).max(LEAST_LIMIT)
    }

    /// The shortest window over which something may be said not to have happened. A dead pusher's last push is as old as the
    /// window before it looks like that, and by then the gate has been shut for a run.
    #[must_use]
    pub fn least_window(&self) -> Duration {
        self.limit() + self.longest
    }
}

/// The shortest and the longest time between two firings. Every day that has firings has them at the same times.
fn intervals(schedule: &Schedule) -> Option<Freshness> {
    let civil = |at: Timestamp| TimeZone::UTC.to_datetime(at);
    let from = TimeZone::UTC.to_timestamp(FROM).ok()?;
    let first = schedule.next_after(from.checked_sub(jiff::SignedDuration::from_secs(1)).ok()?)?;
    let mut times = vec![first];
    while let Some(next) = schedule.next_after(*times.last()?)
        && civil(next).date() == civil(first).date()
    {
        times.push(next);
    }
    let last = *times.last()?;
    let within = last.duration_since(first);
    let mut gaps: Vec<_> = times.windows(2).map(|pair| pair[1].duration_since(pair[0])).collect();
    let mut day = first;
    for _ in 0..FIRING_DAYS {
        let ended = day + within;
        let Some(next) = schedule.next_after(ended) else { break };
        gaps.push(next.duration_since(ended));
        day = next;
    }
    let unsigned = |gap: &jiff::SignedDuration| Duration::try_from(*gap).ok();
    Some(Freshness {
        shortest: unsigned(gaps.iter().min()?)?,
        longest: unsigned(gaps.iter().max()?)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_follow_from_the_schedule() {
        const MINUTE: u64 = 60;
        const HOUR: u64 = 60 * MINUTE;
        const DAY: u64 = 24 * HOUR;
        for (cron, shortest, longest) in [
            ("* * * * *", MINUTE, MINUTE),
            ("*/10 * * * *", 10 * MINUTE, 10 * MINUTE),
            ("*/7 * * * *", 4 * MINUTE, 7 * MINUTE),
            ("0 * * * *", HOUR, HOUR),
            ("0 8 * * *", DAY, DAY),
            ("0 8-18 * * 1-5", HOUR, 62 * HOUR),
            ("*/15 8-17 * * *", 15 * MINUTE, 14 * HOUR + 15 * MINUTE),
            ("0 6 * * 1", 7 * DAY, 7 * DAY),
            ("0 6 1 * *", 28 * DAY, 31 * DAY),
            ("0 0 29 2 *", 1461 * DAY, 2921 * DAY),
        ] {
            let schedule = Schedule::parse(cron, "Europe/Paris").unwrap();
            let Freshness {
                shortest: a,
                longest: b,
            } = Freshness::of(&schedule);
            assert_eq!((a.as_secs(), b.as_secs()), (shortest, longest), "{cron}");
        }
    }

    #[test]
    fn even_intervals_are_fresh_for_three_of_them() {
        let freshness = Freshness::of(&Schedule::parse("*/10 * * * *", "UTC").unwrap());
        assert_eq!(freshness.limit(), Duration::from_mins(30));
        assert_eq!(freshness.least_window(), Duration::from_mins(40));
        let freshness = Freshness::of(&Schedule::parse("* * * * *", "UTC").unwrap());
        assert_eq!(freshness.limit(), Duration::from_mins(5));
    }
}
