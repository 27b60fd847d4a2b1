//! Holds the parser against Prometheus' own verdicts and syntax trees.
//!
//! `FANLIGHT_PROMQL_ORACLE` names a folder with `core.jsonl` (the expressions of Prometheus' own test suites) and
//! `mutated.jsonl` (mutations of them): on each line the expression `q`, whether Prometheus 3.14 accepts it (`ok`), its
//! syntax tree (`ast`), the tree with `tenant="x\"y"` added to every selector (`ast_injected`) and how many there are
//! (`nsel`). Without the variable these tests say that they were skipped.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::Value;

use super::ast::{
    At, Duration, DurationId, DurationKind, DurationOperator, Group, Matching, Modifiers, NodeId, NodeKind, Selector,
    Subquery, Tree, ValueType,
};
use super::{EnforceError, EnforcedLabel, Limits, OnConflict, Policy, Reason, Refusal, parse};

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
    for (file, counts) in [("core.jsonl", [2266, 32, 0]), ("mutated.jsonl", [11_887, 109, 4])] {
        let Some(cases) = cases(file) else { return };
        let (mut same, mut info, mut conflicts) = (0, 0, 0);
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
                Err(error) => panic!("{}: {error}", case.query),
            }
        }
        println!("{file}: {same} enforced, {info} refused for info(), {conflicts} for a matcher on the label");
        assert_eq!([same, info, conflicts], counts);
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

/// The tree in the oracle's notation.
fn notation(tree: &Tree<'_>) -> String {
    // Children stand before their parents, so each finds its children written.
    let mut written: Vec<String> = Vec::new();
    for node in &tree.nodes {
        let of = |id: NodeId| written[id.at()].as_str();
        written.push(match node.kind {
            NodeKind::Number(value) => format!("(n {})", bits(value)),
            NodeKind::String(text) => format!("(s {})", quoted(tree.bytes(text))),
            NodeKind::Paren(inner) => format!("(p {})", of(inner)),
            NodeKind::Sign {
                negative: true,
                operand,
            } => format!("(u - {})", of(operand)),
            NodeKind::Sign {
                negative: false,
                operand,
            } => of(operand).to_owned(),
            NodeKind::Binary {
                operator,
                matching,
                left,
                right,
            } => {
                let none = Matching::NONE;
                let matching = matching.map_or(&none, |id| &tree.matchings[id.at()]);
                let vectors = [left, right]
                    .iter()
                    .all(|side| tree.node(*side).value_type == ValueType::Vector);
                let how = if vectors {
                    written_matching(tree, matching, operator.is_set())
                } else {
                    "<>".to_owned()
                };
                let (sign, bool) = (operator.sign(), matching.returns_bool);
                format!("(b {sign} bool={bool} {how} {} {})", of(left), of(right))
            }
            NodeKind::Aggregation {
                aggregator,
                without,
                grouping,
                parameter,
                operand,
            } => {
                let name = format!("{aggregator:?}").to_lowercase();
                let name = match name.as_str() {
                    "countvalues" => "count_values",
                    "limitratio" => "limit_ratio",
                    name => name,
                };
                let labels = labels(tree, grouping);
                format!(
                    "(a {name} wo={without} {labels} {} {})",
                    parameter.map_or("-", of),
                    of(operand)
                )
            }
            NodeKind::Call { function, arguments } => {
                let arguments = tree.arguments[arguments.range()]
                    .iter()
                    .map(|id| format!(" {}", of(*id)));
                format!("(c {}{})", function.name, arguments.collect::<String>())
            }
            NodeKind::Selector(id) => selector(tree, &tree.selectors[id.at()]),
            NodeKind::Range { selector, range } => {
                let (range, expression) = duration(tree, range);
                format!("(m {} r={range} re={expression})", of(selector))
            }
            NodeKind::Subquery { operand, subquery } => {
                let Subquery {
                    range,
                    step,
                    modifiers: with,
                } = tree.subqueries[subquery.at()];
                let (range, range_expression) = duration(tree, range);
                let (step, step_expression) = step.map_or((0, "-".to_owned()), |step| duration(tree, step));
                let modifiers = modifiers(tree, &with);
                let operand = of(operand);
                format!("(q {operand} r={range} re={range_expression} st={step} se={step_expression} {modifiers})")
            }
        });
    }
    written.pop().unwrap_or_default()
}

fn bits(value: f64) -> String {
    if value.is_nan() {
        "nan".to_owned()
    } else {
        format!("{:x}", value.to_bits())
    }
}

fn quoted(bytes: &[u8]) -> String {
    let mut out = String::from('"');
    for byte in bytes {
        match byte {
            b'"' | b'\\' => {
                let _ = write!(out, "\\x{byte:02x}");
            }
            b' '..=b'~' => out.push(char::from(*byte)),
            _ => {
                let _ = write!(out, "\\x{byte:02x}");
            }
        }
    }
    out + "\""
}

fn labels(tree: &Tree<'_>, list: super::ast::List) -> String {
    let labels: Vec<_> = tree.labels[list.range()]
        .iter()
        .map(|label| quoted(tree.bytes(*label)))
        .collect();
    format!("[{}]", labels.join(","))
}

fn written_matching(tree: &Tree<'_>, matching: &Matching, set: bool) -> String {
    let card = match matching.group {
        Group::OneToOne if set => "many-to-many",
        Group::OneToOne => "one-to-one",
        Group::ManyToOne => "many-to-one",
        Group::OneToMany => "one-to-many",
    };
    let on = matching.on;
    let (by, include) = (labels(tree, matching.labels), labels(tree, matching.include));
    let fill = |value: Option<f64>| value.map_or("-".to_owned(), bits);
    let (left, right) = (fill(matching.fill_left), fill(matching.fill_right));
    format!("<{card} on={on} {by} inc={include} fl={left} fr={right}>")
}

fn selector(tree: &Tree<'_>, selector: &Selector) -> String {
    let mut matchers: Vec<String> = tree.matchers[selector.matchers.range()]
        .iter()
        .map(|matcher| {
            let (name, value) = (quoted(tree.bytes(matcher.name)), quoted(tree.bytes(matcher.value)));
            format!("{name}{}{value}", matcher.operator.sign())
        })
        .collect();
    matchers.extend(
        selector
            .name
            .map(|name| format!("\"__name__\"={}", quoted(name.text(tree.query).as_bytes()))),
    );
    matchers.sort();
    let modifiers = modifiers(tree, &selector.modifiers);
    let (anchored, smoothed) = (selector.anchored, selector.smoothed);
    format!("(v {{{}}} {modifiers} an={anchored} sm={smoothed})", matchers.join(","))
}

fn modifiers(tree: &Tree<'_>, modifiers: &Modifiers) -> String {
    let (offset, expression) = duration(tree, modifiers.offset);
    let at = match modifiers.at {
        None => "-".to_owned(),
        Some(At::Millis(millis)) => millis.to_string(),
        Some(At::Start) => "start".to_owned(),
        Some(At::End) => "end".to_owned(),
    };
    format!("o={offset} oe={expression} at={at}")
}

fn duration(tree: &Tree<'_>, duration: Duration) -> (i64, String) {
    match duration {
        Duration::Nanos(nanos) => (nanos, "-".to_owned()),
        Duration::Expression(id) => (0, duration_expression(tree, id)),
    }
}

fn duration_expression(tree: &Tree<'_>, id: DurationId) -> String {
    let node = tree.duration(id);
    let wrapped = node.in_parens;
    match node.kind {
        DurationKind::Seconds(value) => bits(value),
        DurationKind::Step => format!("(d step - - {wrapped})"),
        DurationKind::Range => format!("(d range - - {wrapped})"),
        DurationKind::Sign { negative, operand } => {
            let sign = if negative { "-" } else { "+" };
            format!("(d {sign} - {} {wrapped})", duration_expression(tree, operand))
        }
        DurationKind::Binary { operator, left, right } => {
            let operator = match operator {
                DurationOperator::Add => "+",
                DurationOperator::Sub => "-",
                DurationOperator::Mul => "*",
                DurationOperator::Div => "/",
                DurationOperator::Mod => "%",
                DurationOperator::Pow => "^",
                DurationOperator::MaxOf => "max_of",
                DurationOperator::MinOf => "min_of",
            };
            let (left, right) = (duration_expression(tree, left), duration_expression(tree, right));
            format!("(d {operator} {left} {right} {wrapped})")
        }
    }
}
