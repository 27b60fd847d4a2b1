//! A Prometheus that holds very many series, for the benchmark.

use std::ops::Range;
use std::time::SystemTime;

use anyhow::Result;

use crate::isolation::remote_write::{self, Label, Sample, TimeSeries, WriteRequest};
use crate::{Edition, Prometheus, http};

/// How many series are written at a time.
const BATCH: usize = 10_000;

/// A Prometheus of an edition with as many series of each of these metrics, of eight labels each, all of which the
/// organisation `acme` may read. Their samples are of now, and are found for an hour. `None` where the newest cannot be
/// built.
///
/// # Errors
/// When Prometheus is not installed, does not start or does not take the samples.
pub async fn holding(edition: Edition, metrics: &[(&str, usize)]) -> Result<Option<Prometheus>> {
    let Some(program) = edition.program()? else {
        return Ok(None);
    };
    let prometheus = Prometheus::receiving(program, &["--query.lookback-delta=1h"]).await?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_millis();
    let now = i64::try_from(now)?;
    let client = http::keeping_connections()?;
    // A fixed sequence, so that each run has the same.
    let mut random = fastrand::Rng::with_seed(4);
    for (metric, most) in metrics {
        for first in (0..*most).step_by(BATCH) {
            let batch = first..(first + BATCH).min(*most);
            let request = request(metric, batch, now, &mut random);
            remote_write::write(&client, &prometheus.url(), &request).await?;
        }
    }
    Ok(Some(prometheus))
}

fn request(metric: &str, batch: Range<usize>, now: i64, random: &mut fastrand::Rng) -> WriteRequest {
    let series = batch.map(|index| TimeSeries {
        labels: labels(metric, index, random),
        samples: vec![Sample {
            value: random.u32(0..10_000_000).into(),
            timestamp: now,
        }],
        ..TimeSeries::default()
    });
    WriteRequest {
        series: series.collect(),
    }
}

/// Labels of differing lengths and numbers of values, as those of a web service.
fn labels(metric: &str, index: usize, random: &mut fastrand::Rng) -> Vec<Label> {
    let mut of = |values: &[&str]| values[random.usize(..values.len())].to_owned();
    let code = of(&["200", "201", "204", "400", "404", "500"]);
    let method = of(&["GET", "POST", "PUT", "DELETE"]);
    let route = of(&["/", "/v1/payments", "/v1/payments/{id}", "/v1/refunds", "/health"]);
    let pod = format!("api-{:x}-{index}", random.u32(..));
    [
        ("__name__", metric.to_owned()),
        ("code", code),
        (
            "instance",
            format!("10.{}.{}.{}:8080", random.u8(..), random.u8(..), random.u8(..)),
        ),
        ("job", format!("api-{}", random.u8(..20))),
        ("method", method),
        ("metric_purpose", "external".to_owned()),
        ("organisation_id", "acme".to_owned()),
        ("pod", pod),
        ("route", route),
    ]
    .into_iter()
    .map(|(name, value)| Label {
        name: name.to_owned(),
        value,
    })
    .collect()
}
