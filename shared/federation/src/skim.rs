//! Finding where a JSON value ends, and that it is valid, in pieces of any size and without keeping it.

use super::words::{before, string_ends, word};
use super::{Broken, DEPTH_LIMIT};

/// Walks over one JSON value.
///
/// Everything of RFC 8259 is checked except that the text is UTF-8, which is the caller's. Surrogates need not be in
/// pairs, as the RFC allows.
#[derive(Debug, Clone)]
pub(super) struct Skim {
    /// The open brackets from the outermost, which is the lowest bit: 1 is an object.
    open: u128,
    depth: u32,
    step: Step,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Value,
    /// After `[`.
    FirstItem,
    /// After `{`.
    FirstKey,
    /// After a comma in an object.
    Key,
    Colon,
    /// After a value within brackets.
    After,
    Text(Role),
    Escape(Role),
    Hex(Role, u8),
    /// The rest of `true`, `false` or `null`.
    Literal(&'static [u8]),
    Number(Digits),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Key,
    Value,
}

/// What has been read of a number.
#[derive(Debug, Clone, Copy)]
enum Digits {
    Minus,
    Zero,
    Whole,
    Point,
    Fraction,
    E,
    Sign,
    Exponent,
}

impl Digits {
    /// What it is with one more character; nothing if that belongs to it no more.
    fn with(self, byte: u8) -> Option<Self> {
        Some(match (self, byte) {
            (Self::Minus, b'0') => Self::Zero,
            (Self::Minus, b'1'..=b'9') | (Self::Whole, b'0'..=b'9') => Self::Whole,
            (Self::Zero | Self::Whole, b'.') => Self::Point,
            (Self::Point | Self::Fraction, b'0'..=b'9') => Self::Fraction,
            (Self::Zero | Self::Whole | Self::Fraction, b'e' | b'E') => Self::E,
            (Self::E, b'+' | b'-') => Self::Sign,
            (Self::E | Self::Sign | Self::Exponent, b'0'..=b'9') => Self::Exponent,
            _ => return None,
        })
    }

    fn may_end(self) -> bool {
        matches!(self, Self::Zero | Self::Whole | Self::Fraction | Self::Exponent)
    }
}

impl Skim {
    pub(super) const fn new() -> Self {
        Self {
            open: 0,
            depth: 0,
            step: Step::Value,
        }
    }

    /// Goes on with the next bytes. Gives how many of them belong to the value once it is complete; until then, all do.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<Option<usize>, Broken> {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if let Step::Text(_) = self.step
                && let Some(word) = word(bytes, at)
            {
                let ends = string_ends(word);
                if ends == 0 {
                    at += 8;
                    continue;
                }
                at += before(ends);
                self.take(bytes[at])?;
            } else if let Step::Number(digits) = self.step
                && digits.with(byte).is_none()
            {
                if !digits.may_end() {
                    return Err(Broken::Malformed);
                }
                // The character belongs to what follows.
                if self.depth == 0 {
                    return Ok(Some(at));
                }
                self.step = Step::After;
                continue;
            } else {
                self.take(byte)?;
            }
            at += 1;
            if self.depth == 0 && matches!(self.step, Step::After) {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    fn take(&mut self, byte: u8) -> Result<(), Broken> {
        let space = matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        self.step = match self.step {
            Step::Value | Step::FirstItem | Step::FirstKey | Step::Key | Step::Colon | Step::After if space => {
                self.step
            }
            Step::FirstItem if byte == b']' => self.close(false)?,
            Step::Value | Step::FirstItem => match byte {
                b'{' => self.open(true)?,
                b'[' => self.open(false)?,
                b'"' => Step::Text(Role::Value),
                b't' => Step::Literal(b"rue"),
                b'f' => Step::Literal(b"alse"),
                b'n' => Step::Literal(b"ull"),
                b'-' => Step::Number(Digits::Minus),
                _ => Step::Number(Digits::Minus.with(byte).ok_or(Broken::Malformed)?),
            },
            Step::FirstKey if byte == b'}' => self.close(true)?,
            Step::FirstKey | Step::Key if byte == b'"' => Step::Text(Role::Key),
            Step::Colon if byte == b':' => Step::Value,
            Step::After => match byte {
                b',' if self.in_object() => Step::Key,
                b',' => Step::Value,
                b'}' => self.close(true)?,
                b']' => self.close(false)?,
                _ => return Err(Broken::Malformed),
            },
            Step::Text(Role::Key) if byte == b'"' => Step::Colon,
            Step::Text(Role::Value) if byte == b'"' => Step::After,
            Step::Text(role) => match byte {
                b'\\' => Step::Escape(role),
                0..b' ' => return Err(Broken::Malformed),
                _ => Step::Text(role),
            },
            Step::Escape(role) => match byte {
                b'u' => Step::Hex(role, 4),
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Step::Text(role),
                _ => return Err(Broken::Malformed),
            },
            Step::Hex(role, 1) if byte.is_ascii_hexdigit() => Step::Text(role),
            Step::Hex(role, left) if byte.is_ascii_hexdigit() => Step::Hex(role, left - 1),
            Step::Literal([next]) if *next == byte => Step::After,
            Step::Literal([next, rest @ ..]) if *next == byte => Step::Literal(rest),
            Step::Number(digits) => Step::Number(digits.with(byte).ok_or(Broken::Malformed)?),
            Step::FirstKey | Step::Key | Step::Colon | Step::Hex(..) | Step::Literal(_) => {
                return Err(Broken::Malformed);
            }
        };
        Ok(())
    }

    fn in_object(&self) -> bool {
        self.open >> (self.depth - 1) & 1 == 1
    }

    fn open(&mut self, object: bool) -> Result<Step, Broken> {
        if self.depth == DEPTH_LIMIT {
            return Err(Broken::TooDeep);
        }
        let bit = 1 << self.depth;
        self.open = if object { self.open | bit } else { self.open & !bit };
        self.depth += 1;
        Ok(if object { Step::FirstKey } else { Step::FirstItem })
    }

    fn close(&mut self, object: bool) -> Result<Step, Broken> {
        if self.in_object() != object {
            return Err(Broken::Malformed);
        }
        self.depth -= 1;
        Ok(Step::After)
    }
}
