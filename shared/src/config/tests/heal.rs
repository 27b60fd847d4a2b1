//! The section `heal`.

use super::*;

#[test]
fn heal_is_read_from_the_shared_file_alone() {
    let text = "heal: {schedule: '7,37 * * * *', timezone: Europe/Paris, min_period: 2h}\n";
    let loaded = Folder::new(&[("fanlight.yaml", text), ("a.yaml", &minimal("", ""))]).load();
    assert_eq!(loaded.report.summary(), "");
    let heal = loaded.configuration.heal.as_ref().unwrap();
    assert_eq!(
        (heal.schedule.expression(), heal.schedule.time_zone()),
        ("7,37 * * * *", "Europe/Paris")
    );
    assert_eq!(heal.min_period, Duration::from_hours(2));
    let heal = |text: &str| {
        let loaded = Folder::new(&[("fanlight.yaml", text), ("a.yaml", &minimal("", ""))]).load();
        // Whatever is wrong with it, the jobs run.
        assert_eq!(loaded.configuration.jobs.len(), 1, "{text}");
        let min_period = loaded.configuration.heal.as_ref().map(|heal| heal.min_period);
        (
            min_period,
            loaded
                .report
                .summary()
                .split_once(": ")
                .map(|(_, what)| what.to_owned()),
        )
    };
    assert_eq!(
        heal("heal: {schedule: '7 * * * *'}"),
        (Some(Duration::from_hours(1)), None)
    );
    for (text, words) in [
        ("heal: {}", "`heal` has no `schedule`; say when to look"),
        ("heal: {schedule: hourly}", "the schedule"),
        ("heal: {schedule: '0 0 13 * FRI'}", "EventBridge"),
        (
            "heal: {schedule: '7 * * * *', timezone: Europe/Pariss}",
            "there is no time zone `Europe/Pariss`; did you mean",
        ),
        ("heal: {schedule: '7 * * * *', min_period: 1}", "1 of which unit?"),
        ("heal: {schedule: '7 * * * *', period: 1h}", "unknown key `period`"),
    ] {
        let (settings, told) = heal(text);
        assert_eq!(settings, None, "{text}");
        assert!(
            told.as_ref().is_some_and(|told| told.contains(words)),
            "{text}: {told:?}"
        );
    }
    let elsewhere = minimal("", "") + "heal: {schedule: '7 * * * *'}\n";
    let loaded = load_text(&elsewhere);
    assert!(
        loaded
            .report
            .summary()
            .contains("only `fanlight.yaml` says when jobs are healed; move `heal` there")
    );
}
