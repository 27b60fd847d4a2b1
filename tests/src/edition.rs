//! The two Prometheus of the tests: Debian's and the newest.

use std::fmt;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::binaries;
use crate::supervisor::program;

/// Which Prometheus something is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edition {
    /// The package of Debian.
    Debian,
    /// The newest release.
    Newest,
}

impl fmt::Display for Edition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Debian => "Debian's Prometheus",
            Self::Newest => "the newest Prometheus",
        })
    }
}

impl Edition {
    /// Where its program is; `None` for the newest where Go is not installed, from whose module it is built.
    ///
    /// # Errors
    /// When Debian's is not installed, or the newest does not build.
    pub(crate) fn program(self) -> Result<Option<String>> {
        match self {
            Self::Debian => program("prometheus", "prometheus").map(Some),
            Self::Newest => newest(),
        }
    }
}

/// What `scripts/prometheus-3` ends with where Go is lacking.
const NO_GO: i32 = 3;

/// The newest Prometheus, built from its Go module if that was not done yet; `None` where Go is not installed.
fn newest() -> Result<Option<String>> {
    let script = binaries::workspace().join("scripts/prometheus-3");
    let output = Command::new(&script)
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot run {}", script.display()))?;
    if output.status.code() == Some(NO_GO) {
        return Ok(None);
    }
    ensure!(
        output.status.success(),
        "{} ended with {}",
        script.display(),
        output.status
    );
    Ok(Some(String::from_utf8(output.stdout)?.trim_end().to_owned()))
}
