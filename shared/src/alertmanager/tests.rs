//! What is built of settings and alerts.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::alerts::{
    Alert, BuiltFile, Comparison, Condition, Environment, Freshness, HEAD, Selection, Service, Severity, Subject,
    SubjectId, Term,
};

fn subject(metric: &str, external: bool) -> Subject {
    let varying = ["os", "organisation_id"].map(|label| (label.to_owned(), "x".to_owned()));
    Subject {
        metric: metric.to_owned(),
        job: "j".to_owned(),
        grouping: Vec::new(),
        fixed: vec![("env".to_owned(), "test".to_owned())],
        varying: varying.into(),
        counter: false,
        external,
        freshness: Freshness {
            shortest: Duration::from_mins(1),
            longest: Duration::from_mins(1),
            jitter: Duration::ZERO,
        },
    }
}

fn compare(comparison: Comparison, by: Option<&[&str]>, os: Option<&str>) -> Condition {
    let filters = os.map(|os| ("os".to_owned(), os.to_owned()));
    Condition::Compare {
        value: Selection {
            term: Term {
                subject: SubjectId(0),
                filters: filters.into_iter().collect(),
            },
            by: by.map(|by| by.iter().map(ToString::to_string).collect()),
        },
        comparison,
        threshold: 1.0,
    }
}

fn alert(name: &str, severity: Severity, team: &str, condition: Condition) -> Alert {
    Alert {
        name: name.to_owned(),
        condition,
        subjects: vec![subject("leads", false)],
        hold: Duration::ZERO,
        severity,
        team: team.to_owned(),
        slack_channel: None,
        handbook: "https://handbook.example/".to_owned(),
        description: "d".to_owned(),
        cases: Vec::new(),
    }
}

fn alerting() -> Alerting {
    Alerting {
        slack: Slack {
            access: SlackAccess::Webhook {
                url: PathBuf::from("/etc/slack"),
            },
            fallback_channel: "#alerts".to_owned(),
        },
        victorops: Some(VictorOps {
            key: PathBuf::from("/etc/victorops"),
            api_url: "https://victorops.example/".to_owned(),
        }),
        watchdog: Some(Watchdog {
            target: WatchdogTarget::Secret {
                url: PathBuf::from("/etc/watchdog"),
            },
            interval: Duration::from_mins(1),
        }),
        timing: Timing::default(),
    }
}

fn environment(alerts: Vec<Alert>, alerting: Alerting) -> Environment {
    Environment {
        name: "prod".to_owned(),
        services: vec![Service {
            name: "growth".to_owned(),
            alerts,
            slos: Vec::new(),
        }],
        alerting: Some(alerting),
    }
}

/// The configuration as Alertmanager reads it.
fn configuration(alerts: Vec<Alert>, alerting: Alerting) -> Value {
    let files = build(&[environment(alerts, alerting)]).unwrap();
    let file: &BuiltFile = files.iter().find(|file| file.path.ends_with(CONFIGURATION)).unwrap();
    assert!(file.text.starts_with(HEAD));
    serde_saphyr::from_str(&file.text).unwrap()
}

fn below(severity: Severity, team: &str) -> Alert {
    alert("Below", severity, team, compare(Comparison::Below, None, None))
}

#[test]
fn what_is_critical_wakes_somebody_and_what_customers_see_is_told_by_customer() {
    let mut own = below(Severity::Warning, "shop");
    own.subjects = vec![subject("own_leads", true)];
    let built = configuration(vec![below(Severity::Critical, "growth"), own], alerting());
    let by = json!(["alertname", "team", "slack_channel"]);
    let by_customer = json!(["alertname", "team", "slack_channel", "organisation_id"]);
    let external = |receiver: &str| json!({"matchers": ["metric_purpose=\"external\""], "receiver": receiver, "group_by": by_customer});
    assert_eq!(
        built["route"],
        json!({
            "receiver": "unrouted", "group_by": by,
            "group_wait": "30s", "group_interval": "5m", "repeat_interval": "4h",
            "routes": [
                {
                    "matchers": ["alertname=\"Watchdog\""], "receiver": "watchdog", "group_by": ["alertname"],
                    "group_wait": "0s", "group_interval": "1m", "repeat_interval": "48s",
                },
                {
                    "matchers": ["team=\"growth\""], "receiver": "growth/slack",
                    "routes": [{"matchers": ["severity=\"critical\""], "receiver": "growth/slack+victorops"}],
                },
                {
                    "matchers": ["team=\"shop\""], "receiver": "shop/slack",
                    "routes": [
                        {
                            "matchers": ["severity=\"critical\""], "receiver": "shop/slack+victorops",
                            "routes": [external("shop/slack+victorops")],
                        },
                        external("shop/slack"),
                    ],
                },
            ],
        })
    );
    let receivers = built["receivers"].as_array().unwrap();
    let shapes: Vec<_> = receivers
        .iter()
        .map(|receiver| {
            let keys = receiver.as_object().unwrap().keys().filter(|key| *key != "name");
            format!(
                "{}: {}",
                receiver["name"].as_str().unwrap(),
                keys.cloned().collect::<Vec<_>>().join(" ")
            )
        })
        .collect();
    assert_eq!(
        shapes,
        [
            "unrouted: slack_configs victorops_configs",
            "watchdog: webhook_configs",
            "growth/slack: slack_configs",
            "growth/slack+victorops: slack_configs victorops_configs",
            "shop/slack: slack_configs",
            "shop/slack+victorops: slack_configs victorops_configs",
        ]
    );
    assert_eq!(receivers[0]["slack_configs"][0]["channel"], "#alerts");
    let switch = json!([{"url_file": "/etc/watchdog", "send_resolved": false}]);
    assert_eq!(receivers[1]["webhook_configs"], switch);
    for receiver in receivers.iter().filter(|receiver| receiver["name"] != "watchdog") {
        assert_eq!(receiver["slack_configs"][0]["send_resolved"], true);
        assert_eq!(receiver["slack_configs"][0]["api_url_file"], "/etc/slack");
    }
    assert_eq!(receivers[3]["victorops_configs"][0]["routing_key"], "growth");
}

#[test]
fn without_victorops_and_watchdog_there_are_no_routes_to_them() {
    let settings = Alerting {
        slack: Slack {
            access: SlackAccess::Bot {
                token: PathBuf::from("/etc/token"),
            },
            ..alerting().slack
        },
        victorops: None,
        watchdog: None,
        ..alerting()
    };
    let built = configuration(vec![below(Severity::Critical, "growth")], settings);
    assert_eq!(
        built["route"]["routes"],
        json!([{
            "matchers": ["team=\"growth\""], "receiver": "growth/slack",
            "routes": [{"matchers": ["severity=\"critical\""], "receiver": "growth/slack"}],
        }])
    );
    let slack = &built["receivers"][1]["slack_configs"][0];
    assert_eq!(slack["api_url"], "https://slack.com/api/chat.postMessage");
    assert_eq!(
        slack["http_config"],
        json!({"authorization": {"credentials_file": "/etc/token"}})
    );
    assert_eq!(slack["api_url_file"], Value::Null);
}

#[test]
fn a_warning_is_inhibited_by_its_critical_and_by_no_other() {
    let warning = |condition| alert("Warned", Severity::Warning, "growth", condition);
    let critical = |condition| alert("Woken", Severity::Critical, "growth", condition);
    let each = || compare(Comparison::Below, None, None);
    let of = |alerts: Vec<Alert>| configuration(alerts, alerting())["inhibit_rules"].clone();
    let pair = |equal: &[&str]| {
        json!([{
            "source_matchers": ["alertname=\"Woken\"", "severity=\"critical\"", "team=\"growth\""],
            "target_matchers": ["alertname=\"Warned\"", "severity=\"warning\"", "team=\"growth\""],
            "equal": equal,
        }])
    };
    assert_eq!(
        of(vec![warning(each()), critical(each())]),
        pair(&["env", "job", "organisation_id", "os"])
    );
    let by_os = || compare(Comparison::Below, Some(&["os"]), None);
    assert_eq!(of(vec![warning(by_os()), critical(by_os())]), pair(&["os"]));
    let all = || compare(Comparison::Below, Some(&[]), None);
    assert_eq!(of(vec![critical(all()), warning(all())]), pair(&[]));

    let of_android = compare(Comparison::Below, None, Some("android"));
    let above = compare(Comparison::Above, None, None);
    let written = || Condition::Expression {
        promql: "leads < 1".to_owned(),
        tells_of_absence: false,
    };
    for (one, other) in [
        (each(), of_android),
        (each(), above),
        (each(), by_os()),
        (written(), written()),
    ] {
        assert_eq!(
            of(vec![warning(one.clone()), critical(other.clone())]),
            json!([]),
            "{one:?} {other:?}"
        );
    }
    let other_metric = Alert {
        subjects: vec![subject("visits", false)],
        ..critical(each())
    };
    let other_team = Alert {
        team: "sales".to_owned(),
        ..critical(each())
    };
    for other in [other_metric, other_team] {
        assert_eq!(of(vec![warning(each()), other]), json!([]));
    }
}

#[test]
fn a_service_may_not_be_called_as_the_watchdogs_files() {
    let mut environment = environment(vec![below(Severity::Warning, "growth")], alerting());
    assert!(crate::alerts::build(std::slice::from_ref(&environment)).is_ok());
    environment.services[0].name = SERVICE.to_owned();
    let error = crate::alerts::build(&[environment]).unwrap_err().to_string();
    assert_eq!(
        error,
        "two built files would be `prod/fanlight-watchdog.rules.yaml`: those of the alerts of the service `fanlight-watchdog` and of \
         the watchdog; rename a file of the configuration"
    );
}

#[test]
fn the_cases_name_every_alert_and_what_nobody_is_routed_for() {
    let environment = environment(vec![below(Severity::Critical, "growth")], alerting());
    let files = build(&[environment]).unwrap();
    let file = files.iter().find(|file| file.path.ends_with(CASES)).unwrap();
    let cases = Cases::read(&file.text).unwrap();
    assert_eq!(file.tests, cases.routes.len() + cases.messages.len());
    let routes = cases
        .routes
        .iter()
        .map(|routed| format!("{}: {}", routed.name, routed.receiver));
    assert_eq!(
        routes.collect::<Vec<_>>(),
        [
            "Below for growth: growth/slack+victorops",
            "FanlightMetricStale of leads for growth: growth/slack+victorops",
            "any warning alert for growth: growth/slack",
            "any critical alert for growth: growth/slack+victorops",
            "an alert for a team without a route: unrouted",
            "an alert for no team: unrouted",
            "the watchdog: watchdog",
        ]
    );
    let messages = cases.messages.iter().map(|message| message.name.as_str());
    assert_eq!(
        messages.collect::<Vec<_>>(),
        [
            "the channel #team-growth of growth",
            "the title of one that is firing",
            "the text of one that is firing",
            "the title of one that is resolved",
            "the text of one that is resolved",
        ]
    );
}
