//! What the queries of a run have in common: its time, and the values of its placeholders.

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use super::MetricFailure;
use crate::assembly::Form;
use crate::config::job::Parameter;
use crate::placeholders::{ResolveError, Resolver, Template};

/// What queries run with.
pub(crate) struct Context<'r> {
    pub(crate) resolver: &'r Resolver,
    /// The time that the run is for, to which windows bind.
    pub(crate) scheduled_time: Timestamp,
    /// When every query must have ended.
    pub(crate) deadline: Instant,
    /// The form in which families are wanted.
    pub(crate) form: Form,
    /// The name of the source, for messages.
    pub(crate) source: Option<&'r str>,
}

impl Context<'_> {
    /// The template with its values.
    ///
    /// # Errors
    /// A placeholder has no value, or its secret does not come in time.
    pub(crate) async fn resolve(&self, template: &Template) -> Result<SecretString, MetricFailure> {
        self.within(self.resolver.resolve(template)).await
    }

    /// The URL with its values.
    ///
    /// # Errors
    /// As [`Self::resolve`], and when it is no URL.
    pub(crate) async fn resolve_url(&self, template: &Template) -> Result<SecretString, MetricFailure> {
        self.within(self.resolver.resolve_url(template)).await
    }

    /// Fetches the templates' secrets anew; whether there are any.
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub(crate) async fn refresh<'t>(
        &self,
        templates: impl IntoIterator<Item = &'t Template>,
    ) -> Result<bool, MetricFailure> {
        self.within(self.resolver.refresh(templates)).await
    }

    /// What a query's parameter stands for, as text; `None` for NULL. Points in time are in RFC 3339.
    ///
    /// # Errors
    /// As [`Self::resolve`], and for a point beyond all time.
    pub(crate) async fn parameter(
        &self,
        query: &str,
        parameter: &Parameter,
    ) -> Result<Option<SecretString>, MetricFailure> {
        self.parameter_as(query, parameter, rfc_3339).await
    }

    /// As [`Self::parameter`], with points in time as `point_in_time` writes them.
    ///
    /// # Errors
    /// As [`Self::parameter`].
    pub(crate) async fn parameter_as(
        &self,
        query: &str,
        parameter: &Parameter,
        point_in_time: fn(Timestamp) -> String,
    ) -> Result<Option<SecretString>, MetricFailure> {
        match parameter {
            Parameter::Null => Ok(None),
            Parameter::Text(template) => self.resolve(template).await.map(Some),
            Parameter::ScheduledTime(offset) => {
                let time = self.scheduled_time.checked_add(*offset).map_err(|error| {
                    let message = format!("query {query}: a parameter lies beyond all time: {error}");
                    MetricFailure::new("parameter", message)
                })?;
                Ok(Some(point_in_time(time).into()))
            }
        }
    }

    /// A message about the source, which it names.
    pub(crate) fn about_source(&self, message: &impl std::fmt::Display) -> String {
        match self.source {
            Some(name) => format!("source `{name}`: {message}"),
            None => message.to_string(),
        }
    }

    /// A step before the queries, under the run's deadline.
    pub(crate) async fn within<T>(
        &self,
        step: impl Future<Output = Result<T, ResolveError>>,
    ) -> Result<T, MetricFailure> {
        match tokio::time::timeout_at(self.deadline, step).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(MetricFailure::new("placeholder", error.to_string())),
            Err(_) => {
                let message = "the secrets could not be fetched in the time that the job has";
                Err(MetricFailure::new("placeholder", message))
            }
        }
    }
}

/// A point in time with its zone.
pub(super) fn rfc_3339(time: Timestamp) -> String {
    time.to_string()
}

/// Values side by side, as clients take them.
pub(super) fn exposed(values: Vec<Option<SecretString>>) -> Vec<Option<String>> {
    let expose = |value: SecretString| value.expose_secret().to_owned();
    values.into_iter().map(|value| value.map(expose)).collect()
}
