//! `fanlight dashboards`: what is built of a configuration, by Grafana's own schema, and answered by a real Prometheus.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::iter;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use fanlight_tests::{ConfigFolder, Ended, Examples, Postgres, Prometheus, binaries, fanlight, promtool};
use serde_json::{Value, json};
use shared::promql::{self, Limits};

const NOTHING: iter::Empty<(&str, String)> = iter::empty();

/// What teams share.
const SHARED: &str = "environments: [prod]
sinks: {default: {pushgateway: {url: 'http://gateway', grouping: {cluster: 'blue \"1\"'}}}}
";

/// Metrics of each kind, with alerts of each kind.
const EVERYTHING: &str = "
jobs:
- name: the.jobs
  schedule: '*/10 * * * *'
  source: postgres://u@h/d
  metrics:
  - name: leads
    help: h
    labels: [campaign, os]
    fill: {campaign: [search, mail], os: [ios, android]}
    value: v
    query: SELECT 1
    alerts:
    - {name: Few, below: 5, severity: warning, REST}
    - {name: VeryFew, below: 1, severity: critical, REST}
    - {name: Many, above: 100, severity: warning, REST}
    - {name: FewOfOs, below: 9, by: [os], severity: warning, REST}
    - {name: Share, ratio: {of: {where: {os: ios}}, to: {}, minimum: 50}, by: [campaign], below: 0.4, for: 40m, severity: warning, REST}
    - {name: Gone, absent_for: 1h, where: {os: ios}, severity: critical, REST}
    funnel: {name: by-campaign, steps: campaign, begun: {os: ios}, completed: {os: android}, by: os}
    slos:
    - {name: leads-come, objective: 95, indicator: {threshold: {bad_below: 1}}, severity: warning, REST}
  - name: mails_total
    help: h
    type: counter
    labels: [kind]
    value: v
    query: SELECT 1
    alerts:
    - {name: NoMails, no_increase_for: 1h, severity: warning, REST}
  - name: own_wait_seconds
    unit: seconds
    help: h
    external: true
    labels: [organisation_id, status]
    value: v
    query: SELECT 1
    alerts:
    - {name: OwnWait, above: 60, severity: warning, REST}
";

fn everything() -> String {
    EVERYTHING.replace(
        "REST",
        "team: shop, handbook: 'https://handbook.example/x', description: none",
    )
}

/// A folder with the configuration of a shop.
fn shop(text: &str) -> Result<ConfigFolder> {
    ConfigFolder::new(&[("config/fanlight.yaml", SHARED), ("config/shop.yaml", text)])
}

async fn dashboards(folder: &Path, arguments: &[&str]) -> Result<Ended> {
    let arguments = [&["--config", "config", "dashboards"], arguments].concat();
    fanlight(folder, arguments, NOTHING).await
}

/// All dashboards below a folder, by their paths in it.
fn read(folder: &Path) -> Result<BTreeMap<PathBuf, Value>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(here) = folders.pop() {
        for entry in fs::read_dir(&here).with_context(|| here.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let dashboard = serde_json::from_slice(&fs::read(&path)?)?;
                found.insert(path.strip_prefix(folder)?.to_owned(), dashboard);
            }
        }
    }
    Ok(found)
}

async fn built(config: &ConfigFolder) -> Result<BTreeMap<PathBuf, Value>> {
    let ended = dashboards(config.path(), &["build"]).await?;
    ensure!(ended.status == Some(0), "{ended:?}");
    read(&config.path().join("dashboards"))
}

fn panels(dashboard: &Value) -> impl Iterator<Item = &Value> {
    dashboard["panels"].as_array().into_iter().flatten()
}

/// A query of a panel, or of what is marked on all.
#[derive(Debug)]
struct Query {
    title: String,
    expr: String,
    over_time: bool,
}

/// Every query of a dashboard, with what Grafana fills in where the reader chooses nothing.
fn queries(dashboard: &Value) -> Vec<Query> {
    let query = |title: &Value, target: &Value| Query {
        title: title.as_str().unwrap_or_default().to_owned(),
        expr: target["expr"].as_str().unwrap_or_default().replace("$side", ".*"),
        over_time: target["range"] == true,
    };
    let of_panels = panels(dashboard).flat_map(|panel| {
        let targets = panel["targets"].as_array().into_iter().flatten();
        targets.map(move |target| query(&panel["title"], target))
    });
    let marks = dashboard["annotations"]["list"].as_array().into_iter().flatten();
    let marks = marks.filter(|mark| mark["target"].is_object());
    of_panels
        .chain(marks.map(|mark| query(&mark["name"], &mark["target"])))
        .collect()
}

/// What Grafana's published types say against dashboards; nothing where they are content.
fn by_schema(dashboards: &BTreeMap<PathBuf, Value>) -> Result<String> {
    let tools = binaries::workspace().join("tests/dashboards");
    let tsc = tools.join("node_modules/typescript/bin/tsc");
    ensure!(
        tsc.is_file(),
        "{} is lacking: `scripts/install test` installs it",
        tsc.display()
    );
    let schema = json!(tools.join("schema"));
    let mut source = format!("import type {{ Built }} from {schema};\n");
    for (number, dashboard) in dashboards.values().enumerate() {
        writeln!(source, "export const dashboard{number}: Built = {dashboard:#};")?;
    }
    let folder = ConfigFolder::new(&[("built.ts", &source)])?;
    let output = Command::new("node")
        .arg(&tsc)
        .args([
            "--strict",
            "--noEmit",
            "--skipLibCheck",
            "--target",
            "es2022",
            "--lib",
            "es2022,dom",
        ])
        .args(["--module", "esnext", "--moduleResolution", "bundler"])
        .arg(folder.path().join("built.ts"))
        .output()
        .context("node is lacking: `scripts/install test` installs it")?;
    let said = String::from_utf8(output.stdout)? + &String::from_utf8(output.stderr)?;
    ensure!(output.status.success() == said.is_empty(), "{said}");
    Ok(said)
}

/// Dashboards of the examples, and of a configuration with everything.
async fn of_everything() -> Result<BTreeMap<PathBuf, Value>> {
    let config = shop(&everything())?;
    let mut all = built(&config).await?;
    all.extend(read(&binaries::workspace().join("dashboards"))?);
    Ok(all)
}

#[tokio::test]
async fn the_stored_dashboards_are_those_of_the_examples() -> Result<()> {
    let ended = dashboards(binaries::workspace(), &["build", "--check"]).await?;
    assert_eq!((ended.status, ended.err.as_str()), (Some(0), ""));
    Ok(())
}

#[tokio::test]
async fn every_dashboard_is_one_of_grafanas_schema() -> Result<()> {
    let all = of_everything().await?;
    ensure!(all.len() > 10, "{:?}", all.keys());
    assert_eq!(by_schema(&all)?, "");
    Ok(())
}

type Change = fn(&mut Value);

/// Otherwise the test above would prove nothing.
#[tokio::test]
async fn the_schema_refuses_what_grafana_does_not_know() -> Result<()> {
    let config = shop(&everything())?;
    let built = built(&config).await?;
    let path = Path::new("prod/Fanlight/shop-main.json");
    let dashboard = built.get(path).context("shop-main")?;
    let changes: [(&str, Change); 7] = [
        ("a misspelt key", |dashboard| dashboard["graphTooltipp"] = json!(1)),
        ("a text for a number", |dashboard| {
            dashboard["schemaVersion"] = json!("42");
        }),
        ("no schema", |dashboard| {
            dashboard
                .as_object_mut()
                .map(|dashboard| dashboard.remove("schemaVersion"));
        }),
        ("a kind of panel that there is not", |dashboard| {
            dashboard["panels"][0]["type"] = json!("state");
        }),
        ("a place without a width", |dashboard| {
            dashboard["panels"][0]["gridPos"] = json!({"h": 1, "x": 0, "y": 0});
        }),
        ("a word that an option does not have", |dashboard| {
            dashboard["panels"][2]["fieldConfig"]["defaults"]["custom"]["thresholdsStyle"]["mode"] = json!("lines");
        }),
        ("an option of another kind of panel", |dashboard| {
            dashboard["panels"][2]["options"]["graphMode"] = json!("none");
        }),
    ];
    for (what, change) in changes {
        let mut changed = dashboard.clone();
        change(&mut changed);
        let said = by_schema(&BTreeMap::from([(path.to_owned(), changed)]))?;
        ensure!(said.contains("error TS"), "{what} is taken");
    }
    Ok(())
}

#[tokio::test]
async fn every_dashboard_fits_one_page_and_has_what_all_have() -> Result<()> {
    let mut uids = BTreeSet::new();
    for (path, dashboard) in of_everything().await? {
        let path = path.display().to_string();
        let mut taken = BTreeSet::new();
        let mut ids = BTreeSet::new();
        for panel in panels(&dashboard) {
            let place = |key: &str| panel["gridPos"][key].as_u64().unwrap_or(99);
            let (x, y, w, h) = (place("x"), place("y"), place("w"), place("h"));
            assert!(
                x + w <= 24 && y + h <= 24 && w >= 3 && h >= 3,
                "{path}: {}",
                panel["gridPos"]
            );
            for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
                assert!(taken.insert(cell), "{path}: {} overlaps at {cell:?}", panel["title"]);
            }
            assert!(ids.insert(panel["id"].as_u64()), "{path}");
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{path}");
            assert_ne!(panel["title"], "", "{path}");
        }
        assert!(!ids.is_empty(), "{path}");
        assert_eq!(dashboard["templating"]["list"][0]["type"], "datasource", "{path}");
        let uid = dashboard["uid"].as_str().unwrap_or_default().to_owned();
        assert!((1..=40).contains(&uid.len()), "{path}: {uid}");
        assert!(uids.insert(uid.clone()), "{uid} twice");
        for query in queries(&dashboard) {
            assert!(!query.expr.contains('$'), "{path}: {query:?}");
            let parsed = promql::parse(&query.expr, &Limits::default());
            assert!(parsed.is_ok(), "{path}: {query:?}: {:?}", parsed.err());
        }
    }
    Ok(())
}

#[tokio::test]
async fn thresholds_are_lines_and_handbooks_are_linked() -> Result<()> {
    let config = shop(&everything())?;
    let built = built(&config).await?;
    let dashboard = &built[Path::new("prod/Fanlight/shop-main.json")];
    let panel = |title: &str| {
        panels(dashboard)
            .find(|panel| panel["title"] == title)
            .with_context(|| title.to_owned())
    };
    let steps = |panel: &Value| {
        let steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
            .as_array()
            .cloned();
        let step = |step: Value| format!("{}:{}", step["color"].as_str().unwrap_or_default(), step["value"]);
        steps
            .unwrap_or_default()
            .into_iter()
            .map(step)
            .collect::<Vec<_>>()
            .join(" ")
    };
    // Each series against each threshold, the worse beyond the other.
    let leads = panel("leads")?;
    assert_eq!(steps(leads), "red:null orange:1.0 transparent:5.0 orange:100.0");
    assert_eq!(
        leads["fieldConfig"]["defaults"]["custom"]["thresholdsStyle"]["mode"],
        "line"
    );
    assert_eq!(leads["fieldConfig"]["defaults"]["custom"]["axisSoftMax"], 100.0);
    let links: Vec<_> = leads["links"]
        .as_array()
        .context("links")?
        .iter()
        .map(|link| &link["title"])
        .collect();
    assert_eq!(
        links,
        ["Handbook: Few", "Handbook: Gone", "Handbook: Many", "Handbook: VeryFew"]
    );
    // What an alert adds up otherwise is a panel of its own.
    let of_os = panel("FewOfOs")?;
    assert_eq!(
        of_os["targets"][0]["expr"],
        r#"sum by (os) (leads{job="the.jobs", cluster="blue \"1\""})"#
    );
    assert_eq!(steps(of_os), "orange:null transparent:9.0");
    let share = panel("Share")?;
    assert_eq!(
        (steps(share).as_str(), &share["fieldConfig"]["defaults"]["unit"]),
        ("orange:null transparent:0.4", &json!("percentunit"))
    );
    // Organisations are many.
    let own = panel("OwnWait")?;
    let expr = own["targets"][0]["expr"].as_str().context("expr")?;
    assert!(
        expr.starts_with("topk(16, ") && expr.contains("own_wait_seconds"),
        "{expr}"
    );
    assert_eq!(own["fieldConfig"]["defaults"]["unit"], "s");
    // How old is too old stands where the schedule says so: three runs.
    let age = panel("Age of the newest push")?;
    let limit = &age["fieldConfig"]["overrides"][0]["properties"];
    assert_eq!((&limit[0]["id"], &limit[0]["value"]), (&json!("max"), &json!(1800.0)));
    // What was promised has its budget, which ends at 0, and its burn rate, at 1 of which it lasts as long as it should.
    let budget = panel("Error budgets left")?;
    assert_eq!(
        budget["targets"][0]["expr"],
        r#"slo:period_error_budget_remaining:ratio{sloth_service="shop"}"#
    );
    assert_eq!(steps(budget), "red:null green:0.0");
    assert!(
        budget["description"]
            .as_str()
            .is_some_and(|words| words.contains("leads-come: 95 % over 30 days"))
    );
    assert_eq!(steps(panel("Burn rates")?), "transparent:null orange:1.0");
    // All alerts are counted and marked, that of stale metrics for this service's jobs.
    let firing = panel("Alerts that fire")?;
    assert_eq!(firing["links"].as_array().map(Vec::len), Some(9));
    let marked = dashboard["annotations"]["list"][1]["target"]["expr"]
        .as_str()
        .context("marks")?;
    assert!(
        marked.contains(r#"fanlight_job=~"the\\.jobs""#)
            && marked.contains("Few|FewOfOs|Gone")
            && marked.contains(r#"sloth_service="shop""#),
        "{marked}"
    );
    Ok(())
}

#[tokio::test]
async fn a_service_with_more_than_fits_a_page_has_more_pages_what_is_watched_first() -> Result<()> {
    let metric = |number: usize, more: &str| {
        format!("  - {{name: metric_{number}, help: h, value: v, query: SELECT 1{more}}}\n")
    };
    let alert = ", alerts: [{name: Few, below: 1, severity: warning, team: t, handbook: 'https://h', description: d}]";
    let metrics: String = (0..40)
        .map(|number| metric(number, if number == 39 { alert } else { "" }))
        .collect();
    let text = format!(
        "environments: [prod]\ndashboards: {{folder: 'Équipe A'}}\njobs:\n- name: j\n  schedule: '* * * * *'\n  source: postgres://u@h/d\n  metrics:\n{metrics}"
    );
    let config = ConfigFolder::new(&[("config/fanlight.yaml", &text)])?;
    let built = built(&config).await?;
    let files: Vec<_> = built.keys().map(|path| path.display().to_string()).collect();
    assert_eq!(
        files,
        [
            "prod/Fanlight/fanlight-functions.json",
            "prod/Équipe A/fanlight-2.json",
            "prod/Équipe A/fanlight-main.json"
        ]
    );
    let titles = |path: &str| {
        let panels = panels(&built[Path::new(path)]);
        panels
            .map(|panel| panel["title"].as_str().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    let main = titles("prod/Équipe A/fanlight-main.json");
    assert_eq!(main[2], "metric_39");
    let all: BTreeSet<_> = main
        .into_iter()
        .chain(titles("prod/Équipe A/fanlight-2.json"))
        .collect();
    assert_eq!(all.len(), 42, "forty metrics, what fires and what is stale");
    Ok(())
}

#[tokio::test]
async fn the_folder_is_kept_as_it_is_built_and_nothing_else_is_touched() -> Result<()> {
    let config = shop(&everything())?;
    config.write("dashboards/prod/Mine/own.json", "{}")?;
    let first = dashboards(config.path(), &["build"]).await?;
    assert_eq!(
        first.out,
        "dashboards/prod/Fanlight/shop-main.json: 11 panels\ndashboards/prod/Fanlight/shop-by-campaign.json: 7 panels\n\
         dashboards/prod/Fanlight/fanlight-functions.json: 11 panels\ndashboards: 3 dashboards, 3 written\n"
    );
    assert!(
        dashboards(config.path(), &["build"])
            .await?
            .out
            .ends_with("3 dashboards, as before\n")
    );
    assert_eq!(dashboards(config.path(), &["build", "--check"]).await?.status, Some(0));

    // Another folder, another threshold: files move, and the check says which and where.
    config.write(
        "config/shop.yaml",
        &format!("dashboards: {{folder: Shop}}\n{}", everything()),
    )?;
    let stale = dashboards(config.path(), &["build", "--check"]).await?;
    assert_eq!(
        (stale.status, stale.err.as_str()),
        (
            Some(1),
            "dashboards/prod/Shop/shop-main.json: it is not there\ndashboards/prod/Shop/shop-by-campaign.json: it is not there\n\
             dashboards/prod/Fanlight/shop-by-campaign.json: it should not be there\n\
             dashboards/prod/Fanlight/shop-main.json: it should not be there\n\
             dashboards is stale: run `fanlight dashboards build` and commit what it writes\n"
        )
    );
    assert!(
        dashboards(config.path(), &["build"])
            .await?
            .out
            .ends_with("2 written, 2 removed\n")
    );
    config.write(
        "config/shop.yaml",
        &format!(
            "dashboards: {{folder: Shop}}\n{}",
            everything().replace("below: 9,", "below: 8,")
        ),
    )?;
    let stale = dashboards(config.path(), &["build", "--check"]).await?;
    assert!(
        stale.err.contains("and should be `") && stale.err.contains("shop-main.json: line "),
        "{}",
        stale.err
    );
    assert_eq!(
        fs::read_to_string(config.path().join("dashboards/prod/Mine/own.json"))?,
        "{}"
    );

    config.write("dashboards/prod/Shop/shop-main.json", "{\"title\": \"mine\"}")?;
    let refused = dashboards(config.path(), &["build"]).await?;
    assert_eq!(
        (refused.status, refused.err.as_str()),
        (
            Some(1),
            "fanlight: dashboards/prod/Shop/shop-main.json was not written by `fanlight dashboards build`: move it, or name \
             another folder with --out\n"
        )
    );
    Ok(())
}

#[tokio::test]
async fn mistakes_are_told_with_their_places_and_keep_no_job_from_running() -> Result<()> {
    let job = "jobs:
- name: j
  schedule: '* * * * *'
  source: postgres://u@h/d
  metrics:
  - {name: people, help: h, labels: [step, phase, os], fill: {step: [a, b], phase: [started, completed], os: [ios]}, value: v, query: SELECT 1,
     funnel: FUNNEL}
";
    let right = "{name: f, steps: step, begun: {phase: started}, completed: {phase: completed}, by: os}";
    for (funnel, message) in [
        (right, ""),
        (&right.replace("name: f, ", ""), "the funnel has no `name`"),
        (
            &right.replace("name: f", "name: F"),
            "lower-case letters, digits and `-`",
        ),
        (
            &right.replace("name: f", "name: main"),
            "the dashboard `shop-main` is there already",
        ),
        (
            &right.replace("name: f", "name: '2'"),
            "the dashboard `shop-2` is there already",
        ),
        (
            &right.replace("steps: step", "steps: stpe"),
            "`people` has no label `stpe`",
        ),
        (
            &right.replace("steps: step", "steps: os"),
            "nothing says which steps `os` names",
        ),
        (&right.replace("by: os", "by: step"), "by which nothing is told apart"),
        (
            &right.replace("phase: started", "phase: begun"),
            "the label `phase` of `people` is never `begun`",
        ),
        (
            &right.replace("phase: started", "phse: started"),
            "did you mean `phase`?",
        ),
        (&right.replace("{phase: completed}", "{phase: started}"), "are the same"),
        (&right.replace("{phase: completed}", "{}"), "this selects everything"),
        (&right.replace("by: os", "on: os"), "unknown key `on`"),
    ] {
        let config = ConfigFolder::new(&[("config/shop.yaml", &job.replace("FUNNEL", funnel))])?;
        let ended = fanlight(config.path(), ["check"], [("PUSHGATEWAY_URL", "http://h".to_owned())]).await?;
        let right = message.is_empty();
        assert_eq!(ended.status, Some(i32::from(!right)), "{funnel}: {}", ended.err);
        assert!(
            ended.err.contains(message) && (right || ended.err.contains("config/shop.yaml:7:")),
            "{funnel}: {}",
            ended.err
        );
        assert!(
            ended.out.contains("1 job, 1 metric"),
            "{funnel}: the job is left out: {}",
            ended.out
        );
        let refused = dashboards(config.path(), &["build"]).await?;
        assert_eq!(refused.status == Some(0), right, "{funnel}: {}", refused.err);
    }
    for (folder, message) in [
        ("'a/b'", "the name of a folder is also that of a directory"),
        ("''", "the name of a folder is empty"),
        ("7", "expected text"),
    ] {
        let text = format!("dashboards: {{folder: {folder}}}\n{}", job.replace("FUNNEL", right));
        let config = ConfigFolder::new(&[("config/shop.yaml", &text)])?;
        let ended = fanlight(config.path(), ["check"], [("PUSHGATEWAY_URL", "http://h".to_owned())]).await?;
        assert_eq!(ended.status, Some(1), "{folder}");
        assert!(
            ended.err.contains(message) && ended.out.contains("1 job"),
            "{folder}: {}{}",
            ended.err,
            ended.out
        );
    }
    Ok(())
}

/// Every panel of every dashboard of the examples, asked of a Prometheus that has scraped one run of each job.
#[tokio::test]
async fn prometheus_answers_every_query_of_every_panel() -> Result<()> {
    let database = Postgres::shared().await?.database().await?;
    let Examples {
        folder: config,
        gateway,
        jobs,
    } = Examples::run(&database).await?;
    ensure!(jobs.contains(&"functions".to_owned()), "{jobs:?}");
    let built = built(&config).await?;
    let ended = fanlight(config.path(), ["--config", "config", "alerts", "build"], NOTHING).await?;
    ensure!(ended.status == Some(0), "{ended:?}");
    let rules = config.path().join("alerts/prod/*.rules.yaml");
    let settings = format!(
        "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: [{rules:?}]\nscrape_configs:\n- job_name: gateway\n  \
         honor_labels: true\n  static_configs: [{{targets: [{:?}]}}]\n",
        gateway.target()
    );
    let prometheus = Prometheus::configured(&settings, &[]).await?;
    let all = format!("count(fanlight_job_up) == {}", jobs.len());
    prometheus.query_until(&all, |series| !series.is_empty()).await?;

    let mut asked = 0;
    let prod = built.iter().filter(|(path, _)| path.starts_with("prod"));
    for (path, dashboard) in prod {
        for query in queries(dashboard) {
            let answer = prometheus.query(&query.expr).await;
            let series = answer.with_context(|| format!("{}: {query:?}", path.display()))?;
            // Nothing fires in a shop that does well, and what fires is all that is marked.
            ensure!(
                !series.is_empty() || query.title == "Alerts",
                "{}: {query:?} has no series",
                path.display()
            );
            if query.over_time {
                let (now, url) = (seconds(), prometheus.url());
                let (start, end) = (format!("--start={}", now - 60), format!("--end={now}"));
                let drawn = promtool(&["query", "range", "--step=1s", &start, &end, &url, &query.expr]).await;
                drawn.with_context(|| format!("{}: {query:?}", path.display()))?;
            }
            asked += 1;
        }
    }
    ensure!(asked > 50, "{asked}");
    Ok(())
}

/// Seconds since 1970.
fn seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}
