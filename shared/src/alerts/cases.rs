//! Unit tests for promtool: for each alert what must make it fire, what must leave it quiet, a pusher that died, a metric that
//! fails, and no series at all.
//!
//! Of a short form all of these follow from what it says. Of an expression only its team knows what makes it fire, so those cases
//! are the team's, and the others follow from them.

mod scenario;
mod test;

use std::collections::BTreeSet;

use super::alert::{Alert, Case, Condition, Service};
use super::notation::filled;
use super::rules;
use scenario::{Data, Scenario};

pub(crate) use scenario::{Minutes, minutes, series_labels};
pub(crate) use test::{Expected, Pusher, Test, TestFile, Told, UnitTest};

/// What a test of an alert shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CaseKind {
    /// It fires when it should.
    Firing,
    /// It does not when it should not.
    Quiet,
    /// It does not on what a dead pusher has left behind, and the metric's own alert does.
    Stale,
    /// Nor on what a metric that fails has left behind.
    Failing,
    /// What it does when there are no series.
    Missing,
}

impl CaseKind {
    /// Those that every alert must have.
    pub(super) const DEMANDED: [Self; 5] = [Self::Firing, Self::Quiet, Self::Stale, Self::Failing, Self::Missing];

    /// In words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Quiet => "quiet",
            Self::Stale => "stale pusher",
            Self::Failing => "failing metric",
            Self::Missing => "missing series",
        }
    }
}

/// The tests of all alerts of a service.
pub(super) fn of_service(service: &Service) -> Vec<UnitTest> {
    service.alerts.iter().flat_map(of_alert).collect()
}

/// The tests of an alert.
pub(super) fn of_alert(alert: &Alert) -> Vec<UnitTest> {
    let mut tests = match Scenario::of(alert) {
        Some(scenario) => generated(alert, &scenario),
        None => derived(alert),
    };
    tests.extend(alert.cases.iter().map(|case| own(alert, case)));
    tests
}

/// The tests of a short form.
fn generated(alert: &Alert, scenario: &Scenario<'_>) -> Vec<UnitTest> {
    let Scenario {
        turn,
        fires,
        death,
        step,
        ..
    } = *scenario;
    let mut tests = Vec::new();
    let subjects = &alert.subjects;

    let mut firing = Test::new(&alert.name, CaseKind::Firing, "", fires, step);
    firing.series(scenario.series(Data::BadFrom(turn), firing.end()));
    firing.pushers(subjects, Pusher::Alive);
    expect(&mut firing, alert, scenario.before, None);
    expect(&mut firing, alert, fires, Some(scenario));
    firing.expect_stale(subjects, &alert.team, fires, Told::Nothing);
    tests.push(firing);

    let mut quiet = Test::new(&alert.name, CaseKind::Quiet, "", fires, step);
    quiet.series(scenario.series(Data::Good, quiet.end()));
    quiet.pushers(subjects, Pusher::Alive);
    for at in BTreeSet::from([turn, fires]) {
        expect(&mut quiet, alert, at, None);
    }
    quiet.expect_stale(subjects, &alert.team, fires, Told::Nothing);
    tests.push(quiet);

    for (data, name) in scenario.also_quiet() {
        let mut quiet = Test::new(&alert.name, CaseKind::Quiet, name, fires, step);
        quiet.series(scenario.series(data, quiet.end()));
        quiet.pushers(subjects, Pusher::Alive);
        expect(&mut quiet, alert, fires, None);
        tests.push(quiet);
    }
    for (data, name) in scenario.also_firing() {
        let mut firing = Test::new(&alert.name, CaseKind::Firing, name, fires, step);
        firing.series(scenario.series(data, firing.end()));
        firing.pushers(subjects, Pusher::Alive);
        expect(&mut firing, alert, fires, Some(scenario));
        tests.push(firing);
    }

    let blind = death + scenario.limit + step;
    let told = blind + scenario.longest + step;
    let end = told.max(death + scenario.window + scenario.hold + step);
    for (kind, pusher) in [
        (CaseKind::Stale, Pusher::DiesAt(death)),
        (CaseKind::Failing, Pusher::FailsFrom(death)),
    ] {
        let mut test = Test::new(&alert.name, kind, "", end, step);
        test.series(scenario.series(Data::FrozenBadFrom(death), test.end()));
        test.pushers(subjects, pusher);
        for at in BTreeSet::from([blind, told, end]) {
            expect(&mut test, alert, at, None);
        }
        test.expect_stale(subjects, &alert.team, told, Told::Firing);
        tests.push(test);
    }

    let mut missing = Test::new(&alert.name, CaseKind::Missing, "", fires, step);
    missing.pushers(subjects, Pusher::Alive);
    let tells = matches!(alert.condition, Condition::Absent { .. });
    expect(&mut missing, alert, fires, tells.then_some(scenario));
    missing.expect_stale(subjects, &alert.team, fires, Told::Nothing);
    tests.push(missing);
    tests.into_iter().map(Test::finish).collect()
}

/// The tests of an expression that follow from the team's own first case that fires.
fn derived(alert: &Alert) -> Vec<UnitTest> {
    let subjects = &alert.subjects;
    let Some(case) = alert.cases.iter().find(|case| !case.fires.is_empty()) else {
        return Vec::new();
    };
    let at = minutes(case.at);
    let mut tests = Vec::new();
    for (kind, pusher) in [
        (CaseKind::Stale, Pusher::Dead),
        (CaseKind::Failing, Pusher::FailsFrom(0)),
    ] {
        // A metric that fails has been made in none of the last runs, and at the beginning there are none.
        let mut test = Test::new(&alert.name, kind, "", at, 1);
        test.written(&case.series);
        test.pushers(&alert.subjects, pusher);
        test.expect_count(&by_name(alert), at, &[]);
        test.expect_stale(subjects, &alert.team, at, Told::Pending);
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
        test.expect_count(&by_name(alert), at, &[]);
        tests.push(test);
    }
    tests.into_iter().map(Test::finish).collect()
}

/// A test of the team's own, with pushers that live.
fn own(alert: &Alert, case: &Case) -> UnitTest {
    let kind = match (case.series.is_empty(), case.fires.is_empty()) {
        (true, _) => CaseKind::Missing,
        (false, true) => CaseKind::Quiet,
        (false, false) => CaseKind::Firing,
    };
    let at = minutes(case.at);
    let mut test = Test::new(&alert.name, kind, &case.name, at, 1);
    test.written(&case.series);
    test.pushers(&alert.subjects, Pusher::Alive);
    test.expect_count(&by_name(alert), at, &case.fires);
    test.finish()
}

/// The matchers of an alert's name.
fn by_name(alert: &Alert) -> [(&str, &str); 1] {
    [("alertname", alert.name.as_str())]
}

/// At a minute, the alert fires as the scenario says, or not at all.
fn expect(test: &mut Test, alert: &Alert, at: Minutes, scenario: Option<&Scenario<'_>>) {
    let Some(scenario) = scenario else {
        test.expect_alerts(&alert.name, at, Vec::new());
        return;
    };
    let series = scenario.labels();
    let Some(value) = scenario.value() else {
        // What it prints for its value depends on roundings, so its annotations are not compared.
        test.expect_count(&by_name(alert), at, &[series]);
        return;
    };
    let description = filled(&alert.description, &series, value);
    let mut exp_labels: std::collections::BTreeMap<_, _> = series.into_iter().collect();
    exp_labels.extend(rules::labels(alert));
    let expected = Expected {
        exp_labels,
        exp_annotations: rules::annotations(&description, &alert.handbook),
    };
    test.expect_alerts(&alert.name, at, vec![expected]);
}
