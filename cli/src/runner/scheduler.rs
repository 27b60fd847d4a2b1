//! Fires jobs at their times, as EventBridge Scheduler does: each time an asynchronous invocation of the job's function.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use shared::schedule::Schedule;
use tokio::task::{JoinError, JoinSet};

use super::asynchronous::EventReport;
use super::function::Function;

/// A job that is to be fired.
#[derive(Clone)]
pub struct ScheduledJob {
    /// The job's name.
    pub name: Arc<str>,
    /// When it is fired.
    pub schedule: Schedule,
    /// What is invoked.
    pub function: Function,
}

/// Where the scheduler takes the time from.
pub trait Clock: Sync {
    /// The time.
    fn now(&self) -> Timestamp;

    /// Returns once `now` is `time` or later; may be dropped before.
    fn sleep_until(&self, time: Timestamp) -> impl Future<Output = ()> + Send;
}

/// The clock of this machine.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn sleep_until(&self, time: Timestamp) {
        // In short naps: the clock may be set, and the machine suspended.
        const NAP: Duration = Duration::from_secs(5);
        while let Ok(left) = Duration::try_from(time.duration_since(self.now()))
            && !left.is_zero()
        {
            tokio::time::sleep(left.min(NAP)).await;
        }
    }
}

/// What the scheduler did.
#[derive(Debug, Clone)]
pub enum Report {
    /// A job was fired.
    Fired {
        /// The job's name.
        job: Arc<str>,
        /// The time that it was due.
        scheduled_time: Timestamp,
        /// Runs of the same job that have not finished; this one runs beside them, as in Lambda.
        overlapping: usize,
        /// Times that had passed unnoticed before this one, as when the machine was suspended; they are not made up for.
        missed: usize,
    },
    /// A run is done with.
    Finished {
        /// The job's name.
        job: Arc<str>,
        /// The time that it was due.
        scheduled_time: Timestamp,
        /// What became of it.
        report: EventReport,
    },
}

/// The event that the collector receives: what EventBridge Scheduler's `Input` is for the job.
#[must_use]
pub fn event(job: &str, scheduled_time: Timestamp) -> Bytes {
    let seconds = scheduled_time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    serde_json::json!({"job": job, "scheduled_time": seconds})
        .to_string()
        .into()
}

/// Fires the jobs until it is dropped; runs that have begun go on. Returns only when no job will ever fire again.
pub async fn run(jobs: &[ScheduledJob], clock: &impl Clock, mut report: impl FnMut(Report)) {
    let now = clock.now();
    let mut due: BTreeSet<(Timestamp, usize)> = (0..)
        .zip(jobs)
        .filter_map(|(index, job)| job.schedule.next_after(now).map(|time| (time, index)))
        .collect();
    let mut running = vec![0; jobs.len()];
    let mut runs = JoinSet::new();
    while let Some((time, index)) = due.first().copied() {
        tokio::select! {
            biased;
            Some(finished) = runs.join_next() => {
                note_finished(finished, jobs, &mut running, &mut report);
                continue;
            }
            () = clock.sleep_until(time) => {}
        }
        due.pop_first();
        let job = &jobs[index];
        let (scheduled_time, missed) = latest_due(&job.schedule, time, clock.now());
        due.extend(job.schedule.next_after(scheduled_time).map(|next| (next, index)));
        let invocation = job.function.invoke_event(event(&job.name, scheduled_time));
        runs.spawn(async move { (index, scheduled_time, invocation.finished().await) });
        report(Report::Fired {
            job: Arc::clone(&job.name),
            scheduled_time,
            overlapping: running[index],
            missed,
        });
        running[index] += 1;
    }
    while let Some(finished) = runs.join_next().await {
        note_finished(finished, jobs, &mut running, &mut report);
    }
}

/// The last time up to `now` at which a job was due, which is `due` or later, and how many before it are left out.
fn latest_due(schedule: &Schedule, due: Timestamp, now: Timestamp) -> (Timestamp, usize) {
    let later = std::iter::successors(schedule.next_after(due), |time| schedule.next_after(*time));
    later
        .take_while(|time| *time <= now)
        .fold((due, 0), |(_, missed), time| (time, missed + 1))
}

fn note_finished(
    finished: Result<(usize, Timestamp, EventReport), JoinError>,
    jobs: &[ScheduledJob],
    running: &mut [usize],
    report: &mut impl FnMut(Report),
) {
    match finished {
        Ok((index, scheduled_time, event)) => {
            running[index] -= 1;
            report(Report::Finished {
                job: Arc::clone(&jobs[index].name),
                scheduled_time,
                report: event,
            });
        }
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // The runtime is being shut down.
        Err(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().expect("a timestamp")
    }

    #[test]
    fn the_event_is_what_event_bridge_scheduler_sends() {
        let event = event("transfers \"x\"", time("2026-11-21T10:10:00Z"));
        assert_eq!(
            event,
            r#"{"job":"transfers \"x\"","scheduled_time":"2026-11-21T10:10:00Z"}"#
        );
    }

    #[test]
    fn times_that_passed_unnoticed_are_counted_and_not_made_up_for() {
        let schedule = Schedule::parse("*/10 * * * *", "UTC").expect("a schedule");
        let due = time("2026-11-21T10:10:00Z");
        let cases = [
            ("2026-11-21T10:10:00Z", "2026-11-21T10:10:00Z", 0),
            ("2026-11-21T10:19:59Z", "2026-11-21T10:10:00Z", 0),
            ("2026-11-21T10:20:00Z", "2026-11-21T10:20:00Z", 1),
            ("2026-11-21T12:05:00Z", "2026-11-21T12:00:00Z", 11),
        ];
        for (now, scheduled, missed) in cases {
            assert_eq!(
                latest_due(&schedule, due, time(now)),
                (time(scheduled), missed),
                "at {now}"
            );
        }
    }
}
