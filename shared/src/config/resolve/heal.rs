//! The section `heal`: when, and which jobs.

use super::{Scope, first};
use crate::config::document::{DurationText, HealSpec};
use crate::config::folder::File;
use crate::config::heal::{DEFAULT_MIN_PERIOD, HealSettings};
use crate::config::read::Entry;
use crate::schedule::{self, Schedule, ScheduleError};

/// The time zone where none is said, as of jobs.
const DEFAULT_TIME_ZONE: &str = "UTC";

/// What the shared file says; `None` if it says nothing that can be relied upon.
pub(super) fn resolve(scope: &mut Scope<'_>, files: &[File]) -> Option<HealSettings> {
    let mut settings = None;
    for file in files {
        let Some(entry) = &file.document.heal else { continue };
        if !file.is_shared() {
            let message = "only `fanlight.yaml` says when jobs are healed";
            scope.mistake(file, &entry.span, message, |mistake| mistake.help("move `heal` there"));
            continue;
        }
        settings = entry.get().and_then(|spec| heal(scope, file, entry, spec));
    }
    settings
}

fn heal(scope: &mut Scope<'_>, file: &File, entry: &Entry<HealSpec>, spec: &HealSpec) -> Option<HealSettings> {
    let Some(cron) = &spec.schedule else {
        scope.mistake(file, &entry.span, "`heal` has no `schedule`", |mistake| {
            mistake.help("say when to look, in cron's five fields, such as '7,37 * * * *'")
        });
        return None;
    };
    let zone = first([spec.timezone.as_ref()]).map_or(DEFAULT_TIME_ZONE, String::as_str);
    if let Err(error) = schedule::check_time_zone(zone) {
        let span = spec.timezone.as_ref().map_or(0..0, |entry| entry.span.clone());
        let message = format!("there is no time zone `{}`", error.name);
        scope.mistake(file, &span, message, |mistake| mistake.help(error.help));
        return None;
    }
    let schedule = match Schedule::parse(cron.get()?, zone) {
        Ok(schedule) => schedule,
        Err(ScheduleError::Cron(error)) => {
            let span = file.part(cron, &error.span);
            scope.mistake(file, &span, error.problem, |mistake| mistake.help(error.help));
            return None;
        }
        // Looked at above.
        Err(ScheduleError::TimeZone(_)) => return None,
    };
    // The section is for deployments, where EventBridge looks at the clock.
    if let Err(error) = schedule.to_eventbridge() {
        let span = file.part(cron, &error.span);
        scope.mistake(file, &span, error.problem, |mistake| mistake.help(error.help));
        return None;
    }
    let min_period = first([spec.min_period.as_ref()]).map_or(DEFAULT_MIN_PERIOD, |DurationText(period)| *period);
    (entry.problems == 0).then_some(HealSettings { schedule, min_period })
}
