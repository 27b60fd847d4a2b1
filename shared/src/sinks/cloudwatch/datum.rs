//! Series as data points, and so many of them as one request takes.
//!
//! The limits are [PutMetricData's](https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html).

use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, MetricDatum, StandardUnit};
use jiff::Timestamp;

use crate::cloudwatch::{MOST_DIMENSIONS, is_dimension_name, is_dimension_value, is_metric_name};
use crate::sinks::Sample;

/// The data points of one request.
const MOST_DATA: usize = 1_000;
/// The bytes of one request, which the SDK compresses afterwards: so the limit holds however it is counted.
const MOST_BYTES: usize = 1_000_000;
/// A request around its data, without the namespace, at most.
const AROUND: usize = 128;
/// A data point without its texts, at most: the members' names, the time, the value and the longest unit.
const OF_DATUM: usize = 128;
/// A dimension without its texts, at most.
const OF_DIMENSION: usize = 32;

/// Reasons for which a series is left out, for logs and alerts.
pub(super) const NOT_FINITE: &str = "not_finite";
pub(super) const OUT_OF_RANGE: &str = "out_of_range";
pub(super) const DIMENSIONS: &str = "too_many_dimensions";
pub(super) const TEXT: &str = "text";

/// Data points until they fill a request.
pub(super) struct Batch<'b> {
    group: &'b [(String, String)],
    time: DateTime,
    resolution: i32,
    empty: usize,
    bytes: usize,
    data: Vec<MetricDatum>,
}

impl<'b> Batch<'b> {
    /// `group` are the labels of each series besides its own.
    pub(super) fn new(namespace: &str, group: &'b [(String, String)], time: Timestamp, resolution: i32) -> Self {
        let empty = AROUND + namespace.len();
        Self {
            group,
            time: DateTime::from_secs(time.as_second()),
            resolution,
            empty,
            bytes: empty,
            data: Vec::new(),
        }
    }

    /// The series as a data point with the bytes that it takes at most, or the reason to leave it out.
    pub(super) fn datum(&self, sample: &Sample) -> Result<(MetricDatum, usize), &'static str> {
        check_value(sample.value)?;
        if !is_metric_name(&sample.name) {
            return Err(TEXT);
        }
        let group = self.group.iter().filter(|(_, value)| !value.is_empty());
        let labels = group.chain(&sample.labels);
        let mut bytes = OF_DATUM + sample.name.len();
        let mut dimensions = Vec::new();
        for (name, value) in labels {
            if !is_dimension_name(name) || !is_dimension_value(value) {
                return Err(TEXT);
            }
            bytes += OF_DIMENSION + name.len() + value.len();
            dimensions.push(Dimension::builder().name(name).value(value).build());
        }
        if dimensions.len() > MOST_DIMENSIONS {
            return Err(DIMENSIONS);
        }
        let datum = MetricDatum::builder()
            .metric_name(&sample.name)
            .set_dimensions(Some(dimensions))
            .timestamp(self.time)
            .value(sample.value)
            .set_unit(unit(&sample.name))
            .storage_resolution(self.resolution)
            .build();
        Ok((datum, bytes))
    }

    /// Adds a data point; gives those before it, if there is no place for it beside them.
    pub(super) fn add(&mut self, datum: MetricDatum, bytes: usize) -> Option<Vec<MetricDatum>> {
        let full = self.data.len() == MOST_DATA || self.bytes + bytes > MOST_BYTES;
        let before = if full { self.take() } else { None };
        self.bytes += bytes;
        self.data.push(datum);
        before
    }

    /// The data points at hand, if there are any.
    pub(super) fn take(&mut self) -> Option<Vec<MetricDatum>> {
        self.bytes = self.empty;
        let data = std::mem::take(&mut self.data);
        (!data.is_empty()).then_some(data)
    }
}

/// From -2^360 to 2^360, and what lies as near to 0.
fn check_value(value: f64) -> Result<(), &'static str> {
    let limit = 2.0_f64.powi(360);
    if !value.is_finite() {
        Err(NOT_FINITE)
    } else if value.abs() > limit || value != 0.0 && value.abs() < limit.recip() {
        Err(OUT_OF_RANGE)
    } else {
        Ok(())
    }
}

/// The unit that a metric's name ends in, if CloudWatch has it.
fn unit(name: &str) -> Option<StandardUnit> {
    let name = name.strip_suffix("_total").unwrap_or(name);
    match name.rsplit('_').next()? {
        "seconds" => Some(StandardUnit::Seconds),
        "milliseconds" => Some(StandardUnit::Milliseconds),
        "microseconds" => Some(StandardUnit::Microseconds),
        "bytes" => Some(StandardUnit::Bytes),
        "kilobytes" => Some(StandardUnit::Kilobytes),
        "megabytes" => Some(StandardUnit::Megabytes),
        "gigabytes" => Some(StandardUnit::Gigabytes),
        "bits" => Some(StandardUnit::Bits),
        "percent" => Some(StandardUnit::Percent),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn batch(group: &[(String, String)]) -> Batch<'_> {
        Batch::new("Shop", group, Timestamp::from_second(1_700_000_000).unwrap(), 60)
    }

    fn sample(labels: usize, length: usize, value: f64) -> Sample {
        Sample {
            name: "m".to_owned(),
            labels: (0..labels).map(|at| (format!("l{at}"), "x".repeat(length))).collect(),
            value,
        }
    }

    #[test]
    fn what_cloudwatch_cannot_take_is_left_out_with_its_reason() {
        let group = [("job".to_owned(), "j".to_owned()), ("env".to_owned(), String::new())];
        let batch = batch(&group);
        let limit = 2.0_f64.powi(360);
        let labelled = |name: &str, value: &str| Sample {
            labels: vec![(name.to_owned(), value.to_owned())],
            ..sample(0, 0, 1.0)
        };
        for (sample, expected) in [
            (sample(0, 0, 0.0), Ok(1)),
            (sample(0, 0, -0.0), Ok(1)),
            (sample(29, 1024, limit), Ok(30)),
            (sample(1, 1, -limit), Ok(2)),
            (sample(0, 0, f64::NAN), Err(NOT_FINITE)),
            (sample(0, 0, f64::INFINITY), Err(NOT_FINITE)),
            (sample(0, 0, f64::NEG_INFINITY), Err(NOT_FINITE)),
            (sample(0, 0, limit * 1.01), Err(OUT_OF_RANGE)),
            (sample(0, 0, limit.recip() / 2.0), Err(OUT_OF_RANGE)),
            (sample(30, 1, 1.0), Err(DIMENSIONS)),
            (sample(1, 1025, 1.0), Err(TEXT)),
            (labelled("a", "é"), Err(TEXT)),
            (labelled("a", " "), Err(TEXT)),
            (labelled("a", "b\nc"), Err(TEXT)),
            (labelled(&"a".repeat(256), "b"), Err(TEXT)),
        ] {
            let dimensions = batch.datum(&sample).map(|(datum, _)| datum.dimensions().len());
            assert_eq!(dimensions, expected, "{sample:?}");
        }
    }

    #[test]
    fn the_unit_is_the_one_that_the_name_ends_in() {
        for (name, expected) in [
            ("wait_seconds", Some(StandardUnit::Seconds)),
            ("sent_bytes_total", Some(StandardUnit::Bytes)),
            ("used_percent", Some(StandardUnit::Percent)),
            ("seconds", Some(StandardUnit::Seconds)),
            ("orders_total", None),
            ("seconds_left", None),
        ] {
            assert_eq!(unit(name), expected, "{name}");
        }
    }

    proptest! {
        // Each case is megabytes of labels.
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn no_request_is_too_large_and_no_series_is_lost(
            samples in prop::collection::vec((0_usize..30, 1_usize..1024), 0..300),
            copies in 1_usize..12,
        ) {
            let group = [("job".to_owned(), "j".to_owned())];
            let mut batch = batch(&group);
            let all = samples.iter().cycle().take(samples.len() * copies);
            let (mut batches, mut sizes) = (Vec::new(), Vec::new());
            let mut size = 0;
            for (labels, length) in all.clone() {
                let (datum, bytes) = batch.datum(&sample(*labels, *length, 1.0)).unwrap();
                if let Some(full) = batch.add(datum, bytes) {
                    batches.push(full);
                    sizes.push(std::mem::take(&mut size));
                }
                size += bytes;
            }
            if let Some(rest) = batch.take() {
                batches.push(rest);
                sizes.push(size);
            }
            prop_assert!(batch.take().is_none());
            prop_assert_eq!(batches.iter().map(Vec::len).sum::<usize>(), all.count());
            for (batch, size) in batches.iter().zip(sizes) {
                prop_assert!(!batch.is_empty() && batch.len() <= MOST_DATA && size + 132 <= MOST_BYTES);
                let texts: usize = batch
                    .iter()
                    .flat_map(MetricDatum::dimensions)
                    .map(|dimension| dimension.name().unwrap().len() + dimension.value().unwrap().len())
                    .sum();
                prop_assert!(texts < size);
            }
        }
    }
}
