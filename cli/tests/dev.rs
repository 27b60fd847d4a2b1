//! `fanlight dev`, with probes in the functions' places.

#![expect(
    clippy::expect_used,
    reason = "what a helper of a test does not expect fails the test"
)]

use std::fs;
use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

const CONFIGURATION: &str = "
jobs:
- name: transfers
  schedule: '30 6 * * MON'
  timezone: Europe/Paris
  source: postgres://reader@localhost/shop
  metrics:
  - {name: transfers, help: Transfers, value: count, query: SELECT 1 AS count}
- name: asleep
  enabled: false
  schedule: '* * * * *'
  source: postgres://reader@localhost/shop
  metrics:
  - {name: asleep, help: Asleep, value: count, query: SELECT 1 AS count}
";

/// The command in a folder of its own; killed when the test ends before it does.
struct Dev {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    folder: tempfile::TempDir,
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const METRICS_API: &str = "
metrics_api:
  upstream: {url: 'http://localhost:9090'}
  labels:
  - {name: organisation_id, from: organisations}
  authorizer: {tokens: '{{API_TOKENS}}'}
placeholders:
  API_TOKENS: {env: API_TOKENS}
";

fn example(name: &str) -> PathBuf {
    let command = PathBuf::from(env!("CARGO_BIN_EXE_fanlight"));
    let path = command.with_file_name("examples").join(name);
    assert!(
        path.exists(),
        "{} is missing: run `cargo build -p fanlight-cli --examples`",
        path.display()
    );
    path
}

fn probe() -> PathBuf {
    example("probe")
}

fn dev(configuration: &str, arguments: &[&str]) -> Dev {
    dev_of(Path::new(env!("CARGO_BIN_EXE_fanlight")), configuration, "", arguments)
}

/// The command of this path, with a `fanlight.yaml` beside the jobs' file.
fn dev_of(command: &Path, configuration: &str, shared: &str, arguments: &[&str]) -> Dev {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("config")).expect("a folder");
    fs::write(folder.path().join("config/shop.yaml"), configuration).expect("a file");
    if !shared.is_empty() {
        fs::write(folder.path().join("config/fanlight.yaml"), shared).expect("a file");
    }
    let mut child = Command::new(command)
        .args(["--config", "config", "dev"])
        .args(arguments)
        .current_dir(folder.path())
        .env_remove("FANLIGHT_CONFIG")
        .env("DB_PASSWORD", "from the command's environment")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command");
    let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    Dev { child, lines, folder }
}

impl Dev {
    fn line(&mut self) -> String {
        self.lines.next().expect("a line").expect("text")
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill")
            .args([signal, &self.child.id().to_string()])
            .status();
        assert!(status.expect("kill").success());
    }

    /// Waits for the end: the exit status and standard error.
    fn end(&mut self) -> (Option<i32>, String) {
        let mut log = String::new();
        self.child
            .stderr
            .take()
            .expect("a pipe")
            .read_to_string(&mut log)
            .expect("text");
        (self.child.wait().expect("the end").code(), log)
    }
}

fn invoke(address: &str, event: &str) -> Value {
    let mut stream = TcpStream::connect(address).expect("a connection");
    let length = event.len();
    write!(
        stream,
        "POST /2015-03-31/functions/collector/invocations HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
        Content-Length: {length}\r\n\r\n{event}"
    )
    .expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    serde_json::from_str(answer.split_once("\r\n\r\n").expect("a head").1).expect("JSON")
}

#[test]
fn fronts_the_collector_says_what_is_due_and_ends_on_a_signal_with_all_its_processes() {
    for signal in ["-INT", "-TERM"] {
        let mut dev = dev(
            CONFIGURATION,
            &[
                "--listen",
                "127.0.0.1:0",
                "--collector",
                probe().to_str().expect("UTF-8"),
            ],
        );
        let address = dev.line();
        let address = address.rsplit_once("http://").expect("an address").1.to_owned();
        // Enabled jobs only; in Paris it is one or two hours later than in UTC.
        let plan = dev.line();
        assert!(
            plan.contains(":30:00Z  transfers  first run (30 6 * * MON Europe/Paris)"),
            "{plan}"
        );

        let environment = invoke(&address, r#"{"do": "environment"}"#);
        let config = fs::canonicalize(dev.folder.path()).expect("a path").join("config");
        assert_eq!(environment["FANLIGHT_CONFIG"], config.to_str().expect("UTF-8"));
        assert_eq!(environment["DB_PASSWORD"], "from the command's environment");
        assert_eq!(environment["AWS_LAMBDA_FUNCTION_NAME"], "collector");
        let pid = invoke(&address, r#"{"do": "remember"}"#)["pid"].clone();

        dev.signal(signal);
        let (status, log) = dev.end();
        assert_eq!(status, Some(0), "{signal}: {log}");
        assert!(log.contains("collector | START RequestId: "), "{log}");
        assert!(
            !PathBuf::from(format!("/proc/{pid}")).exists(),
            "the function's process is reaped"
        );
        assert!(TcpStream::connect(&address).is_err());
    }
}

#[test]
fn jobs_with_mistakes_are_reported_and_the_others_run() {
    let configuration = CONFIGURATION
        .replace("'30 6 * * MON'", "'61 6 * * MON'")
        .replace("enabled: false", "enabled: true");
    let mut dev = dev(
        &configuration,
        &[
            "--listen",
            "127.0.0.1:0",
            "--collector",
            probe().to_str().expect("UTF-8"),
        ],
    );
    assert!(dev.line().contains("http://127.0.0.1:"));
    assert!(dev.line().contains("  asleep  first run"));
    dev.signal("-TERM");
    let (status, log) = dev.end();
    assert_eq!(status, Some(0));
    assert!(log.contains("minute: `61` is not allowed"), "{log}");
}

/// The head and the body of an answer.
fn get(address: &str, path: &str, headers: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).expect("a connection");
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\r\n"
    )
    .expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (head.to_lowercase(), body.into())
}

/// How many processes have this folder as their configuration, as the functions' have.
fn functions_of(folder: &Path) -> usize {
    let folder = fs::canonicalize(folder).expect("a path").join("config");
    let variable = format!("FANLIGHT_CONFIG={}", folder.display());
    let processes = fs::read_dir("/proc").expect("processes").flatten();
    processes
        .filter(|process| {
            let environment = fs::read(process.path().join("environ")).unwrap_or_default();
            environment
                .split(|byte| *byte == 0)
                .any(|pair| pair == variable.as_bytes())
        })
        .count()
}

#[test]
fn serves_the_metrics_api_behind_its_authorizer() {
    let api_probe = example("api_probe");
    let api_probe = api_probe.to_str().expect("UTF-8");
    let probe = probe();
    let mut arguments = vec!["--listen", "127.0.0.1:0", "--api-listen", "127.0.0.1:0"];
    arguments.extend(["--collector", probe.to_str().expect("UTF-8")]);
    arguments.extend(["--metrics-api", api_probe, "--authorizer", api_probe]);
    let command = Path::new(env!("CARGO_BIN_EXE_fanlight"));
    let mut dev = dev_of(command, CONFIGURATION, METRICS_API, &arguments);
    assert!(dev.line().contains("Invoke API"));
    let line = dev.line();
    let url = line.strip_prefix("the Metrics API is at http://").expect("an address");
    let (address, _) = url.split_once("/prod: ").expect("a stage");
    assert!(dev.line().contains("  transfers  first run"));

    let (head, body) = get(address, "/prod/api/v1/query", "");
    assert!(head.starts_with("http/1.1 401"), "{head}");
    assert!(
        head.contains("www-authenticate: bearer realm=\"fanlight\", basic realm=\"fanlight\""),
        "{head}"
    );
    assert_eq!(
        body,
        r#"{"status":"error","errorType":"unauthorized","error":"Unauthorized"}"#
    );
    let (head, body) = get(address, "/prod/", "Authorization: Bearer allow\r\n");
    assert!(head.starts_with("http/1.1 404"), "{head}");
    assert_eq!(
        body,
        r#"{"status":"error","errorType":"not_found","error":"nothing is served here"}"#
    );
    let (head, body) = get(address, "/prod/api/v1/query", "Authorization: Bearer fail\r\n");
    assert!(head.starts_with("http/1.1 500"), "{head}");
    assert_eq!(
        body,
        r#"{"status":"error","errorType":"internal","error":"Internal server error"}"#
    );
    let (head, body) = get(address, "/prod/api/v1/query", "Authorization: Bearer allow\r\n");
    assert!(
        head.starts_with("http/1.1 200") && body.contains(r#""principalId":"acme""#),
        "{head} {body}"
    );

    assert_eq!(functions_of(dev.folder.path()), 2);
    dev.signal("-INT");
    let (status, log) = dev.end();
    assert_eq!(status, Some(0), "{log}");
    assert!(
        log.contains("authorizer | START") && log.contains("metrics-api | START"),
        "{log}"
    );
    assert_eq!(functions_of(dev.folder.path()), 0);
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn jobs_run_while_the_metrics_api_cannot_be_served() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    // With nothing beside it. A link, since a copy may still be open for writing in a process that another test forks.
    let command = folder.path().join("fanlight");
    fs::hard_link(env!("CARGO_BIN_EXE_fanlight"), &command).expect("a link");
    let probe = probe();
    let arguments = ["--listen", "127.0.0.1:0", "--collector", probe.to_str().expect("UTF-8")];
    let flawed = METRICS_API.replace("http://localhost:9090", "ftp://localhost");
    for (shared, words) in [
        (
            METRICS_API,
            "build it (`cargo build -p metrics-api`) or name it with --metrics-api PATH",
        ),
        (flawed.as_str(), "`metrics_api` has a mistake"),
    ] {
        let mut dev = dev_of(&command, CONFIGURATION, shared, &arguments);
        assert!(dev.line().contains("Invoke API"));
        let plan = dev.line();
        assert!(plan.contains("  transfers  first run"), "{plan}");
        dev.signal("-TERM");
        let (status, log) = dev.end();
        assert_eq!(status, Some(0), "{log}");
        assert!(
            log.contains("the Metrics API is not served: ") && log.contains(words),
            "{log}"
        );
    }
    // Where it was asked for, there is no going on without it.
    let (status, log) = dev_of(
        &command,
        CONFIGURATION,
        METRICS_API,
        &[arguments.as_slice(), &["--metrics-api", "/nowhere"]].concat(),
    )
    .end();
    assert_eq!(status, Some(1), "{log}");
    assert!(log.contains("function metrics-api: /nowhere cannot be used"), "{log}");
}

#[test]
fn what_cannot_be_used_is_named() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let taken = taken.local_addr().expect("an address").to_string();
    let probe = probe();
    let probe = probe.to_str().expect("UTF-8");
    let cases = [
        (
            vec!["--collector", "/nowhere"],
            "function collector: /nowhere cannot be used: No such file".to_owned(),
        ),
        (
            vec!["--listen", taken.as_str(), "--collector", probe],
            format!("cannot listen on {taken}: Address already in use"),
        ),
    ];
    for (arguments, message) in cases {
        let (status, log) = dev(CONFIGURATION, &arguments).end();
        assert_eq!(status, Some(1), "{log}");
        assert!(log.contains(&message), "{log}");
    }
}
