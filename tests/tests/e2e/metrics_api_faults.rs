//! Whatever the upstream does, customers are told what they can use, nothing of the upstream and of each other, and
//! never take half an answer for a whole one; the operator is told what it was.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use fanlight_tests::canary::ROTATED_PASSWORD;
use fanlight_tests::faults::{Hanging, refusing};
use fanlight_tests::scripted::{Scripted, Step, beginning, head, whole};
use fanlight_tests::{
    Answer, Customer, Deployment, MetricFilter, MetricsApi, PASSWORD, Prometheus, SecretsManager, binaries,
    configuration, promtool_check_metrics,
};
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use futures_util::future::try_join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::metrics_api_shop::{ACMES, Shop, nothing_of_others, vector};

const QUERY: &str = "/api/v1/query?query=orders";
const FEDERATE: &str = "/federate?match[]=orders";
/// What the upstream says of itself and of others.
const CANARIES: [&str; 4] = ["store-7", "bolt", "10.9.8.7", "traceback"];
const NOT_UNDERSTOOD: &str = "unavailable: the upstream's answer cannot be understood";
const NOT_REACHED: &str = "unavailable: the upstream cannot be reached, or gives no answer that can be understood";
const TOO_LATE: &str = "timeout: the upstream did not answer in time; ask for less";
const NOT_EVALUATED: &str = "the upstream could not evaluate the query";

async fn behind(upstream: &Scripted) -> Result<(MetricsApi, Customer)> {
    at(&upstream.url(), "", "").await
}

/// The API in front of a URL, with further settings of the upstream and of the API.
async fn at(url: &str, upstream: &str, rest: &str) -> Result<(MetricsApi, Customer)> {
    let acme = [Customer::new("acme", &["acme-fr"])?];
    let api = MetricsApi::configured(&format!("    url: {url:?}\n{upstream}"), rest, &acme).await?;
    let [acme] = acme;
    Ok((api, acme))
}

/// What acme gets, compressed or not; in no byte of it stands what is not his to know.
async fn ask(api: &MetricsApi, acme: &Customer, target: &str, accept: &str, gzip: bool) -> Result<Answer> {
    let request = api.request(Some(acme), Method::GET, target)?.header("accept", accept);
    let encoding = if gzip { "gzip" } else { "identity" };
    let answer = api.send(request.header("accept-encoding", encoding)).await?;
    let mut seen = String::from_utf8_lossy(&answer.body).into_owned();
    let mut unpacked = Vec::new();
    // Of what is not compressed, or not to the end, whatever can be had.
    let _ = MultiGzDecoder::new(&answer.body[..]).read_to_end(&mut unpacked);
    seen.push_str(&String::from_utf8_lossy(&unpacked));
    write!(seen, "{:?}", answer.headers)?;
    for canary in CANARIES {
        ensure!(!seen.contains(canary), "{target} tells acme of {canary}: {seen}");
    }
    Ok(answer)
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// A success of so many series of acme's, as Prometheus writes it.
fn series(count: usize) -> String {
    let samples: Vec<String> = (0..count).map(sample).collect();
    format!("{BEGINNING}{}{END}", samples.join(","))
}

fn sample(number: usize) -> String {
    // What compresses badly, so that no answer is small.
    let noise = fastrand::u128(..);
    let labels = format!(r#""__name__":"orders","id":"{noise:x}","organisation_id":"acme-fr","shop":"shop-{number}""#);
    let now = jiff::Timestamp::now().as_second();
    format!(r#"{{"metric":{{{labels}}},"value":[{now},"5"]}}"#)
}

const BEGINNING: &str = r#"{"status":"success","data":{"resultType":"vector","result":["#;
const END: &str = "]}}";

#[tokio::test]
async fn an_upstream_that_cannot_be_asked() -> Result<()> {
    let hanging = Hanging::start().await?;
    let (refusing, hanging) = (refusing()?, hanging.address());
    // A name that is too long for the DNS is unknown without asking anybody.
    let nowhere = format!("http://{}.bolt", "n".repeat(70));
    let cases = [
        (format!("http://{refusing}"), 502, NOT_REACHED, "refused the connection"),
        (nowhere, 502, NOT_REACHED, "is not known by name"),
        (
            format!("http://{hanging}"),
            504,
            TOO_LATE,
            "did not answer within 1.0 s",
        ),
        (format!("https://{hanging}"), 504, TOO_LATE, "within 1.0 s"),
    ];
    for (url, status, words, told) in cases {
        let (api, acme) = at(&url, "    timeout: 1s\n", "").await?;
        for target in [QUERY, FEDERATE] {
            let answer = ask(&api, &acme, target, "*/*", true).await?;
            assert_eq!(answer.error()?, (status, words.to_owned()), "{url} {target}");
            let seen = format!("{:?}{}", answer.headers, answer.text()?);
            assert!(!seen.contains(&refusing.port().to_string()), "{seen}");
            assert!(!seen.contains(&hanging.port().to_string()), "{seen}");
        }
        let log = api.log_until(|log| log.matches(told).count() >= 2).await;
        log.with_context(|| url.clone())?;
    }
    Ok(())
}

const HTML: &str = "<html><body>traceback of store-7 at 10.9.8.7</body></html>";

/// An error in Prometheus' form.
fn error(kind: &str, error: &str) -> String {
    json!({"status": "error", "errorType": kind, "error": error}).to_string()
}

/// What the upstream answers, by its name; the status and the words for acme; what stands in the log.
type Failure<'a> = (&'a str, Vec<Step>, u16, &'a str, &'a str);

/// Holds what acme is told of each against what he may know.
async fn are_told(cases: Vec<Failure<'_>>) -> Result<()> {
    // One server for each, since a connection that was cut may be made anew once.
    let customers = [Customer::new("acme", &["acme-fr"])?];
    for (name, reply, status, words, told) in cases {
        let upstream = Scripted::always(reply.clone()).await?;
        let api = MetricsApi::start(&upstream.url(), &customers).await?;
        for target in [QUERY, FEDERATE] {
            let answer = ask(&api, &customers[0], target, "*/*", true).await?;
            assert_eq!(answer.error()?, (status, words.to_owned()), "{name} {target}");
            assert!(!answer.text()?.contains(&upstream.port()), "{name}");
            let retry = answer
                .headers
                .get("retry-after")
                .map(|value| value.to_str().unwrap_or("?"));
            let expected = reply.first().is_some_and(
                |step| matches!(step, Step::Send(bytes) if String::from_utf8_lossy(bytes).contains("retry-after: 7")),
            );
            assert_eq!(retry, expected.then_some("7"), "{name} {target}");
            assert!(!answer.headers.contains_key("www-authenticate"), "{name}");
        }
        let log = api
            .log_until(|log| log.matches(r#""reason":""#).count() >= 2 && log.contains(told))
            .await;
        log.with_context(|| name.to_owned())?;
    }
    Ok(())
}

#[tokio::test]
async fn statuses_of_failures() -> Result<()> {
    let named = |kind: &str| {
        error(
            kind,
            "expanding series: rpc to store-7 (10.9.8.7): tenant bolt: no such block",
        )
    };
    let json_type: (&str, &str) = ("content-type", "application/json");
    let plain = |kind: &str| format!("{kind}: {NOT_EVALUATED}");
    let (internal, unavailable, execution) = (plain("internal"), plain("unavailable"), plain("execution"));
    let later = "unavailable: the upstream cannot answer now; try again later";
    let rate = "too_many_requests: too many requests; try again later";
    let credentials = "unavailable: the upstream does not let us ask; tell whoever runs this API";
    let failed = "unavailable: the upstream failed; try again later";
    let not_served = "unavailable: the upstream does not serve this";
    are_told(vec![
        (
            "500",
            whole(500, &[], HTML),
            502,
            failed,
            "the upstream answered 500, and not in",
        ),
        (
            "500 in form",
            whole(500, &[json_type], named("internal")),
            502,
            &internal,
            "answered 500: internal: exp",
        ),
        (
            "503",
            whole(503, &[("retry-after", "7")], HTML),
            503,
            later,
            "answered 503, and not",
        ),
        (
            "503 in form",
            whole(503, &[], named("unavailable")),
            503,
            &unavailable,
            "503: unavailable: expanding",
        ),
        ("504", whole(504, &[], HTML), 504, TOO_LATE, "answered 504, and not"),
        (
            "429",
            whole(429, &[("retry-after", "7")], HTML),
            429,
            rate,
            "answered 429, and not",
        ),
        (
            "429 in form",
            whole(429, &[], named("bad_data")),
            429,
            rate,
            "answered 429: bad_data: ",
        ),
        (
            "401",
            whole(401, &[("www-authenticate", "Basic realm=store-7")], HTML),
            502,
            credentials,
            "answered 401",
        ),
        ("403", whole(403, &[], HTML), 502, credentials, "answered 403"),
        ("404", whole(404, &[], HTML), 502, not_served, "answered 404"),
        (
            "422 of the storage",
            whole(422, &[], named("execution")),
            422,
            &execution,
            "answered 422: execution: ",
        ),
        (
            "a type of nobody's",
            whole(422, &[], named("bolt_failed")),
            422,
            &execution,
            "422: bolt_failed: ",
        ),
        (
            "422 of the engine",
            whole(422, &[], error("timeout", "query timed out in expression evaluation")),
            503,
            "timeout: query timed out in expression evaluation",
            "422: timeout: query timed out",
        ),
    ])
    .await
}

#[tokio::test]
async fn answers_that_are_none() -> Result<()> {
    let gzip: &[(&str, &str)] = &[("content-encoding", "gzip")];
    are_told(vec![
        (
            "a login page",
            whole(200, &[("content-type", "text/html")], HTML),
            502,
            NOT_UNDERSTOOD,
            "",
        ),
        ("nothing", whole(200, &[], ""), 502, NOT_UNDERSTOOD, ""),
        (
            "another document",
            whole(200, &[], r#"{"store-7":"bolt"}"#),
            502,
            NOT_UNDERSTOOD,
            "",
        ),
        (
            "garbage for gzip",
            whole(200, gzip, "\u{1f}\u{8b}store-7"),
            502,
            NOT_UNDERSTOOD,
            "decompressed",
        ),
        (
            "gzip of garbage",
            whole(200, gzip, gzipped(HTML.as_bytes())),
            502,
            NOT_UNDERSTOOD,
            "",
        ),
        (
            "another compression",
            whole(200, &[("content-encoding", "br")], HTML),
            502,
            NOT_REACHED,
            "its answer has the encoding",
        ),
        (
            "no HTTP",
            vec![Step::Send(b"SSH-2.0-store-7\r\n".to_vec()), Step::Close],
            502,
            NOT_REACHED,
            "keep to HTTP",
        ),
        (
            "no answer",
            vec![Step::Close],
            502,
            NOT_REACHED,
            "cut the connection before it answered",
        ),
        (
            "half a head",
            vec![Step::Send(b"HTTP/1.1 200 OK\r\nx-".to_vec()), Step::Close],
            502,
            NOT_REACHED,
            "",
        ),
    ])
    .await
}

#[tokio::test]
async fn an_error_with_the_status_of_a_success() -> Result<()> {
    let cases = [
        (
            error("execution", "tenant bolt: limit of store-7"),
            format!("execution: {NOT_EVALUATED}"),
        ),
        (
            error("execution", "@ modifier is disabled"),
            "execution: @ modifier is disabled".to_owned(),
        ),
    ];
    for (body, words) in cases {
        for gzip in [false, true] {
            let reply = if gzip {
                whole(200, &[("content-encoding", "gzip")], gzipped(body.as_bytes()))
            } else {
                whole(200, &[], &body)
            };
            let upstream = Scripted::always(reply).await?;
            let (api, acme) = behind(&upstream).await?;
            let answer = ask(&api, &acme, QUERY, "*/*", gzip).await?;
            assert_eq!(answer.error()?, (422, words.clone()));
            // The samples' text is nothing that an error could be told in, but its status is.
            assert_eq!(ask(&api, &acme, FEDERATE, "*/*", gzip).await?.error()?.0, 502);
            api.log_until(|log| log.contains("the upstream answered 200 with an error: execution: "))
                .await?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn warnings_that_name_others_stay_here() -> Result<()> {
    let kept =
        r#"PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "orders""#;
    let warnings = json!([
        "store-7 (10.9.8.7): connection refused",
        "block of tenant bolt is missing"
    ]);
    let infos = json!([format!("{kept} (1:6)"), "store-7 asked"]);
    let body = series(1).replace("]}}", &format!(r#"]}},"warnings":{warnings},"infos":{infos}}}"#));
    for gzip in [false, true] {
        let reply = if gzip {
            whole(200, &[("content-encoding", "gzip")], gzipped(body.as_bytes()))
        } else {
            whole(200, &[], &body)
        };
        let upstream = Scripted::always(reply).await?;
        let (api, acme) = behind(&upstream).await?;
        let answer = ask(&api, &acme, QUERY, "*/*", gzip).await?;
        let mut text = answer.body.clone();
        if gzip {
            text.clear();
            MultiGzDecoder::new(&answer.body[..]).read_to_end(&mut text)?;
        }
        let json: Value = serde_json::from_slice(&text)?;
        assert_eq!(json["infos"], json!([kept]), "{json}");
        assert!(json.get("warnings").is_none_or(|list| list == &json!([])), "{json}");
    }
    Ok(())
}

/// How the middle of an answer may go wrong: cut off, or never going on.
const MIDDLES: [Step; 2] = [Step::Close, Step::Hold];
/// Series of which more than is held back until the status is chosen goes out of a federation.
const MANY: usize = 2_000;
/// The same of a query, compressed.
const VERY_MANY: usize = 4_000;

async fn broken_in_the_middle(
    count: usize,
    upstream_gzip: bool,
    then: Step,
) -> Result<(Scripted, MetricsApi, Customer)> {
    let whole = series(count);
    let half = &whole.as_bytes()[..whole.len() - 100];
    let reply = if upstream_gzip {
        let packed = gzipped(whole.as_bytes());
        beginning(&[("content-encoding", "gzip")], &packed[..packed.len() - 10], then)
    } else {
        beginning(&[], half, then)
    };
    let upstream = Scripted::always(reply).await?;
    let customers = [Customer::new("acme", &["acme-fr"])?];
    let config = configuration(&format!("    url: {:?}\n", upstream.url()), "");
    let deployment = Deployment {
        // The time-out of the answer is that of the function less what ending it takes.
        timeout: Duration::from_secs(5),
        ..Deployment::new(&config, &customers)
    };
    let api = deployment.start().await?;
    let [acme] = customers;
    Ok((upstream, api, acme))
}

#[tokio::test]
async fn a_query_whose_answer_breaks_off_is_never_complete() -> Result<()> {
    for then in MIDDLES {
        for gzip in [false, true] {
            let (_upstream, api, acme) = broken_in_the_middle(VERY_MANY, gzip, then.clone()).await?;
            let answer = ask(&api, &acme, QUERY, "*/*", gzip).await?;
            assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
            if gzip {
                let mut text = Vec::new();
                let unpacked = MultiGzDecoder::new(&answer.body[..]).read_to_end(&mut text);
                assert!(unpacked.is_err(), "{then:?}: a whole gzip of {} bytes", text.len());
                assert!(serde_json::from_slice::<Value>(&text).is_err(), "{then:?}");
            } else {
                let text = answer.text()?;
                assert!(text.starts_with(BEGINNING) && text.contains("shop-1000"), "{then:?}");
                assert!(serde_json::from_str::<Value>(text).is_err(), "{then:?}");
            }
            let words = if matches!(then, Step::Hold) {
                r#""kind":"timeout""#
            } else {
                r#""kind":"upstream""#
            };
            api.log_until(|log| log.contains(words) && log.contains(r#""end":"broken""#))
                .await?;
        }
    }
    Ok(())
}

/// Runs Python, whose standard library has the parsers that customers use, over an answer.
fn python(program: &str, input: &[u8]) -> Result<String> {
    let mut python = Command::new(binaries::workspace().join(".venv/bin/python"))
        .args(["-c", program])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("scripts/install makes .venv")?;
    python.stdin.take().context("no standard input")?.write_all(input)?;
    let output = python.wait_with_output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

const CSV: &str = "
import csv, io, sys
text = io.TextIOWrapper(sys.stdin.buffer, encoding='utf-8', newline='')
print(sum(1 for row in csv.DictReader(text, strict=True)))
";
const NDJSON: &str = "
import json, sys
print(sum(1 for line in sys.stdin if json.loads(line)['value'] is not None))
";
const GUNZIP: &str = "
import gzip, sys
print(len(gzip.decompress(sys.stdin.buffer.read())))
";

/// What a reader of the format says against it.
fn read(accept: &str, text: &[u8]) -> Result<()> {
    match accept {
        "text/csv" => python(CSV, text).map(drop),
        "application/x-ndjson" => python(NDJSON, text).map(drop),
        "application/openmetrics-text" => {
            // What the format asks for at its end; Prometheus itself is below.
            ensure!(text.ends_with(b"\n# EOF\n"), "no end");
            Ok(())
        }
        _ => match promtool_check_metrics(std::str::from_utf8(text)?) {
            // What it says of style is no mistake.
            Err(said) if said.to_string().contains("parsing error") => Err(said),
            _ => Ok(()),
        },
    }
}

const FORMATS: [&str; 4] = [
    "text/plain",
    "application/openmetrics-text",
    "text/csv",
    "application/x-ndjson",
];

#[tokio::test]
async fn a_federation_that_breaks_off_is_never_complete() -> Result<()> {
    for gzip in [false, true] {
        // That the readers do not always complain.
        let upstream = Scripted::always(whole(200, &[], series(MANY))).await?;
        let (api, acme) = behind(&upstream).await?;
        for accept in FORMATS {
            let answer = ask(&api, &acme, FEDERATE, accept, gzip).await?;
            let mut text = answer.body.clone();
            if gzip {
                python(GUNZIP, &answer.body)?;
                text.clear();
                MultiGzDecoder::new(&answer.body[..]).read_to_end(&mut text)?;
            }
            read(accept, &text).with_context(|| format!("{accept}: a whole one"))?;
        }
        for then in MIDDLES {
            let (_upstream, api, acme) = broken_in_the_middle(MANY, gzip, then.clone()).await?;
            let asked = FORMATS.map(|accept| ask(&api, &acme, FEDERATE, accept, gzip));
            for (accept, answer) in FORMATS.into_iter().zip(try_join_all(asked).await?) {
                let mut text = answer.body.clone();
                if gzip {
                    assert!(
                        python(GUNZIP, &answer.body).is_err(),
                        "{accept} {then:?}: the gzip is whole"
                    );
                    text.clear();
                    let unpacked = MultiGzDecoder::new(&answer.body[..]).read_to_end(&mut text);
                    assert!(unpacked.is_err(), "{accept} {then:?}: the gzip is whole");
                }
                assert_eq!(answer.status, 200, "{accept} {then:?}");
                let shown = String::from_utf8_lossy(&text).into_owned();
                assert!(shown.contains("shop-100"), "{accept} {then:?}");
                assert!(
                    read(accept, &text).is_err(),
                    "{accept} {then:?} looks complete: {shown}"
                );
                assert!(
                    !shown.contains("fanlight_federate_samples"),
                    "{accept} {then:?}: {shown}"
                );
            }
            api.log_until(|log| log.matches(r#""end":"broken""#).count() == FORMATS.len())
                .await?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_small_federation_that_breaks_off_is_an_error() -> Result<()> {
    let half = format!("{BEGINNING}{}", sample(1));
    let upstream = Scripted::always(beginning(&[], half, Step::Close)).await?;
    let (api, acme) = behind(&upstream).await?;
    for accept in FORMATS {
        let answer = ask(&api, &acme, FEDERATE, accept, false).await?;
        assert_eq!(answer.error()?, (502, NOT_REACHED.to_owned()), "{accept}");
    }
    api.log_until(|log| log.contains("cut the connection in the middle of its answer"))
        .await?;
    Ok(())
}

#[tokio::test]
async fn a_prometheus_takes_a_federation_that_breaks_off_for_an_outage() -> Result<()> {
    let (_upstream, api, acme) = broken_in_the_middle(MANY, true, Step::Close).await?;
    let whole = Scripted::always(whole(200, &[], series(3))).await?;
    let (sound, sounds) = behind(&whole).await?;
    let job = |name: &str, api: &MetricsApi, customer: &Customer| -> Result<String> {
        let (_, place) = api.url().split_once("://").context("a URL")?;
        let (target, stage) = place.split_once('/').context("a stage")?;
        Ok(format!(
            "- job_name: {name}\n  metrics_path: /{stage}/federate\n  honor_labels: true\n  scrape_interval: 1s\n  \
             authorization: {{credentials: {:?}}}\n  static_configs: [{{targets: [{target}]}}]\n",
            customer.token()
        ))
    };
    let jobs = [job("broken", &api, &acme)?, job("sound", &sound, &sounds)?].concat();
    let second = Prometheus::configured(&format!("scrape_configs:\n{jobs}"), &[]).await?;
    second
        .query_until(r#"count_over_time(up{job="broken"}[1m]) >= 2"#, |series| {
            !series.is_empty()
        })
        .await?;
    second
        .query_until(r#"up{job="sound"} == 1"#, |series| series.len() == 1)
        .await?;
    for (query, value) in [("count(orders)", 3.0), (r#"max_over_time(up{job="broken"}[1m])"#, 0.0)] {
        let found = second.query(query).await?;
        assert!(
            found.iter().map(|series| series.value).eq([value]),
            "{query}: {found:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn the_time_is_up_before_the_functions_is() -> Result<()> {
    let hanging = Hanging::start().await?;
    let config = configuration(&format!("    url: http://{}\n", hanging.address()), "");
    let customers = [Customer::new("acme", &["acme-fr"])?];
    let deployment = Deployment {
        timeout: Duration::from_secs(2),
        ..Deployment::new(&config, &customers)
    };
    let api = deployment.start().await?;
    for target in [QUERY, FEDERATE] {
        let answer = ask(&api, &customers[0], target, "*/*", true).await?;
        // API Gateway's own would say "Endpoint request timed out".
        assert_eq!(answer.error()?, (504, TOO_LATE.to_owned()), "{target}");
    }
    Ok(())
}

#[tokio::test]
async fn an_answer_of_two_gigabytes_is_cut_and_takes_no_memory() -> Result<()> {
    let one = format!("{},", sample(1));
    let times = (2_u64 << 30) / one.len() as u64;
    let chunk = one.repeat(100).into_bytes();
    let endless = |body: Vec<u8>| {
        vec![
            Step::Send([head(200, &[("content-length", "2147483648")]), BEGINNING.into()].concat()),
            Step::Repeat(body, times / 100),
        ]
    };
    let upstream = Scripted::start(vec![
        whole(200, &[], series(1_000)),
        whole(200, &[], series(1_000)),
        endless(chunk),
    ])
    .await?;
    let limit = 10_000_000;
    let plan = format!("  plans: {{default: {{response_bytes: {limit}}}}}\n");
    let (api, acme) = at(&upstream.url(), "", &plan).await?;
    let mut peaks = Vec::new();
    for target in [QUERY, FEDERATE] {
        assert_eq!(ask(&api, &acme, target, "*/*", false).await?.status, 200);
        // The next request must find the same process free.
        peaks = api.peak_memory(peaks.len() + 1).await?;
    }
    let before = peaks[1];
    for target in [QUERY, FEDERATE] {
        let answer = ask(&api, &acme, target, "*/*", false).await?;
        assert_eq!(answer.status, 200, "{target}");
        // What has been converted when the limit is passed still goes out.
        let length = answer.body.len();
        assert!(
            (limit / 2..limit + (64 << 10)).contains(&length),
            "{target}: {length} bytes"
        );
        assert!(serde_json::from_slice::<Value>(&answer.body).is_err());
        peaks = api.peak_memory(peaks.len() + 1).await?;
    }
    // The buffers of the connections grow to some hundred KiB each when much comes at once.
    assert!(peaks[3] <= before + 5, "MiB: {peaks:?}");
    // What the function has not read stands in the kernel's buffers.
    upstream.ended(2).await?;
    assert!(upstream.sent() < 100_000_000, "{} bytes sent", upstream.sent());
    let log = api
        .log_until(|log| log.matches(r#""end":"broken""#).count() == 2)
        .await?;
    assert_eq!(log.matches(r#""kind":"cost_limit""#).count(), 2, "{log}");
    // Of more requests than these two.
    assert_eq!(MetricFilter::of("BrokenAnswers")?.count(&log), 2, "{log}");
    Ok(())
}

#[tokio::test]
async fn a_client_that_leaves_ends_nothing_but_his_answer() -> Result<()> {
    let upstream = Scripted::start(vec![
        whole(200, &[], series(20_000)),
        whole(200, &[], series(20_000)),
        whole(200, &[], series(1)),
    ])
    .await?;
    let (api, acme) = behind(&upstream).await?;
    for target in [QUERY, FEDERATE] {
        let mut answer = api.request(Some(&acme), Method::GET, target)?.send().await?;
        assert!(answer.chunk().await?.is_some_and(|chunk| !chunk.is_empty()), "{target}");
        drop(answer);
    }
    // Each invocation comes to its end, whether somebody reads or not.
    api.peak_memory(2).await?;
    api.log_until(|log| log.matches(r#""message":"request""#).count() == 2)
        .await?;
    let data = ask(&api, &acme, QUERY, "*/*", false).await?.data()?;
    assert_eq!(data["result"].as_array().map(Vec::len), Some(1), "{data}");
    Ok(())
}

#[tokio::test]
async fn a_connection_that_did_not_outlive_the_freeze_is_made_anew_once() -> Result<()> {
    let good = || whole(200, &[], series(1));
    let upstream = Scripted::start(vec![good(), vec![Step::Close], good()]).await?;
    let (api, acme) = behind(&upstream).await?;
    for invocation in [1, 2] {
        assert_eq!(ask(&api, &acme, QUERY, "*/*", false).await?.status, 200);
        // The next request must find the same process free.
        api.peak_memory(invocation).await?;
    }
    let connections: Vec<u64> = upstream.asked().iter().map(|asked| asked.connection).collect();
    assert_eq!(connections, [0, 0, 1]);
    assert!(
        api.log()
            .contains("the upstream had cut the connection meanwhile; asking again on a new one")
    );

    // An upstream that cuts every connection is asked no third time.
    let upstream = Scripted::start(vec![good(), vec![Step::Close]]).await?;
    let (api, acme) = behind(&upstream).await?;
    assert_eq!(ask(&api, &acme, QUERY, "*/*", false).await?.status, 200);
    api.peak_memory(1).await?;
    let answer = ask(&api, &acme, QUERY, "*/*", false).await?;
    assert_eq!(answer.error()?, (502, NOT_REACHED.to_owned()));
    assert_eq!(upstream.asked().len(), 3);
    Ok(())
}

#[tokio::test]
async fn a_redirect_is_not_followed() -> Result<()> {
    let elsewhere = Scripted::always(whole(200, &[], series(1))).await?;
    for status in [301, 302, 307, 308] {
        let location = format!("{}/api/v1/query?token=hidden", elsewhere.url());
        let upstream = Scripted::always(whole(status, &[("location", &location)], "")).await?;
        let (api, acme) = behind(&upstream).await?;
        for target in [QUERY, FEDERATE, "/api/v1/label/shop/values"] {
            let answer = ask(&api, &acme, target, "*/*", false).await?;
            assert_eq!(answer.error()?, (502, NOT_REACHED.to_owned()), "{status} {target}");
            assert!(!format!("{:?}", answer.headers).contains(&elsewhere.port()), "{status}");
        }
        let told = format!("a redirect to {}, which is not followed", elsewhere.url());
        let log = api.log_until(|log| log.matches(&told).count() >= 3).await?;
        assert!(!log.contains("hidden"), "{log}");
    }
    assert!(elsewhere.asked().is_empty());
    Ok(())
}

#[tokio::test]
async fn credentials_that_were_rotated_are_fetched_again() -> Result<()> {
    let good = || whole(200, &[], series(1));
    let refused = || whole(401, &[], format!("wrong password {PASSWORD} of store-7"));
    let upstream = Scripted::start(vec![good(), refused(), good(), refused()]).await?;
    let aws = SecretsManager::start().await?;
    aws.create("upstream", PASSWORD).await?;
    let customers = [Customer::new("acme", &["acme-fr"])?];
    let settings = format!(
        "    url: {:?}\n    basic: {{username: fanlight, password: '{{{{PASSWORD}}}}'}}\n",
        upstream.url()
    );
    let config = format!(
        "placeholders:\n  PASSWORD: {{secret: upstream}}\n{}",
        configuration(&settings, "")
    );
    let mut deployment = Deployment::new(&config, &customers);
    deployment.environment.extend(aws.environment());
    let api = deployment.start().await?;

    assert_eq!(ask(&api, &customers[0], QUERY, "*/*", false).await?.status, 200);
    api.peak_memory(1).await?;
    aws.put("upstream", ROTATED_PASSWORD).await?;
    assert_eq!(ask(&api, &customers[0], QUERY, "*/*", false).await?.status, 200);
    let sent: Vec<String> = upstream
        .asked()
        .iter()
        .map(|asked| asked.header("authorization").concat())
        .collect();
    assert_eq!(sent.len(), 3);
    assert!(sent[0].starts_with("Basic ") && sent[0] == sent[1] && sent[1] != sent[2]);

    // Nothing of the credentials is acme's business.
    let answer = ask(&api, &customers[0], QUERY, "*/*", false).await?;
    let (status, said) = answer.error()?;
    assert_eq!(status, 502);
    assert_eq!(
        said,
        "unavailable: the upstream does not let us ask; tell whoever runs this API"
    );
    assert!(!answer.headers.contains_key("www-authenticate"));
    api.log_until(|log| log.contains("the upstream answered 401")).await?;
    Ok(())
}

#[tokio::test]
async fn many_at_once_get_each_his_own() -> Result<()> {
    let shop = Shop::open().await?;
    // Each has been let in before, so that it is the Metrics API alone that is asked for much at once.
    for customer in [&shop.acme, &shop.bolt] {
        shop.api.get(customer, QUERY).await?.data()?;
    }
    let asked = (0..16).map(async |number| {
        if number % 2 == 0 {
            let data = shop.acmes(QUERY).await?;
            ensure!(vector(&data) == ACMES, "{data}");
            return Ok(());
        }
        let answer = shop.api.get(&shop.bolt, FEDERATE).await?;
        let text = answer.text()?;
        ensure!(
            answer.status == 200 && text.contains("bolted") && !text.contains("acme"),
            "{text}"
        );
        ensure!(nothing_of_others("bolt", text).is_err());
        Ok(())
    });
    try_join_all(asked).await?;
    Ok(())
}
