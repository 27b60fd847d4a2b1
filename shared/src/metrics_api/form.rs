//! `application/x-www-form-urlencoded`, read strictly: what two readers could understand in two ways is refused.

use std::borrow::Cow;

use percent_encoding::percent_decode;

/// A form that cannot be read in one way only.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum FormError {
    #[error("the form has a % that is not followed by two hexadecimal digits, at byte {0}")]
    Escape(usize),
    #[error("the form is not UTF-8 once decoded, at byte {0}")]
    Encoding(usize),
    #[error("the form has more than the {0} parameters allowed")]
    TooMany(usize),
}

/// The names and values of a form, in its order. `;` separates nothing, as in Go since 1.17.
pub(super) fn parse(body: &[u8], most: usize) -> Result<Vec<(String, String)>, FormError> {
    let mut pairs = Vec::new();
    let mut at = 0;
    for pair in body.split(|byte| *byte == b'&') {
        let start = at;
        at += pair.len() + 1;
        if pair.is_empty() {
            continue;
        }
        if pairs.len() == most {
            return Err(FormError::TooMany(most));
        }
        let equals = pair.iter().position(|byte| *byte == b'=');
        let (name, value) = equals.map_or((pair, &[][..]), |equals| (&pair[..equals], &pair[equals + 1..]));
        let decode = |bytes: &[u8]| {
            if has_broken_escape(bytes) {
                return Err(FormError::Escape(start));
            }
            let spaced: Vec<u8> = bytes
                .iter()
                .map(|byte| if *byte == b'+' { b' ' } else { *byte })
                .collect();
            percent_decode(&spaced)
                .decode_utf8()
                .map(Cow::into_owned)
                .map_err(|_| FormError::Encoding(start))
        };
        pairs.push((decode(name)?, decode(value)?));
    }
    Ok(pairs)
}

/// Whether a `%` is not followed by two hexadecimal digits.
pub(super) fn has_broken_escape(bytes: &[u8]) -> bool {
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
    bytes
        .iter()
        .enumerate()
        .any(|(at, byte)| *byte == b'%' && !(is_digit(at + 1) && is_digit(at + 2)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(body: &str) -> Vec<(String, String)> {
        parse(body.as_bytes(), 10).unwrap()
    }

    #[test]
    fn forms_are_read() {
        for (body, expected) in [
            ("", &[][..]),
            ("&&", &[]),
            ("query=up", &[("query", "up")]),
            ("query=a+b%2Bc", &[("query", "a b+c")]),
            ("match%5B%5D=a&match[]=b", &[("match[]", "a"), ("match[]", "b")]),
            ("query=a;time=1", &[("query", "a;time=1")]),
            ("query=a=b", &[("query", "a=b")]),
            ("query", &[("query", "")]),
            ("=a", &[("", "a")]),
            ("query=%C3%A9", &[("query", "é")]),
        ] {
            let expected: Vec<_> = expected
                .iter()
                .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
                .collect();
            assert_eq!(pairs(body), expected, "{body}");
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        for (body, expected) in [
            (&b"query=%"[..], FormError::Escape(0)),
            (b"a=b&query=%4", FormError::Escape(4)),
            (b"query=%u0041", FormError::Escape(0)),
            (b"query=%+1", FormError::Escape(0)),
            (b"query=%ff", FormError::Encoding(0)),
            (b"query=\xff", FormError::Encoding(0)),
            (b"qu\xffery=a", FormError::Encoding(0)),
            (b"a&a&a&a&a&a&a&a&a&a&a", FormError::TooMany(10)),
        ] {
            assert_eq!(parse(body, 10).unwrap_err(), expected, "{body:?}");
        }
    }
}
