//! Where rows come from: one module a kind of source, and one line in the table.
//!
//! A kind reads its settings from the configuration, and turns what it is asked into rows ([`crate::rows`]). Everything
//! that is made of rows (labels, values, policies, limits, counts, errors) is the same for all kinds and stands
//! elsewhere. A new kind is a module here, named by its key in the configuration, with
//!
//! - `SourceSpec`, its settings as written, and `Source`, the same resolved, which implements [`SourceKind`];
//! - `Clients`, what it keeps warm from one run to the next, with a `Default`;
//! - where it is not asked in SQL, `QuerySpec`, what is asked as written, and `Query`, the same resolved, which implements
//!   [`Described`];
//!
//! and its line below, under what it is asked in. Databases share all but their settings and their SQL's own ways
//! (`database`). A kind's failures have one of the kinds that [`MetricFailure`] lists.

#[macro_use]
mod table;

mod check;
pub mod cloudwatch;
mod context;
mod database;
mod failure;
pub mod http;
mod intake;
mod login;
pub mod mysql;
pub mod postgres;
mod sql;

pub use check::check_live;
pub use failure::{MetricFailure, TargetReport};
pub use sql::Sql;

pub(crate) use check::{Finding, column_findings, in_words};
pub(crate) use context::Context;
pub(crate) use intake::{Intake, Made, NoneWanted};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::job;
use crate::config::{Entry, File, Scope};
use crate::rows::Column;

sources! {
    asked in sql {
        /// A PostgreSQL database.
        postgres: Postgres,
        /// A MySQL or MariaDB database.
        mysql: Mysql,
    }
    asked by description {
        /// Metrics of AWS CloudWatch.
        cloudwatch: CloudWatch,
        /// Pages of services over HTTP.
        http: Http,
    }
}

/// Where a job's queries run.
#[derive(Debug, Clone)]
pub struct Source {
    /// The name under `sources`, or `None` for one that stands in the job.
    pub name: Option<String>,
    /// What it is.
    pub kind: Kind,
}

/// A query as its source takes it, and where its rows go.
pub(crate) type Asking<'i, 'q, Q> = (&'q Q, &'i mut Intake<'q>);

/// What every kind of source does.
pub(crate) trait SourceKind: Sized {
    /// The settings as written.
    type Spec;
    /// What it is asked.
    type Query;
    /// What it keeps warm from one run to the next.
    type Clients: Default;

    /// The schemes of URLs that name such a source; none, if it has no URLs.
    const SCHEMES: &'static [&'static str] = &[];

    /// The source of a URL of one of the schemes. Mistakes are told to the scope.
    fn from_url(_scope: &mut Scope<'_>, _file: &File, _url: &Entry<String>) -> Option<Self> {
        None
    }

    /// The source of the settings under its key. Mistakes are told to the scope.
    fn from_settings(scope: &mut Scope<'_>, file: &File, entry: &Entry<Self::Spec>) -> Option<Self>;

    /// Asks all of a job's queries, and hands each its rows or its failure.
    ///
    /// # Errors
    /// A failure that concerns all queries, such as a login that is refused.
    async fn run(
        &self,
        clients: &Self::Clients,
        queries: Vec<Asking<'_, '_, Self::Query>>,
        context: &Context<'_>,
    ) -> Result<(), MetricFailure>;

    /// What `fanlight check --live` has to say of a job's queries. Nothing is pushed.
    ///
    /// # Errors
    /// The source cannot be used at all.
    async fn check(
        &self,
        clients: &Self::Clients,
        queries: &[(&job::Query, &Self::Query)],
        context: &Context<'_>,
    ) -> Result<Vec<Finding>, MetricFailure>;
}

/// What a source is asked that takes no SQL.
pub(crate) trait Described: Sized {
    /// As it is written.
    type Spec;

    /// As it is asked. Mistakes are told to the scope.
    fn resolve(scope: &mut Scope<'_>, file: &File, entry: &Entry<Self::Spec>) -> Option<Self>;

    /// The columns of its rows, where they are known before it is asked: then `fanlight check` holds metrics against them.
    fn columns(&self) -> Option<&[Column]> {
        None
    }
}

/// The column that says which of a source's targets a row is from.
pub(crate) const TARGET: &str = "target";

/// Pairs the queries that `of` knows with where their rows go.
fn asking<'i, 'q, Q>(
    intakes: &'i mut [Intake<'q>],
    of: impl Fn(&'q job::Asked) -> Option<&'q Q>,
) -> Vec<Asking<'i, 'q, Q>> {
    let pairs = intakes.iter_mut().map(|intake| (of(&intake.query().asked), intake));
    pairs.filter_map(|(query, intake)| Some((query?, intake))).collect()
}

/// The queries that `of` knows.
fn asked<'q, Q>(
    queries: &'q [job::Query],
    of: impl Fn(&'q job::Asked) -> Option<&'q Q>,
) -> Vec<(&'q job::Query, &'q Q)> {
    queries
        .iter()
        .filter_map(|query| Some((query, of(&query.asked)?)))
        .collect()
}
