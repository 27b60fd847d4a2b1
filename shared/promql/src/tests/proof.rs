//! The proof refuses what a faulty rewriting could produce.

use super::super::parser::{self, Syntax};
use super::super::proof::{Form, ProofError, prove};
use super::super::{Limits, OnConflict, Policy};
use super::policy;

const BOTH: &str = r#"metric_purpose="external",organisation_id=~"a|b""#;

fn syntax(query: &str) -> Syntax<'_> {
    parser::parse(query, Form::Expression, &Limits::default()).unwrap()
}

fn proved(query: &str, text: &str, replaced: &[usize], policy: &Policy) -> Result<(), ProofError> {
    prove(
        &text.replace("BOTH", BOTH),
        Form::Expression,
        policy,
        &syntax(query),
        replaced,
    )
}

#[test]
fn what_is_enforced_is_proved_however_it_is_spaced_and_quoted() {
    let policy = policy(OnConflict::Refuse);
    let cases = [
        ("up", "up{BOTH}"),
        ("up{}", "up { BOTH }"),
        ("up{a='b'}", "up{BOTH, a=\"b\"}"),
        ("{'a b'=`c\\d`,}", r#"{BOTH,"a b"="c\\d",}"#),
        ("topk(scalar(x), y)", "topk(scalar(x{BOTH}), y{BOTH})"),
        ("up # comment", "up{BOTH}"),
    ];
    for (query, text) in cases {
        assert_eq!(proved(query, text, &[], &policy), Ok(()), "{query}");
    }
}

#[test]
fn what_is_not_enforced_is_not_proved() {
    let policy = policy(OnConflict::Refuse);
    let unenforced = |selector| ProofError::Unenforced { selector };
    let cases = [
        // A selector without any, without all, or with other matchers.
        ("up", "up", unenforced(1)),
        ("up", "up{}", unenforced(1)),
        ("topk(scalar(x), y)", "topk(scalar(x), y{BOTH})", unenforced(1)),
        ("x + y", "x{BOTH} + y", unenforced(2)),
        ("up", r#"up{metric_purpose="external"}"#, unenforced(1)),
        (
            "up",
            r#"up{organisation_id=~"a|b",metric_purpose="external"}"#,
            unenforced(1),
        ),
        (
            "up",
            r#"up{metric_purpose="external",organisation_id=~"a|b|c"}"#,
            unenforced(1),
        ),
        (
            "up",
            r#"up{metric_purpose="external",organisation_id!~"a|b"}"#,
            unenforced(1),
        ),
        (
            "up",
            r#"up{metric_purpose="external",organisation_id=~"a|b|"}"#,
            unenforced(1),
        ),
        (
            "up",
            r#"up{metric_purpose="external",Organisation_id=~"a|b"}"#,
            unenforced(1),
        ),
        ("up{a=\"b\"}", r#"up{a="b",BOTH}"#, unenforced(1)),
        // More in the braces than was inserted.
        ("up", r#"up{BOTH,a="b"}"#, unenforced(1)),
        ("up", "up{BOTH,}", unenforced(1)),
        // Selectors lost or gained.
        ("x + y", "x{BOTH}", ProofError::Selectors { wanted: 2, found: 1 }),
        ("x", "x{BOTH} or y{BOTH}", ProofError::Selectors { wanted: 1, found: 2 }),
        // Another query.
        ("x", "y{BOTH}", ProofError::Tokens { token: 1 }),
        ("x + y", "x{BOTH} - y{BOTH}", ProofError::Tokens { token: 2 }),
        ("x{a=\"b\"}", "x{BOTH}", ProofError::Tokens { token: 3 }),
        ("x{a=\"b\"}", "x{BOTH,a=\"c\"}", ProofError::Tokens { token: 5 }),
        ("x{a=\"b\"}", "x{BOTH,a!=\"b\"}", ProofError::Tokens { token: 4 }),
        ("rate(x[5m])", "rate(x{BOTH}[6m])", ProofError::Tokens { token: 5 }),
        ("x offset 5m", "x{BOTH}", ProofError::Tokens { token: 2 }),
        ("x", "x{BOTH} offset 5m", ProofError::Tokens { token: 2 }),
        (
            "sum by (a) (x)",
            "sum BY (a) (x{BOTH})",
            ProofError::Tokens { token: 2 },
        ),
        // A name that an upstream fails on.
        ("x{\"\"=\"b\"}", "x{BOTH,\"\"=\"b\"}", ProofError::Name),
        ("x{\"a\\n\"=\"b\"}", "x{BOTH,\"a\\n\"=\"b\"}", ProofError::Name),
        // Reads what is not written.
        ("x", "info(x{BOTH})", ProofError::Unwritten),
    ];
    for (query, text, error) in cases {
        assert_eq!(proved(query, text, &[], &policy), Err(error), "{query} as {text}");
    }
    for text in [
        "up{BOTH",
        "up{BOTH} or",
        "",
        "up{BOTH or a=\"b\"}",
        "nope(up{BOTH})",
        "rate(up{BOTH})",
    ] {
        let proved = proved("up", text, &[], &policy);
        assert!(
            matches!(proved, Err(ProofError::Parse(_) | ProofError::Selectors { .. })),
            "{text}: {proved:?}"
        );
    }
}

#[test]
fn a_matcher_may_be_left_out_only_for_the_one_that_replaces_it() {
    let left_out = Err(ProofError::LeftOut { matcher: 1 });
    let cases = [
        ("x{metric_purpose=\"external\"}", OnConflict::Refuse, Ok(())),
        ("x{organisation_id=~\"a|b\"}", OnConflict::Refuse, Ok(())),
        ("x{metric_purpose=\"internal\"}", OnConflict::Override, Ok(())),
        ("x{metric_purpose=\"internal\"}", OnConflict::Refuse, left_out.clone()),
        ("x{organisation_id=\"a\"}", OnConflict::Override, left_out.clone()),
        ("x{job=\"api\"}", OnConflict::Override, left_out),
    ];
    for (query, on_conflict, result) in cases {
        assert_eq!(proved(query, "x{BOTH}", &[0], &policy(on_conflict)), result, "{query}");
    }
}

#[test]
fn a_series_selector_is_proved_as_one() {
    let policy = policy(OnConflict::Refuse);
    let text = format!("up{{{BOTH}}}");
    let selector = |query| parser::parse(query, Form::Selector, &Limits::default()).unwrap();
    assert_eq!(prove(&text, Form::Selector, &policy, &selector("up"), &[]), Ok(()));
    let longer = format!("{text} offset 5m");
    assert!(matches!(
        prove(&longer, Form::Selector, &policy, &selector("up"), &[]),
        Err(ProofError::Parse(_))
    ));
}
