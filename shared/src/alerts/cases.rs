//! Unit tests for promtool: for each alert what must make it fire, what must leave it quiet, a pusher that died, a metric that
//! fails, and no series at all.
//!
//! Of a short form all of these follow from what it says. Of an expression only its team knows what makes it fire, so those cases
//! are the team's, and the others follow from them.

mod counters;
mod data;
mod file;
mod fired;
mod level;
mod pusher;
mod scenario;
mod short;
mod stale;
mod strangers;
mod test;
mod written;

use super::alert::{Alert, Service, Subject};
use super::notation::labels_of;

pub(crate) use data::series_labels;
pub(crate) use file::{Expected, TestFile, UnitTest};
pub(crate) use pusher::Pusher;
pub(crate) use scenario::{Minutes, minutes};
pub(super) use stale::of_stale;
pub(crate) use test::{Test, Told};

/// What a test of an alert shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CaseKind {
    /// It fires when it should.
    Firing,
    /// It does not when it should not.
    Quiet,
    /// It does not on what a dead pusher has left behind, and the metric's own alert does.
    Stale,
    /// Nor on what a metric that fails has left behind.
    Failing,
    /// What it does when there are no series.
    Missing,
}

impl CaseKind {
    /// Those that every alert must have.
    pub(super) const DEMANDED: [Self; 5] = [Self::Firing, Self::Quiet, Self::Stale, Self::Failing, Self::Missing];
    /// Those that the alert of a stale metric must have.
    pub(super) const OF_STALE: [Self; 3] = [Self::Stale, Self::Failing, Self::Missing];

    /// In words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Quiet => "quiet",
            Self::Stale => "stale pusher",
            Self::Failing => "failing metric",
            Self::Missing => "missing series",
        }
    }
}

/// The tests of all alerts of a service, and of those that tell of stale metrics.
pub(super) fn of_service(service: &Service) -> Vec<UnitTest> {
    let alerts = service.alerts.iter().flat_map(of_alert);
    alerts.chain(of_stale(service)).collect()
}

/// The tests of an alert.
pub(super) fn of_alert(alert: &Alert) -> Vec<UnitTest> {
    let mut tests = short::tests(alert).unwrap_or_else(|| written::derived(alert));
    tests.extend(alert.cases.iter().map(|case| written::own(alert, case)));
    tests
}

/// What an alert is blind to when one pusher dies or one metric fails.
struct Blinded<'a> {
    /// `Stale` or `Failing`.
    kind: CaseKind,
    /// Which of several; empty where nothing of what it reads can be seen.
    name: String,
    subject: &'a Subject,
    blind: Vec<Subject>,
    /// The rest of what it reads.
    seeing: Vec<Subject>,
}

impl<'a> Blinded<'a> {
    /// By what happens to this subject and to all that is hit with it.
    fn new(
        kind: CaseKind,
        name: &str,
        subject: &'a Subject,
        all: &[Subject],
        is_blind: impl Fn(&Subject) -> bool,
    ) -> Self {
        let (blind, seeing): (Vec<_>, Vec<_>) = all.iter().cloned().partition(is_blind);
        let name = if seeing.is_empty() { "" } else { name };
        Self {
            kind,
            name: name.to_owned(),
            subject,
            blind,
            seeing,
        }
    }

    /// The pusher of a subject dies.
    fn by_death(subject: &'a Subject, all: &[Subject]) -> Self {
        // Two groupings of one job have pushers, and tests, of their own.
        let is_of_job = |other: &Subject| other.job == subject.job;
        let several = all
            .iter()
            .any(|other| is_of_job(other) && !has_same_pusher(other, subject));
        let name = if several {
            format!("{}{}", subject.job, labels_of(&subject.grouping))
        } else {
            subject.job.clone()
        };
        Self::new(CaseKind::Stale, &name, subject, all, |other| {
            has_same_pusher(other, subject)
        })
    }

    /// A metric fails.
    fn by_failing(subject: &'a Subject, all: &[Subject]) -> Self {
        // A metric that two groupings have is one in each.
        let several = all
            .iter()
            .any(|other| other.metric == subject.metric && other != subject);
        let name = if several {
            format!("{} of {}{}", subject.metric, subject.job, labels_of(&subject.grouping))
        } else {
            subject.metric.clone()
        };
        Self::new(CaseKind::Failing, &name, subject, all, |other| other == subject)
    }
}

/// Every pusher that may die, and every metric that may fail.
fn blinded(subjects: &[Subject]) -> Vec<Blinded<'_>> {
    let mut pushers: Vec<&Subject> = Vec::new();
    for subject in subjects {
        if !pushers.iter().any(|pusher| has_same_pusher(pusher, subject)) {
            pushers.push(subject);
        }
    }
    let dead = pushers.into_iter().map(|one| Blinded::by_death(one, subjects));
    dead.chain(subjects.iter().map(|one| Blinded::by_failing(one, subjects)))
        .collect()
}

fn has_same_pusher(one: &Subject, other: &Subject) -> bool {
    one.job == other.job && one.grouping == other.grouping
}

#[cfg(test)]
mod tests {
    use super::super::tests::subject;
    use super::*;

    #[test]
    fn what_goes_blind_is_told_apart_by_its_name() {
        let of = |metric: &str, cluster: &str| Subject {
            metric: metric.to_owned(),
            job: "shop".to_owned(),
            grouping: vec![("cluster".to_owned(), cluster.to_owned())],
            ..subject()
        };
        let (blue, green, visits) = (of("leads", "blue"), of("leads", "green"), of("visits", "blue"));
        let of_job = Subject {
            job: "mail".to_owned(),
            ..visits.clone()
        };
        for (subjects, dead, failing) in [
            (vec![blue.clone()], vec![""], vec![""]),
            (vec![blue.clone(), visits.clone()], vec![""], vec!["leads", "visits"]),
            (
                vec![blue.clone(), of_job],
                vec!["shop", "mail"],
                vec!["leads", "visits"],
            ),
            (
                vec![blue, green, visits],
                vec!["shop{cluster=\"blue\"}", "shop{cluster=\"green\"}"],
                vec![
                    "leads of shop{cluster=\"blue\"}",
                    "leads of shop{cluster=\"green\"}",
                    "visits",
                ],
            ),
        ] {
            let names = |kind: CaseKind| -> Vec<String> {
                let of_kind = blinded(&subjects).into_iter().filter(|blinded| blinded.kind == kind);
                of_kind.map(|blinded| blinded.name).collect()
            };
            assert_eq!(names(CaseKind::Stale), dead);
            assert_eq!(names(CaseKind::Failing), failing);
        }
    }
}
