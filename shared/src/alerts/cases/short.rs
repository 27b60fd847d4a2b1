//! The tests of a short form, all of which follow from what it says.

use super::super::alert::{Alert, Comparison, Condition};
use super::super::notation::filled;
use super::super::rules;
use super::data::{Data, Series};
use super::file::{Expected, UnitTest};
use super::level::Level;
use super::pusher::Pusher;
use super::scenario::{Blindness, Minutes, Scenario};
use super::test::{Test, Told};
use super::{CaseKind, blinded};

/// The tests of an alert; `None` for an expression.
pub(super) fn tests(alert: &Alert) -> Option<Vec<UnitTest>> {
    let scenario = Scenario::of(alert)?;
    let short = Short {
        data: Data::new(alert, &scenario),
        alert,
        scenario,
    };
    let mut tests = vec![short.firing(), short.quiet()];
    match &alert.condition {
        Condition::Ratio { window, comparison, .. } => {
            if window.is_some() {
                tests.push(short.just_beyond());
                tests.extend(short.left());
            } else if *comparison == Comparison::Above {
                tests.push(short.just_enough());
            }
            tests.extend([short.too_little(), short.no_part(*comparison)]);
        }
        Condition::NoIncrease { .. } => tests.extend([short.young(), short.froze()]),
        Condition::Expression { .. } | Condition::Compare { .. } | Condition::Absent { .. } => {}
    }
    tests.extend(short.blind());
    tests.push(short.missing());
    Some(tests.into_iter().map(Test::finish).collect())
}

pub(super) struct Short<'a> {
    pub(super) alert: &'a Alert,
    pub(super) scenario: Scenario,
    pub(super) data: Data<'a>,
}

impl Short<'_> {
    /// Nothing is wrong until the turn, and then it fires: not a step too early, and to the letter.
    fn firing(&self) -> Test {
        let times = &self.scenario;
        let (before, after) = if self.is_of_counters() {
            (Level::Nothing, Level::Far)
        } else {
            (Level::Edge, Level::Beyond)
        };
        // A counter that stands still from the turn on moves for the last time then.
        let moves = matches!(self.alert.condition, Condition::NoIncrease { .. });
        let level = |minute| {
            if minute < times.turn || moves && minute == times.turn {
                before
            } else {
                after
            }
        };
        let mut test = self.test(CaseKind::Firing, "", times.fires, self.data.series(&level, times.fires));
        if !matches!(self.alert.condition, Condition::Compare { .. }) {
            test.series(self.data.strangers(&level, times.fires));
        }
        test.expect_alerts(&self.alert.name, times.not_yet, Vec::new());
        self.expect_firing(&mut test, times.fires, after);
        // When it began to wait depends on the version of Prometheus, but not for how long it has.
        if moves {
            test.expect_waited(&self.alert.name, times.fires, times.hold);
        }
        test.expect_stale(&self.alert.subjects, &self.alert.team, times.fires, Told::Nothing);
        test
    }

    /// What is at the threshold or on its better side is not beyond it, and what strangers do is of no concern.
    fn quiet(&self) -> Test {
        let times = &self.scenario;
        let level = |minute| match self.alert.condition {
            Condition::Absent { .. } | Condition::NoIncrease { .. } => Level::Edge,
            Condition::Ratio { window: Some(_), .. } if minute < times.turn || minute > times.turn + times.period => {
                Level::Nothing
            }
            _ if minute <= times.turn => Level::Edge,
            _ => Level::Good,
        };
        let end = times.fires.max(times.turn + times.window.max(times.period));
        let mut test = self.test(CaseKind::Quiet, "", end, self.data.series(&level, end));
        if !self.is_of_absence() {
            test.series(self.data.strangers(&level, end));
        }
        test.expect_never(&self.alert.name, end);
        test
    }

    /// A ratio of gauges whose whole is just enough to say anything.
    fn just_enough(&self) -> Test {
        let fires = self.scenario.hold;
        let level = |_| Level::Far;
        let series = self.data.series(&level, fires);
        let mut test = self.test(CaseKind::Firing, "just enough to say anything", fires, series);
        self.expect_firing(&mut test, fires, Level::Far);
        test
    }

    /// A ratio whose whole is just too small to say anything.
    fn too_little(&self) -> Test {
        let times = &self.scenario;
        let level = |minute| {
            if self.is_of_counters() && minute != times.turn {
                Level::Nothing
            } else {
                Level::Few
            }
        };
        let series = self.data.series(&level, times.fires);
        let mut test = self.test(CaseKind::Quiet, "too little to say anything", times.fires, series);
        test.series(self.data.strangers(&level, times.fires));
        test.expect_never(&self.alert.name, times.fires);
        test
    }

    /// A ratio whose part has no series is 0.
    fn no_part(&self, comparison: Comparison) -> Test {
        let times = &self.scenario;
        let name = "a part without any series";
        let level = |minute| {
            if minute < times.turn {
                Level::Nothing
            } else {
                Level::Far
            }
        };
        let series = self.data.without_part(&level, times.fires);
        if comparison == Comparison::Above {
            let mut test = self.test(CaseKind::Quiet, name, times.fires, series);
            test.expect_never(&self.alert.name, times.fires);
            return test;
        }
        let mut test = self.test(CaseKind::Firing, name, times.fires, series);
        self.expect_firing(&mut test, times.fires, Level::Far);
        test
    }

    /// A counter that is younger than the window has not stood still for the whole of it.
    fn young(&self) -> Test {
        let times = &self.scenario;
        let end = times.period + times.window;
        let series = self.data.still_from(times.period, end);
        let mut test = self.test(CaseKind::Firing, "not before it is as old as the window", end, series);
        test.series(self.data.strangers(&|_| Level::Edge, end));
        test.expect_never(&self.alert.name, end - times.step);
        test.expect_state(&self.alert.name, end, &self.labels(), times.hold == 0);
        test
    }

    /// A counter that moved until its pusher died: by the time that it looks as if nothing happened, the alert is blind.
    fn froze(&self) -> Test {
        let times = &self.scenario;
        let blind = self.alert.subjects.iter().map(|subject| {
            let last = times.turn - times.turn % super::minutes(subject.freshness.longest);
            Blindness::by_death(subject, last, times.step).stale
        });
        let blind = blind.max().unwrap_or(times.turn);
        let end = blind.max(times.turn + times.window + times.hold + times.step);
        let level = |minute| {
            if minute <= times.turn {
                Level::Edge
            } else {
                Level::Beyond
            }
        };
        let name = "a counter that moved until then";
        let mut test = Test::new(&self.alert.name, CaseKind::Stale, name, end, times.step);
        test.series(self.data.series(&level, end));
        test.pushers(&self.alert.subjects, Pusher::DiesAt(times.turn));
        test.expect_none(&self.alert.name, blind);
        test.expect_none(&self.alert.name, end);
        test
    }

    /// For each pusher that may die and each metric that may fail: everything is bad, and the alert fires as long as all is fresh.
    fn blind(&self) -> Vec<Test> {
        let times = &self.scenario;
        let blinded = blinded(&self.alert.subjects);
        let tests = blinded.into_iter().map(|blinded| {
            let subject = blinded.subject;
            let period = super::minutes(subject.freshness.longest);
            let from = Scenario::push_after(times.ready.max(times.turn), period);
            let (pusher, blindness) = match blinded.kind {
                CaseKind::Failing => (
                    Pusher::FailsFrom(from),
                    Blindness::by_failing(subject, from, times.step),
                ),
                _ => (Pusher::DiesAt(from), Blindness::by_death(subject, from, times.step)),
            };
            let Blindness { fresh, stale } = blindness;
            let told = stale + period;
            let level = if self.is_of_ratio() { Level::Far } else { Level::Beyond };
            let mut test = Test::new(&self.alert.name, blinded.kind, &blinded.name, told, times.step);
            test.series(self.data.series(&|_| level, told));
            test.pushers(&blinded.seeing, Pusher::Alive);
            test.pushers(&blinded.blind, pusher);
            self.expect_firing(&mut test, fresh, level);
            test.expect_none(&self.alert.name, stale);
            test.expect_none(&self.alert.name, told);
            let team = &self.alert.team;
            test.expect_stale(&self.alert.subjects, team, fresh, Told::Nothing);
            test.expect_stale(&blinded.blind, team, stale, Told::Pending);
            test.expect_stale(&blinded.blind, team, told, Told::Firing);
            test.expect_stale(&blinded.seeing, team, told, Told::Nothing);
            test
        });
        tests.collect()
    }

    /// Nothing is there, although all is fresh.
    fn missing(&self) -> Test {
        let times = &self.scenario;
        let mut test = self.test(CaseKind::Missing, "", times.fires, Vec::new());
        if self.is_of_absence() {
            if let Some(before) = times.hold.checked_sub(times.step) {
                test.expect_alerts(&self.alert.name, before, Vec::new());
            }
            self.expect_firing(&mut test, times.hold, Level::Beyond);
        } else {
            test.expect_never(&self.alert.name, times.fires);
        }
        test.expect_stale(&self.alert.subjects, &self.alert.team, times.fires, Told::Nothing);
        test
    }

    /// A test with pushers that live.
    pub(super) fn test(&self, kind: CaseKind, name: &str, end: Minutes, series: Series) -> Test {
        let mut test = Test::new(&self.alert.name, kind, name, end, self.scenario.step);
        test.series(series);
        test.pushers(&self.alert.subjects, Pusher::Alive);
        test
    }

    /// At a minute, the alert fires for what is at a level, with all labels and annotations.
    fn expect_firing(&self, test: &mut Test, at: Minutes, level: Level) {
        let value = self.data.value(level);
        let description = filled(&self.alert.description, &self.data.labels(), value);
        let expected = Expected {
            exp_labels: self.labels().into_iter().collect(),
            exp_annotations: rules::annotations(&description, &self.alert.handbook),
        };
        test.expect_alerts(&self.alert.name, at, vec![expected]);
    }

    /// All labels of the alert that fires.
    pub(super) fn labels(&self) -> Vec<(String, String)> {
        let series = self.data.labels().into_iter();
        series.chain(rules::labels(self.alert)).collect()
    }

    fn is_of_absence(&self) -> bool {
        matches!(self.alert.condition, Condition::Absent { .. })
    }

    fn is_of_ratio(&self) -> bool {
        matches!(self.alert.condition, Condition::Ratio { .. })
    }

    fn is_of_counters(&self) -> bool {
        matches!(self.alert.condition, Condition::Ratio { window: Some(_), .. })
    }
}
