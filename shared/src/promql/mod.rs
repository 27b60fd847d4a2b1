//! PromQL, all of it: parsed as Prometheus parses it, enforced so that it reads nothing but what a policy allows, and
//! proved to be so before it leaves.

mod ast;
mod check;
mod error;
mod functions;
mod lexer;
mod limits;
mod number;
#[cfg(test)]
mod oracle;
mod parser;
mod regex;
mod string;
mod token;

pub use ast::{Tree, ValueType};
pub use error::{Excess, LimitError, ParseError, Position, Span, SyntaxError};
pub use functions::PROMETHEUS_VERSION;
pub use limits::Limits;

use check::EmptySelectors;

/// Parses and type-checks `query` as Prometheus does with every feature flag on.
///
/// Only the validity of regular expressions is left to Prometheus.
///
/// # Errors
/// When the query passes a limit or Prometheus would not accept it.
pub fn parse<'q>(query: &'q str, limits: &Limits) -> Result<Tree<'q>, ParseError> {
    let mut syntax = parser::expression(query, limits)?;
    check::check(&mut syntax.tree, EmptySelectors::Refused)?;
    Ok(syntax.tree)
}
