//! Alerts in the folders of environments.

use super::*;

#[test]
fn later_layers_override_earlier_ones_field_by_field() {
    let loaded = folder(
        "    alerts:
    - {name: A, ratio: {of: {where: {os: ios}}, to: {}, minimum: 5}, below: 0.5, REST}
    - {name: B, below: 5, REST}
    - {name: C, below: 5, REST}
",
        "",
        &[
            (
                "growth/common/a.yaml",
                "alerts:\n- {name: A, severity: critical}\n- {name: D, metric: visits, above: 9, REST}\n",
            ),
            (
                "growth/prod/a.yaml",
                "alerts:\n- {name: A, below: 0.2, slack_channel: '#x'}\n- {name: B, absent_for: 1h}\n- {name: C, above: 3}\n",
            ),
            ("growth/develop/a.yaml", "alerts:\n- {name: D, enabled: false}\n"),
        ],
    );
    assert_eq!(told(&loaded), "");
    let names = |environment| {
        alerts(&loaded, environment)
            .iter()
            .map(|alert| alert.name.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(names("develop"), ["A", "B", "C"]);
    assert_eq!(names("prod"), ["A", "B", "C", "D"]);
    let (develop, prod) = (alerts(&loaded, "develop"), alerts(&loaded, "prod"));
    for (alert, threshold, channel) in [(develop[0], 0.5, None), (prod[0], 0.2, Some("#x"))] {
        assert_eq!(
            (alert.severity, alert.slack_channel.as_deref()),
            (Severity::Critical, channel)
        );
        let Condition::Ratio {
            threshold: found,
            minimum,
            ..
        } = alert.condition
        else {
            panic!("{alert:?}")
        };
        assert_eq!(
            (found.to_string(), minimum.to_string()),
            (threshold.to_string(), "5".to_owned())
        );
    }
    assert!(matches!(develop[1].condition, Condition::Compare { .. }));
    assert!(matches!(prod[1].condition, Condition::Absent { .. }));
    let side = |alert: &crate::alerts::Alert| match alert.condition {
        Condition::Compare { comparison, .. } => comparison,
        _ => panic!("{alert:?}"),
    };
    assert_eq!(
        (side(develop[2]), side(prod[2])),
        (Comparison::Below, Comparison::Above)
    );
}

#[test]
fn what_is_changed_of_something_that_is_off_is_told() {
    let off = "    alerts:\n    - {name: A, below: 5, enabled: false, REST}\n";
    let told_of = |common: &str, prod: &str| {
        let files = [("growth/common/a.yaml", common), ("growth/prod/a.yaml", prod)];
        told(&folder(off, "", &files))
    };
    let warning = "growth/prod/a.yaml:1:17: the alert `A` stays off in prod, whatever is changed here: `enabled: false` stands \
                   in an earlier layer; add `enabled: true`";
    let changed = "alerts: [{name: A, below: 3}]";
    for (common, prod, warned) in [
        ("alerts: []", changed, true),
        (changed, changed, true),
        // Whether it is on anywhere is for the environments to say.
        (changed, "alerts: []", false),
        ("alerts: [{name: A, enabled: true}]", changed, false),
        ("alerts: []", "alerts: [{name: A, below: 3, enabled: true}]", false),
        ("alerts: []", "alerts: [{name: A, below: 3, enabled: false}]", false),
    ] {
        let told = told_of(common, prod);
        assert_eq!(
            (told.contains(warning), told.is_empty()),
            (warned, !warned),
            "{common} {prod}: {told}"
        );
    }
}

#[test]
fn environments_are_those_that_the_shared_file_names() {
    let shared = ("fanlight.yaml", "environments: [staging]\n");
    let loaded = folder("    alerts:\n    - {name: A, below: 1, REST}\n", "", &[shared]);
    assert_eq!((told(&loaded).as_str(), alerts(&loaded, "staging").len()), ("", 1));
    assert!(alerts(&loaded, "prod").is_empty());
}

/// What stands beside the metric, in the file and in further files, and what is told.
type Case<'a> = (&'a str, &'a str, Vec<(&'a str, &'a str)>, &'a str);

#[test]
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn mistakes_of_layers_and_files_are_told() {
    let good = "    alerts:\n    - {name: NoLeads, below: 1, REST}\n";
    let cases: Vec<Case<'_>> = vec![
        (
            good,
            "",
            vec![("growth/prdo/a.yaml", "alerts: []")],
            "there is no environment `prdo`; did you mean `prod`?",
        ),
        (
            good,
            "",
            vec![("growht/prod/a.yaml", "alerts: []")],
            "there is no service `growht`",
        ),
        (
            good,
            "",
            vec![("growth/a.yaml", "alerts: []")],
            "this file stands in no environment's folder",
        ),
        (
            good,
            "",
            vec![("growth/prod/a.yaml", "jobs: []")],
            "`jobs` does not belong into an environment's folder",
        ),
        (
            good,
            "",
            vec![("growth/prod/a.yaml", "alerts: [{name: NoLeasd, severity: critical}]")],
            "growth/prod/a.yaml:1:17: there is no alert `NoLeasd` of growth to change here, and a new one lacks a condition, `metric`, \
             `team`, `handbook` and `description`; did you mean the alert `NoLeads`? Or add what is lacking",
        ),
        (
            good,
            "",
            vec![(
                "growth/common/a.yaml",
                "alerts: [{name: Other, below: 2, enabled: false}]",
            )],
            "growth/common/a.yaml:1:17: there is no alert `Other` of growth to change here, and a new one lacks `metric`, `team`, \
             `severity`, `handbook` and `description`; remove it, or add what is lacking; the service's alerts are NoLeads",
        ),
        (
            good,
            "",
            vec![("growth/prod/a.yaml", "slos: [{name: sent, objective: 99}]")],
            "growth/prod/a.yaml:1:15: there is no SLO `sent` of growth to change here, and a new one lacks `indicator`, `team`, \
             `severity`, `handbook` and `description`; remove it, or add what is lacking; the service has no other slos",
        ),
        (
            good,
            "",
            vec![(
                "growth/prod/a.yaml",
                "alerts: [{name: New, metric: visits, below: 1, severity: warning, handbook: 'https://h', description: d}]",
            )],
            "growth/prod/a.yaml:1:17: the alert `New` has no `team`",
        ),
        (
            good,
            "",
            vec![("fanlight.yaml", ""), ("fanlight/prod/a.yaml", "alerts: []")],
            "fanlight:1:1: `fanlight.yaml` is what all teams share, and has no folder of environments; say what differs under \
             `alerting: {environments: ..}` in it; alerts and SLOs stand in a service's folder, such as `growth/prod/alerts.yaml`",
        ),
        (
            good,
            "",
            vec![("prod/growth.yaml", "alerts: []")],
            "prod:1:1: the folder `prod` of an environment stands in no service's, and is not read; move what it holds below the \
             service's folder, such as `growth/prod/alerts.yaml`",
        ),
        (
            good,
            "",
            vec![("common/growth/a.yaml", "alerts: []")],
            "the folder `common` of an environment stands in no service's",
        ),
        (
            good,
            "",
            vec![("fanlight.yaml", "environments: []")],
            "the list of environments is empty; write `environments: [develop, prod]`",
        ),
        (
            good,
            "",
            vec![("fanlight.yaml", "environments: ['']")],
            "lower-case letters, digits, `-` and `_`; write it as `prod`",
        ),
        (
            good,
            "",
            vec![("growth/prod/a.yaml", "alerts: [{name: NoLeads}, {name: NoLeads}]")],
            "`NoLeads` is declared a second time",
        ),
        (
            good,
            "alerts:\n- {name: NoLeads, metric: visits, below: 1, REST}\n",
            vec![],
            "the alert `NoLeads` is declared a second time",
        ),
        (
            good,
            "",
            vec![
                ("cards.yaml", "jobs: []"),
                (
                    "cards/prod/a.yaml",
                    "alerts: [{name: NoLeads, metric: visits, below: 1, REST}]",
                ),
            ],
            "the alert `NoLeads` is declared a second time",
        ),
        (
            good,
            "alerts:\n- {name: B, below: 1, REST}\n",
            vec![],
            "does not say which metric it is about",
        ),
        (
            good,
            "alerts:\n- {name: B, metric: mails_total, below: 1, REST}\n",
            vec![],
            "is a counter: where it stands says nothing",
        ),
        (
            good,
            "alerts:\n- {name: B, metric: own_transfers, absent_for: 2h, REST}\n",
            vec![],
            "loses its label `organisation_id`",
        ),
        (
            good,
            "environments: [a]\n",
            vec![],
            "`environments` are the same for all teams",
        ),
        (
            good,
            "",
            vec![("fanlight.yaml", "environments: [common, A, a, a]")],
            "`common` is what holds in every environment",
        ),
        (
            good,
            "",
            vec![("fanlight.yaml", "environments: [common, A, a, a]")],
            "`a` is given twice",
        ),
    ];
    for (beside, file, more, message) in cases {
        let loaded = folder(beside, file, &more);
        let told = told(&loaded);
        assert!(told.contains(message), "expected {message}\ntold {told}");
        if message.contains("to change here") {
            assert_eq!(loaded.report.mistakes(), 1, "{told}");
        }
    }
}

#[test]
fn what_all_environments_share_is_told_once() {
    let alert = |number| format!("- {{name: A{number}, metric: visist, below: 1, REST}}\n");
    let many = format!("alerts:\n{}", (0..150).map(alert).collect::<String>());
    let loaded = folder("", "", &[("growth/common/a.yaml", &many)]);
    assert_eq!(loaded.report.mistakes(), 150);
    assert!(
        told(&loaded).ends_with("a.yaml: and 50 more mistakes"),
        "{}",
        told(&loaded)
    );
    // Another remedy in one of them is no other mistake.
    let near = [
        ("growth/common/a.yaml", "alerts:\n- {name: NoVisits, below: 1}\n"),
        (
            "growth/prod/a.yaml",
            "alerts:\n- {name: NoVisit, metric: visits, below: 1, REST}\n",
        ),
    ];
    let loaded = folder("", "", &near);
    assert_eq!(loaded.report.mistakes(), 1, "{}", told(&loaded));
}

#[test]
fn no_service_takes_the_files_of_anothers_rules() {
    let alert = "alerts: [{name: A, metric: leads, below: 1, REST}]\n".replace("REST", REST);
    for (file, taken) in [
        ("growth.slos.yaml", true),
        ("growth.slos.10m.yaml", true),
        ("growth.10m.yaml", true),
        ("growth.m.yaml", false),
        ("growth-10m.yaml", false),
        ("fanlight-watchdog.yaml", true),
        ("growth-slos.yaml", false),
        ("slos.yaml", false),
    ] {
        let loaded = folder("", "", &[(file, &alert)]);
        let refused = told(&loaded).contains("would be written into files that");
        assert_eq!(refused, taken, "{file}: {}", told(&loaded));
    }
    let loaded = folder("", "", &[("fanlight-watchdog.yaml", &alert)]);
    assert!(
        told(&loaded).ends_with("files that the watchdog's rules have; give fanlight-watchdog.yaml another name"),
        "{}",
        told(&loaded)
    );
    // Told once, at the first of a file.
    let three = "alerts:\n- {name: A, metric: leads, below: 1, REST}\n- {name: A, metric: leads, below: 1, REST}\n- {name: B, metric: \
                 leads, below: 1, REST}\n";
    let loaded = folder("", "", &[("growth.slos.yaml", three)]);
    assert_eq!(
        told(&loaded).matches("would be written into").count(),
        1,
        "{}",
        told(&loaded)
    );
}
