//! What of an expression fires in a case of the team's own, to the letter, where that follows from what the team says of it.

use std::collections::BTreeMap;

use super::super::alert::{Alert, Case, Condition, Subject};
use super::super::notation::{VALUE_TEMPLATE, filled, templates};
use super::super::rules;
use super::test::Expected;
use crate::promql::{self, Limits};

/// What gives series labels that they are not known by, or takes some away.
const CHANGES_LABELS: [&str; 8] = [
    "label_replace",
    "label_join",
    "count_values",
    "histogram",
    "group_left",
    "group_right",
    "info",
    "fill",
];

type Labels = BTreeMap<String, String>;

/// The alerts of a case with all labels and annotations; `None` where the team alone knows them: of an expression that changes labels, of
/// one that reads metrics which no job pushes, of series that cannot be told apart, and of a description that prints the value.
pub(super) fn expected(alert: &Alert, case: &Case) -> Option<Vec<Expected>> {
    let Condition::Expression {
        promql,
        tells_of_absence: false,
    } = &alert.condition
    else {
        return None;
    };
    let changes_labels = CHANGES_LABELS.iter().any(|word| promql.contains(word));
    if changes_labels || templates(&alert.description).ok()?.contains(&VALUE_TEMPLATE) {
        return None;
    }
    let tree = promql::parse(promql, &Limits::default()).ok()?;
    let subject = |metric: &str| alert.subjects.iter().find(|subject| subject.metric == metric);
    let readings = tree.readings();
    let known = |reading: &promql::Reading| {
        reading
            .metric
            .as_deref()
            .is_some_and(|metric| subject(metric).is_some())
    };
    if !readings.iter().all(known) {
        return None;
    }
    let series: Vec<Labels> = case
        .series
        .iter()
        .map(|(name, _)| labels(name))
        .collect::<Option<_>>()?;
    let names = alert.subjects.iter().flat_map(Subject::labels).map(|(name, _)| name);
    let keeps = |name: &&str| {
        tree.keeps(name, &|metric| {
            metric.and_then(subject).is_some_and(|subject| subject.has(name))
        })
    };
    let mut kept: Vec<_> = names.filter(keeps).collect();
    kept.sort_unstable();
    kept.dedup();
    let fires = case.fires.iter().map(|given| {
        let fits = |labels: &&Labels| given.iter().all(|(name, value)| labels.get(name) == Some(value));
        let fitting: Vec<_> = series.iter().filter(fits).collect();
        let first = fitting.first()?;
        let is_told = |name: &&str| fitting.iter().all(|labels| labels.get(*name) == first.get(*name));
        if !kept.iter().all(is_told) {
            return None;
        }
        let own = kept
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), first.get(*name)?.clone())));
        let own: Vec<_> = own.collect();
        let description = filled(&alert.description, &own, 0.0);
        Some(Expected {
            exp_labels: own.into_iter().chain(rules::labels(alert)).collect(),
            exp_annotations: rules::annotations(&description, &alert.handbook),
        })
    });
    fires.collect()
}

/// The labels of a series as a case names it.
fn labels(name: &str) -> Option<Labels> {
    let tree = promql::parse(name, &Limits::default()).ok()?;
    let matchers = tree.readings().pop()?.matchers.into_iter();
    let pairs = matchers.map(|matcher| Some((matcher.label, matcher.equals.filter(|value| !value.is_empty())?)));
    pairs.collect()
}
