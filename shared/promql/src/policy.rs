//! What a caller may read, as labels that every selector must carry, and what a caller may say about those labels.

use std::fmt;

use super::lexer::{is_alphanumeric, is_letter};
use super::limits::Limits;
use super::operators::MatchOperator;
use super::refusal::Reason;
use super::string::quote;

/// The labels that are enforced, each on every selector of a query.
#[derive(Clone, Debug)]
pub struct Policy {
    labels: Vec<EnforcedLabel>,
    /// What is inserted into every selector: the labels' matchers as tokens, one space between them.
    matchers: String,
    limits: Limits,
}

impl Policy {
    /// A policy of these labels, with the default limits.
    ///
    /// # Errors
    /// When there is no label, which would enforce nothing, or when a label is given twice.
    pub fn new(labels: Vec<EnforcedLabel>) -> Result<Self, PolicyError> {
        if labels.is_empty() {
            return Err(PolicyError::NoLabels);
        }
        for (index, label) in labels.iter().enumerate() {
            if labels[..index].iter().any(|other| other.name == label.name) {
                return Err(PolicyError::Twice {
                    label: label.name.clone(),
                });
            }
        }
        let matchers: Vec<&str> = labels.iter().map(|label| label.matcher.as_str()).collect();
        let matchers = matchers.join(" , ");
        Ok(Self {
            labels,
            matchers,
            limits: Limits::default(),
        })
    }

    /// The same policy with other limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    pub(super) fn labels(&self) -> &[EnforcedLabel] {
        &self.labels
    }

    pub(super) fn matchers(&self) -> &str {
        &self.matchers
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// A label of which no value may be read, so that nothing may be.
    pub(super) fn denying_label(&self) -> Option<&EnforcedLabel> {
        self.labels
            .iter()
            .find(|label| matches!(&label.rule, Rule::OneOf { values, .. } if values.is_empty()))
    }
}

/// A label that every selector must carry, with the value or the values it may have.
#[derive(Clone, Debug)]
pub struct EnforcedLabel {
    name: String,
    rule: Rule,
    /// The matcher that is added to every selector.
    operator: MatchOperator,
    value: String,
    /// The whole of it as tokens, one space between them.
    matcher: String,
}

#[derive(Clone, Debug)]
enum Rule {
    Fixed(OnConflict),
    /// Sorted, and without duplicates.
    OneOf {
        values: Vec<String>,
        characters: Characters,
    },
}

/// What becomes of a caller's matcher on a fixed label that is not the fixed one itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnConflict {
    /// The query is refused: its author should learn that it does not ask what he thinks.
    #[default]
    Refuse,
    /// The fixed matcher takes its place.
    Override,
}

/// What is to be done with a matcher that a caller wrote on an enforced label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It narrows what is enforced, and stays.
    Keep,
    /// It is the enforced one, or gives way to it.
    Replace,
}

impl EnforcedLabel {
    /// A label with one value, which may be any string but the empty one: it is compared with `=`, so nothing in it can
    /// mean anything else.
    ///
    /// # Errors
    /// When the name can be no label's, or the value is empty.
    pub fn fixed(
        name: impl Into<String>,
        value: impl Into<String>,
        on_conflict: OnConflict,
    ) -> Result<Self, PolicyError> {
        let (name, value) = (name.into(), value.into());
        if value.is_empty() {
            return Err(PolicyError::EmptyValue { label: name });
        }
        Self::new(name, Rule::Fixed(on_conflict), MatchOperator::Equal, value)
    }

    /// A label with a set of values, which a caller may narrow. With an empty set nothing may be read.
    ///
    /// # Errors
    /// When the name can be no label's, or a value is empty or has a character outside `characters`.
    pub fn one_of<V: Into<String>>(
        name: impl Into<String>,
        values: impl IntoIterator<Item = V>,
        characters: Characters,
    ) -> Result<Self, PolicyError> {
        let name = name.into();
        let mut values: Vec<String> = values.into_iter().map(Into::into).collect();
        for value in &values {
            if value.is_empty() {
                return Err(PolicyError::EmptyValue { label: name });
            }
            if let Some(character) = value.chars().find(|character| !characters.contain(*character)) {
                return Err(PolicyError::Character {
                    label: name,
                    value: value.clone(),
                    character,
                });
            }
        }
        values.sort_unstable();
        values.dedup();
        let operator = if values.len() > 1 {
            MatchOperator::Regex
        } else {
            MatchOperator::Equal
        };
        // No character of a value means anything in a regular expression, so they are joined as they are.
        let value = values.join("|");
        Self::new(name, Rule::OneOf { values, characters }, operator, value)
    }

    fn new(name: String, rule: Rule, operator: MatchOperator, value: String) -> Result<Self, PolicyError> {
        if name.is_empty() || name == "__name__" || name.contains(|c: char| c.is_ascii_control()) {
            return Err(PolicyError::Name { label: name });
        }
        let mut matcher = String::new();
        if name.bytes().all(is_alphanumeric) && name.bytes().next().is_some_and(is_letter) {
            matcher.push_str(&name);
        } else {
            quote(name.as_bytes(), &mut matcher);
        }
        matcher.push(' ');
        matcher.push_str(operator.sign());
        matcher.push(' ');
        quote(value.as_bytes(), &mut matcher);
        Ok(Self {
            name,
            rule,
            operator,
            value,
            matcher,
        })
    }

    /// The label's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether a matcher is the enforced one, byte for byte once unquoted.
    pub(super) fn is(&self, name: &[u8], operator: MatchOperator, value: &[u8]) -> bool {
        self.name.as_bytes() == name && self.operator == operator && self.value.as_bytes() == value
    }

    pub(super) fn is_overridden(&self) -> bool {
        matches!(self.rule, Rule::Fixed(OnConflict::Override))
    }

    /// What is to be done with a caller's matcher on this label.
    ///
    /// # Errors
    /// Why it may not stand.
    pub(super) fn judge(&self, operator: MatchOperator, value: &[u8]) -> Result<Verdict, Reason> {
        if self.is(self.name.as_bytes(), operator, value) {
            return Ok(Verdict::Replace);
        }
        let label = || self.name.clone();
        match &self.rule {
            Rule::Fixed(OnConflict::Override) => Ok(Verdict::Replace),
            Rule::Fixed(OnConflict::Refuse) => Err(Reason::Fixed {
                label: label(),
                matcher: self.matcher.clone(),
            }),
            Rule::OneOf { values, characters } => {
                let alternatives: Vec<&[u8]> = match operator {
                    MatchOperator::Equal => vec![value],
                    MatchOperator::Regex => value.split(|byte| *byte == b'|').collect(),
                    MatchOperator::NotEqual | MatchOperator::NotRegex => {
                        return Err(Reason::Operator {
                            label: label(),
                            operator: operator.sign(),
                        });
                    }
                };
                for alternative in alternatives {
                    if alternative.is_empty() {
                        return Err(Reason::Empty { label: label() });
                    }
                    let allowed = values
                        .binary_search_by(|allowed| allowed.as_bytes().cmp(alternative))
                        .is_ok();
                    if !allowed {
                        let value = Reason::shown(alternative);
                        let plain = String::from_utf8_lossy(alternative)
                            .chars()
                            .all(|c| characters.contain(c));
                        return Err(if plain || operator == MatchOperator::Equal {
                            Reason::Outside { label: label(), value }
                        } else {
                            Reason::Regex { label: label(), value }
                        });
                    }
                }
                Ok(Verdict::Keep)
            }
        }
    }
}

/// The characters that the values of a set may have: ASCII letters, digits, `_` and `-`, and whatever is added.
#[derive(Clone, Debug, Default)]
pub struct Characters {
    added: String,
}

impl Characters {
    /// Adds these characters.
    ///
    /// # Errors
    /// When one of them means something in a regular expression or is no printable ASCII: the values of a set are joined
    /// by `|`, unescaped.
    pub fn with(added: impl Into<String>) -> Result<Self, PolicyError> {
        let added = added.into();
        let unsafe_character = |c: &char| !matches!(c, ' '..='~') || r"\.+*?()|[]{}^$".contains(*c);
        match added.chars().find(unsafe_character) {
            Some(character) => Err(PolicyError::UnsafeCharacter { character }),
            None => Ok(Self { added }),
        }
    }

    fn contain(&self, character: char) -> bool {
        character.is_ascii_alphanumeric() || matches!(character, '_' | '-') || self.added.contains(character)
    }
}

impl fmt::Display for Characters {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "letters, digits, _, -")?;
        self.added
            .chars()
            .try_for_each(|character| write!(formatter, ", {character}"))
    }
}

/// A policy that could not be enforced.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// It would enforce nothing.
    #[error("a policy needs at least one label; without one it would enforce nothing")]
    NoLabels,
    /// Which of the two rules holds is anybody's guess.
    #[error("label {label:?} is enforced twice; give it one rule")]
    Twice {
        /// The label.
        label: String,
    },
    /// Not a label, or the one that metrics' names are in.
    #[error("{label:?} cannot be enforced; name a label, and one other than __name__")]
    Name {
        /// The label.
        label: String,
    },
    /// The empty string matches every series without the label.
    #[error("label {label:?} may not have the empty value, which matches every series without the label")]
    EmptyValue {
        /// The label.
        label: String,
    },
    /// A value could mean more than itself.
    #[error("value {value:?} of label {label:?} has the character {character:?}, which the policy does not allow")]
    Character {
        /// The label.
        label: String,
        /// Its value.
        value: String,
        /// What is wrong with it.
        character: char,
    },
    /// Values with such a character could not be joined into an alternation unescaped.
    #[error("the character {character:?} cannot be allowed in values: it is not plain in a regular expression")]
    UnsafeCharacter {
        /// The character.
        character: char,
    },
}
