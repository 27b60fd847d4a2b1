//! What the functions are sent.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use fanlight_cli::runner::api_gateway::{Integration, RestApi, RestApiBuilder};
use serde_json::{Value, json};

use crate::{Served, client, json, probe};

/// Puts words where an event has what no two events have in common.
fn anonymous(mut event: Value, address: &str) -> Value {
    let context = &mut event["requestContext"];
    assert!(
        context["requestTimeEpoch"]
            .as_i64()
            .is_some_and(|time| time > 1_700_000_000_000),
        "{context}"
    );
    context["requestTimeEpoch"] = 0.into();
    for name in ["requestId", "extendedRequestId", "requestTime"] {
        assert!(
            context[name].as_str().is_some_and(|text| text.len() > 10),
            "{name} in {context}"
        );
        context[name] = format!("<{name}>").into();
    }
    assert_eq!(context["domainName"], address);
    context["domainName"] = "<host>".into();
    for headers in ["headers", "multiValueHeaders"] {
        let headers = &mut event[headers];
        for (name, placeholder) in [("Host", "<host>"), ("X-Amzn-Trace-Id", "<trace>")] {
            headers[name] = match &headers[name] {
                Value::Array(values) => json!(vec![placeholder; values.len()]),
                Value::String(_) => placeholder.into(),
                _ => Value::Null,
            };
        }
    }
    event
}

/// The shape is that of AWS' documentation, and of events recorded from AWS.
fn golden() -> Value {
    json!({
        "resource": "/{proxy+}",
        "path": "/api/v1/query%2Brange/",
        "httpMethod": "POST",
        "headers": {
            "accept": "b",
            "authorization": "Bearer allow",
            "content-type": "application/x-www-form-urlencoded",
            "user-agent": "probe/1",
            "Host": "<host>",
            "X-Amzn-Trace-Id": "<trace>",
            "X-Forwarded-For": "127.0.0.1",
            "X-Forwarded-Port": "443",
            "X-Forwarded-Proto": "https",
        },
        "multiValueHeaders": {
            "accept": ["a", "b"],
            "authorization": ["Bearer allow"],
            "content-type": ["application/x-www-form-urlencoded"],
            "user-agent": ["probe/1"],
            "Host": ["<host>"],
            "X-Amzn-Trace-Id": ["<trace>"],
            "X-Forwarded-For": ["127.0.0.1"],
            "X-Forwarded-Port": ["443"],
            "X-Forwarded-Proto": ["https"],
        },
        "queryStringParameters": {"match[]": "c d", "e": ""},
        "multiValueQueryStringParameters": {"match[]": ["a+b", "c d"], "e": [""]},
        "pathParameters": {"proxy": "api/v1/query%2Brange"},
        "stageVariables": null,
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "local00000",
            "deploymentId": "local0",
            "domainName": "<host>",
            "domainPrefix": "127",
            "extendedRequestId": "<extendedRequestId>",
            "httpMethod": "POST",
            "identity": {
                "accessKey": null,
                "accountId": null,
                "caller": null,
                "cognitoAuthenticationProvider": null,
                "cognitoAuthenticationType": null,
                "cognitoIdentityId": null,
                "cognitoIdentityPoolId": null,
                "principalOrgId": null,
                "sourceIp": "127.0.0.1",
                "user": null,
                "userAgent": "probe/1",
                "userArn": null,
            },
            "path": "/prod/api/v1/query%2Brange/",
            "protocol": "HTTP/1.1",
            "requestId": "<requestId>",
            "requestTime": "<requestTime>",
            "requestTimeEpoch": 0,
            "resourceId": "res000",
            "resourcePath": "/{proxy+}",
            "stage": "prod",
        },
    })
}

#[tokio::test]
async fn both_functions_get_the_events_that_aws_would_send() {
    let api = Served::guarded(RestApiBuilder::authorizer).await;
    let headers = "Authorization: Bearer allow\r\nAccept: a\r\nAccept: b\r\nUser-Agent: probe/1\r\n\
        Content-Type: application/x-www-form-urlencoded\r\n";
    let path = "/api/v1/query%2Brange/?match%5B%5D=a%2Bb&match[]=c+d&e";
    let answer = client::exchange(api.address, "POST", path, headers, b"query=up").await;
    let address = api.address.to_string();
    let mut event = json(&answer);
    let context = event["requestContext"].as_object_mut().expect("a context");
    let mut authorizer = context.remove("authorizer").expect("the authorizer's context");
    assert!(authorizer["integrationLatency"].is_u64(), "{authorizer}");
    authorizer["integrationLatency"] = 0.into();
    assert_eq!(
        authorizer,
        json!({
            "principalId": "acme",
            "organisations": "[\"acme\"]",
            "number": "7",
            "truth": "true",
            "integrationLatency": 0,
        })
    );
    assert_eq!(
        answer.header("x-amzn-requestid"),
        event["requestContext"]["requestId"].as_str()
    );
    assert_eq!(
        answer.header("x-amz-apigw-id"),
        event["requestContext"]["extendedRequestId"].as_str()
    );
    let mut expected = golden();
    expected["body"] = "query=up".into();
    expected["isBase64Encoded"] = false.into();
    assert_eq!(anonymous(event, &address), expected);

    let log = api.log.text();
    let event = log
        .lines()
        .find_map(|line| line.strip_prefix("authorizer "))
        .expect("an event");
    let event: Value = serde_json::from_str(event).expect("JSON");
    let mut expected = golden();
    expected["type"] = "REQUEST".into();
    expected["methodArn"] =
        "arn:aws:execute-api:eu-west-1:000000000000:local00000/prod/POST/api/v1/query%2Brange/".into();
    assert_eq!(anonymous(event, &address), expected);
}

#[tokio::test]
async fn what_is_not_there_is_null() {
    let (function, log) = probe("integration");
    let builder = RestApi::builder().any("/federate", Integration::streamed(function.clone()));
    let api = Served::serve(builder, function, log).await;
    let event = json(&api.get("/federate").await);
    for name in [
        "queryStringParameters",
        "multiValueQueryStringParameters",
        "pathParameters",
        "stageVariables",
        "body",
    ] {
        assert_eq!(event[name], Value::Null, "{name}");
    }
    assert_eq!(
        (
            &event["isBase64Encoded"],
            &event["requestContext"]["identity"]["userAgent"]
        ),
        (&json!(false), &Value::Null)
    );
    assert!(event["requestContext"].get("authorizer").is_none());
}

#[tokio::test]
async fn a_binary_body_arrives_in_base64_where_the_api_says_so_and_damaged_elsewhere() {
    let (function, log) = probe("integration");
    let builder = RestApi::builder()
        .any("/{proxy+}", Integration::streamed(function.clone()))
        .binary_media_type("application/x-protobuf");
    let api = Served::serve(builder, function, log).await;
    let cases = [
        ("application/x-protobuf", true, "AP8="),
        ("text/plain", false, "\0\u{fffd}"),
    ];
    for (content_type, encoded, body) in cases {
        let headers = format!("Content-Type: {content_type}\r\n");
        let event = json(&client::exchange(api.address, "POST", "/a", &headers, &[0, 0xff]).await);
        assert_eq!(
            (&event["isBase64Encoded"], &event["body"]),
            (&json!(encoded), &json!(body))
        );
    }
}

#[tokio::test]
async fn hostile_requests_are_refused_before_a_function_is_asked() {
    let api = Served::open().await;
    let long_header = format!("A: {}\r\n", "x".repeat(10_240));
    let cases: [(&str, &str, &str, u16, &str); 6] = [
        ("GET", "", "", 403, "Missing Authentication Token"),
        ("TRACE", "/a", "", 403, "Missing Authentication Token"),
        ("BREW", "/a", "", 403, "Missing Authentication Token"),
        (
            "GET",
            "/a",
            &long_header,
            400,
            "HTTP header is larger than 10240 bytes.",
        ),
        ("GET", "/a?query=up{a=1}", "", 400, "Bad Request"),
        ("GET", "uction/a", "", 403, "Forbidden"),
    ];
    for (method, path, headers, status, message) in cases {
        let answer = client::exchange(api.address, method, path, headers, b"").await;
        assert_eq!(answer.status, status, "{method} {path}");
        assert_eq!(json(&answer), json!({"message": message}), "{method} {path}");
        assert!(answer.header("x-amzn-requestid").is_some() && answer.header("x-amzn-errortype").is_some());
    }
    assert_eq!(api.log.text(), "", "nothing was started");
}

#[tokio::test]
async fn a_body_beyond_what_api_gateway_or_lambda_takes_is_refused() {
    let api = Served::open().await;
    // Beyond API Gateway's 10 MB; and beyond Lambda's 6 MB, which is reached by a body with many quotation marks sooner.
    for body in [vec![b'x'; (10 << 20) + 1], vec![b'x'; 7 << 20], vec![b'"'; 4 << 20]] {
        let answer = client::exchange(api.address, "POST", "/a", "", &body).await;
        assert_eq!(
            (answer.status, answer.text()),
            (413, r#"{"message":"Request Too Long"}"#),
            "{}",
            body.len()
        );
    }
    assert_eq!(api.log.text(), "", "nothing was started");
    let event = json(&client::exchange(api.address, "POST", "/a", "", &vec![b'x'; 5 << 20]).await);
    assert_eq!(event["body"].as_str().map(str::len), Some(5 << 20));
}

#[tokio::test]
async fn every_method_of_any_reaches_the_function() {
    let api = Served::open().await;
    for method in ["GET", "DELETE", "OPTIONS", "PATCH", "POST", "PUT"] {
        let answer = client::exchange(api.address, method, "/a", "", b"").await;
        assert_eq!(json(&answer)["httpMethod"], method);
    }
    let head = client::exchange(api.address, "HEAD", "/a", "", b"").await;
    assert_eq!((head.status, head.body.len()), (200, 0));
}

/// Each value of an event by its path, as the name of its type; what a client or an authorizer may say is left out.
fn shape(event: &Value) -> BTreeMap<String, &'static str> {
    fn walk(value: &Value, path: &str, shape: &mut BTreeMap<String, &'static str>) {
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::String(_) => "text",
            Value::Array(_) => "list",
            Value::Object(_) => "object",
        };
        shape.insert(path.to_owned(), kind);
        for (name, value) in value.as_object().into_iter().flatten() {
            let free = [
                "/headers",
                "/multiValueHeaders",
                "/queryStringParameters",
                "/multiValueQueryStringParameters",
            ];
            if !free.contains(&path) {
                walk(value, &format!("{path}/{name}"), shape);
            }
        }
    }
    let mut shape = BTreeMap::new();
    walk(event, "", &mut shape);
    shape
}

#[test]
fn the_events_to_try_functions_with_have_the_shape_of_those_that_are_sent() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../events"));
    let mut seen = 0;
    for entry in fs::read_dir(folder).expect("the events") {
        let path = entry.expect("an event").path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .expect("a name")
            .to_owned();
        if name.starts_with("collector-") {
            continue;
        }
        seen += 1;
        let text = fs::read_to_string(&path).expect("text");
        let event: Value = serde_json::from_str(&text).expect("JSON");
        let mut expected = golden();
        let context = expected["requestContext"].as_object_mut().expect("a context");
        if name.starts_with("authorizer-") {
            expected["type"] = "REQUEST".into();
            expected["methodArn"] = "arn".into();
        } else {
            // A reader of dashboards has no organisations and no API key.
            let is_reader = name.contains("-grafana");
            let of_customers = ["principalId", "client", "organisations", "plan", "expires"];
            let of_readers = ["principalId", "client", "scope", "expires"];
            let names = if is_reader { &of_readers[..] } else { &of_customers };
            let authorizer: BTreeMap<_, _> = names.iter().map(|name| (*name, "text")).collect();
            let mut authorizer = json!(authorizer);
            authorizer["integrationLatency"] = 1.into();
            context.insert("authorizer".into(), authorizer);
            if is_reader {
                expected["pathParameters"] = json!({"file": "text"});
            } else {
                context["identity"]["apiKey"] = "key".into();
                context["identity"]["apiKeyId"] = "id".into();
            }
            expected["isBase64Encoded"] = false.into();
            expected["body"] = event["body"].is_string().then_some("text").into();
        }
        // `null` where there is none of them.
        for given in ["queryStringParameters", "multiValueQueryStringParameters"] {
            if event["queryStringParameters"].is_null() {
                expected[given] = Value::Null;
            }
        }
        assert_eq!(shape(&event), shape(&expected), "{name}");
        let (context, headers) = (&event["requestContext"], &event["headers"]);
        assert_eq!(
            event["path"].as_str().map(|path| format!("/prod{path}")).as_deref(),
            context["path"].as_str(),
            "{name}"
        );
        assert_eq!(event["httpMethod"], context["httpMethod"], "{name}");
        assert_eq!(headers["Host"], context["domainName"], "{name}");
        assert_eq!(headers["User-Agent"], context["identity"]["userAgent"], "{name}");
        assert_eq!(headers["X-Forwarded-For"], context["identity"]["sourceIp"], "{name}");
        for (header, value) in headers.as_object().expect("headers") {
            assert_eq!(event["multiValueHeaders"][header], json!([value]), "{name}");
        }
    }
    assert!(seen >= 6, "{seen} events");
}
