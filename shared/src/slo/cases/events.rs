//! Tests of what must have been seen before an alert says anything: for long enough, and enough events.

use super::super::course::Course;
use super::super::enough::least_age;
use super::super::model::Indicator;
use super::stage::{Bad, Cases, Leave, Pace};
use super::{ABOVE, BELOW};
use crate::alerts::{CaseKind, Minutes, Pusher, Test, minutes};

impl Cases<'_> {
    /// Everything is bad from the beginning: no alert before an SLO with a good past would have it.
    pub(super) fn newly_bad(&self) -> Option<Test> {
        self.rates().find(|rate| least_age(self.slo, rate).is_some())?;
        if !self.slo.depends_on_freshness() {
            // That is what a missing series is.
            return None;
        }
        let pace = self.finer(self.shortest());
        let end = self.all_fire(pace) + pace.period;
        let (course, pusher) = self.course(pace, end, Bad::Share(&|_| 1.0));
        let mut test = self.test(CaseKind::Firing, "new, and all is bad", end, pace);
        self.series(&mut test, &course, pusher, Leave::Nothing);
        for speed in &self.speeds {
            for (at, fires) in course.turns(speed) {
                self.expect(&mut test, speed, at, fires);
            }
        }
        Some(test)
    }

    /// Everything is bad from the beginning, and were there as much in the whole of a window, that would be enough events.
    pub(super) fn new_and_too_few(&self) -> Option<Test> {
        let Indicator::Ratio {
            minimum,
            counters: false,
            ..
        } = self.slo.indicator
        else {
            return None;
        };
        let pace = self.finer(self.shortest());
        // As soon as every alert could fire.
        let end = pace.step_after(self.longest_age()) + pace.step;
        let pushes = end / pace.period + 1;
        let volume = minimum * BELOW / pushes as f64;
        let whole = self.slo.windows().last().map_or(0, |window| minutes(*window)) / pace.period;
        if volume * whole as f64 <= minimum * ABOVE {
            return None;
        }
        let (course, pusher) = self.course_of(pace, end, volume, Bad::Share(&|_| 1.0));
        let mut test = self.test(CaseKind::Quiet, "new, and too few events yet", end, pace);
        self.series(&mut test, &course, pusher, Leave::Nothing);
        for speed in &self.speeds {
            self.expect_never(&mut test, speed, end);
        }
        Some(test)
    }

    /// All events are bad, but there are too few to say anything.
    pub(super) fn too_few(&self) -> Option<Test> {
        let Indicator::Ratio { minimum, counters, .. } = self.slo.indicator else {
            return None;
        };
        // An increase is extended to the ends of its window.
        let few = minimum.ceil() - 1.0;
        let few = if counters { (few / 2.0).floor() } else { few };
        if few < 1.0 {
            return None;
        }
        let (course, pace, end) = self.at_once(few);
        let mut test = self.test(CaseKind::Quiet, "too few events to say anything", end, pace);
        test.strangers(&self.slo.subjects);
        self.series(&mut test, &course, Pusher::Alive, Leave::Nothing);
        for speed in &self.speeds {
            self.expect_never(&mut test, speed, end);
        }
        Some(test)
    }

    /// All events are bad, and there are just enough.
    pub(super) fn just_enough(&self) -> Option<Test> {
        let Indicator::Ratio { minimum, .. } = self.slo.indicator else {
            return None;
        };
        let (course, pace, end) = self.at_once(minimum.ceil());
        let mut test = self.test(CaseKind::Firing, "just enough events", end, pace);
        self.series(&mut test, &course, Pusher::Alive, Leave::Nothing);
        for speed in &self.speeds {
            for (at, fires) in course.turns(speed) {
                self.expect(&mut test, speed, at, fires);
            }
        }
        Some(test)
    }

    /// So many events in one push, all bad, after there were none for so long that every alert may fire.
    fn at_once(&self, events: f64) -> (Course<'_>, Pace, Minutes) {
        let pace = self.finer(self.shortest());
        let from = pace.push_after(self.longest_age()) + 2 * pace.period;
        let end = pace.step_after(from + minutes(self.shortest())) + pace.period;
        let volume = |push: Minutes| if push == from { events } else { 0.0 };
        let course = Course::of_events(self.slo, (pace.step, pace.period), end, &volume, &|_| 1.0);
        (course, pace, end)
    }
}
