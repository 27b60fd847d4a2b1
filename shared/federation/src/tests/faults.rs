//! Answers that are not as they should be, too large or broken off: none of them becomes one that looks complete.

use super::super::{DEPTH_LIMIT, PART_LIMIT};
use super::*;

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
