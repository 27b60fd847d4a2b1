//! Label lists and what stands between an operator and its right side.

use super::super::ast::{Group, List, Matching, MatchingId, Text};
use super::super::error::ParseError;
use super::super::token::TokenKind;
use super::{Grouping, Parser};

impl Parser<'_> {
    /// `by (..)` or `without (..)`, if there.
    pub(super) fn aggregation_grouping(&mut self) -> Result<Option<Grouping>, ParseError> {
        let without = match self.kind() {
            TokenKind::By => false,
            TokenKind::Without => true,
            _ => return Ok(None),
        };
        self.advance();
        Ok(Some(Grouping {
            without,
            labels: self.labels()?,
        }))
    }

    /// A list of labels in parentheses; a comma may end it.
    fn labels(&mut self) -> Result<List, ParseError> {
        self.expect(TokenKind::LeftParen, "grouping opts", "\"(\"")?;
        let start = self.tree.labels.len();
        while self.take(TokenKind::RightParen).is_none() {
            if self.tree.labels.len() > start {
                self.expect(TokenKind::Comma, "grouping opts", "\",\" or \")\"")?;
                if self.take(TokenKind::RightParen).is_some() {
                    break;
                }
            }
            let label = self.label()?;
            self.tree.labels.push(label);
        }
        Ok(List::new(start, self.tree.labels.len()))
    }

    fn label(&mut self) -> Result<Text, ParseError> {
        let token = self.token();
        if token.kind.is_grouping_label() {
            self.advance();
            return Ok(Text::Query(token.span));
        }
        if token.kind != TokenKind::String {
            return Err(self.unexpected("grouping opts", "label"));
        }
        self.advance();
        let label = self.tree.string(token.span);
        let bytes = self.tree.bytes(label);
        if bytes.is_empty() || std::str::from_utf8(bytes).is_err() {
            let text = token.span.text(self.query);
            return Err(self.error(token.span, format!("invalid label name for grouping: {text}")));
        }
        Ok(label)
    }

    /// `bool`, `on (..)`, `group_left (..)`, `fill (..)` and their like after an operator, `None` if none is there.
    pub(super) fn matching(&mut self) -> Result<Option<MatchingId>, ParseError> {
        let start = self.at;
        let mut matching = Matching::NONE;
        matching.returns_bool = self.take(TokenKind::Bool).is_some();
        if let TokenKind::On | TokenKind::Ignoring = self.kind() {
            matching.on = self.advance().kind == TokenKind::On;
            matching.labels = self.labels()?;
            matching.group = match self.kind() {
                TokenKind::GroupLeft => Group::ManyToOne,
                TokenKind::GroupRight => Group::OneToMany,
                _ => Group::OneToOne,
            };
            if matching.group != Group::OneToOne {
                self.advance();
                // A parenthesis here is always the labels', never the right side's.
                if self.kind() == TokenKind::LeftParen {
                    matching.include = self.labels()?;
                }
            }
        }
        match self.kind() {
            TokenKind::Fill => {
                self.advance();
                matching.fill_left = Some(self.fill_value()?);
                matching.fill_right = matching.fill_left;
            }
            TokenKind::FillLeft => {
                matching.fill_left = self.fill(TokenKind::FillLeft)?;
                matching.fill_right = self.fill(TokenKind::FillRight)?;
            }
            TokenKind::FillRight => {
                matching.fill_right = self.fill(TokenKind::FillRight)?;
                matching.fill_left = self.fill(TokenKind::FillLeft)?;
            }
            _ => {}
        }
        if self.at == start {
            return Ok(None);
        }
        let id = MatchingId::next(self.tree.matchings.len());
        self.tree.matchings.push(matching);
        Ok(Some(id))
    }

    fn fill(&mut self, keyword: TokenKind) -> Result<Option<f64>, ParseError> {
        self.take(keyword).map(|_| self.fill_value()).transpose()
    }

    fn fill_value(&mut self) -> Result<f64, ParseError> {
        self.expect(TokenKind::LeftParen, "fill modifier", "\"(\"")?;
        let negative = self.kind() == TokenKind::Sub;
        if let TokenKind::Add | TokenKind::Sub = self.kind() {
            self.advance();
        }
        let (TokenKind::Number | TokenKind::Duration) = self.kind() else {
            return Err(self.unexpected("fill modifier", "number or duration"));
        };
        let value = self.number()?;
        self.expect(TokenKind::RightParen, "fill modifier", "\")\"")?;
        Ok(if negative { -value } else { value })
    }
}
