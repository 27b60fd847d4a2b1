//! A folder of configuration files for one test.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use tempfile::TempDir;

/// A configuration folder that is removed with the value.
#[derive(Debug)]
pub struct ConfigFolder(TempDir);

impl ConfigFolder {
    /// A folder with these files (name and text); names may hold folders.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn new(files: &[(&str, &str)]) -> Result<Self> {
        let folder = Self(tempfile::Builder::new().prefix("fanlight-config.").tempdir()?);
        for (name, text) in files {
            folder.write(name, text)?;
        }
        Ok(folder)
    }

    /// Writes or replaces a file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.path().join(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Where it is, for `--config`.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}
