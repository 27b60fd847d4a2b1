//! What NULLs, duplicates, buckets, grids, limits and organisations mean, by table.

use super::*;
use crate::config::job::AllowedValues;

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
