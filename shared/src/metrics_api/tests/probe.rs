//! Upstreams that honour `match[]` of labels and their values, and those that do not.

use super::fake::{Fake, NOTHING, Then, gzip, http, is_probe};
use super::*;

const LABELS: &str = "/api/v1/labels";
const VALUES: &str = "/api/v1/label/job/values";
const OWN: &str = r#"{"status":"success","data":["own"]}"#;

fn everybodys() -> String {
    format!(r#"{{"status":"success","data":["job","{CANARY}"]}}"#)
}

fn json(body: &str, compressed: bool) -> Vec<u8> {
    if compressed {
        http(200, &[("content-encoding", "gzip")], &gzip(body.as_bytes()))
    } else {
        http(200, &[], body.as_bytes())
    }
}

/// Whether a request takes compressed answers.
fn takes_gzip(request: &str) -> bool {
    request.to_ascii_lowercase().contains("accept-encoding: gzip\r\n")
}

/// An upstream that answers `probe` to whoever asks of nothing, and the caller's own to others.
async fn probed_with(probe: String) -> Fake {
    let answer = move |request: &str| {
        let body = if is_probe(request) { &probe } else { OWN };
        json(body, takes_gzip(request))
    };
    Fake::answering(answer, Then::Close).await
}

/// What was asked, as `METHOD path`, and whether of nothing.
fn asked(fake: &Fake) -> Vec<(String, bool)> {
    let received = fake.received.lock().unwrap();
    let what = |request: &String| {
        let end = request
            .find([' ', '?'])
            .map_or(0, |method| method + 1 + request[method + 1..].find([' ', '?']).unwrap());
        (request[..end].to_owned(), is_probe(request))
    };
    received.iter().map(what).collect()
}

fn question(method: &str, path: &str, probe: bool) -> (String, bool) {
    (format!("{method} {path}"), probe)
}

/// The status, the `errorType` and the whole text of the answer.
async fn refused(api: &MetricsApi, event: &Value) -> (u16, String, String) {
    let (status, headers, body) = answer(api, event).await;
    let text = String::from_utf8(body).unwrap();
    let headers = format!("{headers:?}");
    assert!(!text.contains(CANARY) && !headers.contains(CANARY), "{text} {headers}");
    let body: Value = serde_json::from_str(&text).unwrap();
    (status, body["errorType"].as_str().unwrap_or_default().to_owned(), text)
}

#[tokio::test]
async fn nothing_is_passed_on_of_an_upstream_that_ignores_what_is_to_match() {
    let many = serde_json::to_string(&vec![CANARY; 10_000]).unwrap();
    let long = format!(r#"{{"status":"success","data":{many}}}"#);
    let by_warning = format!(r#"{{"status":"success","warnings":["{CANARY}"],"data":["{CANARY}"]}}"#);
    let cut = long[..20_000].to_owned();
    for body in [everybodys(), long, by_warning, cut] {
        let fake = Fake::answering(move |request| json(&body, takes_gzip(request)), Then::Close).await;
        let api = fake.api();
        for path in [LABELS, VALUES] {
            for event in [get(path, &[]), get(path, &[("match[]", "up"), ("limit", "1")])] {
                for event in [event.clone(), with_gzip(event)] {
                    let (status, kind, text) = refused(&api, &event).await;
                    assert_eq!((status, kind.as_str()), (502, "unavailable"), "{path}: {text}");
                    assert!(text.contains("cannot tell your labels from those of others"), "{text}");
                }
            }
        }
        let (status, _, text) = refused(&api, &post(LABELS, "match[]=up")).await;
        assert_eq!(status, 502, "{text}");
        // What it is asked anew each time is the probe, and never anything else.
        let asked = asked(&fake);
        assert_eq!(asked.len(), 9);
        assert!(asked.iter().all(|(_, probe)| *probe), "{asked:?}");
    }
}

#[tokio::test]
async fn nothing_is_passed_on_by_a_hop_that_drops_the_body_of_a_post() {
    let answer = |request: &str| {
        let honours = request.starts_with("GET ");
        let body = match (honours, is_probe(request)) {
            (false, _) => &everybodys(),
            (true, true) => NOTHING,
            (true, false) => OWN,
        };
        json(body, takes_gzip(request))
    };
    let fake = Fake::answering(answer, Then::Close).await;
    let api = fake.api();
    // That the values are honoured says nothing of the names.
    for (path, expected) in [(LABELS, 502), (VALUES, 200), (LABELS, 502)] {
        for event in [get(path, &[]), with_gzip(get(path, &[]))] {
            let (status, _, body) = super::answer(&api, &event).await;
            assert_eq!(status, expected, "{path}");
            assert!(!String::from_utf8_lossy(&body).contains(CANARY));
        }
    }
}

#[tokio::test]
async fn an_upstream_that_honours_it_is_probed_once_a_path() {
    for compressed in [false, true] {
        let fake = probed_with(NOTHING.to_owned()).await;
        let api = fake.api();
        let other = "/api/v1/label/other/values";
        for path in [LABELS, VALUES, LABELS, VALUES, other, other] {
            let event = get(path, &[("match[]", "up")]);
            let event = if compressed { with_gzip(event) } else { event };
            assert_eq!(answer(&api, &event).await.0, 200, "{path}");
        }
        assert_eq!(
            asked(&fake),
            [
                question("POST", LABELS, true),
                question("POST", LABELS, false),
                question("GET", VALUES, true),
                question("GET", VALUES, false),
                question("POST", LABELS, false),
                question("GET", VALUES, false),
                question("GET", other, true),
                question("GET", other, false),
                question("GET", other, false),
            ]
        );
    }
}

#[tokio::test]
async fn the_probe_asks_what_the_caller_asks_of_nothing() {
    let fake = probed_with(NOTHING.to_owned()).await;
    let api = fake.api();
    let (old, recent) = ("1795132800", "1795219100");
    for (path, start) in [(LABELS, old), (VALUES, old), ("/api/v1/label/b/values", recent)] {
        let event = get(
            path,
            &[
                ("match[]", "up"),
                ("start", start),
                ("end", "1795219200"),
                ("limit", "7"),
            ],
        );
        assert_eq!(answer(&api, &event).await.0, 200);
    }
    let received = fake.received.lock().unwrap().clone();
    let forms: Vec<Vec<(String, String)>> = received
        .iter()
        .map(|request| {
            let (head, body) = request.split_once("\r\n\r\n").unwrap();
            let target = head.split(' ').nth(1).unwrap();
            let form = target.split_once('?').map_or(body, |(_, form)| form);
            form::parse(form.as_bytes(), 10).unwrap()
        })
        .collect();
    let mut values = Vec::new();
    // A window that began within the last hour is asked from there: what it holds could come between two questions.
    for (pair, start) in forms.chunks(2).zip([old, old, "1795215600"]) {
        let (name, selector) = &pair[0][0];
        let value = selector
            .strip_prefix(r#"{ purpose = "external" , org =~ "a|b" , __fanlight_probe__ = ""#)
            .and_then(|rest| rest.strip_suffix("\" }"))
            .unwrap();
        assert_eq!((name.as_str(), value.len()), ("match[]", 32), "{selector}");
        values.push(value.to_owned());
        let rest = [("start", start), ("end", "1795219200"), ("limit", "7")];
        let rest = rest.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(pair[0][1..], rest);
        assert_eq!(pair[1][0].1, r#"up { purpose = "external" , org =~ "a|b" }"#);
    }
    values.sort();
    values.dedup();
    assert_eq!(values.len(), 3, "nobody can know the value");
}

#[tokio::test]
async fn the_limits_of_a_plan_are_on_what_callers_write() {
    let fake = probed_with(NOTHING.to_owned()).await;
    let mut settings = fake.settings();
    let plan = settings.plans.get_mut(DEFAULT_PLAN).unwrap();
    plan.query_bytes = 4;
    plan.selectors = 1;
    assert_eq!(answer(&api(settings), &get(LABELS, &[("match[]", "up")])).await.0, 200);
}

#[tokio::test]
async fn two_empty_answers_prove_nothing() {
    // A store that ignores what is to match, and in which nothing has this label, or yet.
    let state = std::sync::Arc::new(std::sync::Mutex::new(NOTHING.to_owned()));
    let kept = std::sync::Arc::clone(&state);
    let fake = Fake::answering(
        move |request| json(&state.lock().unwrap(), takes_gzip(request)),
        Then::Close,
    )
    .await;
    let api = fake.api();
    for path in [LABELS, VALUES] {
        for event in [get(path, &[]), with_gzip(get(path, &[]))] {
            assert_eq!(answer(&api, &event).await.0, 200, "{path}");
        }
    }
    *kept.lock().unwrap() = everybodys();
    for path in [LABELS, VALUES, "/api/v1/label/other/values"] {
        assert_eq!(refused(&api, &get(path, &[])).await.0, 502, "{path}");
    }
}

#[tokio::test]
async fn what_stands_beside_nothing_may_stand_there_and_nothing_else_is_nothing() {
    for (probe, expected) in [
        (r#"{"status":"success","data":[],"warnings":["store x"]}"#, 200),
        (r#"{"status":"success","isPartial":false,"data" : [ ]}"#, 200),
        (r#"{"status":"success","data":[]}{}"#, 502),
        (r#"{"status":"success","data":[]"#, 502),
        (r#"{"status":"success","data":null}"#, 502),
        (r#"{"status":"success","data":{}}"#, 502),
        (r#"{"status":"success","data":""}"#, 502),
        (r#"{"status":"success","data":[""]}"#, 502),
        (r#"{"status":"success","data":[[]]}"#, 502),
        (r#"{"status":"success"}"#, 502),
        (r#"{"data":[]}"#, 502),
        ("[]", 502),
        ("", 502),
    ] {
        for path in [LABELS, VALUES] {
            for gzip in [false, true] {
                let fake = probed_with(probe.to_owned()).await;
                let event = get(path, &[]);
                let event = if gzip { with_gzip(event) } else { event };
                assert_eq!(answer(&fake.api(), &event).await.0, expected, "{path} {probe} {gzip}");
                assert_eq!(asked(&fake).len(), if expected == 200 { 2 } else { 1 }, "{probe}");
            }
        }
    }
}

#[tokio::test]
async fn a_failure_of_the_probe_is_remembered_by_nobody() {
    let failing = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let fails = std::sync::Arc::clone(&failing);
    let fake = Fake::answering(
        move |request| {
            let busy = json!({"status": "error", "errorType": "unavailable", "error": CANARY}).to_string();
            match (is_probe(request), fails.load(std::sync::atomic::Ordering::SeqCst)) {
                (true, true) => http(503, &[("retry-after", "7")], busy.as_bytes()),
                (true, false) => json(NOTHING, false),
                (false, _) => json(OWN, false),
            }
        },
        Then::Close,
    )
    .await;
    let api = fake.api();
    let (status, headers, body) = answer(&api, &get(LABELS, &[])).await;
    assert_eq!((status, &headers["retry-after"]), (503, &HeaderValue::from_static("7")));
    assert!(!String::from_utf8_lossy(&body).contains(CANARY));
    failing.store(false, std::sync::atomic::Ordering::SeqCst);
    let (status, _, body) = answer(&api, &get(LABELS, &[])).await;
    assert_eq!((status, body), (200, OWN.as_bytes().to_vec()));
}

#[tokio::test]
async fn the_probe_has_no_time_of_its_own() {
    let fake = Fake::new(Vec::new(), Then::Hang).await;
    let mut settings = fake.settings();
    settings.plans.get_mut(DEFAULT_PLAN).unwrap().time = Duration::from_millis(200);
    let api = api(settings);
    for path in [LABELS, VALUES] {
        let (status, kind, text) = refused(&api, &get(path, &[])).await;
        assert_eq!((status, kind.as_str()), (504, "timeout"), "{text}");
    }
    assert!(asked(&fake).iter().all(|(_, probe)| *probe));
}

#[tokio::test]
async fn two_at_once_are_both_answered_rightly() {
    let fake = probed_with(NOTHING.to_owned()).await;
    let api = fake.api();
    let event = get(LABELS, &[]);
    let (one, other) = tokio::join!(answer(&api, &event), answer(&api, &event));
    assert_eq!((one.0, other.0), (200, 200));
    assert_eq!((one.2, other.2), (OWN.as_bytes().to_vec(), OWN.as_bytes().to_vec()));
    let before = asked(&fake).len();
    assert_eq!(answer(&api, &event).await.0, 200);
    assert_eq!(asked(&fake).len(), before + 1, "it is remembered");
}
