//! Cuts a query into tokens exactly where Prometheus 3.14 does.
//!
//! What a character means depends on where it stands: inside braces every word is a plain identifier, inside brackets
//! only durations and their arithmetic may stand, and right after `[` there may be no comment.

use std::borrow::Cow;

use super::error::{Excess, LimitError, ParseError, Position, Span, SyntaxError};
use super::limits::Limits;
use super::refusal::Reason;
use super::token::{Token, TokenKind};
use super::{number, string};

/// The tokens of `query`, ended by [`TokenKind::EndOfInput`].
///
/// # Errors
/// When the query passes a limit or has a character that no token may have there.
pub(super) fn lex(query: &str, limits: &Limits) -> Result<Vec<Token>, ParseError> {
    if query.len() > limits.bytes as usize {
        let excess = Excess::Bytes {
            found: query.len(),
            limit: limits.bytes,
        };
        return Err(limit_error(query, limits.bytes, excess).into());
    }
    let mut lexer = Lexer::new(query);
    // Everyday queries have a token for every three to four bytes.
    let mut tokens = Vec::with_capacity(query.len() / 3 + 8);
    loop {
        lexer.skip_blank();
        let start = lexer.at;
        let kind = lexer.token()?;
        tokens.push(Token {
            kind,
            span: Span::new(start, lexer.at),
        });
        if kind == TokenKind::EndOfInput {
            return Ok(tokens);
        }
        if tokens.len() > limits.tokens as usize {
            let excess = Excess::Tokens { limit: limits.tokens };
            return Err(limit_error(query, Span::new(start, lexer.at).start, excess).into());
        }
    }
}

/// What a token stands for: the bytes of a string, and of any other its own.
pub(super) fn canonical(query: &str, token: Token) -> Cow<'_, [u8]> {
    let text = token.span.text(query);
    if token.kind != TokenKind::String {
        return Cow::Borrowed(text.as_bytes());
    }
    string::value(text)
}

/// The limit `excess` was passed at the byte `start`.
pub(super) fn limit_error(query: &str, start: u32, excess: Excess) -> LimitError {
    let start = query.floor_char_boundary(start as usize);
    let span = Span::new(start, query.len());
    LimitError {
        position: Position::of(query, span.start),
        span,
        excess,
    }
}

pub(super) fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
}

pub(super) fn is_alphanumeric(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Where in the query the lexer is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Neither in braces nor in brackets.
    Expression,
    Braces,
    /// Between `[` and the first number after it: no comment, and a colon only after a number.
    BracketsStart,
    /// From the first number in brackets on.
    Brackets,
}

struct Lexer<'q> {
    query: &'q str,
    bytes: &'q [u8],
    at: usize,
    place: Place,
    /// Whether braces were opened inside brackets, which never parses but decides what is reported.
    place_outside_braces: Place,
    /// Whether the brackets that are open have had their colon.
    colon: bool,
    /// Whether any brackets so far had a number. Prometheus never resets this, so `x[step():5m]` is an error unless
    /// brackets with a number stand before it.
    number_in_brackets: bool,
}

impl<'q> Lexer<'q> {
    fn new(query: &'q str) -> Self {
        Self {
            query,
            bytes: query.as_bytes(),
            at: 0,
            place: Place::Expression,
            place_outside_braces: Place::Expression,
            colon: false,
            number_in_brackets: false,
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn error(&self, start: usize, message: impl Into<Cow<'static, str>>) -> SyntaxError {
        let end = self
            .at
            .max(start + self.query[start..].chars().next().map_or(0, char::len_utf8));
        SyntaxError::new(self.query, Span::new(start, end), message)
    }

    /// An error about the character at `start`.
    fn unexpected_character(&self, start: usize, context: &str) -> SyntaxError {
        let character = self.query[start..].chars().next().unwrap_or_default();
        self.error(start, format!("unexpected character{context}: {character:?}"))
    }

    /// Passes over spaces and comments.
    fn skip_blank(&mut self) {
        while let Some(byte) = self.peek() {
            if byte == b'#' && self.place != Place::BracketsStart {
                // A comment ends at either end-of-line character; other dialects disagree, so none is passed on.
                while self.peek().is_some_and(|byte| byte != b'\n' && byte != b'\r') {
                    self.at += 1;
                }
            } else if is_space(byte) {
                self.at += 1;
            } else {
                return;
            }
        }
    }

    fn token(&mut self) -> Result<TokenKind, SyntaxError> {
        let start = self.at;
        let Some(byte) = self.peek() else {
            return match self.place {
                Place::Expression => Ok(TokenKind::EndOfInput),
                Place::Braces => Err(self.error(start, "unexpected end of input inside braces")),
                Place::BracketsStart => Err(self.error(start, "unexpected end of input in duration expression")),
                Place::Brackets => Err(self.error(start, "unclosed left bracket")),
            };
        };
        match self.place {
            Place::Expression if is_letter(byte) || byte == b':' => Ok(self.word()),
            Place::Expression | Place::Brackets => self.expression(start, byte),
            Place::Braces => self.in_braces(start, byte),
            Place::BracketsStart => self.after_bracket(start, byte),
        }
    }

    /// Takes the next character if it is `byte`.
    fn take(&mut self, byte: u8) -> bool {
        let taken = self.peek() == Some(byte);
        self.at += usize::from(taken);
        taken
    }

    fn expression(&mut self, start: usize, byte: u8) -> Result<TokenKind, SyntaxError> {
        if byte.is_ascii_digit() || byte == b'.' && self.bytes.get(start + 1).is_some_and(u8::is_ascii_digit) {
            return self.number(start);
        }
        self.at += 1;
        Ok(match byte {
            b'(' => TokenKind::LeftParen,
            b')' => TokenKind::RightParen,
            b',' => TokenKind::Comma,
            b'"' | b'\'' | b'`' => return self.string(start, byte),
            b'{' => {
                self.place_outside_braces = self.place;
                self.place = Place::Braces;
                TokenKind::LeftBrace
            }
            b'[' if self.place == Place::Brackets => return Err(self.error(start, "unexpected left bracket '['")),
            b'[' => {
                self.place = Place::BracketsStart;
                self.colon = false;
                TokenKind::LeftBracket
            }
            b']' if self.place == Place::Expression => return Err(self.error(start, "unexpected right bracket ']'")),
            b']' => {
                self.place = Place::Expression;
                TokenKind::RightBracket
            }
            b'+' => TokenKind::Add,
            b'-' => TokenKind::Sub,
            b'*' => TokenKind::Mul,
            b'/' => TokenKind::Div,
            b'%' => TokenKind::Mod,
            b'^' => TokenKind::Pow,
            b'@' => TokenKind::At,
            b'=' if self.take(b'=') => TokenKind::EqualEqual,
            b'=' if self.peek() == Some(b'~') => return Err(self.error(start, "unexpected character after '=': '~'")),
            b'=' => TokenKind::Equal,
            b'!' if self.take(b'=') => TokenKind::NotEqual,
            b'!' => return Err(self.after_exclamation_mark(start, "")),
            b'<' if self.take(b'=') => TokenKind::LessEqual,
            b'<' if self.take(b'/') => TokenKind::TrimUpper,
            b'<' => TokenKind::Less,
            b'>' if self.take(b'=') => TokenKind::GreaterEqual,
            b'>' if self.take(b'/') => TokenKind::TrimLower,
            b'>' => TokenKind::Greater,
            b':' if self.colon => return Err(self.error(start, "unexpected colon ':'")),
            b':' => {
                self.colon = true;
                TokenKind::Colon
            }
            _ if is_letter(byte) => {
                return self
                    .duration_word(start)
                    .ok_or_else(|| self.unexpected_character(start, ""));
            }
            _ => return Err(self.unexpected_character(start, "")),
        })
    }

    fn in_braces(&mut self, start: usize, byte: u8) -> Result<TokenKind, SyntaxError> {
        self.at += 1;
        Ok(match byte {
            b',' => TokenKind::Comma,
            b'=' if self.take(b'~') => TokenKind::EqualRegex,
            b'=' => TokenKind::Equal,
            b'!' if self.take(b'=') => TokenKind::NotEqual,
            b'!' if self.take(b'~') => TokenKind::NotRegex,
            b'!' => return Err(self.after_exclamation_mark(start, " inside braces")),
            b'"' | b'\'' | b'`' => return self.string(start, byte),
            b'}' => {
                self.place = self.place_outside_braces;
                TokenKind::RightBrace
            }
            b'{' => return Err(self.error(start, "unexpected left brace '{'")),
            _ if is_letter(byte) => {
                while self.peek().is_some_and(is_alphanumeric) {
                    self.at += 1;
                }
                TokenKind::Identifier
            }
            _ => return Err(self.unexpected_character(start, " inside braces")),
        })
    }

    fn after_bracket(&mut self, start: usize, byte: u8) -> Result<TokenKind, SyntaxError> {
        if byte.is_ascii_digit() || byte == b'.' && self.bytes.get(start + 1).is_some_and(u8::is_ascii_digit) {
            self.place = Place::Brackets;
            self.number_in_brackets = true;
            return self.number(start);
        }
        match byte {
            b':' if !self.number_in_brackets => {
                Err(self.error(start, "unexpected colon before duration in duration expression"))
            }
            b':' if self.colon => Err(self.error(start, "unexpected repeated colon in duration expression")),
            b'(' | b')' | b'+' | b'-' | b'*' | b'/' | b'%' | b'^' | b',' | b':' | b']' => self.expression(start, byte),
            _ if is_letter(byte) => self
                .duration_word(start)
                .ok_or_else(|| self.unexpected_character(start, " in duration expression")),
            _ => Err(self.unexpected_character(start, " in duration expression")),
        }
    }

    fn after_exclamation_mark(&self, start: usize, context: &str) -> SyntaxError {
        let message = match self.query[self.at..].chars().next() {
            Some(character) => format!("unexpected character after '!'{context}: {character:?}"),
            None => format!("unexpected end of input after '!'{context}"),
        };
        self.error(start, message)
    }

    /// A name or a keyword, outside braces and brackets.
    fn word(&mut self) -> TokenKind {
        let start = self.at;
        let mut colon = false;
        while let Some(byte) = self.peek().filter(|byte| is_alphanumeric(*byte) || *byte == b':') {
            colon |= byte == b':';
            self.at += 1;
        }
        match TokenKind::keyword(&self.bytes[start..self.at]) {
            // These came late to the language: to leave metrics of such names alone they are keywords before `(` only.
            Some(TokenKind::Fill | TokenKind::FillLeft | TokenKind::FillRight) if !self.before_left_paren() => {
                TokenKind::Identifier
            }
            Some(keyword) => keyword,
            None if colon => TokenKind::MetricIdentifier,
            None => TokenKind::Identifier,
        }
    }

    fn before_left_paren(&self) -> bool {
        self.bytes[self.at..].iter().find(|byte| !is_space(**byte)) == Some(&b'(')
    }

    /// `step`, `range`, `max_of` or `min_of`, the only words that may stand inside brackets.
    fn duration_word(&mut self, start: usize) -> Option<TokenKind> {
        while self.peek().is_some_and(is_letter) {
            self.at += 1;
        }
        TokenKind::duration_keyword(&self.bytes[start..self.at].to_ascii_lowercase())
    }

    fn number(&mut self, start: usize) -> Result<TokenKind, SyntaxError> {
        let rest = &self.bytes[start..];
        let number = number::number_length(rest);
        let (kind, length) = match number.or_else(|| number::duration_length(rest)) {
            Some(length) if number.is_some() => (TokenKind::Number, length),
            Some(length) => (TokenKind::Duration, length),
            None => {
                let word = rest
                    .iter()
                    .position(|byte| !is_alphanumeric(*byte) && *byte != b'.')
                    .unwrap_or(rest.len());
                self.at = start + word;
                let word = &self.query[start..self.at];
                return Err(self.error(
                    start,
                    format!("bad number or duration syntax: {}", Reason::shown(word.as_bytes())),
                ));
            }
        };
        self.at = start + length;
        Ok(kind)
    }

    /// A string; its opening quote has been taken.
    fn string(&mut self, start: usize, quote: u8) -> Result<TokenKind, SyntaxError> {
        match string::scan(self.query, self.at, quote) {
            Ok(end) => {
                self.at = end;
                Ok(TokenKind::String)
            }
            Err(error) => {
                self.at = error.at;
                Err(self.error(if error.whole { start } else { error.at }, error.message))
            }
        }
    }
}
