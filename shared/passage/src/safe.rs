//! Which of an upstream's messages may be passed on.
//!
//! In a query whose every selector is enforced, what the *engine* says can name only the caller's own query and series.
//! What storage, remote reads, stores, rings and limits of a tenant say can name anything. The two cannot be told apart by
//! their `errorType`, so only messages are passed on whose wording is known: those of Prometheus' engine (2.x and 3.x) and
//! of its annotations. What a pattern leaves open is a number, one quoted string, or a set of labels of a series that was
//! read; nothing may stand behind its end. Of Mimir's messages about limits, nothing passes but their identifier.
//!
//! Positions refer to the enforced query, which the caller has not written, and are cut off.

use crate::UpstreamSaid;

/// What stands in the place of a message that is not passed on.
pub const UNKNOWN: &str = "the upstream could not evaluate the query";

/// An error of the upstream as a caller may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SafeError {
    /// One of Prometheus' own; `execution` for what is none.
    pub error_type: &'static str,
    /// The message, or [`UNKNOWN`].
    pub error: String,
}

/// Prometheus' own types of errors (`web/api/v1`).
const ERROR_TYPES: [&str; 8] = [
    "timeout",
    "canceled",
    "execution",
    "bad_data",
    "internal",
    "unavailable",
    "not_found",
    "not_acceptable",
];

/// What may be passed on of an error.
#[must_use]
pub fn error(said: &UpstreamSaid) -> SafeError {
    let error_type = ERROR_TYPES.into_iter().find(|known| *known == said.error_type);
    let message = ERRORS.iter().find_map(|pattern| known(&said.error, pattern));
    let message = match message {
        Some(message) if error_type.is_some() => message.to_owned(),
        _ => mimir_limit(&said.error)
            .or_else(|| invalid_regexp(&said.error))
            .unwrap_or_else(|| UNKNOWN.to_owned()),
    };
    SafeError {
        error_type: error_type.unwrap_or("execution"),
        error: message,
    }
}

/// Mimir's identifiers of the limits that a query can exceed; the words around them name a tenant's settings.
const MIMIR_LIMITS: [&str; 8] = [
    "err-mimir-max-chunks-per-query",
    "err-mimir-max-series-per-query",
    "err-mimir-max-chunks-bytes-per-query",
    "err-mimir-max-estimated-chunks-per-query",
    "err-mimir-max-estimated-memory-consumption-per-query",
    "err-mimir-max-query-length",
    "err-mimir-max-total-query-length",
    "err-mimir-max-query-expression-size-bytes",
];

fn mimir_limit(text: &str) -> Option<String> {
    let limit = MIMIR_LIMITS
        .into_iter()
        .find(|limit| text.contains(&format!("({limit})")))?;
    Some(format!(
        "the query exceeds a limit of the upstream's ({limit}): select fewer series or a shorter time"
    ))
}

/// What Go finds wrong with a regular expression (`regexp/syntax`).
const REGEXP_FAULTS: [&str; 15] = [
    "expression nests too deeply",
    "expression too large",
    "invalid UTF-8",
    "invalid character class",
    "invalid character class range",
    "invalid escape sequence",
    "invalid named capture",
    "invalid nested repetition operator",
    "invalid or unsupported Perl syntax",
    "invalid repeat count",
    "missing argument to repetition operator",
    "missing closing )",
    "missing closing ]",
    "trailing backslash at end of expression",
    "unexpected )",
];

/// Regular expressions are the one part of a query that is not checked before it is asked. The expression that follows
/// is not passed on: where it ends, nothing says.
fn invalid_regexp(text: &str) -> Option<String> {
    let (_, fault) = text.split_once("error parsing regexp: ")?;
    let fault = REGEXP_FAULTS.into_iter().find(|known| {
        let rest = fault.strip_prefix(known);
        rest.is_some_and(|rest| rest.starts_with(": `"))
    })?;
    Some(format!(
        "a regular expression cannot be read: {fault}; write it in RE2's syntax"
    ))
}

/// What may be passed on of a warning or an info: all of it but the position.
#[must_use]
pub fn annotation(text: &str) -> Option<&str> {
    ANNOTATIONS.iter().find_map(|pattern| known(text, pattern))
}

/// A piece of a message.
#[derive(Debug, Clone, Copy)]
enum Piece {
    /// These words.
    Text(&'static str),
    /// A number as Go writes it.
    Number,
    /// A string in double quotes, as Go writes it.
    Quoted,
    /// Words of the engine's own: lower-case letters, digits, `_`, and operators.
    Word,
    /// What the engine was doing.
    Phase,
    /// A time as Go writes it: `2024-01-02T15:04:05Z`.
    Time,
    /// A set of labels, in braces, with the name of a metric before it or not.
    Labels,
    /// The piece that follows and all behind it, or nothing.
    Optional,
}

use Piece::{Labels, Number, Optional, Phase, Quoted, Text, Time, Word};

const PHASES: [&str; 4] = [
    "expression evaluation",
    "query execution",
    "query queue",
    "query preparation",
];

/// Messages of the engine's (`promql/engine.go`, `promql/functions.go`, `promql/durations.go`). Not among them: `expanding series: ..` and all of `promql.ErrStorage`, which
/// quote storage; what `info()` says, which quotes series that the query does not name; `unexpected error: ..`.
const ERRORS: &[&[Piece]] = &[
    &[Text("query timed out in "), Phase],
    &[Text("query was canceled in "), Phase],
    &[
        Text("query processing would load too many samples into memory in "),
        Phase,
    ],
    &[Text("vector cannot contain metrics with the same labelset")],
    &[Text(
        "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)",
    )],
    &[Text(
        "multiple matches for labels: grouping labels must ensure unique matches",
    )],
    &[
        Text("found duplicate series for the match group "),
        Labels,
        Text(" on the "),
        Word,
        Text(" hand-side of the operation: ["),
        Labels,
        Text(", "),
        Labels,
        Text("];many-to-many matching not allowed: matching labels must be unique on one side"),
    ],
    &[Text("Parameter value is NaN")],
    &[Text("Ratio value is NaN")],
    &[Text("Ratio value "), Number, Text(" is NaN")],
    &[Text("Scalar value "), Number, Text(" overflows int64")],
    &[Text("Scalar value "), Number, Text(" underflows int64")],
    &[Text("invalid label name "), Quoted],
    // Of a path, in which Prometheus 2 takes fewer names than 3.
    &[Text("invalid label name: "), Quoted],
    &[Text("invalid smoothing factor. Expected: 0 < sf < 1, got: "), Number],
    &[Text("invalid trend factor. Expected: 0 < tf < 1, got: "), Number],
    &[
        Text("invalid expression type "),
        Quoted,
        Text(" for range query, must be Scalar or instant Vector"),
    ],
    &[Text("@ modifier is disabled")],
    &[Text("negative offset is disabled")],
    &[Text("anchored modifier is not supported with histograms")],
    &[Text("smoothed modifier is not supported with histograms")],
    &[Text(
        "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)",
    )],
];

/// The annotations of `util/annotations` in Prometheus 2.x and 3.x, without the position that most end in.
const ANNOTATIONS: &[&[Piece]] = &[
    &[
        Text("PromQL warning: ratio value should be between -1 and 1, got "),
        Number,
        Text(", capping to "),
        Number,
    ],
    &[
        Text("PromQL warning: quantile value should be between 0 and 1, got "),
        Number,
    ],
    &[
        Text("PromQL warning: bucket label \"le\" is missing or has a malformed value of "),
        Quoted,
        Optional,
        Text(" for metric name "),
        Quoted,
    ],
    &[Text(
        "PromQL warning: encountered a mix of histograms and floats for aggregation",
    )],
    &[
        Text("PromQL warning: encountered a mix of histograms and floats for metric name "),
        Quoted,
    ],
    &[
        Text("PromQL warning: vector contains a mix of classic and native histograms"),
        Optional,
        Text(" for metric name "),
        Quoted,
    ],
    &[
        Text("PromQL warning: this native histogram metric is not a counter: "),
        Quoted,
    ],
    &[
        Text("PromQL warning: this native histogram metric is not a gauge: "),
        Quoted,
    ],
    &[
        Text(
            "PromQL warning: vector contains a mix of histograms with exponential and custom buckets schemas for metric name ",
        ),
        Quoted,
    ],
    &[
        Text("PromQL warning: vector contains histograms with incompatible custom buckets for metric name "),
        Quoted,
    ],
    &[
        Text("PromQL warning: incompatible bucket layout encountered for binary operator "),
        Word,
    ],
    &[Text(
        "PromQL warning: sort is ineffective for range queries since results are always ordered by labels",
    )],
    &[
        Text("PromQL warning: conflicting counter resets during histogram "),
        Word,
    ],
    &[
        Text("PromQL warning: sample has start time that overlaps with previous sample timestamp for metric "),
        Quoted,
        Optional,
        Text(" ("),
        Number,
        Text(" occurrences)"),
    ],
    &[
        Text("PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "),
        Quoted,
    ],
    &[
        Text("PromQL info: metric might not be a counter, name does not end in _total/_sum/_count: "),
        Quoted,
    ],
    &[
        Text(
            "PromQL info: metric might not be a counter, __type__ label is not set to \"counter\" or \"histogram\", got ",
        ),
        Quoted,
        Text(": "),
        Quoted,
    ],
    &[Text(FORCED_MONOTONICITY), Optional, Text(" for metric name "), Quoted],
    &[
        Text(FORCED_MONOTONICITY),
        Text(", from buckets "),
        Number,
        Text(" to "),
        Number,
        Text(", with a max diff of "),
        Number,
        Text(", over "),
        Number,
        Text(" samples from "),
        Time,
        Text(" to "),
        Time,
    ],
    &[
        Text(FORCED_MONOTONICITY),
        Text(" for metric name "),
        Quoted,
        Text(", from buckets "),
        Number,
        Text(" to "),
        Number,
        Text(", with a max diff of "),
        Number,
        Text(", over "),
        Number,
        Text(" samples from "),
        Time,
        Text(" to "),
        Time,
    ],
    &[
        Text("PromQL info: incompatible sample types encountered for binary operator "),
        Quoted,
        Text(": "),
        Word,
        Text(" "),
        Word,
        Text(" "),
        Word,
    ],
    &[Text("PromQL info: ignored histogram in "), Word, Text(" aggregation")],
    &[
        Text("PromQL info: ignored histograms in a range containing both floats and histograms for metric name "),
        Quoted,
    ],
    &[
        Text("PromQL info: input to histogram_quantile has NaN observations, result is NaN"),
        Optional,
        Text(" for metric name "),
        Quoted,
    ],
    &[
        Text("PromQL info: input to histogram_quantile has NaN observations, result is skewed higher"),
        Optional,
        Text(" for metric name "),
        Quoted,
    ],
    &[
        Text("PromQL info: input to histogram_fraction has NaN observations, which are excluded from all fractions"),
        Optional,
        Text(" for metric name "),
        Quoted,
    ],
    &[
        Text("PromQL info: mismatched custom buckets were reconciled during "),
        Word,
    ],
    // What `limit` asked for.
    &[Text("results truncated due to limit")],
    &[Number, Text(" more warning annotations omitted")],
    &[Number, Text(" more info annotations omitted")],
];

const FORCED_MONOTONICITY: &str = "PromQL info: input to histogram_quantile needed to be fixed for monotonicity (see \
    https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)";

/// The text without its position, if it is of this pattern.
fn known<'t>(text: &'t str, pattern: &[Piece]) -> Option<&'t str> {
    let text = without_position(text);
    let mut rest = text;
    for piece in pattern {
        rest = match piece {
            Optional if rest.is_empty() => return Some(text),
            Optional => rest,
            _ => piece.after(rest)?,
        };
    }
    rest.is_empty().then_some(text)
}

/// Cuts ` (1:23)` off the end: where in the query, by line and column.
fn without_position(text: &str) -> &str {
    let position = |inside: &str| {
        let numbers = inside.split_once(':').map(|(line, column)| [line, column]);
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        numbers.is_some_and(|numbers| numbers.into_iter().all(digits)) || inside == "invalid position"
    };
    match text.strip_suffix(')').and_then(|text| text.rsplit_once(" (")) {
        Some((text, inside)) if position(inside) => text,
        _ => text,
    }
}

impl Piece {
    /// What stands behind this piece at the text's beginning.
    fn after(self, text: &str) -> Option<&str> {
        let while_bytes = |allowed: fn(u8) -> bool| {
            let length = text.bytes().position(|byte| !allowed(byte)).unwrap_or(text.len());
            (length > 0).then(|| &text[length..])
        };
        match self {
            Text(words) => text.strip_prefix(words),
            Number => ["NaN", "+Inf", "-Inf", "Inf"]
                .into_iter()
                .find_map(|word| text.strip_prefix(word))
                .or_else(|| while_bytes(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'+' | b'-' | b'e'))),
            Word => while_bytes(|byte| {
                matches!(
                    byte,
                    b'a'..=b'z' | b'_' | b'+' | b'-' | b'*' | b'/' | b'%' | b'^' | b'=' | b'!' | b'<' | b'>'
                )
            }),
            Time => while_bytes(|byte| matches!(byte, b'0'..=b'9' | b'-' | b':' | b'T' | b'Z' | b'.' | b'+')),
            Phase => PHASES.into_iter().find_map(|phase| text.strip_prefix(phase)),
            Quoted => quoted(text),
            Labels => labels(text),
            Optional => Some(text),
        }
    }
}

/// What stands behind a string in double quotes.
fn quoted(text: &str) -> Option<&str> {
    let inside = text.strip_prefix('"')?;
    let mut escaped = false;
    for (at, byte) in inside.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(&inside[at + 1..]),
            _ => {}
        }
    }
    None
}

/// What stands behind `name{a="b", "c.d"="e"}`.
fn labels(text: &str) -> Option<&str> {
    let name = |text: &str| {
        text.bytes()
            .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':'))
            .count()
    };
    let mut rest = text[name(text)..].strip_prefix('{')?;
    if let Some(rest) = rest.strip_prefix('}') {
        return Some(rest);
    }
    loop {
        rest = match quoted(rest) {
            Some(rest) => rest,
            None => match name(rest) {
                0 => return None,
                length => &rest[length..],
            },
        };
        // The name of a metric that is not of the old kind stands among the labels.
        if let Some(value) = rest.strip_prefix('=') {
            rest = quoted(value)?;
        }
        rest = match rest.strip_prefix(", ") {
            Some(rest) => rest,
            None => return rest.strip_prefix('}'),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(error_type: &str, message: &str) -> SafeError {
        error(&UpstreamSaid {
            error_type: error_type.to_owned(),
            error: message.to_owned(),
        })
    }

    #[test]
    fn what_the_engine_says_of_a_query_passes() {
        for (error_type, message) in [
            ("timeout", "query timed out in expression evaluation"),
            ("canceled", "query was canceled in query execution"),
            (
                "execution",
                "query processing would load too many samples into memory in query execution",
            ),
            ("execution", "vector cannot contain metrics with the same labelset"),
            (
                "execution",
                "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)",
            ),
            (
                "execution",
                "multiple matches for labels: grouping labels must ensure unique matches",
            ),
            (
                "execution",
                "found duplicate series for the match group {job=\"a, \\\"b\\\"]\"} on the right hand-side of the operation: \
                 [up{instance=\"a:1\", job=\"a\"}, {\"a.b\", c=\"d\"}];many-to-many matching not allowed: matching labels \
                 must be unique on one side",
            ),
            (
                "execution",
                "found duplicate series for the match group {} on the left hand-side of the operation: [{}, a:b{}];\
                 many-to-many matching not allowed: matching labels must be unique on one side",
            ),
            ("execution", "Scalar value 1e+30 overflows int64"),
            ("execution", "Scalar value -Inf underflows int64"),
            ("execution", "Ratio value NaN is NaN"),
            ("execution", "invalid label name \"a b\""),
            ("bad_data", "invalid label name: \"a.b\""),
            (
                "execution",
                "invalid smoothing factor. Expected: 0 < sf < 1, got: 2.000000",
            ),
            (
                "bad_data",
                "invalid expression type \"range vector\" for range query, must be Scalar or instant Vector",
            ),
            (
                "bad_data",
                "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)",
            ),
        ] {
            let safe = says(error_type, message);
            assert_eq!((safe.error_type, &*safe.error), (error_type, message));
        }
    }

    #[test]
    fn what_is_wrong_with_a_regular_expression_is_told_without_it() {
        for (message, told) in [
            (
                "invalid parameter \"query\": 1:3: parse error: error parsing regexp: missing closing ): `^(?s:()$`",
                "a regular expression cannot be read: missing closing ); write it in RE2's syntax",
            ),
            (
                "1:9: parse error: error parsing regexp: invalid character class range: `z-a`",
                "a regular expression cannot be read: invalid character class range; write it in RE2's syntax",
            ),
            ("error parsing regexp: secret: `x`", UNKNOWN),
            ("error parsing regexp: missing closing ) of secret", UNKNOWN),
        ] {
            assert_eq!(says("bad_data", message).error, told, "{message}");
        }
    }

    #[test]
    fn what_storage_and_others_say_does_not_pass() {
        for (error_type, message, kept) in [
            (
                "execution",
                "expanding series: open block acme: no such file or directory",
                "execution",
            ),
            (
                "internal",
                "remote_read: remote server http://acme:9090/api/v1/read returned 500",
                "internal",
            ),
            (
                "execution",
                "expanding series: proxy Series(): rpc error: store acme-7:10901 is down",
                "execution",
            ),
            (
                "execution",
                "this should be an info metric, with float samples: target_info{o=\"acme\"}",
                "execution",
            ),
            (
                "execution",
                "found duplicate series for info metric: existing target_info{o=\"acme\"} @ 1, new b @ 1",
                "execution",
            ),
            (
                "execution",
                "unexpected error: runtime error: index out of range, acme",
                "execution",
            ),
            (
                "execution",
                "vector cannot contain metrics with the same labelset: acme",
                "execution",
            ),
            (
                "execution",
                "acme: vector cannot contain metrics with the same labelset",
                "execution",
            ),
            ("execution", "invalid label name \"a\" acme", "execution"),
            ("execution", "query timed out in acme-7", "execution"),
            ("execution", "query timed out in tenant acme", "timeout"),
            (
                "execution",
                "found duplicate series for the match group acme{} on the left hand-side of the operation: [{}, store]",
                "execution",
            ),
            (
                "too_many_requests",
                "vector cannot contain metrics with the same labelset",
                "execution",
            ),
            (
                "422",
                "error when executing query=\"x\" on tenant acme: cannot fetch data from vmstorage-3",
                "execution",
            ),
            ("bad_data", "1:5: parse error: unexpected \"acme\"", "bad_data"),
            (
                "unavailable",
                "partial response: err-mimir-store-consistency-check-failed acme",
                "unavailable",
            ),
            ("not_found", "", "not_found"),
            ("", "", "execution"),
        ] {
            let safe = says(error_type, message);
            assert_eq!(safe.error, UNKNOWN, "{message}");
            assert!(ERROR_TYPES.contains(&safe.error_type));
            if error_type == kept {
                assert_eq!(safe.error_type, kept);
            }
        }
        assert_eq!(says("422", "x").error_type, "execution");
    }

    #[test]
    fn of_a_limit_of_mimir_only_its_identifier_passes() {
        let safe = says(
            "execution",
            "expanding series: the query of tenant acme exceeded the maximum number of chunks (limit: 5) \
             (err-mimir-max-chunks-per-query). Contact acme.",
        );
        assert!(safe.error.contains("(err-mimir-max-chunks-per-query)"));
        assert!(!safe.error.contains("acme"));
    }

    #[test]
    fn annotations_of_the_engine_pass_without_their_position() {
        for annotated in [
            "PromQL warning: ratio value should be between -1 and 1, got 1.5, capping to 1",
            "PromQL warning: quantile value should be between 0 and 1, got NaN",
            "PromQL warning: bucket label \"le\" is missing or has a malformed value of \"\"",
            "PromQL warning: bucket label \"le\" is missing or has a malformed value of \"x\" for metric name \"m\"",
            "PromQL warning: encountered a mix of histograms and floats for aggregation",
            "PromQL warning: encountered a mix of histograms and floats for metric name \"m\"",
            "PromQL warning: vector contains a mix of classic and native histograms",
            "PromQL warning: vector contains a mix of classic and native histograms for metric name \"m\"",
            "PromQL warning: this native histogram metric is not a counter: \"m\"",
            "PromQL warning: this native histogram metric is not a gauge: \"m\"",
            "PromQL warning: incompatible bucket layout encountered for binary operator +",
            "PromQL warning: sort is ineffective for range queries since results are always ordered by labels",
            "PromQL warning: conflicting counter resets during histogram addition",
            "PromQL warning: sample has start time that overlaps with previous sample timestamp for metric \"m\"",
            "PromQL warning: sample has start time that overlaps with previous sample timestamp for metric \"m\" (3 occurrences)",
            "PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: \"a \\\"b\\\"\"",
            "PromQL info: metric might not be a counter, name does not end in _total/_sum/_count: \"m\"",
            "PromQL info: metric might not be a counter, __type__ label is not set to \"counter\" or \"histogram\", got \"gauge\": \"m\"",
            "PromQL info: input to histogram_quantile needed to be fixed for monotonicity (see https://prometheus.io/docs/\
             prometheus/latest/querying/functions/#histogram_quantile) for metric name \"m\"",
            "PromQL info: input to histogram_quantile needed to be fixed for monotonicity (see https://prometheus.io/docs/\
             prometheus/latest/querying/functions/#histogram_quantile), from buckets 0.1 to +Inf, with a max diff of 1e-05, \
             over 3 samples from 2024-01-02T15:04:05Z to 2024-01-02T15:05:05Z",
            "PromQL info: incompatible sample types encountered for binary operator \"*\": histogram * histogram",
            "PromQL info: ignored histogram in min aggregation",
            "PromQL info: input to histogram_fraction has NaN observations, which are excluded from all fractions",
            "PromQL info: mismatched custom buckets were reconciled during aggregation",
            "results truncated due to limit",
            "12 more warning annotations omitted",
            "1 more info annotations omitted",
        ] {
            assert_eq!(annotation(annotated), Some(annotated));
            assert_eq!(annotation(&format!("{annotated} (1:23)")), Some(annotated));
            assert_eq!(annotation(&format!("{annotated} acme")), None, "{annotated}");
            assert_eq!(annotation(&format!("acme {annotated}")), None, "{annotated}");
        }
    }

    #[test]
    fn other_warnings_do_not_pass() {
        for warning in [
            "",
            "PromQL warning: acme",
            "PromQL info: ignored histogram in acme-7 aggregation",
            "PromQL warning: this native histogram metric is not a gauge: \"m\" in \"acme\"",
            "PromQL warning: this native histogram metric is not a gauge: \"m",
            "receive series from Addr: acme-7:10901 LabelSets: {tenant=\"acme\"}: context deadline exceeded",
            "No StoreAPIs matched for this query",
            "results may be truncated due to limit",
            "remote_read: remote server http://acme/ returned HTTP status 500",
            "error querying tenant acme: partial data",
            "more warning annotations omitted",
        ] {
            assert_eq!(annotation(warning), None, "{warning}");
        }
    }
}
