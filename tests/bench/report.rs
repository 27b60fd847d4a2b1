//! The table of figures: what was measured, against what, and whether it meets its goal.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use comfy_table::{Table, presets};

use crate::measure::milliseconds;

/// A table without figures.
pub(crate) fn table() -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_FULL_CONDENSED)
        .set_header(["what", "measured", "against", "ratio", "goal", ""]);
    table
}

/// Whether a goal is met, in a word.
pub(crate) fn verdict(met: bool) -> String {
    if met { "met" } else { "missed" }.to_owned()
}

/// A line of two durations.
pub(crate) fn line(
    what: &str,
    wall: Duration,
    peer: &str,
    theirs: Duration,
    ratio: f64,
    goal: &str,
    met: bool,
) -> [String; 6] {
    [
        what.to_owned(),
        format!("{:.0} ms", milliseconds(wall)),
        format!("{peer} {:.0} ms", milliseconds(theirs)),
        format!("{ratio:.2}"),
        goal.to_owned(),
        verdict(met),
    ]
}

/// A line of the highest of several peaks, in bytes, and the most that it may be, in MiB.
pub(crate) fn memory(what: &str, peaks: impl IntoIterator<Item = u64>, peer: &str, most: f64) -> [String; 6] {
    let peak = mib(peaks.into_iter().max().unwrap_or_default());
    [
        what.to_owned(),
        format!("{peak:.1} MiB"),
        peer.to_owned(),
        String::new(),
        format!("at most {most} MiB"),
        verdict(peak <= most),
    ]
}

/// A line of a function's binary and how large it may be: it is fetched and read before each cold start.
pub(crate) fn size(binaries: &Path, name: &str) -> Result<[String; 6]> {
    let megabytes = std::fs::metadata(binaries.join(name))?.len() as f64 / 1e6;
    Ok([
        format!("{name}, size of the binary"),
        format!("{megabytes:.1} MB"),
        String::new(),
        String::new(),
        "at most 12 MB".to_owned(),
        verdict(megabytes <= 12.0),
    ])
}

/// Bytes in MiB.
pub(crate) fn mib(bytes: u64) -> f64 {
    bytes as f64 / (1024.0 * 1024.0)
}
