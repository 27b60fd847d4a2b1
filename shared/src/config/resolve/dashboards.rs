//! What dashboards are drawn from: the enabled jobs of each file, its folder in Grafana, and the funnels beside its metrics.

mod files;

use std::collections::BTreeMap;
use std::ops::Range;

use super::{Resolved, metric, span_or_start};
use crate::alerts::{Environment, Freshness};
use crate::config::document::FunnelSpec;
use crate::config::folder::File;
use crate::config::job::{Job, Metric, MetricKind, Sink, Values};
use crate::config::layers;
use crate::config::mistake::{Mistake, Report};
use crate::config::read::{Entry, Mapping};
use crate::dashboards::{DEFAULT_FOLDER, Drawn, DrawnJob, DrawnLabel, Funnel, Service, folder_problem};
use crate::suggest;

/// Resolves what is drawn; jobs with mistakes are left out, and so are funnels with any.
pub(crate) fn resolve(
    files: &[File],
    environments: &[Environment],
    resolved: &Resolved,
    report: &mut Report,
) -> Vec<Service> {
    let mut places = BTreeMap::new();
    let shared = files.iter().find(|file| file.is_shared());
    let shared_folder = shared.and_then(|file| folder(file, report));
    let services: Vec<_> = files
        .iter()
        .map(|file| {
            let own = if file.is_shared() { None } else { folder(file, report) };
            let folder = own.or_else(|| shared_folder.clone());
            let of_file = |job: &&Job| {
                let place = resolved.places.get(&job.name);
                place.is_some_and(|place| place.file == file.path)
            };
            let jobs: Vec<&Job> = resolved.jobs.iter().filter(of_file).collect();
            let (enabled, disabled): (Vec<_>, Vec<_>) = jobs.iter().copied().partition(|job| job.enabled);
            Service {
                name: layers::service(file),
                folder: folder.unwrap_or_else(|| DEFAULT_FOLDER.to_owned()),
                jobs: enabled.into_iter().map(drawn).collect(),
                funnels: funnels(file, shared, &jobs, &mut places, report),
                disabled: disabled
                    .iter()
                    .flat_map(|job| job.metrics())
                    .map(|metric| metric.name.clone())
                    .collect(),
            }
        })
        .collect();
    files::check(files, environments, &services, &places, report);
    services
}

fn folder(file: &File, report: &mut Report) -> Option<String> {
    let entry = file.document.dashboards.as_ref()?.get()?.folder.as_ref()?;
    let folder = entry.get()?;
    if let Some(problem) = folder_problem(folder) {
        let mistake = Mistake::new(&file.path, entry.span.clone(), problem);
        report.add(mistake.help("write one such as `Growth`, or leave it out: it is `Fanlight` then"));
        return None;
    }
    Some(folder.clone())
}

fn drawn(job: &Job) -> DrawnJob {
    let Sink::Pushgateway(sink) = &job.sink;
    DrawnJob {
        name: job.name.clone(),
        grouping: sink.grouping.clone(),
        freshness: Freshness::of(&job.schedule, job.jitter),
        timeout: job.timeout,
        metrics: job.metrics().map(drawn_metric).collect(),
    }
}

fn drawn_metric(metric: &Metric) -> Drawn {
    let taken = metric.labels.iter().enumerate().map(|(position, label)| DrawnLabel {
        name: label.name.clone(),
        values: values(metric, position).map(<[_]>::len),
    });
    let columns = match &metric.values {
        Values::Column(_) => None,
        Values::Columns { label, columns } => Some(DrawnLabel {
            name: label.clone(),
            values: Some(columns.len()),
        }),
    };
    Drawn {
        name: metric.name.clone(),
        help: metric.help.clone(),
        unit: metric.unit.clone(),
        counter: metric.kind == MetricKind::Counter,
        labels: taken.chain(columns).collect(),
        max_series: metric.max_series,
    }
}

/// The values of a label in their order, where they are known.
fn values(metric: &Metric, position: usize) -> Option<&[String]> {
    let filled = metric.fill.get(position).map(Vec::as_slice);
    let allowed = metric.labels.get(position)?.allowed.as_ref();
    filled.or_else(|| allowed.map(|allowed| allowed.values.as_slice()))
}

fn funnels<'a>(
    file: &'a File,
    shared: Option<&File>,
    jobs: &[&Job],
    places: &mut files::Places<'a>,
    report: &mut Report,
) -> Vec<Funnel> {
    let defaults = super::alerts::defaults(file, shared.filter(|shared| shared.path != file.path));
    let mut funnels: Vec<Funnel> = Vec::new();
    for spec in file.document.jobs().filter_map(Entry::get) {
        let name = spec.name.as_ref().and_then(Entry::get);
        let job = jobs.iter().find(|job| Some(&job.name) == name);
        let metrics = spec.metrics.iter().filter_map(Entry::get).flatten();
        for written in metrics.filter_map(Entry::get) {
            let Some(entry) = &written.funnel else { continue };
            // A job with a mistake is told of at its place, and has no metrics to look at.
            let (Some(job), Some(funnel)) = (job, entry.get()) else {
                continue;
            };
            let name = metric::name_of(&defaults, spec, written);
            let Some(metric) = job.metrics().find(|metric| Some(&metric.name) == name.as_ref()) else {
                continue;
            };
            let before = report.mistakes_told();
            let mut reader = Reader {
                report,
                file,
                job,
                metric,
            };
            let read = reader.read(funnel, &entry.span);
            let Some(read) = read.filter(|_| entry.problems == 0 && report.mistakes_told() == before) else {
                continue;
            };
            if funnels.iter().any(|other| other.name == read.name) || is_taken(&read.name) {
                let message = format!(
                    "the dashboard `{}-{}` is there already",
                    layers::service(file),
                    read.name
                );
                let mistake = Mistake::new(&file.path, span_or_start(funnel.name.as_ref(), &entry.span), message);
                report.add(mistake.help("give the funnel another name"));
            } else if job.enabled {
                let place = (file, span_or_start(funnel.name.as_ref(), &entry.span));
                places.insert((layers::service(file), read.name.clone()), place);
                funnels.push(read);
            }
        }
    }
    funnels
}

/// Whether a service's own dashboards, `main` and those with numbers, have the name.
fn is_taken(name: &str) -> bool {
    name == "main" || name.bytes().all(|byte| byte.is_ascii_digit())
}

/// Reads a funnel, and tells what is wrong with it.
struct Reader<'r, 'f> {
    report: &'r mut Report,
    file: &'f File,
    job: &'f Job,
    metric: &'f Metric,
}

impl Reader<'_, '_> {
    fn read(&mut self, spec: &FunnelSpec, span: &Range<usize>) -> Option<Funnel> {
        let name = self.required(
            "name",
            spec.name.as_ref(),
            span,
            "`name: sign-up`, the end of the dashboard's name",
        );
        let steps = self.required(
            "steps",
            spec.steps.as_ref(),
            span,
            "`steps: step`, the label that names the step",
        );
        let begun = self.required("begun", spec.begun.as_ref(), span, "`begun: {phase: started}`");
        let completed = self.required(
            "completed",
            spec.completed.as_ref(),
            span,
            "`completed: {phase: completed}`",
        );
        let by = self.required(
            "by",
            spec.by.as_ref(),
            span,
            "`by: os`, the label by which conversion is told apart",
        );
        // A mistake in one does not hide those in the others.
        let name = name.and_then(|name| self.name(name));
        let label = steps.and_then(|steps| self.label(steps));
        let values = steps
            .zip(label.as_deref())
            .and_then(|(entry, label)| self.steps(entry, label));
        let side = by.and_then(|by| self.label(by));
        let begun = begun.and_then(|begun| self.filters(begun));
        let completed = completed.and_then(|completed| self.filters(completed));
        let Sink::Pushgateway(sink) = &self.job.sink;
        let funnel = Funnel {
            name: name?,
            metric: self.metric.name.clone(),
            job: self.job.name.clone(),
            grouping: sink.grouping.clone(),
            label: label?,
            steps: values?,
            begun: begun?,
            completed: completed?,
            by: side?,
        };
        if funnel.label == funnel.by {
            let message = format!(
                "`{}` is the label of the steps, by which nothing is told apart",
                funnel.by
            );
            self.mistake(
                &span_or_start(spec.by.as_ref(), span),
                message,
                "name another label, such as `os`",
            );
        }
        if funnel.begun == funnel.completed {
            let message = "those who begin a step and those who complete it are the same";
            self.mistake(
                &span_or_start(spec.completed.as_ref(), span),
                message,
                "give `completed` other values",
            );
        }
        Some(funnel)
    }

    fn mistake(&mut self, span: &Range<usize>, message: impl Into<String>, help: impl Into<String>) {
        let mistake = Mistake::new(&self.file.path, span.clone(), message);
        self.report.add(mistake.help(help));
    }

    fn required<'e, T>(
        &mut self,
        key: &str,
        entry: Option<&'e Entry<T>>,
        span: &Range<usize>,
        such: &str,
    ) -> Option<&'e Entry<T>> {
        if entry.is_none() {
            let start = span.start..span.start;
            self.mistake(&start, format!("the funnel has no `{key}`"), format!("add {such}"));
        }
        entry
    }

    fn name(&mut self, entry: &Entry<String>) -> Option<String> {
        let name = entry.get()?;
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if name.is_empty() || !name.bytes().all(plain) {
            let message = "the name of a funnel is the end of a file's: lower-case letters, digits and `-`";
            self.mistake(&entry.span, message, "write it as `sign-up`");
            return None;
        }
        Some(name.clone())
    }

    /// A label of the metric.
    fn label(&mut self, entry: &Entry<String>) -> Option<String> {
        let name = entry.get()?;
        self.known(name, &entry.span).then(|| name.clone())
    }

    fn known(&mut self, name: &str, span: &Range<usize>) -> bool {
        let names = || self.metric.labels.iter().map(|label| label.name.as_str());
        if names().any(|known| known == name) {
            return true;
        }
        let help = suggest::remedy(name, names(), "metric's labels", "the metric has no `labels`");
        let message = format!("`{}` has no label `{name}`", self.metric.name);
        self.mistake(span, message, help);
        false
    }

    fn values(&self, label: &str) -> Option<&[String]> {
        let position = self.metric.labels.iter().position(|known| known.name == label)?;
        values(self.metric, position)
    }

    fn steps(&mut self, entry: &Entry<String>, label: &str) -> Option<Vec<String>> {
        let steps = self.values(label).unwrap_or_default().to_vec();
        if steps.len() < 2 {
            let message = format!("nothing says which steps `{label}` names, and in which order");
            let help =
                format!("list two or more under `fill` or `allowed_values`: `fill: {{{label}: [first, second], ..}}`");
            self.mistake(&entry.span, message, help);
            return None;
        }
        Some(steps)
    }

    /// Labels and the values that they must have.
    fn filters(&mut self, entry: &Entry<Mapping<String>>) -> Option<Vec<(String, String)>> {
        let Mapping(pairs) = entry.get()?;
        if pairs.is_empty() {
            self.mistake(
                &entry.span,
                "this selects everything",
                "name a label and its value: `{phase: started}`",
            );
            return None;
        }
        let mut filters = Vec::new();
        for (name, value) in pairs {
            let (label, text) = (name.get()?, value.get()?);
            if !self.known(label, &name.span) {
                return None;
            }
            let values = self.values(label).unwrap_or_default();
            if !values.is_empty() && !values.contains(text) {
                let known = values.iter().map(String::as_str);
                let help = suggest::remedy(text, known, "label's values", "the label has no values");
                let message = format!("the label `{label}` of `{}` is never `{text}`", self.metric.name);
                self.mistake(&value.span, message, help);
                return None;
            }
            filters.push((label.clone(), text.clone()));
        }
        filters.sort();
        Some(filters)
    }
}
