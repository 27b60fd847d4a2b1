mod answers;
mod dashboards;
mod fake;
mod probe;
mod requests;

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use serde_json::{Value, json};

use super::*;
use crate::config::metrics_api::{Authorizer, DEFAULT_PLAN, LabelRule, Plan, UpstreamAuth, UpstreamSettings};
use crate::placeholders::{Resolver, Template};
use crate::promql::{Characters, EnforcedLabel, OnConflict};

/// 2026-11-21T00:00:00Z.
const NOW: i64 = 1_795_219_200;

fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

fn settings(url: &str) -> Settings {
    Settings {
        upstream: UpstreamSettings {
            url: Template::parse(url).unwrap(),
            auth: UpstreamAuth::None,
            headers: Vec::new(),
            ca_file: None,
            client_certificate: None,
            timeout: Duration::from_secs(20),
        },
        labels: vec![
            LabelRule::Fixed(EnforcedLabel::fixed("purpose", "external", OnConflict::Refuse).unwrap()),
            LabelRule::Organisations {
                name: "org".to_owned(),
                characters: Characters::default(),
            },
        ],
        exemplars: true,
        plans: [(DEFAULT_PLAN.to_owned(), Plan::default())].into(),
        authorizer: Authorizer {
            tokens: None,
            dashboards: None,
            issuers: Vec::new(),
        },
    }
}

fn api(settings: Settings) -> MetricsApi {
    let upstream = Upstream::new(settings.upstream.clone(), Resolver::of_process([].into()));
    MetricsApi::new(settings, upstream, Path::new("/nowhere"))
}

/// What API Gateway sends for a request of a customer of two organisations.
fn event(method: &str, path: &str) -> Value {
    json!({
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": {},
        "multiValueHeaders": {"Authorization": ["Bearer secret-token"], "Host": ["metrics.example"]},
        "queryStringParameters": null,
        "multiValueQueryStringParameters": null,
        "requestContext": {
            "requestId": "r-1",
            "authorizer": {
                "client": "acme", "organisations": "[\"a\",\"b\"]", "plan": "default",
                "expires": (NOW + 60).to_string(), "principalId": "acme", "integrationLatency": 1,
            },
        },
        "body": null,
        "isBase64Encoded": false,
    })
}

fn get(path: &str, parameters: &[(&str, &str)]) -> Value {
    let mut event = event("GET", path);
    let mut query: serde_json::Map<String, Value> = serde_json::Map::new();
    for (name, value) in parameters {
        let values = query.entry(*name).or_insert_with(|| json!([]));
        values.as_array_mut().unwrap().push(json!(value));
    }
    event["multiValueQueryStringParameters"] = query.into();
    event
}

fn post(path: &str, body: &str) -> Value {
    let mut event = event("POST", path);
    event["multiValueHeaders"]["content-type"] = json!(["application/x-www-form-urlencoded"]);
    event["body"] = body.into();
    event
}

fn parse(event: &Value) -> Event {
    serde_json::from_value(event.clone()).unwrap()
}

fn with_gzip(mut event: Value) -> Value {
    event["multiValueHeaders"]["Accept-Encoding"] = json!(["br;q=1.0, gzip;q=0.5"]);
    event
}

/// What names nothing but the caller's own must never have this in it.
const CANARY: &str = "canary-of-others";

/// The status and the body of the answer.
async fn answer(api: &MetricsApi, event: &Value) -> (u16, http::HeaderMap, Vec<u8>) {
    let deadline = Instant::now() + Duration::from_secs(20);
    let response = api.answer(&parse(event), now(), deadline).await;
    let body: Vec<Bytes> = response.body.collect().await;
    (response.status.as_u16(), response.headers, body.concat())
}
