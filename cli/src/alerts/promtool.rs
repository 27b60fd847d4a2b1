//! The rules and their tests in promtool's hands.

use std::fs;
use std::io;
use std::num::NonZero;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};

use shared::alerts::BuiltFile;

use super::{AlertsError, count, summaries};

const PROMTOOL: &str = "promtool";
/// Files of tests that one promtool is given: so few that all processors have something to do until the end.
const FILES_AT_ONCE: usize = 4;

/// Checks all rules as they would be written, and runs the tests of each alert and SLO against the rules that concern it.
pub(super) fn test(files: &[BuiltFile], parts: &[BuiltFile]) -> Result<ExitCode, AlertsError> {
    let folder = tempfile::Builder::new().prefix("fanlight-alerts-").tempdir();
    let folder = folder.map_err(|source| AlertsError::File {
        file: std::env::temp_dir(),
        done: "written",
        source,
    })?;
    let whole = folder.path().join("whole");
    let apart = folder.path().join("apart");
    write(files, &whole)?;
    write(parts, &apart)?;
    let mut failed = 0;
    for (environment, line) in environments(files).iter().zip(summaries(files)) {
        let of = |files: &'_ [BuiltFile], rules: bool| {
            let files = files.iter().filter(|file| file.environment == *environment);
            let files = files.filter(|file| file.alerts.is_some() == rules);
            files.map(|file| file.path.clone()).collect::<Vec<_>>()
        };
        let mut failures = promtool(&whole, "check", &[&of(files, true)])?;
        let tests = of(parts, false);
        failures.extend(promtool(
            &apart,
            "test",
            &tests.chunks(FILES_AT_ONCE).collect::<Vec<_>>(),
        )?);
        if failures.is_empty() {
            println!("{line}: all pass");
        } else {
            failed += 1;
            println!("{line}: promtool refuses them");
            for output in failures {
                eprintln!("{output}");
            }
        }
    }
    if files.is_empty() {
        println!("no alerts are declared");
    }
    if failed > 0 {
        eprintln!("fanlight: {} failed; nothing was written", count(failed, "environment"));
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn write(files: &[BuiltFile], folder: &Path) -> Result<(), AlertsError> {
    for file in files {
        let path = folder.join(&file.path);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent)
            .and_then(|()| fs::write(&path, &file.text))
            .map_err(|source| AlertsError::File {
                file: path.clone(),
                done: "written",
                source,
            })?;
    }
    Ok(())
}

fn environments(files: &[BuiltFile]) -> Vec<&str> {
    let mut environments: Vec<&str> = files.iter().map(|file| file.environment.as_str()).collect();
    environments.dedup();
    environments
}

/// Runs `promtool VERB rules FILES` for each list of files, as many at once as there are processors; what those say that are not
/// content, in the order of the lists.
fn promtool(folder: &Path, verb: &str, lists: &[&[std::path::PathBuf]]) -> Result<Vec<String>, AlertsError> {
    let at_once = std::thread::available_parallelism().map_or(1, NonZero::get);
    let mut failures = Vec::new();
    let mut running = std::collections::VecDeque::new();
    let mut lists = lists.iter();
    loop {
        while running.len() < at_once
            && let Some(list) = lists.next()
        {
            running.push_back(start(folder, verb, list)?);
        }
        let Some(child) = running.pop_front() else {
            return Ok(failures);
        };
        let output = child.wait_with_output().map_err(AlertsError::Promtool)?;
        if !output.status.success() {
            let text = [output.stdout, output.stderr].concat();
            failures.push(String::from_utf8_lossy(&text).trim_end().to_owned());
        }
    }
}

fn start(folder: &Path, verb: &str, files: &[std::path::PathBuf]) -> Result<Child, AlertsError> {
    let mut command = Command::new(PROMTOOL);
    command.args([verb, "rules"]).args(files).current_dir(folder);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => AlertsError::NoPromtool,
        _ => AlertsError::Promtool(error),
    })
}
