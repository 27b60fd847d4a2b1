//! Number and duration literals: how far they reach and what they are worth.

use super::lexer::is_alphanumeric;

/// A number of nanoseconds that leaves the range of Prometheus' durations, about 292 years.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OutOfRange;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// A unit's letters and length; a duration's units must be in this order.
const UNITS: [(&[u8], u64); 7] = [
    (b"y", 365 * 24 * 3600 * NANOS_PER_SECOND),
    (b"w", 7 * 24 * 3600 * NANOS_PER_SECOND),
    (b"d", 24 * 3600 * NANOS_PER_SECOND),
    (b"h", 3600 * NANOS_PER_SECOND),
    (b"m", 60 * NANOS_PER_SECOND),
    (b"s", NANOS_PER_SECOND),
    (b"ms", 1_000_000),
];

/// The length of the number that `bytes` start with, `None` where there is none or a letter follows it.
///
/// Underscores and exponents may stand where Prometheus' lexer lets them; whether the whole is a number is for
/// [`number_value`]. The exponent rule holds for hexadecimal numbers too, where `e` is a digit as well: `0x1e` at the
/// end of a query is an error, and `0x1e + 1` is not.
pub(super) fn number_length(bytes: &[u8]) -> Option<usize> {
    let byte_at = |at: usize| bytes.get(at).copied();
    let one_of = |at: usize, set: &[u8]| byte_at(at).is_some_and(|byte| set.contains(&byte));
    let hexadecimal = one_of(0, b"0") && one_of(1, b"xX");
    let digit =
        |at: usize| byte_at(at).is_some_and(|byte| byte.is_ascii_digit() || hexadecimal && byte.is_ascii_hexdigit());

    let mut at = 0;
    if hexadecimal {
        at = 2 + usize::from(one_of(2, b"_"));
    } else if one_of(0, b"0") {
        at = 1;
    }
    at += usize::from(one_of(at, b"."));
    // A point at the very start counts as no point: `.5.5` is lexed as one number, and refused as none later.
    at += usize::from(digit(at));
    let (mut point, mut exponent) = (false, false);
    loop {
        match byte_at(at) {
            Some(b'.') if point || hexadecimal || one_of(at + 1, b"_.") => return None,
            Some(b'.') => {
                point = true;
                at += 1;
            }
            Some(b'e' | b'E') => {
                at += 1;
                at += usize::from(one_of(at, b"+-"));
                if exponent || at >= bytes.len() || one_of(at, b"._eE") {
                    return None;
                }
                exponent = true;
            }
            Some(b'_') if at + 1 >= bytes.len() || one_of(at + 1, b"._eE") => return None,
            Some(b'_') => at += 1,
            Some(_) if digit(at) => {
                while digit(at) {
                    at += 1;
                }
            }
            next => return next.is_none_or(|byte| !is_alphanumeric(byte)).then_some(at),
        }
    }
}

/// The length of the duration that `bytes` start with: digits and units, the longest unit first, each at most once.
pub(super) fn duration_length(bytes: &[u8]) -> Option<usize> {
    let length = bytes
        .iter()
        .position(|byte| !is_alphanumeric(*byte))
        .unwrap_or(bytes.len());
    terms(&bytes[..length]).all(|term| term.is_some()).then_some(length)
}

/// The terms of a duration as digits and the length of their unit, ended by `None` where the text is no duration.
fn terms(mut text: &[u8]) -> impl Iterator<Item = Option<(&[u8], u64)>> {
    let mut units = UNITS.iter();
    std::iter::from_fn(move || {
        if text.is_empty() {
            return None;
        }
        let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (number, rest) = text.split_at(digits);
        let letters = rest
            .iter()
            .take_while(|byte| byte.is_ascii_alphabetic() || **byte == b'_')
            .count();
        let (letters, rest) = rest.split_at(letters);
        text = rest;
        let unit = units.find(|(name, _)| *name == letters).filter(|_| digits > 0);
        if unit.is_none() {
            text = &[];
        }
        Some(unit.map(|(_, nanos)| (number, *nanos)))
    })
}

/// The seconds that a duration literal is worth.
///
/// # Errors
/// When it is longer than Prometheus' durations can be.
pub(super) fn duration_seconds(text: &str) -> Result<f64, OutOfRange> {
    let mut nanos: u64 = 0;
    for (digits, unit) in terms(text.as_bytes()).flatten() {
        let term = digits
            .iter()
            .try_fold(0_u64, |value, digit| {
                value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
            })
            .and_then(|value| value.checked_mul(unit))
            .ok_or(OutOfRange)?;
        nanos = nanos
            .checked_add(term)
            .filter(|nanos| i64::try_from(*nanos).is_ok())
            .ok_or(OutOfRange)?;
    }
    // The sum of two roundings, as Go's `Duration.Seconds` has it.
    Ok((nanos / NANOS_PER_SECOND) as f64 + (nanos % NANOS_PER_SECOND) as f64 / 1e9)
}

/// The value of a number literal: as an integer (`017` is octal, `0x1f` hexadecimal) if it is one, else as a float.
pub(super) fn number_value(text: &str) -> Option<f64> {
    if text.eq_ignore_ascii_case("inf") {
        return Some(f64::INFINITY);
    }
    if text.eq_ignore_ascii_case("nan") {
        return Some(f64::NAN);
    }
    if text.contains('_') && !underscores_separate_digits(text.as_bytes()) {
        return None;
    }
    let plain;
    let text = if text.contains('_') {
        plain = text.replace('_', "");
        &plain
    } else {
        text
    };
    let integer = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => return i64::from_str_radix(&text[2..], 16).ok().map(|value| value as f64),
        [b'0', _, ..] => i64::from_str_radix(&text[1..], 8),
        _ => text.parse(),
    };
    match integer {
        Ok(value) => Some(value as f64),
        // Prometheus refuses what overflows to infinity.
        Err(_) => text.parse().ok().filter(|value: &f64| value.is_finite()),
    }
}

/// Go's rule: an underscore stands between two digits, or between the base's prefix and a digit.
fn underscores_separate_digits(text: &[u8]) -> bool {
    let hexadecimal = matches!(text, [b'0', b'x' | b'X', ..]);
    let digit = |byte: &u8| byte.is_ascii_digit() || hexadecimal && byte.is_ascii_hexdigit();
    (0..text.len()).filter(|at| text[*at] == b'_').all(|at| {
        let after_prefix = hexadecimal && at == 2;
        let after_digit = at > 0 && text.get(at - 1).is_some_and(digit);
        (after_prefix || after_digit) && text.get(at + 1).is_some_and(digit)
    })
}

/// Seconds as whole nanoseconds, or the smallest integer where there are too many: what Go makes of them on amd64.
pub(super) fn nanos(seconds: f64) -> i64 {
    whole(seconds * 1e9)
}

/// Seconds as whole milliseconds, likewise.
pub(super) fn millis(seconds: f64) -> i64 {
    whole(seconds * 1e3)
}

fn whole(value: f64) -> i64 {
    let value = value.round();
    let range = i64::MIN as f64..i64::MAX as f64; // The upper end is rounded up to 2^63, and so excluded.
    #[expect(clippy::cast_possible_truncation, reason = "whole and in range")]
    if range.contains(&value) { value as i64 } else { i64::MIN }
}

/// Whether seconds pass what a Prometheus duration can hold.
pub(super) fn out_of_range(seconds: f64) -> bool {
    const LIMIT: f64 = (1_u64 << 63) as f64 / 1e9;
    !(-LIMIT..=LIMIT).contains(&seconds) && !seconds.is_nan()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_reach_as_far_as_prometheus_lets_them() {
        let cases: &[(&str, Option<usize>)] = &[
            ("1", Some(1)),
            ("5.", Some(2)),
            (".5", Some(2)),
            ("1_000)", Some(5)),
            ("1__0", None),
            ("1_", None),
            ("1_ ", Some(2)),
            ("1e3_0", Some(5)),
            ("1e", None),
            ("1e ", Some(2)),
            ("1e+", None),
            ("1e+5-", Some(4)),
            ("1e5e5", None),
            ("1..2", None),
            ("1.5.2", None),
            ("0x1f", Some(4)),
            ("0x_1", Some(4)),
            ("0x1e", None),
            ("0x1e ", Some(4)),
            ("0x11e1e", Some(7)),
            ("0x1.5", None),
            ("5m", None),
            ("5x", None),
        ];
        for (text, length) in cases {
            assert_eq!(number_length(text.as_bytes()), *length, "{text}");
        }
    }

    #[test]
    fn numbers_are_worth_what_go_makes_of_them() {
        let cases: &[(&str, Option<f64>)] = &[
            ("0", Some(0.0)),
            ("017", Some(15.0)),
            ("089", Some(89.0)),
            ("0_17", Some(15.0)),
            ("0x1F", Some(31.0)),
            ("0x_1", Some(1.0)),
            ("0x", None),
            ("0xffffffffffffffff", None),
            ("9223372036854775808", Some(9_223_372_036_854_775_808.0)),
            ("1_000", Some(1000.0)),
            ("1_", None),
            ("1e3_0", Some(1e30)),
            ("5.", Some(5.0)),
            (".5", Some(0.5)),
            ("1e", None),
            ("1e999", None),
            ("iNf", Some(f64::INFINITY)),
        ];
        for (text, value) in cases {
            assert_eq!(number_value(text), *value, "{text}");
        }
        assert!(number_value("NaN").is_some_and(f64::is_nan));
    }

    #[test]
    fn durations_need_their_units_in_order() {
        let cases: &[(&str, Option<f64>)] = &[
            ("5m", Some(300.0)),
            ("1h30m", Some(5400.0)),
            ("1y1w1d1h1m1s1ms", Some(32_230_861.001)),
            ("500ms", Some(0.5)),
            ("0s", Some(0.0)),
            ("30m1h", None),
            ("5m5m", None),
            ("5hs", None),
            ("m", None),
            ("5", None),
            ("5m_", None),
            ("5m3", None),
        ];
        for (text, seconds) in cases {
            let length = duration_length(text.as_bytes());
            assert_eq!(length, seconds.map(|_| text.len()), "{text}");
            if let Some(seconds) = seconds {
                assert_eq!(duration_seconds(text), Ok(*seconds), "{text}");
            }
        }
        for text in ["293y", "99999999999999999999s", "292y52w"] {
            assert_eq!(duration_seconds(text), Err(OutOfRange), "{text}");
        }
    }
}
