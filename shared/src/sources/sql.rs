//! Queries in SQL, for every source that takes it.

use jiff::Timestamp;

use super::context::exposed;
use super::{Context, MetricFailure};
use crate::config::job::Parameter;

/// One statement that reads. Nothing is ever filled into it.
#[derive(Debug, Clone)]
pub struct Sql {
    /// The statement as written.
    pub text: String,
    /// What its parameters stand for, in their order.
    pub parameters: Vec<Parameter>,
}

impl Sql {
    /// What the parameters stand for in this run; `None` for NULL. `query` names the query in messages, and `point_in_time`
    /// writes one as the source reads it.
    ///
    /// # Errors
    /// As [`Context::parameter_as`].
    pub(crate) async fn parameters(
        &self,
        query: &str,
        context: &Context<'_>,
        point_in_time: fn(Timestamp) -> String,
    ) -> Result<Vec<Option<String>>, MetricFailure> {
        let mut values = Vec::with_capacity(self.parameters.len());
        for parameter in &self.parameters {
            values.push(context.parameter_as(query, parameter, point_in_time).await?);
        }
        Ok(exposed(values))
    }
}
