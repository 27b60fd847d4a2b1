//! The rule that always fires: when the dead man's switch outside hears of it no more, Prometheus or Alertmanager is dead.

/// The name of the alert.
pub(super) const WATCHDOG: &str = "Watchdog";
/// Its severity: it is for no team.
pub(super) const SEVERITY: &str = "none";
/// What stands in place of a service in the names of its files.
pub(crate) const SERVICE: &str = "fanlight-watchdog";

/// Its rule file.
pub(crate) fn rules() -> String {
    format!(
        "groups:
- name: {SERVICE}
  rules:
  - alert: {WATCHDOG}
    expr: vector(1)
    labels:
      severity: {SEVERITY}
    annotations:
      description: {DESCRIPTION}
"
    )
}

/// Its tests: it fires from the first evaluation on, and for ever.
pub(crate) fn tests(rule_file: &str) -> String {
    let at = |time: &str| {
        format!(
            "
  - eval_time: {time}
    alertname: {WATCHDOG}
    exp_alerts:
    - exp_labels:
        severity: {SEVERITY}
      exp_annotations:
        description: {DESCRIPTION}"
        )
    };
    format!(
        "rule_files:
- {rule_file}
evaluation_interval: 1m
tests:
- name: \"{WATCHDOG}: firing\"
  interval: 1m
  input_series: []
  alert_rule_test:{}{}
",
        at("0m"),
        at("1d")
    )
}

const DESCRIPTION: &str = "Prometheus evaluates its rules, and Alertmanager sends what they find.";
