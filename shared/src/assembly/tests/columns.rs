//! Columns that are not there, not of the kind that is needed, or there twice.

use super::*;

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
