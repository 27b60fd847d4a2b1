//! SLOs as they are written: beside a metric, for a whole file, or in an environment's folder.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{DurationText, Number, TermSpec};
use crate::alerts::Severity;
use crate::config::read::{Entry, Mapping};

/// What is promised, what is good and bad, and who is told when what the promise leaves is used up too fast.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SloSpec {
    /// The SLO's name, such as `transfers-sent`; unique in the whole configuration. In an environment's folder, the name of an SLO
    /// of the service is that SLO, with what is given here in place of what was.
    #[schemars(required)]
    pub(crate) name: Option<Entry<String>>,
    /// The full name of the metric that it is about, where it does not stand beside it.
    pub(crate) metric: Option<Entry<String>>,
    /// What is promised, in percent: `99.9`.
    pub(crate) objective: Option<Entry<Number>>,
    /// The days over which it is promised, from 7 to 90. Default: 30d.
    pub(crate) window: Option<Entry<DurationText>>,
    /// What is good and what is bad: one of `ratio`, `threshold` and `freshness`.
    pub(crate) indicator: Option<Entry<IndicatorSpec>>,
    /// The labels by which it is kept apart, each combination with a budget of its own. Default: one budget for all series.
    pub(crate) by: Option<Entry<Vec<Entry<String>>>>,
    /// `critical` wakes somebody when the budget burns fast, and warns when it burns slowly; `warning` only warns.
    pub(crate) severity: Option<Entry<Severity>>,
    /// The team that is told, in lower case.
    pub(crate) team: Option<Entry<String>>,
    /// The Slack channel, such as `#growth-alerts`. Default: `#team-` and the team.
    pub(crate) slack_channel: Option<Entry<String>>,
    /// The link to what is to be done.
    pub(crate) handbook: Option<Entry<String>>,
    /// What it means, in a sentence; `{{ $labels.NAME }}` and `{{ $value }}`, the part that was bad of late, are filled in.
    pub(crate) description: Option<Entry<String>>,
    /// `false` leaves it out.
    pub(crate) enabled: Option<Entry<bool>>,
}

/// What an SLO measures.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct IndicatorSpec {
    /// Some events of all: of two counters, or of two gauges that count what happened since the push before.
    pub(crate) ratio: Option<Entry<EventsSpec>>,
    /// The time in which a value is beyond a threshold.
    pub(crate) threshold: Option<Entry<ThresholdSpec>>,
    /// The time in which a metric is older than it may be.
    pub(crate) freshness: Option<Entry<FreshnessSpec>>,
}

/// Some events of all; `good` or `bad`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventsSpec {
    /// Those that went well.
    pub(crate) good: Option<Entry<TermSpec>>,
    /// Those that did not.
    pub(crate) bad: Option<Entry<TermSpec>>,
    /// All of them.
    #[schemars(required)]
    pub(crate) total: Option<Entry<TermSpec>>,
    /// The least number of events in an alert's long window of which a ratio says anything.
    #[schemars(required)]
    pub(crate) minimum: Option<Entry<Number>>,
}

/// A value that is bad beyond a threshold; `bad_above` or `bad_below`. Of several series, one that is bad is enough.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ThresholdSpec {
    /// Bad is what is more than this.
    pub(crate) bad_above: Option<Entry<Number>>,
    /// Bad is what is less than this.
    pub(crate) bad_below: Option<Entry<Number>>,
    /// The values that labels must have.
    #[serde(rename = "where")]
    pub(crate) filters: Option<Entry<Mapping<String>>>,
}

/// How old a metric may be.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FreshnessSpec {
    /// Older than this is bad, and so is a metric that could not be made for so long. Default: the longest pause between two runs
    /// and two lost ones.
    pub(crate) within: Option<Entry<DurationText>>,
}
