//! Text with `{{NAME}}` placeholders, parsed once.

use std::fmt;
use std::ops::Range;

/// Text with `{{NAME}}` placeholders, as it stands in the configuration.
///
/// `{{` always opens a placeholder and there is no escape: the one kind of text that needs two braces in a row,
/// PostgreSQL's array of arrays, may be written with a space between them (`{ {1,2},{3,4} }`).
///
/// Its `Debug` shows the placeholders only, for a literal may hold a password that somebody wrote into the file.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Template {
    parts: Vec<Part>,
}

/// A piece of a template.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Part {
    /// Text that is passed on as it is; never empty, and never next to another literal.
    Literal(String),
    /// A name to fill in.
    Placeholder(Placeholder),
}

/// One `{{NAME}}` of a template.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Placeholder {
    /// The name between the braces, without the spaces around it.
    pub name: String,
    /// Where it stands in the text, in bytes, the braces included.
    pub range: Range<usize>,
}

/// A text whose placeholders cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct TemplateError {
    /// Where the mistake stands in the text, in bytes.
    pub range: Range<usize>,
    /// What it is.
    pub kind: TemplateErrorKind,
}

/// What is wrong with a placeholder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TemplateErrorKind {
    /// `{{` without `}}`.
    #[error(
        "`{{{{` opens a placeholder that is never closed: write `{{{{NAME}}}}` (two literal braces need a space between)"
    )]
    Unclosed,
    /// `{{}}`.
    #[error("the placeholder has no name: write `{{{{NAME}}}}`")]
    Empty,
    /// Something else than a name between the braces.
    #[error(
        "a placeholder's name is made of letters, digits and `_`, and does not begin with a digit: \
         write `{{{{NAME}}}}` (two literal braces need a space between)"
    )]
    Malformed,
}

impl Template {
    /// Finds the placeholders of a text.
    ///
    /// # Errors
    /// The first placeholder that is not closed, or whose name is empty or malformed.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut position = 0;
        while let Some(found) = text[position..].find("{{") {
            let open = position + found;
            if open > position {
                parts.push(Part::Literal(text[position..open].to_owned()));
            }
            let inside = open + 2;
            let Some(length) = text[inside..].find("}}") else {
                return Err(TemplateError {
                    range: open..text.len(),
                    kind: TemplateErrorKind::Unclosed,
                });
            };
            let range = open..inside + length + 2;
            let name = text[inside..inside + length].trim_matches(' ');
            if let Some(kind) = mistake_in_name(name) {
                return Err(TemplateError { range, kind });
            }
            position = range.end;
            parts.push(Part::Placeholder(Placeholder {
                name: name.to_owned(),
                range,
            }));
        }
        if position < text.len() {
            parts.push(Part::Literal(text[position..].to_owned()));
        }
        Ok(Self { parts })
    }

    /// The placeholders in their order; a name that stands twice comes twice.
    pub fn placeholders(&self) -> impl Iterator<Item = &Placeholder> {
        self.parts.iter().filter_map(|part| match part {
            Part::Placeholder(placeholder) => Some(placeholder),
            Part::Literal(_) => None,
        })
    }

    /// The placeholders' names in their order; a name that stands twice comes twice.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.placeholders().map(|placeholder| placeholder.name.as_str())
    }

    /// The whole text, if there are no placeholders in it.
    #[must_use]
    pub fn literal(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// The text, with `values` as they are in the order of the placeholders.
    pub(super) fn fill(&self, values: &[&str]) -> String {
        let mut values = values.iter();
        self.parts
            .iter()
            .map(|part| match part {
                Part::Literal(text) => text.as_str(),
                Part::Placeholder(_) => values.next().copied().unwrap_or_default(),
            })
            .collect()
    }

    pub(super) fn parts(&self) -> &[Part] {
        &self.parts
    }
}

fn mistake_in_name(name: &str) -> Option<TemplateErrorKind> {
    let bytes = name.as_bytes();
    match bytes.first() {
        None => Some(TemplateErrorKind::Empty),
        Some(first) if first.is_ascii_digit() => Some(TemplateErrorKind::Malformed),
        Some(_) if bytes.iter().any(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_') => {
            Some(TemplateErrorKind::Malformed)
        }
        Some(_) => None,
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Template(")?;
        for part in &self.parts {
            match part {
                Part::Literal(_) => formatter.write_str("…")?,
                Part::Placeholder(placeholder) => write!(formatter, "{{{{{}}}}}", placeholder.name)?,
            }
        }
        formatter.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(text: &str) -> Vec<String> {
        Template::parse(text).unwrap().names().map(str::to_owned).collect()
    }

    #[test]
    fn names_come_in_the_order_of_the_text() {
        for (text, expected) in [
            ("", vec![]),
            ("plain { text } }} with } braces {", vec![]),
            ("{{A}}", vec!["A"]),
            ("{{ A }}{{_b2}}", vec!["A", "_b2"]),
            (
                "postgres://{{DB_USERNAME}}:{{DB_PASSWORD}}@{{DB_HOST}}/{{DB_NAME}}",
                vec!["DB_USERNAME", "DB_PASSWORD", "DB_HOST", "DB_NAME"],
            ),
            ("{{A}} and {{A}}", vec!["A", "A"]),
            ("{{A}}}", vec!["A"]),
            ("{ {1,2},{3,4} }", vec![]),
            ("été {{A}} 日本", vec!["A"]),
        ] {
            assert_eq!(names(text), expected, "{text}");
        }
    }

    #[test]
    fn mistakes_say_where_they_stand() {
        use TemplateErrorKind::{Empty, Malformed, Unclosed};
        for (text, kind, offending) in [
            ("a {{", Unclosed, "{{"),
            ("a {{NAME", Unclosed, "{{NAME"),
            ("a {{NAME} b", Unclosed, "{{NAME} b"),
            ("{{A}} {{}} b", Empty, "{{}}"),
            ("{{   }}", Empty, "{{   }}"),
            ("é {{1A}}", Malformed, "{{1A}}"),
            ("{{A-B}}", Malformed, "{{A-B}}"),
            ("{{A B}}", Malformed, "{{A B}}"),
            ("{{É}}", Malformed, "{{É}}"),
            ("{{A\n}}", Malformed, "{{A\n}}"),
            ("{{ {{A}} }}", Malformed, "{{ {{A}}"),
            ("{{{A}}}", Malformed, "{{{A}}"),
            ("{{1,2},{3,4}}", Malformed, "{{1,2},{3,4}}"),
        ] {
            let error = Template::parse(text).unwrap_err();
            assert_eq!((error.kind, &text[error.range.clone()]), (kind, offending), "{text}");
        }
    }

    #[test]
    fn placeholders_know_their_range() {
        let text = "é{{ A }}-{{B}}";
        let found: Vec<_> = Template::parse(text)
            .unwrap()
            .placeholders()
            .map(|each| text[each.range.clone()].to_owned())
            .collect();
        assert_eq!(found, ["{{ A }}", "{{B}}"]);
    }

    #[test]
    fn literal_is_the_text_without_placeholders() {
        for (text, expected) in [
            ("", Some("")),
            ("plain", Some("plain")),
            ("{{A}}", None),
            ("a{{A}}", None),
        ] {
            assert_eq!(Template::parse(text).unwrap().literal(), expected, "{text}");
        }
    }

    #[test]
    fn debug_hides_literals() {
        let template = Template::parse("postgres://app:hunter2@{{HOST}}/{{ NAME }}").unwrap();
        assert_eq!(format!("{template:?}"), "Template(…{{HOST}}…{{NAME}})");
    }

    #[test]
    fn an_error_shows_nothing_of_the_text() {
        let error = Template::parse("hunter2 {{hunter 2}}").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter"));
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused_within_its_bounds(text in "[{}A1 é-]{0,24}") {
            match Template::parse(&text) {
                Ok(template) => {
                    let rebuilt: String = template
                        .parts()
                        .iter()
                        .map(|part| match part {
                            Part::Literal(literal) => literal.as_str(),
                            Part::Placeholder(placeholder) => &text[placeholder.range.clone()],
                        })
                        .collect();
                    prop_assert_eq!(rebuilt, text);
                }
                Err(error) => prop_assert!(text.get(error.range).is_some()),
            }
        }
    }
}
