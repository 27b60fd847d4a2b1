//! Times and durations as Prometheus' HTTP API reads them, and as they are written for an upstream.
//!
//! What differs: NaN, infinities and times outside the years 0 to 9999 are refused, where Go makes some other time of them;
//! and so are what only Go's parsers take, `1_000` and hours of one digit.

use std::fmt::Write as _;
use std::time::Duration;

use jiff::civil::Date;

/// Milliseconds since 1970: what Prometheus counts in.
pub(super) type Millis = i64;

/// The years 0 to 9999, which RFC 3339 can write.
const EARLIEST: Millis = -62_167_219_200_000;
const LATEST: Millis = 253_402_300_799_999;

/// Prometheus' own constants for the beginning and the end of time, which clients send for "no limit".
const MIN_TIME: &str = "-292273086-05-16T16:47:06Z";
const MAX_TIME: &str = "292277025-08-18T07:12:54.999999999Z";

/// A time, or one end of all time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Time {
    Millis(Millis),
    Min,
    Max,
}

/// A time that Prometheus would not take either.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot parse {0:?} to a valid timestamp; write seconds since 1970 or 2026-01-31T10:20:00Z")]
pub(super) struct TimeError(String);

/// A duration that Prometheus would not take either.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum DurationError {
    #[error("cannot parse {0:?} to a valid duration; write seconds or 1h30m")]
    Syntax(String),
    #[error("cannot parse {0:?} to a valid duration. It overflows int64")]
    Overflow(String),
}

/// What of a value that is none is shown.
fn shown(text: &str) -> String {
    text.chars().take(64).collect()
}

/// Seconds since 1970, with a fraction that is rounded to milliseconds, or RFC 3339.
pub(super) fn parse_time(text: &str) -> Result<Time, TimeError> {
    let error = || TimeError(shown(text));
    match text {
        MIN_TIME => return Ok(Time::Min),
        MAX_TIME => return Ok(Time::Max),
        _ => {}
    }
    let millis = match parse_float(text) {
        Some(seconds) => {
            let whole = seconds.trunc();
            if !(EARLIEST as f64 / 1000.0..=LATEST as f64 / 1000.0).contains(&whole) {
                return Err(error());
            }
            #[expect(clippy::cast_possible_truncation, reason = "both are whole and in range")]
            let millis = whole as i64 * 1000 + ((seconds - whole) * 1000.0).round() as i64;
            millis
        }
        None => rfc3339(text).ok_or_else(error)?,
    };
    if (EARLIEST..=LATEST).contains(&millis) {
        Ok(Time::Millis(millis))
    } else {
        Err(error())
    }
}

/// Decimal numbers; what Rust reads, Go reads alike.
fn parse_float(text: &str) -> Option<f64> {
    text.parse().ok()
}

/// `2026-01-31T10:20:00.123+01:00`, by Go's rules for RFC 3339: no other separators, no leap seconds.
fn rfc3339(text: &str) -> Option<Millis> {
    let (date, rest) = text.split_once('T')?;
    let [year, month, day] = fixed(date, '-', [4, 2, 2])?;
    let zone_at = rest.find(['Z', '+', '-'])?;
    let (clock, zone) = rest.split_at(zone_at);
    let (clock, fraction) = match clock.split_once(['.', ',']) {
        Some((clock, fraction)) if !fraction.is_empty() => (clock, fraction),
        Some(_) => return None,
        None => (clock, ""),
    };
    let [hour, minute, second] = fixed(clock, ':', [2, 2, 2])?;
    if hour > 23 || minute > 59 || second > 59 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let millis = fraction
        .bytes()
        .chain(*b"000")
        .take(3)
        .fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
    let offset = match zone.split_at(1) {
        ("Z", "") => 0,
        (sign, hours_minutes) => {
            let [hours, minutes] = fixed(hours_minutes, ':', [2, 2])?;
            if sign == "Z" || hours > 24 || minutes > 60 {
                return None;
            }
            (if sign == "-" { -1 } else { 1 }) * (hours * 60 + minutes)
        }
    };
    let date = Date::new(year.try_into().ok()?, month.try_into().ok()?, day.try_into().ok()?).ok()?;
    let days = i64::from(date.since(Date::constant(1970, 1, 1)).ok()?.get_days());
    let seconds = days * 86_400 + hour * 3600 + minute * 60 + second - offset * 60;
    Some(seconds * 1000 + millis)
}

/// Numbers of exactly so many digits with a separator between them.
fn fixed<const N: usize>(text: &str, separator: char, digits: [usize; N]) -> Option<[i64; N]> {
    let mut parts = text.split(separator);
    let mut numbers = [0; N];
    for (number, digits) in numbers.iter_mut().zip(digits) {
        let part = parts.next()?;
        if part.len() != digits || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(numbers)
}

const UNITS: [(&str, i64); 7] = [
    ("y", 365 * 24 * 3600 * 1000),
    ("w", 7 * 24 * 3600 * 1000),
    ("d", 24 * 3600 * 1000),
    ("h", 3600 * 1000),
    ("m", 60 * 1000),
    ("s", 1000),
    ("ms", 1),
];
const NANOS: i64 = 1_000_000;

/// Seconds with a fraction, or units from the largest to the smallest, each once. In nanoseconds, which may be negative.
pub(super) fn parse_duration(text: &str) -> Result<i64, DurationError> {
    if let Some(seconds) = parse_float(text) {
        let nanos = seconds * 1e9;
        // The greatest i64 is no f64; the next one above it is where Go's own comparison lets something slip through.
        #[expect(clippy::cast_possible_truncation, reason = "in range")]
        return if nanos >= i64::MIN as f64 && nanos < i64::MAX as f64 {
            Ok(nanos as i64)
        } else {
            Err(DurationError::Overflow(shown(text)))
        };
    }
    units(text).ok_or_else(|| DurationError::Syntax(shown(text)))
}

fn units(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut left = &UNITS[..];
    let mut nanos: i64 = 0;
    while !rest.is_empty() {
        let unit_at = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at(unit_at);
        let unit_end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let at = left.iter().position(|(name, _)| *name == unit)?;
        let millis = number.parse::<i64>().ok()?.checked_mul(left[at].1)?;
        nanos = nanos.checked_add(millis.checked_mul(NANOS)?)?;
        left = &left[at + 1..];
        rest = after;
    }
    (!text.is_empty()).then_some(nanos)
}

/// Milliseconds as an upstream reads them for a time or a duration: seconds, and three digits if there is a fraction.
pub(super) fn seconds(millis: i64) -> String {
    let sign = if millis < 0 { "-" } else { "" };
    let millis = millis.unsigned_abs();
    let (whole, fraction) = (millis / 1000, millis % 1000);
    if fraction == 0 {
        format!("{sign}{whole}")
    } else {
        format!("{sign}{whole}.{fraction:03}")
    }
}

/// A duration for people, as Prometheus writes it: `31d`, `1h30m`.
pub(super) fn in_units(duration: Duration) -> String {
    let mut millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    if millis == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    // Years and weeks are harder to compare with days than days are.
    for (unit, length) in &UNITS[2..] {
        if millis >= *length {
            // Writing to a string does not fail.
            let _ = write!(text, "{}{unit}", millis / length);
            millis %= length;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_prometheus_reads_them() {
        for (text, millis) in [
            ("0", 0),
            ("1700000000", 1_700_000_000_000),
            ("1700000000.123", 1_700_000_000_123),
            ("1700000000.1234", 1_700_000_000_123),
            ("1700000000.9996", 1_700_000_001_000),
            ("1.7e9", 1_700_000_000_000),
            ("-1.5", -1500),
            ("+5", 5000),
            (".5", 500),
            ("5.", 5000),
            ("1970-01-01T00:00:00Z", 0),
            ("2015-06-03T13:21:58.555Z", 1_433_337_718_555),
            ("2015-06-03T13:21:58,555Z", 1_433_337_718_555),
            ("2015-06-03T14:21:58.555+01:00", 1_433_337_718_555),
            ("2015-06-03T13:21:58.5559999999999Z", 1_433_337_718_555),
            ("1969-12-31T23:59:59.5Z", -500),
            ("2024-02-29T00:00:00Z", 1_709_164_800_000),
            ("0000-01-01T00:00:00Z", EARLIEST),
            ("9999-12-31T23:59:59.999Z", LATEST),
        ] {
            assert_eq!(parse_time(text), Ok(Time::Millis(millis)), "{text}");
        }
        assert_eq!(parse_time(MIN_TIME), Ok(Time::Min));
        assert_eq!(parse_time(MAX_TIME), Ok(Time::Max));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "now",
            "5m",
            "NaN",
            "Inf",
            "-Inf",
            "infinity",
            "1e300",
            "1e15",
            "-1e15",
            "0x10",
            "1_000",
            " 1",
            "1 ",
            "2015-06-03",
            "2015-06-03T13:21:58",
            "2015-06-03 13:21:58Z",
            "2015-06-03t13:21:58Z",
            "2015-06-03T13:21:58z",
            "2015-06-03T13:21:60Z",
            "2015-06-03T24:00:00Z",
            "2015-02-29T00:00:00Z",
            "2015-13-01T00:00:00Z",
            "2015-06-03T13:21:58.Z",
            "2015-06-03T13:21:58+0100",
            "2015-06-03T13:21:58+01",
            "15-06-03T13:21:58Z",
            "2015-06-03T13:21:58Z[UTC]",
            "20150603T132158Z",
            "2015-06-03T13:21:58Z0",
            "+2015-06-03T13:21:58Z",
            "2015-06-03T13:21:5xZ",
            "٢015-06-03T13:21:58Z",
        ] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_are_read_as_prometheus_reads_them() {
        const SECOND: i64 = 1_000_000_000;
        for (text, nanos) in [
            ("0", 0),
            ("5", 5 * SECOND),
            ("0.5", SECOND / 2),
            ("1e-9", 1),
            ("-5", -5 * SECOND),
            ("5m", 300 * SECOND),
            ("1h30m", 5400 * SECOND),
            (
                "1y2w3d4h5m6s7ms",
                (365 + 14 + 3) * 86_400 * SECOND + (4 * 3600 + 5 * 60 + 6) * SECOND + 7 * NANOS,
            ),
            ("100ms", 100 * NANOS),
            ("0s", 0),
            ("292y", 292 * 365 * 86_400 * SECOND),
        ] {
            assert_eq!(parse_duration(text), Ok(nanos), "{text}");
        }
        for text in [
            "",
            "m",
            "5m5m",
            "5s5m",
            "1.5h",
            "-5m",
            "5 m",
            "5M",
            "5us",
            "293y",
            "5m5",
            "9223372036854775808s",
        ] {
            assert!(matches!(parse_duration(text), Err(DurationError::Syntax(_))), "{text}");
        }
        for text in ["1e10", "-1e10", "Inf", "NaN", "1e300", "9223372036.854775807"] {
            assert!(
                matches!(parse_duration(text), Err(DurationError::Overflow(_))),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_written_reads_as_the_same() {
        for millis in [0, 1, -1, 999, 1000, -1500, 1_700_000_000_123, EARLIEST, LATEST] {
            assert_eq!(parse_time(&seconds(millis)), Ok(Time::Millis(millis)), "{millis}");
        }
        for (duration, text) in [(0, "0s"), (90, "90ms"), (5_400_000, "1h30m"), (31 * 86_400_000, "31d")] {
            assert_eq!(in_units(Duration::from_millis(duration)), text);
        }
    }
}
