//! JSON of any shape: rows, columns and labels by pointer; a real service's pages behind TLS and a password.

use std::fs;

use anyhow::Result;
use fanlight_tests::{Pushgateway, fanlight};
use serde_json::json;

use super::{Pages, page, source};

/// A job `j` with these metrics, each `name: {..}` of one line.
fn job(metrics: &str) -> String {
    format!("jobs:\n- name: j\n  schedule: '* * * * *'\n  source: pages\n  metrics:\n{metrics}")
}

#[tokio::test]
async fn a_real_services_pages_behind_tls_and_a_password() -> Result<()> {
    let service = Pushgateway::start_guarded().await?;
    service.put("job/one", "things 1\n").await?;
    service.put("job/two/zone/eu", "things 2\nothers 3\n").await?;
    let more = ", ca_file: ca.pem, basic: {username: pusher, password: '{{GATEWAY_PASSWORD}}'}";
    let config = format!(
        "{}{}",
        source(&service.url(), more),
        job("
  - name: groups
    help: h
    labels: {group: group, zone: zone, things_type: kind}
    value: pushed
    query:
      http:
        path: /api/v1/metrics
        rows: /data
        columns: {group: labels/job, zone: labels/zone, kind: things/type, pushed: last_push_successful}
  - name: flag_info
    help: h
    labels: [flag, setting, version]
    value: one
    query:
      http:
        path: /api/v1/status
        rows: /data/flags
        key: flag
        columns: {setting: '', version: /data/build_information/version, one: /data/none}
    null_value: zero
    max_series: 50
")
        .replace("metrics:\n\n", "metrics:\n")
    );
    let certificate = fs::read_to_string(service.ca_file())?;
    let pages = Pages::with(&[("a.yaml", &config), ("ca.pem", &certificate)]).await?;
    pages.succeed().await?;
    assert_eq!(
        pages.series("groups").await?,
        [
            r#"groups{group="one",things_type="UNTYPED"} 1"#,
            r#"groups{group="two",things_type="UNTYPED",zone="eu"} 1"#,
        ],
        "texts that are truth values are no numbers"
    );
    let flags = pages.series("flag_info").await?;
    assert!(
        flags.iter().any(
            |line| line.contains(r#"flag="persistence.interval",setting="5m0s",version=""#) && line.ends_with(" 0")
        ),
        "{flags:?}"
    );
    let absent = pages.logged("no row of the page has this column");
    assert_eq!((absent.len(), &absent[0]["column"]), (1, &json!("one")));

    // Whoever does not trust the certificate sends no password.
    let pages = Pages::new(&config.replace("ca_file: ca.pem, ", "")).await?;
    let (kind, message) = pages.fail().await?;
    assert_eq!(kind, "connect");
    assert!(
        message.contains("could not be talked to by TLS: invalid peer certificate"),
        "{message}"
    );
    Ok(())
}

#[tokio::test]
async fn cells_are_labels_and_values_and_null_where_they_are_absent() -> Result<()> {
    let service = page(
        r#"{"meta": {"version": 9007199254740993, "up": true}, "data": {"items": [
            {"name": "a", "stats": {"n": 1.5, "text": "2"}, "on": true, "id": 18446744073709551615},
            {"name": "b", "stats": {"n": null}, "on": false, "a/b": 7},
            {"name": null, "stats": {"n": -1e3, "text": "3"}, "on": true}
        ]}}"#,
    )
    .await?;
    let query = "rows: /data/items, columns: {name: name, id: id, n: stats/n, text: stats/text, on: on, slash: 'a~1b', version: /meta/version, up: /meta/up}";
    let config = format!(
        "{}{}",
        source(&service.url(), ""),
        job(&format!(
            "  - {{name: n, help: h, labels: [name, id, version], value: n, query: {{http: {{{query}}}}}}}
  - {{name: kinds, help: h, labels: [name], values: {{label: kind, columns: [text, \"on\", slash, up]}}, null_value: nan, query: {{http: {{{query}}}}}}}
  - {{name: ons, help: h, labels: [\"on\"], value: up, duplicates: sum, query: {{http: {{{query}}}}}}}
"
        ))
    );
    let pages = Pages::new(&config).await?;
    pages.succeed().await?;
    assert_eq!(
        pages.series("n").await?,
        [
            r#"n{id="18446744073709551615",name="a",version="9007199254740993"} 1.5"#,
            r#"n{version="9007199254740993"} -1000"#,
        ]
    );
    assert_eq!(
        pages.series("kinds").await?,
        [
            r#"kinds{kind="on"} 1"#,
            r#"kinds{kind="slash"} NaN"#,
            r#"kinds{kind="text"} 3"#,
            r#"kinds{kind="up"} 1"#,
            r#"kinds{kind="on",name="a"} 1"#,
            r#"kinds{kind="on",name="b"} 0"#,
            r#"kinds{kind="slash",name="a"} NaN"#,
            r#"kinds{kind="slash",name="b"} 7"#,
            r#"kinds{kind="text",name="a"} 2"#,
            r#"kinds{kind="text",name="b"} NaN"#,
            r#"kinds{kind="up",name="a"} 1"#,
            r#"kinds{kind="up",name="b"} 1"#,
        ]
        .iter()
        .map(|line| (*line).to_owned())
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .collect::<Vec<_>>()
    );
    assert_eq!(
        pages.series("ons").await?,
        [r#"ons{on="false"} 1"#, r#"ons{on="true"} 2"#]
    );
    Ok(())
}

#[tokio::test]
async fn parameters_are_encoded_and_windows_bind_to_the_scheduled_time() -> Result<()> {
    let service = page(r#"{"n": 1}"#).await?;
    let config = format!(
        "{}{}",
        source(&format!("{}/v1/", service.url()), ""),
        job("  - name: n
    help: h
    value: n
    query:
      http:
        path: /n
        parameters: {since: {scheduled_time: -1h}, q: 'a b&c=é', limit: 10, none: ~}
        columns: {n: n}
")
    );
    let pages = Pages::new(&config).await?;
    let event = json!({"job": "j", "scheduled_time": "2026-01-31T10:20:00Z"});
    pages.collector.invoke(&event).await??;
    assert_eq!(
        service.asked()[0].target,
        "/v1/n?since=2026-01-31T09%3A20%3A00Z&q=a+b%26c%3D%C3%A9&limit=10"
    );
    assert_eq!(pages.series("n").await?, ["n 1"]);
    Ok(())
}

#[tokio::test]
async fn a_check_asks_the_pages_and_tells_what_they_lack() -> Result<()> {
    let service = page(r#"[{"name": "a", "n": "many"}]"#).await?;
    let config = format!(
        "{}{}",
        source(&service.url(), ""),
        job(
            "  - {name: n, help: h, labels: [name], value: n, query: {http: {columns: {name: name, n: n}}}}
  - {name: m, help: h, labels: [name], value: n, query: {http: {columns: {name: name, n: /n}}}}
"
        )
    );
    let pages = Pages::new(&config).await?;
    let environment = [("PUSHGATEWAY_URL", pages.gateway.url())];
    let folder = pages.collector.config.path();
    let ended = fanlight(folder, ["--config", ".", "check", "--live"], environment).await?;
    assert_eq!(ended.status, Some(1), "{}", ended.err);
    for words in [
        "row 1: column \"n\" of type json: a text is no number in decimal notation",
        "no row of the page has the column `n`",
        "a pointer that begins with `/` is sought in the page",
    ] {
        assert!(ended.err.contains(words), "{words}: {}", ended.err);
    }
    assert_eq!(service.asked().len(), 2);
    drop(service);
    let ended = fanlight(
        folder,
        ["--config", ".", "check", "--live"],
        [("PUSHGATEWAY_URL", pages.gateway.url())],
    )
    .await?;
    assert_eq!(ended.err.matches("refused the connection").count(), 1, "{}", ended.err);
    assert!(
        ended.err.contains("no further query of this source is checked"),
        "{}",
        ended.err
    );
    assert!(pages.gateway.groups().await?.is_empty(), "a check pushes nothing");
    Ok(())
}
