//! What is wrong with a query, where, and how it is shown to whoever wrote it.

use std::borrow::Cow;
use std::fmt;

/// A stretch of the query, in bytes: `start` included, `end` not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// The byte after the last.
    pub end: u32,
}

impl Span {
    pub(super) fn new(start: usize, end: usize) -> Self {
        // The lexer has refused queries longer than a `u32` counts; anything else saturates rather than wraps.
        let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Self {
            start: offset(start),
            end: offset(end),
        }
    }

    /// From the start of this one to the end of `other`.
    pub(super) fn to(self, other: Self) -> Self {
        Self {
            start: self.start,
            end: other.end,
        }
    }

    pub(super) fn text(self, query: &str) -> &str {
        query.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// A place in a query as people count it: lines and characters, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The character of the line.
    pub column: usize,
}

impl Position {
    /// Where the byte `offset` of `query` stands.
    pub(super) fn of(query: &str, offset: u32) -> Self {
        let before = query.get(..offset as usize).unwrap_or(query);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.line, self.column)
    }
}

/// What is wrong with a query that is empty or has nothing but comments.
pub(super) const NO_EXPRESSION: &str = "no expression found in input";

/// A query that is no PromQL, or more of it than is allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Larger or deeper than the limits allow.
    #[error(transparent)]
    TooLarge(#[from] LimitError),
    /// Not what Prometheus accepts: wrong characters, wrong syntax or wrong types.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
}

impl ParseError {
    /// The bytes of the query the error is about.
    #[must_use]
    pub fn span(&self) -> Span {
        match self {
            Self::TooLarge(error) => error.span,
            Self::Syntax(error) => error.span,
        }
    }

    /// The message and the line of the query, underlined.
    #[must_use]
    pub fn render(&self, query: &str) -> String {
        render(self, self.span(), query)
    }
}

/// What Prometheus would not accept either, in its own phrasing where that is good.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{position}: {message}")]
pub struct SyntaxError {
    /// Where it starts.
    pub position: Position,
    /// The bytes of the query it is about.
    pub span: Span,
    message: Cow<'static, str>,
}

impl SyntaxError {
    pub(super) fn new(query: &str, span: Span, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            position: Position::of(query, span.start),
            span,
            message: message.into(),
        }
    }
}

/// A query refused for its size before it could cost anything.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{position}: {excess}")]
pub struct LimitError {
    /// Where the limit was passed.
    pub position: Position,
    /// From there on.
    pub span: Span,
    /// Which limit it was.
    pub excess: Excess,
}

/// The limit that a query passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Excess {
    /// Too long.
    #[error("the query has {found} bytes, more than the {limit} allowed; split it")]
    Bytes {
        /// How long it is.
        found: usize,
        /// How long it may be.
        limit: u32,
    },
    /// Too many tokens.
    #[error("the query has more than the {limit} tokens allowed; split it")]
    Tokens {
        /// How many there may be.
        limit: u32,
    },
    /// Too many selectors.
    #[error("the query has more than the {limit} selectors allowed; split it")]
    Selectors {
        /// How many there may be.
        limit: u32,
    },
    /// Nested too deeply.
    #[error("the query is nested deeper than the {limit} levels allowed; simplify it")]
    Depth {
        /// How deep it may be.
        limit: u32,
    },
}

/// Whether a character would be invisible or rearrange those around it, as those for the direction of text do.
fn is_unprintable(c: char) -> bool {
    // A backslash and quotes become two characters, anything that is not shown becomes `\u{..}`.
    c.escape_debug().len() > 2
}

/// `text` with everything escaped that would not be shown as it is.
pub(super) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || is_unprintable(c) {
            shown.extend(c.escape_debug());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// How much of a line is shown on either side of what is underlined, in characters.
const SHOWN: usize = 60;

/// `message`, and below it the line of `query` that `span` starts in, with the span underlined.
pub(super) fn render(message: &dyn fmt::Display, span: Span, query: &str) -> String {
    let start = query.floor_char_boundary(span.start as usize);
    let line_start = query[..start].rfind('\n').map_or(0, |newline| newline + 1);
    let line_end = query[start..].find('\n').map_or(query.len(), |newline| start + newline);
    let end = query.floor_char_boundary(span.end as usize).clamp(start, line_end);

    let printable = |text: &str| {
        text.chars()
            .map(|c| match c {
                _ if c.is_control() => ' ',
                _ if is_unprintable(c) => '\u{FFFD}',
                _ => c,
            })
            .collect::<String>()
    };
    let before: String = query[line_start..start].chars().rev().take(SHOWN).collect();
    let before: String = printable(&before.chars().rev().collect::<String>());
    let marked: String = printable(&query[start..end]).chars().take(SHOWN).collect();
    let after: String = printable(&query[end..line_end]).chars().take(SHOWN).collect();

    let number = Position::of(query, span.start).line.to_string();
    let gutter = " ".repeat(number.len());
    let indent = " ".repeat(before.chars().count());
    let underline = "^".repeat(marked.chars().count().max(1));
    format!("{message}\n{gutter} |\n{number} | {before}{marked}{after}\n{gutter} | {indent}{underline}")
}
