//! The metrics that alerts may read: those of all jobs, with how often they are pushed.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{Resolved, metric};
use crate::alerts::{Freshness, Subject};
use crate::config::document::Defaults;
use crate::config::folder::File;
use crate::config::job::{Job, Metric, MetricKind, Sink, Values};
use crate::config::read::Entry;

/// A metric of a job, and what its labels may be.
pub(super) struct Known {
    pub(super) subject: Subject,
    /// Whether its job runs.
    pub(super) enabled: bool,
    /// All values of the labels that have no others.
    allowed: BTreeMap<String, Vec<String>>,
    /// The values that labels are filled with; others may come.
    filled: BTreeMap<String, Vec<String>>,
}

impl Known {
    /// The values that a label is filled with, where it is; others may come.
    pub(super) fn filled(&self, label: &str) -> Option<&[String]> {
        self.filled.get(label).map(Vec::as_slice)
    }

    /// All values that a label can have, where they are known.
    pub(super) fn allowed(&self, label: &str) -> Option<&[String]> {
        self.allowed.get(label).map(Vec::as_slice)
    }
}

/// All metrics by name.
pub(super) struct Catalogue<'a> {
    metrics: BTreeMap<String, Vec<Known>>,
    /// Names of metrics whose jobs have mistakes.
    left_out: BTreeSet<String>,
    left_out_jobs: &'a BTreeSet<String>,
    shared: Option<&'a File>,
}

impl<'a> Catalogue<'a> {
    pub(super) fn new(files: &'a [File], resolved: &'a Resolved) -> Self {
        let mut metrics: BTreeMap<String, Vec<Known>> = BTreeMap::new();
        for job in &resolved.jobs {
            let freshness = Freshness::of(&job.schedule, job.jitter);
            for metric in job.metrics() {
                metrics
                    .entry(metric.name.clone())
                    .or_default()
                    .push(known(job, metric, freshness));
            }
        }
        let mut catalogue = Self {
            metrics,
            left_out: BTreeSet::new(),
            left_out_jobs: &resolved.left_out,
            shared: files.iter().find(|file| file.is_shared()),
        };
        for file in files {
            let defaults = defaults(file, catalogue.shared(file));
            for job in file.document.jobs().filter_map(Entry::get) {
                let written = job
                    .metrics
                    .iter()
                    .filter_map(Entry::get)
                    .flatten()
                    .filter_map(Entry::get);
                let names = written.filter_map(|written| metric::name_of(&defaults, job, written));
                for name in names.collect::<Vec<_>>() {
                    if !catalogue.metrics.contains_key(&name) {
                        catalogue.left_out.insert(name);
                    }
                }
            }
        }
        catalogue
    }

    /// The file that all teams share, as another file sees it.
    pub(super) fn shared(&self, file: &File) -> Option<&'a File> {
        self.shared.filter(|shared| shared.path != file.path)
    }

    /// The jobs' metrics of a name.
    pub(super) fn named(&self, name: &str) -> &[Known] {
        self.metrics.get(name).map_or(&[], Vec::as_slice)
    }

    /// Whether a name is that of a metric whose job has a mistake.
    pub(super) fn is_of_flawed_job(&self, name: &str) -> bool {
        self.left_out.contains(name)
    }

    /// Whether what stands beside a metric does so in a job that has a mistake.
    pub(super) fn is_left_out(&self, home: Option<&(String, String)>) -> bool {
        home.is_some_and(|(job, metric)| self.left_out_jobs.contains(job) || self.left_out.contains(metric))
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.metrics.keys().map(String::as_str)
    }
}

/// The defaults that hold in a file, the nearest first.
pub(in crate::config::resolve) fn defaults<'a>(
    file: &'a File,
    shared: Option<&'a File>,
) -> Vec<(&'a File, &'a Defaults)> {
    let files = [Some(file), shared].into_iter().flatten();
    files
        .filter_map(|file| Some((file, file.document.defaults.as_ref()?.get()?)))
        .collect()
}

fn known(job: &Job, metric: &Metric, freshness: Freshness) -> Known {
    let Sink::Pushgateway(sink) = &job.sink;
    let mut varying = Vec::new();
    let (mut allowed, mut filled) = (BTreeMap::new(), BTreeMap::new());
    for (position, label) in metric.labels.iter().enumerate() {
        if let Some(values) = &label.allowed {
            let all = values.values.iter().chain([&values.other, &metric.null_label]);
            allowed.insert(
                label.name.clone(),
                all.filter(|value| !value.is_empty()).cloned().collect(),
            );
        }
        let values = metric.fill.get(position).filter(|values| !values.is_empty());
        if let Some(values) = values {
            filled.insert(label.name.clone(), values.clone());
        }
        let example = values
            .and_then(|values| values.first())
            .or_else(|| label.allowed.as_ref().and_then(|allowed| allowed.values.first()));
        let example = example.map_or_else(|| format!("some-{}", label.name.replace('_', "-")), Clone::clone);
        varying.push((label.name.clone(), example));
    }
    if let Values::Columns { label, columns } = &metric.values {
        let values: Vec<_> = columns.iter().map(|(_, value)| value.clone()).collect();
        varying.push((label.clone(), values.first().cloned().unwrap_or_default()));
        allowed.insert(label.clone(), values);
    }
    for (label, value) in metric.static_labels.iter().chain(&sink.grouping) {
        allowed.insert(label.clone(), vec![value.clone()]);
    }
    Known {
        subject: Subject {
            metric: metric.name.clone(),
            job: job.name.clone(),
            grouping: sink.grouping.clone(),
            fixed: metric.static_labels.clone(),
            varying,
            counter: metric.kind == MetricKind::Counter,
            external: metric.external,
            freshness,
        },
        enabled: job.enabled,
        allowed,
        filled,
    }
}
