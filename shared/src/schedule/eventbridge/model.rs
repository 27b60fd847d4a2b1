//! EventBridge Scheduler as AWS documents it, to hold our own expressions against: which local minutes an expression
//! names, and the instants at which the clock of a time zone shows them.
//!
//! It knows nothing of the conversion, nor of how our own schedules are computed.
//! <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-cron-expressions.html> has the fields;
//! <https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html#daylist-savings-time> says that a time that
//! does not exist is skipped, and that one that comes twice is invoked once.

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

const MONTHS: [&str; 12] = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];
const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
/// Of `ScheduleExpression` in the API.
const LONGEST: usize = 256;

/// An expression, each field as a table of what it names.
pub(super) struct Model {
    minutes: Vec<bool>,
    hours: Vec<bool>,
    days_of_month: Option<Vec<bool>>,
    months: Vec<bool>,
    /// From 1 for Sunday.
    days_of_week: Option<Vec<bool>>,
    years: Vec<bool>,
}

impl Model {
    /// Reads what AWS would take, but for `L`, `W` and `#`.
    pub(super) fn parse(expression: &str) -> Result<Self, String> {
        if expression.len() > LONGEST {
            return Err(format!("{} characters", expression.len()));
        }
        let inner = expression
            .strip_prefix("cron(")
            .and_then(|rest| rest.strip_suffix(')'))
            .ok_or("not cron(..)")?;
        let fields: Vec<&str> = inner.split(' ').collect();
        let [minutes, hours, days_of_month, months, days_of_week, years] = fields[..] else {
            return Err(format!("{} fields", fields.len()));
        };
        if (days_of_month == "?") == (days_of_week == "?") {
            return Err("exactly one of day-of-month and day-of-week must be `?`".into());
        }
        if days_of_week.contains('/') {
            return Err("day-of-week has no `/`".into());
        }
        let unless_any = |field: &str, low, high, names: &[&str]| match field {
            "?" => Ok(None),
            field => read(field, low, high, names).map(Some),
        };
        Ok(Self {
            minutes: read(minutes, 0, 59, &[])?,
            hours: read(hours, 0, 23, &[])?,
            days_of_month: unless_any(days_of_month, 1, 31, &[])?,
            months: read(months, 1, 12, &MONTHS)?,
            days_of_week: unless_any(days_of_week, 1, 7, &DAYS)?,
            years: read(years, 1970, 2199, &[])?,
        })
    }

    fn fires_on(&self, date: Date) -> bool {
        let number = |value: i8| usize::try_from(value).expect("a day or month");
        let in_month = |days: &Vec<bool>| days[number(date.day())];
        let day_of_week = match date.weekday() {
            Weekday::Sunday => 1,
            Weekday::Monday => 2,
            Weekday::Tuesday => 3,
            Weekday::Wednesday => 4,
            Weekday::Thursday => 5,
            Weekday::Friday => 6,
            Weekday::Saturday => 7,
        };
        self.years[usize::try_from(date.year()).expect("after Christ")]
            && self.months[number(date.month())]
            && self.days_of_month.as_ref().is_none_or(in_month)
            && self.days_of_week.as_ref().is_none_or(|days| days[day_of_week])
    }

    /// The instants of a local day in their order.
    pub(super) fn firings_on(&self, date: Date, zone: &TimeZone) -> Vec<Timestamp> {
        let mut firings = Vec::new();
        if !self.fires_on(date) {
            return firings;
        }
        // With an hour's or a day's difference, whatever the zone does is between the two.
        let midnight = as_utc(date.at(0, 0, 0, 0));
        let around = [-36, 60].map(|hours| zone.to_offset(midnight + SignedDuration::from_hours(hours)).seconds());
        for (hour, _) in self.hours.iter().enumerate().filter(|(_, fires)| **fires) {
            for (minute, _) in self.minutes.iter().enumerate().filter(|(_, fires)| **fires) {
                let time = Time::new(
                    i8::try_from(hour).expect("an hour"),
                    i8::try_from(minute).expect("a minute"),
                    0,
                    0,
                );
                let local = date.to_datetime(time.expect("a time"));
                let shown = around
                    .map(|offset| as_utc(local) - SignedDuration::from_secs(offset.into()))
                    .into_iter()
                    .filter(|instant| around[0] == around[1] || zone.to_datetime(*instant) == local);
                firings.extend(shown.min());
            }
        }
        firings
    }
}

fn as_utc(local: DateTime) -> Timestamp {
    TimeZone::UTC.to_timestamp(local).expect("in range")
}

/// Reads `, - * /`, numbers and names.
fn read(field: &str, low: usize, high: usize, names: &[&str]) -> Result<Vec<bool>, String> {
    let value = |text: &str| {
        let named = names.iter().position(|name| *name == text).map(|at| at + low);
        let number = text.parse().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()));
        named
            .or(number)
            .filter(|value| (low..=high).contains(value))
            .ok_or_else(|| format!("`{text}` in `{field}`"))
    };
    let mut table = vec![false; high + 1];
    for item in field.split(',') {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(step.parse::<usize>().map_err(|error| error.to_string())?)),
            None => (item, None),
        };
        let (from, to) = match (range.split_once('-'), range, step) {
            (Some((from, to)), ..) => (value(from)?, value(to)?),
            (None, "*", _) => (low, high),
            (None, from, Some(_)) => (value(from)?, high),
            (None, only, None) => (value(only)?, value(only)?),
        };
        let step = step.unwrap_or(1);
        if from > to || step == 0 {
            return Err(format!("`{item}` in `{field}`"));
        }
        for at in (from..=to).step_by(step) {
            table[at] = true;
        }
    }
    Ok(table)
}

#[test]
fn the_model_reads_the_examples_of_awss_documentation() {
    let utc = TimeZone::UTC;
    let cases: [(&str, &str, &[&str]); 7] = [
        ("cron(0 10 * * ? *)", "2026-01-01", &["10:00"]),
        ("cron(15 12 * * ? *)", "2026-01-01", &["12:15"]),
        ("cron(0 18 ? * MON-FRI *)", "2026-01-02", &["18:00"]),
        ("cron(0 18 ? * MON-FRI *)", "2026-01-03", &[]),
        ("cron(0 8 1 * ? *)", "2026-01-02", &[]),
        ("cron(1/20 10 * * ? *)", "2026-01-01", &["10:01", "10:21", "10:41"]),
        ("cron(0 0 ? * 2#1 *)", "2026-01-01", &["refused"]),
    ];
    for (expression, date, times) in cases {
        let found = match Model::parse(expression) {
            Ok(model) => model
                .firings_on(date.parse().expect("a date"), &utc)
                .iter()
                .map(|firing| firing.strftime("%H:%M").to_string())
                .collect(),
            Err(_) => vec!["refused".to_owned()],
        };
        assert_eq!(found, times, "{expression} on {date}");
    }
}
