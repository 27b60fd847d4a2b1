//! What must have been seen before an alert says anything: enough events, and for long enough.
//!
//! A window's average is that of what it has seen, and a window of days may have seen one push: the SLO is new, or what it measures
//! had been gone. Events are therefore counted push by push. And what has not been seen counts as good: an alert waits until all
//! of it could have been bad for so long that an SLO with a good past would have the same alert.

use std::time::Duration;

use super::model::{Indicator, Slo};
use super::rules::{BAD_NOW, TOTAL_NOW, WINDOW_LABEL, increase_of, record};
use super::windows::BurnRate;
use crate::alerts::{Rule, Selection, Term, duration, labels, number, selected, self_labels};
use crate::collect::self_metrics::{METRIC_LABEL, METRIC_UP, SCHEDULED};

/// What was bad in a push, and what there was, at the one evaluation that sees it for the first time.
pub(super) const BAD_PUSHED: &str = "slo:sli_bad:pushed";
pub(super) const PUSHED: &str = "slo:sli_total:pushed";
/// The scheduled time of the newest push that was seen.
const SEEN: &str = "slo:sli_push:timestamp";

/// What each push adds to the events, of gauges; nothing for all else. A push before a pause stands for longer than others, and counts
/// as much.
///
/// A run that could not make the metric leaves the values of the one before, which have been counted.
pub(super) fn pushes(slo: &Slo) -> Vec<Rule> {
    let Some(subject) = gauges(slo).and_then(|total| slo.subjects.get(total.subject.0)) else {
        return Vec::new();
    };
    let scheduled = format!("max({SCHEDULED}{})", labels(self_labels(subject)));
    let metric = [(METRIC_LABEL, subject.metric.as_str())];
    let made = format!("{METRIC_UP}{}", labels(self_labels(subject).chain(metric)));
    let (bad, total) = (slo.selector(BAD_NOW), slo.selector(TOTAL_NOW));
    let seen = slo.selector(SEEN);
    // What is older than this is not fresh, so that a push which still is was seen after that.
    let limit = duration(subject.freshness.limit());
    let is_new =
        format!("and on () max({made}) == 1\nunless on () {scheduled} == on () last_over_time({seen}[{limit}])");
    vec![
        record(slo, BAD_PUSHED, format!("{bad}\n{is_new}"), &[]),
        record(slo, PUSHED, format!("{total}\n{is_new}"), &[]),
        record(slo, SEEN, format!("{scheduled}\nand on () {total}"), &[]),
    ]
}

/// How many events of gauges a long window has seen.
pub(super) fn events(slo: &Slo) -> Vec<Rule> {
    if gauges(slo).is_none() {
        return Vec::new();
    }
    let rates = slo.burns.page.iter().chain(&slo.burns.ticket);
    let longs = rates.map(|rate| rate.long).collect::<std::collections::BTreeSet<_>>();
    let rules = longs.into_iter().map(|long| {
        let text = duration(long);
        let events = format!("sum_over_time({}[{text}])", slo.selector(PUSHED));
        record(slo, &events_of(long), events, &[(WINDOW_LABEL, text)])
    });
    rules.collect()
}

/// The name of the series with the events of gauges in a window.
pub(super) fn events_of(window: Duration) -> String {
    format!("slo:sli_total:events{}", duration(window))
}

fn gauges(slo: &Slo) -> Option<&Term> {
    match &slo.indicator {
        Indicator::Ratio {
            total, counters: false, ..
        } => Some(total),
        _ => None,
    }
}

/// What holds when a burn rate's long window has seen enough to say anything; some of them, none or both.
pub(super) fn enough(slo: &Slo, rate: &BurnRate) -> Vec<String> {
    let mut conditions = Vec::new();
    if let Indicator::Ratio { counters, minimum, .. } = &slo.indicator {
        let name = if *counters {
            increase_of("total", rate.long)
        } else {
            events_of(rate.long)
        };
        let events = slo.selector(&name);
        conditions.push(format!(
            "max({events} >= {}) without ({WINDOW_LABEL})",
            number(*minimum)
        ));
    }
    // Over so long a time that a gap in it looks like no beginning.
    conditions.extend(least_age(slo, rate).map(|age| present(slo, rate.long, age)));
    conditions
}

/// What holds when what is measured was there in a time before some age.
fn present(slo: &Slo, range: Duration, age: Duration) -> String {
    let (range, age) = (duration(range), duration(age));
    let present = |series: String| format!("present_over_time({series}[{range}] offset {age})");
    match &slo.indicator {
        // These stand in Prometheus since before the SLO.
        Indicator::Ratio {
            total, counters: true, ..
        } => {
            let selection = Selection {
                term: total.clone(),
                by: Some(slo.by.clone()),
            };
            let present = selected(&slo.subjects, &selection, present);
            format!("on ({}) {present}", slo.by.join(", "))
        }
        Indicator::Ratio { .. } => present(slo.selector(TOTAL_NOW)),
        Indicator::Threshold { .. } | Indicator::Freshness { .. } => present(slo.selector(BAD_NOW)),
    }
}

/// How long everything would have to be bad for a burn rate, after a good past; `None` where one push is as long.
pub(super) fn least_age(slo: &Slo, rate: &BurnRate) -> Option<Duration> {
    let seconds = rate.long.as_secs_f64() * rate.factor * slo.error_budget();
    let age = Duration::from_secs_f64(seconds.round());
    let push = slo.subjects.iter().map(|subject| subject.freshness.shortest).min()?;
    (age > push).then_some(age)
}
