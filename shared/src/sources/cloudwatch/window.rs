//! Which data points are read: aligned to the period, and bound to the scheduled time.

use std::time::Duration;

use jiff::Timestamp;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// Periods of metrics of high resolution, in seconds; all others are whole minutes.
const HIGH_RESOLUTION: [i64; 5] = [1, 5, 10, 20, 30];
/// How long CloudWatch keeps data points, and in which periods they are to be asked when they are older than that
/// ([GetMetricData](https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html)).
const KEPT: [(i64, &str, i64, &str); 3] = [
    (3 * HOUR, "3 hours", MINUTE, "whole minutes"),
    (15 * DAY, "15 days", 5 * MINUTE, "multiples of 5 minutes"),
    (63 * DAY, "63 days", HOUR, "whole hours"),
];
const LONGEST_KEPT: i64 = 455 * DAY;
/// A window of more is a mistake: of all its points one is taken.
const MOST_PERIODS: i64 = 1_440;
/// CloudWatch lists metrics without recent data only where they are asked for.
const RECENT: i64 = 3 * HOUR;

/// How far back a query looks, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reach {
    pub(super) period: i64,
    pub(super) length: i64,
    pub(super) delay: i64,
}

/// Which of a query's keys is wrong, why, and what to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) key: Key,
    pub(super) message: String,
    pub(super) help: String,
}

/// A key of a query that says when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Period,
    Length,
    Delay,
}

/// From the beginning of the first period to the end of the last, in seconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) start: i64,
    pub(super) end: i64,
    period: i64,
}

impl Reach {
    /// `length` is by default one period.
    pub(super) fn new(period: Duration, length: Option<Duration>, delay: Duration) -> Result<Self, Problem> {
        let problem = |key, message: &str, help: &str| Problem {
            key,
            message: message.to_owned(),
            help: help.to_owned(),
        };
        let whole = |length: Duration| {
            i64::try_from(length.as_secs())
                .ok()
                .filter(|_| length.subsec_nanos() == 0)
        };
        let Some(period) = whole(period).filter(|period| {
            HIGH_RESOLUTION.contains(period) || *period % MINUTE == 0 && (MINUTE..=DAY).contains(period)
        }) else {
            return Err(problem(
                Key::Period,
                "a period is 1, 5, 10, 20 or 30 seconds, or a number of whole minutes up to a day",
                "write such as `period: 5m`",
            ));
        };
        let Some(delay) = whole(delay) else {
            return Err(problem(
                Key::Delay,
                "a delay is a number of whole seconds",
                "write such as `delay: 2m`",
            ));
        };
        let length = length.map_or(Some(period), whole);
        let Some(length) = length.filter(|length| length % period == 0 && length / period <= MOST_PERIODS) else {
            return Err(problem(
                Key::Length,
                &format!("a length is a number of whole periods, {MOST_PERIODS} at most"),
                &format!(
                    "its newest data point is taken: write such as `length: {}s`",
                    3 * period
                ),
            ));
        };
        let reach = Self { period, length, delay };
        match reach.oldest() {
            oldest if oldest > LONGEST_KEPT => Err(problem(
                Key::Delay,
                "the window begins before what CloudWatch keeps, which is 455 days",
                "make `delay` or `length` shorter",
            )),
            oldest => match KEPT.iter().rev().find(|(age, ..)| oldest > *age) {
                Some((_, age, unit, units)) if period % unit != 0 => Err(problem(
                    Key::Period,
                    &format!("the window begins more than {age} ago, where CloudWatch keeps {units} only"),
                    "make `period` longer, or `delay` or `length` shorter",
                )),
                _ => Ok(reach),
            },
        }
    }

    /// How long before the scheduled time the window may begin.
    fn oldest(self) -> i64 {
        self.delay.saturating_add(self.length).saturating_add(self.period)
    }

    /// What is read at a scheduled time: the periods that had ended `delay` before it.
    pub(super) fn window(self, scheduled_time: Timestamp) -> Window {
        let latest = scheduled_time.as_second().saturating_sub(self.delay);
        let end = latest.div_euclid(self.period) * self.period;
        Window {
            start: end - self.length,
            end,
            period: self.period,
        }
    }
}

impl Window {
    /// Whether a metric without data in the last hours has none in the window either.
    pub(super) fn is_recent(self, now: Timestamp) -> bool {
        self.start > now.as_second() - RECENT
    }

    /// The newest data point whose period lies in the window; the time of each is when its period begins.
    pub(super) fn newest(self, points: impl Iterator<Item = (i64, f64)>) -> Option<(i64, f64)> {
        points
            .filter(|(begins, _)| *begins >= self.start && begins.saturating_add(self.period) <= self.end)
            .max_by_key(|(begins, _)| *begins)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reach(period: u64, length: Option<u64>, delay: u64) -> Result<Reach, Key> {
        let seconds = Duration::from_secs;
        Reach::new(seconds(period), length.map(seconds), seconds(delay)).map_err(|problem| problem.key)
    }

    #[test]
    fn periods_are_those_that_cloudwatch_keeps() {
        let (hour, day) = (3_600, 86_400);
        for (period, length, delay, expected) in [
            (1, None, 0, Ok(())),
            (5, None, 60, Ok(())),
            (20, Some(60), 60, Ok(())),
            (30, None, 0, Ok(())),
            (60, None, 0, Ok(())),
            (300, Some(3 * hour), 120, Ok(())),
            (day, None, 0, Ok(())),
            (2, None, 0, Err(Key::Period)),
            (45, None, 0, Err(Key::Period)),
            (90, None, 0, Err(Key::Period)),
            (2 * day, None, 0, Err(Key::Period)),
            (60, Some(90), 0, Err(Key::Length)),
            (60, Some(1_441 * 60), 0, Err(Key::Length)),
            (60, Some(1_440 * 60), 0, Ok(())),
            (30, None, 3 * hour, Err(Key::Period)),
            (30, None, 3 * hour - 60, Ok(())),
            (60, None, 15 * day, Err(Key::Period)),
            (300, None, 15 * day, Ok(())),
            (300, None, 63 * day, Err(Key::Period)),
            (hour, None, 63 * day, Ok(())),
            (hour, None, 455 * day, Err(Key::Delay)),
        ] {
            assert_eq!(
                reach(period, length, delay).map(|_| ()),
                expected,
                "{period} {length:?} {delay}"
            );
        }
        let half = Reach::new(Duration::from_millis(1_500), None, Duration::ZERO).unwrap_err();
        assert_eq!(half.key, Key::Period);
    }

    #[test]
    fn the_newest_complete_point_is_taken() {
        let at = |time: &str| time.parse::<Timestamp>().unwrap();
        let window = reach(300, Some(900), 120).unwrap().window(at("2026-11-21T10:06:59Z"));
        assert_eq!(window.end, at("2026-11-21T10:00:00Z").as_second());
        assert_eq!(window.start, at("2026-11-21T09:45:00Z").as_second());
        let end = window.end;
        for (points, expected) in [
            (vec![], None),
            (vec![(end - 300, 1.0)], Some((end - 300, 1.0))),
            (
                vec![(end - 600, 2.0), (end - 300, 1.0), (end - 900, 3.0)],
                Some((end - 300, 1.0)),
            ),
            // One that still runs, one that begins too early.
            (vec![(end, 9.0), (end - 240, 8.0), (end - 901, 7.0)], None),
        ] {
            assert_eq!(window.newest(points.clone().into_iter()), expected, "{points:?}");
        }
    }

    proptest! {
        #[test]
        fn windows_are_aligned_complete_and_the_same_for_the_same_period(
            period in prop::sample::select(vec![1_u64, 5, 10, 20, 30, 60, 300, 3_600, 86_400]),
            periods in 1_u64..4,
            delay in 0_u64..7_200,
            second in 1_000_000_000_i64..2_000_000_000,
        ) {
            let reach = reach(period, Some(period * periods), delay).unwrap();
            let scheduled = Timestamp::from_second(second).unwrap();
            let window = reach.window(scheduled);
            let period = i64::try_from(period).unwrap();
            prop_assert_eq!(window.end % period, 0);
            prop_assert_eq!(window.start % period, 0);
            let latest = second - reach.delay;
            prop_assert!(window.end <= latest && latest < window.end + period);
        }
    }
}
