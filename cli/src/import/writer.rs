//! An imported configuration as YAML that reads as if somebody had written it.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::model::{Imported, Job, Kind, Metric, Query, QueryOf, Source, Value};
use super::sql::{What, pieces};

/// Words that YAML, of whichever version, takes for something else than text.
const WORDS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];

/// The whole file. `from` is what it was made from; `max_series` the default, where there must be one.
pub(super) fn write(imported: &Imported, from: &str, max_series: Option<usize>) -> String {
    let mut out = String::from("# yaml-language-server: $schema=./fanlight.schema.json\n#\n");
    // Writing into a String does not fail.
    let _ = writeln!(out, "# Imported from {}.\n", from.replace(char::is_control, " "));
    let passwords: Vec<(&String, &Source)> = imported
        .sources
        .iter()
        .filter_map(|source| Some((source.password.as_ref()?, source)))
        .collect();
    if !passwords.is_empty() {
        out += "placeholders:\n";
        for (name, source) in passwords {
            let _ = writeln!(
                out,
                "  # The password stood in the file; store it in AWS Secrets Manager under this name."
            );
            let _ = writeln!(
                out,
                "  {name}: {{secret: {}, field: password}}",
                scalar(&format!("fanlight/{}", source.name))
            );
        }
        out.push('\n');
    }
    if !imported.sources.is_empty() {
        out += "sources:\n";
        for source in &imported.sources {
            let url = scalar(&source.url);
            let value = if source.bare {
                format!("{{postgres: {{url: {url}}}}}")
            } else {
                url
            };
            let _ = writeln!(out, "  {}: {value}", scalar(&source.name));
        }
        out.push('\n');
    }
    if let Some(max_series) = max_series {
        out += "defaults:\n  # So that all metrics together keep to what one endpoint should hold.\n";
        let _ = writeln!(out, "  max_series: {max_series}\n");
    }
    if !imported.jobs.is_empty() {
        out += "jobs:\n";
    }
    for (index, job) in imported.jobs.iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        write_job(&mut out, job);
    }
    out
}

fn write_job(out: &mut String, job: &Job) {
    comments(out, "", &job.comments);
    let _ = writeln!(out, "- name: {}", scalar(&job.name));
    let _ = writeln!(out, "  schedule: {}", quoted(&job.schedule));
    let _ = writeln!(out, "  source: {}", scalar(&job.source));
    if let Some(timeout) = &job.timeout {
        let _ = writeln!(out, "  timeout: {timeout}");
    }
    mapping(out, "  ", "static_labels", &job.static_labels);
    if !job.queries.is_empty() {
        out.push_str("  queries:\n");
        for (name, query) in &job.queries {
            let _ = writeln!(out, "    {}:", scalar(name));
            write_query(out, "      ", query);
        }
    }
    out.push_str("  metrics:\n");
    for metric in &job.metrics {
        write_metric(out, metric);
    }
}

fn write_metric(out: &mut String, metric: &Metric) {
    comments(out, "  ", &metric.comments);
    let _ = writeln!(out, "  - name: {}", scalar(&metric.name));
    if metric.counter {
        out.push_str("    type: counter\n");
    }
    if !metric.help.is_empty() {
        let help = metric.help.trim();
        let _ = writeln!(out, "    help: {}", plain(help).unwrap_or_else(|| scalar(help)));
    }
    if metric.labels.iter().all(|(label, column)| label == column) {
        let columns: Vec<String> = metric.labels.iter().map(|(_, column)| scalar(column)).collect();
        if !columns.is_empty() {
            let _ = writeln!(out, "    labels: [{}]", columns.join(", "));
        }
    } else {
        mapping(out, "    ", "labels", &metric.labels);
    }
    mapping(out, "    ", "static_labels", &metric.static_labels);
    match &metric.value {
        Value::Column(column) => {
            let _ = writeln!(out, "    value: {}", scalar(column));
        }
        Value::Columns(label, columns) => {
            let columns: Vec<String> = columns.iter().map(|column| scalar(column)).collect();
            let _ = writeln!(
                out,
                "    values: {{label: {}, columns: [{}]}}",
                scalar(label),
                columns.join(", ")
            );
        }
    }
    if metric.needs_rows {
        out.push_str("    on_empty: error\n");
    }
    match &metric.query {
        QueryOf::Own(query) => write_query(out, "    ", query),
        QueryOf::Shared(name) => {
            let _ = writeln!(out, "    from_query: {}", scalar(name));
        }
    }
}

fn write_query(out: &mut String, indent: &str, query: &Query) {
    let _ = writeln!(out, "{indent}query: {}", block(&query.sql, indent));
    if !query.parameters.is_empty() {
        let _ = writeln!(out, "{indent}parameters: [{}]", query.parameters.join(", "));
    }
}

fn mapping(out: &mut String, indent: &str, key: &str, pairs: &[(String, String)]) {
    if pairs.is_empty() {
        return;
    }
    let _ = writeln!(out, "{indent}{key}:");
    for (name, value) in pairs {
        let _ = writeln!(out, "{indent}  {}: {}", scalar(name), scalar(value));
    }
}

fn comments(out: &mut String, indent: &str, comments: &[String]) {
    for comment in comments {
        let _ = writeln!(
            out,
            "{}",
            format!("{indent}# {}", comment.replace(char::is_control, " ")).trim_end()
        );
    }
}

/// A text as a scalar that YAML reads as that text, also within `[..]` and `{..}`.
pub(super) fn scalar(text: &str) -> String {
    let may_stand = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ' ');
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(may_stand)
        && !text.ends_with(' ')
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    if plain { text.to_owned() } else { quoted(text) }
}

/// A text that may stand without quotes behind a key on a line of its own.
fn plain(text: &str) -> Option<String> {
    let may_stand = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(is_printable)
        && !text.ends_with([' ', ':'])
        && ![": ", " #"].iter().any(|sign| text.contains(sign))
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    may_stand.then(|| text.to_owned())
}

fn is_printable(c: char) -> bool {
    matches!(c, ' '..='~') || c.is_alphanumeric()
}

fn quoted(text: &str) -> String {
    if text.chars().all(is_printable) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out += "\\n",
            '\t' => out += "\\t",
            '\r' => out += "\\r",
            c if is_printable(c) => out.push(c),
            c => {
                let _ = write!(out, "\\U{:08x}", u32::from(c));
            }
        }
    }
    out + "\""
}

/// SQL as a block of lines, or on one line where it is short. Blanks at the lines' ends and a common margin go, unless a text
/// in quotes goes over several lines, to which they may belong.
fn block(sql: &str, indent: &str) -> String {
    let may_belong = |kind: Kind| {
        let mut pieces = pieces(sql, kind).into_iter();
        pieces.any(|piece| piece.is == What::Quoted && piece.text.contains('\n'))
    };
    let exactly = may_belong(Kind::Postgres) || may_belong(Kind::Mysql);
    let sql = if exactly {
        // A blank line may be part of a text, but not before the first word nor behind the last.
        Cow::Borrowed(sql.trim())
    } else {
        Cow::Owned(sql.replace("\r\n", "\n"))
    };
    let end = if exactly { |line| line } else { str::trim_end };
    let lines: Vec<&str> = sql.split('\n').map(end).collect();
    let blank = |line: &&&str| line.is_empty();
    let skipped = lines.iter().take_while(blank).count();
    let kept = lines.len() - lines.iter().rev().take_while(blank).count();
    let lines = lines.get(skipped..kept).unwrap_or_default();
    if let [line] = lines
        && let Some(plain) = plain(line.trim())
    {
        return plain;
    }
    let odd = |c: char| c.is_control() && c != '\t' || matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}');
    if lines.is_empty() || lines.iter().any(|line| line.contains(odd)) {
        return quoted(sql.trim());
    }
    let margin = |line: &&str| line.len() - line.trim_start_matches(' ').len();
    let common = lines
        .iter()
        .filter(|line| !line.is_empty() && !exactly)
        .map(margin)
        .min()
        .unwrap_or_default();
    // Where the first line is indented, YAML has to be told how much of that is its own.
    let head = if lines[0][common..].starts_with([' ', '\t']) {
        "|2"
    } else {
        "|"
    };
    let mut out = head.to_owned();
    for line in lines {
        let line = line.get(common..).unwrap_or_default();
        out.push('\n');
        if !line.is_empty() {
            out.extend([indent, "  ", line]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use shared::config::yaml::{self, Value as Yaml};

    use super::*;

    fn read(text: &str) -> String {
        match yaml::parse(text)
            .unwrap_or_else(|error| panic!("{}: {text}", error.message))
            .value
        {
            Yaml::Mapping(entries) => match &entries[0].1.value {
                Yaml::Text(text) => text.clone(),
                Yaml::Sequence(items) => match &items[0].value {
                    Yaml::Text(text) => text.clone(),
                    other => panic!("{other:?}"),
                },
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn scalars_are_plain_where_they_can_be() {
        for (text, expected) in [
            ("shop", "shop"),
            ("prod/shop", "prod/shop"),
            ("two words", "two words"),
            ("yes", "'yes'"),
            ("12", "'12'"),
            ("", "''"),
            ("it's: # [a]", "'it''s: # [a]'"),
            ("{{DSN}}", "'{{DSN}}'"),
            ("a\nb", "\"a\\nb\""),
        ] {
            assert_eq!(scalar(text), expected);
        }
    }

    #[test]
    fn sql_keeps_its_lines() {
        for (sql, expected) in [
            (
                "SELECT count(*) AS n FROM t WHERE a = $1",
                "SELECT count(*) AS n FROM t WHERE a = $1",
            ),
            ("SELECT 'a: b' # c", "|\n    SELECT 'a: b' # c"),
            ("(SELECT 1)", "|\n    (SELECT 1)"),
            ("\n    SELECT 1\n", "SELECT 1"),
            (
                "  SELECT 1,\n    2\n  FROM t;\n\n",
                "|\n    SELECT 1,\n      2\n    FROM t;",
            ),
            ("    SELECT 1\nFROM t", "|2\n        SELECT 1\n    FROM t"),
            (
                "SELECT 'a  \n   \n\n b'  \nFROM t \n",
                "|\n    SELECT 'a  \n       \n\n     b'  \n    FROM t",
            ),
            ("SELECT 'a\r\nb'", "\"SELECT 'a\\r\\nb'\""),
            ("SELECT 1\r\n\r\nFROM t  ", "|\n    SELECT 1\n\n    FROM t"),
        ] {
            assert_eq!(block(sql, "  "), expected, "{sql:?}");
        }
    }

    proptest! {
        #[test]
        fn a_text_of_several_lines_is_read_back_to_its_last_blank(text in "[ -&(-~é\\n\\t\\r]{0,20}") {
            let sql = format!("SELECT\n  '{text}\n' AS a");
            let again = read(&format!("a: {}\n", block(&sql, "")));
            prop_assert_eq!(again.trim_end(), sql);
        }

        #[test]
        fn plain_text_is_read_back(text in "[ -~é]{0,20}") {
            if let Some(plain) = plain(&text) {
                prop_assert_eq!(read(&format!("a: {plain}\n")), text);
            }
        }

        #[test]
        fn every_text_is_read_back(text in "\\PC{0,20}|[ -~\\n\\t]{0,20}") {
            prop_assert_eq!(read(&format!("a: {}\n", scalar(&text))), text.clone());
            prop_assert_eq!(read(&format!("a: [{}, b]\n", scalar(&text))), text);
        }

        #[test]
        fn every_sql_is_read_back_but_for_its_margins(sql in "( {0,4}[ -~é]{0,12}\\n){1,4}|\\PC{1,30}") {
            let squeezed = |text: &str| -> Vec<String> {
                text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
            };
            prop_assume!(!squeezed(&sql).is_empty());
            prop_assert_eq!(squeezed(&read(&format!("a: {}\n", block(&sql, "")))), squeezed(&sql));
        }
    }
}
