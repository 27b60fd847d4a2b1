//! Answers, from upstreams that answer, fail, lie, hang and break off.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::*;

/// An upstream that reads a request, writes what it is given, and closes the connection or keeps it open.
struct Fake {
    at: SocketAddr,
    received: Arc<Mutex<Vec<String>>>,
    /// Hears of each connection that the other side has closed.
    closed: mpsc::UnboundedReceiver<()>,
}

/// What comes after the answer's bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    Close,
    Hang,
}

impl Fake {
    async fn new(answer: Vec<u8>, then: Then) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let (sender, closed) = mpsc::unbounded_channel();
        let kept = Arc::clone(&received);
        tokio::spawn(async move {
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                let (answer, kept, sender) = (answer.clone(), Arc::clone(&kept), sender.clone());
                tokio::spawn(async move {
                    let request = request(&mut socket).await;
                    kept.lock().unwrap().push(request);
                    // Whoever has read enough may have gone.
                    drop(socket.write_all(&answer).await);
                    if then == Then::Hang {
                        drop(socket.read(&mut [0; 64]).await);
                        let _ = sender.send(());
                    }
                });
            }
        });
        Self { at, received, closed }
    }

    /// One with Prometheus' JSON.
    async fn of_json(json: &str) -> Self {
        Self::new(http(200, &[], json.as_bytes()), Then::Close).await
    }

    fn settings(&self) -> Settings {
        settings(&format!("http://{}", self.at))
    }

    fn api(&self) -> MetricsApi {
        api(self.settings())
    }

    fn only_request(&self) -> String {
        let received = self.received.lock().unwrap();
        assert_eq!(received.len(), 1, "{received:?}");
        received[0].clone()
    }
}

async fn request(socket: &mut tokio::net::TcpStream) -> String {
    let mut read = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let length = socket.read(&mut buffer).await.unwrap_or_default();
        read.extend_from_slice(&buffer[..length]);
        let text = String::from_utf8_lossy(&read).into_owned();
        let whole = text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
            let length = head
                .lines()
                .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            body.len() >= length.unwrap_or(0_usize)
        });
        if whole || length == 0 {
            return text;
        }
    }
}

fn http(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let headers: String = headers
        .iter()
        .map(|(name, value)| [name, ": ", value, "\r\n"].concat())
        .collect();
    let length = body.len();
    let head = format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n");
    [head.as_bytes(), body].concat()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn gunzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut text).map(|_| text)
}

/// An instant query's answer with so many series.
fn vector(series: usize) -> String {
    let samples: Vec<String> = (0..series)
        .map(|index| format!(r#"{{"metric":{{"__name__":"up","org":"a","instance":"{index}"}},"value":[{NOW},"1"]}}"#))
        .collect();
    format!(
        r#"{{"status":"success","data":{{"resultType":"vector","result":[{}]}}}}"#,
        samples.join(",")
    )
}

fn with_gzip(mut event: Value) -> Value {
    event["multiValueHeaders"]["Accept-Encoding"] = json!(["br;q=1.0, gzip;q=0.5"]);
    event
}

/// What names nothing but the caller's own must never have this in it.
const CANARY: &str = "canary-of-others";

#[tokio::test]
async fn an_answer_goes_through_byte_for_byte_with_headers_of_ours_alone() {
    let fake = Fake::new(
        http(
            200,
            &[("set-cookie", CANARY), ("server", CANARY), ("x-scope", CANARY)],
            vector(3).as_bytes(),
        ),
        Then::Close,
    )
    .await;
    let mut event = get("/api/v1/query", &[("query", "up")]);
    for header in [
        "X-Scope-OrgID",
        "Cookie",
        "X-Prom-Label-Policy",
        "THANOS-TENANT",
        "AccountID",
        "Connection",
    ] {
        event["multiValueHeaders"][header] = json!(["hostile-header"]);
    }
    let (status, headers, body) = answer(&fake.api(), &event).await;
    assert_eq!((status, String::from_utf8(body).unwrap()), (200, vector(3)));
    let mut headers: Vec<String> = headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    headers.sort();
    assert_eq!(
        headers,
        [
            "cache-control: no-store",
            "content-type: application/json",
            "vary: Accept-Encoding",
            "x-content-type-options: nosniff"
        ]
    );
    let asked = fake.only_request();
    assert!(asked.starts_with("POST /api/v1/query HTTP/1.1\r\n"), "{asked}");
    assert!(
        asked.to_lowercase().contains("accept-encoding: identity\r\n"),
        "{asked}"
    );
    for absent in ["secret-token", "hostile-header", "metrics.example"] {
        assert!(!asked.contains(absent), "{asked}");
    }
}

#[tokio::test]
async fn a_compressed_answer_stays_compressed() {
    for series in [3, 20_000] {
        let answer_bytes = http(200, &[("content-encoding", "gzip")], &gzip(vector(series).as_bytes()));
        let fake = Fake::new(answer_bytes, Then::Close).await;
        let (status, headers, body) = answer(&fake.api(), &with_gzip(get("/api/v1/query", &[("query", "up")]))).await;
        assert_eq!(
            (status, &headers["content-encoding"]),
            (200, &HeaderValue::from_static("gzip"))
        );
        assert!(gunzip(&body).unwrap() == vector(series).into_bytes(), "{series}");
        assert!(fake.only_request().to_lowercase().contains("accept-encoding: gzip\r\n"));
    }
}

#[tokio::test]
async fn federation_is_text_with_its_count_compressed_both_ways_or_not() {
    let last = "fanlight_federate_samples 20000\n";
    for compressed in [false, true] {
        let json = vector(20_000);
        let answer_bytes = if compressed {
            http(200, &[("content-encoding", "gzip")], &gzip(json.as_bytes()))
        } else {
            http(200, &[], json.as_bytes())
        };
        let fake = Fake::new(answer_bytes, Then::Close).await;
        let mut event = get("/federate", &[]);
        if compressed {
            event = with_gzip(event);
        }
        let (status, headers, body) = answer(&fake.api(), &event).await;
        assert_eq!(status, 200);
        let body = if compressed { gunzip(&body).unwrap() } else { body };
        let text = String::from_utf8(body).unwrap();
        assert_eq!(text.matches("up{").count(), 20_000);
        assert!(text.contains(last), "{}", &text[text.len() - 300..]);
        assert_eq!(
            headers["content-type"],
            "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
        );
        assert_eq!(headers["vary"], "Accept, Accept-Encoding");
        assert!(fake.only_request().starts_with("POST /api/v1/query HTTP/1.1\r\n"));
    }
    let fake = Fake::of_json(&vector(1)).await;
    let mut event = get("/federate", &[]);
    event["multiValueHeaders"]["accept"] = json!(["text/csv"]);
    let (_, headers, body) = answer(&fake.api(), &event).await;
    assert_eq!(headers["content-type"], "text/csv; charset=utf-8; header=present");
    assert!(String::from_utf8(body).unwrap().starts_with("name,labels,time,value"));
}

#[tokio::test]
async fn nobody_without_the_authorizers_word_is_answered() {
    let fake = Fake::of_json(&vector(1)).await;
    let api = fake.api();
    for (name, value) in [
        ("client", json!(null)),
        ("organisations", json!(null)),
        ("organisations", json!("")),
        ("organisations", json!("[]")),
        ("organisations", json!(["a"])),
        ("plan", json!("")),
        ("expires", json!("1")),
        ("expires", json!(NOW.to_string())),
    ] {
        let mut event = get("/api/v1/query", &[]);
        event["requestContext"]["authorizer"][name] = value.clone();
        let (status, headers, body) = answer(&api, &event).await;
        assert_eq!(status, 401, "{name} {value}");
        assert!(headers.contains_key("www-authenticate"));
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            (&body["status"], &body["errorType"]),
            (&json!("error"), &json!("unauthorized"))
        );
    }
    for authorizer in [json!(null), json!({})] {
        for path in ["/api/v1/query", "/federate", "/api/v1/status/buildinfo", "/nowhere"] {
            let mut event = get(path, &[]);
            event["requestContext"]["authorizer"] = authorizer.clone();
            assert_eq!(answer(&api, &event).await.0, 401, "{path} {authorizer}");
        }
    }
    // What cannot be enforced, and a plan that is not there, are not the caller's doing, and deny him nevertheless.
    let mut event = get("/api/v1/query", &[]);
    event["requestContext"]["authorizer"]["organisations"] = json!("[\"a|b\"]");
    assert_eq!(answer(&api, &event).await.0, 403);
    event["requestContext"]["authorizer"]["plan"] = json!("gold");
    assert_eq!(answer(&api, &event).await.0, 500);
    assert!(fake.received.lock().unwrap().is_empty());
}

/// Answers that are none: their names, what the caller gets for a status, and the type of the error.
fn failures() -> Vec<(&'static str, Vec<u8>, u16, &'static str)> {
    let html = format!("<html>{CANARY}</html>");
    let error = |kind: &str, text: &str| json!({"status": "error", "errorType": kind, "error": text}).to_string();
    let foreign = format!("expanding series: store {CANARY} failed");
    vec![
        ("500 of HTML", http(500, &[], html.as_bytes()), 502, "unavailable"),
        ("502 of HTML", http(502, &[], html.as_bytes()), 502, "unavailable"),
        (
            "503 of HTML",
            http(503, &[("retry-after", "7")], html.as_bytes()),
            503,
            "unavailable",
        ),
        ("504 of HTML", http(504, &[], html.as_bytes()), 504, "timeout"),
        (
            "429",
            http(429, &[("retry-after", "7")], html.as_bytes()),
            429,
            "too_many_requests",
        ),
        ("401", http(401, &[], html.as_bytes()), 502, "unavailable"),
        (
            "403 of JSON",
            http(403, &[], error("bad_data", CANARY).as_bytes()),
            502,
            "unavailable",
        ),
        ("404 of HTML", http(404, &[], html.as_bytes()), 502, "unavailable"),
        (
            "302",
            http(302, &[("location", &format!("http://{CANARY}/"))], b""),
            502,
            "unavailable",
        ),
        ("200 of HTML", http(200, &[], html.as_bytes()), 502, "unavailable"),
        ("200 of nothing", http(200, &[], b""), 502, "unavailable"),
        (
            "200 of another JSON",
            http(200, &[], format!("{{\"a\":\"{CANARY}\"}}").as_bytes()),
            502,
            "unavailable",
        ),
        (
            "gzip garbage",
            http(200, &[("content-encoding", "gzip")], CANARY.as_bytes()),
            502,
            "unavailable",
        ),
        (
            "another encoding",
            http(200, &[("content-encoding", "zstd")], CANARY.as_bytes()),
            502,
            "unavailable",
        ),
        ("no HTTP", CANARY.as_bytes().to_vec(), 502, "unavailable"),
        ("nothing", Vec::new(), 502, "unavailable"),
        (
            "half a head",
            b"HTTP/1.1 200 OK\r\ncontent-le".to_vec(),
            502,
            "unavailable",
        ),
        (
            "422 of JSON",
            http(422, &[], error("execution", &foreign).as_bytes()),
            422,
            "execution",
        ),
        (
            "400 of JSON",
            http(400, &[], error("bad_data", &foreign).as_bytes()),
            400,
            "bad_data",
        ),
        (
            "503 of JSON",
            http(503, &[], error("timeout", &foreign).as_bytes()),
            503,
            "timeout",
        ),
        (
            "500 of JSON",
            http(500, &[], error("internal", &foreign).as_bytes()),
            502,
            "internal",
        ),
    ]
}

#[tokio::test]
async fn upstreams_that_fail_are_told_of_in_words_of_ours() {
    for (name, bytes, status, kind) in failures() {
        let fake = Fake::new(bytes, Then::Close).await;
        for path in ["/api/v1/query", "/api/v1/labels", "/federate"] {
            for event in [get(path, &[]), with_gzip(get(path, &[]))] {
                if name == "gzip garbage" && event == get(path, &[]) {
                    continue;
                }
                let (found, headers, body) = answer(&fake.api(), &event).await;
                let text = String::from_utf8(body).unwrap();
                let body: Value = serde_json::from_str(&text).unwrap();
                assert_eq!(
                    (found, body["errorType"].as_str()),
                    (status, Some(kind)),
                    "{name} {path}: {text}"
                );
                assert!(
                    !text.contains(CANARY) && !text.contains("127.0.0.1"),
                    "{name} {path}: {text}"
                );
                assert_eq!(
                    headers.get("retry-after").is_some(),
                    ["503 of HTML", "429"].contains(&name),
                    "{name}"
                );
                assert_eq!(headers["content-type"], "application/json");
            }
        }
    }
}

#[tokio::test]
async fn an_error_with_the_status_of_a_success_is_an_error() {
    let error = json!({"status": "error", "errorType": "execution", "error": format!("store {CANARY}")});
    let fake = Fake::of_json(&error.to_string()).await;
    let (status, _, body) = answer(&fake.api(), &get("/api/v1/query", &[])).await;
    assert_eq!((status, String::from_utf8_lossy(&body).contains(CANARY)), (422, false));
    let (status, _, body) = answer(&fake.api(), &get("/federate", &[])).await;
    assert_eq!((status, String::from_utf8_lossy(&body).contains(CANARY)), (502, false));
}

#[tokio::test]
async fn an_upstream_that_is_down_or_slow_is_told_of() {
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (status, _, body) = answer(&api(settings(&format!("http://{unused}"))), &get("/federate", &[])).await;
    assert_eq!(
        (status, String::from_utf8_lossy(&body).contains("127.0.0.1")),
        (502, false)
    );

    let fake = Fake::new(Vec::new(), Then::Hang).await;
    let mut slow = fake.settings();
    slow.upstream.timeout = Duration::from_millis(100);
    for path in ["/api/v1/query", "/federate"] {
        let (status, _, body) = answer(&api(slow.clone()), &get(path, &[])).await;
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((status, &body["errorType"]), (504, &json!("timeout")), "{path}");
    }
}

/// The head of an answer that promises more than comes.
fn cut(json: &str, encoding: Option<&str>) -> Vec<u8> {
    let body = if encoding.is_some() {
        gzip(json.as_bytes())
    } else {
        json.as_bytes().to_vec()
    };
    let headers: Vec<(&str, &str)> = encoding
        .map(|encoding| ("content-encoding", encoding))
        .into_iter()
        .collect();
    let whole = http(200, &headers, &body);
    whole[..whole.len() - body.len() / 3].to_vec()
}

/// What came is seen to be incomplete, in its compression if it has one, or in its format.
fn assert_broken(path: &str, compressed: bool, body: &[u8]) {
    if compressed {
        assert!(gunzip(body).is_err(), "{path}: the compression is complete");
        return;
    }
    let text = String::from_utf8_lossy(body);
    if path == "/federate" {
        assert!(
            text.contains("up{") && !text.contains("fanlight_federate_samples"),
            "{path}"
        );
        let last = text.lines().last().unwrap();
        assert!(!last.starts_with("up{") && !last.starts_with('#'), "{path}: {last}");
    } else {
        assert!(serde_json::from_slice::<Value>(body).is_err(), "{path}");
    }
}

#[tokio::test]
async fn an_answer_that_is_cut_in_the_middle_never_looks_complete() {
    for compressed in [false, true] {
        for path in ["/api/v1/query", "/federate"] {
            for then in [Then::Close, Then::Hang] {
                // Compressed answers of less than 64 KiB are read whole before anything goes out.
                let fake = Fake::new(cut(&vector(50_000), compressed.then_some("gzip")), then).await;
                let mut settings = fake.settings();
                if then == Then::Hang {
                    settings.plans.get_mut(DEFAULT_PLAN).unwrap().time = Duration::from_millis(1500);
                }
                let event = get(path, &[]);
                let event = if compressed { with_gzip(event) } else { event };
                let (status, _, body) = answer(&api(settings), &event).await;
                assert_eq!(status, 200, "{path} {compressed}");
                assert_broken(path, compressed, &body);
            }
        }
    }
}

#[tokio::test]
async fn a_small_answer_that_is_cut_is_an_error() {
    let fake = Fake::new(cut(&vector(20), None), Then::Close).await;
    assert_eq!(answer(&fake.api(), &get("/federate", &[])).await.0, 502);
}

#[tokio::test]
async fn an_answer_over_the_limit_breaks_off_or_is_refused() {
    for compressed in [false, true] {
        for path in ["/api/v1/query", "/federate"] {
            let json = vector(50_000);
            let bytes = if compressed {
                http(200, &[("content-encoding", "gzip")], &gzip(json.as_bytes()))
            } else {
                http(200, &[], json.as_bytes())
            };
            let fake = Fake::new(bytes, Then::Close).await;
            let mut settings = fake.settings();
            settings.plans.get_mut(DEFAULT_PLAN).unwrap().response_bytes = 1 << 20;
            let event = get(path, &[]);
            let event = if compressed { with_gzip(event) } else { event };
            let (status, _, body) = answer(&api(settings.clone()), &event).await;
            assert_eq!(status, 200);
            assert_broken(path, compressed, &body);
            assert!(body.len() < (1 << 20) + (200 << 10), "{path}: {}", body.len());
            if path == "/federate" {
                settings.plans.get_mut(DEFAULT_PLAN).unwrap().response_bytes = 1000;
                let (status, _, body) = answer(&api(settings), &event).await;
                let text = String::from_utf8(body).unwrap();
                assert_eq!(status, 422, "{text}");
                assert!(
                    text.contains("1000 bytes that the plan \\\"default\\\" allows (limit `response_bytes`)"),
                    "{text}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_client_that_leaves_takes_the_upstream_with_him() {
    for path in ["/api/v1/query", "/federate"] {
        let mut fake = Fake::new(cut(&vector(20_000), None), Then::Hang).await;
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut response = fake.api().answer(&parse(&get(path, &[])), now(), deadline).await;
        assert!(response.body.next().await.is_some());
        drop(response);
        tokio::time::timeout(Duration::from_secs(10), fake.closed.recv())
            .await
            .unwrap()
            .unwrap();
    }
}

#[tokio::test]
async fn what_needs_no_upstream_asks_none() {
    let fake = Fake::of_json(&vector(1)).await;
    let api = fake.api();
    let data = async |event: Value| {
        let (status, _, body) = answer(&api, &event).await;
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((status, &body["status"]), (200, &json!("success")), "{body}");
        body["data"].clone()
    };
    let build = data(get("/api/v1/status/buildinfo", &[])).await;
    assert_eq!(build["version"], format!("{}.0", crate::promql::PROMETHEUS_VERSION));
    let explained = data(post(
        "/api/v1/explain",
        "query=rate(up%5B5m%5D)&start=1795215600&end=1795219200&step=60",
    ))
    .await;
    assert_eq!(explained["client"], "acme");
    assert_eq!(explained["organisations"], json!(["a", "b"]));
    assert_eq!(explained["plan"], "default");
    assert_eq!(
        explained["request"],
        json!({
            "query": r#"rate ( up { purpose = "external" , org =~ "a|b" } [ 5m ] )"#,
            "start": "1795215600", "end": "1795219200", "step": "60",
        })
    );
    assert_eq!(
        explained["limits"],
        json!({
            "query_bytes": {"found": 12, "allowed": 16384}, "depth": {"allowed": 64},
            "selectors": {"found": 1, "allowed": 100}, "range": {"found": "1h", "allowed": "31d"},
            "reach": {"found": "1h4m59s999ms", "allowed": "90d"}, "points": {"found": 61, "allowed": 500_000},
            "step": {"found": "1m", "allowed": "1s"}, "response_bytes": {"allowed": 104_857_600},
            "time": {"allowed": "1m"}, "requests_per_second": {"allowed": 10}, "burst": {"allowed": 20},
        })
    );
    let explained = data(get("/api/v1/explain", &[("match[]", "up"), ("match[]", "down")])).await;
    assert_eq!(explained["request"]["match[]"].as_array().unwrap().len(), 2);
    assert!(fake.received.lock().unwrap().is_empty());
}

/// Collects what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn each_request_is_recorded_once_and_without_secrets() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .finish();
    // With one subscriber alone, tracing asks that of whichever thread comes first whether a record is wanted at all,
    // and the other tests' threads have none.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    // While there is a second one, what another test's thread logs first is not taken for wanted by nobody.
    let _other = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    let guard = tracing::subscriber::set_default(subscriber);
    let fake = Fake::of_json(&vector(1)).await;
    let length = vector(1).len();
    answer(
        &fake.api(),
        &get("/api/v1/query", &[("query", "up{x='what-is-asked'}")]),
    )
    .await;
    answer(&fake.api(), &get("/nowhere", &[])).await;
    let broken = Fake::new(cut(&vector(20_000), None), Then::Close).await;
    answer(&broken.api(), &get("/federate", &[])).await;
    let mut response = broken
        .api()
        .answer(
            &parse(&get("/federate", &[])),
            now(),
            Instant::now() + Duration::from_secs(9),
        )
        .await;
    response.body.next().await;
    drop(response);
    drop(guard);
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let records: Vec<&str> = log.lines().filter(|line| line.contains("request_id=\"r-1\"")).collect();
    assert_eq!(records.len(), 4, "{log}");
    for (record, parts) in records.iter().zip([
        &[
            "INFO",
            "endpoint=\"/api/v1/query\"",
            "client=\"acme\"",
            "status=200",
            "end=\"complete\"",
            &format!("bytes={length} "),
        ][..],
        &["INFO", "endpoint=\"\"", "status=404", "kind=\"not_found\""],
        &[
            "ERROR",
            "endpoint=\"/federate\"",
            "status=200",
            "kind=\"upstream\"",
            "end=\"broken\"",
        ],
        &["INFO", "endpoint=\"/federate\"", "status=200", "end=\"abandoned\""],
    ]) {
        for part in parts {
            assert!(record.contains(part), "{part} in {record}");
        }
    }
    for secret in ["secret-token", "what-is-asked"] {
        assert!(!log.contains(secret), "{log}");
    }
}

#[tokio::test]
async fn a_query_without_selectors_has_no_exemplars_and_is_not_the_upstreams_to_answer() {
    // What Prometheus says to it.
    let fake = Fake::of_json(r#"{"status":"success"}"#).await;
    for query in ["time()", "vector(1)", "1", "\"text\""] {
        let (status, _, body) = answer(&fake.api(), &get("/api/v1/query_exemplars", &[("query", query)])).await;
        let expected = json!({"status": "success", "data": []});
        assert_eq!(
            (status, serde_json::from_slice::<Value>(&body).unwrap()),
            (200, expected),
            "{query}"
        );
    }
    assert_eq!(fake.received.lock().unwrap().len(), 0);
}
