//! Answers that break off: nobody takes them for whole ones.

use std::process::{Command, Stdio};
use std::time::Duration;

use fanlight_tests::scripted::{Step, beginning, head};
use fanlight_tests::{Deployment, MetricFilter, binaries, configuration, promtool_check_metrics};
use serde_json::Value;

use super::*;

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
