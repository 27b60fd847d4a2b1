//! Critical alerts and their warnings.

use super::*;

#[test]
fn a_critical_alert_that_comes_no_later_than_its_warning_is_asked_about() {
    const RATIO: &str = "ratio: {of: {where: {os: ios}}, to: {}, minimum: 50}";
    for (warning, critical, asked) in [
        (
            "below: 10",
            "below: 20",
            Some(
                "the warning `W` never comes alone: below 10, `C`, which is critical, fires as well; give what is critical the harder threshold; it fires below 20",
            ),
        ),
        ("below: 10", "below: 10", Some("below 10, `C`")),
        ("below: 10, for: 1h", "below: 20, for: 1h", Some("below 10 for 1h, `C`")),
        ("above: 10", "above: 5", Some("above 10, `C`")),
        ("below: 20", "below: 10", None),
        ("above: 5", "above: 10", None),
        ("below: 10", "above: 10", None),
        // The one escalates the other.
        ("below: 10", "below: 10, for: 1h", None),
        ("below: 10", "below: 20, for: 1h", None),
        ("below: 10", "below: 20, where: {os: ios}", None),
        ("below: 10", "below: 20, by: []", None),
        ("absent_for: 2h", "absent_for: 1h", Some("without series for 2h, `C`")),
        ("absent_for: 1h", "absent_for: 2h", None),
        ("RATIO, below: 0.1", "RATIO, below: 0.2", Some("below 0.1, `C`")),
        ("RATIO, below: 0.2", "RATIO, below: 0.1", None),
        (
            "RATIO, below: 0.1",
            "ratio: {of: {where: {os: ios}}, to: {}, minimum: 90}, below: 0.2",
            None,
        ),
    ] {
        let alert = |name: &str, severity: &str, condition: &str| {
            let rest = REST.replace("warning", severity);
            format!(
                "    - {{name: {name}, {}, {rest}}}\n",
                condition.replace("RATIO", RATIO)
            )
        };
        let both = alert("W", "warning", warning) + &alert("C", "critical", critical);
        let loaded = folder(&format!("    alerts:\n{both}"), "", &[]);
        let told = told(&loaded);
        // It is built all the same, and told once for all environments.
        assert_eq!(
            (loaded.report.mistakes(), alerts(&loaded, "prod").len()),
            (0, 2),
            "{told}"
        );
        let of_order = told.lines().filter(|line| line.contains("never comes alone"));
        let of_order: Vec<_> = of_order.collect();
        match asked {
            Some(asked) => assert!(
                matches!(of_order.as_slice(), [line] if line.contains(asked) && line.contains("growth.yaml:14:")),
                "{warning}, {critical}: {told}"
            ),
            None => assert!(of_order.is_empty(), "{warning}, {critical}: {told}"),
        }
    }
}

#[test]
fn what_is_asked_about_in_one_environment_stands_where_that_says_it() {
    let beside = format!(
        "    alerts:\n    - {{name: W, above: 10, {REST}}}\n    - {{name: C, above: 20, {}}}\n",
        REST.replace("warning", "critical")
    );
    let layer = ("growth/prod/a.yaml", "alerts: [{name: C, above: 5}]");
    let told = told(&folder(&beside, "", &[layer]));
    assert!(
        told.contains("growth/prod/a.yaml:1:27: the warning `W` never comes alone: above 10")
            && told.lines().count() == 1,
        "{told}"
    );
}
