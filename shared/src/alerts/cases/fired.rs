//! What of an expression fires in a case of the team's own, to the letter, where that follows from what the team says of it.

use std::collections::{BTreeMap, BTreeSet};

use super::super::alert::{Alert, Case, Condition, Subject};
use super::super::notation::{VALUE_TEMPLATE, filled, templates};
use super::super::rules;
use super::file::Expected;
use crate::promql::{self, Limits};

type Labels = BTreeMap<String, String>;

/// The alerts of a case with all labels and annotations; `None` where the team alone knows them: of an expression that changes labels, of
/// one that reads metrics which no job pushes, of series that cannot be told apart, and of a description that prints the value.
pub(super) fn expected(alert: &Alert, case: &Case) -> Option<Vec<Expected>> {
    if templates(&alert.description).ok()?.contains(&VALUE_TEMPLATE) {
        return None;
    }
    let kept = kept(alert)?;
    let series = case.series.iter().map(|(name, _)| labels(name));
    let series: Vec<Labels> = series.collect::<Option<_>>()?;
    let fires = case.fires.iter().map(|given| {
        let own = told(given, &series, &kept)?;
        let description = filled(&alert.description, &own, 0.0);
        Some(Expected {
            exp_labels: own.into_iter().chain(rules::labels(alert)).collect(),
            exp_annotations: rules::annotations(&description, &alert.handbook),
        })
    });
    fires.collect()
}

/// The labels of an alert's metrics that what fires has too; `None` where it may have others.
fn kept(alert: &Alert) -> Option<Vec<&str>> {
    let Condition::Expression {
        promql,
        tells_of_absence: false,
    } = &alert.condition
    else {
        return None;
    };
    let tree = promql::parse(promql, &Limits::default()).ok()?;
    let subject = |metric: Option<&str>| alert.subjects.iter().find(|subject| metric == Some(&subject.metric));
    let is_known = |reading: &promql::Reading| subject(reading.metric.as_deref()).is_some();
    if tree.may_change_labels() || !tree.readings().iter().all(is_known) {
        return None;
    }
    let keeps = |name: &&str| tree.keeps(name, &|metric| subject(metric).is_some_and(|subject| subject.has(name)));
    let names = alert.subjects.iter().flat_map(Subject::labels).map(|(name, _)| name);
    let kept: BTreeSet<_> = names.filter(keeps).collect();
    Some(kept.into_iter().collect())
}

/// The kept labels of the series that have what is given of one that fires; `None` where these differ, or where there are none.
fn told(given: &[(String, String)], series: &[Labels], kept: &[&str]) -> Option<Vec<(String, String)>> {
    let fits = |labels: &&Labels| given.iter().all(|(name, value)| labels.get(name) == Some(value));
    let mut fitting = series.iter().filter(fits).map(|labels| {
        let own = kept
            .iter()
            .map(|name| Some(((*name).to_owned(), labels.get(*name)?.clone())));
        own.flatten().collect::<Vec<_>>()
    });
    let first = fitting.next()?;
    fitting.all(|other| other == first).then_some(first)
}

/// The labels of a series as a case names it.
fn labels(name: &str) -> Option<Labels> {
    let tree = promql::parse(name, &Limits::default()).ok()?;
    let matchers = tree.readings().pop()?.matchers.into_iter();
    let pairs = matchers.map(|matcher| Some((matcher.label, matcher.equals.filter(|value| !value.is_empty())?)));
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::super::tests::{alert, subject};
    use super::*;

    /// The labels beside the rule's own of what a case expects to fire on some series for `os: ios`.
    fn labels_of(
        promql: &str,
        tells_of_absence: bool,
        description: &str,
        series: &[&str],
    ) -> Option<Vec<(String, String)>> {
        let mut alert = alert(Condition::Expression {
            promql: promql.to_owned(),
            tells_of_absence,
        });
        description.clone_into(&mut alert.description);
        alert.subjects.push(Subject {
            metric: "user_info".to_owned(),
            ..subject()
        });
        let series = series.iter().map(|name| ((*name).to_owned(), "0x9".to_owned()));
        let case = Case {
            name: "none".to_owned(),
            series: series.collect(),
            at: Duration::from_mins(5),
            fires: vec![vec![("os".to_owned(), "ios".to_owned())]],
        };
        let fired = expected(&alert, &case)?.pop()?;
        let of_rule: BTreeMap<_, _> = rules::labels(&alert).into_iter().collect();
        let own = fired
            .exp_labels
            .into_iter()
            .filter(|(name, _)| !of_rule.contains_key(name));
        Some(own.collect())
    }

    #[test]
    fn what_fires_is_known_where_the_expression_and_the_series_tell_it() {
        const IOS: &str = "leads{os=\"ios\",cluster=\"blue\"}";
        const GREEN: &str = "leads{os=\"ios\",cluster=\"green\"}";
        const WITHOUT: &str = "None of {{ $labels.os }}.";
        let both = Some("cluster=blue os=ios");
        for (promql, tells, description, series, expected) in [
            ("leads == 0", false, WITHOUT, &[IOS][..], both),
            ("user_info == 0 # no info to fill in", false, WITHOUT, &[IOS], both),
            ("leads == 0", false, WITHOUT, &[IOS, "leads{os=\"android\"}"], both),
            ("sum by (os) (leads) == 0", false, WITHOUT, &[IOS], Some("os=ios")),
            (
                "sum by (os) (leads) == 0",
                false,
                WITHOUT,
                &[IOS, GREEN],
                Some("os=ios"),
            ),
            ("leads == 0", false, WITHOUT, &[IOS, GREEN], None),
            ("leads == 0", false, WITHOUT, &["leads{os=\"android\"}"], None),
            ("leads == 0", false, WITHOUT, &["leads{os=~\"ios\"}"], None),
            ("leads == 0", false, "{{ $value }} leads", &[IOS], None),
            ("leads == 0", true, WITHOUT, &[IOS], None),
            ("leads == 0 and on () others", false, WITHOUT, &[IOS], None),
            ("info(leads) == 0", false, WITHOUT, &[IOS], None),
            ("leads * on (os) group_left leads", false, WITHOUT, &[IOS], None),
        ] {
            let labels = labels_of(promql, tells, description, series).map(|labels| {
                let pairs: Vec<_> = labels
                    .into_iter()
                    .map(|(name, value)| format!("{name}={value}"))
                    .collect();
                pairs.join(" ")
            });
            assert_eq!(labels.as_deref(), expected, "{promql}, {description}, {series:?}");
        }
    }
}
