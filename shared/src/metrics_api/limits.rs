//! What a caller's plan allows, and what is said of a request that is more.

use std::time::Duration;

use crate::config::metrics_api::Plan;
use crate::promql::{Analysis, EnforceError, Excess, LimitError, ParseError};

use super::problem::{Kind, Problem};
use super::time::{Millis, in_units};

/// How far before the first point of a query its samples may be: Prometheus' lookback, which is nobody's wish.
const LOOKBACK: Duration = Duration::from_mins(5);

/// A plan by its name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held<'a> {
    pub(super) name: &'a str,
    pub(super) plan: &'a Plan,
}

/// What was found of a request, each below its limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Bytes of the query or of the selectors, as the caller wrote them.
    pub(super) query_bytes: usize,
    pub(super) selectors: usize,
    pub(super) range: Option<Duration>,
    pub(super) reach: Option<Duration>,
    pub(super) points: Option<u64>,
    pub(super) step: Option<Duration>,
}

impl Held<'_> {
    /// More than what is allowed, or less than the least.
    fn refuse(&self, kind: Kind, limit: &str, found: &str, allowed: &str, advice: &str) -> Problem {
        let plan = self.name;
        let message = format!("{found}, and the plan {plan:?} allows {allowed} (limit `{limit}`); {advice}");
        Problem::new(kind, message)
    }

    pub(super) fn query_bytes(&self, found: usize) -> Result<(), Problem> {
        let allowed = self.plan.query_bytes;
        if found <= allowed as usize {
            return Ok(());
        }
        let found = format!("the selectors have {found} bytes together");
        Err(self.refuse(
            Kind::Limit,
            "query_bytes",
            &found,
            &allowed.to_string(),
            "ask for them in several requests",
        ))
    }

    pub(super) fn selectors(&self, found: usize) -> Result<(), Problem> {
        let allowed = self.plan.selectors;
        if found <= allowed as usize {
            return Ok(());
        }
        let found = format!("the request has {found} selectors");
        Err(self.refuse(
            Kind::Limit,
            "selectors",
            &found,
            &allowed.to_string(),
            "ask for them in several requests",
        ))
    }

    pub(super) fn step(&self, step: Duration) -> Result<(), Problem> {
        if step >= self.plan.step {
            return Ok(());
        }
        let (found, allowed) = (
            format!("the step is {}", in_units(step)),
            format!("no less than {}", in_units(self.plan.step)),
        );
        Err(self.refuse(Kind::Limit, "step", &found, &allowed, "raise the step"))
    }

    /// `slack` is what the ends may have been moved by: dashboards align both to the step.
    pub(super) fn range(&self, range: Duration, slack: Duration) -> Result<(), Problem> {
        if range <= self.plan.range.saturating_add(slack) {
            return Ok(());
        }
        let found = format!("the time from start to end is {}", in_units(range));
        let allowed = in_units(self.plan.range);
        Err(self.refuse(Kind::CostLimit, "range", &found, &allowed, "shorten it"))
    }

    pub(super) fn reach(&self, reach: Duration, slack: Duration) -> Result<(), Problem> {
        if reach <= self.plan.reach.saturating_add(slack).saturating_add(LOOKBACK) {
            return Ok(());
        }
        let found = format!("the request reads samples of up to {} ago", in_units(reach));
        let allowed = in_units(self.plan.reach);
        let advice = "look less far back, in start, offset, @ and [..]";
        Err(self.refuse(Kind::CostLimit, "reach", &found, &allowed, advice))
    }

    fn points(&self, points: u64) -> Result<(), Problem> {
        if points <= self.plan.points {
            return Ok(());
        }
        let found = if points == u64::MAX {
            "the query computes more points than can be counted".to_owned()
        } else {
            format!("the query computes {points} points a series")
        };
        let advice = "raise the steps, of subqueries too, or shorten the ranges";
        Err(self.refuse(Kind::CostLimit, "points", &found, &self.plan.points.to_string(), advice))
    }

    /// What a query costs at `now`.
    pub(super) fn cost(&self, analysis: &Analysis, now: Millis, slack: Duration) -> Result<Found, Problem> {
        let reach = analysis.reach.map(|reach| between(reach.earliest_ms, now));
        if let Some(reach) = reach {
            self.reach(reach, slack)?;
        }
        self.points(analysis.points)?;
        Ok(Found {
            selectors: analysis.selectors,
            reach,
            points: Some(analysis.points),
            ..Found::default()
        })
    }

    /// What is said of a query or a selector that may not be asked. `which` is the parameter.
    pub(super) fn unenforced(&self, which: &str, error: &EnforceError) -> Problem {
        let kind = match error {
            EnforceError::Parse(ParseError::Syntax(_)) => Kind::Query,
            EnforceError::Parse(ParseError::TooLarge(_)) | EnforceError::TooLong(_) => Kind::Limit,
            EnforceError::Refused(_) => Kind::Refused,
            EnforceError::Denied(_) => Kind::Forbidden,
            EnforceError::Internal(_) => Kind::Internal,
        };
        let message = match error {
            EnforceError::Denied(_) => error.to_string(),
            // What could not be proved is for the log.
            EnforceError::Internal(_) => "the query could not be enforced; nothing was asked".to_owned(),
            EnforceError::Parse(ParseError::TooLarge(LimitError { excess, .. })) => {
                let limit = match excess {
                    Excess::Bytes { .. } => "limit `query_bytes`, ",
                    Excess::Selectors { .. } => "limit `selectors`, ",
                    Excess::Depth { .. } => "limit `depth`, ",
                    // Which no plan can raise.
                    Excess::Tokens { .. } => "",
                };
                format!("{which}:{error} ({limit}plan {:?})", self.name)
            }
            EnforceError::TooLong(_) => format!("{which}: {error}"),
            // These begin with the line and the column.
            EnforceError::Parse(ParseError::Syntax(_)) | EnforceError::Refused(_) => format!("{which}:{error}"),
        };
        Problem::new(kind, message)
    }
}

/// The time from one to the other; none if the other is not later.
pub(super) fn between(from: Millis, to: Millis) -> Duration {
    Duration::from_millis(u64::try_from(to.saturating_sub(from)).unwrap_or_default())
}
