//! The `fanlight` command in a process of its own.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;

use anyhow::Result;
use tokio::process::Command;

use crate::{binaries, canary};

/// What a command came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The exit status.
    pub status: Option<i32>,
    /// What it wrote to standard output.
    pub out: String,
    /// What it wrote to standard error.
    pub err: String,
}

/// The command in a folder, with nothing in its environment but what Cargo's programs need and `environment`.
///
/// # Errors
/// When the workspace does not build.
pub fn fanlight_in<A: AsRef<OsStr>>(
    folder: &Path,
    arguments: impl IntoIterator<Item = A>,
    environment: impl IntoIterator<Item = (&'static str, String)>,
) -> Result<Command> {
    let mut command = Command::new(binaries::fanlight()?);
    command
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .envs(environment)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    Ok(command)
}

/// Runs the command to its end; no secret may stand in what it writes.
///
/// # Errors
/// When it cannot be run or gives a secret away.
pub async fn fanlight<A: AsRef<OsStr>>(
    folder: &Path,
    arguments: impl IntoIterator<Item = A>,
    environment: impl IntoIterator<Item = (&'static str, String)>,
) -> Result<Ended> {
    let output = fanlight_in(folder, arguments, environment)?.output().await?;
    let ended = Ended {
        status: output.status.code(),
        out: String::from_utf8(output.stdout)?,
        err: String::from_utf8(output.stderr)?,
    };
    canary::absent("standard output", &ended.out)?;
    canary::absent("standard error", &ended.err)?;
    Ok(ended)
}
