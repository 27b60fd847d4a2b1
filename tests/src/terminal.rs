//! The `fanlight` command at a terminal, as somebody sits in front of it.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

use crate::{binaries, canary};

/// Longer than any command takes to ask its question.
const ASKS_WITHIN: Duration = Duration::from_secs(30);

/// What was to be seen on the terminal, and how the command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The exit status; 130 after Ctrl-C.
    pub status: Option<i32>,
    /// Both of its outputs, and what was typed.
    pub text: String,
}

/// Runs the command at a terminal of its own (by util-linux' `script`), and types `reply` once it shows `question`; without
/// a question, at once.
///
/// # Errors
/// When it cannot be run, never asks, or gives a secret away.
pub async fn fanlight_at_terminal(
    folder: &Path,
    arguments: &[&str],
    environment: impl IntoIterator<Item = (&'static str, String)>,
    (question, reply): (&str, &str),
) -> Result<Seen> {
    let program = binaries::fanlight()?;
    let words = [program.to_str().context("a path that is no text")?]
        .into_iter()
        .chain(arguments.iter().copied());
    let line: Vec<String> = words.map(|word| format!("'{}'", word.replace('\'', r"'\''"))).collect();
    // Ctrl-C is ignored by what a shell has put into the background, and by all that it starts.
    let mut child = Command::new("env")
        .args(["--default-signal=INT", "script", "-qefc", &line.join(" "), "/dev/null"])
        .current_dir(folder)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("TERM", OsStr::new("xterm"))
        .envs(environment)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("cannot run script (Debian package bsdutils)")?;
    let mut keyboard = child.stdin.take().context("no standard input")?;
    let mut screen = child.stdout.take().context("no standard output")?;
    let mut seen = Vec::new();
    let shows = async {
        while !String::from_utf8_lossy(&seen).contains(question) {
            if screen.read_buf(&mut seen).await? == 0 {
                bail!("it ended without {question:?}: {}", String::from_utf8_lossy(&seen));
            }
        }
        Ok(())
    };
    tokio::time::timeout(ASKS_WITHIN, shows)
        .await
        .context("it never asked")??;
    keyboard.write_all(reply.as_bytes()).await?;
    screen.read_to_end(&mut seen).await?;
    let status = child.wait().await?.code();
    drop(keyboard);
    let text = String::from_utf8(seen)?.replace("\r\n", "\n");
    canary::absent("the terminal", &text)?;
    Ok(Seen { status, text })
}
