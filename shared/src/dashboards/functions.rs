//! The dashboard of Fanlight itself: rate, errors, duration and saturation of its functions.
//!
//! The collector tells of its runs in the gateway. What Lambda counts of all three functions comes from CloudWatch, where a job of
//! the configuration collects it under the names that are known here.

use std::collections::{BTreeMap, BTreeSet};

use super::grafana::Panel;
use super::layout::{self, ROWS};
use super::model::{DrawnJob, Service};
use super::name::DEFAULT_FOLDER;
use super::page::Page;
use super::panel::{self, Ask};
use super::promql::one_of;
use super::thresholds::Limit;
use super::unit::Unit;
use crate::alerts::{Comparison, STALE, Severity};
use crate::collect::self_metrics::{
    DURATION, JOB_LABEL, LAST_RUN, METRIC_LABEL, METRIC_SERIES, METRIC_UP, SCHEDULED, UP,
};

/// The name, which no service's dashboard has: theirs end in `main` or a number.
const NAME: &str = "fanlight-functions";
/// Rows for the numbers at the top, and at most for each line of panels below them.
const NUMBERS: u32 = 3;
const HIGHEST: u32 = 9;

const INVOCATIONS: &str = "aws_lambda_invocations";
const ERRORS: &str = "aws_lambda_errors";
const THROTTLES: &str = "aws_lambda_throttles";
const SLOW: &str = "aws_lambda_duration_p99_seconds";
const CONCURRENT: &str = "aws_lambda_concurrent_executions";
/// The functions of a stack, whatever its name.
const FUNCTIONS: &str = r#"function=~".+-(collector|metrics-api|authorizer)""#;

/// The page, where there is a job.
pub(super) fn page(services: &[Service]) -> Option<Page> {
    let jobs: Vec<&DrawnJob> = services.iter().flat_map(|service| &service.jobs).collect();
    if jobs.is_empty() {
        return None;
    }
    let disabled = services.iter().flat_map(|service| &service.disabled);
    let enabled = jobs.iter().flat_map(|job| &job.metrics).map(|metric| &metric.name);
    let declared: BTreeSet<&str> = disabled.chain(enabled).map(String::as_str).collect();
    let lines = [numbers(), collector(&jobs), lambda(&declared), limits(&jobs)];
    let lines: Vec<Vec<Panel>> = lines.into_iter().filter(|line| !line.is_empty()).collect();
    let rest = u32::try_from(lines.len() - 1).unwrap_or(u32::MAX);
    let height = ((ROWS - NUMBERS) / rest).min(HIGHEST);
    let mut panels: Vec<Panel> = Vec::new();
    let mut top = 0;
    for line in lines {
        let height = if top == 0 { NUMBERS } else { height };
        let places = layout::line(&vec![1; line.len()], top, height);
        panels.extend(line.into_iter().zip(places).map(|(panel, place)| panel.at(place)));
        top += height;
    }
    Some(Page {
        folder: DEFAULT_FOLDER.to_owned(),
        name: NAME.to_owned(),
        about: "How Fanlight itself is: its runs, and its functions.".to_owned(),
        tags: vec!["functions".to_owned()],
        firing: Some(format!("ALERTS{{alertstate=\"firing\", alertname=\"{STALE}\"}}")),
        variables: Vec::new(),
        panels,
    })
}

fn any(severity: Severity) -> Limit {
    Limit {
        comparison: Comparison::Above,
        value: 0.5,
        severity,
    }
}

/// How things stand now.
fn numbers() -> Vec<Panel> {
    let number = |title: &str, query: String, limits: &[Limit]| {
        panel::numbers(title, &[Ask::new(query, title)], &Unit::count(), limits)
    };
    vec![
        number("Jobs", format!("count({UP})"), &[]).described("Jobs that have told of a run."),
        number("Runs in the last hour", format!("sum(changes({LAST_RUN}[1h]))"), &[]).rounded(0),
        number(
            "Jobs that failed last",
            format!("count({UP} == 0) or vector(0)"),
            &[any(Severity::Critical)],
        ),
        number(
            "Metrics that failed last",
            format!("count({METRIC_UP} == 0) or vector(0)"),
            &[any(Severity::Critical)],
        ),
        number(
            "Stale metrics",
            format!("count(ALERTS{{alertstate=\"firing\", alertname=\"{STALE}\"}}) or vector(0)"),
            &[any(Severity::Critical)],
        )
        .described("That an alert depends on."),
    ]
}

/// Rate, errors, duration and saturation of the collector, job by job.
fn collector(jobs: &[&DrawnJob]) -> Vec<Panel> {
    let ask = |query: String| [Ask::new(query, format!("{{{{{JOB_LABEL}}}}}"))];
    let timeouts = saturation(
        jobs,
        |job| vec![(job.timeout.as_secs_f64().to_string(), job.name.as_str())],
        JOB_LABEL,
        |of_jobs| format!("{DURATION}{of_jobs}"),
    );
    vec![
        panel::lines(
            "Rate: runs an hour",
            &ask(format!("sum by ({JOB_LABEL}) (changes({LAST_RUN}[1h]))")),
            &Unit::count(),
            &[],
        )
        .described("Runs that Prometheus has seen: between two scrapes it sees one."),
        panel::lines(
            "Errors: failed runs of the last hour",
            &ask(format!("max by ({JOB_LABEL}) (1 - avg_over_time({UP}[1h]))")),
            &Unit::ratio(),
            &[],
        ),
        panel::lines(
            "Duration: of each job's last run",
            &ask(format!("max by ({JOB_LABEL}) ({DURATION})")),
            &Unit::seconds(),
            &[],
        ),
        panel::lines_below("Saturation: duration of timeout", &timeouts, &Unit::ratio(), whole())
            .described("How long each job's last run took, as a part of the most that it may take."),
    ]
}

/// What else comes to an end: series that a metric may have, and the patience of alerts with a job that does not push.
fn limits(jobs: &[&DrawnJob]) -> Vec<Panel> {
    let series = saturation(
        jobs,
        |job| {
            let metrics = job.metrics.iter();
            metrics
                .map(|metric| (metric.max_series.to_string(), metric.name.as_str()))
                .collect()
        },
        METRIC_LABEL,
        |of_metrics| format!("{METRIC_SERIES}{of_metrics}"),
    );
    let age = saturation(
        jobs,
        |job| vec![(job.freshness.limit().as_secs().to_string(), job.name.as_str())],
        JOB_LABEL,
        // The age itself goes up and down with every push.
        |of_jobs| format!("max_over_time((time() - {SCHEDULED}{of_jobs})[1h:])"),
    );
    vec![
        panel::lines_below(
            "Saturation: series of a metric's most",
            &series,
            &Unit::ratio(),
            whole(),
        )
        .described("More series than that fail the metric."),
        panel::lines_below(
            "Freshness: largest age of the last hour, of what is stale",
            &age,
            &Unit::ratio(),
            whole(),
        )
        .described("At 100% alerts stop believing in the job's numbers."),
    ]
}

/// All of what there is.
fn whole() -> Limit {
    Limit {
        comparison: Comparison::Above,
        value: 1.0,
        severity: Severity::Critical,
    }
}

/// A self-metric as a part of what is allowed: a query for each limit, over all that have it.
fn saturation<'j>(
    jobs: &[&'j DrawnJob],
    limits: impl Fn(&'j DrawnJob) -> Vec<(String, &'j str)>,
    label: &str,
    value: impl Fn(&str) -> String,
) -> Vec<Ask> {
    let mut by_limit: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for (limit, name) in jobs.iter().flat_map(|job| limits(job)) {
        by_limit.entry(limit).or_default().insert(name);
    }
    let asks = by_limit.into_iter().map(|(limit, names)| {
        let value = value(&format!("{{{}}}", one_of(label, names)));
        Ask::new(
            format!("max by ({label}) ({value}) / {limit}"),
            format!("{{{{{label}}}}}"),
        )
    });
    asks.collect()
}

/// What Lambda counts, as far as the configuration collects it.
fn lambda(declared: &BTreeSet<&str>) -> Vec<Panel> {
    let ask = |metric: &str, what: &str| {
        let known = declared.contains(metric);
        known.then(|| {
            Ask::new(
                format!("max by (function) ({metric}{{{FUNCTIONS}}})"),
                format!("{{{{function}}}}{what}"),
            )
        })
    };
    let panels = [
        ("Lambda: invocations", vec![ask(INVOCATIONS, "")], Unit::count()),
        (
            "Lambda: errors and throttles",
            vec![ask(ERRORS, " errors"), ask(THROTTLES, " throttled")],
            Unit::count(),
        ),
        (
            "Lambda: duration, 99th percentile",
            vec![ask(SLOW, "")],
            Unit::seconds(),
        ),
        ("Lambda: executions at once", vec![ask(CONCURRENT, "")], Unit::count()),
    ];
    let panels = panels.into_iter().filter_map(|(title, asks, unit)| {
        let asks: Vec<Ask> = asks.into_iter().flatten().collect();
        (!asks.is_empty()).then(|| panel::lines(title, &asks, &unit, &[]))
    });
    panels.collect()
}
