//! `alertmanager.yml`: a route for each team, and one for what no team is routed for.
//!
//! It is what Alertmanager 0.25 and later take.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::build::TEXT;
use super::inhibition::{self, Inhibition};
use super::settings::{Alerting, Slack, SlackAccess, Timing, VictorOps, Watchdog, WatchdogTarget};
use super::watchdog::WATCHDOG;
use crate::alerts::{Environment, Severity, alerts_of, duration};
use crate::config::job::{EXTERNAL_PURPOSE, ORGANISATION_LABEL};

/// The receiver of what no team is routed for.
pub(super) const UNROUTED: &str = "unrouted";
/// The receiver of the watchdog.
pub(super) const SWITCH: &str = "watchdog";
/// The labels of which each combination is a message of its own.
const GROUP_BY: [&str; 3] = ["alertname", "team", "slack_channel"];
/// Where bots write.
const BOT_URL: &str = "https://slack.com/api/chat.postMessage";

/// The receiver of a team's alerts of a severity. A team's name has no slash.
pub(super) fn receiver(team: &str, severity: Severity, alerting: &Alerting) -> String {
    match severity {
        Severity::Critical if alerting.victorops.is_some() => format!("{team}/slack+victorops"),
        _ => format!("{team}/slack"),
    }
}

/// The teams that an environment's alerts are for.
pub(super) fn teams(environment: &Environment) -> BTreeSet<String> {
    let alerts = environment.services.iter().flat_map(alerts_of);
    alerts.filter_map(|mut labels| labels.remove("team")).collect()
}

/// The configuration, as Alertmanager reads it.
#[derive(Debug, Serialize)]
pub(super) struct File {
    templates: [&'static str; 1],
    route: Route,
    inhibit_rules: Vec<Inhibition>,
    receivers: Vec<Receiver>,
}

#[derive(Debug, Default, Serialize)]
struct Route {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    matchers: Vec<String>,
    receiver: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    group_by: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_wait: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_interval: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repeat_interval: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    routes: Vec<Route>,
}

#[derive(Debug, Default, Serialize)]
struct Receiver {
    name: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    slack_configs: Vec<SlackConfig>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    victorops_configs: Vec<VictorOpsConfig>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    webhook_configs: Vec<WebhookConfig>,
}

#[derive(Debug, Serialize)]
struct SlackConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    api_url_file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_url: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    http_config: Option<HttpConfig>,
    send_resolved: bool,
    channel: String,
    color: &'static str,
    title: String,
    title_link: &'static str,
    text: String,
    fallback: String,
    mrkdwn_in: [&'static str; 1],
}

#[derive(Debug, Serialize)]
struct VictorOpsConfig {
    api_key_file: String,
    api_url: String,
    routing_key: String,
    send_resolved: bool,
    message_type: &'static str,
    entity_display_name: &'static str,
    state_message: &'static str,
    monitoring_tool: &'static str,
}

#[derive(Debug, Serialize)]
struct WebhookConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url_file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    http_config: Option<HttpConfig>,
    send_resolved: bool,
}

#[derive(Debug, Serialize)]
struct HttpConfig {
    authorization: Authorization,
}

#[derive(Debug, Serialize)]
struct Authorization {
    credentials_file: String,
}

impl File {
    pub(super) fn new(environment: &Environment, alerting: &Alerting) -> Self {
        let mut routes = Vec::new();
        let mut receivers = vec![Receiver {
            name: UNROUTED.to_owned(),
            slack_configs: vec![slack(&alerting.slack, Some(&alerting.slack.fallback_channel))],
            victorops_configs: victorops(alerting, UNROUTED).into_iter().collect(),
            webhook_configs: Vec::new(),
        }];
        if let Some(watchdog) = &alerting.watchdog {
            routes.push(switch_route(watchdog));
            receivers.push(switch(watchdog));
        }
        for team in teams(environment) {
            let team = team.as_str();
            routes.push(team_route(environment, alerting, team));
            receivers.push(Receiver {
                name: receiver(team, Severity::Warning, alerting),
                slack_configs: vec![slack(&alerting.slack, None)],
                ..Receiver::default()
            });
            if let Some(victorops) = victorops(alerting, team) {
                receivers.push(Receiver {
                    name: receiver(team, Severity::Critical, alerting),
                    slack_configs: vec![slack(&alerting.slack, None)],
                    victorops_configs: vec![victorops],
                    webhook_configs: Vec::new(),
                });
            }
        }
        let Timing {
            group_wait,
            group_interval,
            repeat_interval,
        } = alerting.timing;
        Self {
            templates: [TEXT],
            route: Route {
                receiver: UNROUTED.to_owned(),
                group_by: GROUP_BY.to_vec(),
                group_wait: Some(duration(group_wait)),
                group_interval: Some(duration(group_interval)),
                repeat_interval: Some(duration(repeat_interval)),
                routes,
                ..Route::default()
            },
            inhibit_rules: inhibition::of(environment),
            receivers,
        }
    }
}

/// The route of a team: what is critical wakes somebody, and what customers see is told customer by customer.
fn team_route(environment: &Environment, alerting: &Alerting, team: &str) -> Route {
    let alerts = environment.services.iter().flat_map(|service| &service.alerts);
    let of_alerts = alerts
        .filter(|alert| alert.team == team)
        .flat_map(|alert| &alert.subjects);
    let of_slos = environment.slos().filter(|slo| slo.team == team);
    let of_slos = of_slos.flat_map(|slo| &slo.subjects);
    let has_external = of_alerts.chain(of_slos).any(|subject| subject.external);
    let by_organisation = |severity: Severity| {
        let (label, value) = EXTERNAL_PURPOSE;
        let route = has_external.then(|| Route {
            matchers: vec![matcher(label, value)],
            receiver: receiver(team, severity, alerting),
            group_by: GROUP_BY.into_iter().chain([ORGANISATION_LABEL]).collect(),
            ..Route::default()
        });
        route.into_iter()
    };
    // Alerts of two routes are never of one group, so that each message has one severity also where nobody is woken.
    let critical = Route {
        matchers: vec![matcher("severity", Severity::Critical.name())],
        receiver: receiver(team, Severity::Critical, alerting),
        routes: by_organisation(Severity::Critical).collect(),
        ..Route::default()
    };
    Route {
        matchers: vec![matcher("team", team)],
        receiver: receiver(team, Severity::Warning, alerting),
        routes: [critical]
            .into_iter()
            .chain(by_organisation(Severity::Warning))
            .collect(),
        ..Route::default()
    }
}

/// The route of the watchdog, before all others.
fn switch_route(watchdog: &Watchdog) -> Route {
    Route {
        matchers: vec![matcher("alertname", WATCHDOG)],
        receiver: SWITCH.to_owned(),
        group_by: vec!["alertname"],
        group_wait: Some(duration(Duration::ZERO)),
        group_interval: Some(duration(watchdog.interval)),
        // Alertmanager looks whether it is time to repeat once in an interval. Asked for exactly that, it would find each
        // time that a moment is lacking, and would repeat in every second one only.
        repeat_interval: Some(duration(watchdog.interval * 4 / 5)),
        ..Route::default()
    }
}

fn switch(watchdog: &Watchdog) -> Receiver {
    let (url, url_file, token) = match &watchdog.target {
        WatchdogTarget::Secret { url } => (None, Some(shown(url)), None),
        WatchdogTarget::Guarded { url, token } => (Some(url.clone()), None, Some(token)),
    };
    Receiver {
        name: SWITCH.to_owned(),
        webhook_configs: vec![WebhookConfig {
            url,
            url_file,
            http_config: token.map(|token| bearer(token)),
            send_resolved: false,
        }],
        ..Receiver::default()
    }
}

/// `fallback` is the channel of what no team is routed for; that of teams is in the alert.
fn slack(slack: &Slack, fallback: Option<&String>) -> SlackConfig {
    let kind = if fallback.is_some() { UNROUTED } else { "team" };
    let template = |part: &str| format!("{{{{ template \"fanlight.{kind}.{part}\" . }}}}");
    let (api_url_file, api_url, http_config) = match &slack.access {
        SlackAccess::Webhook { url } => (Some(shown(url)), None, None),
        SlackAccess::Bot { token } => (None, Some(BOT_URL), Some(bearer(token))),
    };
    SlackConfig {
        api_url_file,
        api_url,
        http_config,
        send_resolved: true,
        channel: fallback.map_or_else(|| template("channel"), String::clone),
        color: "{{ template \"fanlight.color\" . }}",
        title: template("title"),
        title_link: "{{ .CommonAnnotations.runbook_url }}",
        text: template("text"),
        fallback: template("title"),
        mrkdwn_in: ["text"],
    }
}

fn victorops(alerting: &Alerting, routing_key: &str) -> Option<VictorOpsConfig> {
    let VictorOps { key, api_url } = alerting.victorops.as_ref()?;
    Some(VictorOpsConfig {
        api_key_file: shown(key),
        api_url: api_url.clone(),
        routing_key: routing_key.to_owned(),
        send_resolved: true,
        message_type: "CRITICAL",
        entity_display_name: "{{ template \"fanlight.team.title\" . }}",
        state_message: "{{ template \"fanlight.plain\" . }}",
        monitoring_tool: "Fanlight",
    })
}

fn bearer(token: &Path) -> HttpConfig {
    HttpConfig {
        authorization: Authorization {
            credentials_file: shown(token),
        },
    }
}

/// A path that was text in the configuration.
fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// Names of teams, severities and alerts need no escapes.
pub(super) fn matcher(label: &str, value: &str) -> String {
    format!("{label}=\"{value}\"")
}
