//! Intervals as schedules: every so many seconds, counted from a start, to the minutes of a clock.

use std::time::Duration;

/// The lengths that a clock can be divided into, in minutes, and the schedule for each.
const SCHEDULES: [(u64, &str); 20] = [
    (1, "* * * * *"),
    (2, "*/2 * * * *"),
    (3, "*/3 * * * *"),
    (4, "*/4 * * * *"),
    (5, "*/5 * * * *"),
    (6, "*/6 * * * *"),
    (10, "*/10 * * * *"),
    (12, "*/12 * * * *"),
    (15, "*/15 * * * *"),
    (20, "*/20 * * * *"),
    (30, "*/30 * * * *"),
    (60, "0 * * * *"),
    (120, "0 */2 * * *"),
    (180, "0 */3 * * *"),
    (240, "0 */4 * * *"),
    (360, "0 */6 * * *"),
    (480, "0 */8 * * *"),
    (720, "0 */12 * * *"),
    (1_440, "0 0 * * *"),
    (10_080, "0 0 * * 0"),
];

/// The schedule that is as frequent or the next more frequent one; a minute's for anything shorter. And whether it is
/// exactly as frequent.
pub(super) fn schedule(interval: Duration) -> (&'static str, bool) {
    let minutes = interval.as_secs() / 60;
    let (length, schedule) = SCHEDULES
        .iter()
        .rfind(|(length, _)| *length <= minutes)
        .unwrap_or(&SCHEDULES[0]);
    (schedule, Duration::from_mins(*length) == interval)
}

/// A length of time as these exporters write it: `90`, `1.5` (seconds), `30s`, `1h30m`, `1d`.
pub(super) fn read(text: &str) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let mut total = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, behind) = rest.split_at(digits);
        let unit = behind.find(|c: char| c.is_ascii_digit()).unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(unit);
        let seconds = match unit.trim() {
            "ns" => 1e-9,
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            "w" => 604_800.0,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * seconds;
        rest = behind;
    }
    Duration::try_from_secs_f64(total).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_read_in_every_notation() {
        for (text, expected) in [
            ("90", Some(90.0)),
            ("1.5", Some(1.5)),
            ("30s", Some(30.0)),
            ("1h30m", Some(5_400.0)),
            ("1.5h", Some(5_400.0)),
            ("500ms", Some(0.5)),
            ("1d", Some(86_400.0)),
            ("2w", Some(1_209_600.0)),
            ("", Some(0.0)),
            ("soon", None),
            ("1y", None),
            ("h", None),
            ("-5", None),
        ] {
            assert_eq!(read(text).map(|length| length.as_secs_f64()), expected, "{text}");
        }
    }

    #[test]
    fn an_interval_becomes_a_schedule_that_is_at_least_as_frequent() {
        for (seconds, expected) in [
            (0, ("* * * * *", false)),
            (15, ("* * * * *", false)),
            (60, ("* * * * *", true)),
            (90, ("* * * * *", false)),
            (300, ("*/5 * * * *", true)),
            (420, ("*/6 * * * *", false)),
            (2_700, ("*/30 * * * *", false)),
            (3_600, ("0 * * * *", true)),
            (14_400, ("0 */4 * * *", true)),
            (86_400, ("0 0 * * *", true)),
            (172_800, ("0 0 * * *", false)),
            (604_800, ("0 0 * * 0", true)),
            (99_999_999, ("0 0 * * 0", false)),
        ] {
            assert_eq!(schedule(Duration::from_secs(seconds)), expected, "{seconds}");
        }
    }

    #[test]
    fn the_schedules_are_as_long_as_the_table_says() {
        for (minutes, cron) in SCHEDULES {
            let schedule = shared::schedule::Schedule::parse(cron, "UTC").unwrap();
            let monday = "2026-11-02T00:00:30Z".parse().unwrap();
            let first = schedule.next_after(monday).unwrap();
            let second = schedule.next_after(first).unwrap();
            assert_eq!(
                second.duration_since(first),
                jiff::SignedDuration::from_mins(minutes.cast_signed()),
                "{cron}"
            );
        }
    }
}
