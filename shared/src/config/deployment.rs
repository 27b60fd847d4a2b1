//! What keeps a job from being deployed, though it runs well here: schedules that EventBridge Scheduler does not have.
//!
//! These are mistakes and no warnings: a deployment is what a configuration is written for, and what cannot be rendered
//! for one job stops it for all.

use std::collections::BTreeMap;

use super::Configuration;
use super::job::Job;
use super::mistake::{Mistake, Report};
use super::resolve::JobPlace;

/// Tells every job whose schedule cannot be deployed as it is, the disabled ones among them.
pub(crate) fn check(configuration: &Configuration, places: &BTreeMap<String, JobPlace>, report: &mut Report) {
    for job in &configuration.jobs {
        let Some(place) = places.get(&job.name) else { continue };
        if let Err(error) = job.schedule.to_eventbridge() {
            // Within quotes and without escapes the text stands in the file as it was read.
            let literal = place.schedule.len() == job.schedule.expression().len();
            let span = if literal {
                place.schedule.start + error.span.start..place.schedule.start + error.span.end
            } else {
                place.schedule.clone()
            };
            report.add(Mistake::new(&place.file, span, error.problem).help(error.help));
        }
        if let Some(mistake) = overtaking(job, place) {
            report.add(mistake);
        }
    }
}

/// Within a window that is longer than the time between two runs, the later one may be started first, and the earlier one
/// is then dropped as late.
fn overtaking(job: &Job, place: &JobPlace) -> Option<Mistake> {
    if job.jitter.is_zero() {
        return None;
    }
    let minutes = |duration: std::time::Duration| duration.as_secs() / 60;
    let shortest = job.schedule.intervals().shortest;
    (job.jitter >= shortest).then(|| {
        let message = format!(
            "the jitter of {} min is not shorter than the {} min between two runs: a run could overtake the one before it",
            minutes(job.jitter),
            minutes(shortest)
        );
        Mistake::new(&place.file, place.schedule.clone(), message)
            .help("write a shorter `jitter`, or `jitter: 0s` for none")
    })
}
