//! How far a query reaches and how much it makes an upstream compute, from its tree.
//!
//! Limits on the start, the end and the step of a request say little: `@ 0`, `offset 5y` and `[5y:1s]` reach and compute
//! whatever they like. The rules are those by which Prometheus chooses the time range that it asks its storage for.

use super::ast::{At, Duration, DurationId, DurationKind, NodeKind, Selector, Subquery, Tree};
use super::error::{Position, Span};
use super::operators::DurationOperator;

/// For how long a sample stands for its series: Prometheus' default.
const LOOKBACK_MS: i128 = 5 * 60 * 1000;

/// The step of a subquery without one: Prometheus' default evaluation interval.
const SUBQUERY_STEP_MS: i128 = 60 * 1000;

/// When a query is evaluated, in milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    start: i64,
    end: i64,
    /// 0 at one instant.
    step: i64,
}

impl Window {
    /// At one instant.
    #[must_use]
    pub fn instant(time_ms: i64) -> Self {
        Self {
            start: time_ms,
            end: time_ms,
            step: 0,
        }
    }

    /// From `start_ms` to `end_ms`, every `step_ms`. `None` unless the step is positive and the end not before the start.
    #[must_use]
    pub fn range(start_ms: i64, end_ms: i64, step_ms: i64) -> Option<Self> {
        (step_ms > 0 && start_ms <= end_ms).then_some(Self {
            start: start_ms,
            end: end_ms,
            step: step_ms,
        })
    }
}

/// What a query costs in a given [`Window`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Analysis {
    /// The samples that it reads; `None` if it reads none.
    pub reach: Option<Reach>,
    /// How many selectors it has.
    pub selectors: usize,
    /// The points that it can yield on its way to the answer for one series a selector: an instant for each selector and
    /// step at which it is evaluated, in the query and in its subqueries. The greatest `u64` stands for more.
    pub points: u64,
}

/// The times of the samples that a query may read, in milliseconds since 1970, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The earliest.
    pub earliest_ms: i64,
    /// The latest, which may be after the end of the window.
    pub latest_ms: i64,
}

/// A duration that Prometheus could not compute for the window.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{position}: {reason}")]
pub struct DurationError {
    /// Where the duration stands.
    pub position: Position,
    /// The bytes of the query that it stands at.
    pub span: Span,
    reason: &'static str,
}

/// Computes how far the query of `tree` reaches in `window` and what it can yield.
///
/// # Errors
/// When a duration expression has no usable value there, such as `[step()]` in an instant query.
pub fn analyse(tree: &Tree<'_>, window: &Window) -> Result<Analysis, DurationError> {
    let durations = Durations::new(tree, window)?;
    let mut levels = vec![Level::of(window)];
    let mut places = vec![
        Place {
            level: 0,
            of_info: false
        };
        tree.nodes.len()
    ];
    let mut reach: Option<(i128, i128)> = None;

    // Backwards, so that each node finds what its parents say of it.
    for (index, node) in tree.nodes.iter().enumerate().rev() {
        let place = places[index];
        match node.kind {
            NodeKind::Number(_) | NodeKind::String(_) => {}
            NodeKind::Paren(operand) | NodeKind::Sign { operand, .. } => places[operand.at()] = place,
            NodeKind::Binary { left, right, .. } => {
                places[left.at()] = place;
                places[right.at()] = place;
            }
            NodeKind::Aggregation { parameter, operand, .. } => {
                places[operand.at()] = place;
                if let Some(parameter) = parameter {
                    places[parameter.at()] = place;
                }
            }
            NodeKind::Call { function, arguments } => {
                for argument in &tree.arguments[arguments.range()] {
                    let of_info = place.of_info || function.name == "info";
                    places[argument.at()] = Place { of_info, ..place };
                }
            }
            NodeKind::Subquery { operand, subquery } => {
                let level = levels[place.level].subquery(&tree.subqueries[subquery.at()], &durations)?;
                places[operand.at()] = Place {
                    level: levels.len(),
                    ..place
                };
                levels.push(level);
            }
            // The selector of a range is visited with its range, and not again as a node of its own.
            NodeKind::Range { selector, range } => {
                places[selector.at()].level = usize::MAX;
                if let NodeKind::Selector(id) = tree.node(selector).kind {
                    let range = Some(durations.positive(range)?);
                    let read = levels[place.level].read(&tree.selectors[id.at()], range, place.of_info, &durations)?;
                    widen(&mut reach, read);
                    levels[place.level].selectors += 1;
                }
            }
            NodeKind::Selector(_) if place.level == usize::MAX => {}
            NodeKind::Selector(id) => {
                let read = levels[place.level].read(&tree.selectors[id.at()], None, place.of_info, &durations)?;
                widen(&mut reach, read);
                levels[place.level].selectors += 1;
            }
        }
    }
    Ok(Analysis {
        reach: reach.map(|(earliest, latest)| Reach {
            earliest_ms: clamp(earliest),
            latest_ms: clamp(latest),
        }),
        selectors: tree.selectors.len(),
        points: levels.iter().map(Level::points).fold(0, u64::saturating_add),
    })
}

fn widen(reach: &mut Option<(i128, i128)>, (earliest, latest): (i128, i128)) {
    let (before, after) = reach.unwrap_or((earliest, latest));
    *reach = Some((before.min(earliest), after.max(latest)));
}

fn clamp(millis: i128) -> i64 {
    i64::try_from(millis).unwrap_or(if millis < 0 { i64::MIN } else { i64::MAX })
}

/// Where a node is evaluated.
#[derive(Clone, Copy)]
struct Place {
    /// An index of the levels, or `usize::MAX` for a selector that its range has accounted for.
    level: usize,
    /// Whether `info()` reads further series at the same times, and always looks back for them.
    of_info: bool,
}

/// The instants at which the query, or the inside of a subquery, is evaluated.
#[derive(Clone, Copy)]
struct Level {
    window: Window,
    start: i128,
    end: i128,
    step: i128,
    /// How many selectors stand directly in it.
    selectors: u64,
}

impl Level {
    fn of(window: &Window) -> Self {
        let [start, end, step] = [window.start, window.end, window.step].map(i128::from);
        Self {
            window: *window,
            start,
            end,
            step,
            selectors: 0,
        }
    }

    /// Start and end, unless `@` says otherwise.
    fn pinned(&self, at: Option<At>) -> (i128, i128) {
        let pinned = match at {
            None => return (self.start, self.end),
            Some(At::Millis(millis)) => millis,
            Some(At::Start) => self.window.start,
            Some(At::End) => self.window.end,
        };
        (pinned.into(), pinned.into())
    }

    /// The inside of a subquery at this level.
    fn subquery(&self, subquery: &Subquery, durations: &Durations<'_, '_>) -> Result<Self, DurationError> {
        let range = durations.positive(subquery.range)?;
        let step = subquery.step.map(|step| durations.positive(step)).transpose()?;
        let offset = durations.offset(subquery.modifiers.offset)?;
        let (start, end) = self.pinned(subquery.modifiers.at);
        Ok(Self {
            window: self.window,
            start: start - offset - range,
            end: end - offset,
            step: step.unwrap_or(SUBQUERY_STEP_MS).max(1),
            selectors: 0,
        })
    }

    /// The times that a selector at this level reads, with its range if it has one.
    fn read(
        &self,
        selector: &Selector,
        range: Option<i128>,
        of_info: bool,
        durations: &Durations<'_, '_>,
    ) -> Result<(i128, i128), DurationError> {
        let offset = durations.offset(selector.modifiers.offset)?;
        let (start, end) = self.pinned(selector.modifiers.at);
        let mut back = range.unwrap_or(LOOKBACK_MS);
        if range.is_some() && (selector.anchored || selector.smoothed) {
            back += LOOKBACK_MS;
        }
        if of_info {
            back = back.max(LOOKBACK_MS);
        }
        let ahead = if selector.smoothed { LOOKBACK_MS } else { 0 };
        // A sample exactly as old as the range or the lookback does not count.
        Ok((start - back + 1 - offset, end + ahead - offset))
    }

    fn points(&self) -> u64 {
        let instants = (self.end - self.start).checked_div(self.step).unwrap_or(0) + 1;
        let points = instants.saturating_mul(i128::from(self.selectors.max(1)));
        u64::try_from(points).unwrap_or(u64::MAX)
    }
}

/// The values of the durations of a query in a window.
struct Durations<'t, 'q> {
    tree: &'t Tree<'q>,
    /// The seconds of each part of each duration expression.
    seconds: Vec<f64>,
}

impl<'t, 'q> Durations<'t, 'q> {
    fn new(tree: &'t Tree<'q>, window: &Window) -> Result<Self, DurationError> {
        let seconds = |millis: i128| millis as f64 / 1000.0;
        let mut durations = Self {
            tree,
            seconds: Vec::with_capacity(tree.durations.len()),
        };
        for node in &tree.durations {
            let of = |id: DurationId| durations.seconds[id.at()];
            let value = match node.kind {
                DurationKind::Seconds(seconds) => seconds,
                DurationKind::Step => seconds(window.step.into()),
                DurationKind::Range => seconds(i128::from(window.end) - i128::from(window.start)),
                DurationKind::Sign { negative, operand } => {
                    if negative {
                        -of(operand)
                    } else {
                        of(operand)
                    }
                }
                DurationKind::Binary { operator, left, right } => {
                    let (left, right) = (of(left), of(right));
                    match operator {
                        DurationOperator::Div if right == 0.0 => {
                            return Err(durations.error(node.span, "division by zero"));
                        }
                        DurationOperator::Mod if right == 0.0 => {
                            return Err(durations.error(node.span, "modulo by zero"));
                        }
                        DurationOperator::Add => left + right,
                        DurationOperator::Sub => left - right,
                        DurationOperator::Mul => left * right,
                        DurationOperator::Div => left / right,
                        DurationOperator::Mod => left % right,
                        DurationOperator::Pow => left.powf(right),
                        // Unlike Rust's, Go's extremes of a number and NaN are NaN, which is refused below.
                        DurationOperator::MaxOf | DurationOperator::MinOf if left.is_nan() || right.is_nan() => {
                            f64::NAN
                        }
                        DurationOperator::MaxOf => left.max(right),
                        DurationOperator::MinOf => left.min(right),
                    }
                }
            };
            durations.seconds.push(value);
        }
        Ok(durations)
    }

    fn error(&self, span: Span, reason: &'static str) -> DurationError {
        DurationError {
            position: Position::of(self.tree.query, span.start),
            span,
            reason,
        }
    }

    /// Milliseconds of an offset, which may be negative.
    fn offset(&self, duration: Duration) -> Result<i128, DurationError> {
        let id = match duration {
            Duration::Nanos(nanos) => return Ok(i128::from(nanos) / 1_000_000),
            Duration::Expression(id) => id,
        };
        let (seconds, span) = (self.seconds[id.at()], self.tree.duration(id).span);
        if !seconds.is_finite() {
            return Err(self.error(span, "duration is NaN or infinite"));
        }
        if super::number::out_of_range(seconds) {
            return Err(self.error(span, "duration is out of range"));
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "in range, and fractions of a millisecond do not count"
        )]
        let millis = (seconds * 1000.0) as i128;
        Ok(millis)
    }

    /// Milliseconds of a range or a step.
    fn positive(&self, duration: Duration) -> Result<i128, DurationError> {
        let millis = self.offset(duration)?;
        if let Duration::Expression(id) = duration
            && self.seconds[id.at()] <= 0.0
        {
            return Err(self.error(self.tree.duration(id).span, "duration must be greater than 0"));
        }
        // Literals were checked when they were parsed. The largest of them wraps round in Go, but here it must not count
        // for less than nothing.
        Ok(millis.abs())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Limits, parse};
    use super::*;

    const HOUR: i64 = 3_600_000;
    const MINUTE: i64 = 60_000;
    const NOW: i64 = 1_000 * HOUR;

    fn analysis(query: &str, window: &Window) -> Result<Analysis, DurationError> {
        analyse(&parse(query, &Limits::default()).unwrap(), window)
    }

    /// How far before and after `NOW` the query reaches, and its points.
    fn instant(query: &str) -> (i64, i64, u64) {
        let analysis = analysis(query, &Window::instant(NOW)).unwrap();
        let reach = analysis.reach.unwrap();
        (NOW - reach.earliest_ms, reach.latest_ms - NOW, analysis.points)
    }

    #[test]
    fn reach_follows_ranges_offsets_pins_and_subqueries() {
        let year = 365 * 24 * HOUR;
        let lookback = 5 * MINUTE - 1;
        let cases = [
            ("up", lookback, 0, 1),
            ("rate(up[1h])", HOUR - 1, 0, 1),
            ("up offset 1h", HOUR + lookback, -HOUR, 1),
            ("up offset -1h", lookback - HOUR, HOUR, 1),
            ("up @ 0", NOW + lookback, -NOW, 1),
            ("up @ 3600 offset 1h", NOW + lookback, -NOW, 1),
            ("up offset 5y", 5 * year + lookback, -5 * year, 1),
            ("up + up offset 1h", HOUR + lookback, 0, 2),
            ("max_over_time(up[1h:1m])", HOUR + lookback, 0, 1 + 61),
            ("max_over_time(up[1h:])", HOUR + lookback, 0, 1 + 61),
            ("max_over_time(up[5y:1s])", 5 * year + lookback, 0, 1 + 157_680_001),
            ("max_over_time(up[1h:1m] offset 1h)", 2 * HOUR + lookback, -HOUR, 1 + 61),
            ("max_over_time(up[1h:1m] @ 0)", NOW + HOUR + lookback, -NOW, 1 + 61),
            (
                "max_over_time(up @ 3600[1h:1m])",
                NOW - HOUR + lookback,
                HOUR - NOW,
                1 + 61,
            ),
            (
                "max_over_time(max_over_time(up[1h:1m])[1h:1m])",
                2 * HOUR + lookback,
                0,
                1 + 61 + 121,
            ),
            (
                "max_over_time(rate(up[1h])[1h:30m] offset 1h)",
                3 * HOUR - 1,
                -HOUR,
                1 + 3,
            ),
            ("topk(scalar(up offset 2h), up)", 2 * HOUR + lookback, 0, 2),
            ("increase(up[1h] anchored)", HOUR + lookback, 0, 1),
            ("rate(up[1h] smoothed)", HOUR + lookback, 5 * MINUTE, 1),
            ("up smoothed", lookback, 5 * MINUTE, 1),
            ("rate(up[1h * 2])", 2 * HOUR - 1, 0, 1),
            ("up offset -(1h - 30m)", lookback - HOUR / 2, HOUR / 2, 1),
            ("info(rate(up[1m]), {a=\"b\"})", lookback, 0, 2),
            ("info(rate(up[1m] offset 1h), {a=\"b\"})", HOUR + lookback, 0, 2),
        ];
        for (query, back, ahead, points) in cases {
            assert_eq!(instant(query), (back, ahead, points), "{query}");
        }
    }

    #[test]
    fn a_range_query_counts_its_steps() {
        let window = Window::range(NOW - HOUR, NOW, MINUTE).unwrap();
        let of = |query: &str| {
            let Analysis { reach, points, .. } = analysis(query, &window).unwrap();
            (
                reach.map(|reach| (NOW - reach.earliest_ms, reach.latest_ms - NOW)),
                points,
            )
        };
        let lookback = 5 * MINUTE - 1;
        assert_eq!(of("up"), (Some((HOUR + lookback, 0)), 61));
        assert_eq!(of("up + on (a) up"), (Some((HOUR + lookback, 0)), 122));
        assert_eq!(of("1 + 1"), (None, 61));
        assert_eq!(of("up @ end()"), (Some((lookback, 0)), 61));
        assert_eq!(of("up @ start()"), (Some((HOUR + lookback, -HOUR)), 61));
        assert_eq!(of("rate(up[step()])"), (Some((HOUR + MINUTE - 1, 0)), 61));
        assert_eq!(of("rate(up[range()])"), (Some((2 * HOUR - 1, 0)), 61));
        assert_eq!(of("max_over_time(vector(1)[1h:1s])"), (None, 61 + 7201));
        // Inside a subquery `@ start()` is still the start of the query.
        assert_eq!(
            of("max_over_time((up @ start())[1h:1m])"),
            (Some((HOUR + lookback, -HOUR)), 61 + 121)
        );
    }

    #[test]
    fn what_prometheus_could_not_compute_is_an_error() {
        let cases = [
            ("rate(up[step()])", "1:9: duration must be greater than 0"),
            ("rate(up[5m - 10m])", "1:9: duration must be greater than 0"),
            ("rate(up[5m / step()])", "1:9: division by zero"),
            ("rate(up[5m % step()])", "1:9: modulo by zero"),
            ("up offset (0 ^ -1)", "1:11: duration is NaN or infinite"),
            ("up offset (1y * 300)", "1:11: duration is out of range"),
            ("max_over_time(up[5m:step()])", "1:21: duration must be greater than 0"),
        ];
        for (query, message) in cases {
            let error = analysis(query, &Window::instant(NOW)).unwrap_err();
            assert_eq!(error.to_string(), message, "{query}");
        }
    }

    #[test]
    fn nothing_overflows() {
        let window = Window::range(i64::MIN, i64::MAX, 1).unwrap();
        for query in [
            "up",
            "up offset -292y",
            "max_over_time(up[292y:1ms] offset 292y)",
            "up @ -9e15",
            "up[9223372036.854775807]",
            "up offset NaN",
        ] {
            let analysis = analysis(query, &window).unwrap();
            assert!(analysis.points > 1 << 62, "{query}");
        }
        assert_eq!(Window::range(0, 1, 0), None);
        assert_eq!(Window::range(1, 0, 1), None);
    }
}
