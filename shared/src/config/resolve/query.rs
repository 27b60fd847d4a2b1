//! Queries: what the source is asked, where that stands, and what is bound to its parameters.

use std::collections::BTreeMap;
use std::ops::Range;

use super::{Scope, first};
use crate::assembly::{ColumnError, column_problems};
use crate::config::document::{AskedSpec, JobSpec, LabelsSpec, MetricSpec, ParameterSpec, QuerySpec, TimeSpec};
use crate::config::folder::{self, File};
use crate::config::job::{Asked, Kind, Metric, Origin, Parameter, Query, Source, Sql};
use crate::config::mistake::{self, Mistake};
use crate::config::read::{Entry, Mapping};
use crate::placeholders::Template;
use crate::sources::{QueryDescription, in_words};
use crate::suggest;

/// A job's queries while its metrics are resolved.
#[derive(Default)]
pub(super) struct Queries<'a> {
    /// What is asked; `None` where the source has a mistake, which has been told.
    kind: Option<Kind>,
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
    pub(super) fn declare(scope: &mut Scope<'_>, file: &File, spec: &'a JobSpec, source: Option<&Source>) -> Self {
        let mut queries = Self {
            kind: source.map(|source| source.kind.clone()),
            ..Self::default()
        };
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
                let written = Written {
                    query: query.as_ref(),
                    query_file: query_file.as_ref(),
                    parameters: parameters.as_ref(),
                };
                resolve(scope, file, text, &entry.span, queries.kind.as_ref(), &written)
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
        let own = Written {
            query: spec.query.as_ref(),
            query_file: spec.query_file.as_ref(),
            parameters: spec.parameters.as_ref(),
        };
        let Some(from_query) = &spec.from_query else {
            if let Some(mut query) = resolve(scope, file, &metric.name, place, self.kind.as_ref(), &own) {
                check_columns(scope, file, spec, &query, &metric, place);
                query.metrics.push(metric);
                self.resolved.push(query);
            }
            return;
        };
        let spans = [
            own.query.map(|entry| &entry.span),
            own.query_file.map(|entry| &entry.span),
        ];
        for span in spans.into_iter().flatten() {
            let message = "the metric has a query of its own and one that it shares";
            scope.mistake(file, span, message, |mistake| {
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
        let query = &mut self.resolved[used];
        check_columns(scope, file, spec, query, &metric, place);
        query.metrics.push(metric);
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

/// Tells which columns a metric needs that its query does not give, where that is known before the query is asked.
fn check_columns(
    scope: &mut Scope<'_>,
    file: &File,
    spec: &MetricSpec,
    query: &Query,
    metric: &Metric,
    place: &Range<usize>,
) {
    let Some(columns) = query.asked.columns() else { return };
    for problem in column_problems(metric, columns) {
        let span = column_span(spec, problem.column()).unwrap_or(place);
        let (message, help) = in_words(&metric.name, &problem);
        scope.mistake(file, span, message, |mistake| match problem {
            ColumnError::Missing { .. } => mistake.help(help),
            _ => mistake.help("name another column"),
        });
    }
}

/// Where a metric names a column.
fn column_span<'e>(spec: &'e MetricSpec, column: &str) -> Option<&'e Range<usize>> {
    let of_values = spec
        .values
        .as_ref()
        .and_then(Entry::get)
        .and_then(|values| values.columns.as_ref());
    let lists = [spec.labels.as_ref(), of_values]
        .into_iter()
        .flatten()
        .filter_map(Entry::get);
    let listed = lists.flat_map(|list| match list {
        LabelsSpec::Columns(columns) => columns.iter().collect::<Vec<_>>(),
        LabelsSpec::Renamed(Mapping(columns)) => columns.iter().map(|(_, column)| column).collect(),
    });
    let mut entries = listed.chain(&spec.value);
    entries
        .find(|entry| entry.get().is_some_and(|text| text == column))
        .map(|entry| &entry.span)
}

/// A query as it is written, under `queries` or in a metric.
struct Written<'e> {
    query: Option<&'e Entry<AskedSpec>>,
    query_file: Option<&'e Entry<String>>,
    parameters: Option<&'e Entry<Vec<Entry<ParameterSpec>>>>,
}

fn resolve(
    scope: &mut Scope<'_>,
    file: &File,
    name: &str,
    place: &Range<usize>,
    kind: Option<&Kind>,
    written: &Written<'_>,
) -> Option<Query> {
    let (asked, origin) = match (written.query, written.query_file) {
        (Some(entry), None) => match entry.get()? {
            AskedSpec::Sql(text) => {
                let origin = origin(file, &entry.span, text);
                (sql(scope, file, &entry.span, kind, text.clone(), written)?, origin)
            }
            AskedSpec::Described(description) => {
                let (line, column) = mistake::position(&file.text, entry.span.start);
                let origin = Origin {
                    file: file.path.clone(),
                    line,
                    indent: column - 1,
                };
                let asked = described(scope, file, &entry.span, kind, description, written)?;
                (asked, origin)
            }
        },
        (None, Some(entry)) => {
            let path = scope.path(file, entry)?;
            let text = match folder::read_text(&path) {
                Ok(text) => text,
                Err(problem) => {
                    let message = format!("{}: {problem}", path.display());
                    scope.mistake(file, &entry.span, message, |mistake| mistake);
                    return None;
                }
            };
            scope.report.add_text(&path, &text);
            let origin = Origin {
                file: path,
                line: 1,
                indent: 0,
            };
            (sql(scope, file, &entry.span, kind, text, written)?, origin)
        }
        (None, None) => {
            let key = kind.filter(|kind| !kind.takes_sql()).map(Kind::key);
            scope.mistake(file, place, format!("`{name}` has no query"), |mistake| {
                mistake.help(match key {
                    Some(key) => format!("describe what is asked: `query: {{{key}: ..}}`"),
                    None => "give it `query` with SQL, or `query_file` with the name of a file".to_owned(),
                })
            });
            return None;
        }
        (Some(_), Some(entry)) => {
            let message = "there is both a `query` and a `query_file`";
            scope.mistake(file, &entry.span, message, |mistake| mistake.help("remove one of them"));
            return None;
        }
    };
    Some(Query {
        name: name.to_owned(),
        asked,
        origin,
        metrics: Vec::new(),
    })
}

/// A query in SQL, which stands at `span` or in a file named there.
fn sql(
    scope: &mut Scope<'_>,
    file: &File,
    span: &Range<usize>,
    kind: Option<&Kind>,
    text: String,
    written: &Written<'_>,
) -> Option<Asked> {
    if let Some(key) = kind.filter(|kind| !kind.takes_sql()).map(Kind::key) {
        scope.mistake(file, span, format!("`{key}` sources take no SQL"), |mistake| {
            mistake.help(format!("describe what is asked: `query: {{{key}: ..}}`"))
        });
        return None;
    }
    if text.trim().is_empty() {
        scope.mistake(file, span, "the query is empty", |mistake| {
            mistake.help("write one SQL statement that reads, such as `SELECT count(*) AS count FROM ..`")
        });
        return None;
    }
    // Text in braces that is no name, such as PostgreSQL's '{{1,2},{3,4}}', is left alone.
    if let Some(placeholder) = Template::parse(&text)
        .ok()
        .as_ref()
        .and_then(|template| template.names().next())
    {
        let message = format!("the placeholder `{{{{{placeholder}}}}}` stands in SQL, where nothing is ever filled in");
        scope.mistake(file, span, message, |mistake| {
            mistake.help("write $1 and bind it: `parameters: ['{{NAME}}']`")
        });
        return None;
    }
    let parameters = match written.parameters {
        Some(entry) => entry
            .get()?
            .iter()
            .map(|entry| scope.parameter(file, entry))
            .collect::<Option<_>>()?,
        None => Vec::new(),
    };
    Some(Asked::Sql(Sql { text, parameters }))
}

/// A query that is described under the key of its source's kind.
fn described(
    scope: &mut Scope<'_>,
    file: &File,
    span: &Range<usize>,
    kind: Option<&Kind>,
    description: &QueryDescription,
    written: &Written<'_>,
) -> Option<Asked> {
    if let Some(kind) = kind.filter(|kind| kind.takes_sql()) {
        scope.mistake(
            file,
            span,
            format!("`{}` sources are asked in SQL", kind.key()),
            |mistake| mistake.help("write it as text, `query: SELECT ..`, or name another `source`"),
        );
        return None;
    }
    if let Some(parameters) = written.parameters {
        let message = "only SQL has `parameters`";
        scope.mistake(file, &parameters.span, message, |mistake| {
            mistake.help("put what is asked into the description")
        });
    }
    match description.given().as_slice() {
        [(key, span)] => {
            if let Some(kind) = kind.filter(|kind| kind.key() != *key) {
                let wanted = kind.key();
                let message =
                    format!("the job's source is of the kind `{wanted}`, and this describes what a `{key}` is asked");
                scope.mistake(file, span, message, |mistake| {
                    mistake.help(format!("write `query: {{{wanted}: ..}}`, or name another `source`"))
                });
                return None;
            }
            description.resolve(scope, file)
        }
        [] => {
            let key = kind.map_or("KIND", Kind::key);
            scope.mistake(file, span, "the query does not say what is asked", |mistake| {
                mistake.help(format!("describe it: `query: {{{key}: ..}}`"))
            });
            None
        }
        [_, (_, second), ..] => {
            scope.mistake(file, second, "a query asks one source", |mistake| {
                mistake.help("remove the other description")
            });
            None
        }
    }
}

impl Scope<'_> {
    /// A parameter of a query: a plain value, or a point in time relative to the run's.
    pub(crate) fn parameter(&mut self, file: &File, entry: &Entry<ParameterSpec>) -> Option<Parameter> {
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
                self.mistake(file, &entry.span, "the parameter is empty", |mistake| {
                    mistake.help("write `scheduled_time: -1h`, or a plain value")
                });
                return None;
            }
        };
        let entry = Entry::new(entry.span.clone(), text);
        self.template(file, &entry).map(Parameter::Text)
    }
}

/// Where the SQL's first line stands. A block (`|`) keeps its lines, less their indentation; SQL that YAML has folded or
/// unescaped has no lines of its own in the file, and counts as standing where it begins.
fn origin(file: &File, span: &Range<usize>, sql: &str) -> Origin {
    let first_line = sql.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let skipped = sql.lines().take_while(|line| line.trim().is_empty()).count();
    let from = span.start.min(file.text.len());
    let at = file.text[from..].find(first_line).map_or(from, |offset| from + offset);
    let (line, column) = mistake::position(&file.text, at);
    Origin {
        file: file.path.clone(),
        line: line.saturating_sub(skipped),
        indent: column - 1,
    }
}
