//! What holds for every query, held against generated ones.

use proptest::prelude::*;

use super::super::ast::Tree;
use super::super::check::{self, EmptySelectors};
use super::super::parser;
use super::super::proof::Form;
use super::super::{Limits, OnConflict, Window, analyse, parse};
use super::generate::query;
use super::notation::notation_with;
use super::policy;

const ENFORCED: [&str; 2] = [r#""metric_purpose"="external""#, r#""organisation_id"=~"a|b""#];

/// The tree of a query whose selectors may be empty.
fn tree(query: &str) -> Tree<'_> {
    let mut syntax = parser::parse(query, Form::Expression, &Limits::default()).unwrap();
    check::check(&mut syntax.tree, EmptySelectors::Allowed).unwrap();
    syntax.tree
}

fn config() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        max_shrink_iters: 500,
        ..ProptestConfig::with_cases(256)
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_enforced_tree_is_the_query_s_with_the_matchers_added(query in query()) {
        let policy = policy(OnConflict::Refuse);
        let once = policy.enforce(&query).map_err(|error| TestCaseError::fail(format!("{query}: {error}")))?;
        let result = parse(&once, &Limits { bytes: u32::MAX, ..Limits::default() });
        let result = result.map_err(|error| TestCaseError::fail(format!("{once}: {error}")))?;
        prop_assert_eq!(notation_with(&tree(&query), &ENFORCED), notation_with(&result, &[]), "{}", once);
        for selector in &result.selectors {
            let mut matchers = result.matchers[selector.matchers.range()].iter();
            for (name, value) in [("metric_purpose", "external"), ("organisation_id", "a|b")] {
                let matcher = matchers.next().unwrap();
                prop_assert_eq!(result.bytes(matcher.name), name.as_bytes());
                prop_assert_eq!(result.bytes(matcher.value), value.as_bytes());
            }
        }
    }

    #[test]
    fn enforcing_twice_is_enforcing_once(query in query()) {
        let policy = policy(OnConflict::Refuse);
        let once = policy.enforce(&query).unwrap();
        let twice = policy.enforce(&once);
        prop_assert_eq!(twice.as_ref(), Ok(&once));
    }

    #[test]
    fn a_query_is_analysed_whatever_it_is(query in query()) {
        // Only a duration that has no value in the window is an error.
        let window = Window::range(0, 3_600_000, 60_000).unwrap();
        let tree = tree(&query);
        if let Ok(analysis) = analyse(&tree, &window) {
            prop_assert_eq!(analysis.selectors, tree.selector_count());
            prop_assert_eq!(analysis.reach.is_some(), analysis.selectors > 0);
            prop_assert!(analysis.points >= 61);
        }
    }

    #[test]
    fn a_damaged_query_is_refused_or_enforced_but_never_let_through(
        query in query(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), damage()), 1..4),
    ) {
        let mut damaged: Vec<char> = query.chars().collect();
        for (place, text) in damage {
            let at = place.index(damaged.len() + 1);
            let end = (at + text.len() % 3).min(damaged.len());
            damaged.splice(at..end, text.chars());
        }
        let damaged: String = damaged.into_iter().collect();
        let policy = policy(OnConflict::Override);
        if let Ok(once) = policy.enforce(&damaged) {
            let result = tree(&once);
            // Adding the matchers to a tree that has them all changes nothing.
            prop_assert_eq!(notation_with(&result, &ENFORCED), notation_with(&result, &[]), "{}", damaged);
            prop_assert_eq!(policy.enforce(&once), Ok(once));
        }
    }

    #[test]
    fn any_text_is_refused_or_enforced(text in any::<String>()) {
        let _ = policy(OnConflict::Refuse).enforce(&text);
        let _ = policy(OnConflict::Refuse).enforce_selector(&text);
    }
}

/// What is put into a query to damage it.
fn damage() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(
            &[
                "",
                "(",
                ")",
                "{",
                "}",
                "[",
                "]",
                ",",
                "\"",
                "'",
                "`",
                "#",
                "\\",
                "=",
                "!",
                "or",
                " or ",
                "organisation_id=\"c\"",
                "offset",
                "@",
                "\r",
                "5m",
                "{}",
                "info("
            ][..]
        )
        .prop_map(str::to_owned),
        any::<char>().prop_map(String::from),
    ]
}
