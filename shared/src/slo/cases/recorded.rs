//! Tests of what is recorded: how long each window is, and that each series has its labels.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::course::Course;
use super::super::enough::{PUSHED, events_of};
use super::super::model::{Indicator, LABELS, Slo};
use super::super::rules::{BAD_NOW, TOTAL_NOW, WINDOW_LABEL};
use super::stage::{Bad, Cases, Leave, Pace};
use crate::alerts::{CaseKind, Minutes, Test, borrowed, duration, labels, labels_of, minutes};

/// The least steps of a window in a test of its length.
const STEPS: u64 = 6;
/// How far from each other two ways to see a window may be, as parts of what they see, for a test to ask.
const APART: f64 = 0.3;
/// How much further off than either of them may be what is recorded.
const ROUNDED: f64 = 0.02;

impl Cases<'_> {
    /// All is bad from some time on: half a window later half of each window was, and more than a window later all of it.
    pub(super) fn windows(&self) -> Vec<Test> {
        let shortest = self.shortest();
        let paces = [self.finer(shortest), self.pace(shortest)];
        let paces = paces.into_iter().chain(self.rates().map(|rate| self.pace(rate.short)));
        let paces: Vec<Pace> = paces.collect();
        let pace_of = |window: &Duration| {
            let fits = paces.iter().filter(|pace| pace.step * STEPS <= minutes(*window));
            let finest = paces.iter().min_by_key(|pace| pace.step);
            fits.max_by_key(|pace| pace.step).or(finest).copied()
        };
        let windows = self.slo.windows();
        let steps: BTreeSet<_> = windows.iter().filter_map(pace_of).map(|pace| pace.step).collect();
        let tests = steps.into_iter().filter_map(|step| {
            let of_step = |window: &Duration| pace_of(window).is_some_and(|pace| pace.step == step);
            let windows: Vec<_> = windows.iter().copied().filter(of_step).collect();
            let pace = paces.iter().find(|pace| pace.step == step)?;
            self.windows_at(*pace, &windows)
        });
        tests.collect()
    }

    fn windows_at(&self, pace: Pace, windows: &[Duration]) -> Option<Test> {
        let longest = minutes(*windows.last()?);
        let from = pace.push_after(longest + pace.step);
        let end = pace.step_after(from + longest * 5 / 4) + pace.step;
        let (course, pusher) = self.course(pace, end, Bad::During(from, end + pace.period));
        let turns: Vec<_> = self.speeds.iter().map(|speed| course.turns(speed)).collect();
        let fires = turns.iter().any(|turns| !turns.is_empty());
        let kind = if fires { CaseKind::Firing } else { CaseKind::Quiet };
        let names: Vec<_> = windows.iter().map(|window| duration(*window)).collect();
        let name = format!("half of {}", names.join(", of "));
        let mut test = self.test(kind, &name, end, pace);
        self.series(&mut test, &course, pusher, Leave::Nothing);
        for (speed, turns) in self.speeds.iter().zip(turns) {
            self.expect(&mut test, speed, from - pace.step, false);
            for (at, fires) in turns {
                self.expect(&mut test, speed, at, fires);
            }
        }
        for window in windows {
            // Half of it is bad, and then all of it and some before it.
            for after in [minutes(*window) / 2, minutes(*window) * 5 / 4] {
                self.expect_window(&mut test, &course, *window, pace.step_after(from + after), pace);
            }
        }
        let now = self.now();
        for metric in now {
            test.expect_value(&format!("count({})", self.recorded(metric, None)), from, 1.0);
        }
        if now.contains(&TOTAL_NOW) {
            test.expect_value(&format!("count({})", self.recorded(PUSHED, None)), from, 1.0);
        }
        Some(test)
    }

    fn expect_window(&self, test: &mut Test, course: &Course<'_>, window: Duration, at: Minutes, pace: Pace) {
        let index = usize::try_from(at / pace.step).unwrap_or(usize::MAX);
        let mut expect = |metric: &str, [one, other]: [f64; 2]| {
            let (middle, apart) = (f64::midpoint(one, other), (one - other).abs() / 2.0);
            if middle <= 0.0 || apart / middle > APART {
                return;
            }
            let series = self.recorded(metric, Some(window));
            let far = apart / middle + ROUNDED;
            test.expect_value(
                &format!("abs(sum({series}) / {middle:.6} - 1) < bool {far:.3}"),
                at,
                1.0,
            );
        };
        if let [Some(one), Some(other)] = [true, false].map(|way| course.ratio(index, window, way)) {
            expect(&Slo::error_ratio(window), [one, other]);
        }
        let gauges = matches!(self.slo.indicator, Indicator::Ratio { counters: false, .. });
        if gauges && self.rates().any(|rate| rate.long == window) {
            expect(
                &events_of(window),
                [true, false].map(|way| course.events(index, window, way)),
            );
        }
    }

    /// What is recorded at each evaluation while it is fresh.
    pub(super) fn now(&self) -> &'static [&'static str] {
        match self.slo.indicator {
            Indicator::Ratio { counters: true, .. } => &[],
            Indicator::Ratio { .. } => &[BAD_NOW, TOTAL_NOW],
            Indicator::Threshold { .. } | Indicator::Freshness { .. } => &[BAD_NOW],
        }
    }

    /// A series that is recorded, with all its labels; those by which the SLO is kept apart included.
    pub(super) fn recorded(&self, metric: &str, window: Option<Duration>) -> String {
        let mut own = self.labels();
        own.extend(window.map(|window| (WINDOW_LABEL.to_owned(), duration(window))));
        format!("{metric}{}", labels_of(&own))
    }

    /// The same of what all of an SLO has in common, with further labels.
    pub(super) fn common(&self, metric: &str, more: &[(&str, &str)]) -> String {
        let own = self.labels();
        let own = borrowed(&own).filter(|(name, _)| LABELS.contains(name));
        format!("{metric}{}", labels(own.chain(more.iter().copied())))
    }
}
