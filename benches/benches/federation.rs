//! How fast an instant query's answer becomes exposition text, beside `serde_json` and beside `memchr2` over the same
//! bytes, which is the limit of whatever visits every quote.
//!
//! The summary at the end holds the medians against what is promised: faster than visiting every quote and backslash
//! with `memchr2`, and at least five times as fast as `serde_json` reading a stream sample by sample into a struct.
//! Beside it stands what `serde_json` makes of an answer that is in memory as a whole, whose strings it need not copy.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints its figures, and ends where something is not as it should be"
)]

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::hint::black_box;
use std::io::BufReader;
use std::marker::PhantomData;
use std::path::Path;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::de::{IoRead, SliceRead};
use shared::federation::{Converter, Escaping, Format, OpenMetricsVersion};

const SERIES: usize = 20_000;

/// As large as the pieces in which decompressed answers arrive, and as plain ones do.
const PIECES: [usize; 2] = [4 << 10, 16 << 10];

/// An answer as Prometheus writes it: series of eight labels with values of differing lengths.
fn answer() -> String {
    let mut json = r#"{"status":"success","data":{"resultType":"vector","result":["#.to_owned();
    // A fixed sequence of numbers without a pattern.
    let mut state = 1_u64;
    let mut random = move |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 24).unwrap() % below
    };
    let name = [
        "payments_total",
        "payment_seconds_sum",
        "refunds_total",
        "shop_orders_open",
    ];
    let methods = ["GET", "POST", "PUT", "DELETE"];
    let routes = ["/", "/v1/payments", "/v1/payments/{id}", "/v1/refunds", "/health"];
    let zones = ["eu-west-1a", "eu-central-1b", "us-east-1c"];
    for index in 0..SERIES {
        if index > 0 {
            json.push(',');
        }
        write!(
            json,
            concat!(
                r#"{{"metric":{{"__name__":"{}","code":"{}","instance":"10.{}.{}.{}:8080","job":"api-{}","method":"{}","#,
                r#""organisation":"{:08x}-{:04x}-4{:03x}","pod":"api-{:x}","route":"{}","zone":"{}"}},"#,
                r#""value":[1435781451.781,"{}"]}}"#
            ),
            name[random(4)],
            200 + random(5) * 100,
            random(256),
            random(256),
            random(256),
            random(20),
            methods[random(4)],
            random(1 << 32),
            random(1 << 16),
            random(1 << 12),
            random(1 << 40),
            routes[random(5)],
            zones[random(3)],
            random(10_000_000) as f64 / [1.0, 100.0, 1000.0][random(3)],
        )
        .unwrap();
    }
    json.push_str("]}}");
    json
}

fn converted(format: Format, json: &[u8], piece: usize, out: &mut Vec<u8>) -> u64 {
    let mut converter = Converter::new(format);
    for piece in json.chunks(piece) {
        // As a stream would, which hands on what each piece gave.
        out.clear();
        converter.push(piece, out).unwrap();
        black_box(&out);
    }
    converter.finish(out).unwrap().samples
}

/// Every quote and backslash, one after the other.
fn visited(json: &[u8]) -> usize {
    let (mut at, mut seen) = (0, 0);
    while let Some(next) = memchr::memchr2(b'"', b'\\', &json[at..]) {
        at += next + 1;
        seen += 1;
    }
    seen
}

/// A sample, whose strings are borrowed from an answer in memory or, as [`String`], copied from a stream.
#[derive(Deserialize)]
#[serde(bound(deserialize = "S: Deserialize<'de>"))]
struct Sample<S> {
    metric: Labels<S>,
    value: (f64, S),
}

struct Labels<S>(Vec<(S, S)>);

/// Serde copies a plain `Cow`.
#[derive(Deserialize)]
#[serde(transparent)]
#[expect(dead_code, reason = "it is only made")]
struct Borrowed<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de, S: Deserialize<'de>> Deserialize<'de> for Labels<S> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Seed<S>(PhantomData<S>);
        impl<'de, S: Deserialize<'de>> Visitor<'de> for Seed<S> {
            type Value = Labels<S>;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("labels")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut labels = Vec::with_capacity(12);
                while let Some(label) = map.next_entry()? {
                    labels.push(label);
                }
                Ok(Labels(labels))
            }
        }
        deserializer.deserialize_map(Seed(PhantomData))
    }
}

/// Counts the samples, each of which is read into a struct and dropped before the next.
struct Count<S>(u64, PhantomData<S>);

impl<'de, S: Deserialize<'de>> DeserializeSeed<'de> for &mut Count<S> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, S: Deserialize<'de>> Visitor<'de> for &mut Count<S> {
    type Value = ();
    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an answer")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match &*key {
                "data" | "result" => map.next_value_seed(&mut *self)?,
                _ => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(sample) = seq.next_element::<Sample<S>>()? {
            black_box((sample.metric.0, sample.value));
            self.0 += 1;
        }
        Ok(())
    }
}

fn deserialised<'de, S: Deserialize<'de>>(read: impl serde_json::de::Read<'de>) -> u64 {
    let mut count = Count(0, PhantomData::<S>);
    count.deserialize(&mut serde_json::Deserializer::new(read)).unwrap();
    count.0
}

fn conversion(criterion: &mut Criterion, json: &[u8]) {
    let formats = [
        ("text", Format::Text(Escaping::default())),
        (
            "openmetrics",
            Format::OpenMetrics(OpenMetricsVersion::V1_0_0, Escaping::AllowUtf8),
        ),
        ("csv", Format::Csv),
        ("ndjson", Format::NdJson),
    ];
    let mut group = criterion.benchmark_group("federation");
    group.throughput(Throughput::Bytes(json.len() as u64));
    let mut out = Vec::new();
    for (name, format) in formats {
        for piece in PIECES {
            group.bench_function(BenchmarkId::new(name, piece), |bencher| {
                bencher.iter(|| assert_eq!(converted(format, black_box(json), piece, &mut out), SERIES as u64));
            });
        }
    }
    group.bench_function("memchr2", |bencher| bencher.iter(|| visited(black_box(json))));
    group.bench_function("serde_json", |bencher| {
        bencher.iter(|| {
            let stream = IoRead::new(BufReader::with_capacity(PIECES[1], black_box(json)));
            assert_eq!(deserialised::<String>(stream), SERIES as u64);
        });
    });
    group.bench_function("serde_json-borrowed", |bencher| {
        bencher.iter(|| {
            let whole = SliceRead::new(black_box(json));
            assert_eq!(deserialised::<Borrowed<'_>>(whole), SERIES as u64);
        });
    });
}

/// The median speed of a benchmark of this run, in MB/s.
fn speed(folder: &Path, benchmark: &str, bytes: usize) -> f64 {
    let path = folder.join("federation").join(benchmark).join("new/estimates.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let estimates: serde_json::Value = serde_json::from_str(&text).unwrap();
    // Bytes a nanosecond are thousands of megabytes a second.
    bytes as f64 * 1e3 / estimates["median"]["point_estimate"].as_f64().unwrap()
}

fn summary(folder: &Path, bytes: usize) {
    let of = |benchmark: &str| speed(folder, benchmark, bytes);
    let (visits, serde) = (of("memchr2"), of("serde_json"));
    println!(
        "conversion of an instant query's answer, {SERIES} series of 8 labels, {} bytes each:",
        bytes / SERIES
    );
    for name in ["text", "openmetrics", "csv", "ndjson"] {
        for piece in PIECES {
            let ours = of(&format!("{name}/{piece}"));
            println!(
                "  {name:<11} in pieces of {:2} KiB  {ours:6.0} MB/s, {:4.2} × memchr2, {:4.1} × serde_json",
                piece >> 10,
                ours / visits,
                ours / serde,
            );
        }
    }
    println!("  memchr2, each quote and backslash {visits:6.0} MB/s (promised: text is faster)");
    println!("  serde_json, sample by sample      {serde:6.0} MB/s (promised: text is at least 5 times as fast)");
    println!(
        "  serde_json, the whole in memory   {:6.0} MB/s",
        of("serde_json-borrowed")
    );
}

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let json = answer();
    let mut criterion = Criterion::default()
        .output_directory(folder.path())
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .sample_size(50)
        .without_plots()
        .configure_from_args();
    conversion(&mut criterion, json.as_bytes());
    criterion.final_summary();
    // `cargo test` runs each benchmark once and measures nothing.
    if std::env::args().any(|argument| argument == "--bench") {
        summary(folder.path(), json.len());
    }
}
