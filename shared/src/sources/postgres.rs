//! PostgreSQL as a source: the queries of a job, one after the other in one transaction.

use schemars::JsonSchema;
use serde::Deserialize;
use tokio::time::Instant;

use super::context::rfc_3339;
use super::database::{self, Access, Credentials, RdsIamSpec, Urls};
use super::{Asking, Context, Finding, Intake, MetricFailure, NoneWanted, SourceKind, Sql, column_findings};
use crate::config::{Entry, File, Scope, job};
use crate::postgres::{self, ConnectError, Connections, QueryError, Transaction, UrlError};

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
    /// RDS' IAM authentication: a signed token instead of a password.
    rds_iam: Option<Entry<RdsIamSpec>>,
}

const URLS: Urls<UrlError> = Urls {
    inspect: postgres::inspect,
    inspect_for_token: postgres::inspect_for_token,
    login: postgres::login_for_token,
};

/// A PostgreSQL database: a connection URL as libpq reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub(crate) access: Access,
}

pub(crate) type Clients = database::Clients<Connections>;

impl SourceKind for Source {
    type Spec = SourceSpec;
    type Query = Sql;
    type Clients = Clients;

    const SCHEMES: &'static [&'static str] = &["postgres", "postgresql"];

    fn from_url(scope: &mut Scope<'_>, file: &File, url: &Entry<String>) -> Option<Self> {
        URLS.resolve(scope, file, url, None, None).map(|access| Self { access })
    }

    fn from_settings(scope: &mut Scope<'_>, file: &File, entry: &Entry<SourceSpec>) -> Option<Self> {
        let SourceSpec { url, ca_file, rds_iam } = entry.get()?;
        let Some(url) = url else {
            scope.mistake(file, &entry.span, "a PostgreSQL source needs a `url`", |mistake| {
                mistake.help("add `url: 'postgres://{{DB_USERNAME}}:{{DB_PASSWORD}}@{{DB_HOST}}/{{DB_NAME}}'`")
            });
            return None;
        };
        let access = URLS.resolve(scope, file, url, ca_file.as_ref(), rds_iam.as_ref());
        access.map(|access| Self { access })
    }

    async fn run(
        &self,
        clients: &Clients,
        queries: Vec<Asking<'_, '_, Sql>>,
        context: &Context<'_>,
    ) -> Result<(), MetricFailure> {
        let mut transaction = self.begin(clients, context).await?;
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
        clients: &Clients,
        queries: &[(&job::Query, &Sql)],
        context: &Context<'_>,
    ) -> Result<Vec<Finding>, MetricFailure> {
        let mut transaction = self.begin(clients, context).await?;
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
    async fn begin<'c>(&self, clients: &'c Clients, context: &Context<'_>) -> Result<Transaction<'c>, MetricFailure> {
        let (access, tokens) = (&self.access, &clients.tokens);
        let credentials = URLS.credentials(access, tokens, context).await?;
        let error = match self.log_in(&credentials, clients, context).await {
            Ok(transaction) => return Ok(transaction),
            Err(error) if error.is_login_failure() => error,
            Err(error) => return Err(connect_failure(context, &error)),
        };
        let Some(anew) = URLS.anew(&credentials, access, tokens, context).await? else {
            return Err(connect_failure(context, &error));
        };
        let begun = self.log_in(&anew, clients, context).await;
        begun.map_err(|error| connect_failure(context, &error))
    }

    async fn log_in<'c>(
        &self,
        Credentials { url, token }: &Credentials,
        clients: &'c Clients,
        context: &Context<'_>,
    ) -> Result<Transaction<'c>, ConnectError> {
        let ca_file = self.access.ca_file.as_deref();
        let connections = &clients.connections;
        connections
            .begin_with(url, ca_file, token.as_ref(), context.deadline)
            .await
    }
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
