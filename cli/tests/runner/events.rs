//! Asynchronous invocations, and the schedules that make them.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fanlight_cli::runner::scheduler::{self, Clock, Report, ScheduledJob};
use fanlight_cli::runner::{EventEnd, FailureKind, Outcome};
use jiff::Timestamp;
use shared::schedule::Schedule;
use tokio::sync::Semaphore;

use crate::{failure, json, probe, until};

#[tokio::test]
async fn an_event_that_succeeds_is_delivered_once() {
    let (builder, log) = probe();
    let function = builder.build().expect("a function");
    let event = function.invoke_event(r#"{"a": 1}"#);
    let id = event.request_id.clone();
    let report = event.finished().await;
    assert_eq!((report.end, report.attempts.len()), (EventEnd::Succeeded, 1));
    assert_eq!(report.attempts[0].request_id, id);
    assert_eq!(log.text().matches("START").count(), 1);
    function.shutdown().await;
}

#[tokio::test]
async fn an_event_that_fails_is_tried_again_as_often_as_configured() {
    for retries in [0, 2] {
        let (builder, _log) = probe();
        let builder = builder.retries(retries).retry_delay(Duration::from_millis(1));
        let function = builder.build().expect("a function");
        let event = function.invoke_event(r#"{"do": "exit", "number": 1}"#);
        let id = event.request_id.clone();
        let report = event.finished().await;
        assert_eq!(report.end, EventEnd::Failed);
        assert_eq!(report.attempts.len(), 1 + retries as usize);
        for attempt in &report.attempts {
            assert_eq!(
                (failure(attempt).kind, &attempt.request_id),
                (FailureKind::Crashed, &id)
            );
        }
        function.shutdown().await;
    }
}

#[tokio::test]
async fn an_event_that_would_be_too_old_is_dropped_instead_of_tried_again() {
    let (builder, _log) = probe();
    let builder = builder
        .retries(2)
        .retry_delay(Duration::from_hours(1))
        .maximum_event_age(Duration::from_mins(1));
    let function = builder.build().expect("a function");
    let report = function.invoke_event(r#"{"do": "fail"}"#).finished().await;
    assert_eq!((report.end, report.attempts.len()), (EventEnd::Expired, 1));
    function.shutdown().await;
}

#[tokio::test]
async fn a_throttled_event_waits_for_its_turn() {
    let (builder, log) = probe();
    let function = builder.concurrency(1).retries(0).build().expect("a function");
    let busy = function.invoke_event(r#"{"do": "sleep", "number": 200}"#);
    until(|| log.text().contains("START")).await;
    let waiting = function.invoke_event(r#"{"do": "remember"}"#);
    let report = waiting.finished().await;
    assert_eq!((report.end, report.attempts.len()), (EventEnd::Succeeded, 1));
    assert_eq!(busy.finished().await.end, EventEnd::Succeeded);
    function.shutdown().await;
}

#[tokio::test]
async fn an_event_that_waits_to_be_tried_again_ends_with_the_function() {
    let (builder, log) = probe();
    let function = builder.retry_delay(Duration::from_mins(1)).build().expect("a function");
    let event = function.invoke_event(r#"{"do": "fail"}"#);
    until(|| log.text().contains("REPORT")).await;
    function.shutdown().await;
    assert_eq!(event.finished().await.end, EventEnd::ShutDown);
}

/// A clock that stands still until the test lets it jump to the next time that is waited for.
struct JumpingClock {
    second: AtomicI64,
    jumps: Semaphore,
}

impl Clock for JumpingClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.second.load(Ordering::SeqCst)).expect("in range")
    }

    async fn sleep_until(&self, time: Timestamp) {
        if time > self.now() {
            self.jumps.acquire().await.expect("open").forget();
            self.second.store(time.as_second(), Ordering::SeqCst);
        }
    }
}

/// A line for each report, of which those of finished runs say what the function was given.
fn describe(report: &Report) -> String {
    match report {
        Report::Fired {
            job,
            scheduled_time,
            overlapping,
            missed,
        } => {
            format!("{job} {scheduled_time} fired, {overlapping} running, {missed} missed")
        }
        Report::Finished {
            job,
            scheduled_time,
            report,
        } => {
            let last = report.attempts.last().expect("an attempt").clone();
            let event = match last.outcome {
                Outcome::Success(_) => json(last).to_string(),
                Outcome::Failure(failure) => failure.to_string(),
            };
            format!("{job} {scheduled_time} finished: {event}")
        }
    }
}

#[tokio::test]
async fn jobs_are_fired_at_their_times_with_their_own_event() {
    let (builder, _log) = probe();
    let function = builder.build().expect("a function");
    let job = |name: &str, cron: &str| ScheduledJob {
        name: name.into(),
        schedule: Schedule::parse(cron, "Europe/Paris").expect("a schedule"),
        function: function.clone(),
    };
    let jobs = [job("half-hourly", "*/30 * * * *"), job("nightly", "0 4 * * *")];
    // Two o'clock in Paris, in the night in which the clock skips to three.
    let start: Timestamp = "2026-03-29T00:45:00Z".parse().expect("a timestamp");
    let clock = JumpingClock {
        second: start.as_second().into(),
        jumps: Semaphore::new(0),
    };
    let reports = Arc::new(Mutex::new(Vec::new()));
    let firing = scheduler::run(&jobs, &clock, |report| {
        reports.lock().expect("reports").push(describe(&report));
    });
    let count = || reports.lock().expect("reports").len();
    let steps = async {
        for expected in [2, 4, 8] {
            clock.jumps.add_permits(1);
            until(|| count() == expected).await;
        }
    };
    tokio::select! {
        () = firing => panic!("the schedules have an end"),
        () = steps => {}
    }
    function.shutdown().await;
    let event =
        |job: &str, time: &str| format!(r#"{job} {time} finished: {{"job":"{job}","scheduled_time":"{time}"}}"#);
    let mut reports = std::mem::take(&mut *reports.lock().expect("reports"));
    // The two of four o'clock may finish in either order.
    reports[4..].sort();
    assert_eq!(
        reports,
        [
            "half-hourly 2026-03-29T01:00:00Z fired, 0 running, 0 missed".to_string(),
            event("half-hourly", "2026-03-29T01:00:00Z"),
            "half-hourly 2026-03-29T01:30:00Z fired, 0 running, 0 missed".to_string(),
            event("half-hourly", "2026-03-29T01:30:00Z"),
            event("half-hourly", "2026-03-29T02:00:00Z"),
            "half-hourly 2026-03-29T02:00:00Z fired, 0 running, 0 missed".to_string(),
            event("nightly", "2026-03-29T02:00:00Z"),
            "nightly 2026-03-29T02:00:00Z fired, 0 running, 0 missed".to_string(),
        ]
    );
}

#[tokio::test]
async fn a_run_that_overlaps_the_one_before_is_said_to() {
    let (builder, log) = probe();
    let function = builder.env("PROBE_DO", "hang").build().expect("a function");
    let schedule = Schedule::parse("* * * * *", "UTC").expect("a schedule");
    let jobs = [ScheduledJob {
        name: "slow".into(),
        schedule,
        function: function.clone(),
    }];
    let clock = JumpingClock {
        second: AtomicI64::new(1_800_000_000),
        jumps: Semaphore::new(3),
    };
    let reports = Mutex::new(Vec::new());
    tokio::select! {
        () = scheduler::run(&jobs, &clock, |report| reports.lock().expect("reports").push(describe(&report))) => {
            panic!("the schedule has an end")
        }
        () = until(|| log.text().matches("pid ").count() == 3) => {}
    }
    function.shutdown().await;
    assert_eq!(
        reports.into_inner().expect("reports"),
        [
            "slow 2027-01-15T08:01:00Z fired, 0 running, 0 missed",
            "slow 2027-01-15T08:02:00Z fired, 1 running, 0 missed",
            "slow 2027-01-15T08:03:00Z fired, 2 running, 0 missed",
        ]
    );
}
