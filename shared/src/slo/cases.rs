//! Unit tests for promtool: an outage, each burn rate a little above and below, a quiet month, pushers that die or fail, and what is not
//! there.

use std::time::Duration;

use super::course::{Course, State, step, steps};
use super::model::{
    CURRENT_BURN_RATE, ERROR_BUDGET, Events, Indicator, OBJECTIVE, PERIOD_BUDGET_REMAINING, PERIOD_BURN_RATE, Slo,
    TIME_PERIOD_DAYS,
};
use super::rules::{BAD_NOW, SPEED_LABEL, Speed, alert_labels, speeds};
use super::windows::BurnRate;
use crate::alerts::{
    CaseKind, Comparison, Expected, Minutes, Pusher, Sample, Term, Test, Told, UnitTest, annotations, duration, filled,
    labels, minutes, series_labels,
};

/// How far above and below its threshold a burn rate is tried.
const ABOVE: f64 = 1.05;
const BELOW: f64 = 0.95;
/// What part of the budget burns in the first half of a quiet month.
const MONTH: f64 = 0.8;
/// The least number of events in a push: so many that a part of them is a whole number.
const VOLUME: f64 = 1e6;

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
    if slo.depends_on_freshness() {
        tests.extend(cases.blind());
    } else {
        tests.extend(cases.not_fresh());
    }
    tests.push(cases.missing());
    tests.extend(cases.too_few());
    tests.extend(cases.without_a_part());
    tests.into_iter().map(Test::finish).collect()
}

struct Cases<'a> {
    slo: &'a Slo,
    speeds: Vec<Speed<'a>>,
    name: String,
    /// The longest time between two pushes.
    period: Minutes,
    /// The age at which a push is stale.
    limit: Minutes,
}

/// What a test does to the series.
#[derive(Clone, Copy)]
enum Bad<'f> {
    /// This part of each push's events is bad.
    Share(&'f dyn Fn(Minutes) -> f64),
    /// All is bad in these minutes.
    During(Minutes, Minutes),
}

/// Series that a test leaves out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leave {
    Nothing,
    Part,
}

/// The steps of a test, and how often it pushes.
#[derive(Clone, Copy)]
struct Pace {
    step: Minutes,
    period: Minutes,
}

impl Pace {
    /// The first step at or after a minute.
    fn step_after(self, minute: Minutes) -> Minutes {
        minute.div_ceil(self.step) * self.step
    }

    /// The first push at or after a minute.
    fn push_after(self, minute: Minutes) -> Minutes {
        minute.div_ceil(self.period) * self.period
    }
}

impl<'a> Cases<'a> {
    fn new(slo: &'a Slo) -> Self {
        let freshness = || slo.subjects.iter().map(|subject| subject.freshness);
        let period = freshness().map(|freshness| minutes(freshness.longest)).max();
        let limit = freshness().map(|freshness| minutes(freshness.limit())).max();
        Self {
            slo,
            speeds: speeds(slo),
            name: slo.alert_name(),
            period: period.unwrap_or(1).max(1),
            limit: limit.unwrap_or_default(),
        }
    }

    /// Steps of which this window has two or three: an increase needs two values.
    fn pace(&self, window: Duration) -> Pace {
        let step = step(self.period, minutes(window) / 2);
        Pace {
            step,
            period: self.period.max(step),
        }
    }

    fn rates(&self) -> impl Iterator<Item = &'a BurnRate> {
        self.speeds.iter().flat_map(|speed| speed.rates)
    }

    fn shortest(&self) -> Duration {
        self.slo.windows().first().copied().unwrap_or_default()
    }

    /// The short window of the slowest rate.
    fn slowest(&self) -> Duration {
        self.rates().last().map_or(self.slo.window, |rate| rate.short)
    }

    fn threshold(&self, rate: &BurnRate) -> f64 {
        rate.factor * self.slo.error_budget()
    }

    fn test(&self, kind: CaseKind, name: &str, end: Minutes, pace: Pace) -> Test {
        Test::new(&self.name, kind, name, end, pace.step)
    }

    /// So many events a push that parts of them are whole numbers, and that they are always enough.
    fn volume(&self) -> f64 {
        let least = self.rates().map(|rate| self.threshold(rate)).fold(1.0, f64::min);
        let minimum = match self.slo.indicator {
            Indicator::Ratio { minimum, .. } => minimum,
            Indicator::Threshold { .. } | Indicator::Freshness { .. } => 0.0,
        };
        let whole = 10_f64.powf((1_000.0 / least).log10().ceil());
        VOLUME.max(whole).max((2.0 * minimum).ceil())
    }

    /// What happens, and what becomes of the pushers.
    fn course(&self, pace: Pace, end: Minutes, bad: Bad<'_>) -> (Course<'a>, Pusher) {
        let volume = self.volume();
        let during = |minute: Minutes| match bad {
            Bad::Share(share) => share(minute),
            Bad::During(from, to) => f64::from(u8::from((from..to).contains(&minute))),
        };
        match &self.slo.indicator {
            Indicator::Ratio { .. } => {
                let course = Course::of_events(self.slo, (pace.step, pace.period), end, &|_| volume, &during);
                (course, Pusher::Alive)
            }
            Indicator::Threshold { .. } => {
                let is_bad = |minute: Minutes| during(minute - minute % pace.period) > 0.5;
                (Course::of_time(self.slo, pace.step, end, &is_bad), Pusher::Alive)
            }
            Indicator::Freshness { within } => {
                // What is to be bad from a minute on was pushed for the last time before it was too old.
                let (from, to) = match bad {
                    Bad::During(from, to) => (from.saturating_sub(minutes(*within)), to),
                    Bad::Share(_) => (end, end),
                };
                let pusher = Pusher::Pauses { from, to };
                let within = minutes(*within);
                let is_bad = |minute: Minutes| pusher.age(minute, self.period) > within;
                (Course::of_time(self.slo, pace.step, end, &is_bad), pusher)
            }
        }
    }

    /// The series of a course.
    fn series(&self, test: &mut Test, course: &Course<'_>, pusher: Pusher, leave: Leave) {
        let (bad, total) = course.samples();
        let values =
            |value: &dyn Fn(usize) -> f64| (0..bad.len()).map(|at| Sample::Value(value(at))).collect::<Vec<_>>();
        let mut series = Vec::new();
        match &self.slo.indicator {
            Indicator::Ratio {
                events, total: whole, ..
            } => {
                let (part, is_good) = match events {
                    Events::Good(good) => (good, true),
                    Events::Bad(bad) => (bad, false),
                };
                let of_part = |at: usize| if is_good { total[at] - bad[at] } else { bad[at] };
                let within = part.is_within(whole);
                let mut rest = whole.clone();
                if within {
                    let fixed = part.filters.iter().filter(|filter| !whole.filters.contains(filter));
                    let others = fixed.map(|(label, value)| (label.clone(), format!("not-{value}")));
                    rest.filters.extend(others);
                }
                let of_rest = |at: usize| if within { total[at] - of_part(at) } else { total[at] };
                if leave != Leave::Part {
                    series.push((self.series_name(part), values(&of_part)));
                }
                series.push((self.series_name(&rest), values(&of_rest)));
            }
            Indicator::Threshold {
                term,
                bad: side,
                threshold,
            } => {
                let beyond = match side {
                    Comparison::Above => threshold + 1.0,
                    Comparison::Below => threshold - 1.0,
                };
                let value = |at: usize| if bad[at] > 0.5 { beyond } else { *threshold };
                series.push((self.series_name(term), values(&value)));
            }
            Indicator::Freshness { .. } => {}
        }
        test.series(series);
        test.pushers(&self.slo.subjects, pusher);
    }

    fn series_name(&self, term: &Term) -> String {
        let Some(subject) = self.slo.subjects.get(term.subject.0) else {
            return String::new();
        };
        let pairs = series_labels(subject, term);
        let pairs = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        format!("{}{}", subject.metric, labels(pairs))
    }

    /// The labels of its series.
    fn labels(&self) -> Vec<(String, String)> {
        let own = self
            .slo
            .labels()
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value));
        let term = match &self.slo.indicator {
            Indicator::Ratio { total, .. } => Some(total),
            Indicator::Threshold { term, .. } => Some(term),
            Indicator::Freshness { .. } => None,
        };
        let subject = term.and_then(|term| self.slo.subjects.get(term.subject.0).zip(Some(term)));
        let by = subject
            .map(|(subject, term)| series_labels(subject, term))
            .unwrap_or_default();
        let by = by.into_iter().filter(|(name, _)| self.slo.by.contains(name));
        own.chain(by).collect()
    }

    /// At a minute, one of the alerts fires, or does not.
    fn expect(&self, test: &mut Test, speed: &Speed<'_>, at: Minutes, fires: bool) {
        let matchers = [("alertname", self.name.as_str()), (SPEED_LABEL, speed.name)];
        let fires: Vec<_> = fires.then(|| self.labels()).into_iter().collect();
        test.expect_count(&matchers, at, &fires);
    }

    /// At a minute, neither alert fires, nor is about to.
    fn expect_none(&self, test: &mut Test, at: Minutes) {
        test.expect_alerts(&self.name, at, Vec::new());
    }

    /// At a minute, both alerts fire, with all labels and annotations, and everything was bad in their first windows.
    fn expect_all(&self, test: &mut Test, at: Minutes) {
        let expected = self.speeds.iter().map(|speed| {
            let mut exp_labels = alert_labels(self.slo, speed);
            exp_labels.extend(self.labels());
            let description = filled(&self.slo.description, &self.labels(), 1.0);
            Expected {
                exp_labels,
                exp_annotations: annotations(&description, &self.slo.handbook),
            }
        });
        test.expect_alerts(&self.name, at, expected.collect());
    }

    /// The metrics of what it depends on are stale, or not.
    fn expect_stale(&self, test: &mut Test, at: Minutes, told: Told) {
        if self.slo.depends_on_freshness() {
            test.expect_stale(&self.slo.subjects, &self.slo.team, at, told);
        }
    }

    /// Everything is bad for a while: the alerts begin as soon as they should, and end as soon as the short window is over it.
    fn outage(&self) -> Test {
        let pace = self.pace(self.shortest());
        let first: &[BurnRate] = self.speeds.first().map_or(&[], |speed| speed.rates);
        let history = first.first().map_or(0, |rate| minutes(rate.long));
        let from = pace.push_after(history);
        let shorts = self.speeds.iter().filter_map(|speed| speed.rates.first());
        let lasts = shorts.map(|rate| minutes(rate.short)).max().unwrap_or_default();
        let to = pace.push_after(from + lasts) + 2 * pace.period;
        let short = first.iter().map(|rate| minutes(rate.short)).max().unwrap_or_default();
        let end = pace.step_after(to + short + 3 * pace.period);
        let (course, pusher) = self.course(pace, end, Bad::During(from, to));
        let mut test = self.test(CaseKind::Firing, "an outage", end, pace);
        self.series(&mut test, &course, pusher, Leave::Nothing);
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
            test.expect_value(&rounded_sum(&self.slo.selector(CURRENT_BURN_RATE)), at, rounded(burn));
        }
        // The longest window has seen some of all that there was.
        if let Some(longest) = self.slo.windows().last().copied()
            && let Some(ratio) = course.ratio(late, longest, true)
        {
            test.expect_value(&near(&self.slo.selector(&Slo::error_ratio(longest)), ratio), at, 1.0);
        }
        self.expect_stale(&mut test, end, Told::Nothing);
        test
    }

    /// A little more than a burn rate, for as long as it looks back.
    fn above(&self, speed: &Speed<'_>, rate: &BurnRate) -> Test {
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
    fn below(&self, speed: &Speed<'_>, rate: &BurnRate) -> Option<Test> {
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
            let (course, pusher) = self.course(pace, end, Bad::Share(&share));
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
        let units = units as Minutes + u64::from(!self.slo.depends_on_freshness());
        let to = (from + units * unit).min(from + long + unit);
        let end = pace.step_after(to + minutes(rate.short) + pace.period);
        let (course, pusher) = self.course(pace, end, Bad::During(from, to));
        (course, pusher, end)
    }

    /// An alert has not fired at any time up to a minute.
    fn expect_never(&self, test: &mut Test, speed: &Speed<'_>, end: Minutes) {
        let matchers = [
            ("alertname", self.name.as_str()),
            ("alertstate", "firing"),
            (SPEED_LABEL, speed.name),
        ];
        test.expect_nothing(&format!("count_over_time(ALERTS{}[{end}m])", labels(matchers)), end);
    }

    /// The whole of the window with some of the budget burnt bit by bit, or none of it where the least bit is too much.
    fn month(&self) -> Test {
        let pace = self.pace(self.slowest());
        let end = minutes(self.slo.window) / pace.step * pace.step;
        // In the first half of it, so that nothing less than the whole window sees it.
        let most = self.slo.error_budget() * MONTH;
        let pushes = end / pace.period;
        let bad = (most * (pushes / 2) as f64).floor() as Minutes;
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
            test.expect_value(&format!("sum({})", self.slo.selector(series)), end, value);
        }
        for (series, value) in [(PERIOD_BURN_RATE, burn), (PERIOD_BUDGET_REMAINING, 1.0 - burn)] {
            test.expect_value(&near(&self.slo.selector(series), value), end, 1.0);
        }
        self.expect_stale(&mut test, end, Told::Nothing);
        test
    }

    /// All was bad when the pusher died, or when the metric began to fail: nobody is told of a burning budget that nobody can see.
    fn blind(&self) -> Vec<Test> {
        let pace = self.pace(self.shortest());
        let death = 2 * pace.period;
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
                if course.states(speed)[usize::try_from(death / pace.step).unwrap_or_default()] == State::Firing {
                    self.expect(&mut test, speed, death, true);
                }
            }
            self.expect_none(&mut test, blind);
            self.expect_none(&mut test, told);
            if !matches!(self.slo.indicator, Indicator::Ratio { counters: true, .. }) {
                test.expect_nothing(&self.slo.selector(BAD_NOW), told);
            }
            self.expect_stale(&mut test, told, Told::Firing);
            test
        });
        tests.collect()
    }

    /// Where freshness itself is promised, a dead pusher and a failing metric are what burns the budget.
    fn not_fresh(&self) -> Vec<Test> {
        let pace = self.pace(self.shortest());
        let death = 2 * pace.period;
        let Indicator::Freshness { within } = self.slo.indicator else {
            return Vec::new();
        };
        let within = minutes(within);
        let longest = self.rates().map(|rate| minutes(rate.short)).max().unwrap_or_default();
        let end = pace.step_after(death + within + longest) + 2 * pace.period;
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
    fn missing(&self) -> Test {
        let pace = self.pace(self.shortest());
        let end = pace.step_after(minutes(self.shortest())) + 2 * pace.period;
        let mut test = self.test(CaseKind::Missing, "", end, pace);
        if self.slo.depends_on_freshness() {
            test.pushers(&self.slo.subjects, Pusher::Alive);
            self.expect_none(&mut test, end);
            self.expect_stale(&mut test, end, Told::Nothing);
        } else {
            for speed in &self.speeds {
                self.expect(&mut test, speed, end, true);
            }
        }
        test
    }

    /// All events are bad, but there are too few to say anything.
    fn too_few(&self) -> Option<Test> {
        let Indicator::Ratio { minimum, counters, .. } = self.slo.indicator else {
            return None;
        };
        let few = (minimum / 2.0).floor();
        if few < 1.0 {
            return None;
        }
        let pace = self.pace(self.shortest());
        let from = 2 * pace.period;
        let end = pace.step_after(from + minutes(self.shortest())) + pace.period;
        let longest = self.slo.windows().last().map_or(1, |window| minutes(*window));
        let volume = |push: Minutes| match (counters, push == from) {
            (true, true) => few,
            (true, false) => 0.0,
            // A gauge's events are counted by its pushes, which are as many in each window.
            (false, _) => few * self.period as f64 / longest as f64,
        };
        let course = Course::of_events(self.slo, (pace.step, pace.period), end, &volume, &|_| 1.0);
        let mut test = self.test(CaseKind::Quiet, "too few events to say anything", end, pace);
        self.series(&mut test, &course, Pusher::Alive, Leave::Nothing);
        for speed in &self.speeds {
            self.expect_never(&mut test, speed, end);
        }
        Some(test)
    }

    /// There are no series of the events that are counted: nothing was bad, or nothing was good.
    fn without_a_part(&self) -> Option<Test> {
        let Indicator::Ratio { events, .. } = &self.slo.indicator else {
            return None;
        };
        let pace = self.pace(self.shortest());
        let end = pace.step_after(minutes(self.shortest())) + 2 * pace.period;
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
