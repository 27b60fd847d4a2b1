//! What happens in a test of an SLO, step by step, and what its alerts must make of it, whichever way windows count their ends.
//!
//! Up to version 2 of Prometheus a window holds what stands at its beginning, and since version 3 it does not. A test therefore asks
//! only at steps at which both agree, and by some distance.

use std::time::Duration;

use super::enough::least_age;
use super::model::{Indicator, Slo};
use super::rules::Speed;
use super::windows::BurnRate;
use crate::alerts::{Minutes, minutes};

/// How far a part may be from what is expected of it.
pub(super) const ABOUT: f64 = 0.05;
/// What is closer to a threshold than this part of it is not asked for.
const DISTANCE: f64 = 0.001;
/// Where each counter begins: so far from 0 that Prometheus does not take their first value for all that there ever was.
const BEGINNING: f64 = 1e12;
/// How many events there must be for a whole number of them to be as good.
const WHOLE: f64 = 1e2;
/// How many times more than it has seen Prometheus may take a counter's increase for, which it extends to the ends of the window.
const EXTENDED: f64 = 2.0;

/// What is bad and what there is at each step.
pub(super) struct Course<'a> {
    slo: &'a Slo,
    step: Minutes,
    counters: bool,
    bad: Vec<f64>,
    total: Vec<f64>,
    /// What each step adds to what was bad and to what there was: of events, at the step that sees their push first.
    added: [Vec<f64>; 2],
    /// Up to and with each step.
    sums: [Vec<f64>; 2],
}

/// How an alert must stand at a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Firing,
    Quiet,
    /// It depends on what no test should depend on.
    Either,
}

/// The minutes from one step of a test to the next: at most so many, and such that pushes fall on steps.
pub(super) fn step(period: Minutes, most: Minutes) -> Minutes {
    let most = most.max(1);
    if period <= most {
        return most - most % period.max(1);
    }
    (1..=most).rev().find(|step| period.is_multiple_of(*step)).unwrap_or(1)
}

impl<'a> Course<'a> {
    /// Of events, so many at each push, of which `share` says what part was bad.
    pub(super) fn of_events(
        slo: &'a Slo,
        (step, period): (Minutes, Minutes),
        end: Minutes,
        volume: &dyn Fn(Minutes) -> f64,
        share: &dyn Fn(Minutes) -> f64,
    ) -> Self {
        let counters = matches!(slo.indicator, Indicator::Ratio { counters: true, .. });
        let mut bad = Vec::new();
        let mut total = Vec::new();
        let mut added = [Vec::new(), Vec::new()];
        let (mut bad_sum, mut total_sum) = (BEGINNING, 2.0 * BEGINNING);
        for minute in steps(step, end) {
            let push = minute - minute % period;
            let all = volume(push);
            let part = share(push);
            // A whole number is shorter to write.
            let failed = match part * all {
                failed if part >= 1.0 || failed < WHOLE => failed,
                failed => failed.round(),
            };
            for (added, events) in added.iter_mut().zip([failed, all]) {
                added.push(if minute == push { events } else { 0.0 });
            }
            if counters {
                if minute == push && minute > 0 {
                    bad_sum += failed;
                    total_sum += all;
                }
                bad.push(bad_sum);
                total.push(total_sum);
            } else {
                bad.push(failed);
                total.push(all);
            }
        }
        Self::new(slo, step, counters, [bad, total], added)
    }

    /// Of time, of which `is_bad` says when it was.
    pub(super) fn of_time(slo: &'a Slo, step: Minutes, end: Minutes, is_bad: &dyn Fn(Minutes) -> bool) -> Self {
        let bad: Vec<_> = steps(step, end)
            .map(|minute| f64::from(u8::from(is_bad(minute))))
            .collect();
        let total = vec![1.0; bad.len()];
        Self::new(slo, step, false, [bad.clone(), total.clone()], [bad, total])
    }

    fn new(slo: &'a Slo, step: Minutes, counters: bool, [bad, total]: [Vec<f64>; 2], added: [Vec<f64>; 2]) -> Self {
        let sums = |values: &Vec<f64>| {
            let mut sum = 0.0;
            let sums = values.iter().map(|value| {
                sum += value;
                sum
            });
            sums.collect()
        };
        Self {
            slo,
            step,
            counters,
            bad,
            total,
            sums: added.each_ref().map(sums),
            added,
        }
    }

    /// The same, with what stands there at a minute standing there for ever.
    pub(super) fn frozen_from(mut self, minute: Minutes) -> Self {
        let from = usize::try_from(minute / self.step).unwrap_or(usize::MAX);
        for values in [&mut self.bad, &mut self.total] {
            if let Some(last) = values.get(from).copied() {
                values[from..].fill(last);
            }
        }
        Self::new(self.slo, self.step, self.counters, [self.bad, self.total], self.added)
    }

    /// What is bad and what there is at each step, as the series have it.
    pub(super) fn samples(&self) -> (&[f64], &[f64]) {
        (&self.bad, &self.total)
    }

    /// The first step of a window; with what stands at its beginning, or without.
    fn first(&self, at: usize, window: Duration, with_beginning: bool) -> usize {
        let window = minutes(window);
        let back = window / self.step;
        let whole = window.is_multiple_of(self.step);
        let count = if whole && !with_beginning {
            back.saturating_sub(1)
        } else {
            back
        };
        at.saturating_sub(usize::try_from(count).unwrap_or(usize::MAX))
    }

    /// The part of what was bad in a window; with what stands at its beginning, or without.
    pub(super) fn ratio(&self, at: usize, window: Duration, with_beginning: bool) -> Option<f64> {
        let first = self.first(at, window, with_beginning);
        let (bad, total) = if self.counters {
            (self.bad[at] - self.bad[first], self.total[at] - self.total[first])
        } else {
            let [bad, total] = [0, 1].map(|which| self.added_since(which, first, at));
            (bad, total)
        };
        (total > 0.0).then(|| bad / total)
    }

    /// The first step at which all of these alerts fire.
    pub(super) fn first_firing(&self, speeds: &[Speed<'_>]) -> Option<Minutes> {
        let firing = |at: &usize| {
            let mut speeds = speeds.iter();
            speeds.all(|speed| self.state_of(*at, speed.rates) == State::Firing)
        };
        let first = (0..self.bad.len()).find(firing)?;
        Some(first as Minutes * self.step)
    }

    /// The same where it hardly matters which way.
    pub(super) fn about(&self, at: usize, window: Duration) -> Option<f64> {
        let [with, without] = [true, false].map(|way| self.ratio(at, window, way));
        let (with, without) = (with?, without?);
        ((with - without).abs() < ABOUT / 2.0).then_some(with)
    }

    /// Whether everything was bad in a window.
    pub(super) fn is_all_bad(&self, at: usize, window: Duration) -> bool {
        [true, false]
            .into_iter()
            .all(|way| self.ratio(at, window, way).is_some_and(|ratio| ratio >= 1.0))
    }

    /// Whether a burn rate is exceeded at a step, with thresholds moved by this part of them.
    fn exceeds(&self, at: usize, rate: &BurnRate, way: bool, moved: f64) -> bool {
        let threshold = rate.factor * self.slo.error_budget() * (1.0 + moved);
        let burns = [rate.short, rate.long]
            .into_iter()
            .all(|window| self.ratio(at, window, way).is_some_and(|ratio| ratio > threshold));
        burns && self.is_enough(at, rate, way, moved) && self.is_old(at, rate)
    }

    /// Whether a long window has seen enough events.
    fn is_enough(&self, at: usize, rate: &BurnRate, way: bool, moved: f64) -> bool {
        let Indicator::Ratio { minimum, .. } = self.slo.indicator else {
            return true;
        };
        let extended = if self.counters && moved < 0.0 { EXTENDED } else { 1.0 };
        self.events(at, rate.long, way) * extended >= minimum
    }

    /// How many events a window has seen.
    pub(super) fn events(&self, at: usize, window: Duration, with_beginning: bool) -> f64 {
        let first = self.first(at, window, with_beginning);
        if self.counters {
            self.total[at] - self.total[first]
        } else {
            self.added_since(1, first, at)
        }
    }

    /// What the steps from `first` to `at` have added: to what was bad, 0, or to what there was, 1.
    fn added_since(&self, which: usize, first: usize, at: usize) -> f64 {
        let sums = &self.sums[which];
        sums[at] - sums[first] + self.added[which][first]
    }

    /// Whether what is measured was there when it must have been.
    fn is_old(&self, at: usize, rate: &BurnRate) -> bool {
        let age = at as u64 * Duration::from_mins(self.step).as_secs();
        least_age(self.slo, rate).is_none_or(|least| least.as_secs() <= age)
    }

    /// How an alert must stand at a step, were it for these burn rates alone.
    pub(super) fn state_of(&self, at: usize, rates: &[BurnRate]) -> State {
        let any = |way, moved| rates.iter().any(|rate| self.exceeds(at, rate, way, moved));
        if [true, false].into_iter().all(|way| any(way, DISTANCE)) {
            State::Firing
        } else if [true, false].into_iter().any(|way| any(way, -DISTANCE)) {
            State::Either
        } else {
            State::Quiet
        }
    }

    /// How an alert must stand at each step.
    pub(super) fn states(&self, speed: &Speed<'_>) -> Vec<State> {
        (0..self.bad.len()).map(|at| self.state_of(at, speed.rates)).collect()
    }

    /// The minutes at which it is worth asking how an alert stands: around where it begins to fire for the first time, and where it ends.
    pub(super) fn turns(&self, speed: &Speed<'_>) -> Vec<(Minutes, bool)> {
        let states = self.states(speed);
        let Some(first) = states.iter().position(|state| *state == State::Firing) else {
            return Vec::new();
        };
        let before = states[..first].iter().rposition(|state| *state == State::Quiet);
        let run = states[first..]
            .iter()
            .take_while(|state| **state == State::Firing)
            .count();
        let after = states[first..]
            .iter()
            .position(|state| *state == State::Quiet)
            .map(|after| first + after);
        let mut turns = vec![(first, true), (first + run - 1, true)];
        turns.extend(before.map(|before| (before, false)));
        turns.extend(after.map(|after| (after, false)));
        turns.sort_unstable();
        turns.dedup();
        turns
            .into_iter()
            .map(|(at, fires)| (at as Minutes * self.step, fires))
            .collect()
    }

    /// Whether an alert is quiet at every step.
    pub(super) fn is_quiet(&self, speed: &Speed<'_>) -> bool {
        self.states(speed).iter().all(|state| *state == State::Quiet)
    }

    /// The part of what was bad in all.
    pub(super) fn whole(&self) -> f64 {
        let last = self.bad.len().saturating_sub(1);
        self.ratio(last, self.slo.window * 2, true).unwrap_or_default()
    }
}

/// The minutes of the steps up to and with the one at or after the end.
pub(super) fn steps(step: Minutes, end: Minutes) -> impl Iterator<Item = Minutes> {
    (0..=end.div_ceil(step.max(1))).map(move |count| count * step)
}
