//! One unit test that is being put together: its series, and what is expected of the alerts.

use std::collections::BTreeMap;

use super::super::alert::Subject;
use super::super::notation::{borrowed, labels, labels_of};
use super::super::rules::STALE;
use super::super::series::{Sample, notation};
use super::CaseKind;
use super::file::{AlertTest, Expected, ExpectedSample, ExpressionTest, Group, Input, UnitTest};
use super::pusher::{Pusher, strangers};
use super::scenario::Minutes;
use crate::collect::self_metrics::{JOB_LABEL, METRIC_LABEL};

/// What is told of a metric that is stale.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// Nothing, and nothing is about to be.
    Nothing,
    /// At least that it will be told soon.
    Pending,
    /// That it is.
    Firing,
}

/// A test that is being put together.
pub(crate) struct Test {
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
    /// A test of the alert of this name.
    pub(crate) fn new(alert: &str, kind: CaseKind, name: &str, end: Minutes, step: Minutes) -> Self {
        let colon = if name.is_empty() { "" } else { ": " };
        Self {
            alert: alert.to_owned(),
            kind,
            name: format!("{alert}: {}{colon}{name}", kind.name()),
            end,
            step,
            inputs: BTreeMap::new(),
            alerts: Vec::new(),
            expressions: Vec::new(),
        }
    }

    /// Series, each with its samples.
    pub(crate) fn series(&mut self, series: impl IntoIterator<Item = (String, Vec<Sample>)>) {
        let written = series.into_iter().map(|(series, samples)| (series, notation(&samples)));
        self.inputs.extend(written);
    }

    /// Series in promtool's own notation.
    pub(crate) fn written(&mut self, series: &[(String, String)]) {
        self.inputs.extend(series.iter().cloned());
    }

    /// The self-metrics of the jobs that push some metrics.
    pub(crate) fn pushers(&mut self, subjects: &[Subject], pusher: Pusher) {
        for subject in subjects {
            self.series(pusher.series(subject, self.end, self.step));
        }
    }

    /// The self-metrics of other jobs and metrics than these, with which nothing is wrong.
    pub(crate) fn strangers(&mut self, subjects: &[Subject]) {
        for subject in subjects {
            self.series(strangers(subject, self.end, self.step));
        }
    }

    /// At a minute, alerts of this name fire as expected, to the letter.
    pub(crate) fn expect_alerts(&mut self, name: &str, at: Minutes, exp_alerts: Vec<Expected>) {
        self.alerts.push(AlertTest {
            eval_time: format!("{at}m"),
            alertname: name.to_owned(),
            exp_alerts,
        });
    }

    /// At a minute, one alert fires for each of these sets of labels, and no other; all sets have the same labels. `matchers` say which
    /// alerts are meant.
    pub(crate) fn expect_count(&mut self, matchers: &[(&str, &str)], at: Minutes, fires: &[Vec<(String, String)>]) {
        let firing = matchers.iter().copied().chain([("alertstate", "firing")]);
        let firing = format!("ALERTS{}", labels(firing));
        let by: Vec<_> = fires
            .first()
            .into_iter()
            .flatten()
            .map(|(name, _)| name.as_str())
            .collect();
        let samples = fires.iter().map(|fires| ExpectedSample {
            labels: braces(labels_of(fires)),
            value: 1.0,
        });
        self.expression(
            &format!("count by ({}) ({firing})", by.join(", ")),
            at,
            samples.collect(),
        );
    }

    /// At a minute, there is an alert with exactly these labels, or one that waits to fire; and no other of its name.
    pub(crate) fn expect_state(&mut self, name: &str, at: Minutes, alert_labels: &[(String, String)], fires: bool) {
        let state = if fires { "firing" } else { "pending" };
        let pairs = [("alertname", name), ("alertstate", state)].into_iter();
        let sample = ExpectedSample {
            labels: format!("ALERTS{}", labels(pairs.chain(borrowed(alert_labels)))),
            value: 1.0,
        };
        self.expression(&format!("ALERTS{}", labels([("alertname", name)])), at, vec![sample]);
    }

    /// At a minute, there is an alert with exactly these labels, which fires or waits to; and no other of its name.
    pub(crate) fn expect_either_state(&mut self, name: &str, at: Minutes, alert_labels: &[(String, String)]) {
        let sample = ExpectedSample {
            labels: labels([("alertname", name)].into_iter().chain(borrowed(alert_labels))),
            value: 1.0,
        };
        let alerts = labels([("alertname", name)]);
        self.expression(
            &format!("count without (alertstate) (ALERTS{alerts})"),
            at,
            vec![sample],
        );
    }

    /// At a minute, no alert of this name fires or waits to.
    pub(crate) fn expect_none(&mut self, name: &str, at: Minutes) {
        self.expect_nothing(&format!("ALERTS{}", labels([("alertname", name)])), at);
    }

    /// Up to and with a minute, no alert of this name has fired or waited to.
    pub(crate) fn expect_never(&mut self, name: &str, until: Minutes) {
        let all = until + self.step;
        let alerts = labels([("alertname", name)]);
        self.expect_nothing(&format!("count_over_time(ALERTS{alerts}[{all}m])"), until);
    }

    /// By a minute, an alert of this name has waited for so long before it fired.
    pub(crate) fn expect_waited(&mut self, name: &str, at: Minutes, hold: Minutes) {
        let all = at + self.step;
        let alerts = labels([("alertname", name), ("alertstate", "pending")]);
        let waited = format!("sum(count_over_time(ALERTS{alerts}[{all}m]))");
        if hold == 0 {
            self.expect_nothing(&waited, at);
        } else {
            self.expect_value(&waited, at, hold.div_ceil(self.step) as f64);
        }
    }

    /// At a minute, an expression has this value and no labels.
    pub(crate) fn expect_value(&mut self, expr: &str, at: Minutes, value: f64) {
        let labels = NO_LABELS.to_owned();
        self.expression(expr, at, vec![ExpectedSample { labels, value }]);
    }

    /// At a minute, an expression has no value.
    pub(crate) fn expect_nothing(&mut self, expr: &str, at: Minutes) {
        self.expression(expr, at, Vec::new());
    }

    /// At a minute, this is told of the metrics that the alert reads.
    pub(crate) fn expect_stale(&mut self, subjects: &[Subject], team: &str, at: Minutes, told: Told) {
        for subject in subjects {
            let told_apart = [
                (JOB_LABEL, subject.job.as_str()),
                (METRIC_LABEL, subject.metric.as_str()),
            ];
            let state = (told == Told::Firing).then_some(("alertstate", "firing"));
            let matchers = [("alertname", STALE), ("team", team)];
            let matchers = labels(matchers.into_iter().chain(state).chain(told_apart));
            let samples = (told != Told::Nothing).then(|| ExpectedSample {
                labels: labels(told_apart),
                value: 1.0,
            });
            self.expression(
                &format!("count by ({JOB_LABEL}, {METRIC_LABEL}) (ALERTS{matchers})"),
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

    pub(crate) fn finish(self) -> UnitTest {
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

/// As promtool reads that there are none.
const NO_LABELS: &str = "{}";

fn braces(labels: String) -> String {
    if labels.is_empty() {
        NO_LABELS.to_owned()
    } else {
        labels
    }
}
