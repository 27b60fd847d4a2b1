//! When the collector looks for jobs whose groups vanished, as it is written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::DurationText;
use crate::config::read::Entry;

/// Running again, by itself, the jobs whose groups vanished with a restart of their gateway.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HealSpec {
    /// When to look: unix cron, five fields, as of a job.
    #[schemars(required, example = "7,37 * * * *")]
    pub(crate) schedule: Option<Entry<String>>,
    /// The time zone that the schedule is read in. Default: UTC.
    pub(crate) timezone: Option<Entry<String>>,
    /// Jobs that run more often than this are left to themselves. Default: 1h.
    pub(crate) min_period: Option<Entry<DurationText>>,
}
