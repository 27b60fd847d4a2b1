//! The dashboards of an environment as they were built: a folder of Grafana's folders, read once.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

const END: &str = ".json";
/// More is no dashboard.
const LARGEST: u64 = 4 << 20;
/// More are no folder of dashboards.
const MOST: usize = 1_000;
/// What all of them may be together, in bytes: they stay in memory beside the customers' answers.
const MOST_BYTES: usize = 32 << 20;

/// The dashboards, by the names of their files.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    pub(super) files: BTreeMap<String, Document>,
    /// What there is, as JSON.
    pub(super) list: Document,
}

/// A text and what it is known by.
#[derive(Debug, Clone, Default)]
pub(super) struct Document {
    pub(super) text: Bytes,
    /// A strong entity tag (RFC 9110, 8.8.3), without its quotes.
    pub(super) tag: String,
}

/// A line of the list.
#[derive(Serialize)]
struct Listed<'a> {
    dashboard_file: &'a str,
    folder: &'a str,
}

/// The folder cannot be read as one of dashboards.
#[derive(Debug, thiserror::Error)]
pub(super) enum ShelfError {
    #[error("the dashboards in {} cannot be read: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{} is larger than any dashboard, of {LARGEST} bytes", .0.display())]
    TooLarge(PathBuf),
    #[error("{} holds more than {MOST} dashboards", .0.display())]
    TooMany(PathBuf),
    #[error("the dashboards in {} are more than {MOST_BYTES} bytes together", .0.display())]
    TooMuch(PathBuf),
    #[error("two dashboards are called {0}: rename one of the files")]
    Twice(String),
    #[error("the list of dashboards cannot be written: {0}")]
    Json(#[from] serde_json::Error),
}

/// What every dashboard has, and a file that was put there by mistake has not.
#[derive(Deserialize)]
struct Dashboard {
    #[serde(rename = "panels")]
    _panels: Vec<IgnoredAny>,
}

impl Shelf {
    /// Reads a folder; one that is not there has no dashboards. No link within it is followed, wherever it leads, and what is no
    /// dashboard is left out.
    pub(super) fn read(folder: &Path) -> Result<Self, ShelfError> {
        let mut files = BTreeMap::new();
        let mut folders = BTreeMap::new();
        let mut bytes = 0;
        for Entry { path, name, kind } in entries(folder)? {
            if !kind.is_dir() || name.starts_with('.') {
                continue;
            }
            for Entry { path, name: file, kind } in entries(&path)? {
                if !is_served(&file) || !kind.is_file() {
                    continue;
                }
                if files.len() == MOST {
                    return Err(ShelfError::TooMany(folder.to_owned()));
                }
                let text = read(&path)?;
                if let Err(error) = serde_json::from_slice::<Dashboard>(&text) {
                    tracing::warn!(file, %error, "a file among the dashboards is none, and is not served");
                    continue;
                }
                bytes += text.len();
                if bytes > MOST_BYTES {
                    return Err(ShelfError::TooMuch(folder.to_owned()));
                }
                let document = Document::new(text);
                if files.insert(file.clone(), document).is_some() {
                    return Err(ShelfError::Twice(file));
                }
                folders.insert(file, name.clone());
            }
        }
        let mut listed: Vec<_> = folders
            .iter()
            .map(|(dashboard_file, folder)| Listed { dashboard_file, folder })
            .collect();
        listed.sort_by_key(|listed| (listed.folder, listed.dashboard_file));
        let list = Document::new(serde_json::to_vec(&listed)?);
        Ok(Self { files, list })
    }
}

impl Document {
    fn new(text: Vec<u8>) -> Self {
        let hash = digest(&SHA256, &text);
        let tag = hash.as_ref()[..16].iter().fold(String::new(), |mut tag, byte| {
            // Writing to a String does not fail.
            let _ = write!(tag, "{byte:02x}");
            tag
        });
        Self { text: text.into(), tag }
    }
}

/// Whether a file is a dashboard that a URL can name without escapes.
fn is_served(file: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    file.len() > END.len() && file.ends_with(END) && !file.starts_with('.') && file.bytes().all(plain)
}

fn read(path: &Path) -> Result<Vec<u8>, ShelfError> {
    let mut text = Vec::new();
    let file = File::open(path).map_err(unreadable(path))?;
    file.take(LARGEST + 1)
        .read_to_end(&mut text)
        .map_err(unreadable(path))?;
    if text.len() as u64 > LARGEST {
        return Err(ShelfError::TooLarge(path.to_owned()));
    }
    Ok(text)
}

/// Something in a folder.
struct Entry {
    path: PathBuf,
    name: String,
    /// What it is by itself: of a link, a link.
    kind: fs::FileType,
}

/// What a folder holds, by names that are text.
fn entries(folder: &Path) -> Result<Vec<Entry>, ShelfError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(folder)(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(unreadable(folder))?;
        if let Ok(name) = entry.file_name().into_string() {
            let path = entry.path();
            let kind = entry.file_type().map_err(unreadable(&path))?;
            found.push(Entry { path, name, kind });
        }
    }
    Ok(found)
}

fn unreadable(path: &Path) -> impl Fn(io::Error) -> ShelfError + '_ {
    move |source| ShelfError::Unreadable {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::Builder::new().prefix("fanlight-shelf-").tempdir().unwrap();
        for (file, text) in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    #[test]
    fn what_is_listed_is_what_is_there_and_can_be_named() {
        let folder = folder(&[
            ("Payments/transfers-main.json", r#"{"panels":[]}"#),
            ("Growth/growth-main.json", r#"{"panels": [{}], "a": 1}"#),
            ("Growth/grafana.json", r#"{"token": "secret"}"#),
            ("Growth/text.json", "panels"),
            ("Growth/.hidden.json", ""),
            ("Growth/with space.json", ""),
            ("Growth/notes.txt", ""),
            ("Growth/.json", ""),
            ("Growth/deeper/x.json", ""),
            (".git/x.json", ""),
            ("top.json", ""),
        ]);
        let growth = folder.path().join("Growth");
        std::os::unix::fs::symlink(growth.join("growth-main.json"), growth.join("link.json")).unwrap();
        std::os::unix::fs::symlink(&growth, folder.path().join("Linked")).unwrap();
        let shelf = Shelf::read(folder.path()).unwrap();
        assert_eq!(
            std::str::from_utf8(&shelf.list.text).unwrap(),
            r#"[{"dashboard_file":"growth-main.json","folder":"Growth"},{"dashboard_file":"transfers-main.json","folder":"Payments"}]"#
        );
        assert_eq!(shelf.files.len(), 2);
        // printf '{"panels":[]}' | sha256sum
        assert_eq!(
            shelf.files["transfers-main.json"].tag,
            "100d7579ca83e45b53d1b04f0a291f5d"
        );
    }

    #[test]
    fn what_does_not_fit_beside_the_customers_answers_is_refused() {
        let large = format!(r#"{{"panels":[], "a": "{}"}}"#, "a".repeat(4 << 20));
        let one = folder(&[("a/x.json", &large)]);
        assert!(matches!(Shelf::read(one.path()), Err(ShelfError::TooLarge(_))));
        let nearly = format!(r#"{{"panels":[], "a": "{}"}}"#, "a".repeat((4 << 20) - 100));
        let names: Vec<String> = (0..9).map(|number| format!("a/{number}.json")).collect();
        let many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), nearly.as_str())).collect();
        let nine = folder(&many);
        assert!(matches!(Shelf::read(nine.path()), Err(ShelfError::TooMuch(_))));
        let eight = folder(&many[..8]);
        assert_eq!(Shelf::read(eight.path()).unwrap().files.len(), 8);
    }

    #[test]
    fn nothing_built_is_nothing_listed_and_a_name_is_one_file() {
        let shelf = Shelf::read(Path::new("/nowhere/at/all")).unwrap();
        assert_eq!(&shelf.list.text[..], b"[]");
        let folder = folder(&[("a/x.json", r#"{"panels":[]}"#), ("b/x.json", r#"{"panels":[1]}"#)]);
        assert!(matches!(Shelf::read(folder.path()), Err(ShelfError::Twice(file)) if file == "x.json"));
    }
}
