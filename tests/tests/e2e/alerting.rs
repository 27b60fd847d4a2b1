//! From a row in a database to a message: the collector, a Pushgateway, Prometheus on the rules that were built, and Alertmanager on
//! the configuration that was.

use anyhow::{Context as _, Result, ensure};
use fanlight_tests::{
    Alertmanager, ConfigFolder, Customer, Message, MetricsApi, Prometheus, Pushgateway, Recipients, Stage, fanlight,
};
use jiff::Timestamp;

const TABLES: &str = "
CREATE TABLE leads (campaign_group text, id int);
INSERT INTO leads VALUES ('search', 1), ('search', 2), ('mail', 3);
CREATE TABLE transfers (waiting int);
INSERT INTO transfers VALUES (0);
";

/// What is pushed, and when somebody is told. `old-leads` is never run: its pusher is dead.
const JOBS: &str = "jobs:
- name: leads
  schedule: '* * * * *'
  source: 'postgres://{{DB_USERNAME}}:{{DB_PASSWORD}}@{{DB_HOST}}/{{DB_NAME}}'
  metrics:
  - name: leads
    help: h
    labels: [campaign_group]
    fill: {campaign_group: [search, mail]}
    value: leads
    query: SELECT campaign_group, count(*) AS leads FROM leads GROUP BY campaign_group
    alerts:
    - name: NoLeads
      below: 1
      severity: warning
      team: growth
      slack_channel: '#growth-campaigns'
      handbook: https://handbook.example/no-leads
      description: No leads from {{ $labels.campaign_group }} in one hour, < 1.
- name: transfers
  schedule: '* * * * *'
  source: 'postgres://{{DB_USERNAME}}:{{DB_PASSWORD}}@{{DB_HOST}}/{{DB_NAME}}'
  metrics:
  - name: transfers_waiting_seconds
    unit: seconds
    help: h
    value: waiting
    query: SELECT max(waiting) AS waiting FROM transfers
    alerts:
    - {name: TransfersWait, above: 10, severity: warning, REST}
    - {name: TransfersWaitLong, above: 100, severity: critical, REST}
- name: old-leads
  schedule: '* * * * *'
  source: 'postgres://{{DB_USERNAME}}:{{DB_PASSWORD}}@{{DB_HOST}}/{{DB_NAME}}'
  metrics:
  - name: old_leads
    help: h
    value: leads
    query: SELECT 0 AS leads
    alerts:
    - {name: NoOldLeads, below: 1, severity: warning, REST}
";
const REST: &str = "team: payments, handbook: 'https://handbook.example/x', description: 'It is {{ $value }}.'";

/// Somebody else's rule, of a team that this configuration does not know.
const FOREIGN: &str = "groups:
- name: foreign
  rules:
  - {alert: Foreign, expr: vector(1), labels: {team: strangers, severity: warning}}
";

/// Builds the rules and the configuration of prod into the folder, as people do.
async fn build(folder: &ConfigFolder) -> Result<()> {
    let path = [("PATH", std::env::var("PATH").unwrap_or_default())];
    for command in ["build", "test"] {
        let ended = fanlight(folder.path(), ["--config", "config", "alerts", command], path.clone()).await?;
        ensure!(ended.status == Some(0), "{ended:?}");
    }
    Ok(())
}

/// Everyone is told here, with nothing held back for longer than a second.
fn alerting(told: &Recipients) -> String {
    format!(
        "environments: [prod]
alerting:
  slack: {{api_url_file: '{}', fallback_channel: '#nobodys'}}
  victorops: {{api_key_file: '{}', api_url: '{}'}}
  watchdog: {{url: '{}', credentials_file: '{}', interval: 1s}}
  timing: {{group_wait: 1s, group_interval: 1s}}
",
        told.slack_file().display(),
        told.key_file().display(),
        told.victorops_url(),
        told.watchdog_url(),
        told.token_file().display(),
    )
}

/// A Prometheus that evaluates the rules of prod, and somebody else's.
async fn prometheus(folder: &ConfigFolder, gateway: &Pushgateway, alertmanager: &Alertmanager) -> Result<Prometheus> {
    folder.write("foreign.yaml", FOREIGN)?;
    let rules = folder.path().join("alerts/prod/*.rules.yaml");
    let foreign = folder.path().join("foreign.yaml");
    Prometheus::alerting(&[gateway.target()], &[&rules, &foreign], alertmanager).await
}

/// Pushes what a job tells of a run at a time in which all its metrics were made.
async fn ran_well(gateway: &Pushgateway, job: &str, at: i64, metrics: &[&str]) -> Result<()> {
    let up = metrics
        .iter()
        .map(|metric| format!("fanlight_metric_up{{metric={metric:?}}} 1\n"));
    let up: String = up.collect();
    let text = format!(
        "# TYPE fanlight_job_scheduled_timestamp_seconds gauge\nfanlight_job_scheduled_timestamp_seconds {at}\n\
         # TYPE fanlight_metric_up gauge\n{up}"
    );
    gateway.put(&format!("job/fanlight/fanlight_job/{job}"), &text).await
}

/// The messages about an alert, as `START` and `RESOLVED`.
fn words<'m>(messages: &'m [Message], alert: &str) -> Vec<&'m str> {
    let of_alert = messages
        .iter()
        .filter(|message| message.title.contains(&format!(" {alert} (")));
    of_alert.filter_map(|message| message.title.split(' ').next()).collect()
}

/// The time that stands on a line of a message.
fn time(text: &str, key: &str) -> Result<Timestamp> {
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{key}: ")));
    let line = line.with_context(|| format!("no {key}: {text}"))?;
    Ok(line.replace(" UTC", "Z").replace(' ', "T").parse()?)
}

#[tokio::test]
async fn start_and_end_are_told_once_and_a_dead_pusher_as_such() -> Result<()> {
    let jobs = JOBS.replace("REST", REST);
    let stage = Stage::new(&jobs, TABLES).await?;
    for job in ["leads", "transfers"] {
        stage.succeed(job).await?;
    }
    // What a pusher has left behind that died an hour ago.
    let died = Timestamp::now().as_second() - 3_600;
    stage.gateway.put("job/old-leads", "old_leads 0\n").await?;
    ran_well(&stage.gateway, "old-leads", died, &["old_leads"]).await?;

    let told = Recipients::start().await?;
    let folder = ConfigFolder::new(&[("config/fanlight.yaml", &alerting(&told)), ("config/shop.yaml", &jobs)])?;
    build(&folder).await?;
    let alertmanager = Alertmanager::start(&folder.path().join("alerts/prod")).await?;
    let _prometheus = prometheus(&folder, &stage.gateway, &alertmanager).await?;
    told.until("the second ping", |told| Ok(told.pings()? >= 2)).await?;

    what_no_team_is_routed_for_shouts(&told).await?;
    leads_stop_and_come_again(&stage, &told).await?;
    while_it_is_critical_nobody_is_warned(&stage, &told).await?;

    // Of the dead pusher's zero nobody hears but that it is stale.
    let stale = told.message("START FanlightMetricStale (warning, prod)").await?;
    assert_eq!(stale.channel, "#team-payments");
    let expected = "The job old-leads has not pushed old_leads for more than 5m";
    assert!(stale.text.contains(expected), "{stale}");

    let messages = told.messages()?;
    for (alert, expected) in [
        ("NoLeads", &["START", "RESOLVED"][..]),
        ("TransfersWait", &["START", "RESOLVED"]),
        ("TransfersWaitLong", &["START", "RESOLVED"]),
        ("FanlightMetricStale", &["START"]),
        ("NoOldLeads", &[]),
        ("Watchdog", &[]),
    ] {
        assert_eq!(words(&messages, alert), expected, "{alert} in {messages:#?}");
    }
    assert!(
        messages.iter().all(|message| !message.text.contains("0001")),
        "{messages:#?}"
    );
    let pages = told.pages()?.into_iter().filter(|page| page.routing_key == "payments");
    let pages: Vec<_> = pages.map(|page| format!("{} {}", page.kind, page.title)).collect();
    let expected = [
        "CRITICAL START TransfersWaitLong (critical, prod)",
        "RECOVERY RESOLVED TransfersWaitLong (critical, prod)",
    ];
    assert_eq!(pages, expected);
    Ok(())
}

/// Whether somebody was paged.
fn paged(kind: &str, routing_key: &str) -> impl Fn(&Recipients) -> Result<bool> {
    move |told| {
        let pages = told.pages()?;
        Ok(pages
            .iter()
            .any(|page| page.kind == kind && page.routing_key == routing_key))
    }
}

async fn what_no_team_is_routed_for_shouts(told: &Recipients) -> Result<()> {
    let foreign = told.message("NOBODY'S ALERT: START Foreign (warning, prod)").await?;
    assert_eq!(foreign.channel, "#nobodys");
    let expected = "<!channel> No team is routed for `team=\"strangers\"`";
    assert!(foreign.text.starts_with(expected), "{foreign}");
    told.until("a page for nobody", paged("CRITICAL", "unrouted")).await?;
    Ok(())
}

/// No more leads by mail, and then there are again.
async fn leads_stop_and_come_again(stage: &Stage, told: &Recipients) -> Result<()> {
    let before = Timestamp::now();
    stage
        .database
        .execute("DELETE FROM leads WHERE campaign_group = 'mail'")
        .await?;
    stage.succeed("leads").await?;
    let start = told.message("START NoLeads (warning, prod)").await?;
    assert_eq!(start.channel, "#growth-campaigns");
    let started = time(&start.text, "start")?;
    let expected = format!(
        "*START* No leads from mail in one hour, &lt; 1.\nstart: {}\nhandbook: https://handbook.example/no-leads",
        started.strftime("%Y-%m-%d %H:%M:%S UTC")
    );
    assert_eq!(start.text.trim_end(), expected);
    assert!(started.as_second() >= before.as_second(), "{start} of {before}");

    stage.database.execute("INSERT INTO leads VALUES ('mail', 4)").await?;
    stage.succeed("leads").await?;
    let end = told.message("RESOLVED NoLeads (warning, prod)").await?;
    assert_eq!(end.channel, "#growth-campaigns");
    let ended = time(&end.text, "end")?;
    assert_eq!(time(&end.text, "start")?, started);
    assert!(started <= ended && ended <= Timestamp::now(), "{end}");
    assert!(
        end.text.starts_with("*RESOLVED* No leads from mail in one hour"),
        "{end}"
    );
    assert!(end.text.contains("\nduration: "), "{end}");
    assert!(
        end.text.contains("\nhandbook: https://handbook.example/no-leads"),
        "{end}"
    );
    Ok(())
}

/// The warning is told when what is critical has ended and the rest has not, and no sooner.
async fn while_it_is_critical_nobody_is_warned(stage: &Stage, told: &Recipients) -> Result<()> {
    let wait = async |seconds: u32| {
        let update = format!("UPDATE transfers SET waiting = {seconds}");
        stage.database.execute(&update).await?;
        stage.succeed("transfers").await
    };
    wait(500).await?;
    let critical = told.message("START TransfersWaitLong (critical, prod)").await?;
    assert_eq!(critical.channel, "#team-payments");
    told.until("a page", paged("CRITICAL", "payments")).await?;
    let pings = told.pings()?;
    let messages = told
        .until("three more pings", |told| Ok(told.pings()? >= pings + 3))
        .await?;
    assert_eq!(words(&messages, "TransfersWait"), Vec::<&str>::new());
    wait(50).await?;
    told.message("RESOLVED TransfersWaitLong (critical, prod)").await?;
    told.until("the end of a page", paged("RECOVERY", "payments")).await?;
    told.message("START TransfersWait (warning, prod)").await?;
    wait(0).await?;
    told.message("RESOLVED TransfersWait (warning, prod)").await?;
    Ok(())
}

/// What two customers have.
const OWN: &str = "jobs:
- name: own
  schedule: '* * * * *'
  source: postgres://u@h/d
  metrics:
  - name: own_transfers
    help: h
    external: true
    labels: [organisation_id, status]
    value: v
    query: SELECT 1
    alerts:
    - {name: OwnFail, above: 3, by: [status], where: {status: failed}, severity: critical, REST}
  - name: all_transfers
    help: h
    labels: [organisation_id]
    value: v
    query: SELECT 1
    alerts:
    - {name: AllFail, above: 3, severity: critical, REST}
";

#[tokio::test]
async fn a_customer_sees_his_own_alerts_and_nobody_elses() -> Result<()> {
    let told = Recipients::start().await?;
    let folder = ConfigFolder::new(&[
        ("config/fanlight.yaml", &alerting(&told)),
        ("config/own.yaml", &OWN.replace("REST", REST)),
    ])?;
    build(&folder).await?;
    let gateway = Pushgateway::start().await?;
    let series = |organisation: &str, value: u8| {
        format!(
            "own_transfers{{metric_purpose=\"external\",organisation_id=\"{organisation}\",status=\"failed\"}} {value}\n\
             all_transfers{{metric_purpose=\"internal\",organisation_id=\"{organisation}\"}} {value}\n"
        )
    };
    let all = ["acme", "bolt"].map(|organisation| series(organisation, 5)).concat() + &series("calm", 1);
    // Families stand together.
    let mut lines: Vec<_> = all.lines().collect();
    lines.sort_unstable();
    gateway.put("job/own", &(lines.join("\n") + "\n")).await?;
    let now = Timestamp::now().as_second();
    ran_well(&gateway, "own", now, &["all_transfers", "own_transfers"]).await?;
    let alertmanager = Alertmanager::start(&folder.path().join("alerts/prod")).await?;
    let prometheus = prometheus(&folder, &gateway, &alertmanager).await?;
    let firing = "ALERTS{alertstate=\"firing\", alertname=~\"OwnFail|AllFail\"}";
    prometheus.query_until(firing, |series| series.len() == 4).await?;

    let customers = ["acme", "bolt", "calm"].map(|name| Customer::new(name, &[name]));
    let customers: Vec<_> = customers.into_iter().collect::<Result<_>>()?;
    let api = MetricsApi::start(&prometheus.url(), &customers).await?;
    for customer in &customers {
        for query in ["ALERTS", "ALERTS%7Balertstate%3D%22firing%22%7D", "ALERTS_FOR_STATE"] {
            let data = api
                .get(customer, &format!("/api/v1/query?query={query}"))
                .await?
                .data()?;
            let result = data["result"].as_array().context("no vector")?;
            let labels = |name: &str| -> Vec<&str> {
                result
                    .iter()
                    .filter_map(|series| series["metric"][name].as_str())
                    .collect()
            };
            let expected: &[&str] = if customer.name() == "calm" { &[] } else { &["OwnFail"] };
            assert_eq!(
                labels("alertname"),
                expected,
                "{query} of {}: {result:?}",
                customer.name()
            );
            let own = vec![customer.name(); expected.len()];
            assert_eq!(labels("organisation_id"), own, "{query}: {result:?}");
            assert_eq!(labels("metric_purpose"), vec!["external"; expected.len()]);
            assert_eq!(labels("severity"), vec!["critical"; expected.len()]);
        }
        let answer = api
            .get(customer, "/api/v1/query?query=ALERTS%7Borganisation_id%3D%22bolt%22%7D")
            .await?;
        let bolts = answer.json()?["data"]["result"].as_array().map_or(0, Vec::len);
        assert_eq!(bolts, usize::from(customer.name() == "bolt"), "{}", answer.text()?);
    }

    // The team hears of each customer by himself, and of what is its own in one message.
    let of = |alert: &'static str| move |message: &&Message| message.title == format!("START {alert} (critical, prod)");
    let messages = told
        .until("three messages", |told| {
            Ok(
                told.messages()?.iter().filter(|message| of("OwnFail")(message)).count() == 2
                    && told.messages()?.iter().any(|message| of("AllFail")(&message)),
            )
        })
        .await?;
    let alerts = |alert| -> Vec<usize> {
        messages
            .iter()
            .filter(of(alert))
            .map(|message| message.text.matches("*START*").count())
            .collect()
    };
    assert_eq!(
        (alerts("OwnFail"), alerts("AllFail")),
        (vec![1, 1], vec![2]),
        "{messages:#?}"
    );
    Ok(())
}
