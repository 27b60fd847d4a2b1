//! Where the files are written that are built: into the folder that is committed, and below one of ours for promtool and amtool.

use std::fs;
use std::path::Path;

use shared::alertmanager::{CASES, CONFIGURATION, TEXT};
use shared::alerts::{BuiltFile, HEAD};
use tempfile::TempDir;

use crate::built::{Built, FilesError, failed};

/// The folder of what is built: in it those of environments, in these the files.
pub(super) fn built(files: &[BuiltFile]) -> Built<'_> {
    Built {
        files: files
            .iter()
            .map(|file| (file.path.as_path(), file.text.as_str()))
            .collect(),
        ends: &[".rules.yaml", ".tests.yaml", CONFIGURATION, TEXT, CASES],
        depths: 2..=2,
        is_ours: |text| text.starts_with(HEAD),
        command: "fanlight alerts build",
    }
}

/// A folder of ours, which goes with its value.
pub(super) fn temporary() -> Result<TempDir, FilesError> {
    let folder = tempfile::Builder::new().prefix("fanlight-alerts-").tempdir();
    folder.map_err(failed(&std::env::temp_dir(), "written"))
}

/// Writes files below a folder of ours.
pub(super) fn write(files: &[BuiltFile], folder: &Path) -> Result<(), FilesError> {
    for file in files {
        let path = folder.join(&file.path);
        fs::create_dir_all(path.parent().unwrap_or(folder))
            .and_then(|()| fs::write(&path, &file.text))
            .map_err(failed(&path, "written"))?;
    }
    Ok(())
}
