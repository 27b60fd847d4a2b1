//! Any text is refused or enforced; what is enforced parses, and is enforced to itself; the proof never fails.

#![no_main]

use std::sync::LazyLock;

use fanlight_fuzz::policy;
use libfuzzer_sys::fuzz_target;
use promql::{EnforceError, Limits, OnConflict, Policy, parse};

static POLICIES: LazyLock<[Policy; 2]> = LazyLock::new(|| [OnConflict::Refuse, OnConflict::Override].map(policy));

fuzz_target!(|bytes: &[u8]| {
    let query = String::from_utf8_lossy(bytes);
    for policy in POLICIES.iter() {
        check(policy, &query, policy.enforce(&query), Policy::enforce);
        check(
            policy,
            &query,
            policy.enforce_selector(&query),
            Policy::enforce_selector,
        );
    }
});

fn check(
    policy: &Policy,
    query: &str,
    result: Result<String, EnforceError>,
    again: fn(&Policy, &str) -> Result<String, EnforceError>,
) {
    match result {
        Ok(text) => {
            // The result may be longer than a query may be.
            let limits = Limits {
                bytes: u32::MAX,
                tokens: u32::MAX,
                ..Limits::default()
            };
            let tree = parse(&text, &limits).unwrap_or_else(|error| panic!("{query:?} became {text:?}: {error}"));
            let braces = text
                .matches("{ metric_purpose = \"external\" , organisation_id =~ \"a|b\" ")
                .count();
            assert!(braces >= tree.selector_count(), "{query:?} became {text:?}");
            if text.len() <= Limits::default().bytes as usize {
                assert_eq!(again(policy, &text), Ok(text), "{query:?}");
            }
        }
        Err(EnforceError::Internal(error)) => panic!("{query:?}: {error}"),
        Err(error) => {
            let span = error.span();
            assert!(
                span.start <= span.end && span.end as usize <= query.len(),
                "{span:?} of {query:?}"
            );
            assert!(!error.render(query).is_empty());
        }
    }
}
