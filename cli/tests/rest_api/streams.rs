//! Answers that are still being given: when they arrive, how they end, and who waits for whom.

use std::process::Stdio;
use std::time::Duration;

use fanlight_cli::runner::Function;
use fanlight_cli::runner::api_gateway::{Integration, RestApi};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::client::Connection;
use crate::{Served, example, probe, until};

#[tokio::test]
async fn the_first_bytes_arrive_before_the_function_gives_the_last() {
    let api = Served::open().await;
    let folder = tempfile::Builder::new()
        .prefix("fanlight-")
        .tempdir()
        .expect("a folder");
    let signal = folder.path().join("signal");
    let path = format!("/a?do=halves&until={}", signal.display());
    let mut connection = Connection::get(api.address, &path).await;
    assert_eq!(connection.head().await.0, 200);
    assert_eq!(connection.chunk().await.as_deref(), Some(b"first ".as_slice()));
    assert!(!api.log.text().contains("REPORT"), "the function is not done");
    std::fs::write(&signal, "").expect("a file");
    assert_eq!(connection.chunk().await.as_deref(), Some(b"second".as_slice()));
    assert_eq!(connection.chunk().await.as_deref(), Some(b"".as_slice()));
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_never_whole() {
    let api = Served::open().await;
    // What came of a chunk that was cut may be handed on.
    for (how, bodies) in [
        ("break", ["half"].as_slice()),
        ("crash", &["half"]),
        ("cut", &["half", "halfnot all of it"]),
    ] {
        let answer = api.get(&format!("/a?do={how}")).await;
        assert_eq!((answer.status, answer.whole), (200, false), "{how}");
        assert!(bodies.contains(&answer.text()), "{how}: {}", answer.text());
    }
    // The next one is served as if nothing had been.
    assert!(api.get("/a").await.whole);
}

#[tokio::test]
async fn a_stream_that_takes_too_long_is_cut() {
    // The function's own time-out, and the integration's.
    for (function_timeout, integration_timeout) in [
        (Duration::from_secs(2), Duration::from_mins(2)),
        (Duration::from_mins(2), Duration::from_secs(2)),
    ] {
        let (sink, log) = fanlight_cli::runner::LogSink::captured();
        let function = Function::builder("integration", example("api_probe"))
            .timeout(function_timeout)
            .log(sink)
            .build()
            .expect("a function");
        let integration = Integration::streamed(function.clone()).timeout(integration_timeout);
        let api = Served::serve(RestApi::builder().any("/{proxy+}", integration), function, log).await;
        // The process is there already, so that its start does not count.
        assert_eq!(api.get("/a").await.status, 200);
        let answer = api.get("/a?do=hang").await;
        assert_eq!((answer.text(), answer.whole), ("half", false));
        api.function.shutdown().await;
    }
}

#[tokio::test]
async fn a_function_that_is_shut_down_cuts_its_streams() {
    let api = Served::open().await;
    let mut connection = Connection::get(api.address, "/a?do=hang").await;
    assert_eq!(connection.head().await.0, 200);
    assert_eq!(connection.chunk().await.as_deref(), Some(b"half".as_slice()));
    api.function.shutdown().await;
    assert_eq!(connection.chunk().await, None);
}

#[tokio::test]
async fn the_function_waits_for_a_client_that_does_not_read() {
    let megabytes = 256;
    let api = Served::open().await;
    let path = format!("/a?do=megabytes&number={megabytes}");
    let mut connection = Connection::get(api.address, &path).await;
    let sent = || api.log.text().lines().filter(|line| line.starts_with("sent ")).count();
    // Until it does not get on any more.
    let mut before = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let now = sent();
        if now == before && now > 0 {
            break;
        }
        before = now;
    }
    assert!(
        before < megabytes / 2,
        "{before} of {megabytes} MB have been sent to nobody"
    );
    assert_eq!(connection.head().await.0, 200);
    let mut received = 0;
    assert!(connection.rest(|bytes| received += bytes.len()).await);
    assert_eq!(received, megabytes << 20);
}

#[tokio::test]
async fn a_client_that_leaves_lets_the_function_run_to_its_end() {
    let api = Served::open().await;
    let mut connection = Connection::get(api.address, "/a?do=megabytes&number=64").await;
    assert_eq!(connection.head().await.0, 200);
    connection.chunk().await.expect("a chunk");
    drop(connection);
    until(|| api.log.text().contains("REPORT")).await;
    let log = api.log.text();
    assert!(log.contains("sent all") && !log.contains("Status:"), "{log}");
    // Its process is there for the next one.
    assert_eq!(api.get("/a").await.status, 200);
    assert_eq!(api.log.text().matches("Init Duration").count(), 1);
}

#[tokio::test]
async fn a_client_that_leaves_before_the_answer_lets_the_function_run_to_its_end() {
    let (function, log) = probe("integration");
    let builder = RestApi::builder().any("/{proxy+}", Integration::streamed(function.clone()));
    let api = Served::serve(builder, function, log).await;
    let folder = tempfile::Builder::new()
        .prefix("fanlight-")
        .tempdir()
        .expect("a folder");
    let signal = folder.path().join("signal");
    let connection = Connection::get(api.address, &format!("/a?do=halves&until={}", signal.display())).await;
    until(|| api.log.text().contains("START")).await;
    drop(connection);
    std::fs::write(&signal, "").expect("a file");
    until(|| api.log.text().contains("REPORT")).await;
    assert!(!api.log.text().contains("Status:"), "{}", api.log.text());
}

/// In a process of its own, whose memory is nobody else's.
#[tokio::test]
async fn memory_does_not_depend_on_the_answer() {
    let megabytes: usize = std::env::var("FANLIGHT_TEST_MEGABYTES")
        .ok()
        .map_or(256, |number| number.parse().expect("a number"));
    let mut runner = tokio::process::Command::new(example("rest_api"))
        .arg(example("api_probe"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("a runner");
    let mut lines = BufReader::new(runner.stdout.take().expect("a pipe")).lines();
    let url = lines.next_line().await.expect("a pipe").expect("a line");
    let address = url.strip_prefix("http://").and_then(|url| url.strip_suffix("/prod"));
    let address = address.and_then(|address| address.parse().ok()).expect("an address");
    let mut connection = Connection::get(address, &format!("/a?do=megabytes&number={megabytes}")).await;
    assert_eq!(connection.head().await.0, 200);
    let mut received = 0;
    assert!(connection.rest(|bytes| received += bytes.len()).await);
    assert_eq!(received, megabytes << 20);
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", runner.id().expect("a process"))).expect("a status");
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .expect("a peak");
    let kilobytes: usize = peak.trim().trim_end_matches(" kB").parse().expect("a number");
    println!("peak memory of the runner: {kilobytes} kB for {megabytes} MB");
    assert!(kilobytes < 64 << 10, "{kilobytes} kB");
    runner.kill().await.expect("SIGKILL");
}
