//! The rules and their tests in promtool's hands.

use std::collections::BTreeSet;
use std::io;
use std::num::NonZero;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use shared::alerts::BuiltFile;

use super::{AlertsError, files, summaries};

const PROMTOOL: &str = "promtool";
/// Files of tests that one promtool is given: so few that all processors have something to do until the end.
const FILES_AT_ONCE: usize = 4;

/// Checks all rules as they would be written, and runs the tests of each alert and SLO against the rules that concern it; the environments
/// that fail.
pub(super) fn test(rules: &[BuiltFile], parts: &[BuiltFile]) -> Result<BTreeSet<String>, AlertsError> {
    let folder = files::temporary()?;
    let whole = folder.path().join("whole");
    let apart = folder.path().join("apart");
    files::write(rules, &whole)?;
    files::write(parts, &apart)?;
    let mut failed = BTreeSet::new();
    for (environment, line) in environments(rules).iter().zip(summaries(rules)) {
        let of = |files: &'_ [BuiltFile], are_rules: bool| {
            let files = files.iter().filter(|file| file.environment == *environment);
            let files = files.filter(|file| file.alerts.is_some() == are_rules);
            files.map(|file| file.path.clone()).collect::<Vec<_>>()
        };
        let mut failures = promtool(&whole, "check", &[&of(rules, true)])?;
        let tests = of(parts, false);
        failures.extend(promtool(
            &apart,
            "test",
            &tests.chunks(FILES_AT_ONCE).collect::<Vec<_>>(),
        )?);
        if failures.is_empty() {
            println!("{line}: all pass");
        } else {
            failed.insert((*environment).to_owned());
            println!("{line}: promtool refuses them");
            for output in failures {
                eprintln!("{output}");
            }
        }
    }
    if rules.is_empty() {
        println!("no alerts are declared");
    }
    Ok(failed)
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
