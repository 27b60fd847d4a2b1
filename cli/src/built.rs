//! A folder of what is built: written whole, and cleared of what is built no more.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What is built, and by what it is known.
pub(crate) struct Built<'f> {
    /// Paths below the folder, and texts.
    pub(crate) files: Vec<(&'f Path, &'f str)>,
    /// What the names of files end in.
    pub(crate) ends: &'static [&'static str],
    /// How far below the folder files are looked for that an earlier build wrote; directly in it they are at 1.
    pub(crate) depths: RangeInclusive<usize>,
    /// Whether a text was built; any other is somebody else's.
    pub(crate) is_ours: fn(&str) -> bool,
    /// The command that builds.
    pub(crate) command: &'static str,
}

/// Which files have changed.
pub(crate) struct Written {
    /// How many are new, or other than before.
    pub(crate) written: usize,
    /// Those that are built no more.
    pub(crate) removed: Vec<PathBuf>,
}

impl Written {
    /// A line for each file that was removed.
    pub(crate) fn removals(&self) -> impl Iterator<Item = String> {
        self.removed.iter().map(|path| format!("{}: removed", path.display()))
    }
}

impl fmt::Display for Written {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.written, self.removed.len()) {
            (0, 0) => formatter.write_str("as before"),
            (written, 0) => write!(formatter, "{written} written"),
            (written, removed) => write!(formatter, "{written} written, {removed} removed"),
        }
    }
}

/// A folder cannot be what it should be.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// A file cannot be read or written.
    #[error("{} cannot be {done}: {source}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// `read`, `written` or `removed`.
        done: &'static str,
        /// Why.
        source: io::Error,
    },
    /// Some files are new and others are not.
    #[error(
        "{} cannot be put in its place: {source}; {placed} of {of} new files are in theirs, so run `{command}` again once it can be",
        file.display()
    )]
    Half {
        /// The file.
        file: PathBuf,
        /// How many are in their places.
        placed: usize,
        /// How many should be.
        of: usize,
        /// What writes them.
        command: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A file of somebody else's stands in the way.
    #[error("{} was not written by `{command}`: move it, or name another folder with --out", file.display())]
    Foreign {
        /// The file.
        file: PathBuf,
        /// What would write it.
        command: &'static str,
    },
}

impl Built<'_> {
    /// Writes the files below a folder, and removes those that an earlier build wrote there and this one does not. Where one cannot be
    /// written, all stay as they were.
    pub(crate) fn write(&self, out: &Path) -> Result<Written, FilesError> {
        let mut fresh = Vec::new();
        for (path, text) in &self.files {
            let path = out.join(path);
            match read(&path)? {
                Some(stored) if stored == *text => {}
                Some(stored) if !(self.is_ours)(&stored) => {
                    return Err(FilesError::Foreign {
                        file: path,
                        command: self.command,
                    });
                }
                _ => fresh.push((path, *text)),
            }
        }
        let orphans = self.orphans(out)?;
        let mut staged = Staged::default();
        for (path, text) in &fresh {
            staged.write(path, text).map_err(failed(path, "written"))?;
        }
        staged.place(self.command, |new, path| fs::rename(new, path))?;
        for path in &orphans {
            fs::remove_file(path).map_err(failed(path, "removed"))?;
            // Folders with anything else in them stay.
            let emptied = path.ancestors().skip(1).take_while(|folder| *folder != out);
            for folder in emptied {
                let _ = fs::remove_dir(folder);
            }
        }
        Ok(Written {
            written: fresh.len(),
            removed: orphans,
        })
    }

    /// Tells what of a folder is not as it would be written; the exit status is 1 if anything is.
    pub(crate) fn check(&self, out: &Path) -> Result<ExitCode, FilesError> {
        let stale = self.stale(out)?;
        for line in &stale {
            eprintln!("{line}");
        }
        if stale.is_empty() {
            return Ok(ExitCode::SUCCESS);
        }
        eprintln!(
            "{} is stale: run `{}` and commit what it writes",
            out.display(),
            self.command
        );
        Ok(ExitCode::FAILURE)
    }

    /// What of a folder is not as it would be written, a line a file.
    fn stale(&self, out: &Path) -> Result<Vec<String>, FilesError> {
        let mut lines = Vec::new();
        for (path, text) in &self.files {
            let path = out.join(path);
            match read(&path)? {
                Some(stored) if stored == *text => {}
                Some(stored) => lines.push(format!("{}: {}", path.display(), difference(&stored, text))),
                None => lines.push(format!("{}: it is not there", path.display())),
            }
        }
        let orphans = self.orphans(out)?;
        let orphans = orphans.iter();
        lines.extend(orphans.map(|path| format!("{}: it should not be there", path.display())));
        Ok(lines)
    }

    /// Files that an earlier build wrote and this one does not.
    fn orphans(&self, out: &Path) -> Result<Vec<PathBuf>, FilesError> {
        let built: BTreeSet<PathBuf> = self.files.iter().map(|(path, _)| out.join(path)).collect();
        let mut orphans = Vec::new();
        for path in files_below(out, self.depths.clone())? {
            let name = path.to_string_lossy();
            let named = self.ends.iter().any(|end| name.ends_with(end));
            if named && !built.contains(&path) && read(&path)?.is_some_and(|text| (self.is_ours)(&text)) {
                orphans.push(path);
            }
        }
        orphans.sort();
        Ok(orphans)
    }
}

/// New files beside those whose places they will take. What is in no place when this goes away goes with it.
#[derive(Default)]
struct Staged {
    /// Each with its place.
    files: Vec<(PathBuf, PathBuf)>,
    /// Folders that were made for them, the outer ones first.
    folders: Vec<PathBuf>,
}

impl Staged {
    fn write(&mut self, path: &Path, text: &str) -> io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new(""));
        let lacking = folder.ancestors().take_while(|folder| !folder.as_os_str().is_empty());
        let mut lacking: Vec<_> = lacking.take_while(|folder| !folder.exists()).collect();
        lacking.reverse();
        self.folders.extend(lacking.into_iter().map(Path::to_owned));
        fs::create_dir_all(folder)?;
        let new = path.with_added_extension("new");
        self.files.push((new.clone(), path.to_owned()));
        fs::write(&new, text)
    }

    /// Puts each into its place by `rename`.
    fn place(
        mut self,
        command: &'static str,
        rename: impl Fn(&Path, &Path) -> io::Result<()>,
    ) -> Result<(), FilesError> {
        let of = self.files.len();
        for (placed, (new, path)) in self.files.iter().enumerate() {
            if let Err(source) = rename(new, path) {
                let half = FilesError::Half {
                    file: path.clone(),
                    placed,
                    of,
                    command,
                    source,
                };
                self.files.drain(..placed);
                return Err(half);
            }
        }
        self.files.clear();
        self.folders.clear();
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // There is nobody left to tell, and the failure that led here has been told.
        for (new, _) in &self.files {
            let _ = fs::remove_file(new);
        }
        for folder in self.folders.iter().rev() {
            let _ = fs::remove_dir(folder);
        }
    }
}

/// Writes a file whole or not at all, also for somebody who is reading it.
pub(crate) fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let new = path.with_added_extension("new");
    fs::write(&new, text).and_then(|()| fs::rename(&new, path))
}

/// A text; `None` where there is no file. What is no text was not built.
fn read(path: &Path) -> Result<Option<String>, FilesError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(path, "read")(error)),
    }
}

/// The files that stand so far below a folder.
fn files_below(folder: &Path, depths: RangeInclusive<usize>) -> Result<Vec<PathBuf>, FilesError> {
    let (nearest, farthest) = depths.into_inner();
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(folder, "read")(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed(folder, "read"))?;
        let kind = entry.file_type().map_err(failed(folder, "read"))?;
        if kind.is_file() && nearest <= 1 {
            files.push(entry.path());
        } else if kind.is_dir() && farthest > 1 {
            files.extend(files_below(&entry.path(), nearest.saturating_sub(1)..=farthest - 1)?);
        }
    }
    Ok(files)
}

/// As a [`FilesError`] of this file.
pub(crate) fn failed<'a>(file: &'a Path, done: &'static str) -> impl Fn(io::Error) -> FilesError + 'a {
    move |source| FilesError::File {
        file: file.to_owned(),
        done,
        source,
    }
}

/// The first line in which two texts differ.
pub(crate) fn difference(stored: &str, built: &str) -> String {
    let same = stored
        .lines()
        .zip(built.lines())
        .take_while(|(is, should_be)| is == should_be);
    let number = same.count() + 1;
    let line = |text: &str| text.lines().nth(number - 1).map(|line| line.trim().to_owned());
    match (line(stored), line(built)) {
        (Some(is), Some(should_be)) => format!("line {number} is `{is}` and should be `{should_be}`"),
        (Some(is), None) => format!("line {number} is `{is}` and should not be there"),
        (None, Some(should_be)) => format!("line {number}, `{should_be}`, is lacking"),
        (None, None) => "its ends of lines are others".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "# ours";

    fn built<'f>(files: &[(&'f str, &'f str)]) -> Built<'f> {
        Built {
            files: files.iter().map(|(path, text)| (Path::new(*path), *text)).collect(),
            ends: &[".yaml"],
            depths: 2..=2,
            is_ours: |text| text.starts_with(OURS),
            command: "fanlight test",
        }
    }

    /// Every file and folder below a folder, with the files' texts.
    fn all(folder: &Path) -> Vec<(PathBuf, String)> {
        let mut found = Vec::new();
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            found.push((path.clone(), fs::read_to_string(&path).unwrap_or_default()));
            found.extend(all(&path));
        }
        found.sort();
        found
    }

    #[test]
    fn a_file_that_cannot_be_written_leaves_all_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let before = built(&[("develop/a.yaml", "# ours 1"), ("prod/a.yaml", "# ours 1")]);
        before.write(&out).unwrap();
        let after = built(&[
            ("develop/a.yaml", "# ours 2"),
            ("develop/new/b.yaml", "# ours 2"),
            ("prod/a.yaml", "# ours 2"),
        ]);
        // Where the new file would be written before it takes its place.
        fs::create_dir(out.join("prod/a.yaml.new")).unwrap();
        let stood = all(folder.path());
        let error = after.write(&out).map(drop).unwrap_err().to_string();
        assert!(error.contains("prod/a.yaml cannot be written: "), "{error}");
        assert_eq!(all(folder.path()), stood);

        // A file where a folder must be.
        let error = built(&[("develop/a.yaml", "# ours 3"), ("prod/a.yaml/c.yaml", "# ours 3")]);
        let error = error.write(&out).map(drop).unwrap_err().to_string();
        assert!(error.contains("prod/a.yaml/c.yaml cannot be read: "), "{error}");
        assert_eq!(all(folder.path()), stood);

        fs::remove_dir(out.join("prod/a.yaml.new")).unwrap();
        let written = after.write(&out).unwrap();
        assert_eq!(written.to_string(), "3 written");
        assert_eq!(fs::read_to_string(out.join("prod/a.yaml")).unwrap(), "# ours 2");
    }

    #[test]
    fn a_file_that_cannot_take_its_place_is_told_with_how_many_have() {
        let folder = tempfile::tempdir().unwrap();
        let paths = ["a/1", "b/2", "c/3"].map(|path| folder.path().join(path));
        let mut staged = Staged::default();
        for path in &paths {
            staged.write(path, "text").unwrap();
        }
        let rename = |new: &Path, path: &Path| {
            if path == paths[1] {
                return Err(io::Error::other("no"));
            }
            fs::rename(new, path)
        };
        let error = staged.place("fanlight test", rename).unwrap_err().to_string();
        let expected = "b/2 cannot be put in its place: no; 1 of 3 new files are in theirs, so run `fanlight test` again once it can be";
        assert!(error.ends_with(expected), "{error}");
        // No temporary is left behind, nor a folder that was made for one.
        let left: Vec<_> = all(folder.path()).into_iter().map(|(path, _)| path).collect();
        assert_eq!(left, [folder.path().join("a"), paths[0].clone()]);
    }

    #[test]
    fn what_is_removed_is_named() {
        let folder = tempfile::tempdir().unwrap();
        built(&[("prod/a.yaml", "# ours"), ("prod/b.yaml", "# ours")])
            .write(folder.path())
            .unwrap();
        let written = built(&[("prod/b.yaml", "# ours")]).write(folder.path()).unwrap();
        assert_eq!(written.removed, [folder.path().join("prod/a.yaml")]);
        assert_eq!(written.to_string(), "0 written, 1 removed");
    }

    #[test]
    fn the_first_difference_is_told() {
        for (stored, built, words) in [
            ("a\n  b\nc\n", "a\n  d\nc\n", "line 2 is `b` and should be `d`"),
            ("a\nb\n", "a\n", "line 2 is `b` and should not be there"),
            ("a\n", "a\nb\n", "line 2, `b`, is lacking"),
            ("a\r\n", "a\n", "its ends of lines are others"),
        ] {
            assert_eq!(difference(stored, built), words);
        }
    }
}
