//! Tests of each burn rate: a little above it, and a little below.

use super::super::course::Course;
use super::super::model::Indicator;
use super::super::rules::Speed;
use super::super::windows::BurnRate;
use super::stage::{Bad, Cases, Leave, Pace};
use super::{ABOVE, BELOW, whole};
use crate::alerts::{CaseKind, Minutes, Pusher, Test, duration, minutes};

/// What part of the least number of events a window has that has just enough.
const ENOUGH: f64 = 1.02;

impl<'a> Cases<'a> {
    /// A little more than a burn rate, for as long as it looks back.
    pub(super) fn above(&self, speed: &Speed<'_>, rate: &BurnRate) -> Test {
        let name = format!(
            "just more than {} times the budget for {}",
            rate.factor,
            duration(rate.long)
        );
        let pace = self.pace(rate.short);
        let (course, pusher, end) = self.burning(pace, speed, rate, ABOVE);
        let mut test = self.test(CaseKind::Firing, &name, end, pace);
        self.series(&mut test, &course, pusher, Leave::Nothing);
        for (at, fires) in course.turns(speed) {
            self.expect(&mut test, speed, at, fires);
        }
        test
    }

    /// A little less; nothing where a single push is more.
    pub(super) fn below(&self, speed: &Speed<'_>, rate: &BurnRate) -> Option<Test> {
        let name = format!(
            "just less than {} times the budget for {}",
            rate.factor,
            duration(rate.long)
        );
        let pace = self.pace(rate.short);
        let (course, pusher, end) = self.burning(pace, speed, rate, BELOW);
        if !course.is_quiet(speed) {
            return None;
        }
        let mut test = self.test(CaseKind::Quiet, &name, end, pace);
        self.series(&mut test, &course, pusher, Leave::Nothing);
        self.expect_never(&mut test, speed, end);
        Some(test)
    }

    /// The course of a budget that burns this part of a rate for as long as it looks back, after a time in which all was well.
    fn burning(&self, pace: Pace, speed: &Speed<'_>, rate: &BurnRate, part: f64) -> (Course<'a>, Pusher, Minutes) {
        let history = speed
            .rates
            .iter()
            .map(|rate| minutes(rate.long))
            .max()
            .unwrap_or_default();
        let from = pace.push_after(history);
        let threshold = self.threshold(rate);
        let long = minutes(rate.long);
        if let Indicator::Ratio { .. } = self.slo.indicator {
            let level = (threshold * part).min(1.0);
            let end = pace.push_after(from + long);
            // Where a window holds its beginning, it is full a step later, and must not see what is less for as long.
            let during = from..from + long + u64::from(part > 1.0);
            let share = |minute: Minutes| if during.contains(&minute) { level } else { 0.0 };
            // Of gauges just so many that their long window has enough; an increase of counters is less exact.
            let pushes = (long / pace.period).max(1) as f64;
            let volume = match self.slo.indicator {
                Indicator::Ratio {
                    counters: false,
                    minimum,
                    ..
                } => minimum * ENOUGH / pushes,
                _ => self.volume(),
            };
            let (course, pusher) = self.course_of(pace, end, volume, Bad::Share(&share));
            return (course, pusher, end);
        }
        // Time is bad or not, so that it burns at once what the rate allows in its window.
        let unit = match self.slo.indicator {
            Indicator::Freshness { .. } => pace.step,
            _ => pace.period,
        };
        let allowed = threshold * (long + pace.step) as f64 / unit as f64;
        let units = if part > 1.0 {
            (allowed * part).floor() + 1.0
        } else {
            // What is bad for one step more where a window holds its beginning.
            ((allowed * part).ceil() - 2.0).max(0.0)
        };
        // A push is too old only after the step at which it is just old enough.
        let units = whole(units) + u64::from(!self.slo.depends_on_freshness());
        let to = (from + units * unit).min(from + long + 3 * unit);
        let end = pace.step_after(to + minutes(rate.short) + pace.period);
        let (course, pusher) = self.course(pace, end, Bad::During(from, to));
        (course, pusher, end)
    }
}
