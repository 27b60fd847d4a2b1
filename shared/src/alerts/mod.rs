//! Alerts as code: what a configuration says of them becomes Prometheus' rules, and unit tests that prove each rule.
//!
//! Nothing here does I/O. [`Alert`]s come resolved from the configuration; [`expression`] writes their PromQL with the gate that
//! keeps a dead pusher from looking like bad news; [`rules`] and [`cases`] make the files that Prometheus and promtool read, and
//! [`proof`] holds the one against the other, since promtool is content with a test that names no rule.

mod alert;
mod build;
mod cases;
mod expression;
mod freshness;
mod notation;
mod proof;
mod rules;
mod series;
#[cfg(test)]
mod tests;

pub use alert::{
    Alert, Case, Comparison, Condition, Environment, Selection, Service, Severity, Subject, SubjectId, Term,
};
pub use build::{BuildError, BuiltFile, HEAD, build, parts};
pub use cases::CaseKind;
pub use freshness::Freshness;
pub use proof::Unproved;

pub(crate) use cases::{Expected, Minutes, Pusher, Test, Told, UnitTest, minutes, series_labels};
pub(crate) use expression::{compared, gate, of_alert, selected, selector, self_labels, sign};
pub(crate) use notation::{borrowed, duration, filled, is_template_of, labels, labels_of, number, quoted, templates};
pub(crate) use rules::{Group, OWN_LABELS, Rule, STALE, alerts_of, annotations, own_labels};
pub(crate) use series::Sample;
