//! Generates PromQL over the whole grammar: every function, operator, modifier and literal there is.
//!
//! A query is generated as its tokens, so that any blanks and comments may be put between them.

use proptest::prelude::*;
use proptest::sample::select;

use super::super::ast::ValueType;
use super::super::functions::{self, Function};

/// The tokens of an expression.
type Tokens = Vec<String>;

fn tokens(parts: &[&str]) -> Tokens {
    parts.iter().map(|part| (*part).to_owned()).collect()
}

fn one_of(parts: &'static [&'static str]) -> BoxedStrategy<Tokens> {
    select(parts).prop_map(|part| vec![part.to_owned()]).boxed()
}

fn nothing() -> BoxedStrategy<Tokens> {
    Just(Tokens::new()).boxed()
}

/// The one or, as often, nothing.
fn maybe(strategy: BoxedStrategy<Tokens>) -> BoxedStrategy<Tokens> {
    prop_oneof![nothing(), strategy].boxed()
}

fn concat(parts: Vec<BoxedStrategy<Tokens>>) -> BoxedStrategy<Tokens> {
    parts.prop_map(|parts| parts.concat()).boxed()
}

fn word(word: &'static str) -> BoxedStrategy<Tokens> {
    Just(vec![word.to_owned()]).boxed()
}

/// `open`, up to `most` of `item` with commas between and perhaps after them, and `close`.
fn list(open: &'static str, item: BoxedStrategy<Tokens>, most: usize, close: &'static str) -> BoxedStrategy<Tokens> {
    (prop::collection::vec(item, 0..=most), any::<bool>())
        .prop_map(move |(items, comma)| {
            let mut all = tokens(&[open]);
            let count = items.len();
            for (index, item) in items.into_iter().enumerate() {
                all.extend(item);
                if index + 1 < count || comma {
                    all.push(",".to_owned());
                }
            }
            all.push(close.to_owned());
            all
        })
        .boxed()
}

fn string() -> BoxedStrategy<Tokens> {
    let double = r#"([ !#-\[\]-~é☺]|\\[abfnrtv\\"]|\\x[0-9a-f]{2}|\\[0-3][0-7]{2}|\\u00[0-9A-F]{2}){0,6}"#;
    prop_oneof![
        double.prop_map(|inner| format!("\"{inner}\"")),
        r"([ -&(-\[\]-~ü]|\\'|\\\\|\\xff){0,6}".prop_map(|inner| format!("'{inner}'")),
        r"[ -_a-~\\\n]{0,6}".prop_map(|inner| format!("`{inner}`")),
    ]
    .prop_map(|text| vec![text])
    .boxed()
}

/// A string that stands for one to three plain letters.
fn plain_string() -> BoxedStrategy<Tokens> {
    ("[a-z]{1,3}", select(&["\"", "'", "`"][..]))
        .prop_map(|(text, quote)| vec![format!("{quote}{text}{quote}")])
        .boxed()
}

fn number() -> BoxedStrategy<Tokens> {
    one_of(&[
        "0", "1", "017", "089", "5.", ".5", "1e3", "1_000", "1e+3_0", "0x1F", "0x_a", "2.5E-3", "Inf", "nAn", "5m",
        "1h30m",
    ])
}

fn duration_literal() -> BoxedStrategy<Tokens> {
    one_of(&["5m", "1h30m", "30s", "100ms", "1y2w3d", "300", "0.5", "0x10", "1_0"])
}

/// A positive duration, or an expression.
fn duration() -> BoxedStrategy<Tokens> {
    let leaf = prop_oneof![
        4 => duration_literal(),
        1 => concat(vec![one_of(&["step", "range", "STEP"]), word("("), word(")")]),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let inner = inner.boxed();
        let operator = one_of(&["+", "-", "*", "/", "%", "^"]);
        prop_oneof![
            concat(vec![inner.clone(), operator, inner.clone()]),
            concat(vec![word("("), inner.clone(), word(")")]),
            concat(vec![
                one_of(&["max_of", "min_of"]),
                word("("),
                inner.clone(),
                word(","),
                inner,
                word(")")
            ]),
        ]
    })
    .boxed()
}

/// An offset that ends by itself, whatever follows.
fn offset() -> BoxedStrategy<Tokens> {
    let sign = one_of(&["-", "+"]);
    let call = concat(vec![one_of(&["step", "range"]), word("("), word(")")]);
    let plain = prop_oneof![duration_literal(), word("0"), call].boxed();
    let in_parens = concat(vec![sign.clone(), word("("), duration(), word(")")]);
    let operand = prop_oneof![3 => concat(vec![maybe(sign), plain]), 1 => in_parens].boxed();
    concat(vec![word("offset"), operand])
}

/// An offset to which every arithmetic operator after it belongs.
fn open_offset() -> BoxedStrategy<Tokens> {
    let in_parens = concat(vec![word("("), duration(), word(")")]);
    let twice_signed = concat(vec![word("-"), one_of(&["-", "+"]), duration()]);
    concat(vec![word("offset"), prop_oneof![in_parens, twice_signed].boxed()])
}

fn at() -> BoxedStrategy<Tokens> {
    let time = concat(vec![
        maybe(one_of(&["-", "+"])),
        one_of(&["0", "1603774568.5", "1h", "1e9"]),
    ]);
    let pin = concat(vec![one_of(&["start", "END"]), word("("), word(")")]);
    concat(vec![word("@"), prop_oneof![time, pin].boxed()])
}

/// `offset` and `@`, at most one of each, in any order.
fn modifiers() -> BoxedStrategy<Tokens> {
    (maybe(offset()), maybe(at()), any::<bool>())
        .prop_map(|(offset, at, swap)| {
            if swap {
                [at, offset].concat()
            } else {
                [offset, at].concat()
            }
        })
        .boxed()
}

fn matcher() -> BoxedStrategy<Tokens> {
    let name = prop_oneof![
        one_of(&["job", "le", "sum", "offset", "on", "organisation"]),
        // Without control characters, which are refused.
        one_of(&["\"a b\"", "'http.\\x73tatus'", "`a\\b`", "\"\\xffé\"", "\"}\""]),
        plain_string(),
    ]
    .boxed();
    let value = prop_oneof![string(), one_of(&["\".*\"", "\".+\"", "\"a|b\"", "\"\""])].boxed();
    prop_oneof![
        8 => concat(vec![name, one_of(&["=", "!=", "=~", "!~"]), value]),
        // What the policy of the tests lets a caller say of its labels.
        1 => one_of(&["metric_purpose=\"external\"", "organisation_id=\"a\"", "organisation_id=~'b|a'", "'organisation_id'=~`a|b`"]),
    ]
    .boxed()
}

const NAMES: &[&str] = &[
    "up",
    "http_requests_total",
    "job:requests:rate5m",
    ":colon",
    "_",
    "sum",
    "Topk",
    "by",
    "without",
    "and",
    "or",
    "unless",
    "offset",
    "start",
    "end",
    "step",
    "range",
    "max_of",
    "anchored",
    "smoothed",
    "fill",
    "fill_left",
    "limitk",
    "info",
    "rate",
];

fn selector() -> BoxedStrategy<Tokens> {
    let braces = list("{", matcher(), 3, "}");
    let quoted = concat(vec![
        word("{"),
        plain_string(),
        maybe(concat(vec![word(","), matcher()])),
        word("}"),
    ]);
    prop_oneof![
        one_of(NAMES),
        concat(vec![one_of(NAMES), braces.clone()]),
        braces,
        quoted
    ]
    .boxed()
}

fn instant_selector() -> BoxedStrategy<Tokens> {
    let selector = concat(vec![selector(), maybe(one_of(&["anchored", "smoothed"]))]);
    let open = concat(vec![word("("), selector.clone(), open_offset(), maybe(at()), word(")")]);
    prop_oneof![4 => concat(vec![selector, modifiers()]), 1 => open].boxed()
}

fn brackets(inside: BoxedStrategy<Tokens>) -> BoxedStrategy<Tokens> {
    concat(vec![word("["), inside, word("]")])
}

fn range_selector() -> BoxedStrategy<Tokens> {
    concat(vec![
        selector(),
        brackets(duration_in_brackets()),
        maybe(one_of(&["anchored", "Smoothed"])),
        modifiers(),
    ])
}

/// Durations right after a `[` start with a number, so that a colon may follow whatever stands before in the query.
fn duration_in_brackets() -> BoxedStrategy<Tokens> {
    let more = concat(vec![one_of(&["+", "*", "%"]), duration()]);
    concat(vec![duration_literal(), maybe(more)])
}

fn labels(names: &'static [&'static str]) -> BoxedStrategy<Tokens> {
    list("(", one_of(names), 2, ")")
}

fn grouping() -> BoxedStrategy<Tokens> {
    concat(vec![
        one_of(&["by", "without", "BY"]),
        labels(&["job", "sum", "\"a b\"", "a:b", "by", "le", "offset"]),
    ])
}

fn aggregation(vector: &BoxedStrategy<Tokens>, scalar: &BoxedStrategy<Tokens>) -> BoxedStrategy<Tokens> {
    let plain = concat(vec![
        one_of(&["sum", "avg", "count", "min", "max", "group", "stddev", "stdvar", "SUM"]),
        maybe(grouping()),
        word("("),
        vector.clone(),
        word(")"),
    ]);
    let with_scalar = concat(vec![
        one_of(&["topk", "bottomk", "quantile", "limitk", "limit_ratio"]),
        word("("),
        scalar.clone(),
        word(","),
        vector.clone(),
        word(")"),
        maybe(grouping()),
    ]);
    let with_string = concat(vec![
        word("count_values"),
        maybe(grouping()),
        word("("),
        string(),
        word(","),
        vector.clone(),
        word(")"),
    ]);
    prop_oneof![plain, with_scalar, with_string].boxed()
}

fn fill() -> BoxedStrategy<Tokens> {
    let value = concat(vec![word("("), maybe(one_of(&["-", "+"])), number(), word(")")]);
    let of = |name| concat(vec![word(name), value.clone()]);
    prop_oneof![
        of("fill"),
        concat(vec![of("fill_left"), maybe(of("fill_right"))]),
        concat(vec![of("fill_right"), maybe(of("fill_left"))]),
    ]
    .boxed()
}

/// Bare between vectors, whatever they then associate with; in parentheses where a side is a scalar.
fn binary(vector: &BoxedStrategy<Tokens>, scalar: &BoxedStrategy<Tokens>) -> BoxedStrategy<Tokens> {
    let arithmetic = one_of(&["+", "-", "*", "/", "%", "^", "atan2", "</", ">/"]);
    let comparison = concat(vec![one_of(&["==", "!=", "<", ">", "<=", ">="]), maybe(word("bool"))]);
    let operator = prop_oneof![arithmetic, comparison].boxed();
    let on = concat(vec![one_of(&["on", "ignoring"]), labels(&["a", "b", "\"c d\""])]);
    let group = concat(vec![one_of(&["group_left", "group_right"]), labels(&["x", "y"])]);
    let matching = concat(vec![maybe(concat(vec![on.clone(), maybe(group)])), maybe(fill())]);
    let set = concat(vec![one_of(&["and", "or", "unless", "AND"]), maybe(on)]);
    prop_oneof![
        concat(vec![vector.clone(), operator.clone(), matching, vector.clone()]),
        concat(vec![vector.clone(), set, vector.clone()]),
        concat(vec![
            word("("),
            vector.clone(),
            operator.clone(),
            scalar.clone(),
            word(")")
        ]),
        concat(vec![word("("), scalar.clone(), operator, vector.clone(), word(")")]),
    ]
    .boxed()
}

fn parens(inner: &BoxedStrategy<Tokens>) -> BoxedStrategy<Tokens> {
    concat(vec![word("("), inner.clone(), word(")")])
}

fn signed(inner: &BoxedStrategy<Tokens>) -> BoxedStrategy<Tokens> {
    concat(vec![one_of(&["-", "+"]), inner.clone()])
}

/// A call of any of these functions, with as many arguments as it takes.
fn call(
    functions: Vec<&'static Function>,
    vector: &BoxedStrategy<Tokens>,
    scalar: &BoxedStrategy<Tokens>,
) -> BoxedStrategy<Tokens> {
    let (vector, scalar) = (vector.clone(), scalar.clone());
    (select(functions), 0..3_usize)
        .prop_flat_map(move |(function, more)| {
            let count = (function.least + more).min(function.most.unwrap_or(usize::MAX));
            let mut parts = vec![word(function.name), word("(")];
            for index in 0..count {
                if index > 0 {
                    parts.push(word(","));
                }
                let wanted = function.arguments.get(index).or(function.arguments.last()).copied();
                parts.push(match wanted.unwrap_or(ValueType::Scalar) {
                    ValueType::Scalar => scalar.clone(),
                    ValueType::String => string(),
                    ValueType::Vector => vector.clone(),
                    ValueType::Matrix => matrix(&vector),
                });
            }
            parts.push(word(")"));
            concat(parts)
        })
        .boxed()
}

/// `info()` as it can be enforced: with a choice of labels.
fn info(vector: &BoxedStrategy<Tokens>) -> BoxedStrategy<Tokens> {
    let name = maybe(one_of(&["__name__=~\".+_info\",", "\"build_info\","]));
    let choice = one_of(&["version=~\".+\"", "version!=\"\"", "'a b'=\"c\""]);
    let braces = concat(vec![
        word("{"),
        name,
        choice,
        maybe(concat(vec![word(","), matcher()])),
        word("}"),
    ]);
    concat(vec![
        word("info"),
        word("("),
        vector.clone(),
        word(","),
        braces,
        word(")"),
    ])
}

fn matrix(vector: &BoxedStrategy<Tokens>) -> BoxedStrategy<Tokens> {
    let step = maybe(duration_in_brackets());
    let inside = concat(vec![duration_in_brackets(), word(":"), step]);
    let subquery = concat(vec![parens(vector), brackets(inside), modifiers()]);
    let direct = concat(vec![
        selector(),
        brackets(concat(vec![duration_in_brackets(), word(":")])),
        modifiers(),
    ]);
    prop_oneof![2 => range_selector(), 1 => subquery, 1 => direct].boxed()
}

fn functions(returns: ValueType) -> Vec<&'static Function> {
    functions::all()
        .iter()
        .filter(|function| function.returns == returns && function.name != "info")
        .collect()
}

/// The tokens of an expression that reads series.
fn vector() -> BoxedStrategy<Tokens> {
    let leaf = instant_selector();
    leaf.prop_recursive(4, 40, 6, |vector| {
        let vector = vector.boxed();
        let scalar = scalar(&vector);
        prop_oneof![
            1 => instant_selector(),
            2 => call(functions(ValueType::Vector), &vector, &scalar),
            2 => aggregation(&vector, &scalar),
            3 => binary(&vector, &scalar),
            1 => parens(&vector),
            1 => signed(&vector),
            1 => info(&vector),
        ]
    })
    .boxed()
}

/// A scalar, which may well read series.
fn scalar(vector: &BoxedStrategy<Tokens>) -> BoxedStrategy<Tokens> {
    let of_vector = concat(vec![word("scalar"), word("("), vector.clone(), word(")")]);
    let plain = prop_oneof![number(), of_vector].boxed();
    let comparison = concat(vec![one_of(&["==", "<"]), word("bool")]);
    let operator = prop_oneof![one_of(&["+", "-", "*", "/", "^", "atan2"]), comparison].boxed();
    prop_oneof![
        3 => plain.clone(),
        1 => call(functions(ValueType::Scalar), vector, &plain),
        1 => parens(&plain),
        1 => signed(&plain),
        1 => concat(vec![word("("), plain.clone(), operator, plain, word(")")]),
    ]
    .boxed()
}

/// A query: an expression of any type, with blanks and comments between its tokens.
pub(super) fn query() -> impl Strategy<Value = String> {
    let expression = vector().prop_flat_map(|tokens| {
        let vector = Just(tokens).boxed();
        prop_oneof![8 => vector.clone(), 1 => matrix(&vector), 1 => scalar(&vector), 1 => string()]
    });
    (expression, prop::collection::vec(any::<u8>(), 1..16)).prop_map(|(tokens, seed)| spaced(&tokens, &seed))
}

/// Joins tokens by what `seed` chooses, wherever that does not change them.
fn spaced(tokens: &[String], seed: &[u8]) -> String {
    let mut out = String::new();
    let mut bracket_start = false;
    for (index, token) in tokens.iter().enumerate() {
        let keyword_before_paren = index > 0 && tokens[index - 1].starts_with("fill");
        let choice = seed[index % seed.len()];
        out.push_str(match choice % 8 {
            0 => "\n",
            1 => "\t ",
            2 if !bracket_start && !keyword_before_paren => " # } ] ) \" ` '\n",
            3 if !bracket_start && !keyword_before_paren => "# x\r",
            4 if sign(token) || out.chars().next_back().is_none_or(|last| sign(&last.to_string())) => "",
            _ => " ",
        });
        out.push_str(token);
        // Until the first number after a `[` there may be no comment.
        bracket_start = token == "[" || bracket_start && !token.starts_with(|c: char| c.is_ascii_digit());
    }
    out
}

/// Whether a token may stand right beside any other.
fn sign(token: &str) -> bool {
    matches!(token, "(" | ")" | "{" | "}" | "[" | "]" | "," | "@")
}
