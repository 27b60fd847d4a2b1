//! Answers and what becomes of them.

mod faults;
mod negotiation;
mod properties;
mod text;

use super::reading::read;
use super::{Broken, Converter, Escaping, Format, OpenMetricsVersion, Summary};

const TEXT: Format = Format::Text(Escaping::Underscores);
const QUOTED: Format = Format::Text(Escaping::AllowUtf8);
const DOTS: Format = Format::Text(Escaping::Dots);
const VALUES: Format = Format::Text(Escaping::Values);
const OPEN_METRICS: Format = Format::OpenMetrics(OpenMetricsVersion::V1_0_0, Escaping::AllowUtf8);
const FORMATS: [Format; 7] = [TEXT, QUOTED, DOTS, VALUES, OPEN_METRICS, Format::Csv, Format::NdJson];

/// Everything written, whether the answer had begun, and the verdict.
type Outcome = (String, bool, Result<Summary, Broken>);

fn convert_pieces<'a>(format: Format, pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut converter = Converter::new(format);
    let mut out = Vec::new();
    let pushed = pieces.into_iter().try_for_each(|piece| {
        let result = converter.push(piece, &mut out);
        assert!(
            converter.has_begun() || out.is_empty(),
            "something was written too early"
        );
        result
    });
    let verdict = pushed.and_then(|()| converter.finish(&mut out));
    if let Err(broken) = verdict {
        let length = out.len();
        assert_eq!(converter.push(b" ", &mut out), Err(broken), "a fault lasts");
        assert_eq!(converter.finish(&mut out), Err(broken), "a fault lasts");
        assert_eq!(out.len(), length);
    }
    let out = String::from_utf8(out).unwrap();
    (without_instance(&out), converter.has_begun(), verdict)
}

/// Without what series get that have no instance: but for one test it says nothing.
fn without_instance(text: &str) -> String {
    text.replace(r#"{instance=""}"#, "").replace(r#",instance=""}"#, "}")
}

/// Converts in pieces of many sizes, and proves that they make no difference.
fn convert(format: Format, json: &[u8]) -> Outcome {
    let whole = convert_pieces(format, [json]);
    let sizes: &[usize] = if json.len() < 10_000 {
        &[1, 2, 3, 7, 16, 61, 200, 333, 1000]
    } else {
        &[4096, 60_001]
    };
    for size in sizes {
        assert_eq!(convert_pieces(format, json.chunks(*size)), whole, "in pieces of {size}");
    }
    whole
}

fn vector(elements: &str) -> String {
    format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{elements}]}}}}"#)
}

fn verdict(json: impl AsRef<[u8]>) -> Result<Summary, Broken> {
    convert(TEXT, json.as_ref()).2
}

/// The lines that samples became, without those about the answer.
fn lines(format: Format, elements: &str) -> String {
    let (text, _, verdict) = convert(format, vector(elements).as_bytes());
    assert!(verdict.is_ok(), "{verdict:?}: {elements}");
    read(format, &text).unwrap_or_else(|error| panic!("{error}: {text}"));
    text.split_inclusive('\n')
        .filter(|line| !line.contains("fanlight_federate_") && !line.starts_with("# EOF") && !line.starts_with("name,"))
        .collect()
}

#[test]
fn a_whole_answer_in_each_format() {
    let json = vector(
        r#"{"metric":{"__name__":"up","job":"a\"b","x.y":"é"},"value":[1435781451.781,"1"]},{"metric":{"__name__":"h"},"histogram":[1435781451.781,{"count":"1","sum":"2","buckets":[[0,"1","2","3"]]}]},{"metric":{"job":"a"},"value":[1435781451.781,"5"]},{"metric":{"__name__":"my.metric"},"value":[1435781451.781,"NaN"]}"#,
    );
    let cases = [
        (
            TEXT,
            r#"up{job="a\"b",x_y="é"} 1 1435781451781
my_metric NaN 1435781451781
# TYPE fanlight_federate_histograms_skipped gauge
fanlight_federate_histograms_skipped 1
# TYPE fanlight_federate_nameless_skipped gauge
fanlight_federate_nameless_skipped 1
# TYPE fanlight_federate_samples gauge
fanlight_federate_samples 2
"#
            .to_owned(),
        ),
        (
            OPEN_METRICS,
            r#"up{job="a\"b","x.y"="é"} 1 1435781451.781
{"my.metric"} NaN 1435781451.781
# TYPE fanlight_federate_histograms_skipped gauge
fanlight_federate_histograms_skipped 1
# TYPE fanlight_federate_nameless_skipped gauge
fanlight_federate_nameless_skipped 1
# TYPE fanlight_federate_samples gauge
fanlight_federate_samples 2
# EOF
"#
            .to_owned(),
        ),
        (
            Format::Csv,
            r#"name,labels,time,value
"up","{""job"":""a\""b"",""x.y"":""é""}",2015-07-01T20:10:51.781Z,1
"my.metric","{}",2015-07-01T20:10:51.781Z,NaN
fanlight_federate_histograms_skipped,{},,1
fanlight_federate_nameless_skipped,{},,1
fanlight_federate_samples,{},,2
"#
            .replace('\n', "\r\n"),
        ),
        (
            Format::NdJson,
            r#"{"name":"up","labels":{"job":"a\"b","x.y":"é"},"time":"2015-07-01T20:10:51.781Z","value":1}
{"name":"my.metric","labels":{},"time":"2015-07-01T20:10:51.781Z","value":"NaN"}
{"name":"fanlight_federate_histograms_skipped","labels":{},"time":null,"value":1}
{"name":"fanlight_federate_nameless_skipped","labels":{},"time":null,"value":1}
{"name":"fanlight_federate_samples","labels":{},"time":null,"value":2}
"#
            .to_owned(),
        ),
    ];
    for (format, expected) in cases {
        let (text, begun, verdict) = convert(format, json.as_bytes());
        assert_eq!(text, expected);
        assert!(begun);
        let summary = Summary {
            samples: 2,
            histograms_skipped: 1,
            nameless_skipped: 1,
        };
        assert_eq!(verdict, Ok(summary));
    }
}
