//! The panels of what was promised: what is left of each error budget, and how fast it goes.
//!
//! Prometheus records the series under sloth's names, and all SLOs of a service are asked for at once: their panels take the same room
//! however many there are.

use std::collections::BTreeSet;

use super::grafana::{Link, Panel};
use super::panel::{self, Ask};
use super::promql::legend;
use super::thresholds::Limit;
use super::unit::Unit;
use crate::alerts::{Comparison, Severity, labels};
use crate::config::job::EXTERNAL_PURPOSE;
use crate::slo::{CURRENT_BURN_RATE, LABELS, PERIOD_BUDGET_REMAINING, Slo};

/// The series of a service's SLOs under a name.
fn series(service: &str, name: &str) -> String {
    let [_, of_service, _] = LABELS;
    format!("{name}{}", labels([(of_service, service)]))
}

/// What they are called: the SLO's name, and the labels by which any is kept apart.
fn called(slos: &[Slo]) -> String {
    let by: BTreeSet<&str> = slos.iter().flat_map(|slo| &slo.by).map(String::as_str).collect();
    let [_, _, name] = LABELS;
    let by = by.into_iter().filter(|label| *label != EXTERNAL_PURPOSE.0);
    let labels: Vec<_> = [name].into_iter().chain(by).collect();
    legend(&labels, name)
}

/// The selector of their alerts that fire.
pub(super) fn firing(service: &str) -> String {
    let [_, of_service, _] = LABELS;
    format!("ALERTS{}", labels([("alertstate", "firing"), (of_service, service)]))
}

/// The links to what is to be done.
pub(super) fn handbooks(slos: &[Slo]) -> impl Iterator<Item = Link> {
    slos.iter()
        .map(|slo| Link::page(format!("Handbook: {}", slo.alert_name()), &slo.handbook))
}

fn used_up() -> Limit {
    Limit {
        comparison: Comparison::Below,
        value: 0.0,
        severity: Severity::Critical,
    }
}

/// What is left of each budget now.
pub(super) fn budgets(service: &str, slos: &[Slo]) -> Panel {
    let ask = Ask::new(series(service, PERIOD_BUDGET_REMAINING), called(slos));
    panel::bars("Error budgets left", &[ask], &Unit::ratio(), Some(1.0), &[used_up()])
        .described(in_words(slos))
        .rounded(0)
}

/// What was left of each over time, and how fast it went.
pub(super) fn over_time(service: &str, slos: &[Slo]) -> Vec<Panel> {
    let fast = Limit {
        comparison: Comparison::Above,
        value: 1.0,
        severity: Severity::Warning,
    };
    let ask = |name: &str| [Ask::new(series(service, name), called(slos))];
    vec![
        panel::lines(
            "Error budgets left over time",
            &ask(PERIOD_BUDGET_REMAINING),
            &Unit::ratio(),
            &[used_up()],
        )
        .described(in_words(slos))
        .linked(handbooks(slos).collect()),
        panel::lines("Burn rates", &ask(CURRENT_BURN_RATE), &Unit::count(), &[fast])
            .described("How fast budgets go now: at 1 they last for exactly the time over which they were promised.")
            .linked(handbooks(slos).collect()),
    ]
}

/// What was promised.
fn in_words(slos: &[Slo]) -> String {
    let one = |slo: &Slo| {
        format!(
            "{}: {} % over {} days, for team {}.",
            slo.name,
            slo.objective,
            slo.days(),
            slo.team
        )
    };
    slos.iter().map(one).collect::<Vec<_>>().join(" ")
}
