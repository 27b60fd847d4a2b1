//! Expressions against a table, and both sides' firing times against each other.

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use proptest::prelude::*;

use super::model::Model;
use crate::schedule::Schedule;

fn schedule(cron: &str, zone: &str) -> Schedule {
    Schedule::parse(cron, zone).unwrap_or_else(|error| panic!("{cron} {zone}: {error}"))
}

#[test]
fn each_kind_of_field_has_its_expression() {
    let cases = [
        ("* * * * *", "cron(* * * * ? *)"),
        ("*/10 * * * *", "cron(*/10 * * * ? *)"),
        ("*/1 * * * *", "cron(* * * * ? *)"),
        ("0-59 0-23 1-31 1-12 0-7", "cron(* * * * ? *)"),
        ("*/7 */5 * * *", "cron(*/7 */5 * * ? *)"),
        ("*/30 */12 * * *", "cron(0,30 0,12 * * ? *)"),
        ("1-59/7 * * * *", "cron(1,8,15,22,29,36,43,50,57 * * * ? *)"),
        ("*/59 * * * *", "cron(0,59 * * * ? *)"),
        ("5 4 * * *", "cron(5 4 * * ? *)"),
        ("0,15,30,45 * * * *", "cron(*/15 * * * ? *)"),
        ("5,4,3,9,10 8-18 * * *", "cron(3-5,9,10 8-18 * * ? *)"),
        ("0 3 * * 1-5", "cron(0 3 ? * MON-FRI *)"),
        ("0 3 * * mon-fri", "cron(0 3 ? * MON-FRI *)"),
        ("0 3 * * 0", "cron(0 3 ? * SUN *)"),
        ("0 3 * * 7", "cron(0 3 ? * SUN *)"),
        ("0 3 * * 5-7", "cron(0 3 ? * SUN,FRI,SAT *)"),
        ("0 3 * * FRI-SUN", "cron(0 3 ? * SUN,FRI,SAT *)"),
        ("0 3 * * 6,7", "cron(0 3 ? * SUN,SAT *)"),
        ("0 3 * * */2", "cron(0 3 ? * SUN,TUE,THU,SAT *)"),
        ("0 3 * * 1-6/2", "cron(0 3 ? * MON,WED,FRI *)"),
        ("0 3 * * 0-6", "cron(0 3 * * ? *)"),
        ("0 0 1 * *", "cron(0 0 1 * ? *)"),
        ("0 0 */10 * *", "cron(0 0 1,11,21,31 * ? *)"),
        ("0 0 1-31 * *", "cron(0 0 * * ? *)"),
        ("0 0 1-29 2 *", "cron(0 0 * 2 ? *)"),
        ("0 12 1 jan,JUL *", "cron(0 12 1 1,7 ? *)"),
        ("0 12 * */3 *", "cron(0 12 * 1,4,7,10 ? *)"),
        ("0 12 29 2 *", "cron(0 12 29 2 ? *)"),
        // Both day fields are restricted, and one of them says it all.
        ("0 0 1-31 * MON", "cron(0 0 * * ? *)"),
        ("0 0 1-29 2 MON", "cron(0 0 * 2 ? *)"),
        ("0 0 13 * 0-6", "cron(0 0 * * ? *)"),
        ("0 0 30 2 MON", "cron(0 0 ? 2 MON *)"),
    ];
    for (cron, expression) in cases {
        assert_eq!(
            schedule(cron, "UTC").to_eventbridge().as_deref(),
            Ok(expression),
            "{cron}"
        );
    }
}

#[test]
fn days_of_the_month_or_of_the_week_are_refused_with_both() {
    let error = schedule("0 0 13,14 * FRI", "UTC")
        .to_eventbridge()
        .expect_err("refused");
    assert_eq!(
        error.to_string(),
        "EventBridge Scheduler cannot fire on the days of the month `13,14` and also on the days of the week `FRI`, as unix \
         cron does; write `*` for one of the two, or make two jobs of it"
    );
    assert_eq!(&"0 0 13,14 * FRI"[error.span], "13,14 * FRI");
}

/// Pairs of values with a gap between them take the most characters a value.
#[test]
fn the_longest_expression_is_short_enough() {
    let pairs = |low: u8, high: u8| {
        let values = (low..=high).filter(|value| (value - low) % 3 != 2);
        values.map(|value| value.to_string()).collect::<Vec<_>>().join(",")
    };
    let cron = format!("{} {} {} {} *", pairs(0, 59), pairs(0, 23), pairs(1, 31), pairs(1, 12));
    let expression = schedule(&cron, "UTC").to_eventbridge().expect("an expression");
    assert_eq!(expression.len(), 238, "{expression}");
    Model::parse(&expression).expect("AWS takes it");
}

#[test]
fn the_intervals_are_those_of_the_clock() {
    const HOUR: u64 = 60;
    const DAY: u64 = 24 * HOUR;
    let cases = [
        ("* * * * *", 1, 1),
        ("*/10 * * * *", 10, 10),
        ("*/7 * * * *", 4, 7),
        ("0 2,3 * * *", HOUR, 23 * HOUR),
        ("0 0,23 * * *", HOUR, 23 * HOUR),
        ("0 0,23 1,31 * *", HOUR, 29 * DAY + HOUR),
        ("0 0,23 1,15 * *", 23 * HOUR, 16 * DAY + HOUR),
        ("0 8 * * *", DAY, DAY),
        ("0 8-18 * * 1-5", HOUR, 62 * HOUR),
        ("*/15 8-17 * * *", 15, 14 * HOUR + 15),
        ("30 6 * * MON", 7 * DAY, 7 * DAY),
        ("0 6 1 * *", 28 * DAY, 31 * DAY),
        ("0 0 1,29 2,3 *", DAY, 309 * DAY),
        ("0 0,1 13 * FRI", HOUR, 7 * DAY - HOUR),
        ("0 0 13 * FRI", DAY, 7 * DAY),
        ("0 0 1 1 *", 365 * DAY, 366 * DAY),
        ("0 0 29 2 *", 1461 * DAY, 1461 * DAY),
    ];
    for (cron, shortest, longest) in cases {
        let intervals = schedule(cron, "Europe/Paris").intervals();
        let minutes = [intervals.shortest, intervals.longest].map(|interval| interval.as_secs() / 60);
        assert_eq!(minutes, [shortest, longest], "{cron}");
    }
}

/// How much of the four years is compared.
#[derive(Clone, Copy, PartialEq)]
enum Compared {
    EveryFiring,
    /// The first firing of each day; every one of the first days of months and around changes of the clock.
    Days,
}

/// Holds both sides against each other over four years from a day on; the number of firings that were compared.
fn compare(schedule: &Schedule, from: Date, compared: Compared) -> Result<usize, TestCaseError> {
    let expression = schedule
        .to_eventbridge()
        .map_err(|error| TestCaseError::fail(error.to_string()))?;
    let model = Model::parse(&expression).map_err(|error| TestCaseError::fail(format!("{expression}: {error}")))?;
    let zone = TimeZone::get(schedule.time_zone()).expect("a zone");
    let offset = |date: Date| zone.to_offset(TimeZone::UTC.to_timestamp(date.at(12, 0, 0, 0)).expect("in range"));
    let end = from.checked_add(4.years()).expect("in range");
    let mut last = start_of(from, &zone) - SignedDuration::from_secs(1);
    let mut count = 0;
    let mut day = from;
    while day < end {
        let firings = model.firings_on(day, &zone);
        let near = |days: i32| day.checked_add(days.days()).expect("in range");
        let whole = compared == Compared::EveryFiring || day.day() == 1 || offset(near(-2)) != offset(near(2));
        let looked_at = if whole { firings.len() } else { firings.len().min(1) };
        for firing in &firings[..looked_at] {
            prop_assert_eq!(
                schedule.next_after(last),
                Some(*firing),
                "{:?} as {} after {}",
                schedule,
                expression,
                last
            );
            last = *firing;
        }
        count += looked_at;
        last = firings.last().copied().unwrap_or(last);
        day = near(1);
    }
    if let Some(next) = schedule.next_after(last) {
        prop_assert!(
            next >= start_of(end, &zone),
            "{:?} as {}: {}",
            schedule,
            expression,
            next
        );
    }
    Ok(count)
}

fn start_of(date: Date, zone: &TimeZone) -> Timestamp {
    date.to_zoned(zone.clone()).expect("in range").timestamp()
}

#[test]
fn every_firing_of_four_years_is_the_same() {
    let cases = [
        ("*/10 * * * *", "Europe/Paris"),
        ("1-59/7 */5 * * *", "America/New_York"),
        ("30 0-3 * * *", "Australia/Lord_Howe"),
        ("*/20 0,1,23 * * *", "America/Havana"),
        ("15 2 * * 7", "Europe/Paris"),
        ("15 2 * * FRI-SUN", "Africa/Casablanca"),
        ("0 12 29 2 *", "UTC"),
        ("59 23 31 */2 *", "Asia/Kolkata"),
        ("5 4 1-7,28-31 jan-mar,NOV *", "America/Santiago"),
    ];
    for (cron, zone) in cases {
        let compared = compare(&schedule(cron, zone), date(2025, 1, 1), Compared::EveryFiring);
        assert!(compared.is_ok_and(|count| count > 0), "{cron} {zone}");
    }
}

/// A field's text: a value, a name, a range, a step, or a list of them.
fn field(min: u8, max: u8, names: &'static [&'static str]) -> impl Strategy<Value = String> {
    let value = move |value: u8| match names.get(usize::from(value - min)) {
        Some(name) if value.is_multiple_of(2) => (*name).to_owned(),
        Some(name) if value.is_multiple_of(3) => name.to_lowercase(),
        _ => value.to_string(),
    };
    let item = prop_oneof![
        (min..=max).prop_map(value),
        (min..max, min..max).prop_map(move |(a, b)| format!("{}-{}", a.min(b), a.max(b))),
        (min..max, min..max)
            .prop_filter("a step needs room", |(a, b)| a.abs_diff(*b) > 1)
            .prop_flat_map(|(a, b)| (Just((a.min(b), a.max(b))), 1..=a.abs_diff(b)))
            .prop_map(|((low, high), step)| format!("{low}-{high}/{step}")),
    ];
    prop_oneof![
        2 => Just("*".to_owned()),
        2 => (1..max - min).prop_map(|step| format!("*/{step}")),
        4 => item.clone(),
        2 => prop::collection::vec(item, 2..4).prop_map(|items| items.join(",")),
    ]
}

const MONTHS: &[&str] = &[
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];
const DAYS: &[&str] = &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT", "7"];
const ZONES: &[&str] = &[
    "UTC",
    "Europe/Paris",
    "America/New_York",
    "America/Havana",      // at midnight
    "Australia/Lord_Howe", // by half an hour
    "Africa/Casablanca",   // around Ramadan
    "Asia/Kolkata",
];

fn days() -> impl Strategy<Value = (String, String)> {
    let every = || Just("*".to_owned());
    prop_oneof![
        (every(), every()),
        (field(1, 31, &[]), every()),
        (every(), field(0, 7, DAYS)),
        (
            every(),
            prop::sample::select(vec!["0", "7", "FRI-SUN", "5-7", "0-7", "SUN-SAT"]).prop_map(str::to_owned)
        ),
        (field(1, 31, &[]), field(0, 7, DAYS)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Every kind of field, in zones whose clocks change in every way.
    #[test]
    fn both_sides_fire_at_the_same_times(
        minute in field(0, 59, &[]),
        // Clocks change early in the morning.
        hour in prop_oneof![field(0, 23, &[]), field(0, 3, &[])],
        (day_of_month, day_of_week) in days(),
        month in prop_oneof![Just("*".to_owned()), field(1, 12, MONTHS)],
        zone in prop::sample::select(ZONES),
        from in (2024_i16..2036, 1_i8..=12, 1_i8..=28).prop_map(|(year, month, day)| date(year, month, day)),
    ) {
        let cron = format!("{minute} {hour} {day_of_month} {month} {day_of_week}");
        // What unix crons disagree about, and what never fires, is no schedule.
        let Ok(schedule) = Schedule::parse(&cron, zone) else { return Ok(()) };
        match schedule.to_eventbridge() {
            Ok(_) => {
                compare(&schedule, from, Compared::Days)?;
            }
            Err(error) => prop_assert!(day_of_month != "*" && day_of_week != "*", "{}: {}", cron, error),
        }
    }
}
