//! What is built of alerts that no configuration has checked.

use std::time::Duration;

use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::promql::{self, Limits};

pub(super) fn subject() -> Subject {
    Subject {
        metric: "leads".to_owned(),
        job: "the \"leads\"\\".to_owned(),
        grouping: vec![("cluster".to_owned(), "blue".to_owned())],
        fixed: vec![("env".to_owned(), "test".to_owned())],
        varying: vec![("os".to_owned(), "ios".to_owned())],
        counter: false,
        external: false,
        freshness: Freshness {
            shortest: Duration::from_mins(10),
            longest: Duration::from_mins(10),
            jitter: Duration::ZERO,
        },
    }
}

pub(super) fn alert(condition: Condition) -> Alert {
    Alert {
        name: "NoLeads".to_owned(),
        condition,
        subjects: vec![subject()],
        hold: Duration::ZERO,
        severity: Severity::Warning,
        team: "growth".to_owned(),
        slack_channel: None,
        handbook: "https://handbook.example/".to_owned(),
        description: "No leads: 'none' # of {{ $labels.os }}".to_owned(),
        cases: Vec::new(),
    }
}

fn built(alert: Alert) -> Result<Vec<BuiltFile>, BuildError> {
    let services = vec![Service {
        name: "growth".to_owned(),
        alerts: vec![alert],
        slos: Vec::new(),
    }];
    build(&[Environment {
        name: "prod".to_owned(),
        services,
        alerting: None,
    }])
}

fn term(filter: &str) -> Term {
    Term {
        subject: SubjectId(0),
        filters: vec![("os".to_owned(), filter.to_owned())],
    }
}

#[derive(Debug, Deserialize)]
struct Rules {
    groups: Vec<Group>,
}

#[derive(Debug, Deserialize)]
struct Group {
    rules: Vec<Rule>,
}

#[derive(Debug, Deserialize)]
struct Rule {
    alert: String,
    expr: String,
    annotations: std::collections::BTreeMap<String, String>,
}

fn rules(files: &[BuiltFile]) -> Vec<Rule> {
    let rules: Rules = serde_saphyr::from_str(&files[0].text).unwrap();
    rules.groups.into_iter().flat_map(|group| group.rules).collect()
}

#[test]
fn an_expression_without_the_teams_own_cases_is_not_built() {
    let condition = Condition::Expression {
        promql: "leads == 0".to_owned(),
        tells_of_absence: false,
    };
    let error = built(alert(condition.clone())).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the alert `NoLeads` of growth has no test for: firing"
    );
    let case = |name: &str, fires: Vec<Vec<(String, String)>>| Case {
        name: name.to_owned(),
        series: vec![("leads".to_owned(), "0x9".to_owned())],
        at: Duration::from_mins(5),
        fires,
    };
    let mut alert = alert(condition);
    alert.cases = vec![case("fires", vec![vec![]])];
    let error = built(alert.clone()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the alert `NoLeads` of growth has no test for: quiet"
    );
    alert.cases.push(case("does not", Vec::new()));
    let files = built(alert).unwrap();
    // Four of this alert follow from the first case, and three are of the metric's freshness.
    assert_eq!(files[1].tests, 2 + 4 + 3);
}

#[test]
fn environments_and_services_have_files_of_their_own() {
    let value = Selection {
        term: term("ios"),
        by: None,
    };
    let files = built(alert(Condition::Compare {
        value,
        comparison: Comparison::Below,
        threshold: 1.0,
    }))
    .unwrap();
    let paths: Vec<_> = files.iter().map(|file| file.path.to_str().unwrap()).collect();
    assert_eq!(paths, ["prod/growth.rules.yaml", "prod/growth.tests.yaml"]);
    let names: Vec<_> = rules(&files).into_iter().map(|rule| rule.alert).collect();
    assert_eq!(names, ["NoLeads", "FanlightMetricStale"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever stands in names, values and texts: YAML gives it back, and PromQL takes it.
    #[test]
    fn whatever_is_written_is_read_back(
        value in "\\PC{0,20}",
        text in "[^{}\\p{C}]{1,200}",
        threshold in -1e9..1e9f64,
        below in any::<bool>(),
        by in any::<bool>(),
    ) {
        let condition = Condition::Compare {
            value: Selection { term: term(&value), by: by.then(|| vec!["os".to_owned()]) },
            comparison: if below { Comparison::Below } else { Comparison::Above },
            threshold,
        };
        let alert = Alert { description: text.clone(), ..alert(condition) };
        let expression = of_alert(&alert);
        let tree = promql::parse(&expression, &Limits::default());
        prop_assert!(tree.is_ok(), "{expression}: {tree:?}");
        prop_assert!(tree.unwrap().readings()[0].matchers.iter().any(|matcher| matcher.equals.as_ref() == Some(&value)));
        let files = built(alert).unwrap();
        let rules = rules(&files);
        prop_assert_eq!(&rules[0].expr, &expression);
        prop_assert_eq!(&rules[0].annotations["description"], &text);
        prop_assert_eq!(built(super::tests::alert(Condition::Absent { term: term(&value), window: Duration::from_hours(1) })).unwrap().len(), 2);
    }
}
