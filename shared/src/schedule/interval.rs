//! The shortest and the longest time between two firings.

use std::time::Duration;

use jiff::civil::{Date, date};

use super::fields::{Kind, Values};

/// Four years with a leap year among them, in which every distance between two days of firing occurs but those of a
/// schedule that knows only the 29th of February.
const FIRST_DAY: Date = date(2027, 1, 1);
const DAYS: usize = 1461;
const MINUTES_A_DAY: u64 = 24 * 60;

/// The times between two firings, on a clock that is never changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intervals {
    /// The shortest.
    pub shortest: Duration,
    /// The longest, such as a night or a weekend.
    pub longest: Duration,
}

pub(super) fn of(fields: &[Values; 5]) -> Intervals {
    let [minutes, hours, ..] = fields;
    let times: Vec<u64> = hours
        .set
        .iter()
        .flat_map(|hour| {
            minutes
                .set
                .iter()
                .map(|minute| u64::from(*hour) * 60 + u64::from(*minute))
        })
        .collect();
    // Every day with firings has them at the same times.
    let within_a_day = times.windows(2).map(|pair| pair[1] - pair[0]);
    let over_night = |days: u64| days * MINUTES_A_DAY + times.first().unwrap_or(&0) - times.last().unwrap_or(&0);
    let (fewest, most) = days_between(fields);
    let minutes = |minutes| Duration::from_mins(minutes);
    Intervals {
        shortest: minutes(within_a_day.clone().fold(over_night(fewest), u64::min)),
        longest: minutes(within_a_day.fold(over_night(most), u64::max)),
    }
}

/// The fewest and the most days from one with firings to the next.
fn days_between(fields: &[Values; 5]) -> (u64, u64) {
    let firing = FIRST_DAY.series(jiff::Span::new().days(1)).take(DAYS).enumerate();
    let firing: Vec<usize> = firing
        .filter(|(_, day)| fires_on(fields, *day))
        .map(|(at, _)| at)
        .collect();
    let between = firing.windows(2).map(|pair| pair[1] - pair[0]);
    let fewest = between.clone().min().unwrap_or(DAYS);
    let most = between.max().unwrap_or(DAYS);
    (fewest as u64, most as u64)
}

fn fires_on(fields: &[Values; 5], date: Date) -> bool {
    let [_, _, days_of_month, months, days_of_week] = fields;
    let of_month = days_of_month.set.contains(&date.day().cast_unsigned());
    let of_week = days_of_week
        .set
        .contains(&date.weekday().to_sunday_zero_offset().cast_unsigned());
    let day = match (&days_of_month.kind, &days_of_week.kind) {
        (Kind::Every, _) | (_, Kind::Every) => of_month && of_week,
        // Both are restricted: either fires.
        _ => of_month || of_week,
    };
    day && months.set.contains(&date.month().cast_unsigned())
}
