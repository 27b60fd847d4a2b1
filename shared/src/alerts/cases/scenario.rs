//! When things happen in the tests of a short form: when they turn bad, and when the alert must have fired.

use std::time::Duration;

use super::super::alert::{Alert, Condition, Subject};

/// Whole minutes from the beginning of a test.
pub(crate) type Minutes = u64;

/// A duration in whole minutes, and never in fewer than it has.
pub(crate) fn minutes(duration: Duration) -> Minutes {
    let minutes = duration.as_nanos().div_ceil(60_000_000_000);
    Minutes::try_from(minutes).unwrap_or(Minutes::MAX)
}

/// A minute that may be before the first.
pub(super) fn signed(minutes: Minutes) -> i64 {
    i64::try_from(minutes).unwrap_or(i64::MAX)
}

/// How an alert's tests go. Everything happens at a step.
pub(super) struct Scenario {
    /// The time from one value to the next.
    pub(super) step: Minutes,
    /// The longest time between two pushes.
    pub(super) period: Minutes,
    /// The condition's window.
    pub(super) window: Minutes,
    /// For how long the condition must hold.
    pub(super) hold: Minutes,
    /// When things turn bad.
    pub(super) turn: Minutes,
    /// When the alert has not fired yet.
    pub(super) not_yet: Minutes,
    /// When it must have fired.
    pub(super) fires: Minutes,
    /// When it must have fired if things are bad from the first push on.
    pub(super) ready: Minutes,
}

impl Scenario {
    /// The scenario of a short form; `None` for an expression.
    pub(super) fn of(alert: &Alert) -> Option<Self> {
        let freshness = || alert.subjects.iter().map(|subject| subject.freshness);
        let period = freshness().map(|freshness| minutes(freshness.longest)).max()?;
        let limit = freshness().map(|freshness| minutes(freshness.limit())).max()?;
        let hold = minutes(alert.hold);
        let window = match &alert.condition {
            Condition::Expression { .. } => return None,
            Condition::Compare { .. } | Condition::Ratio { window: None, .. } => 0,
            Condition::Absent { window, .. }
            | Condition::NoIncrease { window, .. }
            | Condition::Ratio {
                window: Some(window), ..
            } => minutes(*window),
        };
        let step = step(period, [limit, hold, window]);
        let turn = 2 * period;
        let bad = turn + hold;
        let (not_yet, fires, ready) = match &alert.condition {
            Condition::Expression { .. } | Condition::Compare { .. } => (bad - step, bad, hold),
            Condition::Ratio { .. } => (bad - step, bad, period + hold),
            // Whether a window includes its oldest instant depends on the version of Prometheus.
            Condition::Absent { .. } => (bad + window - 2 * step, bad + window, hold),
            Condition::NoIncrease { .. } => (bad + window - 2 * step, bad + window, window + hold),
        };
        Some(Self {
            step,
            period,
            window,
            hold,
            turn,
            not_yet,
            fires,
            ready,
        })
    }

    /// The first push at or after a minute, by what is pushed every so many minutes.
    pub(super) fn push_after(minute: Minutes, period: Minutes) -> Minutes {
        minute.div_ceil(period) * period
    }
}

/// The steps around the one from which on a metric is stale whose pusher dies, or which fails from then on.
pub(super) struct Blindness {
    /// When it is still fresh.
    pub(super) fresh: Minutes,
    /// When it is stale; after a death, not a step earlier.
    pub(super) stale: Minutes,
}

impl Blindness {
    /// After a last push.
    pub(super) fn by_death(subject: &Subject, last: Minutes, step: Minutes) -> Self {
        let limit = subject.freshness.limit().as_secs() / (60 * step) * step;
        Self {
            fresh: last + limit,
            stale: last + limit + step,
        }
    }

    /// By failing from a minute on. Whether a window includes its oldest instant depends on the version of Prometheus.
    pub(super) fn by_failing(subject: &Subject, from: Minutes, step: Minutes) -> Self {
        let limit = subject.freshness.limit().as_secs();
        let unit = 60 * step;
        Self {
            fresh: (from + limit.div_ceil(unit) * step).saturating_sub(2 * step),
            stale: from + limit / unit * step,
        }
    }
}

/// The time from one value to the next: a minute, or more in the tests of what is pushed so rarely that they would take long.
pub(super) fn step(longest: Minutes, others: [Minutes; 3]) -> Minutes {
    const RARE: Minutes = 60;
    if longest < RARE {
        return 1;
    }
    let divisor = others.into_iter().fold(longest, greatest_divisor);
    (1..=RARE).rev().find(|step| divisor.is_multiple_of(*step)).unwrap_or(1)
}

fn greatest_divisor(one: Minutes, other: Minutes) -> Minutes {
    if other == 0 {
        one
    } else {
        greatest_divisor(other, one % other)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::subject;
    use super::*;

    #[test]
    fn steps_are_minutes_unless_pushes_are_rare_and_divide_all_times() {
        for (longest, others, expected) in [
            (1, [5, 0, 10], 1),
            (59, [177, 0, 0], 1),
            (60, [180, 0, 0], 60),
            (60, [180, 30, 240], 30),
            (90, [270, 0, 0], 45),
            (1_440, [4_320, 0, 7_200], 60),
            (1_440, [4_320, 7, 0], 1),
            // A prime.
            (61, [183, 0, 0], 1),
        ] {
            assert_eq!(step(longest, others), expected, "{longest}, {others:?}");
        }
    }

    #[test]
    fn what_dies_or_fails_is_stale_once_its_limit_is_over() {
        let subject = subject();
        assert_eq!(minutes(subject.freshness.limit()), 30);
        for (from, step, by_death, by_failing) in [
            (20, 1, (50, 51), (48, 50)),
            (20, 10, (50, 60), (30, 50)),
            // Steps that are no part of the limit.
            (20, 20, (40, 60), (20, 40)),
            (21, 7, (49, 56), (42, 49)),
            (0, 30, (30, 60), (0, 30)),
        ] {
            let both = |blindness: Blindness| (blindness.fresh, blindness.stale);
            assert_eq!(
                both(Blindness::by_death(&subject, from, step)),
                by_death,
                "{from}, {step}"
            );
            assert_eq!(
                both(Blindness::by_failing(&subject, from, step)),
                by_failing,
                "{from}, {step}"
            );
        }
    }
}
