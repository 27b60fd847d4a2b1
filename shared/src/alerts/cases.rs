//! Unit tests for promtool: for each alert what must make it fire, what must leave it quiet, a pusher that died, a metric that
//! fails, and no series at all.
//!
//! Of a short form all of these follow from what it says. Of an expression only its team knows what makes it fire, so those cases
//! are the team's, and the others follow from them.

mod scenario;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::alert::{Alert, Case, Condition, Service, Subject};
use super::expression::self_labels;
use super::notation::{filled, labels};
use super::rules::{self, STALE};
use super::series::{Sample, each_step, notation};
use crate::collect::self_metrics::{JOB_LABEL, METRIC_UP, SCHEDULED};
use scenario::{Data, Minutes, Scenario, minutes};

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

/// A file of unit tests, as promtool reads it.
#[derive(Debug, Serialize)]
pub(super) struct TestFile {
    rule_files: Vec<String>,
    evaluation_interval: String,
    tests: Vec<Group>,
}

/// A test, and what it is for.
#[derive(Debug)]
pub(super) struct UnitTest {
    pub(super) alert: String,
    pub(super) kind: CaseKind,
    /// The minutes from one value to the next.
    pub(super) step: Minutes,
    pub(super) group: Group,
}

#[derive(Debug, Serialize)]
pub(super) struct Group {
    name: String,
    interval: String,
    input_series: Vec<Input>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) alert_rule_test: Vec<AlertTest>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) promql_expr_test: Vec<ExpressionTest>,
}

#[derive(Debug, Serialize)]
struct Input {
    series: String,
    values: String,
}

impl Group {
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

/// Which alerts of a name fire, to the letter.
#[derive(Debug, Serialize)]
pub(super) struct AlertTest {
    eval_time: String,
    pub(super) alertname: String,
    pub(super) exp_alerts: Vec<Expected>,
}

#[derive(Debug, Serialize)]
pub(super) struct Expected {
    exp_labels: BTreeMap<String, String>,
    exp_annotations: BTreeMap<String, String>,
}

/// How many alerts fire, told apart by some labels.
#[derive(Debug, Serialize)]
pub(super) struct ExpressionTest {
    pub(super) expr: String,
    eval_time: String,
    pub(super) exp_samples: Vec<ExpectedSample>,
}

#[derive(Debug, Serialize)]
pub(super) struct ExpectedSample {
    labels: String,
    value: f64,
}

impl TestFile {
    pub(super) fn new(rule_file: &str, step: Minutes, tests: Vec<UnitTest>) -> Self {
        Self {
            rule_files: vec![rule_file.to_owned()],
            evaluation_interval: format!("{step}m"),
            tests: tests.into_iter().map(|test| test.group).collect(),
        }
    }
}

/// The tests of all alerts of a service.
pub(super) fn of_service(service: &Service) -> Vec<UnitTest> {
    service.alerts.iter().flat_map(of_alert).collect()
}

fn of_alert(alert: &Alert) -> Vec<UnitTest> {
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

    let mut firing = Test::new(alert, CaseKind::Firing, "", fires, step);
    firing.data(scenario, Data::BadFrom(turn));
    firing.pushers(subjects, Pusher::Alive);
    firing.expect(alert, scenario.before, None);
    firing.expect(alert, fires, Some(scenario));
    firing.expect_stale(alert, fires, Told::Nothing);
    tests.push(firing);

    let mut quiet = Test::new(alert, CaseKind::Quiet, "", fires, step);
    quiet.data(scenario, Data::Good);
    quiet.pushers(subjects, Pusher::Alive);
    for at in BTreeSet::from([turn, fires]) {
        quiet.expect(alert, at, None);
    }
    quiet.expect_stale(alert, fires, Told::Nothing);
    tests.push(quiet);

    for (data, name) in scenario.also_quiet() {
        let mut quiet = Test::new(alert, CaseKind::Quiet, name, fires, step);
        quiet.data(scenario, data);
        quiet.pushers(subjects, Pusher::Alive);
        quiet.expect(alert, fires, None);
        tests.push(quiet);
    }
    for (data, name) in scenario.also_firing() {
        let mut firing = Test::new(alert, CaseKind::Firing, name, fires, step);
        firing.data(scenario, data);
        firing.pushers(subjects, Pusher::Alive);
        firing.expect(alert, fires, Some(scenario));
        tests.push(firing);
    }

    let blind = death + scenario.limit + step;
    let told = blind + scenario.longest + step;
    let end = told.max(death + scenario.window + scenario.hold + step);
    for (kind, pusher) in [
        (CaseKind::Stale, Pusher::DiesAt(death)),
        (CaseKind::Failing, Pusher::FailsFrom(death)),
    ] {
        let mut test = Test::new(alert, kind, "", end, step);
        test.data(scenario, Data::FrozenBadFrom(death));
        test.pushers(subjects, pusher);
        for at in BTreeSet::from([blind, told, end]) {
            test.expect(alert, at, None);
        }
        test.expect_stale(alert, told, Told::Firing);
        tests.push(test);
    }

    let mut missing = Test::new(alert, CaseKind::Missing, "", fires, step);
    missing.pushers(subjects, Pusher::Alive);
    let tells = matches!(alert.condition, Condition::Absent { .. });
    missing.expect(alert, fires, tells.then_some(scenario));
    missing.expect_stale(alert, fires, Told::Nothing);
    tests.push(missing);
    tests.into_iter().map(Test::finish).collect()
}

/// The tests of an expression that follow from the team's own first case that fires.
fn derived(alert: &Alert) -> Vec<UnitTest> {
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
        let mut test = Test::new(alert, kind, "", at, 1);
        test.inputs.extend(case.series.iter().cloned());
        test.pushers(&alert.subjects, pusher);
        test.expect_count(alert, at, &[]);
        test.expect_stale(alert, at, Told::Pending);
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
        let mut test = Test::new(alert, CaseKind::Missing, "", at, 1);
        test.pushers(&alert.subjects, Pusher::Alive);
        test.expect_count(alert, at, &[]);
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
    let mut test = Test::new(alert, kind, &case.name, at, 1);
    test.inputs.extend(case.series.iter().cloned());
    test.pushers(&alert.subjects, Pusher::Alive);
    test.expect_count(alert, at, &case.fires);
    test.finish()
}

/// What is told of a metric that is stale.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    /// Nothing, and nothing is about to be.
    Nothing,
    /// At least that it will be told soon.
    Pending,
    /// That it is.
    Firing,
}

/// What becomes of what pushes.
#[derive(Clone, Copy)]
enum Pusher {
    /// It pushes whenever it should.
    Alive,
    /// It has pushed for the last time at this minute.
    DiesAt(Minutes),
    /// It has been dead since long before the first minute.
    Dead,
    /// From this minute on, the metrics cannot be made.
    FailsFrom(Minutes),
}

/// A test that is being put together.
struct Test {
    alert: String,
    kind: CaseKind,
    name: String,
    end: Minutes,
    step: Minutes,
    /// Each series once: two metrics of one job share a pusher.
    inputs: BTreeMap<String, String>,
    alerts: Vec<AlertTest>,
    expressions: Vec<ExpressionTest>,
}

impl Test {
    fn new(alert: &Alert, kind: CaseKind, name: &str, end: Minutes, step: Minutes) -> Self {
        let colon = if name.is_empty() { "" } else { ": " };
        Self {
            alert: alert.name.clone(),
            kind,
            name: format!("{}: {}{colon}{name}", alert.name, kind.name()),
            end,
            step,
            inputs: BTreeMap::new(),
            alerts: Vec::new(),
            expressions: Vec::new(),
        }
    }

    fn data(&mut self, scenario: &Scenario<'_>, data: Data) {
        let series = scenario.series(data, self.end);
        self.inputs
            .extend(series.into_iter().map(|(series, samples)| (series, notation(&samples))));
    }

    fn pushers(&mut self, subjects: &[Subject], pusher: Pusher) {
        for subject in subjects {
            let period = minutes(subject.freshness.longest);
            let limit = minutes(subject.freshness.limit());
            let scheduled = each_step(self.end, self.step, |minute| {
                let last = match pusher {
                    Pusher::DiesAt(death) => minute.min(death),
                    Pusher::Alive | Pusher::Dead | Pusher::FailsFrom(_) => minute,
                };
                let pushed = (last - last % period) as f64 * 60.0;
                Sample::Value(match pusher {
                    Pusher::Dead => -60.0 * (limit + 1) as f64,
                    _ => pushed,
                })
            });
            let made = each_step(self.end, self.step, |minute| match pusher {
                Pusher::FailsFrom(from) if minute >= from => Sample::Value(0.0),
                _ => Sample::Value(1.0),
            });
            let group = || [("job", "fanlight")].into_iter().chain(self_labels(subject));
            let metric = [("metric", subject.metric.as_str())];
            self.inputs
                .insert(format!("{SCHEDULED}{}", labels(group())), notation(&scheduled));
            self.inputs
                .insert(format!("{METRIC_UP}{}", labels(group().chain(metric))), notation(&made));
        }
    }

    /// At a minute, the alert fires as the scenario says, or not at all.
    fn expect(&mut self, alert: &Alert, at: Minutes, scenario: Option<&Scenario<'_>>) {
        let Some(scenario) = scenario else {
            self.alerts.push(alert_test(alert, at, Vec::new()));
            return;
        };
        let series = scenario.labels();
        let Some(value) = scenario.value() else {
            // What it prints for its value depends on roundings, so its annotations are not compared.
            self.expect_count(alert, at, &[series]);
            return;
        };
        let description = filled(&alert.description, &series, value);
        let mut exp_labels: BTreeMap<_, _> = series.into_iter().collect();
        exp_labels.extend(rules::labels(alert));
        let expected = Expected {
            exp_labels,
            exp_annotations: rules::annotations(&description, &alert.handbook),
        };
        self.alerts.push(alert_test(alert, at, vec![expected]));
    }

    /// At a minute, one alert fires for each of these sets of labels, and no other; all sets have the same labels.
    fn expect_count(&mut self, alert: &Alert, at: Minutes, fires: &[Vec<(String, String)>]) {
        let firing = format!(
            "ALERTS{}",
            labels([("alertname", alert.name.as_str()), ("alertstate", "firing")])
        );
        let by: Vec<_> = fires
            .first()
            .into_iter()
            .flatten()
            .map(|(name, _)| name.as_str())
            .collect();
        let samples = fires.iter().map(|fires| ExpectedSample {
            labels: braces(&labels(
                fires.iter().map(|(name, value)| (name.as_str(), value.as_str())),
            )),
            value: 1.0,
        });
        self.expression(
            &format!("count by ({}) ({firing})", by.join(", ")),
            at,
            samples.collect(),
        );
    }

    /// At a minute, this is told of the metrics that the alert reads.
    fn expect_stale(&mut self, alert: &Alert, at: Minutes, told: Told) {
        for subject in &alert.subjects {
            let told_apart = [(JOB_LABEL, subject.job.as_str()), ("metric", subject.metric.as_str())];
            let state = (told == Told::Firing).then_some(("alertstate", "firing"));
            let matchers = [("alertname", STALE), ("team", alert.team.as_str())];
            let matchers = labels(matchers.into_iter().chain(state).chain(told_apart));
            let samples = (told != Told::Nothing).then(|| ExpectedSample {
                labels: labels(told_apart),
                value: 1.0,
            });
            self.expression(
                &format!("count by ({JOB_LABEL}, metric) (ALERTS{matchers})"),
                at,
                samples.into_iter().collect(),
            );
        }
    }

    /// promtool tells of an expression that fails and not of its test, so the test's name stands in a comment.
    fn expression(&mut self, expr: &str, at: Minutes, exp_samples: Vec<ExpectedSample>) {
        let name = self.name.replace(char::is_control, " ");
        self.expressions.push(ExpressionTest {
            expr: format!("{expr} # {name}"),
            eval_time: format!("{at}m"),
            exp_samples,
        });
    }

    fn finish(self) -> UnitTest {
        let inputs = self.inputs.into_iter();
        UnitTest {
            alert: self.alert,
            kind: self.kind,
            step: self.step,
            group: Group {
                name: self.name,
                interval: format!("{}m", self.step),
                input_series: inputs.map(|(series, values)| Input { series, values }).collect(),
                alert_rule_test: self.alerts,
                promql_expr_test: self.expressions,
            },
        }
    }
}

fn alert_test(alert: &Alert, at: Minutes, exp_alerts: Vec<Expected>) -> AlertTest {
    AlertTest {
        eval_time: format!("{at}m"),
        alertname: alert.name.clone(),
        exp_alerts,
    }
}

/// promtool reads no labels as `{}`.
fn braces(labels: &str) -> String {
    if labels.is_empty() {
        "{}".to_owned()
    } else {
        labels.to_owned()
    }
}
