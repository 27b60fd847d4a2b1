//! The section `alerting`, right and wrong.

use super::*;
use crate::alertmanager::{Alerting, SlackAccess, WatchdogTarget};

/// One alert that is critical in prod and a warning in develop.
const JOBS: &str = "jobs:
- name: leads
  schedule: '* * * * *'
  source: postgres://u@h/d
  metrics:
  - name: leads
    help: h
    value: v
    query: SELECT 1
    alerts:
    - {name: NoLeads, below: 1, severity: critical, team: growth, handbook: 'https://h', description: d}
";

fn load_all(alerting: &str) -> Loaded {
    let folder = Folder::new(&[
        ("fanlight.yaml", alerting),
        ("growth.yaml", JOBS),
        (
            "growth/develop/a.yaml",
            "alerts: [{name: NoLeads, severity: warning}]\n",
        ),
    ]);
    load_with_alerts(folder.0.path()).unwrap()
}

fn of<'a>(loaded: &'a Loaded, environment: &str) -> &'a Alerting {
    let environments = &loaded.configuration.environments;
    let found = environments.iter().find(|found| found.name == environment).unwrap();
    found.alerting.as_ref().unwrap()
}

#[test]
fn an_environment_overrides_key_by_key() {
    let loaded = load_all(
        "alerting:
  slack: {api_url_file: /etc/slack, fallback_channel: '#alerts'}
  victorops: {api_key_file: /etc/key, api_url: 'https://v.example/x'}
  watchdog: {url_file: /etc/switch, interval: 2m}
  timing: {group_wait: 10s, repeat_interval: 1d}
  environments:
    develop:
      slack: {token_file: /etc/token}
      victorops: {enabled: false}
      watchdog: {url: 'https://switch.example', credentials_file: /etc/token}
      timing: {group_interval: 1m}
",
    );
    assert_eq!(loaded.report.summary(), "");
    let (prod, develop) = (of(&loaded, "prod"), of(&loaded, "develop"));
    assert!(
        matches!(&prod.slack.access, SlackAccess::Webhook { url } if url.ends_with("slack")),
        "{prod:?}"
    );
    assert!(
        matches!(&develop.slack.access, SlackAccess::Bot { token } if token.ends_with("token")),
        "{develop:?}"
    );
    assert_eq!(
        (
            prod.slack.fallback_channel.as_str(),
            develop.slack.fallback_channel.as_str()
        ),
        ("#alerts", "#alerts")
    );
    assert_eq!(prod.victorops.as_ref().unwrap().api_url, "https://v.example/x/");
    assert_eq!(develop.victorops, None);
    let (switch, other) = (prod.watchdog.as_ref().unwrap(), develop.watchdog.as_ref().unwrap());
    assert!(
        matches!(switch.target, WatchdogTarget::Secret { .. })
            && matches!(other.target, WatchdogTarget::Guarded { .. })
    );
    assert_eq!(
        (switch.interval, other.interval),
        (Duration::from_mins(2), Duration::from_mins(2))
    );
    let seconds = |alerting: &Alerting| {
        let timing = alerting.timing;
        [timing.group_wait, timing.group_interval, timing.repeat_interval].map(|length| length.as_secs())
    };
    assert_eq!((seconds(prod), seconds(develop)), ([10, 300, 86_400], [10, 60, 86_400]));
}

/// Keys for what an earlier layer has turned off would be read and do nothing: nobody would be woken, and nobody told.
#[test]
fn what_is_given_to_a_part_that_is_off_is_a_mistake() {
    const SLACK: &str = "slack: {api_url_file: /s, fallback_channel: '#a'}";
    const OFF: &str = "victorops: {enabled: false}, watchdog: {enabled: false}";
    let victorops =
        "`victorops` stays off in prod, where it is given keys: `enabled: false` stands above; add `enabled: true`";
    let watchdog =
        "`watchdog` stays off in prod, where it is given keys: `enabled: false` stands above; add `enabled: true`";
    for (layer, expected) in [
        ("victorops: {api_key_file: /v}", vec![victorops]),
        ("victorops: {api_url: 'https://v.example'}", vec![victorops]),
        (
            "watchdog: {url: 'https://w.example', credentials_file: /w}",
            vec![watchdog],
        ),
        ("watchdog: {interval: 2m}", vec![watchdog]),
        (
            "victorops: {api_key_file: /v}, watchdog: {url_file: /w}",
            vec![victorops, watchdog],
        ),
        ("victorops: {enabled: true, api_key_file: /v}", vec![]),
        // Kept, and off, on purpose.
        ("victorops: {enabled: false, api_key_file: /v}", vec![]),
        ("watchdog: {}", vec![]),
    ] {
        let loaded = load_all(&format!(
            "alerting:\n  {{{SLACK}, {OFF},\n  environments: {{prod: {{{layer}}}}}}}\n"
        ));
        let told = loaded.report.summary();
        let lines: Vec<_> = told.lines().collect();
        assert_eq!(lines.len(), expected.len(), "{layer}: {told}");
        for (line, expected) in lines.iter().zip(expected) {
            assert!(
                line.contains("fanlight.yaml:3:") && line.contains(expected),
                "{layer}: {told}"
            );
        }
    }
    let loaded = load_all(&format!(
        "alerting: {{{SLACK}, {OFF}, environments: {{prod: {{victorops: {{enabled: true, api_key_file: /v}}}}}}}}\n"
    ));
    assert!(of(&loaded, "prod").victorops.is_some() && of(&loaded, "develop").victorops.is_none());
}

#[test]
fn without_the_section_nothing_is_configured() {
    let loaded = load_all("environments: [prod, develop]\n");
    assert_eq!(loaded.report.summary(), "");
    assert!(
        loaded
            .configuration
            .environments
            .iter()
            .all(|environment| environment.alerting.is_none())
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn what_would_leave_somebody_untold_is_a_mistake() {
    const SLACK: &str = "slack: {api_url_file: /etc/slack, fallback_channel: '#alerts'}";
    const REST: &str = "victorops: {api_key_file: /etc/key}, watchdog: {url_file: /etc/switch}";
    for (section, told) in [
        (
            format!("{{{REST}}}"),
            "fanlight.yaml:1:1: nobody says how messages get into Slack; name under `slack` the file",
        ),
        (
            format!("{{slack: {{api_url_file: /s}}, {REST}}}"),
            "fanlight.yaml:1:19: alerts that no team is routed for have no channel; add `fallback_channel",
        ),
        (
            format!("{{slack: {{api_url_file: /s, token_file: /t, fallback_channel: '#a'}}, {REST}}}"),
            "`api_url_file` and `token_file` are both given; keep one",
        ),
        (
            format!("{{slack: {{api_url_file: s, fallback_channel: '#a'}}, {REST}}}"),
            "this is no absolute path; name the file on Alertmanager's machine",
        ),
        (
            format!("{{slack: {{api_url_file: 'https://hooks.slack.com/T/S3CR3T', fallback_channel: '#a'}}, {REST}}}"),
            "this is no absolute path",
        ),
        (
            format!("{{slack: {{api_url_file: /s, fallback_channel: alerts}}, {REST}}}"),
            "`alerts` cannot be a Slack channel",
        ),
        (
            format!("{{{SLACK}, watchdog: {{enabled: false}}}}"),
            "`NoLeads` is critical and wakes nobody in prod; name the file with the key",
        ),
        (
            format!("{{{SLACK}, victorops: {{enabled: false}}}}"),
            "fanlight.yaml:1:1: nobody notices when Prometheus or Alertmanager is dead; name under `watchdog`",
        ),
        (
            format!("{{{SLACK}, victorops: {{enabled: false}}, watchdog: {{url: 'https://switch.example/S3CR3T'}}}}"),
            "whoever knows this URL can keep the dead man's switch quiet; put it into a file",
        ),
        (
            format!("{{{SLACK}, victorops: {{enabled: false}}, watchdog: {{url_file: /s, credentials_file: /t}}}}"),
            "either `url_file`, or `url` and `credentials_file`",
        ),
        (
            format!("{{{SLACK}, victorops: {{api_key: S3CR3T}}, watchdog: {{enabled: false}}}}"),
            "unknown key `api_key`; write `api_key_file`, and the name of a file that holds it: a secret does not stand here",
        ),
        (
            format!("{{{SLACK}, victorops: {{api_key_file: S3CR3T}}, watchdog: {{enabled: false}}}}"),
            "such as /etc/alertmanager/victorops-key:",
        ),
        (
            format!("{{{SLACK}, victorops: {{enabled: false}}, watchdog: {{url_file: 'https://s.example/S3CR3T'}}}}"),
            "such as /etc/alertmanager/watchdog-url:",
        ),
        (
            format!(
                "{{{SLACK}, victorops: {{enabled: false}}, watchdog: {{url: 'https://s.example', credentials_file: S3CR3T}}}}"
            ),
            "such as /etc/alertmanager/watchdog-token:",
        ),
        (
            format!("{{slack: {{token_file: xoxb-S3CR3T, fallback_channel: '#a'}}, {REST}}}"),
            "such as /etc/alertmanager/slack-token:",
        ),
        // A secret is one beside a token, too.
        (
            format!(
                "{{{SLACK}, victorops: {{enabled: false}}, watchdog: {{url: 'https://hc-ping.com/S3CR3T0-1a2b3c4d5e6f', credentials_file: /t}}}}"
            ),
            "whoever knows this URL can keep the dead man's switch quiet; put it into a file",
        ),
        (
            format!(
                "{{{SLACK}, victorops: {{api_key_file: /k, api_url: 'https://v.example/alert/S3CR3T0f-1a2b3c4d5e6f'}}, watchdog: {{enabled: false}}}}"
            ),
            "this URL looks as if it held the API key; write it up to where the key and the team follow",
        ),
        (
            format!("{{{SLACK}, {REST}, timing: {{group_interval: 5h}}}}"),
            "`repeat_interval` is shorter than `group_interval`",
        ),
        (
            format!("{{{SLACK}, {REST}, timing: {{group_wait: 500ms}}}}"),
            "`group_wait` is between one second and five days",
        ),
        (
            format!(
                "{{{SLACK}, victorops: {{api_key_file: /k, api_url: 'https://u:S3CR3T@v.example'}}, watchdog: {{enabled: false}}}}"
            ),
            "this is no URL that begins with `https://`",
        ),
        (
            format!("{{{SLACK}, {REST}, environments: {{prd: {{}}}}}}"),
            "there is no environment `prd`; did you mean `prod`?",
        ),
        (format!("{{{SLACK}, {REST}, slak: {{}}}}"), "unknown key `slak`"),
    ] {
        let loaded = load_all(&format!("alerting: {section}\n"));
        let summary = loaded.report.summary();
        assert!(summary.contains(told), "{section}: {summary}");
        assert!(
            !loaded.report.render(false).contains("S3CR3T"),
            "{}",
            loaded.report.render(false)
        );
        // No job is kept from running.
        assert_eq!(loaded.configuration.jobs.len(), 1, "{section}");
    }
}

/// What could not be read is not told as lacking, and what is lacking in several environments is told once.
#[test]
fn each_mistake_is_told_once() {
    const REST: &str = "slack: {api_url_file: /s, fallback_channel: '#a'}, watchdog: {enabled: false}";
    for (section, lines) in [
        (
            format!(
                "\n  victorops: {{api_key: x}}\n  {}",
                REST.replace(", watch", "\n  watch")
            ),
            1,
        ),
        (
            "{slack: {api_url: x}, watchdog: {enabled: false}, victorops: {enabled: false}}".to_owned(),
            1,
        ),
        (
            "{victorops: {enabled: false}, watchdog: {enabled: false}}".to_owned(),
            2,
        ),
        (format!("{{{REST}, environments: {{prod: {{victorops: {{}}}}}}}}"), 1),
    ] {
        let told = load_all(&format!("alerting: {section}\n")).report.summary();
        assert_eq!(told.lines().count(), lines, "{section}: {told}");
    }
}

#[test]
fn only_the_shared_file_says_it() {
    let folder = Folder::new(&[("growth.yaml", &format!("{JOBS}alerting: {{}}\n"))]);
    let loaded = load_with_alerts(folder.0.path()).unwrap();
    let summary = loaded.report.summary();
    assert!(
        summary.contains("only `fanlight.yaml` says how alerts reach people; move `alerting` there"),
        "{summary}"
    );
}

/// An SLO's alerts have a team as well, which is not forgotten where it has no other alert.
#[test]
fn what_an_slo_promises_is_routed_and_told_once() {
    let jobs = "jobs:
- name: own
  schedule: '* * * * *'
  source: postgres://u@h/d
  metrics:
  - name: own_transfers
    help: h
    external: true
    labels: [organisation_id, status]
    value: v
    query: SELECT 1
    slos:
    - name: not-failed
      objective: 95
      indicator: {ratio: {bad: {where: {status: failed}}, total: {}, minimum: 50}}
      by: [organisation_id]
      severity: critical
      team: payments
      handbook: https://h
      description: d
";
    let settings = "alerting: {slack: {api_url_file: /s, fallback_channel: '#a'}, watchdog: {enabled: false}";
    let load_with = |rest: &str| {
        let shared = format!("environments: [prod]\n{settings}{rest}}}\n");
        let folder = Folder::new(&[("fanlight.yaml", &shared), ("shop.yaml", jobs)]);
        load_with_alerts(folder.0.path()).unwrap()
    };
    let asleep = load_with("").report.summary();
    let expected = "fanlight.yaml:2:1: `NotFailedErrorBudgetBurn` is critical and wakes nobody;";
    assert!(asleep.contains(expected), "{asleep}");

    let loaded = load_with(", victorops: {api_key_file: /k}");
    assert_eq!(loaded.report.summary(), "");
    let files = crate::alertmanager::build(&loaded.configuration.environments).unwrap();
    let text = |name: &str| &files.iter().find(|file| file.path.ends_with(name)).unwrap().text;
    let cases = crate::alertmanager::Cases::read(text(crate::alertmanager::CASES)).unwrap();
    let routes = cases
        .routes
        .iter()
        .map(|routed| format!("{}: {}", routed.name, routed.receiver));
    assert_eq!(
        routes.take(2).collect::<Vec<_>>(),
        [
            "FanlightMetricStale of own_transfers for payments: payments/slack+victorops",
            "NotFailedErrorBudgetBurn (page) for payments: payments/slack+victorops",
        ]
    );
    let configuration: serde_json::Value = serde_saphyr::from_str(text(crate::alertmanager::CONFIGURATION)).unwrap();
    let inhibition = &configuration["inhibit_rules"][0];
    let speed = |matchers: &str| inhibition[matchers][1].as_str().unwrap().to_owned();
    assert_eq!(speed("source_matchers"), "sloth_severity=\"page\"");
    assert_eq!(speed("target_matchers"), "sloth_severity=\"ticket\"");
    let equal = inhibition["equal"].as_array().unwrap();
    assert!(equal.iter().any(|label| label == "organisation_id"), "{equal:?}");
    let external = &configuration["route"]["routes"][0]["routes"][0]["routes"][0];
    assert_eq!(external["matchers"][0], "metric_purpose=\"external\"");
}
