//! Answers and what becomes of them.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::reading::{Read, read};
use super::{
    Broken, Converter, DEPTH_LIMIT, Escaping, Format, OpenMetricsVersion, PART_LIMIT, Summary, negotiate, union,
};

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

#[test]
fn a_series_without_an_instance_says_so_in_the_text_formats() {
    let sample = |labels: &str| format!(r#"{{"metric":{{"__name__":"a"{labels}}},"value":[1,"2"]}}"#);
    let name_last = r#"{"metric":{"B":"b","__name__":"a"},"value":[1,"2"]}"#.to_owned();
    let cases = [
        (sample(""), r#"a{instance=""} 2"#),
        (sample(r#","job":"j""#), r#"a{job="j",instance=""} 2"#),
        (name_last, r#"a{B="b",instance=""} 2"#),
        (sample(r#","instances":"i""#), r#"a{instances="i",instance=""} 2"#),
        (sample(r#","instance":"i""#), r#"a{instance="i"} 2"#),
        (sample(r#","instance":"i","job":"j""#), r#"a{instance="i",job="j"} 2"#),
        (sample(r#","instance":"""#), r#"a{instance=""} 2"#),
        (sample(r#","__fanlight_name__":"a""#), r#"a{instance=""} 2"#),
    ];
    for (element, line) in cases {
        // The second one takes the fast path.
        let json = vector(&format!("{element},{element}"));
        for (format, time) in [(TEXT, " 1000"), (OPEN_METRICS, " 1")] {
            let mut converter = Converter::new(format);
            let mut out = Vec::new();
            converter.push(json.as_bytes(), &mut out).unwrap();
            assert_eq!(
                String::from_utf8(out).unwrap(),
                format!("{line}{time}\n").repeat(2),
                "{element}"
            );
        }
        for format in [Format::Csv, Format::NdJson] {
            let (text, ..) = convert_pieces(format, [json.as_bytes()]);
            assert_eq!(
                text.contains("instance\"\":"),
                element.contains("\"instance\":") && format == Format::Csv
            );
        }
    }
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

#[test]
fn an_empty_selection_has_a_metric() {
    for format in FORMATS {
        let (text, _, verdict) = convert(format, vector("").as_bytes());
        assert_eq!(verdict, Ok(Summary::default()));
        let last = read(format, &text).unwrap().pop().unwrap();
        assert_eq!((&*last.name, &*last.value), ("fanlight_federate_samples", "0"));
    }
}

/// Each metric twice, since the first sample of an answer never takes the fast path; and once with spaces.
#[test]
fn metrics_in_text() {
    let cases = [
        (r#"{"__name__":"a"}"#, "a"),
        (r#"{"__name__":"a:b_9"}"#, "a:b_9"),
        (r#"{"__name__":"a","b":""}"#, r#"a{b=""}"#),
        // Capitals sort before the underscore.
        (r#"{"Zone":"z","__name__":"a","b":"c"}"#, r#"a{Zone="z",b="c"}"#),
        (
            r#"{"A":"1","B":"2","__name__":"a_name_of_some_length"}"#,
            r#"a_name_of_some_length{A="1",B="2"}"#,
        ),
        (r#"{"A":"1","__fanlight_name__":"a","__name__":"a"}"#, r#"a{A="1"}"#),
        (r#"{"__fanlight_name__":"a","__name__":"a"}"#, "a"),
        (r#"{"__name__":"a","__fanlight_name__":"a","b":"c"}"#, r#"a{b="c"}"#),
        (r#"{"__fanlight_name__":"a","__name__":"a","b":"c"}"#, r#"a{b="c"}"#),
        (
            r#"{"__name__":"a","__fanlight_names__":"b"}"#,
            r#"a{__fanlight_names__="b"}"#,
        ),
        (r#"{"__name__":"a","__name":"b"}"#, r#"a{__name="b"}"#),
        (r#"{"__name__":"a","__name___":"b"}"#, r#"a{__name___="b"}"#),
        (r#"{"\u005f_name__":"a","\u0062":"c"}"#, r#"a{b="c"}"#),
        // Spelled alike in both.
        (r#"{"__name__":"a","b":"\\ \" \n \\\\"}"#, r#"a{b="\\ \" \n \\\\"}"#),
        (r#"{"__name__":"a","b":"\\"}"#, r#"a{b="\\"}"#),
        // Spelled otherwise.
        (r#"{"__name__":"a","b":"\/\t\r\b\f"}"#, "a{b=\"/\t\r\u{8}\u{c}\"}"),
        (r#"{"__name__":"a","b":"\u0041\u00e9\u20AC\u003c"}"#, "a{b=\"Aé€<\"}"),
        (
            r#"{"__name__":"a","b":"\u0022\u005C\u000a\u0000\u007f"}"#,
            "a{b=\"\\\"\\\\\\n\0\u{7f}\"}",
        ),
        (r#"{"__name__":"a","b":"\ud83d\uDE00"}"#, "a{b=\"😀\"}"),
        // What Go makes of surrogates that are not in pairs.
        (r#"{"__name__":"a","b":"\ud83d"}"#, "a{b=\"\u{fffd}\"}"),
        (
            r#"{"__name__":"a","b":"\ude00x\ud83d\ud83d\ude00"}"#,
            "a{b=\"\u{fffd}x\u{fffd}😀\"}",
        ),
        (
            r#"{"__name__":"a","b":"\ud83d\u0041é\ud7ff"}"#,
            "a{b=\"\u{fffd}Aé\u{d7ff}\"}",
        ),
        (r#"{"__name__":"a","b":"é€😀"}"#, "a{b=\"é€😀\"}"),
        // No label, although it looks like one.
        (
            r#"{"__name__":"a","b":"\",\"__name__\":\"c"}"#,
            r#"a{b="\",\"__name__\":\"c"}"#,
        ),
    ];
    for (metric, expected) in cases {
        let sample = format!(r#"{{"metric":{metric},"value":[1,"2"]}}"#);
        let spaced = format!("\n{{ \"value\" : [ 1 ,\t\"2\"\r], \"metric\" :{metric} , \"more\": [{{}}, null ] }}\n");
        let line = format!("{expected} 2 1000\n");
        assert_eq!(
            lines(TEXT, &format!("{sample},{sample},{spaced},{sample}")),
            line.repeat(4),
            "{metric}"
        );
    }
}

#[test]
fn names_of_other_characters() {
    let cases = [
        (
            r#"{"__name__":"my.metric","a b":"c"}"#,
            [
                r#"{"my.metric","a b"="c"}"#,
                r#"my_metric{a_b="c"}"#,
                r#"my_dot_metric{a__b="c"}"#,
                r#"U__my_2e_metric{U__a_20_b="c"}"#,
            ],
        ),
        (
            r#"{"__name__":"up","k8s.pod_name":"c","z":"1"}"#,
            [
                r#"up{"k8s.pod_name"="c",z="1"}"#,
                r#"up{k8s_pod_name="c",z="1"}"#,
                r#"up{k8s_dot_pod__name="c",z="1"}"#,
                r#"up{U__k8s_2e_pod__name="c",z="1"}"#,
            ],
        ),
        (
            r#"{"__name__":"0é\"\n\\_x"}"#,
            [
                r#"{"0é\"\n\\_x"}"#,
                "______x",
                "____________x",
                "U___30__e9__22__a__5c___x",
            ],
        ),
        // Only a metric's name may have a colon.
        (
            r#"{"__name__":"a:b","a:b":"c"}"#,
            [
                r#"a:b{"a:b"="c"}"#,
                r#"a:b{a_b="c"}"#,
                r#"a:b{a__b="c"}"#,
                r#"a:b{U__a_3a_b="c"}"#,
            ],
        ),
    ];
    for (metric, expected) in cases {
        let sample = format!(r#"{{"metric":{metric},"value":[1,"2"]}}"#);
        for (format, expected) in [QUOTED, TEXT, DOTS, VALUES].into_iter().zip(expected) {
            let line = format!("{expected} 2 1000\n");
            assert_eq!(lines(format, &format!("{sample},{sample}")), line.repeat(2), "{metric}");
        }
    }
}

#[test]
fn values_and_times() {
    let values = [
        "0",
        "-0",
        "1",
        "-1",
        "1.5",
        "-0.001",
        "12345678901234567890123",
        "1e+21",
        "-1.5e-07",
        "5e-324",
        "NaN",
        "+Inf",
        "-Inf",
    ];
    for value in values {
        let sample = format!(r#"{{"metric":{{"__name__":"a"}},"value":[1,"{value}"]}}"#);
        assert_eq!(
            lines(TEXT, &format!("{sample},{sample}")),
            format!("a {value} 1000\n").repeat(2)
        );
        let quote = if value.ends_with(['N', 'f']) { "\"" } else { "" };
        let line = format!(
            "{{\"name\":\"a\",\"labels\":{{}},\"time\":\"1970-01-01T00:00:01.000Z\",\"value\":{quote}{value}{quote}}}\n"
        );
        assert_eq!(lines(Format::NdJson, &sample), line);
    }
    let times = [
        ("1435781451", "1435781451000", "1435781451"),
        ("1435781451.7", "1435781451700", "1435781451.700"),
        ("1435781451.007", "1435781451007", "1435781451.007"),
        ("1435781451.0074", "1435781451007", "1435781451.007"),
        ("1.435781451007e9", "1435781451007", "1435781451.007"),
        ("0", "0", "0"),
        ("-0.0", "0", "0"),
        ("253402300799.999", "253402300799999", "253402300799.999"),
    ];
    for (time, text, open_metrics) in times {
        // A time between others, so that none is taken for the last one.
        let sample = format!(r#"{{"metric":{{"__name__":"a"}},"value":[{time},"1"]}}"#);
        let other = r#"{"metric":{"__name__":"b"},"value":[9,"1"]}"#;
        let all = format!("{sample},{sample},{other},{sample}");
        assert_eq!(
            lines(TEXT, &all),
            format!("a 1 {text}\na 1 {text}\nb 1 9000\na 1 {text}\n")
        );
        assert_eq!(
            lines(OPEN_METRICS, &all),
            format!("a 1 {open_metrics}\na 1 {open_metrics}\nb 1 9\na 1 {open_metrics}\n")
        );
    }
}

#[test]
fn no_cell_of_csv_is_a_formula() {
    for first in ["=", "+", "-", "@", "\\t", "\\r", "\\n"] {
        let text = lines(
            Format::Csv,
            &format!(r#"{{"metric":{{"__name__":"{first}1+1","=1":"=1"}},"value":[1,"-2"]}}"#),
        );
        assert!(text.starts_with("\"'"), "{text}");
        assert!(
            text.ends_with("\",\"{\"\"=1\"\":\"\"=1\"\"}\",1970-01-01T00:00:01.000Z,-2\r\n"),
            "{text}"
        );
    }
}

#[test]
fn envelopes() {
    let sample = r#"{"metric":{"__name__":"a"},"value":[1,"2"]}"#;
    let envelopes = [
        r#"{"status":"success","data":{"resultType":"vector","result":[S,S],"stats":{"a":[1,{"b":null}]}},"warnings":["\"x"],"infos":[]}"#,
        " {\r\n\t\"status\" : \"success\" , \"data\" : { \"resultType\" : \"vector\" , \"result\" : [ S , S ] } } \n",
        r#"{"data":{"result":[S,S],"resultType":"vector"},"status":"success"}"#,
        r#"{"data":{"resultType":"vector","result":[S,S]},"isPartial":false,"status":"success","n":-1.5e+3}"#,
        r#"{"\u0073tatus":"succes\u0073","d\u0061ta":{"result\u0054ype":"v\u0065ctor","r\u0065sult":[S,S]}}"#,
        r#"{"":{},"x":[[],{}],"result":"r","resultType":1,"status":"success","data":{"status":2,"data":{"result":[]},"resultType":"vector","result":[S,S],"y":0}}"#,
        r#"{"status":"success","data":{"resultType":"vector","result":[S,S]},"\ud800":"\ud800"}"#,
    ];
    for envelope in envelopes {
        let (text, begun, verdict) = convert(TEXT, envelope.replace('S', sample).as_bytes());
        assert_eq!(verdict.map(|summary| summary.samples), Ok(2), "{envelope}");
        assert!(
            begun && text.starts_with("a 2 1000\na 2 1000\n# TYPE "),
            "{envelope}: {text}"
        );
    }
}

#[test]
fn faults_of_the_envelope() {
    let expected_object = Broken::WrongType {
        field: "data",
        expected: "an object",
    };
    let expected_array = Broken::WrongType {
        field: "result",
        expected: "an array",
    };
    let wrong_status = Broken::WrongType {
        field: "status",
        expected: "a string",
    };
    let cases: [(&str, Broken); 44] = [
        ("", Broken::Truncated),
        (" ", Broken::Truncated),
        ("<html><body>502 Bad Gateway</body></html>", Broken::NotJson),
        ("upstream connect error", Broken::NotJson),
        ("[]", Broken::NotJson),
        ("\"a\"", Broken::NotJson),
        ("\u{feff}{}", Broken::NotJson),
        ("{", Broken::Truncated),
        ("{}", Broken::Missing("status")),
        ("{}{}", Broken::Trailing),
        ("{,}", Broken::Malformed),
        ("{]", Broken::Malformed),
        (r#"{"a"}"#, Broken::Malformed),
        (r#"{"a":}"#, Broken::Malformed),
        (r#"{"a":1,}"#, Broken::Malformed),
        (r#"{"a":1 "b":2}"#, Broken::Malformed),
        (r#"{"a":01}"#, Broken::Malformed),
        (r#"{"a":1.}"#, Broken::Malformed),
        (r#"{"a":-}"#, Broken::Malformed),
        (r#"{"a":1e}"#, Broken::Malformed),
        (r#"{"a":nul}"#, Broken::Malformed),
        (r#"{"a":truee}"#, Broken::Malformed),
        (r#"{"a":"\x"}"#, Broken::Malformed),
        (r#"{"a":"\u00g0"}"#, Broken::Malformed),
        ("{\"a\":\"\n\"}", Broken::Malformed),
        (r#"{"a":[1,]}"#, Broken::Malformed),
        (r#"{"a":{"b":1,}}"#, Broken::Malformed),
        (r#"{"a":{"b":1]}"#, Broken::Malformed),
        (r#"{"a":[}]}"#, Broken::Malformed),
        (r#"{"a":'b'}"#, Broken::Malformed),
        (
            r#"{"status":"error","errorType":"bad_data","error":"secret"}"#,
            Broken::Unsuccessful,
        ),
        (
            r#"{"errorType":"bad_data","error":"secret","status":"error"}"#,
            Broken::Unsuccessful,
        ),
        (r#"{"status":null}"#, wrong_status),
        (r#"{"status":"success","status":"success"}"#, Broken::Repeated("status")),
        (r#"{"status":"success"}"#, Broken::Missing("data")),
        (r#"{"status":"success","data":null}"#, expected_object),
        (r#"{"status":"success","data":{}}"#, Broken::Missing("resultType")),
        (r#"{"status":"success","data":{},"data":{}}"#, Broken::Repeated("data")),
        (
            r#"{"status":"success","data":{"resultType":"vector"}}"#,
            Broken::Missing("result"),
        ),
        (
            r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#,
            Broken::NotVector,
        ),
        (
            r#"{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}"#,
            Broken::NotVector,
        ),
        (
            r#"{"status":"success","data":{"resultType":"vector","result":null}}"#,
            expected_array,
        ),
        (
            r#"{"status":"success","data":{"resultType":"vector","result":[],"result":[]}}"#,
            Broken::Repeated("result"),
        ),
        (
            r#"{"data":{"result":[],"resultType":"vector"},"status":"error"}"#,
            Broken::Unsuccessful,
        ),
    ];
    for (json, expected) in cases {
        let (text, begun, verdict) = convert(TEXT, json.as_bytes());
        assert_eq!(verdict, Err(expected), "{json}");
        assert!(begun || text.is_empty());
    }
    for after in ["x", "{}", "]", "\0", "# EOF"] {
        assert_eq!(verdict(vector("") + after), Err(Broken::Trailing));
    }
    // The beginning of a character.
    assert_eq!(
        verdict([vector("").as_bytes(), b"\xe4"].concat()),
        Err(Broken::Trailing)
    );
    // Which of two faults comes first must not depend on the pieces.
    assert_eq!(verdict(b"{\"a\":\xe2(\"}"), Err(Broken::Malformed));
    assert_eq!(verdict(b"{\"data\":\xdfv"), Err(Broken::Malformed));
    assert_eq!(verdict(b"{\"a\":\"\xff\"}"), Err(Broken::Malformed));
    assert_eq!(verdict(b"{\"a\":\"\xe2\x82\"}"), Err(Broken::Malformed));
    assert_eq!(verdict(b"{\"a\":\"\xed\xa0\x80\"}"), Err(Broken::Malformed));
}

/// Every fault at the beginning, and after samples that have taken the fast path.
#[test]
fn faults_of_samples() {
    let cases = [
        ("1", Broken::Sample),
        (r#""a""#, Broken::Sample),
        ("[]", Broken::Sample),
        (r#"[{"__name__":"a"},[1,"2"]]"#, Broken::Sample),
        ("{}", Broken::Sample),
        (r#"{"value":[1,"2"]}"#, Broken::Sample),
        (r#"{"metric":{"__name__":"a"}}"#, Broken::Sample),
        (r#"{"metric":{"__name__":"a"},"values":[[1,"2"]]}"#, Broken::Sample),
        (r#"{"metric":null,"value":[1,"2"]}"#, Broken::Sample),
        (r#"{"metric":[],"value":[1,"2"]}"#, Broken::Sample),
        (r#"{"metric":{"__name__":1},"value":[1,"2"]}"#, Broken::Sample),
        (
            r#"{"metric":{"__name__":"a","b":null},"value":[1,"2"]}"#,
            Broken::Sample,
        ),
        (
            r#"{"metric":{"__name__":"a","b":[98]},"value":[1,"2"]}"#,
            Broken::Sample,
        ),
        (r#"{"metric":{"__name__":"a","":"b"},"value":[1,"2"]}"#, Broken::Sample),
        (
            r#"{"metric":{"__name__":"a","__name__":"b"},"value":[1,"2"]}"#,
            Broken::Sample,
        ),
        (
            r#"{"metric":{"__name__":"a"},"metric":{"__name__":"a"},"value":[1,"2"]}"#,
            Broken::Sample,
        ),
        (
            r#"{"metric":{"__name__":"a"},"value":[1,"2"],"value":[1,"2"]}"#,
            Broken::Sample,
        ),
        (r#"{"metric":{"__name__":"a"},"value":["1","2"]}"#, Broken::Sample),
        (r#"{"metric":{"__name__":"a"},"value":[1,2]}"#, Broken::Sample),
        (r#"{"metric":{"__name__":"a"},"value":[1]}"#, Broken::Sample),
        (r#"{"metric":{"__name__":"a"},"value":[,"2"]}"#, Broken::Malformed),
        (r#"{"metric":{"__name__":"a"},"value":[1,"2",3]}"#, Broken::Sample),
        (r#"{"metric":{"__name__":"a"},"value":[1,"2"],"a"}"#, Broken::Malformed),
        (r#"{"metric":{"__name__":"a"},"value":[1,"2"}}"#, Broken::Malformed),
        (r#"{"metric":{"__name__":"a",},"value":[1,"2"]}"#, Broken::Malformed),
        (
            r#"{"metric":{"__name__":"a","b":"\u12"},"value":[1,"2"]}"#,
            Broken::Malformed,
        ),
        (
            r#"{"metric":{"__name__":"a","b":"\q"},"value":[1,"2"]}"#,
            Broken::Malformed,
        ),
        (
            "{\"metric\":{\"__name__\":\"a\",\"b\":\"\n\"},\"value\":[1,\"2\"]}",
            Broken::Malformed,
        ),
        (
            "{\"metric\":{\"__name__\":\"a\",\"b\":\"\0\"},\"value\":[1,\"2\"]}",
            Broken::Malformed,
        ),
        (r#"{"metric":{"__name__":"a"},"value":[-1,"2"]}"#, Broken::Time),
        (
            r#"{"metric":{"__name__":"a"},"value":[253402300800,"2"]}"#,
            Broken::Time,
        ),
        (r#"{"metric":{"__name__":"a"},"value":[1e300,"2"]}"#, Broken::Time),
        (r#"{"metric":{"__name__":"a"},"value":[1,""]}"#, Broken::Value),
        (r#"{"metric":{"__name__":"a"},"value":[1,"x"]}"#, Broken::Value),
        (r#"{"metric":{"__name__":"a"},"value":[1," 1"]}"#, Broken::Value),
        (r#"{"metric":{"__name__":"a"},"value":[1,"1\nb 2"]}"#, Broken::Value),
        (r#"{"metric":{"__name__":"a"},"value":[1,"01"]}"#, Broken::Value),
        (r#"{"metric":{"__name__":"a"},"value":[1,"1."]}"#, Broken::Value),
        (r#"{"metric":{"__name__":"a"},"value":[1,".5"]}"#, Broken::Value),
        (r#"{"metric":{"__name__":"a"},"value":[1,"1e999"]}"#, Broken::Value),
        (r#"{"metric":{"__name__":"a"},"value":[1,"-"]}"#, Broken::Value),
        (r#"{"metric":{"__name__":"a"},"value":[1,"Inf"]}"#, Broken::Value),
        (r#"{"metric":{"__name__":"a"},"value":[1,"nan"]}"#, Broken::Value),
        (r#"{"metric":{"__name__":"a"},"value":[1,"0x10"]}"#, Broken::Value),
    ];
    let good = r#"{"metric":{"__name__":"a"},"value":[1,"2"]}"#;
    for (element, expected) in cases {
        assert_eq!(verdict(vector(element)), Err(expected), "{element}");
        let (text, _, verdict) = convert(TEXT, vector(&format!("{good},{good},{element},{good}")).as_bytes());
        assert_eq!(verdict, Err(expected), "{element}");
        assert_eq!(text, "a 2 1000\na 2 1000\n", "{element}");
    }
    for elements in ["S,", ",S", "S S", "S,,S", "S}"] {
        assert_eq!(
            verdict(vector(&elements.replace('S', good))),
            Err(Broken::Malformed),
            "{elements}"
        );
    }
}

#[test]
fn sizes_have_limits() {
    let sample = |length| {
        let json = r#"{"metric":{"__name__":"a","b":""},"value":[1,"2"]}"#;
        json.replace(r#""""#, &format!("\"{}\"", "x".repeat(length - json.len())))
    };
    for first in ["", r#"{"metric":{"__name__":"a"},"value":[1,"2"]},"#] {
        assert!(verdict(vector(&(first.to_owned() + &sample(PART_LIMIT)))).is_ok());
        let large = vector(&(first.to_owned() + &sample(PART_LIMIT + 1)));
        assert_eq!(verdict(large), Err(Broken::TooLarge));
    }
    assert_eq!(
        verdict(format!("{{\"{}\":1}}", "x".repeat(PART_LIMIT))),
        Err(Broken::TooLarge)
    );
    // What is skipped is not kept.
    let skipped = vector("").replace(
        "{\"status",
        &format!("{{\"a\":\"{}\",\"status", "x".repeat(2 * PART_LIMIT)),
    );
    assert!(verdict(skipped).is_ok());

    let nested = |depth: u32| {
        let depth = depth as usize;
        vector("").replace(
            "{\"status",
            &format!("{{\"a\":{}{},\"status", "[".repeat(depth), "]".repeat(depth)),
        )
    };
    assert!(verdict(nested(DEPTH_LIMIT)).is_ok());
    assert_eq!(verdict(nested(DEPTH_LIMIT + 1)), Err(Broken::TooDeep));

    let late = |samples: usize| {
        let samples = vec![sample(1000); samples].join(",");
        format!(r#"{{"data":{{"result":[{samples}],"resultType":"vector"}},"status":"success"}}"#)
    };
    assert!(verdict(late(1000)).is_ok());
    let (text, begun, verdict) = convert(TEXT, late(1200).as_bytes());
    assert_eq!((text, begun, verdict), (String::new(), false, Err(Broken::LateHead)));
}

/// An answer that is cut anywhere is refused by us and, once broken off, by a reader of the format.
#[test]
fn a_broken_stream_never_looks_complete() {
    let json = vector(
        r#"{"metric":{"__name__":"a","b":"c"},"value":[1,"2"]},{"metric":{"__name__":"a","b":"d"},"value":[1,"2"]},{"metric":{"__name__":"fanlight_federate_samples"},"value":[1,"2"]}"#,
    );
    for format in FORMATS {
        for end in 0..json.len() {
            let mut converter = Converter::new(format);
            let mut out = Vec::new();
            converter.push(&json.as_bytes()[..end], &mut out).unwrap();
            let before = out.len();
            assert_eq!(converter.finish(&mut out), Err(Broken::Truncated));
            assert_eq!(out.len(), before);
            converter.break_off(&mut out);
            let text = String::from_utf8(out).unwrap();
            let refused = read(format, &text).unwrap_err();
            if let Format::OpenMetrics(_, escaping) = format {
                assert_eq!(refused, "no # EOF");
                // Nor would it pass with it.
                assert!(read(Format::Text(escaping), &text).is_err());
            }
            assert!(!text.contains("fanlight_federate_samples 3"));
            let mut late = Vec::new();
            assert_eq!(
                converter.push(&json.as_bytes()[end..], &mut late),
                Err(Broken::Truncated)
            );
            assert_eq!(converter.finish(&mut late), Err(Broken::Truncated));
            assert_eq!(late, b"");
        }
    }
}

#[test]
fn finishing_twice_writes_once() {
    let mut converter = Converter::new(TEXT);
    let mut out = Vec::new();
    converter.push(vector("").as_bytes(), &mut out).unwrap();
    assert_eq!(converter.finish(&mut out), Ok(Summary::default()));
    let length = out.len();
    assert_eq!(converter.finish(&mut out), Ok(Summary::default()));
    assert_eq!(out.len(), length);
}

#[test]
fn formats_by_accept() {
    use Escaping::{AllowUtf8, Dots, Underscores, Values};
    use OpenMetricsVersion::{V0_0_1, V1_0_0};
    let cases = [
        ("", TEXT),
        ("*/*", TEXT),
        // Prometheus 2.42, 3, and 3 with protobuf first.
        (
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            Format::OpenMetrics(V1_0_0, Underscores),
        ),
        (
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.7,application/openmetrics-text;version=0.0.1;q=0.6,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.4,*/*;q=0.3",
            Format::OpenMetrics(V1_0_0, AllowUtf8),
        ),
        (
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,application/openmetrics-text;version=1.0.0;escaping=underscores;q=0.6,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            Format::OpenMetrics(V1_0_0, Underscores),
        ),
        // `scrape_protocols: [PrometheusText1.0.0, PrometheusText0.0.4]`
        (
            "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.7,text/plain;version=0.0.4;q=0.6,*/*;q=0.5",
            Format::Text(AllowUtf8),
        ),
        ("text/plain;version=1.0.0", TEXT),
        ("text/plain;version=0.0.4;escaping=dots", Format::Text(Dots)),
        ("text/plain; escaping=\"values\"", Format::Text(Values)),
        ("text/plain;escaping=runes", TEXT),
        ("application/openmetrics-text", Format::OpenMetrics(V0_0_1, Underscores)),
        ("application/openmetrics-text;version=2.0.0", TEXT),
        (
            "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8",
            TEXT,
        ),
        ("text/csv", Format::Csv),
        ("Text/CSV; Charset=utf-8", Format::Csv),
        ("application/x-ndjson", Format::NdJson),
        ("*/*, text/csv", Format::Csv),
        ("text/*, application/x-ndjson", Format::NdJson),
        ("text/csv;q=0.5, */*;q=0.9", TEXT),
        ("text/csv;q=0.5, application/x-ndjson;q=0.501", Format::NdJson),
        ("text/csv , application/x-ndjson", Format::Csv),
        ("text/csv;q=0, application/x-ndjson;q=0.001", Format::NdJson),
        ("text/csv;q=0.000", TEXT),
        // Malformed ranges count for nothing.
        ("text/csv;q=2", TEXT),
        ("text/csv;q=0.1234", TEXT),
        ("text/csv;q=high", TEXT),
        ("text/csv;charset", TEXT),
        ("csv", TEXT),
        (",;=,;;,/,q=1,text/csv;;", Format::Csv),
        ("application/json", TEXT),
        ("image/*", TEXT),
    ];
    for (accept, expected) in cases {
        assert_eq!(negotiate(Some(accept)), expected, "{accept}");
    }
    assert_eq!(negotiate(None), TEXT);
}

#[test]
fn content_types() {
    let cases = [
        (TEXT, "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"),
        (QUOTED, "text/plain; version=0.0.4; charset=utf-8; escaping=allow-utf-8"),
        (DOTS, "text/plain; version=0.0.4; charset=utf-8; escaping=dots"),
        (VALUES, "text/plain; version=0.0.4; charset=utf-8; escaping=values"),
        (
            OPEN_METRICS,
            "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
        ),
        (
            Format::OpenMetrics(OpenMetricsVersion::V0_0_1, Escaping::Dots),
            "application/openmetrics-text; version=0.0.1; charset=utf-8; escaping=dots",
        ),
        (Format::Csv, "text/csv; charset=utf-8; header=present"),
        (Format::NdJson, "application/x-ndjson"),
    ];
    for (format, expected) in cases {
        assert_eq!(format.content_type(), expected);
    }
}

#[test]
fn unions() {
    let of = |selectors: &[&str]| union(&selectors.iter().map(ToString::to_string).collect::<Vec<_>>());
    let named = |selector: &str| format!(r#"label_replace({selector},"__fanlight_name__","$1","__name__","(.*)")"#);
    assert_eq!(of(&[]), "");
    assert_eq!(of(&["a"]), "a");
    assert_eq!(of(&["a", "a"]), "a");
    assert_eq!(of(&["a", "b", "a"]), format!("{} or {}", named("a"), named("b")));
    let three = of(&["{x=\"1\"}", "b", "c"]);
    assert_eq!(
        three,
        format!("{} or {} or {}", named("{x=\"1\"}"), named("b"), named("c"))
    );
    promql::parse(&three, &promql::Limits::default()).unwrap();
}

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
