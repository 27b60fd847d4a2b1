//! A job as it runs: every default applied, every name checked, nothing left to look up.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::placeholders::Template;
use crate::schedule::Schedule;
use crate::sinks;

pub use crate::sources::{Asked, Kind, Source, Sql};

/// What one scheduled invocation does: queries of one source that become the metrics of one group in the gateway.
#[derive(Debug, Clone)]
pub struct Job {
    /// Unique in the configuration; the `job` label of everything it pushes.
    pub name: String,
    /// When it runs.
    pub schedule: Schedule,
    /// The window in which a deployed run may be started, in whole minutes; zero for none. The scheduled time stays.
    pub jitter: Duration,
    /// A disabled job is checked but never run.
    pub enabled: bool,
    /// The team to ask.
    pub owner: Option<String>,
    /// Where the queries run.
    pub source: Source,
    /// Where the series go.
    pub sink: Sink,
    /// Where they also go, each once.
    pub also_to: Vec<sinks::Sink>,
    /// The most that the run may take, queries and push together.
    pub timeout: Duration,
    /// What happens to the other metrics when one fails.
    pub on_error: OnError,
    /// The queries in the order of the file, each with the metrics made from its rows.
    pub queries: Vec<Query>,
}

impl Job {
    /// The job's metrics in the order of their queries.
    pub fn metrics(&self) -> impl Iterator<Item = &Metric> {
        self.queries.iter().flat_map(|query| &query.metrics)
    }
}

/// Where series go.
#[derive(Debug, Clone)]
pub enum Sink {
    /// A Prometheus Pushgateway.
    Pushgateway(PushgatewaySink),
}

/// A Prometheus Pushgateway and how to reach it.
#[derive(Debug, Clone)]
pub struct PushgatewaySink {
    /// The name under `sinks`.
    pub name: String,
    /// `http(s)://host:port/prefix`, with placeholders.
    pub url: Template,
    /// Credentials for the gateway or the proxy in front of it.
    pub auth: SinkAuth,
    /// Certificates to trust besides the public roots.
    pub ca_file: Option<PathBuf>,
    /// The most that one request may take.
    pub timeout: Duration,
    /// Labels of the grouping key besides `job`, in the order of their names.
    pub grouping: Vec<(String, String)>,
    /// The most series that the endpoint may hold for all jobs together.
    pub series_budget: usize,
}

/// Credentials for a sink.
#[derive(Debug, Clone)]
pub enum SinkAuth {
    /// No `Authorization` header.
    None,
    /// HTTP basic authentication.
    Basic {
        /// The user's name.
        username: Template,
        /// The password.
        password: Template,
    },
    /// A bearer token.
    Bearer(Template),
}

/// One query and the metrics that are made from its rows.
#[derive(Debug, Clone)]
pub struct Query {
    /// What the query is called in logs and errors: its key under `queries`, or its metric's name.
    pub name: String,
    /// What the source is asked.
    pub asked: Asked,
    /// Where the first line of what is asked stands, for errors that point into it.
    pub origin: Origin,
    /// The metrics made from its rows, at least one.
    pub metrics: Vec<Metric>,
}

impl Query {
    /// Where the query, or a line and column of it, stands: `query NAME (FILE:LINE:COLUMN)`.
    pub(crate) fn place(&self, at: Option<(usize, usize)>) -> String {
        let (line, column) = at.unwrap_or((1, 1));
        let Origin {
            file,
            line: first,
            indent,
        } = &self.origin;
        format!(
            "query {} ({}:{}:{})",
            self.name,
            file.display(),
            first + line - 1,
            indent + column
        )
    }
}

/// Where a piece of text begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The file, as the user would name it.
    pub file: PathBuf,
    /// The line of the text's first character, from 1.
    pub line: usize,
    /// How many columns of indentation YAML removed from each of its lines.
    pub indent: usize,
}

/// A bound parameter, sent apart from the SQL; the database converts it to the type that it inferred.
#[derive(Debug, Clone)]
pub enum Parameter {
    /// NULL.
    Null,
    /// A value in its textual form: `42`, `true`, `failed`.
    Text(Template),
    /// The run's scheduled time plus an offset, so that a window does not depend on when the run really started.
    ScheduledTime(jiff::SignedDuration),
}

/// One metric: how rows become the series of one family.
#[derive(Debug, Clone)]
pub struct Metric {
    /// The full name, `namespace_subsystem_name`.
    pub name: String,
    /// Gauge or counter.
    pub kind: MetricKind,
    /// The `# HELP` text.
    pub help: String,
    /// What its name ends in, where the configuration says so.
    pub unit: Option<String>,
    /// Labels that are the same on every series, in the order of their names.
    pub static_labels: Vec<(String, String)>,
    /// Labels taken from columns, in the order of the file.
    pub labels: Vec<Label>,
    /// Which column or columns hold the sample values.
    pub values: Values,
    /// What a NULL in a value column means.
    pub null_value: NullValue,
    /// The label value that stands for NULL; empty leaves the label out.
    pub null_label: String,
    /// What no rows at all mean.
    pub on_empty: OnEmpty,
    /// What several rows with the same labels mean.
    pub duplicates: Duplicates,
    /// Label values that are 0 when the query gives no row for them: the grid of all combinations, over every label in
    /// `labels`; empty for no grid. In the order of `labels`.
    pub fill: Vec<Vec<String>>,
    /// More series than this fail the metric.
    pub max_series: usize,
    /// Customers may see it; rows without an organisation are left out and counted.
    pub external: bool,
}

/// The `job` label of the groups that hold what Fanlight tells of itself; no job has this name.
pub(crate) const SELF_GROUP: &str = "fanlight";
/// The name of the label that says whose series it is.
pub const ORGANISATION_LABEL: &str = "organisation_id";
/// The label and value that make a series visible to customers.
pub const EXTERNAL_PURPOSE: (&str, &str) = ("metric_purpose", "external");

/// A label taken from a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The label's name.
    pub name: String,
    /// The column that holds its value.
    pub column: String,
    /// Values that are passed on as they are; others become the `other` bucket, and the rows that fall into one bucket
    /// are added up.
    pub allowed: Option<AllowedValues>,
}

/// The values a label may take, and the bucket for all others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedValues {
    /// The values that are passed on.
    pub values: Vec<String>,
    /// The value that stands for any other.
    pub other: String,
}

/// Which column or columns hold the sample values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Values {
    /// One column, one series a row.
    Column(String),
    /// Several columns, one series a row and column; `label` names the column.
    Columns {
        /// The label that tells the columns apart.
        label: String,
        /// The column and the value of the label that stands for it.
        columns: Vec<(String, String)>,
    },
}

/// The metric's type in the exposition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MetricKind {
    /// A value that can go up and down.
    #[default]
    Gauge,
    /// A value that only goes up; the name ends in `_total`.
    Counter,
}

/// What a NULL in a value column means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NullValue {
    /// The row gives no series; it is counted.
    #[default]
    Skip,
    /// The series is 0.
    Zero,
    /// The series is NaN.
    Nan,
    /// The metric fails.
    Error,
}

/// What it means that a query gives no rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnEmpty {
    /// The series that stand in the gateway stay there.
    Keep,
    /// The metric has no series until there are rows again.
    #[default]
    Clear,
    /// The metric's one series is 0; with labels this needs `fill`.
    Zero,
    /// The metric fails.
    Error,
}

/// What happens to a job's group in the gateway when one of its metrics fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// Metrics that succeeded are replaced; failed ones keep their last good series.
    #[default]
    Keep,
    /// Metrics that succeeded are replaced; failed ones vanish.
    Drop,
    /// Nothing is pushed at all.
    Fail,
}

/// What several rows with the same labels mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Duplicates {
    /// The metric fails and names the labels.
    #[default]
    Error,
    /// Their values are added up.
    Sum,
    /// The largest value counts.
    Max,
    /// The last row counts.
    Last,
}
