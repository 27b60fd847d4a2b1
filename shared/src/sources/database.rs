//! A database as a source, whatever its kind: the queries of a job, one after the other in one transaction.
//!
//! What a kind of database has of its own is its [`Dialect`], in the module of its name.

use std::marker::PhantomData;

use jiff::Timestamp;
use tokio::time::Instant;

pub(super) use super::login::{RdsIamSpec, Settings};

use super::login::{Access, Credentials};
use super::{Asking, Context, Finding, Intake, MetricFailure, NoneWanted, SourceKind, Sql, column_findings};
use crate::config::{Entry, File, Scope, job};
use crate::database::{ConnectError, Connections, Database, QueryError, ServerError as _, Transaction};
use crate::rds::Tokens;

/// What a kind of database has of its own as a source.
pub(crate) trait Dialect: Database + Clone + PartialEq + Eq {
    /// The settings as written.
    type Spec;

    /// The schemes of its URLs; the first is for examples.
    const SCHEMES: &'static [&'static str];
    /// What to do about a query whose parameters are not those that it is given.
    const PARAMETERS_HELP: &'static str;

    /// The settings, which are the same for every kind.
    fn settings(spec: &Self::Spec) -> Settings<'_>;

    /// A point in time as its SQL reads one.
    fn point_in_time(time: Timestamp) -> String;
}

/// A database of the kind `D`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source<D> {
    pub(crate) access: Access,
    kind: PhantomData<D>,
}

/// What sources of databases keep warm from one run to the next.
pub(crate) struct Clients<D: Database> {
    connections: Connections<D>,
    tokens: Tokens,
}

impl<D: Database> Default for Clients<D> {
    fn default() -> Self {
        Self {
            connections: Connections::new(),
            tokens: Tokens::default(),
        }
    }
}

impl<D: Dialect> SourceKind for Source<D> {
    type Spec = D::Spec;
    type Query = Sql;
    type Clients = Clients<D>;

    const SCHEMES: &'static [&'static str] = D::SCHEMES;

    fn from_url(scope: &mut Scope<'_>, file: &File, url: &Entry<String>) -> Option<Self> {
        Access::resolve::<D>(scope, file, url, None, None).map(Self::by)
    }

    fn from_settings(scope: &mut Scope<'_>, file: &File, entry: &Entry<D::Spec>) -> Option<Self> {
        let Settings { url, ca_file, rds_iam } = D::settings(entry.get()?);
        let Some(url) = url else {
            let message = format!("a {} source needs a `url`", D::NAME);
            scope.mistake(file, &entry.span, message, |mistake| {
                let scheme = D::SCHEMES.first().copied().unwrap_or_default();
                mistake.help(format!(
                    "add `url: '{scheme}://{{{{DB_USERNAME}}}}:{{{{DB_PASSWORD}}}}@{{{{DB_HOST}}}}/{{{{DB_NAME}}}}'`"
                ))
            });
            return None;
        };
        Access::resolve::<D>(scope, file, url, ca_file.as_ref(), rds_iam.as_ref()).map(Self::by)
    }

    async fn run(
        &self,
        clients: &Clients<D>,
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
        clients: &Clients<D>,
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

impl<D: Database> Source<D> {
    fn by(access: Access) -> Self {
        let kind = PhantomData;
        Self { access, kind }
    }

    /// Logs in; when the password is refused, once more with secrets fetched anew, for they may have been rotated.
    async fn begin<'c>(
        &self,
        clients: &'c Clients<D>,
        context: &Context<'_>,
    ) -> Result<Transaction<'c, D>, MetricFailure> {
        let tokens = &clients.tokens;
        let credentials = self.access.credentials::<D>(tokens, context).await?;
        let error = match self.log_in(&credentials, clients, context).await {
            Ok(transaction) => return Ok(transaction),
            Err(error) if error.is_login_failure() => error,
            Err(error) => return Err(connect_failure(context, &error)),
        };
        let Some(anew) = self.access.anew::<D>(&credentials, tokens, context).await? else {
            return Err(connect_failure(context, &error));
        };
        let begun = self.log_in(&anew, clients, context).await;
        begun.map_err(|error| connect_failure(context, &error))
    }

    async fn log_in<'c>(
        &self,
        Credentials { url, token }: &Credentials,
        clients: &'c Clients<D>,
        context: &Context<'_>,
    ) -> Result<Transaction<'c, D>, ConnectError<D>> {
        let ca_file = self.access.ca_file.as_deref();
        let connections = &clients.connections;
        connections
            .begin_with(url, ca_file, token.as_ref(), context.deadline)
            .await
    }
}

fn connect_failure<D: Database>(context: &Context<'_>, error: &ConnectError<D>) -> MetricFailure {
    let kind = if error.is_login_failure() { "login" } else { "connect" };
    MetricFailure::new(kind, context.about_source(error))
}

async fn run_query<D: Dialect>(
    sql: &Sql,
    intake: &mut Intake<'_>,
    transaction: &mut Transaction<'_, D>,
    context: &Context<'_>,
) -> Result<(), MetricFailure> {
    let query = intake.query();
    let parameters = sql.parameters(&query.name, context, D::point_in_time).await?;
    match transaction.query(&sql.text, &parameters, intake).await {
        Ok(_) | Err(QueryError::Consumer(NoneWanted)) => Ok(()),
        Err(error) => Err(query_failure(query, &error)),
    }
}

fn query_failure<D: Database>(query: &job::Query, error: &QueryError<NoneWanted, D>) -> MetricFailure {
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

async fn check_query<D: Dialect>(query: &job::Query, sql: &Sql, transaction: &mut Transaction<'_, D>) -> Vec<Finding> {
    let writes = |message: String| Finding::new(query, message).help("a job only reads: its transaction is read-only");
    let description = match transaction.describe(&sql.text).await {
        Ok(description) => description,
        Err(QueryError::Sql { error, .. }) if error.is_write() => {
            return vec![writes("the query would write".to_owned())];
        }
        Err(QueryError::Sql { error, position }) => {
            let at = position.map(|position| (position.line, position.column));
            return vec![Finding::new(query, error.to_string()).at(at)];
        }
        Err(error) => return vec![Finding::new(query, error.to_string())],
    };
    let mut findings = Vec::new();
    if let Some(what) = &description.writes {
        findings.push(writes(format!("the query would write: {what}")));
    }
    let (expected, given) = (description.parameters.len(), sql.parameters.len());
    if expected != given {
        let parameters = if expected == 1 { "parameter" } else { "parameters" };
        let message = format!("the query has {expected} {parameters} and is given {given}");
        findings.push(Finding::new(query, message).help(D::PARAMETERS_HELP));
    }
    findings.extend(column_findings(query, &description.columns));
    findings
}
