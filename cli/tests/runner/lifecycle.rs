//! What a function's process is given, how many there are, and that none is left.

use std::process::Stdio;
use std::time::Duration;

use fanlight_cli::runner::{Function, InvokeError};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::{announced_pid, example, json, probe, runs, until};

#[tokio::test]
async fn the_environment_is_lambdas_and_the_configured_one() {
    let (builder, log) = probe();
    let function = builder
        .env("DB_HOST", "127.0.0.1")
        .env("AWS_LAMBDA_FUNCTION_NAME", "reserved, so ignored")
        .env("AWS_REGION", "eu-west-3")
        .memory(512)
        .build()
        .expect("a function");
    let environment = json(
        function
            .invoke(r#"{"do": "environment"}"#)
            .await
            .expect("an invocation"),
    );
    function.shutdown().await;
    let stream = log.lines().first().map(|line| line.stream.to_string()).expect("a line");
    let root = example("probe")
        .canonicalize()
        .expect("a path")
        .parent()
        .expect("a folder")
        .display()
        .to_string();
    let expected = [
        ("AWS_LAMBDA_FUNCTION_NAME", "probe"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/probe"),
        ("AWS_LAMBDA_LOG_STREAM_NAME", stream.as_str()),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
        ("AWS_REGION", "eu-west-3"),
        ("AWS_DEFAULT_REGION", "eu-west-3"),
        ("AWS_XRAY_CONTEXT_MISSING", "LOG_ERROR"),
        ("AWS_XRAY_DAEMON_ADDRESS", "169.254.79.129:2000"),
        ("LAMBDA_TASK_ROOT", root.as_str()),
        ("LAMBDA_RUNTIME_DIR", "/var/runtime"),
        ("_HANDLER", "probe"),
        ("TZ", ":UTC"),
        ("LANG", "en_US.UTF-8"),
        ("PATH", "/usr/local/bin:/usr/bin/:/bin:/opt/bin"),
        ("DB_HOST", "127.0.0.1"),
    ];
    let mut names: Vec<&String> = environment.as_object().expect("variables").keys().collect();
    for (name, value) in expected {
        assert_eq!(environment[name], value, "{name}");
        names.retain(|known| *known != name);
    }
    // Nothing of the runner's own environment; the trace is set by the function's runtime.
    names.retain(|name| *name != "_X_AMZN_TRACE_ID");
    assert_eq!(names, ["AWS_LAMBDA_RUNTIME_API"]);
}

#[tokio::test]
async fn the_function_knows_its_invocation() {
    let (builder, _log) = probe();
    let function = builder.build().expect("a function");
    let before = jiff::Timestamp::now().as_millisecond();
    let invocation = function.invoke(r#"{"do": "context"}"#).await.expect("an invocation");
    let after = jiff::Timestamp::now().as_millisecond();
    let id = invocation.request_id.clone();
    let context = json(invocation);
    assert_eq!(context["request_id"], id);
    assert_eq!(context["arn"], function.arn());
    assert_eq!(function.arn(), "arn:aws:lambda:eu-west-1:000000000000:function:probe");
    let deadline = context["deadline"].as_i64().expect("a number");
    assert!(
        (before + 60_000..=after + 60_000).contains(&deadline),
        "{before} {deadline} {after}"
    );
    let trace = context["trace_id"].as_str().expect("a trace");
    assert!(trace.starts_with("Root=1-") && trace.ends_with(";Sampled=0"), "{trace}");
    function.shutdown().await;
}

#[tokio::test]
async fn a_process_serves_one_invocation_after_another() {
    let (builder, _log) = probe();
    let function = builder.build().expect("a function");
    let mut pids = Vec::new();
    for before in 0..5 {
        let invocation = function.invoke(r#"{"do": "remember"}"#).await.expect("an invocation");
        assert_eq!(invocation.init_duration.is_some(), before == 0);
        let answer = json(invocation);
        assert_eq!(answer["before"], before);
        pids.push(answer["pid"].clone());
    }
    pids.dedup();
    assert_eq!(pids.len(), 1);
    function.shutdown().await;
}

#[tokio::test]
async fn a_process_that_ended_while_idle_is_replaced() {
    let (builder, _log) = probe();
    let function = builder.build().expect("a function");
    let pid = json(function.invoke(r#"{"do": "remember"}"#).await.expect("an invocation"))["pid"].clone();
    std::process::Command::new("kill")
        .args(["-KILL", &pid.to_string()])
        .status()
        .expect("kill");
    until(|| !runs(u32::try_from(pid.as_u64().expect("a number")).expect("a process"))).await;
    let answer = json(function.invoke(r#"{"do": "remember"}"#).await.expect("an invocation"));
    assert_ne!(answer["pid"], pid);
    function.shutdown().await;
}

#[tokio::test]
async fn invocations_at_once_have_processes_of_their_own_up_to_the_limit() {
    let (builder, log) = probe();
    let function = builder.concurrency(2).build().expect("a function");
    let hanging = |function: &Function| {
        let function = function.clone();
        tokio::spawn(async move { function.invoke(r#"{"do": "hang"}"#).await })
    };
    let (first, second) = (hanging(&function), hanging(&function));
    until(|| log.text().matches("pid ").count() == 2).await;
    match function.invoke("{}").await {
        Err(InvokeError::Throttled { concurrency: 2, .. }) => {}
        other => panic!("{other:?}"),
    }
    // Shutting down ends them in the middle, and the function is gone for good.
    let pids: Vec<u32> = log
        .lines()
        .iter()
        .filter_map(|line| announced_pid(&line.text))
        .collect();
    assert!(
        pids.len() == 2 && pids[0] != pids[1] && pids.iter().all(|pid| runs(*pid)),
        "{pids:?}"
    );
    function.shutdown().await;
    assert!(!pids.iter().any(|pid| runs(*pid)));
    for invocation in [first, second] {
        let result = invocation.await.expect("no panic");
        assert!(matches!(result, Err(InvokeError::ShutDown { .. })), "{result:?}");
    }
    assert!(matches!(function.invoke("{}").await, Err(InvokeError::ShutDown { .. })));
}

#[tokio::test]
async fn an_invocation_goes_on_when_its_caller_has_gone() {
    let (builder, log) = probe();
    let function = builder.concurrency(1).build().expect("a function");
    let caller = tokio::spawn({
        let function = function.clone();
        async move { function.invoke(r#"{"do": "sleep", "number": 300}"#).await }
    });
    until(|| log.text().contains("START")).await;
    caller.abort();
    until(|| log.text().contains("REPORT")).await;
    assert!(!log.text().contains("Status:"), "{}", log.text());
    // Its process is there for the next one.
    let next = function.invoke("{}").await.expect("an invocation");
    assert_eq!(next.init_duration, None);
    function.shutdown().await;
}

#[tokio::test]
async fn the_last_clone_takes_idle_processes_with_it() {
    let (builder, _log) = probe();
    let function = builder.build().expect("a function");
    let answer = json(
        function
            .clone()
            .invoke(r#"{"do": "remember"}"#)
            .await
            .expect("an invocation"),
    );
    let pid = u32::try_from(answer["pid"].as_u64().expect("a number")).expect("a process");
    assert!(runs(pid));
    drop(function);
    until(|| !runs(pid)).await;
}

/// SIGKILL gives the runner no chance to do anything: not even then is a process left, nor a child of it.
#[tokio::test]
async fn a_killed_runner_leaves_no_process_behind() {
    for event in [r#"{"do": "hang"}"#, r#"{"do": "fork"}"#] {
        let mut runner = tokio::process::Command::new(example("invoke"))
            .arg(example("probe"))
            .arg(event)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("a runner");
        let mut log = BufReader::new(runner.stderr.take().expect("a pipe")).lines();
        let pid = loop {
            let line = log.next_line().await.expect("a log").expect("a line before its end");
            if let Some(pid) = announced_pid(&line) {
                break pid;
            }
        };
        assert!(runs(pid), "{event}");
        runner.kill().await.expect("SIGKILL");
        until(|| !runs(pid)).await;
    }
}

#[tokio::test]
async fn a_child_of_the_function_ends_with_it() {
    let (builder, log) = probe();
    let function = builder.timeout(Duration::from_secs(1)).build().expect("a function");
    let _timed_out = function.invoke(r#"{"do": "fork"}"#).await.expect("an invocation");
    let pid = announced_pid(&log.text()).expect("a child");
    until(|| !runs(pid)).await;
    function.shutdown().await;
}
