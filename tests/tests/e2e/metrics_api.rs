//! The Metrics API as customers use it: each endpoint, by each way in, gives everyone his own and nobody else's.

use anyhow::Result;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use fanlight_tests::{Customer, MetricsApi};
use reqwest::Method;
use serde_json::json;

use crate::metrics_api_shop::{ACMES, Shop, vector};

#[tokio::test]
async fn a_query_gives_everyone_his_own() -> Result<()> {
    let shop = Shop::open().await?;
    // Without a query everything comes that the caller may see, and so does `{}`.
    for target in [
        "",
        "?query=",
        "?query=%7B%7D",
        "?query=orders",
        "?query=%7Bstatus!%3D%22%22%7D",
    ] {
        let data = shop.acmes(&format!("/api/v1/query{target}")).await?;
        assert_eq!(vector(&data), ACMES, "{target}");
    }
    assert_eq!(vector(&shop.acmes("/api/v1/query?query=sum(orders)").await?), ["{} 14"]);
    let posted = shop.api.post(&shop.acme, "/api/v1/query", "query=orders").await?;
    assert_eq!(vector(&posted.data()?), ACMES);
    let bolts = shop.api.get(&shop.bolt, "/api/v1/query").await?.data()?;
    let expected = [
        r#"bolts{organisation_id="bolt",size="m8"} 3"#,
        r#"orders{organisation_id="bolt",status="bolted"} 11"#,
    ];
    assert_eq!(vector(&bolts), expected);
    Ok(())
}

#[tokio::test]
async fn a_range_query_gives_everyone_his_own() -> Result<()> {
    let shop = Shop::open().await?;
    // The samples may have come within this very second.
    let now = jiff::Timestamp::now().as_second() + 1;
    let target = format!(
        "/api/v1/query_range?query=sum(orders)&start={}&end={now}&step=15",
        now - 60
    );
    let data = shop.acmes(&target).await?;
    assert_eq!(data["resultType"], "matrix");
    assert_eq!(
        data["result"][0]["values"].as_array().and_then(|values| values.last()),
        Some(&json!([now, "14"]))
    );
    let (path, form) = target.split_once('?').unwrap_or_default();
    assert_eq!(shop.api.post(&shop.acme, path, form).await?.data()?, data);
    Ok(())
}

#[tokio::test]
async fn labels_values_and_series_are_those_of_the_caller() -> Result<()> {
    let shop = Shop::open().await?;
    let labels = json!([
        "__name__",
        "instance",
        "job",
        "metric_purpose",
        "organisation_id",
        "status"
    ]);
    let values = |values: &[&str]| json!(values);
    let cases = [
        ("/api/v1/labels", labels.clone()),
        ("/api/v1/labels?match[]=orders", labels.clone()),
        ("/api/v1/labels?match[]=none&match[]=orders", labels),
        ("/api/v1/label/__name__/values", values(&["orders"])),
        ("/api/v1/label/organisation_id/values", values(&["acme-de", "acme-fr"])),
        ("/api/v1/label/metric_purpose/values", values(&["external"])),
        ("/api/v1/label/status/values?match[]=orders", values(&["open", "paid"])),
        ("/api/v1/label/team/values", values(&[])),
        ("/api/v1/label/status/values?match[]=margin", values(&[])),
        ("/api/v1/series?match[]=margin", values(&[])),
    ];
    for (target, expected) in cases {
        assert_eq!(shop.acmes(target).await?, expected, "{target}");
    }
    for target in [
        "/api/v1/series",
        "/api/v1/series?match[]=orders",
        "/api/v1/series?match[]=%7B%7D",
    ] {
        let series = shop.acmes(target).await?;
        assert_eq!(series.as_array().map(Vec::len), Some(3), "{target}: {series}");
    }
    for path in ["/api/v1/labels", "/api/v1/series"] {
        let posted = shop.api.post(&shop.acme, path, "match[]=orders").await?.data()?;
        assert_eq!(posted, shop.acmes(&format!("{path}?match[]=orders")).await?);
    }
    Ok(())
}

#[tokio::test]
async fn whoever_asks_for_what_is_not_his_is_told_no() -> Result<()> {
    let shop = Shop::open().await?;
    let cases = [
        (
            r#"orders{organisation_id="bolt"}"#,
            r#"bad_data: query:1:8: label "organisation_id" may not be "bolt"; name values that you may read"#,
        ),
        (
            r#"sum(orders{metric_purpose="internal"})"#,
            r#"bad_data: query:1:12: label "metric_purpose" is fixed: leave it out, or write metric_purpose = "external""#,
        ),
        (
            r#"orders or {organisation_id=~".*"}"#,
            r#"bad_data: query:1:12: label "organisation_id" may be narrowed with plain values joined by | only, and ".*" is not plain"#,
        ),
    ];
    for (query, expected) in cases {
        let form = format!("query={}", query.replace('+', "%2B"));
        let (status, said) = shop.api.post(&shop.acme, "/api/v1/query", &form).await?.error()?;
        assert_eq!((status, said.as_str()), (400, expected));
    }
    // What the answer forges is forged from his own.
    let forged = r#"label_replace(orders, "organisation_id", "forged", "", "")"#;
    let form = format!("query=count by (organisation_id) ({forged})");
    let data = shop.api.post(&shop.acme, "/api/v1/query", &form).await?.error()?;
    assert_eq!(data.0, 422, "{}", data.1);
    Ok(())
}

#[tokio::test]
async fn nobody_gets_in_without_a_token_of_ours() -> Result<()> {
    let shop = Shop::open().await?;
    let acme = shop.acme.token();
    let other = if acme.ends_with('x') { 'y' } else { 'x' };
    let altered = format!("Bearer {}{other}", &acme[..acme.len() - 1]);
    let basic = |user: &str, password: &str| format!("Basic {}", BASE64.encode(format!("{user}:{password}")));
    let cases = [
        None,
        Some("Bearer ".to_owned()),
        Some(altered),
        Some(acme.to_owned()),
        Some(basic("bolt", acme)),
        Some(basic("acme", shop.bolt.token())),
        Some("Basic not-base64".to_owned()),
    ];
    for authorization in cases {
        let request = shop.api.request(None, Method::GET, "/api/v1/query?query=orders")?;
        let request = match &authorization {
            Some(value) => request.header("authorization", value),
            None => request,
        };
        let answer = shop.api.send(request).await?;
        assert_eq!(answer.status, 401, "{authorization:?}");
        assert_eq!(answer.error()?.1, "unauthorized: Unauthorized", "{authorization:?}");
        assert!(answer.headers.contains_key("www-authenticate"));
    }
    for authorization in [basic("acme", acme), shop.acme.authorization()] {
        let request = shop.api.request(None, Method::GET, "/api/v1/query?query=orders")?;
        let answer = shop.api.send(request.header("authorization", authorization)).await?;
        assert_eq!(vector(&answer.data()?), ACMES);
    }
    Ok(())
}

#[tokio::test]
async fn an_upstream_that_is_not_there_is_not_named() -> Result<()> {
    let customers = [Customer::new("acme", &["acme-fr"])?];
    let refusing = fanlight_tests::faults::refusing()?;
    let api = MetricsApi::start(&format!("http://{refusing}"), &customers).await?;
    let answer = api.get(&customers[0], "/api/v1/query?query=orders").await?;
    let (status, said) = answer.error()?;
    assert_eq!(status, 502, "{said}");
    assert!(!said.contains(&refusing.port().to_string()), "{said}");
    assert!(api.log().contains(&refusing.port().to_string()), "{}", api.log());
    Ok(())
}
