//! `config.yaml` of query-exporter: databases, metrics and the queries that fill them.

use std::collections::BTreeMap;

use shared::config::yaml::{Key, Node, Value as Yaml};

use super::document::{Document, Tree};
use super::model::{Imported, Job, Metric, Query, QueryOf, Value, share};
use super::{Defaults, of_cron, of_interval};

const LEFT_OF_ROOT: [(&str, &str); 2] = [
    ("builtin-metrics", "Fanlight has metrics of its own about its runs"),
    (
        "prefix",
        "names have no common prefix here; say `namespace` under `defaults`",
    ),
];
const LEFT_OF_DATABASE: [(&str, &str); 4] = [
    ("autocommit", "a job runs in one transaction that only reads"),
    (
        "connect-sql",
        "a job runs nothing beside its queries; a connection's settings can stand in the source's `options`",
    ),
    ("keep-connected", ""),
    ("connection-pool", ""),
];
const LEFT_OF_METRIC: [(&str, &str); 1] = [(
    "expiration",
    "series that the query does not give vanish with the next run",
)];
/// More sets of parameters than this are no few jobs.
const MOST_SETS: usize = 50;

/// A metric as it is declared.
struct Declared<'a> {
    key: &'a Key,
    help: String,
    counter: bool,
    labels: Vec<String>,
}

/// A database as it is declared.
struct Database {
    /// The source's name.
    source: String,
    labels: Vec<(String, String)>,
}

pub(super) fn is_it(root: &Node) -> bool {
    ["databases", "metrics", "queries"]
        .iter()
        .all(|key| root.get(key).is_some_and(|node| !node.entries().is_empty()))
}

pub(super) fn read(document: &Document, defaults: &Defaults, imported: &mut Imported) {
    document.leave(
        &document.root,
        &["databases", "metrics", "queries"],
        &LEFT_OF_ROOT,
        imported,
    );
    let entries = |key: &str| document.root.get(key).map(Tree::entries).unwrap_or_default();
    let mut databases = BTreeMap::new();
    for (key, node) in entries("databases") {
        if let Some(database) = database(document, key, node, imported) {
            databases.insert(key.name.as_str(), database);
        }
    }
    let mut metrics = BTreeMap::new();
    for (key, node) in entries("metrics") {
        if let Some(metric) = declared(document, key, node, imported) {
            metrics.insert(key.name.as_str(), metric);
        }
    }
    for (key, node) in entries("queries") {
        query(document, key, node, &databases, &metrics, defaults, imported);
    }
}

fn database(document: &Document, key: &Key, node: &Node, imported: &mut Imported) -> Option<Database> {
    document.leave(node, &["dsn", "labels"], &LEFT_OF_DATABASE, imported);
    let dsn = node.get("dsn");
    let place = document.place(dsn.map_or(&key.span, |dsn| &dsn.span));
    let text = match dsn.map(|dsn| &dsn.value) {
        Some(Yaml::Mapping(_)) => dsn.map(assembled),
        Some(Yaml::Text(text)) if !text.starts_with("file:") => Some(text.clone()),
        _ => None,
    };
    match imported.connect(&key.name, text.as_deref(), &place) {
        Ok(connection) => Some(Database {
            source: connection.source.name,
            labels: node.pairs_of("labels"),
        }),
        Err(kind) => {
            let message = format!(
                "the queries of `{}` are left out: there is no source of the kind `{kind}`",
                key.name
            );
            imported.note(place, message);
            None
        }
    }
}

/// A connection that is written as a mapping, as the URL that it stands for.
fn assembled(dsn: &Node) -> String {
    let encoded =
        |text: String| percent_encoding::utf8_percent_encode(&text, percent_encoding::NON_ALPHANUMERIC).to_string();
    let part = |key: &str| dsn.text_of(key);
    let password = part("password")
        .map(|password| format!(":{}", encoded(password)))
        .unwrap_or_default();
    let user = part("user")
        .map(|user| format!("{}{password}@", encoded(user)))
        .unwrap_or_default();
    let port = part("port").map(|port| format!(":{port}")).unwrap_or_default();
    let options = dsn.pairs_of("options");
    let options: Vec<_> = options
        .into_iter()
        .map(|(key, value)| format!("{key}={}", encoded(value)))
        .collect();
    format!(
        "{}://{user}{}{port}/{}{}{}",
        part("dialect").unwrap_or_default(),
        part("host").unwrap_or_default(),
        part("database").unwrap_or_default(),
        if options.is_empty() { "" } else { "?" },
        options.join("&")
    )
}

fn declared<'a>(document: &Document, key: &'a Key, node: &Node, imported: &mut Imported) -> Option<Declared<'a>> {
    let carried = ["type", "description", "labels", "increment", "buckets", "states"];
    document.leave(node, &carried, &LEFT_OF_METRIC, imported);
    let place = document.place(&key.span);
    let kind = node.text_of("type").unwrap_or_default();
    let counter = match kind.as_str() {
        "gauge" => false,
        "counter" if node.text_of("increment").is_some_and(|increment| increment == "false") => true,
        "counter" => {
            let message = format!(
                "`{}` adds up what its query gives each time, which would need a memory: it becomes a gauge of what the query \
                 gives; let the query count the whole, and say `type: counter`",
                key.name
            );
            imported.note(place, message);
            false
        }
        "enum" => {
            imported.note(
                place,
                format!("`{}` is an enum: give each state a row or a column of 0 or 1", key.name),
            );
            return None;
        }
        "histogram" | "summary" => {
            imported.note(
                place,
                format!("`{}` is a {kind}, which Fanlight does not make", key.name),
            );
            return None;
        }
        _ => {
            imported.note(place, format!("`{}` is of no type that is known here", key.name));
            return None;
        }
    };
    Some(Declared {
        key,
        help: node.text_of("description").unwrap_or_default(),
        counter,
        labels: node.texts_of("labels"),
    })
}

fn query(
    document: &Document,
    key: &Key,
    node: &Node,
    databases: &BTreeMap<&str, Database>,
    declared: &BTreeMap<&str, Declared<'_>>,
    defaults: &Defaults,
    imported: &mut Imported,
) {
    let carried = [
        "databases",
        "metrics",
        "sql",
        "interval",
        "schedule",
        "parameters",
        "timeout",
    ];
    document.leave(node, &carried, &[], imported);
    let Some(sql) = node.text_of("sql") else {
        imported.note(
            document.place(&key.span),
            format!("the query `{}` has no sql", key.name),
        );
        return;
    };
    let schedule = match node.get("schedule").filter(|node| node.text().is_some()) {
        Some(cron) => of_cron(document, cron, defaults, imported),
        None => of_interval(document, node.get("interval"), defaults, imported),
    };
    let sets = parameter_sets(document, node, imported);
    let names = node.texts_of("databases");
    for database in &names {
        let Some(Database { source, labels }) = databases.get(database.as_str()) else {
            continue;
        };
        for (index, set) in sets.iter().enumerate() {
            let mut name = key.name.clone();
            if names.len() > 1 {
                name = format!("{name}-{database}");
            }
            if sets.len() > 1 {
                name = format!("{name}-{}", index + 1);
            }
            let mut metrics = Vec::new();
            for metric in node.texts_of("metrics") {
                let Some(declared) = declared.get(metric.as_str()) else {
                    continue;
                };
                metrics.push(Metric {
                    name: metric.clone(),
                    comments: document.comments_above(&declared.key.span),
                    help: declared.help.clone(),
                    counter: declared.counter,
                    labels: declared
                        .labels
                        .iter()
                        .map(|label| (label.clone(), label.clone()))
                        .collect(),
                    static_labels: Vec::new(),
                    value: Value::Column(metric.clone()),
                    query: QueryOf::Own(Query::default()),
                    place: document.place(&declared.key.span),
                });
            }
            if metrics.is_empty() {
                let message = format!("the query `{}` has no metric that could be carried over", key.name);
                imported.note(document.place(&key.span), message);
                return;
            }
            let mut job = Job {
                name,
                comments: document.comments_above(&key.span),
                schedule: schedule.clone(),
                source: source.clone(),
                // As the exporter labels every series.
                static_labels: [("database".to_owned(), database.clone())]
                    .into_iter()
                    .chain(labels.clone())
                    .collect(),
                timeout: timeout(document, node, imported),
                ..Job::default()
            };
            let query = bind(document, key, &sql, set, imported);
            share(&mut job, &key.name, query, metrics);
            imported.jobs.push(job);
        }
    }
}

fn timeout(document: &Document, node: &Node, imported: &mut Imported) -> Option<String> {
    let timeout = node.get("timeout")?;
    let length = timeout
        .text()
        .and_then(|text| super::interval::read(&text))
        .filter(|length| !length.is_zero());
    match length {
        Some(length) => Some(format!("{}s", length.as_secs_f64().ceil().clamp(1.0, 900.0))),
        None => {
            imported.note(document.place(&timeout.span), "the timeout is no length of time");
            None
        }
    }
}

/// The sets of parameters that a query is run with: one that is empty, where there are none.
fn parameter_sets(document: &Document, node: &Node, imported: &mut Imported) -> Vec<Vec<(String, Node)>> {
    let Some(parameters) = node.get("parameters") else {
        return vec![Vec::new()];
    };
    let set = |item: &Node| -> Vec<(String, Node)> {
        item.entries()
            .iter()
            .map(|(key, node)| (key.name.clone(), node.clone()))
            .collect()
    };
    let mut sets: Vec<Vec<(String, Node)>> = match &parameters.value {
        Yaml::Sequence(items) => items.iter().map(set).collect(),
        // A matrix: of each name one item at a time, its keys with the name in front.
        Yaml::Mapping(names) => names.iter().fold(vec![Vec::new()], |sets, (name, items)| {
            let mut product = Vec::new();
            for set in &sets {
                for item in items.items() {
                    let mut set: Vec<(String, Node)> = set.clone();
                    set.extend(
                        item.entries()
                            .iter()
                            .map(|(key, node)| (format!("{}__{}", name.name, key.name), node.clone())),
                    );
                    product.push(set);
                    if product.len() > MOST_SETS {
                        return product;
                    }
                }
            }
            product
        }),
        _ => Vec::new(),
    };
    let place = document.place(&parameters.span);
    if sets.len() > MOST_SETS {
        imported.note(
            place,
            format!("only the first {MOST_SETS} sets of parameters are carried over"),
        );
        sets.truncate(MOST_SETS);
    } else if sets.len() > 1 {
        imported.note(place, "each set of parameters becomes a job of its own");
    }
    if sets.is_empty() { vec![Vec::new()] } else { sets }
}

/// `:name` becomes `$1`, bound to its value; what stands in quotes or comments, and `::type`, stays.
fn bind(document: &Document, key: &Key, sql: &str, set: &[(String, Node)], imported: &mut Imported) -> Query {
    let mut query = Query::default();
    let mut bound: Vec<String> = Vec::new();
    let mut rest = sql;
    while let Some(at) = rest.find([':', '\'', '"', '-', '/', '\\']) {
        query.sql += &rest[..at];
        rest = &rest[at..];
        let kept = skipped(rest);
        if kept > 0 {
            query.sql += &rest[..kept];
            rest = &rest[kept..];
            continue;
        }
        let name: String = rest[1..]
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
            .collect();
        let before_is_word = query.sql.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        if !rest.starts_with(':') || name.is_empty() || before_is_word || name.starts_with(|c: char| c.is_ascii_digit())
        {
            let next = rest.chars().next().map_or(1, char::len_utf8);
            query.sql += &rest[..next];
            rest = &rest[next..];
            continue;
        }
        rest = &rest[1 + name.len()..];
        let number = bound.iter().position(|known| *known == name).unwrap_or_else(|| {
            let value = set.iter().find(|(known, _)| *known == name);
            if value.is_none() {
                let message = format!(
                    "the parameter `:{name}` of the query `{}` has no value, and becomes NULL",
                    key.name
                );
                imported.note(document.place(&key.span), message);
            }
            query
                .parameters
                .push(value.map_or_else(|| "~".to_owned(), |(_, node)| literal(node)));
            bound.push(name.clone());
            bound.len() - 1
        });
        query.sql.extend(["$".to_owned(), (number + 1).to_string()]);
    }
    query.sql += rest;
    query
}

/// How many bytes of SQL at its beginning hold no parameter: a quoted text, a comment, `::`, and `\:` less its backslash.
fn skipped(sql: &str) -> usize {
    let until = |from: usize, end: &str| sql[from..].find(end).map_or(sql.len(), |at| from + at + end.len());
    match sql.as_bytes() {
        [b'\'', ..] => until(1, "'"),
        [b'"', ..] => until(1, "\""),
        [b'-', b'-', ..] => until(2, "\n"),
        [b'/', b'*', ..] => until(2, "*/"),
        [b':', b':', ..] => 2,
        _ => 0,
    }
}

fn literal(node: &Node) -> String {
    match &node.value {
        Yaml::Null => "~".to_owned(),
        Yaml::Text(text) => super::writer::scalar(text),
        _ => node.text().unwrap_or_else(|| "~".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn named_parameters_become_numbered_ones() {
        let document = Document::parse(Path::new("c.yaml"), "a: 1\nb: x y\nc: ~\n".to_owned()).unwrap();
        let set: Vec<(String, Node)> = document
            .root
            .entries()
            .iter()
            .map(|(key, node)| (key.name.clone(), node.clone()))
            .collect();
        let key = &document.root.entries()[0].0;
        for (sql, expected, parameters) in [
            ("SELECT :a, :b, :a", "SELECT $1, $2, $1", &["1", "x y"][..]),
            (
                "SELECT x::int, ':a', \":b\" -- :a\n, :c",
                "SELECT x::int, ':a', \":b\" -- :a\n, $1",
                &["~"],
            ),
            ("/* :a */ SELECT a[1:b]", "/* :a */ SELECT a[1:b]", &[]),
            ("SELECT 1 - :a / 2", "SELECT 1 - $1 / 2", &["1"]),
            ("SELECT 'never ended :a", "SELECT 'never ended :a", &[]),
        ] {
            let mut imported = Imported::default();
            let query = bind(&document, key, sql, &set, &mut imported);
            assert_eq!(
                (query.sql.as_str(), query.parameters.as_slice()),
                (
                    expected,
                    &parameters.iter().map(|&p| p.to_owned()).collect::<Vec<_>>()[..]
                ),
                "{sql}"
            );
            assert_eq!(imported.notes, []);
        }
        let mut imported = Imported::default();
        assert_eq!(
            bind(&document, key, "SELECT :nobody", &set, &mut imported).parameters,
            ["~"]
        );
        assert_eq!(imported.notes.len(), 1);
    }
}
