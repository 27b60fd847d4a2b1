//! What becomes of what pushes in a test, and the self-metrics by which the rules know of it.

use super::super::alert::Subject;
use super::super::expression::self_labels;
use super::super::notation::labels;
use super::super::series::{Sample, each_step};
use super::data::Series;
use super::scenario::{Minutes, minutes, signed};
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
    /// What is pushed at one minute alone. Only the tests of an expression need it: when that is true is up to the team's own case, and
    /// may be so early that what is just fresh by then, or no longer, was pushed before the first minute.
    Last {
        /// The minute, which may be before the first.
        at: i64,
        /// Until this minute it is not seen, and what is seen instead is too old: so the alert begins to wait no earlier.
        seen_from: Minutes,
        /// From this minute on, the metrics cannot be made.
        fails_from: Minutes,
    },
}

impl Pusher {
    /// Whether the last push is older than this, at a minute and of one that pushes every so many minutes.
    pub(crate) fn is_older_than(self, age: Minutes, minute: Minutes, period: Minutes) -> bool {
        self.last(minute, period)
            .is_none_or(|last| signed(minute) - last > signed(age))
    }

    /// The minute for which the last push was scheduled; `None` where that is longer ago than any rule allows.
    fn last(self, minute: Minutes, period: Minutes) -> Option<i64> {
        let last = match self {
            Self::Last { seen_from, .. } if minute < seen_from => return None,
            Self::Last { at, .. } => return Some(signed(minute).min(at)),
            Self::DiesAt(death) => minute.min(death),
            Self::Pauses { from, to } if (from..to).contains(&minute) => from,
            Self::Pauses { .. } | Self::Alive | Self::FailsFrom(_) => minute,
        };
        Some(signed(last - last % period))
    }

    fn could_make(self, minute: Minutes) -> bool {
        match self {
            Self::FailsFrom(from) | Self::Last { fails_from: from, .. } => minute < from,
            Self::Alive | Self::DiesAt(_) | Self::Pauses { .. } => true,
        }
    }

    /// The self-metrics of a subject's job; where something is wrong with it, also others that must not hide that.
    pub(super) fn series(self, subject: &Subject, end: Minutes, step: Minutes) -> Series {
        let mut series = self.own(subject, end, step);
        if !matches!(self, Self::Alive | Self::Pauses { .. }) {
            series.extend(strangers(subject, end, step));
            series.extend(self.left_behind(subject, end, step));
        }
        series
    }

    /// Those that the job itself pushes.
    fn own(self, subject: &Subject, end: Minutes, step: Minutes) -> Series {
        let period = minutes(subject.freshness.longest);
        let scheduled = |minute| {
            self.last(minute, period)
                .map_or_else(|| too_old(subject), |last| last as f64)
        };
        let labels = group(subject);
        vec![
            (
                named(SCHEDULED, &labels),
                each(end, step, |minute| scheduled(minute) * 60.0),
            ),
            (
                named(METRIC_UP, &with_metric(&labels, &subject.metric)),
                each(end, step, |minute| is_made(self.could_make(minute))),
            ),
        ]
    }

    /// What the same job has left behind in a Pushgateway under an earlier grouping key, of a label more: never pushed again, and never
    /// deleted. So the rules see two groups where they want one. The newest push counts, so that of this one is too old; and any that
    /// makes the metric, so this one does unless the job's own has failed.
    fn left_behind(self, subject: &Subject, end: Minutes, step: Minutes) -> Series {
        let labels = [&group(subject)[..], &[("earlier", "group")]].concat();
        let made = is_made(self.could_make(end));
        vec![
            (named(SCHEDULED, &labels), each(end, step, |_| too_old(subject) * 60.0)),
            (
                named(METRIC_UP, &with_metric(&labels, &subject.metric)),
                each(end, step, |_| made),
            ),
        ]
    }
}

/// The self-metrics of jobs and metrics that differ from a subject's in one label, whatever becomes of its own: nothing is wrong with them.
pub(super) fn strangers(subject: &Subject, end: Minutes, step: Minutes) -> Series {
    let own = group(subject);
    let made = || each(end, step, |_| is_made(true));
    let mut series = Vec::new();
    for (label, value) in self_labels(subject) {
        let other = format!("not-{value}");
        let others = own
            .iter()
            .map(|(name, value)| (*name, if *name == label { &other } else { *value }));
        let others: Vec<_> = others.collect();
        series.push((
            named(SCHEDULED, &others),
            each(end, step, |minute| minute as f64 * 60.0),
        ));
        series.push((named(METRIC_UP, &with_metric(&others, &subject.metric)), made()));
    }
    let other = format!("not-{}", subject.metric);
    series.push((named(METRIC_UP, &with_metric(&own, &other)), made()));
    series
}

type Label<'a> = (&'a str, &'a str);

/// The labels of the self-metrics of a subject's job.
fn group(subject: &Subject) -> Vec<Label<'_>> {
    [("job", "fanlight")].into_iter().chain(self_labels(subject)).collect()
}

fn with_metric<'a>(group: &[Label<'a>], metric: &'a str) -> Vec<Label<'a>> {
    [group, &[(METRIC_LABEL, metric)]].concat()
}

fn named(metric: &str, pairs: &[Label<'_>]) -> String {
    format!("{metric}{}", labels(pairs.iter().copied()))
}

fn each(end: Minutes, step: Minutes, value: impl Fn(Minutes) -> f64) -> Vec<Sample> {
    each_step(end, step, |minute| Sample::Value(value(minute)))
}

fn is_made(is: bool) -> f64 {
    f64::from(u8::from(is))
}

/// The minute of a push that is too old at the first.
fn too_old(subject: &Subject) -> f64 {
    -((minutes(subject.freshness.limit()) + 1) as f64)
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::subject;
    use super::*;

    #[test]
    fn the_age_of_the_last_push_is_that_of_what_was_scheduled() {
        let last = Pusher::Last {
            at: -5,
            seen_from: 3,
            fails_from: 0,
        };
        let pauses = Pusher::Pauses { from: 20, to: 40 };
        // At a minute, of one that pushes every ten.
        for (pusher, minute, age) in [
            (Pusher::Alive, 39, Some(9)),
            (Pusher::Alive, 40, Some(0)),
            (Pusher::FailsFrom(0), 40, Some(0)),
            (Pusher::DiesAt(25), 19, Some(9)),
            (Pusher::DiesAt(25), 40, Some(20)),
            (pauses, 20, Some(0)),
            (pauses, 39, Some(19)),
            (pauses, 40, Some(0)),
            (last, 2, None),
            (last, 3, Some(8)),
        ] {
            let is_older = |than| pusher.is_older_than(than, minute, 10);
            match age {
                None => assert!(is_older(Minutes::MAX), "{minute}"),
                Some(age) => {
                    assert!(!is_older(age), "{minute}: {age}");
                    assert!(age == 0 || is_older(age - 1), "{minute}: {age}");
                }
            }
        }
    }

    #[test]
    fn strangers_hide_nothing_of_what_is_wrong() {
        let count = |pusher: Pusher| pusher.series(&subject(), 10, 1).len();
        // Of a job, and of a metric of it.
        assert_eq!(count(Pusher::Alive), 2);
        // Of another job, of another cluster, of another metric, and of an earlier group.
        assert_eq!(count(Pusher::DiesAt(5)), 2 + 2 + 2 + 1 + 2);
        let own: Vec<_> = Pusher::Alive.series(&subject(), 10, 1);
        let strangers = strangers(&subject(), 10, 1);
        assert!(strangers.iter().all(|(name, _)| own.iter().all(|(own, _)| own != name)));
    }
}
