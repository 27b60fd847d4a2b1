//! Tests of what is no longer there, or never was: pushers that died, metrics that fail, and no series at all.

use super::super::course::Course;
use super::super::enough::PUSHED;
use super::super::model::Indicator;
use super::stage::{Bad, Cases, Leave};
use crate::alerts::{CaseKind, Minutes, Pusher, Test, Told, minutes};

impl Cases<'_> {
    /// All was bad when the pusher died, or when the metric began to fail: nobody is told of a burning budget that nobody can see.
    pub(super) fn blind(&self) -> Vec<Test> {
        let pace = self.pace(self.shortest());
        let death = pace.push_after(self.all_fire(pace)) + pace.period;
        let blind = pace.step_after(death + self.limit) + pace.step;
        let told = blind + pace.period + pace.step;
        let all = |_: Minutes| 1.0;
        let cases = [
            (CaseKind::Stale, Pusher::DiesAt(death)),
            (CaseKind::Failing, Pusher::FailsFrom(death)),
        ];
        let tests = cases.into_iter().map(|(kind, pusher)| {
            let (course, _) = self.course(pace, told, Bad::Share(&all));
            let course = course.frozen_from(death);
            let mut test = self.test(kind, "", told, pace);
            self.series(&mut test, &course, pusher, Leave::Nothing);
            for speed in &self.speeds {
                self.expect(&mut test, speed, death - pace.step, true);
            }
            self.expect_none(&mut test, blind);
            self.expect_none(&mut test, told);
            if matches!(self.slo.indicator, Indicator::Ratio { counters: false, .. }) && kind == CaseKind::Failing {
                // What stands there has been counted.
                test.expect_nothing(&self.slo.selector(PUSHED), death);
            }
            // Not any longer than it is fresh, and not any shorter.
            let fresh = (self.limit / pace.step)
                .checked_sub(2)
                .filter(|_| self.slo.subjects.len() == 1)
                .map(|steps| death + steps * pace.step);
            for metric in self.now() {
                test.expect_nothing(&self.slo.selector(metric), told);
                if let Some(fresh) = fresh {
                    test.expect_value(&format!("count({})", self.slo.selector(metric)), fresh, 1.0);
                }
            }
            self.expect_stale(&mut test, told, Told::Firing);
            test
        });
        tests.collect()
    }

    /// Where freshness itself is promised, a dead pusher and a failing metric are what burns the budget.
    pub(super) fn not_fresh(&self) -> Vec<Test> {
        let pace = self.pace(self.shortest());
        let death = 2 * pace.period;
        let Indicator::Freshness { within } = self.slo.indicator else {
            return Vec::new();
        };
        let within = minutes(within);
        let is_bad = |minute: Minutes| minute > death + within + pace.step;
        let end = self.all_fire_of(pace, death + within, &is_bad) + pace.period;
        let cases = [
            (CaseKind::Stale, Pusher::DiesAt(death)),
            (CaseKind::Failing, Pusher::FailsFrom(death)),
        ];
        let tests = cases.into_iter().map(|(kind, pusher)| {
            let mut test = self.test(kind, "", end, pace);
            test.pushers(&self.slo.subjects, pusher);
            self.expect_none(&mut test, death);
            // In all windows since the beginning, most was bad.
            for speed in &self.speeds {
                self.expect(&mut test, speed, end, true);
            }
            test
        });
        tests.collect()
    }

    /// Nothing is there: no events, no value; but what is never pushed is not fresh either.
    pub(super) fn missing(&self) -> Test {
        let pace = self.pace(self.shortest());
        if let Indicator::Freshness { within } = self.slo.indicator {
            // What was never pushed is as old as the SLO.
            let within = minutes(within);
            let is_bad = |minute: Minutes| minute >= within;
            let end = self.all_fire_of(pace, within, &is_bad) + pace.step;
            let course = Course::of_time(self.slo, pace.step, end, &is_bad);
            let mut test = self.test(CaseKind::Missing, "", end, pace);
            test.strangers(&self.slo.subjects);
            for speed in &self.speeds {
                for (at, fires) in course.turns(speed) {
                    self.expect(&mut test, speed, at, fires);
                }
            }
            return test;
        }
        let end = pace.step_after(minutes(self.shortest())) + 2 * pace.period;
        let mut test = self.test(CaseKind::Missing, "", end, pace);
        test.pushers(&self.slo.subjects, Pusher::Alive);
        self.expect_none(&mut test, end);
        self.expect_stale(&mut test, end, Told::Nothing);
        test
    }
}
