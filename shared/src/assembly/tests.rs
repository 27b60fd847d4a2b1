//! The policies by table, and all of them together against a model that keeps everything in maps.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use flate2::read::MultiGzDecoder;
use proptest::prelude::*;

use super::*;
use crate::config::job::{AllowedValues, Duplicates, Label, MetricKind, NullValue, OnEmpty, Values};
use crate::exposition::reading::{self, Labels};
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
fn null_values_follow_the_policy_and_are_counted() {
    let table = &["start - - - -", "end - - 2 -"];
    for (policy, expected) in [
        (NullValue::Skip, "{step=end} 2"),
        (NullValue::Zero, "{step=start} 0\n{step=end} 2"),
        (NullValue::Nan, "{step=start} NaN\n{step=end} 2"),
    ] {
        let metric = Metric {
            null_value: policy,
            ..metric()
        };
        assert_eq!(samples(&metric, table), expected, "{policy:?}");
        assert_eq!(family(&metric, table).nulls, 1, "{policy:?}");
    }
    let error = error(
        &Metric {
            null_value: NullValue::Error,
            ..metric()
        },
        table,
    );
    assert!(error.starts_with("row 1: value column \"count\" is NULL: "), "{error}");
}

#[test]
fn null_and_empty_labels_are_left_out_unless_null_has_a_name() {
    let table = &["- - - 1 -", "end - - 2 -"];
    assert_eq!(samples(&metric(), table), "{} 1\n{step=end} 2");
    assert_eq!(
        samples(
            &Metric {
                null_label: "none".to_owned(),
                ..metric()
            },
            table
        ),
        "{step=none} 1\n{step=end} 2"
    );
    // An empty label is an absent label to Prometheus, so these are the same series.
    assert!(error(&metric(), &["- - - 1 -", "'' - - 2 -"]).starts_with("row 2 has the same labels"));
}

#[test]
fn duplicates_follow_the_policy() {
    let table = &["start - - 3 -", "end - - 2 -", "start - - 5 -", "start - - 1 -"];
    for (policy, expected) in [
        (Duplicates::Sum, "{step=start} 9\n{step=end} 2"),
        (Duplicates::Max, "{step=start} 5\n{step=end} 2"),
        (Duplicates::Last, "{step=start} 1\n{step=end} 2"),
    ] {
        assert_eq!(
            samples(
                &Metric {
                    duplicates: policy,
                    ..metric()
                },
                table
            ),
            expected,
            "{policy:?}"
        );
    }
    assert_eq!(
        error(&metric(), table),
        "row 3 has the same labels as an earlier row, {env=\"test\",step=\"start\"}: group the query by all label \
         columns, add the label that tells the rows apart, or set `duplicates` to sum, max or last"
    );
}

#[test]
fn a_duplicate_with_long_labels_is_named_in_short() {
    let row = format!("{} - - 1 -", "é".repeat(2000));
    let error = error(&metric(), &[&row, &row]);
    assert!(error.contains("éé…}: group"), "{error}");
    assert!(error.len() < 1000, "{error}");
}

#[test]
fn a_label_value_has_a_limit_and_is_never_named() {
    let row = |bytes: usize| format!("{} - - 1 -", "x".repeat(bytes));
    assert_eq!(family(&metric(), &[&row(4096)]).series, 1);
    let said = error(&metric(), &["a - - 1 -", &row(4097)]);
    assert_eq!(
        said,
        "row 2: column \"step\" holds a label value of 4097 bytes, and 4096 are the most: shorten it in the query, or \
         fold rare values with `allowed_values`"
    );
    assert_eq!(samples(&with_bucket(metric()), &[&row(4097)]), "{step=other} 1");
}

#[test]
fn all_problems_of_columns_are_told_at_once_and_the_assembler_fails_for_the_first() {
    let metric = Metric {
        labels: vec![label("stepp"), label("photo"), label("os"), label("count")],
        values: Values::Columns {
            label: "of".to_owned(),
            columns: ["os", "count", "step"]
                .map(|name| (name.to_owned(), name.to_owned()))
                .to_vec(),
        },
        ..metric()
    };
    let given = [
        column("step", "text"),
        column("photo", "bytea"),
        column("os", "text"),
        column("os", "text"),
        column("count", "int8"),
    ];
    let problems = column_problems(&metric, &given);
    let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "the query gives no column \"stepp\", which label `stepp` needs (did you mean \"step\"?); it gives \"step\", \
             \"photo\", \"os\", \"os\", \"count\"",
            "column \"photo\" is of type bytea, which cannot be a label, but label `photo` needs one: cast it to text in \
             the query",
            "the query gives 2 columns named \"os\", which label `os` needs: name the others differently with AS",
            "the query gives 2 columns named \"os\", which the value where `of` is \"os\" needs: name the others \
             differently with AS",
            "column \"step\" is of type text, which is no number, but the value where `of` is \"step\" needs one: cast it \
             in the query",
        ]
    );
    let error = Assembler::new(&metric, &given, Form::Plain).unwrap_err();
    assert_eq!(error.to_string(), told[0]);
    assert_eq!(column_problems(&super::tests::metric(), &columns()), []);
}

fn with_bucket(metric: Metric) -> Metric {
    let allowed = AllowedValues {
        values: vec!["start".to_owned(), "end".to_owned()],
        other: "other".to_owned(),
    };
    Metric {
        labels: vec![
            Label {
                allowed: Some(allowed),
                ..label("step")
            },
            label("os"),
        ],
        ..metric
    }
}

#[test]
fn values_that_are_not_allowed_fold_into_the_bucket() {
    let table = &[
        "a ios - 1 -",
        "start ios - 2 -",
        "b ios - 4 -",
        "other ios - 8 -",
        "b - - 16 -",
        "- ios - 32 -",
    ];
    let expected = "{step=start,os=ios} 2\n{os=ios} 32\n{step=other,os=ios} 13\n{step=other} 16";
    assert_eq!(samples(&with_bucket(metric()), table), expected);
    // Rows in a bucket are added up whatever several rows with the same labels mean elsewhere.
    let max = with_bucket(Metric {
        duplicates: Duplicates::Max,
        ..metric()
    });
    assert_eq!(
        samples(&max, table),
        "{step=other,os=ios} 13\n{step=start,os=ios} 2\n{step=other} 16\n{os=ios} 32",
        "in the order of the first rows"
    );
    let twice = &["start ios - 2 -", "start ios - 2 -"];
    assert!(error(&with_bucket(metric()), twice).starts_with("row 2 has the same labels"));
}

#[test]
fn the_grid_is_zero_where_no_row_is() {
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    let fill = vec![words(&["start", "end"]), words(&["ios", "android"])];
    let metric = Metric {
        labels: vec![label("step"), label("os")],
        fill,
        ..metric()
    };
    // The NULL is skipped: it is unknown, not 0.
    assert_eq!(
        samples(&metric, &["start ios - 3 -", "end android - - -", "odd ios - 1 -"]),
        "{step=start,os=ios} 3\n{step=odd,os=ios} 1\n{step=start,os=android} 0\n{step=end,os=ios} 0"
    );
    let zeros = "{step=start,os=ios} 0\n{step=start,os=android} 0\n{step=end,os=ios} 0\n{step=end,os=android} 0";
    assert_eq!(samples(&metric, &[]), zeros);
    assert_eq!(
        samples(
            &Metric {
                on_empty: OnEmpty::Zero,
                ..metric.clone()
            },
            &[]
        ),
        zeros
    );
    assert_eq!(family(&metric, &[]).series, 4);

    let columns = vec![
        ("count".to_owned(), "n".to_owned()),
        ("total".to_owned(), "sum".to_owned()),
    ];
    let several = Metric {
        values: Values::Columns {
            label: "of".to_owned(),
            columns,
        },
        labels: vec![label("step")],
        fill: vec![words(&["start", "end"])],
        ..metric
    };
    assert_eq!(
        samples(&several, &["start - - 3 1.5"]),
        "{step=start,of=n} 3\n{step=start,of=sum} 1.5\n{step=end,of=n} 0\n{step=end,of=sum} 0"
    );
}

#[test]
fn no_rows_follow_the_policy() {
    assert!(matches!(
        assembled(
            &Metric {
                on_empty: OnEmpty::Keep,
                ..metric()
            },
            &[]
        ),
        Ok(Outcome::Keep)
    ));
    assert_eq!(
        error(
            &Metric {
                on_empty: OnEmpty::Error,
                ..metric()
            },
            &[]
        ),
        "the query gave no rows, which `on_empty: error` makes a failure"
    );
    for form in [Form::Plain, Form::Gzip] {
        let metric = metric();
        let Outcome::Family(family) = Assembler::new(&metric, &columns(), form).unwrap().finish().unwrap() else {
            panic!("cleared, not kept");
        };
        assert_eq!((family.series, text(family.text)), (0, String::new()), "{form:?}");
    }
    let zero = Metric {
        on_empty: OnEmpty::Zero,
        labels: Vec::new(),
        ..metric()
    };
    assert_eq!(samples(&zero, &[]), "{} 0");
    assert_eq!(samples(&zero, &["- - - 7 -"]), "{} 7");
    assert!(
        error(
            &Metric {
                on_empty: OnEmpty::Zero,
                ..metric()
            },
            &[]
        )
        .contains("needs `fill`")
    );
    // One row of NULL is a row.
    let keep = Metric {
        on_empty: OnEmpty::Keep,
        ..metric()
    };
    assert_eq!(family(&keep, &["start - - - -"]).series, 0);
}

#[test]
fn the_first_series_too_many_fails_the_metric() {
    let table = &["a - - 1 -", "b - - 1 -", "c - - 1 -"];
    let words = |words: &[&str]| vec![words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>()];
    for (case, change) in [
        ("written", Metric { ..metric() }),
        (
            "held",
            Metric {
                duplicates: Duplicates::Sum,
                ..metric()
            },
        ),
        (
            "grid beside rows",
            Metric {
                fill: words(&["a", "x"]),
                ..metric()
            },
        ),
    ] {
        let limited = |max_series| Metric {
            max_series,
            ..change.clone()
        };
        let series = if case == "grid beside rows" { 4 } else { 3 };
        assert_eq!(family(&limited(series), table).series, series, "{case}");
        let error = error(&limited(series - 1), table);
        assert!(
            error.starts_with(&format!("more than {} series: ", series - 1)),
            "{case}: {error}"
        );
    }
    let huge = vec![(0..100).map(|n| n.to_string()).collect::<Vec<_>>(); 4];
    let labels = ["a", "b", "c", "d"]
        .map(|name| Label {
            column: "step".to_owned(),
            ..label(name)
        })
        .to_vec();
    assert!(
        error(
            &Metric {
                fill: huge,
                labels,
                ..metric()
            },
            &[]
        )
        .starts_with("more than 5000 series: ")
    );
}

#[test]
fn external_rows_without_an_organisation_are_left_out_and_counted() {
    let external = Metric {
        external: true,
        null_label: "unknown".to_owned(),
        labels: vec![label("organisation_id"), label("step")],
        ..metric()
    };
    let table = &["start - org1 1 -", "start - - 2 -", "start - '' 3 -"];
    assert_eq!(samples(&external, table), "{organisation_id=org1,step=start} 1");
    let counts = family(&external, table);
    assert_eq!((counts.rows, counts.series, counts.without_organisation), (3, 1, 2));

    let fill = vec![vec![String::new(), "org2".to_owned()], vec!["end".to_owned()]];
    let filled = Metric {
        fill,
        ..external.clone()
    };
    assert_eq!(samples(&filled, &[]), "{organisation_id=org2,step=end} 0");

    let nobodys = Metric {
        labels: vec![label("step")],
        ..external.clone()
    };
    assert!(error(&nobodys, &[]).contains("needs the label `organisation_id`"));
    let one = Metric {
        static_labels: vec![("organisation_id".to_owned(), "org1".to_owned())],
        ..nobodys
    };
    assert_eq!(samples(&one, &["start - - 2 -"]), "{organisation_id=org1,step=start} 2");
    let allowed = Some(AllowedValues {
        values: vec!["org1".to_owned()],
        other: "other".to_owned(),
    });
    let mixed = Metric {
        labels: vec![Label {
            allowed,
            ..label("organisation_id")
        }],
        ..external
    };
    assert!(error(&mixed, &[]).contains("a bucket would mix customers"));
}

#[test]
fn columns_that_are_not_there_are_named() {
    let with_label = |name: &str| Metric {
        labels: vec![label(name)],
        ..metric()
    };
    let with_value = |name: &str| Metric {
        values: Values::Column(name.to_owned()),
        ..metric()
    };
    for (metric, expected) in [
        (
            with_label("Stepp"),
            "the query gives no column \"Stepp\", which label `Stepp` needs (did you mean \"step\"?); it gives \"step\", \
             \"os\", \"organisation_id\", \"count\", \"total\"",
        ),
        (
            with_value("revenue"),
            "the query gives no column \"revenue\", which the value needs; it gives \"step\", \"os\", \
             \"organisation_id\", \"count\", \"total\"",
        ),
        (
            with_value("os"),
            "column \"os\" is of type text, which is no number, but the value needs one: cast it in the query",
        ),
    ] {
        assert_eq!(error(&metric, &[]), expected);
    }
    let error = |columns: &[Column]| Assembler::new(&metric(), columns, Form::Plain).unwrap_err().to_string();
    assert!(error(&[]).ends_with("it gives no columns at all"));
    let twice = [column("step", "text"), column("count", "int8"), column("count", "int8")];
    assert!(error(&twice).starts_with("the query gives 2 columns named \"count\", which the value needs"));
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

/// What a family is made of.
struct Model {
    series: BTreeMap<Labels, f64>,
    /// How many cells of the grid have no series because their only value is a skipped NULL.
    unknown: usize,
}

/// What a metric becomes, by maps: the family, or the kind of error.
fn model(metric: &Metric, rows: &[Cells]) -> Result<Option<Model>, &'static str> {
    let position = |name: &str| columns().iter().position(|column| column.name == name).unwrap();
    let kept = |labels: Labels| {
        labels
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .collect::<Labels>()
    };
    let values = match &metric.values {
        Values::Column(name) => vec![(position(name), None)],
        Values::Columns { label, columns } => columns
            .iter()
            .map(|(name, value)| (position(name), Some((label.clone(), value.clone()))))
            .collect(),
    };
    let mut series: BTreeMap<Labels, f64> = BTreeMap::new();
    let (mut seen, mut unknown) = (BTreeSet::new(), BTreeSet::new());
    for Cells(row) in rows {
        let mut labels: Labels = metric.static_labels.iter().cloned().collect();
        let mut bucket = false;
        if metric.external && row[2].as_deref().unwrap_or("").is_empty() {
            continue;
        }
        for label in &metric.labels {
            let mut value = row[position(&label.column)].clone();
            if let Some(allowed) = &label.allowed {
                value = value.map(|value| {
                    if allowed.values.contains(&value) {
                        value
                    } else {
                        allowed.other.clone()
                    }
                });
                bucket |= value.as_ref().unwrap_or(&metric.null_label) == &allowed.other;
            }
            labels.insert(label.name.clone(), value.unwrap_or_else(|| metric.null_label.clone()));
        }
        for (column, label) in &values {
            let mut labels = labels.clone();
            labels.extend(label.clone());
            let labels = kept(labels);
            seen.insert(labels.clone());
            let value = match (&row[*column], metric.null_value) {
                (Some(value), _) => value.parse().unwrap(),
                (None, NullValue::Skip) => continue,
                (None, NullValue::Zero) => 0.0,
                (None, NullValue::Nan) => f64::NAN,
                (None, NullValue::Error) => return Err("null"),
            };
            match series.get_mut(&labels) {
                None => drop(series.insert(labels, value)),
                Some(known) if bucket => *known += value,
                Some(known) => match metric.duplicates {
                    Duplicates::Error => return Err("duplicate"),
                    Duplicates::Sum => *known += value,
                    Duplicates::Max => *known = known.max(value),
                    Duplicates::Last => *known = value,
                },
            }
        }
    }
    match metric.on_empty {
        OnEmpty::Keep if rows.is_empty() => return Ok(None),
        OnEmpty::Error if rows.is_empty() => return Err("empty"),
        _ => {}
    }
    if !metric.fill.is_empty() {
        for cell in grid_cells(metric) {
            let nobodys = metric.external && cell.get("organisation_id").is_some_and(String::is_empty);
            let cell = kept(cell);
            if !nobodys && !seen.contains(&cell) {
                series.entry(cell).or_insert(0.0);
            } else if !nobodys && !series.contains_key(&cell) {
                unknown.insert(cell);
            }
        }
    }
    let model = Model {
        series,
        unknown: unknown.len(),
    };
    if model.series.len() > metric.max_series {
        Err("series")
    } else {
        Ok(Some(model))
    }
}

/// Every combination of the grid's values.
fn grid_cells(metric: &Metric) -> Vec<Labels> {
    let mut cells: Vec<Labels> = vec![metric.static_labels.iter().cloned().collect()];
    let mut axes: Vec<(String, Vec<String>)> = metric
        .labels
        .iter()
        .map(|label| label.name.clone())
        .zip(metric.fill.iter().cloned())
        .collect();
    if let Values::Columns { label, columns } = &metric.values {
        axes.push((label.clone(), columns.iter().map(|(_, value)| value.clone()).collect()));
    }
    for (name, values) in axes {
        let with = |cell: &Labels, value: &String| {
            let mut cell = cell.clone();
            cell.insert(name.clone(), value.clone());
            cell
        };
        cells = cells
            .iter()
            .flat_map(|cell| values.iter().map(|value| with(cell, value)))
            .collect();
    }
    cells
}

fn kind(error: &MetricError) -> &'static str {
    match error {
        MetricError::NullValue { .. } => "null",
        MetricError::Duplicate { .. } => "duplicate",
        MetricError::TooManySeries { .. } => "series",
        MetricError::NoRows => "empty",
        other => panic!("{other}"),
    }
}

/// Few words, so that labels meet; some of them try to break out of their quotes.
fn word() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "a",
        "b",
        "other",
        "",
        "\"",
        "\\",
        "\n",
        "\\n",
        "a\",os=\"b",
        "ü",
        "} 1\nfake 2",
    ])
    .prop_map(str::to_owned)
}

fn cells() -> impl Strategy<Value = Cells> {
    let number = prop::option::weighted(
        0.9,
        prop_oneof![
            (-9_i32..9).prop_map(|number| (f64::from(number) / 4.0).to_string()),
            prop::sample::select(vec!["NaN", "inf", "-inf", "1e300", "-0"]).prop_map(str::to_owned),
        ],
    );
    let text = || prop::option::weighted(0.9, word());
    (text(), text(), text(), number.clone(), number).prop_map(|(a, b, c, d, e)| Cells(vec![a, b, c, d, e]))
}

prop_compose! {
    fn any_metric()(
        policies in (
            prop::sample::select(vec![NullValue::Skip, NullValue::Zero, NullValue::Nan, NullValue::Error]),
            prop::sample::select(vec![OnEmpty::Keep, OnEmpty::Clear, OnEmpty::Error]),
            prop::sample::select(vec![Duplicates::Error, Duplicates::Sum, Duplicates::Max, Duplicates::Last]),
        ),
        null_label in word(),
        static_value in word(),
        (allowed, fill) in (
            prop::option::of(prop::collection::vec(word(), 0..3)),
            prop::option::of(prop::collection::vec(prop::collection::vec(word(), 0..4), 3)),
        ),
        (several, external, max_series) in (any::<bool>(), any::<bool>(), prop_oneof![Just(5000_usize), 1_usize..9]),
    ) -> Metric {
        let allowed = allowed.map(|values| AllowedValues { values, other: "other".to_owned() });
        let columns = vec![("count".to_owned(), "n".to_owned()), ("total".to_owned(), "sum".to_owned())];
        Metric {
            static_labels: vec![("env".to_owned(), static_value)],
            labels: vec![Label { allowed, ..label("step") }, label("organisation_id"), label("os")],
            values: if several {
                Values::Columns { label: "of".to_owned(), columns }
            } else {
                Values::Column("count".to_owned())
            },
            null_value: policies.0,
            on_empty: policies.1,
            duplicates: policies.2,
            null_label,
            fill: fill.unwrap_or_default(),
            max_series,
            external,
            ..metric()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn every_policy_together_is_what_the_model_says(metric in any_metric(), rows in prop::collection::vec(cells(), 0..12)) {
        let limit = metric.max_series;
        match (assembled(&metric, &rows), model(&metric, &rows)) {
            (Ok(Outcome::Keep), Ok(None)) => {}
            (Ok(Outcome::Family(family)), Ok(Some(Model { series: expected, .. }))) => {
                prop_assert_eq!(family.rows, rows.len() as u64);
                prop_assert_eq!(family.series, expected.len());
                let read = reading::families(&text(family.text));
                prop_assert_eq!(read.len(), usize::from(!expected.is_empty()));
                let samples: Vec<_> = read.into_iter().flat_map(|family| family.samples).collect();
                prop_assert_eq!(samples.len(), expected.len(), "a label set twice");
                for (labels, value) in samples {
                    let expected = expected[&labels];
                    prop_assert!(value.to_bits() == expected.to_bits() || value.is_nan() && expected.is_nan());
                }
            }
            // The limit is found at the first series too many, before what would have failed later ..
            (Err(MetricError::TooManySeries { .. }), Err(_)) => prop_assert!(limit < 9),
            // .. and a cell of the grid counts until it is known that its value is a skipped NULL.
            (Err(MetricError::TooManySeries { .. }), Ok(model)) => {
                prop_assert!(model.is_none_or(|model| model.series.len() + model.unknown > limit));
            }
            (Err(error), Err(expected)) => prop_assert_eq!(kind(&error), expected),
            (_, _) => prop_assert!(false, "one fails, the other does not"),
        }
    }
}
