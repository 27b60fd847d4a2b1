//! The PromQL of an alert: its condition, and the gate that is open only while what it reads is fresh.
//!
//! A Pushgateway keeps what was pushed for ever, so a dead pusher looks like a business that stands still. Every alert therefore
//! holds only while the newest push of each metric that it reads is not too old and the metric has been made in one of the last
//! runs. Exactly when it is not, the metric's own alert fires instead.

use std::time::Duration;

use super::alert::{Alert, Comparison, Condition, Selection, Subject, Term};
use super::notation::{borrowed, duration, labels, number};
use crate::collect::self_metrics::{JOB_LABEL, METRIC_LABEL, METRIC_UP, SCHEDULED};

/// An alert's expression as it stands in the rule.
pub(crate) fn of_alert(alert: &Alert) -> String {
    let mut text = condition(&alert.subjects, &alert.condition);
    if matches!(alert.condition, Condition::Expression { .. }) {
        // On lines of its own, so that a comment at its end ends with it.
        text = format!("(\n{text}\n)");
    }
    text += &gate(&alert.subjects);
    text
}

/// What stands behind an expression that holds only while all of these metrics are fresh.
pub(crate) fn gate(subjects: &[Subject]) -> String {
    let fresh = subjects
        .iter()
        .flat_map(|subject| fresh(subject, subject.freshness.limit()));
    let mut terms: Vec<String> = Vec::new();
    for fresh in fresh {
        let term = format!("\nand on () {fresh}");
        // Metrics of one job share its pushes.
        if !terms.contains(&term) {
            terms.push(term);
        }
    }
    terms.concat()
}

/// The expression of the alert that tells that a metric is stale: what is left when no gate is open.
pub(super) fn stale(subject: &Subject) -> String {
    let [age, made] = fresh(subject, subject.freshness.limit());
    format!("vector(1) unless on () (\n  {age}\n  and on () {made}\n)")
}

/// What holds while a metric is fresh: its last push is young enough, and it has been made in one of the runs of that time.
fn fresh(subject: &Subject, limit: Duration) -> [String; 2] {
    let scheduled = format!("{SCHEDULED}{}", labels(self_labels(subject)));
    let metric = [(METRIC_LABEL, subject.metric.as_str())];
    let made = format!("{METRIC_UP}{}", labels(self_labels(subject).chain(metric)));
    [
        format!("time() - max({scheduled}) <= {}", limit.as_secs()),
        format!("max(max_over_time({made}[{}])) == 1", duration(limit)),
    ]
}

/// The labels of the self-metrics of a metric's job.
pub(crate) fn self_labels(subject: &Subject) -> impl Iterator<Item = (&str, &str)> {
    [(JOB_LABEL, subject.job.as_str())]
        .into_iter()
        .chain(borrowed(&subject.grouping))
}

/// What an alert holds against a threshold, as it can be drawn beside it: without the threshold, the gate and the least whole.
pub(crate) fn compared(alert: &Alert) -> Option<(String, Comparison, f64)> {
    match &alert.condition {
        Condition::Compare {
            value,
            comparison,
            threshold,
        } => {
            let value = selected(&alert.subjects, value, |series| series);
            Some((value, *comparison, *threshold))
        }
        Condition::Ratio {
            part,
            whole,
            by,
            window,
            comparison,
            threshold,
            ..
        } => {
            let sum = |term: &Term| summed(&alert.subjects, term, by, *window);
            Some((quotient(&sum(part), &sum(whole)), *comparison, *threshold))
        }
        Condition::Expression { .. } | Condition::Absent { .. } | Condition::NoIncrease { .. } => None,
    }
}

/// The condition of an alert, without its gate.
fn condition(subjects: &[Subject], condition: &Condition) -> String {
    match condition {
        Condition::Expression { promql, .. } => promql.trim_end().to_owned(),
        Condition::Compare {
            value,
            comparison,
            threshold,
        } => format!(
            "{} {} {}",
            selected(subjects, value, |series| series),
            sign(*comparison),
            number(*threshold)
        ),
        Condition::Absent { term, window } => {
            format!("absent_over_time({}[{}])", selector(subjects, term), duration(*window))
        }
        Condition::NoIncrease { value, window } => {
            let window = duration(*window);
            let increase = selected(subjects, value, |series| format!("increase({series}[{window}])"));
            // A counter that is younger than the window has not stood still for the whole of it; and one that rose where nobody looked has not,
            // though what was seen of it since is all the same.
            let now = selected(subjects, value, |series| series);
            let before = selected(subjects, value, |series| format!("{series} offset {window}"));
            format!("{increase} == 0 and {now} == {before}")
        }
        Condition::Ratio {
            part,
            whole,
            by,
            window,
            minimum,
            comparison,
            threshold,
        } => {
            let sum = |term: &Term| summed(subjects, term, by, *window);
            let whole = sum(whole);
            format!(
                "{} {} {}\nand {whole} >= {}",
                quotient(&sum(part), &whole),
                sign(*comparison),
                number(*threshold),
                number(*minimum)
            )
        }
    }
}

pub(crate) fn sign(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Below => "<",
        Comparison::Above => ">",
    }
}

/// The series of a term added up; counters over a window.
fn summed(subjects: &[Subject], term: &Term, by: &[String], window: Option<Duration>) -> String {
    let selection = Selection {
        term: term.clone(),
        by: Some(by.to_owned()),
    };
    // Counters are looked at apart: a rate of one by the other has no meaning between two pushes.
    selected(subjects, &selection, |series| match window {
        Some(window) => format!("increase({series}[{}])", duration(window)),
        None => series,
    })
}

/// A part of a whole; no series of the part count as 0.
fn quotient(part: &str, whole: &str) -> String {
    format!("({part} or {whole} * 0)\n  / {whole}")
}

/// The series of a selection, each as `read` has it, added up where it says so.
pub(crate) fn selected(subjects: &[Subject], selection: &Selection, read: impl Fn(String) -> String) -> String {
    let series = read(selector(subjects, &selection.term));
    match &selection.by {
        None => series,
        Some(by) if by.is_empty() => format!("sum({series})"),
        Some(by) => format!("sum by ({}) ({series})", by.join(", ")),
    }
}

pub(crate) fn selector(subjects: &[Subject], term: &Term) -> String {
    let Some(subject) = subjects.get(term.subject.0) else {
        return String::new();
    };
    let matchers = matchers(subject, term);
    format!(
        "{}{}",
        subject.metric,
        labels(matchers.iter().map(|(name, value)| (*name, *value)))
    )
}

/// The equality matchers of a term's selector.
pub(crate) fn matchers<'a>(subject: &'a Subject, term: &'a Term) -> Vec<(&'a str, &'a str)> {
    let job = [("job", subject.job.as_str())];
    job.into_iter()
        .chain(borrowed(&subject.grouping))
        .chain(borrowed(&term.filters))
        .collect()
}
