//! The five fields of unix cron: checked one by one, so that an error can point at its bytes, and written out in numbers.
//!
//! croner accepts much that unix cron does not have (`L W # ?`, nicknames, seconds, years) and reports errors without
//! their place; it is given only what has passed here.

use std::collections::BTreeSet;
use std::ops::Range;

use super::InvalidCron;

/// What one field may hold.
struct Field {
    name: &'static str,
    min: u8,
    max: u8,
    /// Where `*` ends: before the second Sunday.
    last: u8,
    /// Names of the values from `min` on.
    names: &'static [&'static str],
    allowed: &'static str,
}

const MONTHS: &[&str] = &[
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];
pub(super) const DAYS: &[&str] = &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

const FIELDS: [Field; 5] = [
    Field {
        name: "minute",
        min: 0,
        max: 59,
        last: 59,
        names: &[],
        allowed: "minutes are 0 to 59",
    },
    Field {
        name: "hour",
        min: 0,
        max: 23,
        last: 23,
        names: &[],
        allowed: "hours are 0 to 23",
    },
    Field {
        name: "day of month",
        min: 1,
        max: 31,
        last: 31,
        names: &[],
        allowed: "days of the month are 1 to 31",
    },
    Field {
        name: "month",
        min: 1,
        max: 12,
        last: 12,
        names: MONTHS,
        allowed: "months are 1 to 12 or JAN to DEC",
    },
    Field {
        name: "day of week",
        min: 0,
        max: 7,
        last: 6,
        names: DAYS,
        allowed: "days of the week are 0 to 7 (0 and 7 are Sunday) or SUN to SAT",
    },
];

const DAY_OF_MONTH: usize = 2;
const MONTH: usize = 3;
const DAY_OF_WEEK: usize = 4;

const FIVE_FIELDS: &str = "write five fields: minute, hour, day of month, month, day of week";

/// The longest day number of each month, in a leap year.
pub(super) const DAYS_IN_MONTH: [u8; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// Nicknames that cron daemons have beside the five fields, and what they stand for.
const NICKNAMES: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// The values of one field.
pub(super) struct Values {
    pub(super) set: BTreeSet<u8>,
    pub(super) kind: Kind,
}

#[derive(PartialEq)]
pub(super) enum Kind {
    /// `*`
    Every,
    /// A list that contains `*/n`.
    Steps,
    /// Numbers and ranges only.
    Listed,
}

/// A piece of the expression and where it stands.
#[derive(Clone, Copy)]
struct Piece<'a> {
    text: &'a str,
    start: usize,
}

impl Piece<'_> {
    fn span(self) -> Range<usize> {
        self.start..self.start + self.text.len()
    }

    fn slice(self, range: Range<usize>) -> Self {
        Self {
            text: &self.text[range.clone()],
            start: self.start + range.start,
        }
    }

    /// The pieces between separators, each of which is one byte.
    fn split(self, separator: fn(char) -> bool) -> impl Iterator<Item = Self> {
        let mut next = self.start;
        self.text.split(separator).map(move |text| {
            let start = next;
            next += text.len() + 1;
            Self { text, start }
        })
    }

    fn split_once(self, separator: char) -> Option<(Self, Self)> {
        let at = self.text.find(separator)?;
        Some((
            self.slice(0..at),
            self.slice(at + separator.len_utf8()..self.text.len()),
        ))
    }
}

/// An expression that has been checked.
pub(super) struct Fields<'a> {
    pieces: [Piece<'a>; 5],
    pub(super) values: [Values; 5],
}

impl<'a> Fields<'a> {
    /// Checks the expression.
    pub(super) fn parse(cron: &'a str) -> Result<Self, InvalidCron> {
        let pieces = split_fields(cron)?;
        let [minute, hour, day_of_month, month, day_of_week] = &FIELDS;
        let values = [
            parse_field(minute, pieces[0])?,
            parse_field(hour, pieces[1])?,
            parse_field(day_of_month, pieces[DAY_OF_MONTH])?,
            parse_field(month, pieces[MONTH])?,
            parse_field(day_of_week, pieces[DAY_OF_WEEK])?,
        ];
        refuse_ambiguous_days(&pieces, &values)?;
        refuse_never(&pieces, &values)?;
        Ok(Self { pieces, values })
    }

    /// Writes it in numbers only: `*`, or each value of a field.
    pub(super) fn in_numbers(&self) -> String {
        self.values.each_ref().map(write_values).join(" ")
    }

    /// The texts of the day of month and the day of week, and where they stand.
    pub(super) fn days(&self) -> (&'a str, &'a str, Range<usize>) {
        let (first, last) = (self.pieces[DAY_OF_MONTH], self.pieces[DAY_OF_WEEK]);
        (first.text, last.text, first.start..last.span().end)
    }
}

fn split_fields(cron: &str) -> Result<[Piece<'_>; 5], InvalidCron> {
    let whole = Piece { text: cron, start: 0 };
    let pieces: Vec<Piece<'_>> = whole
        .split(|c| c.is_ascii_whitespace())
        .filter(|piece| !piece.text.is_empty())
        .collect();
    let (Some(first), Some(last)) = (pieces.first(), pieces.last()) else {
        return Err(InvalidCron {
            span: 0..cron.len(),
            problem: "the schedule is empty".into(),
            help: FIVE_FIELDS.into(),
        });
    };
    let span = first.start..last.span().end;
    if first.text.starts_with('@') {
        let help = NICKNAMES
            .iter()
            .find(|(nickname, _)| nickname.eq_ignore_ascii_case(first.text))
            .map_or_else(|| FIVE_FIELDS.into(), |(_, cron)| format!("write `{cron}`"));
        return Err(InvalidCron {
            span,
            problem: format!("`{}` is not unix cron", first.text),
            help,
        });
    }
    if let Some(extra) = pieces.get(FIELDS.len()) {
        return Err(InvalidCron {
            span: extra.start..span.end,
            problem: format!("the schedule has {} fields", pieces.len()),
            help: format!("{FIVE_FIELDS}; there are no seconds and no years"),
        });
    }
    pieces.try_into().map_err(|pieces: Vec<Piece<'_>>| InvalidCron {
        span,
        problem: format!("the schedule has {} of five fields", pieces.len()),
        help: FIVE_FIELDS.into(),
    })
}

fn parse_field(field: &Field, piece: Piece<'_>) -> Result<Values, InvalidCron> {
    let mut set = BTreeSet::new();
    let mut kind = Kind::Listed;
    for item in piece.split(|c| c == ',') {
        if item.text.is_empty() {
            let problem = format!("{}: the list `{}` has an empty item", field.name, piece.text);
            let help = "write values with single commas between them".into();
            return Err(InvalidCron {
                span: piece.span(),
                problem,
                help,
            });
        }
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (item, None),
        };
        let star = range.text == "*";
        let (low, high) = parse_range(field, range)?;
        let step = match step {
            None => 1,
            Some(step) if star || range.text.contains('-') => parse_step(field, item, step, high - low)?,
            Some(step) => {
                let problem = format!("{}: a step needs a range before it", field.name);
                let help = format!("write `{}-{}/{}`", range.text, field.last, step.text);
                return Err(InvalidCron {
                    span: item.span(),
                    problem,
                    help,
                });
            }
        };
        if star {
            match (step, &kind) {
                (1, _) => kind = Kind::Every,
                (_, Kind::Every) => {}
                _ => kind = Kind::Steps,
            }
        }
        set.extend((low..=high).step_by(usize::from(step)));
    }
    if field.last < field.max && set.remove(&field.max) {
        set.insert(field.min);
    }
    Ok(Values { set, kind })
}

fn parse_range(field: &Field, range: Piece<'_>) -> Result<(u8, u8), InvalidCron> {
    if range.text == "*" {
        return Ok((field.min, field.last));
    }
    let Some((from, to)) = range.split_once('-') else {
        let value = parse_value(field, range)?;
        return Ok((value, value));
    };
    let low = parse_value(field, from)?;
    let mut high = parse_value(field, to)?;
    if field.last < field.max && high == field.min && low > high && parse_number(to.text).is_none() {
        // `FRI-SUN`: a week may begin or end with Sunday.
        high = field.max;
    }
    if low > high {
        let problem = format!("{}: the range `{}` runs backwards", field.name, range.text);
        let help = format!(
            "write two ranges: `{}-{},{}-{}`",
            from.text, field.last, field.min, to.text
        );
        return Err(InvalidCron {
            span: range.span(),
            problem,
            help,
        });
    }
    Ok((low, high))
}

fn parse_step(field: &Field, item: Piece<'_>, step: Piece<'_>, width: u8) -> Result<u8, InvalidCron> {
    let number = parse_number(step.text).filter(|step| (1..=width.max(1)).contains(step));
    number.ok_or_else(|| InvalidCron {
        span: item.span(),
        problem: format!(
            "{}: the step of `{}` is not a number from 1 to {}",
            field.name,
            item.text,
            width.max(1)
        ),
        help: "write a smaller step, or the one value that is meant".into(),
    })
}

fn parse_value(field: &Field, value: Piece<'_>) -> Result<u8, InvalidCron> {
    if let Some(number) = parse_number(value.text)
        && (field.min..=field.max).contains(&number)
    {
        return Ok(number);
    }
    let mut named = (field.min..)
        .zip(field.names)
        .filter(|(_, name)| name.eq_ignore_ascii_case(value.text));
    if let Some((number, _)) = named.next() {
        return Ok(number);
    }
    let problem = match value.text {
        "" => format!("{}: a value is missing", field.name),
        text => format!("{}: `{text}` is not allowed", field.name),
    };
    Err(InvalidCron {
        span: value.span(),
        problem,
        help: field.allowed.into(),
    })
}

fn parse_number(text: &str) -> Option<u8> {
    // `u8::from_str` would also take a sign.
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().ok()
    } else {
        None
    }
}

/// `*/2` beside a restricted other day field: Vixie cron wants both to match then, other crons either.
fn refuse_ambiguous_days(pieces: &[Piece<'_>], values: &[Values]) -> Result<(), InvalidCron> {
    for (this, other) in [(DAY_OF_MONTH, DAY_OF_WEEK), (DAY_OF_WEEK, DAY_OF_MONTH)] {
        if values[this].kind == Kind::Steps && values[other].kind != Kind::Every {
            let (text, other_text) = (pieces[this].text, pieces[other].text);
            return Err(InvalidCron {
                span: pieces[this].span(),
                problem: format!(
                    "{}: `{text}` beside the {} `{other_text}` means different days to different crons",
                    FIELDS[this].name, FIELDS[other].name
                ),
                help: format!(
                    "list the days to fire on either (`{}`), or write `*` for one of the two",
                    write_values(&values[this])
                ),
            });
        }
    }
    Ok(())
}

fn refuse_never(pieces: &[Piece<'_>], values: &[Values]) -> Result<(), InvalidCron> {
    if values[DAY_OF_WEEK].kind != Kind::Every {
        return Ok(());
    }
    let first_day = values[DAY_OF_MONTH].set.first().copied().unwrap_or_default();
    let months = &values[MONTH].set;
    if months
        .iter()
        .any(|month| first_day <= DAYS_IN_MONTH[usize::from(*month) - 1])
    {
        return Ok(());
    }
    Err(InvalidCron {
        span: pieces[DAY_OF_MONTH].start..pieces[MONTH].span().end,
        problem: format!(
            "the schedule never fires: no month `{}` has a day {first_day}",
            pieces[MONTH].text
        ),
        help: "write a day that exists in one of the months".into(),
    })
}

fn write_values(values: &Values) -> String {
    if values.kind == Kind::Every {
        return "*".into();
    }
    let numbers: Vec<String> = values.set.iter().map(u8::to_string).collect();
    numbers.join(",")
}
