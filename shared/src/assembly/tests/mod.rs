//! What metrics become of rows; the properties, by table and all together, stand in modules of their own.

mod columns;
mod model;
mod policies;

use std::borrow::Cow;
use std::io::Read as _;

use flate2::read::MultiGzDecoder;

use super::*;
use crate::config::job::{Duplicates, Label, MetricKind, NullValue, OnEmpty, Values};
use crate::exposition::reading;
use crate::rows::UnreadableCell;

/// A row whose cells are text; number columns hold what `str::parse` reads.
#[derive(Debug)]
struct Cells(Vec<Option<String>>);

impl Row for Cells {
    fn text(&self, column: usize) -> Result<Option<Cow<'_, str>>, UnreadableCell> {
        Ok(self.0[column].as_deref().map(Cow::Borrowed))
    }

    fn number(&self, column: usize) -> Result<Option<f64>, UnreadableCell> {
        let number = |text: &String| {
            text.parse().map_err(|_| UnreadableCell {
                column: "count".to_owned(),
                type_name: "numeric".to_owned(),
                reason: "beyond the range of a sample value".to_owned(),
            })
        };
        self.0[column].as_ref().map(number).transpose()
    }
}

fn column(name: &str, type_name: &str) -> Column {
    Column {
        name: name.to_owned(),
        type_name: type_name.to_owned(),
        numeric: !matches!(type_name, "text" | "bytea"),
        label: type_name != "bytea",
    }
}

/// The columns of every row in these tests.
fn columns() -> Vec<Column> {
    vec![
        column("step", "text"),
        column("os", "text"),
        column("organisation_id", "text"),
        column("count", "int8"),
        column("total", "numeric"),
    ]
}

fn label(name: &str) -> Label {
    Label {
        name: name.to_owned(),
        column: name.to_owned(),
        allowed: None,
    }
}

/// A metric of the value `count` by `step`.
fn metric() -> Metric {
    Metric {
        name: "funnel_users".to_owned(),
        kind: MetricKind::Gauge,
        help: "Users by step".to_owned(),
        unit: None,
        static_labels: vec![("env".to_owned(), "test".to_owned())],
        labels: vec![label("step")],
        values: Values::Column("count".to_owned()),
        null_value: NullValue::Skip,
        null_label: String::new(),
        on_empty: OnEmpty::Clear,
        duplicates: Duplicates::Error,
        fill: Vec::new(),
        max_series: 5000,
        external: false,
    }
}

/// Rows as lists of words: `-` is NULL, `''` empty.
fn rows(table: &[&str]) -> Vec<Cells> {
    let cell = |word: &str| match word {
        "-" => None,
        "''" => Some(String::new()),
        other => Some(other.to_owned()),
    };
    table
        .iter()
        .map(|row| Cells(row.split(' ').map(cell).collect()))
        .collect()
}

fn assembled(metric: &Metric, rows: &[Cells]) -> Result<Outcome, MetricError> {
    let mut assembler = Assembler::new(metric, &columns(), Form::Plain)?;
    for row in rows {
        assembler.row(row)?;
    }
    assembler.finish()
}

fn text(text: EncodedText) -> String {
    let gzip = matches!(text, EncodedText::Gzip(_));
    let mut bytes = Vec::new();
    text.write_to(&mut bytes).unwrap();
    if gzip && !bytes.is_empty() {
        let mut plain = String::new();
        MultiGzDecoder::new(&bytes[..]).read_to_string(&mut plain).unwrap();
        return plain;
    }
    String::from_utf8(bytes).unwrap()
}

fn family(metric: &Metric, table: &[&str]) -> Family {
    match assembled(metric, &rows(table)) {
        Ok(Outcome::Family(family)) => family,
        other => panic!("{other:?}"),
    }
}

/// The samples without the family's head, with the static label cut out.
fn samples(metric: &Metric, table: &[&str]) -> String {
    let text = text(family(metric, table).text);
    let samples: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    samples
        .join("\n")
        .replace("funnel_users", "")
        .replace("env=\"test\",", "")
        .replace("env=\"test\"", "")
        .replace('"', "")
}

fn error(metric: &Metric, table: &[&str]) -> String {
    assembled(metric, &rows(table)).unwrap_err().to_string()
}

#[test]
fn rows_become_a_family_with_its_counts() {
    let family = family(&metric(), &["start ios org1 3 1.5", "end ios org1 2 -"]);
    assert_eq!(
        (family.name.as_str(), family.series, family.rows, family.nulls),
        ("funnel_users", 2, 2, 0)
    );
    assert_eq!(
        text(family.text),
        "# HELP funnel_users Users by step\n\
         # TYPE funnel_users gauge\n\
         funnel_users{env=\"test\",step=\"start\"} 3\n\
         funnel_users{env=\"test\",step=\"end\"} 2\n"
    );
}

#[test]
fn a_metric_without_any_label_is_one_series() {
    let metric = Metric {
        static_labels: Vec::new(),
        labels: Vec::new(),
        ..metric()
    };
    assert_eq!(samples(&metric, &["a b c 3 4"]), " 3");
    assert!(
        error(&metric, &["a b c 3 4", "a b c 3 4"]).starts_with("row 2 has the same labels as an earlier row, {}:")
    );
}

#[test]
fn several_value_columns_are_told_apart_by_their_label() {
    let columns = vec![
        ("count".to_owned(), "n".to_owned()),
        ("total".to_owned(), "sum".to_owned()),
    ];
    let metric = Metric {
        values: Values::Columns {
            label: "of".to_owned(),
            columns,
        },
        ..metric()
    };
    assert_eq!(
        samples(&metric, &["start - - 3 1.5", "end - - - 2"]),
        "{step=start,of=n} 3\n{step=start,of=sum} 1.5\n{step=end,of=sum} 2"
    );
}

#[test]
fn a_cell_that_cannot_be_read_is_named_with_its_row() {
    assert_eq!(
        error(&metric(), &["start - - 1 -", "end - - 1e -"]),
        "row 2: column \"count\" of type numeric: beyond the range of a sample value"
    );
}

#[test]
fn one_failing_metric_of_a_query_leaves_the_others_alone() {
    let by_os = Metric {
        name: "by_os".to_owned(),
        labels: vec![label("os")],
        ..metric()
    };
    let metrics = [
        Metric {
            labels: vec![label("nope")],
            ..metric()
        },
        by_os,
        metric(),
    ];
    let mut assembler = QueryAssembler::new(&metrics, &columns(), Form::Gzip);
    for row in rows(&["start ios - 1 -", "end ios - 2 -"]) {
        assert!(assembler.wants_rows());
        assembler.row(&row);
    }
    let mut body = Vec::new();
    let mut errors = Vec::new();
    for (metric, outcome) in assembler.finish() {
        match outcome {
            Ok(Outcome::Family(family)) => family.text.write_to(&mut body).unwrap(),
            Ok(Outcome::Keep) => panic!("there were rows"),
            Err(error) => errors.push((metric.name.as_str(), error.to_string())),
        }
    }
    assert!(errors[0].1.contains("\"nope\""), "{errors:?}");
    assert!(
        errors[1].0 == "by_os" && errors[1].1.starts_with("row 2 has the same labels"),
        "{errors:?}"
    );
    let read = reading::families(&text(EncodedText::Gzip(body)));
    assert_eq!((read.len(), read[0].samples.len()), (1, 2));

    let broken = [Metric {
        labels: vec![label("nope")],
        ..metric()
    }];
    assert!(!QueryAssembler::new(&broken, &columns(), Form::Gzip).wants_rows());
}

#[test]
fn a_text_too_long_for_memory_is_whole_in_either_form() {
    let metric = Metric {
        max_series: 30_000,
        ..metric()
    };
    let texts = [Form::Plain, Form::Gzip].map(|form| {
        let mut assembler = Assembler::new(&metric, &columns(), form).unwrap();
        for row in 0..30_000 {
            let step = format!("a step with a name that takes some room, {row}");
            assembler
                .row(&Cells([Some(step), None, None, Some("1".to_owned())].into()))
                .unwrap();
        }
        match assembler.finish() {
            Ok(Outcome::Family(family)) => text(family.text),
            other => panic!("{other:?}"),
        }
    });
    assert!(texts[0].len() > 2 * 1024 * 1024, "{}", texts[0].len());
    assert!(texts[0].ends_with("takes some room, 29999\"} 1\n"));
    // Not by `assert_eq`, which would print both.
    assert!(texts[0] == texts[1]);
}

#[test]
fn gzip_members_one_behind_the_other_are_one_text() {
    let mut body = Vec::new();
    for name in ["a", "b", "c"] {
        let metric = Metric {
            name: name.to_owned(),
            ..metric()
        };
        let mut assembler = Assembler::new(&metric, &columns(), Form::Gzip).unwrap();
        let rows = if name == "b" {
            rows(&[])
        } else {
            rows(&["start - - 1 -"])
        };
        for row in &rows {
            assembler.row(row).unwrap();
        }
        let Outcome::Family(family) = assembler.finish().unwrap() else {
            panic!("not kept")
        };
        family.text.write_to(&mut body).unwrap();
    }
    let read = reading::families(&text(EncodedText::Gzip(body)));
    assert_eq!(
        read.iter().map(|family| family.name.as_str()).collect::<Vec<_>>(),
        ["a", "c"],
        "b is cleared"
    );
}
