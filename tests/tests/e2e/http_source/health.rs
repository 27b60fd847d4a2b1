//! Health pages: a series a check and state, messages in the log, and states that are not known.

use anyhow::Result;
use fanlight_tests::scripted::{Scripted, whole};
use serde_json::json;

use super::{HEALTH, HEALTH_JOB, Pages, page, source};

#[tokio::test]
async fn a_legacy_page_becomes_a_series_for_each_check_and_state() -> Result<()> {
    let service = page(HEALTH).await?;
    let pages = Pages::new(&format!("{}{HEALTH_JOB}", source(&service.url(), ""))).await?;
    assert_eq!(pages.succeed().await?, json!({"job": "j", "series": 9}));
    let host = service.url().replace("http://", "");
    let series: Vec<_> = pages
        .series("check_state")
        .await?
        .into_iter()
        .map(|line| line.replace(&format!(r#",target="{host}""#), ""))
        .collect();
    assert_eq!(
        series,
        [
            r#"check_state{check="CeleryHealthCheck",state="critical"} 0"#,
            r#"check_state{check="CeleryHealthCheck",state="ok"} 1"#,
            r#"check_state{check="CeleryHealthCheck",state="warning"} 0"#,
            r#"check_state{check="amazon_s3",state="critical"} 1"#,
            r#"check_state{check="amazon_s3",state="ok"} 0"#,
            r#"check_state{check="amazon_s3",state="warning"} 0"#,
            r#"check_state{check="queue_automaticfundfrombalanceclient",state="critical"} 0"#,
            r#"check_state{check="queue_automaticfundfrombalanceclient",state="ok"} 0"#,
            r#"check_state{check="queue_automaticfundfrombalanceclient",state="warning"} 1"#,
        ]
    );
    let told = pages.logged("a check is not ok");
    let told: Vec<_> = told
        .iter()
        .map(|record| {
            json!([
                record["level"],
                record["job"],
                record["source_target"],
                record["check"],
                record["state"],
                record["msg"]
            ])
        })
        .collect();
    assert_eq!(
        told,
        [
            json!([
                "WARN",
                "j",
                host,
                "queue_automaticfundfrombalanceclient",
                "warning",
                "warning msg"
            ]),
            json!(["WARN", "j", host, "amazon_s3", "critical", "error msg"]),
        ]
    );
    let metrics = pages.gateway.metrics().await?;
    assert!(!metrics.contains(" msg"), "a message went to the gateway: {metrics}");
    assert_eq!(
        pages.series("fanlight_target_up").await?,
        [format!(r#"fanlight_target_up{{target="{host}"}} 1"#)]
    );
    let asked = service.asked();
    assert_eq!(
        (asked.len(), asked[0].method.as_str(), asked[0].target.as_str()),
        (1, "GET", "/")
    );
    assert!(asked[0].header("authorization").is_empty());
    Ok(())
}

#[tokio::test]
async fn a_state_that_is_not_known_is_counted_and_none_of_the_three() -> Result<()> {
    let service = page(r#"[{"db": "degraded", "msg": "half"}, {"mail": "OK"}, {"disk": "ok"}]"#).await?;
    let config =
        format!("{}{HEALTH_JOB}", source(&service.url(), "")).replace("[target, check, state]", "[check, state]");
    let pages = Pages::new(&config).await?;
    assert_eq!(pages.succeed().await?, json!({"job": "j", "series": 9}));
    let ones: Vec<_> = pages
        .series("check_state")
        .await?
        .into_iter()
        .filter(|line| line.ends_with(" 1"))
        .collect();
    assert_eq!(ones, [r#"check_state{check="disk",state="ok"} 1"#]);
    let unknown = pages.series("fanlight_target_unknown_states").await?;
    assert!(unknown.len() == 1 && unknown[0].ends_with(" 2"), "{unknown:?}");
    let told = pages.logged("a check is in a state that is not known");
    let told: Vec<_> = told
        .iter()
        .map(|record| json!([record["check"], record["state"], record["msg"]]))
        .collect();
    assert_eq!(told, [json!(["db", "degraded", "half"]), json!(["mail", "OK", ""])]);
    let counted = pages.logged("checks are in states that are not known: all of their series are 0");
    assert_eq!((counted.len(), &counted[0]["checks"]), (1, &json!(2)));
    Ok(())
}

#[tokio::test]
async fn a_message_cannot_forge_a_record_of_the_log_nor_fill_it() -> Result<()> {
    let forged = r#"x\n{\"level\":\"ERROR\",\"message\":\"forged\"}\r\u001b[2J\u2028"#;
    let long = "é".repeat(100_000);
    let many: Vec<_> = (0..300).map(|n| format!(r#"{{"check{n}": "warning"}}"#)).collect();
    let service = page(&format!(
        r#"[{{"a": "critical", "msg": "{forged}"}}, {{"b": "critical", "msg": "{long}"}},
            {{"c": "critical", "msg": "cannot reach postgres://app:s3cr3t-in-a-url@db/shop"}}, {{"d": "critical", "msg": [1, {{}}]}}, {}]"#,
        many.join(", ")
    ))
    .await?;
    let config = format!("{}{HEALTH_JOB}    max_series: 2000\n", source(&service.url(), ""));
    let pages = Pages::new(&config).await?;
    pages.succeed().await?;
    assert_eq!(pages.logged("forged"), Vec::<serde_json::Value>::new());
    let told = pages.logged("a check is not ok");
    assert_eq!(told.len(), 100);
    assert_eq!(told[0]["msg"], r#"x {"level":"ERROR","message":"forged"}  [2J "#);
    assert_eq!(told[1]["msg"].as_str().map(|text| text.chars().count()), Some(501));
    assert_eq!(told[2]["msg"], "cannot reach postgres://app:***@db/shop");
    assert_eq!(told[3]["msg"], "[1,{}]");
    let more = pages.logged("more checks are not ok");
    assert_eq!((more.len(), &more[0]["more"]), (1, &json!(204)));
    assert!(!pages.collector.log().contains("s3cr3t-in-a-url"));
    Ok(())
}

#[tokio::test]
async fn a_page_may_come_with_another_status_where_that_is_said() -> Result<()> {
    let service = Scripted::always(whole(503, &[("content-type", "text/plain; charset=latin1")], HEALTH)).await?;
    let config = format!("{}{HEALTH_JOB}", source(&format!("{}/svc", service.url()), ""));
    let pages = Pages::new(&config).await?;
    let (kind, message) = pages.fail().await?;
    assert_eq!(kind, "status");
    let words =
        "/svc answered 503 Service Unavailable with JSON all the same: if that is the page, say `statuses: [200, 503]`";
    assert!(message.contains(&words.replace("/svc", "")), "{message}");

    let allowing = config.replace("{page: health}", "{page: health, path: /health/, statuses: [200, 503]}");
    let pages = Pages::new(&allowing).await?;
    assert_eq!(pages.succeed().await?, json!({"job": "j", "series": 9}));
    assert_eq!(service.asked()[1].target, "/svc/health/");
    Ok(())
}

#[tokio::test]
async fn a_check_that_leaves_the_page_leaves_the_gateway_and_an_empty_page_is_no_failure() -> Result<()> {
    let json = [("content-type", "application/json")];
    let service = Scripted::start(vec![
        whole(200, &json, r#"[{"a": "ok"}, {"b": "ok"}]"#),
        whole(200, &json, "\u{feff}[{\"b\": \"ok\"}]"),
        whole(200, &json, "[]"),
    ])
    .await?;
    let pages = Pages::new(&format!("{}{HEALTH_JOB}", source(&service.url(), ""))).await?;
    for (series, checks) in [(6, 2), (3, 1), (0, 0)] {
        assert_eq!(pages.succeed().await?, json!({"job": "j", "series": series}));
        let ok = pages
            .series("check_state")
            .await?
            .into_iter()
            .filter(|line| line.ends_with(" 1"));
        assert_eq!(ok.count(), checks);
    }
    Ok(())
}
