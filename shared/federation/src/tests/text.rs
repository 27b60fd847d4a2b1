//! How series, names, values and times are written in each format.

use super::*;

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
