//! The series of two of A's organisations and of everybody else, made so that a leak shows.
//!
//! Whatever A has, others have as well: the same metrics on the same instances, told apart by nothing but the enforced
//! labels, so that a join, an aggregation or a `label_replace` that reads too much gives another number. And whatever
//! others have beyond that, metrics, labels, values and numbers, is a [`canary`](super::canary).

use std::collections::BTreeMap;

use super::Edition;
use super::canary;
use super::remote_write::{BucketSpan, Exemplar, Histogram, Label, Sample, TimeSeries, WriteRequest};

/// The organisations whose external series A may read.
pub const ORGANISATIONS: [&str; 2] = ["acme", "acme-labs"];
/// Organisations of others; most are names that a careless comparison takes for A's.
pub(super) const OTHERS: [&str; 4] = ["bolt", "acme-lab", "Acme", "xacme"];

/// Between two samples of a series, in milliseconds.
pub(super) const INTERVAL: i64 = 30_000;
/// How many samples a series has that has no gaps: two hours and a quarter.
const STEPS: i64 = 270;
/// How far the samples reach beyond the moment they are made at, in milliseconds; Prometheus takes ten minutes.
const AHEAD: i64 = 9 * 60_000;
/// Steps in one request.
const SLICE: i64 = 20;

/// The times that the samples lie between, in milliseconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(super) struct Period {
    pub(super) start: i64,
    pub(super) end: i64,
}

impl Period {
    /// That which a run beginning `now` has its samples in.
    pub(super) fn around(now: i64) -> Self {
        let end = (now + AHEAD) / INTERVAL * INTERVAL;
        Self {
            start: end - STEPS * INTERVAL,
            end,
        }
    }
}

/// A series and how its samples come about.
#[derive(Debug, Clone)]
pub(super) struct Series {
    labels: BTreeMap<String, String>,
    shape: Shape,
    /// Whether A may read it.
    pub(super) visible: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Shape {
    /// Grows by about so much at each step, and starts again at times.
    Counter(f64),
    /// Goes up and down around a value.
    Gauge(f64),
    /// One of few whole numbers, so that there are ties.
    Few(u64),
    /// Always the same.
    Constant(f64),
    /// NaN, the infinities, zeros of both signs and numbers of any size.
    Odd,
    /// There for some minutes, marked stale, and back later.
    Stale,
    /// There for some minutes and missing for some, without a mark.
    Gappy,
    /// A native histogram.
    Native,
}

const JOBS: [(&str, &str); 2] = [("api", "10.0.0.1:9100"), ("worker", "10.0.0.2:9100")];

/// Everything that the server of all organisations holds. The order is that in which both servers get to know their
/// series, which decides in which order they add numbers up.
pub(super) fn series(edition: Edition) -> Vec<Series> {
    let mut all = Vec::new();
    for (job, instance) in JOBS {
        for (metric, labels, shape) in metrics(edition) {
            let mut labels: BTreeMap<String, String> = labels
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect();
            for (name, value) in [("__name__", metric), ("job", job), ("instance", instance)] {
                labels.insert(name.to_owned(), value.to_owned());
            }
            for organisation in ORGANISATIONS {
                // Before each of A's series one of another's, so that an order by position is not A's by chance.
                for series in foreign(&labels, shape, organisation, all.len()) {
                    all.push(series);
                }
                let mut labels = labels.clone();
                labels.insert("metric_purpose".to_owned(), "external".to_owned());
                labels.insert("organisation_id".to_owned(), organisation.to_owned());
                all.push(Series {
                    labels,
                    shape,
                    visible: true,
                });
            }
        }
    }
    all.extend(unheard_of());
    all
}

/// A metric, the labels that tell its series apart, and what its samples are like.
type Metric = (&'static str, Vec<(&'static str, &'static str)>, Shape);

/// The metrics that everybody has.
fn metrics(edition: Edition) -> Vec<Metric> {
    let mut metrics = vec![
        ("up", vec![], Shape::Gappy),
        ("process_start_time_seconds", vec![], Shape::Constant(1_764_000_000.25)),
        ("temperature_celsius", vec![("room", "Küche")], Shape::Gauge(-3.5)),
        (
            "temperature_celsius",
            vec![("room", "hall \"2\"\\n")],
            Shape::Gauge(21.0),
        ),
        ("reading", vec![("sensor", "odd")], Shape::Odd),
        ("reading", vec![("sensor", "stale")], Shape::Stale),
        ("reading", vec![("sensor", "gappy")], Shape::Gappy),
        ("mode", vec![("state", "null")], Shape::Few(3)),
        ("mode", vec![("state", " ")], Shape::Few(3)),
        ("mode", vec![("state", "-")], Shape::Few(2)),
        ("job:requests:rate5m", vec![], Shape::Gauge(12.0)),
        ("ratio", vec![], Shape::Gauge(0.5)),
        (
            "target_info",
            vec![("version", "1.2.3"), ("region", "eu-1"), ("tier", "")],
            Shape::Constant(1.0),
        ),
        ("build_info", vec![("revision", "0a1b2c")], Shape::Constant(1.0)),
        ("rpc_latency_seconds", vec![("method", "get")], Shape::Native),
        ("rpc_latency_seconds", vec![("method", "put")], Shape::Native),
    ];
    for (handler, code) in [("/", "200"), ("/", "500"), ("/orders", "200"), ("/orders", "500")] {
        metrics.push((
            "http_requests_total",
            vec![("handler", handler), ("code", code)],
            Shape::Counter(7.0),
        ));
    }
    for (le, growth) in [("0.1", 2.0), ("0.5", 5.0), ("1", 8.0), ("+Inf", 11.0)] {
        metrics.push((
            "http_request_duration_seconds_bucket",
            vec![("le", le)],
            Shape::Counter(growth),
        ));
    }
    metrics.push(("http_request_duration_seconds_count", vec![], Shape::Counter(11.0)));
    metrics.push(("http_request_duration_seconds_sum", vec![], Shape::Counter(3.25)));
    if edition == Edition::Newest {
        metrics.push((
            "http.server.requests",
            vec![("k8s.pod/name", "api-0")],
            Shape::Counter(4.0),
        ));
        metrics.push(("größe", vec![("größe", "groß"), ("http.route", "/")], Shape::Gauge(4.0)));
    }
    metrics
}

/// Series of others with these labels.
fn foreign(labels: &BTreeMap<String, String>, shape: Shape, organisation: &str, position: usize) -> Vec<Series> {
    let other = OTHERS[position % OTHERS.len()];
    // Who has it: another, A itself for no customer's eyes, nobody, or whoever the label is lacking of.
    let owners: [(Option<&str>, Option<&str>); 5] = [
        (Some(other), Some("external")),
        (Some(organisation), Some("internal")),
        (None, Some("external")),
        (Some(organisation), None),
        (Some(other), Some("internal")),
    ];
    let mut all = Vec::new();
    for (index, (organisation, purpose)) in owners.into_iter().enumerate() {
        // Two of them for each series of A's.
        if (position + index) % 5 > 1 {
            continue;
        }
        let mut labels = labels.clone();
        let mut insert = |name: &str, value: &str| labels.insert(name.to_owned(), value.to_owned());
        if let Some(organisation) = organisation {
            insert("organisation_id", organisation);
        }
        if let Some(purpose) = purpose {
            insert("metric_purpose", purpose);
        }
        // Half of them differ from A's in nothing but these labels and the numbers.
        if position.is_multiple_of(2) {
            insert(canary::LABEL, canary::VALUE);
        }
        all.push(Series {
            labels,
            shape,
            visible: false,
        });
    }
    all
}

/// Metrics of others that A has never heard of.
fn unheard_of() -> Vec<Series> {
    let series = |pairs: &[(&str, &str)], shape| Series {
        labels: pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        shape,
        visible: false,
    };
    let mut all = Vec::new();
    for (job, instance) in JOBS {
        for organisation in OTHERS {
            let labels = [
                ("__name__", canary::METRIC),
                ("job", job),
                ("instance", instance),
                ("organisation_id", organisation),
                ("metric_purpose", "external"),
                ("version", canary::VALUE),
            ];
            all.push(series(&labels, Shape::Counter(3.0)));
            // What `info()` adds to series of this job and instance, if it may.
            let mut labels = labels;
            labels[0].1 = "target_info";
            all.push(series(&labels, Shape::Constant(1.0)));
        }
        let nobody = [
            ("__name__", canary::INTERNAL_METRIC),
            ("job", job),
            ("instance", instance),
        ];
        all.push(series(&nobody, Shape::Gauge(5.0)));
    }
    all.push(series(
        &[
            ("__name__", canary::METRIC),
            ("organisation_id", ""),
            ("job", canary::VALUE),
        ],
        Shape::Few(2),
    ));
    all
}

impl Series {
    /// A's own values and everybody else's are far apart, and those of others are recognised wherever they stand.
    fn sample(&self, number: u64, step: i64, timestamp: i64) -> Option<Sample> {
        // Any numbers do, as long as they are the same each time.
        let noise = fastrand::Rng::with_seed(number * 1_000_003 + step.unsigned_abs()).f64();
        let minutes = step / 2;
        // Where the series stands, so that not all do the same at the same time.
        let phase = i64::try_from(number % 13).unwrap_or_default();
        let moment = (step + phase * 7) as f64;
        let value = match self.shape {
            Shape::Counter(growth) => {
                let since_reset = (step + phase * 11) % 97;
                (since_reset as f64) * growth + (noise * growth * 4.0).round() / 4.0
            }
            Shape::Gauge(middle) => middle + (moment / 9.0).sin() * (middle.abs() + 1.0) + noise,
            Shape::Few(most) => (noise * most as f64).floor(),
            Shape::Constant(value) => value,
            Shape::Odd => match (step + phase) % 11 {
                3 => f64::NAN,
                5 => f64::INFINITY,
                7 => f64::NEG_INFINITY,
                8 => -0.0,
                9 => noise * 1e-300,
                10 => noise * 1e300,
                _ => noise - 0.5,
            },
            Shape::Stale => match (minutes + phase) % 25 {
                0..=14 => noise,
                15 => f64::from_bits(STALE),
                _ => return None,
            },
            Shape::Gappy => match (minutes + phase) % 20 {
                0..=11 => f64::from(u8::from(noise > 0.2)),
                _ => return None,
            },
            Shape::Native => return None,
        };
        let value = match value.to_bits() {
            STALE => value,
            _ if self.visible => value,
            _ => canary::number(value),
        };
        Some(Sample { value, timestamp })
    }

    /// Every so often, the trace of one event, as counters may have it.
    fn exemplar(&self, number: u64, step: i64, timestamp: i64) -> Option<Exemplar> {
        const EVERY: i64 = 10;
        if step % EVERY != 0 || !matches!(self.shape, Shape::Counter(_)) {
            return None;
        }
        let trace = if self.visible {
            format!("{number:04x}{step:04x}")
        } else {
            canary::VALUE.to_owned()
        };
        Some(Exemplar {
            labels: vec![Label {
                name: "trace_id".to_owned(),
                value: trace,
            }],
            value: step as f64 / 8.0,
            timestamp,
        })
    }

    fn histogram(&self, number: u64, step: i64, timestamp: i64) -> Option<Histogram> {
        if self.shape != Shape::Native {
            return None;
        }
        // Grows for an hour, in buckets of unlike counts, and starts again.
        let age = (step + i64::try_from(number % 13).unwrap_or_default()) % 120 + 1;
        let scale = if self.visible { 1 } else { canary::COUNT };
        let counts = [age, age * 3, age * 2, age / 2].map(|count| count * scale);
        let zeros = age * scale;
        let deltas = [
            counts[0],
            counts[1] - counts[0],
            counts[2] - counts[1],
            counts[3] - counts[2],
        ];
        Some(Histogram {
            count: (counts.iter().sum::<i64>() + zeros).unsigned_abs(),
            sum: age as f64 * 5.25 * scale as f64,
            schema: 1,
            zero_threshold: 0.001,
            zero_count: zeros.unsigned_abs(),
            positive_spans: vec![
                BucketSpan { offset: -3, length: 2 },
                BucketSpan { offset: 1, length: 2 },
            ],
            positive_deltas: deltas.to_vec(),
            timestamp,
        })
    }
}

/// The NaN by which Prometheus marks the end of a series.
const STALE: u64 = 0x7ff0_0000_0000_0002;

/// The requests that write all of these series, or those that A may read, in the order of time.
pub(super) fn requests(series: &[Series], period: Period, everything: bool) -> impl Iterator<Item = WriteRequest> {
    let slices = (0..STEPS).step_by(usize::try_from(SLICE).unwrap_or(1));
    slices.map(move |first| {
        let of_series = |(number, series): (usize, &Series)| {
            let number = number as u64;
            // A few seconds after the full step, for each series its own.
            let late = i64::try_from(number * 7919 % 9_000).unwrap_or_default();
            let steps = first..(first + SLICE).min(STEPS);
            let times = steps.map(|step| (step, period.start + step * INTERVAL + late));
            let labels = series.labels.iter();
            TimeSeries {
                labels: labels
                    .map(|(name, value)| Label {
                        name: name.clone(),
                        value: value.clone(),
                    })
                    .filter(|label| !label.value.is_empty())
                    .collect(),
                samples: times
                    .clone()
                    .filter_map(|(step, time)| series.sample(number, step, time))
                    .collect(),
                exemplars: times
                    .clone()
                    .filter_map(|(step, time)| series.exemplar(number, step, time))
                    .collect(),
                histograms: times
                    .filter_map(|(step, time)| series.histogram(number, step, time))
                    .collect(),
            }
        };
        let chosen = series
            .iter()
            .enumerate()
            .filter(|(_, series)| everything || series.visible);
        WriteRequest {
            series: chosen
                .map(of_series)
                .filter(|series| !series.samples.is_empty() || !series.histograms.is_empty())
                .collect(),
        }
    })
}
