//! What happens in the tests of a short form: when things turn bad, how bad, and when the alert must have fired.

use std::time::Duration;

use super::super::alert::{Alert, Comparison, Condition, Subject, Term};
use super::super::expression::matchers;
use super::super::notation::labels;
use super::super::series::{Sample, each_minute};

/// Whole minutes from the beginning of a test.
pub(super) type Minutes = u64;

/// A duration in whole minutes, and never in fewer than it has.
pub(super) fn minutes(duration: Duration) -> Minutes {
    duration.as_secs().div_ceil(60) + u64::from(duration.subsec_nanos() > 0 && duration.as_secs() % 60 == 0)
}

/// What the series of a test are like.
#[derive(Clone, Copy)]
pub(super) enum Data {
    /// Good all the time.
    Good,
    /// Good until a minute, and then bad.
    BadFrom(Minutes),
    /// As a dead pusher leaves them behind at a minute: what is bad at once is, what must stand still does from there on.
    FrozenBadFrom(Minutes),
    /// A ratio as bad as can be, of a whole that is too small to say anything.
    TooLittle,
    /// A ratio whose part has no series at all.
    NoPart,
}

/// How an alert's test goes.
pub(super) struct Scenario<'a> {
    alert: &'a Alert,
    /// When things turn bad.
    pub(super) turn: Minutes,
    /// The last minute that is looked at before the alert fires.
    pub(super) before: Minutes,
    /// When the alert must fire.
    pub(super) fires: Minutes,
    /// When the pusher dies, in the tests in which it does.
    pub(super) death: Minutes,
    /// The age at which what it pushed is stale.
    pub(super) limit: Minutes,
    /// The time between two pushes.
    pub(super) longest: Minutes,
    /// The condition's window.
    pub(super) window: Minutes,
    pub(super) hold: Minutes,
}

impl<'a> Scenario<'a> {
    /// The scenario of a short form; `None` for an expression.
    pub(super) fn of(alert: &'a Alert) -> Option<Self> {
        let freshness = || alert.subjects.iter().map(|subject| subject.freshness);
        let longest = freshness().map(|freshness| minutes(freshness.longest)).max()?;
        let limit = freshness().map(|freshness| minutes(freshness.limit())).max()?;
        let hold = minutes(alert.hold);
        let window = match &alert.condition {
            Condition::Expression { .. } => return None,
            Condition::Compare { .. } | Condition::Ratio { window: None, .. } => 0,
            Condition::Absent { window, .. }
            | Condition::NoIncrease { window, .. }
            | Condition::Ratio {
                window: Some(window), ..
            } => minutes(*window),
        };
        let pushes = window.div_ceil(longest);
        let turn = match &alert.condition {
            Condition::Ratio { .. } => (pushes + 2) * longest,
            _ => 2 * longest,
        };
        let (before, fires) = match &alert.condition {
            Condition::Compare { .. } | Condition::Ratio { window: None, .. } => {
                ((turn + hold).saturating_sub(1), turn + hold)
            }
            // A counter's ratio sinks with each push until the window has seen nothing else.
            Condition::Ratio { .. } => (turn - 1, turn + window + hold + 1),
            // Whether a window includes its oldest instant depends on the version of Prometheus.
            _ => (turn + window + hold - 2, turn + window + hold + 1),
        };
        Some(Self {
            alert,
            turn,
            before,
            fires,
            death: turn,
            limit,
            longest,
            window,
            hold,
        })
    }

    /// The labels of the series that fires.
    pub(super) fn labels(&self) -> Vec<(String, String)> {
        let of = |term: &Term, by: Option<&[String]>| -> Vec<(String, String)> {
            let Some(subject) = self.subject(term) else {
                return Vec::new();
            };
            let labels = series_labels(subject, term);
            let kept = labels
                .into_iter()
                .filter(|(name, _)| by.is_none_or(|by| by.contains(name)));
            kept.collect()
        };
        match &self.alert.condition {
            Condition::Expression { .. } => Vec::new(),
            Condition::Compare { value, .. } | Condition::NoIncrease { value, .. } => {
                of(&value.term, value.by.as_deref())
            }
            Condition::Ratio { whole, by, .. } => of(whole, Some(by)),
            Condition::Absent { term, .. } => {
                let Some(subject) = self.subject(term) else {
                    return Vec::new();
                };
                let matchers = matchers(subject, term).into_iter();
                matchers
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect()
            }
        }
    }

    /// The value with which it fires, where it is known to the last digit.
    pub(super) fn value(&self) -> Option<f64> {
        match &self.alert.condition {
            Condition::Expression { .. } => None,
            Condition::Compare {
                comparison, threshold, ..
            } => Some(bad(*comparison, *threshold)),
            Condition::Absent { .. } => Some(1.0),
            Condition::NoIncrease { .. } => Some(0.0),
            Condition::Ratio {
                comparison: Comparison::Below,
                ..
            } => Some(0.0),
            Condition::Ratio {
                window: None,
                threshold,
                ..
            } => Some(multiple_above(*threshold)),
            Condition::Ratio { .. } => None,
        }
    }

    /// Further cases in which nothing may fire.
    pub(super) fn also_quiet(&self) -> Vec<(Data, &'static str)> {
        match self.alert.condition {
            Condition::Ratio { .. } => vec![(Data::TooLittle, "too little to say anything")],
            _ => Vec::new(),
        }
    }

    /// Further cases in which it must fire.
    pub(super) fn also_firing(&self) -> Vec<(Data, &'static str)> {
        match self.alert.condition {
            Condition::Ratio {
                comparison: Comparison::Below,
                ..
            } => vec![(Data::NoPart, "a part without any series")],
            _ => Vec::new(),
        }
    }

    /// The series, up to and with `end`.
    pub(super) fn series(&self, data: Data, end: Minutes) -> Vec<(String, Vec<Sample>)> {
        let period = self.longest;
        match &self.alert.condition {
            Condition::Expression { .. } => Vec::new(),
            Condition::Compare {
                value,
                comparison,
                threshold,
            } => {
                let samples = each_minute(end, |minute| {
                    Sample::Value(if self.is_bad(data, minute) {
                        bad(*comparison, *threshold)
                    } else {
                        *threshold
                    })
                });
                vec![(self.series_name(&value.term), samples)]
            }
            Condition::Absent { term, .. } => {
                let samples = each_minute(end, |minute| {
                    let ended = |at| self.is_bad(data, at);
                    match minute.checked_sub(1) {
                        _ if !ended(minute) => Sample::Value(1.0),
                        Some(before) if !ended(before) => Sample::Ended,
                        _ => Sample::Missing,
                    }
                });
                vec![(self.series_name(term), samples)]
            }
            Condition::NoIncrease { value, .. } => {
                let samples = each_minute(end, |minute| {
                    let moves = match data {
                        Data::BadFrom(from) | Data::FrozenBadFrom(from) => minute.min(from),
                        Data::Good | Data::TooLittle | Data::NoPart => minute,
                    };
                    Sample::Value((moves / period) as f64)
                });
                vec![(self.series_name(&value.term), samples)]
            }
            Condition::Ratio {
                part,
                whole,
                window: None,
                minimum,
                comparison,
                threshold,
                ..
            } => {
                let enough = minimum.max(1.0).ceil();
                let much = if matches!(data, Data::TooLittle) {
                    minimum / 2.0
                } else {
                    enough
                };
                let samples = each_minute(end, |minute| {
                    let share = share(*comparison, *threshold, self.is_bad(data, minute));
                    Sample::Value(much * share)
                });
                let wholes = each_minute(end, |_| Sample::Value(much));
                self.parts(data, (part, samples), (whole, wholes))
            }
            Condition::Ratio {
                part,
                whole,
                window: Some(_),
                minimum,
                comparison,
                threshold,
                ..
            } => {
                // Twice what is needed, since a window need not see all of its pushes.
                let pushes = (self.window / period).max(1) as f64;
                let enough = (2.0 * minimum / pushes).ceil() + 1.0;
                let step = if matches!(data, Data::TooLittle) { 0.0 } else { enough };
                let frozen = |minute: Minutes| match data {
                    Data::FrozenBadFrom(from) => minute.min(from),
                    _ => minute,
                };
                let wholes = each_minute(end, |minute| Sample::Value((frozen(minute) / period) as f64 * step));
                let samples = each_minute(end, |minute| {
                    let pushed = (1..=frozen(minute) / period).map(|push| {
                        // The push at the turn is the first that is bad.
                        share(*comparison, *threshold + 1.0, self.is_bad(data, push * period)) * step
                    });
                    Sample::Value(pushed.sum())
                });
                self.parts(data, (part, samples), (whole, wholes))
            }
        }
    }

    fn parts(&self, data: Data, part: (&Term, Vec<Sample>), whole: (&Term, Vec<Sample>)) -> Vec<(String, Vec<Sample>)> {
        let part = (!matches!(data, Data::NoPart)).then(|| (self.series_name(part.0), part.1));
        let whole = (self.series_name(whole.0), whole.1);
        part.into_iter().chain([whole]).collect()
    }

    fn is_bad(&self, data: Data, minute: Minutes) -> bool {
        match data {
            Data::Good => false,
            Data::BadFrom(from) => minute >= from,
            Data::FrozenBadFrom(_) | Data::TooLittle | Data::NoPart => true,
        }
    }

    fn subject(&self, term: &Term) -> Option<&'a Subject> {
        self.alert.subjects.get(term.subject.0)
    }

    fn series_name(&self, term: &Term) -> String {
        let Some(subject) = self.subject(term) else {
            return String::new();
        };
        let pairs = series_labels(subject, term);
        let pairs = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        format!("{}{}", subject.metric, labels(pairs))
    }
}

/// The labels of an example of a term's series.
fn series_labels(subject: &Subject, term: &Term) -> Vec<(String, String)> {
    let value = |name: &str, example: &str| {
        let filter = term.filters.iter().find(|(label, _)| label == name);
        filter.map_or_else(|| example.to_owned(), |(_, value)| value.clone())
    };
    let labels = subject.labels();
    labels
        .map(|(name, example)| (name.to_owned(), value(name, example)))
        .collect()
}

/// A value beyond a threshold; the threshold itself is none.
fn bad(comparison: Comparison, threshold: f64) -> f64 {
    match comparison {
        Comparison::Below => threshold - 1.0,
        Comparison::Above => threshold + 1.0,
    }
}

/// What part of the whole is a good or a bad one. Whole multiples, so that nothing is rounded.
fn share(comparison: Comparison, threshold: f64, is_bad: bool) -> f64 {
    match (comparison, is_bad) {
        (Comparison::Below, true) | (Comparison::Above, false) => 0.0,
        (Comparison::Below, false) => threshold.ceil().max(1.0),
        (Comparison::Above, true) => multiple_above(threshold),
    }
}

fn multiple_above(threshold: f64) -> f64 {
    threshold.floor() + 1.0
}
