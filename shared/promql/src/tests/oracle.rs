//! Holds the parser against Prometheus' own verdicts and syntax trees.
//!
//! `FANLIGHT_PROMQL_ORACLE` names a folder with `core.jsonl` (the expressions of Prometheus' own test suites) and
//! `mutated.jsonl` (mutations of them): on each line the expression `q`, whether Prometheus 3.14 accepts it (`ok`), its
//! syntax tree (`ast`), the tree with `tenant="x\"y"` added to every selector (`ast_injected`) and how many there are
//! (`nsel`). Without the variable these tests say that they were skipped.

use std::path::PathBuf;

use serde_json::Value;

use super::super::{EnforceError, EnforcedLabel, Limits, OnConflict, Policy, Reason, Refusal, parse};
use super::notation::notation;

/// The only permitted differences: expressions that Prometheus refuses for nothing but an invalid regular expression,
/// which is left to it. None of the expressions comes near a limit.
const INVALID_REGEX: [&str; 7] = [
    r#"foo__name__{a=~"a**"}"#,
    r#"foo+{aor=~"x{1001}"}"#,
    r#"foo{anda=~"x{1001}"}"#,
    r#"fooor{a=~"a)|(b"}"#,
    r#"{job=~".+-server", job!~")api-.+"}"#,
    r#"a{foo=~"x{1001}"}"#,
    r#"foo{a=~"a)|(b"}"#,
];

#[test]
fn every_expression_of_prometheus_own_suites_has_its_verdict_and_tree() {
    let Some(cases) = cases("core.jsonl") else { return };
    let counts = compare(&cases);
    println!("core: {counts:?}");
    assert_eq!(
        counts,
        Counts {
            valid: 2298,
            invalid: 146,
            invalid_regex: 0
        }
    );
}

#[test]
fn every_mutated_expression_has_its_verdict_and_tree() {
    let Some(cases) = cases("mutated.jsonl") else { return };
    let counts = compare(&cases);
    println!("mutated: {counts:?}");
    assert_eq!(
        counts,
        Counts {
            valid: 12_000,
            invalid: 12_000,
            invalid_regex: INVALID_REGEX.len()
        }
    );
}

#[test]
fn every_enforced_expression_has_the_tree_with_the_matcher_in_each_selector() {
    let policy = Policy::new(vec![
        EnforcedLabel::fixed("tenant", "x\"y", OnConflict::Refuse).unwrap(),
    ])
    .unwrap();
    for (file, counts) in [
        ("core.jsonl", [2264, 32, 0, 2]),
        ("mutated.jsonl", [11_874, 109, 4, 13]),
    ] {
        let Some(cases) = cases(file) else { return };
        let (mut same, mut info, mut conflicts, mut doubtful) = (0, 0, 0, 0);
        for case in cases.iter().filter(|case| case.ok) {
            match policy.enforce(&case.query) {
                Ok(text) => {
                    let tree = parse(&text, &Limits::default()).unwrap_or_else(|error| panic!("{text}: {error}"));
                    assert_eq!(notation(&tree), case.enforced_tree, "{}\n{text}", case.query);
                    same += 1;
                    assert_eq!(policy.enforce(&text).as_ref(), Ok(&text), "enforced twice");
                }
                Err(EnforceError::Refused(refusal)) if refusal.reason == Reason::Info => info += 1,
                // Some mutations have a matcher on `tenant` of their own.
                Err(EnforceError::Refused(Refusal {
                    reason: Reason::Fixed { .. },
                    ..
                })) => conflicts += 1,
                Err(EnforceError::Refused(Refusal {
                    reason: Reason::Name { .. } | Reason::Time,
                    ..
                })) => doubtful += 1,
                Err(error) => panic!("{}: {error}", case.query),
            }
        }
        println!(
            "{file}: {same} enforced, {info} refused for info(), {conflicts} for a matcher on the label, {doubtful} for a doubtful name or time"
        );
        assert_eq!([same, info, conflicts, doubtful], counts);
    }
}

/// What Prometheus says of each expression.
struct Case {
    query: String,
    ok: bool,
    error: String,
    tree: String,
    enforced_tree: String,
    selectors: usize,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    valid: usize,
    /// How many both refuse, and [`INVALID_REGEX`].
    invalid: usize,
    invalid_regex: usize,
}

fn cases(file: &str) -> Option<Vec<Case>> {
    let Some(folder) = std::env::var_os("FANLIGHT_PROMQL_ORACLE") else {
        println!("skipped: FANLIGHT_PROMQL_ORACLE names no folder with {file}");
        return None;
    };
    let path = PathBuf::from(folder).join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let case = |line: &str| {
        let value: Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        let selectors = usize::try_from(value["nsel"].as_u64().unwrap_or_default()).unwrap();
        Case {
            query: text("q"),
            ok: value["ok"] == true,
            error: text("err"),
            tree: text("ast"),
            enforced_tree: text("ast_injected"),
            selectors,
        }
    };
    Some(text.lines().map(case).collect())
}

fn compare(cases: &[Case]) -> Counts {
    let mut counts = Counts::default();
    let mut differences = Vec::new();
    for case in cases {
        match parse(&case.query, &Limits::default()) {
            Ok(tree) if case.ok => {
                counts.valid += 1;
                let ours = notation(&tree);
                if ours != case.tree || tree.selector_count() != case.selectors {
                    differences.push(format!(
                        "{}\n  Prometheus {}\n  ours       {ours}",
                        case.query, case.tree
                    ));
                }
            }
            Ok(_) if INVALID_REGEX.contains(&case.query.as_str()) => {
                counts.invalid += 1;
                counts.invalid_regex += 1;
            }
            Ok(_) => differences.push(format!("{}\n  Prometheus refuses: {}", case.query, case.error)),
            Err(error) if case.ok => differences.push(format!("{}\n  we refuse: {error}", case.query)),
            Err(_) => counts.invalid += 1,
        }
    }
    let shown = differences
        .iter()
        .take(20)
        .fold(String::new(), |text, difference| text + difference + "\n");
    assert!(differences.is_empty(), "{} differences:\n{shown}", differences.len());
    counts
}
