//! `queries.yaml` of `postgres_exporter`: a mapping of namespaces, each with a query and its columns' usages.

use super::connection;
use super::document::{Document, Tree};
use super::model::{Imported, Job, Kind, Metric, Query, QueryOf, Source, Value, share};
use super::{Defaults, of_interval};

/// The keys of a namespace that mean nothing here, and why.
const LEFT: [(&str, &str); 3] = [
    (
        "master",
        "Fanlight asks one database; name the primary in the source, or add target_session_attrs=read-write to it",
    ),
    (
        "primary",
        "Fanlight asks one database; name the primary in the source, or add target_session_attrs=read-write to it",
    ),
    ("runonserver", "a query is not chosen by the server's version"),
];
const SOURCE: &str = "postgres";

pub(super) fn is_it(root: &shared::config::yaml::Node) -> bool {
    let entries = root.entries();
    !entries.is_empty()
        && entries
            .iter()
            .all(|(_, namespace)| namespace.get("metrics").is_some() && namespace.get("query").is_some())
}

pub(super) fn read(document: &Document, defaults: &Defaults, imported: &mut Imported) {
    let start = document.place(&(0..0));
    imported.note(
        start,
        "the connection does not stand in this file: the source is made of DB_USERNAME, DB_PASSWORD, DB_HOST and DB_NAME, and \
         series have no label `server`",
    );
    imported.sources.push(Source {
        name: SOURCE.to_owned(),
        url: connection::from_placeholders(Kind::Postgres),
        bare: false,
        password: None,
    });
    for (key, namespace) in document.root.entries() {
        document.leave(namespace, &["query", "metrics", "cache_seconds"], &LEFT, imported);
        let Some(sql) = namespace.text_of("query") else {
            imported.note(document.place(&key.span), format!("`{}` has no query", key.name));
            continue;
        };
        let schedule = of_interval(document, namespace.get("cache_seconds"), defaults, imported);
        let mut job = Job {
            name: key.name.clone(),
            comments: document.comments_above(&key.span),
            schedule,
            source: SOURCE.to_owned(),
            ..Job::default()
        };
        let metrics = columns(document, &key.name, namespace, imported);
        if metrics.is_empty() {
            imported.note(
                document.place(&key.span),
                format!("`{}` has no column that becomes a metric", key.name),
            );
            continue;
        }
        let query = Query {
            sql,
            parameters: Vec::new(),
        };
        share(&mut job, &key.name, query, metrics);
        imported.jobs.push(job);
    }
}

/// The metrics of a namespace: a column each, all with the same labels.
fn columns(
    document: &Document,
    namespace: &str,
    node: &shared::config::yaml::Node,
    imported: &mut Imported,
) -> Vec<Metric> {
    // A list of mappings with one key each; some write one mapping.
    let list = node.get("metrics").into_iter();
    let columns: Vec<_> = list
        .flat_map(|metrics| {
            metrics
                .entries()
                .iter()
                .chain(metrics.items().iter().flat_map(Tree::entries))
        })
        .collect();
    let usage = |column: &shared::config::yaml::Node| column.text_of("usage").unwrap_or_default().to_ascii_uppercase();
    let labels: Vec<(String, String)> = columns
        .iter()
        .filter(|(_, column)| usage(column) == "LABEL")
        .map(|(key, _)| (key.name.clone(), key.name.clone()))
        .collect();
    let mut metrics = Vec::new();
    for (key, column) in &columns {
        let place = document.place(&key.span);
        let name = format!("{namespace}_{}", key.name);
        document.leave(
            column,
            &["usage", "description", "metric_mapping", "buckets"],
            &[],
            imported,
        );
        let usage = usage(column);
        let (name, counter) = match usage.as_str() {
            "GAUGE" => (name, false),
            "COUNTER" => (name, true),
            "DURATION" => {
                imported.note(
                    place.clone(),
                    format!("`{name}_milliseconds` becomes `{name}_seconds`, if the column is an interval"),
                );
                (name + "_seconds", false)
            }
            "LABEL" => continue,
            "DISCARD" => {
                imported.note(
                    place,
                    format!(
                        "the column `{}` is discarded: no metric is made of it, and the query may leave it out",
                        key.name
                    ),
                );
                continue;
            }
            "MAPPEDMETRIC" => {
                imported.note(
                    place,
                    format!("`{name}` maps texts to numbers: write a CASE in the query for it"),
                );
                continue;
            }
            "HISTOGRAM" => {
                imported.note(place, format!("`{name}` is a histogram, which Fanlight does not make"));
                continue;
            }
            other => {
                imported.note(
                    place,
                    format!("the column `{}` has the usage `{other}`, which is not known", key.name),
                );
                continue;
            }
        };
        metrics.push(Metric {
            name,
            comments: document.comments_above(&key.span),
            help: column.text_of("description").unwrap_or_default(),
            counter,
            labels: labels.clone(),
            static_labels: Vec::new(),
            value: Value::Column(key.name.clone()),
            needs_rows: false,
            query: QueryOf::Own(Query::default()),
            place,
        });
    }
    metrics
}
