//! Answers of real upstreams, and of ones that are not what they should be.

use std::io::{Read as _, Write as _};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use futures_util::stream::{self, StreamExt as _};
use proptest::prelude::*;
use serde_json::json;

use super::*;

/// What becomes of an answer that comes in pieces of this size.
fn pass(answer: &[u8], size: usize) -> (Vec<u8>, Passage, Result<(), PassageError>) {
    let mut passage = Passage::new(1 << 20);
    let mut output = Vec::new();
    for chunk in answer.chunks(size.max(1)) {
        if passage.push(chunk, &mut output).is_err() {
            break;
        }
        if passage.head() != Head::Success {
            assert!(output.is_empty(), "nothing comes out before the head is known");
        }
    }
    let finished = passage.finish(&mut output);
    (output, passage, finished)
}

const VECTOR: &str = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":"\"\\\u00e9é"},"value":[1.5e9,"NaN"]}]}}"#;

#[test]
fn what_names_nothing_passes_byte_for_byte() {
    for answer in [
        VECTOR,
        r#"{"status":"success","data":["a","b"]}"#,
        r#"{"status":"success","data":null}"#,
        r#"{"status":"success","data":"up"}"#,
        "\n{ \"status\" :\t\"success\" , \"data\" : [ -0.5E+7, 0, true, false, null, {}, [] ] } \r\n",
        r#"{"status":"success","isPartial":false,"data":[]}"#,
        r#"{"status":"success","isPartial" : true,"data":[]}"#,
        r#"{"status":"success","data":[],"warnings":[]}"#,
        r#"{"status":"success","data":[],"warnings":["PromQL warning: quantile value should be between 0 and 1, got 2"],"infos":[]}"#,
        r#"{"st\u0061tus":"success","data":[]}"#,
    ] {
        for size in [1, 2, 7, answer.len()] {
            let (output, passage, finished) = pass(answer.as_bytes(), size);
            assert_eq!(finished, Ok(()), "{answer}");
            assert_eq!(String::from_utf8(output).unwrap(), answer);
            assert!(!passage.is_filtered());
            assert_eq!(passage.head(), Head::Success);
        }
    }
}

#[test]
fn what_could_name_others_is_left_out() {
    for (answer, passed) in [
        (
            r#"{"status":"success","data":[],"warnings":["store acme-7 is down"]}"#,
            r#"{"status":"success","data":[]}"#,
        ),
        (
            r#"{"status":"success","data":[], "warnings" : ["x", "3 more warning annotations omitted"], "infos":["y"] }"#,
            r#"{"status":"success","data":[], "warnings" : ["3 more warning annotations omitted"] }"#,
        ),
        (
            r#"{"status":"success","data":[],"infos":["PromQL info: ignored histogram in min aggregation (1:9)"]}"#,
            r#"{"status":"success","data":[],"infos":["PromQL info: ignored histogram in min aggregation"]}"#,
        ),
        (
            r#"{"status":"success","isPartial":"acme","data":{"a":[]},"stats":{"seriesFetched":"1","x":["}"]}}"#,
            r#"{"status":"success","data":{"a":[]}}"#,
        ),
        (
            r#"{ "trace":{"tenant":"acme"}, "x":1, "status":"success", "data":[], "y" : -1.5e3 , "infos":[]}"#,
            r#"{"status":"success", "data":[] , "infos":[]}"#,
        ),
        (
            r#"{"status":"success","errorType":"acme","error":"acme","data":[]}"#,
            r#"{"status":"success","data":[]}"#,
        ),
        (
            r#"{"status":"success","Data":["acme"],"data":[],"Warnings":["acme"],"warnings":null}"#,
            r#"{"status":"success","data":[]}"#,
        ),
    ] {
        for size in [1, 3, answer.len()] {
            let (output, passage, finished) = pass(answer.as_bytes(), size);
            assert_eq!(finished, Ok(()), "{answer}");
            assert_eq!(String::from_utf8(output).unwrap(), passed);
            assert!(passage.is_filtered());
        }
    }
    let long = format!(
        r#"{{"status":"success","data":[],"warnings":["{}"],"isPartial":true}}"#,
        "x".repeat(100_000)
    );
    let (output, ..) = pass(long.as_bytes(), 5000);
    assert_eq!(
        String::from_utf8(output).unwrap(),
        r#"{"status":"success","data":[],"isPartial":true}"#
    );
}

#[test]
fn an_error_with_the_status_of_a_success_is_an_error() {
    let said = |error_type: &str, error: &str| UpstreamSaid {
        error_type: error_type.to_owned(),
        error: error.to_owned(),
    };
    let long = format!(r#"{{"status":"error","error":"{}"}}"#, "x".repeat(100_000));
    for (answer, expected) in [
        (
            r#"{"status":"error","errorType":"execution","error":"a \"b\""}"#,
            said("execution", "a \"b\""),
        ),
        (
            r#"{"status":"error","data":{"a":[1]},"errorType":"timeout","error":"late","warnings":["x"]} "#,
            said("timeout", "late"),
        ),
        (r#"{"status":"error"}"#, said("", "")),
        (&long, said("", "")),
    ] {
        for size in [1, 10, answer.len()] {
            let (output, passage, finished) = pass(answer.as_bytes(), size);
            assert_eq!(finished, Ok(()), "{answer}");
            assert_eq!(passage.head(), Head::Error(&expected));
            assert!(output.is_empty());
        }
    }
}

#[test]
fn what_is_no_answer_is_broken_and_never_quoted() {
    let deep = format!(r#"{{"status":"success","data":{}"#, "[".repeat(100_000));
    let long_key = format!(r#"{{"status":"success","{}":1,"data":[]}}"#, "k".repeat(100_000));
    let spaces = format!(r#"{{"status":"success",{}"data":[]}}"#, " ".repeat(100_000));
    for (answer, reason) in [
        (&b"<html><title>502 acme</title></html>"[..], "it is not a JSON object"),
        (b"[]", "it is not a JSON object"),
        (b"\xef\xbb\xbf{}", "it is not a JSON object"),
        (b"", "it ends too early"),
        (b"{}", "it has no `status`"),
        (br#"{"data":[]}"#, "`data` comes before `status`"),
        (br#"{"data":[],"status":"success"}"#, "`data` comes before `status`"),
        (br#"{"status":"success"}"#, "it has no `data`"),
        (br#"{"status":"Success","data":[]}"#, "its `status` is neither"),
        (br#"{"status":true,"data":[]}"#, "its `status` is neither"),
        (br#"{"status":"success","data":5}"#, "`data` is neither an object"),
        (br#"{"status":"success","data":[],"data":[]}"#, "it has a member twice"),
        (br#"{"status":"success","status":"error"}"#, "it has a member twice"),
        (
            br#"{"status":"success","data":[],"d\u0061ta":[]}"#,
            "it has a member twice",
        ),
        (
            br#"{"status":"success","data":[],"warnings":"acme"}"#,
            "its `warnings` or `infos`",
        ),
        (
            br#"{"status":"success","data":[],"warnings":[{}]}"#,
            "its `warnings` or `infos`",
        ),
        (br#"{"status":"error","error":{}}"#, "its `error` or `errorType`"),
        (br#"{"status":"success","data":[]"#, "it ends too early"),
        (br#"{"status":"success","data":["#, "it ends too early"),
        (br#"{"status":"success","data":[]} x"#, "something stands behind it"),
        (br#"{"status":"success","data":[]}{}"#, "something stands behind it"),
        (br#"{"status":"success","data":[01]}"#, "it is not valid JSON"),
        (br#"{"status":"success","data":[1.]}"#, "it is not valid JSON"),
        (br#"{"status":"success","data":[1e]}"#, "it is not valid JSON"),
        (br#"{"status":"success","data":[nul]}"#, "it is not valid JSON"),
        (br#"{"status":"success","data":[1,]}"#, "it is not valid JSON"),
        (br#"{"status":"success","data":[1}}"#, "it is not valid JSON"),
        (br#"{"status":"success","data":{"a":1,}}"#, "it is not valid JSON"),
        (br#"{"status":"success","data":{"a" 1}}"#, "it is not valid JSON"),
        (br#"{"status":"success","data":{1:1}}"#, "it is not valid JSON"),
        (br#"{"status":"success","data":["\x"]}"#, "it is not valid JSON"),
        (br#"{"status":"success","data":["\u12g4"]}"#, "it is not valid JSON"),
        (b"{\"status\":\"success\",\"data\":[\"a\nb\"]}", "it is not valid JSON"),
        (b"{\"status\":\"success\",\"data\":[\"\xff\"]}", "it is not valid JSON"),
        (br#"{"status":"success","data":[],}"#, "it is not valid JSON"),
        (br#"{"status":"success" "data":[]}"#, "it is not valid JSON"),
        (br#"{,"status":"success"}"#, "it is not valid JSON"),
        (br#"{"status":"success","data":[],"\ud800":1}"#, "it is not valid JSON"),
        (deep.as_bytes(), "it is not valid JSON, or nested too deep"),
        (long_key.as_bytes(), "a key, or the white space before it, is too long"),
        (spaces.as_bytes(), "a key, or the white space before it, is too long"),
    ] {
        for size in [1, 4096] {
            let (_, _, finished) = pass(answer, size);
            let error = finished.expect_err(&String::from_utf8_lossy(answer)).to_string();
            let expected = format!("the answer is not in Prometheus' form: {reason}");
            assert!(error.starts_with(&expected), "{error}, not {expected}");
            assert!(!error.contains("acme"));
        }
    }
}

#[test]
fn what_is_too_long_is_refused_for_that() {
    let mut passage = Passage::new(10);
    let mut output = Vec::new();
    assert_eq!(passage.push(b"{\"status\":", &mut output), Ok(()));
    assert_eq!(
        passage.push(b"\"", &mut output),
        Err(PassageError::TooLarge { limit: 10 })
    );
    assert_eq!(
        passage.push(b"", &mut output),
        Err(PassageError::TooLarge { limit: 10 })
    );
    assert_eq!(passage.finish(&mut output), Err(PassageError::TooLarge { limit: 10 }));
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(4));
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn gunzip_all(body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    GzDecoder::new(body).read_to_end(&mut text).map(|_| text)
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cut")]
struct Cut;

/// What goes out of a body that comes in pieces, and perhaps breaks off.
async fn relayed(
    body: &[u8],
    size: usize,
    gzip: bool,
    cut: bool,
    limit: u64,
) -> Result<Option<Vec<u8>>, (Vec<u8>, RelayError<Cut>)> {
    let mut chunks: Vec<Result<Bytes, Cut>> = body
        .chunks(size)
        .map(|chunk| Ok(Bytes::copy_from_slice(chunk)))
        .collect();
    if cut {
        chunks.push(Err(Cut));
    }
    let mut stream = match relay(stream::iter(chunks), gzip, limit).await {
        Ok(Relayed::Success(stream)) => stream,
        Ok(Relayed::Error(_)) => return Ok(None),
        Err(error) => return Err((Vec::new(), error)),
    };
    let mut output = Vec::new();
    while let Some(item) = stream.next().await {
        match item {
            Ok(bytes) => {
                assert!(!bytes.is_empty());
                output.extend_from_slice(&bytes);
            }
            Err(error) => {
                assert!(stream.next().await.is_none());
                return Err((output, error));
            }
        }
    }
    Ok(Some(output))
}

/// An answer of many series, which gzip does not make small.
fn large(end: &str) -> String {
    let mut state = 1_u64;
    let mut values = Vec::new();
    for _ in 0..40_000 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        values.push(format!("\"{state:x}\""));
    }
    format!(r#"{{"status":"success","data":[{}]{end}"#, values.join(","))
}

#[tokio::test]
async fn a_small_compressed_answer_goes_on_as_it_came() {
    let body = gzip(VECTOR.as_bytes());
    for size in [1, 50, 10_000] {
        assert_eq!(
            relayed(&body, size, true, false, 1 << 20).await.unwrap(),
            Some(body.clone())
        );
        assert_eq!(
            relayed(VECTOR.as_bytes(), size, false, false, 1 << 20).await.unwrap(),
            Some(VECTOR.as_bytes().to_vec())
        );
    }
}

#[tokio::test]
async fn what_is_left_out_of_a_compressed_answer_is_not_in_it() {
    for (answer, passed) in [
        (
            r#"{"status":"success","data":[1],"warnings":["acme"]}"#.to_owned(),
            r#"{"status":"success","data":[1]}"#.to_owned(),
        ),
        (large(r#","infos":["acme"]}"#), large("}")),
    ] {
        for size in [100, 9000] {
            let output = relayed(&gzip(answer.as_bytes()), size, true, false, 1 << 30)
                .await
                .unwrap();
            assert_eq!(
                String::from_utf8(gunzip_all(&output.unwrap()).unwrap()).unwrap(),
                passed
            );
        }
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_never_looks_complete() {
    let whole = large("}");
    let compressed = gzip(whole.as_bytes());
    for length in [
        10,
        70_000,
        compressed.len() / 2,
        compressed.len() - 9,
        compressed.len() - 1,
    ] {
        for cut in [false, true] {
            let (output, error) = relayed(&compressed[..length], 8192, true, cut, 1 << 30)
                .await
                .unwrap_err();
            assert!(gunzip_all(&output).is_err());
            match error {
                RelayError::Upstream(Cut) => assert!(cut),
                error => assert!(!cut && error.to_string().contains("ends before its trailer"), "{error}"),
            }
        }
    }
    // Everything came, and then the connection broke: not complete either.
    let (output, _) = relayed(&compressed, 8192, true, true, 1 << 30).await.unwrap_err();
    assert!(output.len() > 1000 && gunzip_all(&output).is_err());
    for length in [10, 100, whole.len() / 2, whole.len() - 1, whole.len()] {
        let (output, _) = relayed(&whole.as_bytes()[..length], 8192, false, true, 1 << 30)
            .await
            .unwrap_err();
        assert!(serde_json::from_slice::<serde_json::Value>(&output).is_err());
    }
}

#[tokio::test]
async fn the_error_of_a_body_is_known_before_anything_goes_out() {
    let error = br#"{"status":"error","errorType":"execution","error":"x"}"#;
    assert_eq!(relayed(error, 5, false, false, 1000).await.unwrap(), None);
    assert_eq!(relayed(&gzip(error), 5, true, false, 1000).await.unwrap(), None);
    for (body, gzip, reason) in [
        (
            &b"<html>"[..],
            false,
            "the answer is not in Prometheus' form: it is not a JSON object",
        ),
        (b"", false, "the answer is not in Prometheus' form: it ends too early"),
        (
            b"",
            true,
            "the answer cannot be decompressed: the gzip stream ends before its trailer",
        ),
        (b"{}", true, "the answer cannot be decompressed: it is not valid gzip"),
    ] {
        let (output, error) = relayed(body, 5, gzip, false, 1000).await.unwrap_err();
        assert_eq!((&*output, error.to_string().as_str()), (&b""[..], reason));
    }
}

#[tokio::test]
async fn a_bomb_is_stopped_by_the_limit() {
    let bomb = gzip(format!(r#"{{"status":"success","data":["{}"]}}"#, "a".repeat(20 << 20)).as_bytes());
    assert!(bomb.len() < 64 << 10, "it is one of those that are kept whole");
    let (output, error) = relayed(&bomb, 8192, true, false, 1 << 20).await.unwrap_err();
    assert!(output.is_empty());
    assert!(matches!(error, RelayError::Passage(PassageError::TooLarge { limit }) if limit == 1 << 20));
    let whole = relayed(&bomb, 8192, true, false, 1 << 30).await.unwrap();
    assert_eq!(whole, Some(bomb));
}

#[test]
fn the_body_of_an_error_is_read_if_it_is_prometheus_own() {
    let body = br#"{"status":"error","errorType":"bad_data","error":"x","warnings":["y"]}"#;
    let said = UpstreamSaid {
        error_type: "bad_data".to_owned(),
        error: "x".to_owned(),
    };
    assert_eq!(error_body(body, false), Some(said.clone()));
    assert_eq!(error_body(&gzip(body), true), Some(said));
    let long = format!(r#"{{"status":"error","error":"{}"}}"#, "x".repeat(MOST_OF_AN_ERROR));
    for (body, compressed) in [
        (&b"<html>"[..], false),
        (b"", false),
        (br#"{"status":"success"}"#, false),
        (br#"{"error":"x"}"#, false),
        (body, true),
        (&gzip(body)[..20], true),
        (long.as_bytes(), false),
        (&gzip(long.as_bytes()), true),
    ] {
        assert_eq!(error_body(body, compressed), None);
    }
}

/// JSON as upstreams may write it, white space and all.
fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(|value| json!(value)),
        any::<i64>().prop_map(|value| json!(value)),
        any::<f64>().prop_map(|value| json!(value)),
        ".{0,12}".prop_map(|value| json!(value)),
        Just(json!(null)),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(|values| json!(values)),
            prop::collection::btree_map(".{0,6}", inner, 0..6).prop_map(|values| json!(values)),
        ]
    })
}

proptest! {
    #[test]
    fn data_passes_byte_for_byte_whatever_stands_around_it(
        data in json().prop_filter("an object, an array or a string", |data| !data.is_number() && !data.is_boolean()),
        other in json(),
        pretty: bool,
        clean: bool,
        size in 1_usize..50,
    ) {
        let data = if pretty { serde_json::to_string_pretty(&data) } else { serde_json::to_string(&data) }.unwrap();
        let expected = format!(r#"{{"status":"success","data":{data}}}"#);
        let answer = if clean { expected.clone() } else { format!(r#"{{"status":"success","x":{other},"data":{data},"y":{other}}}"#) };
        let (output, passage, finished) = pass(answer.as_bytes(), size);
        prop_assert_eq!(finished, Ok(()));
        prop_assert_eq!(String::from_utf8(output).unwrap(), expected);
        prop_assert_eq!(passage.is_filtered(), !clean);
    }

    #[test]
    fn what_comes_out_whole_is_json_with_the_same_data(
        mut answer in Just(VECTOR.as_bytes().to_vec()),
        changes in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(&br#"{}[]",:\0123.eE+-tfnu a"#[..])), 1..4),
        size in 1_usize..200,
    ) {
        for (index, byte) in changes {
            let index = index.index(answer.len());
            answer[index] = byte;
        }
        let (output, passage, finished) = pass(&answer, size);
        let (again, _, finished_again) = pass(&answer, answer.len());
        // Which of two mistakes is met first depends on where the answer was cut.
        prop_assert_eq!(finished.is_ok(), finished_again.is_ok());
        if finished.is_err() {
            prop_assert!(serde_json::from_slice::<serde_json::Value>(&output).is_err());
        }
        if finished.is_ok() {
            prop_assert_eq!(&output, &again);
            let given: serde_json::Value = serde_json::from_slice(&answer).unwrap();
            if passage.head() == Head::Success {
                let passed: serde_json::Value = serde_json::from_slice(&output).unwrap();
                prop_assert_eq!(&passed["data"], &given["data"]);
            }
        }
    }
}

#[tokio::test]
async fn what_a_gzip_header_says_beside_the_answer_does_not_pass() {
    let member = |text: &str| {
        let gzip = flate2::GzBuilder::new()
            .filename("acme-7")
            .comment("acme-7")
            .extra("acme-7");
        let mut encoder = gzip.write(Vec::new(), Compression::default());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let plain = |text: &str| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    for body in [
        member(VECTOR),
        [plain(VECTOR), member("")].concat(),
        [member(""), plain(VECTOR)].concat(),
    ] {
        for size in [1, 7, body.len()] {
            let passed = relayed(&body, size, true, false, 1 << 20).await.unwrap().unwrap();
            assert!(memchr::memmem::find(&passed, b"acme").is_none());
            let mut text = String::new();
            GzDecoder::new(&passed[..]).read_to_string(&mut text).unwrap();
            assert_eq!(text, VECTOR);
        }
    }
    // Without such a header nothing is made anew.
    let body = plain(VECTOR);
    assert_eq!(relayed(&body, 7, true, false, 1 << 20).await.unwrap().unwrap(), body);
}
