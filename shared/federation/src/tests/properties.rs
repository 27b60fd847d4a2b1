//! Any answer, in any pieces: what was asked for is what a reader finds.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::reading::Read;
use super::*;

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "[a-zA-Z_][a-zA-Z0-9_]{0,20}",
        1 => "\\PC{1,10}",
        1 => any::<String>(),
    ]
    .prop_filter("has a meaning", |name| {
        !name.is_empty() && !name.starts_with("__") && !name.starts_with('\'')
    })
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![3 => "[a-z0-9/.:-]{0,30}", 1 => "[\"\\\\\n\t\r/<&é€😀a]{0,12}", 1 => any::<String>()]
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<f64>().prop_map(|value| match value {
            _ if value.is_nan() => "NaN".to_owned(),
            f64::INFINITY => "+Inf".to_owned(),
            f64::NEG_INFINITY => "-Inf".to_owned(),
            _ => format!("{value}"),
        }),
        any::<i32>().prop_map(|value| value.to_string()),
        (any::<i32>(), -30..30).prop_map(|(digits, exponent)| format!("{digits}e{exponent:+03}")),
    ]
}

/// A series as an upstream has it: name, labels, value.
type Series = (String, BTreeMap<String, String>, String);

fn series() -> impl Strategy<Value = Vec<Series>> {
    let labels = prop::collection::btree_map(name(), text(), 0..6);
    prop::collection::vec((name(), labels, value()), 0..20)
}

fn answer(series: &[Series], time: i64, helper: bool, pretty: bool) -> String {
    let elements: Vec<_> = series
        .iter()
        .map(|(name, labels, value)| {
            let mut metric = labels.clone();
            metric.insert("__name__".to_owned(), name.clone());
            if helper {
                metric.insert("__fanlight_name__".to_owned(), name.clone());
            }
            let time = format!("{}.{:03}", time / 1000, time % 1000);
            if pretty {
                let metric = serde_json::to_string_pretty(&metric).unwrap();
                format!("\n{{ \"value\" : [ {time} , \"{value}\" ] , \"metric\" : {metric} }}\t")
            } else {
                let metric = serde_json::to_string(&metric).unwrap();
                format!("{{\"metric\":{metric},\"value\":[{time},\"{value}\"]}}")
            }
        })
        .collect();
    vector(&elements.join(","))
}

proptest! {
    /// What is read back is what there was, whatever the pieces.
    #[test]
    fn series_survive(
        series in series(),
        time in 0..253_402_300_799_999_i64,
        helper: bool,
        pretty: bool,
        cuts in prop::collection::vec(1..400_usize, 1..50),
        format in prop::sample::select(vec![QUOTED, OPEN_METRICS, Format::Csv, Format::NdJson]),
    ) {
        let json = answer(&series, time, helper, pretty);
        let mut rest = json.as_bytes();
        let mut pieces = Vec::new();
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at(rest.len().min(*cut));
            pieces.push(piece);
            rest = after;
        }
        let outcome = convert_pieces(format, pieces);
        prop_assert_eq!(&outcome, &convert_pieces(format, [json.as_bytes()]));
        let (text, _, verdict) = outcome;
        prop_assert_eq!(verdict.map(|summary| summary.samples), Ok(series.len() as u64), "{}", json);
        let read = read(format, &text).unwrap();
        let expected: Vec<_> = series
            .into_iter()
            .map(|(name, labels, value)| {
                let guard = matches!(format, Format::Csv) && name.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
                Read { name: if guard { format!("'{name}") } else { name }, labels, time: Some(time), value }
            })
            .collect();
        prop_assert_eq!(&read[..read.len() - 3], &expected[..], "{}", text);
        prop_assert_eq!(&read[read.len() - 1].value, &expected.len().to_string());
    }

    /// A valid answer with some bytes changed is valid to us only if it is to `serde_json`.
    #[test]
    fn damage_is_noticed(
        series in series(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        size in 1..100_usize,
    ) {
        let mut json = answer(&series, 1, false, false).into_bytes();
        for (index, byte) in changes {
            let at = index.index(json.len());
            json[at] = byte;
        }
        let whole = convert_pieces(TEXT, [&*json]);
        prop_assert_eq!(&whole, &convert_pieces(TEXT, json.chunks(size)));
        if whole.2.is_ok() {
            prop_assert!(serde_json::from_slice::<&serde_json::value::RawValue>(&json).is_ok());
        }
    }
}
