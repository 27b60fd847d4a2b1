//! Which warning says nothing while which critical alert fires.
//!
//! An SLO's slow alert is silent while its fast one fires. Any other warning's critical alert is the one of the same team that asks the same of the same series with a harder threshold, window
//! or minimum. Of an expression that cannot be told, and no two expressions inhibit each other.

use serde::Serialize;

use super::configuration::matcher;
use crate::alerts::{Alert, Condition, Environment, Selection, Severity, Subject, Term};
use crate::slo::{LABELS, PAGE, SPEED_LABEL, Slo, TICKET};

/// A rule of inhibition, as Alertmanager reads it.
#[derive(Debug, Serialize)]
pub(super) struct Inhibition {
    source_matchers: Vec<String>,
    target_matchers: Vec<String>,
    /// The labels that both have alike; those that both lack are alike.
    equal: Vec<String>,
}

/// The inhibitions of an environment.
pub(super) fn of(environment: &Environment) -> Vec<Inhibition> {
    let alerts = || environment.services.iter().flat_map(|service| &service.alerts);
    let of_severity = |severity: Severity| alerts().filter(move |alert| alert.severity == severity);
    let mut inhibitions = Vec::new();
    for critical in of_severity(Severity::Critical) {
        for warning in of_severity(Severity::Warning) {
            if critical.team == warning.team && asks_the_same(critical, warning) {
                inhibitions.push(Inhibition {
                    source_matchers: matchers(critical),
                    target_matchers: matchers(warning),
                    equal: labels(critical),
                });
            }
        }
    }
    inhibitions.extend(environment.slos().map(of_slo));
    inhibitions
}

/// Whoever is paged because a budget burns fast need not hear as well that it burns slowly.
fn of_slo(slo: &Slo) -> Inhibition {
    let matchers = |speed: &str| vec![matcher("alertname", &slo.alert_name()), matcher(SPEED_LABEL, speed)];
    let labels = LABELS.iter().map(ToString::to_string);
    Inhibition {
        source_matchers: matchers(PAGE),
        target_matchers: matchers(TICKET),
        equal: labels.chain(slo.by.iter().cloned()).collect(),
    }
}

fn matchers(alert: &Alert) -> Vec<String> {
    vec![
        matcher("alertname", &alert.name),
        matcher("severity", alert.severity.name()),
        matcher("team", &alert.team),
    ]
}

/// Whether two alerts differ in nothing but how bad it must be, and for how long.
pub(crate) fn asks_the_same(one: &Alert, other: &Alert) -> bool {
    let term = |a: &Term, b: &Term| {
        let named = |alert: &'_ Alert, term: &Term| {
            let subject = alert.subjects.get(term.subject.0);
            subject.map(|Subject { metric, job, .. }| (metric.clone(), job.clone()))
        };
        named(one, a) == named(other, b) && a.filters == b.filters
    };
    let selection = |a: &Selection, b: &Selection| term(&a.term, &b.term) && a.by == b.by;
    match (&one.condition, &other.condition) {
        (
            Condition::Compare { value, comparison, .. },
            Condition::Compare {
                value: other,
                comparison: side,
                ..
            },
        ) => selection(value, other) && comparison == side,
        (Condition::NoIncrease { value, .. }, Condition::NoIncrease { value: other, .. }) => selection(value, other),
        (Condition::Absent { term: one, .. }, Condition::Absent { term: other, .. }) => term(one, other),
        (
            Condition::Ratio {
                part,
                whole,
                by,
                comparison,
                ..
            },
            Condition::Ratio {
                part: other_part,
                whole: other_whole,
                by: other_by,
                comparison: side,
                ..
            },
        ) => term(part, other_part) && term(whole, other_whole) && by == other_by && comparison == side,
        _ => false,
    }
}

/// The labels by which an alert's series are told apart.
fn labels(alert: &Alert) -> Vec<String> {
    let of_series = || alert.subjects.first().into_iter().flat_map(Subject::labels);
    let mut labels: Vec<String> = match &alert.condition {
        Condition::Compare { value, .. } | Condition::NoIncrease { value, .. } => value
            .by
            .clone()
            .unwrap_or_else(|| of_series().map(|(label, _)| label.to_owned()).collect()),
        Condition::Ratio { by, .. } => by.clone(),
        // Both say that there are none.
        Condition::Absent { .. } | Condition::Expression { .. } => Vec::new(),
    };
    labels.sort();
    labels.dedup();
    labels
}
