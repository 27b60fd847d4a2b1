//! PostgreSQL as a source: the queries of a job, one after the other in one transaction.

use std::path::PathBuf;

use schemars::JsonSchema;
use secrecy::ExposeSecret;
use serde::Deserialize;
use tokio::time::Instant;

use super::context::rfc_3339;
use super::{Asking, Context, Finding, Intake, MetricFailure, NoneWanted, SourceKind, Sql, column_findings};
use crate::config::{Entry, File, Mistake, Scope, job};
use crate::placeholders::Template;
use crate::postgres::{self, ConnectError, Connections, QueryError, Transaction, UrlSeverity};

/// A PostgreSQL database.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "PostgresSpec")]
pub(crate) struct SourceSpec {
    /// `postgres://user:password@host:port/database?sslmode=verify-full`, with placeholders.
    #[schemars(required)]
    url: Option<Entry<String>>,
    /// A file with the certificates to trust instead of the public ones (the RDS bundle), relative to this one.
    ca_file: Option<Entry<String>>,
}

/// A PostgreSQL database: a connection URL as libpq reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// `postgres://user:password@host:port/database?sslmode=verify-full`, with placeholders.
    pub url: Template,
    /// Certificates to trust (the RDS bundle), as `sslrootcert` in the URL would name them: these and no others.
    pub ca_file: Option<PathBuf>,
}

pub(crate) type Clients = Connections;

impl SourceKind for Source {
    type Spec = SourceSpec;
    type Query = Sql;
    type Clients = Clients;

    const SCHEMES: &'static [&'static str] = &["postgres", "postgresql"];

    fn from_url(scope: &mut Scope<'_>, file: &File, url: &Entry<String>) -> Option<Self> {
        source(scope, file, url, None)
    }

    fn from_settings(scope: &mut Scope<'_>, file: &File, entry: &Entry<SourceSpec>) -> Option<Self> {
        let SourceSpec { url, ca_file } = entry.get()?;
        let Some(url) = url else {
            scope.mistake(file, &entry.span, "a PostgreSQL source needs a `url`", |mistake| {
                mistake.help("add `url: 'postgres://{{DB_USERNAME}}:{{DB_PASSWORD}}@{{DB_HOST}}/{{DB_NAME}}'`")
            });
            return None;
        };
        source(scope, file, url, ca_file.as_ref())
    }

    async fn run(
        &self,
        connections: &Connections,
        queries: Vec<Asking<'_, '_, Sql>>,
        context: &Context<'_>,
    ) -> Result<(), MetricFailure> {
        let mut transaction = self.begin(connections, context).await?;
        for (sql, intake) in queries {
            let begun = Instant::now();
            match run_query(sql, intake, &mut transaction, context).await {
                Ok(()) => {
                    let duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
                    tracing::debug!(query = intake.query().name, duration_ms, "query done");
                }
                Err(failure) => intake.fail(failure),
            }
        }
        transaction.finish().await;
        Ok(())
    }

    async fn check(
        &self,
        connections: &Connections,
        queries: &[(&job::Query, &Sql)],
        context: &Context<'_>,
    ) -> Result<Vec<Finding>, MetricFailure> {
        let mut transaction = self.begin(connections, context).await?;
        let mut findings = Vec::new();
        for (query, sql) in queries {
            findings.extend(check_query(query, sql, &mut transaction).await);
        }
        transaction.finish().await;
        Ok(findings)
    }
}

impl Source {
    /// Logs in; when the password is refused, once more with secrets fetched anew, for they may have been rotated.
    async fn begin<'c>(
        &self,
        connections: &'c Connections,
        context: &Context<'_>,
    ) -> Result<Transaction<'c>, MetricFailure> {
        let ca_file = self.ca_file.as_deref();
        let url = context.resolve_url(&self.url).await?;
        let error = match connections.begin(&url, ca_file, context.deadline).await {
            Ok(transaction) => return Ok(transaction),
            Err(error) if error.is_login_failure() => error,
            Err(error) => return Err(connect_failure(context, &error)),
        };
        let refreshed = context.refresh([&self.url]).await?;
        let anew = context.resolve_url(&self.url).await?;
        if !refreshed || anew.expose_secret() == url.expose_secret() {
            return Err(connect_failure(context, &error));
        }
        tracing::info!("the database refused the login; trying again with the secret fetched anew");
        connections
            .begin(&anew, ca_file, context.deadline)
            .await
            .map_err(|error| connect_failure(context, &error))
    }
}

fn source(scope: &mut Scope<'_>, file: &File, url: &Entry<String>, ca_file: Option<&Entry<String>>) -> Option<Source> {
    let text = url.get()?;
    for finding in postgres::inspect(text) {
        let span = file.part(url, &finding.range);
        scope.report(match finding.severity {
            UrlSeverity::Warning => Mistake::warning(&file.path, span, finding.message),
            UrlSeverity::Error => Mistake::new(&file.path, span, finding.message),
        });
    }
    let ca_file = scope.optional_path(file, ca_file)?;
    Some(Source {
        url: scope.template(file, url)?,
        ca_file,
    })
}

fn connect_failure(context: &Context<'_>, error: &ConnectError) -> MetricFailure {
    let kind = if error.is_login_failure() { "login" } else { "connect" };
    MetricFailure::new(kind, context.about_source(error))
}

async fn run_query(
    sql: &Sql,
    intake: &mut Intake<'_>,
    transaction: &mut Transaction<'_>,
    context: &Context<'_>,
) -> Result<(), MetricFailure> {
    let query = intake.query();
    let parameters = sql.parameters(&query.name, context, rfc_3339).await?;
    match transaction.query(&sql.text, &parameters, intake).await {
        Ok(_) | Err(QueryError::Consumer(NoneWanted)) => Ok(()),
        Err(error) => Err(query_failure(query, &error)),
    }
}

fn query_failure(query: &job::Query, error: &QueryError<NoneWanted>) -> MetricFailure {
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
    let place = query.place(position.map(|at| (at.line, at.column)));
    MetricFailure::new(kind, format!("{place}: {message}"))
}

async fn check_query(query: &job::Query, sql: &Sql, transaction: &mut Transaction<'_>) -> Vec<Finding> {
    let description = match transaction.describe(&sql.text).await {
        Ok(description) => description,
        Err(QueryError::Sql { error, position }) => {
            let at = position.map(|position| (position.line, position.column));
            return vec![Finding::new(query, error.to_string()).at(at)];
        }
        Err(error) => return vec![Finding::new(query, error.to_string())],
    };
    let mut findings = Vec::new();
    if let Some(writes) = &description.writes {
        let finding = Finding::new(query, format!("the query would write: {writes}"));
        findings.push(finding.help("a job only reads: its transaction is read-only"));
    }
    let (expected, given) = (description.parameters.len(), sql.parameters.len());
    if expected != given {
        let parameters = if expected == 1 { "parameter" } else { "parameters" };
        let message = format!("the query has {expected} {parameters} and is given {given}");
        findings.push(Finding::new(query, message).help("give each of $1, $2 .. its entry under `parameters`"));
    }
    findings.extend(column_findings(query, &description.columns));
    findings
}
