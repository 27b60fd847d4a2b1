//! An alert's fields: whom it is for, how bad it is, what it says; and what holds of the whole.

use std::time::Duration;

use super::catalogue::Catalogue;
use super::spec::{Common, Spec};
use super::{Declared, Teller, case, condition};
use crate::alerts::{Alert, Condition, OWN_LABELS, Severity, Subject, duration, is_template_of, of_alert, templates};
use crate::config::document::AlertSpec;
use crate::config::job::{EXTERNAL_PURPOSE, ORGANISATION_LABEL};
use crate::config::read::Entry;
use crate::promql::{self, Limits};

const LONGEST_NAME: usize = 100;
/// What Slack allows for a channel's name.
const LONGEST_CHANNEL: usize = 80;
/// Its channel is `#team-` and the team.
const LONGEST_TEAM: usize = LONGEST_CHANNEL - "team-".len();
/// The longest that anybody waits to be told.
const MAX_HOLD: Duration = Duration::from_hours(30 * 24);

pub(super) fn resolve(
    teller: &mut Teller<'_>,
    catalogue: &Catalogue<'_>,
    declared: &Declared<'_, AlertSpec>,
) -> Option<Alert> {
    check_name(teller, declared);
    let condition = condition::resolve(teller, catalogue, declared);
    let told = told(teller, declared);
    let hold = hold(teller, declared);
    let (condition, subjects) = condition?;
    let Told {
        severity,
        team,
        slack_channel,
        handbook,
        description,
    } = told?;
    let mut alert = Alert {
        name: declared.name.to_owned(),
        condition,
        subjects,
        hold: hold?,
        severity,
        team,
        slack_channel,
        handbook,
        description,
        cases: Vec::new(),
    };
    check_hold(teller, declared, &alert);
    check_description(teller, declared, &alert.description, |label| yields(&alert, label));
    check_labels(teller, declared, &alert);
    alert.cases = case::resolve(teller, declared, &alert)?;
    Some(alert)
}

/// Who is told, and what.
pub(super) struct Told {
    pub(super) severity: Severity,
    pub(super) team: String,
    pub(super) slack_channel: Option<String>,
    pub(super) handbook: String,
    pub(super) description: String,
}

pub(super) fn told<S: Spec>(teller: &mut Teller<'_>, declared: &Declared<'_, S>) -> Option<Told> {
    let team = required(teller, declared, "team", |common| common.team);
    let severity = required(teller, declared, "severity", |common| common.severity);
    let handbook = required(teller, declared, "handbook", |common| common.handbook);
    let description = required(teller, declared, "description", |common| common.description);
    check_team(teller, declared);
    check_channel(teller, declared);
    check_handbook(teller, declared);
    let channel = declared.common(|common| common.slack_channel);
    Some(Told {
        severity: severity?,
        team: team?,
        slack_channel: channel.and_then(|(_, entry)| entry.get()).cloned(),
        handbook: handbook?,
        description: description?.trim().to_owned(),
    })
}

/// A field that each of them has, told where no layer gives it.
fn required<'a, S: Spec, T: Clone + 'a>(
    teller: &mut Teller<'_>,
    declared: &Declared<'a, S>,
    key: &str,
    field: impl Fn(&Common<'a>) -> Option<&'a Entry<T>>,
) -> Option<T> {
    if let Some((_, entry)) = declared.common(field) {
        return entry.get().cloned();
    }
    let (file, span) = declared.place();
    let help = match key {
        "team" => "add `team: ..`, in lower case: whom it is for",
        "severity" => "add `severity: warning`, or `critical` for what somebody is woken for",
        "handbook" => "add `handbook: https://..`: what is to be done about it",
        _ => "add `description: ..`: what it means, in a sentence",
    };
    let message = format!("the {} `{}` has no `{key}`", S::KIND, declared.name);
    teller.mistake(file, &span, message, help);
    None
}

fn check_name(teller: &mut Teller<'_>, declared: &Declared<'_, AlertSpec>) {
    let name = declared.name;
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let problem = if name.is_empty() {
        "the name of the alert is empty".to_owned()
    } else if !plain || !name.starts_with(|c: char| c.is_ascii_alphabetic()) || name.len() > LONGEST_NAME {
        format!(
            "`{name}` cannot be an alert's name: letters, digits and `_` are allowed, no digit first, {LONGEST_NAME} at most"
        )
    } else if name.starts_with("Fanlight") || name == "Watchdog" {
        format!("`{name}` is kept for Fanlight's own alerts")
    } else {
        return;
    };
    let (file, span) = declared.place();
    teller.mistake(file, &span, problem, "call it by what has happened, such as `NoLeads`");
}

fn check_team<S: Spec>(teller: &mut Teller<'_>, declared: &Declared<'_, S>) {
    let Some((file, entry)) = declared.common(|common| common.team) else {
        return;
    };
    let Some(team) = entry.get() else { return };
    if is_team(team) {
        return;
    }
    let message = if team.is_empty() {
        "the team is empty".to_owned()
    } else {
        format!("`{team}` cannot be a team: lower-case letters, digits, `-` and `_`, {LONGEST_TEAM} at most")
    };
    // Its words, where a letter is not among those that it cannot have.
    let words = team.to_lowercase();
    let words = words.split(|c: char| !c.is_alphanumeric() && c != '_');
    let near = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-");
    let help = if is_team(&near) {
        format!("write `{near}`")
    } else {
        "write whom it is for, such as `growth`".to_owned()
    };
    teller.mistake(file, &entry.span, message, help);
}

fn is_team(team: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    (1..=LONGEST_TEAM).contains(&team.len()) && team.chars().all(plain)
}

fn check_channel<S: Spec>(teller: &mut Teller<'_>, declared: &Declared<'_, S>) {
    let Some((file, entry)) = declared.common(|common| common.slack_channel) else {
        return;
    };
    let Some(channel) = entry.get() else { return };
    if !is_channel(channel) {
        let message = if channel.is_empty() {
            "the Slack channel is empty".to_owned()
        } else {
            format!("`{channel}` cannot be a Slack channel")
        };
        let help =
            "write it as Slack shows it, in quotes: '#growth-alerts'; without the key it is `#team-` and the team";
        teller.mistake(file, &entry.span, message, help);
    }
}

/// Whether this is a Slack channel as Slack shows it.
pub(in crate::config::resolve) fn is_channel(channel: &str) -> bool {
    let plain = |c: char| c.is_ascii_digit() || c == '-' || c == '_' || (c.is_alphabetic() && !c.is_uppercase());
    let name = channel.strip_prefix('#').unwrap_or_default();
    !name.is_empty() && name.chars().all(plain) && name.chars().count() <= LONGEST_CHANNEL
}

fn check_handbook<S: Spec>(teller: &mut Teller<'_>, declared: &Declared<'_, S>) {
    let Some((file, entry)) = declared.common(|common| common.handbook) else {
        return;
    };
    let Some(handbook) = entry.get() else { return };
    // Schemes are the same in upper and lower case (RFC 3986, section 3.1).
    let is_link = handbook.split_once("://").is_some_and(|(scheme, rest)| {
        let known = ["https", "http"];
        known.iter().any(|known| scheme.eq_ignore_ascii_case(known)) && !rest.is_empty()
    });
    if !is_link || handbook.contains(char::is_whitespace) || handbook.contains("{{") {
        let message = if handbook.is_empty() {
            "the handbook is empty"
        } else {
            "the handbook is a link"
        };
        let help = "write `https://..`, where it says what is to be done: whoever is woken opens it";
        teller.mistake(file, &entry.span, message, help);
    }
}

fn hold(teller: &mut Teller<'_>, declared: &Declared<'_, AlertSpec>) -> Option<Duration> {
    let Some((file, entry)) = declared.field(|spec| &spec.hold) else {
        return Some(Duration::ZERO);
    };
    let length = entry.get()?.0;
    let hold = Duration::try_from(length).ok().filter(|hold| *hold <= MAX_HOLD);
    if hold.is_none() {
        let message = if length.is_negative() {
            "`for` is a length of time, which is never less than nothing"
        } else {
            "`for` is a length of time of 30 days at most"
        };
        teller.mistake(file, &entry.span, message, "write one such as `10m`, or leave it out");
    }
    hold
}

/// A last value that is bad stays so, and counts as fresh for a while after its pusher has died: a `for` within that while is
/// decided by one push, and does not say so.
fn check_hold(teller: &mut Teller<'_>, declared: &Declared<'_, AlertSpec>, alert: &Alert) {
    let Some((file, entry)) = declared.field(|spec| &spec.hold) else {
        return;
    };
    let limits = alert.subjects.iter().map(|subject| subject.freshness.limit());
    let Some(limit) = limits.max() else { return };
    if !alert.hold.is_zero() && alert.hold <= limit {
        let message = format!(
            "`for: {}` is decided by a single push: what is pushed counts as fresh for {}",
            duration(alert.hold),
            duration(limit)
        );
        let help = format!("write more than {}, or leave `for` out", duration(limit));
        teller.warning(file, &entry.span, message, help);
    }
}

pub(super) fn check_description<S: Spec>(
    teller: &mut Teller<'_>,
    declared: &Declared<'_, S>,
    description: &str,
    yields: impl Fn(&str) -> bool,
) {
    let Some((file, entry)) = declared.common(|common| common.description) else {
        return;
    };
    if description.is_empty() {
        teller.mistake(
            file,
            &entry.span,
            "the description is empty",
            "say what it means, in a sentence",
        );
    }
    let Ok(templates) = templates(description) else {
        teller.mistake(
            file,
            &entry.span,
            "`{{` is not closed",
            "write `{{ $labels.NAME }}` or `{{ $value }}`",
        );
        return;
    };
    for template in templates {
        if template == "$value" {
            continue;
        }
        let Some(label) = is_template_of(template) else {
            let message = format!("`{{{{ {template} }}}}` is not filled in");
            teller.mistake(
                file,
                &entry.span,
                message,
                "only `{{ $labels.NAME }}` and `{{ $value }}` are",
            );
            continue;
        };
        if !yields(label) {
            let message = format!("the alert's series have no label `{label}`");
            teller.mistake(
                file,
                &entry.span,
                message,
                "name a label that they have; `by` says which are left",
            );
        }
    }
}

/// Whether the alert's series have a label, as far as that can be told.
pub(super) fn yields(alert: &Alert, label: &str) -> bool {
    let has = alert.subjects.iter().any(|subject| subject.has(label));
    match &alert.condition {
        // `label_replace` and the like make labels of their own.
        Condition::Expression { promql, .. } => has || promql.contains(&format!("\"{label}\"")),
        Condition::Absent { term, .. } => {
            let subject = &alert.subjects[term.subject.0];
            let grouping = subject.grouping.iter().chain(&term.filters);
            label == "job" || grouping.into_iter().any(|(name, _)| name == label)
        }
        Condition::Compare { value, .. } | Condition::NoIncrease { value, .. } => {
            value.by.as_ref().map_or(has, |by| by.iter().any(|name| name == label))
        }
        Condition::Ratio { by, .. } => by.iter().any(|name| name == label),
    }
}

/// Whether a label that the series have is static and the same on all of them, and the rule's own takes its place: hiding it makes no two
/// series one. Not of what is told apart by `ALERTS` in its tests, whose labels would be given twice.
fn hides_a_constant(alert: &Alert, label: &str) -> bool {
    if matches!(alert.condition, Condition::NoIncrease { .. } | Condition::Ratio { .. }) {
        return false;
    }
    let is_given = label != "slack_channel" || alert.slack_channel.is_some();
    let mut values = alert
        .subjects
        .iter()
        .filter(|subject| subject.has(label))
        .map(|subject| subject.fixed.iter().find(|(name, _)| name == label));
    let Some(Some(first)) = values.next() else { return false };
    is_given && values.all(|value| value == Some(first))
}

/// Labels that the alert gives are not its series' own; and those by which customers find theirs are kept.
fn check_labels(teller: &mut Teller<'_>, declared: &Declared<'_, AlertSpec>, alert: &Alert) {
    let (file, span) = declared.place();
    let expression = of_alert(alert);
    let tree = match promql::parse(&expression, &Limits::default()) {
        Ok(tree) => tree,
        Err(error) => {
            let message = format!("the rule of `{}` would be wrong: {error}", alert.name);
            teller.mistake(file, &span, message, "write it as an `expression`");
            return;
        }
    };
    let keeps = |label: &str| match &alert.condition {
        Condition::Absent { .. } => yields(alert, label),
        _ => tree.keeps(label, &|metric| {
            let of_metric = |subject: &&Subject| Some(subject.metric.as_str()) == metric;
            alert
                .subjects
                .iter()
                .find(of_metric)
                .is_some_and(|subject| subject.has(label))
        }),
    };
    for label in OWN_LABELS {
        if keeps(label) && !hides_a_constant(alert, label) {
            let message = format!("the series have a label `{label}`, which the alert would hide with its own");
            let help = format!(
                "rename the metric's label, static or not, or add the series up without it: `by`, or `sum without ({label})`"
            );
            teller.mistake(file, &span, message, help);
        }
    }
    if alert.subjects.iter().any(|subject| subject.external) {
        let (purpose, _) = EXTERNAL_PURPOSE;
        for label in [purpose, ORGANISATION_LABEL] {
            if !keeps(label) {
                let message = format!(
                    "the alert reads a metric of customers and loses its label `{label}`, so that none of them sees it"
                );
                let help = format!(
                    "keep it, as by `sum by ({purpose}, {ORGANISATION_LABEL}) (..)`, or read a metric that is not external"
                );
                teller.mistake(file, &span, message, help);
            }
        }
    }
}
