//! Requests as they are rebuilt or refused, before anything is asked.

mod parameters;
mod properties;

use proptest::prelude::*;

use super::*;

/// What becomes of a request: what the upstream is asked, as `METHOD path name=value&..`, or `status: message`.
fn rebuilt_by(settings: &Settings, event: &Value) -> Result<Rebuilt, Problem> {
    let event = parse(event);
    let (endpoint, method) = Endpoint::of(&event.method, &event.path, settings.exemplars)?;
    let parameters = Parameters::read(&event, &endpoint, method)?;
    let plan = &settings.plans[DEFAULT_PLAN];
    let organisations = ["a", "b"].map(str::to_owned);
    let policy = settings.policy(&organisations, plan.query_limits()).unwrap();
    let asker = Asker {
        policy: &policy,
        held: Held {
            name: DEFAULT_PLAN,
            plan,
        },
        now: NOW * 1000,
        left: Duration::from_secs(50),
    };
    asker.rebuild(&endpoint, &parameters)
}

fn outcome(settings: &Settings, event: &Value) -> String {
    match rebuilt_by(settings, event) {
        Ok(rebuilt) => {
            let form: Vec<String> = rebuilt
                .form
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            format!("{:?} {} {}", rebuilt.method, rebuilt.path, form.join("&"))
        }
        Err(problem) => format!("{}: {}", problem.status(), problem.message),
    }
}

fn of(event: &Value) -> String {
    outcome(&settings("http://unused"), event)
}

/// The enforced selector of all that the caller may see.
const ALL: &str = r#"{ purpose = "external" , org =~ "a|b" }"#;
/// The latest range that the plan allows.
const MONTH: &str = "start=1792540800&end=1795219200";

#[test]
fn the_examples_are_events() {
    let query = include_str!("../../../../../events/metrics-api-query.json");
    let federate = include_str!("../../../../../events/metrics-api-federate.json");
    for (example, selector) in [
        (query, r#"customer_transfers { purpose = "external" , org =~ "a|b" }"#),
        (federate, r#"customer_cards { purpose = "external" , org =~ "a|b" }"#),
    ] {
        let asked = of(&serde_json::from_str(example).unwrap());
        assert!(
            asked.starts_with("Post /api/v1/query ") && asked.contains(selector),
            "{asked}"
        );
    }
}

#[test]
fn every_endpoint_is_rebuilt() {
    for (path, parameters, expected) in [
        ("/api/v1/query", &[][..], format!("Post /api/v1/query query={ALL}&time={NOW}&timeout=50")),
        ("/api/v1/query", &[("query", "{}")], format!("Post /api/v1/query query={ALL}&time={NOW}&timeout=50")),
        (
            "/api/v1/query",
            &[("query", "sum(up{x='1'}) # all"), ("time", "2026-11-20T23:00:00.5Z"), ("timeout", "5s"), ("limit", "+7")],
            r#"Post /api/v1/query query=sum ( up { purpose = "external" , org =~ "a|b" , x = "1" } )&time=1795215600.5&timeout=5&limit=7"#
                .replace("600.5&", "600.500&"),
        ),
        (
            "/api/v1/query",
            &[("query", "1"), ("time", ""), ("timeout", "1h"), ("limit", "0")],
            format!("Post /api/v1/query query=1&time={NOW}&timeout=50"),
        ),
        (
            "/api/v1/query_range",
            &[("query", "up"), ("start", "1795215600"), ("end", "1795219200.0004"), ("step", "1m")],
            format!("Post /api/v1/query_range query=up {ALL}&start=1795215600&end={NOW}&step=60&timeout=50"),
        ),
        (
            "/api/v1/query_range",
            &[("start", "1795215600"), ("end", "1795219200"), ("step", "14.4")],
            format!("Post /api/v1/query_range query={ALL}&start=1795215600&end={NOW}&step=14.400&timeout=50"),
        ),
        ("/api/v1/series", &[], format!("Post /api/v1/series match[]={ALL}&{MONTH}")),
        (
            "/api/v1/series",
            &[("match[]", "up"), ("match[]", ""), ("start", "1795219000"), ("limit", "5")],
            format!("Post /api/v1/series match[]=up {ALL}&match[]={ALL}&start=1795219000&end={NOW}&limit=5"),
        ),
        (
            "/api/v1/labels",
            &[("end", "1795219100"), ("start", "-292273086-05-16T16:47:06Z")],
            format!("Post /api/v1/labels match[]={ALL}&start=1792540700&end=1795219100"),
        ),
        (
            "/api/v1/labels",
            &[("end", "292277025-08-18T07:12:54.999999999Z")],
            format!("Post /api/v1/labels match[]={ALL}&{MONTH}"),
        ),
        (
            "/api/v1/labels",
            &[("start", "1795219200"), ("end", "1795219100")],
            format!("Post /api/v1/labels match[]={ALL}&start=1795219200&end=1795219100"),
        ),
        ("/api/v1/label/job/values", &[], format!("Get /api/v1/label/job/values match[]={ALL}&{MONTH}")),
        (
            "/api/v1/label/http%2estatus/values",
            &[("match[]", "up")],
            format!("Get /api/v1/label/http.status/values match[]=up {ALL}&{MONTH}"),
        ),
        (
            "/api/v1/query_exemplars",
            &[("query", "rate(x[5m] offset 1y)"), ("start", "1795219000"), ("end", "1795219200")],
            format!("Post /api/v1/query_exemplars query=rate ( x {ALL} [ 5m ] offset 1y )&start=1795219000&end={NOW}"),
        ),
        ("/api/v1/format_query", &[("query", "up")], format!("Post /api/v1/format_query query=up {ALL}")),
        ("/federate", &[], format!("Post /api/v1/query query={ALL}&time={NOW}&timeout=50")),
        ("/federate", &[("match[]", "up")], format!("Post /api/v1/query query=up {ALL}&time={NOW}&timeout=50")),
        ("/api/v1/explain", &[("query", "up")], format!("Post /api/v1/explain query=up {ALL}&time={NOW}&timeout=50")),
        (
            "/api/v1/explain",
            &[("match[]", "up")],
            format!("Post /api/v1/explain match[]=up {ALL}&{MONTH}"),
        ),
    ] {
        assert_eq!(of(&get(path, parameters)), expected, "{path} {parameters:?}");
    }
}

#[test]
fn the_union_of_several_selectors_is_asked_for() {
    let asked = of(&get("/federate", &[("match[]", "up"), ("match[]", "{job='x'}")]));
    assert_eq!(
        asked.matches(r#"purpose = "external" , org =~ "a|b""#).count(),
        2,
        "{asked}"
    );
    assert!(asked.contains(" or "), "{asked}");
}

#[test]
fn a_form_is_what_a_url_is() {
    for (path, body) in [
        ("/api/v1/query", "query=up%7Ba%3D%22b%22%7D&time=1795219100&limit=3"),
        (
            "/api/v1/query_range",
            "query=up&start=1795215600&end=1795219200&step=60",
        ),
        ("/api/v1/series", "match%5B%5D=up&match[]=down"),
        ("/api/v1/labels", "match%5B%5D=up"),
        ("/api/v1/query_exemplars", "query=up"),
        ("/api/v1/format_query", "query=up"),
        ("/api/v1/explain", "query=up"),
    ] {
        let pairs = form::parse(body.as_bytes(), 10).unwrap();
        let pairs: Vec<(&str, &str)> = pairs
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let by_url = of(&get(path, &pairs));
        assert!(by_url.starts_with("Post "), "{by_url}");
        assert_eq!(of(&post(path, body)), by_url, "{path}");
        let mut encoded = post(path, &base64::Engine::encode(&base64::prelude::BASE64_STANDARD, body));
        encoded["isBase64Encoded"] = json!(true);
        assert_eq!(of(&encoded), by_url, "{path} in base64");
        let mut with_charset = post(path, body);
        with_charset["multiValueHeaders"]["content-type"] = json!(["Application/X-WWW-Form-URLEncoded; charset=UTF-8"]);
        assert_eq!(of(&with_charset), by_url, "{path} with a charset");
        let mut in_url = get(path, &pairs);
        in_url["httpMethod"] = "POST".into();
        assert_eq!(of(&in_url), by_url, "{path} as a POST without a body");
    }
    for path in ["/api/v1/label/job/values", "/federate", "/api/v1/status/buildinfo"] {
        assert!(of(&post(path, "a=b")).starts_with("405: "), "{path}");
    }
}

#[test]
fn url_and_body_are_merged_by_one_rule() {
    let mut both = post("/api/v1/series", "match[]=of_body&limit=5");
    both["multiValueQueryStringParameters"] = json!({"match[]": ["of_url"], "start": ["1795219000"]});
    assert_eq!(
        of(&both),
        format!("Post /api/v1/series match[]=of_body {ALL}&match[]=of_url {ALL}&start=1795219000&end={NOW}&limit=5")
    );
    both["multiValueQueryStringParameters"]["limit"] = json!(["6"]);
    assert_eq!(
        of(&both),
        "400: invalid parameter \"limit\": given more than once; give it once, in the URL or in the body"
    );
}

#[test]
fn only_exact_paths_are_served() {
    for path in [
        "/",
        "",
        "/api/v1",
        "/api/v1/",
        "/api/v1/%71uery",
        "/api/v1/query/",
        "/api/v1/query%2f",
        "//api/v1/query",
        "/api//v1/query",
        "/api/v1/./query",
        "/api/v1/../v1/query",
        "/api/v1/..%2fquery",
        "/API/v1/query",
        "/api/v1/query?query=up",
        "/api/v1/query;a",
        "/api/v1/query%00",
        "/api/v1/query\u{0}",
        "/prod/api/v1/query",
        "/api/v1/metadata",
        "/api/v1/rules",
        "/api/v1/alerts",
        "/api/v1/targets",
        "/api/v1/read",
        "/api/v1/write",
        "/api/v1/status/config",
        "/api/v1/status/tsdb",
        "/api/v1/admin/tsdb/delete_series",
        "/api/v1/parse_query",
        "/api/v1/label/job",
        "/api/v1/label/job/values/",
        "/api/v1/label/a/b/values",
        "/api/v1/label/../values/x",
        "/federate/",
        "/metrics",
        "/-/reload",
        "/graph",
        "/api/v1/label/values",
    ] {
        let refused = of(&get(path, &[]));
        assert!(refused.starts_with("404: nothing is served at "), "{path}: {refused}");
    }
    // One segment, which names a label and leads nowhere else.
    for (path, sent) in [
        (
            "/api/v1/label/..%2f..%2fquery/values",
            "/api/v1/label/U___2e__2e__2f__2e__2e__2f_query/values",
        ),
        (
            "/api/v1/label/%252e%252e/values",
            "/api/v1/label/U___25_2e_25_2e/values",
        ),
        ("/api/v1/label/../values", "/api/v1/label/U___2e__2e_/values"),
        ("/api/v1/label/a%3fb%23c/values", "/api/v1/label/U__a_3f_b_23_c/values"),
    ] {
        let asked = of(&get(path, &[]));
        assert!(asked.starts_with(&format!("Get {sent} match[]=")), "{path}: {asked}");
    }
    for path in [
        "/api/v1/label//values",
        "/api/v1/label/%/values",
        "/api/v1/label/%ff/values",
        "/api/v1/label/a%00/values",
    ] {
        assert!(
            of(&get(path, &[])).starts_with("400: the label's name in the path "),
            "{path}"
        );
    }
    let mut off = settings("http://unused");
    off.exemplars = false;
    assert!(outcome(&off, &get("/api/v1/query_exemplars", &[])).starts_with("404: "));
}

#[test]
fn other_methods_are_refused_with_those_that_are_allowed() {
    for method in ["HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "get", "CONNECT", ""] {
        for (path, allow) in [
            ("/api/v1/query", "GET, POST"),
            ("/federate", "GET"),
            ("/api/v1/label/job/values", "GET"),
        ] {
            let problem = rebuilt_by(&settings("http://unused"), &event(method, path)).unwrap_err();
            assert_eq!((problem.status(), problem.allow), (405, Some(allow)), "{method} {path}");
        }
    }
}

#[test]
fn bodies_are_forms_or_refused() {
    let with = |change: &dyn Fn(&mut Value)| {
        let mut event = post("/api/v1/query", "query=up");
        change(&mut event);
        of(&event)
    };
    let content_type = |values: Value| with(&|event| event["multiValueHeaders"]["content-type"] = values.clone());
    for (refused, why) in [
        (
            content_type(json!(["multipart/form-data; boundary=x"])),
            "415: the body is \"multipart/form-data",
        ),
        (
            content_type(json!(["application/json"])),
            "415: the body is \"application/json\"",
        ),
        (
            content_type(json!(["application/x-www-form-urlencoded; charset=utf-16"])),
            "415: the body is ",
        ),
        (
            content_type(json!(["application/x-www-form-urlencoded, text/plain"])),
            "415: the body is ",
        ),
        (
            content_type(json!(["application/x-www-form-urlencoded", "text/plain"])),
            "415: the body has several Content-Types",
        ),
        (content_type(json!([])), "415: the body has no Content-Type"),
        (
            with(&|event| event["multiValueHeaders"]["Content-Encoding"] = json!(["gzip"])),
            "415: the body is compressed",
        ),
        (
            with(&|event| event["httpMethod"] = "GET".into()),
            "415: a GET request may have no body",
        ),
        (
            with(&|event| event["isBase64Encoded"] = true.into()),
            "415: the body is not the base64",
        ),
        (
            with(&|event| event["body"] = "query=%ff".into()),
            "400: the form is not UTF-8",
        ),
        (with(&|event| event["body"] = "query=%".into()), "400: the form has a %"),
        (
            with(&|event| event["body"] = "query=a%00".into()),
            "400: invalid parameter \"query\": has a NUL",
        ),
        (
            with(&|event| event["body"] = "a=b&".repeat(2000).into()),
            "413: the form has more than the 1000",
        ),
        (
            with(&|event| event["body"] = format!("query={}", "a".repeat(10 << 20)).into()),
            "413: the request has 10485766 bytes",
        ),
        (
            with(&|event| event["body"] = format!("query={}", "a".repeat(2 << 20)).into()),
            "413: the request has 2097157 bytes",
        ),
    ] {
        assert!(refused.starts_with(why), "{refused}");
    }
    // `;` separates nothing: this is one query, and none of PromQL.
    assert!(with(&|event| event["body"] = "query=up;time=5".into()).starts_with("400: query:1:3: "));
    let mut invalid = post("/api/v1/query", "cXVlcnk9/w==");
    invalid["isBase64Encoded"] = true.into();
    assert!(
        of(&invalid).starts_with("400: the form is not UTF-8"),
        "{}",
        of(&invalid)
    );
}
