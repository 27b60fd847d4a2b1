//! An answer that passes is JSON as another reader sees it, with the same `data`, and however it is cut; what is none never
//! comes out whole.

#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use passage::{Head, Passage, PassageError};
use serde_json::value::RawValue;

type Members<'a> = BTreeMap<String, &'a RawValue>;

fn pass(answer: &[u8], size: usize) -> (Vec<u8>, Passage, Result<(), PassageError>) {
    let mut passage = Passage::new(1 << 20);
    let mut output = Vec::new();
    for chunk in answer.chunks(size) {
        if passage.push(chunk, &mut output).is_err() {
            break;
        }
        assert!(output.is_empty() || passage.head() == Head::Success);
    }
    let finished = passage.finish(&mut output);
    (output, passage, finished)
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&size, answer)) = bytes.split_first() else {
        return;
    };
    let (output, passage, finished) = pass(answer, usize::from(size) + 1);
    let (whole, _, finished_whole) = pass(answer, answer.len().max(1));
    // Which of two mistakes is met first depends on where the answer was cut.
    assert_eq!(finished.is_ok(), finished_whole.is_ok());
    if finished.is_err() {
        assert!(serde_json::from_slice::<Members<'_>>(&output).is_err());
        return;
    }
    assert_eq!(output, whole);
    let given: Members<'_> = serde_json::from_slice(answer).expect("what passes is JSON");
    match passage.head() {
        Head::Success => {
            let passed: Members<'_> = serde_json::from_slice(&output).expect("what comes out is JSON");
            assert_eq!(passed["data"].get(), given["data"].get());
            assert_eq!(passed["status"].get(), given["status"].get());
            assert_eq!(output == answer, !passage.is_filtered());
            for key in passed.keys() {
                assert!(["status", "data", "isPartial", "warnings", "infos"].contains(&key.as_str()));
            }
        }
        Head::Error(_) => assert!(output.is_empty()),
        Head::Undecided => panic!("a whole answer is a success or an error"),
    }
});
