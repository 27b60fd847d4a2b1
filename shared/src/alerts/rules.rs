//! Rule files: the alerts of a service, and one alert for each metric that they depend on and each team that does.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_saphyr::LitString;

use super::alert::{Alert, Service, Severity, Subject};
use super::expression;
use super::notation::duration;
use crate::collect::self_metrics::{JOB_LABEL, METRIC_LABEL};
use crate::slo;

/// The alert that tells that a metric is stale.
pub(crate) const STALE: &str = "FanlightMetricStale";
/// Labels that a rule gives to its alert, in place of those that the series have.
pub(crate) const OWN_LABELS: [&str; 4] = ["alertname", "severity", "team", "slack_channel"];

/// A file of rules, as Prometheus reads it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct RuleFile {
    pub(crate) groups: Vec<Group>,
}

/// Rules that are evaluated one after the other.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) rules: Vec<Rule>,
}

/// A rule.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub(crate) enum Rule {
    /// A series that is written down.
    Recording {
        record: String,
        expr: LitString,
        labels: BTreeMap<String, String>,
    },
    /// An alert.
    Alerting {
        alert: String,
        expr: LitString,
        #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
        hold: Option<String>,
        labels: BTreeMap<String, String>,
        annotations: BTreeMap<String, String>,
    },
}

impl Rule {
    /// The name of the alert; `None` for what is recorded.
    pub(crate) fn alert(&self) -> Option<&str> {
        match self {
            Self::Recording { .. } => None,
            Self::Alerting { alert, .. } => Some(alert),
        }
    }

    /// Whether it tells a team that a metric is stale.
    fn tells_of(&self, subject: &Subject, team: &str) -> bool {
        let Self::Alerting { alert, labels, .. } = self else {
            return false;
        };
        let has = |label: &str, value: &str| labels.get(label).is_some_and(|found| found == value);
        alert == STALE && has("team", team) && has(JOB_LABEL, &subject.job) && has(METRIC_LABEL, &subject.metric)
    }
}

impl RuleFile {
    /// The alerts of a service, and those of the metrics that these and its SLOs depend on.
    pub(super) fn of(service: &Service) -> Self {
        let alerts = service.alerts.iter().map(|alert| Rule::Alerting {
            alert: alert.name.clone(),
            expr: LitString(expression::of_alert(alert)),
            hold: (!alert.hold.is_zero()).then(|| duration(alert.hold)),
            labels: labels(alert),
            annotations: annotations(&alert.description, &alert.handbook),
        });
        let stale = Stale::of(service).into_iter().map(|stale| Rule::Alerting {
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

    /// Of its rules, those of one alert, and those that tell of the metrics which it depends on; all of them as they stand here.
    pub(super) fn only(&self, name: &str, subjects: &[Subject], team: &str) -> Self {
        let belongs = |rule: &Rule| {
            let stale = subjects.iter().any(|subject| rule.tells_of(subject, team));
            stale || rule.alert() == Some(name)
        };
        let groups = self.groups.iter().map(|group| Group {
            name: group.name.clone(),
            rules: group.rules.iter().filter(|rule| belongs(rule)).cloned().collect(),
        });
        Self {
            groups: groups.filter(|group| !group.rules.is_empty()).collect(),
        }
    }

    /// Whether there is nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        self.groups.iter().all(|group| group.rules.is_empty())
    }

    /// The names of its alerts.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let rules = self.groups.iter().flat_map(|group| &group.rules);
        rules.filter_map(Rule::alert)
    }
}

/// The labels of every alert that the rules of a service and of its SLOs make, `alertname` included and those of its series not.
pub(crate) fn alerts_of(service: &Service) -> Vec<BTreeMap<String, String>> {
    let groups = RuleFile::of(service).groups.into_iter();
    let rules = groups
        .chain(service.slos.iter().map(slo::group))
        .flat_map(|group| group.rules);
    let labels = rules.filter_map(|rule| match rule {
        Rule::Alerting { alert, mut labels, .. } => {
            labels.insert("alertname".to_owned(), alert);
            Some(labels)
        }
        Rule::Recording { .. } => None,
    });
    labels.collect()
}

/// The labels that an alert has besides those of its series.
pub(super) fn labels(alert: &Alert) -> BTreeMap<String, String> {
    own_labels(alert.severity, &alert.team, alert.slack_channel.as_deref())
}

pub(crate) fn own_labels(severity: Severity, team: &str, slack_channel: Option<&str>) -> BTreeMap<String, String> {
    let channel = slack_channel.map(|channel| ("slack_channel", channel));
    let labels = [("severity", severity.name()), ("team", team)]
        .into_iter()
        .chain(channel);
    labels
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// What is told with an alert.
pub(crate) fn annotations(description: &str, handbook: &str) -> BTreeMap<String, String> {
    let annotations = [("description", description), ("runbook_url", handbook)];
    annotations
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

/// The alert of a metric that is stale, for one of the teams that depend on it.
pub(super) struct Stale<'a> {
    pub(super) subject: &'a Subject,
    team: &'a str,
    /// Where all its alerts that are blind go to the same channel, that one.
    slack_channel: Option<&'a str>,
    /// That of the worst alert that is blind now.
    severity: Severity,
    /// That of the same alert.
    pub(super) handbook: &'a str,
    /// The alerts that are blind now.
    alerts: Vec<String>,
}

/// What is blind while a metric is stale.
struct Reader<'a> {
    name: String,
    subjects: &'a [Subject],
    severity: Severity,
    team: &'a str,
    slack_channel: Option<&'a str>,
    handbook: &'a str,
}

/// The alerts of a service and its SLOs, but for those of freshness, which tell of it themselves.
fn readers(service: &Service) -> impl Iterator<Item = Reader<'_>> {
    let alerts = service.alerts.iter().map(|alert| Reader {
        name: alert.name.clone(),
        subjects: &alert.subjects,
        severity: alert.severity,
        team: &alert.team,
        slack_channel: alert.slack_channel.as_deref(),
        handbook: &alert.handbook,
    });
    let slos = service.slos.iter().filter(|slo| slo.depends_on_freshness());
    let slos = slos.map(|slo| Reader {
        name: slo.alert_name(),
        subjects: &slo.subjects,
        severity: slo.severity,
        team: &slo.team,
        slack_channel: slo.slack_channel.as_deref(),
        handbook: &slo.handbook,
    });
    alerts.chain(slos)
}

impl<'a> Stale<'a> {
    /// Those of a service.
    pub(super) fn of(service: &'a Service) -> Vec<Self> {
        let mut found: BTreeMap<(&str, &str, &str), Self> = BTreeMap::new();
        for reader in readers(service) {
            for subject in reader.subjects {
                let channel = reader.slack_channel;
                let stale = found
                    .entry((&subject.job, &subject.metric, reader.team))
                    .or_insert_with(|| Self {
                        subject,
                        team: reader.team,
                        slack_channel: channel,
                        severity: reader.severity,
                        handbook: reader.handbook,
                        alerts: Vec::new(),
                    });
                if reader.severity > stale.severity {
                    stale.severity = reader.severity;
                    stale.handbook = reader.handbook;
                }
                stale.slack_channel = stale.slack_channel.filter(|first| Some(*first) == channel);
                stale.alerts.push(reader.name.clone());
            }
        }
        found.into_values().collect()
    }

    /// Its labels, which are all that it has.
    pub(super) fn labels(&self) -> BTreeMap<String, String> {
        let mut labels = own_labels(self.severity, self.team, self.slack_channel);
        labels.insert(JOB_LABEL.to_owned(), self.subject.job.clone());
        labels.insert(METRIC_LABEL.to_owned(), self.subject.metric.clone());
        labels
    }

    /// What it says.
    pub(super) fn description(&self) -> String {
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
