//! The dashboard of a funnel: how many come through step by step, and on which of its sides they are lost.

use super::grafana::{Panel, Variable};
use super::layout;
use super::model::{Funnel, Service};
use super::page::Page;
use super::panel::{self, Ask};
use super::promql::of_job;
use super::service::{handbook, in_words};
use super::thresholds::Limit;
use super::unit::Unit;
use crate::alerts::{self, Alert, Comparison, Condition, labels};

/// The variable with the sides that the reader chooses.
const SIDE: &str = "side";
/// Heights of its three lines, which are a page.
const LINES: [u32; 3] = [8, 8, 8];

/// Its page; the alert of a share of its metric gives the colours.
pub(super) fn page(service: &Service, funnel: &Funnel, alerts: &[Alert]) -> Page {
    let watched = watched(funnel, alerts);
    let limits: Vec<_> = watched.iter().map(|(_, limit)| *limit).collect();
    let words: Vec<_> = watched.iter().map(|(alert, _)| in_words(alert)).collect();
    let links: Vec<_> = watched.iter().map(|(alert, _)| handbook(alert)).collect();
    let coloured = |panel: Panel| panel.described(words.join(" ")).linked(links.clone());
    let [now, steps, sides] = LINES;
    let lines = [
        (
            now,
            vec![people(funnel), coloured(conversion(funnel, &limits)), through(funnel)],
        ),
        (
            steps,
            vec![coloured(by_step(funnel, &limits)), coloured(matrix(funnel, &limits))],
        ),
        (sides, vec![begun(funnel), by_side(funnel)]),
    ];
    let weights: [&[u32]; 3] = [&[5, 5, 2], &[7, 5], &[1, 1]];
    let mut top = 0;
    let mut panels: Vec<Panel> = Vec::new();
    for ((height, line), weights) in lines.into_iter().zip(weights) {
        let places = layout::line(weights, top, height);
        panels.extend(line.into_iter().zip(places).map(|(panel, place)| panel.at(place)));
        top += height;
    }
    let about = format!(
        "The steps of {}, one after the other, and who gets through them.",
        funnel.metric
    );
    Page {
        folder: service.folder.clone(),
        name: format!("{}-{}", service.name, funnel.name),
        about,
        tags: vec![service.name.clone(), "funnel".to_owned()],
        firing: firing(funnel, alerts),
        variables: vec![Variable::label_values(SIDE, &funnel.by, &series(funnel, &[]))],
        panels,
    }
}

fn series(funnel: &Funnel, filters: &[(&str, &str)]) -> String {
    of_job(&funnel.job, &funnel.grouping, &funnel.metric, filters.iter().copied())
}

/// Those of some phase, on the sides that the reader chooses, added up by labels.
fn those(funnel: &Funnel, phase: &[(String, String)], step: Option<&str>, by: &[&str]) -> String {
    let mut filters: Vec<_> = phase
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    filters.extend(step.map(|step| (funnel.label.as_str(), step)));
    let series = series(funnel, &filters);
    // Grafana fills in a regular expression of what is chosen.
    let chosen = format!(", {}=~\"${SIDE}\"}}", funnel.by);
    let series = series
        .strip_suffix('}')
        .map_or_else(|| series.clone(), |open| format!("{open}{chosen}"));
    if by.is_empty() {
        format!("sum({series})")
    } else {
        format!("sum by ({}) ({series})", by.join(", "))
    }
}

/// Those who complete as a part of those who begin; nothing where nobody begins.
fn share(funnel: &Funnel, steps: [Option<&str>; 2], by: &[&str]) -> String {
    let [begun, completed] = steps;
    format!(
        "{} / ({} > 0)",
        those(funnel, &funnel.completed, completed, by),
        those(funnel, &funnel.begun, begun, by)
    )
}

fn people(funnel: &Funnel) -> Panel {
    let asks = funnel.steps.iter();
    let asks: Vec<_> = asks
        .map(|step| Ask::new(those(funnel, &funnel.begun, Some(step), &[]), step))
        .collect();
    panel::bars("Begin each step", &asks, &Unit::count(), None, &[])
}

fn conversion(funnel: &Funnel, limits: &[Limit]) -> Panel {
    let asks = funnel.steps.iter();
    let asks: Vec<_> = asks
        .map(|step| Ask::new(share(funnel, [Some(step), Some(step)], &[]), step))
        .collect();
    panel::bars(
        "Complete it, of those who begin",
        &asks,
        &Unit::ratio(),
        Some(1.0),
        limits,
    )
    .rounded(0)
}

fn ends(funnel: &Funnel) -> [Option<&str>; 2] {
    [funnel.steps.first(), funnel.steps.last()].map(|step| step.map(String::as_str))
}

fn through(funnel: &Funnel) -> Panel {
    let ask = Ask::new(share(funnel, ends(funnel), &[]), "through");
    panel::numbers("From the first step to the last", &[ask], &Unit::ratio(), &[])
        .described("Those who complete the last step as a part of those who begin the first in the same time.")
        .rounded(0)
}

fn by_step(funnel: &Funnel, limits: &[Limit]) -> Panel {
    let asks = funnel.steps.iter();
    let asks: Vec<_> = asks
        .map(|step| Ask::new(share(funnel, [Some(step), Some(step)], &[]), step))
        .collect();
    panel::lines("Conversion of each step", &asks, &Unit::ratio(), limits)
}

fn matrix(funnel: &Funnel, limits: &[Limit]) -> Panel {
    let by = [funnel.label.as_str(), funnel.by.as_str()];
    let title = format!("Conversion by {} and {}", funnel.label, funnel.by);
    panel::matrix(title, share(funnel, [None, None], &by), by, &Unit::ratio(), limits).rounded(0)
}

fn begun(funnel: &Funnel) -> Panel {
    let first = funnel.steps.first().map(String::as_str);
    let query = those(funnel, &funnel.begun, first, &[&funnel.by]);
    let title = format!("Begin the first step, by {}", funnel.by);
    panel::lines(
        title,
        &[Ask::new(query, format!("{{{{{}}}}}", funnel.by))],
        &Unit::count(),
        &[],
    )
}

fn by_side(funnel: &Funnel) -> Panel {
    let query = share(funnel, ends(funnel), &[&funnel.by]);
    let title = format!("From the first step to the last, by {}", funnel.by);
    panel::lines(
        title,
        &[Ask::new(query, format!("{{{{{}}}}}", funnel.by))],
        &Unit::ratio(),
        &[],
    )
}

/// The alerts on too small a share of its metric, step by step.
fn watched<'a>(funnel: &'a Funnel, alerts: &'a [Alert]) -> Vec<(&'a Alert, Limit)> {
    let by_step =
        |alert: &&Alert| matches!(&alert.condition, Condition::Ratio { by, .. } if by.contains(&funnel.label));
    let of_steps = about(funnel, alerts).filter(by_step);
    let compared = of_steps.filter_map(|alert| Some((alert, alerts::compared(alert)?)));
    compared
        .filter(|(_, (_, comparison, _))| *comparison == Comparison::Below)
        .map(|(alert, (_, comparison, threshold))| (alert, Limit::of(alert, comparison, threshold)))
        .collect()
}

fn about<'a>(funnel: &'a Funnel, alerts: &'a [Alert]) -> impl Iterator<Item = &'a Alert> {
    let reads = |alert: &&Alert| {
        let mut subjects = alert.subjects.iter();
        subjects.any(|subject| subject.metric == funnel.metric && subject.job == funnel.job)
    };
    alerts.iter().filter(reads)
}

fn firing(funnel: &Funnel, alerts: &[Alert]) -> Option<String> {
    let names: Vec<_> = about(funnel, alerts).map(|alert| alert.name.as_str()).collect();
    if names.is_empty() {
        return None;
    }
    let state = labels([("alertstate", "firing")]);
    let names = super::promql::one_of("alertname", names);
    Some(format!("ALERTS{}, {names}}}", state.trim_end_matches('}')))
}
