//! Keys that come, change and stay away.

use axum::http::StatusCode;
use serde_json::json;

use super::super::fake_issuer::{FakeIssuer, Pair};
use super::*;

const DISCOVERY: &str = "/.well-known/openid-configuration";

/// Keys that are never fetched again unless one is missing.
const KEPT: Times = Times {
    lifetime: Duration::from_hours(1),
    grace: Duration::from_hours(24),
    interval: Duration::ZERO,
    retry: Duration::ZERO,
    patience: Duration::from_secs(20),
};

fn set(issuer: &FakeIssuer, times: Times) -> KeySet {
    KeySet::new(&issuer.configured(), times).unwrap()
}

async fn has(set: &KeySet, id: &str) -> bool {
    set.key(id, Algorithm::ES256).await.unwrap().is_some()
}

async fn failure(set: &KeySet, id: &str) -> String {
    match set.key(id, Algorithm::ES256).await {
        Err(error) => error.to_string(),
        Ok(key) => panic!("{}", key.is_some()),
    }
}

#[tokio::test]
async fn keys_are_fetched_once_and_kept() {
    let issuer = FakeIssuer::start(vec![Pair::ec256().jwk("a"), Pair::ec256().jwk("b")]).await;
    let set = set(&issuer, KEPT);
    assert_eq!(issuer.asked(), [""; 0], "nothing is fetched before it is needed");
    for _ in 0..3 {
        assert!(has(&set, "a").await && has(&set, "b").await);
    }
    assert_eq!(issuer.asked(), [DISCOVERY, "/keys"]);
}

#[tokio::test]
async fn a_configured_url_needs_no_discovery() {
    let issuer = FakeIssuer::start(vec![Pair::ec256().jwk("a")]).await;
    let configured = Issuer {
        jwks_url: Some(format!("{}/keys", issuer.url)),
        ..issuer.configured()
    };
    let set = KeySet::new(&configured, KEPT).unwrap();
    assert!(has(&set, "a").await);
    assert_eq!(issuer.asked(), ["/keys"]);
}

#[tokio::test]
async fn a_slash_at_the_issuers_end_is_no_matter() {
    let issuer = FakeIssuer::start(vec![Pair::ec256().jwk("a")]).await;
    let configured = Issuer {
        issuer: format!("{}/", issuer.url),
        ..issuer.configured()
    };
    issuer.answers().discovery["issuer"] = json!(configured.issuer);
    let set = KeySet::new(&configured, KEPT).unwrap();
    assert!(has(&set, "a").await);
}

#[tokio::test]
async fn an_unknown_key_has_the_keys_fetched_again() {
    let issuer = FakeIssuer::start(vec![Pair::ec256().jwk("old")]).await;
    let set = set(&issuer, KEPT);
    assert!(has(&set, "old").await);
    issuer.answers().keys = vec![Pair::ec256().jwk("new")];
    assert!(has(&set, "new").await);
    assert!(
        !has(&set, "old").await,
        "what the issuer has withdrawn is not trusted any more"
    );
}

#[tokio::test]
async fn made_up_keys_do_not_become_requests() {
    let issuer = FakeIssuer::start(vec![Pair::ec256().jwk("a")]).await;
    let times = Times {
        interval: Duration::from_hours(1),
        ..KEPT
    };
    let set = set(&issuer, times);
    for number in 0..50 {
        assert!(!has(&set, &format!("made-up-{number}")).await);
    }
    assert!(has(&set, "a").await);
    assert_eq!(issuer.asked(), [DISCOVERY, "/keys"]);
}

#[tokio::test]
async fn those_who_come_at_once_share_one_fetch() {
    let issuer = FakeIssuer::start(vec![Pair::ec256().jwk("a")]).await;
    let set = set(&issuer, KEPT);
    let found = futures_util::future::join_all((0..20).map(|_| has(&set, "a"))).await;
    assert!(found.into_iter().all(|found| found));
    assert_eq!(issuer.asked(), [DISCOVERY, "/keys"]);
}

#[tokio::test]
async fn old_keys_go_on_while_the_issuer_is_away_but_not_for_ever() {
    for (grace, goes_on) in [(Duration::from_hours(1), true), (Duration::ZERO, false)] {
        let issuer = FakeIssuer::start(vec![Pair::ec256().jwk("a")]).await;
        let times = Times {
            lifetime: Duration::ZERO,
            grace: Duration::from_hours(1),
            ..KEPT
        };
        let mut set = set(&issuer, times);
        assert!(has(&set, "a").await);
        set.times.grace = grace;
        issuer.answers().instead = Some((StatusCode::SERVICE_UNAVAILABLE, String::new()));
        assert_eq!(set.key("a", Algorithm::ES256).await.is_ok(), goes_on);
        // One that is not known may be the issuer's newest.
        let error = failure(&set, "b").await;
        assert!(
            error.ends_with("/keys answers with HTTP status 503; check the URL"),
            "{error}"
        );
        issuer.answers().instead = None;
        set.times.grace = times.grace;
        assert!(has(&set, "a").await && !has(&set, "b").await);
    }
}

#[tokio::test]
async fn a_failure_is_not_repeated_at_once() {
    let issuer = FakeIssuer::start(vec![Pair::ec256().jwk("a")]).await;
    issuer.answers().instead = Some((StatusCode::INTERNAL_SERVER_ERROR, String::new()));
    let times = Times {
        retry: Duration::from_hours(1),
        ..KEPT
    };
    let mut set = set(&issuer, times);
    let first = failure(&set, "a").await;
    issuer.answers().instead = None;
    assert_eq!(failure(&set, "a").await, first);
    assert_eq!(issuer.asked(), [DISCOVERY, "/keys"]);
    set.times.retry = Duration::ZERO;
    assert!(has(&set, "a").await);
}

#[tokio::test]
async fn each_failure_says_what_was_asked_and_what_came() {
    let jwk = || Pair::ec256().jwk("a");
    let issuer = FakeIssuer::start(vec![jwk()]).await;
    let url = issuer.url.clone();
    let oversized = format!("{{\"keys\": [], \"pad\": \"{}\"}}", "x".repeat(LARGEST_ANSWER));
    let keys = |set: Value| Some((StatusCode::OK, json!({"keys": set}).to_string()));
    let mut encryption = jwk();
    encryption["use"] = json!("enc");
    for (discovery, instead, expected) in [
        (
            None,
            Some((StatusCode::FOUND, String::new())),
            "/keys answers with HTTP status 302; check the URL",
        ),
        (
            None,
            Some((StatusCode::NO_CONTENT, String::new())),
            "/keys answers with HTTP status 204; check the URL",
        ),
        (
            None,
            Some((StatusCode::OK, "<html>".to_owned())),
            "/keys does not answer with JSON",
        ),
        (
            None,
            Some((StatusCode::OK, oversized)),
            "/keys answers with more than 262144 bytes",
        ),
        (
            None,
            Some((StatusCode::OK, "[]".to_owned())),
            "/keys has no key with a `kid` for any of the algorithms",
        ),
        (
            None,
            keys(json!([])),
            "/keys has no key with a `kid` for any of the algorithms",
        ),
        (
            None,
            keys(json!([encryption])),
            "/keys has no key with a `kid` for any of the algorithms",
        ),
        (
            Some(json!({})),
            None,
            "openid-configuration is the discovery document of another issuer",
        ),
        (
            Some(json!({"issuer": format!("{url}/"), "jwks_uri": format!("{url}/keys")})),
            None,
            "openid-configuration is the discovery document of another issuer",
        ),
        (
            Some(json!({"issuer": url})),
            None,
            "openid-configuration has no `jwks_uri` with the issuer's own scheme",
        ),
        (
            Some(json!({"issuer": url, "jwks_uri": "file:///etc/keys"})),
            None,
            "openid-configuration has no `jwks_uri` with the issuer's own scheme",
        ),
    ] {
        {
            let mut answers = issuer.answers();
            let usual = json!({"issuer": url, "jwks_uri": format!("{url}/keys")});
            answers.discovery = discovery.unwrap_or(usual);
            answers.instead = instead;
        }
        let error = failure(&set(&issuer, KEPT), "a").await;
        assert!(
            error.starts_with(&format!("the keys of the issuer {url}: {url}/")),
            "{error}"
        );
        assert!(error.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn an_issuer_that_does_not_answer_is_given_up() {
    let issuer = FakeIssuer::start(vec![Pair::ec256().jwk("a")]).await;
    issuer.answers().hangs = true;
    let times = Times {
        patience: Duration::from_millis(50),
        ..KEPT
    };
    let error = failure(&set(&issuer, times), "a").await;
    assert!(
        error.contains("openid-configuration gives no answer within 50 ms"),
        "{error}"
    );
    let gone = issuer.configured();
    drop(issuer);
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let gone = Issuer {
        jwks_url: Some(format!("http://{free}/keys")),
        ..gone
    };
    let error = failure(&KeySet::new(&gone, KEPT).unwrap(), "a").await;
    assert!(
        error.contains("/keys gives no answer: ") && error.contains("refused"),
        "{error}"
    );
}

#[test]
fn a_ca_file_that_cannot_be_used_names_the_issuer() {
    let issuer = Issuer {
        issuer: "https://id.example".to_owned(),
        audience: Vec::new(),
        jwks_url: None,
        ca_file: Some("/nowhere/ca.pem".into()),
        algorithms: Vec::new(),
        organisations_claim: crate::config::metrics_api::Claim::Name("o".to_owned()),
        client_claim: crate::config::metrics_api::Claim::Name("c".to_owned()),
        plan: String::new(),
        plan_claim: None,
    };
    let error = KeySet::new(&issuer, KEPT).err().unwrap().to_string();
    assert!(
        error.starts_with("the issuer https://id.example: CA file /nowhere/ca.pem: cannot be read"),
        "{error}"
    );
}
