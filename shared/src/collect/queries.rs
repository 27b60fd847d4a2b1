//! The queries of a job, one after the other in one transaction, and the families made from their rows.

use jiff::Timestamp;
use secrecy::ExposeSecret;
use tokio::time::Instant;

use super::report::{MetricFailure, milliseconds};
use crate::assembly::{Form, MetricError, Outcome, QueryAssembler};
use crate::config::job::{Job, Metric, Parameter, PostgresSource, Query, Source};
use crate::placeholders::{ResolveError, Resolver};
use crate::postgres::{self, ConnectError, Connections, QueryError, Transaction};
use crate::rows::{Column, Row};

/// A metric and what was made of it.
pub(super) type Made<'a> = (&'a Metric, Result<Outcome, MetricFailure>);

/// What queries run with.
pub(super) struct Context<'r> {
    pub(super) resolver: &'r Resolver,
    pub(super) scheduled_time: Timestamp,
    pub(super) deadline: Instant,
    pub(super) form: Form,
}

/// Runs all queries of a job. A failure that concerns them all is told for each metric.
pub(super) async fn run<'a>(job: &'a Job, connections: &Connections, context: &Context<'_>) -> Vec<Made<'a>> {
    let Source::Postgres(source) = &job.source;
    let mut transaction = match begin(source, connections, context).await {
        Ok(transaction) => transaction,
        Err(failure) => return job.metrics().map(|metric| (metric, Err(failure.clone()))).collect(),
    };
    let mut made = Vec::new();
    for query in &job.queries {
        made.extend(run_query(query, &mut transaction, context).await);
    }
    transaction.finish().await;
    made
}

/// Logs in; when the password is refused, once more with secrets fetched anew, for they may have been rotated.
async fn begin<'c>(
    source: &PostgresSource,
    connections: &'c Connections,
    context: &Context<'_>,
) -> Result<Transaction<'c>, MetricFailure> {
    let ca_file = source.ca_file.as_deref();
    let url = within(context.deadline, context.resolver.resolve_url(&source.url)).await?;
    let error = match connections.begin(&url, ca_file, context.deadline).await {
        Ok(transaction) => return Ok(transaction),
        Err(error) if error.is_login_failure() => error,
        Err(error) => return Err(connect_failure(source, &error)),
    };
    let refreshed = within(context.deadline, context.resolver.refresh([&source.url])).await?;
    let anew = within(context.deadline, context.resolver.resolve_url(&source.url)).await?;
    if !refreshed || anew.expose_secret() == url.expose_secret() {
        return Err(connect_failure(source, &error));
    }
    tracing::info!("the database refused the login; trying again with the secret fetched anew");
    connections
        .begin(&anew, ca_file, context.deadline)
        .await
        .map_err(|error| connect_failure(source, &error))
}

/// A step before the queries, under the run's deadline.
async fn within<T>(deadline: Instant, step: impl Future<Output = Result<T, ResolveError>>) -> Result<T, MetricFailure> {
    match tokio::time::timeout_at(deadline, step).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(MetricFailure {
            kind: "placeholder",
            message: error.to_string(),
        }),
        Err(_) => Err(MetricFailure {
            kind: "placeholder",
            message: "the secrets could not be fetched in the time that the job has".to_owned(),
        }),
    }
}

fn connect_failure(source: &PostgresSource, error: &ConnectError) -> MetricFailure {
    let name = source
        .name
        .as_ref()
        .map(|name| format!("source `{name}`: "))
        .unwrap_or_default();
    let kind = if error.is_login_failure() { "login" } else { "connect" };
    MetricFailure {
        kind,
        message: format!("{name}{error}"),
    }
}

async fn run_query<'a>(query: &'a Query, transaction: &mut Transaction<'_>, context: &Context<'_>) -> Vec<Made<'a>> {
    let for_all = |failure: MetricFailure| {
        query
            .metrics
            .iter()
            .map(|metric| (metric, Err(failure.clone())))
            .collect()
    };
    let parameters = match parameters(query, context).await {
        Ok(parameters) => parameters,
        Err(failure) => return for_all(failure),
    };
    let begun = Instant::now();
    let mut rows = Rows {
        metrics: &query.metrics,
        form: context.form,
        assembler: None,
    };
    let outcome = transaction.query(&query.sql, &parameters, &mut rows).await;
    match outcome {
        // A consumer that wants no more rows has failed in every metric, and each knows why.
        Ok(_) | Err(QueryError::Consumer(NoneWanted)) => {
            let outcomes = rows.assembler.map(QueryAssembler::finish).unwrap_or_default();
            tracing::debug!(
                query = query.name,
                duration_ms = milliseconds(begun.elapsed()),
                "query done"
            );
            outcomes
                .into_iter()
                .map(|(metric, outcome)| (metric, outcome.map_err(|error| metric_failure(query, &error))))
                .collect()
        }
        Err(error) => for_all(query_failure(query, &error)),
    }
}

async fn parameters(query: &Query, context: &Context<'_>) -> Result<Vec<Option<String>>, MetricFailure> {
    let mut values = Vec::with_capacity(query.parameters.len());
    for parameter in &query.parameters {
        values.push(match parameter {
            Parameter::Null => None,
            Parameter::Text(template) => {
                let value = within(context.deadline, context.resolver.resolve(template)).await?;
                Some(value.expose_secret().to_owned())
            }
            Parameter::ScheduledTime(offset) => {
                let time = context
                    .scheduled_time
                    .checked_add(*offset)
                    .map_err(|error| MetricFailure {
                        kind: "parameter",
                        message: format!("query {}: a parameter lies beyond all time: {error}", query.name),
                    })?;
                Some(time.to_string())
            }
        });
    }
    Ok(values)
}

/// Hands the rows of a query to the query's metrics.
struct Rows<'a> {
    metrics: &'a [Metric],
    form: Form,
    assembler: Option<QueryAssembler<'a>>,
}

/// Every metric of the query has failed already.
#[derive(Debug)]
struct NoneWanted;

impl std::fmt::Display for NoneWanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no metric takes the rows")
    }
}

impl postgres::Consumer for Rows<'_> {
    type Error = NoneWanted;

    fn columns(&mut self, columns: &[Column]) -> Result<(), NoneWanted> {
        let assembler = self
            .assembler
            .insert(QueryAssembler::new(self.metrics, columns, self.form));
        assembler.wants_rows().then_some(()).ok_or(NoneWanted)
    }

    fn row(&mut self, row: &dyn Row) -> Result<(), NoneWanted> {
        let Some(assembler) = &mut self.assembler else {
            return Err(NoneWanted);
        };
        assembler.row(row);
        assembler.wants_rows().then_some(()).ok_or(NoneWanted)
    }
}

fn metric_failure(query: &Query, error: &MetricError) -> MetricFailure {
    let kind = match error {
        MetricError::Column(_) => "column",
        MetricError::External(_) => "external",
        _ => "rows",
    };
    MetricFailure {
        kind,
        message: format!("{}: {error}", place(query, None)),
    }
}

fn query_failure(query: &Query, error: &QueryError<NoneWanted>) -> MetricFailure {
    let (kind, position) = match error {
        QueryError::Sql { position, .. } => ("sql", *position),
        QueryError::TimedOut => ("timeout", None),
        QueryError::Lost { .. } | QueryError::Gone => ("connection", None),
        _ => ("query", None),
    };
    let message = match error {
        // The place in the file says more than the place in the SQL.
        QueryError::Sql { error, .. } => error.to_string(),
        other => other.to_string(),
    };
    MetricFailure {
        kind,
        message: format!("{}: {message}", place(query, position.map(|at| (at.line, at.column)))),
    }
}

/// Where a query, or a place in it, stands: `query NAME (FILE:LINE:COLUMN)`.
fn place(query: &Query, at: Option<(usize, usize)>) -> String {
    let (line, column) = at.unwrap_or((1, 1));
    let origin = &query.origin;
    format!(
        "query {} ({}:{}:{})",
        query.name,
        origin.file.display(),
        origin.line + line - 1,
        origin.indent + column
    )
}
