//! Lines at the thresholds of alerts.

use crate::alerts::{Alert, Comparison, Severity};

use super::grafana::{Threshold, Thresholds};

const WORSE: &str = "red";
const BAD: &str = "orange";
pub(super) const GOOD: &str = "green";
/// Grafana draws the line below this with the colour before it, and the one above with the colour after it.
const NOTHING: &str = "transparent";

/// A threshold, and on which side of it an alert fires.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Limit {
    pub(super) comparison: Comparison,
    pub(super) value: f64,
    pub(super) severity: Severity,
}

impl Limit {
    pub(super) fn of(alert: &Alert, comparison: Comparison, value: f64) -> Self {
        Self {
            comparison,
            value,
            severity: alert.severity,
        }
    }
}

fn colour(severity: Severity) -> String {
    match severity {
        Severity::Critical => WORSE,
        Severity::Warning => BAD,
    }
    .to_owned()
}

/// Nothing between the limits, and their colours beyond. A limit within reach of a worse one on its other side is left out:
/// Grafana's steps only go up.
pub(super) fn lines(limits: &[Limit]) -> Thresholds {
    beyond(limits, NOTHING)
}

/// The colours of values: good between the limits.
pub(super) fn colours(limits: &[Limit]) -> Thresholds {
    beyond(limits, GOOD)
}

fn beyond(limits: &[Limit], between: &str) -> Thresholds {
    let side = |side: Comparison| {
        let mut limits: Vec<_> = limits
            .iter()
            .filter(|limit| limit.comparison == side)
            .copied()
            .collect();
        // Of equal ones the worse counts.
        limits.sort_by(|a, b| a.value.total_cmp(&b.value).then(b.severity.cmp(&a.severity)));
        limits.dedup_by(|later, first| later.value.total_cmp(&first.value).is_eq());
        limits
    };
    let (below, above) = (side(Comparison::Below), side(Comparison::Above));
    let mut steps = Vec::new();
    let mut start = None;
    for limit in &below {
        steps.push(Threshold::from(start, colour(limit.severity)));
        start = Some(limit.value);
    }
    steps.push(Threshold::from(start, between.to_owned()));
    for limit in &above {
        if start.is_none_or(|start| limit.value > start) {
            steps.push(Threshold::from(Some(limit.value), colour(limit.severity)));
        }
    }
    Thresholds::absolute(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(limits: &[(Comparison, f64, Severity)]) -> Vec<(Option<f64>, String)> {
        let limits: Vec<_> = limits
            .iter()
            .map(|(comparison, value, severity)| Limit {
                comparison: *comparison,
                value: *value,
                severity: *severity,
            })
            .collect();
        lines(&limits)
            .steps
            .into_iter()
            .map(|step| (step.value, step.color))
            .collect()
    }

    #[test]
    fn steps_go_up_and_are_coloured_beyond_the_limits() {
        use Comparison::{Above, Below};
        use Severity::{Critical, Warning};
        let step = |value, colour: &str| (value, colour.to_owned());
        for (limits, expected) in [
            (&[][..], vec![step(None, NOTHING)]),
            (
                &[(Below, 1.0, Warning)],
                vec![step(None, BAD), step(Some(1.0), NOTHING)],
            ),
            (
                &[(Above, 10.0, Warning), (Above, 20.0, Critical)],
                vec![step(None, NOTHING), step(Some(10.0), BAD), step(Some(20.0), WORSE)],
            ),
            (
                &[(Below, 5.0, Warning), (Below, 1.0, Critical), (Above, 9.0, Critical)],
                vec![
                    step(None, WORSE),
                    step(Some(1.0), BAD),
                    step(Some(5.0), NOTHING),
                    step(Some(9.0), WORSE),
                ],
            ),
            (
                &[(Below, 1.0, Warning), (Below, 1.0, Critical)],
                vec![step(None, WORSE), step(Some(1.0), NOTHING)],
            ),
            (
                &[(Below, 5.0, Warning), (Above, 4.0, Warning)],
                vec![step(None, BAD), step(Some(5.0), NOTHING)],
            ),
        ] {
            assert_eq!(steps(limits), expected, "{limits:?}");
        }
    }
}
