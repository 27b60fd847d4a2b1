//! When what is promised to be fresh is not.
//!
//! Other rules see what stands in the gateway at an evaluation. Here that is not enough: a scrape that fails, or a Prometheus that has just
//! been started, sees nothing, and nothing would be the worst age that there is.

use std::time::Duration;

use super::model::Slo;
use super::rules::BAD_NOW;
use crate::alerts::{Subject, duration, labels, self_labels};
use crate::collect::self_metrics::{METRIC_LABEL, METRIC_UP, SCHEDULED};

/// 1 while one of the SLO's metrics is older than it may be, and 0 otherwise.
pub(super) fn bad_now(slo: &Slo, within: Duration) -> String {
    let stale = slo
        .subjects
        .iter()
        .map(|subject| format!("({})", stale(subject, within)));
    let stale = stale.collect::<Vec<_>>().join(" or ");
    let recorded = |range: Duration, offset: Duration| {
        let (range, offset) = (duration(range), duration(offset));
        format!("present_over_time({}[{range}] offset {offset})", slo.selector(BAD_NOW))
    };
    // What was never pushed is not older than the SLO, which may be there before the job's first run; and what was pushed while
    // Prometheus was away has not been seen.
    let longest = slo.windows().last().copied().unwrap_or(slo.window);
    let (since_long, awake) = (recorded(longest, within), recorded(within / 2, within / 2));
    format!("({stale})\nand on () {since_long}\nand on () {awake}\nor vector(0)")
}

/// 1 while nothing has been seen of a metric that is young enough.
fn stale(subject: &Subject, within: Duration) -> String {
    let scheduled = format!("{SCHEDULED}{}", labels(self_labels(subject)));
    let metric = [(METRIC_LABEL, subject.metric.as_str())];
    let made = format!("{METRIC_UP}{}", labels(self_labels(subject).chain(metric)));
    let (window, seconds) = (duration(within), within.as_secs());
    format!(
        "vector(1) unless on () (\n  time() - max(max_over_time({scheduled}[{window}])) <= {seconds}\n  and on () \
         max(max_over_time({made}[{window}])) == 1\n)"
    )
}
