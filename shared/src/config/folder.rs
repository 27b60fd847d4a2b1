//! A folder of YAML files: which are read, in which order, and how much of them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::document::Document;
use super::mistake::{Mistake, Report};
use super::passwords;
use super::read::{self, Entry, ReadTree, SECRET_KEYS};
use super::yaml::{self, MAX_FILE_BYTES, Value};
use crate::suggest;

/// The file with what all teams share.
pub(crate) const SHARED_FILE: &str = "fanlight.yaml";
/// What is meant as that file, and would be one team's.
const MISNAMED_SHARED_FILE: &str = "fanlight.yml";
/// More files than this are not a configuration.
const MAX_FILES: usize = 1_000;

/// A file as it was read.
#[derive(Debug)]
pub(crate) struct File {
    /// As the user would name it.
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    pub(crate) document: Document,
    /// Whether something outside of its jobs and the Metrics API could not be read: then nobody knows what its jobs were to get from there.
    pub(crate) flawed: bool,
}

impl File {
    fn unreadable(path: PathBuf, text: String) -> Self {
        Self {
            path,
            text,
            document: Document::default(),
            flawed: true,
        }
    }

    pub(crate) fn is_shared(&self) -> bool {
        self.path.file_name().is_some_and(|name| name == SHARED_FILE) || is_misnamed(&self.path)
    }

    /// The bytes of a value's part, where the value stands in the file as it was read; else the whole value.
    pub(crate) fn part(&self, entry: &Entry<String>, part: &std::ops::Range<usize>) -> std::ops::Range<usize> {
        let spelled = self.text.get(entry.span.clone()).unwrap_or_default();
        match entry.get().and_then(|value| spelled.find(value.as_str())) {
            Some(offset) => entry.span.start + offset + part.start..entry.span.start + offset + part.end,
            None => entry.span.clone(),
        }
    }
}

fn is_misnamed(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == MISNAMED_SHARED_FILE)
}

/// Why a folder cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The folder is not there, is no folder, or may not be read.
    #[error("the configuration folder {} cannot be read: {source}; name another with --config", path.display())]
    Unreadable {
        /// The folder.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// There is no YAML file in the folder.
    #[error("the configuration folder {} holds no .yaml or .yml file", .0.display())]
    Empty(PathBuf),
    /// There are too many files in the folder.
    #[error("the configuration folder {} holds more than {MAX_FILES} files", .0.display())]
    TooMany(PathBuf),
}

/// Reads every file of a folder, those of what teams share first; what cannot be read is reported.
pub(crate) fn read(folder: &Path, report: &mut Report) -> Result<Vec<File>, FolderError> {
    let unreadable = |source| FolderError::Unreadable {
        path: folder.to_owned(),
        source,
    };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if is_yaml(&path) {
            paths.push(path);
        }
        if paths.len() > MAX_FILES {
            return Err(FolderError::TooMany(folder.to_owned()));
        }
    }
    if paths.is_empty() {
        return Err(FolderError::Empty(folder.to_owned()));
    }
    paths.sort_by_key(|path| (path.file_name().is_none_or(|name| name != SHARED_FILE), path.clone()));
    Ok(paths.into_iter().map(|path| read_file(path, report)).collect())
}

/// Whether a path is that of a file to read: hidden ones are editors' own.
pub(crate) fn is_yaml(path: &Path) -> bool {
    let hidden = path
        .file_name()
        .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let yaml = path
        .extension()
        .is_some_and(|extension| extension == "yaml" || extension == "yml");
    yaml && !hidden && !path.is_dir()
}

pub(crate) fn read_file(path: PathBuf, report: &mut Report) -> File {
    let text = match read_text(&path) {
        Ok(text) => text,
        Err(problem) => {
            report.add(Mistake::new(&path, 0..0, problem));
            return File::unreadable(path, String::new());
        }
    };
    report.add_text(&path, &text);
    let misnamed = is_misnamed(&path);
    if misnamed {
        let message =
            format!("what all teams share is read from `{SHARED_FILE}`, and this is `{MISNAMED_SHARED_FILE}`");
        report.add(Mistake::new(&path, 0..0, message).help(format!("rename it to {SHARED_FILE}")));
    }
    let node = match yaml::parse(&text) {
        Ok(node) => node,
        Err(error) => {
            hide_in_unread_line(&path, &text, error.span.start, report);
            report.add(Mistake::new(&path, error.span, error.message));
            return File::unreadable(path, text);
        }
    };
    if matches!(node.value, Value::Null) {
        return File {
            flawed: misnamed,
            ..File::unreadable(path, text)
        };
    }
    let ReadTree {
        entry: document,
        problems,
        secrets,
    } = read::read::<Document>(&node);
    for secret in secrets {
        report.hide(&path, secret);
    }
    for problem in problems {
        let mistake = Mistake::new(&path, problem.span, problem.message);
        report.add(Mistake {
            help: problem.help,
            ..mistake
        });
    }
    let contained = document.get().map_or(0, Document::contained_problems);
    File {
        path,
        text,
        flawed: misnamed || document.problems > contained,
        document: document.value.unwrap_or_default(),
    }
}

/// Hides a secret in the line of a syntax error: there is no tree that would tell where it stands.
fn hide_in_unread_line(path: &Path, text: &str, at: usize, report: &mut Report) {
    let begin = text[..text.floor_char_boundary(at)]
        .rfind('\n')
        .map_or(0, |newline| newline + 1);
    let line = text[begin..].lines().next().unwrap_or_default();
    let is_secret = |key: &str| suggest::closest(key, SECRET_KEYS).is_some();
    if let Some(secret) = passwords::after_secret_key(line, is_secret) {
        report.hide(path, begin + secret.start..begin + secret.end);
    }
}

/// A file's text, never more of it than a configuration can need.
pub(crate) fn read_text(path: &Path) -> Result<String, String> {
    let metadata = fs::metadata(path).map_err(|error| format!("the file cannot be read: {error}"))?;
    if !metadata.is_file() {
        return Err("this is not a file".to_owned());
    }
    if metadata.len() > MAX_FILE_BYTES {
        let kibibytes = metadata.len() / 1024;
        return Err(format!(
            "the file is {kibibytes} KiB large, and {} KiB are the most; split it",
            MAX_FILE_BYTES / 1024
        ));
    }
    let bytes = fs::read(path).map_err(|error| format!("the file cannot be read: {error}"))?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..at].iter().filter(|&&byte| byte == b'\n').count() + 1;
        format!("the file is not UTF-8: byte {at}, on line {line}, begins no character")
    })
}
