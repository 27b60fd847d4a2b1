//! Answers that are errors, none at all, or say of others what is not this customer's.

use fanlight_tests::scripted::Step;
use serde_json::{Value, json};

use super::*;

const HTML: &str = "<html><body>traceback of store-7 at 10.9.8.7</body></html>";

/// An error in Prometheus' form.
fn error(kind: &str, error: &str) -> String {
    json!({"status": "error", "errorType": kind, "error": error}).to_string()
}

/// What the upstream answers, by its name; the status and the words for acme; what stands in the log.
type Failure<'a> = (&'a str, Vec<Step>, u16, &'a str, &'a str);

/// Holds what acme is told of each against what he may know.
async fn are_told(cases: Vec<Failure<'_>>) -> Result<()> {
    // One server for each, since a connection that was cut may be made anew once.
    let customers = [Customer::new("acme", &["acme-fr"])?];
    for (name, reply, status, words, told) in cases {
        let upstream = Scripted::always(reply.clone()).await?;
        let api = MetricsApi::start(&upstream.url(), &customers).await?;
        for target in [QUERY, FEDERATE] {
            let answer = ask(&api, &customers[0], target, "*/*", true).await?;
            assert_eq!(answer.error()?, (status, words.to_owned()), "{name} {target}");
            assert!(!answer.text()?.contains(&upstream.port()), "{name}");
            let retry = answer
                .headers
                .get("retry-after")
                .map(|value| value.to_str().unwrap_or("?"));
            let expected = reply.first().is_some_and(
                |step| matches!(step, Step::Send(bytes) if String::from_utf8_lossy(bytes).contains("retry-after: 7")),
            );
            assert_eq!(retry, expected.then_some("7"), "{name} {target}");
            assert!(!answer.headers.contains_key("www-authenticate"), "{name}");
        }
        let log = api
            .log_until(|log| log.matches(r#""reason":""#).count() >= 2 && log.contains(told))
            .await;
        log.with_context(|| name.to_owned())?;
    }
    Ok(())
}

#[tokio::test]
async fn statuses_of_failures() -> Result<()> {
    let named = |kind: &str| {
        error(
            kind,
            "expanding series: rpc to store-7 (10.9.8.7): tenant bolt: no such block",
        )
    };
    let json_type: (&str, &str) = ("content-type", "application/json");
    let plain = |kind: &str| format!("{kind}: {NOT_EVALUATED}");
    let (internal, unavailable, execution) = (plain("internal"), plain("unavailable"), plain("execution"));
    let later = "unavailable: the upstream cannot answer now; try again later";
    let rate = "too_many_requests: too many requests; try again later";
    let credentials = "unavailable: the upstream does not let us ask; tell whoever runs this API";
    let failed = "unavailable: the upstream failed; try again later";
    let not_served = "unavailable: the upstream does not serve this";
    are_told(vec![
        (
            "500",
            whole(500, &[], HTML),
            502,
            failed,
            "the upstream answered 500, and not in",
        ),
        (
            "500 in form",
            whole(500, &[json_type], named("internal")),
            502,
            &internal,
            "answered 500: internal: exp",
        ),
        (
            "503",
            whole(503, &[("retry-after", "7")], HTML),
            503,
            later,
            "answered 503, and not",
        ),
        (
            "503 in form",
            whole(503, &[], named("unavailable")),
            503,
            &unavailable,
            "503: unavailable: expanding",
        ),
        ("504", whole(504, &[], HTML), 504, TOO_LATE, "answered 504, and not"),
        (
            "429",
            whole(429, &[("retry-after", "7")], HTML),
            429,
            rate,
            "answered 429, and not",
        ),
        (
            "429 in form",
            whole(429, &[], named("bad_data")),
            429,
            rate,
            "answered 429: bad_data: ",
        ),
        (
            "401",
            whole(401, &[("www-authenticate", "Basic realm=store-7")], HTML),
            502,
            credentials,
            "answered 401",
        ),
        ("403", whole(403, &[], HTML), 502, credentials, "answered 403"),
        ("404", whole(404, &[], HTML), 502, not_served, "answered 404"),
        (
            "422 of the storage",
            whole(422, &[], named("execution")),
            422,
            &execution,
            "answered 422: execution: ",
        ),
        (
            "a type of nobody's",
            whole(422, &[], named("bolt_failed")),
            422,
            &execution,
            "422: bolt_failed: ",
        ),
        (
            "422 of the engine",
            whole(422, &[], error("timeout", "query timed out in expression evaluation")),
            503,
            "timeout: query timed out in expression evaluation",
            "422: timeout: query timed out",
        ),
    ])
    .await
}

#[tokio::test]
async fn answers_that_are_none() -> Result<()> {
    let gzip: &[(&str, &str)] = &[("content-encoding", "gzip")];
    are_told(vec![
        (
            "a login page",
            whole(200, &[("content-type", "text/html")], HTML),
            502,
            NOT_UNDERSTOOD,
            "",
        ),
        ("nothing", whole(200, &[], ""), 502, NOT_UNDERSTOOD, ""),
        (
            "another document",
            whole(200, &[], r#"{"store-7":"bolt"}"#),
            502,
            NOT_UNDERSTOOD,
            "",
        ),
        (
            "garbage for gzip",
            whole(200, gzip, "\u{1f}\u{8b}store-7"),
            502,
            NOT_UNDERSTOOD,
            "decompressed",
        ),
        (
            "gzip of garbage",
            whole(200, gzip, gzipped(HTML.as_bytes())),
            502,
            NOT_UNDERSTOOD,
            "",
        ),
        (
            "another compression",
            whole(200, &[("content-encoding", "br")], HTML),
            502,
            NOT_REACHED,
            "its answer has the encoding",
        ),
        (
            "no HTTP",
            vec![Step::Send(b"SSH-2.0-store-7\r\n".to_vec()), Step::Close],
            502,
            NOT_REACHED,
            "keep to HTTP",
        ),
        (
            "no answer",
            vec![Step::Close],
            502,
            NOT_REACHED,
            "cut the connection before it answered",
        ),
        (
            "half a head",
            vec![Step::Send(b"HTTP/1.1 200 OK\r\nx-".to_vec()), Step::Close],
            502,
            NOT_REACHED,
            "",
        ),
    ])
    .await
}

#[tokio::test]
async fn an_error_with_the_status_of_a_success() -> Result<()> {
    let cases = [
        (
            error("execution", "tenant bolt: limit of store-7"),
            format!("execution: {NOT_EVALUATED}"),
        ),
        (
            error("execution", "@ modifier is disabled"),
            "execution: @ modifier is disabled".to_owned(),
        ),
    ];
    for (body, words) in cases {
        for gzip in [false, true] {
            let reply = if gzip {
                whole(200, &[("content-encoding", "gzip")], gzipped(body.as_bytes()))
            } else {
                whole(200, &[], &body)
            };
            let upstream = Scripted::always(reply).await?;
            let (api, acme) = behind(&upstream).await?;
            let answer = ask(&api, &acme, QUERY, "*/*", gzip).await?;
            assert_eq!(answer.error()?, (422, words.clone()));
            // The samples' text is nothing that an error could be told in, but its status is.
            assert_eq!(ask(&api, &acme, FEDERATE, "*/*", gzip).await?.error()?.0, 502);
            api.log_until(|log| log.contains("the upstream answered 200 with an error: execution: "))
                .await?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn warnings_that_name_others_stay_here() -> Result<()> {
    let kept =
        r#"PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "orders""#;
    let warnings = json!([
        "store-7 (10.9.8.7): connection refused",
        "block of tenant bolt is missing"
    ]);
    let infos = json!([format!("{kept} (1:6)"), "store-7 asked"]);
    let body = series(1).replace("]}}", &format!(r#"]}},"warnings":{warnings},"infos":{infos}}}"#));
    for gzip in [false, true] {
        let reply = if gzip {
            whole(200, &[("content-encoding", "gzip")], gzipped(body.as_bytes()))
        } else {
            whole(200, &[], &body)
        };
        let upstream = Scripted::always(reply).await?;
        let (api, acme) = behind(&upstream).await?;
        let answer = ask(&api, &acme, QUERY, "*/*", gzip).await?;
        let mut text = answer.body.clone();
        if gzip {
            text.clear();
            MultiGzDecoder::new(&answer.body[..]).read_to_end(&mut text)?;
        }
        let json: Value = serde_json::from_slice(&text)?;
        assert_eq!(json["infos"], json!([kept]), "{json}");
        assert!(json.get("warnings").is_none_or(|list| list == &json!([])), "{json}");
    }
    Ok(())
}
