//! What errors say and where, in the words of PromQL.

use super::super::{Limits, Span, parse};

/// Queries and what is wrong with them.
const WRONG: &[(&str, &str)] = &[
    ("", "1:1: no expression found in input"),
    (" # nothing\n", "1:1: no expression found in input"),
    (
        "up{organisation_id=}",
        "1:20: unexpected \"}\" in label matching, expected string",
    ),
    (
        "up{job}",
        "1:7: unexpected \"}\" in label matching, expected label matching operator",
    ),
    (
        "up{a=\"b\" c=\"d\"}",
        "1:10: unexpected identifier \"c\" in label matching, expected \",\" or \"}\"",
    ),
    (
        "up{a=\"b\" or c=\"d\"}",
        "1:10: unexpected identifier \"or\" in label matching, expected \",\" or \"}\"",
    ),
    (
        "up{,}",
        "1:4: unexpected \",\" in label matching, expected identifier or \"}\"",
    ),
    ("up{", "1:4: unexpected end of input inside braces"),
    ("up{a:b=\"c\"}", "1:5: unexpected character inside braces: ':'"),
    ("sum(up", "1:1: unclosed left parenthesis"),
    ("up)", "1:3: unexpected right parenthesis ')'"),
    ("sum()", "1:1: no arguments for aggregate expression provided"),
    (
        "topk(up)",
        "1:1: wrong number of arguments for aggregate expression provided, expected 2, got 1",
    ),
    (
        "sum by up",
        "1:8: unexpected identifier \"up\" in grouping opts, expected \"(\"",
    ),
    (
        "sum by (without) (up)",
        "1:9: unexpected \"without\" in grouping opts, expected label",
    ),
    ("sum by (\"\") (up)", "1:9: invalid label name for grouping: \"\""),
    ("nope(up)", "1:1: unknown function with name \"nope\""),
    ("RATE(up[5m])", "1:1: unknown function with name \"RATE\""),
    (
        "rate(up)",
        "1:6: expected type range vector in call to function \"rate\", got instant vector",
    ),
    (
        "rate(up[5m],)",
        "1:12: trailing commas not allowed in function call args",
    ),
    ("rate()", "1:1: expected 1 argument(s) in call to \"rate\", got 0"),
    (
        "round(up, 1, 2)",
        "1:1: expected at most 2 argument(s) in call to \"round\", got 3",
    ),
    (
        "label_join(up)",
        "1:1: expected at least 3 argument(s) in call to \"label_join\", got 1",
    ),
    ("up[5m", "1:6: unclosed left bracket"),
    ("up[", "1:4: unexpected end of input in duration expression"),
    (
        "up[]",
        "1:4: unexpected \"]\" in subquery or range selector, expected number, duration, step(), or range()",
    ),
    ("up[0]", "1:4: duration must be greater than 0"),
    ("up[5m/0]", "1:6: division by zero"),
    ("up[293y]", "1:4: duration out of range"),
    (
        "up[# no comment here\n5m]",
        "1:4: unexpected character in duration expression: '#'",
    ),
    ("sum(up)[5m]", "1:8: ranges only allowed for vector selectors"),
    ("up offset 5m[5m]", "1:13: no offset modifiers allowed before range"),
    ("up @ 0[5m]", "1:7: no @ modifiers allowed before range"),
    ("up offset 1m offset 2m", "1:1: offset may not be set multiple times"),
    ("up @ 1 @ 2", "1:1: @ <timestamp> may not be set multiple times"),
    (
        "up @ foo",
        "1:6: unexpected identifier \"foo\" in @, expected timestamp",
    ),
    (
        "up offset foo",
        "1:11: unexpected identifier \"foo\" in offset, expected number, duration, step(), or range()",
    ),
    (
        "1 offset 5m",
        "1:1: offset modifier must be preceded by an instant vector selector or range vector selector or a subquery",
    ),
    (
        "up[5m:1m] anchored",
        "1:1: anchored modifier is not supported for subqueries",
    ),
    (
        "up anchored smoothed",
        "1:1: anchored and smoothed modifiers cannot be used together",
    ),
    ("1 == 1", "1:1: comparisons between scalars must use BOOL modifier"),
    (
        "up + bool up",
        "1:1: bool modifier can only be used on comparison operators",
    ),
    (
        "up and 1",
        "1:1: set operator \"and\" not allowed in binary scalar expression",
    ),
    (
        "up and on (a) group_left () up",
        "1:1: no grouping allowed for \"and\" operation",
    ),
    (
        "a * on (x, y) group_left (y) b",
        "1:1: label \"y\" must not occur in ON and GROUP clause at once",
    ),
    (
        "up[5m] + 1",
        "1:1: binary expression must contain only scalar and instant vector types",
    ),
    (
        "-up[5m]",
        "1:1: unary expression only allowed on expressions of type scalar or instant vector, got \"range vector\"",
    ),
    (
        "up{__name__=\"x\"}",
        "1:1: metric name must not be set twice: \"up\" or \"x\"",
    ),
    ("{}", "1:1: vector selector must contain at least one non-empty matcher"),
    (
        "{job=~\".*\"}",
        "1:1: vector selector must contain at least one non-empty matcher",
    ),
    (
        "info(up, up)",
        "1:10: expected label selectors only, got vector selector instead",
    ),
    ("5q", "1:1: bad number or duration syntax: \"5q\""),
    ("0x", "1:1: error parsing number: \"0x\""),
    ("up =~ 1", "1:4: unexpected character after '=': '~'"),
    ("up ! 1", "1:4: unexpected character after '!': ' '"),
    ("\"open", "1:1: unterminated quoted string"),
    ("\"\\q\"", "1:2: unknown escape sequence 'q'"),
    ("a ⚠ b", "1:3: unexpected character: '⚠'"),
    ("a\n  + b c", "2:7: unexpected identifier \"c\""),
    ("é", "1:1: unexpected character: 'é'"),
    (
        "{\"é\"=\"ü\" x}",
        "1:10: unexpected identifier \"x\" in label matching, expected \",\" or \"}\"",
    ),
];

#[test]
fn errors_say_what_was_expected_and_where() {
    for (query, message) in WRONG {
        let error = parse(query, &Limits::default()).unwrap_err();
        assert_eq!(error.to_string(), *message, "{query}");
    }
}

#[test]
fn what_is_shown_of_a_query_has_neither_control_nor_bidi_characters() {
    for query in [
        "up{a=\"b\" '\u{202e}\u{1b}[2J'}",
        "up \"\u{2066}x\u{2069}\"",
        "a \"\u{200f}\" # \u{202e}",
    ] {
        let shown = parse(query, &Limits::default()).unwrap_err().render(query);
        let harmless = |c: char| c == '\n' || c.escape_debug().count() <= 2;
        assert!(shown.chars().all(harmless), "{shown:?}");
    }
}

#[test]
fn a_number_of_any_length_is_shown_in_part() {
    for query in [
        format!("{}q", "1".repeat(9000)),
        format!("0x{}", "g".repeat(9000)),
        "1_".repeat(9000),
    ] {
        let said = parse(&query, &Limits::default()).unwrap_err().to_string();
        assert!(said.len() < 200, "{said}");
    }
}

#[test]
fn errors_underline_what_they_are_about() {
    let query = "sum(\n  rate(http_requests_total{job=api}[5m])\n)";
    let error = parse(query, &Limits::default()).unwrap_err();
    assert_eq!(error.span(), Span { start: 36, end: 39 });
    assert_eq!(
        error.render(query),
        "2:32: unexpected identifier \"api\" in label matching, expected string\n  \
           |\n\
         2 |   rate(http_requests_total{job=api}[5m])\n  \
           |                                ^^^"
    );
}

#[test]
fn a_long_line_is_shown_in_part_and_control_characters_not_at_all() {
    let query = format!("{}\u{7} ~ {}", "a + ".repeat(100), " + b".repeat(100));
    let shown = parse(&query, &Limits::default()).unwrap_err().render(&query);
    assert!(
        shown.chars().filter(|c| *c != '\n').all(|c| !c.is_control()),
        "{shown:?}"
    );
    assert!(shown.lines().all(|line| line.chars().count() < 140), "{shown}");
}
