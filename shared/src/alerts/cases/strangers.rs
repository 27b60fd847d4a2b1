//! The series of strangers in a short form's tests, which its alert may not read.

use super::super::alert::{Comparison, Condition, Term};
use super::super::expression::matchers;
use super::super::series::{Sample, each_step};
use super::data::{Data, Labels, Series, replace};
use super::level::Level;
use super::scenario::Minutes;

impl Data<'_> {
    /// Series that differ in one label from what the alert reads, for each label that it asks for: of another job, of another group, or
    /// with another value of what `where` says. They are such that the alert would be wrong if it read them.
    pub(super) fn strangers(&self, level: &dyn Fn(Minutes) -> Level, end: Minutes) -> Series {
        let each = |value: &dyn Fn(Minutes) -> f64| each_step(end, self.step, |minute| Sample::Value(value(minute)));
        let named = |term: &Term, samples: &[Sample]| -> Series {
            let labels = self.strange_labels(term).into_iter();
            labels
                .map(|labels| (self.name_of(&labels, term), samples.to_vec()))
                .collect()
        };
        match &self.alert.condition {
            Condition::Expression { .. } => Vec::new(),
            Condition::Compare {
                value,
                comparison,
                threshold,
            } => {
                let far = threshold.abs() + 1.0;
                let far = match comparison {
                    Comparison::Below => threshold - far,
                    Comparison::Above => threshold + far,
                };
                named(&value.term, &each(&|_| far))
            }
            Condition::Absent { term, .. } => named(term, &each(&|_| 1.0)),
            Condition::NoIncrease { value, .. } => {
                // One that stands still is seen where the alert must be quiet, and one that moves where it must fire.
                let moves = level(end) == Level::Beyond;
                let moved = |minute: Minutes| if moves { (minute / self.step) as f64 } else { 1.0 };
                named(&value.term, &each(&moved))
            }
            Condition::Ratio {
                part, whole, threshold, ..
            } => {
                let many = threshold.floor() + 2.0;
                let course = self.course(level, end);
                let samples: Vec<_> = course.iter().map(|counts| Sample::Value(counts.whole * many)).collect();
                if !part.is_within(whole) {
                    return named(part, &samples)
                        .into_iter()
                        .chain(named(whole, &samples))
                        .collect();
                }
                // The rest of the whole has not what makes the part of it; all else is asked for of both.
                let apart = part.filters.iter().filter(|filter| !whole.filters.contains(filter));
                let apart: Vec<_> = apart.collect();
                let strangers = self.strange_labels(whole).into_iter().map(|mut labels| {
                    for (name, value) in &mut labels {
                        if let Some((_, own)) = apart.iter().find(|(label, _)| label == name) {
                            value.clone_from(own);
                        }
                    }
                    (self.name_of(&labels, part), samples.clone())
                });
                strangers.collect()
            }
        }
    }

    fn strange_labels(&self, term: &Term) -> Vec<Labels> {
        let asked = self.subject(term).map(|subject| matchers(subject, term));
        let strange = asked.into_iter().flatten().map(|(label, _)| {
            let mut labels = self.series_labels(term);
            replace(&mut labels, label, "not");
            labels
        });
        strange.collect()
    }
}
