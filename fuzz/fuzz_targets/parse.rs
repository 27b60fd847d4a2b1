//! Any text is a tree or an error; an error can be shown, and a tree can be analysed.

#![no_main]

use libfuzzer_sys::fuzz_target;
use promql::{Limits, Window, analyse, parse};

fuzz_target!(|bytes: &[u8]| {
    let query = String::from_utf8_lossy(bytes);
    match parse(&query, &Limits::default()) {
        Ok(tree) => {
            for window in [Some(Window::instant(0)), Window::range(-1, i64::MAX, 1)]
                .into_iter()
                .flatten()
            {
                if let Ok(analysis) = analyse(&tree, &window) {
                    assert_eq!(analysis.selectors, tree.selector_count());
                    assert_eq!(analysis.reach.is_some(), analysis.selectors > 0);
                }
            }
        }
        Err(error) => {
            let span = error.span();
            assert!(
                span.start <= span.end && span.end as usize <= query.len(),
                "{span:?} of {query:?}"
            );
            assert!(!error.render(&query).is_empty());
        }
    }
});
