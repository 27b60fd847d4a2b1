//! String literals: where they end, which bytes they stand for, and the one way in which they are written again.

use std::borrow::Cow;
use std::fmt::Write as _;

/// What is wrong with a string literal.
pub(super) struct StringError {
    /// The byte of the query it is found at.
    pub(super) at: usize,
    /// Whether the whole literal is to blame rather than what stands there.
    pub(super) whole: bool,
    pub(super) message: Cow<'static, str>,
}

/// The bytes that may end a string, escape something, or start U+FFFD. All others are passed over.
const STOPS: [bool; 256] = {
    let mut stops = [false; 256];
    let mut index = 0;
    let bytes = b"\"'`\\\n\xef";
    while index < bytes.len() {
        stops[bytes[index] as usize] = true;
        index += 1;
    }
    stops
};

/// Finds the end of the string whose opening `quote` ends before byte `from` of `query`.
///
/// # Errors
/// When it is not terminated, has an escape that Go's strings do not have, or has U+FFFD, which Prometheus' lexer takes
/// for invalid UTF-8.
pub(super) fn scan(query: &str, from: usize, quote: u8) -> Result<usize, StringError> {
    let bytes = query.as_bytes();
    let raw = quote == b'`';
    let mut at = from;
    loop {
        at += bytes[at..]
            .iter()
            .take_while(|byte| !STOPS[usize::from(**byte)])
            .count();
        match bytes.get(at) {
            Some(byte) if *byte == quote => return Ok(at + 1),
            Some(b'\\') if !raw => at = escape(query, at, quote)?.1,
            Some(b'\n') if !raw => return Err(unterminated(at, raw)),
            Some(0xEF) if bytes[at..].starts_with("\u{FFFD}".as_bytes()) => {
                return Err(StringError {
                    at,
                    whole: false,
                    message: "invalid UTF-8 rune".into(),
                });
            }
            Some(_) => at += 1,
            None => return Err(unterminated(at, raw)),
        }
    }
}

fn unterminated(at: usize, raw: bool) -> StringError {
    let message = if raw {
        "unterminated raw string"
    } else {
        "unterminated quoted string"
    };
    StringError {
        at,
        whole: true,
        message: message.into(),
    }
}

/// What an escape stands for.
enum Escaped {
    /// `\xff` and `\377` are one byte, whatever a character of that number would be.
    Byte(u8),
    Character(char),
}

/// Reads the escape at the backslash `at`; returns what it stands for and where it ends.
fn escape(query: &str, at: usize, quote: u8) -> Result<(Escaped, usize), StringError> {
    let error = |at: usize, message: Cow<'static, str>| StringError {
        at,
        whole: false,
        message,
    };
    let bytes = query.as_bytes();
    let Some(&kind) = bytes.get(at + 1) else {
        return Err(error(at, "escape sequence not terminated".into()));
    };
    let simple = match kind {
        b'a' => Some(7),
        b'b' => Some(8),
        b't' => Some(b'\t'),
        b'n' => Some(b'\n'),
        b'v' => Some(11),
        b'f' => Some(12),
        b'r' => Some(b'\r'),
        b'\\' => Some(b'\\'),
        _ if kind == quote => Some(quote),
        _ => None,
    };
    if let Some(byte) = simple {
        return Ok((Escaped::Byte(byte), at + 2));
    }
    let (start, digits, base) = match kind {
        b'0'..=b'7' => (at + 1, 3, 8),
        b'x' => (at + 2, 2, 16),
        b'u' => (at + 2, 4, 16),
        b'U' => (at + 2, 8, 16),
        _ => {
            let character = query[at + 1..].chars().next().unwrap_or_default();
            return Err(error(at, format!("unknown escape sequence {character:?}").into()));
        }
    };
    let mut value: u32 = 0;
    for at in start..start + digits {
        let Some(&byte) = bytes.get(at) else {
            return Err(error(at, "escape sequence not terminated".into()));
        };
        let Some(digit) = char::from(byte).to_digit(base) else {
            let character = query[at..].chars().next().unwrap_or_default();
            return Err(error(
                at,
                format!("illegal character {character:?} in escape sequence").into(),
            ));
        };
        // Wraps only past the eighth digit of `\U`, and there are no more than eight.
        value = value.wrapping_mul(base) + digit;
    }
    let escaped = if matches!(kind, b'u' | b'U') {
        char::from_u32(value).map(Escaped::Character)
    } else {
        u8::try_from(value).ok().map(Escaped::Byte)
    };
    match escaped {
        Some(escaped) => Ok((escaped, start + digits)),
        None => Err(error(at, "escape sequence is an invalid Unicode code point".into())),
    }
}

/// The bytes that the string literal `text`, quotes included, stands for. The lexer has checked it.
pub(super) fn value(text: &str) -> Cow<'_, [u8]> {
    let quote = text.as_bytes().first().copied().unwrap_or_default();
    let inner = text.get(1..text.len() - 1).unwrap_or_default();
    if quote == b'`' || !inner.contains('\\') {
        return Cow::Borrowed(inner.as_bytes());
    }
    let mut out = Vec::with_capacity(inner.len());
    let mut at = 0;
    while let Some(byte) = inner.as_bytes().get(at) {
        if *byte != b'\\' {
            out.push(*byte);
            at += 1;
            continue;
        }
        let Ok((escaped, end)) = escape(inner, at, quote) else {
            break;
        };
        match escaped {
            Escaped::Byte(byte) => out.push(byte),
            Escaped::Character(character) => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
        at = end;
    }
    Cow::Owned(out)
}

/// Appends `bytes` as a string literal that every dialect of PromQL reads alike: in double quotes, with no escape but
/// `\\`, `\"`, `\n`, `\xNN` for other control characters and for bytes that are no UTF-8, and `\ufffd`.
pub(super) fn quote(bytes: &[u8], out: &mut String) {
    out.push('"');
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    if let Ok(plain) = std::str::from_utf8(bytes)
        && bytes.iter().all(is_plain)
    {
        out.push_str(plain);
        out.push('"');
        return;
    }
    for chunk in bytes.utf8_chunks() {
        let mut rest = chunk.valid();
        while let Some(at) = rest.find(|c: char| c.is_ascii_control() || matches!(c, '"' | '\\' | '\u{FFFD}')) {
            let (plain, special) = rest.split_at(at);
            out.push_str(plain);
            let mut characters = special.chars();
            match characters.next() {
                Some('\n') => out.push_str("\\n"),
                Some('\u{FFFD}') => out.push_str("\\ufffd"),
                Some(control) if control.is_ascii_control() => hex(u32::from(control), out),
                Some(sign) => out.extend(['\\', sign]),
                None => {}
            }
            rest = characters.as_str();
        }
        out.push_str(rest);
        chunk.invalid().iter().for_each(|byte| hex(u32::from(*byte), out));
    }
    out.push('"');
}

fn hex(value: u32, out: &mut String) {
    // Writing to a `String` cannot fail.
    let _ = write!(out, "\\x{value:02x}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(text: &str) -> Option<Vec<u8>> {
        let end = scan(text, 1, text.as_bytes()[0]).ok()?;
        assert_eq!(end, text.len(), "{text}");
        Some(value(text).into_owned())
    }

    #[test]
    fn literals_stand_for_the_bytes_that_go_reads() {
        let cases: &[(&str, Option<&[u8]>)] = &[
            (r#""""#, Some(b"")),
            (r#""a\"b""#, Some(br#"a"b"#)),
            (r"'a\'b'", Some(b"a'b")),
            (r#"'a"b'"#, Some(br#"a"b"#)),
            (r#""a\'b""#, None),
            (r"`a\dos`", Some(br"a\dos")),
            ("`a\nb`", Some(b"a\nb")),
            ("\"a\nb\"", None),
            (r#""\a\b\f\n\r\t\v\\""#, Some(b"\x07\x08\x0c\n\r\t\x0b\\")),
            (r#""\xff\377""#, Some(b"\xff\xff")),
            (r#""\xc3\xa9""#, Some("é".as_bytes())),
            (r#""\u1234\U00010111""#, Some("\u{1234}\u{10111}".as_bytes())),
            (r#""\ufffd""#, Some("\u{FFFD}".as_bytes())),
            ("\"\u{FFFD}\"", None),
            (r#""\400""#, None),
            (r#""\ud800""#, None),
            (r#""\UFFFFFFFF""#, None),
            (r#""\xg0""#, None),
            (r#""\q""#, None),
            (r#""\"#, None),
            (r#""\x4"#, None),
            ("\"open", None),
            ("`open", None),
        ];
        for (text, bytes) in cases {
            assert_eq!(decoded(text).as_deref(), *bytes, "{text}");
        }
    }

    #[test]
    fn what_is_quoted_reads_as_the_same_bytes() {
        let every_byte: Vec<u8> = (0..=255).collect();
        let cases: &[&[u8]] = &[
            b"",
            b"plain",
            b"\"\\\n\r\0\x7f",
            "é\u{FFFD}☺".as_bytes(),
            b"\xc3",
            &every_byte,
        ];
        for bytes in cases {
            let mut text = String::new();
            quote(bytes, &mut text);
            assert_eq!(decoded(&text).as_deref(), Some(*bytes), "{text}");
        }
    }

    #[test]
    fn quoting_escapes_no_more_than_it_must() {
        let mut text = String::new();
        quote("é ' ` # {} \\ \" \n \r".as_bytes(), &mut text);
        assert_eq!(text, r#""é ' ` # {} \\ \" \n \x0d""#);
    }
}
