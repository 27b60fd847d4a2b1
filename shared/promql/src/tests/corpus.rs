//! Replays what fuzzing found worth keeping, so that no change brings back what it has seen.

use std::fs;
use std::path::Path;

use super::super::{EnforceError, Limits, OnConflict, Window, analyse, parse};
use super::policy;

/// The corpus is kept small, so that replaying it takes no more time than any other test.
const LARGEST_CORPUS: u64 = 1 << 20;

/// The inputs of the fuzz target.
fn inputs(target: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/corpus")
        .join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut size = 0;
    let inputs: Vec<String> = entries
        .map(|entry| {
            let bytes = fs::read(entry.unwrap().path()).unwrap();
            size += bytes.len() as u64;
            String::from_utf8_lossy(&bytes).into_owned()
        })
        .collect();
    assert!(inputs.len() > 100, "{} has {} inputs", folder.display(), inputs.len());
    assert!(
        size < LARGEST_CORPUS,
        "{} has {size} bytes; minimise it",
        folder.display()
    );
    inputs
}

#[test]
fn the_corpus_of_parse_is_parsed_or_refused() {
    for query in inputs("parse") {
        match parse(&query, &Limits::default()) {
            Ok(tree) => {
                analyse(&tree, &Window::instant(0)).ok();
            }
            Err(error) => assert!(!error.render(&query).is_empty()),
        }
    }
}

#[test]
fn the_corpus_of_enforce_is_enforced_or_refused() {
    for on_conflict in [OnConflict::Refuse, OnConflict::Override] {
        let policy = policy(on_conflict);
        for query in inputs("enforce") {
            match policy.enforce(&query) {
                Ok(once) => assert_eq!(policy.enforce(&once).as_ref(), Ok(&once), "{query:?}"),
                Err(EnforceError::Internal(error)) => panic!("{query:?}: {error}"),
                Err(error) => assert!(!error.render(&query).is_empty()),
            }
        }
    }
}
