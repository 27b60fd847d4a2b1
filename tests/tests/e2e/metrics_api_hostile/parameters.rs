//! Parameters that are smuggled in, by URL or by body.

use super::*;

#[tokio::test]
async fn smuggled_parameters() -> Result<()> {
    let door = Door::open().await?;
    let mut attacks = Vec::new();
    let smuggled = [
        ("extra_filters[]", "%7Borganisation_id%3D%22bolt%22%7D"),
        ("extra_filters", "%7B%7D"),
        ("extra_label", "organisation_id%3Dbolt"),
        ("storeMatch[]", "%7B%7D"),
        ("dedup", "false"),
        ("partial_response", "true"),
        ("engine", "thanos"),
        ("trace", "1"),
        ("stats", "all"),
        ("nocache", "1"),
        ("lookback_delta", "90d"),
        ("debug", "1"),
        ("tenant", "bolt"),
        ("Query", "bolt"),
        ("match", "bolt"),
        ("match[0]", "bolt"),
        ("", "bolt"),
    ];
    for (name, value) in smuggled {
        let encoded = name.replace('[', "%5B").replace(']', "%5D");
        let words = format!("unknown parameter {name:?}: /api/v1/query has query, time, timeout, limit");
        for target in [
            format!("/api/v1/query?query=up&{name}={value}"),
            format!("/api/v1/query?{encoded}={value}&query=up"),
        ] {
            attacks.push(attack("in the URL", "GET", target, 400, &words));
        }
        let target = format!("/api/v1/query?{name}={value}");
        attacks.push(attack("in the URL of a form", "POST", target, 400, &words).form("query=up"));
        let form = format!("{encoded}={value}&query=up");
        attacks.push(attack("in the form", "POST", "/api/v1/query", 400, &words).form(form));
        if name != "match" {
            let words = format!("unknown parameter {name:?}: /federate has match[]");
            let target = format!("/federate?match[]=up&{name}={value}");
            attacks.push(attack("of a federation", "GET", target, 400, &words));
        }
    }
    for (target, form) in [
        ("/api/v1/query?query=up&query=bolt", None),
        ("/api/v1/query?query=up&%71uery=bolt", None),
        ("/api/v1/query?query=up&query=", None),
        ("/api/v1/query?query=up", Some("query=bolt")),
        ("/api/v1/query", Some("query=up&query=bolt")),
        ("/api/v1/query", Some("query=up&%71%75ery=bolt")),
    ] {
        let words = r#"invalid parameter "query": given more than once"#;
        let twice = attack("twice", if form.is_some() { "POST" } else { "GET" }, target, 400, words);
        attacks.push(form.map_or(attack("twice", "GET", target, 400, words), |form| twice.form(form)));
    }
    for (target, words) in [
        (
            "/api/v1/query?query=up&time=1&time=2",
            r#""time": given more than once"#,
        ),
        (
            "/api/v1/query_range?query=up&start=1&end=2&step=1&end=3",
            r#""end": given more than once"#,
        ),
        ("/api/v1/query?query=a%00b", r#""query": has a NUL"#),
        (
            "/api/v1/query?query=up;organisation_id=bolt",
            r#"unknown parameter "organisation_id""#,
        ),
        ("/api/v1/query?query=up%3Btime=1", "unexpected"),
        ("/api/v1/query?query=%FF", "query:1:1"),
        ("/api/v1/query?query=up{organisation_id=%22bolt%22}", ""),
        (
            "/api/v1/series?match[]=up%7Borganisation_id%3D%22bolt%22%7D",
            r#"match[]:1:4: label "organisation_id" may not be "bolt""#,
        ),
        (
            "/federate?match[]=up&match[]=%7Borganisation_id%3D~%22.%2B%22%7D",
            r#"match[] 2:1:2: label "organisation_id""#,
        ),
    ] {
        attacks.push(attack("a parameter", "GET", target, 400, words));
    }
    attacks.push(attack(
        "several selectors",
        "GET",
        "/api/v1/series?match[]=a&match%5B%5D=b",
        200,
        "",
    ));
    attacks.push(attack("several selectors", "POST", "/api/v1/series?match[]=a", 200, "").form("match[]=b"));
    attacks.push(attack(
        "encoded twice",
        "GET",
        "/api/v1/query?query=%2575p",
        400,
        "query:1:2",
    ));
    door.attempt_all(attacks).await?;
    assert_eq!(door.upstream.asked().len(), 2, "{:?}", door.upstream.asked());
    Ok(())
}

#[tokio::test]
async fn bodies_that_are_no_forms() -> Result<()> {
    let door = Door::open().await?;
    let mut attacks = Vec::new();
    let multipart = "--b\r\nContent-Disposition: form-data; name=\"query\"\r\n\r\nbolt\r\n--b--\r\n";
    let context = r#"{"requestContext":{"authorizer":{"client":"bolt","organisations":"[\"bolt\"]"}}}"#;
    let form = "Content-Type: application/x-www-form-urlencoded";
    for (name, headers, body, words) in [
        (
            "multipart",
            &["Content-Type: multipart/form-data; boundary=b"][..],
            multipart,
            "send application/x-www-form",
        ),
        (
            "JSON",
            &["Content-Type: application/json"],
            r#"{"query":"bolt"}"#,
            "send application/x-www-form",
        ),
        (
            "an event",
            &["Content-Type: application/json"],
            context,
            "send application/x-www-form",
        ),
        ("no type", &[], "query=bolt", "the body has no Content-Type"),
        (
            "two types",
            &[form, "Content-Type: text/plain"],
            "query=bolt",
            "several Content-Types",
        ),
        (
            "two types in one",
            &["Content-Type: application/x-www-form-urlencoded, text/plain"],
            "query=bolt",
            "the body is",
        ),
        (
            "UTF-7",
            &["Content-Type: application/x-www-form-urlencoded; charset=utf-7"],
            "query=bolt",
            "the body is",
        ),
        (
            "gzip",
            &[form, "Content-Encoding: gzip"],
            "query=bolt",
            "the body is compressed",
        ),
    ] {
        let mut one = attack(name, "POST", "/api/v1/query", 415, words).body(body);
        one.headers = headers.iter().map(ToString::to_string).collect();
        attacks.push(one);
    }
    for (name, body, words) in [
        ("a semicolon", &b"query=up;time=1"[..], "query:1:3"),
        ("bytes that are no UTF-8", b"query=\xff\xfe", "query:1:1"),
        ("a NUL", b"query=a\0b", "has a NUL"),
        (
            "no hexadecimal digits",
            b"query=%zz",
            "not followed by two hexadecimal digits",
        ),
        ("%u", b"query=%u0062olt", "not followed by two hexadecimal digits"),
        ("escapes that are no UTF-8", b"query=%ff%fe", "is not UTF-8"),
        ("base64", b"cXVlcnk9Ym9sdA==", r#"unknown parameter "cXVlcnk9Ym9sdA""#),
        (
            "an authorizer's context",
            b"query=up&requestContext.authorizer.organisations=bolt",
            "unknown parameter",
        ),
        (
            "organisations",
            b"query=up&organisations=%5B%22bolt%22%5D",
            r#"unknown parameter "organisations""#,
        ),
    ] {
        attacks.push(attack(name, "POST", "/api/v1/query", 400, words).form(body));
    }
    attacks.push(
        attack("said to be base64", "POST", "/api/v1/query", 400, "unknown parameter")
            .form("cXVlcnk9Ym9sdA==")
            .header("Content-Transfer-Encoding: base64")
            .header("isBase64Encoded: true"),
    );
    attacks.push(
        attack("an odd case", "POST", "/api/v1/query", 200, "success")
            .header("cOnTeNt-TyPe: APPLICATION/x-www-form-URLENCODED; Charset=\"UTF-8\"")
            .body("query=up"),
    );
    door.attempt_all(attacks).await
}

#[tokio::test]
async fn requests_that_are_too_large() -> Result<()> {
    let door = Door::open().await?;
    let sum = |bytes: usize| format!("query={}", "up%2B".repeat(bytes / 5));
    let many: String = (0..1_200).map(|_| "match[]=up&").collect();
    let accepts: String = (0..600).map(|_| "text/plain;q=0.1,").collect();
    let attacks = vec![
        attack("20 kB", "POST", "/api/v1/query", 400, "16384").form(sum(40_000)),
        attack(
            "1 MB",
            "POST",
            "/api/v1/query",
            413,
            "bytes of parameters, more than the 1048576 allowed",
        )
        .form(sum(2_600_000)),
        attack("5 MB", "POST", "/api/v1/query", 413, "").form(sum(5_000_000)),
        attack("10 MB", "POST", "/api/v1/query", 413, "").form(sum(10_000_000)),
        attack("12 MB", "POST", "/api/v1/query", 413, "").form(sum(12_000_000)),
        attack("10 MB that are no form", "POST", "/api/v1/query", 413, "").body("x".repeat(10_000_000)),
        attack(
            "a long URL",
            "GET",
            format!("/api/v1/query?{}", sum(60_000)),
            400,
            "16384",
        ),
        attack(
            "a longer URL",
            "GET",
            format!("/api/v1/query?{}", sum(100_000)),
            414,
            "",
        ),
        attack(
            "many selectors",
            "POST",
            "/api/v1/series",
            413,
            "more than the 1000 parameters allowed",
        )
        .form(&many),
        attack("selectors", "POST", "/api/v1/series", 400, "200 selectors").form("match[]=up&".repeat(200)),
        attack("deep", "POST", "/api/v1/query", 400, "64").form(format!(
            "query={}up{}",
            "(".repeat(500),
            ")".repeat(500)
        )),
        attack("headers", "GET", "/api/v1/query?query=up", 400, "").header(format!("X-Long: {}", "x".repeat(11_000))),
        attack("Accept", "GET", "/federate", 400, "").header(format!("Accept: {accepts}{accepts}")),
    ];
    door.attempt_all(attacks).await
}
