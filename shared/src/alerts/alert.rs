//! An alert as it is built: every name looked up, every layer of every environment applied.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::freshness::Freshness;
use super::notation::labels_of;
use crate::alertmanager::Alerting;
use crate::slo::Slo;

/// What is built for one environment, such as `prod`.
#[derive(Debug, Clone)]
pub struct Environment {
    /// Its name, which is that of its folder.
    pub name: String,
    /// The services with something to build, in the order of their names.
    pub services: Vec<Service>,
    /// How its alerts reach people, where that is declared.
    pub alerting: Option<Alerting>,
}

impl Environment {
    /// The SLOs of all services.
    pub fn slos(&self) -> impl Iterator<Item = &Slo> {
        self.services.iter().flat_map(|service| &service.slos)
    }
}

/// What one team's file says, with the folders beside it.
#[derive(Debug, Clone)]
pub struct Service {
    /// The name of the file without its extension.
    pub name: String,
    /// Its alerts, in the order of their names.
    pub alerts: Vec<Alert>,
    /// Its SLOs, in the order of their names.
    pub slos: Vec<Slo>,
}

/// When someone is told, who, and what.
#[derive(Debug, Clone)]
pub struct Alert {
    /// The `alertname`, unique in the configuration.
    pub name: String,
    /// What must hold.
    pub condition: Condition,
    /// The metrics that it reads, and whose freshness it depends on; the one that it stands beside first.
    pub subjects: Vec<Subject>,
    /// For how long the condition must hold.
    pub hold: Duration,
    /// How bad it is.
    pub severity: Severity,
    /// Whom it is for.
    pub team: String,
    /// The channel, where it is not the team's own.
    pub slack_channel: Option<String>,
    /// The link to what is to be done.
    pub handbook: String,
    /// What it means; may hold `{{ $labels.NAME }}` and `{{ $value }}`.
    pub description: String,
    /// The team's own test cases.
    pub cases: Vec<Case>,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Somebody looks at it in working hours.
    Warning,
    /// Somebody is woken.
    Critical,
}

impl Severity {
    /// The value of the label `severity`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// The condition of an alert.
#[derive(Debug, Clone)]
pub enum Condition {
    /// PromQL as the team wrote it.
    Expression {
        /// The expression.
        promql: String,
        /// Whether it may yield something because series are not there.
        tells_of_absence: bool,
    },
    /// A value beyond a threshold.
    Compare {
        /// Which value.
        value: Selection,
        /// On which side.
        comparison: Comparison,
        /// The threshold.
        threshold: f64,
    },
    /// No series at all, for the whole of a window.
    Absent {
        /// Which series.
        term: Term,
        /// The window.
        window: Duration,
    },
    /// A counter that has stood still for the whole of a window.
    NoIncrease {
        /// Which counter.
        value: Selection,
        /// The window.
        window: Duration,
    },
    /// A part of a whole beyond a threshold.
    Ratio {
        /// The part.
        part: Term,
        /// The whole.
        whole: Term,
        /// The labels by which both are added up.
        by: Vec<String>,
        /// The time over which counters are looked at; `None` for gauges.
        window: Option<Duration>,
        /// The least whole of which a ratio says anything.
        minimum: f64,
        /// On which side.
        comparison: Comparison,
        /// The threshold.
        threshold: f64,
    },
}

/// The side of a threshold on which an alert fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// Less than the threshold.
    Below,
    /// More than it.
    Above,
}

/// Which of an alert's subjects; every one that a configuration resolves is in [`Alert::subjects`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubjectId(pub usize);

/// Some series of a metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Term {
    /// The metric.
    pub subject: SubjectId,
    /// The values that labels must have, in the order of the labels.
    pub filters: Vec<(String, String)>,
}

impl Term {
    /// Whether these series are some of the other's, whose filters are fewer.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        let has = |filter: &(String, String)| self.filters.contains(filter);
        self.subject == other.subject && other.filters.iter().all(has)
    }

    /// These series but for a part of them; all of them where it is none of theirs.
    #[must_use]
    pub fn rest(&self, part: &Self) -> Self {
        let mut rest = self.clone();
        if part.is_within(self) {
            let fixed = part.filters.iter().filter(|filter| !self.filters.contains(filter));
            let others = fixed.map(|(label, value)| (label.clone(), format!("not-{value}")));
            rest.filters.extend(others);
        }
        rest
    }

    /// Whether no series can be among both.
    #[must_use]
    pub fn is_apart_from(&self, other: &Self) -> bool {
        let differs = |(label, value): &(String, String)| {
            let mut filters = self.filters.iter();
            filters.any(|(own, filter)| own == label && filter != value)
        };
        self.subject != other.subject || other.filters.iter().any(differs)
    }
}

/// Some series of a metric, each for itself or added up.
#[derive(Debug, Clone, PartialEq)]
pub struct Selection {
    /// Which series.
    pub term: Term,
    /// The labels by which they are added up; `None` looks at each series.
    pub by: Option<Vec<String>>,
}

/// A metric as alerts see it.
#[derive(Debug, Clone, PartialEq)]
pub struct Subject {
    /// The metric's name.
    pub metric: String,
    /// The job that pushes it.
    pub job: String,
    /// Further labels of the grouping key, which are on its series and on those of the job's self-metrics.
    pub grouping: Vec<(String, String)>,
    /// Static labels.
    pub fixed: Vec<(String, String)>,
    /// Labels that rows give, each with a value that it can have.
    pub varying: Vec<(String, String)>,
    /// Whether it is a counter.
    pub counter: bool,
    /// Whether customers may see it.
    pub external: bool,
    /// How often it is pushed, and from when on it is stale.
    pub freshness: Freshness,
}

impl Subject {
    /// Whether its series have the label.
    #[must_use]
    pub fn has(&self, label: &str) -> bool {
        self.labels().any(|(name, _)| name == label)
    }

    /// The labels of one of its series, `job` and those of the grouping key included.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.varying.iter().chain(&self.fixed).chain(&self.grouping);
        let pairs = pairs.map(|(name, value)| (name.as_str(), value.as_str()));
        pairs.chain([("job", self.job.as_str())])
    }

    /// The series with these labels, as promtool reads it.
    pub(crate) fn series_name(&self, labels: &[(String, String)]) -> String {
        format!("{}{}", self.metric, labels_of(labels))
    }
}

/// A test of the team's own.
#[derive(Debug, Clone)]
pub struct Case {
    /// What it shows.
    pub name: String,
    /// Series, and their values in promtool's notation, one a minute. Labels that the job always adds need not be named.
    pub series: Vec<(String, String)>,
    /// When it is looked at, from the first value.
    pub at: Duration,
    /// The labels by which those that fire are told apart; none where nothing may fire.
    pub fires: Vec<Vec<(String, String)>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn term(subject: usize, filters: &[(&str, &str)]) -> Term {
        let filters = filters
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Term {
            subject: SubjectId(subject),
            filters: filters.collect(),
        }
    }

    #[test]
    fn the_rest_of_a_whole_has_nothing_of_its_part() {
        let ios = || term(0, &[("os", "ios")]);
        for (whole, part, rest) in [
            (term(0, &[]), ios(), term(0, &[("os", "not-ios")])),
            (
                ios(),
                term(0, &[("kind", "new"), ("os", "ios")]),
                term(0, &[("os", "ios"), ("kind", "not-new")]),
            ),
            // No part of it.
            (ios(), term(0, &[]), ios()),
            (term(0, &[]), term(1, &[("os", "ios")]), term(0, &[])),
        ] {
            assert_eq!(whole.rest(&part), rest, "{whole:?} without {part:?}");
            assert!(
                whole.rest(&part) == whole || rest.is_apart_from(&part),
                "{rest:?} and {part:?}"
            );
        }
    }
}
