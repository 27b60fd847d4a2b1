//! What binds tighter than any operator: ranges, subqueries, `offset`, `@`, `anchored` and `smoothed`.

use super::super::ast::{At, Duration, Modifiers, NodeId, NodeKind, Selector, Subquery, SubqueryId};
use super::super::error::ParseError;
use super::super::number;
use super::super::token::TokenKind;
use super::Parser;

/// What may stand before a modifier.
const SELECTOR_OR_SUBQUERY: &str = "an instant vector selector or range vector selector or a subquery";

/// Seconds that no timestamp reaches, on either side of 1970.
const TIMESTAMP_LIMIT: f64 = (1_u64 << 63) as f64;

/// What an extended range selector does at the edges of its range.
#[derive(Clone, Copy)]
enum Edges {
    Anchored,
    Smoothed,
}

impl Parser<'_> {
    /// Reads every modifier after `node`; returns what they make of it.
    pub(super) fn modifiers(&mut self, mut node: NodeId) -> Result<NodeId, ParseError> {
        loop {
            match self.kind() {
                TokenKind::LeftBracket => {
                    node = self.brackets(node)?;
                    continue;
                }
                TokenKind::Offset => self.offset(node)?,
                TokenKind::At => self.at(node)?,
                TokenKind::Anchored => self.edges(node, Edges::Anchored)?,
                TokenKind::Smoothed => self.edges(node, Edges::Smoothed)?,
                _ => return Ok(node),
            }
            self.tree.nodes[node.at()].span.end = self.tokens[self.at - 1].span.end;
        }
    }

    /// A range or a subquery.
    fn brackets(&mut self, operand: NodeId) -> Result<NodeId, ParseError> {
        let left = self.advance().span;
        let range = self.length("subquery or range selector", "number, duration, step(), or range()")?;
        if self.take(TokenKind::Colon).is_some() {
            let step = match self.kind() {
                TokenKind::RightBracket => None,
                _ => Some(self.length("subquery selector", "number, duration, step(), range(), or \"]\"")?),
            };
            let right = self.expect(TokenKind::RightBracket, "subquery selector", "\"]\"")?.span;
            let span = self.tree.node(operand).span.to(right);
            let subquery = SubqueryId::next(self.tree.subqueries.len());
            self.tree.subqueries.push(Subquery {
                range,
                step,
                modifiers: Modifiers::NONE,
            });
            return Ok(self.tree.push(NodeKind::Subquery { operand, subquery }, span));
        }
        let right = self
            .expect(TokenKind::RightBracket, "subquery or range", "\":\" or \"]\"")?
            .span;
        let node = *self.tree.node(operand);
        let brackets = left.to(right);
        let NodeKind::Selector(selector) = node.kind else {
            return Err(self.error(brackets, "ranges only allowed for vector selectors"));
        };
        let modifiers = self.tree.selectors[selector.at()].modifiers;
        if !matches!(modifiers.offset, Duration::Nanos(0)) {
            return Err(self.error(brackets, "no offset modifiers allowed before range"));
        }
        if modifiers.at.is_some() {
            return Err(self.error(brackets, "no @ modifiers allowed before range"));
        }
        Ok(self.tree.push(
            NodeKind::Range {
                selector: operand,
                range,
            },
            node.span.to(right),
        ))
    }

    fn offset(&mut self, node: NodeId) -> Result<(), ParseError> {
        self.advance();
        let offset = self.offset_duration()?;
        let span = self.tree.node(node).span;
        let Some(modifiers) = self.modifiers_of(node) else {
            return Err(self.error(
                span,
                format!("offset modifier must be preceded by {SELECTOR_OR_SUBQUERY}"),
            ));
        };
        // An offset of zero counts as none, so `x offset 0 offset 5m` stands.
        if !matches!(modifiers.offset, Duration::Nanos(0)) {
            return Err(self.error(span, "offset may not be set multiple times"));
        }
        modifiers.offset = offset;
        Ok(())
    }

    fn at(&mut self, node: NodeId) -> Result<(), ParseError> {
        self.advance();
        let at = match self.kind() {
            kind @ (TokenKind::Start | TokenKind::End) => {
                self.advance();
                self.expect(TokenKind::LeftParen, "@", "\"(\"")?;
                self.expect(TokenKind::RightParen, "@", "\")\"")?;
                if kind == TokenKind::Start { At::Start } else { At::End }
            }
            _ => self.timestamp(node)?,
        };
        let span = self.tree.node(node).span;
        let Some(modifiers) = self.modifiers_of(node) else {
            return Err(self.error(span, format!("@ modifier must be preceded by {SELECTOR_OR_SUBQUERY}")));
        };
        if modifiers.at.is_some() {
            return Err(self.error(span, "@ <timestamp> may not be set multiple times"));
        }
        modifiers.at = Some(at);
        Ok(())
    }

    fn timestamp(&mut self, node: NodeId) -> Result<At, ParseError> {
        let negative = self.kind() == TokenKind::Sub;
        if let TokenKind::Add | TokenKind::Sub = self.kind() {
            self.advance();
        }
        let (TokenKind::Number | TokenKind::Duration) = self.kind() else {
            return Err(self.unexpected("@", "timestamp"));
        };
        let seconds = self.number()?;
        let seconds = if negative { -seconds } else { seconds };
        if seconds.is_nan() || seconds.abs() >= TIMESTAMP_LIMIT {
            let span = self.tree.node(node).span;
            return Err(self.error(span, format!("timestamp out of bounds for @ modifier: {seconds}")));
        }
        Ok(At::Millis(number::millis(seconds)))
    }

    fn edges(&mut self, node: NodeId, edges: Edges) -> Result<(), ParseError> {
        let name = self.advance().span.text(self.query).to_ascii_lowercase();
        let span = self.tree.node(node).span;
        let Some(selector) = self.selector_of(node) else {
            let subquery = matches!(self.tree.node(node).kind, NodeKind::Subquery { .. });
            let reason = if subquery {
                "is not supported for subqueries"
            } else {
                "not implemented"
            };
            return Err(self.error(span, format!("{name} modifier {reason}")));
        };
        match edges {
            Edges::Anchored => selector.anchored = true,
            Edges::Smoothed => selector.smoothed = true,
        }
        if selector.anchored && selector.smoothed {
            return Err(self.error(span, "anchored and smoothed modifiers cannot be used together"));
        }
        Ok(())
    }

    /// The selector that `node` is, or is the range of.
    fn selector_of(&mut self, node: NodeId) -> Option<&mut Selector> {
        let node = match self.tree.node(node).kind {
            NodeKind::Range { selector, .. } => selector,
            _ => node,
        };
        match self.tree.node(node).kind {
            NodeKind::Selector(selector) => Some(&mut self.tree.selectors[selector.at()]),
            _ => None,
        }
    }

    fn modifiers_of(&mut self, node: NodeId) -> Option<&mut Modifiers> {
        if let NodeKind::Subquery { subquery, .. } = self.tree.node(node).kind {
            return Some(&mut self.tree.subqueries[subquery.at()].modifiers);
        }
        self.selector_of(node).map(|selector| &mut selector.modifiers)
    }

    /// The length of a range or a step, which must be positive if it is a literal.
    fn length(&mut self, context: &'static str, expected: &'static str) -> Result<Duration, ParseError> {
        let (id, span) = self.duration_expression(context, expected)?;
        let duration = self.as_duration(id);
        match self.literal_seconds(id) {
            Some(seconds) if seconds <= 0.0 => Err(self.error(span, "duration must be greater than 0")),
            _ => Ok(duration),
        }
    }
}
