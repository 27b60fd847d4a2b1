//! Whatever the upstream does, customers are told what they can use, nothing of the upstream and of each other, and
//! never take half an answer for a whole one; the operator is told what it was.

mod answers;
mod broken;
mod unreachable;

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};

use anyhow::{Context as _, Result, ensure};
use fanlight_tests::scripted::{Scripted, whole};
use fanlight_tests::{Answer, Customer, MetricsApi, Prometheus};
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use futures_util::future::try_join_all;
use reqwest::Method;

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
