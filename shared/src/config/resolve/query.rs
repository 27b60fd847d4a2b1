//! Queries: the SQL, where it stands, and what is bound to its parameters.

use std::collections::BTreeMap;
use std::ops::Range;

use super::{Scope, first};
use crate::config::document::{JobSpec, MetricSpec, ParameterSpec, QuerySpec, TimeSpec};
use crate::config::folder::{self, File};
use crate::config::job::{Metric, Origin, Parameter, Query};
use crate::config::mistake::{self, Mistake};
use crate::config::read::{Entry, Mapping};
use crate::placeholders::Template;
use crate::suggest;

/// A job's queries while its metrics are resolved.
#[derive(Default)]
pub(super) struct Queries<'a> {
    named: BTreeMap<&'a str, Named>,
    resolved: Vec<Query>,
}

/// A query under the job's `queries`.
struct Named {
    span: Range<usize>,
    /// `None` where it has a mistake, which has been told.
    query: Option<Query>,
    /// Where it stands among the resolved ones once a metric uses it.
    used: Option<usize>,
}

impl<'a> Queries<'a> {
    /// The queries under the job's `queries`.
    pub(super) fn declare(scope: &mut Scope<'_>, file: &File, spec: &'a JobSpec) -> Self {
        let mut queries = Self::default();
        let Some(Mapping(entries)) = first([spec.queries.as_ref()]) else {
            return queries;
        };
        for (name, entry) in entries {
            let Some(text) = name.get() else { continue };
            let query = entry.get().and_then(|spec| {
                let QuerySpec {
                    query,
                    query_file,
                    parameters,
                } = spec;
                resolve(scope, file, text, &entry.span, [query, query_file], parameters.as_ref())
            });
            let span = name.span.clone();
            queries.named.insert(
                text,
                Named {
                    span,
                    query,
                    used: None,
                },
            );
        }
        queries
    }

    /// Puts a metric to the query that it names, or to its own.
    pub(super) fn add(
        &mut self,
        scope: &mut Scope<'_>,
        file: &File,
        spec: &MetricSpec,
        metric: Metric,
        place: &Range<usize>,
    ) {
        let own = [&spec.query, &spec.query_file];
        let Some(from_query) = &spec.from_query else {
            if let Some(mut query) = resolve(scope, file, &metric.name, place, own, spec.parameters.as_ref()) {
                query.metrics.push(metric);
                self.resolved.push(query);
            }
            return;
        };
        for entry in own.into_iter().flatten() {
            let message = "the metric has a query of its own and one that it shares";
            scope.mistake(file, &entry.span, message, |mistake| {
                mistake.help("remove it, or `from_query`")
            });
        }
        if let Some(parameters) = &spec.parameters {
            let message = "the parameters of a shared query stand with that query";
            scope.mistake(file, &parameters.span, message, |mistake| {
                mistake.help("move them there")
            });
        }
        let Some(name) = from_query.get() else { return };
        let Some(named) = self.named.get_mut(name.as_str()) else {
            scope.unknown(file, from_query.span.clone(), "query", name, |_| {
                let none = "declare it under the job's `queries`";
                suggest::remedy(name, self.named.keys().copied(), "job's queries", none)
            });
            return;
        };
        let Some(query) = &named.query else { return };
        let used = *named.used.get_or_insert_with(|| {
            self.resolved.push(query.clone());
            self.resolved.len() - 1
        });
        self.resolved[used].metrics.push(metric);
    }

    /// The queries that are used, in the order of their metrics; unused ones are told.
    pub(super) fn finish(self, scope: &mut Scope<'_>, file: &File) -> Vec<Query> {
        for (name, named) in &self.named {
            if named.query.is_some() && named.used.is_none() {
                let warning = Mistake::warning(
                    &file.path,
                    named.span.clone(),
                    format!("no metric uses the query `{name}`"),
                );
                scope.report.add(warning.help("say `from_query`, or remove it"));
            }
        }
        self.resolved
    }
}

fn resolve(
    scope: &mut Scope<'_>,
    file: &File,
    name: &str,
    place: &Range<usize>,
    [inline, from_file]: [&Option<Entry<String>>; 2],
    parameters: Option<&Entry<Vec<Entry<ParameterSpec>>>>,
) -> Option<Query> {
    let (sql, origin, span) = match (inline, from_file) {
        (Some(entry), None) => {
            let sql = entry.get()?;
            (sql.clone(), origin(file, entry, sql), entry.span.clone())
        }
        (None, Some(entry)) => {
            let path = scope.path(file, entry)?;
            match folder::read_text(&path) {
                Ok(sql) => {
                    scope.report.add_text(&path, &sql);
                    (
                        sql,
                        Origin {
                            file: path,
                            line: 1,
                            indent: 0,
                        },
                        entry.span.clone(),
                    )
                }
                Err(problem) => {
                    scope.mistake(file, &entry.span, format!("{}: {problem}", path.display()), |mistake| {
                        mistake
                    });
                    return None;
                }
            }
        }
        (None, None) => {
            scope.mistake(file, place, format!("`{name}` has no query"), |mistake| {
                mistake.help("give it `query` with SQL, or `query_file` with the name of a file")
            });
            return None;
        }
        (Some(_), Some(entry)) => {
            scope.mistake(
                file,
                &entry.span,
                "there is both a `query` and a `query_file`",
                |mistake| mistake.help("remove one of them"),
            );
            return None;
        }
    };
    if sql.trim().is_empty() {
        scope.mistake(file, &span, "the query is empty", |mistake| {
            mistake.help("write one SQL statement that reads, such as `SELECT count(*) AS count FROM ..`")
        });
        return None;
    }
    // Text in braces that is no name, such as PostgreSQL's '{{1,2},{3,4}}', is left alone.
    if let Some(placeholder) = Template::parse(&sql)
        .ok()
        .as_ref()
        .and_then(|template| template.names().next())
    {
        let message = format!("the placeholder `{{{{{placeholder}}}}}` stands in SQL, where nothing is ever filled in");
        scope.mistake(file, &span, message, |mistake| {
            mistake.help("write $1 and bind it: `parameters: ['{{NAME}}']`")
        });
        return None;
    }
    let parameters = match parameters {
        Some(entry) => resolve_parameters(scope, file, entry.get()?)?,
        None => Vec::new(),
    };
    Some(Query {
        name: name.to_owned(),
        sql,
        origin,
        parameters,
        metrics: Vec::new(),
    })
}

fn resolve_parameters(scope: &mut Scope<'_>, file: &File, specs: &[Entry<ParameterSpec>]) -> Option<Vec<Parameter>> {
    specs
        .iter()
        .map(|entry| resolve_parameter(scope, file, entry))
        .collect()
}

fn resolve_parameter(scope: &mut Scope<'_>, file: &File, entry: &Entry<ParameterSpec>) -> Option<Parameter> {
    let text = match entry.get()? {
        ParameterSpec::Null => return Some(Parameter::Null),
        ParameterSpec::Boolean(value) => value.to_string(),
        ParameterSpec::Integer(value) => value.to_string(),
        ParameterSpec::Float(value) => value.to_string(),
        ParameterSpec::Text(text) => text.clone(),
        ParameterSpec::Time(TimeSpec {
            scheduled_time: Some(offset),
        }) => {
            return offset.get().map(|offset| Parameter::ScheduledTime(offset.0));
        }
        ParameterSpec::Time(TimeSpec { scheduled_time: None }) => {
            scope.mistake(file, &entry.span, "the parameter is empty", |mistake| {
                mistake.help("write `scheduled_time: -1h`, or a plain value")
            });
            return None;
        }
    };
    let entry = Entry::new(entry.span.clone(), text);
    scope.template(file, &entry).map(Parameter::Text)
}

/// Where the SQL's first line stands. A block (`|`) keeps its lines, less their indentation; SQL that YAML has folded or
/// unescaped has no lines of its own in the file, and counts as standing where it begins.
fn origin(file: &File, entry: &Entry<String>, sql: &str) -> Origin {
    let first_line = sql.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let skipped = sql.lines().take_while(|line| line.trim().is_empty()).count();
    let from = entry.span.start.min(file.text.len());
    let at = file.text[from..].find(first_line).map_or(from, |offset| from + offset);
    let (line, column) = mistake::position(&file.text, at);
    Origin {
        file: file.path.clone(),
        line: line.saturating_sub(skipped),
        indent: column - 1,
    }
}
