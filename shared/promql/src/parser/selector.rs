//! Vector selectors and the matchers in their braces.

use super::super::ast::{List, Matcher, Modifiers, NodeId, NodeKind, Selector, SelectorId, Text};
use super::super::error::{Excess, ParseError};
use super::super::lexer::limit_error;
use super::super::operators::MatchOperator;
use super::super::token::TokenKind;
use super::Parser;

impl Parser<'_> {
    /// A metric's name, matchers in braces, or both.
    pub(super) fn selector(&mut self) -> Result<NodeId, ParseError> {
        let first = self.token().span;
        if self.tree.selectors.len() >= self.selectors as usize {
            let limit = self.selectors;
            return Err(limit_error(self.query, first.start, Excess::Selectors { limit }).into());
        }
        let name = (self.kind() != TokenKind::LeftBrace).then(|| self.advance().span);
        let start = self.tree.matchers.len();
        let left_brace = self.token_index();
        let left_brace = self.take(TokenKind::LeftBrace).map(|_| left_brace);
        if left_brace.is_some() {
            self.matchers(start)?;
        }
        let selector = Selector {
            name,
            matchers: List::new(start, self.tree.matchers.len()),
            modifiers: Modifiers::NONE,
            anchored: false,
            smoothed: false,
            of_info: false,
            left_brace,
            end: self.token_index(),
        };
        let last = self.tokens[self.at - 1].span;
        let id = SelectorId::next(self.tree.selectors.len());
        self.tree.selectors.push(selector);
        Ok(self.tree.push(NodeKind::Selector(id), first.to(last)))
    }

    fn token_index(&self) -> u32 {
        // There are no more tokens than bytes, and no more bytes than a `u32` counts.
        u32::try_from(self.at).unwrap_or(u32::MAX)
    }

    /// Matchers up to and with the closing brace; a comma may end them.
    fn matchers(&mut self, start: usize) -> Result<(), ParseError> {
        while self.take(TokenKind::RightBrace).is_none() {
            if self.tree.matchers.len() > start {
                self.expect(TokenKind::Comma, "label matching", "\",\" or \"}\"")?;
                if self.take(TokenKind::RightBrace).is_some() {
                    break;
                }
            }
            let matcher = self.matcher()?;
            self.tree.matchers.push(matcher);
        }
        Ok(())
    }

    fn matcher(&mut self) -> Result<Matcher, ParseError> {
        const CONTEXT: &str = "label matching";
        let start = self.token_index();
        let token = self.token();
        let name = match token.kind {
            TokenKind::Identifier => Text::Query(token.span),
            TokenKind::String => self.tree.string(token.span),
            _ => return Err(self.unexpected(CONTEXT, "identifier or \"}\"")),
        };
        self.advance();
        let (operator, name, value, last) = match self.kind().match_operator() {
            Some(operator) => {
                self.advance();
                let value = self.expect(TokenKind::String, CONTEXT, "string")?.span;
                (operator, name, self.tree.string(value), value)
            }
            // A lone string is the metric's name.
            None if token.kind == TokenKind::String => {
                (MatchOperator::Equal, self.tree.metric_name_label(), name, token.span)
            }
            None => return Err(self.unexpected(CONTEXT, "label matching operator")),
        };
        Ok(Matcher {
            name,
            operator,
            value,
            span: token.span.to(last),
            start,
            end: self.token_index(),
        })
    }
}
