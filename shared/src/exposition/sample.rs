//! One sample of the text format, read back.

use std::collections::BTreeMap;

/// A series' labels that are not empty.
pub(crate) type Labels<'a> = BTreeMap<&'a str, String>;

/// A sample's labels that are not empty, and its value: `{a="b",c=""} 1.7e+09`. A timestamp behind it is ignored.
pub(crate) fn sample(text: &str) -> Option<(Labels<'_>, f64)> {
    let mut labels = BTreeMap::new();
    let mut rest = text;
    if let Some(inner) = text.strip_prefix('{') {
        rest = inner;
        loop {
            if let Some(value) = rest.strip_prefix('}') {
                rest = value;
                break;
            }
            let (name, value) = rest.split_once("=\"")?;
            let (value, behind) = quoted(value)?;
            if !value.is_empty() {
                labels.insert(name, value);
            }
            rest = behind.strip_prefix(',').unwrap_or(behind);
        }
    }
    let value = rest.split_ascii_whitespace().next()?.parse().ok()?;
    Some((labels, value))
}

/// A label value up to its closing quote, and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match characters.next()?.1 {
                'n' => '\n',
                other => other,
            }),
            other => value.push(other),
        }
    }
    None
}
