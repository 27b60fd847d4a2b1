//! An SLO as it is built, and the names under which Prometheus records it.

use std::collections::BTreeSet;
use std::time::Duration;

use super::windows::{BurnRate, Burns};
use crate::alerts::{Comparison, Severity, Subject, Term, duration, labels};

/// The objective, a part of 1.
pub const OBJECTIVE: &str = "slo:objective:ratio";
/// What the objective leaves, a part of 1.
pub const ERROR_BUDGET: &str = "slo:error_budget:ratio";
/// The length of the SLO's window, in days.
pub const TIME_PERIOD_DAYS: &str = "slo:time_period:days";
/// How fast the budget burns in the shortest window; at 1 it lasts for exactly the SLO's window.
pub const CURRENT_BURN_RATE: &str = "slo:current_burn_rate:ratio";
/// How fast it has burnt over the whole of the SLO's window.
pub const PERIOD_BURN_RATE: &str = "slo:period_burn_rate:ratio";
/// What is left of the budget; negative when more is used up than there was.
pub const PERIOD_BUDGET_REMAINING: &str = "slo:period_error_budget_remaining:ratio";
/// Always 1, with the objective as a label.
pub const INFO: &str = "sloth_slo_info";

/// The labels that all series and alerts of an SLO have.
pub(crate) const LABELS: [&str; 3] = ["sloth_id", "sloth_service", "sloth_slo"];

/// What was promised of a service.
#[derive(Debug, Clone)]
pub struct Slo {
    /// The service, which is the name of the file that declares it.
    pub service: String,
    /// Its name, unique in the service: lower-case letters, digits and `-`.
    pub name: String,
    /// What is promised, in percent: more than 0, less than 100.
    pub objective: f64,
    /// The time over which it is promised.
    pub window: Duration,
    /// What is good and what is bad.
    pub indicator: Indicator,
    /// The metrics that it reads; for freshness, the one whose freshness is promised.
    pub subjects: Vec<Subject>,
    /// The labels by which it is kept apart, each combination with a budget of its own; none where it has one budget.
    pub by: Vec<String>,
    /// The worst that its alerts are.
    pub severity: Severity,
    /// Whom they are for.
    pub team: String,
    /// The channel, where it is not the team's own.
    pub slack_channel: Option<String>,
    /// The link to what is to be done.
    pub handbook: String,
    /// What it means; may hold `{{ $labels.NAME }}` and `{{ $value }}`, which is the part of what was bad in the short window.
    pub description: String,
    /// When its alerts fire.
    pub burns: Burns,
}

/// What an SLO measures.
#[derive(Debug, Clone)]
pub enum Indicator {
    /// Some events of all, of two counters or of two gauges that count what happened since the push before.
    Ratio {
        /// The good or the bad ones.
        events: Events,
        /// All of them.
        total: Term,
        /// Whether they are counters.
        counters: bool,
        /// The least number in an alert's long window of which a ratio says anything.
        minimum: f64,
    },
    /// The time in which a value is beyond a threshold; of several series, in which one of them is.
    Threshold {
        /// Which series.
        term: Term,
        /// The side on which it is bad.
        bad: Comparison,
        /// The threshold, which is good itself.
        threshold: f64,
    },
    /// The time in which a metric is older than it may be, or not there.
    Freshness {
        /// How old it may be.
        within: Duration,
    },
}

/// The events that an SLO counts.
#[derive(Debug, Clone)]
pub enum Events {
    /// Those that went well.
    Good(Term),
    /// Those that did not.
    Bad(Term),
}

impl Slo {
    /// The value of `sloth_id`, which tells it from all others.
    #[must_use]
    pub fn id(&self) -> String {
        id(&self.service, &self.name)
    }

    /// The labels that all its recorded series have.
    #[must_use]
    pub fn labels(&self) -> [(&'static str, String); 3] {
        let [id, service, slo] = LABELS;
        [
            (id, self.id()),
            (service, self.service.clone()),
            (slo, self.name.clone()),
        ]
    }

    /// A selector of its own among the series that are recorded under a name.
    #[must_use]
    pub fn selector(&self, metric: &str) -> String {
        format!("{metric}{}", labels([("sloth_id", self.id().as_str())]))
    }

    /// The `alertname` of its alerts: `transfers-sent` has `TransfersSentErrorBudgetBurn`, fast as well as slow.
    #[must_use]
    pub fn alert_name(&self) -> String {
        alert_name(&self.name)
    }

    /// The objective as a part of 1.
    #[must_use]
    pub fn objective_ratio(&self) -> f64 {
        rounded(self.objective / 100.0)
    }

    /// What the objective leaves, as a part of 1.
    #[must_use]
    pub fn error_budget(&self) -> f64 {
        error_budget(self.objective)
    }

    /// The window in days.
    #[must_use]
    pub fn days(&self) -> f64 {
        self.window.as_secs_f64() / 86_400.0
    }

    /// Whether a dead pusher says nothing of it, and an alert of its own has to tell.
    pub(crate) fn depends_on_freshness(&self) -> bool {
        !matches!(self.indicator, Indicator::Freshness { .. })
    }

    /// The windows of its alerts over which the part of what was bad is recorded, the shortest first.
    #[must_use]
    pub fn windows(&self) -> Vec<Duration> {
        let rates = self.burns.page.iter().chain(&self.burns.ticket);
        let windows: BTreeSet<_> = rates.flat_map(|rate: &BurnRate| [rate.short, rate.long]).collect();
        windows.into_iter().collect()
    }

    /// The name of the series that says which part was bad in a window: one of [`Slo::windows`], or [`Slo::window`].
    #[must_use]
    pub fn error_ratio(window: Duration) -> String {
        format!("slo:sli_error:ratio_rate{}", duration(window))
    }
}

/// The `sloth_id` of a service's SLO.
pub(crate) fn id(service: &str, name: &str) -> String {
    format!("{service}-{name}")
}

/// The `alertname` of an SLO's alerts.
pub(crate) fn alert_name(name: &str) -> String {
    let words = name.split('-').map(|word| {
        let mut letters = word.chars();
        let first = letters.next().map(|first| first.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    });
    words.chain(["ErrorBudgetBurn".to_owned()]).collect()
}

/// What an objective in percent leaves, as a part of 1.
pub(crate) fn error_budget(objective: f64) -> f64 {
    rounded((100.0 - objective) / 100.0)
}

/// Without what binary fractions add to a decimal one: 0.001 and not 0.0009999999999999432.
fn rounded(ratio: f64) -> f64 {
    const PLACES: f64 = 1e12;
    (ratio * PLACES).round() / PLACES
}
