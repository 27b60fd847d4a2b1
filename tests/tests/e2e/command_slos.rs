//! SLOs: rules and tests that promtool takes whatever the schedule, that notice when a rule is not what it was, and OpenSLO.

use std::fs;
use std::iter;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use fanlight_tests::{ConfigFolder, Ended, Prometheus, fanlight};

/// Each kind of indicator, one way and the other.
const KINDS: [(&str, &str); 6] = [
    (
        "sent",
        "metric: transfers_total, indicator: {ratio: {bad: {where: {status: failed}}, total: {}, minimum: 200}}",
    ),
    (
        "arrived",
        "metric: transfers_total, indicator: {ratio: {good: {where: {status: sent}}, total: {}, minimum: 200}}",
    ),
    (
        "went",
        "metric: transfers, by: [os], indicator: {ratio: {bad: {where: {status: failed}}, total: {}, minimum: 200}}",
    ),
    (
        "quick",
        "metric: waiting_seconds, indicator: {threshold: {bad_above: 1800}}",
    ),
    (
        "enough",
        "metric: waiting_seconds, indicator: {threshold: {bad_below: 2}}",
    ),
    ("fresh", "metric: waiting_seconds, indicator: {freshness: {}}"),
];

/// A configuration with these of them, each with these further keys.
fn config(schedule: &str, names: &[&str], keys: &str) -> Result<ConfigFolder> {
    let kinds = KINDS.iter().filter(|(name, _)| names.contains(name));
    let slos = kinds.map(|(name, indicator)| {
        format!(
            "- {{name: {name}, {indicator}, {keys}, team: shop, handbook: 'https://h', description: '{{{{ $value }}}} of {{{{ \
             $labels.sloth_slo }}}}'}}\n"
        )
    });
    let text = format!(
        "environments: [prod]
static_labels: {{env: test}}
sinks: {{default: {{pushgateway: {{url: 'http://gateway', grouping: {{cluster: blue}}}}}}}}
jobs:
- name: 'the \"shop\"'
  schedule: '{schedule}'
  source: postgres://u@h/d
  metrics:
  - {{name: transfers_total, type: counter, help: h, labels: [status], value: v, query: SELECT 1}}
  - {{name: transfers, help: h, labels: [status, os], value: v, query: SELECT 1}}
  - {{name: waiting_seconds, help: h, value: v, query: SELECT 1}}
slos:
{}",
        slos.collect::<String>()
    );
    ConfigFolder::new(&[("config/fanlight.yaml", &text)])
}

async fn run(folder: &ConfigFolder, arguments: &[&str]) -> Result<Ended> {
    let arguments = [&["--config", "config"], arguments].concat();
    let path = iter::once(("PATH", std::env::var("PATH").unwrap_or_default()));
    fanlight(folder.path(), arguments, path).await
}

#[tokio::test]
async fn promtool_agrees_with_every_generated_test_whatever_is_promised() -> Result<()> {
    let all = KINDS.map(|(name, _)| name);
    let few = ["sent", "went", "fresh"];
    let mut told = String::new();
    for (schedule, names, keys) in [
        ("*/10 * * * *", all.as_slice(), STRICT),
        ("*/10 * * * *", &["went", "quick", "fresh"], EASY),
        ("* * * * *", &["sent", "quick"], "objective: 95, severity: critical"),
        ("0 * * * *", &few, "objective: 99, window: 90d, severity: critical"),
        ("0 6 * * *", &few, "objective: 97.5, severity: warning"),
        ("*/10 8-20 * * 1-5", &few, "objective: 80, severity: warning"),
        (
            "*/2 * * * *",
            &["went"],
            "objective: 99.99, window: 7d, severity: critical",
        ),
    ] {
        let config = config(schedule, names, keys)?;
        let ended = run(&config, &["alerts", "test"]).await?;
        told.extend([schedule, ", ", keys, ": ", &ended.out, &ended.err]);
    }
    insta::assert_snapshot!(told, @r"
    */10 * * * *, objective: 99.9, severity: critical: prod: 0 alerts, 6 SLOs, 120 tests: all pass
    */10 * * * *, objective: 95, severity: critical: prod: 0 alerts, 3 SLOs, 60 tests: all pass
    * * * * *, objective: 95, severity: critical: prod: 0 alerts, 2 SLOs, 45 tests: all pass
    0 * * * *, objective: 99, window: 90d, severity: critical: prod: 0 alerts, 3 SLOs, 59 tests: all pass
    0 6 * * *, objective: 97.5, severity: warning: prod: 0 alerts, 3 SLOs, 41 tests: all pass
    */10 8-20 * * 1-5, objective: 80, severity: warning: prod: 0 alerts, 3 SLOs, 38 tests: all pass
    */2 * * * *, objective: 99.99, window: 7d, severity: critical: prod: 0 alerts, 1 SLO, 23 tests: all pass
    ");
    Ok(())
}

/// What a test is called that notices a change.
const MORE: &str = "firing: just more than";
const LESS: &str = "quiet: just less than";
const MONTH: &str = "quiet: a quiet month";
const OUTAGE: &str = "firing: an outage";

/// Changes of a rule: what becomes of what, and the test that notices.
type Changes = &'static [(&'static str, &'static str, &'static str)];

const FEW: &str = "quiet: too few events";
const ENOUGH: &str = "firing: just enough events";
const NEW: &str = "firing: new, and all is bad";
const NEW_AND_FEW: &str = "quiet: new, and too few events yet";
const OTHERS: &str = "quiet: all is bad of others";
const HALF: &str = "half of";

/// SLOs whose alerts may fire at once, and such as need more than one push for it.
const STRICT: &str = "objective: 99.9, severity: critical";
const EASY: &str = "objective: 95, severity: critical";

const CHANGES: [(&str, &str, Changes); 9] = [
    (
        "sent",
        STRICT,
        &[
            ("(14.4 * 0.001)", "(144 * 0.001)", MORE),
            ("(14.4 * 0.001)", "(12 * 0.001)", LESS),
            ("(6 * 0.001)", "(7 * 0.001)", MORE),
            ("(3 * 0.001)", "(2.5 * 0.001)", LESS),
            ("(1 * 0.001)", "(1.2 * 0.001)", MORE),
            ("(1 * 0.001)", "(0.9 * 0.001)", LESS),
            (
                "max(slo:sli_error:ratio_rate30m",
                "max(slo:sli_error:ratio_rate1h",
                OUTAGE,
            ),
            (
                "max(slo:sli_error:ratio_rate6h",
                "max(slo:sli_error:ratio_rate30m",
                LESS,
            ),
            (">= 200", ">= 80", FEW),
            (">= 200", ">= 500", ENOUGH),
            ("[6h]", "[3h]", HALF),
            ("job=\"the \\\"shop\\\"\", cluster", "cluster", OTHERS),
            ("cluster=\"blue\"", "cluster=~\".*\"", OTHERS),
            ("sloth_mode: fanlight", "sloth_mode: other", MONTH),
            (" * 0\n", " * 1\n", "quiet: no series of what is bad"),
            ("vector(0.999)", "vector(0.99)", MONTH),
            ("vector(0.001)", "vector(0.002)", MONTH),
            ("vector(30)", "vector(28)", MONTH),
            ("1 - slo:period", "2 - slo:period", MONTH),
            ("[30d]", "[30m]", MONTH),
            (
                "slo:sli_error:ratio_rate30m{sloth_id=\"fanlight-sent\"}\n",
                "slo:sli_error:ratio_rate3d{sloth_id=\"fanlight-sent\"}\n",
                OUTAGE,
            ),
            ("severity: critical", "severity: warning", OUTAGE),
            ("sloth_severity: page", "sloth_severity: pager", OUTAGE),
            ("team: shop", "team: other", OUTAGE),
            ("alert: Sent", "alert: Send", OUTAGE),
            ("{{ $value }} of", "{{ $value }} in", OUTAGE),
            ("sloth_slo: sent", "sloth_slo: send", OUTAGE),
        ],
    ),
    (
        "arrived",
        STRICT,
        &[
            ("clamp_min(", "clamp_max(", MORE),
            (" * 0)", " * 1)", "firing: no series of what is good"),
        ],
    ),
    (
        "went",
        STRICT,
        &[
            (
                "sum_over_time(slo:sli_bad:pushed",
                "max_over_time(slo:sli_bad:pushed",
                MORE,
            ),
            ("<= 1800", "<= 180000", "stale pusher"),
            ("[30m])) == 1", "[30m])) >= 0", "failing metric"),
            ("sum by (os)", "sum by (status)", MORE),
            (">= 200", ">= 199", FEW),
            (">= 200", "> 200", ENOUGH),
            (
                "sum_over_time(slo:sli_total:pushed{sloth_id=\"fanlight-went\"}[3d])",
                "avg_over_time(slo:sli_total:now{sloth_id=\"fanlight-went\"}[3d]) * 432",
                NEW_AND_FEW,
            ),
            (
                "sum_over_time(slo:sli_total:pushed",
                "sum_over_time(slo:sli_total:now",
                FEW,
            ),
            ("unless on () max", "and on () max", ENOUGH),
            ("== on () last_over", "< on () last_over", FEW),
            (
                "metric=\"transfers\"}) == 1",
                "metric=\"transfers\"}) >= 0",
                "failing metric",
            ),
            ("sloth_window: 1d", "sloth_window: 2d", HALF),
        ],
    ),
    (
        "quick",
        STRICT,
        &[
            ("> bool 1800", ">= bool 1800", MONTH),
            ("> bool 1800", "< bool 1800", OUTAGE),
            ("avg_over_time", "max_over_time", OUTAGE),
        ],
    ),
    (
        "quick",
        EASY,
        &[
            ("offset 43m12s", "offset 1m", NEW),
            ("offset 1h48m", "offset 1m", NEW),
            ("offset 3h36m", "offset 1m", NEW),
            ("offset 3h36m", "offset 6h", NEW),
        ],
    ),
    (
        "sent",
        EASY,
        &[("offset 43m12s", "offset 1m", NEW), ("offset 3h36m", "offset 6h", NEW)],
    ),
    (
        "went",
        EASY,
        &[
            ("offset 43m12s", "offset 1m", NEW),
            (
                "sum_over_time(slo:sli_total:pushed{sloth_id=\"fanlight-went\"}[1d])",
                "avg_over_time(slo:sli_total:now{sloth_id=\"fanlight-went\"}[1d]) * 144",
                NEW_AND_FEW,
            ),
        ],
    ),
    ("enough", STRICT, &[("< bool 2", "<= bool 2", MONTH)]),
    (
        "fresh",
        STRICT,
        &[
            ("<= 1800", "<= 180000", OUTAGE),
            ("or vector(0)", "or vector(1)", MONTH),
            (
                "max_over_time(fanlight_metric_up",
                "min_over_time(fanlight_metric_down",
                MONTH,
            ),
            ("[30m])) == 1", "[30m])) >= 0", "failing metric"),
            ("[30m])) <= 1800", "[1m])) <= 1800", "quiet: a scrape that fails"),
            ("offset 30m", "offset 1m", "missing series"),
            ("cluster=\"blue\"", "cluster=~\".*\"", "stale pusher"),
        ],
    ),
];

/// A rule that is not what it was fails a test by name: otherwise the tests would prove nothing.
#[tokio::test]
async fn the_tests_notice_every_change_of_a_rule() -> Result<()> {
    for (name, keys, changes) in CHANGES {
        let config = config("*/10 * * * *", &[name], keys)?;
        let ended = run(&config, &["alerts", "build"]).await?;
        ensure!(ended.status == Some(0), "{ended:?}");
        let folder = config.path().join("alerts/prod");
        let rules = fs::read_to_string(folder.join("fanlight.slos.rules.yaml"))?;
        let tests = tests(&folder)?;
        for (from, to, noticed) in changes {
            ensure!(rules.contains(from), "{name} has no {from}:\n{rules}");
            fs::write(folder.join("fanlight.slos.rules.yaml"), rules.replace(from, to))?;
            let own = tests.iter().filter(|test| test.name.contains(noticed));
            let mut said = String::new();
            for test in own {
                fs::write(folder.join("one.tests.yaml"), &test.text)?;
                said += &promtool_test(&folder)?;
            }
            assert!(
                said.contains(noticed),
                "{name}: {from} became {to}, and promtool said:\n{said}"
            );
        }
    }
    Ok(())
}

/// A test in a file of its own.
struct Apart {
    name: String,
    text: String,
}

fn tests(folder: &Path) -> Result<Vec<Apart>> {
    let mut tests = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if !path.to_string_lossy().ends_with(".tests.yaml") {
            continue;
        }
        let text = fs::read_to_string(path)?;
        let (head, groups) = text.split_once("tests:\n").context("a file without tests")?;
        for group in groups.split("- name: ").skip(1) {
            tests.push(Apart {
                name: group.lines().next().unwrap_or_default().to_owned(),
                text: format!("{head}tests:\n- name: {group}"),
            });
        }
    }
    Ok(tests)
}

/// What promtool says of a test that fails; nothing of one that passes.
fn promtool_test(folder: &Path) -> Result<String> {
    let output = std::process::Command::new("promtool")
        .args(["test", "rules", "one.tests.yaml"])
        .current_dir(folder)
        .output()?;
    let said = if output.status.success() {
        Vec::new()
    } else {
        [output.stdout, output.stderr].concat()
    };
    Ok(String::from_utf8(said)?)
}

/// A real Prometheus evaluates the rules: what was never pushed is no older than the SLO, and of everything else nothing is known.
#[tokio::test]
async fn prometheus_loads_the_rules_and_records_the_budgets() -> Result<()> {
    let names = KINDS.map(|(name, _)| name);
    let config = config("*/10 * * * *", &names, "objective: 99.9, severity: critical")?;
    let ended = run(&config, &["alerts", "build"]).await?;
    ensure!(ended.status == Some(0), "{ended:?}");
    let rules = fs::read_to_string(config.path().join("alerts/prod/fanlight.slos.rules.yaml"))?;
    let server = "global: {evaluation_interval: 1s}\nrule_files: [slos.rules.yaml]\n";
    let prometheus = Prometheus::configured(server, &[("slos.rules.yaml", &rules)]).await?;
    let budgets = prometheus
        .query_until("slo:error_budget:ratio", |series| series.len() >= 6)
        .await?;
    assert_eq!(budgets.len(), 6);
    let remaining = prometheus
        .query_until("slo:period_error_budget_remaining:ratio == 1", |series| {
            !series.is_empty()
        })
        .await?;
    let told: Vec<_> = remaining
        .iter()
        .map(|series| series.labels.get("sloth_slo").cloned().unwrap_or_default())
        .collect();
    assert_eq!(told, ["fresh"]);
    let failures = prometheus
        .query("prometheus_rule_evaluation_failures_total > 0")
        .await?;
    assert!(failures.is_empty(), "{failures:?}");
    Ok(())
}

#[tokio::test]
async fn openslo_has_the_services_and_what_they_promise() -> Result<()> {
    let names = KINDS.map(|(name, _)| name);
    let config = config("*/10 * * * *", &names, "objective: 99.9, severity: critical")?;
    let ended = run(&config, &["slo", "openslo"]).await?;
    assert_eq!((ended.status, ended.err.as_str()), (Some(0), ""));
    let documents: Vec<serde_json::Value> = ended
        .out
        .split("---\n")
        .skip(1)
        .map(serde_saphyr::from_str)
        .collect::<Result<_, _>>()?;
    assert_eq!(documents[0]["kind"], "Service");
    let query = |metric: &serde_json::Value| {
        metric["metricSource"]["spec"]["query"]
            .as_str()
            .unwrap_or("-")
            .to_owned()
    };
    let mut told = Vec::new();
    for document in &documents[1..] {
        assert_eq!(
            (document["apiVersion"].as_str(), document["kind"].as_str()),
            (Some("openslo/v1"), Some("SLO"))
        );
        let spec = &document["spec"];
        assert_eq!(spec["service"], documents[0]["metadata"]["name"]);
        assert_eq!(
            spec["timeWindow"],
            serde_json::json!([{"duration": "30d", "isRolling": true}])
        );
        let objective = &spec["objectives"][0];
        assert_eq!(objective["target"], 0.999);
        let sli = &spec["indicator"]["spec"];
        let (ratio, threshold) = (&sli["ratioMetric"], &sli["thresholdMetric"]);
        assert_ne!(ratio.is_null(), threshold.is_null(), "{document}");
        told.push(format!(
            "{} {} {} {} {} {} {} {}",
            document["metadata"]["name"].as_str().unwrap_or("-"),
            spec["budgetingMethod"].as_str().unwrap_or("-"),
            ratio["counter"],
            query(&ratio["good"]),
            query(&ratio["bad"]),
            query(threshold),
            objective["op"].as_str().unwrap_or("-"),
            objective["value"],
        ));
    }
    let group = "job=\"the \\\"shop\\\"\", cluster=\"blue\"";
    let own = "fanlight_job=\"the \\\"shop\\\"\", cluster=\"blue\"";
    assert_eq!(
        told,
        [
            format!("arrived Occurrences true sum(transfers_total{{{group}, status=\"sent\"}}) - - - null"),
            format!("enough Timeslices null - - min(waiting_seconds{{{group}}}) gte 2.0"),
            format!(
                "fresh Timeslices null - - time() - max(fanlight_job_scheduled_timestamp_seconds{{{own}}}) lte 1800.0"
            ),
            format!("quick Timeslices null - - max(waiting_seconds{{{group}}}) lte 1800.0"),
            format!("sent Occurrences true - sum(transfers_total{{{group}, status=\"failed\"}}) - - null"),
            format!("went Occurrences false - sum by (os) (transfers{{{group}, status=\"failed\"}}) - - null"),
        ]
    );
    let ended = run(&config, &["slo", "openslo", "--environment", "prd"]).await?;
    assert_eq!(
        (ended.status, ended.err.as_str()),
        (
            Some(1),
            "fanlight: there is no environment `prd`: did you mean `prod`?\n"
        )
    );
    Ok(())
}
