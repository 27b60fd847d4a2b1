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
    if let Some(span) = tree.doubtful_time() {
        return Err(durations.error(span, "time is no number or too large"));
    }
    let mut levels = vec![Level::of(window)];
    let mut places = vec![
        Place {
            level: Some(0),
            info: None
        };
        tree.nodes.len()
    ];
    let mut reach: Option<(i128, i128)> = None;
    let mut infos: Vec<InfoReach> = Vec::new();

    // Backwards, so that each node finds what its parents say of it.
    for (index, node) in tree.nodes.iter().enumerate().rev() {
        let place = places[index];
        // The selector of a range has been visited with its range.
        let Some(at) = place.level else { continue };
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
                let mut inside = place;
                if function.reads_unwritten {
                    inside.info = Some(infos.len());
                    infos.push(InfoReach::of(&levels[at], place.info));
                }
                for argument in &tree.arguments[arguments.range()] {
                    places[argument.at()] = inside;
                }
            }
            NodeKind::Subquery { operand, subquery } => {
                let subquery = &tree.subqueries[subquery.at()];
                let level = levels[at].subquery(subquery, &durations)?;
                if let Some(info) = place.info {
                    infos[info].widen(levels[at].pinned(subquery.modifiers.at), (0, 0));
                    infos[info].widen((level.start, level.end), (0, 0));
                }
                places[operand.at()] = Place {
                    level: Some(levels.len()),
                    ..place
                };
                levels.push(level);
            }
            NodeKind::Range { selector, range } => {
                places[selector.at()].level = None;
                if let NodeKind::Selector(id) = tree.node(selector).kind {
                    let range = Some(durations.positive(range)?);
                    let selector = &tree.selectors[id.at()];
                    widen(&mut reach, levels[at].read(selector, range, &durations)?);
                    levels[at].selectors += 1;
                    if let Some(info) = place.info {
                        infos[info].select(&levels[at], selector, &durations)?;
                    }
                }
            }
            NodeKind::Selector(id) => {
                let selector = &tree.selectors[id.at()];
                widen(&mut reach, levels[at].read(selector, None, &durations)?);
                levels[at].selectors += 1;
                if let Some(info) = place.info {
                    infos[info].select(&levels[at], selector, &durations)?;
                }
            }
        }
    }
    // The inner ones stand after those they are in.
    while let Some(info) = infos.pop() {
        widen(&mut reach, info.reach());
        if let Some(outer) = info.outer {
            infos[outer].widen((info.start, info.end), (info.least_offset, info.most_offset));
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
    /// An index of the levels; `None` for a selector that its range has accounted for.
    level: Option<usize>,
    /// The innermost `info()` it is in, as an index of theirs.
    info: Option<usize>,
}

/// What a call of `info()` may read on its own account. Prometheus applies the offset and the pin of one of the selectors
/// in its arguments at the level at which it is evaluated, whatever subqueries are between them. Here every offset and
/// every pin in it counts at every level in it, which is more and never less.
struct InfoReach {
    outer: Option<usize>,
    start: i128,
    end: i128,
    least_offset: i128,
    most_offset: i128,
}

impl InfoReach {
    fn of(level: &Level, outer: Option<usize>) -> Self {
        Self {
            outer,
            start: level.start,
            end: level.end,
            least_offset: 0,
            most_offset: 0,
        }
    }

    fn widen(&mut self, (start, end): (i128, i128), (least_offset, most_offset): (i128, i128)) {
        self.start = self.start.min(start);
        self.end = self.end.max(end);
        self.least_offset = self.least_offset.min(least_offset);
        self.most_offset = self.most_offset.max(most_offset);
    }

    fn select(
        &mut self,
        level: &Level,
        selector: &Selector,
        durations: &Durations<'_, '_>,
    ) -> Result<(), DurationError> {
        let offset = durations.offset(selector.modifiers.offset)?;
        self.widen(level.pinned(selector.modifiers.at), offset);
        Ok(())
    }

    fn reach(&self) -> (i128, i128) {
        (
            self.start - LOOKBACK_MS + 1 - self.most_offset,
            self.end - self.least_offset,
        )
    }
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
        let step = subquery.step.map(|step| durations.step(step)).transpose()?;
        let offset = durations.offset(subquery.modifiers.offset)?;
        let (start, end) = self.pinned(subquery.modifiers.at);
        Ok(Self {
            window: self.window,
            start: start - offset.1 - range,
            end: end - offset.0,
            step: step.unwrap_or(SUBQUERY_STEP_MS).max(1),
            selectors: 0,
        })
    }

    /// The times that a selector at this level reads, with its range if it has one.
    fn read(
        &self,
        selector: &Selector,
        range: Option<i128>,
        durations: &Durations<'_, '_>,
    ) -> Result<(i128, i128), DurationError> {
        let offset = durations.offset(selector.modifiers.offset)?;
        let (start, end) = self.pinned(selector.modifiers.at);
        let mut back = range.unwrap_or(LOOKBACK_MS);
        if range.is_some() && (selector.anchored || selector.smoothed) {
            back += LOOKBACK_MS;
        }
        let ahead = if selector.smoothed { LOOKBACK_MS } else { 0 };
        // A sample exactly as old as the range or the lookback does not count.
        Ok((start - back + 1 - offset.1, end + ahead - offset.0))
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

    /// An offset, which may be negative, in milliseconds rounded down and up. Prometheus drops what is less than a
    /// millisecond, but of the sum of those that are nested.
    fn offset(&self, duration: Duration) -> Result<(i128, i128), DurationError> {
        const NANOS: i128 = 1_000_000;
        let id = match duration {
            Duration::Nanos(nanos) => {
                let nanos = i128::from(nanos);
                return Ok((nanos.div_euclid(NANOS), -(-nanos).div_euclid(NANOS)));
            }
            Duration::Expression(id) => id,
        };
        let (seconds, span) = (self.seconds[id.at()], self.tree.duration(id).span);
        if !seconds.is_finite() {
            return Err(self.error(span, "duration is NaN or infinite"));
        }
        if super::number::out_of_range(seconds) {
            return Err(self.error(span, "duration is out of range"));
        }
        #[expect(clippy::cast_possible_truncation, reason = "in range and whole")]
        let millis = ((seconds * 1000.0).floor() as i128, (seconds * 1000.0).ceil() as i128);
        Ok(millis)
    }

    /// Milliseconds of a step, rounded down, since more steps yield more points.
    fn step(&self, duration: Duration) -> Result<i128, DurationError> {
        self.positive(duration)?;
        Ok(self.offset(duration)?.0)
    }

    /// Milliseconds of a range, rounded up.
    fn positive(&self, duration: Duration) -> Result<i128, DurationError> {
        let (_, millis) = self.offset(duration)?;
        if let Duration::Expression(id) = duration
            && self.seconds[id.at()] <= 0.0
        {
            return Err(self.error(self.tree.duration(id).span, "duration must be greater than 0"));
        }
        // Literals were checked when they were parsed.
        Ok(millis)
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
    fn info_reads_with_the_offsets_and_pins_of_its_selectors_at_its_own_level() {
        // What Prometheus' engine asked its storage for.
        let start = 10_000_000_000;
        let window = Window::range(start, start + HOUR, MINUTE).unwrap();
        let pinned = r#"info(max_over_time((x @ start())[20m:1m] @ 100), {a=~".+"})"#;
        assert!(analysis(pinned, &window).unwrap().reach.unwrap().earliest_ms <= -199_999);
        let offset = r#"info(max_over_time((x offset 1h)[1h:1m] offset -2h), {a=~".+"})"#;
        assert!(instant(offset).0 >= HOUR + 5 * MINUTE - 1);
        let nested = r#"sum(info(info(x offset 3h, {a=~".+"}), {a=~".+"}))"#;
        assert_eq!(instant(nested).0, 3 * HOUR + 5 * MINUTE - 1);
        let future = r#"info(max_over_time((x offset -1h)[1h:1m] offset 2h), {a=~".+"})"#;
        assert!(instant(future).1 >= HOUR);
    }

    #[test]
    fn fractions_of_a_millisecond_add_up() {
        let lookback = 5 * MINUTE - 1;
        let (back, ahead, _) = instant("max_over_time((up offset 0.0006)[1m:1m] offset 0.0006)");
        assert!(back > MINUTE + lookback && ahead >= 0, "{back} {ahead}");
        let (back, ahead, _) = instant("max_over_time((up offset -0.0006)[1m:1m] offset -0.0006)");
        assert!(back >= MINUTE + lookback && ahead >= 1, "{back} {ahead}");
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
            ("up offset NaN", "1:11: time is no number or too large"),
            ("up[9223372036.854775807]", "1:4: time is no number or too large"),
            ("up @ -9e17", "1:1: time is no number or too large"),
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
            "info(max_over_time(up[292y:1ms] offset -292y), {a=\"b\"} @ 9e15)",
        ] {
            let analysis = analysis(query, &window).unwrap();
            assert!(analysis.points > 1 << 62, "{query}");
        }
        assert_eq!(Window::range(0, 1, 0), None);
        assert_eq!(Window::range(1, 0, 1), None);
    }
}
