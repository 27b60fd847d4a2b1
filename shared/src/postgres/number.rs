//! PostgreSQL's text of a number, a time span or a point in time, as a sample value.
//!
//! The session writes dates in ISO order and intervals by ISO 8601, whatever the server's settings.

use super::types::Kind;

const DAY: i64 = 86_400;
const MICROS: i64 = 1_000_000;

/// Reads a cell of a numeric kind; `None` when the text is not of that kind or a finite value does not fit.
///
/// Time spans are in seconds, points in time in seconds since the epoch, by the rules of `EXTRACT(EPOCH ..)`.
pub(super) fn read(kind: Kind, text: &str) -> Option<f64> {
    match kind {
        Kind::Decimal => decimal(text),
        Kind::Boolean => boolean(text).map(|truth| f64::from(u8::from(truth))),
        Kind::Interval => infinity(text).or_else(|| interval(text)),
        Kind::Date => infinity(text).or_else(|| date(text)),
        Kind::Timestamp => infinity(text).or_else(|| timestamp(text)),
        Kind::Time => time(text).map(seconds),
        Kind::Text | Kind::Padded | Kind::Unsupported => None,
    }
}

/// Reads `t` or `f`.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text {
        "t" => Some(true),
        "f" => Some(false),
        _ => None,
    }
}

fn infinity(text: &str) -> Option<f64> {
    match text {
        "infinity" => Some(f64::INFINITY),
        "-infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

/// The nearest double to a decimal number of any length. A NUMERIC may exceed what a double holds; that is not infinity.
fn decimal(text: &str) -> Option<f64> {
    let number: f64 = text.parse().ok()?;
    if number.is_infinite() && !text.trim_start_matches('-').eq_ignore_ascii_case("infinity") {
        return None;
    }
    Some(number)
}

/// Microseconds as the nearest number of seconds.
fn seconds(micros: impl Into<i128>) -> f64 {
    const EXACT: i128 = 1 << 53;
    let micros = micros.into();
    if (-EXACT..=EXACT).contains(&micros) {
        micros as f64 / MICROS as f64
    } else {
        let unit = i128::from(MICROS);
        micros.div_euclid(unit) as f64 + micros.rem_euclid(unit) as f64 / MICROS as f64
    }
}

/// `2024-05-06`, with years of four digits or more, and ` BC` at the end.
fn date(text: &str) -> Option<f64> {
    let (text, before_christ) = era(text);
    Some((days(text, before_christ)? * DAY) as f64)
}

/// `2024-05-06 07:08:09.123456+05:30`; without a zone it counts as UTC.
fn timestamp(text: &str) -> Option<f64> {
    let (text, before_christ) = era(text);
    let (day, clock) = text.split_once(' ')?;
    let (clock, offset) = match clock.find(['+', '-']) {
        Some(at) => (&clock[..at], zone(&clock[at..])?),
        None => (clock, 0),
    };
    let second = days(day, before_christ)? * DAY - offset;
    Some(seconds(
        i128::from(second) * i128::from(MICROS) + i128::from(time(clock)?),
    ))
}

fn era(text: &str) -> (&str, bool) {
    text.strip_suffix(" BC").map_or((text, false), |text| (text, true))
}

/// Days since the epoch in the proleptic Gregorian calendar.
fn days(text: &str, before_christ: bool) -> Option<i64> {
    let mut parts = text.split('-');
    let (year, month, day) = (digits(parts.next()?)?, digits(parts.next()?)?, digits(parts.next()?)?);
    if parts.next().is_some() || !(1..=12).contains(&month) || !(1..=31).contains(&day) || year > 10_000_000 {
        return None;
    }
    // There is no year 0: 1 BC comes before AD 1.
    let year = if before_christ { 1 - year } else { year };
    // Years that begin in March put the leap day last; an era is the calendar's period of 400 years.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

/// `07:08:09.123456` in microseconds since midnight, up to 24:00:00.
fn time(text: &str) -> Option<i64> {
    let mut parts = text.split(':');
    let (hour, minute) = (digits(parts.next()?)?, digits(parts.next()?)?);
    let second = fraction(parts.next()?)?;
    if parts.next().is_some() || hour > 24 || minute > 59 {
        return None;
    }
    Some((hour * 60 + minute) * 60 * MICROS + second)
}

/// `+05`, `-03:30` or `+00:19:32` in seconds east of Greenwich.
fn zone(text: &str) -> Option<i64> {
    let (sign, text) = signed(text);
    let mut offset = 0;
    for (part, unit) in text.splitn(3, ':').zip([3600, 60, 1]) {
        offset += digits(part.trim_start_matches('+'))? * unit;
    }
    Some(sign * offset)
}

/// `P1Y2M3DT4H5M6.7S`, each number with a sign of its own, in seconds: a year has 365.25 days, a month beyond full
/// years 30, a day 24 hours.
fn interval(text: &str) -> Option<f64> {
    let text = text.strip_prefix('P')?;
    let (calendar, clock) = text.split_once('T').unwrap_or((text, ""));
    // The longest interval has more microseconds than an i64 holds.
    let mut micros: i128 = 0;
    for (part, units) in [
        (calendar, [('Y', 31_557_600), ('M', 30 * DAY), ('D', DAY)]),
        (clock, CLOCK),
    ] {
        let mut rest = part;
        for (name, unit) in units {
            let Some((number, tail)) = rest.split_once(name) else {
                continue;
            };
            let (sign, number) = signed(number);
            let value = fraction(number)?;
            micros += i128::from(value) * i128::from(sign * unit);
            rest = tail;
        }
        if !rest.is_empty() {
            return None;
        }
    }
    Some(seconds(micros))
}

const CLOCK: [(char, i64); 3] = [('H', 3600), ('M', 60), ('S', 1)];

fn signed(text: &str) -> (i64, &str) {
    text.strip_prefix('-').map_or((1, text), |text| (-1, text))
}

/// A decimal number with up to six digits after the point, in millionths.
fn fraction(text: &str) -> Option<i64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    if part.len() > 6 {
        return None;
    }
    let scale = 10_i64.pow(u32::try_from(6 - part.len()).ok()?);
    let part = if part.is_empty() { 0 } else { digits(part)? };
    digits(whole)?.checked_mul(MICROS)?.checked_add(part * scale)
}

fn digits(text: &str) -> Option<i64> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use jiff::civil;
    use jiff::tz::{Offset, TimeZone};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_become_numbers() {
        for (kind, text, number) in [
            (Kind::Decimal, "0", Some(0.0)),
            (
                Kind::Decimal,
                "-9223372036854775808",
                Some(-9_223_372_036_854_775_808.0),
            ),
            (
                Kind::Decimal,
                "12345678901234567890123456789012345678.5",
                Some(1.234_567_890_123_456_8e37),
            ),
            (Kind::Decimal, "0.1", Some(0.1)),
            (Kind::Decimal, "Infinity", Some(f64::INFINITY)),
            (Kind::Decimal, "-Infinity", Some(f64::NEG_INFINITY)),
            (Kind::Decimal, "1.7976931348623157e+308", Some(f64::MAX)),
            (Kind::Decimal, "five", None),
            (Kind::Boolean, "t", Some(1.0)),
            (Kind::Boolean, "f", Some(0.0)),
            (Kind::Boolean, "1", None),
            (Kind::Interval, "PT0S", Some(0.0)),
            (Kind::Interval, "P1Y2M3DT4H5M6.789S", Some(37_015_506.789)),
            (Kind::Interval, "P-1Y-2M3DT-4H-5M-6.5S", Some(-36_497_106.5)),
            (Kind::Interval, "PT-0.000001S", Some(-0.000_001)),
            (Kind::Interval, "PT5M", Some(300.0)),
            (Kind::Interval, "P5M", Some(12_960_000.0)),
            (Kind::Interval, "infinity", Some(f64::INFINITY)),
            (Kind::Interval, "01:02:03", None),
            (Kind::Interval, "P1W", None),
            (Kind::Date, "1970-01-01", Some(0.0)),
            (Kind::Date, "2024-02-29", Some(1_709_164_800.0)),
            (Kind::Date, "-infinity", Some(f64::NEG_INFINITY)),
            (Kind::Date, "0001-01-01", Some(-62_135_596_800.0)),
            (Kind::Date, "0001-12-31 BC", Some(-62_135_683_200.0)),
            (Kind::Date, "5874897-12-31", Some(185_331_706_992_000.0)),
            (Kind::Date, "2024-13-01", None),
            (Kind::Date, "2024-01-01 00:00:00", None),
            (Kind::Timestamp, "1970-01-01 00:00:00.25", Some(0.25)),
            (
                Kind::Timestamp,
                "2024-05-06 07:08:09.123456",
                Some(1_714_979_289.123_456),
            ),
            (
                Kind::Timestamp,
                "2024-05-06 07:08:09.123456+05:30",
                Some(1_714_959_489.123_456),
            ),
            (Kind::Timestamp, "2024-05-06 07:08:09-03", Some(1_714_990_089.0)),
            (Kind::Timestamp, "1890-01-01 00:00:00+00:19:32", Some(-2_524_522_772.0)),
            (Kind::Timestamp, "0044-03-15 12:00:00+00 BC", Some(-63_517_780_800.0)),
            (Kind::Timestamp, "infinity", Some(f64::INFINITY)),
            (Kind::Timestamp, "2024-05-06", None),
            (Kind::Time, "23:59:59.999999", Some(86_399.999_999)),
            (Kind::Time, "24:00:00", Some(86_400.0)),
            (Kind::Time, "7", None),
            (Kind::Text, "1", None),
        ] {
            assert_eq!(read(kind, text), number, "{kind:?} {text}");
        }
        assert!(read(Kind::Decimal, "NaN").unwrap().is_nan());
    }

    #[test]
    fn a_finite_number_that_no_double_holds_is_not_infinity() {
        assert_eq!(read(Kind::Decimal, &format!("1{}", "0".repeat(400))), None);
    }

    proptest! {
        #[test]
        fn any_integer_and_double_survives(integer: i64, double: f64) {
            prop_assert_eq!(decimal(&integer.to_string()), Some(integer as f64));
            if double.is_finite() {
                prop_assert_eq!(decimal(&double.to_string()), Some(double));
            }
        }

        #[test]
        fn any_point_in_time_is_the_same_as_the_calendar_says(second in -60_000_000_000_i64..250_000_000_000, micro in 0_i32..1_000_000, offset in -50_000_i32..50_000) {
            let offset = Offset::from_seconds(offset).unwrap();
            let moment = jiff::Timestamp::new(second, 0).unwrap();
            let local = offset.to_datetime(moment);
            let sign = if offset.is_negative() { '-' } else { '+' };
            let east = offset.seconds().abs();
            let text = format!(
                "{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{micro:06}{sign}{:02}:{:02}:{:02}",
                local.year(), local.month(), local.day(), local.hour(), local.minute(), local.second(),
                east / 3600, east / 60 % 60, east % 60,
            );
            prop_assume!(local.year() > 0);
            prop_assert_eq!(timestamp(&text), Some(seconds(second * MICROS + i64::from(micro))));
        }

        #[test]
        fn any_day_is_the_same_as_the_calendar_says(day in civil::Date::MIN.day_of_year()..=366, year in 1_i16..=9999) {
            let date_of = civil::Date::new(year, 1, 1).unwrap().with().day_of_year(day.min(365)).build().unwrap();
            let expected = date_of.to_zoned(TimeZone::UTC).unwrap().timestamp().as_second();
            prop_assert_eq!(date(&date_of.to_string()), Some(expected as f64));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[-+P0-9:. YMDTHSBC]{0,40}") {
            for kind in [Kind::Decimal, Kind::Boolean, Kind::Interval, Kind::Date, Kind::Timestamp, Kind::Time] {
                let _ = read(kind, &text);
            }
        }
    }
}
