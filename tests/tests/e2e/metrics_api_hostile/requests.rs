//! Methods and paths that are something else than they look.

use super::*;

#[tokio::test]
async fn paths_that_are_something_else() -> Result<()> {
    let door = Door::open().await?;
    let mut attacks = Vec::new();
    for target in [
        "/api/v1/%71uery?query=up",
        "/api/v1%2Fquery?query=up",
        "/api%2fv1%2fquery?query=up",
        "/api/v1/../v1/query?query=up",
        "/api/v1/label/../query?query=up",
        "/api/v1/%2e%2e/v1/query?query=up",
        "//api/v1/query?query=up",
        "/api//v1/query?query=up",
        "/api/v1/query/?query=up",
        "/api/v1/query//?query=up",
        "/api/v1/query%20?query=up",
        "/api/v1/query%00?query=up",
        "/api/v1/query;a=b?query=up",
        "/api/v1/query%3fquery=up",
        "/api/v1/QUERY?query=up",
        "/API/v1/query?query=up",
        "/federate/?match[]=up",
        "/federate/..",
        "/%66ederate",
        "/api/v1/label/a/b/values",
        "/api/v1/label/values",
        "/api/v1/admin/tsdb/delete_series?match[]=up",
        "/api/v1/write",
        "/api/v1/read",
        "/api/v1/targets",
        "/api/v1/status/config",
        "/api/v1/query_exemplars?query=up&start=1&end=2",
        "/-/reload",
        "/metrics",
        "/prod/api/v1/query?query=up",
    ] {
        attacks.push(attack("a path", "GET", target, 404, "nothing is served at "));
    }
    for (target, words) in [
        ("/api/v1/label//values", "is empty"),
        ("/api/v1/label/a%00/values", "a control character"),
        (
            "/api/v1/label/a%0d%0aX-Scope-OrgID:%20bolt/values",
            "a control character",
        ),
        ("/api/v1/label/%zz/values", "not followed by two hexadecimal digits"),
        ("/api/v1/label/%ff/values", "is not UTF-8"),
    ] {
        attacks.push(attack("a label", "GET", target, 400, words));
    }
    // These are labels' names, however odd, and go to the upstream as such.
    for target in [
        "/api/v1/label/..%2f..%2fadmin/values",
        "/api/v1/label/%2e%2e/values",
        "/api/v1/label/%252e%252e%252f/values",
        "/api/v1/label/a%3Fquery=up%23/values",
        "/api/v1/label/a%5C..%5Cb/values",
    ] {
        attacks.push(attack("a label", "GET", target, 200, "success"));
    }
    for target in [
        "raw:/other/api/v1/query?query=up",
        "raw:/api/v1/query?query=up",
        "raw:/STAGEx/api/v1/query?query=up",
        "raw:/x/../STAGE/api/v1/query?query=up",
        "raw:/%70rod/api/v1/query?query=up",
    ] {
        attacks.push(attack("no stage", "GET", target, 403, ""));
    }
    attacks.push(attack(
        "the whole URL",
        "GET",
        "raw:http://bolt.internal/STAGE/api/v1/query?query=up",
        200,
        "",
    ));
    door.attempt_all(attacks).await
}

#[tokio::test]
async fn methods_that_are_not_taken() -> Result<()> {
    let door = Door::open().await?;
    let query = "/api/v1/query?query=up";
    let mut attacks = Vec::new();
    // API Gateway knows these methods alone, and has words of its own for others.
    for method in ["TRACE", "PROPFIND", "get"] {
        attacks.push(attack("a method", method, query, 404, "not_found"));
    }
    for method in ["OPTIONS", "PUT", "DELETE", "PATCH"] {
        attacks.push(attack(
            "a method",
            method,
            query,
            405,
            "/api/v1/query takes GET and POST",
        ));
        attacks.push(attack("a method", method, "/federate", 405, "/federate takes GET"));
    }
    attacks.push(attack("a method", "HEAD", query, 405, ""));
    attacks.push(
        attack(
            "a body",
            "GET",
            "/api/v1/query?query=up",
            415,
            "a GET request may have no body",
        )
        .form("query=bolt"),
    );
    attacks.push(attack("a body", "GET", "/federate", 415, "a GET request may have no body").form("match[]=bolt"));
    attacks.push(attack("a form", "POST", "/federate", 405, "/federate takes GET").form("match[]=up"));
    attacks.push(attack("a form", "POST", "/api/v1/label/a/values", 405, "takes GET").form("match[]=up"));
    for header in [
        "X-HTTP-Method-Override: DELETE",
        "X-HTTP-Method: PUT",
        "X-Method-Override: POST",
    ] {
        attacks.push(attack("a method in a header", "GET", query, 200, "success").header(header));
    }
    attacks.push(attack(
        "a method as a parameter",
        "GET",
        format!("{query}&_method=POST"),
        400,
        r#"parameter "_method""#,
    ));

    door.attempt_all(attacks).await
}

#[tokio::test]
async fn requests_within_requests() -> Result<()> {
    let door = Door::open().await?;
    let own = attack("", "GET", "/api/v1/query?query=up", 200, "");
    let own = String::from_utf8(door.bytes(&own))?.replace("Connection: close\r\n", "");
    let stage = door.api.url().rsplit('/').next().unwrap_or_default();
    let nobodys = format!("GET /{stage}/api/v1/query?query=bolt HTTP/1.1\r\nHost: api\r\nConnection: close\r\n\r\n");

    // What comes behind a request is a request of its own, by nobody.
    let answer = door.raw(format!("{own}{nobodys}").as_bytes()).await?;
    let statuses = |answer: &str| -> Vec<String> {
        let heads = answer.match_indices("HTTP/1.1 ");
        heads.map(|(at, _)| answer[at + 9..at + 12].to_owned()).collect()
    };
    assert_eq!(statuses(&answer), ["200", "401"], "{answer}");

    // Two lengths: whichever holds, the rest is nobody's.
    let post = own.replacen("GET", "POST", 1).replacen("?query=up", "", 1);
    let post = post.trim_end_matches("\r\n");
    let form = "Content-Type: application/x-www-form-urlencoded";
    for (lengths, body) in [
        (
            "Content-Length: 4\r\nTransfer-Encoding: chunked",
            "8\r\nquery=up\r\n0\r\n\r\n",
        ),
        (
            "Transfer-Encoding: chunked\r\nContent-Length: 4",
            "8\r\nquery=up\r\n0\r\n\r\n",
        ),
        ("Content-Length: 8\r\nContent-Length: 0", "query=up"),
        ("Content-Length: 8\r\nTransfer-Encoding: xchunked", "query=up"),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
            "8\r\nquery=up\r\n0\r\n\r\n",
        ),
    ] {
        let request = format!("{post}\r\n{form}\r\n{lengths}\r\n\r\n{body}{nobodys}");
        let answer = door.raw(request.as_bytes()).await?;
        let statuses = statuses(&answer);
        let first = statuses.first().context("no answer")?;
        assert!(["200", "400"].contains(&first.as_str()), "{lengths}: {answer}");
        assert!(
            statuses[1..].iter().all(|status| status == "401"),
            "{lengths}: {answer}"
        );
    }
    for asked in door.upstream.asked() {
        is_enforced(&asked).with_context(|| format!("{asked:?}"))?;
    }
    Ok(())
}
