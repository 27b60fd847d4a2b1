//! SLOs as teams write them, right and wrong.

use super::*;
use crate::alerts::Severity;
use crate::slo::{Events, Indicator, Slo};

/// Metrics of several kinds; `SCHEDULE` is when they are pushed, `SLOS` what stands beside the gauge, `FILE` what follows.
const JOBS: &str = "jobs:
- name: transfers
  schedule: 'SCHEDULE'
  source: postgres://u@h/d
  metrics:
  - name: transfers
    help: h
    labels: [status]
    allowed_values: {status: [sent, failed]}
    value: v
    query: SELECT 1
SLOS
  - name: transfers_total
    help: h
    type: counter
    labels: [status]
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
const REST: &str = "team: shop, handbook: 'https://h/x', description: d";
const RATIO: &str = "ratio: {bad: {where: {status: failed}}, total: {}, minimum: 20000}";

fn folder(schedule: &str, beside: &str, file: &str, more: &[(&str, &str)]) -> Loaded {
    let filled = |text: &str| text.replace("REST", REST).replace("RATIO", RATIO);
    let text = JOBS
        .replace("SCHEDULE", schedule)
        .replace("SLOS\n", beside)
        .replace("FILE\n", file);
    let more: Vec<_> = more.iter().map(|(name, text)| (*name, filled(text))).collect();
    let text = filled(&text);
    let mut files = vec![("shop.yaml", text.as_str())];
    files.extend(more.iter().map(|(name, text)| (*name, text.as_str())));
    let folder = Folder::new(&files);
    load_with_alerts(folder.0.path()).unwrap()
}

/// One SLO in braces, beside the gauge.
fn beside(schedule: &str, slo: &str) -> Loaded {
    folder(schedule, &format!("    slos:\n    - {{{slo}}}\n"), "", &[])
}

fn told(loaded: &Loaded) -> String {
    loaded.report.summary()
}

fn slos<'a>(loaded: &'a Loaded, environment: &str) -> Vec<&'a Slo> {
    let environments = loaded.configuration.environments.iter();
    let found = environments.filter(|found| found.name == environment);
    found.flat_map(crate::alerts::Environment::slos).collect()
}

#[test]
fn an_slo_is_resolved_with_defaults_and_windows_that_fit() {
    let loaded = beside(
        "*/10 * * * *",
        "name: sent-well, objective: 99.9, indicator: {RATIO}, severity: critical, REST",
    );
    assert_eq!(told(&loaded), "");
    let prod = slos(&loaded, "prod");
    let [slo] = prod.as_slice() else { panic!("{prod:?}") };
    assert_eq!(
        (
            slo.id().as_str(),
            slo.alert_name().as_str(),
            slo.days().to_string().as_str(),
            slo.error_budget().to_string().as_str()
        ),
        ("shop-sent-well", "SentWellErrorBudgetBurn", "30", "0.001")
    );
    let names: Vec<_> = slo.windows().into_iter().map(Slo::error_ratio).collect();
    assert_eq!(
        names.join(" "),
        "slo:sli_error:ratio_rate30m slo:sli_error:ratio_rate1h slo:sli_error:ratio_rate2h slo:sli_error:ratio_rate6h slo:sli_error:ratio_rate1d slo:sli_error:ratio_rate3d"
    );
    assert!(
        matches!(&slo.indicator, Indicator::Ratio { events: Events::Bad(bad), counters: false, .. } if bad.filters.len() == 1)
    );
    assert_eq!(slos(&loaded, "develop").len(), 1);
}

#[test]
fn later_layers_override_earlier_ones_field_by_field() {
    let loaded = folder(
        "*/10 * * * *",
        "    slos:\n    - {name: a, objective: 99, indicator: {RATIO}, severity: critical, REST}\n",
        "",
        &[
            (
                "shop/common/a.yaml",
                "slos:\n- {name: b, metric: transfers_total, objective: 99, indicator: {RATIO}, severity: warning, REST}\n",
            ),
            (
                "shop/develop/a.yaml",
                "slos:\n- {name: a, enabled: false}\n- {name: b, objective: 50}\n",
            ),
            (
                "shop/prod/a.yaml",
                "slos: [{name: a, severity: warning, window: 7d, indicator: {freshness: {within: 1h}}}]\n",
            ),
        ],
    );
    assert_eq!(told(&loaded), "");
    let read = |environment| {
        slos(&loaded, environment)
            .iter()
            .map(|slo| format!("{} {} {} {:?}", slo.name, slo.objective, slo.days(), slo.severity))
            .collect::<Vec<_>>()
    };
    assert_eq!(read("develop"), ["b 50 30 Warning"]);
    assert_eq!(read("prod"), ["a 99 7 Warning", "b 99 30 Warning"]);
    assert_eq!(slos(&loaded, "prod")[0].severity, Severity::Warning);
}

#[test]
fn external_slos_have_a_budget_for_each_customer() {
    let file =
        "slos:\n- {name: a, metric: own_transfers, objective: 99, indicator: {RATIO}, severity: warning, REST}\n";
    let loaded = folder("* * * * *", "", file, &[]);
    assert_eq!(told(&loaded), "");
    assert_eq!(slos(&loaded, "prod")[0].by, ["metric_purpose", "organisation_id"]);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn what_is_wrong_is_told_with_its_place_and_a_remedy() {
    for (schedule, slo, expected) in [
        (
            "* * * * *",
            "name: Sent, objective: 99, indicator: {RATIO}, severity: warning, REST",
            "`Sent` cannot be an SLO's name",
        ),
        (
            "* * * * *",
            "name: a, indicator: {RATIO}, severity: warning, REST",
            "the SLO `a` has no `objective`; add `objective: 99.9`",
        ),
        (
            "* * * * *",
            "name: a, objective: 100, indicator: {RATIO}, severity: warning, REST",
            "an objective of 100 % leaves no budget",
        ),
        (
            "* * * * *",
            "name: a, objective: 0.999, indicator: {RATIO}, severity: warning, REST",
            "write percent: 99.9",
        ),
        (
            "* * * * *",
            "name: a, objective: 1, indicator: {RATIO}, severity: warning, REST",
            "1 % is hardly a promise, and reads like a part of 1; write percent, less than 100: 99.9",
        ),
        (
            "* * * * *",
            "name: a, objective: 1e-9, indicator: {RATIO}, severity: warning, REST",
            "reads like a part of 1; write percent, such as 99.9",
        ),
        (
            "* * * * *",
            "name: a, objective: '99,9', indicator: {RATIO}, severity: warning, REST",
            "expected a number, found text; write 99.9, with a point",
        ),
        (
            "* * * * *",
            "name: a, objective: 99, indicator: threshold, severity: warning, REST",
            "expected a mapping, found text; write `{threshold: {bad_above: ..}}`, or with `bad_below`",
        ),
        (
            "* * * * *",
            "name: a, objective: 99, indicator: {freshness: 30m}, severity: warning, REST",
            "expected a mapping, found text; write `{within: 30m}`",
        ),
        (
            "* * * * *",
            "name: a, objective: 99.9%, indicator: {RATIO}, severity: warning, REST",
            "expected a number, found text; write 99.9, without `%`",
        ),
        (
            "* * * * *",
            "name: a, objective: 99, window: 28, indicator: {RATIO}, severity: warning, REST",
            "28 of which unit?; write `28d`; `s`, `m`, `h` and `d` are seconds, minutes, hours and days",
        ),
        (
            "* * * * *",
            "name: a, objective: 99, indicator: {freshness: {within: 30}}, severity: warning, REST",
            "30 of which unit?; write `30m`;",
        ),
        (
            "* * * * *",
            "name: a, objective: 99, window: 36h, indicator: {RATIO}, severity: warning, REST",
            "1d12h cannot be an SLO's window; write whole days",
        ),
        (
            "* * * * *",
            "name: a, objective: 99, severity: warning, REST",
            "the SLO `a` does not say what is good and what is bad",
        ),
        (
            "* * * * *",
            "name: a, objective: 99, indicator: {RATIO, freshness: {}}, severity: warning, REST",
            "an SLO measures one thing",
        ),
        (
            "* * * * *",
            "name: a, objective: 99, indicator: {ratio: {bad: {}, total: {}, minimum: 5}}, severity: warning, REST",
            "the part is all of the whole",
        ),
        (
            "* * * * *",
            "name: a, objective: 99, indicator: {ratio: {bad: {where: {status: faild}}, total: {}, minimum: 5}}, severity: warning, REST",
            "did you mean `failed`?",
        ),
        (
            "* * * * *",
            "name: a, objective: 99, indicator: {ratio: {bad: {where: {status: failed}}, good: {}, total: {}, minimum: 5}}, severity: warning, REST",
            "give either `good` or `bad`",
        ),
        (
            "* * * * *",
            "name: a, objective: 99, indicator: {ratio: {bad: {where: {status: failed}}, total: {}}}, severity: warning, REST",
            "the ratio has no `minimum`",
        ),
        (
            "* * * * *",
            "name: a, objective: 99, indicator: {ratio: {bad: {metric: transfers_total}, total: {}, minimum: 5}}, severity: warning, REST",
            "a counter and a gauge have no ratio",
        ),
        (
            "* * * * *",
            "name: a, objective: 99, indicator: {threshold: {}}, severity: warning, REST",
            "give either `bad_above` or `bad_below`",
        ),
        (
            "*/10 * * * *",
            "name: a, objective: 99, indicator: {freshness: {within: 10m}}, severity: warning, REST",
            "10m is too short: between two runs the metric is up to 12m old; write 12m or more",
        ),
        (
            "* * * * *",
            "name: a, objective: 99, by: [status], indicator: {freshness: {}}, severity: warning, REST",
            "a metric is fresh as a whole",
        ),
        (
            "* * * * *",
            "name: a, objective: 99, indicator: {RATIO}, severity: warning, team: shop, handbook: 'https://h/x', description: '{{ $labels.status }}'",
            "no label `status`",
        ),
        (
            "* * * * *",
            "name: a, objective: 99, indicator: {RATIO}, REST",
            "the SLO `a` has no `severity`",
        ),
        // What could never fire.
        (
            "* * * * *",
            "name: a, objective: 90, indicator: {RATIO}, severity: critical, REST",
            "the alert would never fire: 90 % leave a budget of 0.1, and nothing burns it 14.4 times as fast as allowed; promise more than 93.06 %",
        ),
        (
            "0 6 * * *",
            "name: a, objective: 99, indicator: {RATIO}, severity: critical, REST",
            "nobody can be woken by what is pushed so rarely: the longest window of such an alert is 6h here, and a push counts as fresh for 3d; let the job run every 1h or more often",
        ),
        (
            "0 6 * * 1",
            "name: a, objective: 99, indicator: {RATIO}, severity: warning, REST",
            "a window of 30d is too short for what is pushed so rarely",
        ),
        // What a single event would do.
        (
            "* * * * *",
            "name: a, objective: 99.9, indicator: {ratio: {bad: {where: {status: failed}}, total: {}, minimum: 100}}, severity: critical, REST",
            "one bad event wakes somebody: of 100 it is 1 %, and more than 0.6 % is enough; write `minimum: 167`",
        ),
        (
            "*/10 * * * *",
            "name: a, objective: 99.9, indicator: {threshold: {bad_above: 5}}, severity: critical, REST",
            "one bad push wakes somebody: 10m are 16.67 % of 1h, and more than 1.44 % is enough",
        ),
    ] {
        let loaded = beside(schedule, slo);
        let told = told(&loaded);
        assert!(told.contains(expected), "{slo}:\n{told}");
        assert!(
            told.contains("shop.yaml:13:"),
            "{slo}:
{told}"
        );
        assert_eq!(loaded.configuration.jobs.len(), 1, "{slo}");
    }
}

#[test]
fn names_that_prometheus_could_not_tell_apart_are_refused() {
    let slo = |name: &str| {
        format!("- {{name: {name}, metric: transfers, objective: 99, indicator: {{RATIO}}, severity: warning, REST}}\n")
    };
    let alert = "alerts:\n- {name: SentErrorBudgetBurn, metric: transfers, below: 1, severity: warning, REST}\n";
    for (file, more, expected) in [
        (
            format!("slos:\n{}{}", slo("a-1"), slo("a1")),
            None,
            "the SLOs `a-1` and `a1` could not be told apart",
        ),
        (
            format!("{alert}slos:\n{}", slo("sent")),
            None,
            "the alerts of the SLO `sent` are called `SentErrorBudgetBurn`, as another is",
        ),
        (
            format!("slos:\n{}", slo("b-c")),
            Some(format!("slos:\n{}", slo("c"))),
            "the SLOs `c` and `b-c` could not be told apart",
        ),
        (
            format!("slos:\n{}{}", slo("a"), slo("a")),
            None,
            "the SLO `a` is declared a second time",
        ),
    ] {
        let more: Vec<_> = more.iter().map(|text| ("shop-b.yaml", text.as_str())).collect();
        let loaded = folder("* * * * *", "", &file, &more);
        let told = told(&loaded);
        assert!(told.contains(expected), "{told}");
    }
}
