//! Alerts as teams write them, right and wrong.

mod layers;
mod order;
mod values;

use super::*;
use crate::alerts::{Comparison, Condition, Severity};

/// Metrics of several kinds; `LEADS` is replaced by what stands beside the gauge, `FILE` by what follows the jobs.
const JOBS: &str = "jobs:
- name: leads
  schedule: '*/10 * * * *'
  source: postgres://u@h/d
  metrics:
  - name: leads
    help: h
    labels: [campaign, os]
    allowed_values: {os: [ios, android]}
    value: v
    query: SELECT 1
LEADS
  - name: visits
    help: h
    labels: [campaign]
    value: v
    query: SELECT 1
  - name: mails_total
    help: h
    type: counter
    labels: [kind]
    value: v
    query: SELECT 1
  - name: own_transfers
    help: h
    external: true
    labels: [organisation_id, status]
    value: v
    query: SELECT 1
FILE
";
/// What every alert has.
const REST: &str = "severity: warning, team: growth, handbook: 'https://h/x', description: d";

fn folder(beside: &str, file: &str, more: &[(&str, &str)]) -> Loaded {
    let text = JOBS
        .replace("LEADS\n", beside)
        .replace("FILE\n", file)
        .replace("REST", REST);
    let more: Vec<_> = more
        .iter()
        .map(|(name, text)| (*name, text.replace("REST", REST)))
        .collect();
    let mut files = vec![("growth.yaml", text.as_str())];
    files.extend(more.iter().map(|(name, text)| (*name, text.as_str())));
    let folder = Folder::new(&files);
    load_with_alerts(folder.0.path()).unwrap()
}

/// One alert in braces, beside the gauge.
fn beside(alert: &str) -> Loaded {
    folder(&format!("    alerts:\n    - {{{alert}}}\n"), "", &[])
}

/// What is told, a line each: `line:column: message; help`.
fn told(loaded: &Loaded) -> String {
    loaded.report.summary()
}

fn alerts<'a>(loaded: &'a Loaded, environment: &str) -> Vec<&'a crate::alerts::Alert> {
    let environments = loaded.configuration.environments.iter();
    let found = environments.filter(|found| found.name == environment);
    found
        .flat_map(|found| &found.services)
        .flat_map(|service| &service.alerts)
        .collect()
}

#[test]
fn a_short_form_becomes_a_rule_with_a_gate() {
    let loaded = beside("name: NoLeads, below: 1, where: {os: ios}, by: [campaign], for: 1h, REST");
    assert_eq!(told(&loaded), "");
    let prod = alerts(&loaded, "prod");
    let [alert] = prod.as_slice() else { panic!("{prod:?}") };
    assert_eq!((alert.severity, alert.team.as_str()), (Severity::Warning, "growth"));
    let expected = r#"sum by (campaign) (leads{job="leads", os="ios"}) < 1
and on () time() - max(fanlight_job_scheduled_timestamp_seconds{fanlight_job="leads"}) <= 1800
and on () max(max_over_time(fanlight_metric_up{fanlight_job="leads", metric="leads"}[30m])) == 1"#;
    assert_eq!(crate::alerts::of_alert(alert), expected);
    assert_eq!(alerts(&loaded, "develop").len(), 1);
}

#[test]
fn external_alerts_keep_what_customers_find_them_by() {
    let file = "alerts:\n- {name: A, metric: own_transfers, above: 3, by: [status], REST}\n- {name: B, metric: own_transfers, above: 3, REST}\n";
    let loaded = folder("", file, &[]);
    assert_eq!(told(&loaded), "");
    let rules: Vec<_> = alerts(&loaded, "prod")
        .into_iter()
        .map(crate::alerts::of_alert)
        .collect();
    assert!(
        rules[0].starts_with("sum by (status, metric_purpose, organisation_id) (own_transfers{"),
        "{}",
        rules[0]
    );
    assert!(rules[1].starts_with("own_transfers{job=\"leads\"} > 3"), "{}", rules[1]);
}

#[test]
fn a_mistake_in_an_alert_keeps_no_job_from_running() {
    let text = JOBS.replace("LEADS\n", "    alerts:\n    - {name: A, belwo: 1}\n    - nothing\n");
    let text = text.replace("FILE\n", "alerts: 5\n");
    let folder = Folder::new(&[
        ("growth.yaml", &text),
        ("growth/prod/a.yaml", "alerts: [{name: A, below: x}]"),
    ]);
    let loaded = load(folder.0.path()).unwrap();
    assert!(loaded.report.mistakes() >= 3, "{}", told(&loaded));
    assert!(loaded.configuration.job("leads").is_ok());
    let with_alerts = load_with_alerts(folder.0.path()).unwrap();
    assert!(with_alerts.report.mistakes() > loaded.report.mistakes());
    assert!(with_alerts.configuration.job("leads").is_ok());
    assert!(alerts(&with_alerts, "prod").is_empty());
}

#[test]
fn an_alert_of_a_job_with_a_mistake_says_no_more() {
    let text = JOBS
        .replace("LEADS\n", "    alerts:\n    - {name: A, below: 1, REST}\n")
        .replace("REST", REST);
    let text = text.replace("FILE\n", "").replace("*/10", "*/100");
    let folder = Folder::new(&[
        ("growth.yaml", &text),
        (
            "growth/common/a.yaml",
            &format!("alerts: [{{name: B, metric: visits, below: 1, {REST}}}]"),
        ),
    ]);
    let loaded = load_with_alerts(folder.0.path()).unwrap();
    assert_eq!(loaded.report.mistakes(), 1, "{}", told(&loaded));
}

#[test]
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn every_mistake_in_an_alert_is_told_with_its_place_and_remedy() {
    let tests = "tests: [{name: t, series: {'leads{campaign=\"a\"}': '5x9'}, at: 5m, fires: [{}]}, {name: q, series: {'leads{campaign=\"a\"}': '0x9'}, at: 5m, fires: []}]";
    let of = |expression: &str| format!("name: A, expression: '{expression}', {tests}, REST");
    let cases: Vec<(String, &str)> = vec![
        ("below: 1, REST".into(), "13:7: the alert has no `name`"),
        ("name: a-b, below: 1, REST".into(), "cannot be an alert's name"),
        ("name: FanlightX, below: 1, REST".into(), "is kept for Fanlight's own alerts"),
        ("name: A, REST".into(), "13:14: the alert `A` does not say when it fires; give it `expression`"),
        ("name: A, below: 1, above: 2, REST".into(), "an alert fires for one reason, and here are below, above"),
        ("name: A, ratio: {of: {where: {os: ios}}, to: {}, minimum: 1}, REST".into(), "the ratio has no threshold"),
        (
            "name: A, below: 1, severity: warning, handbook: 'https://h', description: d".into(),
            "13:14: the alert `A` has no `team`; add `team: ..`, in lower case",
        ),
        ("name: A, below: 1, team: t, handbook: 'https://h', description: d".into(), "has no `severity`"),
        ("name: A, below: 1, team: t, severity: warning, description: d".into(), "has no `handbook`"),
        ("name: A, below: 1, team: t, severity: warning, handbook: 'https://h'".into(), "has no `description`"),
        (
            "name: A, below: 1, team: Growth Team, severity: warning, handbook: 'https://h', description: d".into(),
            "`Growth Team` cannot be a team: lower-case letters, digits, `-` and `_`, 75 at most; write `growth-team`",
        ),
        (
            "name: A, below: 1, team: Équipe, severity: warning, handbook: 'https://h', description: d".into(),
            "write whom it is for, such as `growth`",
        ),
        (
            "name: A, below: 1, team: '', severity: warning, handbook: 'https://h', description: d".into(),
            "13:33: the team is empty; write whom it is for, such as `growth`",
        ),
        (
            "name: A, below: 1, team: t, severity: '', handbook: 'https://h', description: d".into(),
            "expected `warning` or `critical`, found an empty text",
        ),
        (
            "name: A, below: 1, team: t, severity: warning, handbook: '', description: d".into(),
            "the handbook is empty; write `https://..`",
        ),
        ("name: '', below: 1, REST".into(), "the name of the alert is empty; call it by what has happened"),
        ("name: A, below: 1, slack_channel: '', REST".into(), "the Slack channel is empty; write it as Slack shows it"),
        ("name: A, below: 1, for: 90, REST".into(), "13:32: 90 of which unit?; write `90m`;"),
        ("name: A, absent_for: 90, REST".into(), "90 of which unit?; write `90m`;"),
        ("name: A, below: '5', REST".into(), "expected a number, found text; write 5, without quotes"),
        ("name: A, below: 5%, REST".into(), "write 5, or as a part of 1, as of a `ratio`: 0.05"),
        (
            "name: A, below: 50, ratio: {of: {where: {os: ios}}, to: {}, minimum: 1}, REST".into(),
            "a part of its own whole is always below 50; a ratio is a part of 1: for 50 % write 0.5",
        ),
        (
            "name: A, below: 1, team: t, severity: fatal, handbook: 'https://h', description: d".into(),
            "`fatal` is not one of `warning` or `critical`",
        ),
        (
            "name: A, below: 1, team: t, severity: warning, handbook: wiki, description: d".into(),
            "the handbook is a link",
        ),
        ("name: A, below: 1, slack_channel: Growth, REST".into(), "`Growth` cannot be a Slack channel"),
        ("name: A, below: 1, for: -1h, REST".into(), "`for` is a length of time, which is never less than nothing; write"),
        ("name: A, below: 1, for: 31d, REST".into(), "`for` is a length of time of 30 days at most"),
        ("name: A, below: 1, by: os, REST".into(), "expected a list, found text; write `[os]`"),
        (
            "name: A, below: 1, where: [os], REST".into(),
            "expected a mapping, found a list; give each label the value that it must have: `{os: ..}`",
        ),
        ("name: A, below: 1, enabled: no, REST".into(), "expected `true` or `false`, found text; write `false`, without quotes"),
        ("name: A, below: 1, enabled: 'On', REST".into(), "write `true`, without quotes"),
        ("name: A, below: .nan, belwo: 1, REST".into(), "13:24: expected a number, found no finite number; write a number such as 5 or 0.5\n"),
        ("name: A, below: -.inf, belwo: 1, REST".into(), "unknown key `belwo`; did you mean `below`?"),
        ("name: A, below: 1, for: .inf, REST".into(), "expected a length of time"),
        ("name: A, below: '0,5', REST".into(), "expected a number, found text; write 0.5, with a point"),
        ("name: A, below: 1, tests: [{name: t, series: {leads: 1e400x20}, at: 5m, fires: []}], REST".into(), "`1e400x20` is no value"),
        ("name: A, below: 1, for: 20m, REST".into(), "`for: 20m` is decided by a single push"),
        ("name: A, below: yes please, REST".into(), "expected a number"),
        ("name: A, below: 1, metric: visits, REST".into(), "stands beside its metric and names another"),
        ("name: A, below: 1, where: {campain: x}, REST".into(), "`leads` has no label `campain`; did you mean `campaign`?"),
        ("name: A, below: 1, where: {os: iso}, REST".into(), "the label `os` is never `iso`; did you mean `ios`?"),
        ("name: A, below: 1, by: [oss], REST".into(), "`leads` has no label `oss`; did you mean `os`?"),
        ("name: A, no_increase_for: 2h, REST".into(), "`leads` is a gauge, which need not increase"),
        (
            "name: A, absent_for: 30m, REST".into(),
            "30m is too short: the job `leads` counts as dead after 30m, and until then it would look as if nothing happened; write 40m or more",
        ),
        ("name: A, absent_for: 1h, by: [os], REST".into(), "what is not there has no labels to be added up by"),
        (
            "name: A, below: 0.5, ratio: {of: {}, to: {metric: visist}, minimum: 1}, REST".into(),
            "there is no metric `visist`; did you mean `visits`?",
        ),
        ("name: A, below: 0.5, ratio: {of: {}, to: {metric: visits}}, REST".into(), "the ratio has no `minimum`"),
        ("name: A, below: 0.5, ratio: {of: {}, minimum: 1}, REST".into(), "the ratio has no `to`"),
        ("name: A, below: 0.5, ratio: {of: {where: {os: ios}}, to: {}, minimum: 0}, REST".into(), "the least whole is more than 0"),
        ("name: A, below: 0.5, ratio: {of: {}, to: {}, minimum: 1}, REST".into(), "the part is all of the whole, or more"),
        (
            "name: A, below: 0.5, ratio: {of: {where: {os: ios}}, to: {where: {campaign: a}}, minimum: 1}, REST".into(),
            "some of the part is in the whole, and some is not",
        ),
        (
            "name: A, below: 0.5, by: [os], ratio: {of: {where: {os: ios}}, to: {}, minimum: 1}, REST".into(),
            "`os` makes the part, so that the ratio cannot be told apart by it",
        ),
        (
            "name: A, above: 1, ratio: {of: {where: {os: ios}}, to: {}, minimum: 1}, REST".into(),
            "a part of its own whole is never above 1",
        ),
        ("name: A, below: 0, ratio: {of: {where: {os: ios}}, to: {}, minimum: 1}, REST".into(), "a ratio of counts is never below 0"),
        ("name: A, below: 1, ratio: {of: {where: {os: ios}}, to: {}, minimum: 1, window: 1h}, REST".into(), "gauges are looked at as they are"),
        ("name: A, below: 1, ratio: {of: {}, to: {metric: mails_total}, minimum: 1}, REST".into(), "a counter and a gauge have no ratio"),
        (
            "name: A, below: 1, ratio: {of: {metric: mails_total, where: {kind: a}}, to: {metric: mails_total}, minimum: 1}, REST".into(),
            "a ratio of counters needs a `window`; say over which time they are looked at, 30m or more",
        ),
        (
            "name: A, below: 1, ratio: {of: {metric: mails_total, where: {kind: a}}, to: {metric: mails_total}, minimum: 1, window: 20m}, REST".into(),
            "20m is too short for what is pushed so rarely; write 30m or more",
        ),
        ("name: A, below: 1, ratio: {of: {}, to: {metric: own_transfers}, minimum: 1}, REST".into(), "one of the metrics is external"),
        (
            "name: A, below: 1, team: t, severity: warning, handbook: 'https://h', description: '{{ $labels.oss }}'".into(),
            "the alert's series have no label `oss`",
        ),
        (
            "name: A, below: 1, by: [os], team: t, severity: warning, handbook: 'https://h', description: '{{ $labels.campaign }}'".into(),
            "the alert's series have no label `campaign`",
        ),
        (
            "name: A, below: 1, team: t, severity: warning, handbook: 'https://h', description: '{{ humanize $value }}'".into(),
            "`{{ humanize $value }}` is not filled in",
        ),
        (of("leads <"), "13:37: this is no PromQL"),
        (of("leads{campaign=\"x\"} < bool 1 +"), "this is no PromQL"),
        (of("1 + 1"), "an alert's expression yields series"),
        (of("leasd < 1"), "13:30: there is no metric `leasd`; did you mean `leads`?"),
        (of("leads{campain=\"x\"} < 1"), "13:36: `leads` has no label `campain`; did you mean `campaign`?"),
        (of("leads{job=\"other\"} < 1"), "`leads` is pushed by no such job; its jobs are leads"),
        (of("leads < 1 and {campaign=\"x\"}"), "which metric this reads cannot be told"),
        (of("leads < 1 and node_load1 > 5"), "no job pushes `node_load1`"),
        (of("leads < 1 and on () fanlight_job_upp > 5"), "there is no metric `fanlight_job_upp`; did you mean `fanlight_job_up`?"),
        (of("leads < 1 and on () own_transfers"), "loses its label `organisation_id`"),
        (of("sum by (os) (leads) < 1 or on () absent(leads)"), "has no test case without any `series`"),
        ("name: A, expression: leads < 1, REST".into(), "has no test case with `series` in which it fires, and none with `series` in which it does not"),
        (
            "name: A, expression: leads < 1, tests: [{name: t, series: {leads: '0x5'}, at: 5m, fires: [{}]}], REST".into(),
            "has no test case with `series` in which it does not (`fires: []`); add it: `tests: [{name: .., series: \
             {'metric{label=\"x\"}': '5x120'}, at: 2h, fires: []}]`",
        ),
        (
            "name: A, expression: absent(leads), tests: [{name: t, series: {}, at: 5m, fires: [{}]}], REST".into(),
            "has no test case with `series` in which it fires, and none with",
        ),
        (
            "name: A, expression: 'ALERTS{alertname=\"X\"} == 1', tests: [{name: t, series: {up: 1x5}, at: 5m, fires: []}], REST".into(),
            "the alert `A` does not read `up`; the metrics that it reads are ALERTS",
        ),
        (
            "name: A, expression: leads < 1, tests: [{name: t, series: {visits: 1x5}, at: 5m, fires: []}], REST".into(),
            "the alert `A` does not read `visits`; the metrics that it reads are leads",
        ),
        (
            "name: A, below: 1, tests: [{name: t, series: {'leads{oss=\"x\"}': 1x5}, at: 5m, fires: []}], REST".into(),
            "`leads` has no label `oss`; did you mean `os`?",
        ),
        (
            "name: A, below: 1, tests: [{name: t, series: {'sum(leads)': 1x5}, at: 5m, fires: []}], REST".into(),
            "`sum(leads)` is not a series",
        ),
        ("name: A, below: 1, tests: [{name: t, series: {leads: 1x5}, at: 5s, fires: []}], REST".into(), "write whole minutes"),
        (
            "name: A, below: 1, tests: [{name: t, series: {leads: six}, at: 5m, fires: []}], REST".into(),
            "13:61: `six` is no value that promtool reads; write them as promtool does",
        ),
        (
            "name: A, below: 1, tests: [{name: t, series: {leads: '5x60 0*3'}, at: 5m, fires: []}], REST".into(),
            "13:67: `0*3` is no value that promtool reads",
        ),
        ("name: A, below: 1, tests: [{name: t, series: {leads: ' '}, at: 5m, fires: []}], REST".into(), "`leads` has no values"),
        (
            "name: A, below: 1, tests: [{name: t, series: {leads: 5x10 0x5}, at: 30m, fires: [{}]}], REST".into(),
            "13:61: `leads` has no value any more when the test looks at it, at 30m: the last is that of minute 16; \
             let its last value go on, as `0x19`; or write `stale` behind it",
        ),
        (
            "name: A, below: 1, tests: [{name: t, series: {leads: '0x5'}, at: 5m, fires: [{oss: ios}]}], REST".into(),
            "the alert's series have no label `oss`",
        ),
        ("name: A, below: 1, tests: [{name: t, series: {leads: 1x5}, at: 5m}], REST".into(), "a test case has a `name`"),
        (
            "name: A, below: 1, tests: [{name: t, series: {leads: 1x5}, at: 5m, fires: [{os: a}, {campaign: b}]}], REST".into(),
            "told apart by the same labels",
        ),
    ];
    let mut wrong = Vec::new();
    for (alert, message) in &cases {
        let told = told(&beside(alert));
        if !told.contains(message) {
            wrong.push(format!("{alert}\n  expected {message}\n  told {told}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_handbook_is_a_link_in_whatever_case() {
    for (handbook, right) in [
        ("HTTPS://h/x", true),
        ("Http://h", true),
        ("HTTPS://", false),
        ("ftp://h", false),
    ] {
        let loaded = beside(&format!(
            "name: A, below: 1, team: t, severity: warning, handbook: '{handbook}', description: d"
        ));
        assert_eq!(loaded.report.mistakes() == 0, right, "{handbook}: {}", told(&loaded));
    }
}

/// A constant makes no two series one, and the rule's own label takes its place.
#[test]
fn a_static_label_may_have_the_name_of_one_of_the_rules() {
    let hidden = "the series have a label `team`, which the alert would hide";
    for (labels, alert, right) in [
        ("{team: payments}", "below: 1", true),
        ("{team: payments, severity: x}", "below: 1, by: [os, team]", true),
        ("{team: payments}", "absent_for: 2h, where: {team: payments}", true),
        (
            "{team: payments}",
            "ratio: {of: {where: {os: ios}}, to: {}, minimum: 1}, by: [team], below: 0.5",
            false,
        ),
        // The rule gives none, and the messages would go to the series'.
        ("{slack_channel: x}", "below: 1", false),
        ("{slack_channel: x}", "below: 1, slack_channel: '#y'", true),
    ] {
        let text = format!("    static_labels: {labels}\n    alerts:\n    - {{name: A, {alert}, REST}}\n");
        let loaded = folder(&text, "", &[]);
        assert_eq!(told(&loaded).is_empty(), right, "{labels} {alert}: {}", told(&loaded));
        let built = crate::alerts::build(&loaded.configuration.environments);
        assert!(!right || built.is_ok(), "{labels} {alert}");
    }
    let varying = JOBS
        .replace("[campaign, os]", "[campaign, os, team]")
        .replace("FILE\n", "");
    let varying = varying
        .replace("LEADS", "    alerts:\n    - {name: A, below: 1, REST}")
        .replace("REST", REST);
    let folder = Folder::new(&[("growth.yaml", &varying)]);
    let loaded = load_with_alerts(folder.0.path()).unwrap();
    assert!(told(&loaded).contains(hidden), "{}", told(&loaded));
}

#[test]
fn a_series_of_a_test_ends_only_where_that_is_said() {
    for (values, at, right) in [
        ("0x30", "30m", true),
        ("0x26", "30m", true),
        ("0x25", "30m", false),
        ("0x5 stale", "30m", true),
        ("0x5 _x3", "30m", true),
        ("0", "4m", true),
        ("0", "5m", false),
    ] {
        let test = format!("tests: [{{name: t, series: {{leads: '{values}'}}, at: {at}, fires: []}}]");
        let loaded = beside(&format!("name: A, below: 1, {test}, REST"));
        assert_eq!(loaded.report.mistakes() == 0, right, "{values} {at}: {}", told(&loaded));
    }
    let lines = r#"tests: [{name: t, series: {leads: "5x9\n 0x9 "}, at: 9m, fires: []}]"#;
    let loaded = beside(&format!("name: A, below: 1, {lines}, REST"));
    assert_eq!(alerts(&loaded, "prod")[0].cases[0].series[0].1, "5x9 0x9");
}

#[test]
fn an_alert_of_a_disabled_job_has_to_be_disabled_too() {
    let text = JOBS
        .replace("- name: leads\n  sch", "- name: leads\n  enabled: false\n  sch")
        .replace("FILE\n", "");
    for (enabled, mistakes) in [("", 1), ("enabled: false, ", 0)] {
        let alert = format!("    alerts:\n    - {{name: A, below: 1, {enabled}{REST}}}\n");
        let folder = Folder::new(&[("growth.yaml", &text.replace("LEADS\n", &alert))]);
        let loaded = load_with_alerts(folder.0.path()).unwrap();
        assert_eq!(loaded.report.mistakes(), mistakes, "{}", told(&loaded));
    }
}

/// What the builds refuse has a place where it can; if not, `check` tells of it all the same.
#[test]
fn check_refuses_what_cannot_be_built() {
    let mut loaded = folder("    alerts:\n    - {name: A, below: 1, REST}\n", "", &[]);
    for environment in &mut loaded.configuration.environments {
        environment.services[0].alerts[0].condition = Condition::Expression {
            promql: "leads < 1".to_owned(),
            tells_of_absence: false,
        };
    }
    assert_eq!(loaded.report.mistakes(), 0, "{}", told(&loaded));
    loaded.check(|_| true);
    assert!(
        told(&loaded).contains("the alert `A` of growth has no test for: firing"),
        "{}",
        told(&loaded)
    );
}
