//! What happens in the tests of a short form: when things turn bad, how bad, and when the alert must have fired.

use std::time::Duration;

use super::super::alert::{Alert, Comparison, Condition, Subject, Term};
use super::super::expression::matchers;
use super::super::notation::labels;
use super::super::series::{Sample, each_step};

/// Whole minutes from the beginning of a test.
pub(crate) type Minutes = u64;

/// A duration in whole minutes, and never in fewer than it has.
pub(crate) fn minutes(duration: Duration) -> Minutes {
    let minutes = duration.as_nanos().div_ceil(60_000_000_000);
    Minutes::try_from(minutes).unwrap_or(Minutes::MAX)
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
    /// The time from one value to the next.
    pub(super) step: Minutes,
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
        let step = step(longest, [limit, hold, window]);
        let pushes = window.div_ceil(longest);
        let turn = match &alert.condition {
            Condition::Ratio { .. } => (pushes + 2) * longest,
            _ => 2 * longest,
        };
        let (before, fires) = match &alert.condition {
            Condition::Compare { .. } | Condition::Ratio { window: None, .. } => {
                ((turn + hold).saturating_sub(step), turn + hold)
            }
            // A counter's ratio sinks with each push until the window has seen nothing else.
            Condition::Ratio { .. } => (turn - step, turn + window + hold + step),
            // Whether a window includes its oldest instant depends on the version of Prometheus.
            _ => (turn + window + hold - 2 * step, turn + window + hold + step),
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
            step,
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
            Condition::Compare {
                comparison, threshold, ..
            } => Some(bad(*comparison, *threshold)),
            Condition::Absent { .. } => Some(1.0),
            Condition::NoIncrease { .. }
            | Condition::Ratio {
                comparison: Comparison::Below,
                ..
            } => Some(0.0),
            Condition::Ratio {
                window: None,
                part,
                whole,
                threshold,
                ..
            } => Some(Shares::of(part, whole, Comparison::Above, *threshold).bad),
            Condition::Expression { .. } | Condition::Ratio { .. } => None,
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
                let samples = each_step(end, self.step, |minute| {
                    Sample::Value(if is_bad(data, minute) {
                        bad(*comparison, *threshold)
                    } else {
                        *threshold
                    })
                });
                vec![(self.series_name(&value.term), samples)]
            }
            Condition::Absent { term, .. } => {
                let samples = each_step(end, self.step, |minute| {
                    let ended = |at| is_bad(data, at);
                    match minute.checked_sub(self.step) {
                        _ if !ended(minute) => Sample::Value(1.0),
                        Some(before) if !ended(before) => Sample::Ended,
                        _ => Sample::Missing,
                    }
                });
                vec![(self.series_name(term), samples)]
            }
            Condition::NoIncrease { value, .. } => {
                let samples = each_step(end, self.step, |minute| {
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
                let shares = Shares::of(part, whole, *comparison, *threshold);
                let parts = |minute| much * shares.at(is_bad(data, minute));
                self.parts(data, end, (part, &parts), (whole, &|_| much))
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
                let shares = Shares::of(part, whole, *comparison, *threshold);
                let parts = |minute| {
                    // The push at the turn is the first that is bad.
                    let pushes = 1..=frozen(minute) / period;
                    let pushed = pushes.map(|push| shares.at(is_bad(data, push * period)) * step);
                    pushed.sum()
                };
                self.parts(
                    data,
                    end,
                    (part, &parts),
                    (whole, &|minute| (frozen(minute) / period) as f64 * step),
                )
            }
        }
    }

    /// The series of a part and of a whole; where the part is some of the whole, what is left of it.
    fn parts(
        &self,
        data: Data,
        end: Minutes,
        (part, of_part): (&Term, &dyn Fn(Minutes) -> f64),
        (whole, of_whole): (&Term, &dyn Fn(Minutes) -> f64),
    ) -> Vec<(String, Vec<Sample>)> {
        let lacks = matches!(data, Data::NoPart);
        let mut rest = whole.clone();
        let within = part.is_within(whole);
        if within {
            let fixed = part.filters.iter().filter(|filter| !whole.filters.contains(filter));
            rest.filters
                .extend(fixed.map(|(label, value)| (label.clone(), format!("not-{value}"))));
        }
        let rests = each_step(end, self.step, |minute| {
            let of_part = if within && !lacks { of_part(minute) } else { 0.0 };
            Sample::Value(of_whole(minute) - of_part)
        });
        let parts = each_step(end, self.step, |minute| Sample::Value(of_part(minute)));
        let part = (!lacks).then(|| (self.series_name(part), parts));
        part.into_iter().chain([(self.series_name(&rest), rests)]).collect()
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

/// The time from one value to the next: a minute, or more in the tests of what is pushed so rarely that they would take long.
/// Everything that happens does so at a step.
fn step(longest: Minutes, others: [Minutes; 3]) -> Minutes {
    const RARE: Minutes = 60;
    if longest < RARE {
        return 1;
    }
    let divisor = others.into_iter().fold(longest, greatest_divisor);
    (1..=RARE).rev().find(|step| divisor.is_multiple_of(*step)).unwrap_or(1)
}

fn greatest_divisor(one: Minutes, other: Minutes) -> Minutes {
    if other == 0 {
        one
    } else {
        greatest_divisor(other, one % other)
    }
}

/// Whether things are bad at a minute.
fn is_bad(data: Data, minute: Minutes) -> bool {
    match data {
        Data::Good => false,
        Data::BadFrom(from) => minute >= from,
        Data::FrozenBadFrom(_) | Data::TooLittle | Data::NoPart => true,
    }
}

/// The labels of an example of a term's series.
pub(crate) fn series_labels(subject: &Subject, term: &Term) -> Vec<(String, String)> {
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

/// The shares of a whole that are good and bad: whole multiples of it, so that nothing is rounded.
struct Shares {
    good: f64,
    bad: f64,
}

impl Shares {
    fn of(part: &Term, whole: &Term, comparison: Comparison, threshold: f64) -> Self {
        // A counter's share is good only with some distance, for its window sees the pushes of both not quite alike.
        let much = if part.is_within(whole) {
            1.0
        } else {
            threshold.floor() + 2.0
        };
        match comparison {
            Comparison::Below => Self { good: much, bad: 0.0 },
            Comparison::Above => Self { good: 0.0, bad: much },
        }
    }

    fn at(&self, is_bad: bool) -> f64 {
        if is_bad { self.bad } else { self.good }
    }
}
