//! Series of others beside an SLO's own, which none of its rules may read: what differs from its own in the value of one label.

use super::super::enough::{PUSHED, events_of};
use super::super::model::{Events, Indicator, LABELS, Slo};
use super::super::rules::{BAD_NOW, TOTAL_NOW, WINDOW_LABEL, increase_of};
use super::stage::Cases;
use crate::alerts::{Comparison, Minutes, Sample, Term, Test, duration, labels_of, series_labels};

/// How many events there are in each push of others.
const MANY: f64 = 1e9;

/// What the series of others say.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Others {
    Good,
    Bad,
}

impl Cases<'_> {
    /// The numbers of other jobs, and what is recorded of other SLOs.
    pub(super) fn others(&self, test: &mut Test, end: Minutes, step: Minutes, others: Others) {
        let all = |value: &dyn Fn(u64) -> f64| -> Vec<Sample> {
            (0..=end.div_ceil(step)).map(|at| Sample::Value(value(at))).collect()
        };
        let is_bad = others == Others::Bad;
        let mut series = Vec::new();
        match &self.slo.indicator {
            Indicator::Ratio {
                events,
                total,
                counters,
                ..
            } => {
                let many = |at: u64| if *counters { MANY * at as f64 } else { MANY };
                let part = match (events, is_bad) {
                    (Events::Bad(bad), true) => Some(bad),
                    (Events::Good(good), false) => Some(good),
                    _ => None,
                };
                for term in [part.unwrap_or(total), total] {
                    series.extend(self.like(term, total).into_iter().map(|name| (name, all(&many))));
                }
            }
            Indicator::Threshold { term, bad, threshold } => {
                let beyond = match bad {
                    Comparison::Above => threshold + 1.0,
                    Comparison::Below => threshold - 1.0,
                };
                let value = if is_bad { beyond } else { *threshold };
                series.extend(self.like(term, term).into_iter().map(|name| (name, all(&|_| value))));
            }
            Indicator::Freshness { .. } => {}
        }
        let value = if is_bad { 1.0 } else { 0.0 };
        for (metric, window) in recorded(self.slo) {
            let total = !metric.contains("bad") && !metric.contains("error");
            let name = self.of_other_slo(&metric, window.as_deref());
            series.push((name, all(&|_| if total { 1.0 } else { value })));
        }
        test.series(series);
    }

    /// The same series of other jobs, and with other values of what the whole asks for.
    fn like(&self, term: &Term, whole: &Term) -> Vec<String> {
        let Some(subject) = self.slo.subjects.get(term.subject.0) else {
            return Vec::new();
        };
        let asked = subject.grouping.iter().chain(&whole.filters);
        let asked = ["job"].into_iter().chain(asked.map(|(name, _)| name.as_str()));
        let own = series_labels(subject, term);
        asked.map(|name| subject.series_name(&changed(&own, name))).collect()
    }

    /// A series that is recorded of another SLO.
    fn of_other_slo(&self, metric: &str, window: Option<&str>) -> String {
        let mut own = self.labels();
        own.extend(window.map(|window| (WINDOW_LABEL.to_owned(), window.to_owned())));
        let [id, ..] = LABELS;
        format!("{metric}{}", labels_of(&changed(&own, id)))
    }
}

/// Labels with another value of one of them.
fn changed(own: &[(String, String)], name: &str) -> Vec<(String, String)> {
    let mut other = own.to_vec();
    for (_, value) in other.iter_mut().filter(|(label, _)| label == name) {
        *value = format!("not-{value}");
    }
    other
}

/// The series that an SLO's rules read again, and their windows.
fn recorded(slo: &Slo) -> Vec<(String, Option<String>)> {
    let mut names: Vec<_> = [BAD_NOW, TOTAL_NOW, PUSHED].map(|name| (name.to_owned(), None)).into();
    for window in slo.windows() {
        let text = duration(window);
        let of_window = [
            Slo::error_ratio(window),
            increase_of("bad", window),
            increase_of("total", window),
            events_of(window),
        ];
        names.extend(of_window.map(|name| (name, Some(text.clone()))));
    }
    names
}
