//! The series budget: what all jobs together may put into one endpoint.

use std::collections::BTreeMap;

use super::Configuration;
use super::job::{Job, Sink};
use super::mistake::{Mistake, Report};
use super::resolve::{JobPlace, most_series};

/// The most series of one job.
pub(crate) fn of_job(job: &Job) -> usize {
    job.metrics().map(most_series).fold(0, usize::saturating_add)
}

/// Tells every endpoint whose jobs may exceed its budget, at the job that takes the most of it.
pub(crate) fn check(configuration: &Configuration, places: &BTreeMap<String, JobPlace>, report: &mut Report) {
    let mut endpoints: BTreeMap<&str, (usize, Vec<&Job>)> = BTreeMap::new();
    for job in configuration.jobs.iter().filter(|job| job.enabled) {
        let Sink::Pushgateway(sink) = &job.sink;
        endpoints
            .entry(&sink.name)
            .or_insert((sink.series_budget, Vec::new()))
            .1
            .push(job);
    }
    for (name, (budget, mut jobs)) in endpoints {
        let total = jobs.iter().map(|job| of_job(job)).fold(0, usize::saturating_add);
        if total <= budget {
            continue;
        }
        jobs.sort_by_key(|job| std::cmp::Reverse(of_job(job)));
        let largest: Vec<_> = jobs
            .iter()
            .take(3)
            .map(|job| format!("`{}` {}", job.name, of_job(job)))
            .collect();
        let Some(place) = jobs.first().and_then(|job| places.get(&job.name)) else {
            continue;
        };
        let message = format!("the jobs of the sink `{name}` may push {total} series, and its budget is {budget}");
        let help = format!(
            "lower `max_series` where fewer are enough, list `allowed_values`, or raise the sink's `series_budget`; the \
             largest jobs are {}",
            largest.join(", ")
        );
        report.add(Mistake::new(&place.file, place.name.clone(), message).help(help));
    }
}
