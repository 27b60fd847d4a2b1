//! Which of two alerts comes first that ask the same: a critical one that is easier to reach than its warning.

use super::{Declarations, Teller, condition};
use crate::alertmanager::asks_the_same;
use crate::alerts::{Alert, Comparison, Condition, Severity, duration};
use crate::config::document::AlertSpec;

/// Warns of each warning that never comes alone, since somebody is woken at the same time or earlier.
pub(super) fn check<'a>(
    teller: &mut Teller<'_>,
    declarations: &Declarations<'_, AlertSpec>,
    alerts: &(impl Iterator<Item = &'a Alert> + Clone),
) {
    let of_severity = |severity: Severity| alerts.clone().filter(move |alert| alert.severity == severity);
    for critical in of_severity(Severity::Critical) {
        for warning in of_severity(Severity::Warning) {
            if !asks_the_same(critical, warning) || !comes_no_later(critical, warning) {
                continue;
            }
            let mut declared = declarations.0.iter();
            let Some(declared) = declared.find(|declared| declared.name == critical.name) else {
                continue;
            };
            let (file, span) = condition::limit(declared);
            let message = format!(
                "the warning `{}` never comes alone: {}, `{}`, which is critical, fires as well",
                warning.name,
                when(warning),
                critical.name
            );
            let help = format!(
                "give what is critical the harder threshold; it fires {}",
                when(critical)
            );
            teller.warning(file, &span, message, help);
        }
    }
}

/// Whether, of two that ask the same, the one fires whenever the other does.
fn comes_no_later(one: &Alert, other: &Alert) -> bool {
    let no_harder = |side: Comparison, one: f64, other: f64| match side {
        Comparison::Below => one >= other,
        Comparison::Above => one <= other,
    };
    let condition = match (&one.condition, &other.condition) {
        (
            Condition::Compare {
                comparison, threshold, ..
            },
            Condition::Compare { threshold: other, .. },
        ) => no_harder(*comparison, *threshold, *other),
        (
            Condition::Ratio {
                window,
                minimum,
                comparison,
                threshold,
                ..
            },
            Condition::Ratio {
                window: other_window,
                minimum: other_minimum,
                threshold: other,
                ..
            },
        ) => window == other_window && minimum <= other_minimum && no_harder(*comparison, *threshold, *other),
        (Condition::NoIncrease { window, .. }, Condition::NoIncrease { window: other, .. })
        | (Condition::Absent { window, .. }, Condition::Absent { window: other, .. }) => window <= other,
        _ => false,
    };
    condition && one.hold <= other.hold
}

/// `below 10 for 5m`.
fn when(alert: &Alert) -> String {
    let condition = match &alert.condition {
        Condition::Compare {
            comparison, threshold, ..
        }
        | Condition::Ratio {
            comparison, threshold, ..
        } => match comparison {
            Comparison::Below => format!("below {threshold}"),
            Comparison::Above => format!("above {threshold}"),
        },
        Condition::NoIncrease { window, .. } => format!("without an increase for {}", duration(*window)),
        Condition::Absent { window, .. } => format!("without series for {}", duration(*window)),
        Condition::Expression { .. } => String::new(),
    };
    if alert.hold.is_zero() {
        condition
    } else {
        format!("{condition} for {}", duration(alert.hold))
    }
}
