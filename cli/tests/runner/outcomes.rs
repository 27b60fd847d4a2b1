//! What becomes of an invocation, and what the log says of it.

use std::time::Duration;

use fanlight_cli::runner::{BrokenStream, FailureKind, Outcome, Streaming};

use crate::{failure, json, once, probe};

#[tokio::test]
async fn an_answer_is_passed_on_and_reported() {
    let (invocation, log) = once(r#"{"a": [1, "é"]}"#).await;
    let id = invocation.request_id.clone();
    assert!(
        invocation.init_duration.is_some(),
        "the first invocation starts the process"
    );
    assert!(
        invocation.max_memory.is_some_and(|bytes| bytes > 1 << 20),
        "{:?}",
        invocation.max_memory
    );
    assert_eq!(json(invocation), serde_json::json!({"a": [1, "é"]}));

    let lines: Vec<&str> = log.lines().collect();
    let [start, end, report] = lines[..] else {
        panic!("{log}")
    };
    assert_eq!(start, format!("START RequestId: {id} Version: $LATEST"));
    assert_eq!(end, format!("END RequestId: {id}"));
    let fields: Vec<&str> = report
        .split('\t')
        .map(|field| field.split(": ").next().unwrap_or_default())
        .collect();
    let names = [
        "REPORT RequestId",
        "Duration",
        "Billed Duration",
        "Memory Size",
        "Max Memory Used",
        "Init Duration",
    ];
    assert_eq!(fields, names, "{report}");
    assert!(report.starts_with(&format!("REPORT RequestId: {id}\tDuration: ")) && report.contains("Size: 128 MB"));
}

#[tokio::test]
async fn an_error_of_the_function_is_passed_on_in_its_own_words() {
    let (invocation, log) = once(r#"{"do": "fail"}"#).await;
    let failure = failure(&invocation);
    assert_eq!(
        (failure.kind, failure.message.as_str()),
        (FailureKind::FunctionError, "no luck")
    );
    let payload: serde_json::Value = serde_json::from_slice(&failure.payload).expect("JSON");
    assert_eq!(payload["errorMessage"], "no luck");
    assert_eq!(payload["errorType"], failure.error_type);
    assert!(log.contains("\tStatus: error\tError Type: "), "{log}");
}

#[tokio::test]
async fn a_panic_fails_the_invocation_and_keeps_the_process() {
    let (builder, _log) = probe();
    let function = builder.build().expect("a function");
    let first = json(function.invoke(r#"{"do": "remember"}"#).await.expect("an invocation"));
    let panicked = function.invoke(r#"{"do": "panic"}"#).await.expect("an invocation");
    assert_eq!(failure(&panicked).kind, FailureKind::FunctionError);
    assert_eq!(failure(&panicked).message, "Lambda panicked: at the disco");
    let second = json(function.invoke(r#"{"do": "remember"}"#).await.expect("an invocation"));
    assert_eq!(
        (&second["pid"], &second["before"]),
        (&first["pid"], &serde_json::json!(1))
    );
    function.shutdown().await;
}

#[tokio::test]
async fn the_end_of_the_process_is_a_crash() {
    let cases = [
        (
            r#"{"do": "exit", "number": 1}"#,
            "Runtime exited with error: exit status 1",
        ),
        (
            r#"{"do": "exit", "number": 0}"#,
            "Runtime exited without providing a reason",
        ),
        (r#"{"do": "abort"}"#, "Runtime exited with error: signal: aborted"),
    ];
    for (event, words) in cases {
        let (invocation, log) = once(event).await;
        let id = &invocation.request_id;
        let failure = failure(&invocation);
        assert_eq!(
            (failure.kind, failure.error_type.as_str()),
            (FailureKind::Crashed, "Runtime.ExitError"),
            "{event}"
        );
        let message = format!("RequestId: {id} Error: {words}");
        assert!(failure.message.starts_with(&message), "{event}: {}", failure.message);
        let payload: serde_json::Value = serde_json::from_slice(&failure.payload).expect("JSON");
        assert_eq!(payload["errorType"], "Runtime.ExitError");
        assert_eq!(payload["errorMessage"], failure.message);
        assert!(
            log.contains(&message) && log.contains("Status: error\tError Type: Runtime.ExitError"),
            "{log}"
        );
    }
}

#[tokio::test]
async fn the_timeout_kills_the_process_and_the_next_invocation_starts_another() {
    let (builder, log) = probe();
    let function = builder
        .timeout(Duration::from_millis(1500))
        .build()
        .expect("a function");
    let before = json(function.invoke(r#"{"do": "remember"}"#).await.expect("an invocation"));
    let invocation = function.invoke(r#"{"do": "hang"}"#).await.expect("an invocation");
    let expired = failure(&invocation);
    assert_eq!(
        (expired.kind, expired.error_type.as_str()),
        (FailureKind::TimedOut, "Sandbox.Timedout")
    );
    let message = format!(
        "RequestId: {} Error: Task timed out after 1.50 seconds",
        invocation.request_id
    );
    assert_eq!(expired.message, message);
    assert!(invocation.duration >= Duration::from_millis(1500));
    assert!(
        log.text().contains(&message) && log.text().contains("Status: timeout"),
        "{}",
        log.text()
    );

    let pid = crate::announced_pid(&log.text()).expect("the process");
    assert_eq!(before["pid"], pid);
    assert!(!crate::runs(pid), "the process is gone");
    let after = json(function.invoke(r#"{"do": "remember"}"#).await.expect("an invocation"));
    assert_ne!(after["pid"], pid);
    assert_eq!(after["before"], 0);
    function.shutdown().await;
}

#[tokio::test]
async fn an_init_that_ends_is_tried_once_more_within_the_invocation() {
    let (builder, log) = probe();
    let function = builder.env("PROBE_INIT", "exit").build().expect("a function");
    let invocation = function.invoke("{}").await.expect("an invocation");
    function.shutdown().await;
    let failure = failure(&invocation);
    assert_eq!(
        (failure.kind, failure.error_type.as_str()),
        (FailureKind::InitFailed, "Runtime.ExitError")
    );
    assert!(
        failure
            .message
            .ends_with("Error: Runtime exited with error: exit status 3"),
        "{}",
        failure.message
    );
    assert_eq!(invocation.init_duration, None);
    let text = log.text();
    let shape: Vec<&str> = text.lines().filter_map(|line| line.split([' ', ':']).next()).collect();
    let expected = [
        "cannot",
        "INIT_REPORT",
        "START",
        "cannot",
        "INIT_REPORT",
        "RequestId",
        "END",
        "REPORT",
    ];
    assert_eq!(shape, expected, "{text}");
    assert!(
        text.contains("Phase: init\tStatus: error") && text.contains("Phase: invoke\tStatus: error"),
        "{text}"
    );
}

#[tokio::test]
async fn an_init_that_hangs_is_killed() {
    let (builder, log) = probe();
    let builder = builder.env("PROBE_INIT", "hang").init_limit(Duration::from_millis(200));
    let function = builder.timeout(Duration::from_millis(300)).build().expect("a function");
    let invocation = function.invoke("{}").await.expect("an invocation");
    function.shutdown().await;
    let failure = failure(&invocation);
    assert_eq!(
        (failure.kind, failure.error_type.as_str()),
        (FailureKind::TimedOut, "Sandbox.Timedout")
    );
    assert!(
        failure.message.ends_with("Error: Task timed out after 0.30 seconds"),
        "{}",
        failure.message
    );
    assert!(log.text().contains("Phase: init\tStatus: timeout"), "{}", log.text());
}

#[tokio::test]
async fn a_binary_that_has_vanished_fails_the_init() {
    let folder = tempfile::tempdir().expect("a folder");
    let binary = folder.path().join("bootstrap");
    std::fs::copy(crate::example("probe"), &binary).expect("a copy");
    let (sink, _log) = fanlight_cli::runner::LogSink::captured();
    let function = fanlight_cli::runner::Function::builder("gone", &binary)
        .log(sink)
        .build()
        .expect("a function");
    std::fs::remove_file(&binary).expect("removed");
    let invocation = function.invoke("{}").await.expect("an invocation");
    assert_eq!(failure(&invocation).kind, FailureKind::InitFailed);
    assert_eq!(failure(&invocation).error_type, "Runtime.InvalidEntrypoint");
    function.shutdown().await;
}

#[test]
fn a_binary_that_is_none_is_refused() {
    let cases = [
        ("/nowhere/bootstrap", "cannot be used: No such file"),
        ("/etc/passwd", "is not an executable file"),
    ];
    for (binary, problem) in cases {
        let error = fanlight_cli::runner::Function::builder("broken", binary)
            .build()
            .expect_err("an error")
            .to_string();
        assert!(
            error.starts_with(&format!("function broken: {binary} {problem}")),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_streamed_answer_comes_whole_with_its_prelude() {
    let (invocation, _log) = once(r#"{"do": "stream", "number": 7000}"#).await;
    let Outcome::Success(reply) = invocation.outcome else {
        panic!("{:?}", invocation.outcome)
    };
    assert!(reply.streamed);
    let (prelude, body) = reply.http_parts().expect("a prelude");
    let prelude: serde_json::Value = serde_json::from_slice(&prelude).expect("JSON");
    assert_eq!(prelude["statusCode"], 200);
    // Beyond what an answer that is not streamed may have.
    assert_eq!(body.len(), 7000 * 1024);
    assert!(body.iter().all(|byte| *byte == b'x'));
}

#[tokio::test]
async fn a_crash_within_a_streamed_answer_keeps_what_came() {
    let (invocation, _log) = once(r#"{"do": "stream and exit", "number": 3}"#).await;
    let failure = failure(&invocation);
    assert!(
        matches!(failure.kind, FailureKind::Crashed | FailureKind::BrokenStream),
        "{failure}"
    );
    let partial = failure.partial.as_ref().expect("a part of the answer");
    assert_eq!(partial.http_parts().expect("a prelude").1.len(), 3 * 1024);
}

#[tokio::test]
async fn a_streamed_answer_can_be_read_while_it_comes() {
    let (builder, log) = probe();
    let function = builder.build().expect("a function");
    let event = r#"{"do": "stream", "number": 7000}"#;
    let Ok(Streaming::Begun(mut invocation)) = function.invoke_streaming(event).await else {
        panic!("not begun")
    };
    assert!(invocation.head.streamed);
    assert_eq!(
        invocation.head.content_type.as_deref(),
        Some("application/vnd.awslambda.http-integration-response")
    );
    let mut size = 0;
    while let Some(bytes) = invocation.next().await {
        size += bytes.expect("a whole answer").len();
    }
    assert!(size > 7000 * 1024, "{size}");
    let id = invocation.request_id.clone();
    let report = invocation.finished().await.expect("a report");
    assert_eq!(report.request_id, id);
    assert!(matches!(report.outcome, Outcome::Success(reply) if reply.streamed && reply.body.is_empty()));
    assert!(
        log.text().contains(&format!("REPORT RequestId: {id}")),
        "{}",
        log.text()
    );
    function.shutdown().await;
}

#[tokio::test]
async fn an_answer_that_is_not_streamed_can_be_read_as_one_that_is() {
    let (builder, _log) = probe();
    let function = builder.build().expect("a function");
    let Ok(Streaming::Begun(mut invocation)) = function.invoke_streaming(r#"{"a": 1}"#).await else {
        panic!("not begun")
    };
    assert!(!invocation.head.streamed);
    assert_eq!(invocation.next().await.expect("bytes").expect("whole"), r#"{"a":1}"#);
    assert!(invocation.next().await.is_none());
    function.shutdown().await;
}

#[tokio::test]
async fn a_streamed_invocation_tells_when_the_function_fails() {
    let (builder, _log) = probe();
    let function = builder.build().expect("a function");
    for (event, kind) in [
        (r#"{"do": "fail"}"#, FailureKind::FunctionError),
        (r#"{"do": "panic"}"#, FailureKind::FunctionError),
        (r#"{"do": "exit", "number": 1}"#, FailureKind::Crashed),
    ] {
        let Ok(Streaming::Failed(invocation)) = function.invoke_streaming(event).await else {
            panic!("begun: {event}")
        };
        assert_eq!(failure(&invocation).kind, kind, "{event}");
    }
    let event = r#"{"do": "stream and exit", "number": 3}"#;
    let Ok(Streaming::Begun(mut invocation)) = function.invoke_streaming(event).await else {
        panic!("not begun")
    };
    let broken = loop {
        match invocation.next().await.expect("no end") {
            Ok(_) => {}
            Err(BrokenStream::Failed(failure)) => break failure,
            Err(ended) => panic!("{ended}"),
        }
    };
    assert!(
        matches!(broken.kind, FailureKind::Crashed | FailureKind::BrokenStream),
        "{broken}"
    );
    let report = invocation.finished().await.expect("a report");
    assert_eq!(failure(&report).kind, broken.kind);
    function.shutdown().await;
}

#[tokio::test]
async fn an_answer_beyond_lambdas_limit_is_refused() {
    // Two bytes are the quotation marks.
    let largest = 6_291_556 - 2;
    let (fits, _log) = once(&format!(r#"{{"do": "large", "number": {largest}}}"#)).await;
    assert_eq!(fits.outcome.into_result().expect("a success").len(), largest + 2);
    let (invocation, _log) = once(&format!(r#"{{"do": "large", "number": {}}}"#, largest + 1)).await;
    let failure = failure(&invocation);
    assert_eq!(failure.kind, FailureKind::ResponseTooLarge);
    let words =
        "Function.ResponseSizeTooLarge: Response payload size exceeded maximum allowed payload size (6291556 bytes).";
    assert_eq!(failure.to_string(), words);
}

#[tokio::test]
async fn the_log_has_what_the_function_printed_in_order_before_the_report() {
    let (_, log) = once(r#"{"do": "print", "number": 3000}"#).await;
    let lines: Vec<&str> = log.lines().collect();
    assert!(lines[0].starts_with("START"), "{}", lines[0]);
    for (number, line) in lines[1..=3000].iter().enumerate() {
        assert_eq!(*line, format!("line {number}"));
    }
    assert_eq!(lines[3001], "not UTF-8: \u{fffd}, not ended, ended by another");
    assert!(
        lines[3002].starts_with("END") && lines[3003].starts_with("REPORT"),
        "{:?}",
        &lines[3002..]
    );
}

#[tokio::test]
async fn memory_is_the_most_that_the_process_had() {
    let (small, _log) = once("{}").await;
    let (large, _log) = once(r#"{"do": "memory", "number": 64}"#).await;
    let (small, large) = (small.max_memory.expect("memory"), large.max_memory.expect("memory"));
    assert!(large >= 64 << 20 && small < 64 << 20, "{small} {large}");
}
