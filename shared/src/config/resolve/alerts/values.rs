//! promtool's notation of a series' values: `5x3` is four times 5, `0+60x3` is 0, 60, 120, 180, `_x3` nothing three times, `stale` the end.

use std::ops::Range;

/// More values than this, one a minute, are two years.
const MOST: u64 = 1_000_000;

/// What is wrong with values.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotValues {
    /// The bytes of the text that are wrong.
    pub(super) range: Range<usize>,
    /// What is wrong with them.
    pub(super) message: String,
}

/// How long values go on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Values {
    /// The minutes that something is said of, the first one included.
    pub(super) length: u64,
    /// The last item of the notation, and the minute at which it begins.
    last: (String, u64),
}

impl Values {
    /// Reads them as every promtool does; later ones take more.
    pub(super) fn read(text: &str) -> Result<Self, NotValues> {
        let mut values = Self {
            length: 0,
            last: (String::new(), 0),
        };
        for word in text.split_ascii_whitespace() {
            // A word is a part of the text.
            let start = word.as_ptr() as usize - text.as_ptr() as usize;
            let wrong = |message: String| NotValues {
                range: start..start + word.len(),
                message,
            };
            let Some((item, count)) = item(word) else {
                return Err(wrong(format!("`{word}` is no value that promtool reads")));
            };
            values.last = (item.to_owned(), values.length);
            values.length = values.length.saturating_add(count);
            if values.length > MOST {
                return Err(wrong(format!("these are more than {MOST} values")));
            }
        }
        Ok(values)
    }

    /// The last item, made to go on up to a minute.
    pub(super) fn continued(&self, minute: u64) -> String {
        let (item, start) = &self.last;
        let times = minute.saturating_sub(*start);
        match item.as_str() {
            "stale" => format!("stale _x{times}"),
            "_" => format!("_x{}", times + 1),
            _ => format!("{item}x{times}"),
        }
    }

    /// Whether the series is said to have ended.
    pub(super) fn has_ended(&self) -> bool {
        matches!(self.last.0.as_str(), "stale" | "_")
    }
}

/// A word without its repetition, and for how many minutes it stands.
fn item(word: &str) -> Option<(&str, u64)> {
    let (item, times) = match word.split_once('x') {
        Some((item, times)) => {
            let digits = !times.is_empty() && times.bytes().all(|byte| byte.is_ascii_digit());
            (item, Some(times.parse().ok().filter(|_| digits)?))
        }
        None => (word, None),
    };
    match (item, times) {
        ("_", times) => Some((item, times.unwrap_or(1))),
        // Words take no repetition.
        ("stale", None) => Some((item, 1)),
        (_, None) if is_word(item) || is_number(unsigned(item)) => Some((item, 1)),
        (_, Some(times)) => {
            let number = unsigned(item);
            // The step follows the number with its sign, which is not that of an exponent.
            let mut signs = number.match_indices(['+', '-']).map(|(at, _)| at);
            let step = signs.rfind(|at| !number[..*at].ends_with(['e', 'E']));
            let right = match step {
                Some(at) => is_number(&number[..at]) && is_number(&number[at + 1..]),
                None => is_number(number),
            };
            right.then_some((item, times.checked_add(1)?))
        }
        _ => None,
    }
}

fn unsigned(text: &str) -> &str {
    text.strip_prefix(['+', '-']).unwrap_or(text)
}

fn is_word(text: &str) -> bool {
    ["inf", "nan"]
        .iter()
        .any(|word| unsigned(text).eq_ignore_ascii_case(word))
}

/// Whether this is a number without a sign: digits, perhaps with a fraction or an exponent, and none too large for promtool.
fn is_number(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-');
    let begins = text
        .bytes()
        .next()
        .is_some_and(|first| first.is_ascii_digit() || first == b'.');
    begins && text.bytes().all(plain) && text.parse::<f64>().is_ok_and(f64::is_finite)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_as_long_as_promtool_makes_them() {
        for (text, length) in [
            ("5", 1),
            ("5 6 7", 3),
            ("5x3", 4),
            ("0+60x3", 4),
            ("10-1x9", 10),
            ("-1.5+.5x3", 4),
            ("+3", 1),
            ("-3-3x1", 2),
            ("1e3x2", 3),
            ("1e-3+1e-3x2", 3),
            ("_ _x5 stale 1", 8),
            ("NaN Inf -inf +Inf", 4),
            (" 5x60\n  0x60 ", 122),
            ("0x3", 4),
            ("1x999999", 1_000_000),
        ] {
            assert_eq!(Values::read(text).map(|values| values.length), Ok(length), "{text}");
        }
    }

    #[test]
    fn what_promtool_does_not_read_is_told_with_its_place() {
        for (text, wrong) in [
            ("six", "six"),
            ("5x60 0*3", "0*3"),
            ("5 , 6", ","),
            ("5,6", "5,6"),
            ("5x", "5x"),
            ("x5", "x5"),
            ("5x1.5", "5x1.5"),
            ("5x-1", "5x-1"),
            ("5x+1", "5x+1"),
            ("5+3", "5+3"),
            ("5+x3", "5+x3"),
            ("stalex3", "stalex3"),
            ("NaNx3", "NaNx3"),
            ("1_000", "1_000"),
            ("1e400", "1e400"),
            ("-1e400x20", "-1e400x20"),
            ("0+1e400x20", "0+1e400x20"),
            ("5%", "5%"),
            ("1 {{schema:1}}", "{{schema:1}}"),
            ("1x1000000", "1x1000000"),
            ("5x99999999999999999999", "5x99999999999999999999"),
            ("1x18446744073709551615", "1x18446744073709551615"),
        ] {
            let found = Values::read(text).unwrap_err();
            assert_eq!(&text[found.range], wrong, "{text}");
        }
    }

    #[test]
    fn the_last_item_can_go_on() {
        for (text, minute, continued, ended) in [
            ("5", 30, "5x30", false),
            ("5x10 0x5", 30, "0x19", false),
            ("1 0+2x5", 30, "0+2x29", false),
            ("5 stale", 30, "stale _x29", true),
            ("5 _x2", 30, "_x30", true),
        ] {
            let values = Values::read(text).unwrap();
            assert_eq!(
                (values.continued(minute).as_str(), values.has_ended()),
                (continued, ended),
                "{text}"
            );
            let all = format!("{} {continued}", &text[..text.rfind(' ').unwrap_or(0)]);
            assert_eq!(Values::read(&all).unwrap().length, minute + 1, "{all}");
        }
    }
}
