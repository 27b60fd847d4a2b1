//! `sql_exporter.yml` of burningalchemist's `sql_exporter`, and collector files: collectors of metrics, run on targets.

use std::collections::BTreeSet;
use std::path::Path;

use shared::config::yaml::Node;

use super::document::{Document, Tree};
use super::model::{Imported, Job, Kind, Metric, Query, QueryOf, Value};
use super::{Defaults, ImportError, of_interval};

const LEFT_OF_ROOT: [(&str, &str); 2] = [
    ("target_group", "there is no source of this kind"),
    (
        "collector_files_exclude",
        "all files that `collector_files` names are read",
    ),
];
const LEFT_OF_GLOBAL: [(&str, &str); 7] = [
    ("scrape_timeout", "a job has a timeout of its own, 30s by default"),
    ("scrape_timeout_offset", ""),
    ("scrape_error_drop_interval", ""),
    ("max_connections", ""),
    ("max_idle_connections", ""),
    ("max_connection_lifetime", ""),
    ("warmup_delay", ""),
];
const LEFT_OF_TARGET: [(&str, &str); 2] = [
    ("enable_ping", ""),
    ("aws_secret_name", "name the secret under `placeholders`"),
];
const LEFT_OF_METRIC: [(&str, &str); 2] = [
    (
        "timestamp_value",
        "the gateway takes no timestamps; the column can be a metric of its own",
    ),
    ("no_prepared_statement", ""),
];
const LEFT_OF_QUERY: [(&str, &str); 1] = [("no_prepared_statement", "")];

/// A collector, and the file that it stands in.
struct Collector<'a> {
    document: &'a Document,
    node: &'a Node,
    name: String,
}

/// What collectors run on.
struct Target {
    /// The source's name.
    source: String,
    kind: Kind,
    /// What jobs' names end in, where there are several targets.
    suffix: Option<String>,
    labels: Vec<(String, String)>,
    collectors: Vec<String>,
}

pub(super) fn is_it(root: &Node) -> bool {
    let of_jobs = root.get("jobs").map(Tree::items).unwrap_or_default();
    ["target", "collectors", "collector_files", "collector_name"]
        .iter()
        .any(|key| root.get(key).is_some())
        || !of_jobs.is_empty() && of_jobs.iter().all(|job| job.get("static_configs").is_some())
}

pub(super) fn read(document: &Document, defaults: &Defaults, imported: &mut Imported) -> Result<(), ImportError> {
    let root = &document.root;
    let carried = ["global", "target", "jobs", "collectors", "collector_files"];
    let is_collector = root.get("collector_name").is_some();
    if !is_collector {
        document.leave(root, &carried, &LEFT_OF_ROOT, imported);
    }
    let files = collector_files(document, imported)?;
    let mut collectors = Vec::new();
    if is_collector {
        collectors.extend(collector(document, root, imported));
    }
    for node in root.get("collectors").map(Tree::items).unwrap_or_default() {
        collectors.extend(collector(document, node, imported));
    }
    for file in &files {
        collectors.extend(collector(file, &file.root, imported));
    }
    let mut least = None;
    if let Some(global) = root.get("global") {
        document.leave(global, &["min_interval"], &LEFT_OF_GLOBAL, imported);
        least = global.get("min_interval");
    }
    let targets = if is_collector {
        unnamed_target(document, imported).into_iter().collect()
    } else {
        targets(document, imported)
    };
    for target in &targets {
        let mut seen = BTreeSet::new();
        for reference in &target.collectors {
            let mut found = collectors
                .iter()
                .enumerate()
                .filter(|(_, collector)| matches(reference, &collector.name))
                .peekable();
            if found.peek().is_none() {
                imported.note(
                    document.place(&root.span),
                    format!("there is no collector `{reference}`"),
                );
            }
            for (at, collector) in found {
                if !seen.insert(at) {
                    let message = format!(
                        "the collector `{}` is named by `{reference}` and by what stands before it, and is one job all the same",
                        collector.name
                    );
                    imported.note(document.place(&root.span), message);
                    continue;
                }
                job(collector, target, (document, least), defaults, imported);
            }
        }
    }
    Ok(())
}

/// The files that the patterns of `collector_files` name, which lie beside this one.
fn collector_files(document: &Document, imported: &mut Imported) -> Result<Vec<Document>, ImportError> {
    let mut files = Vec::new();
    for node in document
        .root
        .get("collector_files")
        .map(Tree::items)
        .unwrap_or_default()
    {
        let pattern = node.text().unwrap_or_default();
        let folder = document.path().parent().unwrap_or(Path::new(""));
        let (inner, name) = pattern.rsplit_once('/').unwrap_or(("", &pattern));
        let folder = folder.join(inner);
        let listed = std::fs::read_dir(if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            &folder
        });
        let mut paths: Vec<_> = listed
            .into_iter()
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.file_name().to_str()?.to_owned()))
            .filter(|file| matches(name, file))
            .map(|file| folder.join(file))
            .collect();
        paths.sort();
        if paths.is_empty() {
            imported.note(document.place(&node.span), format!("no file is named by `{pattern}`"));
        }
        for path in paths {
            files.push(Document::read(&path)?);
        }
    }
    Ok(files)
}

/// Whether a name is meant by a pattern in which `*` stands for anything.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((begin, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(behind) = name.strip_prefix(begin) else {
        return false;
    };
    behind
        .char_indices()
        .map(|(at, _)| at)
        .chain([behind.len()])
        .any(|at| matches(rest, &behind[at..]))
}

fn collector<'a>(document: &'a Document, node: &'a Node, imported: &mut Imported) -> Option<Collector<'a>> {
    let Some(name) = node.text_of("collector_name") else {
        imported.note(document.place(&node.span), "this collector has no `collector_name`");
        return None;
    };
    document.leave(
        node,
        &["collector_name", "min_interval", "metrics", "queries"],
        &[],
        imported,
    );
    Some(Collector { document, node, name })
}

fn unnamed_target(document: &Document, imported: &mut Imported) -> Option<Target> {
    let (source, kind) = connect(document, "database", None, &document.root, imported)?;
    Some(Target {
        source,
        kind,
        suffix: None,
        labels: Vec::new(),
        collectors: vec!["*".to_owned()],
    })
}

fn targets(document: &Document, imported: &mut Imported) -> Vec<Target> {
    let mut targets = Vec::new();
    if let Some(node) = document.root.get("target") {
        document.leave(
            node,
            &["name", "data_source_name", "collectors", "labels"],
            &LEFT_OF_TARGET,
            imported,
        );
        let named = node.text_of("name").filter(|name| !name.is_empty());
        let name = named.clone().unwrap_or_else(|| "target".to_owned());
        let dsn = node.get("data_source_name");
        if let Some((source, kind)) = connect(document, &name, dsn, node, imported) {
            targets.push(Target {
                source,
                kind,
                suffix: None,
                // As the exporter does where the target has a name.
                labels: named
                    .map(|name| ("target".to_owned(), name))
                    .into_iter()
                    .chain(node.pairs_of("labels"))
                    .collect(),
                collectors: node.texts_of("collectors"),
            });
        }
    }
    for job in document.root.get("jobs").map(Tree::items).unwrap_or_default() {
        document.leave(
            job,
            &["job_name", "collectors", "static_configs"],
            &LEFT_OF_TARGET,
            imported,
        );
        for config in job.get("static_configs").map(Tree::items).unwrap_or_default() {
            document.leave(config, &["targets", "labels"], &[], imported);
            for (key, dsn) in config.get("targets").map(Tree::entries).unwrap_or_default() {
                let Some((source, kind)) = connect(document, &key.name, Some(dsn), dsn, imported) else {
                    continue;
                };
                // As the exporter tells its targets apart.
                let target = ("target".to_owned(), key.name.clone());
                targets.push(Target {
                    source,
                    kind,
                    suffix: Some(key.name.clone()),
                    labels: [target].into_iter().chain(config.pairs_of("labels")).collect(),
                    collectors: job.texts_of("collectors"),
                });
            }
        }
    }
    targets
}

/// The name and the kind of the source for a connection, which stands at `near` if anywhere.
fn connect(
    document: &Document,
    name: &str,
    dsn: Option<&Node>,
    near: &Node,
    imported: &mut Imported,
) -> Option<(String, Kind)> {
    let place = document.place(&dsn.unwrap_or(near).span);
    let text = dsn.and_then(Tree::text).filter(|text| !text.is_empty());
    match imported.connect(name, text.as_deref(), &place) {
        Ok(connection) => Some((connection.source.name, connection.kind)),
        Err(kind) => {
            imported.note(
                place,
                format!("the target `{name}` is left out: there is no source of the kind `{kind}`"),
            );
            None
        }
    }
}

fn job(
    collector: &Collector<'_>,
    target: &Target,
    (root, least): (&Document, Option<&Node>),
    defaults: &Defaults,
    imported: &mut Imported,
) {
    let Collector { document, node, name } = collector;
    let schedule = match node.get("min_interval") {
        Some(interval) => of_interval(document, Some(interval), defaults, imported),
        None => of_interval(root, least, defaults, imported),
    };
    let mut metrics = Vec::new();
    let mut queries = Vec::new();
    let shared = node.get("queries").map(Tree::items).unwrap_or_default();
    for query in shared {
        document.leave(query, &["query_name", "query"], &LEFT_OF_QUERY, imported);
    }
    for node in node.get("metrics").map(Tree::items).unwrap_or_default() {
        metrics.extend(metric(document, node, target.kind, shared, &mut queries, imported));
    }
    if metrics.is_empty() {
        imported.note(
            document.place(&node.span),
            format!("the collector `{name}` has no metric that could be carried over"),
        );
        return;
    }
    imported.jobs.push(Job {
        name: target
            .suffix
            .as_ref()
            .map_or_else(|| name.clone(), |suffix| format!("{name}-{suffix}")),
        comments: document.comments_above(&node.span),
        schedule,
        source: target.source.clone(),
        static_labels: target.labels.clone(),
        timeout: None,
        queries,
        metrics,
    });
}

fn metric(
    document: &Document,
    node: &Node,
    kind: Kind,
    shared: &[Node],
    queries: &mut Vec<(String, Query)>,
    imported: &mut Imported,
) -> Option<Metric> {
    let place = document.place(&node.span);
    let carried = [
        "metric_name",
        "type",
        "help",
        "key_labels",
        "static_labels",
        "value_label",
        "values",
        "static_value",
        "query",
        "query_ref",
    ];
    document.leave(node, &carried, &LEFT_OF_METRIC, imported);
    let name = node.text_of("metric_name").unwrap_or_default();
    let counter = match node.text_of("type").unwrap_or_default().to_ascii_lowercase().as_str() {
        "counter" => true,
        "gauge" => false,
        other => {
            imported.note(
                place,
                format!("`{name}` is of the type `{other}`, which Fanlight does not make"),
            );
            return None;
        }
    };
    let static_value = node.text_of("static_value");
    let Some(value) = value(node, static_value.is_some()) else {
        imported.note(place, format!("`{name}` has no values"));
        return None;
    };
    let reference = node.text_of("query_ref");
    let named = |name: &String| {
        shared
            .iter()
            .find(|query| query.text_of("query_name").as_ref() == Some(name))
    };
    let sql = match &reference {
        Some(reference) => named(reference).and_then(|query| query.text_of("query")),
        None => node.text_of("query"),
    };
    let Some(sql) = sql else {
        imported.note_no_query(place, &name, reference.as_deref());
        return None;
    };
    let query = match (static_value, &value) {
        (Some(constant), Value::Column(column)) if column == "static_value" => {
            match with_constant(&sql, &constant, kind) {
                Ok(sql) => QueryOf::Own(Query {
                    sql,
                    parameters: Vec::new(),
                }),
                Err(problem) => {
                    imported.note(place, format!("`{name}` is left out: its `static_value` {problem}"));
                    return None;
                }
            }
        }
        _ => match reference {
            Some(reference) => {
                if !queries.iter().any(|(name, _)| *name == reference) {
                    queries.push((
                        reference.clone(),
                        Query {
                            sql,
                            parameters: Vec::new(),
                        },
                    ));
                }
                QueryOf::Shared(reference)
            }
            None => QueryOf::Own(Query {
                sql,
                parameters: Vec::new(),
            }),
        },
    };
    Some(Metric {
        name,
        comments: document.comments_above(&node.span),
        help: node.text_of("help").unwrap_or_default(),
        counter,
        labels: node
            .texts_of("key_labels")
            .into_iter()
            .map(|label| (label.clone(), label))
            .collect(),
        static_labels: node.pairs_of("static_labels"),
        value,
        needs_rows: false,
        query,
        place,
    })
}

/// The columns of the value, of which `static_value` becomes one.
fn value(node: &Node, is_static: bool) -> Option<Value> {
    let mut values = node.texts_of("values");
    match (node.text_of("value_label"), values.len()) {
        (_, 0) => is_static.then(|| Value::Column("static_value".to_owned())),
        (None, 1) => Some(Value::Column(values.remove(0))),
        (label, _) => Some(Value::Columns(label.unwrap_or_else(|| "value".to_owned()), values)),
    }
}

/// The same rows with one more column, or why it cannot be one.
fn with_constant(sql: &str, constant: &str, kind: Kind) -> Result<String, &'static str> {
    let number: f64 = constant.parse().map_err(|_| "is no number")?;
    let number = match kind {
        _ if number.is_finite() => number.to_string(),
        Kind::Postgres => format!("'{number}'::float8"),
        Kind::Mysql => return Err("is a number that MySQL does not have"),
    };
    let sql = sql.trim().trim_end_matches(';').trim_end();
    Ok(format!(
        "SELECT given.*, {number} AS static_value\nFROM (\n{sql}\n) AS given"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_names() {
        for (pattern, name, expected) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "ab", true),
            ("*", "", true),
            ("*.collector.yml", "x.collector.yml", true),
            ("*.collector.yml", "x.collector.yaml", false),
            ("a*c*e", "abcde", true),
            ("a*c*e", "abde", false),
            ("é*", "éa", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_constant_becomes_a_column() {
        for (constant, kind, expected) in [
            ("1", Kind::Postgres, Ok("1")),
            ("1", Kind::Mysql, Ok("1")),
            ("-0.5", Kind::Mysql, Ok("-0.5")),
            ("NaN", Kind::Postgres, Ok("'NaN'::float8")),
            ("-inf", Kind::Postgres, Ok("'-inf'::float8")),
            ("NaN", Kind::Mysql, Err("is a number that MySQL does not have")),
            ("inf", Kind::Mysql, Err("is a number that MySQL does not have")),
            ("one", Kind::Postgres, Err("is no number")),
        ] {
            let expected = expected.map(|number| {
                format!("SELECT given.*, {number} AS static_value\nFROM (\nSELECT a\nFROM t\n) AS given")
            });
            let made = with_constant("SELECT a\nFROM t;\n", constant, kind);
            assert_eq!(made, expected, "{constant} {kind:?}");
        }
    }

    #[test]
    fn a_constant_that_the_database_does_not_have_leaves_the_metric_out() {
        let text = "collectors:\n- collector_name: c\n  metrics:\n  - {metric_name: a, type: gauge, help: h, static_value: NaN, query: SELECT 1}\n  - {metric_name: b, type: gauge, help: h, static_value: 2, query: SELECT 1}\n";
        for (dsn, metrics, told) in [
            ("postgres://u@h/d", 2, None),
            (
                "mysql://u@tcp(h:3306)/d",
                1,
                Some("`a` is left out: its `static_value` is a number that MySQL does not have"),
            ),
        ] {
            let text = format!("target: {{data_source_name: '{dsn}', collectors: [c]}}\n{text}");
            let document = Document::parse(Path::new("c.yml"), text).unwrap();
            let (mut imported, schedule) = (Imported::default(), "* * * * *".to_owned());
            read(&document, &Defaults { schedule }, &mut imported).unwrap();
            assert_eq!(imported.jobs[0].metrics.len(), metrics, "{dsn}");
            let left_out = imported.notes.iter().map(|note| note.message.as_str());
            assert_eq!(
                left_out.clone().find(|note| note.contains("static_value")),
                told,
                "{dsn}"
            );
        }
    }
}
