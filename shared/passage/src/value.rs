//! One JSON value (RFC 8259), checked as its bytes come.

/// How deep a value may be nested. Prometheus' deepest, a native histogram's bucket, is at eight.
const DEEPEST: u32 = 32;

/// The check of one value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value {
    state: State,
    /// How many arrays and objects are open.
    depth: u32,
    /// Of those, which are objects; the innermost is the last bit.
    objects: u32,
}

/// What is no JSON, or nested too deep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before a value.
    Value,
    /// Behind `[`.
    First,
    /// Behind `{`.
    FirstKey,
    /// Behind a comma of an object.
    Key,
    /// Behind a key.
    Colon,
    /// Behind a value inside an array or an object.
    Behind,
    /// In a string, which may be a key.
    String(bool),
    /// Behind a backslash of a string.
    Escape(bool),
    /// In `\u`, before so many hexadecimal digits.
    Hex(bool, u8),
    /// In a number.
    Number(Number),
    /// In `true`, `false` or `null`, before these letters.
    Word(&'static [u8]),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Number {
    Minus,
    Zero,
    Digits,
    Point,
    Fraction,
    E,
    Sign,
    Exponent,
}

impl Number {
    fn next(self, byte: u8) -> Option<Self> {
        match (self, byte) {
            (Self::Minus, b'0') => Some(Self::Zero),
            (Self::Minus, b'1'..=b'9') | (Self::Digits, b'0'..=b'9') => Some(Self::Digits),
            (Self::Zero | Self::Digits, b'.') => Some(Self::Point),
            (Self::Point | Self::Fraction, b'0'..=b'9') => Some(Self::Fraction),
            (Self::Zero | Self::Digits | Self::Fraction, b'e' | b'E') => Some(Self::E),
            (Self::E, b'+' | b'-') => Some(Self::Sign),
            (Self::E | Self::Sign | Self::Exponent, b'0'..=b'9') => Some(Self::Exponent),
            _ => None,
        }
    }

    fn is_complete(self) -> bool {
        matches!(self, Self::Zero | Self::Digits | Self::Fraction | Self::Exponent)
    }
}

impl Value {
    pub(super) fn new() -> Self {
        Self {
            state: State::Value,
            depth: 0,
            objects: 0,
        }
    }

    /// Reads on. Returns how many bytes belong to the value, and whether it ends with them; a number ends only when the
    /// first byte behind it has come, which does not belong to it.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<(usize, bool), Malformed> {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            let space = matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
            match self.state {
                State::String(key) => {
                    let rest = &bytes[at..];
                    let Some(end) = rest.iter().position(|&byte| matches!(byte, b'"' | b'\\' | ..0x20)) else {
                        return Ok((bytes.len(), false));
                    };
                    at += end;
                    match rest[end] {
                        b'"' if key => self.state = State::Colon,
                        b'"' => {
                            if self.is_over() {
                                return Ok((at + 1, true));
                            }
                        }
                        b'\\' => self.state = State::Escape(key),
                        _ => return Err(Malformed),
                    }
                }
                State::Number(number) => match number.next(byte) {
                    Some(next) => self.state = State::Number(next),
                    None if !number.is_complete() => return Err(Malformed),
                    None if self.is_over() => return Ok((at, true)),
                    None => continue,
                },
                State::Escape(key) => {
                    self.state = match byte {
                        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => State::String(key),
                        b'u' => State::Hex(key, 4),
                        _ => return Err(Malformed),
                    }
                }
                State::Hex(key, left) => {
                    if !byte.is_ascii_hexdigit() {
                        return Err(Malformed);
                    }
                    self.state = if left == 1 {
                        State::String(key)
                    } else {
                        State::Hex(key, left - 1)
                    };
                }
                State::Word(left) => {
                    if left.first() != Some(&byte) {
                        return Err(Malformed);
                    }
                    self.state = State::Word(&left[1..]);
                    if left.len() == 1 && self.is_over() {
                        return Ok((at + 1, true));
                    }
                }
                _ if space => {}
                State::First | State::FirstKey if byte == self.closing() => {
                    if self.close() {
                        return Ok((at + 1, true));
                    }
                }
                State::Value | State::First => self.begin(byte)?,
                State::FirstKey | State::Key if byte == b'"' => self.state = State::String(true),
                State::Colon if byte == b':' => self.state = State::Value,
                State::Behind if byte == b',' => {
                    self.state = if self.in_object() { State::Key } else { State::Value };
                }
                State::Behind if byte == self.closing() => {
                    if self.close() {
                        return Ok((at + 1, true));
                    }
                }
                State::FirstKey | State::Key | State::Colon | State::Behind => return Err(Malformed),
            }
            at += 1;
        }
        Ok((at, false))
    }

    fn begin(&mut self, byte: u8) -> Result<(), Malformed> {
        self.state = match byte {
            b'"' => State::String(false),
            b'{' | b'[' => {
                if self.depth == DEEPEST {
                    return Err(Malformed);
                }
                self.depth += 1;
                self.objects = (self.objects << 1) | u32::from(byte == b'{');
                if byte == b'{' { State::FirstKey } else { State::First }
            }
            b'-' => State::Number(Number::Minus),
            b'0' => State::Number(Number::Zero),
            b'1'..=b'9' => State::Number(Number::Digits),
            b't' => State::Word(b"rue"),
            b'f' => State::Word(b"alse"),
            b'n' => State::Word(b"ull"),
            _ => return Err(Malformed),
        };
        Ok(())
    }

    fn in_object(&self) -> bool {
        self.objects & 1 == 1
    }

    fn closing(&self) -> u8 {
        if self.in_object() { b'}' } else { b']' }
    }

    /// Goes behind an array or an object; whether it was the value itself.
    fn close(&mut self) -> bool {
        self.depth -= 1;
        self.objects >>= 1;
        self.is_over()
    }

    /// Goes behind a value; whether it was the value itself.
    fn is_over(&mut self) -> bool {
        self.state = State::Behind;
        self.depth == 0
    }
}

/// The check that bytes are UTF-8, as they come.
#[derive(Debug, Default)]
pub(super) struct Utf8 {
    /// The beginning of a character whose end has not come yet.
    begun: [u8; 4],
    length: usize,
}

impl Utf8 {
    pub(super) fn read(&mut self, mut bytes: &[u8]) -> Result<(), Malformed> {
        while self.length > 0 {
            let Some((&byte, rest)) = bytes.split_first() else {
                return Ok(());
            };
            bytes = rest;
            self.begun[self.length] = byte;
            self.length += 1;
            match std::str::from_utf8(&self.begun[..self.length]) {
                Ok(_) => self.length = 0,
                // No character has more than four bytes, so that there is room for what is missing.
                Err(error) if error.error_len().is_none() => {}
                Err(_) => return Err(Malformed),
            }
        }
        match std::str::from_utf8(bytes) {
            Ok(_) => Ok(()),
            Err(error) if error.error_len().is_none() => {
                let begun = &bytes[error.valid_up_to()..];
                self.begun[..begun.len()].copy_from_slice(begun);
                self.length = begun.len();
                Ok(())
            }
            Err(_) => Err(Malformed),
        }
    }
}
