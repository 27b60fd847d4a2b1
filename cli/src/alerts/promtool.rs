//! The rules and their tests in promtool's hands.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use shared::alerts::BuiltFile;

use super::{AlertsError, summaries};

const PROMTOOL: &str = "promtool";

/// Checks all rules, and runs all tests; the environments that fail.
pub(super) fn test(files: &[BuiltFile]) -> Result<BTreeSet<String>, AlertsError> {
    let folder = tempfile::Builder::new().prefix("fanlight-alerts-").tempdir();
    let folder = folder.map_err(|source| AlertsError::File {
        file: std::env::temp_dir(),
        done: "written",
        source,
    })?;
    for file in files {
        let path = folder.path().join(&file.path);
        let parent = path.parent().unwrap_or(folder.path());
        fs::create_dir_all(parent)
            .and_then(|()| fs::write(&path, &file.text))
            .map_err(|source| AlertsError::File {
                file: path.clone(),
                done: "written",
                source,
            })?;
    }
    let mut failed = BTreeSet::new();
    for (environment, line) in environments(files).iter().zip(summaries(files)) {
        let of_kind = |rules: bool| {
            let files = files.iter().filter(|file| file.environment == *environment);
            files
                .filter(move |file| file.alerts.is_some() == rules)
                .map(|file| file.path.as_path())
        };
        let checked = promtool(folder.path(), "check", of_kind(true))?;
        let tested = promtool(folder.path(), "test", of_kind(false))?;
        let failures: Vec<_> = [checked, tested].into_iter().flatten().collect();
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
    if files.is_empty() {
        println!("no alerts are declared");
    }
    Ok(failed)
}

fn environments(files: &[BuiltFile]) -> Vec<&str> {
    let mut environments: Vec<&str> = files.iter().map(|file| file.environment.as_str()).collect();
    environments.dedup();
    environments
}

/// Runs `promtool VERB rules FILES`; what it says when it is not content.
fn promtool<'a>(
    folder: &Path,
    verb: &str,
    files: impl Iterator<Item = &'a Path>,
) -> Result<Option<String>, AlertsError> {
    let output = Command::new(PROMTOOL)
        .args([verb, "rules"])
        .args(files)
        .current_dir(folder)
        .output()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => AlertsError::NoPromtool,
            _ => AlertsError::Promtool(error),
        })?;
    if output.status.success() {
        return Ok(None);
    }
    let text = [output.stdout, output.stderr].concat();
    Ok(Some(String::from_utf8_lossy(&text).trim_end().to_owned()))
}
