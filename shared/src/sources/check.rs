//! What sources themselves say of queries, before a deployment: `fanlight check --live`.

use std::collections::HashSet;
use std::mem::discriminant;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::{Clients, Context, Kind};
use crate::assembly::{ColumnError, Form, column_problems};
use crate::config::Loaded;
use crate::config::job::Query;
use crate::placeholders::Resolver;
use crate::rows::Column;

/// The most that one job's queries may take to be looked at.
const PATIENCE: Duration = Duration::from_secs(15);

/// What a source says of a query.
pub(crate) struct Finding {
    query: Query,
    at: Option<(usize, usize)>,
    message: String,
    help: Option<String>,
}

impl Finding {
    pub(crate) fn new(query: &Query, message: impl Into<String>) -> Self {
        Self {
            query: query.clone(),
            at: None,
            message: message.into(),
            help: None,
        }
    }

    /// At a line and column of the query, both from 1, where they are known.
    pub(crate) fn at(self, at: Option<(usize, usize)>) -> Self {
        Self { at, ..self }
    }

    pub(crate) fn help(self, help: impl Into<String>) -> Self {
        let help = Some(help.into());
        Self { help, ..self }
    }
}

/// Adds to the report what the sources of the enabled jobs say of their queries. Nothing is pushed.
pub async fn check_live(loaded: &mut Loaded, resolver: &Resolver) {
    let clients = Clients::default();
    let mut findings = Vec::new();
    let mut unusable: Vec<&Kind> = Vec::new();
    for job in loaded.configuration.jobs.iter().filter(|job| job.enabled) {
        let kind = &job.source.kind;
        // Its jobs have the same trouble, and each would wait for it again.
        if unusable.contains(&kind) {
            continue;
        }
        let context = Context {
            resolver,
            scheduled_time: Timestamp::now(),
            deadline: Instant::now() + PATIENCE,
            form: Form::Plain,
            source: None,
        };
        match kind.check(&clients, &job.queries, &context).await {
            Ok(found) => findings.extend(found),
            Err(failure) => {
                let at = job.queries.first().map(|query| {
                    Finding::new(query, failure.message).help("no further query of this source is checked")
                });
                findings.extend(at);
                unusable.push(kind);
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

/// What of a query's columns its metrics cannot be made from; what several metrics need is told with the first.
pub(crate) fn column_findings(query: &Query, columns: &[Column]) -> Vec<Finding> {
    let mut told = HashSet::new();
    let mut findings = Vec::new();
    for metric in &query.metrics {
        for problem in column_problems(metric, columns) {
            let (message, help) = in_words(&metric.name, &problem);
            if told.insert((discriminant(&problem), problem.column().to_owned())) {
                findings.push(Finding::new(query, message).help(help));
            }
        }
    }
    findings
}

/// What is wrong with a column that a metric needs, and what to do.
pub(crate) fn in_words(metric: &str, problem: &ColumnError) -> (String, String) {
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
            format!("turn it into text in the query, and write `AS {column}`"),
        ),
        ColumnError::NotNumeric { column, type_name, .. } => (
            format!("the column `{column}` is of type {type_name}, and `{metric}` needs a number"),
            format!("cast it to a number in the query, and write `AS {column}`"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::sample::loaded;

    const JOB: &str = "
  schedule: '* * * * *'
  source: shop
  metrics:
  - {name: a, help: h, labels: [photo, os], value: n, query: SELECT}
  - {name: b, help: h, labels: [nam], value: n, query: SELECT}
";

    #[tokio::test]
    async fn a_source_that_cannot_be_used_is_told_once_and_each_other_source_too() {
        let other = JOB.replace("source: shop", "source: 'postgres://{{FANLIGHT_NOBODY_EITHER}}@h/d'");
        let mut loaded = loaded(&format!(
            "sources: {{shop: 'postgres://{{{{FANLIGHT_NOBODY}}}}@h/d'}}\njobs:\n- name: one{JOB}- name: two{JOB}- name: \
             three{other}"
        ));
        assert_eq!(loaded.report.summary(), "");
        check_live(&mut loaded, &Resolver::of_process(BTreeMap::new())).await;
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
        let columns = [
            column("photo", "bytea"),
            column("os", "text"),
            column("os", "text"),
            column("name", "text"),
            column("n", "int8"),
        ];
        let findings = column_findings(&loaded.configuration.jobs[0].queries[0], &columns);
        let told: Vec<_> = findings
            .iter()
            .map(|finding| format!("{}; {}", finding.message, finding.help.as_deref().unwrap_or_default()))
            .collect();
        assert_eq!(
            told,
            [
                "the column `photo` is of type bytea, which cannot be a label of `a`; turn it into text in the query, and write `AS photo`",
                "the query gives 2 columns named `os`, which `a` needs; name the others differently with AS",
                "the query gives no column `nam`, which `a` needs; did you mean `name`? Or write `AS nam`",
                "the column `name` is of type text, and `b` needs a number; cast it to a number in the query, and write `AS name`",
            ]
        );
    }
}
