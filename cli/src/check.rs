//! `fanlight check`: every mistake of a configuration at once; with `--live` also what the databases say of the queries.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use shared::config::job::{Job, Query, Source, Values};
use shared::config::{FolderError, Loaded};
use shared::placeholders::{Environment, Resolver};
use shared::postgres::{Connections, Description, QueryError, Transaction};
use shared::secrets::{Limits, SecretsManager};
use shared::suggest;
use tokio::time::Instant;

/// The most that one job's queries may take to be looked at.
const PATIENCE: Duration = Duration::from_secs(15);

/// Says every mistake in the configuration, with its place and what to do; exit status 1 if there is one.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The folder to check, instead of the one that --config names
    dir: Option<PathBuf>,
    /// Also ask the databases: missing columns, wrong types, SQL errors and writes. No query is run
    #[arg(long)]
    live: bool,
}

/// Runs the command.
///
/// # Errors
/// The folder cannot be read.
pub async fn run(args: CheckArgs, config: &Path) -> Result<ExitCode, FolderError> {
    let folder = args.dir.as_deref().unwrap_or(config);
    let mut loaded = shared::config::load(folder)?;
    loaded.check(|name| std::env::var_os(name).is_some());
    if args.live {
        check_live(&mut loaded).await;
    }
    let report = &loaded.report;
    eprint!("{}", report.render(std::io::stderr().is_terminal()));
    let jobs = &loaded.configuration.jobs;
    let metrics: usize = jobs.iter().map(|job| job.metrics().count()).sum();
    let counts = format!(
        "{}: {}, {}, {}, at most {} series",
        folder.display(),
        count(loaded.files, "file"),
        count(jobs.len(), "job"),
        count(metrics, "metric"),
        loaded.configuration.most_series()
    );
    if report.mistakes() == 0 {
        println!("{counts}: no mistakes, {}", count(report.warnings(), "warning"));
        return Ok(ExitCode::SUCCESS);
    }
    println!(
        "{counts}: {}, {}",
        count(report.mistakes(), "mistake"),
        count(report.warnings(), "warning")
    );
    Ok(ExitCode::FAILURE)
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// What a database says of a query.
struct Finding {
    query: Query,
    at: Option<(usize, usize)>,
    message: String,
    help: Option<String>,
}

impl Finding {
    fn new(query: &Query, message: impl Into<String>) -> Self {
        Self {
            query: query.clone(),
            at: None,
            message: message.into(),
            help: None,
        }
    }
}

async fn check_live(loaded: &mut Loaded) {
    let providers = loaded.configuration.providers.clone();
    let secrets = SecretsManager::from_environment(Limits::default());
    let resolver = Resolver::new(providers, Environment::Process, secrets);
    let connections = Connections::new();
    let mut findings = Vec::new();
    for job in loaded.configuration.jobs.iter().filter(|job| job.enabled) {
        findings.extend(check_job(job, &connections, &resolver).await);
    }
    for Finding {
        query,
        at,
        message,
        help,
    } in findings
    {
        loaded.add_query_finding(&query, at, message, help);
    }
}

async fn check_job(job: &Job, connections: &Connections, resolver: &Resolver) -> Vec<Finding> {
    let Source::Postgres(source) = &job.source;
    let deadline = Instant::now() + PATIENCE;
    let url = match resolver.resolve_url(&source.url).await {
        Ok(url) => url,
        Err(error) => {
            return job
                .queries
                .iter()
                .map(|query| Finding::new(query, error.to_string()))
                .collect();
        }
    };
    let mut transaction = match connections.begin(&url, source.ca_file.as_deref(), deadline).await {
        Ok(transaction) => transaction,
        Err(error) => {
            return job
                .queries
                .iter()
                .map(|query| Finding::new(query, error.to_string()))
                .collect();
        }
    };
    let mut findings = Vec::new();
    for query in &job.queries {
        findings.extend(check_query(query, &mut transaction).await);
    }
    transaction.finish().await;
    findings
}

async fn check_query(query: &Query, transaction: &mut Transaction<'_>) -> Vec<Finding> {
    let description = match transaction.describe(&query.sql).await {
        Ok(description) => description,
        Err(QueryError::Sql { error, position }) => {
            let at = position.map(|position| (position.line, position.column));
            return vec![Finding {
                at,
                ..Finding::new(query, error.to_string())
            }];
        }
        Err(error) => return vec![Finding::new(query, error.to_string())],
    };
    let mut findings = Vec::new();
    if let Some(writes) = &description.writes {
        let help = Some("a job only reads: its transaction is read-only".to_owned());
        findings.push(Finding {
            help,
            ..Finding::new(query, format!("the query would write: {writes}"))
        });
    }
    let (expected, given) = (description.parameters.len(), query.parameters.len());
    if expected != given {
        let help = Some("give each of $1, $2 .. its entry under `parameters`".to_owned());
        let message = format!("the query has {} and is given {given}", count(expected, "parameter"));
        findings.push(Finding {
            help,
            ..Finding::new(query, message)
        });
    }
    findings.extend(check_columns(query, &description));
    findings
}

/// The columns that the query's metrics are made from, each told once.
fn check_columns(query: &Query, description: &Description) -> Vec<Finding> {
    let mut wanted: BTreeMap<&str, (&str, bool)> = BTreeMap::new();
    for metric in &query.metrics {
        for label in &metric.labels {
            wanted.entry(&label.column).or_insert((&metric.name, false));
        }
        let values = match &metric.values {
            Values::Column(column) => vec![column],
            Values::Columns { columns, .. } => columns.iter().map(|(column, _)| column).collect(),
        };
        for column in values {
            wanted.insert(column, (&metric.name, true));
        }
    }
    let mut findings = Vec::new();
    for (name, (metric, is_value)) in wanted {
        let Some(column) = description.columns.iter().find(|column| column.name == name) else {
            let names = || description.columns.iter().map(|column| column.name.as_str());
            let help = match suggest::closest(name, names()) {
                Some(near) => format!("did you mean `{near}`? Or write `AS {name}`"),
                None => format!("it gives {}", names().collect::<Vec<_>>().join(", ")),
            };
            let message = format!("the query gives no column `{name}`, which `{metric}` needs");
            findings.push(Finding {
                help: Some(help),
                ..Finding::new(query, message)
            });
            continue;
        };
        if is_value && !column.numeric {
            let message = format!(
                "the column `{name}` is of type {}, and `{metric}` needs a number",
                column.type_name
            );
            let help = Some(format!("cast it, such as `{name}::numeric AS {name}`"));
            findings.push(Finding {
                help,
                ..Finding::new(query, message)
            });
        }
    }
    findings
}
