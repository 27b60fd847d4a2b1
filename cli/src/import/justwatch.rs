//! `config.yml` of justwatch's `sql_exporter`: jobs with an interval, connections and queries.

use shared::config::yaml::Node;

use super::connection::Connection;
use super::document::{Document, Tree};
use super::model::{Imported, Job, Kind, Metric, Query, QueryOf, Value};
use super::{Defaults, of_cron, of_interval};

const LEFT_OF_JOB: [(&str, &str); 3] = [
    (
        "startup_sql",
        "a job runs nothing beside its queries; a connection's settings can stand in the source's `options`",
    ),
    (
        "iterator",
        "a query is not repeated for the rows of another: join the two",
    ),
    (
        "iterator_sql",
        "a query is not repeated for the rows of another: join the two",
    ),
];
const LEFT_OF_QUERY: [(&str, &str); 2] = [
    (
        "timestamp",
        "the gateway takes no timestamps; a column with a time can be a metric of its own",
    ),
    (
        "interval",
        "all queries of a job run at the same time; give it a job of its own",
    ),
];
const LEFT_OF_ROOT: [(&str, &str); 2] = [
    ("cloudsql_config", "there is no source of this kind"),
    ("configuration", ""),
];

pub(super) fn is_it(root: &Node) -> bool {
    let jobs = root.get("jobs").map(Tree::items).unwrap_or_default();
    !jobs.is_empty()
        && jobs
            .iter()
            .all(|job| job.get("connections").is_some() || job.get("queries").is_some())
}

pub(super) fn read(document: &Document, defaults: &Defaults, imported: &mut Imported) {
    let root = &document.root;
    document.leave(root, &["jobs", "queries"], &LEFT_OF_ROOT, imported);
    for job in root.get("jobs").map(Tree::items).unwrap_or_default() {
        let carried = ["name", "interval", "cron_schedule", "connections", "queries"];
        document.leave(job, &carried, &LEFT_OF_JOB, imported);
        let name = job.text_of("name").unwrap_or_else(|| "job".to_owned());
        let schedule = match job.get("cron_schedule") {
            Some(node) => of_cron(document, node, defaults, imported),
            None => of_interval(document, job.get("interval"), defaults, imported),
        };
        let connections = job.get("connections").map(Tree::items).unwrap_or_default();
        if connections.is_empty() {
            imported.note(
                document.place(&job.span),
                format!("the job `{name}` has no connections"),
            );
        }
        for (index, node) in connections.iter().enumerate() {
            let job_name = &name;
            let name = if connections.len() > 1 {
                format!("{name}-{}", index + 1)
            } else {
                name.clone()
            };
            let Some(connection) = connect(document, &name, node, imported) else {
                continue;
            };
            let static_labels = static_labels(job_name, &connection);
            let mut metrics = Vec::new();
            for query in job.get("queries").map(Tree::items).unwrap_or_default() {
                metrics.extend(metric(document, query, imported));
            }
            if metrics.is_empty() {
                continue;
            }
            imported.jobs.push(Job {
                name,
                comments: document.comments_above(&job.span),
                schedule: schedule.clone(),
                source: connection.source.name,
                static_labels,
                metrics,
                ..Job::default()
            });
        }
    }
}

fn connect(document: &Document, name: &str, node: &Node, imported: &mut Imported) -> Option<Connection> {
    let place = document.place(&node.span);
    match imported.connect(name, node.text().as_deref(), &place) {
        Ok(connection) => Some(connection),
        Err(kind) => {
            imported.note(
                place,
                format!("the job `{name}` is left out: there is no source of the kind `{kind}`"),
            );
            None
        }
    }
}

/// The labels that the exporter makes of a job and of a connection, for what is built on them.
fn static_labels(job: &str, connection: &Connection) -> Vec<(String, String)> {
    let Connection {
        user,
        host,
        database,
        kind,
        ..
    } = connection;
    let driver = match kind {
        Kind::Postgres => "postgres",
        Kind::Mysql => "mysql",
    };
    [
        ("database", database.as_str()),
        ("driver", driver),
        ("host", host),
        ("sql_job", job),
        ("user", user),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty() && !value.contains("{{"))
    .map(|(label, value)| (label.to_owned(), value.to_owned()))
    .collect()
}

/// What the exporter leaves out of a metric's name.
fn is_stripped(c: char) -> bool {
    !(c.is_ascii_alphanumeric() || matches!(c, '_' | ':'))
}

fn metric(document: &Document, query: &Node, imported: &mut Imported) -> Option<Metric> {
    let place = document.place(&query.span);
    let carried = [
        "name",
        "help",
        "labels",
        "values",
        "query",
        "query_ref",
        "allow_zero_rows",
    ];
    document.leave(query, &carried, &LEFT_OF_QUERY, imported);
    let name = query.text_of("name").unwrap_or_default();
    let reference = query.text_of("query_ref");
    let global = reference
        .as_ref()
        .and_then(|name| document.root.get("queries")?.text_of(name));
    let Some(sql) = query.text_of("query").or(global) else {
        imported.note_no_query(place, &name, reference.as_deref());
        return None;
    };
    let values = query.texts_of("values");
    if values.is_empty() {
        imported.note(place, format!("`{name}` has no values"));
        return None;
    }
    let labels = query.texts_of("labels");
    Some(Metric {
        name: format!("sql_{}", name.replace(is_stripped, "")),
        comments: document.comments_above(&query.span),
        help: query.text_of("help").unwrap_or_default(),
        counter: false,
        labels: labels.into_iter().map(|label| (label.clone(), label)).collect(),
        static_labels: Vec::new(),
        // As the exporter does, also where there is one column.
        value: Value::Columns("col".to_owned(), values),
        // Without rows the exporter says that the query has failed, and keeps what it had.
        needs_rows: query.text_of("allow_zero_rows").as_deref() != Some("true"),
        query: QueryOf::Own(Query {
            sql,
            parameters: Vec::new(),
        }),
        place,
    })
}
