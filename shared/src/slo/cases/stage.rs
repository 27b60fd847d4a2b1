//! What the tests of an SLO are made with: courses of events as series, and what is expected of its alerts at a minute.

use std::time::Duration;

use super::super::course::{Course, step};
use super::super::enough::least_age;
use super::super::model::{Events, Indicator, Slo};
use super::super::rules::{SPEED_LABEL, Speed, alert_labels, speeds};
use super::super::windows::BurnRate;
use crate::alerts::{
    CaseKind, Comparison, Expected, Minutes, Pusher, Sample, Term, Test, Told, annotations, filled, labels, minutes,
    series_labels,
};

/// The least number of events in a push: so many that a part of them is a whole number.
const VOLUME: f64 = 1e6;

pub(super) struct Cases<'a> {
    pub(super) slo: &'a Slo,
    pub(super) speeds: Vec<Speed<'a>>,
    pub(super) name: String,
    /// The longest time between two pushes.
    pub(super) period: Minutes,
    /// The age at which a push is stale.
    pub(super) limit: Minutes,
}

/// What a test does to the series.
#[derive(Clone, Copy)]
pub(super) enum Bad<'f> {
    /// This part of each push's events is bad.
    Share(&'f dyn Fn(Minutes) -> f64),
    /// All is bad in these minutes.
    During(Minutes, Minutes),
}

/// Series that a test leaves out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Leave {
    Nothing,
    Part,
}

/// The steps of a test, and how often it pushes.
#[derive(Clone, Copy)]
pub(super) struct Pace {
    pub(super) step: Minutes,
    pub(super) period: Minutes,
}

impl Pace {
    /// The first step at or after a minute.
    pub(super) fn step_after(self, minute: Minutes) -> Minutes {
        minute.div_ceil(self.step) * self.step
    }

    /// The first push at or after a minute.
    pub(super) fn push_after(self, minute: Minutes) -> Minutes {
        minute.div_ceil(self.period) * self.period
    }
}

impl<'a> Cases<'a> {
    pub(super) fn new(slo: &'a Slo) -> Self {
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
    pub(super) fn pace(&self, window: Duration) -> Pace {
        let step = step(self.period, self.longest_step(window));
        Pace {
            step,
            period: self.period.max(step),
        }
    }

    /// The longest step with which a window is still seen as one; and with which freshness sees that rules have been evaluated of late.
    fn longest_step(&self, window: Duration) -> Minutes {
        let window = match self.slo.indicator {
            Indicator::Freshness { within } => window.min(within),
            _ => window,
        };
        minutes(window) / 2
    }

    /// The same with two steps or more in a push, so that what counts steps for pushes is noticed.
    pub(super) fn finer(&self, window: Duration) -> Pace {
        let most = self.longest_step(window).min(self.period / 2).max(1);
        let step = step(self.period, most);
        Pace {
            step,
            period: self.period.max(step),
        }
    }

    /// When all alerts fire, of what is bad from the beginning.
    pub(super) fn all_fire(&self, pace: Pace) -> Minutes {
        let end = pace.step_after(self.longest()) + 2 * pace.period;
        let (course, _) = self.course(pace, end, Bad::Share(&|_| 1.0));
        course.first_firing(&self.speeds).unwrap_or(end)
    }

    /// When all alerts fire, of time that is bad from about `from` on.
    pub(super) fn all_fire_of(&self, pace: Pace, from: Minutes, is_bad: &dyn Fn(Minutes) -> bool) -> Minutes {
        let end = pace.step_after(from + self.longest()) + 2 * pace.period;
        let course = Course::of_time(self.slo, pace.step, end, is_bad);
        course.first_firing(&self.speeds).unwrap_or(end)
    }

    fn longest(&self) -> Minutes {
        self.slo.windows().last().map_or(0, |window| minutes(*window))
    }

    /// How long an SLO must have been there for all its alerts to say something.
    pub(super) fn longest_age(&self) -> Minutes {
        let ages = self.rates().filter_map(|rate| least_age(self.slo, rate));
        ages.max().map_or(0, minutes)
    }

    pub(super) fn rates(&self) -> impl Iterator<Item = &'a BurnRate> {
        self.speeds.iter().flat_map(|speed| speed.rates)
    }

    pub(super) fn shortest(&self) -> Duration {
        self.slo.windows().first().copied().unwrap_or_default()
    }

    /// The short window of the slowest rate.
    pub(super) fn slowest(&self) -> Duration {
        self.rates().last().map_or(self.slo.window, |rate| rate.short)
    }

    pub(super) fn threshold(&self, rate: &BurnRate) -> f64 {
        rate.factor * self.slo.error_budget()
    }

    pub(super) fn test(&self, kind: CaseKind, name: &str, end: Minutes, pace: Pace) -> Test {
        Test::new(&self.name, kind, name, end, pace.step)
    }

    /// So many events a push that parts of them are whole numbers, and that they are always enough.
    pub(super) fn volume(&self) -> f64 {
        let least = self.rates().map(|rate| self.threshold(rate)).fold(1.0, f64::min);
        let minimum = match self.slo.indicator {
            Indicator::Ratio { minimum, .. } => minimum,
            Indicator::Threshold { .. } | Indicator::Freshness { .. } => 0.0,
        };
        let whole = 10_f64.powf((1_000.0 / least).log10().ceil());
        VOLUME.max(whole).max((2.0 * minimum).ceil())
    }

    /// What happens, and what becomes of the pushers.
    pub(super) fn course(&self, pace: Pace, end: Minutes, bad: Bad<'_>) -> (Course<'a>, Pusher) {
        self.course_of(pace, end, self.volume(), bad)
    }

    /// The same with so many events a push.
    pub(super) fn course_of(&self, pace: Pace, end: Minutes, volume: f64, bad: Bad<'_>) -> (Course<'a>, Pusher) {
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
                let is_bad = |minute: Minutes| pusher.is_older_than(within, minute, self.period);
                (Course::of_time(self.slo, pace.step, end, &is_bad), pusher)
            }
        }
    }

    /// The series of a course.
    pub(super) fn series(&self, test: &mut Test, course: &Course<'_>, pusher: Pusher, leave: Leave) {
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
                let of_rest = |at: usize| if within { total[at] - of_part(at) } else { total[at] };
                if leave != Leave::Part {
                    series.push((self.series_name(part), values(&of_part)));
                }
                series.push((self.series_name(&whole.rest(part)), values(&of_rest)));
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
        let subject = self.slo.subjects.get(term.subject.0);
        subject.map_or_else(String::new, |subject| {
            subject.series_name(&series_labels(subject, term))
        })
    }

    /// The labels of its series.
    pub(super) fn labels(&self) -> Vec<(String, String)> {
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
    pub(super) fn expect(&self, test: &mut Test, speed: &Speed<'_>, at: Minutes, fires: bool) {
        let matchers = [("alertname", self.name.as_str()), (SPEED_LABEL, speed.name)];
        let fires: Vec<_> = fires.then(|| self.labels()).into_iter().collect();
        test.expect_count(&matchers, at, &fires);
    }

    /// At a minute, neither alert fires, nor is about to.
    pub(super) fn expect_none(&self, test: &mut Test, at: Minutes) {
        test.expect_alerts(&self.name, at, Vec::new());
    }

    /// At a minute, both alerts fire, with all labels and annotations, and everything was bad in their first windows.
    pub(super) fn expect_all(&self, test: &mut Test, at: Minutes) {
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
    pub(super) fn expect_stale(&self, test: &mut Test, at: Minutes, told: Told) {
        if self.slo.depends_on_freshness() {
            test.expect_stale(&self.slo.subjects, &self.slo.team, at, told);
        }
    }

    /// An alert has not fired at any time up to a minute.
    pub(super) fn expect_never(&self, test: &mut Test, speed: &Speed<'_>, end: Minutes) {
        let matchers = [
            ("alertname", self.name.as_str()),
            ("alertstate", "firing"),
            (SPEED_LABEL, speed.name),
        ];
        test.expect_nothing(&format!("count_over_time(ALERTS{}[{end}m])", labels(matchers)), end);
    }
}
