//! Who asks: basic, bearer and OAuth 2.0 credentials, which go to the targets and nowhere else.

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fanlight_tests::canary::{ROTATED_PASSWORD, TOKEN};
use fanlight_tests::faults::refusing;
use fanlight_tests::scripted::{Asked, Scripted, Step, whole};
use fanlight_tests::{Collector, PASSWORD, Pushgateway, SecretsManager};
use serde_json::json;

use super::{HEALTH_JOB, Pages, page, source};

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];
const OK: &str = r#"[{"db": "ok"}]"#;

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// The `Authorization` header of each request that the service got.
fn authorizations(service: &Scripted) -> Vec<String> {
    let header = |asked: &Asked| asked.header("authorization").join(", ");
    service.asked().iter().map(header).collect()
}

/// An answer of a token endpoint.
fn token(token: &str, expires_in: u32) -> Vec<Step> {
    let body = json!({"access_token": token, "token_type": "Bearer", "expires_in": expires_in});
    whole(200, &JSON, body.to_string())
}

fn oauth2(endpoint: &str, more: &str) -> String {
    format!(
        ", oauth2: {{token_url: '{endpoint}/token/', client_id: 'the client', client_secret: '{{{{SOURCE_PASSWORD}}}}'{more}}}"
    )
}

#[tokio::test]
async fn what_is_configured_is_sent() -> Result<()> {
    for (more, expected) in [
        (
            ", basic: {username: u, password: '{{SOURCE_PASSWORD}}'}",
            basic("u", PASSWORD),
        ),
        (", bearer: '{{SOURCE_TOKEN}}'", format!("Bearer {TOKEN}")),
    ] {
        let service = page(OK).await?;
        let more = format!("{more}, headers: {{X-Api-Key: '{{{{SOURCE_TOKEN}}}}'}}");
        let pages = Pages::new(&format!("{}{HEALTH_JOB}", source(&service.url(), &more))).await?;
        pages.succeed().await?;
        let asked = service.asked();
        assert_eq!(asked[0].header("authorization"), [expected]);
        assert_eq!(asked[0].header("x-api-key"), [TOKEN]);
    }
    Ok(())
}

#[tokio::test]
async fn a_token_is_fetched_once_and_kept_until_it_ends() -> Result<()> {
    let service = page(OK).await?;
    let endpoint = Scripted::start(vec![token(TOKEN, 3600)]).await?;
    let more = oauth2(
        &endpoint.url(),
        ", scope: 'read all', parameters: {audience: 'https://health'}",
    );
    let pages = Pages::new(&format!("{}{HEALTH_JOB}", source(&service.url(), &more))).await?;
    for _ in 0..3 {
        pages.succeed().await?;
    }
    let asked = endpoint.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(
        (asked[0].method.as_str(), asked[0].target.as_str()),
        ("POST", "/token/")
    );
    let form = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        asked[0].form(),
        [
            form("grant_type", "client_credentials"),
            form("audience", "https://health"),
            form("scope", "read all"),
        ]
    );
    // RFC 6749, section 2.3.1: encoded as in a form, and then in base64.
    let encoded: String = PASSWORD
        .bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect();
    assert_eq!(asked[0].header("authorization"), [basic("the%20client", &encoded)]);
    assert_eq!(
        authorizations(&service),
        [
            format!("Bearer {TOKEN}"),
            format!("Bearer {TOKEN}"),
            format!("Bearer {TOKEN}")
        ]
    );
    Ok(())
}

#[tokio::test]
async fn a_token_that_has_ended_is_fetched_again_and_the_body_may_hold_the_client() -> Result<()> {
    let service = page(OK).await?;
    // It is as good as over: 30 s of margin.
    let endpoint = Scripted::start(vec![token("one", 30), token("two", 3600)]).await?;
    let more = oauth2(&endpoint.url(), ", client_auth: body");
    let pages = Pages::new(&format!("{}{HEALTH_JOB}", source(&service.url(), &more))).await?;
    for _ in 0..3 {
        pages.succeed().await?;
    }
    let asked = endpoint.asked();
    assert_eq!(asked.len(), 2);
    assert!(asked[0].header("authorization").is_empty());
    let form = asked[0].form();
    assert!(
        form.contains(&("client_id".to_owned(), "the client".to_owned()))
            && form.contains(&("client_secret".to_owned(), PASSWORD.to_owned())),
        "{form:?}"
    );
    assert_eq!(authorizations(&service), ["Bearer one", "Bearer two", "Bearer two"]);
    Ok(())
}

#[tokio::test]
async fn a_token_that_is_refused_is_fetched_anew_once() -> Result<()> {
    let refusal = whole(401, &JSON, "{}");
    let service = Scripted::start(vec![
        whole(200, &JSON, OK),
        refusal.clone(),
        whole(200, &JSON, OK),
        refusal,
    ])
    .await?;
    let endpoint = Scripted::start(vec![
        token("one", 3600),
        token("two", 3600),
        token("three", 3600),
        token("four", 3600),
    ])
    .await?;
    let config = format!("{}{HEALTH_JOB}", source(&service.url(), &oauth2(&endpoint.url(), "")));
    let pages = Pages::new(&config).await?;
    pages.succeed().await?;
    pages.succeed().await?;
    assert_eq!(authorizations(&service), ["Bearer one", "Bearer one", "Bearer two"]);
    let (kind, message) = pages.fail().await?;
    assert_eq!(kind, "login");
    assert!(
        message.contains("refused the credentials with 401 Unauthorized: check what the token of `oauth2` allows"),
        "{message}"
    );
    assert_eq!(
        authorizations(&service)[3..],
        ["Bearer two", "Bearer three"],
        "twice a run and no more"
    );
    assert_eq!(endpoint.asked().len(), 3);
    Ok(())
}

#[tokio::test]
async fn a_token_endpoint_that_fails_is_named_and_no_page_is_asked() -> Result<()> {
    let no_token = |body: &str| whole(200, &JSON, body);
    for (reply, kind, expected) in [
        (
            whole(
                401,
                &JSON,
                format!(r#"{{"error": "invalid_client", "error_description": "{TOKEN}"}}"#),
            ),
            "login",
            "refused the client with 401 Unauthorized (invalid_client); check `client_id` and `client_secret`",
        ),
        (
            whole(400, &JSON, format!(r#"{{"error": "{TOKEN}"}}"#)),
            "login",
            "refused the client with 400 Bad Request; check",
        ),
        (whole(500, &JSON, TOKEN), "status", "answered 500 Internal Server Error"),
        (
            no_token(TOKEN),
            "page",
            "did not answer with a token as RFC 6749 has it: it is not JSON",
        ),
        (no_token("{}"), "page", "it has no `access_token`"),
        (
            no_token(r#"{"access_token": "a", "token_type": "mac"}"#),
            "page",
            "its `token_type` is not `Bearer`",
        ),
        (
            no_token(r#"{"access_token": "a\nb: c"}"#),
            "page",
            "its `access_token` cannot be a header's value",
        ),
        (
            whole(302, &[("location", "http://elsewhere.invalid/token")], ""),
            "status",
            "a redirect to http://elsewhere.invalid, which is not followed",
        ),
        (vec![Step::Close], "connection", "cut the connection before it answered"),
        (vec![Step::Hold], "timeout", "did not answer within 0.5 s"),
        (
            whole(200, &JSON, "x".repeat(70_000)),
            "page",
            "answered with more than the 65536 bytes",
        ),
    ] {
        let (service, endpoint) = (page(OK).await?, Scripted::always(reply).await?);
        let more = format!("{}, timeout: 500ms", oauth2(&endpoint.url(), ""));
        let pages = Pages::new(&format!("{}{HEALTH_JOB}", source(&service.url(), &more))).await?;
        let failure = pages.fail().await?;
        assert_eq!(failure.0, kind, "{}", failure.1);
        let start = format!(
            "job j: check_state failed: source `pages`: the token endpoint at {} ",
            endpoint.url()
        );
        assert!(
            failure.1.starts_with(&start) && failure.1.contains(expected),
            "{expected}: {}",
            failure.1
        );
        assert!(service.asked().is_empty(), "{expected}");
        let up = pages.series("fanlight_target_up").await?;
        assert!(up.len() == 1 && up[0].ends_with(" 0"), "{up:?}");
    }
    let service = page(OK).await?;
    let config = format!(
        "{}{HEALTH_JOB}",
        source(&service.url(), &oauth2(&format!("http://{}", refusing()?), ""))
    );
    let (kind, message) = Pages::new(&config).await?.fail().await?;
    assert!(
        kind == "connect" && message.contains("refused the connection"),
        "{message}"
    );
    Ok(())
}

#[tokio::test]
async fn credentials_do_not_follow_a_redirect_to_another_host() -> Result<()> {
    let elsewhere = page(OK).await?;
    let secret = format!("{}/{TOKEN}?t={TOKEN}", elsewhere.url());
    let service = Scripted::always(whole(302, &[("location", secret.as_str())], "")).await?;
    let more = ", bearer: '{{SOURCE_TOKEN}}', headers: {X-Api-Key: '{{SOURCE_TOKEN}}'}";
    let pages = Pages::new(&format!("{}{HEALTH_JOB}", source(&service.url(), more))).await?;
    let (kind, message) = pages.fail().await?;
    assert_eq!(kind, "status");
    let told = format!(
        "answered 302 Found, a redirect to {}, which is not followed",
        elsewhere.url()
    );
    assert!(message.contains(&told), "{message}");
    assert!(elsewhere.asked().is_empty());
    Ok(())
}

#[tokio::test]
async fn a_redirect_within_the_service_is_followed_a_few_times() -> Result<()> {
    let service = Scripted::start(vec![
        whole(301, &[("location", "/health/")], ""),
        whole(200, &JSON, OK),
        whole(302, &[("location", "/health/")], ""),
    ])
    .await?;
    let config = format!("{}{HEALTH_JOB}", source(&service.url(), ", bearer: '{{SOURCE_TOKEN}}'"));
    let pages = Pages::new(&config).await?;
    pages.succeed().await?;
    let asked = service.asked();
    assert_eq!((asked.len(), asked[1].target.as_str()), (2, "/health/"));
    assert_eq!(asked[1].header("authorization"), [format!("Bearer {TOKEN}")]);
    let (kind, message) = pages.fail().await?;
    assert!(
        kind == "status"
            && message.contains("answered 302 Found, still a redirect after 3 within the same host")
            && !message.contains("credentials"),
        "{message}"
    );
    assert_eq!(service.asked().len(), 2 + 4, "one that leads in circles");
    Ok(())
}

#[tokio::test]
async fn a_secret_that_was_rotated_is_fetched_again_once() -> Result<()> {
    let config = |url: &str| {
        format!(
            "placeholders:\n  P: {{secret: pages, field: password}}\n{}{HEALTH_JOB}",
            source(url, ", basic: {username: u, password: '{{P}}'}")
        )
    };
    let service = Scripted::start(vec![whole(200, &JSON, OK), whole(401, &[], ""), whole(200, &JSON, OK)]).await?;
    let (gateway, aws) = (Pushgateway::start().await?, SecretsManager::start().await?);
    aws.create("pages", &json!({"password": PASSWORD}).to_string()).await?;
    let environment = aws
        .environment()
        .into_iter()
        .chain([("PUSHGATEWAY_URL", gateway.url())]);
    let files = config(&service.url());
    let collector = Collector::new(&[("a.yaml", &files)], environment, std::time::Duration::from_secs(30))?;
    collector.invoke(&json!({"job": "j"})).await??;
    aws.put("pages", &json!({"password": ROTATED_PASSWORD}).to_string())
        .await?;
    collector.invoke(&json!({"job": "j"})).await??;
    assert_eq!(
        authorizations(&service),
        [basic("u", PASSWORD), basic("u", PASSWORD), basic("u", ROTATED_PASSWORD)]
    );
    let log = collector.log();
    let words = "the credentials were refused; trying again with credentials fetched anew";
    assert_eq!(log.matches(words).count(), 1, "{log}");
    Ok(())
}
