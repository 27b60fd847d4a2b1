//! The tests of a ratio of counters: near its threshold, and of what leaves the window.

use super::CaseKind;
use super::level::Level;
use super::short::Short;
use super::test::Test;

impl Short<'_> {
    /// A ratio of counters near its threshold. While a window begins with 0, an increase is whatever the counter shows, and rounded by no
    /// version of Prometheus.
    pub(super) fn just_beyond(&self) -> Test {
        let times = &self.scenario;
        let level = |minute| {
            if minute == times.turn {
                Level::Beyond
            } else {
                Level::Nothing
            }
        };
        let end = times.turn + times.window;
        let mut test = self.test(
            CaseKind::Firing,
            "just beyond the threshold",
            end,
            self.data.series(&level, end),
        );
        test.series(self.data.strangers(&level, end));
        test.expect_never(&self.alert.name, times.turn - times.step);
        let labels = self.labels();
        let last = end - 2 * times.step;
        test.expect_state(&self.alert.name, times.turn, &labels, times.hold == 0);
        test.expect_state(&self.alert.name, last, &labels, last >= times.turn + times.hold);
        test.expect_none(&self.alert.name, end);
        test
    }

    /// Of counters, only what has come within the window counts: of the part, of the whole, and of what is enough.
    pub(super) fn left(&self) -> [Test; 3] {
        let times = &self.scenario;
        // So much later that both versions of Prometheus see the one in a window at whose end the other has left it.
        let second = times.turn
            + if times.period > times.step {
                times.period
            } else {
                2 * times.period
            };
        let end = times.turn + times.window;
        let labels = self.labels();
        let cases = [
            ("what was bad has left the window", Level::Far, Level::Best, false),
            ("what was good has left the window", Level::Best, Level::Far, true),
            ("what was enough has left the window", Level::Best, Level::Half, false),
        ];
        cases.map(|(name, before, after, fires)| {
            let level = |minute| match minute {
                _ if minute == times.turn => before,
                _ if minute == second => after,
                _ => Level::Nothing,
            };
            let kind = if fires { CaseKind::Firing } else { CaseKind::Quiet };
            let mut test = self.test(kind, name, end, self.data.series(&level, end));
            if fires {
                // Whether what was good had left the window a step earlier depends on the version of Prometheus.
                if (1..=times.step).contains(&times.hold) {
                    test.expect_either_state(&self.alert.name, end, &labels);
                } else {
                    test.expect_state(&self.alert.name, end, &labels, times.hold == 0);
                }
            } else {
                test.expect_none(&self.alert.name, end);
            }
            test
        })
    }
}
