//! Rule files: the alerts of a service, and one alert for each metric that they depend on and each team that does.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_saphyr::LitString;

use super::alert::{Alert, Service, Severity, Subject};
use super::expression;
use super::notation::duration;
use crate::collect::self_metrics::JOB_LABEL;

/// The alert that tells that a metric is stale.
pub(crate) const STALE: &str = "FanlightMetricStale";
/// Labels that a rule gives to its alert, in place of those that the series have.
pub(crate) const OWN_LABELS: [&str; 4] = ["alertname", "severity", "team", "slack_channel"];

/// A file of rules, as Prometheus reads it.
#[derive(Debug, Serialize)]
pub(super) struct RuleFile {
    groups: Vec<Group>,
}

#[derive(Debug, Serialize)]
struct Group {
    name: String,
    rules: Vec<Rule>,
}

#[derive(Debug, Serialize)]
struct Rule {
    alert: String,
    expr: LitString,
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    hold: Option<String>,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

impl RuleFile {
    pub(super) fn of(service: &Service) -> Self {
        let alerts = service.alerts.iter().map(|alert| Rule {
            alert: alert.name.clone(),
            expr: LitString(expression::of_alert(alert)),
            hold: (!alert.hold.is_zero()).then(|| duration(alert.hold)),
            labels: labels(alert),
            annotations: annotations(&alert.description, &alert.handbook),
        });
        let stale = Stale::of(service).into_iter().map(|stale| Rule {
            alert: STALE.to_owned(),
            expr: LitString(expression::stale(stale.subject)),
            hold: Some(duration(stale.subject.freshness.longest)),
            labels: stale.labels(),
            annotations: annotations(&stale.description(), stale.handbook),
        });
        Self {
            groups: vec![Group {
                name: service.name.clone(),
                rules: alerts.chain(stale).collect(),
            }],
        }
    }

    /// The names of its alerts.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let rules = self.groups.iter().flat_map(|group| &group.rules);
        rules.map(|rule| rule.alert.as_str())
    }
}

/// The labels that an alert has besides those of its series.
pub(super) fn labels(alert: &Alert) -> BTreeMap<String, String> {
    own_labels(alert.severity, &alert.team, alert.slack_channel.as_deref())
}

fn own_labels(severity: Severity, team: &str, slack_channel: Option<&str>) -> BTreeMap<String, String> {
    let channel = slack_channel.map(|channel| ("slack_channel", channel));
    let labels = [("severity", severity.name()), ("team", team)]
        .into_iter()
        .chain(channel);
    labels
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// What is told with an alert.
pub(super) fn annotations(description: &str, handbook: &str) -> BTreeMap<String, String> {
    let annotations = [("description", description), ("runbook_url", handbook)];
    annotations
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

/// The alert of a metric that is stale, for one of the teams that depend on it.
struct Stale<'a> {
    subject: &'a Subject,
    team: &'a str,
    /// Where all its alerts that are blind go to the same channel, that one.
    slack_channel: Option<&'a str>,
    /// That of the worst alert that is blind now.
    severity: Severity,
    /// That of the same alert.
    handbook: &'a str,
    /// The alerts that are blind now.
    alerts: Vec<&'a str>,
}

impl<'a> Stale<'a> {
    fn of(service: &'a Service) -> Vec<Self> {
        let mut found: BTreeMap<(&str, &str, &str), Self> = BTreeMap::new();
        for alert in &service.alerts {
            for subject in &alert.subjects {
                let channel = alert.slack_channel.as_deref();
                let stale = found
                    .entry((&subject.job, &subject.metric, &alert.team))
                    .or_insert_with(|| Self {
                        subject,
                        team: &alert.team,
                        slack_channel: channel,
                        severity: alert.severity,
                        handbook: &alert.handbook,
                        alerts: Vec::new(),
                    });
                if alert.severity > stale.severity {
                    stale.severity = alert.severity;
                    stale.handbook = &alert.handbook;
                }
                stale.slack_channel = stale.slack_channel.filter(|first| Some(*first) == channel);
                stale.alerts.push(&alert.name);
            }
        }
        found.into_values().collect()
    }

    fn labels(&self) -> BTreeMap<String, String> {
        let mut labels = own_labels(self.severity, self.team, self.slack_channel);
        labels.insert(JOB_LABEL.to_owned(), self.subject.job.clone());
        labels.insert("metric".to_owned(), self.subject.metric.clone());
        labels
    }

    fn description(&self) -> String {
        format!(
            "The job {} has not pushed {} for more than {}, so nobody would be told of {}.",
            self.subject.job,
            self.subject.metric,
            duration(self.subject.freshness.limit()),
            self.alerts.join(", ")
        )
        // A template may stand in a job's name.
        .replace("{{", "{ {")
    }
}
