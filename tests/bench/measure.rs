//! Wall time and peak memory of a command, and what is made of several of them.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

/// One run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    pub(crate) wall: Duration,
    /// In bytes.
    pub(crate) peak_memory: u64,
}

/// Runs a command with its standard output in a file.
///
/// GNU time stands in between because a process that we start ourselves counts our own memory as its peak: the kernel
/// notes the parent's, which it shares until `exec`.
pub(crate) fn measure(command: &[&str], environment: &[(&str, String)], output: &Path) -> Result<Measured> {
    let report = output.with_extension("memory");
    let mut time = Command::new("/usr/bin/time");
    time.args(["--format=%M", "--output"])
        .arg(&report)
        .args(command)
        .envs(environment.iter().cloned());
    time.stdin(Stdio::null())
        .stdout(File::create(output)?)
        .stderr(Stdio::piped());
    let start = Instant::now();
    let child = time.spawn().context("GNU time is not installed: Debian package time")?;
    let ended = child.wait_with_output()?;
    let wall = start.elapsed();
    ensure!(
        ended.status.success(),
        "{command:?}: {}\n{}",
        ended.status,
        String::from_utf8_lossy(&ended.stderr)
    );
    let kilobytes: u64 = fs::read_to_string(&report)?.trim().parse()?;
    Ok(Measured {
        wall,
        peak_memory: kilobytes * 1024,
    })
}

/// The middle one of an odd number of durations.
pub(crate) fn median(durations: impl IntoIterator<Item = Duration>) -> Duration {
    let mut durations: Vec<_> = durations.into_iter().collect();
    durations.sort();
    durations.get(durations.len() / 2).copied().unwrap_or_default()
}

/// The value below which this share of the durations lies.
pub(crate) fn quantile(durations: &[Duration], share: f64) -> Duration {
    let mut durations = durations.to_vec();
    durations.sort();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a place in a short list"
    )]
    let at = (durations.len() as f64 * share) as usize;
    let at = at.min(durations.len().saturating_sub(1));
    durations.get(at).copied().unwrap_or_default()
}

/// A duration in milliseconds.
pub(crate) fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
