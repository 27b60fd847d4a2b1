//! Size and nesting: what is refused, what is not, and that nothing of either reaches the stack.

use std::thread;

use super::super::{EnforceError, Excess, Limits, OnConflict, ParseError, Window, analyse, parse};
use super::policy;

const DEFAULT: Limits = Limits {
    bytes: 64 << 10,
    tokens: 50_000,
    depth: 256,
    selectors: 1_000,
    enforced_bytes: 4 << 20,
};

#[test]
fn the_defaults_are_what_the_documentation_says() {
    assert_eq!(Limits::default(), DEFAULT);
}

fn excess(query: &str, limits: &Limits) -> Option<Excess> {
    match parse(query, limits) {
        Err(ParseError::TooLarge(error)) => Some(error.excess),
        _ => None,
    }
}

#[test]
fn each_limit_holds_to_the_last_byte_token_and_level() {
    let spaces = |count: usize| format!("up{}", " ".repeat(count));
    assert_eq!(excess(&spaces((64 << 10) - 2), &DEFAULT), None);
    let found = (64 << 10) + 1;
    assert_eq!(
        excess(&spaces(found - 2), &DEFAULT),
        Some(Excess::Bytes { found, limit: 64 << 10 })
    );

    let limits = Limits { tokens: 5, ..DEFAULT };
    assert_eq!(excess("a + b + c", &limits), None);
    assert_eq!(excess("a + b + -c", &limits), Some(Excess::Tokens { limit: 5 }));

    let parens = |count: usize| format!("{}1{}", "(".repeat(count), ")".repeat(count));
    assert_eq!(excess(&parens(256), &DEFAULT), None);
    assert_eq!(excess(&parens(257), &DEFAULT), Some(Excess::Depth { limit: 256 }));
}

#[test]
fn a_chain_of_more_selectors_than_allowed_is_refused() {
    let chain = |count: usize| vec!["a"; count].join("+");
    assert_eq!(excess(&chain(1_000), &DEFAULT), None);
    assert_eq!(
        excess(&chain(1_001), &DEFAULT),
        Some(Excess::Selectors { limit: 1_000 })
    );
    let error = policy(OnConflict::Refuse).enforce(&chain(1_001)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "1:2001: the query has more than the 1000 selectors allowed; split it"
    );
    assert!(policy(OnConflict::Refuse).enforce(&chain(1_000)).is_ok());
}

/// Queries of which every character nests one level deeper, in every way that PromQL can.
fn deep(levels: usize) -> Vec<String> {
    let wrapped =
        |open: &str, inside: &str, close: &str| format!("{}{inside}{}", open.repeat(levels), close.repeat(levels));
    vec![
        wrapped("(", "up", ")"),
        wrapped("-", "up", ""),
        wrapped("+", "up", ""),
        wrapped("abs(", "up", ")"),
        wrapped("sum(", "up", ")"),
        wrapped("topk(scalar(", "up", "),up)"),
        wrapped("up^", "up", ""),
        wrapped("up or up + up * up ^ -(", "up", ")"),
        wrapped("max_over_time(", "up", "[5m:])"),
        format!("up[{}]", wrapped("(", "5m", ")")),
        format!("up[{}]", wrapped("-", "5m", "")),
        format!("up[{}]", wrapped("5m^", "5m", "")),
        format!("up[{}]", wrapped("max_of(", "5m", ",1m)")),
        format!("up offset {}", wrapped("(", "5m", ")")),
        format!("up offset {}", wrapped("-", "5m", "")),
    ]
}

#[test]
fn every_way_to_nest_is_bounded() {
    for query in deep(300) {
        assert_eq!(excess(&query, &DEFAULT), Some(Excess::Depth { limit: 256 }), "{query}");
    }
}

#[test]
fn even_without_limits_nothing_reaches_the_stack() {
    // Far more levels than 512 KiB could hold frames for, and some that nest without counting as depth.
    let unlimited = Limits {
        bytes: u32::MAX,
        tokens: u32::MAX,
        depth: u32::MAX,
        selectors: u32::MAX,
        enforced_bytes: u32::MAX,
    };
    let run = move || {
        let policy = policy(OnConflict::Refuse).with_limits(unlimited);
        let chains = ["up + ", "up ^ ", "up == bool ", "up and "].map(|link| link.repeat(20_000) + "up");
        let subqueries = format!("up{}", "[5m:]".repeat(20_000));
        let open = [
            "(",
            "[",
            "{",
            "sum(",
            "up[(",
            "\"",
            "`",
            "-",
            "a{\"",
            "#",
            "\\",
            "up offset ",
            "@",
            "up[5m:",
        ];
        let open = open.map(|text| text.repeat(20_000));
        for query in deep(20_000).into_iter().chain(chains).chain([subqueries]).chain(open) {
            if let Ok(tree) = parse(&query, &unlimited) {
                analyse(&tree, &Window::instant(0)).ok();
                drop(tree);
            }
            policy.enforce(&query).ok();
        }
    };
    thread::Builder::new()
        .stack_size(512 << 10)
        .spawn(run)
        .unwrap()
        .join()
        .unwrap();
}

#[test]
fn a_query_that_would_grow_too_long_is_refused_before_it_does() {
    let query = "a+".repeat(20_000) + "a";
    let limits = Limits {
        selectors: 30_000,
        ..DEFAULT
    };
    let policy = policy(OnConflict::Refuse).with_limits(limits);
    assert!(policy.enforce(&query).is_ok());
    let limits = Limits {
        enforced_bytes: 1 << 20,
        ..limits
    };
    let error = policy.with_limits(limits).enforce(&query).unwrap_err();
    assert!(matches!(error, EnforceError::TooLong(_)), "{error}");
    assert_eq!(
        error.to_string(),
        "with the enforced labels in each of its 20001 selectors the query passes 1048576 bytes; split it"
    );
}
