//! The dashboard of a service: what fires, how fresh everything is, what was promised, and every metric.

use super::grafana::{Link, Panel};
use super::layout::{self, ROWS};
use super::model::{Drawn, DrawnJob, Service};
use super::page::Page;
use super::panel::{self, Ask};
use super::promql::{self, Drawing, one_of};
use super::slo;
use super::thresholds::Limit;
use super::unit::Unit;
use crate::alerts::{self, Alert, Comparison, Condition, STALE, Severity, duration};
use crate::collect::self_metrics::{JOB_LABEL, SCHEDULED};
use crate::slo::Slo;

/// Rows for what fires and how old everything is.
const STRIP: u32 = 4;
/// More jobs than fit into the strip as bars below each other make it higher, up to this.
const HIGHEST_STRIP: u32 = 8;
/// Rows for what was promised.
const PROMISED: u32 = 5;
/// Organisations are many, and those are drawn that are nearest to the threshold.
const NEAREST: usize = 16;

/// Its pages: `SERVICE-main`, and further ones where there is more than fits one.
pub(super) fn pages(service: &Service, alerts: &[Alert], slos: &[Slo]) -> Vec<Page> {
    if service.jobs.is_empty() {
        return Vec::new();
    }
    let firing = firing(service, alerts, slos);
    let (mut panels, mut top) = strip(service, alerts, slos, firing.as_deref());
    if !slos.is_empty() {
        let promised = slo::over_time(&service.name, slos);
        let places = layout::line(&vec![1; promised.len()], top, PROMISED);
        panels.extend(promised.into_iter().zip(places).map(|(panel, place)| panel.at(place)));
        top += PROMISED;
    }
    let mut all = metrics(service, alerts);
    if all.len() > layout::capacity(ROWS - top) {
        // What is watched comes first where not all fits.
        all.sort_by_key(|(watched, _)| !watched);
    }
    let mut left = all.into_iter().map(|(_, panel)| panel).peekable();
    let mut pages = Vec::new();
    while left.peek().is_some() || pages.is_empty() {
        let rows = ROWS - top;
        let here: Vec<Panel> = left.by_ref().take(layout::capacity(rows)).collect();
        let places = layout::grid(here.len(), top, rows);
        panels.extend(here.into_iter().zip(places).map(|(panel, place)| panel.at(place)));
        let number = pages.len() + 1;
        let end = if number == 1 {
            "main".to_owned()
        } else {
            number.to_string()
        };
        pages.push(Page {
            folder: service.folder.clone(),
            name: format!("{}-{end}", service.name),
            about: format!("What the service {} measures.", service.name),
            tags: vec![service.name.clone()],
            firing: firing.clone(),
            variables: Vec::new(),
            panels: std::mem::take(&mut panels),
        });
        top = 0;
    }
    pages
}

/// The series of all its alerts that fire.
fn firing(service: &Service, alerts: &[Alert], slos: &[Slo]) -> Option<String> {
    let own = (!alerts.is_empty()).then(|| {
        let names = one_of("alertname", alerts.iter().map(|alert| alert.name.as_str()));
        format!("ALERTS{{alertstate=\"firing\", {names}}}")
    });
    let promised = (!slos.is_empty()).then(|| slo::firing(&service.name));
    if own.is_none() && promised.is_none() {
        return None;
    }
    let jobs = one_of(JOB_LABEL, service.jobs.iter().map(|job| job.name.as_str()));
    let stale = format!("ALERTS{{alertstate=\"firing\", alertname=\"{STALE}\", {jobs}}}");
    let all: Vec<_> = own.into_iter().chain(promised).chain([stale]).collect();
    Some(all.join(" or "))
}

/// The panels at the top, and the first row below them.
fn strip(service: &Service, alerts: &[Alert], slos: &[Slo], firing: Option<&str>) -> (Vec<Panel>, u32) {
    let jobs = u32::try_from(service.jobs.len()).unwrap_or(u32::MAX);
    let height = jobs.saturating_add(2).clamp(STRIP, HIGHEST_STRIP);
    let mut panels = Vec::new();
    if let Some(firing) = firing {
        let any = Limit {
            comparison: Comparison::Above,
            value: 0.5,
            severity: Severity::Critical,
        };
        let query = format!("count({firing}) or vector(0)");
        let links = alerts.iter().map(handbook).chain(slo::handbooks(slos)).collect();
        panels.push((
            1,
            panel::numbers("Alerts that fire", &[Ask::new(query, "firing")], &Unit::count(), &[any])
                .described(
                    "Those of this service. What is to be done stands in the handbook, to which the panel links.",
                )
                .linked(links),
        ));
    }
    panels.push((4, freshness(&service.jobs)));
    if !slos.is_empty() {
        panels.push((3, slo::budgets(&service.name, slos)));
    }
    let weights: Vec<u32> = panels.iter().map(|(weight, _)| *weight).collect();
    let places = layout::line(&weights, 0, height);
    let panels = panels
        .into_iter()
        .zip(places)
        .map(|((_, panel), place)| panel.at(place));
    (panels.collect(), height)
}

/// The age of each job's newest push; its bar ends where that is stale.
fn freshness(jobs: &[DrawnJob]) -> Panel {
    let asks: Vec<_> = jobs
        .iter()
        .map(|job| {
            let of_job = [(JOB_LABEL, job.name.as_str())].into_iter();
            let grouping = job.grouping.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            let labels = alerts::labels(of_job.chain(grouping));
            let limit = duration(job.freshness.limit());
            Ask::new(
                format!("time() - max({SCHEDULED}{labels})"),
                format!("{}, stale after {limit}", job.name),
            )
        })
        .collect();
    let panel = panel::bars("Age of the newest push", &asks, &Unit::seconds(), None, &[]);
    let limits = jobs.iter().map(|job| job.freshness.limit().as_secs_f64());
    limits
        .enumerate()
        .fold(panel, |panel, (number, limit)| panel.limited(number, limit))
        .described(
            "Since the time for which the job last pushed. A bar ends where alerts stop believing in its numbers.",
        )
}

/// The panels of metrics and of what alerts make of them, and whether an alert watches each.
fn metrics(service: &Service, alerts: &[Alert]) -> Vec<(bool, Panel)> {
    let mut panels = Vec::new();
    for job in &service.jobs {
        for metric in &job.metrics {
            let drawing = Drawing::of(job, metric);
            let about: Vec<_> = alerts.iter().filter(|alert| is_home(alert, job, metric)).collect();
            let (beside, apart): (Vec<_>, Vec<_>) = about.into_iter().partition(|alert| is_drawn(alert, &drawing));
            panels.push((!beside.is_empty(), of_metric(metric, &drawing, &beside)));
            let apart = apart.into_iter().filter_map(|alert| of_alert(alert, &drawing.unit));
            panels.extend(apart.map(|panel| (true, panel)));
        }
    }
    panels
}

/// Whether an alert stands beside a metric, or reads it first.
fn is_home(alert: &Alert, job: &DrawnJob, metric: &Drawn) -> bool {
    let first = alert.subjects.first();
    first.is_some_and(|subject| subject.job == job.name && subject.metric == metric.name)
}

/// Whether a line at the alert's threshold means what it says beside the metric as it is drawn.
fn is_drawn(alert: &Alert, drawing: &Drawing) -> bool {
    match &alert.condition {
        Condition::Compare { value, .. } => match (&value.by, &drawing.by) {
            (None, None) => true,
            (Some(one), Some(other)) => {
                one.len() == other.len()
                    && one.iter().all(|label| other.contains(label))
                    && value.term.filters.is_empty()
            }
            _ => false,
        },
        // What has no threshold is told of beside the metric.
        Condition::Expression { .. } | Condition::Absent { .. } | Condition::NoIncrease { .. } => true,
        Condition::Ratio { .. } => false,
    }
}

fn of_metric(metric: &Drawn, drawing: &Drawing, alerts: &[&Alert]) -> Panel {
    let limits: Vec<_> = alerts.iter().filter_map(|alert| limit(alert)).collect();
    let words = [metric.help.clone()].into_iter().chain(drawing.note.clone());
    let words = words.chain(alerts.iter().map(|alert| in_words(alert)));
    let words: Vec<_> = words.filter(|words| !words.is_empty()).collect();
    let ask = Ask::new(drawing.query.as_str(), drawing.legend.as_str());
    panel::lines(metric.name.as_str(), &[ask], &drawing.unit, &limits)
        .described(words.join(" "))
        .linked(alerts.iter().map(|alert| handbook(alert)).collect())
}

/// What an alert holds against its threshold, where that is not the metric as it is drawn.
fn of_alert(alert: &Alert, unit: &Unit) -> Option<Panel> {
    let (value, comparison, threshold) = alerts::compared(alert)?;
    let (by, unit) = match &alert.condition {
        Condition::Ratio { by, .. } => (by.clone(), Unit::ratio()),
        Condition::Compare { value, .. } => {
            let subject = alert.subjects.get(value.term.subject.0)?;
            let varying = subject.varying.iter().map(|(name, _)| name.clone());
            (value.by.clone().unwrap_or_else(|| varying.collect()), unit.clone())
        }
        Condition::Expression { .. } | Condition::Absent { .. } | Condition::NoIncrease { .. } => return None,
    };
    let own = |label: &&String| label.as_str() != crate::config::job::EXTERNAL_PURPOSE.0;
    let by: Vec<_> = by.iter().filter(own).map(String::as_str).collect();
    let external = alert.subjects.iter().any(|subject| subject.external);
    let query = match (external, comparison) {
        (false, _) => value,
        (true, Comparison::Below) => format!("bottomk({NEAREST}, {value})"),
        (true, Comparison::Above) => format!("topk({NEAREST}, {value})"),
    };
    let limit = Limit::of(alert, comparison, threshold);
    let ask = Ask::new(query, promql::legend(&by, &alert.name));
    Some(
        panel::lines(alert.name.as_str(), &[ask], &unit, &[limit])
            .described(in_words(alert))
            .linked(vec![handbook(alert)]),
    )
}

fn limit(alert: &Alert) -> Option<Limit> {
    let (_, comparison, threshold) = alerts::compared(alert)?;
    Some(Limit::of(alert, comparison, threshold))
}

/// Where it says what is to be done.
pub(super) fn handbook(alert: &Alert) -> Link {
    Link::page(format!("Handbook: {}", alert.name), &alert.handbook)
}

/// When an alert fires, and for whom.
pub(super) fn in_words(alert: &Alert) -> String {
    let Alert { name, team, .. } = alert;
    let beyond = |comparison, threshold: f64| match comparison {
        Comparison::Below => format!("below {threshold}"),
        Comparison::Above => format!("above {threshold}"),
    };
    let when = match &alert.condition {
        Condition::Compare {
            comparison, threshold, ..
        } => beyond(*comparison, *threshold),
        Condition::Ratio {
            comparison,
            threshold,
            minimum,
            ..
        } => format!("{}, of {minimum} or more", beyond(*comparison, *threshold)),
        Condition::Absent { window, .. } => format!("when there has been nothing for {}", duration(*window)),
        Condition::NoIncrease { window, .. } => format!("when nothing has been added for {}", duration(*window)),
        Condition::Expression { .. } => "by an expression of its own".to_owned(),
    };
    let hold = if alert.hold.is_zero() {
        String::new()
    } else {
        format!(" for {}", duration(alert.hold))
    };
    format!("{name} ({}, team {team}) fires {when}{hold}.", alert.severity.name())
}
