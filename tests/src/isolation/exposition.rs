//! Reads what `/federate` answers, in so far as it can be compared.

use std::collections::{BTreeMap, BTreeSet};

/// A metric's name and labels.
pub(super) type Labels = BTreeMap<String, String>;

/// The samples of a text without their times, apart from what Fanlight says of itself.
pub(super) fn samples(body: &[u8]) -> Result<BTreeSet<(Labels, String)>, String> {
    let text = str::from_utf8(body).map_err(|error| format!("the exposition is no UTF-8: {error}"))?;
    let mut samples = BTreeSet::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (labels, rest) = series(line).ok_or_else(|| format!("no sample: {line}"))?;
        let value = rest
            .split_whitespace()
            .next()
            .ok_or_else(|| format!("no value: {line}"))?;
        // Ways to write a number are many; which number it is counts.
        let value = value.parse::<f64>().map_err(|error| format!("{error}: {line}"))?;
        if labels.get("__name__").is_some_and(|name| name.starts_with("fanlight_")) {
            continue;
        }
        if !samples.insert((labels, format!("{value:?}"))) {
            return Err(format!("a series stands there twice: {line}"));
        }
    }
    Ok(samples)
}

/// A line's name and labels, `name{label="value"}` or `{"name",label="value"}`, and what follows them. Labels without
/// a value are none.
fn series(line: &str) -> Option<(Labels, &str)> {
    let mut labels = Labels::new();
    let name_end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(name_end);
    if !name.is_empty() {
        labels.insert("__name__".to_owned(), name.to_owned());
    }
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            rest = rest.trim_start_matches([',', ' ']);
            if let Some(after) = rest.strip_prefix('}') {
                rest = after;
                break;
            }
            let name = if rest.starts_with('"') {
                let (name, after) = string(rest)?;
                rest = after;
                name
            } else {
                let (name, after) = rest.split_at(rest.find('=')?);
                rest = after;
                name.to_owned()
            };
            match rest.strip_prefix('=') {
                Some(after) => {
                    let (value, after) = string(after)?;
                    rest = after;
                    if !value.is_empty() {
                        labels.insert(name, value);
                    }
                }
                None => {
                    labels.insert("__name__".to_owned(), name);
                }
            }
        }
    }
    Some((labels, rest))
}

/// A quoted string of the exposition format, and what follows it.
fn string(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.strip_prefix('"')?.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 2..])),
            '\\' => value.push(match characters.next()?.1 {
                'n' => '\n',
                escaped => escaped,
            }),
            plain => value.push(plain),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::samples;

    #[test]
    fn texts_are_read_in_both_notations() -> Result<(), String> {
        let one = "# TYPE a untyped\na{b=\"c\\\"\\n\",d=\"\"} 1 1000\n\"e\" 2\n";
        let other = "{\"a\", \"b\"=\"c\\\"\\n\"} 1.0 2000\nfanlight_federate_samples 7\n";
        assert_eq!(samples(b"{\"e\"} 2")?, samples(b"e 2e0 3")?);
        assert!(samples(one.as_bytes()).is_ok());
        assert_eq!(
            samples(one.split("\"e\"").next().unwrap_or_default().as_bytes())?,
            samples(other.as_bytes())?
        );
        assert!(samples(b"a 1\na 1\n").is_err());
        assert!(samples(b"a{b=\"} 1\n").is_err());
        Ok(())
    }
}
