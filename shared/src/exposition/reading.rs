//! A reader of the text format that shares nothing with the encoder, for tests to hold it against.

use std::collections::BTreeMap;

/// A sample's labels by name.
pub(crate) type Labels = BTreeMap<String, String>;

/// A family as it was read.
#[derive(Debug)]
pub(crate) struct ReadFamily {
    pub(crate) name: String,
    pub(crate) help: String,
    pub(crate) kind: String,
    pub(crate) samples: Vec<(Labels, f64)>,
}

/// Reads whole text; panics at whatever the format does not allow.
pub(crate) fn families(text: &str) -> Vec<ReadFamily> {
    assert!(text.is_empty() || text.ends_with('\n'), "no final line feed");
    let mut families: Vec<ReadFamily> = Vec::new();
    for line in text.split_terminator('\n') {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect("HELP has a name and a text");
            assert!(families.iter().all(|family| family.name != name), "{name} comes twice");
            let (name, help) = (name.to_owned(), unescaped(help, false));
            families.push(ReadFamily {
                name,
                help,
                kind: String::new(),
                samples: Vec::new(),
            });
            continue;
        }
        let family = families.last_mut().expect("HELP comes first");
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("TYPE has a name and a type");
            assert_eq!(name, family.name);
            assert!(
                family.kind.is_empty() && family.samples.is_empty(),
                "TYPE comes once, before the samples"
            );
            kind.clone_into(&mut family.kind);
        } else {
            family.samples.push(sample(line, &family.name));
        }
    }
    families
}

fn sample(line: &str, family: &str) -> (Labels, f64) {
    let rest = line
        .strip_prefix(family)
        .expect("a sample begins with its family's name");
    let mut labels = Labels::new();
    let value = if let Some(mut rest) = rest.strip_prefix('{') {
        loop {
            let (name, after) = rest.split_once("=\"").expect("a label has a quoted value");
            assert!(
                !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'),
                "{name:?}"
            );
            let end = closing_quote(after);
            let before = labels.insert(name.to_owned(), unescaped(&after[..end], true));
            assert!(before.is_none(), "label {name} comes twice");
            match after[end + 1..].split_at(1) {
                (",", more) => rest = more,
                ("}", value) => break value,
                other => panic!("neither a comma nor a brace after a label: {other:?}"),
            }
        }
    } else {
        rest
    };
    let value = value.strip_prefix(' ').expect("a space stands before the value");
    (labels, value.parse().expect("a value"))
}

fn closing_quote(text: &str) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at,
            _ => {}
        }
    }
    panic!("an unterminated label value");
}

fn unescaped(text: &str, quotes: bool) -> String {
    let mut out = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        out.push(match character {
            '\\' => match characters.next() {
                Some('n') => '\n',
                Some('\\') => '\\',
                Some('"') if quotes => '"',
                other => panic!("an unknown escape: {other:?}"),
            },
            other => other,
        });
    }
    out
}
