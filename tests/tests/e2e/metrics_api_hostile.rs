//! Hostile requests, most of which no client library would send: each is refused by its name or means what it says, and
//! whatever reaches the upstream was written here, from an allow-list and with every selector enforced.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use fanlight_tests::scripted::{Asked, Scripted, whole};
use fanlight_tests::{Customer, MetricsApi};
use shared::promql::{self, Limits};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A request and what has to come of it.
struct Attack {
    name: String,
    method: &'static str,
    /// Behind the stage.
    target: String,
    /// Lines of further headers.
    headers: Vec<String>,
    body: Vec<u8>,
    status: u16,
    /// What the answer has to say.
    words: String,
}

fn attack(name: &str, method: &'static str, target: impl Into<String>, status: u16, words: &str) -> Attack {
    Attack {
        name: name.to_owned(),
        method,
        target: target.into(),
        headers: Vec::new(),
        body: Vec::new(),
        status,
        words: words.to_owned(),
    }
}

impl Attack {
    fn header(mut self, line: impl Into<String>) -> Self {
        self.headers.push(line.into());
        self
    }

    fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self
    }

    fn form(self, body: impl AsRef<[u8]>) -> Self {
        self.header("Content-Type: application/x-www-form-urlencoded")
            .body(body)
    }
}

/// The API in front of a server that knows no series and remembers what it was asked.
struct Door {
    upstream: Scripted,
    api: MetricsApi,
    acme: Customer,
    bolt: Customer,
}

impl Door {
    async fn open() -> Result<Self> {
        let nothing = r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;
        let upstream = Scripted::always(whole(200, &[("set-cookie", "hidden=1")], nothing)).await?;
        let customers = [
            Customer::new("acme", &["acme-fr", "acme-de"])?,
            Customer::new("bolt", &["bolt"])?,
        ];
        let api = MetricsApi::start(&upstream.url(), &customers).await?;
        let [acme, bolt] = customers;
        Ok(Self {
            upstream,
            api,
            acme,
            bolt,
        })
    }

    /// What comes back for these bytes until the connection is closed.
    async fn raw(&self, request: &[u8]) -> Result<String> {
        let (_, place) = self.api.url().split_once("://").context("a URL")?;
        let (address, _) = place.split_once('/').context("a stage")?;
        let (mut reader, mut writer) = TcpStream::connect(address).await?.into_split();
        let write = async {
            // A server that has read enough closes the connection.
            let _ = writer.write_all(request).await;
        };
        let read = async {
            let mut answer = Vec::new();
            let _ = reader.read_to_end(&mut answer).await;
            answer
        };
        let both = async { tokio::join!(write, read).1 };
        let answer = tokio::time::timeout(Duration::from_secs(30), both).await?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    fn bytes(&self, attack: &Attack) -> Vec<u8> {
        let stage = self.api.url().rsplit('/').next().unwrap_or_default();
        let target = match attack.target.strip_prefix("raw:") {
            Some(target) => target.replace("STAGE", stage),
            None => format!("/{stage}{}", attack.target),
        };
        let mut head = format!(
            "{} {target} HTTP/1.1\r\nHost: api\r\nConnection: close\r\n",
            attack.method
        );
        if !attack
            .headers
            .iter()
            .any(|line| line.to_ascii_lowercase().starts_with("authorization:"))
        {
            head.extend(["Authorization: ", &self.acme.authorization(), "\r\n"]);
        }
        for line in &attack.headers {
            head.push_str(line);
            head.push_str("\r\n");
        }
        if !attack.body.is_empty() {
            head.extend(["Content-Length: ", &attack.body.len().to_string(), "\r\n"]);
        }
        head.push_str("\r\n");
        [head.into_bytes(), attack.body.clone()].concat()
    }

    /// Sends a request and holds the answer, and what the upstream got, against what has to come of it.
    async fn attempt(&self, attack: &Attack) -> Result<()> {
        let before = self.upstream.asked().len();
        let answer = self.raw(&self.bytes(attack)).await?;
        let (status, words) = (
            format!("HTTP/1.1 {} ", attack.status),
            attack.words.replace('"', r#"\""#),
        );
        ensure!(answer.starts_with(&status), "expected {status}: {answer}");
        ensure!(answer.contains(&words), "expected {words:?}: {answer}");
        // What API Gateway refuses before it knows the API is in its own words, and longer URLs in nobody's.
        let words = [r#"{"status":"error","errorType":""#, r#"{"message":""#];
        let refused = attack.status != 200 && attack.method != "HEAD" && attack.status != 414;
        let gateways = answer.contains("x-amzn-errortype: ForbiddenException")
            || answer.contains("x-amzn-errortype: BadRequestException");
        ensure!(
            !refused || answer.contains(words[usize::from(gateways)]),
            "the form: {answer}"
        );
        for secret in [self.upstream.port().as_str(), "set-cookie", "hidden"] {
            ensure!(!answer.contains(secret), "the upstream's {secret}: {answer}");
        }
        let asked = self.upstream.asked();
        if attack.status != 200 {
            ensure!(asked.len() == before, "the upstream was asked: {:?}", &asked[before..]);
        }
        for asked in &asked[before..] {
            is_enforced(asked).with_context(|| format!("{asked:?}"))?;
        }
        Ok(())
    }

    async fn attempt_all(&self, attacks: Vec<Attack>) -> Result<()> {
        let mut wrong = Vec::new();
        for attack in attacks {
            if let Err(error) = self.attempt(&attack).await {
                wrong.push(format!(
                    "{}: {} {:.200} {:?}: {error:#}",
                    attack.name, attack.method, attack.target, attack.headers
                ));
            }
        }
        ensure!(wrong.is_empty(), "{}", wrong.join("\n\n"));
        Ok(())
    }
}

/// Whether a request of ours to the upstream has nothing but what it may have, and no selector without acme's labels.
fn is_enforced(asked: &Asked) -> Result<()> {
    let (path, query) = asked.target.split_once('?').unwrap_or((&asked.target, ""));
    let label = path
        .strip_prefix("/api/v1/label/")
        .and_then(|rest| rest.strip_suffix("/values"));
    match (asked.method.as_str(), label) {
        ("GET", Some(name)) => {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.~-%".contains(&byte);
            ensure!(
                name.bytes().all(plain) && !name.contains("%2") && !name.starts_with('.'),
                "the label's name"
            );
        }
        ("POST", None) => {
            let known = ["query", "query_range", "series", "labels", "format_query"];
            let name = path.strip_prefix("/api/v1/").unwrap_or_default();
            ensure!(known.contains(&name) && query.is_empty(), "the path");
        }
        _ => ensure!(false, "the method"),
    }
    for (name, value) in &asked.headers {
        let expected: &[&str] = match name.as_str() {
            "accept" => &["application/json"],
            "accept-encoding" => &["gzip", "identity"],
            "content-type" => &["application/x-www-form-urlencoded"],
            "host" | "user-agent" | "content-length" => &[],
            _ => anyhow::bail!("the header {name}"),
        };
        ensure!(
            expected.is_empty() || expected.contains(&value.as_str()),
            "the header {name}"
        );
        ensure!(asked.header(name).len() == 1, "the header {name}");
    }
    let form = asked.form();
    let singletons = ["query", "time", "timeout", "limit", "start", "end", "step"];
    for (name, value) in &form {
        let times = form.iter().filter(|(other, _)| other == name).count();
        ensure!(
            name == "match[]" || (singletons.contains(&name.as_str()) && times == 1),
            "the parameter {name}"
        );
        if name == "query" || name == "match[]" {
            let tree = promql::parse(value, &Limits::default())?;
            for enforced in [
                r#"metric_purpose = "external""#,
                r#"organisation_id =~ "acme-de|acme-fr""#,
            ] {
                ensure!(
                    value.matches(enforced).count() == tree.selector_count(),
                    "{enforced} in {value}"
                );
            }
            ensure!(!value.contains("bolt"), "{value}");
        }
    }
    let selected = form.iter().any(|(name, _)| name == "query" || name == "match[]");
    ensure!(selected, "nothing selects acme's series");
    Ok(())
}

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
        attacks.push(attack("a method", method, query, 403, "Missing Authentication Token"));
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

#[tokio::test]
async fn headers_that_claim_something() -> Result<()> {
    let door = Door::open().await?;
    let forged = [
        "X-Scope-OrgID: bolt",
        "x-sCoPe-oRgId: bolt|acme",
        "X-Prom-Label-Policy: {}",
        "THANOS-TENANT: bolt",
        "X-Forwarded-For: 127.0.0.1",
        "X-Forwarded-Host: bolt",
        "X-Forwarded-Proto: http",
        "Forwarded: for=10.0.0.1;host=bolt",
        "X-Amzn-Trace-Id: Root=bolt",
        "X-Amzn-Requestid: bolt",
        r#"X-Amzn-Request-Context: {"authorizer":{"organisations":"[\"bolt\"]"}}"#,
        "X-Amz-Security-Token: bolt",
        "X-Amz-Date: 20260101T000000Z",
        "X-Api-Key: bolt",
        "X-Original-URL: /api/v1/admin",
        "X-Rewrite-URL: /api/v1/admin",
        "Cookie: organisation_id=bolt",
        "Connection: x-scope-orgid",
        "Proxy-Authorization: Basic Ym9sdDpib2x0",
        "Te: trailers",
        "Upgrade: h2c",
        "Range: bytes=0-1",
        "If-None-Match: *",
        "Expect: 100-continue",
        "Accept: text/html",
        "Accept-Encoding: gzip;q=0, br, zstd",
        "Accept-Encoding: identity;q=0",
        "Accept-Encoding: ,;;q=,",
        "Organisations: bolt",
        "Principalid: bolt",
    ];
    let mut attacks = Vec::new();
    for header in forged {
        for target in [
            "/api/v1/query?query=up",
            "/federate?match[]=up",
            "/api/v1/label/a/values",
        ] {
            attacks.push(attack("a header", "GET", target, 200, "").header(header));
        }
    }
    let all = forged.iter().fold(
        attack("all of them", "GET", "/api/v1/query?query=up", 200, ""),
        |all, header| all.header(*header),
    );
    attacks.push(all);
    attacks.push(
        attack("Accept", "GET", "/federate", 200, "text/plain").header(format!("Accept: {}", "a/b;q=,".repeat(1_000))),
    );
    attacks.push(
        attack("no gzip", "GET", "/federate", 200, "fanlight_federate_samples 0").header("Accept-Encoding: gzip;q=0"),
    );
    door.attempt_all(attacks).await?;
    Ok(())
}

#[tokio::test]
async fn credentials_that_are_several() -> Result<()> {
    let door = Door::open().await?;
    let (acme, bolt) = (door.acme.authorization(), door.bolt.authorization());
    let query = "/api/v1/query?query=up";
    let several = |name: &str, lines: &[String]| {
        let attack = attack(name, "GET", query, 401, "unauthorized");
        lines.iter().fold(attack, Attack::header)
    };
    let attacks = vec![
        several(
            "both",
            &[format!("Authorization: {acme}"), format!("Authorization: {bolt}")],
        ),
        several(
            "the same",
            &[format!("Authorization: {acme}"), format!("authorization: {acme}")],
        ),
        several("a list", &[format!("Authorization: {acme}, {bolt}")]),
        several(
            "one that is empty",
            &["Authorization: ".to_owned(), format!("AUTHORIZATION: {acme}")],
        ),
        several("two words", &[format!("Authorization: Bearer {acme}")]),
        several(
            "another scheme",
            &[format!("Authorization: Token {}", door.acme.token())],
        ),
        several(
            "another header",
            &["Authorization: ".to_owned(), format!("X-Authorization: {acme}")],
        ),
        attack(
            "a parameter",
            "GET",
            format!("{query}&access_token={}", door.acme.token()),
            400,
            "unknown parameter",
        ),
        attack("an odd case", "GET", query, 200, "").header(format!("aUtHoRiZaTiOn: bEaReR {}", door.acme.token())),
    ];
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
