//! When a job runs: unix cron in a time zone.

mod eventbridge;
mod fields;
mod interval;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{RoundMode, SignedDuration, Timestamp, TimestampRound, Unit};

use crate::suggest;
use fields::{Fields, Values};
pub use interval::Intervals;

/// A unix cron expression and the time zone it is read in.
///
/// Each local time fires once, as with EventBridge Scheduler: one that the clock skips in spring does not fire, one that
/// it repeats in autumn fires the first time round. `*/10 * * * *` therefore rests for the repeated hour.
#[derive(Clone)]
pub struct Schedule {
    expression: Arc<str>,
    fields: Arc<[Values; 5]>,
    cron: Arc<Cron>,
    time_zone: TimeZone,
    time_zone_name: Arc<str>,
}

/// Why a schedule cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// The cron expression is wrong.
    #[error(transparent)]
    Cron(#[from] InvalidCron),
    /// There is no such time zone.
    #[error(transparent)]
    TimeZone(#[from] UnknownTimeZone),
}

/// A cron expression that is not unix cron, never fires, or cannot be put into EventBridge's terms.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}; {help}")]
pub struct InvalidCron {
    /// The bytes of the expression that are wrong.
    pub span: Range<usize>,
    /// What is wrong, with the name of the field.
    pub problem: String,
    /// What is allowed instead.
    pub help: String,
}

/// A name that the IANA time zone database does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no time zone {name:?}; {help}")]
pub struct UnknownTimeZone {
    /// The name as it was given.
    pub name: String,
    /// The nearest name, or what such names look like.
    pub help: String,
}

impl Schedule {
    /// Reads five fields of unix cron (minute, hour, day of month, month, day of week) and the name of a time zone of
    /// the IANA database (`UTC`, `Europe/Paris`).
    ///
    /// A field is `*`, a number, a range `1-5`, a list `1,3,5` or a step `*/10` or `8-18/2`; months and days of the week
    /// may be named (`JAN`, `mon`); 0 and 7 are both Sunday. When both day fields are restricted, either fires.
    ///
    /// # Errors
    /// Anything beyond that (seconds, years, `L W # ?`, `@daily`), and a schedule that never fires (`0 0 30 2 *`).
    pub fn parse(cron: &str, time_zone: &str) -> Result<Self, ScheduleError> {
        let fields = Fields::parse(cron)?;
        let normalised = fields.in_numbers();
        let parser = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .build();
        let cron_of_numbers = parser.parse(&normalised).map_err(|error| InvalidCron {
            span: 0..cron.len(),
            problem: format!("the schedule cannot be read: {error}"),
            help: "write five fields: minute, hour, day of month, month, day of week".into(),
        })?;
        let (time_zone, time_zone_name) = find_time_zone(time_zone)?;
        Ok(Self {
            expression: cron.into(),
            fields: Arc::new(fields.values),
            cron: Arc::new(cron_of_numbers),
            time_zone,
            time_zone_name,
        })
    }

    /// The cron expression as it was written.
    #[must_use]
    pub fn expression(&self) -> &str {
        &self.expression
    }

    /// The time zone's name as the IANA database spells it.
    #[must_use]
    pub fn time_zone(&self) -> &str {
        &self.time_zone_name
    }

    /// The same times as an expression of EventBridge Scheduler, `cron(*/10 * * * ? *)`, to be read in the same time
    /// zone.
    ///
    /// # Errors
    /// Where EventBridge has no expression for them: it restricts the days of the month or those of the week, not both.
    pub fn to_eventbridge(&self) -> Result<String, InvalidCron> {
        eventbridge::convert(&self.expression)
    }

    /// The shortest and the longest time between two firings, on a clock that is never changed.
    #[must_use]
    pub fn intervals(&self) -> Intervals {
        interval::of(&self.fields)
    }

    /// The first time after `after` at which the schedule fires; `None` only when that is past the year 5000.
    #[must_use]
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        let mut local = self.local(after)?;
        loop {
            local = self.cron.find_next_occurrence(&local, false).ok()?;
            // Later local times come later in time, their first occurrences too; those up to `after` are behind us, also
            // when `after` is in the second pass through an hour.
            match self.first_occurrence(local) {
                Some(fires) if fires > after => return Some(fires),
                _ => {}
            }
        }
    }

    /// The last time up to `time` at which the schedule fired, or would have; `None` only when that is long before any
    /// of them.
    #[must_use]
    pub fn last_up_to(&self, time: Timestamp) -> Option<Timestamp> {
        let mut local = self.local(time)?;
        let offset = self.time_zone.to_offset(time);
        if let AmbiguousOffset::Fold { before, after } = self.time_zone.to_ambiguous_timestamp(local).offset()
            && offset == after
        {
            // In the second pass through an hour all that it shows has been shown, up to the hour's end.
            let repeated = SignedDuration::from_secs(i64::from(before.seconds() - after.seconds()));
            local = local.checked_add(repeated).ok()?;
        }
        let mut inclusive = true;
        loop {
            local = self.cron.find_previous_occurrence(&local, inclusive).ok()?;
            inclusive = false;
            match self.first_occurrence(local) {
                Some(fired) if fired <= time => return Some(fired),
                _ => {}
            }
        }
    }

    /// The local time in whole seconds. The search runs over local times rather than over instants because croner's own
    /// daylight saving rules are those of Vixie cron: it moves a skipped time to the end of the gap and runs `*/10`
    /// through both passes of a repeated hour.
    fn local(&self, timestamp: Timestamp) -> Option<DateTime> {
        let whole_seconds = timestamp
            .round(TimestampRound::new().smallest(Unit::Second).mode(RoundMode::Floor))
            .ok()?;
        Some(self.time_zone.to_datetime(whole_seconds))
    }

    /// The instant at which the clock shows `local` for the first time; `None` when it never does.
    fn first_occurrence(&self, local: DateTime) -> Option<Timestamp> {
        let ambiguous = self.time_zone.to_ambiguous_timestamp(local);
        match ambiguous.offset() {
            AmbiguousOffset::Gap { .. } => None,
            AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => ambiguous.earlier().ok(),
        }
    }
}

impl fmt::Debug for Schedule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Schedule")
            .field("expression", &self.expression)
            .field("time_zone", &self.time_zone_name)
            .finish_non_exhaustive()
    }
}

/// Whether there is a time zone of that name, whatever the schedule that is read in it.
pub(crate) fn check_time_zone(name: &str) -> Result<(), UnknownTimeZone> {
    find_time_zone(name).map(drop)
}

fn find_time_zone(name: &str) -> Result<(TimeZone, Arc<str>), UnknownTimeZone> {
    let database = jiff::tz::db();
    let found = database.get(name).ok().filter(|zone| !zone.is_unknown());
    if let Some(zone) = found
        && let Some(canonical) = zone.iana_name().map(Arc::from)
    {
        return Ok((zone, canonical));
    }
    let known: Vec<_> = database.available().collect();
    let help = match suggest::closest(name, known.iter().map(jiff::tz::TimeZoneName::as_str)) {
        Some(candidate) => format!("did you mean {candidate:?}?"),
        None => "use a name of the IANA time zone database such as \"UTC\" or \"Europe/Paris\"".into(),
    };
    Err(UnknownTimeZone {
        name: name.into(),
        help,
    })
}
