//! The Metrics API as its real clients use it: Grafana's data source, a federating Prometheus, promtool, spreadsheets.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use fanlight_tests::{Prometheus, promtool};
use reqwest::Method;
use serde_json::json;

use crate::metrics_api_shop::{Shop, nothing_of_others};

/// The address of the API with acme's credentials in it, as tools take it that know no other way.
fn with_credentials(shop: &Shop) -> String {
    let credentials = format!("http://{}:{}@", shop.acme.name(), shop.acme.token());
    shop.api.url().replacen("http://", &credentials, 1)
}

#[tokio::test]
async fn grafanas_data_source_is_served() -> Result<()> {
    let shop = Shop::open().await?;
    // The samples may have come within this very second.
    let end = jiff::Timestamp::now().as_second() + 1;
    let start = end - 3_600;

    // "Save & test": a query at a time long ago, and a POST of something that is only there for GET.
    let health = shop.api.post(&shop.acme, "/api/v1/query", "query=1%2B1&time=4").await?;
    assert_eq!(health.data()?, json!({"resultType": "scalar", "result": [4, "2"]}));
    let info = shop.api.post(&shop.acme, "/api/v1/status/buildinfo", "").await?;
    assert_eq!(info.status, 405, "Grafana asks again with GET after a 405");
    let info = shop.api.get(&shop.acme, "/api/v1/status/buildinfo").await?.data()?;
    assert!(
        info["version"]
            .as_str()
            .is_some_and(|version| version.starts_with("3.")),
        "{info}"
    );
    assert!(
        info.get("features").is_none(),
        "with features Grafana would take it for Mimir: {info}"
    );

    // A panel, with the time-out of the data source's settings.
    let form = format!("query=sum+by+%28status%29+%28orders%29&start={start}&end={end}.5&step=15&timeout=60s");
    let panel = shop.api.post(&shop.acme, "/api/v1/query_range", &form).await?.data()?;
    assert_eq!(panel["result"].as_array().map(Vec::len), Some(2), "{panel}");

    // The query editor.
    let form = format!("start={start}&end={end}&match[]=%7B__name__%3D%22orders%22%7D&limit=40000");
    let labels = shop.api.post(&shop.acme, "/api/v1/labels", &form).await?.data()?;
    assert!(
        labels
            .as_array()
            .is_some_and(|labels| labels.contains(&json!("status"))),
        "{labels}"
    );
    let series = shop.api.post(&shop.acme, "/api/v1/series", &form).await?.data()?;
    assert_eq!(series.as_array().map(Vec::len), Some(3), "{series}");
    for (label, values) in [("__name__", json!(["orders"])), ("status", json!(["open", "paid"]))] {
        let target = format!("/api/v1/label/{label}/values?start={start}&end={end}&limit=40000");
        assert_eq!(shop.acmes(&target).await?, values, "{label}");
    }
    let formatted = shop.acmes("/api/v1/format_query?query=sum(orders)by(status)").await?;
    let enforced = r#"sum by (status) (orders{metric_purpose="external",organisation_id=~"acme-de|acme-fr"})"#;
    assert_eq!(formatted, json!(enforced));

    // What is not there says so in the form that Grafana reads.
    for target in [
        "/api/v1/metadata?limit=1",
        "/api/v1/rules",
        "/api/v1/alerts",
        "/api/v1/query_exemplars?query=orders&start=1&end=2",
        "/api/v1/status/config",
        "/api/v1/targets",
    ] {
        let (status, said) = shop.api.get(&shop.acme, target).await?.error()?;
        assert_eq!(status, 404, "{target}: {said}");
        assert!(said.starts_with("not_found: "), "{target}: {said}");
    }
    Ok(())
}

#[tokio::test]
async fn a_second_prometheus_federates_and_alerts_on_what_it_got() -> Result<()> {
    let shop = Shop::open().await?;
    let (_, place) = shop.api.url().split_once("://").context("a URL")?;
    let (target, stage) = place.split_once('/').context("a stage")?;
    let scrape = |job: &str, rest: &str| {
        format!(
            "- job_name: {job}\n  metrics_path: /{stage}/federate\n  honor_labels: true\n  scrape_interval: 1s\n  \
             basic_auth: {{username: {}, password: {:?}}}\n  static_configs: [{{targets: [{target}]}}]\n{rest}",
            shop.acme.name(),
            shop.acme.token()
        )
    };
    let all = scrape("all", "");
    let chosen = scrape(
        "chosen",
        "  params: {'match[]': ['{status=\"paid\"}', 'orders{organisation_id=\"acme-de\"}', 'none']}\n  \
         metric_relabel_configs: [{target_label: chosen, replacement: 'yes'}]\n",
    );
    let config =
        format!("global: {{evaluation_interval: 1s}}\nrule_files: [rules.yaml]\nscrape_configs:\n{all}{chosen}");
    let rules = "groups:\n- name: orders\n  rules:\n  - alert: ManyOrders\n    expr: sum(orders{chosen=\"\"}) > 10\n";
    let second = Prometheus::configured(&config, &[("rules.yaml", rules)]).await?;

    let series = second
        .query_until(r#"orders{chosen=""}"#, |series| series.len() == 3)
        .await?;
    nothing_of_others("the federated series", &format!("{series:?}"))?;
    let values: Vec<f64> = series.iter().map(|series| series.value).collect();
    assert_eq!(values, [7.0, 2.0, 5.0]);
    // A series that two selectors choose comes once.
    second
        .query_until(r#"count(orders{chosen="yes"})"#, |count| {
            count.iter().map(|one| one.value).eq([2.0])
        })
        .await?;
    let counts = second
        .query_until("fanlight_federate_samples", |counts| counts.len() == 2)
        .await?;
    assert_eq!(counts.iter().map(|count| count.value).collect::<Vec<_>>(), [2.0, 3.0]);
    second
        .query_until(r#"ALERTS{alertname="ManyOrders",alertstate="firing"}"#, |alerts| {
            !alerts.is_empty()
        })
        .await?;
    let names = second.query("count by (__name__) ({__name__!=\"\"})").await?;
    nothing_of_others("what the second Prometheus knows", &format!("{names:?}"))?;
    Ok(())
}

#[tokio::test]
async fn promtool_asks_through_it() -> Result<()> {
    let shop = Shop::open().await?;
    let url = with_credentials(&shop);
    let instant = promtool(&["query", "instant", &url, "sum(orders)"]).await?;
    ensure!(instant.starts_with("{} => 14 @["), "{instant}");
    let series = promtool(&["query", "series", "--match", "orders", &url]).await?;
    assert_eq!(series.lines().count(), 3, "{series}");
    let labels = promtool(&["query", "labels", &url, "status"]).await?;
    assert_eq!(
        labels.lines().collect::<BTreeSet<_>>(),
        BTreeSet::from(["open", "paid"])
    );
    let range = promtool(&["query", "range", "--step=15s", &url, "sum(orders)"]).await?;
    ensure!(range.contains("14 @["), "{range}");
    nothing_of_others("promtool", &[instant, series, labels, range].concat())?;
    let refused = promtool(&["query", "instant", &url, r#"orders{organisation_id="x"}"#]).await;
    let said = refused.err().context("promtool was not refused")?.to_string();
    ensure!(said.contains(r#"label "organisation_id" may not be "x""#), "{said}");
    Ok(())
}

#[tokio::test]
async fn federate_speaks_what_is_asked_for() -> Result<()> {
    let shop = Shop::open().await?;
    let cases = [
        (
            "text/plain;version=0.0.4",
            "text/plain; version=0.0.4",
            "fanlight_federate_samples 3\n",
        ),
        (
            "application/openmetrics-text;version=1.0.0",
            "application/openmetrics-text; version=1.0.0",
            "# EOF\n",
        ),
        ("text/csv", "text/csv", ",3\r\n"),
        ("application/x-ndjson", "application/x-ndjson", "\"value\":3}\n"),
        ("*/*", "text/plain; version=0.0.4", "fanlight_federate_samples 3\n"),
    ];
    for (accept, content_type, end) in cases {
        let request = shop
            .api
            .request(Some(&shop.acme), Method::GET, "/federate?match[]=orders")?;
        let answer = shop.api.send(request.header("accept", accept)).await?;
        let text = answer.text()?;
        assert_eq!(answer.status, 200, "{accept}: {text}");
        let said = answer.headers["content-type"].to_str()?;
        assert!(said.starts_with(content_type), "{accept}: {said}");
        nothing_of_others(accept, text)?;
        assert_eq!(text.matches("acme-").count(), 3, "{accept}: {text}");
        assert!(text.contains(end), "{accept}: {text}");
    }
    Ok(())
}

#[tokio::test]
async fn an_empty_federation_is_no_outage() -> Result<()> {
    let shop = Shop::open().await?;
    let answer = shop.api.get(&shop.acme, "/federate?match[]=none").await?;
    assert_eq!(answer.status, 200);
    assert!(
        answer.text()?.contains("\nfanlight_federate_samples 0\n"),
        "{}",
        answer.text()?
    );
    Ok(())
}

#[tokio::test]
async fn an_answer_is_compressed_for_whoever_can_read_it() -> Result<()> {
    let shop = Shop::open().await?;
    for target in ["/api/v1/query?query=orders", "/federate"] {
        let plain = shop.api.get(&shop.acme, target).await?;
        assert!(!plain.headers.contains_key("content-encoding"), "{target}");
        let request = shop.api.request(Some(&shop.acme), Method::GET, target)?;
        let answer = shop.api.send(request.header("accept-encoding", "gzip")).await?;
        assert_eq!(answer.headers["content-encoding"], "gzip", "{target}");
        let mut text = String::new();
        std::io::Read::read_to_string(&mut flate2::read::MultiGzDecoder::new(&answer.body[..]), &mut text)?;
        nothing_of_others(target, &text)?;
        assert_eq!(
            text.matches("acme-").count(),
            plain.text()?.matches("acme-").count(),
            "{target}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn explain_tells_what_is_asked_and_what_may_be() -> Result<()> {
    let shop = Shop::open().await?;
    let told = shop.acmes("/api/v1/explain?query=sum(rate(orders[5m]))").await?;
    let enforced =
        r#"sum ( rate ( orders { metric_purpose = "external" , organisation_id =~ "acme-de|acme-fr" } [ 5m ] ) )"#;
    assert_eq!(told["request"]["query"], enforced);
    assert_eq!(told["client"], "acme");
    assert_eq!(told["organisations"], json!(["acme-fr", "acme-de"]));
    assert_eq!(told["limits"]["selectors"], json!({"allowed": 100, "found": 1}));
    assert_eq!(told["limits"]["reach"]["allowed"], "90d");
    Ok(())
}
