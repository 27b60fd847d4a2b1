//! Test cases of a team's own: series completed by the labels that the job always adds, and checked for names.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use super::fields::yields;
use super::values::{NotValues, Values};
use super::{Declared, Teller};
use crate::alerts::{Alert, Case, Condition, OWN_LABELS, Subject, duration};
use crate::config::document::{AlertSpec, CaseSpec, DurationText};
use crate::config::folder::File;
use crate::config::read::{Entry, Mapping};
use crate::promql::{self, Limits};
use crate::suggest;

const MAX_CASES: usize = 50;
/// For how many minutes Prometheus certainly goes on with a value that nothing follows: of the five, the last is gone in its version 3.
const LOOKBACK: u64 = 4;

pub(super) fn resolve(teller: &mut Teller<'_>, declared: &Declared<'_, AlertSpec>, alert: &Alert) -> Option<Vec<Case>> {
    let mut cases = Vec::new();
    let mut names = BTreeSet::new();
    let mut right = true;
    if let Some((file, entry)) = declared.field(|spec| &spec.tests) {
        if entry.get()?.len() > MAX_CASES {
            let message = format!("an alert has at most {MAX_CASES} test cases");
            teller.mistake(file, &entry.span, message, "remove some");
            return None;
        }
        for entry in entry.get()? {
            // A mistake in one does not hide those in the others.
            let Some(case) = case(teller, file, entry, alert) else {
                right = false;
                continue;
            };
            if !names.insert(case.name.clone()) {
                let message = format!("the test case `{}` is given twice", case.name);
                teller.mistake(file, &entry.span, message, "rename one of them");
            }
            cases.push(case);
        }
    }
    if !right {
        return None;
    }
    if let Condition::Expression { tells_of_absence, .. } = alert.condition {
        demand(teller, declared, &cases, tells_of_absence);
    }
    Some(cases)
}

/// What makes an expression fire, only its team knows.
fn demand(teller: &mut Teller<'_>, declared: &Declared<'_, AlertSpec>, cases: &[Case], tells_of_absence: bool) {
    let lacks = |is: fn(&Case) -> bool| !cases.iter().any(is);
    let lacking = [
        (
            lacks(|case| !case.series.is_empty() && !case.fires.is_empty()),
            "with `series` in which it fires",
            "{name: .., series: {'metric{label=\"x\"}': '5x60 0x60'}, at: 2h, fires: [{label: x}]}",
        ),
        (
            lacks(|case| !case.series.is_empty() && case.fires.is_empty()),
            "with `series` in which it does not (`fires: []`)",
            "{name: .., series: {'metric{label=\"x\"}': '5x120'}, at: 2h, fires: []}",
        ),
        (
            tells_of_absence && lacks(|case| case.series.is_empty()),
            "without any `series`, since it may fire for want of them",
            "{name: .., series: {}, at: 2h, fires: [{}]}",
        ),
    ];
    let lacking: Vec<_> = lacking
        .iter()
        .filter(|(lacks, ..)| *lacks)
        .map(|(_, what, example)| (*what, *example))
        .collect();
    let (lacking, examples): (Vec<_>, Vec<_>) = lacking.into_iter().unzip();
    if lacking.is_empty() {
        return;
    }
    let (file, span) = match (
        declared.field(|spec| &spec.tests),
        declared.field(|spec| &spec.expression),
    ) {
        (Some((file, tests)), _) => (file, tests.span.clone()),
        (None, Some((file, expression))) => (file, expression.span.clone()),
        (None, None) => declared.place(),
    };
    let message = format!(
        "the expression of `{}` has no test case {}",
        declared.name,
        lacking.join(", and none ")
    );
    let help = format!("add it: `tests: [{}]`", examples.join(", "));
    teller.mistake(file, &span, message, help);
}

fn case(teller: &mut Teller<'_>, file: &File, entry: &Entry<CaseSpec>, alert: &Alert) -> Option<Case> {
    let spec = entry.get()?;
    let (Some(name), Some(at), Some(fires)) = (&spec.name, &spec.at, &spec.fires) else {
        let message = "a test case has a `name`, the time `at` which it is looked at, and what `fires` then";
        teller.mistake(
            file,
            &entry.span,
            message,
            "add what is lacking; `fires: []` is nothing",
        );
        return None;
    };
    let DurationText(time) = *at.get()?;
    if time.as_secs() % 60 != 0 || time.subsec_nanos() != 0 {
        teller.mistake(
            file,
            &at.span,
            "the test has one value a minute, and no time between",
            "write whole minutes",
        );
    }
    let series = spec
        .series
        .iter()
        .filter_map(Entry::get)
        .flat_map(|Mapping(entries)| entries);
    let series = series
        .map(|(key, values)| {
            let text = key.get()?;
            check_values(teller, file, text, values, time)?;
            // On one line, which promtool asks for.
            let values: Vec<_> = values.get()?.split_ascii_whitespace().collect();
            Some((series_name(teller, file, &key.span, text, alert)?, values.join(" ")))
        })
        .collect::<Vec<_>>();
    Some(Case {
        name: name.get()?.clone(),
        series: series.into_iter().collect::<Option<_>>()?,
        at: time,
        fires: fired(teller, file, fires, alert)?,
    })
}

/// Values that promtool reads, and of which one is there to be looked at.
fn check_values(
    teller: &mut Teller<'_>,
    file: &File,
    series: &str,
    entry: &Entry<String>,
    time: Duration,
) -> Option<()> {
    let text = entry.get()?;
    let help = "write them as promtool does, one a minute: '5x60 0x60' is 61 times 5, then 61 times 0; `_` is none, `stale` the end";
    let values = match Values::read(text) {
        Ok(values) if values.length == 0 => {
            teller.mistake(file, &entry.span, format!("`{series}` has no values"), help);
            return None;
        }
        Ok(values) => values,
        Err(NotValues { range, message }) => {
            teller.mistake(file, &file.part(entry, &range), message, help);
            return None;
        }
    };
    // What a job pushes does not end by itself, and what Prometheus makes of the end depends on its version.
    let minute = time.as_secs() / 60;
    if values.has_ended() || minute < values.length + LOOKBACK {
        return Some(());
    }
    let message = format!(
        "`{series}` has no value any more when the test looks at it, at {}: the last is that of minute {}",
        duration(time),
        values.length - 1
    );
    let help = format!(
        "let its last value go on, as `{}`; or write `stale` behind it, if it is to be gone by then",
        values.continued(minute)
    );
    teller.mistake(file, &entry.span, message, help);
    None
}

/// A series as the job pushes it: with the labels that it always adds.
fn series_name(teller: &mut Teller<'_>, file: &File, span: &Range<usize>, text: &str, alert: &Alert) -> Option<String> {
    let help = "write it as `metric{label=\"value\"}`";
    let tree = match promql::parse(text, &Limits::default()) {
        Ok(tree) if tree.is_selector() => tree,
        Ok(_) => {
            teller.mistake(file, span, format!("`{text}` is not a series"), help);
            return None;
        }
        Err(error) => {
            teller.mistake(file, span, format!("`{text}` is not a series: {error}"), help);
            return None;
        }
    };
    let reading = tree.readings().pop()?;
    let name = reading.metric?;
    let mut labels = Vec::new();
    for matcher in reading.matchers {
        let Some(value) = matcher.equals else {
            teller.mistake(
                file,
                span,
                format!("a series has one value of `{}`", matcher.label),
                help,
            );
            return None;
        };
        labels.push((matcher.label, value));
    }
    // A series that nothing reads would let a test pass that proves nothing.
    let Some(subject) = alert.subjects.iter().find(|subject| subject.metric == name) else {
        let read = match &alert.condition {
            Condition::Expression { promql, .. } => metrics_of(promql),
            _ => BTreeSet::new(),
        };
        if read.contains(&name) {
            return Some(written(&name, &labels));
        }
        let known = alert.subjects.iter().map(|subject| &subject.metric);
        let names: BTreeSet<_> = known.chain(&read).map(String::as_str).collect();
        let help = suggest::remedy(&name, names.iter().copied(), "metrics that it reads", "it reads none");
        teller.mistake(
            file,
            span,
            format!("the alert `{}` does not read `{name}`", alert.name),
            help,
        );
        return None;
    };
    for (label, _) in &labels {
        if !subject.has(label) {
            let names: Vec<_> = subject.labels().map(|(name, _)| name).collect();
            let help = suggest::remedy(label, names.iter().copied(), "metric's labels", "it has none");
            teller.mistake(file, span, format!("`{name}` has no label `{label}`"), help);
            return None;
        }
    }
    for (label, value) in always(subject) {
        if !labels.iter().any(|(given, _)| given == label) {
            labels.push((label.to_owned(), value.to_owned()));
        }
    }
    Some(written(&name, &labels))
}

/// The labels that every series of a metric has.
fn always(subject: &Subject) -> impl Iterator<Item = (&str, &str)> {
    let pairs = subject.fixed.iter().chain(&subject.grouping);
    let pairs = pairs.map(|(name, value)| (name.as_str(), value.as_str()));
    pairs.chain([("job", subject.job.as_str())])
}

/// The metrics that an expression names.
fn metrics_of(promql: &str) -> BTreeSet<String> {
    let tree = promql::parse(promql, &Limits::default());
    let readings = tree.map(|tree| tree.readings()).unwrap_or_default();
    readings.into_iter().filter_map(|reading| reading.metric).collect()
}

fn written(name: &str, labels: &[(String, String)]) -> String {
    let pairs = labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    format!("{name}{}", crate::alerts::labels(pairs))
}

/// The labels of what fires; all of them tell by the same.
fn fired(
    teller: &mut Teller<'_>,
    file: &File,
    entry: &Entry<Vec<Entry<Mapping<String>>>>,
    alert: &Alert,
) -> Option<Vec<Vec<(String, String)>>> {
    let mut fires: Vec<Vec<(String, String)>> = Vec::new();
    for entry in entry.get()? {
        let Mapping(pairs) = entry.get()?;
        for (name, _) in pairs {
            let label = name.get()?;
            if !OWN_LABELS.contains(&label.as_str()) && !yields(alert, label) {
                let message = format!("the alert's series have no label `{label}`");
                let help = "tell by labels that they have; `by` says which are left";
                teller.mistake(file, &name.span, message, help);
                return None;
            }
        }
        let pairs = pairs
            .iter()
            .map(|(name, value)| Some((name.get()?.clone(), value.get()?.clone())));
        let mut pairs = pairs.collect::<Option<Vec<_>>>()?;
        pairs.sort();
        let names = |pairs: &[(String, String)]| pairs.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        if fires.first().is_some_and(|first| names(first) != names(&pairs)) {
            let message = "those that fire are told apart by the same labels";
            teller.mistake(file, &entry.span, message, "give each of them the same ones");
            return None;
        }
        fires.push(pairs);
    }
    Some(fires)
}
