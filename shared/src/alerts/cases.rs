//! Unit tests for promtool: for each alert what must make it fire, what must leave it quiet, a pusher that died, a metric that
//! fails, and no series at all.
//!
//! Of a short form all of these follow from what it says. Of an expression only its team knows what makes it fire, so those cases
//! are the team's, and the others follow from them.

mod data;
mod fired;
mod level;
mod pusher;
mod scenario;
mod short;
mod stale;
mod test;
mod written;

use super::alert::{Alert, Service, Subject};

pub(crate) use data::series_labels;
pub(crate) use pusher::Pusher;
pub(crate) use scenario::{Minutes, minutes};
pub(super) use stale::of_stale;
pub(crate) use test::{Expected, Test, TestFile, Told, UnitTest};

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
    /// Which of several.
    name: String,
    subject: &'a Subject,
    blind: Vec<Subject>,
    /// The rest of what it reads.
    seeing: Vec<Subject>,
}

/// Every pusher that may die, and every metric that may fail.
fn blinded(subjects: &[Subject]) -> Vec<Blinded<'_>> {
    let same_pusher = |one: &Subject, other: &Subject| one.job == other.job && one.grouping == other.grouping;
    let of = |kind: CaseKind, name: &str, subject, is_blind: &dyn Fn(&Subject) -> bool| {
        let (blind, seeing): (Vec<_>, Vec<_>) = subjects.iter().cloned().partition(is_blind);
        Blinded {
            kind,
            name: if seeing.is_empty() {
                String::new()
            } else {
                name.to_owned()
            },
            subject,
            blind,
            seeing,
        }
    };
    let mut pushers: Vec<&Subject> = Vec::new();
    for subject in subjects {
        if !pushers.iter().any(|pusher| same_pusher(pusher, subject)) {
            pushers.push(subject);
        }
    }
    let dead = pushers
        .into_iter()
        .map(|one| of(CaseKind::Stale, &one.job, one, &|subject| same_pusher(subject, one)));
    let failing = subjects
        .iter()
        .map(|one| of(CaseKind::Failing, &one.metric, one, &|subject| subject == one));
    dead.chain(failing).collect()
}
