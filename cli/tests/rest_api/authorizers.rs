//! Who is let pass, what is kept of it, and how fast he may call.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue};
use fanlight_cli::runner::api_gateway::{
    Authorizer, GatewayResponse, Integration, InvalidRestApi, ResponseType, RestApi, RestApiBuilder, UsagePlan,
};
use serde_json::json;

use crate::{Served, client, json, probe};

async fn guarded() -> Served {
    Served::guarded(RestApiBuilder::authorizer).await
}

/// The request with this credential.
async fn call(api: &Served, path: &str, credential: &str) -> client::Answer {
    api.get_with(path, &format!("Authorization: Bearer {credential}\r\n"))
        .await
}

/// How often the authorizer was asked.
fn asked(api: &Served) -> usize {
    api.log.text().matches("authorizer {").count()
}

#[tokio::test]
async fn each_answer_of_the_authorizer_has_its_consequence() {
    let api = guarded().await;
    let denied = "User is not authorized to access this resource";
    let cases = [
        ("allow", 200, None),
        ("only", 200, None),
        ("refused", 401, Some(json!({"message": "Unauthorized"}))),
        ("fail", 500, Some(json!({"message": null}))),
        ("object", 500, Some(json!({"message": null}))),
        ("policy", 500, Some(json!({"message": null}))),
        (
            "deny",
            403,
            Some(json!({"Message": format!("{denied} with an explicit deny")})),
        ),
        ("other", 403, Some(json!({"Message": denied}))),
    ];
    for (credential, status, body) in cases {
        let answer = call(&api, "/a", credential).await;
        assert_eq!(answer.status, status, "{credential}: {}", answer.text());
        if let Some(body) = body {
            assert_eq!(json(&answer), body, "{credential}");
        }
    }
}

#[tokio::test]
async fn a_request_without_credentials_asks_nobody() {
    let api = guarded().await;
    for headers in ["", "Authorization: \r\n", "X-Authorization: Bearer allow\r\n"] {
        let answer = api.get_with("/a", headers).await;
        assert_eq!(
            (answer.status, answer.text()),
            (401, r#"{"message":"Unauthorized"}"#),
            "{headers}"
        );
        assert_eq!(answer.header("x-amzn-errortype"), Some("UnauthorizedException"));
    }
    assert_eq!(api.log.text(), "");
}

#[tokio::test]
async fn an_answer_is_kept_for_its_credential() {
    let api = guarded().await;
    for (path, credential, times) in [
        ("/a", "allow", 1),
        ("/b", "allow", 1),
        ("/a", "allow x", 2),
        ("/a", "deny", 3),
        ("/b", "deny", 3),
        // Neither a refusal nor a failure is kept.
        ("/a", "refused", 4),
        ("/a", "refused", 5),
        ("/a", "fail", 6),
        ("/a", "fail", 7),
    ] {
        call(&api, path, credential).await;
        assert_eq!(asked(&api), times, "{path} {credential}");
    }
}

/// The well-known trap: what was answered for one method is held against all others.
#[tokio::test]
async fn a_kept_policy_for_one_method_denies_the_others() {
    let api = guarded().await;
    assert_eq!(call(&api, "/a", "only").await.status, 200);
    assert_eq!(call(&api, "/b", "only").await.status, 403);
    assert_eq!(call(&api, "/a?x=1", "only").await.status, 200);
    let headers = "Authorization: Bearer only\r\n";
    assert_eq!(
        client::exchange(api.address, "POST", "/a", headers, b"").await.status,
        403
    );
    assert_eq!(asked(&api), 1);
}

#[tokio::test]
async fn what_is_kept_expires() {
    let ttl = Duration::from_millis(50);
    let api = Served::guarded(|builder, authorizer| builder.authorizer(authorizer.cache_ttl(ttl))).await;
    call(&api, "/a", "only").await;
    tokio::time::sleep(ttl).await;
    assert_eq!(call(&api, "/b", "only").await.status, 200);
    assert_eq!(asked(&api), 2);
}

#[tokio::test]
async fn a_time_to_live_of_zero_keeps_nothing() {
    let api = Served::guarded(|builder, authorizer| builder.authorizer(authorizer.cache_ttl(Duration::ZERO))).await;
    for path in ["/a", "/b", "/a"] {
        assert_eq!(call(&api, path, "only").await.status, 200);
    }
    assert_eq!(asked(&api), 3);
}

#[tokio::test]
async fn an_authorizer_that_times_out_lets_nobody_pass() {
    let (integration, _) = probe("integration");
    let (sink, log) = fanlight_cli::runner::LogSink::captured();
    let authorizer = fanlight_cli::runner::Function::builder("authorizer", crate::example("api_probe"))
        .timeout(Duration::from_millis(300))
        .log(sink)
        .build()
        .expect("a function");
    let builder = RestApi::builder()
        .any("/{proxy+}", Integration::streamed(integration.clone()))
        .authorizer(Authorizer::new(authorizer));
    let api = Served::serve(builder, integration, log).await;
    let answer = call(&api, "/a", "sleep").await;
    assert_eq!((answer.status, answer.text()), (500, r#"{"message":null}"#));
}

#[tokio::test]
async fn a_usage_plan_holds_each_key_to_its_rate_and_its_quota() {
    let plan = |burst, quota| UsagePlan {
        // A token in three years: the burst is all there is.
        rate: 1e-8,
        burst,
        quota,
    };
    let api = Served::guarded(|builder, authorizer| {
        let builder = builder.usage_plan(&plan(2, None), ["key-of-a", "key-of-b"]);
        builder
            .usage_plan(&plan(9, Some(1)), ["key-of-c"])
            .authorizer(authorizer)
    })
    .await;
    let cases = [
        ("key key-of-a", 200, ""),
        ("key key-of-a", 200, ""),
        ("key key-of-a", 429, "Too Many Requests"),
        // Of the same plan, with a bucket of its own.
        ("key key-of-b", 200, ""),
        ("key key-of-c", 200, ""),
        ("key key-of-c", 429, "Limit Exceeded"),
        ("key unknown", 403, "Forbidden"),
        // None at all.
        ("allow", 403, "Forbidden"),
        (
            "deny",
            403,
            "User is not authorized to access this resource with an explicit deny",
        ),
    ];
    for (credential, status, message) in cases {
        let answer = call(&api, "/a", credential).await;
        assert_eq!(answer.status, status, "{credential}: {}", answer.text());
        if status == 200 {
            let identity = &json(&answer)["requestContext"]["identity"];
            assert_eq!(identity["apiKey"], credential["key ".len()..]);
            assert_eq!(identity["apiKeyId"].as_str().map(str::len), Some(10));
        } else {
            assert!(
                answer.text().ends_with(&format!("\"{message}\"}}")),
                "{credential}: {}",
                answer.text()
            );
        }
    }
}

#[tokio::test]
async fn an_api_words_its_refusals() {
    let header = |name, value| (HeaderName::from_static(name), HeaderValue::from_static(value));
    let worded = |kind: &str, (name, value)| {
        let body = format!(r#"{{"status":"error","errorType":"{kind}","error":$context.error.messageString}}"#);
        GatewayResponse::new().header(name, value).body(body)
    };
    let api = Served::guarded(|builder, authorizer| {
        let plan = UsagePlan {
            rate: 1e-8,
            burst: 0,
            quota: None,
        };
        let unauthorized = worded("unauthorized", header("www-authenticate", "Bearer, Basic"));
        let throttled = worded("throttled", header("retry-after", "1"));
        builder
            .authorizer(authorizer)
            .usage_plan(&plan, ["key-of-a"])
            .gateway_response(ResponseType::Unauthorized, unauthorized)
            .gateway_response(ResponseType::Throttled, throttled)
    })
    .await;
    let answer = api.get("/a").await;
    assert_eq!(
        (answer.status, answer.header("www-authenticate")),
        (401, Some("Bearer, Basic"))
    );
    assert_eq!(
        answer.text(),
        r#"{"status":"error","errorType":"unauthorized","error":"Unauthorized"}"#
    );
    let answer = call(&api, "/a", "key key-of-a").await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("1")));
    assert_eq!(
        answer.text(),
        r#"{"status":"error","errorType":"throttled","error":"Too Many Requests"}"#
    );
}

#[test]
fn settings_of_which_aws_would_make_no_api_are_refused() {
    let (function, _) = probe("integration");
    let integration = || Integration::streamed(function.clone());
    let plan = UsagePlan {
        rate: 1.0,
        burst: 1,
        quota: None,
    };
    let whole = || RestApi::builder().any("/{proxy+}", integration());
    let variable = GatewayResponse::new().body("$context.identity.sourceIp");
    let cases = [
        (RestApi::builder(), "has no method"),
        (whole().stage("a/b"), "the stage `a/b`"),
        (whole().any("/{proxy+}", integration()), "has the method ANY twice"),
        (
            whole().any("api", integration()),
            "the resource `api` does not begin with a slash",
        ),
        (whole().usage_plan(&plan, ["key"]), "usage plans need an authorizer"),
        (
            whole().gateway_response(ResponseType::Throttled, variable),
            "`$context.identity.sourceIp`, which is not filled in",
        ),
    ];
    for (builder, words) in cases {
        let error: InvalidRestApi = builder.build().err().expect("an error");
        assert!(error.to_string().contains(words), "{error}");
    }
}
