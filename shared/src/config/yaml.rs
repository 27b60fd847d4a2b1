//! YAML text into a tree that knows where each of its nodes stands, within limits that hostile input cannot stretch.

use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

/// A file larger than this is refused unread.
pub const MAX_FILE_BYTES: u64 = 1 << 20;
/// Nodes of one file, aliases expanded; some twenty times what a large team's file holds.
const MAX_NODES: usize = 50_000;
/// Levels of nesting; the configuration itself needs seven.
const MAX_DEPTH: usize = 32;

/// A node and the bytes of the file that spell it.
#[derive(Debug, Clone)]
pub struct Node {
    /// The bytes.
    pub span: Range<usize>,
    /// What it is.
    pub value: Value,
}

/// What a node is.
#[derive(Debug, Clone)]
pub enum Value {
    /// Nothing.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(String),
    /// A list.
    Sequence(Vec<Node>),
    /// Keys and values, in the order of the file.
    Mapping(Vec<(Key, Node)>),
}

/// A mapping's key.
#[derive(Debug, Clone)]
pub struct Key {
    /// The bytes of the file that spell it.
    pub span: Range<usize>,
    /// The key.
    pub name: String,
}

/// Why a text is not the YAML that Fanlight reads, and where.
#[derive(Debug)]
pub struct SyntaxError {
    /// The bytes at which it was noticed.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
}

/// Reads one document; an empty file is [`Value::Null`].
///
/// # Errors
/// It is not YAML, holds several documents, or is larger or nested deeper than the limits.
pub fn parse(text: &str) -> Result<Node, SyntaxError> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_nodes: MAX_NODES,
            max_events: 4 * MAX_NODES,
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH,
            max_aliases: 1_000,
            max_anchors: 1_000,
            max_merge_keys: 1_000,
            max_documents: 1,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: MAX_NODES,
            max_replay_stack_depth: 8,
        },
        strict_booleans: true,
        // Told by whatever reads the value, at its key and beside every other mistake of the file.
        non_finite_float_policy: serde_saphyr::NonFiniteFloatPolicy::PassThrough,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options::<Node>(text, options).map_err(|error| syntax_error(text, &error))
}

fn syntax_error(text: &str, error: &serde_saphyr::Error) -> SyntaxError {
    let span = error.location().map_or(0..0, |location| {
        if location.span().byte_offset().is_some() {
            span_of(&location, text.len())
        } else {
            let at = offset_of(text, location.line(), location.column());
            at..at
        }
    });
    let message = match error.without_snippet() {
        serde_saphyr::Error::Budget { breach, .. } => match breach {
            serde_saphyr::budget::BudgetBreach::Depth { .. } => too_deep(),
            serde_saphyr::budget::BudgetBreach::Documents { .. } => {
                "a second YAML document begins here; a file holds one, so remove the `---` or split the file".to_owned()
            }
            _ => too_large(),
        },
        other => match other.render_with_formatter(&serde_saphyr::UserMessageFormatter) {
            // The parser's own guard, older than the budget's.
            message if message.starts_with("recursion limit exceeded") => too_deep(),
            message if message.starts_with("YAML document too large") => too_large(),
            // The library appends its own "at line 3, column 4"; the report shows the place in its own way.
            message => message.split(" at line ").next().unwrap_or_default().trim().to_owned(),
        },
    };
    SyntaxError { span, message }
}

fn too_deep() -> String {
    format!("nested more than {MAX_DEPTH} levels deep")
}

fn too_large() -> String {
    format!("the file has more than {MAX_NODES} values once its aliases are followed; split it")
}

/// The byte at a line and column, both from 1 and the column in characters.
fn offset_of(text: &str, line: u64, column: u64) -> usize {
    let line = usize::try_from(line).unwrap_or(usize::MAX).saturating_sub(1);
    let column = usize::try_from(column).unwrap_or(usize::MAX).saturating_sub(1);
    let mut lines = text.split_inclusive('\n');
    let before: usize = lines.by_ref().take(line).map(str::len).sum();
    let within: usize = lines
        .next()
        .unwrap_or_default()
        .chars()
        .take(column)
        .map(char::len_utf8)
        .sum();
    before + within
}

fn span_of(location: &Location, limit: usize) -> Range<usize> {
    let span = location.span();
    let start = span
        .byte_offset()
        .and_then(|start| usize::try_from(start).ok())
        .unwrap_or(0)
        .min(limit);
    let length = span
        .byte_len()
        .and_then(|length| usize::try_from(length).ok())
        .unwrap_or(0);
    start..start.saturating_add(length).min(limit)
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value, defined, .. } = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self {
            span: span_of(&defined, usize::MAX),
            value,
        })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Boolean(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        // Beyond i64 only the magnitude matters: nothing in the configuration takes such a number.
        Ok(i64::try_from(value).map_or(Value::Float(value as f64), Value::Integer))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = sequence.next_element()? {
            nodes.push(node);
        }
        Ok(Value::Sequence(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut mapping: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(Spanned {
            value: name, defined, ..
        }) = mapping.next_key::<Spanned<String>>()?
        {
            let key = Key {
                span: span_of(&defined, usize::MAX),
                name,
            };
            entries.push((key, mapping.next_value()?));
        }
        Ok(Value::Mapping(entries))
    }
}

impl Value {
    /// What the value is, in the words of an error message.
    pub(crate) fn description(&self) -> String {
        match self {
            Self::Null => "nothing".to_owned(),
            Self::Boolean(value) => format!("`{value}`"),
            Self::Integer(value) => format!("the number {value}"),
            Self::Float(value) if !value.is_finite() => "no finite number".to_owned(),
            Self::Float(value) => format!("the number {value}"),
            Self::Text(_) => "text".to_owned(),
            Self::Sequence(_) => "a list".to_owned(),
            Self::Mapping(_) => "a mapping".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(node: &Node, text: &str) -> String {
        let spelling = &text[node.span.clone()];
        match &node.value {
            Value::Sequence(nodes) => nodes.iter().map(|n| show(n, text)).collect::<Vec<_>>().join(","),
            Value::Mapping(entries) => entries
                .iter()
                .map(|(key, node)| format!("{}={}", &text[key.span.clone()], show(node, text)))
                .collect::<Vec<_>>()
                .join(";"),
            other => format!("{}<{spelling}>", other.description()),
        }
    }

    #[test]
    fn every_node_knows_its_bytes() {
        let text = "é: 'two words'\nb:\n- 12\n- true\n- ~\n- 1.5\nc: {d: |-\n    x\n    y\n  }\n";
        let text = text.replace("c: {d: |-\n    x\n    y\n  }\n", "c: plain\n");
        assert_eq!(
            show(&parse(&text).unwrap(), &text),
            "é=text<'two words'>;b=the number 12<12>,`true`<true>,nothing<~>,the number 1.5<1.5>;c=text<plain>"
        );
    }

    #[test]
    fn words_that_older_yaml_takes_for_booleans_stay_text() {
        for word in ["yes", "no", "on", "off", "y", "n"] {
            assert!(
                matches!(parse(word).unwrap().value, Value::Text(text) if text == word),
                "{word}"
            );
        }
    }

    #[test]
    fn a_number_without_an_end_hides_nothing_else() {
        for word in [".nan", ".inf", "-.inf", "1e999"] {
            let text = format!("a: {word}\nb: 1\n");
            let shown = show(&parse(&text).unwrap(), &text);
            assert_eq!(shown, format!("a=no finite number<{word}>;b=the number 1<1>"));
        }
    }

    #[test]
    fn hostile_text_ends_in_an_error_that_says_why() {
        let laughs = (1..12).fold("a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned(), |text, n| {
            let previous = vec![format!("*a{}", n - 1); 9].join(", ");
            format!("{text}a{n}: &a{n} [{previous}]\n")
        });
        let deep = "[".repeat(10_000);
        let deep_blocks = (0..5_000).map(|n| " ".repeat(n) + "a:\n").collect::<String>();
        let wide = "- x\n".repeat(MAX_NODES + 1);
        for (name, text, expected) in [
            ("a billion laughs", laughs.as_str(), "more than 50000 values"),
            ("10,000 levels", &deep, "nested more than 32 levels"),
            ("5,000 levels of blocks", &deep_blocks, "nested more than 32 levels"),
            ("too many nodes", &wide, "more than 50000 values"),
            ("twice the same key", "a: 1\na: 2\n", "duplicate mapping key: a"),
            ("two documents", "a: 1\n---\nb: 2\n", "a second YAML document"),
            ("an unclosed quote", "a: 'x\n", "quoted scalar"),
            ("a tab as indentation", "a:\n\tb: 1\n", "tabs"),
            ("an unknown anchor", "a: *nobody\n", "unknown"),
        ] {
            let error = parse(text).expect_err(name);
            assert!(error.message.contains(expected), "{name}: {}", error.message);
            assert!(error.span.end <= text.len(), "{name}");
        }
    }
}
