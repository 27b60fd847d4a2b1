//! What dashboards are drawn from: their names in all files.

use super::*;

/// A job with a metric of each of these, beside which stands a funnel where one is named.
fn job(name: &str, funnel: &str) -> String {
    let funnel = if funnel.is_empty() {
        String::new()
    } else {
        format!(
            "    funnel: {{name: {funnel}, steps: step, begun: {{phase: begun}}, completed: {{phase: done}}, by: os}}\n"
        )
    };
    format!(
        "jobs:
- name: {name}
  schedule: '* * * * *'
  source: postgres://u@h/d
  metrics:
  - name: {name}_people
    help: h
    labels: [step, phase, os]
    fill: {{step: [one, two], phase: [begun, done], os: [ios]}}
    value: v
    query: SELECT 1
{funnel}"
    )
}

#[test]
fn two_dashboards_of_one_name_are_told_where_one_is_named() {
    for (one, other, expected) in [
        (("growth.yaml", "sign-up"), ("growth-up.yaml", ""), ""),
        (
            ("growth.yaml", "up-main"),
            ("growth-up.yaml", ""),
            "growth.yaml:12:20: two dashboards would be `growth-up-main.json`: that of `growth-up` and that of the funnel `up-main` \
             of `growth`; give the funnel another name",
        ),
        (("growth.yaml", "up-2"), ("growth-up.yaml", "2-3"), ""),
        (
            ("growth.yaml", "up-go"),
            ("growth-up.yaml", "go"),
            "growth.yaml:12:20: two dashboards would be `growth-up-go.json`: that of the funnel `go` of `growth-up` and that of the \
             funnel `up-go` of `growth`; give the funnel another name",
        ),
        (
            ("fanlight.yaml", "functions"),
            ("growth.yaml", ""),
            "fanlight.yaml:12:20: two dashboards would be `fanlight-functions.json`: that of the funnel `functions` of `fanlight` and \
             that of Fanlight's functions; give the funnel another name",
        ),
        (
            ("a b.yaml", ""),
            ("a-b.yaml", ""),
            "a-b.yaml:1:1: two dashboards would be `a-b-main.json`: that of `a b` and that of `a-b`; rename one of the files",
        ),
        (
            ("growth.yaml", ""),
            ("growth.yml", ""),
            "growth.yml:1:1: two dashboards would be `growth-main.json`: that of `growth` and that of `growth`; `growth` is the name of \
             two files: rename one of them",
        ),
    ] {
        let folder = Folder::new(&[(one.0, &job("one", one.1)), (other.0, &job("other", other.1))]);
        let loaded = load_with_alerts(folder.0.path()).unwrap();
        let told = loaded.report.summary();
        let told = told.replace(&format!("{}/", folder.0.path().display()), "");
        assert_eq!(told, expected, "{one:?} {other:?}");
        let dashboards = crate::dashboards::build(&loaded.configuration.environments, &loaded.configuration.dashboards);
        assert_eq!(dashboards.is_ok(), expected.is_empty(), "{one:?} {other:?}");
    }
}
