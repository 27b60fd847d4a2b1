//! What was read, made such that Fanlight takes it: names, labels and families as its rules want them.

use std::collections::{BTreeMap, BTreeSet};

use shared::config::{label_name_problem, metric_name_problem};

use super::model::{Imported, Job, Metric, Value};

/// The longest name of a job, in bytes.
const LONGEST_JOB: usize = 128;
/// What one endpoint holds by default, and one metric.
const SERIES_BUDGET: usize = 5_000;
const MAX_SERIES: usize = 500;

/// Mends names, and gives the most series of a metric where the default is too many for all of them.
pub(super) fn normalise(imported: &mut Imported) -> Option<usize> {
    let mut jobs = std::mem::take(&mut imported.jobs);
    for job in &mut jobs {
        for metric in &mut job.metrics {
            mend_names(metric, imported);
        }
        mend_static_labels(job, imported);
    }
    one_family_one_meaning(&mut jobs, imported);
    jobs = jobs.iter().flat_map(|job| one_name_a_push(job, imported)).collect();
    unique_names(&mut jobs);
    let used: BTreeSet<&str> = jobs.iter().map(|job| job.source.as_str()).collect();
    imported.sources.retain(|source| used.contains(source.name.as_str()));
    let max_series = most_series(&jobs);
    imported.jobs = jobs;
    max_series
}

fn mend_names(metric: &mut Metric, imported: &mut Imported) {
    let mut name = as_name(&metric.name, ":");
    if metric_name_problem(&name).is_some() {
        name.insert_str(0, "sql_");
    }
    if name != metric.name {
        imported.note(
            metric.place.clone(),
            format!("`{}` is called `{name}`: its name is not allowed", metric.name),
        );
        metric.name = name;
    }
    let mut taken = BTreeSet::new();
    let of_columns = match &mut metric.value {
        Value::Columns(label, _) => Some(label),
        Value::Column(_) => None,
    };
    for label in metric.labels.iter_mut().map(|(label, _)| label).chain(of_columns) {
        let mended = free_label(label, &mut taken);
        if mended != *label {
            let message = format!(
                "the label `{label}` of `{}` is called `{mended}`: its name is not allowed, or taken",
                metric.name
            );
            imported.note(metric.place.clone(), message);
            *label = mended;
        }
    }
}

/// A label's name that is allowed and not taken.
fn free_label(label: &str, taken: &mut BTreeSet<String>) -> String {
    let mut name = as_name(label, "");
    if label_name_problem(&name, &[]).is_some() {
        // As Prometheus does with labels that are its own.
        name = format!("exported_{}", name.trim_start_matches('_'));
    }
    while !taken.insert(name.clone()) {
        name.push('_');
    }
    name
}

/// Letters, digits and `_` (and some others), no digit first.
fn as_name(text: &str, others: &str) -> String {
    let mut name: String = text
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '_' || others.contains(c) {
                c
            } else {
                '_'
            }
        })
        .collect();
    if !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        name.insert(0, '_');
    }
    name
}

/// A label of the job stands beside the metrics' own; one that a metric takes from its rows wins.
fn mend_static_labels(job: &mut Job, imported: &mut Imported) {
    let own = |metric: &Metric| -> BTreeSet<String> {
        let columns = match &metric.value {
            Value::Columns(label, _) => Some(label.clone()),
            Value::Column(_) => None,
        };
        metric
            .labels
            .iter()
            .map(|(label, _)| label.clone())
            .chain(columns)
            .collect()
    };
    let mut mended = Vec::new();
    for (label, value) in std::mem::take(&mut job.static_labels) {
        let name = free_label(
            &label,
            &mut mended
                .iter()
                .map(|(label, _): &(String, String)| label.clone())
                .collect(),
        );
        if job.metrics.iter().any(|metric| own(metric).contains(&name)) {
            for metric in job.metrics.iter_mut().filter(|metric| !own(metric).contains(&name)) {
                metric.static_labels.push((name.clone(), value.clone()));
            }
        } else {
            mended.push((name, value));
        }
    }
    job.static_labels = mended;
    for metric in &mut job.metrics {
        let own = own(metric);
        let mut taken = BTreeSet::new();
        let mut kept = Vec::new();
        for (label, value) in std::mem::take(&mut metric.static_labels) {
            let name = free_label(&label, &mut taken);
            if own.contains(&name) {
                let message = format!(
                    "the fixed label `{label}` of `{}` is left out: a column gives it",
                    metric.name
                );
                imported.note(metric.place.clone(), message);
            } else {
                kept.push((name, value));
            }
        }
        metric.static_labels = kept;
    }
}

/// A name has one type and one help wherever it is used: those of its first use.
fn one_family_one_meaning(jobs: &mut [Job], imported: &mut Imported) {
    let mut families: BTreeMap<String, (bool, String)> = BTreeMap::new();
    for metric in jobs.iter_mut().flat_map(|job| &mut job.metrics) {
        let meaning = (metric.counter, metric.help.clone());
        let (counter, help) = families.entry(metric.name.clone()).or_insert(meaning);
        if *counter != metric.counter || *help != metric.help {
            let message = format!(
                "`{}` has another type or help elsewhere, and gets those of its first use",
                metric.name
            );
            imported.note(metric.place.clone(), message);
            metric.counter = *counter;
            metric.help.clone_from(help);
        }
    }
}

/// A push holds a name once: metrics of the same name go into jobs of their own.
fn one_name_a_push(job: &Job, imported: &mut Imported) -> Vec<Job> {
    let mut parts: Vec<Job> = Vec::new();
    for metric in &job.metrics {
        let has = |part: &Job| part.metrics.iter().any(|other| other.name == metric.name);
        match parts.iter_mut().find(|part| !has(part)) {
            Some(part) => part.metrics.push(metric.clone()),
            None => {
                if !parts.is_empty() {
                    let message = format!(
                        "`{}` stands several times in `{}`, which becomes several jobs",
                        metric.name, job.name
                    );
                    imported.note(metric.place.clone(), message);
                }
                parts.push(Job {
                    metrics: vec![metric.clone()],
                    ..job.clone()
                });
            }
        }
    }
    for part in &mut parts {
        let Job { queries, metrics, .. } = part;
        let uses = |name: &String| {
            metrics
                .iter()
                .any(|metric| matches!(&metric.query, super::model::QueryOf::Shared(shared) if shared == name))
        };
        queries.retain(|(name, _)| uses(name));
    }
    parts
}

fn unique_names(jobs: &mut [Job]) {
    let mut taken = BTreeSet::from(["fanlight".to_owned()]);
    for job in jobs {
        let plain: String = job.name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let plain = plain.trim();
        let base = if plain.is_empty() {
            "job"
        } else {
            &plain[..plain.floor_char_boundary(LONGEST_JOB - 8)]
        };
        let mut name = base.to_owned();
        let mut number = 1;
        while !taken.insert(name.clone()) {
            number += 1;
            name = format!("{base}-{number}");
        }
        job.name = name;
    }
}

/// What each metric with labels may have, where they are too many for what an endpoint holds by default.
fn most_series(jobs: &[Job]) -> Option<usize> {
    let metrics = || jobs.iter().flat_map(|job| &job.metrics);
    let labelled = metrics().filter(|metric| !metric.labels.is_empty()).count();
    let others: usize = metrics()
        .filter(|metric| metric.labels.is_empty())
        .map(|metric| match &metric.value {
            Value::Column(_) => 1,
            Value::Columns(_, columns) => columns.len(),
        })
        .sum();
    let each = SERIES_BUDGET.saturating_sub(others).checked_div(labelled)?;
    (each < MAX_SERIES).then_some(each.max(1))
}
