//! The `fanlight` command whose reader has gone: it ends as it would have, and says no word of it.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

const CONFIG: &str = "
sinks: {default: {pushgateway: {url: 'http://127.0.0.1:1'}}}
defaults: {source: 'postgres://user@127.0.0.1:1/db'}
jobs:
- name: a
  schedule: '0 6 * * *'
  metrics: [{name: a_number, help: H., value: v, query: SELECT 1 AS v}]
";
const QUERIES: &str = "
up:
  query: SELECT 1 AS number
  metrics: [{number: {usage: GAUGE, description: A number.}}]
";

fn fanlight(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fanlight"));
    command
        .args(arguments)
        .current_dir(folder)
        .env_remove("FANLIGHT_CONFIG")
        .stdin(Stdio::null());
    command
}

fn closed() -> io::Result<Stdio> {
    let (reader, writer) = io::pipe()?;
    drop(reader);
    Ok(writer.into())
}

#[test]
fn a_closed_pipe_changes_no_exit_status() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("config")).expect("a folder");
    fs::write(folder.path().join("config/fanlight.yaml"), CONFIG).expect("a file");
    fs::write(folder.path().join("queries.yaml"), QUERIES).expect("a file");
    let cases = [
        (&["schema"] as &[_], 0),
        (&["check"], 0),
        (&["import", "queries.yaml"], 0),
        (&["enforce", "--fixed", "organisation=1", "up"], 0),
        // Their gateway does not answer.
        (&["status"], 1),
        (&["status", "--json"], 1),
        (&["prune", "--dry-run"], 1),
    ];
    // Side by side, since some try their gateway several times.
    thread::scope(|scope| {
        for (arguments, status) in cases {
            let command = || fanlight(folder.path(), arguments);
            scope.spawn(move || read(command(), status).expect("it runs"));
            scope.spawn(move || unread(command(), status).expect("it runs"));
            scope.spawn(move || unheard(command(), status).expect("it runs"));
        }
    });
}

fn read(mut command: Command, status: i32) -> io::Result<()> {
    let ended = command.output()?;
    assert_eq!(ended.status.code(), Some(status), "{command:?}: {ended:?}");
    assert!(!ended.stdout.is_empty(), "{command:?} says something");
    Ok(())
}

fn unread(mut command: Command, status: i32) -> io::Result<()> {
    let ended = command.stdout(closed()?).output()?;
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(status), "{command:?}: {said}");
    assert!(
        !said.contains("panicked") && !said.contains("Broken pipe"),
        "{command:?}: {said}"
    );
    Ok(())
}

fn unheard(mut command: Command, status: i32) -> io::Result<()> {
    command.stdout(closed()?).stderr(closed()?);
    assert_eq!(command.status()?.code(), Some(status), "{command:?}");
    Ok(())
}

#[test]
fn output_that_cannot_be_written_is_a_failure() {
    let folder = tempfile::tempdir().expect("a folder");
    let full = fs::File::options()
        .write(true)
        .open("/dev/full")
        .expect("a full device");
    let ended = fanlight(folder.path(), &["schema"])
        .stdout(full)
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(
        said.starts_with("fanlight: standard output cannot be written: "),
        "{said}"
    );
}
