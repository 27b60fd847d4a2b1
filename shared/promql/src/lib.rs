//! PromQL, all of it: parsed as Prometheus parses it, enforced so that it reads nothing but what a policy allows, and
//! proved to be so before it leaves.

mod analyse;
mod ast;
mod check;
mod enforce;
mod error;
mod functions;
mod lexer;
mod limits;
mod number;
mod operators;
mod parser;
mod policy;
mod proof;
mod reading;
mod refusal;
mod regex;
mod string;
#[cfg(test)]
mod tests;
mod token;

pub use analyse::{Analysis, DurationError, Reach, Window, analyse};
pub use ast::Tree;
pub use error::{Excess, LimitError, ParseError, Position, Span, SyntaxError};
pub use functions::PROMETHEUS_VERSION;
pub use limits::Limits;
pub use policy::{Characters, EnforcedLabel, OnConflict, Policy, PolicyError};
pub use proof::ProofError;
pub use reading::{Matched, Reading};
pub use refusal::{Denied, EnforceError, Reason, Refusal, TooLong};

use check::EmptySelectors;
use proof::Form;

/// Parses and type-checks `query` as Prometheus does with every feature flag on.
///
/// Only the validity of regular expressions is left to Prometheus.
///
/// # Errors
/// When the query passes a limit or Prometheus would not accept it.
pub fn parse<'q>(query: &'q str, limits: &Limits) -> Result<Tree<'q>, ParseError> {
    let mut tree = parser::parse(query, Form::Expression, limits)?.tree;
    if tree.nodes.is_empty() {
        return Err(SyntaxError::new(query, Span::default(), error::NO_EXPRESSION).into());
    }
    check::check(&mut tree, EmptySelectors::Refused)?;
    Ok(tree)
}
