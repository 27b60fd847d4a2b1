//! Lambda's Invoke API, as the AWS command line speaks it.

use std::net::SocketAddr;

use fanlight_cli::runner::{CapturedLog, Function, invoke_api};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::{probe, until};

/// A front with the probe behind it, which ends with the test.
async fn front(concurrency: usize) -> (SocketAddr, Function, CapturedLog) {
    let (builder, log) = probe();
    let function = builder.concurrency(concurrency).build().expect("a function");
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(axum::serve(listener, invoke_api::router([function.clone()])).into_future());
    (address, function, log)
}

/// The answer to a request: its status, its head in lower case, its body.
async fn post(address: SocketAddr, path: &str, headers: &str, body: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
    );
    stream.write_all(request.as_bytes()).await.expect("sent");
    // The answer may come before all of a request that is refused has been sent.
    let _ = stream.write_all(body.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).expect("UTF-8");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .expect("a status");
    (status, head.to_lowercase(), body.into())
}

const PATH: &str = "/2015-03-31/functions/probe/invocations";

#[tokio::test]
async fn request_response_answers_with_what_the_function_says() {
    let (address, function, _log) = front(10).await;
    let (status, head, body) = post(address, PATH, "", r#"{"a": 1}"#).await;
    assert_eq!((status, body.as_str()), (200, r#"{"a":1}"#));
    assert!(
        head.contains("x-amzn-requestid: ") && head.contains("x-amz-executed-version: $latest"),
        "{head}"
    );
    assert!(!head.contains("x-amz-function-error"), "{head}");

    let (status, head, body) = post(address, PATH, "", r#"{"do": "fail"}"#).await;
    assert_eq!(status, 200);
    assert!(head.contains("x-amz-function-error: unhandled"), "{head}");
    assert!(body.contains(r#""errorMessage":"no luck""#), "{body}");

    let (_, head, body) = post(
        address,
        PATH,
        "X-Amz-Invocation-Type: RequestResponse\r\n",
        r#"{"do": "exit"}"#,
    )
    .await;
    assert!(head.contains("x-amz-function-error: unhandled"), "{head}");
    assert!(body.contains(r#""errorType":"Runtime.ExitError""#), "{body}");

    // No event at all is an empty one.
    assert_eq!(post(address, PATH, "", "").await.2, "{}");
    function.shutdown().await;
}

#[tokio::test]
async fn an_event_is_accepted_and_runs_in_the_background() {
    let (address, function, log) = front(10).await;
    let (status, head, body) = post(address, PATH, "X-Amz-Invocation-Type: Event\r\n", r#"{"a": 1}"#).await;
    assert_eq!((status, body.as_str()), (202, ""));
    until(|| log.text().contains("REPORT")).await;
    let id = head
        .lines()
        .find_map(|line| line.strip_prefix("x-amzn-requestid: "))
        .expect("a request ID");
    assert!(
        log.text().contains(&format!("START RequestId: {id} ")),
        "{id} {}",
        log.text()
    );
    function.shutdown().await;
}

#[tokio::test]
async fn a_dry_run_starts_nothing() {
    let (address, function, log) = front(10).await;
    let (status, _, body) = post(address, PATH, "X-Amz-Invocation-Type: DryRun\r\n", r#"{"a": 1}"#).await;
    assert_eq!((status, body.as_str()), (204, ""));
    assert_eq!(log.text(), "");
    function.shutdown().await;
}

#[tokio::test]
async fn a_function_has_several_names() {
    let (address, function, _log) = front(10).await;
    let names = [
        "probe",
        "probe:$LATEST",
        "probe%3A%24LATEST",
        "000000000000:function:probe",
        "arn:aws:lambda:eu-west-1:000000000000:function:probe",
        "arn%3Aaws%3Alambda%3Aeu-west-1%3A000000000000%3Afunction%3Aprobe:$LATEST",
    ];
    for name in names {
        for qualifier in ["", "?Qualifier=$LATEST", "?Qualifier=%24LATEST"] {
            let path = format!("/2015-03-31/functions/{name}/invocations{qualifier}");
            assert_eq!(post(address, &path, "", "1").await.0, 200, "{path}");
        }
    }
    function.shutdown().await;
}

#[tokio::test]
async fn what_lambda_refuses_is_refused() {
    let (address, function, log) = front(10).await;
    let large = |size: usize| format!("\"{}\"", "x".repeat(size - 1));
    let event = "X-Amz-Invocation-Type: Event\r\n";
    let cases = [
        (
            "/2015-03-31/functions/other/invocations",
            "",
            "{}".into(),
            404,
            "ResourceNotFoundException",
            "this runner has probe",
        ),
        (
            "/2015-03-31/functions/probe/invocations?Qualifier=7",
            "",
            "{}".into(),
            404,
            "ResourceNotFoundException",
            "version 7",
        ),
        (
            PATH,
            "",
            "{nonsense".into(),
            400,
            "InvalidRequestContentException",
            "Could not parse request body into json",
        ),
        (
            PATH,
            "X-Amz-Invocation-Type: Maybe\r\n",
            "{}".into(),
            400,
            "InvalidParameterValueException",
            "must be RequestResponse",
        ),
        (
            PATH,
            "",
            large(6 << 20),
            413,
            "RequestTooLargeException",
            "6291456 bytes",
        ),
        (
            PATH,
            event,
            large(1 << 20),
            413,
            "RequestTooLargeException",
            "1048576 bytes",
        ),
        (
            PATH,
            "Origin: https://example.com\r\n",
            "{}".into(),
            403,
            "AccessDeniedException",
            "web pages",
        ),
    ];
    for (path, headers, body, expected, error_type, words) in cases {
        let (status, head, body) = post(address, path, headers, &body).await;
        assert_eq!(status, expected, "{path} {headers}");
        assert!(
            head.contains(&format!("x-amzn-errortype: {}", error_type.to_lowercase())),
            "{head}"
        );
        assert!(body.contains(words) && body.contains(r#""Type":"User""#), "{body}");
    }
    assert_eq!(log.text(), "", "nothing was started");
    function.shutdown().await;
}

#[tokio::test]
async fn a_busy_function_throttles() {
    let (address, function, log) = front(1).await;
    let busy = tokio::spawn(async move { post(address, PATH, "", r#"{"do": "hang"}"#).await });
    until(|| log.text().contains("pid ")).await;
    let (status, head, _) = post(address, PATH, "", "{}").await;
    assert_eq!(status, 429);
    assert!(head.contains("x-amzn-errortype: toomanyrequestsexception"), "{head}");
    function.shutdown().await;
    let (status, head, _) = busy.await.expect("no panic");
    assert_eq!(status, 500);
    assert!(head.contains("x-amzn-errortype: serviceexception"), "{head}");
}
