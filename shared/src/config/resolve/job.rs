//! Jobs: schedule, source, sink, and the metrics with their queries.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use super::metric::{self, Context, Families};
use super::query::Queries;
use super::{Scope, first, sink, source, span_or_start};
use crate::config::document::{Defaults, DurationText, JobSpec, OffsetText};
use crate::config::folder::File;
use crate::config::job::{Job, OnEmpty, OnError, Query, SELF_GROUP, Sink, Source};
use crate::config::names;
use crate::config::read::Entry;
use crate::schedule::{self, Schedule, ScheduleError};

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
/// A Lambda function runs 15 minutes at most.
const MAX_TIMEOUT: Duration = Duration::from_mins(15);
const MINUTE: Duration = Duration::from_mins(1);
/// Of EventBridge Scheduler's flexible time windows.
const MAX_JITTER: Duration = Duration::from_hours(24);
const DEFAULT_TIME_ZONE: &str = "UTC";
const MAX_NAME_LENGTH: usize = 128;
const METRICS_HELP: &str = "list at least one metric under `metrics`, with `name`, `value` and `query`";

type DefaultLayers<'c, 'a> = &'c [(&'a File, &'a Defaults)];

pub(super) fn resolve<'a>(
    scope: &mut Scope<'_>,
    file: &'a File,
    defaults: DefaultLayers<'_, 'a>,
    spec: &'a JobSpec,
    place: &Range<usize>,
    families: &mut Families<'a>,
) -> Option<Job> {
    let name = name(scope, file, spec, place);
    let schedule = schedule(scope, file, defaults, spec, place);
    let source = job_source(scope, file, defaults, spec, place);
    let default_sink = nearest(defaults, |defaults| &defaults.sink);
    let sink = sink::resolve(scope, file, spec, default_sink);
    let default_further = nearest(defaults, |defaults| &defaults.also_to);
    let also_to = sink::further(scope, file, spec, default_further);
    let timeout = timeout(scope, file, defaults, spec);
    let jitter = jitter(scope, file, defaults, spec);

    let grouping = match &sink {
        Some(Sink::Pushgateway(sink)) => sink.grouping.as_slice(),
        None => &[],
    };
    let context = Context {
        file,
        defaults,
        job: spec,
        static_labels: static_labels(scope, file, spec, grouping)?,
        grouping,
    };
    let mut queries = Queries::declare(scope, file, spec, source.as_ref());
    let mut families_of_job = BTreeSet::new();
    for entry in metrics(scope, file, spec, place) {
        let Some(metric) = metric::resolve(scope, &context, entry, families) else {
            continue;
        };
        if !families_of_job.insert(metric.name.clone()) {
            let message = format!("the job has a second metric `{}`", metric.name);
            let span = entry
                .get()
                .and_then(|metric| metric.name.as_ref())
                .map_or(0..0, |name| name.span.clone());
            scope.mistake(file, &span, message, |mistake| {
                mistake.help("a push holds a name once: rename it, or make one query of the two")
            });
        }
        if let Some(metric_spec) = entry.get() {
            queries.add(scope, file, metric_spec, metric, &entry.span);
        }
    }
    let queries = queries.finish(scope, file);
    let on_error: OnError = first([
        spec.on_error.as_ref(),
        nearest(defaults, |d| &d.on_error).map(|(_, entry)| entry),
    ])
    .copied()
    .unwrap_or_default();
    check_keep(scope, file, spec, &queries, on_error);
    Some(Job {
        name: name?,
        schedule: schedule?,
        jitter,
        enabled: first([spec.enabled.as_ref()]).copied().unwrap_or(true),
        owner: first([
            spec.owner.as_ref(),
            nearest(defaults, |defaults| &defaults.owner).map(|(_, owner)| owner),
        ])
        .cloned(),
        source: source?,
        sink: sink?,
        also_to,
        timeout,
        on_error,
        queries,
    })
}

/// A metric that keeps its series makes every push of the job one that can remove no others: a POST, not a PUT. So all
/// metrics of a job keep theirs, or none may vanish.
fn check_keep(scope: &mut Scope<'_>, file: &File, spec: &JobSpec, queries: &[Query], on_error: OnError) {
    let metrics = || queries.iter().flat_map(|query| &query.metrics);
    let Some(keeps) = metrics().find(|metric| metric.on_empty == OnEmpty::Keep) else {
        return;
    };
    let vanishes = metrics().find(|metric| metric.on_empty == OnEmpty::Clear);
    let problem = match vanishes {
        Some(vanishes) => format!(
            "`{}` keeps its series when there are no rows, and `{}` does not",
            keeps.name, vanishes.name
        ),
        None if on_error == OnError::Drop && metrics().nth(1).is_some() => {
            format!(
                "`{}` keeps its series when there are no rows, and the job's `on_error` drops those that fail",
                keeps.name
            )
        }
        None => return,
    };
    let span = spec.name.as_ref().map_or(0..0, |name| name.span.clone());
    scope.mistake(file, &span, problem, |mistake| {
        mistake.help("the gateway cannot keep one family and remove another: put the one with `on_empty: keep` into a job of its own")
    });
}

/// The nearest default that says something, with the file that says it.
fn nearest<'a, T>(
    defaults: DefaultLayers<'_, 'a>,
    field: impl Fn(&'a Defaults) -> &'a Option<Entry<T>>,
) -> Option<(&'a File, &'a Entry<T>)> {
    defaults
        .iter()
        .find_map(|(file, defaults)| Some((*file, field(defaults).as_ref()?)))
}

fn name(scope: &mut Scope<'_>, file: &File, spec: &JobSpec, place: &Range<usize>) -> Option<String> {
    let Some(entry) = &spec.name else {
        scope.mistake(file, &(place.start..place.start), "the job has no `name`", |mistake| {
            mistake.help("add `name: ..`, unique among all jobs")
        });
        return None;
    };
    let name = entry.get()?;
    let problem = if name.trim().is_empty() {
        "a job's name cannot be empty".to_owned()
    } else if name.len() > MAX_NAME_LENGTH {
        format!("a job's name has at most {MAX_NAME_LENGTH} bytes")
    } else if name.chars().any(char::is_control) {
        "a job's name has no control characters".to_owned()
    } else if name == SELF_GROUP {
        format!("`{SELF_GROUP}` is the group of Fanlight's own metrics")
    } else {
        return Some(name.clone());
    };
    scope.mistake(file, &entry.span, problem, |mistake| mistake);
    None
}

fn schedule(
    scope: &mut Scope<'_>,
    file: &File,
    defaults: DefaultLayers<'_, '_>,
    spec: &JobSpec,
    place: &Range<usize>,
) -> Option<Schedule> {
    let Some(entry) = &spec.schedule else {
        let span = span_or_start(spec.name.as_ref(), place);
        scope.mistake(file, &span, "the job has no `schedule`", |mistake| {
            mistake.help("give it one in cron's five fields, such as '*/10 * * * *'")
        });
        return None;
    };
    let cron = entry.get()?;
    let own = spec.timezone.as_ref().map(|entry| (file, entry));
    let zone = own.or_else(|| nearest(defaults, |defaults| &defaults.timezone));
    let zone_name = match zone {
        Some((_, entry)) => entry.get()?,
        None => DEFAULT_TIME_ZONE,
    };
    let schedule = Schedule::parse(cron, zone_name);
    if let Err(ScheduleError::Cron(error)) = &schedule {
        let span = file.part(entry, &error.span);
        scope.mistake(file, &span, &error.problem, |mistake| mistake.help(&error.help));
    }
    // Of two mistakes, the expression's is the one that parsing told; the zone is looked at on its own.
    if let Err(error) = schedule::check_time_zone(zone_name) {
        let (zone_file, span) = zone.map_or((file, 0..0), |(file, entry)| (file, entry.span.clone()));
        let message = format!("there is no time zone `{}`", error.name);
        scope.mistake(zone_file, &span, message, |mistake| mistake.help(error.help));
    }
    schedule.ok()
}

fn job_source(
    scope: &mut Scope<'_>,
    file: &File,
    defaults: DefaultLayers<'_, '_>,
    spec: &JobSpec,
    place: &Range<usize>,
) -> Option<Source> {
    let own = spec.source.as_ref().map(|entry| (file, entry));
    let Some((file, entry)) = own.or_else(|| nearest(defaults, |defaults| &defaults.source)) else {
        let span = span_or_start(spec.name.as_ref(), place);
        scope.mistake(file, &span, "the job has no `source`", |mistake| {
            mistake.help("name one under `sources`, or write `postgres://{{DB_USERNAME}}:{{DB_PASSWORD}}@{{DB_HOST}}/{{DB_NAME}}`")
        });
        return None;
    };
    source::resolve(scope, file, entry)
}

fn timeout(scope: &mut Scope<'_>, file: &File, defaults: DefaultLayers<'_, '_>, spec: &JobSpec) -> Duration {
    let own = spec.timeout.as_ref().map(|entry| (file, entry));
    let Some((file, entry)) = own.or_else(|| nearest(defaults, |defaults| &defaults.timeout)) else {
        return DEFAULT_TIMEOUT;
    };
    let Some(DurationText(timeout)) = entry.get() else {
        return DEFAULT_TIMEOUT;
    };
    if *timeout > MAX_TIMEOUT {
        scope.mistake(
            file,
            &entry.span,
            "a run cannot take more than 15 minutes: Lambda ends it",
            |mistake| mistake.help("make the query faster, or split the job"),
        );
    }
    *timeout
}

/// Beyond what EventBridge takes at all; what it means beside the schedule is for `check` to say.
fn jitter(scope: &mut Scope<'_>, file: &File, defaults: DefaultLayers<'_, '_>, spec: &JobSpec) -> Duration {
    let own = spec.jitter.as_ref().map(|entry| (file, entry));
    let Some((file, entry)) = own.or_else(|| nearest(defaults, |defaults| &defaults.jitter)) else {
        return Duration::ZERO;
    };
    let Some(OffsetText(written)) = entry.get() else {
        return Duration::ZERO;
    };
    match Duration::try_from(*written) {
        Ok(jitter) if jitter <= MAX_JITTER && jitter.as_nanos() % MINUTE.as_nanos() == 0 => jitter,
        _ => {
            let message = "a jitter is a number of whole minutes, and of 24 hours at most";
            scope.mistake(file, &entry.span, message, |mistake| {
                mistake.help("EventBridge Scheduler has no other windows: write such as `2m`, or `0s` for none")
            });
            Duration::ZERO
        }
    }
}

/// The static labels of the shared file, this file and the job, the nearest winning.
fn static_labels(
    scope: &mut Scope<'_>,
    file: &File,
    spec: &JobSpec,
    grouping: &[(String, String)],
) -> Option<BTreeMap<String, String>> {
    let shared = scope.shared.filter(|shared| shared.path != file.path);
    let layers = shared
        .map(|shared| (shared, shared.document.static_labels.as_ref()))
        .into_iter()
        .chain([
            (file, file.document.static_labels.as_ref()),
            (file, spec.static_labels.as_ref()),
        ]);
    let mut labels = BTreeMap::new();
    for (file, entry) in layers {
        for (name, value) in metric::mapping(entry) {
            let text = name.get()?;
            if let Some(problem) = names::label_name_problem(text, grouping) {
                scope.mistake(file, &name.span, problem, |mistake| mistake);
            }
            labels.insert(text.clone(), value.get()?.clone());
        }
    }
    Some(labels)
}

fn metrics<'a>(
    scope: &mut Scope<'_>,
    file: &File,
    spec: &'a JobSpec,
    place: &Range<usize>,
) -> &'a [Entry<crate::config::document::MetricSpec>] {
    let span = span_or_start(spec.name.as_ref(), place);
    match &spec.metrics {
        None => scope.mistake(file, &span, "the job has no `metrics`", |mistake| {
            mistake.help(METRICS_HELP)
        }),
        Some(Entry {
            value: Some(metrics),
            span,
            ..
        }) if metrics.is_empty() => {
            scope.mistake(file, span, "the list of metrics is empty", |mistake| {
                mistake.help(METRICS_HELP)
            });
        }
        Some(entry) => return entry.get().map_or(&[], Vec::as_slice),
    }
    &[]
}
