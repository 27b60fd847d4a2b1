//! Dashboards as they are written: where a file's stand, and the funnel of a metric.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::read::{Entry, Mapping};

/// Where dashboards stand.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DashboardsSpec {
    /// The folder in Grafana. Default: Fanlight.
    pub(crate) folder: Option<Entry<String>>,
}

/// Steps one after the other, at each of which some begin and some complete.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FunnelSpec {
    /// The dashboard's name is the file's, `-` and this.
    #[schemars(required)]
    pub(crate) name: Option<Entry<String>>,
    /// The label that names the step; its values under `fill` or `allowed_values` are the steps in their order.
    #[schemars(required)]
    pub(crate) steps: Option<Entry<String>>,
    /// The values of labels by which those are known who begin a step: `{phase: started}`.
    #[schemars(required)]
    pub(crate) begun: Option<Entry<Mapping<String>>>,
    /// The values of labels by which those are known who complete it.
    #[schemars(required)]
    pub(crate) completed: Option<Entry<Mapping<String>>>,
    /// The label by which conversion is told apart, such as `os`.
    #[schemars(required)]
    pub(crate) by: Option<Entry<String>>,
}
