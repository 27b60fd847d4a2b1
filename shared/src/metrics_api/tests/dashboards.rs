//! Dashboards: who gets them, and what a reader who has them already is told.

use super::*;

const TEXT: &str = "{\"title\": \"growth-main\", \"panels\": []}\n";
/// printf '{"title": "growth-main", "panels": []}\n' | sha256sum
const TAG: &str = "\"7745f5a05995dae9e6e97fdab2deabd4\"";

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("fanlight-dashboards-")
            .tempdir()
            .unwrap();
        std::fs::create_dir(folder.path().join("Growth")).unwrap();
        std::fs::write(folder.path().join("Growth/growth-main.json"), TEXT).unwrap();
        Self(folder)
    }

    fn api(&self) -> MetricsApi {
        let settings = settings("http://127.0.0.1:9");
        let upstream = Upstream::new(settings.upstream.clone(), Resolver::of_process([].into()));
        MetricsApi::new(settings, upstream, self.0.path())
    }
}

/// A request of a reader.
fn reading(method: &str, path: &str) -> Value {
    let mut event = event(method, path);
    event["requestContext"]["authorizer"] = json!({"client": "grafana", "scope": "dashboards", "expires": (NOW + 60).to_string(), "principalId": "grafana"});
    event
}

fn has(mut event: Value, tags: &[&str]) -> Value {
    event["multiValueHeaders"]["If-None-Match"] = json!(tags);
    event
}

#[tokio::test]
async fn a_reader_gets_the_list_and_each_file_as_it_was_built() {
    let folder = Folder::new();
    let api = folder.api();
    let (status, headers, body) = answer(&api, &reading("GET", "/grafana")).await;
    let listed: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(status, 200);
    assert_eq!(
        listed,
        json!([{"dashboard_file": "growth-main.json", "folder": "Growth"}])
    );
    assert_eq!(headers["content-type"], "application/json");

    let (status, headers, body) = answer(&api, &reading("GET", "/grafana/growth-main.json")).await;
    assert_eq!((status, body.as_slice()), (200, TEXT.as_bytes()));
    assert_eq!(headers["cache-control"], "private, no-cache");
    let tag = headers["etag"].to_str().unwrap().to_owned();
    assert_eq!(tag, TAG);

    // HEAD is GET without the body (RFC 9110, 9.3.2).
    let (status, of_head, body) = answer(&api, &reading("HEAD", "/grafana/growth-main.json")).await;
    assert_eq!((status, body.len(), of_head), (200, 0, headers));
}

#[tokio::test]
async fn who_has_a_dashboard_is_not_sent_it_again() {
    let folder = Folder::new();
    let api = folder.api();
    let file = "/grafana/growth-main.json";
    let weak = format!("W/{TAG}");
    for (method, tags, status) in [
        ("GET", &[TAG][..], 304),
        ("HEAD", &[TAG], 304),
        ("GET", &[&weak], 304),
        ("GET", &["*"], 304),
        ("GET", &["\"other\", \"more\"", TAG], 304),
        ("GET", &["\"other\""], 200),
        ("HEAD", &["\"other\""], 200),
    ] {
        let (found, headers, body) = answer(&api, &has(reading(method, file), tags)).await;
        assert_eq!(found, status, "{method} {tags:?}");
        assert_eq!(headers["etag"], TAG, "{method} {tags:?}");
        assert_eq!(headers["cache-control"], "private, no-cache", "{method} {tags:?}");
        assert_eq!(body.is_empty(), status == 304 || method == "HEAD", "{method} {tags:?}");
    }
    let (_, headers, _) = answer(&api, &reading("GET", "/grafana")).await;
    let list = headers["etag"].to_str().unwrap();
    assert_ne!(list, TAG);
    let (status, ..) = answer(&api, &has(reading("GET", "/grafana"), &[list])).await;
    assert_eq!(status, 304);
    // What there is not, nobody has.
    let (status, ..) = answer(&api, &has(reading("GET", "/grafana/none.json"), &["*"])).await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn to_a_customer_and_to_nobody_there_are_no_dashboards() {
    let folder = Folder::new();
    let api = folder.api();
    for path in ["/grafana", "/grafana/growth-main.json", "/grafana/none.json"] {
        for method in ["GET", "HEAD", "POST"] {
            // A customer is told what he is told of a path that is not there at all.
            let customer = has(event(method, path), &["*"]);
            let (status, headers, body) = answer(&api, &customer).await;
            let other = customer.to_string().replace("/grafana", "/grafane");
            let expected = answer(&api, &serde_json::from_str(&other).unwrap()).await;
            let expected_body = String::from_utf8(expected.2).unwrap().replace("/grafane", "/grafana");
            assert_eq!(status, 404, "{method} {path}");
            assert_eq!((status, headers), (expected.0, expected.1), "{method} {path}");
            assert_eq!(String::from_utf8(body).unwrap(), expected_body, "{method} {path}");
        }
        let mut nobody = reading("GET", path);
        for authorizer in [
            json!(null),
            json!({}),
            json!({"client": "grafana", "scope": "dashboards", "expires": NOW.to_string()}),
            json!({"client": "grafana", "expires": (NOW + 60).to_string()}),
            json!({"client": "acme", "scope": "series", "expires": (NOW + 60).to_string()}),
        ] {
            nobody["requestContext"]["authorizer"] = authorizer.clone();
            let (status, headers, body) = answer(&api, &nobody).await;
            assert_eq!(status, 401, "{path} {authorizer}");
            assert!(!headers.contains_key("etag"), "{path} {authorizer}");
            assert!(
                !String::from_utf8(body).unwrap().contains("title"),
                "{path} {authorizer}"
            );
        }
    }
    // Who says that he is both is neither.
    for path in ["/grafana", "/api/v1/query"] {
        let mut both = event("GET", path);
        both["requestContext"]["authorizer"]["scope"] = json!("dashboards");
        assert_eq!(answer(&api, &both).await.0, 401, "{path}");
    }
}

#[tokio::test]
async fn a_reader_of_dashboards_reads_no_series() {
    let folder = Folder::new();
    let api = folder.api();
    for path in [
        "/api/v1/query",
        "/federate",
        "/api/v1/labels",
        "/api/v1/explain",
        "/nothing",
    ] {
        assert_eq!(answer(&api, &reading("GET", path)).await.0, 401, "{path}");
    }
}

#[tokio::test]
async fn what_else_a_reader_asks_is_refused() {
    let folder = Folder::new();
    let api = folder.api();
    let mut with_parameter = reading("GET", "/grafana");
    with_parameter["multiValueQueryStringParameters"] = json!({"folder": ["Growth"]});
    for (request, status) in [
        (reading("GET", "/grafana/"), 404),
        (reading("GET", "/grafana/none.json"), 404),
        (reading("GET", "/grafana/Growth/growth-main.json"), 404),
        (reading("GET", "/grafana/../Growth/growth-main.json"), 404),
        (reading("GET", "/grafana/growth%2Dmain.json"), 404),
        (reading("POST", "/grafana"), 405),
        (reading("DELETE", "/grafana/growth-main.json"), 405),
        (with_parameter, 400),
    ] {
        let (found, headers, _) = answer(&api, &request).await;
        assert_eq!(found, status, "{request}");
        assert_eq!(headers.get("allow").is_some(), status == 405, "{request}");
    }
}
