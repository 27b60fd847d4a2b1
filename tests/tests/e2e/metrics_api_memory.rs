//! The memory of the Metrics API's function depends neither on how much it passes on nor on how often.

use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::Result;
use fanlight_tests::scripted::{Scripted, whole};
use fanlight_tests::{Customer, MetricsApi};
use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::Method;

/// An instant query's answer of so many series of eight labels.
fn series(count: u32) -> Result<String> {
    let mut json = String::from(r#"{"status":"success","data":{"resultType":"vector","result":["#);
    for number in 0..count {
        if number > 0 {
            json.push(',');
        }
        let host = number % 250;
        write!(
            json,
            r#"{{"metric":{{"__name__":"orders_total","city":"Köln","instance":"10.0.0.{host}:9090","job":"shop","#
        )?;
        write!(
            json,
            r#""metric_purpose":"external","organisation_id":"acme-fr","shop":"shop-{number}","status":"paid"}},"#
        )?;
        write!(json, r#""value":[1700000000.123,"{number}"]}}"#)?;
    }
    json.push_str("]}}");
    Ok(json)
}

#[tokio::test]
async fn memory_does_not_depend_on_the_answer() -> Result<()> {
    for gzip in [false, true] {
        let answer = |count| -> Result<_> {
            if !gzip {
                return Ok(whole(200, &[], series(count)?));
            }
            let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
            packed.write_all(series(count)?.as_bytes())?;
            Ok(whole(200, &[("content-encoding", "gzip")], packed.finish()?))
        };
        // The first one warms up what is needed for any.
        let upstream = Scripted::start(vec![answer(1_000)?, answer(1_000)?, answer(20_000)?]).await?;
        let customers = [Customer::new("acme", &["acme-fr"])?];
        let api = MetricsApi::start(&upstream.url(), &customers).await?;
        let mut peaks = Vec::new();
        for expected in [1_000, 1_000, 20_000] {
            let request = api.request(Some(&customers[0]), Method::GET, "/federate")?;
            let encoding = if gzip { "gzip" } else { "identity" };
            let answer = api.send(request.header("accept-encoding", encoding)).await?;
            let mut text = answer.body;
            if gzip {
                let packed = std::mem::take(&mut text);
                std::io::copy(&mut flate2::read::MultiGzDecoder::new(&packed[..]), &mut text)?;
            }
            let end = format!("\nfanlight_federate_samples {expected}\n");
            assert!(text.ends_with(end.as_bytes()), "gzip {gzip}: {} bytes", text.len());
            // The next request must find the same process free.
            peaks = api.peak_memory(peaks.len() + 1).await?;
        }
        // Reports are in MiB, rounded up.
        assert!(peaks[2] <= peaks[1] + 1, "gzip {gzip}, MiB: {peaks:?}");
    }
    Ok(())
}

#[tokio::test]
async fn memory_does_not_grow_with_the_number_of_requests() -> Result<()> {
    let upstream = Scripted::always(whole(200, &[], series(300)?)).await?;
    let customers = [Customer::new("acme", &["acme-fr"])?];
    let api = MetricsApi::start(&upstream.url(), &customers).await?;
    let rounds = 500;
    for _ in 0..rounds {
        // Buffers of different sizes, so that one's place does not fit the next.
        for (path, encoding) in [("/federate", "gzip"), ("/api/v1/query", "identity")] {
            let request = api.request(Some(&customers[0]), Method::GET, path)?;
            let answer = api.send(request.header("accept-encoding", encoding)).await?;
            assert_eq!(answer.status, 200, "{path}: {:?}", answer.text());
        }
    }
    let peaks = api.peak_memory(2 * rounds).await?;
    let (early, late) = (peaks[..100].iter().max(), peaks.iter().max());
    // A hundred bytes a request are lost by the variable that the runtime sets; MiB, rounded up.
    assert!(
        late <= early.map(|peak| peak + 2).as_ref(),
        "MiB: {early:?}, then {late:?}"
    );
    Ok(())
}
