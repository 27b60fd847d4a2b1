//! A row in MySQL's binary form, read cell by cell on demand.

use std::borrow::Cow;

use jiff::civil;
use mysql_async::Value;

use super::types::{Columns, Kind};
use crate::rows::{Row, UnreadableCell};

/// One row.
pub(super) struct BinaryRow<'a> {
    pub(super) columns: &'a Columns,
    pub(super) row: &'a mysql_async::Row,
}

impl BinaryRow<'_> {
    /// The cell with the way to read it; `None` for NULL.
    fn cell(&self, column: usize) -> Result<Option<(Kind, &Value)>, UnreadableCell> {
        match (self.columns.kinds.get(column), self.row.as_ref(column)) {
            (Some(_), Some(Value::NULL)) => Ok(None),
            (Some(kind), Some(value)) => Ok(Some((*kind, value))),
            _ => Err(self.unreadable(column, format!("there is no column at index {column}"))),
        }
    }

    fn unreadable(&self, column: usize, reason: impl Into<String>) -> UnreadableCell {
        let described = self.columns.described.get(column);
        UnreadableCell {
            column: described.map(|column| column.name.clone()).unwrap_or_default(),
            type_name: described.map(|column| column.type_name.clone()).unwrap_or_default(),
            reason: reason.into(),
        }
    }
}

impl Row for BinaryRow<'_> {
    fn text(&self, column: usize) -> Result<Option<Cow<'_, str>>, UnreadableCell> {
        let Some((kind, value)) = self.cell(column)? else {
            return Ok(None);
        };
        match (kind, value) {
            (Kind::Bytes, _) => Err(self.unreadable(
                column,
                "bytes cannot be a label; write CONVERT(.. USING utf8mb4) or HEX(..) in the query",
            )),
            (Kind::Unsupported, _) => {
                Err(self.unreadable(column, "this type cannot be a label; turn it into text in the query"))
            }
            (Kind::Text | Kind::Decimal, Value::Bytes(bytes)) => match std::str::from_utf8(bytes) {
                Ok(text) => Ok(Some(Cow::Borrowed(text))),
                Err(_) => Err(self.unreadable(column, "the server sent text that is not UTF-8")),
            },
            _ => match text(kind, value) {
                Some(text) => Ok(Some(Cow::Owned(text))),
                None => Err(self.unreadable(column, "the server sent a value that is not of the column's type")),
            },
        }
    }

    fn number(&self, column: usize) -> Result<Option<f64>, UnreadableCell> {
        let Some((kind, value)) = self.cell(column)? else {
            return Ok(None);
        };
        if !kind.is_numeric() {
            return Err(self.unreadable(column, "this type is not a number; cast it to one in the query"));
        }
        match number(kind, value) {
            Some(number) => Ok(Some(number)),
            None if matches!(value, Value::Date(..)) => Err(self.unreadable(
                column,
                "a date with a zero in it is no point in time; write NULLIF(.., 0) in the query, or leave such rows out",
            )),
            None => Err(self.unreadable(column, "the server sent a value that is not of the column's type")),
        }
    }
}

/// What MySQL itself writes for a value.
fn text(kind: Kind, value: &Value) -> Option<String> {
    Some(match (kind, value) {
        (Kind::Integer, Value::Int(number)) => number.to_string(),
        (Kind::Integer, Value::UInt(number)) => number.to_string(),
        (Kind::Year, Value::Int(year)) => format!("{year:04}"),
        (Kind::Bits, Value::Bytes(bytes)) => bits(bytes)?.to_string(),
        (Kind::Float, Value::Float(number)) => float(f64::from(*number).abs(), number),
        (Kind::Float, Value::Double(number)) => float(number.abs(), number),
        (Kind::Date, Value::Date(year, month, day, ..)) => format!("{year:04}-{month:02}-{day:02}"),
        (Kind::DateTime(digits), Value::Date(year, month, day, hour, minute, second, micro)) => format!(
            "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}{}",
            fraction(*micro, digits)
        ),
        (Kind::Time(digits), Value::Time(negative, days, hours, minutes, seconds, micro)) => format!(
            "{}{:02}:{minutes:02}:{seconds:02}{}",
            if *negative { "-" } else { "" },
            u64::from(*days) * 24 + u64::from(*hours),
            fraction(*micro, digits)
        ),
        _ => return None,
    })
}

/// Spans of time in seconds; points in time in seconds since the epoch, in UTC, which is the session's time zone.
fn number(kind: Kind, value: &Value) -> Option<f64> {
    Some(match (kind, value) {
        (Kind::Integer | Kind::Year, Value::Int(number)) => *number as f64,
        (Kind::Integer, Value::UInt(number)) => *number as f64,
        (Kind::Bits, Value::Bytes(bytes)) => bits(bytes)? as f64,
        (Kind::Decimal, Value::Bytes(bytes)) => {
            let number: f64 = std::str::from_utf8(bytes).ok()?.parse().ok()?;
            number.is_finite().then_some(number)?
        }
        // By its shortest decimals: a FLOAT of 0.1 is 0.1 and not 0.10000000149.
        (Kind::Float, Value::Float(number)) => number.to_string().parse().ok()?,
        (Kind::Float, Value::Double(number)) => *number,
        (Kind::Date | Kind::DateTime(_), Value::Date(year, month, day, hour, minute, second, micro)) => {
            let small = |number: &u8| i8::try_from(*number).ok();
            // MySQL has dates such as 2024-00-00 and 0000-00-00; the calendar has not.
            let date = civil::Date::new(i16::try_from(*year).ok()?, small(month)?, small(day)?).ok()?;
            let time = civil::Time::new(small(hour)?, small(minute)?, small(second)?, 0).ok()?;
            // Not by way of a timestamp, of which the last day of 9999, which often stands for no end, would be none.
            let days = date.since(civil::date(1970, 1, 1)).ok()?.get_days();
            let clock = (i64::from(time.hour()) * 60 + i64::from(time.minute())) * 60 + i64::from(time.second());
            (i64::from(days) * 86_400 + clock) as f64 + f64::from(*micro) / 1e6
        }
        (Kind::Time(_), Value::Time(negative, days, hours, minutes, seconds, micro)) => {
            let minutes = (u64::from(*days) * 24 + u64::from(*hours)) * 60 + u64::from(*minutes);
            let span = (minutes * 60 + u64::from(*seconds)) as f64 + f64::from(*micro) / 1e6;
            if *negative { -span } else { span }
        }
        _ => return None,
    })
}

/// The number that up to 64 bits make, the first byte the highest.
fn bits(bytes: &[u8]) -> Option<u64> {
    let fits = bytes.len() <= 8;
    fits.then(|| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

/// The shortest decimals that are this number, with an exponent where MySQL writes one.
fn float(size: f64, number: &(impl ToString + std::fmt::LowerExp)) -> String {
    if size == 0.0 || (1e-15..1e15).contains(&size) {
        number.to_string()
    } else {
        format!("{number:e}")
    }
}

/// So many digits of a second, with their point.
fn fraction(micro: u32, digits: u8) -> String {
    let digits = usize::from(digits);
    let all = format!("{micro:06}");
    match all.get(..digits) {
        Some(shown) if digits > 0 => format!(".{shown}"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_texts_and_numbers() {
        let bytes = |bytes: &[u8]| Value::Bytes(bytes.to_vec());
        for (kind, value, label, sample) in [
            (
                Kind::Integer,
                Value::Int(i64::MIN),
                "-9223372036854775808",
                Some(-9_223_372_036_854_775_808.0),
            ),
            (
                Kind::Integer,
                Value::UInt(u64::MAX),
                "18446744073709551615",
                Some(18_446_744_073_709_551_615.0),
            ),
            (Kind::Year, Value::Int(0), "0000", Some(0.0)),
            (Kind::Bits, bytes(&[1, 2]), "258", Some(258.0)),
            (
                Kind::Bits,
                bytes(&[255; 8]),
                "18446744073709551615",
                Some(18_446_744_073_709_551_615.0),
            ),
            (Kind::Float, Value::Float(0.1), "0.1", Some(0.1)),
            (Kind::Float, Value::Float(1e20), "1e20", Some(1e20)),
            (
                Kind::Float,
                Value::Double(0.1 + 0.2),
                "0.30000000000000004",
                Some(0.1 + 0.2),
            ),
            (Kind::Float, Value::Double(-1.7e308), "-1.7e308", Some(-1.7e308)),
            (Kind::Float, Value::Double(0.0), "0", Some(0.0)),
            (
                Kind::Date,
                Value::Date(2024, 2, 29, 0, 0, 0, 0),
                "2024-02-29",
                Some(1_709_164_800.0),
            ),
            (
                Kind::Date,
                Value::Date(9999, 12, 31, 0, 0, 0, 0),
                "9999-12-31",
                Some(253_402_214_400.0),
            ),
            (Kind::Date, Value::Date(0, 0, 0, 0, 0, 0, 0), "0000-00-00", None),
            (Kind::Date, Value::Date(2024, 0, 0, 0, 0, 0, 0), "2024-00-00", None),
            (
                Kind::DateTime(6),
                Value::Date(2024, 5, 6, 7, 8, 9, 123_456),
                "2024-05-06 07:08:09.123456",
                Some(1_714_979_289.123_456),
            ),
            (
                Kind::DateTime(0),
                Value::Date(1969, 12, 31, 23, 59, 59, 0),
                "1969-12-31 23:59:59",
                Some(-1.0),
            ),
            (
                Kind::Time(1),
                Value::Time(true, 34, 22, 59, 59, 500_000),
                "-838:59:59.5",
                Some(-3_020_399.5),
            ),
            (
                Kind::Time(0),
                Value::Time(false, 0, 0, 5, 0, 0),
                "00:05:00",
                Some(300.0),
            ),
        ] {
            assert_eq!(text(kind, &value).as_deref(), Some(label), "{value:?}");
            assert_eq!(number(kind, &value), sample, "{value:?}");
        }
        let digits = "12345678901234567890123456789012345678901234567890123456789012345";
        assert_eq!(
            number(Kind::Decimal, &bytes(digits.as_bytes())),
            Some(1.234_567_890_123_456_8e64)
        );
        for (kind, value) in [
            (Kind::Bits, bytes(&[0; 9])),
            (Kind::Integer, bytes(b"1")),
            (Kind::Time(0), Value::Int(1)),
        ] {
            assert_eq!((text(kind, &value), number(kind, &value)), (None, None));
        }
    }
}
