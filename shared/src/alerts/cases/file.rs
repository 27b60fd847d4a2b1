//! The file of unit tests that promtool reads.

use std::collections::BTreeMap;

use serde::Serialize;

use super::CaseKind;
use super::scenario::Minutes;

/// A file of unit tests, as promtool reads it.
#[derive(Debug, Serialize)]
pub(crate) struct TestFile {
    rule_files: Vec<String>,
    evaluation_interval: String,
    tests: Vec<Group>,
}

/// A test, and what it is for.
#[derive(Debug)]
pub(crate) struct UnitTest {
    pub(crate) alert: String,
    pub(crate) kind: CaseKind,
    /// The minutes from one value to the next.
    pub(crate) step: Minutes,
    pub(crate) group: Group,
}

/// A test, as promtool reads it.
#[derive(Debug, Serialize)]
pub(crate) struct Group {
    pub(super) name: String,
    pub(super) interval: String,
    pub(super) input_series: Vec<Input>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) alert_rule_test: Vec<AlertTest>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) promql_expr_test: Vec<ExpressionTest>,
}

#[derive(Debug, Serialize)]
pub(super) struct Input {
    pub(super) series: String,
    pub(super) values: String,
}

impl Group {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

/// Which alerts of a name fire, to the letter.
#[derive(Debug, Serialize)]
pub(crate) struct AlertTest {
    pub(super) eval_time: String,
    pub(crate) alertname: String,
    pub(crate) exp_alerts: Vec<Expected>,
}

/// An alert that fires, to the letter.
#[derive(Debug, Serialize)]
pub(crate) struct Expected {
    pub(crate) exp_labels: BTreeMap<String, String>,
    pub(crate) exp_annotations: BTreeMap<String, String>,
}

/// How many alerts fire, told apart by some labels.
#[derive(Debug, Serialize)]
pub(crate) struct ExpressionTest {
    pub(crate) expr: String,
    pub(super) eval_time: String,
    pub(crate) exp_samples: Vec<ExpectedSample>,
}

/// An alert that fires, to the letter.
#[derive(Debug, Serialize)]
pub(crate) struct ExpectedSample {
    pub(super) labels: String,
    pub(super) value: f64,
}

impl TestFile {
    pub(crate) fn new(rule_files: Vec<String>, step: Minutes, tests: Vec<UnitTest>) -> Self {
        Self {
            rule_files,
            evaluation_interval: format!("{step}m"),
            tests: tests.into_iter().map(|test| test.group).collect(),
        }
    }
}
