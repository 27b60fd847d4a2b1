//! The functions that these tests start: the package's examples.

use std::path::PathBuf;

/// The path of one of the package's examples, which stand beside the folder of the tests' own binaries.
pub(crate) fn example(name: &str) -> PathBuf {
    let tests = std::env::current_exe().expect("the path of this test");
    let target = tests.parent().and_then(|deps| deps.parent()).expect("a target folder");
    let path = target.join("examples").join(name);
    assert!(
        path.exists(),
        "{} is missing: run `cargo build -p fanlight-cli --examples`",
        path.display()
    );
    path
}
