//! All policies together, against a model that keeps everything in maps.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::config::job::AllowedValues;
use crate::exposition::reading::Labels;

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
