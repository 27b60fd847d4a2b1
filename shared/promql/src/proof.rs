//! Proves of an enforced query that it reads nothing but what its policy allows, by reading it as an upstream will.
//!
//! Nothing of how it was written is relied upon. It is cut into tokens and parsed from its text alone, and then:
//!
//! 1. every selector in its tree starts with every matcher of the policy, exactly;
//! 2. it has as many selectors as the query, and so as many insertions;
//! 3. without its insertions it is, token by token, the query without the matchers that gave way to the policy's;
//! 4. those were the policy's own, or on a label that the policy overrides;
//! 5. no function in it reads through a selector that is not written;
//! 6. no name in it is one on which upstreams disagree.
//!
//! The lexer, the parser and `after_comma` are those that the writer has used: a fault of theirs would be in both. That
//! suffices because what is read here is not what a caller may send: one space between tokens, no comments, one kind of
//! quotes with few escapes and known functions only. What the parser makes of that narrow language is held against
//! Prometheus' own.

use std::ops::Range;

use super::ast::{List, NodeKind, Selector};
use super::check::{self, EmptySelectors};
use super::enforce::after_comma;
use super::error::ParseError;
use super::functions::Function;
use super::lexer::canonical;
use super::limits::Limits;
use super::parser::{self, Syntax};
use super::policy::Policy;
use super::token::{Token, TokenKind};

/// What a text is to be read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A query.
    Expression,
    /// A series selector, which `match[]` has.
    Selector,
}

/// What could not be proved of an enforced query.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// It is no PromQL.
    #[error("it does not parse: {0}")]
    Parse(ParseError),
    /// It has lost or gained selectors.
    #[error("it has {found} selectors in place of {wanted}")]
    Selectors {
        /// How many the query has.
        wanted: usize,
        /// How many it has itself.
        found: usize,
    },
    /// A selector without all of the policy's matchers.
    #[error("its selector {selector} does not start with the enforced matchers")]
    Unenforced {
        /// Which, counted from 1.
        selector: usize,
    },
    /// Something but a matcher that gives way to the policy's was left out.
    #[error("matcher {matcher} of the query was left out without a reason")]
    LeftOut {
        /// Which, counted from 1.
        matcher: usize,
    },
    /// It says something else than the query.
    #[error("it differs from the query at token {token}")]
    Tokens {
        /// Which, counted from 1 and without the insertions.
        token: usize,
    },
    /// A label's or metric's name that is empty or has control characters.
    #[error("it has a name that is empty or has control characters")]
    Name,
    /// `info()` with one argument.
    #[error("it reads series through a selector that is not written")]
    Unwritten,
}

/// Proves that `text` is `query`, of which it has left out the matchers `replaced`, under `policy`.
///
/// # Errors
/// What could not be proved.
pub(super) fn prove(
    text: &str,
    form: Form,
    policy: &Policy,
    query: &Syntax<'_>,
    replaced: &[usize],
) -> Result<(), ProofError> {
    // Its length has been checked, and the insertions nest nothing.
    let limits = Limits {
        bytes: u32::MAX,
        tokens: u32::MAX,
        ..*policy.limits()
    };
    let mut result = parser::parse(text, form, &limits).map_err(ProofError::Parse)?;
    check::check(&mut result.tree, EmptySelectors::Refused).map_err(ProofError::Parse)?;
    nothing_unwritten_is_read(&result)?;
    if result.tree.doubtful_name().is_some() {
        return Err(ProofError::Name);
    }
    only_replaceable_left_out(policy, query, replaced)?;

    let (wanted, found) = (query.tree.selectors.len(), result.tree.selectors.len());
    if wanted != found {
        return Err(ProofError::Selectors { wanted, found });
    }
    let mut insertions = Vec::with_capacity(found);
    for (index, pair) in query.tree.selectors.iter().zip(&result.tree.selectors).enumerate() {
        let insertion = insertion(policy, &result, pair.0, pair.1);
        insertions.push(insertion.ok_or(ProofError::Unenforced { selector: index + 1 })?);
    }
    let left_out = replaced.iter().map(|index| {
        let matcher = &query.tree.matchers[*index];
        matcher.start as usize..after_comma(&query.tokens, matcher)
    });
    same_tokens(
        (query.tree.query, without(&query.tokens, left_out)),
        (text, without(&result.tokens, insertions.into_iter())),
    )
}

/// The tokens of `result` that were inserted into a selector, `None` if that are not the policy's matchers.
fn insertion(policy: &Policy, result: &Syntax<'_>, before: &Selector, after: &Selector) -> Option<Range<usize>> {
    let Syntax { tokens, tree } = result;
    let left_brace = after.left_brace? as usize;
    let matchers = &tree.matchers[after.matchers.range()];
    let enforced = matchers.get(..policy.labels().len())?;
    let mut end = left_brace + 1;
    for (matcher, label) in enforced.iter().zip(policy.labels()) {
        let (name, value) = (tree.bytes(matcher.name), tree.bytes(matcher.value));
        if !label.is(name, matcher.operator, value) || matcher.start as usize != end {
            return None;
        }
        end = after_comma(tokens, matcher);
    }
    if before.left_brace.is_some() {
        return Some(left_brace + 1..end);
    }
    // The query had no braces here, so nothing but the insertion may stand in them.
    let braces = left_brace..enforced.last()?.end as usize + 1;
    (braces.end == after.end as usize).then_some(braces)
}

fn nothing_unwritten_is_read(result: &Syntax<'_>) -> Result<(), ProofError> {
    let unwritten = |function: &Function, arguments: List| function.reads_unwritten && arguments.len() < 2;
    let mut calls = result.tree.nodes.iter().map(|node| node.kind);
    let found =
        calls.any(|kind| matches!(kind, NodeKind::Call { function, arguments } if unwritten(function, arguments)));
    if found { Err(ProofError::Unwritten) } else { Ok(()) }
}

fn only_replaceable_left_out(policy: &Policy, query: &Syntax<'_>, replaced: &[usize]) -> Result<(), ProofError> {
    let tree = &query.tree;
    for &index in replaced {
        let matcher = &tree.matchers[index];
        let (name, value) = (tree.bytes(matcher.name), tree.bytes(matcher.value));
        let replaceable = policy.labels().iter().any(|label| {
            label.is(name, matcher.operator, value) || label.is_overridden() && label.name().as_bytes() == name
        });
        if !replaceable {
            return Err(ProofError::LeftOut { matcher: index + 1 });
        }
    }
    Ok(())
}

/// The tokens that are in none of `ranges`, which are in order.
fn without(tokens: &[Token], ranges: impl Iterator<Item = Range<usize>>) -> impl Iterator<Item = Token> {
    let mut ranges = ranges.peekable();
    let mut at = 0;
    std::iter::from_fn(move || {
        while ranges.peek().is_some_and(|range| range.start == at) {
            at = ranges.next()?.end;
        }
        let token = tokens.get(at).copied();
        at += 1;
        token
    })
}

fn same_tokens(
    (query, mut wanted): (&str, impl Iterator<Item = Token>),
    (text, mut found): (&str, impl Iterator<Item = Token>),
) -> Result<(), ProofError> {
    let mut count = 0;
    loop {
        count += 1;
        match (wanted.next(), found.next()) {
            (None, None) => return Ok(()),
            (Some(wanted), Some(found)) if same_token((query, wanted), (text, found)) => {}
            _ => return Err(ProofError::Tokens { token: count }),
        }
    }
}

/// Whether both are the same word, or strings of the same bytes however these are quoted.
fn same_token((query, wanted): (&str, Token), (text, found): (&str, Token)) -> bool {
    wanted.kind == found.kind
        && match wanted.kind {
            TokenKind::String => canonical(query, wanted) == canonical(text, found),
            kind if kind.is_sign() => true,
            _ => wanted.span.text(query) == found.span.text(text),
        }
}
