//! Answers and what becomes of them.

use super::{Broken, Converter, Escaping, Format, OpenMetricsVersion, Summary, negotiate, union};

const TEXT: Format = Format::Text(Escaping::Underscores);
const UTF8: Format = Format::Text(Escaping::AllowUtf8);
const OPEN_METRICS: Format = Format::OpenMetrics(OpenMetricsVersion::V1_0_0, Escaping::Underscores);
const FORMATS: [Format; 5] = [TEXT, UTF8, OPEN_METRICS, Format::Csv, Format::NdJson];

/// What an answer became in pieces of one size: everything written, whether it had begun, and the verdict.
fn convert(format: Format, json: &[u8], piece: usize) -> (String, bool, Result<Summary, Broken>) {
    let mut converter = Converter::new(format);
    let mut out = Vec::new();
    let mut pieces = json.chunks(piece);
    let pushed = pieces.try_for_each(|piece| {
        let result = converter.push(piece, &mut out);
        assert!(
            converter.has_begun() || out.is_empty(),
            "something was written too early"
        );
        result
    });
    let verdict = pushed.and_then(|()| converter.finish(&mut out));
    (String::from_utf8(out).unwrap(), converter.has_begun(), verdict)
}

fn vector(elements: &str) -> String {
    format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{elements}]}}}}"#)
}

#[test]
fn smoke() {
    let json = vector(
        r#"{"metric":{"__name__":"a","x":"y"},"value":[1,"2"]},{"metric":{"__name__":"a","x":"z"},"value":[1,"2"]},{"metric":{"__name__":"a","x":"z"},"value":[1,"2"]}"#,
    );
    for format in FORMATS {
        for piece in 1..json.len() + 1 {
            let (text, _, verdict) = convert(format, json.as_bytes(), piece);
            if piece == 1 || piece == json.len() {
                println!("{text}");
            }
            assert_eq!(verdict.unwrap().samples, 3);
        }
    }
    println!("{}", negotiate(None).content_type());
    println!("{}", union(&["a".into(), "b".into()]));
}
