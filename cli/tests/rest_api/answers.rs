//! What becomes of an answer that is gathered, and of the head of one that is streamed.

use std::time::Duration;

use fanlight_cli::runner::Function;
use fanlight_cli::runner::api_gateway::{Integration, RestApi};

use crate::{Served, example, json, probe};

const INTERNAL: &str = r#"{"message":"Internal server error"}"#;

/// The text as a value in a query.
fn encoded(text: &str) -> String {
    percent_encoding::percent_encode(text.as_bytes(), percent_encoding::NON_ALPHANUMERIC).to_string()
}

#[tokio::test]
async fn a_gathered_answer_is_taken_apart() {
    let (function, log) = probe("integration");
    let builder = RestApi::builder()
        .any("/{proxy+}", Integration::buffered(function.clone()))
        .binary_media_type("application/octet-stream");
    let api = Served::serve(builder, function, log).await;
    let answer =
        r#"{"statusCode":404,"headers":{"X-A":"b","Content-Length":"99"},"body":"AP8=","isBase64Encoded":true}"#;
    let path = format!("/a?do=whole&text={}", encoded(answer));
    let text = api.get(&path).await;
    assert_eq!((text.status, text.header("x-a"), text.text()), (404, Some("b"), "AP8="));
    assert_eq!(text.header("content-length"), Some("4"));
    assert_eq!(text.header("x-amzn-remapped-content-length"), Some("99"));
    let binary = api
        .get_with(&path, "Accept: application/octet-stream, text/plain\r\n")
        .await;
    assert_eq!(binary.body, [0, 0xff]);
    let broken = encoded(r#"{"body":"%","isBase64Encoded":true}"#);
    let broken = api
        .get_with(
            &format!("/a?do=whole&text={broken}"),
            "Accept: application/octet-stream\r\n",
        )
        .await;
    assert_eq!((broken.status, broken.text()), (500, INTERNAL));
}

#[tokio::test]
async fn what_is_no_answer_is_a_bad_gateway() {
    let streamed = Served::open().await;
    let buffered = Served::buffered().await;
    let malformed = encoded(r#"{"status":200}"#);
    let http = encoded("application/vnd.awslambda.http-integration-response");
    let prelude = encoded(r#"{"statusCode":200}........body"#);
    let cases = [
        (&buffered, "do=fail".to_owned()),
        (&buffered, "do=exit".into()),
        (&buffered, format!("do=whole&text={malformed}")),
        (&buffered, "do=whole&text=text".into()),
        (&streamed, "do=fail".into()),
        (&streamed, "do=exit".into()),
        // Not streamed at all, or not for API Gateway.
        (&streamed, format!("do=whole&text={prelude}")),
        (&streamed, format!("do=raw&type=text/plain&text={prelude}")),
        // No delimiter, half of one, or none within 16 KB.
        (
            &streamed,
            format!("do=raw&type={http}&text={}", encoded(r#"{"statusCode":200}"#)),
        ),
        (
            &streamed,
            format!("do=raw&type={http}&text={}", encoded(r#"{"statusCode":200}......."#)),
        ),
        (&streamed, format!("do=raw&type={http}&text=")),
        (&streamed, "do=large prelude&number=16384".replace(' ', "%20")),
        // A delimiter behind what is no prelude.
        (&streamed, "do=large prelude&number=9".replace(' ', "%20")),
        (
            &streamed,
            format!("do=raw&type={http}&text={}", encoded("........body")),
        ),
        (
            &streamed,
            format!(
                "do=raw&type={http}&text={}",
                encoded(r#"{"statusCode":"x"}........body"#)
            ),
        ),
        (
            &streamed,
            format!(
                "do=raw&type={http}&text={}",
                encoded(r#"{"headers":{"a":["b"]}}........body"#)
            ),
        ),
    ];
    for (api, query) in cases {
        let answer = api.get(&format!("/a?{query}")).await;
        assert_eq!(
            (answer.status, answer.text(), answer.whole),
            (502, INTERNAL, true),
            "{query}"
        );
    }
    // And each of them is still to be called.
    assert_eq!(streamed.get("/a").await.status, 200);
    assert_eq!(buffered.get("/a?do=whole&text=%7B%7D").await.status, 200);
}

#[tokio::test]
async fn an_integration_that_takes_too_long_is_given_up() {
    let timeout = Duration::from_millis(200);
    for integration in [Integration::buffered, Integration::streamed] {
        let (function, log) = probe("integration");
        let builder = RestApi::builder().any("/{proxy+}", integration(function.clone()).timeout(timeout));
        let api = Served::serve(builder, function, log).await;
        let answer = api.get("/a?do=sleep").await;
        assert_eq!(
            (answer.status, answer.text()),
            (504, r#"{"message":"Endpoint request timed out"}"#)
        );
        api.function.shutdown().await;
    }
}

#[tokio::test]
async fn a_function_that_times_out_by_itself_is_a_bad_gateway() {
    for integration in [Integration::buffered, Integration::streamed] {
        let (sink, log) = fanlight_cli::runner::LogSink::captured();
        let function = Function::builder("integration", example("api_probe"))
            .timeout(Duration::from_millis(300))
            .log(sink)
            .build()
            .expect("a function");
        let builder = RestApi::builder().any("/{proxy+}", integration(function.clone()));
        let api = Served::serve(builder, function, log).await;
        let answer = api.get("/a?do=sleep").await;
        assert_eq!((answer.status, answer.text()), (502, INTERNAL));
    }
}

#[tokio::test]
async fn a_function_without_an_instance_to_spare_is_an_error() {
    for integration in [Integration::buffered, Integration::streamed] {
        let (sink, log) = fanlight_cli::runner::LogSink::captured();
        let function = Function::builder("integration", example("api_probe"))
            .concurrency(1)
            .log(sink)
            .timeout(Duration::from_mins(2))
            .build()
            .expect("a function");
        let builder = RestApi::builder().any("/{proxy+}", integration(function.clone()));
        let api = Served::serve(builder, function, log).await;
        let address = api.address;
        let busy = tokio::spawn(crate::client::Connection::get(address, "/a?do=sleep"));
        crate::until(|| api.log.text().contains("asleep")).await;
        let answer = api.get("/a").await;
        assert_eq!((answer.status, answer.text()), (500, INTERNAL));
        api.function.shutdown().await;
        drop(busy.await.expect("a connection"));
        // After the shutdown it cannot be invoked at all.
        assert_eq!(api.get("/a").await.status, 502);
    }
}

#[tokio::test]
async fn the_head_of_a_stream_is_its_prelude() {
    let api = Served::open().await;
    let answer = api.get("/a").await;
    assert_eq!(json(&answer)["path"], "/a");
    assert!(answer.whole);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("content-length"), None, "{:?}", answer.headers);
    let cookies: Vec<&str> = answer
        .headers
        .iter()
        .filter(|(name, _)| name == "set-cookie")
        .map(|(_, value)| value.as_str())
        .collect();
    assert_eq!(cookies, ["a=b", "c=d"]);
    // However it is cut into pieces; and what follows the eighth NUL is the body.
    let answer = api.get("/a?do=bytes").await;
    assert_eq!((answer.status, answer.text(), answer.whole), (201, "\0body", true));
}

/// As every function in Rust answers.
#[tokio::test]
async fn a_stream_of_the_rust_runtime_is_understood() {
    let (sink, log) = fanlight_cli::runner::LogSink::captured();
    let function = Function::builder("integration", example("probe"))
        .env("PROBE_DO", "stream")
        .env("PROBE_NUMBER", "3")
        .timeout(Duration::from_mins(2))
        .log(sink)
        .build()
        .expect("a function");
    let builder = RestApi::builder().any("/{proxy+}", Integration::streamed(function.clone()));
    let api = Served::serve(builder, function, log).await;
    let answer = api.get("/a").await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, Some("application/octet-stream"))
    );
    assert_eq!((answer.body.len(), answer.whole), (3 * 1024, true));
}
