//! What becomes of what pushes in a test, and the self-metrics by which the rules know of it.

use super::super::alert::Subject;
use super::super::expression::self_labels;
use super::super::notation::labels;
use super::super::series::{Sample, each_step};
use super::scenario::{Minutes, minutes};
use crate::collect::self_metrics::{METRIC_LABEL, METRIC_UP, SCHEDULED};

/// What becomes of what pushes.
#[derive(Clone, Copy)]
pub(crate) enum Pusher {
    /// It pushes whenever it should.
    Alive,
    /// It has pushed for the last time at this minute.
    DiesAt(Minutes),
    /// It pushes nothing between two minutes, and afterwards as before.
    Pauses {
        /// When it has pushed for the last time.
        from: Minutes,
        /// From when on it pushes again.
        to: Minutes,
    },
    /// From this minute on, the metrics cannot be made.
    FailsFrom(Minutes),
    /// It has pushed for the last time at this minute, which may be before the first; until another minute, nothing of that is seen.
    Last {
        /// The last push.
        at: i64,
        /// From when on it is seen.
        seen_from: Minutes,
        /// Until when the metrics could be made.
        made_to: Minutes,
    },
}

impl Pusher {
    /// How many minutes old the last push is that was made, by one that pushes every so many minutes.
    pub(crate) fn age(self, minute: Minutes, period: Minutes) -> Minutes {
        let last = match self {
            Self::DiesAt(death) => minute.min(death),
            Self::Pauses { from, to } if (from..to).contains(&minute) => from,
            Self::Pauses { .. } | Self::Alive | Self::FailsFrom(_) | Self::Last { .. } => minute,
        };
        minute - (last - last % period)
    }

    /// The minute for which the last run before this one was scheduled.
    fn scheduled(self, minute: Minutes, subject: &Subject) -> f64 {
        match self {
            Self::Last { seen_from, .. } if minute < seen_from => too_old(subject),
            Self::Last { at, .. } => (minute as f64).min(at as f64),
            _ => (minute - self.age(minute, minutes(subject.freshness.longest))) as f64,
        }
    }

    fn could_make(self, minute: Minutes) -> bool {
        match self {
            Self::FailsFrom(from) => minute < from,
            Self::Last { made_to, .. } => minute <= made_to,
            Self::Alive | Self::DiesAt(_) | Self::Pauses { .. } => true,
        }
    }

    /// The self-metrics of a subject's job; where something is wrong with it, those of others too, with which nothing is, and what an
    /// earlier group of the same job has left behind.
    pub(super) fn series(self, subject: &Subject, end: Minutes, step: Minutes) -> Vec<(String, Vec<Sample>)> {
        let each = |value: &dyn Fn(Minutes) -> f64| each_step(end, step, |minute| Sample::Value(value(minute)));
        let seconds = |value: &dyn Fn(Minutes) -> f64| each(&|minute| value(minute) * 60.0);
        let made = |is: bool| f64::from(u8::from(is));
        let own: Vec<_> = [("job", "fanlight")].into_iter().chain(self_labels(subject)).collect();
        let metric = (METRIC_LABEL, subject.metric.as_str());
        let with = |labels: &[Label<'_>], more: Label<'_>| -> Vec<(String, String)> {
            let pairs = labels.iter().chain([&more]);
            pairs
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect()
        };
        let scheduled = |labels: &[Label<'_>], values| (named(SCHEDULED, labels), values);
        let up = |labels: &[Label<'_>], metric, values| {
            let pairs = with(labels, metric);
            let pairs: Vec<_> = pairs
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect();
            (named(METRIC_UP, &pairs), values)
        };
        let mut series = vec![
            scheduled(&own, seconds(&|minute| self.scheduled(minute, subject))),
            up(&own, metric, each(&|minute| made(self.could_make(minute)))),
        ];
        if matches!(self, Self::Alive | Self::Pauses { .. }) {
            return series;
        }
        for (label, value) in self_labels(subject) {
            let other = format!("not-{value}");
            let others = own.iter().map(|pair| {
                if pair.0 == label {
                    (label, other.as_str())
                } else {
                    *pair
                }
            });
            let others: Vec<_> = others.collect();
            series.push(scheduled(&others, seconds(&|minute| minute as f64)));
            series.push(up(&others, metric, each(&|_| 1.0)));
        }
        let other = format!("not-{}", subject.metric);
        series.push(up(&own, (METRIC_LABEL, &other), each(&|_| 1.0)));
        let earlier: Vec<_> = own.iter().copied().chain([("earlier", "group")]).collect();
        series.push(scheduled(&earlier, seconds(&|_| too_old(subject))));
        let fails = !self.could_make(end);
        series.push(up(&earlier, metric, each(&|_| made(!fails))));
        series
    }
}

type Label<'a> = (&'a str, &'a str);

fn named(metric: &str, pairs: &[Label<'_>]) -> String {
    format!("{metric}{}", labels(pairs.iter().copied()))
}

/// The minute of a push that is too old at the first.
fn too_old(subject: &Subject) -> f64 {
    -((minutes(subject.freshness.limit()) + 1) as f64)
}
