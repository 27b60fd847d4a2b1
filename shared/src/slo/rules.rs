//! The rules of an SLO: what was bad and what there was, the part of the one in the other over each window, the budget, and the alerts.
//!
//! A Pushgateway shows one value until the next push, so that a rate over a window that holds one push says nothing. Of counters, the
//! increase of what was bad and of all is recorded apart, and divided afterwards. Of all else, what is bad now is recorded at each
//! evaluation, and only while it is fresh, so that what a dead pusher has left behind is added up by no window.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_saphyr::LitString;

use super::model::{
    CURRENT_BURN_RATE, ERROR_BUDGET, Events, INFO, Indicator, LABELS, OBJECTIVE, PERIOD_BUDGET_REMAINING,
    PERIOD_BURN_RATE, Slo, TIME_PERIOD_DAYS,
};
use super::windows::BurnRate;
use super::{enough, freshness};
use crate::alerts::{
    Group, Rule, Selection, Severity, Term, annotations, duration, gate, number, own_labels, selected, selector, sign,
};

/// The label that tells windows apart.
pub(super) const WINDOW_LABEL: &str = "sloth_window";
/// The label that tells an SLO's two alerts apart, whatever their severity.
pub(crate) const SPEED_LABEL: &str = "sloth_severity";
/// Its value of the fast one.
pub(crate) const PAGE: &str = "page";
/// Its value of the slow one.
pub(crate) const TICKET: &str = "ticket";
/// What is bad at an evaluation, and what there is.
pub(super) const BAD_NOW: &str = "slo:sli_bad:now";
pub(super) const TOTAL_NOW: &str = "slo:sli_total:now";

/// One of an SLO's alerts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Speed<'a> {
    /// The value of `sloth_severity`.
    pub(super) name: &'static str,
    pub(super) severity: Severity,
    pub(super) rates: &'a [BurnRate],
}

/// The alerts of an SLO, the fast one first.
pub(super) fn speeds(slo: &Slo) -> Vec<Speed<'_>> {
    let page = Speed {
        name: PAGE,
        severity: Severity::Critical,
        rates: &slo.burns.page,
    };
    let ticket = Speed {
        name: TICKET,
        severity: Severity::Warning,
        rates: &slo.burns.ticket,
    };
    let speeds = [page, ticket].into_iter();
    speeds.filter(|speed| !speed.rates.is_empty()).collect()
}

/// The labels of one of its alerts besides those of its series.
pub(super) fn alert_labels(slo: &Slo, speed: &Speed<'_>) -> BTreeMap<String, String> {
    let mut labels = own_labels(speed.severity, &slo.team, slo.slack_channel.as_deref());
    labels.insert(SPEED_LABEL.to_owned(), speed.name.to_owned());
    labels
}

/// All rules of an SLO, in the order in which they need one another.
pub(crate) fn group(slo: &Slo) -> Group {
    let mut rules = now(slo);
    rules.extend(enough::pushes(slo));
    for window in slo.windows() {
        rules.extend(over_window(slo, window));
    }
    rules.extend(enough::events(slo));
    rules.push(over_period(slo));
    rules.extend(budget(slo));
    rules.extend(speeds(slo).iter().map(|speed| alert(slo, speed)));
    Group {
        name: format!("slo:{}", slo.id()),
        rules,
    }
}

/// A rule that records a series of the SLO, with more labels.
pub(super) fn record(slo: &Slo, name: &str, expr: String, more: &[(&str, String)]) -> Rule {
    let labels = slo
        .labels()
        .into_iter()
        .chain(more.iter().map(|(name, value)| (*name, value.clone())));
    Rule::Recording {
        record: name.to_owned(),
        expr: LitString(expr),
        labels: labels.map(|(name, value)| (name.to_owned(), value)).collect(),
    }
}

/// What is bad at an evaluation, and what there is; nothing for counters.
fn now(slo: &Slo) -> Vec<Rule> {
    let gate = gate(&slo.subjects);
    match &slo.indicator {
        Indicator::Ratio { counters: true, .. } => Vec::new(),
        Indicator::Ratio { events, total, .. } => {
            let (bad, total) = counted(slo, events, total, |series| series);
            vec![
                record(slo, BAD_NOW, format!("({bad}){gate}"), &[]),
                record(slo, TOTAL_NOW, format!("{total}{gate}"), &[]),
            ]
        }
        Indicator::Threshold { term, bad, threshold } => {
            let beyond = |series: String| format!("{series} {} bool {}", sign(*bad), number(*threshold));
            let beyond = beyond(selector(&slo.subjects, term));
            let worst = match slo.by.as_slice() {
                [] => format!("max({beyond})"),
                by => format!("max by ({}) ({beyond})", by.join(", ")),
            };
            vec![record(slo, BAD_NOW, worst + &gate, &[])]
        }
        Indicator::Freshness { within } => vec![record(slo, BAD_NOW, freshness::bad_now(slo, *within), &[])],
    }
}

/// What is bad and what there is, added up of series as `read` has them.
fn counted(slo: &Slo, events: &Events, total: &Term, read: impl Fn(String) -> String) -> (String, String) {
    let sum = |term: &Term| {
        let selection = Selection {
            term: term.clone(),
            by: Some(slo.by.clone()),
        };
        selected(&slo.subjects, &selection, &read)
    };
    let total = sum(total);
    // No series of some events are none of them, as long as there are any.
    let bad = match events {
        Events::Bad(bad) => format!("{} or {total} * 0", sum(bad)),
        Events::Good(good) => format!("clamp_min({total} - ({} or {total} * 0), 0)", sum(good)),
    };
    (bad, total)
}

/// The part of what was bad in a window of an alert.
fn over_window(slo: &Slo, window: Duration) -> Vec<Rule> {
    let text = duration(window);
    let label = [(WINDOW_LABEL, text.clone())];
    let ratio = Slo::error_ratio(window);
    match &slo.indicator {
        Indicator::Ratio {
            events,
            total,
            counters: true,
            ..
        } => {
            let increase = |series: String| format!("increase({series}[{text}])");
            let (bad, total) = counted(slo, events, total, increase);
            let (bad_name, total_name) = (increase_of("bad", window), increase_of("total", window));
            let divided = format!("{} / ({} > 0)", slo.selector(&bad_name), slo.selector(&total_name));
            vec![
                record(slo, &bad_name, bad, &label),
                record(slo, &total_name, total, &label),
                record(slo, &ratio, divided, &label),
            ]
        }
        _ => vec![record(slo, &ratio, over_time(slo, window), &label)],
    }
}

/// The name of the series with the increase of a counter in a window.
pub(super) fn increase_of(what: &str, window: Duration) -> String {
    format!("slo:sli_{what}:increase{}", duration(window))
}

/// The part of what was bad in a window, from what was recorded at each evaluation.
fn over_time(slo: &Slo, window: Duration) -> String {
    let over = |series: &str, function: &str| format!("{function}({}[{}])", slo.selector(series), duration(window));
    match slo.indicator {
        Indicator::Ratio { counters: true, .. } => {
            // Each event stands in as many of these increases as any other.
            let base = slo.burns.ticket.last().map_or(window, |rate| rate.short);
            let bad = over(&increase_of("bad", base), "sum_over_time");
            format!("{bad} / ({} > 0)", over(&increase_of("total", base), "sum_over_time"))
        }
        Indicator::Ratio { .. } => {
            let bad = over(enough::BAD_PUSHED, "sum_over_time");
            format!("{bad} / ({} > 0)", over(enough::PUSHED, "sum_over_time"))
        }
        Indicator::Threshold { .. } | Indicator::Freshness { .. } => over(BAD_NOW, "avg_over_time"),
    }
}

/// The part of what was bad in the whole of the SLO's window.
fn over_period(slo: &Slo) -> Rule {
    let label = [(WINDOW_LABEL, duration(slo.window))];
    record(slo, &Slo::error_ratio(slo.window), over_time(slo, slo.window), &label)
}

/// What was promised, what that leaves, and how much of it is used up.
fn budget(slo: &Slo) -> Vec<Rule> {
    let objective = number(slo.objective_ratio());
    let budget = slo.selector(ERROR_BUDGET);
    let burn = |window: Duration| {
        let ratio = slo.selector(&Slo::error_ratio(window));
        format!("{ratio}\n/ on ({}) group_left\n{budget}", LABELS.join(", "))
    };
    let shortest = slo.windows().first().copied().unwrap_or(slo.window);
    let info = [
        ("sloth_objective", number(slo.objective)),
        ("sloth_mode", "fanlight".to_owned()),
    ];
    vec![
        record(slo, OBJECTIVE, format!("vector({objective})"), &[]),
        record(
            slo,
            ERROR_BUDGET,
            format!("vector({})", number(slo.error_budget())),
            &[],
        ),
        record(slo, TIME_PERIOD_DAYS, format!("vector({})", number(slo.days())), &[]),
        record(slo, CURRENT_BURN_RATE, burn(shortest), &[]),
        record(slo, PERIOD_BURN_RATE, burn(slo.window), &[]),
        record(
            slo,
            PERIOD_BUDGET_REMAINING,
            format!("1 - {}", slo.selector(PERIOD_BURN_RATE)),
            &[],
        ),
        record(slo, INFO, "vector(1)".to_owned(), &info),
    ]
}

/// An alert: any of its burn rates in both windows, of what has seen enough, and is fresh.
fn alert(slo: &Slo, speed: &Speed<'_>) -> Rule {
    let budget = number(slo.error_budget());
    let rates = speed.rates.iter().map(|rate| {
        let burns = |window: Duration| {
            let ratio = slo.selector(&Slo::error_ratio(window));
            format!(
                "max({ratio} > ({} * {budget})) without ({WINDOW_LABEL})",
                number(rate.factor)
            )
        };
        let conditions = [burns(rate.short), burns(rate.long)];
        let conditions = conditions.into_iter().chain(enough::enough(slo, rate));
        format!("(\n  {}\n)", conditions.collect::<Vec<_>>().join("\n  and "))
    });
    let mut expr = rates.collect::<Vec<_>>().join("\nor\n");
    if slo.depends_on_freshness() {
        let several = speed.rates.len() > 1;
        if several {
            expr = format!("(\n{expr}\n)");
        }
        expr += &gate(&slo.subjects);
    }
    Rule::Alerting {
        alert: slo.alert_name(),
        expr: LitString(expr),
        hold: None,
        labels: alert_labels(slo, speed),
        annotations: annotations(&slo.description, &slo.handbook),
    }
}
