//! Calls of functions and aggregations.

use super::super::ast::{List, NodeId, NodeKind};
use super::super::error::{ParseError, Span};
use super::super::functions;
use super::super::operators::Aggregator;
use super::super::token::TokenKind;
use super::{Frame, Grouping, Parser};

impl Parser<'_> {
    /// Opens a call; returns it where it is complete already, for having no arguments.
    pub(super) fn call(&mut self) -> Result<Option<NodeId>, ParseError> {
        let name = self.token().span;
        let text = name.text(self.query);
        let Some(function) = functions::find(text) else {
            return Err(self.error(name, format!("unknown function with name {text:?}")));
        };
        let arguments = self.pending.len();
        self.open(Frame::Call {
            name,
            function,
            arguments,
        })?;
        self.advance();
        self.advance();
        if self.kind() != TokenKind::RightParen {
            return Ok(None);
        }
        self.frames.pop();
        let end = self.advance().span;
        Ok(Some(self.tree.push(
            NodeKind::Call {
                function,
                arguments: List::default(),
            },
            name.to(end),
        )))
    }

    /// Opens an aggregation.
    pub(super) fn aggregation(&mut self, aggregator: Aggregator) -> Result<(), ParseError> {
        let name = self.advance().span;
        let grouping = self.aggregation_grouping()?;
        self.open(Frame::Aggregation {
            name,
            aggregator,
            grouping,
            arguments: self.pending.len(),
        })?;
        self.expect(TokenKind::LeftParen, "aggregation", "")?;
        if self.kind() == TokenKind::RightParen {
            return Err(self.error(
                name.to(self.token().span),
                "no arguments for aggregate expression provided",
            ));
        }
        Ok(())
    }

    /// Ends an aggregation, whose arguments are those from `arguments` on that are pending.
    pub(super) fn close_aggregation(
        &mut self,
        span: Span,
        aggregator: Aggregator,
        grouping: Option<Grouping>,
        arguments: usize,
    ) -> Result<NodeId, ParseError> {
        let (parameter, operand) = match (aggregator.parameter(), &self.pending[arguments..]) {
            (None, [operand]) => (None, *operand),
            (Some(_), [parameter, operand]) => (Some(*parameter), *operand),
            (parameter, given) => {
                let wanted = 1 + usize::from(parameter.is_some());
                let given = given.len();
                return Err(self.error(
                    span,
                    format!(
                        "wrong number of arguments for aggregate expression provided, expected {wanted}, got {given}"
                    ),
                ));
            }
        };
        self.pending.truncate(arguments);
        let grouping = match grouping {
            Some(grouping) => grouping,
            None => self.aggregation_grouping()?.unwrap_or(Grouping {
                without: false,
                labels: List::default(),
            }),
        };
        let Grouping { without, labels } = grouping;
        Ok(self.tree.push(
            NodeKind::Aggregation {
                aggregator,
                without,
                grouping: labels,
                parameter,
                operand,
            },
            span,
        ))
    }
}
