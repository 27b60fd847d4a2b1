//! Values of labels, held against those that there are.

use super::*;

#[test]
fn a_value_that_is_not_filled_in_is_asked_about() {
    let text = |value: &str| {
        "jobs:
- name: leads
  schedule: '*/10 * * * *'
  source: postgres://u@h/d
  metrics:
  - name: leads
    help: h
    labels: [os]
    fill: {os: [ios, android]}
    value: v
    query: SELECT 1
    alerts: [{name: A, below: 1, where: {os: VALUE}, REST}]
"
        .replace("VALUE", value)
        .replace("REST", REST)
    };
    let load = |value| {
        let folder = Folder::new(&[("growth.yaml", &text(value))]);
        load_with_alerts(folder.0.path()).unwrap()
    };
    assert_eq!(told(&load("ios")), "");
    let asked = load("iso");
    assert!(
        told(&asked).contains("`iso` is not among the values that the metric fills `os` with; did you mean `ios`?"),
        "{}",
        told(&asked)
    );
    // Rows may have other values, so it is built.
    assert_eq!(alerts(&asked, "prod").len(), 1);
}

#[test]
fn the_values_in_an_expression_are_held_against_those_that_there_are() {
    const METRICS: &str = "jobs:
- name: leads
  schedule: '*/10 * * * *'
  source: postgres://u@h/d
  metrics:
  - name: leads
    help: h
    labels: [os, campaign, kind]
    fill: {os: [ios, android], campaign: [search], kind: [a]}
    static_labels: {env: prod}
    value: v
    query: SELECT 1
  - name: visits
    help: h
    labels: [os]
    allowed_values: {os: [ios, android]}
    value: v
    query: SELECT 1
- name: more
  schedule: '*/10 * * * *'
  source: postgres://u@h/d
  metrics:
  - name: mails
    help: h
    labels: [kind]
    fill: {kind: [sent]}
    value: v
    query: SELECT 1
";
    for (expression, expected) in [
        ("leads{os=\"ios\", campaign=\"search\", job=\"leads\"} < 1", ""),
        ("leads{os!=\"iso\", campaign=~\"serach|x\", env=\"\"} < 1", ""),
        ("node_load1{os=\"x\"} > 1 and on () leads", "no job pushes `node_load1`"),
        (
            "leads{os=\"iso\"} < 1",
            "24:13: `iso` is not among the values that the metric fills `os` with; did you mean `ios`?",
        ),
        (
            "leads < 1\n      and on () leads{os=\"ios\", campaign=\"serach\"} > 0",
            "25:33: `serach` is not among the values that the metric fills `campaign` with; did you mean `search`?",
        ),
        (
            "visits{os=\"iso\"} < 1",
            "24:14: the label `os` is never `iso`; did you mean `ios`?",
        ),
        (
            "leads{env=\"prd\"} < 1",
            "24:13: the label `env` is never `prd`; did you mean `prod`?",
        ),
        (
            "mails{kind=\"a\"} < 1",
            "24:13: `a` is not among the values that the metric fills `kind` with; the values are sent",
        ),
    ] {
        let alert = format!(
            "alerts:
- name: A
  metric: leads
  severity: warning
  team: growth
  handbook: https://h
  description: d
  tests:
  - {{name: t, series: {{leads: '0x9'}}, at: 5m, fires: [{{}}]}}
  - {{name: q, series: {{leads: '1x9'}}, at: 5m, fires: []}}
  expression: |
      {expression}
"
        );
        let folder = Folder::new(&[("growth.yaml", METRICS), ("growth/common/a.yaml", &alert)]);
        let loaded = load_with_alerts(folder.0.path()).unwrap();
        let told = told(&loaded);
        let expected = expected.replace("24:", "a.yaml:12:").replace("25:", "a.yaml:13:");
        assert_eq!(told.is_empty(), expected.is_empty(), "{expression}: {told}");
        assert!(told.contains(&expected), "{expression}: {told}");
        // Rows may have other values, so it is built.
        assert_eq!(
            (loaded.report.mistakes(), alerts(&loaded, "prod").len()),
            (0, 1),
            "{told}"
        );
    }
    let text = METRICS.replace(
        "    static_labels: {env: prod}\n",
        "    static_labels: {env: prod}\n    alerts: [{name: A, below: 1, where: {env: prd}, REST}]\n",
    );
    let folder = Folder::new(&[("growth.yaml", &text.replace("REST", REST))]);
    let loaded = load_with_alerts(folder.0.path()).unwrap();
    assert!(
        told(&loaded).contains("the label `env` is never `prd`"),
        "{}",
        told(&loaded)
    );
}
