//! The tests of an expression: what makes it fire only its team knows, so those are the team's own, and the others follow from them.

use super::super::alert::{Alert, Case, Condition};
use super::super::rules;
use super::file::UnitTest;
use super::pusher::Pusher;
use super::scenario::{Minutes, minutes, signed};
use super::test::{Test, Told};
use super::{CaseKind, blinded, fired};

/// The tests that follow from the team's own first case that fires.
pub(super) fn derived(alert: &Alert) -> Vec<UnitTest> {
    let Some(case) = alert.cases.iter().find(|case| !case.fires.is_empty()) else {
        return Vec::new();
    };
    let at = minutes(case.at);
    let mut tests = vec![fresh(alert, case, at)];
    for blinded in blinded(&alert.subjects) {
        let limit = blinded.subject.freshness.limit().as_secs() / 60;
        let pusher = match blinded.kind {
            CaseKind::Failing => Pusher::FailsFrom(at.saturating_sub(limit)),
            _ => Pusher::Last {
                at: back(at, limit + 1),
                seen_from: 0,
                fails_from: Minutes::MAX,
            },
        };
        let mut test = Test::new(&alert.name, blinded.kind, &blinded.name, at, 1);
        test.written(&case.series);
        test.pushers(&blinded.seeing, Pusher::Alive);
        test.pushers(&blinded.blind, pusher);
        test.expect_none(&alert.name, at);
        test.expect_stale(&blinded.blind, &alert.team, at, Told::Pending);
        test.expect_stale(&blinded.seeing, &alert.team, at, Told::Nothing);
        tests.push(test);
    }
    let tells = matches!(
        alert.condition,
        Condition::Expression {
            tells_of_absence: true,
            ..
        }
    );
    if !tells {
        let mut test = Test::new(&alert.name, CaseKind::Missing, "", at, 1);
        test.pushers(&alert.subjects, Pusher::Alive);
        test.expect_never(&alert.name, at);
        tests.push(test);
    }
    tests.into_iter().map(Test::finish).collect()
}

/// It fires as soon as what it reads has been fresh for as long as it must hold, and as long as that is fresh: it has been true at least
/// since then, or it would not fire in the team's own case.
fn fresh(alert: &Alert, case: &Case, at: Minutes) -> Test {
    let name = "as soon and as long as it is fresh";
    let mut test = Test::new(&alert.name, CaseKind::Firing, name, at, 1);
    test.written(&case.series);
    for subject in &alert.subjects {
        let last = back(at, subject.freshness.limit().as_secs() / 60);
        // What was made for the last time a minute later, or at the first, is still within the window, whichever way that counts its ends.
        let pusher = Pusher::Last {
            at: last,
            seen_from: at.saturating_sub(minutes(alert.hold)),
            fails_from: Minutes::try_from(last + 2).unwrap_or_default().max(1),
        };
        test.pushers(std::slice::from_ref(subject), pusher);
    }
    if let Some(before) = at.checked_sub(1) {
        test.expect_alerts(&alert.name, before, Vec::new());
    }
    expect(&mut test, alert, case, at);
    test
}

/// At a minute, what the case says fires: to the letter where that is known, and otherwise by the labels that it and the rule give.
fn expect(test: &mut Test, alert: &Alert, case: &Case, at: Minutes) {
    match fired::expected(alert, case) {
        Some(expected) => test.expect_alerts(&alert.name, at, expected),
        None => test.expect_count(&[("alertname", &alert.name)], at, &with_own(alert, case)),
    }
}

/// A minute so many minutes before another, and perhaps before the first.
fn back(at: Minutes, minutes: Minutes) -> i64 {
    signed(at) - signed(minutes)
}

/// A test of the team's own, with pushers that live.
pub(super) fn own(alert: &Alert, case: &Case) -> UnitTest {
    let kind = match (case.series.is_empty(), case.fires.is_empty()) {
        (true, _) => CaseKind::Missing,
        (false, true) => CaseKind::Quiet,
        (false, false) => CaseKind::Firing,
    };
    let at = minutes(case.at);
    let mut test = Test::new(&alert.name, kind, &case.name, at, 1);
    test.written(&case.series);
    test.pushers(&alert.subjects, Pusher::Alive);
    expect(&mut test, alert, case, at);
    test.finish()
}

/// The labels of what fires in a case, with those that the rule gives.
fn with_own(alert: &Alert, case: &Case) -> Vec<Vec<(String, String)>> {
    let own = rules::labels(alert);
    let fires = case.fires.iter().map(|given| {
        let is_given = |name: &String| given.iter().any(|(label, _)| label == name);
        let own = own.iter().filter(|(name, _)| !is_given(name));
        let own = own.map(|(name, value)| (name.clone(), value.clone()));
        given.iter().cloned().chain(own).collect()
    });
    fires.collect()
}
