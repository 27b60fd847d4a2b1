//! What it costs to parse, enforce and prove a query, beside what another parser needs to parse and print it.
//!
//! The summary at the end holds the medians against what is promised: at most 3 µs for an everyday query and at least
//! three times faster than the `promql-parser` crate, at most 5 ms for 64 KiB of selectors, at most 1 ms for a refusal.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints its figures, and ends where something is not as it should be"
)]

use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion};
use shared::promql::{Characters, EnforcedLabel, Limits, OnConflict, Policy, parse};

/// Queries as dashboards and service level objectives have them.
const EVERYDAY: [&str; 20] = [
    "up",
    r#"up{job="api"} == 0"#,
    "sum(up) by (job)",
    r#"rate(http_requests_total{job="api",code=~"5.."}[5m])"#,
    "sum by (code) (rate(http_requests_total[5m]))",
    r#"sum(rate(http_requests_total{code=~"5.."}[5m])) / sum(rate(http_requests_total[5m]))"#,
    "histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket[5m])))",
    r#"histogram_quantile(0.5, sum by (le, route) (rate(http_request_duration_seconds_bucket{job="api"}[1m])))"#,
    "topk(10, sum by (instance) (node_memory_MemTotal_bytes - node_memory_MemAvailable_bytes))",
    r#"100 - avg by (instance) (irate(node_cpu_seconds_total{mode="idle"}[5m])) * 100"#,
    "increase(payments_total[1h] offset 1d)",
    "predict_linear(node_filesystem_avail_bytes[6h], 4 * 3600) < 0",
    "max_over_time(sum(rate(http_requests_total[1m]))[1h:1m])",
    r#"absent(up{job="api"})"#,
    r#"label_replace(up, "host", "$1", "instance", "(.*):.*")"#,
    "(time() - push_time_seconds) > 3600",
    r#"1 - sum(rate(slo_errors_total{slo="api"}[30d])) / sum(rate(slo_requests_total{slo="api"}[30d])) > bool 0.999"#,
    "sum by (job) (rate(errors_total[5m])) > 14.4 * 0.001 and sum by (job) (rate(errors_total[1h])) > 14.4 * 0.001",
    "avg by (currency) (payment_amount{status=\"settled\"}) * on (currency) group_left (rate) exchange_rate",
    r#"clamp_min(sum without (instance) (delta(queue_depth{queue!="dead"}[10m])), 0)"#,
];

fn policy() -> Policy {
    let organisations = [
        "743d5e63-8e3e-432e-a32e-0a1b2c3d4e5f",
        "9f8e7d6c-5b4a-4392-8170-f6e5d4c3b2a1",
    ];
    Policy::new(vec![
        EnforcedLabel::fixed("metric_purpose", "external", OnConflict::Refuse).unwrap(),
        EnforcedLabel::one_of("organisation_id", organisations, Characters::default()).unwrap(),
    ])
    .unwrap()
}

/// 64 KiB of selectors added up.
fn long_sum() -> String {
    const TERM: &str = r#"http_requests_total{job="api",code=~"5.."} + "#;
    TERM.repeat((64 << 10) / TERM.len() - 1) + "up"
}

fn oversized() -> [(&'static str, String); 6] {
    [
        ("bytes", "a".repeat(1 << 20)),
        ("tokens", "(".repeat(64 << 10)),
        ("parentheses", "(".repeat(40_000)),
        ("signs", "-".repeat(40_000)),
        ("calls", "abs(".repeat(16_000)),
        ("powers", "a^".repeat(20_000)),
    ]
}

fn everyday(criterion: &mut Criterion) {
    let policy = policy();
    let mut group = criterion.benchmark_group("everyday");
    for (index, query) in EVERYDAY.iter().enumerate() {
        group.bench_with_input(BenchmarkId::new("parse", index), query, |bencher, query| {
            bencher.iter(|| parse(black_box(query), &Limits::default()).unwrap());
        });
        group.bench_with_input(BenchmarkId::new("enforce", index), query, |bencher, query| {
            bencher.iter(|| policy.enforce(black_box(query)).unwrap());
        });
        group.bench_with_input(BenchmarkId::new("promql-parser", index), query, |bencher, query| {
            bencher.iter(|| promql_parser::parser::parse(black_box(query)).unwrap().to_string());
        });
    }
}

fn large(criterion: &mut Criterion) {
    let policy = policy();
    let mut group = criterion.benchmark_group("large");
    let sum = long_sum();
    // The promise is about the length alone.
    let roomy = policy.clone().with_limits(Limits {
        selectors: u32::MAX,
        ..Limits::default()
    });
    group.bench_function("sum", |bencher| {
        bencher.iter(|| roomy.enforce(black_box(&sum)).unwrap());
    });
    for (name, query) in oversized() {
        group.bench_function(name, |bencher| {
            bencher.iter(|| policy.enforce(black_box(&query)).unwrap_err());
        });
    }
}

/// The median of a benchmark of this run in nanoseconds.
fn median(folder: &Path, benchmark: &str) -> f64 {
    let path = folder.join(benchmark).join("new/estimates.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let estimates: serde_json::Value = serde_json::from_str(&text).unwrap();
    estimates["median"]["point_estimate"].as_f64().unwrap()
}

fn summary(folder: &Path) {
    let of = |what: &str| {
        let mut medians: Vec<f64> = (0..EVERYDAY.len())
            .map(|index| median(folder, &format!("everyday/{what}/{index}")))
            .collect();
        medians.sort_by(f64::total_cmp);
        f64::midpoint(medians[9], medians[10])
    };
    let (parsed, enforced, other) = (of("parse"), of("enforce"), of("promql-parser"));
    println!("everyday queries, median of {}:", EVERYDAY.len());
    println!("  parse                    {:8.2} µs", parsed / 1e3);
    println!(
        "  parse, enforce and prove {:8.2} µs (promised: at most 3)",
        enforced / 1e3
    );
    println!(
        "  promql-parser            {:8.2} µs, {:.1} times ours (promised: at least 3)",
        other / 1e3,
        other / enforced
    );
    println!(
        "64 KiB of selectors        {:8.2} ms (promised: at most 5)",
        median(folder, "large/sum") / 1e6
    );
    for (name, _) in oversized() {
        let time = median(folder, &format!("large/{name}")) / 1e6;
        println!("refusal for {name:<14} {time:8.2} ms (promised: at most 1)");
    }
}

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let mut criterion = Criterion::default()
        .output_directory(folder.path())
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800))
        .without_plots()
        .configure_from_args();
    everyday(&mut criterion);
    large(&mut criterion);
    criterion.final_summary();
    // `cargo test` runs each benchmark once and measures nothing.
    if std::env::args().any(|argument| argument == "--bench") {
        summary(folder.path());
    }
}
