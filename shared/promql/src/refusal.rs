//! Why a query is not let through, said so that its author can mend it.

use super::error::{ParseError, Position, Span, render};
use super::proof::ProofError;

/// A query that was not enforced, and so goes nowhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnforceError {
    /// It is no PromQL, or too much of it.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// It asks for what the policy does not allow.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// There is nothing that the caller may read.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// It would become too long.
    #[error(transparent)]
    TooLong(#[from] TooLong),
    /// The result could not be proved; this is a fault of Fanlight, never of the query.
    #[error("the enforced query could not be proved and was not used: {0}")]
    Internal(#[from] ProofError),
}

impl EnforceError {
    /// The bytes of the query the error is about; empty where it is about all of it.
    #[must_use]
    pub fn span(&self) -> Span {
        match self {
            Self::Parse(error) => error.span(),
            Self::Refused(refusal) => refusal.span,
            Self::Denied(_) | Self::TooLong(_) | Self::Internal(_) => Span::default(),
        }
    }

    /// The message, and where it is about a part of the query the line with that part underlined.
    #[must_use]
    pub fn render(&self, query: &str) -> String {
        match self {
            Self::Parse(_) | Self::Refused(_) => render(self, self.span(), query),
            Self::Denied(_) | Self::TooLong(_) | Self::Internal(_) => self.to_string(),
        }
    }
}

/// No value of an enforced label may be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nothing may be read: no value is allowed for label {label:?}")]
pub struct Denied {
    /// The label.
    pub label: String,
}

/// The enforced query would pass [`super::Limits::enforced_bytes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("with the enforced labels in each of its {selectors} selectors the query passes {limit} bytes; split it")]
pub struct TooLong {
    /// How many selectors the query has.
    pub selectors: usize,
    /// How long it may become.
    pub limit: u32,
}

/// A query that asks for what the policy does not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{position}: {reason}")]
pub struct Refusal {
    /// Where.
    pub position: Position,
    /// The bytes of the query that ask for it.
    pub span: Span,
    /// The rule it breaks.
    pub reason: Reason,
}

impl Refusal {
    pub(super) fn new(query: &str, span: Span, reason: Reason) -> Self {
        Self {
            position: Position::of(query, span.start),
            span,
            reason,
        }
    }
}

/// The rule that a query breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what the fields are")]
pub enum Reason {
    /// A matcher on a fixed label other than the fixed one.
    #[error("label {label:?} is fixed: leave it out, or write {matcher}")]
    Fixed { label: String, matcher: String },
    /// A negative matcher on a label with a set of values.
    #[error("label {label:?} may be narrowed with = or =~ only, not with {operator}")]
    Operator { label: String, operator: &'static str },
    /// A value that is not in the set.
    #[error("label {label:?} may not be {value}; name values that you may read")]
    Outside { label: String, value: String },
    /// A regular expression that is more than an alternation of plain values.
    #[error("label {label:?} may be narrowed with plain values joined by | only, and {value} is not plain")]
    Regex { label: String, value: String },
    /// The empty string, which matches series without the label.
    #[error("label {label:?} may not be compared with the empty string, which matches series without it")]
    Empty { label: String },
    /// A name that dialects read differently, or not at all.
    #[error(
        "the name {name} may not be used: it is empty or has a control character, of which some upstreams make another \
         name and on which others fail"
    )]
    Name { name: String },
    /// A number that is none at the end of a query, where the rewriting would put it.
    #[error(
        "the number {number} may not end a query: Prometheus reads it only where more follows; write it in decimal"
    )]
    Number { number: String },
    /// A time that no two upstreams need compute alike.
    #[error("the time is no number or too large, and upstreams differ in what they make of it; write one that is less")]
    Time,
    /// A selector that is nowhere written cannot be enforced.
    #[error(
        "info() must have a second argument with a matcher on a label other than __name__ that does not match the empty \
         string, such as info(v, {{version=~\".+\"}}): without one it reads series through a selector that is not \
         written, or that cannot be enforced without changing the labels it adds"
    )]
    Info,
}

impl Reason {
    /// A value as a message shows it: quoted, and not at any length.
    pub(super) fn shown(value: &[u8]) -> String {
        const SHOWN: usize = 64;
        let value = String::from_utf8_lossy(value);
        let shown: String = value.chars().take(SHOWN).collect();
        if shown.len() < value.len() {
            format!("{shown:?}..")
        } else {
            format!("{shown:?}")
        }
    }
}
