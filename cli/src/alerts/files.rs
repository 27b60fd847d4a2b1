//! The folder of what is built: written whole, and cleared of what is built no more.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use shared::alertmanager::{CASES, CONFIGURATION, TEXT};
use shared::alerts::{BuiltFile, HEAD};

use super::AlertsError;

/// The ends of the names of files that are built.
const ENDS: [&str; 5] = [".rules.yaml", ".tests.yaml", CONFIGURATION, TEXT, CASES];

/// What has been done.
pub(super) struct Written {
    /// How many files are new or other than before.
    pub(super) written: usize,
    /// How many are built no more.
    pub(super) removed: usize,
}

/// Writes the files below a folder, and removes those that an earlier build wrote there and this one does not.
pub(super) fn write(files: &[BuiltFile], out: &Path) -> Result<Written, AlertsError> {
    let mut fresh = Vec::new();
    for file in files {
        let path = out.join(&file.path);
        match read(&path)? {
            Some(text) if text == file.text => {}
            Some(text) if !text.starts_with(HEAD) => return Err(AlertsError::Foreign(path)),
            _ => fresh.push((path, &file.text)),
        }
    }
    for (path, text) in &fresh {
        // Whole or not at all, also for a Prometheus that is reading it.
        let new = path.with_added_extension("new");
        let folder = path.parent().unwrap_or(out);
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&new, text))
            .and_then(|()| fs::rename(&new, path))
            .map_err(failed(path, "written"))?;
    }
    let orphans = orphans(files, out)?;
    for path in &orphans {
        fs::remove_file(path).map_err(failed(path, "removed"))?;
        // A folder with anything else in it stays.
        if let Some(folder) = path.parent().filter(|folder| *folder != out) {
            let _ = fs::remove_dir(folder);
        }
    }
    Ok(Written {
        written: fresh.len(),
        removed: orphans.len(),
    })
}

/// What of a folder is not as it would be written, a line a file.
pub(super) fn stale(files: &[BuiltFile], out: &Path) -> Result<Vec<String>, AlertsError> {
    let mut lines = Vec::new();
    for file in files {
        let path = out.join(&file.path);
        match read(&path)? {
            None => lines.push(format!("{}: it is not there", path.display())),
            Some(text) if text != file.text => {
                lines.push(format!("{}: {}", path.display(), difference(&text, &file.text)));
            }
            Some(_) => {}
        }
    }
    let orphans = orphans(files, out)?;
    lines.extend(
        orphans
            .iter()
            .map(|path| format!("{}: it should not be there", path.display())),
    );
    Ok(lines)
}

fn read(path: &Path) -> Result<Option<String>, AlertsError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(path, "read")(error)),
    }
}

/// Files that an earlier build wrote and this one does not.
fn orphans(files: &[BuiltFile], out: &Path) -> Result<Vec<PathBuf>, AlertsError> {
    let built: BTreeSet<PathBuf> = files.iter().map(|file| out.join(&file.path)).collect();
    let mut orphans = Vec::new();
    for folder in entries(out)?.into_iter().filter(|path| path.is_dir()) {
        for path in entries(&folder)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let ours = ENDS.iter().any(|end| name.ends_with(end));
            if ours && !built.contains(&path) && read(&path)?.is_some_and(|text| text.starts_with(HEAD)) {
                orphans.push(path);
            }
        }
    }
    orphans.sort();
    Ok(orphans)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, AlertsError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(folder, "read")(error)),
    };
    let paths: Result<Vec<_>, _> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
    paths.map_err(failed(folder, "read"))
}

fn failed<'a>(file: &'a Path, done: &'static str) -> impl Fn(io::Error) -> AlertsError + 'a {
    move |source| AlertsError::File {
        file: file.to_owned(),
        done,
        source,
    }
}

/// The first line in which two texts differ.
fn difference(stored: &str, built: &str) -> String {
    let mut pairs = (1..).zip(
        stored
            .lines()
            .map(Some)
            .chain(std::iter::repeat(None))
            .zip(built.lines().map(Some).chain(std::iter::repeat(None))),
    );
    loop {
        match pairs.next() {
            Some((_, (Some(is), Some(should_be)))) if is == should_be => {}
            Some((number, (Some(is), Some(should_be)))) => {
                return format!("line {number} is `{}` and should be `{}`", is.trim(), should_be.trim());
            }
            Some((number, (Some(is), None))) => {
                return format!("line {number} is `{}` and should not be there", is.trim());
            }
            Some((number, (None, Some(should_be)))) => {
                return format!("line {number}, `{}`, is lacking", should_be.trim());
            }
            Some((_, (None, None))) | None => return "its ends of lines are others".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_told() {
        let cases = [
            ("a\n  b\nc\n", "a\n  d\nc\n", "line 2 is `b` and should be `d`"),
            ("a\nb\n", "a\n", "line 2 is `b` and should not be there"),
            ("a\n", "a\nb\n", "line 2, `b`, is lacking"),
            ("a\r\n", "a\n", "its ends of lines are others"),
        ];
        for (stored, built, words) in cases {
            assert_eq!(difference(stored, built), words);
        }
    }
}
