//! What the series of a short form's tests are like: at the threshold, just beyond it, and of too little.

use super::super::alert::{Alert, Condition, Selection, Subject, Term};
use super::super::expression::matchers;
use super::super::series::{Sample, each_step};
use super::level::{Counts, Level, compared, counts};
use super::scenario::{Minutes, Scenario};

/// The series of an alert's tests.
pub(super) struct Data<'a> {
    pub(super) alert: &'a Alert,
    pub(super) step: Minutes,
    period: Minutes,
}

/// Named series, and their samples.
pub(super) type Series = Vec<(String, Vec<Sample>)>;
pub(super) type Labels = Vec<(String, String)>;

impl<'a> Data<'a> {
    pub(super) fn new(alert: &'a Alert, scenario: &Scenario) -> Self {
        Self {
            alert,
            step: scenario.step,
            period: scenario.period,
        }
    }

    /// The labels of the series that fires.
    pub(super) fn labels(&self) -> Labels {
        let of = |term: &Term, by: Option<&[String]>| -> Labels {
            let labels = self.series_labels(term).into_iter();
            labels
                .filter(|(name, _)| by.is_none_or(|by| by.contains(name)))
                .collect()
        };
        match &self.alert.condition {
            Condition::Expression { .. } => Vec::new(),
            Condition::Compare { value, .. } | Condition::NoIncrease { value, .. } => {
                of(&value.term, value.by.as_deref())
            }
            Condition::Ratio { whole, by, .. } => of(whole, Some(by)),
            Condition::Absent { term, .. } => {
                let matchers = self.subject(term).map(|subject| matchers(subject, term));
                let matchers = matchers.into_iter().flatten();
                matchers
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect()
            }
        }
    }

    /// The value with which it fires at a level.
    pub(super) fn value(&self, level: Level) -> f64 {
        match &self.alert.condition {
            Condition::Compare {
                comparison, threshold, ..
            } => compared(*comparison, *threshold, level),
            Condition::Absent { .. } => 1.0,
            Condition::Expression { .. } | Condition::NoIncrease { .. } => 0.0,
            Condition::Ratio { .. } => {
                let Counts { part, whole } = counts(&self.alert.condition, level);
                part / whole
            }
        }
    }

    /// The series, up to and with `end`.
    pub(super) fn series(&self, level: &dyn Fn(Minutes) -> Level, end: Minutes) -> Series {
        match &self.alert.condition {
            Condition::Expression { .. } => Vec::new(),
            Condition::Compare {
                value,
                comparison,
                threshold,
            } => self.selected(value, end, &|minute| compared(*comparison, *threshold, level(minute))),
            Condition::Absent { term, .. } => {
                let is_there = |minute| level(minute) == Level::Edge;
                let samples = each_step(end, self.step, |minute| match minute.checked_sub(self.step) {
                    _ if is_there(minute) => Sample::Value(1.0),
                    Some(before) if is_there(before) => Sample::Ended,
                    _ => Sample::Missing,
                });
                vec![(self.name_of(&self.series_labels(term), term), samples)]
            }
            Condition::NoIncrease { value, .. } => {
                let mut moved = 0.0;
                let samples = self.steps(end).map(|minute| {
                    if self.is_push(minute) && level(minute) == Level::Edge {
                        moved += 1.0;
                    }
                    Sample::Value(moved)
                });
                let own = self.name_of(&self.series_labels(&value.term), &value.term);
                let mut series = vec![(own, samples.collect())];
                // Where counters are added up, one of them always stands still.
                if let Some(other) = self.sibling(&value.term, value.by.as_deref()) {
                    let still = each_step(end, self.step, |_| Sample::Value(1.0));
                    series.push((self.name_of(&other, &value.term), still));
                }
                series
            }
            Condition::Ratio { part, whole, .. } => {
                let course = self.course(level, end);
                let parts: Vec<_> = course.iter().map(|counts| counts.part).collect();
                let within = part.is_within(whole);
                let rests = course
                    .iter()
                    .map(|Counts { part, whole }| if within { whole - part } else { *whole });
                let rests: Vec<_> = rests.collect();
                let parts = self.counted(part, &parts).into_iter();
                parts.chain(self.counted(&whole.rest(part), &rests)).collect()
            }
        }
    }

    /// The whole of a ratio whose part has no series at all.
    pub(super) fn without_part(&self, level: &dyn Fn(Minutes) -> Level, end: Minutes) -> Series {
        let Condition::Ratio { part, whole, .. } = &self.alert.condition else {
            return Vec::new();
        };
        let wholes: Vec<_> = self.course(level, end).iter().map(|counts| counts.whole).collect();
        self.counted(&whole.rest(part), &wholes)
    }

    /// A counter that begins at a minute and stands still.
    pub(super) fn still_from(&self, born: Minutes, end: Minutes) -> Series {
        let Condition::NoIncrease { value, .. } = &self.alert.condition else {
            return Vec::new();
        };
        let samples = each_step(end, self.step, |minute| match minute {
            _ if minute < born => Sample::Missing,
            _ => Sample::Value(1.0),
        });
        vec![(self.name_of(&self.series_labels(&value.term), &value.term), samples)]
    }

    /// The labels of a second series of what is added up; `None` where no label is free to differ.
    fn sibling(&self, term: &Term, by: Option<&[String]>) -> Option<Labels> {
        let by = by?;
        let mut varying = self.subject(term)?.varying.iter().map(|(label, _)| label);
        let is_filtered = |label: &String| term.filters.iter().any(|(filter, _)| filter == label);
        let free = varying.find(|label| !by.contains(label) && !is_filtered(label))?;
        let mut labels = self.series_labels(term);
        replace(&mut labels, free, "other");
        Some(labels)
    }

    /// Series of a selection that have these values; where it is added up, two that do so together and neither alone.
    fn selected(&self, selection: &Selection, end: Minutes, value: &dyn Fn(Minutes) -> f64) -> Series {
        let of = |labels: &Labels, value: &dyn Fn(Minutes) -> f64| {
            let samples = each_step(end, self.step, |minute| Sample::Value(value(minute)));
            (self.name_of(labels, &selection.term), samples)
        };
        let labels = self.series_labels(&selection.term);
        let Some(other) = self.sibling(&selection.term, selection.by.as_deref()) else {
            return vec![of(&labels, value)];
        };
        let half = |of_nothing: f64| {
            move |minute| match value(minute) {
                0.0 => of_nothing,
                value => value / 2.0,
            }
        };
        vec![of(&labels, &half(1.0)), of(&other, &half(-1.0))]
    }

    /// The series of one side of a ratio.
    fn counted(&self, term: &Term, counts: &[f64]) -> Series {
        let Condition::Ratio { by, .. } = &self.alert.condition else {
            return Vec::new();
        };
        let labels = [Some(self.series_labels(term)), self.sibling(term, Some(by))];
        let labels: Vec<_> = labels.into_iter().flatten().collect();
        let share = 1.0 / labels.len() as f64;
        let samples: Vec<_> = counts.iter().map(|count| Sample::Value(count * share)).collect();
        let series = labels
            .iter()
            .map(|labels| (self.name_of(labels, term), samples.clone()));
        series.collect()
    }

    /// What a gauge counts at each step, or what a counter has counted by then.
    pub(super) fn course(&self, level: &dyn Fn(Minutes) -> Level, end: Minutes) -> Vec<Counts> {
        let condition = &self.alert.condition;
        let is_counter = matches!(condition, Condition::Ratio { window: Some(_), .. });
        let mut sum = Counts::default();
        let counts = self.steps(end).map(|minute| {
            if !is_counter {
                return counts(condition, level(minute));
            }
            if self.is_push(minute) {
                let Counts { part, whole } = counts(condition, level(minute));
                sum.part += part;
                sum.whole += whole;
            }
            sum
        });
        counts.collect()
    }

    fn steps(&self, end: Minutes) -> impl Iterator<Item = Minutes> {
        (0..=end.div_ceil(self.step)).map(|step| step * self.step)
    }

    /// Whether something new is pushed at a minute; at the first, it is what there was before.
    fn is_push(&self, minute: Minutes) -> bool {
        minute > 0 && minute.is_multiple_of(self.period)
    }

    pub(super) fn subject(&self, term: &Term) -> Option<&'a Subject> {
        self.alert.subjects.get(term.subject.0)
    }

    pub(super) fn series_labels(&self, term: &Term) -> Labels {
        let subject = self.subject(term);
        subject.map_or_else(Vec::new, |subject| series_labels(subject, term))
    }

    pub(super) fn name_of(&self, pairs: &[(String, String)], term: &Term) -> String {
        let subject = self.subject(term);
        subject.map_or_else(String::new, |subject| subject.series_name(pairs))
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

/// Gives a label another value, which says how it differs.
pub(super) fn replace(labels: &mut Labels, label: &str, prefix: &str) {
    for (_, value) in labels.iter_mut().filter(|(name, _)| name == label) {
        *value = format!("{prefix}-{value}");
    }
}
