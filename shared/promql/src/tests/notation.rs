//! Writes a syntax tree in the notation of Prometheus' own trees, so that the two can be compared.
//!
//! `(n BITS)` is a number, `(s "..")` a string, `(p E)` parentheses, `(u - E)` a minus (a plus is dropped), `(b ..)` a
//! binary expression, `(a ..)` an aggregation, `(c ..)` a call, `(v ..)` a selector with its matchers sorted, `(m ..)` a
//! range, `(q ..)` a subquery, `(d ..)` part of a duration expression; durations are in nanoseconds.

use std::fmt::Write as _;

use super::super::ast::{
    At, Duration, DurationId, DurationKind, Group, List, Matching, Modifiers, NodeId, NodeKind, Selector, Subquery,
    Tree, ValueType,
};
use super::super::operators::DurationOperator;

/// The tree in that notation.
pub(super) fn notation(tree: &Tree<'_>) -> String {
    write(tree, None)
}

/// The tree with these matchers added to every selector, and none in it twice.
pub(super) fn notation_with(tree: &Tree<'_>, added: &[&str]) -> String {
    write(tree, Some(added))
}

fn write(tree: &Tree<'_>, added: Option<&[&str]>) -> String {
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
            NodeKind::Selector(id) => selector(tree, &tree.selectors[id.at()], added),
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

fn labels(tree: &Tree<'_>, list: List) -> String {
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

fn selector(tree: &Tree<'_>, selector: &Selector, added: Option<&[&str]>) -> String {
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
    matchers.extend(added.unwrap_or_default().iter().map(|matcher| (*matcher).to_owned()));
    matchers.sort();
    if added.is_some() {
        matchers.dedup();
    }
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
