//! Reads tokens into a syntax tree by precedence climbing, with its own stack in place of recursion.
//!
//! The grammar is that of Prometheus 3.14 with every feature flag on, and so is what it makes of ambiguities. The stack
//! holds what was opened and not yet closed, so its height is the nesting that [`Limits::depth`] bounds.

mod calls;
mod durations;
mod grouping;
mod modifiers;
mod selector;

use super::ast::{List, MatchingId, NodeId, NodeKind, Tree};
use super::error::{Excess, ParseError, Span, SyntaxError, printable};
use super::functions::Function;
use super::lexer::{self, limit_error};
use super::limits::Limits;
use super::number;
use super::operators::{Aggregator, BinaryOperator, SIGN_PRECEDENCE};
use super::proof::Form;
use super::refusal::Reason;
use super::token::{Token, TokenKind};
use durations::DurationFrame;

/// A query's tokens and the tree they make.
#[derive(Debug)]
pub(super) struct Syntax<'q> {
    pub(super) tokens: Vec<Token>,
    pub(super) tree: Tree<'q>,
}

/// Parses `query` as what `form` says; types are not checked. Of an empty query the tree is empty.
///
/// # Errors
/// When the query passes a limit or is no PromQL.
pub(super) fn parse<'q>(query: &'q str, form: Form, limits: &Limits) -> Result<Syntax<'q>, ParseError> {
    let mut parser = Parser::new(query, limits)?;
    match (parser.kind(), form) {
        (TokenKind::EndOfInput, _) => {}
        (_, Form::Expression) => parser.expression()?,
        (_, Form::Selector) => parser.only_selector()?,
    }
    Ok(Syntax {
        tokens: parser.tokens,
        tree: parser.tree,
    })
}

/// Something that was opened and awaits what comes next.
#[derive(Clone, Copy)]
enum Frame {
    Paren {
        span: Span,
    },
    Call {
        name: Span,
        function: &'static Function,
        /// Where its arguments start in [`Parser::pending`].
        arguments: usize,
    },
    Aggregation {
        name: Span,
        aggregator: Aggregator,
        grouping: Option<Grouping>,
        arguments: usize,
    },
    Sign {
        span: Span,
        negative: bool,
    },
    Binary {
        operator: BinaryOperator,
        matching: Option<MatchingId>,
        left: NodeId,
    },
}

/// `by (..)` or `without (..)`.
#[derive(Clone, Copy)]
struct Grouping {
    without: bool,
    labels: List,
}

/// What follows an operand once nothing binds it any tighter.
enum Next {
    /// What was open is closed and is an operand in its turn.
    Operand(NodeId),
    Argument,
    End,
}

struct Parser<'q> {
    query: &'q str,
    tokens: Vec<Token>,
    at: usize,
    tree: Tree<'q>,
    frames: Vec<Frame>,
    /// The arguments of the calls that are open.
    pending: Vec<NodeId>,
    duration_frames: Vec<DurationFrame>,
    depth: u32,
    /// How many selectors there may be.
    selectors: u32,
}

impl<'q> Parser<'q> {
    fn new(query: &'q str, limits: &Limits) -> Result<Self, ParseError> {
        let tokens = lexer::lex(query, limits)?;
        let tree = Tree::new(query, tokens.len());
        Ok(Self {
            query,
            tokens,
            at: 0,
            tree,
            frames: Vec::new(),
            pending: Vec::new(),
            duration_frames: Vec::new(),
            depth: limits.depth,
            selectors: limits.selectors,
        })
    }

    fn token(&self) -> Token {
        // The last token is the end of input, and no rule goes past it.
        self.tokens[self.at]
    }

    fn kind(&self) -> TokenKind {
        self.token().kind
    }

    /// The kind of the token after this one.
    fn next_kind(&self) -> TokenKind {
        self.tokens
            .get(self.at + 1)
            .map_or(TokenKind::EndOfInput, |token| token.kind)
    }

    fn advance(&mut self) -> Token {
        let token = self.token();
        self.at += usize::from(token.kind != TokenKind::EndOfInput);
        token
    }

    /// Takes the token if it is of this kind.
    fn take(&mut self, kind: TokenKind) -> Option<Token> {
        (self.kind() == kind).then(|| self.advance())
    }

    fn expect(&mut self, kind: TokenKind, context: &str, expected: &str) -> Result<Token, ParseError> {
        self.take(kind).ok_or_else(|| self.unexpected(context, expected))
    }

    fn error(&self, span: Span, message: impl Into<std::borrow::Cow<'static, str>>) -> ParseError {
        SyntaxError::new(self.query, span, message).into()
    }

    /// An error about the token at hand, in the words of Prometheus.
    #[cold]
    fn unexpected(&self, context: &str, expected: &str) -> ParseError {
        const SHOWN: usize = 24;
        let Token { kind, span } = self.token();
        let text = span.text(self.query);
        let shown: String = text.chars().take(SHOWN).collect();
        let dots = if shown.len() < text.len() { ".." } else { "" };
        let shown = printable(&shown);
        let word = match kind {
            TokenKind::EndOfInput => "end of input".to_owned(),
            TokenKind::Identifier => format!("identifier \"{shown}{dots}\""),
            TokenKind::MetricIdentifier => format!("metric identifier \"{shown}{dots}\""),
            TokenKind::Number => format!("number \"{shown}{dots}\""),
            TokenKind::Duration => format!("duration \"{shown}{dots}\""),
            TokenKind::String => format!("string {shown}{dots}"),
            _ => format!("\"{shown}\""),
        };
        let context = if context.is_empty() {
            String::new()
        } else {
            format!(" in {context}")
        };
        let expected = if expected.is_empty() {
            String::new()
        } else {
            format!(", expected {expected}")
        };
        self.error(span, format!("unexpected {word}{context}{expected}"))
    }

    /// # Errors
    /// When one level more is one too many.
    fn check_depth(&self) -> Result<(), ParseError> {
        if self.frames.len() + self.duration_frames.len() < self.depth as usize {
            return Ok(());
        }
        Err(limit_error(self.query, self.token().span.start, Excess::Depth { limit: self.depth }).into())
    }

    fn open(&mut self, frame: Frame) -> Result<(), ParseError> {
        self.check_depth()?;
        self.frames.push(frame);
        Ok(())
    }

    /// A selector with neither modifiers nor anything around it.
    fn only_selector(&mut self) -> Result<(), ParseError> {
        if !self.kind().is_metric_name() && self.kind() != TokenKind::LeftBrace {
            return Err(self.unexpected("series selector", "metric name or \"{\""));
        }
        self.selector()?;
        match self.kind() {
            TokenKind::EndOfInput => Ok(()),
            _ => Err(self.unexpected("series selector", "end of input")),
        }
    }

    fn expression(&mut self) -> Result<(), ParseError> {
        'operand: loop {
            let Some(mut operand) = self.operand()? else { continue };
            loop {
                let node = self.modifiers(operand)?;
                if let Some(operator) = self.kind().binary_operator() {
                    let left = self.reduce(node, operator.precedence(), operator.is_right_associative());
                    self.advance();
                    let matching = self.matching()?;
                    self.open(Frame::Binary {
                        operator,
                        matching,
                        left,
                    })?;
                    continue 'operand;
                }
                let node = self.reduce(node, 0, false);
                match self.close(node)? {
                    Next::Operand(node) => operand = node,
                    Next::Argument => continue 'operand,
                    Next::End => return Ok(()),
                }
            }
        }
    }

    /// Reads an operand, or opens what one follows in and returns `None`.
    fn operand(&mut self) -> Result<Option<NodeId>, ParseError> {
        let Token { kind, span } = self.token();
        match kind {
            TokenKind::Add | TokenKind::Sub => {
                self.open(Frame::Sign {
                    span,
                    negative: kind == TokenKind::Sub,
                })?;
                self.advance();
                Ok(None)
            }
            TokenKind::LeftParen => {
                self.open(Frame::Paren { span })?;
                self.advance();
                Ok(None)
            }
            TokenKind::Number | TokenKind::Duration => {
                let value = self.number()?;
                Ok(Some(self.tree.push(NodeKind::Number(value), span)))
            }
            TokenKind::String => {
                self.advance();
                let text = self.tree.string(span);
                Ok(Some(self.tree.push(NodeKind::String(text), span)))
            }
            _ if kind.is_function_name() && self.next_kind() == TokenKind::LeftParen => self.call(),
            _ => match kind.aggregator() {
                Some(aggregator)
                    if matches!(
                        self.next_kind(),
                        TokenKind::LeftParen | TokenKind::By | TokenKind::Without
                    ) =>
                {
                    self.aggregation(aggregator).map(|()| None)
                }
                _ if kind.is_metric_name() || kind == TokenKind::LeftBrace => self.selector().map(Some),
                _ => Err(self.unexpected("", "")),
            },
        }
    }

    /// The value of a number or duration literal.
    fn number(&mut self) -> Result<f64, ParseError> {
        let Token { kind, span } = self.advance();
        let text = span.text(self.query);
        if kind == TokenKind::Duration {
            return number::duration_seconds(text).map_err(|_| self.error(span, "duration out of range"));
        }
        number::number_value(text).ok_or_else(|| {
            self.error(
                span,
                format!("error parsing number: {}", Reason::shown(text.as_bytes())),
            )
        })
    }

    /// Ends every sign and operator on top of the stack that binds `node` at least as tightly as what comes next does.
    fn reduce(&mut self, mut node: NodeId, precedence: u8, right_associative: bool) -> NodeId {
        let binds = |bound: u8| bound > precedence || bound == precedence && !right_associative;
        while let Some(frame) = self.frames.last().copied() {
            node = match frame {
                Frame::Sign { span, negative } if binds(SIGN_PRECEDENCE) => self.signed(span, negative, node),
                Frame::Binary {
                    operator,
                    matching,
                    left,
                } if binds(operator.precedence()) => {
                    let span = self.tree.node(left).span.to(self.tree.node(node).span);
                    self.tree.push(
                        NodeKind::Binary {
                            operator,
                            matching,
                            left,
                            right: node,
                        },
                        span,
                    )
                }
                _ => break,
            };
            self.frames.pop();
        }
        node
    }

    fn signed(&mut self, span: Span, negative: bool, operand: NodeId) -> NodeId {
        let node = &mut self.tree.nodes[operand.at()];
        let span = span.to(node.span);
        if let NodeKind::Number(value) = &mut node.kind {
            if negative {
                *value = -*value;
            }
            node.span = span;
            return operand;
        }
        self.tree.push(NodeKind::Sign { negative, operand }, span)
    }

    /// Ends whatever `node` is the last part of.
    fn close(&mut self, node: NodeId) -> Result<Next, ParseError> {
        let Some(frame) = self.frames.last().copied() else {
            return match self.kind() {
                TokenKind::EndOfInput => Ok(Next::End),
                TokenKind::RightParen => Err(self.error(self.token().span, "unexpected right parenthesis ')'")),
                _ => Err(self.unexpected("", "")),
            };
        };
        if let Frame::Call { .. } | Frame::Aggregation { .. } = frame {
            self.pending.push(node);
            if let Some(comma) = self.take(TokenKind::Comma) {
                if self.kind() == TokenKind::RightParen {
                    return Err(self.error(comma.span, "trailing commas not allowed in function call args"));
                }
                return Ok(Next::Argument);
            }
        }
        let Some(right_paren) = self.take(TokenKind::RightParen) else {
            return Err(match (self.kind(), frame) {
                (
                    TokenKind::EndOfInput,
                    Frame::Paren { span } | Frame::Call { name: span, .. } | Frame::Aggregation { name: span, .. },
                ) => self.error(span, "unclosed left parenthesis"),
                _ => self.unexpected("", ""),
            });
        };
        self.frames.pop();
        let end = right_paren.span;
        Ok(Next::Operand(match frame {
            Frame::Call {
                name,
                function,
                arguments,
            } => {
                let start = self.tree.arguments.len();
                self.tree.arguments.extend(self.pending.drain(arguments..));
                let arguments = List::new(start, self.tree.arguments.len());
                self.tree.push(NodeKind::Call { function, arguments }, name.to(end))
            }
            Frame::Aggregation {
                name,
                aggregator,
                grouping,
                arguments,
            } => self.close_aggregation(name.to(end), aggregator, grouping, arguments)?,
            // Signs and operators have been reduced before.
            Frame::Paren { span } | Frame::Sign { span, .. } => self.tree.push(NodeKind::Paren(node), span.to(end)),
            Frame::Binary { .. } => node,
        }))
    }
}
