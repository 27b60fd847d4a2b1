//! How jobs are, what a gateway holds, and which runs are made up for.

use super::super::heal;
use super::super::status::{State, of_job, of_jobs};
use super::*;

#[test]
fn a_jobs_state_is_told_by_its_schedule() {
    let configuration = jobs("", &[("j", "timeout: 2m,")]);
    let job = &configuration.jobs[0];
    let failed = |at| Ran {
        up: false,
        ..Ran::new("j", at)
    };
    let state = |groups: Vec<Group>, started: Option<&str>, now: &str| {
        let holdings = holdings("http://gw", groups, started);
        let status = of_job(job, &holdings, at(now));
        (status.state, status.reason)
    };
    let ran = Ran::new("j", "2026-11-21T11:50:03Z");
    let foreign = || group(&[("job", "j")], "2026-11-21T11:51:00Z", &["theirs"]);
    let none = String::new;
    for (groups, started, now, expected) in [
        (ran.both().to_vec(), None, "2026-11-21T11:55:00Z", (State::Ok, none())),
        // It was due at 12:00, and has two minutes and one for its delivery.
        (ran.both().to_vec(), None, "2026-11-21T12:02:59Z", (State::Ok, none())),
        (
            ran.both().to_vec(),
            None,
            "2026-11-21T12:03:00Z",
            (
                State::Stale,
                "it was due at 2026-11-21T12:00:00Z and has not run since".to_owned(),
            ),
        ),
        (
            failed("2026-11-21T11:50:03Z").both().to_vec(),
            None,
            "2026-11-21T11:55:00Z",
            (State::Failing, "in its last run failed: j_number".to_owned()),
        ),
        (
            vec![ran.told()],
            None,
            "2026-11-21T11:55:00Z",
            (
                State::Vanished,
                "the series of its last run are gone from the gateway".to_owned(),
            ),
        ),
        // Somebody else's stand in their place.
        (
            vec![foreign(), ran.told()],
            None,
            "2026-11-21T11:55:00Z",
            (
                State::Vanished,
                "the series of its last run are gone from the gateway".to_owned(),
            ),
        ),
        (
            Vec::new(),
            Some("2026-11-21T11:52:00Z"),
            "2026-11-21T11:55:00Z",
            (
                State::Vanished,
                "nothing stands in the gateway, which was started at 2026-11-21T11:52:00Z, after the job was last due"
                    .to_owned(),
            ),
        ),
        (
            Vec::new(),
            Some("2026-11-21T11:49:00Z"),
            "2026-11-21T11:55:00Z",
            (
                State::Never,
                "nothing stands in the gateway: it never ran, or its groups were deleted".to_owned(),
            ),
        ),
    ] {
        assert_eq!(state(groups, started, now), expected, "{now} {started:?}");
    }
    let off = jobs("", &[("j", "enabled: false,")]);
    let status = of_job(&off.jobs[0], &holdings("http://gw", ran.both(), None), at(NOW));
    assert_eq!((status.state, status.next_run), (State::Disabled, None));
    let surveys = surveys(&configuration, [None]);
    let statuses = of_jobs(&configuration.jobs, &surveys, at(NOW));
    assert_eq!(statuses[0].state, State::Unknown);
    assert!(statuses[0].reason.contains("`default`"), "{}", statuses[0].reason);
}

#[test]
fn a_status_tells_what_the_gateway_holds() {
    let configuration = jobs("", &[("j", "timezone: Europe/Paris,")]);
    let job = &configuration.jobs[0];
    let mut data = Ran::new("j", OLD).data();
    data.push_failure_time = at("2026-11-20T11:50:00Z").as_duration().as_secs_f64();
    let status = of_job(
        job,
        &holdings("http://gw", [data, Ran::new("j", OLD).told()], None),
        at("2026-11-20T12:01:00Z"),
    );
    assert_eq!((status.state, status.series), (State::Ok, Some(1)));
    assert_eq!(status.last_success, Some(at(OLD)));
    assert_eq!(
        status.last_failure,
        Some(at("2026-11-20T11:50:00Z")),
        "the push that was refused"
    );
    assert_eq!(status.duration, Some(Duration::from_millis(250)));
    assert_eq!(status.next_run, Some(at("2026-11-20T12:10:00Z")));
    let failed = Ran {
        up: false,
        ..Ran::new("j", OLD)
    };
    let status = of_job(
        job,
        &holdings("http://gw", failed.both(), None),
        at("2026-11-20T12:01:00Z"),
    );
    assert_eq!((status.last_success, status.last_failure), (None, Some(at(OLD))));
    assert_eq!(status.failed_metrics, ["j_number"]);
}

#[test]
fn what_vanished_is_healed_for_the_time_that_it_was_last_due() {
    let configuration = jobs("", &[("daily", "schedule: '0 6 * * *', timeout: 10m,")]);
    let need = |groups: Vec<Group>, min_period: u64, named: &[&str], now: &str| {
        let holdings = holdings("http://gw", groups, None);
        let scope = heal::Scope {
            min_period: Duration::from_secs(min_period),
            jobs: named.iter().map(|&name| name.to_owned()).collect(),
        };
        match heal::need(&configuration.jobs[0], &holdings, &scope, at(now)) {
            heal::Need::None => "none".to_owned(),
            heal::Need::Run(lost) => format!("run for {} {}", lost.scheduled_time, lost.again),
            heal::Need::Wait(reason) => reason,
        }
    };
    let ran = |time| Ran::new("daily", time);
    let failed = |time| Ran { up: false, ..ran(time) };
    let six = "2026-11-21T06:00:00Z";
    let theirs = || group(&[("job", "daily")], NOW, &["theirs"]);
    // A run whose every metric failed, and which does not keep what stood (`on_error: drop`).
    let empty = || group(&[("job", "daily")], six, &[]);
    let run = "run for 2026-11-21T06:00:00Z false";
    let hour = 3_600;
    for (groups, min_period, now, expected) in [
        (ran(six).both().to_vec(), hour, NOW, "none"),
        (Vec::new(), hour, NOW, run),
        (Vec::new(), 86_400, NOW, run),
        (
            Vec::new(),
            86_401,
            NOW,
            "it is due again at 2026-11-22T06:00:00Z, for it runs every 24h",
        ),
        // It has eleven minutes to run and to be delivered.
        (
            Vec::new(),
            hour,
            "2026-11-21T06:10:59Z",
            "it was due at 2026-11-21T06:00:00Z and may still be running",
        ),
        (Vec::new(), hour, "2026-11-21T06:11:00Z", run),
        (
            Vec::new(),
            hour,
            "2026-11-22T05:50:00Z",
            "it is due again at 2026-11-22T06:00:00Z",
        ),
        // Only its series are gone: it runs for the same time, or for a later one that somebody ran it for.
        (vec![ran(six).told()], hour, NOW, "run for 2026-11-21T06:00:00Z true"),
        (
            vec![ran("2026-11-21T07:30:00Z").told()],
            hour,
            NOW,
            "run for 2026-11-21T07:30:00Z true",
        ),
        (vec![ran("2026-11-20T06:00:00Z").told()], hour, NOW, run),
        // A clock that was wrong.
        (vec![ran("2030-11-20T06:00:00Z").told()], hour, NOW, run),
        // It failed, and is tried again an hour later, however long ago it was due.
        (
            vec![failed("2026-11-22T03:00:00Z").told()],
            hour,
            "2026-11-22T04:00:00Z",
            run,
        ),
        (
            vec![failed("2026-11-22T03:00:00Z").told()],
            hour,
            "2026-11-22T03:59:59Z",
            "its run at 2026-11-22T03:00:00Z failed; it is tried again from 2026-11-22T04:00:00Z on, or at once by its name",
        ),
        (
            vec![failed("2026-11-22T05:10:00Z").told()],
            hour,
            "2026-11-22T05:20:00Z",
            "its run at 2026-11-22T05:10:00Z failed; it is due again at 2026-11-22T06:00:00Z, or runs at once by its name",
        ),
        // A clock that was wrong.
        (vec![failed("2030-11-20T06:00:00Z").told()], hour, NOW, run),
        (failed(six).both().to_vec(), hour, NOW, "none"),
        // Somebody else's series stand where the job's did.
        (
            vec![theirs(), ran(six).told()],
            hour,
            NOW,
            "run for 2026-11-21T06:00:00Z true",
        ),
        (vec![theirs(), failed(six).told()], hour, NOW, run),
        (vec![empty(), failed(six).told()], hour, NOW, "none"),
    ] {
        assert_eq!(need(groups, min_period, &[], now), expected, "{now}");
    }
    let just_failed = || vec![failed("2026-11-22T03:00:00Z").told()];
    assert_eq!(need(just_failed(), hour, &["daily"], "2026-11-22T03:00:01Z"), run);
}

#[test]
fn a_push_that_was_refused_from_the_first_holds_no_group() {
    let configuration = jobs("", &[("daily", "schedule: '0 6 * * *',")]);
    let ran = Ran::new("daily", "2026-11-21T06:00:00Z");
    let mut refused = ran.data();
    (refused.push_time, refused.families) = (0.0, BTreeMap::new());
    let holdings = holdings("http://gw", [refused, ran.told()], None);
    let need = heal::need(&configuration.jobs[0], &holdings, &heal::Scope::default(), at(NOW));
    assert!(matches!(need, heal::Need::Run(_)), "{need:?}");
}
