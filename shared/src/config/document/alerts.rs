//! Alerts as they are written: beside a metric, for a whole file, or in an environment's folder.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

use super::{DurationText, OffsetText};
use crate::alerts::Severity;
use crate::config::read::{Entry, Mapping, NUMBER};

/// When someone is told: one of `expression`, `below`, `above`, `absent_for`, `no_increase_for`, or `ratio` with `below` or `above`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AlertSpec {
    /// The alert's name, such as `NoLeads`; unique in the whole configuration. In an environment's folder, the name of an alert
    /// of the service is that alert, with what is given here in place of what was.
    #[schemars(required)]
    pub(crate) name: Option<Entry<String>>,
    /// The full name of the metric that it is about, where it does not stand beside it.
    pub(crate) metric: Option<Entry<String>>,
    /// PromQL whose series fire, with test cases under `tests`.
    pub(crate) expression: Option<Entry<String>>,
    /// Fires while the value is less than this.
    pub(crate) below: Option<Entry<Number>>,
    /// Fires while the value is more than this.
    pub(crate) above: Option<Entry<Number>>,
    /// Fires when there has been no series for so long although the job runs.
    pub(crate) absent_for: Option<Entry<DurationText>>,
    /// Fires when a counter has not gone up for so long although the job runs.
    pub(crate) no_increase_for: Option<Entry<DurationText>>,
    /// Looks at a part of a whole; with `below` or `above`.
    pub(crate) ratio: Option<Entry<RatioSpec>>,
    /// The values that labels must have.
    #[serde(rename = "where")]
    pub(crate) filters: Option<Entry<Mapping<String>>>,
    /// The labels by which series are added up first. Default: each series for itself; a ratio's series are all added up.
    pub(crate) by: Option<Entry<Vec<Entry<String>>>>,
    /// For how long it must be so before anybody is told. Default: at once.
    #[serde(rename = "for")]
    #[schemars(with = "Option<String>")]
    pub(crate) hold: Option<Entry<OffsetText>>,
    /// `warning`, or `critical` for what somebody is woken for.
    pub(crate) severity: Option<Entry<Severity>>,
    /// The team that is told, in lower case.
    pub(crate) team: Option<Entry<String>>,
    /// The Slack channel, such as `#growth-alerts`. Default: `#team-` and the team.
    pub(crate) slack_channel: Option<Entry<String>>,
    /// The link to what is to be done.
    pub(crate) handbook: Option<Entry<String>>,
    /// What it means, in a sentence; `{{ $labels.NAME }}` and `{{ $value }}` are filled in.
    pub(crate) description: Option<Entry<String>>,
    /// `false` leaves it out.
    pub(crate) enabled: Option<Entry<bool>>,
    /// Test cases of one's own, beside those that are generated.
    pub(crate) tests: Option<Entry<Vec<Entry<CaseSpec>>>>,
}

/// A part of a whole.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RatioSpec {
    /// The part.
    #[schemars(required)]
    pub(crate) of: Option<Entry<TermSpec>>,
    /// The whole.
    #[schemars(required)]
    pub(crate) to: Option<Entry<TermSpec>>,
    /// The least whole of which a ratio says anything.
    #[schemars(required)]
    pub(crate) minimum: Option<Entry<Number>>,
    /// The time over which counters are looked at; required for them, and only for them.
    pub(crate) window: Option<Entry<DurationText>>,
}

/// Some series of a metric, added up.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TermSpec {
    /// The metric's full name. Default: the one that the alert stands beside.
    pub(crate) metric: Option<Entry<String>>,
    /// The values that labels must have.
    #[serde(rename = "where")]
    pub(crate) filters: Option<Entry<Mapping<String>>>,
}

/// A test case.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CaseSpec {
    /// What it shows.
    #[schemars(required)]
    pub(crate) name: Option<Entry<String>>,
    /// Series and their values in promtool's notation, one a minute: `growth_leads{campaign_group="search"}: '5x60 0x60'`. Labels that
    /// the job always adds need not be given. None: what the alert does when there are no series.
    pub(crate) series: Option<Entry<Mapping<String>>>,
    /// When it is looked at, from the first value.
    #[schemars(required)]
    pub(crate) at: Option<Entry<DurationText>>,
    /// The alerts that fire then, each by the labels that tell it apart; `[{}]` for one, `[]` for none.
    #[schemars(required)]
    pub(crate) fires: Option<Entry<Vec<Entry<Mapping<String>>>>>,
}

/// A number, with or without a fraction.
#[derive(Debug, Clone, Copy, PartialEq, JsonSchema)]
pub(crate) struct Number(pub(crate) f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberVisitor;

        impl<'de> Visitor<'de> for NumberVisitor {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Number, E> {
                Ok(Number(number as f64))
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Number, E> {
                if number.is_finite() {
                    Ok(Number(number))
                } else {
                    Err(E::custom(format!("expected a number, found {number}")))
                }
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Number, D::Error> {
                deserializer.deserialize_any(self)
            }
        }

        deserializer.deserialize_newtype_struct(NUMBER, NumberVisitor)
    }
}
