//! CloudWatch's metrics as a source: the newest complete data point of each metric, or of an expression over several.
//!
//! A query is one metric or expression, for one set of dimensions or for each that CloudWatch knows (`NAME: '*'`). Each
//! such set gives one row: a column per dimension, `value`, and `timestamp`, the beginning of the data point's period in
//! seconds; both are NULL where there is no data point, so that the metric's `null_value` says what that means.
//!
//! Windows are bound to the scheduled time and aligned to the period, so that a run that is late or repeated reads what
//! the first would have read. Queries are asked apart from one another, since CloudWatch refuses a request as a whole: a
//! mistake in one leaves the others alone. Requests are not what is priced, metrics are.

mod discover;
mod expression;
mod fetch;
mod query;
mod run;
mod statistic;
#[cfg(test)]
mod tests;
mod window;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Asking, Context, Finding, MetricFailure, SourceKind};
use crate::cloudwatch::Account;
use crate::config::{Entry, File, Scope, job};

pub use query::Query;

pub(crate) use crate::cloudwatch::Clients;
pub(crate) use query::QuerySpec;

/// CloudWatch's metrics.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "CloudWatchSpec")]
pub(crate) struct SourceSpec {
    /// The region, such as `eu-west-3`. Default: the function's own.
    region: Option<Entry<String>>,
    /// The ARN of a role to assume, as for another account's metrics, with placeholders.
    role: Option<Entry<String>>,
    /// The external identifier that the role asks for, with placeholders.
    external_id: Option<Entry<String>>,
}

/// CloudWatch's metrics in an account and region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    account: Account,
}

impl SourceKind for Source {
    type Spec = SourceSpec;
    type Query = Query;
    type Clients = Clients;

    fn from_settings(scope: &mut Scope<'_>, file: &File, entry: &Entry<SourceSpec>) -> Option<Self> {
        let SourceSpec {
            region,
            role,
            external_id,
        } = entry.get()?;
        let account = Account::resolve(scope, file, region.as_ref(), role.as_ref(), external_id.as_ref())?;
        Some(Self { account })
    }

    async fn run(
        &self,
        clients: &Clients,
        queries: Vec<Asking<'_, '_, Query>>,
        context: &Context<'_>,
    ) -> Result<(), MetricFailure> {
        run::run(self, clients, queries, context).await
    }

    async fn check(
        &self,
        clients: &Clients,
        queries: &[(&job::Query, &Query)],
        context: &Context<'_>,
    ) -> Result<Vec<Finding>, MetricFailure> {
        run::check(self, clients, queries, context).await
    }
}
