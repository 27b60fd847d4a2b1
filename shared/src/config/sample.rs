//! Configurations of one file, for the tests of sources and sinks.

use std::fs;

use super::{Loaded, Mistake, load};

/// The configuration of a text, beside which a `ca.pem` stands.
pub(crate) fn loaded(text: &str) -> Loaded {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.yaml"), text).unwrap();
    fs::write(folder.path().join("ca.pem"), "").unwrap();
    load(folder.path()).unwrap()
}

/// Each finding as `<what it points at> message; help`.
pub(crate) fn findings(text: &str) -> Vec<String> {
    let loaded = loaded(text);
    let tell = |finding: &Mistake| {
        let help = finding
            .help
            .as_ref()
            .map(|help| format!("; {help}"))
            .unwrap_or_default();
        format!("<{}> {}{help}", &text[finding.span.clone()], finding.message)
    };
    loaded.report.findings().map(tell).collect()
}
