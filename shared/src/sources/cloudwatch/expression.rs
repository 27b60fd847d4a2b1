//! Metric math over inputs that have names.
//!
//! CloudWatch knows one name space per request, in which the inputs of many sets of dimensions stand side by side. So each
//! name is written with the number of its set: `errors / requests` is asked as `errors_7 / requests_7`.

use std::collections::BTreeSet;
use std::ops::Range;

/// Functions that give any number of series, or none that is known by its dimensions.
const OF_MANY: [&str; 3] = ["METRICS", "SEARCH", "SELECT"];

/// An expression and where its inputs stand in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expression {
    text: String,
    names: Vec<Range<usize>>,
}

/// A word of an expression that cannot stand there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word<'t> {
    /// It begins in lower case, as inputs do.
    Unknown(&'t str),
    /// A function of many series.
    OfMany(&'t str),
}

impl Expression {
    /// `is_input` says which names there are.
    pub(super) fn parse(text: &str, is_input: impl Fn(&str) -> bool) -> Result<Self, Word<'_>> {
        let mut names = Vec::new();
        for range in words(text) {
            let word = &text[range.clone()];
            if is_input(word) {
                names.push(range);
            } else if word.starts_with(|first: char| first.is_ascii_lowercase()) {
                return Err(Word::Unknown(word));
            } else if OF_MANY.contains(&word.to_ascii_uppercase().as_str()) {
                return Err(Word::OfMany(word));
            }
        }
        Ok(Self {
            text: text.to_owned(),
            names,
        })
    }

    /// The inputs that it uses.
    pub(super) fn inputs(&self) -> BTreeSet<&str> {
        self.names.iter().map(|range| &self.text[range.clone()]).collect()
    }

    /// As it is asked for a set of dimensions.
    pub(super) fn numbered(&self, number: usize) -> String {
        let mut asked = String::with_capacity(self.text.len() + 4 * self.names.len());
        let mut end = 0;
        for range in &self.names {
            asked.push_str(&self.text[end..range.start]);
            asked.push_str(&numbered(&self.text[range.clone()], number));
            end = range.end;
        }
        asked.push_str(&self.text[end..]);
        asked
    }
}

/// An input's name as it is asked for a set of dimensions.
pub(super) fn numbered(name: &str, number: usize) -> String {
    format!("{name}_{number}")
}

/// Where words stand outside of quotes: letters, digits and `_`, not beginning with a digit.
fn words(text: &str) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let (mut begin, mut quote) = (None, None);
    for (at, character) in text.char_indices().chain([(text.len(), ' ')]) {
        if let Some(open) = quote {
            if character == open {
                quote = None;
            }
            continue;
        }
        if character.is_ascii_alphanumeric() || character == '_' {
            begin.get_or_insert(at);
            continue;
        }
        if let Some(begin) = begin.take()
            && !text[begin..].starts_with(|first: char| first.is_ascii_digit())
        {
            words.push(begin..at);
        }
        if matches!(character, '\'' | '"') {
            quote = Some(character);
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_input(word: &str) -> bool {
        ["errors", "requests", "e"].contains(&word)
    }

    #[test]
    fn inputs_are_numbered_and_nothing_else_is() {
        for (text, expected) in [
            ("errors / requests * 100", "errors_7 / requests_7 * 100"),
            ("100*errors/requests", "100*errors_7/requests_7"),
            (
                "FILL(errors, 0) / IF(requests > 0, requests)",
                "FILL(errors_7, 0) / IF(requests_7 > 0, requests_7)",
            ),
            ("e + 1e3", "e_7 + 1e3"),
            ("SUM([errors,e])", "SUM([errors_7,e_7])"),
            (
                "FILL(e, REPEAT) + F('errors \" e', \"e ' e\")",
                "FILL(e_7, REPEAT) + F('errors \" e', \"e ' e\")",
            ),
        ] {
            assert_eq!(Expression::parse(text, is_input).unwrap().numbered(7), expected);
        }
        assert_eq!(
            Expression::parse("errors/requests", is_input).unwrap().inputs(),
            BTreeSet::from(["errors", "requests"])
        );
    }

    #[test]
    fn what_is_no_input_is_told() {
        for (text, expected) in [
            ("error / requests", Word::Unknown("error")),
            ("errors_1", Word::Unknown("errors_1")),
            ("SEARCH('{AWS/EC2}', 'Sum')", Word::OfMany("SEARCH")),
            ("SUM(METRICS())", Word::OfMany("METRICS")),
            ("SELECT AVG(CPU) FROM X", Word::OfMany("SELECT")),
        ] {
            assert_eq!(Expression::parse(text, is_input), Err(expected), "{text}");
        }
    }

    proptest! {
        #[test]
        fn text_without_inputs_is_asked_as_it_is(text in "[A-Z0-9 '\"()+*/é,.]{0,60}") {
            if let Ok(expression) = Expression::parse(&text, is_input) {
                prop_assert_eq!(expression.numbered(3), text);
            }
        }
    }
}
