//! Metrics: names, labels, values, and the policies for what rows may lack.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::{Place, Scope, first, span_or_start};
use crate::assembly::ExternalError;
use crate::config::document::{Defaults, JobSpec, LabelsSpec, MetricSpec, ValuesSpec};
use crate::config::folder::File;
use crate::config::job::{
    AllowedValues, EXTERNAL_PURPOSE, Label, Metric, MetricKind, ORGANISATION_LABEL, OnEmpty, Values,
};
use crate::config::mistake::{Mistake, Report};
use crate::config::names;
use crate::config::read::{Entry, Mapping};
use crate::suggest;

/// Few enough that ten metrics fit an endpoint's budget without a word, many enough for most business questions.
const DEFAULT_MAX_SERIES: usize = 500;
const DEFAULT_OTHER: &str = "other";

/// What a metric's names are checked against, and what it falls back to.
pub(super) struct Context<'c, 'a> {
    pub(super) file: &'a File,
    pub(super) defaults: &'c [(&'a File, &'a Defaults)],
    pub(super) job: &'a JobSpec,
    /// Static labels of the files and the job.
    pub(super) static_labels: BTreeMap<String, String>,
    pub(super) grouping: &'c [(String, String)],
}

impl<'a> Context<'_, 'a> {
    /// The first of metric, job and defaults that says something.
    fn layered<T: 'a>(
        &self,
        metric: Option<&'a Entry<T>>,
        job: Option<&'a Entry<T>>,
        default: impl Fn(&'a Defaults) -> &'a Option<Entry<T>>,
    ) -> Option<&'a T> {
        first(
            [metric, job]
                .into_iter()
                .chain(self.defaults.iter().map(|(_, defaults)| default(defaults).as_ref())),
        )
    }
}

pub(super) fn resolve<'a>(
    scope: &mut Scope<'_>,
    context: &Context<'_, 'a>,
    entry: &'a Entry<MetricSpec>,
    families: &mut Families<'a>,
) -> Option<Metric> {
    let spec = entry.get()?;
    let Context { file, job, .. } = *context;
    let name = full_name(scope, context, spec, &entry.span);
    let name_span = spec.name.as_ref().map_or(0..0, |name| name.span.clone());
    let kind = first([spec.kind.as_ref()]).copied().unwrap_or_default();
    let help = first([spec.help.as_ref()])
        .map(|help| help.trim().to_owned())
        .unwrap_or_default();
    if let Some(name) = &name {
        check_unit(scope, file, spec, name);
        for finding in names::lint(name, kind, &help) {
            scope.report.add(Mistake::warning(
                &file.path,
                name_span.clone(),
                format!("`{name}`: {finding}"),
            ));
        }
        families.add(name, kind, &help, Place { file, span: name_span });
    }

    // A mistake in one of these does not hide those in the others.
    let labels = labels(scope, context, spec).and_then(|mut labels| {
        allow(scope, file, spec, &mut labels)?;
        Some(labels)
    });
    let own_name = || first([spec.name.as_ref()]).cloned().unwrap_or_default();
    let called = name.clone().unwrap_or_else(own_name);
    let values = values(scope, context, spec, &entry.span, &called);
    let fill = labels.as_ref().and_then(|labels| fill(scope, file, spec, labels));
    let (name, labels, values) = (name?, labels?, values?);
    let static_labels = static_labels(scope, context, spec, &labels, &values)?;
    let fill = fill?;
    let external = first([spec.external.as_ref()]).copied().unwrap_or_default();
    let max_series = context
        .layered(spec.max_series.as_ref(), job.max_series.as_ref(), |defaults| {
            &defaults.max_series
        })
        .map_or(DEFAULT_MAX_SERIES, |max| usize::try_from(max.0).unwrap_or(usize::MAX));
    let metric = Metric {
        name,
        kind,
        help,
        unit: first([spec.unit.as_ref()]).cloned(),
        static_labels,
        labels,
        values,
        null_value: context
            .layered(spec.null_value.as_ref(), job.null_value.as_ref(), |defaults| {
                &defaults.null_value
            })
            .copied()
            .unwrap_or_default(),
        null_label: context
            .layered(spec.null_label.as_ref(), job.null_label.as_ref(), |defaults| {
                &defaults.null_label
            })
            .cloned()
            .unwrap_or_default(),
        on_empty: context
            .layered(spec.on_empty.as_ref(), job.on_empty.as_ref(), |defaults| {
                &defaults.on_empty
            })
            .copied()
            .unwrap_or_default(),
        duplicates: context
            .layered(spec.duplicates.as_ref(), job.duplicates.as_ref(), |defaults| {
                &defaults.duplicates
            })
            .copied()
            .unwrap_or_default(),
        fill,
        max_series,
        external,
    };
    check_empty(scope, file, spec, &metric, &entry.span);
    check_external(scope, file, spec, &metric);
    check_grid(scope, file, spec, &metric);
    Some(metric)
}

/// The full name of a metric as it is written, right or wrong: `namespace_subsystem_name`, of the parts that there are.
pub(super) fn name_of(defaults: &[(&File, &Defaults)], job: &JobSpec, spec: &MetricSpec) -> Option<String> {
    let defaults = defaults.iter().map(|(_, defaults)| defaults.namespace.as_ref());
    let namespaces = [spec.namespace.as_ref(), job.namespace.as_ref()];
    let namespace = first(namespaces.into_iter().chain(defaults)).map_or("", String::as_str);
    let subsystem = first([spec.subsystem.as_ref()]).map_or("", String::as_str);
    let name = [namespace, subsystem, spec.name.as_ref()?.get()?];
    let parts = name.into_iter().filter(|part| !part.is_empty());
    Some(parts.collect::<Vec<_>>().join("_"))
}

fn full_name(
    scope: &mut Scope<'_>,
    context: &Context<'_, '_>,
    spec: &MetricSpec,
    place: &Range<usize>,
) -> Option<String> {
    let file = context.file;
    let Some(entry) = &spec.name else {
        scope.mistake(
            file,
            &(place.start..place.start),
            "the metric has no `name`",
            |mistake| mistake.help("add `name: ..`, the last part of `namespace_subsystem_name`"),
        );
        return None;
    };
    let name = name_of(context.defaults, context.job, spec)?;
    if let Some(problem) = names::metric_name_problem(&name) {
        scope.mistake(file, &entry.span, problem, |mistake| mistake);
        return None;
    }
    Some(name)
}

fn check_unit(scope: &mut Scope<'_>, file: &File, spec: &MetricSpec, name: &str) {
    let Some(entry) = &spec.unit else { return };
    let Some(unit) = entry.get() else { return };
    let written = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if unit.is_empty() || !unit.chars().all(written) {
        let message = if unit.is_empty() {
            "the unit is empty".to_owned()
        } else {
            format!("`{unit}` cannot be the end of a metric's name, which its unit is")
        };
        scope.mistake(file, &entry.span, message, |mistake| {
            mistake.help("write what the metric's name ends in, such as `seconds`, or remove the key")
        });
    } else if !names::ends_in_unit(name, unit) {
        let (stem, total) = name.strip_suffix("_total").map_or((name, ""), |stem| (stem, "_total"));
        scope.mistake(
            file,
            &entry.span,
            format!("the unit is `{unit}`, but `{name}` does not end in it"),
            |mistake| {
                mistake.help(format!(
                    "call the metric `{stem}_{unit}{total}`, as Prometheus' naming rules ask"
                ))
            },
        );
    }
}

/// Name and column of each entry of a list or mapping.
fn columns(scope: &mut Scope<'_>, file: &File, spec: &Entry<LabelsSpec>) -> Option<Vec<(Entry<String>, String)>> {
    let columns: Vec<(Entry<String>, String)> = match spec.get()? {
        LabelsSpec::Columns(columns) => columns
            .iter()
            .map(|column| Some((column.clone(), column.get()?.clone())))
            .collect::<Option<_>>()?,
        LabelsSpec::Renamed(Mapping(entries)) => entries
            .iter()
            .map(|(name, column)| Some((name.clone(), column.get()?.clone())))
            .collect::<Option<_>>()?,
    };
    let mut seen = BTreeSet::new();
    for (name, _) in &columns {
        let text = name.get().map_or("", String::as_str);
        if !seen.insert(text) {
            scope.mistake(file, &name.span, format!("`{text}` is given twice"), |mistake| {
                mistake.help("remove one of them")
            });
        }
    }
    Some(columns)
}

fn labels(scope: &mut Scope<'_>, context: &Context<'_, '_>, spec: &MetricSpec) -> Option<Vec<Label>> {
    let Some(entry) = &spec.labels else {
        return Some(Vec::new());
    };
    let mut labels = Vec::new();
    for (name, column) in columns(scope, context.file, entry)? {
        let text = name.get()?;
        if let Some(problem) = names::label_name_problem(text, context.grouping) {
            scope.mistake(context.file, &name.span, problem, |mistake| {
                mistake.help(format!("give it another name: `labels: {{other_name: {column}}}`"))
            });
        }
        labels.push(Label {
            name: text.clone(),
            column,
            allowed: None,
        });
    }
    Some(labels)
}

/// `allowed_values` onto the labels that they speak of.
fn allow(scope: &mut Scope<'_>, file: &File, spec: &MetricSpec, labels: &mut [Label]) -> Option<()> {
    let other = first([spec.other.as_ref()]).map_or(DEFAULT_OTHER, String::as_str);
    let Some(entry) = &spec.allowed_values else {
        if let Some(entry) = &spec.other {
            let message = "`other` says nothing without `allowed_values`";
            scope.mistake(file, &entry.span, message, |mistake| {
                mistake.help("remove it, or add `allowed_values`")
            });
        }
        return Some(());
    };
    for (name, values) in &entry.get()?.0 {
        let values = texts(scope, file, values)?;
        let label = known_label(scope, file, name, labels)?;
        labels[label].allowed = Some(AllowedValues {
            values,
            other: other.to_owned(),
        });
    }
    Some(())
}

fn known_label(scope: &mut Scope<'_>, file: &File, name: &Entry<String>, labels: &[Label]) -> Option<usize> {
    let text = name.get()?;
    let position = labels.iter().position(|label| label.name == *text);
    if position.is_none() {
        scope.unknown(file, name.span.clone(), "label", text, |_| {
            let names = labels.iter().map(|label| label.name.as_str());
            suggest::remedy(text, names, "metric's labels", "the metric has no `labels`")
        });
    }
    position
}

/// A list of texts, each once.
fn texts(scope: &mut Scope<'_>, file: &File, entry: &Entry<Vec<Entry<String>>>) -> Option<Vec<String>> {
    let mut texts: Vec<String> = Vec::new();
    let mut seen = BTreeSet::new();
    for value in entry.get()? {
        let text = value.get()?;
        if !seen.insert(text) {
            scope.mistake(file, &value.span, format!("`{text}` is given twice"), |mistake| {
                mistake.help("remove one of them")
            });
        }
        texts.push(text.clone());
    }
    if texts.is_empty() {
        scope.mistake(file, &entry.span, "the list is empty", |mistake| {
            mistake.help("give it values, or remove the key")
        });
        return None;
    }
    Some(texts)
}

fn values(
    scope: &mut Scope<'_>,
    context: &Context<'_, '_>,
    spec: &MetricSpec,
    place: &Range<usize>,
    name: &str,
) -> Option<Values> {
    let file = context.file;
    match (&spec.value, &spec.values) {
        (Some(value), None) => value.get().cloned().map(Values::Column),
        (None, Some(entry)) => {
            let ValuesSpec {
                label,
                columns: column_entry,
            } = entry.get()?;
            let (Some(label), Some(column_entry)) = (label, column_entry) else {
                scope.mistake(file, &entry.span, "`values` needs `label` and `columns`", |mistake| {
                    mistake.help("write `values: {label: kind, columns: [opened, closed]}`")
                });
                return None;
            };
            let columns: Vec<_> = columns(scope, file, column_entry)?
                .into_iter()
                .filter_map(|(name, column)| Some((column, name.value?)))
                .collect();
            if columns.is_empty() {
                scope.mistake(file, &column_entry.span, "the list is empty", |mistake| {
                    mistake.help("name the columns")
                });
                return None;
            }
            let text = label.get()?.clone();
            if let Some(problem) = names::label_name_problem(&text, context.grouping) {
                scope.mistake(file, &label.span, problem, |mistake| {
                    mistake.help("give the label another name")
                });
            }
            Some(Values::Columns { label: text, columns })
        }
        (None, None) => {
            let span = span_or_start(spec.name.as_ref(), place);
            scope.mistake(
                file,
                &span,
                format!("`{name}` does not say which column holds its value"),
                |mistake| mistake.help("add `value: COLUMN`, or `values` for several"),
            );
            None
        }
        (Some(value), Some(_)) => {
            scope.mistake(file, &value.span, "there is both `value` and `values`", |mistake| {
                mistake.help("remove one of them")
            });
            None
        }
    }
}

/// The static labels of all layers, the nearest first; a label from a column hides those of the layers around it.
fn static_labels(
    scope: &mut Scope<'_>,
    context: &Context<'_, '_>,
    spec: &MetricSpec,
    labels: &[Label],
    values: &Values,
) -> Option<Vec<(String, String)>> {
    let file = context.file;
    let mut all = context.static_labels.clone();
    let value_label = match values {
        Values::Columns { label, .. } => Some(label.as_str()),
        Values::Column(_) => None,
    };
    if let (Some(value_label), Some(entry)) = (value_label, &spec.values)
        && labels.iter().any(|label| label.name == value_label)
    {
        let message = format!("the label `{value_label}` is in `labels` and in `values`");
        scope.mistake(file, &entry.span, message, |mistake| mistake.help("rename one of them"));
    }
    let from_columns = || labels.iter().map(|label| label.name.as_str()).chain(value_label);
    for name in from_columns() {
        all.remove(name);
    }
    for (name, value) in mapping(spec.static_labels.as_ref()) {
        let text = name.get()?;
        if let Some(problem) = names::label_name_problem(text, context.grouping) {
            scope.mistake(file, &name.span, problem, |mistake| mistake);
        }
        if from_columns().any(|label| label == text) {
            let message = format!("the label `{text}` is given here and taken from a column");
            scope.mistake(file, &name.span, message, |mistake| mistake.help("remove one of them"));
        }
        all.insert(text.clone(), value.get()?.clone());
    }
    if first([spec.external.as_ref()]).is_some_and(|external| *external) {
        let (label, value) = EXTERNAL_PURPOSE;
        all.insert(label.to_owned(), value.to_owned());
    }
    // An empty value is the same as no label (Prometheus' data model).
    Some(all.into_iter().filter(|(_, value)| !value.is_empty()).collect())
}

pub(super) fn mapping<T>(entry: Option<&Entry<Mapping<T>>>) -> &[(Entry<String>, Entry<T>)] {
    entry.and_then(Entry::get).map_or(&[], |Mapping(entries)| entries)
}

fn fill(scope: &mut Scope<'_>, file: &File, spec: &MetricSpec, labels: &[Label]) -> Option<Vec<Vec<String>>> {
    let Some(entry) = &spec.fill else {
        return Some(Vec::new());
    };
    let mut grid: Vec<Option<Vec<String>>> = vec![None; labels.len()];
    for (name, values) in mapping(Some(entry)) {
        let position = known_label(scope, file, name, labels)?;
        let texts = texts(scope, file, values)?;
        if let Some(AllowedValues { values: allowed, other }) = &labels[position].allowed {
            let allowed: BTreeSet<_> = allowed.iter().map(String::as_str).collect();
            for (text, value) in texts.iter().zip(values.get()?) {
                if text != other && !allowed.contains(text.as_str()) {
                    let message = format!("`{text}` is not among the label's `allowed_values`, so no row can give it");
                    scope.mistake(file, &value.span, message, |mistake| {
                        mistake.help("add it there, or remove it here")
                    });
                }
            }
        }
        grid[position] = Some(texts);
    }
    let missing: Vec<_> = labels
        .iter()
        .zip(&grid)
        .filter(|(_, values)| values.is_none())
        .map(|(label, _)| label.name.as_str())
        .collect();
    if !missing.is_empty() {
        scope.mistake(
            file,
            &entry.span,
            format!("`fill` lacks the values of {}", missing.join(", ")),
            |mistake| mistake.help("a grid needs the values of every label"),
        );
        return None;
    }
    grid.into_iter().collect()
}

fn check_empty(scope: &mut Scope<'_>, file: &File, spec: &MetricSpec, metric: &Metric, place: &Range<usize>) {
    if metric.on_empty == OnEmpty::Zero && metric.fill.is_empty() && !metric.labels.is_empty() {
        let span = span_or_start(spec.on_empty.as_ref(), place);
        let message = format!(
            "`{}` has labels: which of its series are 0 when there are no rows?",
            metric.name
        );
        scope.mistake(file, &span, message, |mistake| {
            mistake.help("list the label values under `fill`")
        });
    }
}

fn check_external(scope: &mut Scope<'_>, file: &File, spec: &MetricSpec, metric: &Metric) {
    let has = |name: &str| {
        metric.labels.iter().any(|label| label.name == name)
            || metric.static_labels.iter().any(|(label, _)| label == name)
    };
    if !metric.external {
        return;
    }
    if let Some(entry) = &spec.allowed_values
        && let Some((name, _)) = mapping(Some(entry))
            .iter()
            .find(|(name, _)| name.get().is_some_and(|name| name == ORGANISATION_LABEL))
    {
        let message = ExternalError::OrganisationBucket.to_string();
        scope.mistake(file, &name.span, message, |mistake| {
            mistake.help("remove it: `max_series` limits how many organisations there may be")
        });
    }
    if has(ORGANISATION_LABEL) {
        return;
    }
    let span = spec.external.as_ref().map_or(0..0, |entry| entry.span.clone());
    let message = format!(
        "`{}` is external but has no label `{ORGANISATION_LABEL}`: no customer could see it",
        metric.name
    );
    scope.mistake(file, &span, message, |mistake| {
        mistake.help(format!(
            "select it and add it to `labels`, or map it: `labels: {{{ORGANISATION_LABEL}: column}}`"
        ))
    });
}

fn check_grid(scope: &mut Scope<'_>, file: &File, spec: &MetricSpec, metric: &Metric) {
    let Some(entry) = &spec.fill else { return };
    let series = grid_size(metric.fill.iter().map(Vec::len), metric);
    if series > metric.max_series {
        let message = format!(
            "the grid alone has {series} series, and `max_series` is {}",
            metric.max_series
        );
        scope.mistake(file, &entry.span, message, |mistake| {
            mistake.help("raise `max_series`, or fill fewer values")
        });
    }
}

fn grid_size(values: impl Iterator<Item = usize>, metric: &Metric) -> usize {
    let columns = match &metric.values {
        Values::Column(_) => 1,
        Values::Columns { columns, .. } => columns.len(),
    };
    values.fold(columns, usize::saturating_mul)
}

/// The most series that a metric can have: its limit, or fewer where every label's values are known.
pub(crate) fn most_series(metric: &Metric) -> usize {
    let known: Option<Vec<_>> = metric
        .labels
        .iter()
        // NULL and the bucket count as a value each.
        .map(|label| label.allowed.as_ref().map(|allowed| allowed.values.len() + 2))
        .collect();
    known.map_or(metric.max_series, |known| {
        grid_size(known.into_iter(), metric).min(metric.max_series)
    })
}

/// The metrics of all jobs by name: a name has one type and one help wherever it is used.
#[derive(Default)]
pub(super) struct Families<'a>(BTreeMap<String, Vec<(MetricKind, String, Place<'a>)>>);

impl<'a> Families<'a> {
    fn add(&mut self, name: &str, kind: MetricKind, help: &str, place: Place<'a>) {
        self.0
            .entry(name.to_owned())
            .or_default()
            .push((kind, help.to_owned(), place));
    }

    pub(super) fn check(&self, report: &mut Report) {
        for (name, uses) in &self.0 {
            let Some(((first_kind, first_help, first), others)) = uses.split_first() else {
                continue;
            };
            for (kind, help, place) in others {
                let difference = match (kind == first_kind, help == first_help) {
                    (false, _) => "type",
                    (true, false) => "help",
                    (true, true) => continue,
                };
                let message = format!("`{name}` has another {difference} here than in its first use");
                let help = format!("it stands at {}; a name has one type and one help", first.position());
                report.add(Mistake::new(&place.file.path, place.span.clone(), message).help(help));
            }
        }
    }
}
