//! `fanlight check`: every mistake of a configuration at once; with `--live` also what the databases say of the queries.

use std::collections::HashSet;
use std::io::IsTerminal;
use std::mem::discriminant;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use shared::assembly::{ColumnError, column_problems};
use shared::config::job::{Job, PostgresSource, Query, Source};
use shared::config::{FolderError, Loaded};
use shared::placeholders::Resolver;
use shared::postgres::{Connections, Description, QueryError, Transaction};
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
    let resolver = Resolver::of_process(providers);
    let connections = Connections::new();
    let mut findings = Vec::new();
    let mut unusable = Vec::new();
    for job in loaded.configuration.jobs.iter().filter(|job| job.enabled) {
        let Source::Postgres(source) = &job.source;
        let same = |other: &&PostgresSource| other.url == source.url && other.ca_file == source.ca_file;
        // Its jobs have the same trouble, and each would wait for it again.
        if unusable.iter().any(same) {
            continue;
        }
        match check_job(job, &connections, &resolver).await {
            Ok(found) => findings.extend(found),
            Err(reason) => {
                let at = job.queries.first().map(|query| Finding {
                    help: Some("no further query of this source is checked".to_owned()),
                    ..Finding::new(query, reason)
                });
                findings.extend(at);
                unusable.push(source);
            }
        }
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

/// What the database says of a job's queries, or why the source cannot be used.
async fn check_job(job: &Job, connections: &Connections, resolver: &Resolver) -> Result<Vec<Finding>, String> {
    let Source::Postgres(source) = &job.source;
    let deadline = Instant::now() + PATIENCE;
    let url = resolver
        .resolve_url(&source.url)
        .await
        .map_err(|error| error.to_string())?;
    let mut transaction = connections
        .begin(&url, source.ca_file.as_deref(), deadline)
        .await
        .map_err(|error| error.to_string())?;
    let mut findings = Vec::new();
    for query in &job.queries {
        findings.extend(check_query(query, &mut transaction).await);
    }
    transaction.finish().await;
    Ok(findings)
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

/// What of the query's columns its metrics cannot be made from; what several metrics need is told with the first.
fn check_columns(query: &Query, description: &Description) -> Vec<Finding> {
    let mut told = HashSet::new();
    let mut findings = Vec::new();
    for metric in &query.metrics {
        for problem in column_problems(metric, &description.columns) {
            let (message, help) = in_words(&metric.name, &problem);
            if told.insert((discriminant(&problem), problem.column().to_owned())) {
                findings.push(Finding {
                    help: Some(help),
                    ..Finding::new(query, message)
                });
            }
        }
    }
    findings
}

/// What is wrong with a column that a metric needs, and what to do.
fn in_words(metric: &str, problem: &ColumnError) -> (String, String) {
    match problem {
        ColumnError::Missing {
            column,
            given,
            suggestion,
            ..
        } => {
            let help = match suggestion {
                Some(near) => format!("did you mean `{near}`? Or write `AS {column}`"),
                None => format!("it gives {}", given.join(", ")),
            };
            (
                format!("the query gives no column `{column}`, which `{metric}` needs"),
                help,
            )
        }
        ColumnError::Ambiguous { column, count, .. } => (
            format!("the query gives {count} columns named `{column}`, which `{metric}` needs"),
            "name the others differently with AS".to_owned(),
        ),
        ColumnError::NoLabel { column, type_name, .. } => (
            format!("the column `{column}` is of type {type_name}, which cannot be a label of `{metric}`"),
            format!("cast it, such as `{column}::text AS {column}`"),
        ),
        ColumnError::NotNumeric { column, type_name, .. } => (
            format!("the column `{column}` is of type {type_name}, and `{metric}` needs a number"),
            format!("cast it, such as `{column}::numeric AS {column}`"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::rows::Column;

    const JOB: &str = "
  schedule: '* * * * *'
  source: shop
  metrics:
  - {name: a, help: h, labels: [photo, os], value: n, query: SELECT}
  - {name: b, help: h, labels: [nam], value: n, query: SELECT}
";

    fn loaded(text: &str) -> Loaded {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.yaml"), text).unwrap();
        shared::config::load(folder.path()).unwrap()
    }

    #[tokio::test]
    async fn a_source_that_cannot_be_used_is_told_once_and_each_other_source_too() {
        let other = JOB.replace("source: shop", "source: 'postgres://{{FANLIGHT_NOBODY_EITHER}}@h/d'");
        let mut loaded = loaded(&format!(
            "sources: {{shop: 'postgres://{{{{FANLIGHT_NOBODY}}}}@h/d'}}\njobs:\n- name: one{JOB}- name: two{JOB}- name: \
             three{other}"
        ));
        assert_eq!(loaded.report.summary(), "");
        check_live(&mut loaded).await;
        let summary = loaded.report.summary();
        assert_eq!(summary.lines().count(), 2, "{summary}");
        assert!(
            summary.contains("{{FANLIGHT_NOBODY}}") && summary.contains("{{FANLIGHT_NOBODY_EITHER}}"),
            "{summary}"
        );
        assert!(
            summary
                .lines()
                .all(|line| line.ends_with("; no further query of this source is checked")),
            "{summary}"
        );
    }

    #[test]
    fn columns_are_held_to_the_assemblers_rules_and_each_is_told_once() {
        let shared_query = "jobs:
- name: j
  schedule: '* * * * *'
  source: postgres://u@h/d
  queries: {q: {query: SELECT}}
  metrics:
  - {name: a, help: h, labels: [photo, os, nam], value: n, from_query: q}
  - {name: b, help: h, labels: [photo, os, nam], value: name, from_query: q}
";
        let loaded = loaded(shared_query);
        let column = |name: &str, type_name: &str| Column {
            name: name.to_owned(),
            type_name: type_name.to_owned(),
            numeric: type_name == "int8",
            label: type_name != "bytea",
        };
        let description = Description {
            columns: vec![
                column("photo", "bytea"),
                column("os", "text"),
                column("os", "text"),
                column("name", "text"),
                column("n", "int8"),
            ],
            parameters: Vec::new(),
            writes: None,
        };
        let findings = check_columns(&loaded.configuration.jobs[0].queries[0], &description);
        let told: Vec<_> = findings
            .iter()
            .map(|finding| format!("{}; {}", finding.message, finding.help.as_deref().unwrap_or_default()))
            .collect();
        assert_eq!(
            told,
            [
                "the column `photo` is of type bytea, which cannot be a label of `a`; cast it, such as `photo::text AS photo`",
                "the query gives 2 columns named `os`, which `a` needs; name the others differently with AS",
                "the query gives no column `nam`, which `a` needs; did you mean `name`? Or write `AS nam`",
                "the column `name` is of type text, and `b` needs a number; cast it, such as `name::numeric AS name`",
            ]
        );
    }
}
