//! The tests of the alerts that tell of stale metrics: all of a service fire to the letter when nothing was ever pushed, when all pushers
//! die, and when all metrics fail.

use std::collections::{BTreeMap, BTreeSet};

use super::super::alert::{Service, Subject};
use super::super::rules::{STALE, Stale, annotations};
use super::CaseKind;
use super::file::{Expected, UnitTest};
use super::pusher::Pusher;
use super::scenario::{Blindness, Minutes, Scenario, minutes, step};
use super::test::Test;

/// The tests of a service's alerts of stale metrics; those of what is pushed rarely have tests of their own, with longer steps.
pub(crate) fn of_stale(service: &Service) -> Vec<UnitTest> {
    let all = Stale::of(service);
    let mut by_step: BTreeMap<Minutes, Vec<&Stale<'_>>> = BTreeMap::new();
    for stale in &all {
        let freshness = stale.subject.freshness;
        let step = step(minutes(freshness.longest), [minutes(freshness.limit()), 0, 0]);
        by_step.entry(step).or_default().push(stale);
    }
    let tests = by_step.into_iter().flat_map(|(step, own)| {
        let stage = Stage { all: &all, own, step };
        [stage.nothing(), stage.all_die(), stage.all_fail()]
    });
    tests.map(Test::finish).collect()
}

struct Stage<'a> {
    /// The alerts of the service.
    all: &'a [Stale<'a>],
    /// Those of them that fire in these tests.
    own: Vec<&'a Stale<'a>>,
    step: Minutes,
}

/// An alert, and when it has not fired yet and when it must have.
struct Firing<'a> {
    stale: &'a Stale<'a>,
    not_yet: Minutes,
    at: Minutes,
}

impl Stage<'_> {
    /// Nothing was ever pushed.
    fn nothing(&self) -> Test {
        let fires: Vec<_> = self.all.iter().map(|stale| self.after(stale, 0, 0)).collect();
        let asked = self.own.iter().map(|stale| minutes(stale.subject.freshness.longest));
        let asked: BTreeSet<_> = asked.flat_map(|fires| [fires - self.step, fires]).collect();
        let end = asked.last().copied().unwrap_or_default();
        let mut test = Test::new(STALE, CaseKind::Missing, "nothing was ever pushed", end, self.step);
        expect(&mut test, &fires, asked);
        test
    }

    /// All pushers die.
    fn all_die(&self) -> Test {
        let death = self.later();
        self.blind(CaseKind::Stale, Pusher::DiesAt(death), |subject| {
            let period = minutes(subject.freshness.longest);
            let Blindness { stale, .. } = Blindness::by_death(subject, death - death % period, self.step);
            (stale, stale)
        })
    }

    /// All metrics fail.
    fn all_fail(&self) -> Test {
        let from = self.later();
        self.blind(CaseKind::Failing, Pusher::FailsFrom(from), |subject| {
            let Blindness { fresh, stale } = Blindness::by_failing(subject, from, self.step);
            (fresh + self.step, stale)
        })
    }

    /// A time by which all have pushed more than once.
    fn later(&self) -> Minutes {
        let periods = self.own.iter().map(|stale| minutes(stale.subject.freshness.longest));
        let longest = periods.max().unwrap_or(1);
        Scenario::push_after(2 * longest, self.step)
    }

    /// All of these are blind, from a step at the earliest and another at the latest.
    fn blind(&self, kind: CaseKind, pusher: Pusher, blind: impl Fn(&Subject) -> (Minutes, Minutes)) -> Test {
        let fires = self.own.iter().map(|stale| {
            let (earliest, latest) = blind(stale.subject);
            self.after(stale, earliest, latest)
        });
        let fires: Vec<_> = fires.collect();
        let asked: BTreeSet<_> = fires.iter().flat_map(|fires| [fires.not_yet, fires.at]).collect();
        let end = asked.last().copied().unwrap_or_default();
        let mut test = Test::new(STALE, kind, "", end, self.step);
        for stale in self.all {
            let is_own = self.own.iter().any(|own| own.subject == stale.subject);
            let pusher = if is_own { pusher } else { Pusher::Alive };
            test.pushers(std::slice::from_ref(stale.subject), pusher);
        }
        expect(&mut test, &fires, asked);
        test
    }

    /// When it fires that is blind from a step at the earliest and another at the latest.
    fn after<'a>(&self, stale: &'a Stale<'a>, earliest: Minutes, latest: Minutes) -> Firing<'a> {
        let hold = Scenario::push_after(minutes(stale.subject.freshness.longest), self.step);
        Firing {
            stale,
            not_yet: (earliest + hold).saturating_sub(self.step),
            at: latest + hold,
        }
    }
}

/// At each of these minutes at which it is known of all of them, exactly those fire that must.
fn expect(test: &mut Test, all: &[Firing<'_>], asked: BTreeSet<Minutes>) {
    for at in asked {
        if all.iter().any(|one| one.not_yet < at && at < one.at) {
            continue;
        }
        let firing = all.iter().filter(|one| one.at <= at);
        let expected = firing.map(|Firing { stale, .. }| Expected {
            exp_labels: stale.labels(),
            exp_annotations: annotations(&stale.description(), stale.handbook),
        });
        test.expect_alerts(STALE, at, expected.collect());
    }
}
