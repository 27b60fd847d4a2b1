use jiff::Timestamp;
use proptest::prelude::*;

use super::{InvalidCron, Schedule, ScheduleError};

fn schedule(cron: &str, time_zone: &str) -> Schedule {
    Schedule::parse(cron, time_zone).unwrap_or_else(|error| panic!("{cron}: {error}"))
}

fn invalid(cron: &str) -> InvalidCron {
    match Schedule::parse(cron, "UTC") {
        Err(ScheduleError::Cron(invalid)) => invalid,
        other => panic!("{cron}: {other:?}"),
    }
}

/// The times, in UTC to the minute, at which a schedule fires after `from`.
fn firings(schedule: &Schedule, from: &str, count: usize) -> Vec<String> {
    let start: Timestamp = from.parse().expect("a timestamp");
    std::iter::successors(schedule.next_after(start), |last| schedule.next_after(*last))
        .take(count)
        .map(|fires| fires.strftime("%Y-%m-%dT%H:%MZ").to_string())
        .collect()
}

#[test]
fn fires_as_unix_cron_does() {
    let cases: &[(&str, &str, &[&str])] = &[
        (
            "*/10 * * * *",
            "2026-11-21T10:14:02Z",
            &["2026-11-21T10:20Z", "2026-11-21T10:30Z", "2026-11-21T10:40Z"],
        ),
        (
            "*/1 */1 */1 */1 */1",
            "2026-11-21T10:14:02Z",
            &["2026-11-21T10:15Z", "2026-11-21T10:16Z"],
        ),
        // Exactly on a firing time: the next one. A fraction before it: that one.
        ("*/10 * * * *", "2026-11-21T10:20:00Z", &["2026-11-21T10:30Z"]),
        ("*/10 * * * *", "2026-11-21T10:19:59.999999999Z", &["2026-11-21T10:20Z"]),
        ("*/10 * * * *", "2026-11-21T10:20:00.5Z", &["2026-11-21T10:30Z"]),
        (
            "0 3 * * 1-5",
            "2026-11-20T12:00:00Z",
            &["2026-11-23T03:00Z", "2026-11-24T03:00Z"],
        ),
        // Sunday has two numbers and a name.
        (
            "0 0 * * 0",
            "2026-11-20T12:00:00Z",
            &["2026-11-22T00:00Z", "2026-11-29T00:00Z"],
        ),
        (
            "0 0 * * 7",
            "2026-11-20T12:00:00Z",
            &["2026-11-22T00:00Z", "2026-11-29T00:00Z"],
        ),
        (
            "0 0 * * sun",
            "2026-11-20T12:00:00Z",
            &["2026-11-22T00:00Z", "2026-11-29T00:00Z"],
        ),
        (
            "0 0 * * 5-7",
            "2026-11-20T12:00:00Z",
            &["2026-11-21T00:00Z", "2026-11-22T00:00Z", "2026-11-27T00:00Z"],
        ),
        (
            "0 0 * * Fri-Sun",
            "2026-11-20T12:00:00Z",
            &["2026-11-21T00:00Z", "2026-11-22T00:00Z", "2026-11-27T00:00Z"],
        ),
        (
            "0 0 * * SUN-MON",
            "2026-11-20T12:00:00Z",
            &["2026-11-22T00:00Z", "2026-11-23T00:00Z", "2026-11-29T00:00Z"],
        ),
        (
            "0 0 * * */2",
            "2026-11-20T12:00:00Z",
            &["2026-11-21T00:00Z", "2026-11-22T00:00Z", "2026-11-24T00:00Z"],
        ),
        // Both day fields restricted: either fires.
        (
            "0 0 13 * FRI",
            "2026-11-01T00:00:00Z",
            &["2026-11-06T00:00Z", "2026-11-13T00:00Z", "2026-11-20T00:00Z"],
        ),
        (
            "0 0 1 * MON",
            "2026-11-25T00:00:00Z",
            &["2026-11-30T00:00Z", "2026-12-01T00:00Z", "2026-12-07T00:00Z"],
        ),
        (
            "0 12 1 jan,JUL *",
            "2026-11-01T00:00:00Z",
            &["2027-01-01T12:00Z", "2027-07-01T12:00Z"],
        ),
        (
            "5,10-12,50-58/4 8 * * *",
            "2026-11-20T12:00:00Z",
            &[
                "2026-11-21T08:05Z",
                "2026-11-21T08:10Z",
                "2026-11-21T08:11Z",
                "2026-11-21T08:12Z",
                "2026-11-21T08:50Z",
                "2026-11-21T08:54Z",
                "2026-11-21T08:58Z",
            ],
        ),
        (
            "0 0 31 * *",
            "2027-01-31T00:00:00Z",
            &["2027-03-31T00:00Z", "2027-05-31T00:00Z"],
        ),
        ("0 0 29 2 *", "2096-03-01T00:00:00Z", &["2104-02-29T00:00Z"]),
        ("\t0  0 1 1 * ", "2026-11-20T12:00:00Z", &["2027-01-01T00:00Z"]),
    ];
    for (cron, from, expected) in cases {
        assert_eq!(
            firings(&schedule(cron, "UTC"), from, expected.len()),
            *expected,
            "{cron} after {from}"
        );
    }
}

#[test]
fn a_local_time_that_does_not_exist_is_skipped_and_one_that_comes_twice_fires_once() {
    let cases: &[(&str, &str, &str, &[&str])] = &[
        // Paris, 29 March 2026: 02:00 +01:00 becomes 03:00 +02:00.
        (
            "30 2 * * *",
            "Europe/Paris",
            "2026-03-28T00:00:00Z",
            &["2026-03-28T01:30Z", "2026-03-30T00:30Z"],
        ),
        (
            "0 3 * * *",
            "Europe/Paris",
            "2026-03-28T12:00:00Z",
            &["2026-03-29T01:00Z", "2026-03-30T01:00Z"],
        ),
        (
            "*/30 * * * *",
            "Europe/Paris",
            "2026-03-29T00:00:00Z",
            &["2026-03-29T00:30Z", "2026-03-29T01:00Z"],
        ),
        (
            "0 */2 * * *",
            "Europe/Paris",
            "2026-03-28T22:00:00Z",
            &["2026-03-28T23:00Z", "2026-03-29T02:00Z"],
        ),
        // Paris, 25 October 2026: 03:00 +02:00 becomes 02:00 +01:00.
        (
            "30 2 * * *",
            "Europe/Paris",
            "2026-10-24T12:00:00Z",
            &["2026-10-25T00:30Z", "2026-10-26T01:30Z"],
        ),
        (
            "*/30 * * * *",
            "Europe/Paris",
            "2026-10-24T23:30:00Z",
            &[
                "2026-10-25T00:00Z", // 02:00 +02:00
                "2026-10-25T00:30Z", // 02:30 +02:00
                "2026-10-25T02:00Z", // 03:00 +01:00
            ],
        ),
        // From within the second pass.
        (
            "*/30 * * * *",
            "Europe/Paris",
            "2026-10-25T01:10:00Z",
            &["2026-10-25T02:00Z"],
        ),
        (
            "0 * * * *",
            "Europe/Paris",
            "2026-10-24T23:00:00Z",
            &["2026-10-25T00:00Z", "2026-10-25T02:00Z"],
        ),
        // New York, 8 March 2026: 02:00 -05:00 becomes 03:00 -04:00.
        (
            "15 2 * * *",
            "America/New_York",
            "2026-03-07T00:00:00Z",
            &["2026-03-07T07:15Z", "2026-03-09T06:15Z"],
        ),
        (
            "*/30 1-3 * * *",
            "America/New_York",
            "2026-03-08T06:00:00Z",
            &["2026-03-08T06:30Z", "2026-03-08T07:00Z"],
        ),
        // New York, 1 November 2026: 02:00 -04:00 becomes 01:00 -05:00.
        (
            "15 1 * * *",
            "America/New_York",
            "2026-10-31T12:00:00Z",
            &["2026-11-01T05:15Z", "2026-11-02T06:15Z"],
        ),
        (
            "*/30 * * * *",
            "America/New_York",
            "2026-11-01T04:45:00Z",
            &["2026-11-01T05:00Z", "2026-11-01T05:30Z", "2026-11-01T07:00Z"],
        ),
        // Lord Howe: half an hour.
        (
            "45 1 * * *",
            "Australia/Lord_Howe",
            "2026-04-04T00:00:00Z",
            &["2026-04-04T14:45Z", "2026-04-05T15:15Z"],
        ),
        (
            "15 2 * * *",
            "Australia/Lord_Howe",
            "2026-10-02T20:00:00Z",
            &["2026-10-04T15:15Z"],
        ),
    ];
    for (cron, zone, from, expected) in cases {
        assert_eq!(
            firings(&schedule(cron, zone), from, expected.len()),
            *expected,
            "{cron} {zone} after {from}"
        );
    }
}

/// Each case: the expression, the part that is underlined, the message.
fn assert_mistakes(cases: &[(&str, &str, &str)]) {
    for (cron, underlined, message) in cases {
        let error = invalid(cron);
        assert_eq!(error.to_string(), *message, "{cron}");
        assert_eq!(&cron[error.span], *underlined, "{cron}");
    }
}

#[test]
fn a_wrong_value_names_its_field_and_what_is_allowed() {
    assert_mistakes(&[
        ("61 * * * *", "61", "minute: `61` is not allowed; minutes are 0 to 59"),
        ("* 24 * * *", "24", "hour: `24` is not allowed; hours are 0 to 23"),
        (
            "* * 0 * *",
            "0",
            "day of month: `0` is not allowed; days of the month are 1 to 31",
        ),
        (
            "* * * 13 *",
            "13",
            "month: `13` is not allowed; months are 1 to 12 or JAN to DEC",
        ),
        (
            "* * * * 8",
            "8",
            "day of week: `8` is not allowed; days of the week are 0 to 7 (0 and 7 are Sunday) or SUN to SAT",
        ),
        (
            "* * * * FOO",
            "FOO",
            "day of week: `FOO` is not allowed; days of the week are 0 to 7 (0 and 7 are Sunday) or SUN to SAT",
        ),
        (
            "* * * MON *",
            "MON",
            "month: `MON` is not allowed; months are 1 to 12 or JAN to DEC",
        ),
        (
            "JAN * * * *",
            "JAN",
            "minute: `JAN` is not allowed; minutes are 0 to 59",
        ),
        (
            "* * L * *",
            "L",
            "day of month: `L` is not allowed; days of the month are 1 to 31",
        ),
        (
            "* * 15W * *",
            "15W",
            "day of month: `15W` is not allowed; days of the month are 1 to 31",
        ),
        (
            "* * ? * *",
            "?",
            "day of month: `?` is not allowed; days of the month are 1 to 31",
        ),
        (
            "* * * * 5#2",
            "5#2",
            "day of week: `5#2` is not allowed; days of the week are 0 to 7 (0 and 7 are Sunday) or SUN to SAT",
        ),
        (
            "* * * * +1",
            "+1",
            "day of week: `+1` is not allowed; days of the week are 0 to 7 (0 and 7 are Sunday) or SUN to SAT",
        ),
        ("+5 * * * *", "+5", "minute: `+5` is not allowed; minutes are 0 to 59"),
    ]);
}

#[test]
fn a_wrong_range_list_or_step_is_pointed_at() {
    assert_mistakes(&[
        (
            "* * 10-5 * *",
            "10-5",
            "day of month: the range `10-5` runs backwards; write two ranges: `10-31,1-5`",
        ),
        (
            "* * * * 5-0",
            "5-0",
            "day of week: the range `5-0` runs backwards; write two ranges: `5-6,0-0`",
        ),
        ("1- * * * *", "", "minute: a value is missing; minutes are 0 to 59"),
        (
            "1,,2 * * * *",
            "1,,2",
            "minute: the list `1,,2` has an empty item; write values with single commas between them",
        ),
        (
            "* 1, * * *",
            "1,",
            "hour: the list `1,` has an empty item; write values with single commas between them",
        ),
        (
            "5/10 * * * *",
            "5/10",
            "minute: a step needs a range before it; write `5-59/10`",
        ),
        (
            "*/0 * * * *",
            "*/0",
            "minute: the step of `*/0` is not a number from 1 to 59; write a smaller step, or the one value that is meant",
        ),
        (
            "*/60 * * * *",
            "*/60",
            "minute: the step of `*/60` is not a number from 1 to 59; write a smaller step, or the one value that is meant",
        ),
        (
            "*/x * * * *",
            "*/x",
            "minute: the step of `*/x` is not a number from 1 to 59; write a smaller step, or the one value that is meant",
        ),
    ]);
}

#[test]
fn a_schedule_that_is_not_five_fields_or_never_fires_is_refused() {
    assert_mistakes(&[
        (
            "",
            "",
            "the schedule is empty; write five fields: minute, hour, day of month, month, day of week",
        ),
        (
            "* * * *",
            "* * * *",
            "the schedule has 4 of five fields; write five fields: minute, hour, day of month, month, day of week",
        ),
        (
            "0 * * * * 2026",
            "2026",
            "the schedule has 6 fields; write five fields: minute, hour, day of month, month, day of week; there are no seconds and no years",
        ),
        (" @Daily", "@Daily", "`@Daily` is not unix cron; write `0 0 * * *`"),
        (
            "@reboot",
            "@reboot",
            "`@reboot` is not unix cron; write five fields: minute, hour, day of month, month, day of week",
        ),
        (
            "0 0 30 2 *",
            "30 2",
            "the schedule never fires: no month `2` has a day 30; write a day that exists in one of the months",
        ),
        (
            "0 0 31 4,JUN *",
            "31 4,JUN",
            "the schedule never fires: no month `4,JUN` has a day 31; write a day that exists in one of the months",
        ),
        (
            "0 0 */10 * MON",
            "*/10",
            "day of month: `*/10` beside the day of week `MON` means different days to different crons; list the days to fire on either (`1,11,21,31`), or write `*` for one of the two",
        ),
        (
            "0 0 1 * */3",
            "*/3",
            "day of week: `*/3` beside the day of month `1` means different days to different crons; list the days to fire on either (`0,3,6`), or write `*` for one of the two",
        ),
        ("é * * * *", "é", "minute: `é` is not allowed; minutes are 0 to 59"),
    ]);
}

#[test]
fn an_impossible_day_beside_a_day_of_the_week_fires_on_the_latter() {
    assert_eq!(
        firings(&schedule("0 0 30 2 MON", "UTC"), "2026-11-20T00:00:00Z", 1),
        ["2027-02-01T00:00Z"]
    );
}

#[test]
fn time_zones_are_those_of_the_iana_database() {
    assert_eq!(schedule("0 0 * * *", "europe/paris").time_zone(), "Europe/Paris");
    assert_eq!(schedule(" 0 0 * * *", "UTC").expression(), " 0 0 * * *");
    let cases = [
        (
            "Europe/Pariss",
            "there is no time zone \"Europe/Pariss\"; did you mean \"Europe/Paris\"?",
        ),
        ("Etc/Unknown", "there is no time zone \"Etc/Unknown\"; "),
        (
            "+01:00",
            "there is no time zone \"+01:00\"; use a name of the IANA time zone database such as",
        ),
        ("", "there is no time zone \"\"; use a name"),
        ("/etc/passwd", "there is no time zone \"/etc/passwd\"; use a name"),
    ];
    for (name, message) in cases {
        let error = Schedule::parse("0 0 * * *", name).expect_err(name).to_string();
        assert!(error.starts_with(message), "{name}: {error}");
    }
}

#[test]
fn the_end_of_the_calendar_is_no_panic() {
    for end in [Timestamp::MAX, Timestamp::MIN] {
        let _ = schedule("0 0 29 2 *", "Europe/Paris").next_after(end);
    }
    assert_eq!(schedule("0 0 1 1 *", "UTC").next_after(Timestamp::MAX), None);
}

#[test]
fn the_last_time_is_found_however_long_ago_it_was() {
    for (cron, at, last) in [
        ("* * * * *", "2026-11-21T10:14:02Z", Some("2026-11-21T10:14:00Z")),
        ("*/10 * * * *", "2026-11-21T10:20:00Z", Some("2026-11-21T10:20:00Z")),
        ("*/10 * * * *", "2026-11-21T10:19:59.9Z", Some("2026-11-21T10:10:00Z")),
        ("0 3 * * 1-5", "2026-11-22T12:00:00Z", Some("2026-11-20T03:00:00Z")),
        ("0 0 1 1 *", "2026-11-21T10:14:00Z", Some("2026-01-01T00:00:00Z")),
        ("0 0 29 2 *", "2026-11-21T10:14:00Z", Some("2024-02-29T00:00:00Z")),
        // 2100 is no leap year, so that eight years pass.
        ("0 0 29 2 *", "2103-11-21T10:14:00Z", Some("2096-02-29T00:00:00Z")),
    ] {
        let at: Timestamp = at.parse().expect("a timestamp");
        let last: Option<Timestamp> = last.map(|last| last.parse().expect("a timestamp"));
        assert_eq!(schedule(cron, "UTC").last_up_to(at), last, "{cron} up to {at}");
    }
    assert_eq!(schedule("* * * * *", "UTC").last_up_to(Timestamp::MIN), None);
}

/// Values of a field as text, with the set that they stand for.
fn field(min: u8, max: u8) -> impl Strategy<Value = (String, Vec<u8>)> {
    prop_oneof![
        Just(("*".to_string(), (min..=max).collect())),
        (min..=max).prop_map(|value| (value.to_string(), vec![value])),
        (min..=max, min..=max)
            .prop_map(|(a, b)| (format!("{}-{}", a.min(b), a.max(b)), (a.min(b)..=a.max(b)).collect())),
        (1..=(max - min)).prop_map(move |step| (format!("*/{step}"), (min..=max).step_by(step.into()).collect())),
    ]
}

#[test]
fn the_last_time_is_told_around_changes_of_the_clock() {
    for (cron, zone, time, expected) in [
        ("*/10 * * * *", "UTC", "2026-11-21T10:14:02Z", "2026-11-21T10:10Z"),
        ("*/10 * * * *", "UTC", "2026-11-21T10:10:00Z", "2026-11-21T10:10Z"),
        ("*/10 * * * *", "UTC", "2026-11-21T10:09:59.9Z", "2026-11-21T10:00Z"),
        (
            "0 9 * * MON",
            "Europe/Paris",
            "2026-11-21T10:14:02Z",
            "2026-11-16T08:00Z",
        ),
        // Paris' clocks show 02:00 to 02:59 twice on 25 October: from 00:00 and from 01:00 UTC.
        (
            "30 2 * * *",
            "Europe/Paris",
            "2026-10-25T00:29:59Z",
            "2026-10-24T00:30Z",
        ),
        (
            "30 2 * * *",
            "Europe/Paris",
            "2026-10-25T00:30:00Z",
            "2026-10-25T00:30Z",
        ),
        (
            "30 2 * * *",
            "Europe/Paris",
            "2026-10-25T01:10:00Z",
            "2026-10-25T00:30Z",
        ),
        (
            "*/10 * * * *",
            "Europe/Paris",
            "2026-10-25T01:15:00Z",
            "2026-10-25T00:50Z",
        ),
        (
            "*/10 * * * *",
            "Europe/Paris",
            "2026-10-25T02:00:00Z",
            "2026-10-25T02:00Z",
        ),
        // They never show 02:30 on 29 March.
        (
            "30 2 * * *",
            "Europe/Paris",
            "2026-03-29T12:00:00Z",
            "2026-03-28T01:30Z",
        ),
        ("0 0 29 2 *", "UTC", "2026-11-21T10:14:02Z", "2024-02-29T00:00Z"),
    ] {
        let time: Timestamp = time.parse().expect("a timestamp");
        let last = schedule(cron, zone).last_up_to(time).expect("a time before");
        assert_eq!(
            last.strftime("%Y-%m-%dT%H:%MZ").to_string(),
            expected,
            "{cron} {zone} {time}"
        );
    }
}

proptest! {
    /// Held against the definition: a minute fires when its local fields are in the sets and the clock shows it for the
    /// first time.
    #[test]
    fn agrees_with_a_walk_over_every_minute(
        (minute, minutes) in field(0, 59),
        (hour, hours) in field(0, 23),
        (weekday, weekdays) in field(0, 6),
        start in prop_oneof![
            "2026-03-28T2[0-3]:[0-5][0-9]:00Z", // before Paris' spring change
            "2026-10-24T2[0-3]:[0-5][0-9]:30Z", // before its autumn change
        ],
    ) {
        let zone = jiff::tz::TimeZone::get("Europe/Paris").expect("a zone");
        let schedule = schedule(&format!("{minute} {hour} * * {weekday}"), "Europe/Paris");
        let start: Timestamp = start.parse().expect("a timestamp");
        let end = start + jiff::SignedDuration::from_hours(8);
        let mut seen = std::collections::BTreeSet::new();
        let first_minute = Timestamp::from_second(start.as_second().div_euclid(60) * 60).expect("in range");
        let mut expected = Vec::new();
        // From a day before, to know what the clock has shown already.
        let mut minute = first_minute - jiff::SignedDuration::from_hours(24);
        while minute <= end {
            let local = minute.to_zoned(zone.clone()).datetime();
            let fires = minutes.contains(&local.minute().cast_unsigned())
                && hours.contains(&local.hour().cast_unsigned())
                && weekdays.contains(&local.weekday().to_sunday_zero_offset().cast_unsigned());
            if seen.insert(local) && fires && minute > start {
                expected.push(minute);
            }
            minute += jiff::SignedDuration::from_mins(1);
        }
        let found: Vec<Timestamp> = std::iter::successors(schedule.next_after(start), |last| schedule.next_after(*last))
            .take_while(|fires| *fires <= end)
            .collect();
        prop_assert_eq!(&found, &expected);
        // Backwards, from every minute: the last that has fired.
        let mut minute = first_minute;
        while minute <= end {
            let last = expected.iter().rfind(|fires| **fires <= minute).copied();
            if let Some(last) = last {
                prop_assert_eq!(schedule.last_up_to(minute), Some(last), "until {}", minute);
            }
            minute += jiff::SignedDuration::from_mins(1);
        }
    }

    #[test]
    fn the_last_time_and_the_next_stand_around_every_moment(
        (minute, _) in field(0, 59),
        (hour, _) in field(0, 23),
        seconds in 1_700_000_000_i64..1_900_000_000,
        zone in prop_oneof!["UTC", "Europe/Paris", "Australia/Lord_Howe", "America/St_Johns"],
    ) {
        let schedule = schedule(&format!("{minute} {hour} * * *"), &zone);
        let time = Timestamp::from_second(seconds).expect("in range");
        let last = schedule.last_up_to(time).expect("a time before");
        prop_assert!(last <= time);
        let next = schedule.next_after(last).expect("a time after");
        prop_assert!(next > time, "{} fires at {} too", last, next);
        prop_assert_eq!(schedule.last_up_to(next), Some(next), "the moment itself");
    }

    #[test]
    fn any_text_is_read_or_refused_with_a_span_in_it(cron in "\\PC{0,40}|[-0-9*/, A-Z]{1,30}") {
        if let Err(ScheduleError::Cron(error)) = Schedule::parse(&cron, "UTC") {
            prop_assert!(cron.get(error.span.clone()).is_some(), "{:?} {:?}", cron, error);
        }
    }
}
