//! Duration expressions, such as `[5m * 2]`, `[step()]` or `offset -(1h - 5m)`.

use super::super::ast::{Duration, DurationId, DurationKind};
use super::super::error::{ParseError, Span};
use super::super::number;
use super::super::operators::{BinaryOperator, DurationOperator, SIGN_PRECEDENCE};
use super::super::token::TokenKind;
use super::Parser;

const OFFSET: &str = "offset";
const ANY_DURATION: &str = "number, duration, step(), or range()";

/// Something in a duration expression that was opened and awaits what comes next.
#[derive(Clone, Copy)]
pub(super) enum DurationFrame {
    Paren {
        span: Span,
    },
    /// `max_of(` or `min_of(`, with the first argument once it is read.
    Extreme {
        span: Span,
        operator: DurationOperator,
        left: Option<DurationId>,
    },
    Sign {
        span: Span,
        negative: bool,
    },
    Binary {
        operator: DurationOperator,
        precedence: u8,
        left: DurationId,
        /// Where the operator stands.
        sign: Span,
    },
}

/// How much belongs to a duration.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// Every arithmetic operator that follows.
    Expression,
    /// One operand with at most one sign.
    Operand,
}

impl Parser<'_> {
    /// What follows `offset`. A literal or call with at most one sign ends it, so that `x offset 5m + 1m` adds to the
    /// value of `x`; after a parenthesis or a second sign, every arithmetic operator belongs to the duration.
    pub(super) fn offset_duration(&mut self) -> Result<Duration, ParseError> {
        let is_sign = |kind| matches!(kind, TokenKind::Add | TokenKind::Sub);
        let whole = match self.kind() {
            TokenKind::LeftParen => true,
            kind => is_sign(kind) && is_sign(self.next_kind()),
        };
        let reach = if whole { Reach::Expression } else { Reach::Operand };
        let (id, _) = self.duration(reach, OFFSET, ANY_DURATION)?;
        Ok(self.as_duration(id))
    }

    /// A duration with every arithmetic operator in it, and where it stands.
    pub(super) fn duration_expression(
        &mut self,
        context: &'static str,
        expected: &'static str,
    ) -> Result<(DurationId, Span), ParseError> {
        self.duration(Reach::Expression, context, expected)
    }

    pub(super) fn as_duration(&self, id: DurationId) -> Duration {
        self.literal_seconds(id).map_or(Duration::Expression(id), |seconds| {
            Duration::Nanos(number::nanos(seconds))
        })
    }

    /// The value of a duration that is a literal.
    pub(super) fn literal_seconds(&self, id: DurationId) -> Option<f64> {
        match self.tree.duration(id).kind {
            DurationKind::Seconds(seconds) => Some(seconds),
            _ => None,
        }
    }

    fn duration(
        &mut self,
        reach: Reach,
        context: &'static str,
        expected: &'static str,
    ) -> Result<(DurationId, Span), ParseError> {
        self.duration_frames.clear();
        let start = self.token().span;
        'operand: loop {
            let Some(mut operand) = self.duration_operand(context, expected)? else {
                continue;
            };
            loop {
                if reach == Reach::Operand && self.only_signs_are_open() {
                    let id = self.reduce_duration(operand, 0, false, reach)?;
                    return Ok((id, start.to(self.tokens[self.at - 1].span)));
                }
                let operator = self.kind().binary_operator();
                if let Some((operator, kind)) = operator.and_then(|op| Some((op, duration_operator(op)?))) {
                    let precedence = operator.precedence();
                    let left = self.reduce_duration(operand, precedence, operator.is_right_associative(), reach)?;
                    let sign = self.advance().span;
                    self.open_duration(DurationFrame::Binary {
                        operator: kind,
                        precedence,
                        left,
                        sign,
                    })?;
                    continue 'operand;
                }
                let id = self.reduce_duration(operand, 0, false, reach)?;
                match self.duration_frames.pop() {
                    None => return Ok((id, start.to(self.tokens[self.at - 1].span))),
                    Some(DurationFrame::Extreme {
                        span,
                        operator,
                        left: None,
                    }) => {
                        self.expect(TokenKind::Comma, "duration expression", "\",\"")?;
                        self.duration_frames.push(DurationFrame::Extreme {
                            span,
                            operator,
                            left: Some(id),
                        });
                        continue 'operand;
                    }
                    Some(frame) => {
                        let right = self.expect(TokenKind::RightParen, "duration expression", "\")\"")?.span;
                        operand = self.close_duration(frame, id, right);
                    }
                }
            }
        }
    }

    fn only_signs_are_open(&self) -> bool {
        self.duration_frames
            .iter()
            .all(|frame| matches!(frame, DurationFrame::Sign { .. }))
    }

    fn open_duration(&mut self, frame: DurationFrame) -> Result<(), ParseError> {
        self.check_depth()?;
        self.duration_frames.push(frame);
        Ok(())
    }

    fn duration_operand(
        &mut self,
        context: &'static str,
        expected: &'static str,
    ) -> Result<Option<DurationId>, ParseError> {
        let token = self.token();
        let span = token.span;
        match token.kind {
            TokenKind::Add | TokenKind::Sub => {
                self.open_duration(DurationFrame::Sign {
                    span,
                    negative: token.kind == TokenKind::Sub,
                })?;
                self.advance();
                Ok(None)
            }
            TokenKind::LeftParen => {
                self.open_duration(DurationFrame::Paren { span })?;
                self.advance();
                Ok(None)
            }
            TokenKind::MaxOf | TokenKind::MinOf => {
                let max = token.kind == TokenKind::MaxOf;
                let operator = if max {
                    DurationOperator::MaxOf
                } else {
                    DurationOperator::MinOf
                };
                self.open_duration(DurationFrame::Extreme {
                    span,
                    operator,
                    left: None,
                })?;
                self.advance();
                self.expect(TokenKind::LeftParen, "duration expression", "\"(\"")?;
                Ok(None)
            }
            TokenKind::Step | TokenKind::Range => {
                let kind = if token.kind == TokenKind::Step {
                    DurationKind::Step
                } else {
                    DurationKind::Range
                };
                self.advance();
                self.expect(TokenKind::LeftParen, context, expected)?;
                let right = self.expect(TokenKind::RightParen, context, expected)?.span;
                Ok(Some(self.tree.push_duration(kind, span.to(right))))
            }
            TokenKind::Number | TokenKind::Duration => {
                let seconds = self.number()?;
                if number::out_of_range(seconds) {
                    return Err(self.error(span, "duration out of range"));
                }
                Ok(Some(self.tree.push_duration(DurationKind::Seconds(seconds), span)))
            }
            _ => Err(self.unexpected(context, expected)),
        }
    }

    fn reduce_duration(
        &mut self,
        mut id: DurationId,
        precedence: u8,
        right_associative: bool,
        reach: Reach,
    ) -> Result<DurationId, ParseError> {
        let binds = |bound: u8| bound > precedence || bound == precedence && !right_associative;
        while let Some(frame) = self.duration_frames.last().copied() {
            id = match frame {
                DurationFrame::Sign { span, negative } if binds(SIGN_PRECEDENCE) => {
                    self.signed_duration(span, negative, id, reach)
                }
                DurationFrame::Binary {
                    operator,
                    precedence,
                    left,
                    sign,
                } if binds(precedence) => {
                    if self.literal_seconds(id) == Some(0.0) {
                        match operator {
                            DurationOperator::Div => return Err(self.error(sign, "division by zero")),
                            DurationOperator::Mod => return Err(self.error(sign, "modulo by zero")),
                            _ => {}
                        }
                    }
                    let span = self.tree.duration(left).span.to(self.tree.duration(id).span);
                    self.tree.push_duration(
                        DurationKind::Binary {
                            operator,
                            left,
                            right: id,
                        },
                        span,
                    )
                }
                _ => break,
            };
            self.duration_frames.pop();
        }
        Ok(id)
    }

    fn signed_duration(&mut self, span: Span, negative: bool, operand: DurationId, reach: Reach) -> DurationId {
        let node = &mut self.tree.durations[operand.at()];
        let span = span.to(node.span);
        if let DurationKind::Seconds(seconds) = &mut node.kind {
            if negative {
                *seconds = -*seconds;
            }
            node.span = span;
            return operand;
        }
        // Prometheus drops a plus, but keeps the one right before a call that is a whole offset.
        let whole_offset = reach == Reach::Operand && self.duration_frames.len() == 1 && !node.in_parens;
        if !negative && !whole_offset {
            return operand;
        }
        self.tree.push_duration(DurationKind::Sign { negative, operand }, span)
    }

    /// Ends a parenthesis, or a `max_of` or `min_of` whose second argument is `id`.
    fn close_duration(&mut self, frame: DurationFrame, id: DurationId, right: Span) -> DurationId {
        match frame {
            DurationFrame::Extreme {
                span,
                operator,
                left: Some(left),
            } => self.tree.push_duration(
                DurationKind::Binary {
                    operator,
                    left,
                    right: id,
                },
                span.to(right),
            ),
            DurationFrame::Paren { span } => {
                let id = match self.literal_seconds(id) {
                    Some(_) => self.tree.push_duration(
                        DurationKind::Sign {
                            negative: false,
                            operand: id,
                        },
                        span.to(right),
                    ),
                    None => id,
                };
                let node = &mut self.tree.durations[id.at()];
                node.in_parens = true;
                node.span = span.to(right);
                id
            }
            // Signs and operators have been reduced, and a first argument does not end here.
            _ => id,
        }
    }
}

fn duration_operator(operator: BinaryOperator) -> Option<DurationOperator> {
    Some(match operator {
        BinaryOperator::Add => DurationOperator::Add,
        BinaryOperator::Sub => DurationOperator::Sub,
        BinaryOperator::Mul => DurationOperator::Mul,
        BinaryOperator::Div => DurationOperator::Div,
        BinaryOperator::Mod => DurationOperator::Mod,
        BinaryOperator::Pow => DurationOperator::Pow,
        _ => return None,
    })
}
