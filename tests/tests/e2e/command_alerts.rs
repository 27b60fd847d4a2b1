//! `fanlight alerts`: rules and tests that promtool and Prometheus take, and that notice when a rule is not what it was.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::iter;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use fanlight_tests::{ConfigFolder, Ended, Prometheus, binaries, fanlight};

const NOTHING: iter::Empty<(&str, String)> = iter::empty();

/// What every alert has.
const REST: &str = "severity: warning, team: shop, handbook: 'https://handbook.example/x', description: ";

/// One alert.
const JOB: &str = "jobs:
- name: leads
  schedule: '* * * * *'
  source: postgres://u@h/d
  metrics:
  - name: leads
    help: h
    value: v
    query: SELECT 1
    alerts:
    - {name: NoLeads, below: 1, severity: warning, team: growth, handbook: 'https://h', description: None.}
";

/// A configuration with alerts of every form, for jobs that run as `schedule` says.
pub(crate) fn every_form(schedule: &str, window: &str, hold: &str) -> String {
    let metrics = "
  - name: leads
    help: h
    labels: [campaign, os]
    fill: {campaign: [search, mail], os: [ios, android]}
    value: v
    query: SELECT 1
    alerts:
    - {name: Below, below: 5, HOLD, REST '{{ $value }} leads of {{ $labels.campaign }} and {{ $labels.job }}'}
    - {name: BelowAFraction, below: 0.3, REST '{{ $value }}'}
    - {name: BelowZero, below: -2.5, where: {os: android}, REST '{{ $value }}'}
    - {name: AboveAdded, above: 1000000, by: [os], where: {campaign: mail}, HOLD, REST '{{ $value }} on {{ $labels.os }}'}
    - {name: AddedUp, above: 0, by: [], REST '{{ $value }} in all'}
    - {name: Absent, absent_for: WINDOW, where: {os: ios}, HOLD, REST 'nothing from {{ $labels.os }}'}
    - {name: Share, ratio: {of: {where: {os: ios}}, to: {}, minimum: 50}, by: [campaign], below: 0.4, HOLD, REST '{{ $value }} of {{ $labels.campaign }}'}
    - {name: ShareOfFew, ratio: {of: {}, to: {metric: visits}, minimum: 0.5}, above: 2.5, REST '{{ $value }}'}
    - name: Written
      expression: |
        # Whoever reads this
        leads{os=\"ios\"} == 0 # ends with a comment
      HOLD_LINE
      severity: critical
      team: shop
      slack_channel: '#shop-leads'
      handbook: https://handbook.example/x
      description: none
      tests:
      - {name: none, series: {'leads{campaign=\"a\",os=\"ios\"}': '0x200', 'leads{campaign=\"b\",os=\"ios\"}': '1x200'}, at: LATE, fires: [{campaign: a}]}
      - {name: some, series: {'leads{campaign=\"a\",os=\"ios\"}': '1x200'}, at: LATE, fires: []}
    - name: WrittenOfAbsence
      expression: absent(leads{os=\"ios\"})
      severity: critical
      team: shop
      handbook: https://handbook.example/x
      description: none
      tests:
      - {name: other, series: {'leads{os=\"android\"}': '0x200'}, at: LATE, fires: [{}]}
      - {name: there, series: {'leads{os=\"ios\"}': '0x200'}, at: LATE, fires: []}
      - {name: nothing, at: LATE, fires: [{os: ios}]}
  - name: visits
    help: h
    values: {label: device, columns: [phone, desk]}
    query: SELECT 1
    alerts:
    - {name: NoVisits, below: 1, REST 'none from {{ $labels.device }}', tests: [{name: own, series: {'visits{device=\"desk\"}': '0x200'}, at: LATE, fires: [{device: desk}]}]}
  - name: mails_total
    help: h
    type: counter
    labels: [kind]
    value: v
    query: SELECT 1
    alerts:
    - {name: NoMails, no_increase_for: WINDOW, HOLD, REST '{{ $value }} of {{ $labels.kind }}'}
    - {name: NoMailsAtAll, no_increase_for: WINDOW, by: [], REST '{{ $value }}'}
    - {name: MailsFail, ratio: {of: {where: {kind: failed}}, to: {}, minimum: 10, window: WINDOW}, above: 0.1, HOLD, REST '{{ $value }}'}
    - {name: MailsFailed, ratio: {of: {where: {kind: sent}}, to: {}, minimum: 10, window: WINDOW}, below: 0.9, HOLD, REST '{{ $value }}'}
  - name: own_transfers
    help: h
    external: true
    labels: [organisation_id, status]
    value: v
    query: SELECT 1
    alerts:
    - {name: OwnFail, above: 3, by: [status], REST '{{ $labels.organisation_id }} {{ $labels.metric_purpose }}'}
    - {name: OwnShare, ratio: {of: {where: {status: failed}}, to: {}, minimum: 3}, above: 0.5, REST '{{ $labels.organisation_id }}'}
";
    let metrics = metrics
        .replace("REST", REST)
        .replace("HOLD_LINE", &format!("for: {hold}"))
        .replace("HOLD", &format!("for: {hold}"))
        .replace("WINDOW", window)
        .replace("LATE", "1h");
    format!(
        "environments: [prod]
static_labels: {{env: test}}
sinks: {{default: {{pushgateway: {{url: 'http://gateway', grouping: {{cluster: \"blue\"}}}}}}}}
jobs:
- name: 'the \"shop\"'
  schedule: '{schedule}'
  source: postgres://u@h/d
  metrics:{metrics}"
    )
}

async fn alerts(folder: &ConfigFolder, arguments: &[&str]) -> Result<Ended> {
    let arguments = [&["--config", "config", "alerts"], arguments].concat();
    fanlight(folder.path(), arguments, path()).await
}

fn path() -> impl Iterator<Item = (&'static str, String)> {
    iter::once(("PATH", std::env::var("PATH").unwrap_or_default()))
}

#[tokio::test]
async fn promtool_agrees_with_every_generated_test_whatever_the_schedule() -> Result<()> {
    for (schedule, window, hold) in [
        ("* * * * *", "10m", "0s"),
        ("*/2 * * * *", "15m", "7m"),
        ("*/10 * * * *", "40m", "40m"),
        ("0 6 * * *", "5d", "0s"),
        ("0 * * * *", "4h", "30m"),
    ] {
        let config = ConfigFolder::new(&[("config/fanlight.yaml", &every_form(schedule, window, hold))])?;
        let ended = alerts(&config, &["test"]).await?;
        assert_eq!(
            (ended.status, ended.out.as_str(), ended.err.as_str()),
            (Some(0), "prod: 17 alerts, 116 tests: all pass\n", ""),
            "{schedule}"
        );
    }
    Ok(())
}

/// A rule that is not what it was fails a test by name: otherwise the tests would prove nothing.
#[tokio::test]
async fn the_tests_notice_every_change_of_a_rule() -> Result<()> {
    let config = ConfigFolder::new(&[("config/fanlight.yaml", &every_form("*/10 * * * *", "50m", "40m"))])?;
    let ended = alerts(&config, &["build"]).await?;
    ensure!(ended.status == Some(0), "{ended:?}");
    let folder = config.path().join("alerts/prod");
    let rules = fs::read_to_string(folder.join("fanlight.rules.yaml"))?;
    let tests = fs::read_to_string(folder.join("fanlight.tests.yaml"))?;
    let mut groups = tests.split("\n- name: ");
    let head = groups.next().unwrap_or_default();
    let groups: Vec<_> = groups.collect();
    let mut blocks = rules.split("  - alert: ");
    let beginning = blocks.next().unwrap_or_default();
    let blocks: Vec<_> = blocks.map(|block| format!("  - alert: {block}")).collect();
    let mut unchanged = BTreeSet::new();
    for (alert, from, to, noticed) in [
        ("Below", "< 5", "< 4", "Below: firing"),
        ("Below", "< 5", "<= 5", "Below: quiet"),
        ("Below", "< 5", "> 5", "Below: firing"),
        ("Below", "for: 40m", "for: 41m", "Below: firing"),
        ("Below", "for: 40m", "for: 30m", "Below: firing"),
        ("Below", "<= 1800", "<= 180000", "Below: stale pusher"),
        ("Below", "[30m])) == 1", "[30m])) >= 0", "Below: failing metric"),
        ("Below", "severity: warning", "severity: critical", "Below: firing"),
        ("Below", "team: shop", "team: other", "Below: firing"),
        ("Below", "- alert: Below\n", "- alert: Bellow\n", "Below: firing"),
        ("Below", "{{ $value }} leads", "{{ $value }} lead", "Below: firing"),
        ("AboveAdded", "sum by (os)", "max by (env)", "AboveAdded: firing"),
        ("Absent", "[50m]", "[40m]", "Absent: firing"),
        ("Absent", "absent_over_time", "present_over_time", "Absent: firing"),
        ("Share", ">= 50", ">= 5", "Share: quiet: too little"),
        ("Share", " * 0)", " * 1)", "Share: firing: a part without any series"),
        ("NoMails", "[50m]", "[70m]", "NoMails: firing"),
        ("NoMails", "== 0", "> 0", "NoMails: firing"),
        ("MailsFail", ">= 10", ">= 1e9", "MailsFail: firing"),
        ("Written", "== 0", "!= 0", "Written: firing: none"),
        (
            "WrittenOfAbsence",
            "absent(leads",
            "absent(lead",
            "WrittenOfAbsence: quiet: there",
        ),
        ("OwnFail", ", organisation_id)", ")", "OwnFail: firing"),
        (
            "FanlightMetricStale",
            "vector(1) unless",
            "vector(1) and",
            "stale pusher",
        ),
    ] {
        // Only this rule, those that it needs, and its tests, which are the first alert's where the rule is of a metric: promtool
        // evaluates all rules of a file in all tests of it, and takes its time.
        let own_rules = |change: &dyn Fn(&str) -> String| {
            let own = |block: &&String| {
                [alert, "Below", "FanlightMetricStale"]
                    .iter()
                    .any(|name| block.starts_with(&format!("  - alert: {name}\n")))
            };
            let own: Vec<_> = blocks
                .iter()
                .filter(own)
                .map(|block| {
                    if block.starts_with(&format!("  - alert: {alert}\n")) {
                        change(block)
                    } else {
                        block.clone()
                    }
                })
                .collect();
            format!("{beginning}{}", own.concat())
        };
        ensure!(
            own_rules(&str::to_owned) != own_rules(&|rule| rule.replace(from, to)),
            "{alert} has no {from}"
        );
        let name = if alert == "FanlightMetricStale" { "Below" } else { alert };
        let own = groups.iter().filter(|group| group.starts_with(&format!("\"{name}: ")));
        let own: Vec<&str> = own.flat_map(|group| ["\n- name: ", group]).collect();
        let own = own.concat();
        fs::write(folder.join("fanlight.tests.yaml"), format!("{head}{own}\n"))?;
        if unchanged.insert(alert) {
            fs::write(folder.join("fanlight.rules.yaml"), own_rules(&str::to_owned))?;
            let (passed, said) = promtool_test(&folder)?;
            assert!(
                passed && !own.is_empty(),
                "{alert} does not even pass unchanged:\n{said}"
            );
        }
        fs::write(
            folder.join("fanlight.rules.yaml"),
            own_rules(&|rule| rule.replace(from, to)),
        )?;
        let (passed, said) = promtool_test(&folder)?;
        assert!(
            !passed && said.contains(noticed),
            "{alert}: {from} became {to}, and promtool said:\n{said}"
        );
    }
    Ok(())
}

fn promtool_test(folder: &Path) -> Result<(bool, String)> {
    let output = std::process::Command::new("promtool")
        .args(["test", "rules", "fanlight.tests.yaml"])
        .current_dir(folder)
        .output()?;
    let said = [output.stdout, output.stderr].concat();
    Ok((output.status.success(), String::from_utf8(said)?))
}

#[tokio::test]
async fn a_test_of_a_team_that_fails_is_told_by_its_name() -> Result<()> {
    let own = "tests: [{name: own, series: {leads: '0x9'}, at: 5m, fires: [{}]}], below";
    let config = ConfigFolder::new(&[
        ("config/growth.yaml", &JOB.replace("below", own)),
        ("config/growth/prod/a.yaml", "alerts: [{name: NoLeads, below: -1}]"),
    ])?;
    let ended = alerts(&config, &["test"]).await?;
    let out = "develop: 1 alert, 9 tests: all pass\nprod: 1 alert, 9 tests: promtool refuses them\n";
    assert_eq!((ended.status, ended.out.as_str()), (Some(1), out));
    assert!(ended.err.contains("NoLeads: firing: own"), "{ended:?}");
    let last = "fanlight: 1 environment failed; nothing was written\n";
    assert!(ended.err.ends_with(last), "{ended:?}");
    Ok(())
}

#[tokio::test]
async fn without_promtool_it_says_what_to_install() -> Result<()> {
    let config = ConfigFolder::new(&[("config/fanlight.yaml", &every_form("* * * * *", "10m", "0s"))])?;
    let arguments = ["--config", "config", "alerts", "test"];
    let ended = fanlight(config.path(), arguments, [("PATH", "/nonexistent".to_owned())]).await?;
    assert_eq!(ended.status, Some(1));
    let expected = "fanlight: promtool is not there: install Debian's package `prometheus` (`apt-get install prometheus`), which has it\n";
    assert_eq!((ended.out.as_str(), ended.err.as_str()), ("", expected));
    Ok(())
}

/// What the rest of a configuration needs for Alertmanager's.
const ALERTING: &str = "alerting:
  slack: {api_url_file: /etc/slack, fallback_channel: '#alerts'}
  victorops: {enabled: false}
  watchdog: {url: 'https://switch.example', credentials_file: /etc/switch}
";

#[tokio::test]
async fn without_amtool_it_says_what_to_install() -> Result<()> {
    let config = ConfigFolder::new(&[("config/growth.yaml", JOB), ("config/fanlight.yaml", ALERTING)])?;
    // A folder with promtool, and nothing else.
    let promtool = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .map(|folder| folder.join("promtool"))
        .find(|path| path.is_file())
        .context("promtool is not installed")?;
    fs::create_dir(config.path().join("bin"))?;
    std::os::unix::fs::symlink(promtool, config.path().join("bin/promtool"))?;
    let bin = config.path().join("bin").display().to_string();
    let ended = fanlight(config.path(), ["--config", "config", "alerts", "test"], [("PATH", bin)]).await?;
    let expected = "fanlight: amtool is not there: install Debian's package `prometheus-alertmanager` (`apt-get install \
                    prometheus-alertmanager`), which has it\n";
    assert_eq!((ended.status, ended.err.as_str()), (Some(1), expected));
    Ok(())
}

#[tokio::test]
async fn the_configuration_of_alertmanager_comes_and_goes_with_its_section() -> Result<()> {
    let config = ConfigFolder::new(&[("config/growth.yaml", JOB), ("config/fanlight.yaml", ALERTING)])?;
    let ended = alerts(&config, &["build"]).await?;
    let expected = "alerts/develop: 2 alerts, 9 tests\nalerts/prod: 2 alerts, 9 tests\nalerts: 14 files, 14 written\n";
    assert_eq!(
        (ended.status, ended.out.as_str(), ended.err.as_str()),
        (Some(0), expected, "")
    );
    let names = || -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(config.path().join("alerts/prod"))? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    };
    let rules = ["growth.rules.yaml", "growth.tests.yaml"];
    let all = [
        "alertmanager.cases.yaml",
        "alertmanager.tmpl",
        "alertmanager.yml",
        "fanlight-watchdog.rules.yaml",
        "fanlight-watchdog.tests.yaml",
    ];
    assert_eq!(names()?, [&all[..], &rules].concat());
    let ended = alerts(&config, &["test"]).await?;
    let expected = "develop: 2 alerts, 9 tests: all pass\nprod: 2 alerts, 9 tests: all pass\n\
                    develop: 7 routes, 5 messages: all pass\nprod: 7 routes, 5 messages: all pass\n";
    assert_eq!(
        (ended.status, ended.out.as_str(), ended.err.as_str()),
        (Some(0), expected, "")
    );

    config.write("config/growth.yaml", &JOB.replace("team: growth", "team: sales"))?;
    let ended = alerts(&config, &["build", "--check"]).await?;
    let expected = "alerts/prod/alertmanager.yml: line 23 is `- team=\"growth\"` and should be `- team=\"sales\"`\n";
    assert!(ended.status == Some(1) && ended.err.contains(expected), "{ended:?}");

    config.write("config/fanlight.yaml", "environments: [develop, prod]\n")?;
    let ended = alerts(&config, &["build"]).await?;
    assert!(
        ended.out.ends_with("alerts: 4 files, 4 written, 10 removed\n"),
        "{ended:?}"
    );
    assert_eq!(names()?, rules);
    Ok(())
}

#[tokio::test]
async fn what_is_built_is_checked_replaced_and_removed() -> Result<()> {
    let config = ConfigFolder::new(&[("config/growth.yaml", JOB)])?;
    let check = async || alerts(&config, &["build", "--check"]).await;
    let ended = check().await?;
    assert_eq!(ended.status, Some(1));
    assert!(
        ended
            .err
            .starts_with("alerts/develop/growth.rules.yaml: it is not there\n"),
        "{ended:?}"
    );

    let ended = alerts(&config, &["build"]).await?;
    let expected = "alerts/develop: 1 alert, 8 tests\nalerts/prod: 1 alert, 8 tests\nalerts: 4 files, 4 written\n";
    assert_eq!(
        (ended.status, ended.out.as_str(), ended.err.as_str()),
        (Some(0), expected, "")
    );
    assert_eq!(check().await?.status, Some(0));
    let ended = alerts(&config, &["build"]).await?;
    assert!(ended.out.ends_with("alerts: 4 files, as before\n"), "{ended:?}");

    config.write("config/growth.yaml", &JOB.replace("below: 1", "below: 2"))?;
    let ended = check().await?;
    assert!(
        ended.err.contains("alerts/prod/growth.rules.yaml: line 7 is `leads{job=\"leads\"} < 1` and should be `leads{job=\"leads\"} < 2`\n"),
        "{ended:?}"
    );
    assert!(
        ended
            .err
            .ends_with("alerts is stale: run `fanlight alerts build` and commit what it writes\n"),
        "{ended:?}"
    );

    // The service is renamed; a file of somebody else's stays.
    fs::remove_file(config.path().join("config/growth.yaml"))?;
    config.write("config/sales.yaml", JOB)?;
    config.write("alerts/prod/mine.rules.yaml", "groups: []\n")?;
    let ended = check().await?;
    assert!(
        ended
            .err
            .contains("alerts/prod/growth.tests.yaml: it should not be there\n"),
        "{ended:?}"
    );
    let ended = alerts(&config, &["build"]).await?;
    let removed = "alerts/develop/growth.rules.yaml: removed\nalerts/develop/growth.tests.yaml: removed\n\
                   alerts/prod/growth.rules.yaml: removed\nalerts/prod/growth.tests.yaml: removed\n\
                   alerts: 4 files, 4 written, 4 removed\n";
    assert!(ended.out.ends_with(removed), "{ended:?}");
    assert!(config.path().join("alerts/prod/mine.rules.yaml").exists());

    config.write(
        "config/mine.yaml",
        &JOB.replace("leads", "mails").replace("NoLeads", "NoMails"),
    )?;
    let ended = alerts(&config, &["build"]).await?;
    assert_eq!(ended.status, Some(1));
    assert!(
        ended
            .err
            .contains("mine.rules.yaml was not written by `fanlight alerts build`"),
        "{ended:?}"
    );

    config.write("config/mine.yaml", "jobs: [{}]")?;
    let ended = alerts(&config, &["build"]).await?;
    assert_eq!(ended.status, Some(1));
    assert!(ended.err.contains("nothing is built"), "{ended:?}");
    Ok(())
}

#[tokio::test]
async fn a_file_that_cannot_be_written_leaves_every_environment_as_it_was() -> Result<()> {
    let config = ConfigFolder::new(&[("config/growth.yaml", JOB)])?;
    let ended = alerts(&config, &["build"]).await?;
    ensure!(ended.status == Some(0), "{ended:?}");
    let rules = |environment: &str| {
        fs::read_to_string(config.path().join("alerts").join(environment).join("growth.rules.yaml"))
    };
    let before = [rules("develop")?, rules("prod")?];
    config.write("config/growth.yaml", &JOB.replace("below: 1", "below: 2"))?;
    // Where the last environment's new file is written before it takes the other's place.
    let in_the_way = config.path().join("alerts/prod/growth.rules.yaml.new");
    fs::create_dir(&in_the_way)?;
    let ended = alerts(&config, &["build"]).await?;
    let expected = "fanlight: alerts/prod/growth.rules.yaml cannot be written: ";
    assert!(
        ended.status == Some(1) && ended.err.starts_with(expected) && ended.out.is_empty(),
        "{ended:?}"
    );
    assert_eq!([rules("develop")?, rules("prod")?], before);
    let mut left: Vec<_> = fs::read_dir(config.path().join("alerts/develop"))?
        .map(|entry| Ok(entry?.file_name()))
        .collect::<Result<_>>()?;
    left.sort();
    assert_eq!(left, ["growth.rules.yaml", "growth.tests.yaml"]);

    fs::remove_dir(in_the_way)?;
    let ended = alerts(&config, &["build"]).await?;
    assert!(ended.out.ends_with("alerts: 4 files, 4 written\n"), "{ended:?}");
    assert!(rules("develop")?.contains("< 2") && rules("prod")?.contains("< 2"));
    Ok(())
}

#[tokio::test]
async fn the_examples_are_built_and_pass() -> Result<()> {
    let folder = binaries::workspace();
    let ended = fanlight(folder, ["--config", "config", "alerts", "build", "--check"], NOTHING).await?;
    assert_eq!((ended.status, ended.err.as_str()), (Some(0), ""));
    let ended = fanlight(folder, ["--config", "config", "alerts", "test"], path()).await?;
    assert_eq!((ended.status, ended.err.as_str()), (Some(0), ""), "{}", ended.out);
    Ok(())
}

/// A real Prometheus evaluates the rules: nothing is fresh, so the metrics' own alerts are pending, and no other.
#[tokio::test]
async fn prometheus_loads_the_rules_and_tells_that_nothing_is_fresh() -> Result<()> {
    let config = ConfigFolder::new(&[("config/fanlight.yaml", &every_form("* * * * *", "10m", "0s"))])?;
    let ended = alerts(&config, &["build"]).await?;
    ensure!(ended.status == Some(0), "{ended:?}");
    let rules = fs::read_to_string(config.path().join("alerts/prod/fanlight.rules.yaml"))?;
    let server = "global: {evaluation_interval: 1s}\nrule_files: [fanlight.rules.yaml]\n";
    let prometheus = Prometheus::configured(server, &[("fanlight.rules.yaml", &rules)]).await?;
    let pending = prometheus.query_until("ALERTS", |series| series.len() >= 4).await?;
    let mut told: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for series in &pending {
        let label = |name: &str| series.labels.get(name).map_or("", String::as_str);
        told.entry(label("alertname")).or_default().push(label("metric"));
    }
    let metrics = vec!["leads", "mails_total", "own_transfers", "visits"];
    assert_eq!(told, BTreeMap::from([("FanlightMetricStale", metrics)]));
    let failures = prometheus
        .query("prometheus_rule_evaluation_failures_total > 0")
        .await?;
    assert!(failures.is_empty(), "{failures:?}");
    Ok(())
}
