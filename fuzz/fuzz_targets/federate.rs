//! Any bytes in any pieces are converted or refused, whatever the pieces; what is converted is the JSON of a vector.

#![no_main]

use federation::{Broken, Converter, Escaping, Format, OpenMetricsVersion, Summary};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const FORMATS: [Format; 7] = [
    Format::Text(Escaping::Underscores),
    Format::Text(Escaping::AllowUtf8),
    Format::Text(Escaping::Dots),
    Format::Text(Escaping::Values),
    Format::OpenMetrics(OpenMetricsVersion::V1_0_0, Escaping::AllowUtf8),
    Format::Csv,
    Format::NdJson,
];

fuzz_target!(|bytes: &[u8]| {
    let [format, size, json @ ..] = bytes else {
        return;
    };
    let format = FORMATS[usize::from(*format) % FORMATS.len()];
    let whole = converted(format, json, json.len().max(1));
    assert_eq!(whole, converted(format, json, usize::from(*size) + 1));
    let (text, result) = whole;
    if let Ok(summary) = result {
        // Surrogates that are not in pairs are valid, but not to serde_json.
        if let Ok(answer) = serde_json::from_slice::<Value>(json) {
            let elements = answer["data"]["result"].as_array().expect("a vector").len() as u64;
            assert_eq!(
                elements,
                summary.samples + summary.histograms_skipped + summary.nameless_skipped
            );
        } else {
            serde_json::from_slice::<&serde_json::value::RawValue>(json).expect("valid JSON");
        }
        let lines = text.matches('\n').count() as u64;
        match format {
            Format::Text(_) => assert_eq!(lines, summary.samples + 6),
            Format::OpenMetrics(..) => assert_eq!(lines, summary.samples + 7),
            // A name may have line feeds.
            Format::Csv => assert!(lines >= summary.samples + 4),
            Format::NdJson => assert_eq!(lines, summary.samples + 3),
        }
        assert!(
            text.trim_end_matches("# EOF\n")
                .trim_end()
                .ends_with(|last: char| last.is_ascii_digit() || last == '}')
        );
    } else {
        assert!(!text.contains("fanlight_federate_samples") || json.windows(9).any(|name| name == b"_federate"));
    }
});

fn converted(format: Format, json: &[u8], size: usize) -> (String, Result<Summary, Broken>) {
    let mut converter = Converter::new(format);
    let mut out = Vec::new();
    let result = json
        .chunks(size)
        .try_for_each(|piece| converter.push(piece, &mut out))
        .and_then(|()| converter.finish(&mut out));
    assert!(converter.has_begun() || out.is_empty());
    if result.is_err() {
        converter.break_off(&mut out);
    }
    (String::from_utf8(out).expect("formats are UTF-8"), result)
}
