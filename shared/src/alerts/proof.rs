//! What promtool does not ask: that every alert has its tests, and that every test is of an alert that there is.

use std::collections::BTreeSet;

use super::alert::Service;
use super::cases::{CaseKind, UnitTest};
use super::rules::{RuleFile, STALE};
use crate::promql::{self, Limits};
use crate::slo::Slo;

/// Tests that would prove nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unproved {
    /// An alert has no case of a kind.
    #[error("the alert `{alert}` of {service} has no test for: {kind}")]
    Lacking {
        /// The service.
        service: String,
        /// The alert.
        alert: String,
        /// What is not tested.
        kind: &'static str,
    },
    /// A test names an alert that no rule makes; promtool would let it pass.
    #[error("the test `{test}` of {service} is of the alert `{alert}`, which no rule makes")]
    Misnamed {
        /// The service.
        service: String,
        /// The test.
        test: String,
        /// The name that it gives.
        alert: String,
    },
    /// A test that an alert fires expects nothing of it.
    #[error("the test `{test}` of {service} expects nothing")]
    Empty {
        /// The service.
        service: String,
        /// The test.
        test: String,
    },
}

/// Holds the tests of a service against its rules.
pub(super) fn prove<'a>(
    service: &Service,
    rules: [&RuleFile; 2],
    tests: &(impl Iterator<Item = &'a UnitTest> + Clone),
) -> Result<(), Unproved> {
    let known: BTreeSet<&str> = rules.into_iter().flat_map(RuleFile::names).collect();
    let of_slo = |name: &str| service.slos.iter().any(|slo| slo.alert_name() == name);
    let named = |test: &UnitTest, alert: String| Unproved::Misnamed {
        service: service.name.clone(),
        test: test.group.name().to_owned(),
        alert,
    };
    for test in tests.clone() {
        let looked_for = looked_for(test);
        if let Some((wrong, _)) = looked_for.iter().find(|(name, _)| !known.contains(name.as_str())) {
            return Err(named(test, wrong.clone()));
        }
        let of_alert = looked_for.iter().filter(|(name, _)| *name == test.alert);
        let expected = of_alert.map(|(_, fires)| *fires);
        let fits = match test.kind {
            CaseKind::Firing => expected.clone().any(|fires| fires),
            CaseKind::Quiet => expected.clone().count() > 0 && expected.clone().all(|fires| !fires),
            // What tells of stale metrics must do so.
            _ if test.alert == STALE => expected.clone().any(|fires| fires),
            // An SLO of freshness burns its budget then.
            CaseKind::Stale | CaseKind::Failing if of_slo(&test.alert) => expected.clone().count() > 0,
            // Before it is blind, an alert may have been firing.
            CaseKind::Stale | CaseKind::Failing => expected.clone().any(|fires| !fires),
            CaseKind::Missing => expected.clone().count() > 0,
        };
        if !fits {
            return Err(Unproved::Empty {
                service: service.name.clone(),
                test: test.group.name().to_owned(),
            });
        }
    }
    let alerts = service.alerts.iter().map(|alert| alert.name.clone());
    let alerts = alerts.chain(service.slos.iter().map(Slo::alert_name));
    let demanded = alerts.map(|alert| (alert, &CaseKind::DEMANDED[..]));
    let stale = known
        .contains(STALE)
        .then(|| (STALE.to_owned(), &CaseKind::OF_STALE[..]));
    for (alert, kinds) in demanded.chain(stale) {
        let has = |kind: CaseKind| tests.clone().any(|test| test.alert == alert && test.kind == kind);
        if let Some(kind) = kinds.iter().find(|kind| !has(**kind)) {
            return Err(Unproved::Lacking {
                service: service.name.clone(),
                alert,
                kind: kind.name(),
            });
        }
    }
    Ok(())
}

/// The names of the alerts that a test looks for, and whether it expects them to fire.
fn looked_for(test: &UnitTest) -> Vec<(String, bool)> {
    let by_name = test.group.alert_rule_test.iter();
    let by_name = by_name.map(|test| (test.alertname.clone(), !test.exp_alerts.is_empty()));
    let by_expression = test.group.promql_expr_test.iter().flat_map(|test| {
        let fires = !test.exp_samples.is_empty();
        let readings = promql::parse(&test.expr, &Limits::default()).map(|tree| tree.readings());
        // An expression that does not parse looks for an alert of no name, which no rule makes.
        let names = readings.map_or_else(
            |_| vec![String::new()],
            |readings| {
                let matchers = readings.into_iter().flat_map(|reading| reading.matchers);
                let names = matchers.filter(|matcher| matcher.label == "alertname");
                names.map(|matcher| matcher.equals.unwrap_or_default()).collect()
            },
        );
        names.into_iter().map(move |name| (name, fires))
    });
    by_name.chain(by_expression).collect()
}
