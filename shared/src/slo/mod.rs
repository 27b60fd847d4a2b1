//! Service level objectives: what was promised of a number, how much of what it leaves is used up, and who is told when it burns.
//!
//! Nothing here does I/O. A [`Slo`] comes resolved from the configuration, and [`windows`] finds the windows of its alerts, which have
//! to fit both what was promised and how often its numbers are pushed. Names of series and labels are sloth's, so that what knows those
//! (dashboards, reports) knows these.

mod cases;
mod course;
mod enough;
mod freshness;
mod model;
mod openslo;
mod rules;
#[cfg(test)]
mod tests;
mod windows;

pub use model::{
    CURRENT_BURN_RATE, ERROR_BUDGET, Events, INFO, Indicator, OBJECTIVE, PERIOD_BUDGET_REMAINING, PERIOD_BURN_RATE,
    Slo, TIME_PERIOD_DAYS,
};
pub use openslo::openslo;
pub use windows::{BurnRate, Burns};

pub(crate) use cases::of_slo;
pub(crate) use model::{LABELS, alert_name, error_budget, id};
pub(crate) use rules::{PAGE, SPEED_LABEL, TICKET, group};
pub(crate) use windows::fit;
