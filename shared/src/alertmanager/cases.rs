//! What amtool has to find: the receiver of every alert that there is, of every team and severity, and of what nobody is routed
//! for; and the words of messages.
//!
//! The receivers follow from the rules, and not from the routes, which are what is tested.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::configuration::{SWITCH, UNROUTED, receiver, teams};
use super::settings::Alerting;
use super::text::{self, Told};
use super::watchdog::{SEVERITY, WATCHDOG};
use crate::alerts::{Environment, Severity, alerts_of};
use crate::slo::SPEED_LABEL;

type Labels = BTreeMap<String, String>;

/// The cases of an environment.
#[derive(Debug, Serialize, Deserialize)]
pub struct Cases {
    /// Alerts and their receivers.
    pub routes: Vec<Routed>,
    /// Templates and what they print.
    pub messages: Vec<Message>,
}

/// An alert, and where it has to go.
#[derive(Debug, Serialize, Deserialize)]
pub struct Routed {
    /// What it shows.
    pub name: String,
    /// The alert's labels.
    pub labels: Labels,
    /// The one receiver that it has to reach.
    pub receiver: String,
}

/// A template, and what it has to print.
#[derive(Debug, Serialize, Deserialize)]
pub struct Message {
    /// What it shows.
    pub name: String,
    /// The template's name.
    pub template: String,
    /// The alerts that it is given.
    pub data: Data,
    /// What it prints.
    pub prints: String,
}

/// A group of alerts, as Alertmanager hands it to templates.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Data {
    receiver: String,
    status: String,
    alerts: Vec<Alert>,
    group_labels: Labels,
    common_labels: Labels,
    common_annotations: Labels,
    #[serde(rename = "externalURL")]
    external_url: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Alert {
    status: String,
    labels: Labels,
    annotations: Labels,
    starts_at: String,
    ends_at: String,
}

/// What Alertmanager gives as the end of an alert that fires.
const NO_END: &str = "0001-01-01T00:00:00Z";

/// The cases are not as they were written.
#[derive(Debug, thiserror::Error)]
#[error("the cases for amtool cannot be read back: {0}")]
pub struct UnreadableCases(#[from] serde_saphyr::Error);

impl Cases {
    /// The cases that a file of them holds.
    ///
    /// # Errors
    /// When it holds something else.
    pub fn read(text: &str) -> Result<Self, UnreadableCases> {
        Ok(serde_saphyr::from_str(text)?)
    }

    pub(super) fn of(environment: &Environment, alerting: &Alerting) -> Self {
        let alerts: Vec<Labels> = environment.services.iter().flat_map(alerts_of).collect();
        Self {
            routes: routes(environment, alerting, &alerts),
            messages: messages(&environment.name, &alerts),
        }
    }
}

fn routes(environment: &Environment, alerting: &Alerting, alerts: &[Labels]) -> Vec<Routed> {
    let mut routes: Vec<Routed> = Vec::new();
    let mut add = |name: String, labels: Labels, receiver: String| {
        if routes.iter().all(|routed| routed.labels != labels) {
            routes.push(Routed { name, labels, receiver });
        }
    };
    for labels in alerts {
        let label = |name: &str| labels.get(name).map_or("", String::as_str);
        let severity = if label("severity") == Severity::Critical.name() {
            Severity::Critical
        } else {
            Severity::Warning
        };
        let of = match (label("metric"), label(SPEED_LABEL)) {
            ("", "") => String::new(),
            ("", speed) => format!(" ({speed})"),
            (metric, _) => format!(" of {metric}"),
        };
        let name = format!("{}{of} for {}", label("alertname"), label("team"));
        add(name, labels.clone(), receiver(label("team"), severity, alerting));
    }
    for team in teams(environment) {
        let team = team.as_str();
        for severity in [Severity::Warning, Severity::Critical] {
            let name = format!("any {} alert for {team}", severity.name());
            let labels = owned([("alertname", "Any"), ("severity", severity.name()), ("team", team)]);
            add(name, labels, receiver(team, severity, alerting));
        }
    }
    let nobodys = owned([("alertname", "Any"), ("severity", "critical"), ("team", "Nobody")]);
    add(
        "an alert for a team without a route".to_owned(),
        nobodys,
        UNROUTED.to_owned(),
    );
    let without = owned([("alertname", "Any"), ("severity", "warning")]);
    add("an alert for no team".to_owned(), without, UNROUTED.to_owned());
    let watchdog = owned([("alertname", WATCHDOG), ("severity", SEVERITY)]);
    let switch = if alerting.watchdog.is_some() { SWITCH } else { UNROUTED };
    add("the watchdog".to_owned(), watchdog, switch.to_owned());
    routes
}

fn messages(environment: &str, alerts: &[Labels]) -> Vec<Message> {
    let mut messages = Vec::new();
    let mut channels = BTreeSet::new();
    for labels in alerts {
        let team = labels.get("team").map_or("", String::as_str);
        let own = labels.get("slack_channel");
        let channel = own.map_or_else(|| format!("#team-{team}"), String::clone);
        if channels.insert((team.to_owned(), channel.clone())) {
            messages.push(Message {
                name: format!("the channel {channel} of {team}"),
                template: "fanlight.team.channel".to_owned(),
                data: data(labels, &TOLD),
                prints: channel,
            });
        }
    }
    let Some(labels) = alerts.first() else { return messages };
    let label = |name: &str| labels.get(name).map_or("", String::as_str);
    for (name, told) in [("firing", TOLD), ("resolved", RESOLVED)] {
        let word = if told.end.is_some() { "RESOLVED" } else { "START" };
        let title = format!("{word} {} ({}, {environment})", label("alertname"), label("severity"));
        let text = text::of_one(&told);
        for (part, prints) in [("title", title), ("text", text)] {
            messages.push(Message {
                name: format!("the {part} of one that is {name}"),
                template: format!("fanlight.team.{part}"),
                data: data(labels, &told),
                prints,
            });
        }
    }
    messages
}

/// 2026-03-05 06:07:08 UTC.
const START: Timestamp = Timestamp::constant(1_772_690_828, 0);
/// One hour, one minute and one second later.
const END: Timestamp = Timestamp::constant(1_772_690_828 + 3_661, 0);

const TOLD: Told<'_> = Told {
    description: "1 < 2 & <!channel> is not a mention.",
    handbook: "https://handbook.example/a?b&c",
    start: START,
    end: None,
};

const RESOLVED: Told<'_> = Told { end: Some(END), ..TOLD };

fn data(labels: &Labels, told: &Told<'_>) -> Data {
    let status = if told.end.is_some() { "resolved" } else { "firing" };
    let annotations = owned([("description", told.description), ("runbook_url", told.handbook)]);
    Data {
        receiver: "any".to_owned(),
        status: status.to_owned(),
        alerts: vec![Alert {
            status: status.to_owned(),
            labels: labels.clone(),
            annotations: annotations.clone(),
            starts_at: told.start.to_string(),
            ends_at: told.end.map_or_else(|| NO_END.to_owned(), |end| end.to_string()),
        }],
        group_labels: labels.clone(),
        common_labels: labels.clone(),
        common_annotations: annotations,
        external_url: String::new(),
    }
}

fn owned<const N: usize>(pairs: [(&str, &str); N]) -> Labels {
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}
