//! Unit tests for promtool: an outage, each burn rate a little above and below, a quiet month, pushers that die or fail, and what is not
//! there.

mod burning;
mod events;
mod gone;
mod others;
mod recorded;
mod stage;

use super::course::{State, steps};
use super::model::{
    CURRENT_BURN_RATE, ERROR_BUDGET, Events, INFO, Indicator, OBJECTIVE, PERIOD_BUDGET_REMAINING, PERIOD_BURN_RATE,
    Slo, TIME_PERIOD_DAYS,
};
use super::rules::Speed;
use super::windows::BurnRate;
use crate::alerts::{CaseKind, Minutes, Test, Told, UnitTest, minutes, number};
use others::Others;
use stage::{Bad, Cases, Leave};

/// How far above and below its threshold a burn rate is tried.
const ABOVE: f64 = 1.05;
const BELOW: f64 = 0.95;
/// What part of the budget burns in the first half of a quiet month.
const MONTH: f64 = 0.8;

/// The tests of an SLO.
pub(crate) fn of_slo(slo: &Slo) -> Vec<UnitTest> {
    let cases = Cases::new(slo);
    let mut tests = vec![cases.outage()];
    for speed in &cases.speeds {
        for rate in speed.rates {
            tests.push(cases.above(speed, rate));
            tests.extend(cases.below(speed, rate));
        }
    }
    tests.push(cases.month());
    tests.extend(cases.windows());
    tests.push(cases.of_others());
    if slo.depends_on_freshness() {
        tests.extend(cases.blind());
    } else {
        tests.extend(cases.not_fresh());
    }
    tests.push(cases.missing());
    tests.extend(cases.newly_bad());
    tests.extend(cases.new_and_too_few());
    tests.extend(cases.too_few());
    tests.extend(cases.just_enough());
    tests.extend(cases.without_a_part());
    tests.into_iter().map(Test::finish).collect()
}

impl Cases<'_> {
    /// Everything is bad for a while: the alerts begin as soon as they should, and end as soon as the short window is over it.
    fn outage(&self) -> Test {
        let pace = self.pace(self.shortest());
        let first: &[BurnRate] = self.speeds.first().map_or(&[], |speed| speed.rates);
        let history = first.first().map_or(0, |rate| minutes(rate.long));
        let from = pace.push_after(history);
        // So long that each alert has to fire, and that the first window of each has seen nothing else.
        let lasts = self.speeds.iter().map(|speed| {
            let burnt = speed
                .rates
                .iter()
                .map(|rate| rate.long.mul_f64(ABOVE * self.threshold(rate)));
            let short = speed.rates.first().map(|rate| rate.short);
            minutes(burnt.min().max(short).unwrap_or_default())
        });
        let lasts = lasts.max().unwrap_or_default();
        let to = pace.push_after(from + lasts) + 2 * pace.period;
        let short = first.iter().map(|rate| minutes(rate.short)).max().unwrap_or_default();
        let end = pace.step_after(to + short + 3 * pace.period);
        let (course, pusher) = self.course(pace, end, Bad::During(from, to));
        let mut test = self.test(CaseKind::Firing, "an outage", end, pace);
        self.series(&mut test, &course, pusher, Leave::Nothing);
        self.others(&mut test, end, pace.step, Others::Good);
        for speed in &self.speeds {
            for (at, fires) in course.turns(speed) {
                self.expect(&mut test, speed, at, fires);
            }
        }
        let late = usize::try_from(to / pace.step).unwrap_or(usize::MAX).saturating_sub(1);
        let known = |speed: &Speed<'_>| {
            let first = speed.rates.first();
            first.is_some_and(|rate| {
                course.is_all_bad(late, rate.short)
                    && course.state_of(late, std::slice::from_ref(rate)) == State::Firing
            })
        };
        let at = late as Minutes * pace.step;
        if self.speeds.iter().all(known) {
            self.expect_all(&mut test, at);
            let burn = 1.0 / self.slo.error_budget();
            test.expect_value(&rounded_sum(&self.recorded(CURRENT_BURN_RATE, None)), at, rounded(burn));
        }
        // The longest window has seen some of all that there was.
        if let Some(longest) = self.slo.windows().last().copied()
            && let Some(ratio) = course.about(late, longest)
        {
            test.expect_value(&near(&self.slo.selector(&Slo::error_ratio(longest)), ratio), at, 1.0);
        }
        self.expect_stale(&mut test, end, Told::Nothing);
        test
    }

    /// The whole of the window with some of the budget burnt bit by bit, or none of it where the least bit is too much.
    fn month(&self) -> Test {
        let pace = self.pace(self.slowest());
        let end = minutes(self.slo.window) / pace.step * pace.step;
        // In the first half of it, so that nothing less than the whole window sees it.
        let most = self.slo.error_budget() * MONTH;
        let pushes = end / pace.period;
        let bad = whole(most * (pushes / 2) as f64);
        let some = |minute: Minutes| match self.slo.indicator {
            _ if minute >= end / 2 => 0.0,
            Indicator::Ratio { .. } => most,
            // Every so many pushes, one is bad.
            _ if bad > 0 && (minute / pace.period + 1).is_multiple_of(pushes / 2 / bad) => 1.0,
            _ => 0.0,
        };
        let none = |_: Minutes| 0.0;
        let (mut course, mut pusher) = self.course(pace, end, Bad::Share(&some));
        if !self.speeds.iter().all(|speed| course.is_quiet(speed)) {
            (course, pusher) = self.course(pace, end, Bad::Share(&none));
        }
        let mut test = self.test(CaseKind::Quiet, "a quiet month", end, pace);
        self.series(&mut test, &course, pusher, Leave::Nothing);
        for speed in &self.speeds {
            self.expect_never(&mut test, speed, end);
        }
        let burn = course.whole() / self.slo.error_budget();
        for (series, value) in [
            (OBJECTIVE, self.slo.objective_ratio()),
            (ERROR_BUDGET, self.slo.error_budget()),
            (TIME_PERIOD_DAYS, self.slo.days()),
        ] {
            test.expect_value(&format!("sum({})", self.common(series, &[])), end, value);
        }
        let objective = number(self.slo.objective);
        let info = [("sloth_objective", objective.as_str()), ("sloth_mode", "fanlight")];
        test.expect_value(&format!("sum({})", self.common(INFO, &info)), end, 1.0);
        let whole = self.recorded(&Slo::error_ratio(self.slo.window), Some(self.slo.window));
        test.expect_value(&format!("count({whole})"), end, 1.0);
        for (series, value) in [(PERIOD_BURN_RATE, burn), (PERIOD_BUDGET_REMAINING, 1.0 - burn)] {
            test.expect_value(&near(&self.recorded(series, None), value), end, 1.0);
        }
        self.expect_stale(&mut test, end, Told::Nothing);
        test
    }

    /// All is well, whatever is bad of other jobs and SLOs.
    fn of_others(&self) -> Test {
        let pace = self.pace(self.shortest());
        let end = pace.step_after(self.longest_age()) + 2 * pace.period + pace.step_after(minutes(self.shortest()));
        let (course, pusher) = self.course(pace, end, Bad::Share(&|_| 0.0));
        let mut test = self.test(CaseKind::Quiet, "all is bad of others", end, pace);
        self.series(&mut test, &course, pusher, Leave::Nothing);
        self.others(&mut test, end, pace.step, Others::Bad);
        for speed in &self.speeds {
            self.expect_never(&mut test, speed, end);
        }
        for window in self.slo.windows().into_iter().chain([self.slo.window]) {
            let ratio = self.recorded(&Slo::error_ratio(window), Some(window));
            test.expect_value(&format!("sum({ratio})"), end, 0.0);
        }
        test
    }

    /// There are no series of the events that are counted: nothing was bad, or nothing was good.
    fn without_a_part(&self) -> Option<Test> {
        let Indicator::Ratio { events, .. } = &self.slo.indicator else {
            return None;
        };
        let pace = self.pace(self.shortest());
        let known = self.all_fire(pace).max(minutes(self.shortest()));
        let end = pace.step_after(known) + 2 * pace.period;
        let (kind, name, share) = match events {
            Events::Bad(_) => (CaseKind::Quiet, "no series of what is bad", 0.0),
            Events::Good(_) => (CaseKind::Firing, "no series of what is good", 1.0),
        };
        let (course, pusher) = self.course(pace, end, Bad::Share(&|_| share));
        let mut test = self.test(kind, name, end, pace);
        self.series(&mut test, &course, pusher, Leave::Part);
        for speed in &self.speeds {
            let last = steps(pace.step, end).count() - 1;
            match course.state_of(last, speed.rates) {
                State::Firing => self.expect(&mut test, speed, last as Minutes * pace.step, true),
                State::Quiet => self.expect(&mut test, speed, last as Minutes * pace.step, false),
                State::Either => {}
            }
        }
        let ratio = self.slo.selector(&Slo::error_ratio(self.shortest()));
        test.expect_value(&format!("sum({ratio})"), end, share);
        Some(test)
    }
}

/// An expression whose value is compared to two digits.
fn rounded_sum(series: &str) -> String {
    format!("round(sum({series}), 0.01)")
}

/// An expression that is 1 where a value is near: what stands at the ends of a window counts in one version of Prometheus or another, or
/// in some of a counter's increases.
fn near(series: &str, value: f64) -> String {
    format!("abs(sum({series}) - {value:.3}) < bool 0.05")
}

/// A value as PromQL's `round` has it.
fn rounded(value: f64) -> f64 {
    (value * 100.0 + 0.5).floor() / 100.0
}

/// What is whole of a number of minutes or pushes.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is a part of the minutes of a window, and not negative"
)]
fn whole(number: f64) -> Minutes {
    number as Minutes
}
