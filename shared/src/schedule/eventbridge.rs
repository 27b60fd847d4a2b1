//! Unix cron in EventBridge Scheduler's terms: the same times, or a refusal that says why there is no such expression.
//!
//! What is written keeps to `*`, values, ranges and lists, and `*/n` in minutes and hours: nothing whose meaning in
//! EventBridge has to be guessed. <https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html#cron-based>

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use super::InvalidCron;
use super::fields::{DAYS, DAYS_IN_MONTH, Fields, Kind, Values};

/// The six fields of EventBridge: minutes, hours, day of month, month, day of week, year.
///
/// The longest expression that comes of it has 238 of the 256 characters that EventBridge takes.
pub(super) fn convert(cron: &str) -> Result<String, InvalidCron> {
    let fields = Fields::parse(cron)?;
    let [minutes, hours, days_of_month, months, days_of_week] = &fields.values;
    let Some(days) = days(days_of_month, &months.set, days_of_week) else {
        return Err(refuse_both(&fields));
    };
    let (day_of_month, day_of_week) = match days {
        Days::Every => ("*".to_owned(), "?".to_owned()),
        Days::OfMonth(days) => (list(days, |day| day.to_string()), "?".to_owned()),
        // Numbers begin with 1 for Sunday there and with 0 here: names are the same for all readers.
        Days::OfWeek(days) => ("?".to_owned(), list(days, |day| DAYS[usize::from(day)].to_owned())),
    };
    let month = if months.set.len() == DAYS_IN_MONTH.len() {
        "*".to_owned()
    } else {
        list(&months.set, |month| month.to_string())
    };
    Ok(format!(
        "cron({} {} {day_of_month} {month} {day_of_week} *)",
        steps_or_list(&minutes.set, 60),
        steps_or_list(&hours.set, 24),
    ))
}

/// The days to fire on, of which EventBridge takes one kind.
enum Days<'a> {
    Every,
    OfMonth(&'a BTreeSet<u8>),
    OfWeek(&'a BTreeSet<u8>),
}

/// Unix fires on the days of either field when both are restricted; `None` where it takes both to say so.
fn days<'a>(of_month: &'a Values, months: &BTreeSet<u8>, of_week: &'a Values) -> Option<Days<'a>> {
    let longest = months.iter().map(|month| DAYS_IN_MONTH[usize::from(*month) - 1]).max();
    let longest = longest.unwrap_or_default();
    let every_of_month = (1..=longest).all(|day| of_month.set.contains(&day));
    let every_of_week = of_week.set.len() == DAYS.len();
    Some(match (&of_month.kind, &of_week.kind) {
        _ if every_of_month && every_of_week => Days::Every,
        (Kind::Every, _) => Days::OfWeek(&of_week.set),
        (_, Kind::Every) => Days::OfMonth(&of_month.set),
        _ if every_of_month || every_of_week => Days::Every,
        // `0 0 30 2 MON`: no day of the month ever comes.
        _ if of_month.set.first().is_some_and(|first| *first > longest) => Days::OfWeek(&of_week.set),
        _ => return None,
    })
}

fn refuse_both(fields: &Fields<'_>) -> InvalidCron {
    let (of_month, of_week, span) = fields.days();
    InvalidCron {
        span,
        problem: format!(
            "EventBridge Scheduler cannot fire on the days of the month `{of_month}` and also on the days of the week \
             `{of_week}`, as unix cron does"
        ),
        help: "write `*` for one of the two, or make two jobs of it".to_owned(),
    }
}

/// `*`, `*/n`, or a list.
fn steps_or_list(values: &BTreeSet<u8>, count: u8) -> String {
    if values.len() == usize::from(count) {
        return "*".to_owned();
    }
    let mut first = values.iter().take(2);
    if let (Some(0), Some(&step)) = (first.next(), first.next())
        && values.len() > 2
        && (0..count).step_by(usize::from(step)).eq(values.iter().copied())
    {
        return format!("*/{step}");
    }
    list(values, |value| value.to_string())
}

/// Values and ranges, such as `1,5,8-18`.
fn list(values: &BTreeSet<u8>, write: impl Fn(u8) -> String) -> String {
    let mut runs: Vec<(u8, u8)> = Vec::new();
    for &value in values {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == value => *last = value,
            _ => runs.push((value, value)),
        }
    }
    let texts: Vec<String> = runs
        .into_iter()
        .map(|(first, last)| match last - first {
            0 => write(first),
            1 => format!("{},{}", write(first), write(last)),
            _ => format!("{}-{}", write(first), write(last)),
        })
        .collect();
    texts.join(",")
}
