//! `config.yaml` of query-exporter: databases, metrics and the queries that fill them.

use std::collections::BTreeMap;

use shared::config::yaml::{Key, Node, Value as Yaml};

use super::document::{Document, Tree};
use super::model::{Imported, Job, Kind, Metric, Query, QueryOf, Value, share};
use super::sql::{What, is_of_name, pieces};
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
    kind: Kind,
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
            kind: connection.kind,
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
        let Some(Database { source, kind, labels }) = databases.get(database.as_str()) else {
            missing(document, key, "databases", "database", database, imported);
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
                    missing(document, key, "metrics", "metric", &metric, imported);
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
                    needs_rows: false,
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
            let query = bind(document, key, &sql, *kind, set, imported);
            share(&mut job, &key.name, query, metrics);
            imported.jobs.push(job);
        }
    }
}

/// Notes that a query names what is not there; of what is there and could not be carried over, it is told already.
fn missing(document: &Document, key: &Key, section: &str, what: &str, name: &str, imported: &mut Imported) {
    if document.root.get(section).and_then(|node| node.get(name)).is_none() {
        let message = format!("the query `{}` names the {what} `{name}`, which is not there", key.name);
        imported.note(document.place(&key.span), message);
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

/// `:name` becomes `$1` (with MySQL `?`), bound to its value, and `\:` becomes `:`, as `SQLAlchemy`'s `text()` has it.
///
/// That binds within quotes and comments too, where no parameter can stand here.
fn bind(
    document: &Document,
    key: &Key,
    sql: &str,
    kind: Kind,
    set: &[(String, Node)],
    imported: &mut Imported,
) -> Query {
    let mut query = Query::default();
    let mut bound: Vec<&str> = Vec::new();
    let mut used: Vec<&str> = Vec::new();
    for piece in pieces(sql, kind) {
        let mut rest = piece.text;
        while let Some(at) = rest.find([':', '\\']) {
            query.sql += &rest[..at];
            rest = &rest[at..];
            if rest.starts_with("\\:") {
                query.sql.push(':');
                rest = &rest[2..];
                continue;
            }
            let name = parameter(&query.sql, rest);
            let value = set.iter().find(|(known, _)| Some(known.as_str()) == name);
            let (Some(name), true) = (name, piece.is == What::Code) else {
                // `::` and what else is no parameter; and `:name` where there can be none.
                let length = name.map_or(if rest.starts_with("::") { 2 } else { 1 }, |name| 1 + name.len());
                query.sql += &rest[..length];
                rest = &rest[length..];
                if let (Some((name, _)), What::Quoted) = (value, piece.is) {
                    used.push(name);
                    let message = format!(
                        "the parameter `:{name}` of the query `{}` stands in quotes, where it stays as it is: put it outside, as in \
                         `'before' || :{name}`",
                        key.name
                    );
                    imported.note(document.place(&key.span), message);
                }
                continue;
            };
            rest = &rest[1 + name.len()..];
            if value.is_none() {
                let message = format!(
                    "the parameter `:{name}` of the query `{}` has no value, and becomes NULL",
                    key.name
                );
                imported.note(document.place(&key.span), message);
            }
            used.push(name);
            let known = bound.iter().position(|known| *known == name);
            let number = known.filter(|_| kind == Kind::Postgres).unwrap_or_else(|| {
                query
                    .parameters
                    .push(value.map_or_else(|| "~".to_owned(), |(_, node)| literal(node)));
                bound.push(name);
                bound.len() - 1
            });
            match kind {
                Kind::Postgres => query.sql.extend(["$".to_owned(), (number + 1).to_string()]),
                Kind::Mysql => query.sql.push('?'),
            }
        }
        query.sql += rest;
    }
    for (name, _) in set.iter().filter(|(name, _)| !used.contains(&name.as_str())) {
        let message = format!(
            "the parameter `{name}` of the query `{}` is left out: its SQL does not use it",
            key.name
        );
        imported.note(document.place(&key.span), message);
    }
    query
}

/// The name of the parameter that begins here, if one does; `before` is what stands before it.
fn parameter<'s>(before: &str, sql: &'s str) -> Option<&'s str> {
    let name = sql.strip_prefix(':')?;
    let name = &name[..name.find(|c| !is_of_name(c)).unwrap_or(name.len())];
    let begins = name.starts_with(|c: char| !c.is_ascii_digit());
    (begins && !before.ends_with(|c| is_of_name(c) || matches!(c, ':' | '\\'))).then_some(name)
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
        for (kind, sql, expected, parameters, notes) in [
            (
                Kind::Postgres,
                "SELECT :a, :b, :a, :c",
                "SELECT $1, $2, $1, $3",
                &["1", "x y", "~"][..],
                &[][..],
            ),
            (
                Kind::Mysql,
                "SELECT :a, :b, :a, `:c` # :c",
                "SELECT ?, ?, ?, `:c` # :c",
                &["1", "x y", "1"],
                &["`:c` of the query `a` stands in quotes"],
            ),
            (
                Kind::Postgres,
                r"SELECT '10\:30'::time, a\:\:int, :a, :b, :c, '\:a' -- \:a",
                "SELECT '10:30'::time, a::int, $1, $2, $3, ':a' -- :a",
                &["1", "x y", "~"],
                &[],
            ),
            (
                Kind::Postgres,
                r"SELECT E'it\'s :a', :b, 'HH24:MI', :c::int",
                r"SELECT E'it\'s :a', $1, 'HH24:MI', $2::int",
                &["x y", "~"],
                &["`:a` of the query `a` stands in quotes, where it stays as it is: put it outside"],
            ),
            (
                Kind::Postgres,
                "SELECT x::int, :b -- :a\n, :c",
                "SELECT x::int, $1 -- :a\n, $2",
                &["x y", "~"],
                &["`a` of the query `a` is left out: its SQL does not use it"],
            ),
            (
                Kind::Postgres,
                "/* :a */ SELECT a[1:b], ':x', :a - :b / :c",
                "/* :a */ SELECT a[1:b], ':x', $1 - $2 / $3",
                &["1", "x y", "~"],
                &[],
            ),
            (
                Kind::Postgres,
                "SELECT :a, :b, :c, :nobody, 'never ended :d",
                "SELECT $1, $2, $3, $4, 'never ended :d",
                &["1", "x y", "~", "~"],
                &["`:nobody` of the query `a` has no value, and becomes NULL"],
            ),
        ] {
            let mut imported = Imported::default();
            let query = bind(&document, key, sql, kind, &set, &mut imported);
            assert_eq!(
                (query.sql.as_str(), query.parameters.as_slice()),
                (
                    expected,
                    &parameters.iter().map(|&p| p.to_owned()).collect::<Vec<_>>()[..]
                ),
                "{sql}"
            );
            let told: Vec<&str> = imported.notes.iter().map(|note| note.message.as_str()).collect();
            assert!(
                told.len() == notes.len() && told.iter().zip(notes).all(|(told, note)| told.contains(note)),
                "{sql}: {told:?}"
            );
        }
    }
}
