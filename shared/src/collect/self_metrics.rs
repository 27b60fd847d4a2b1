//! What a run tells of itself: gauges in a group of their own, so that a refused push of data cannot hide them.
//!
//! A Lambda function keeps no state between runs, so nothing here is a counter.

use prometheus::{Encoder, Gauge, GaugeVec, Opts, Registry, TextEncoder};

use super::report::{MetricReport, RunReport};
use crate::config::job::SELF_GROUP;
use crate::pushgateway::GroupingKey;
use crate::sinks::SinkReport;
use crate::sources::TargetReport;

/// The label of the grouping key that names the job which a group of self-metrics is about.
pub(crate) const JOB_LABEL: &str = "fanlight_job";
/// The label that names the metric which a gauge is about.
pub(crate) const METRIC_LABEL: &str = "metric";
/// When the last run ended, whatever came of it.
pub(crate) const LAST_RUN: &str = "fanlight_job_last_run_timestamp_seconds";
/// When the job last succeeded in everything.
pub(crate) const LAST_SUCCESS: &str = "fanlight_job_last_success_timestamp_seconds";
/// How long the last run took.
pub(crate) const DURATION: &str = "fanlight_job_duration_seconds";
/// Whether a metric could be made.
pub(crate) const METRIC_UP: &str = "fanlight_metric_up";
/// How many series a metric had.
pub(crate) const METRIC_SERIES: &str = "fanlight_metric_series";
/// The scheduled time of the newest run whose series stand in the gateway.
pub(crate) const SCHEDULED: &str = "fanlight_job_scheduled_timestamp_seconds";
/// Whether the last run succeeded in everything.
pub(crate) const UP: &str = "fanlight_job_up";

/// The label that names one of a job's further sinks.
pub(super) const SINK_LABEL: &str = "sink";
/// Whether a further sink took what it can in the last run.
pub(super) const SINK_UP: &str = "fanlight_sink_up";
/// The scheduled time of the newest run of which a further sink has, or may have, series.
pub(super) const SINK_SCHEDULED: &str = "fanlight_sink_scheduled_timestamp_seconds";

/// Every metric that Fanlight tells of itself.
pub(crate) const NAMES: [&str; 17] = [
    "fanlight_build_info",
    DURATION,
    LAST_RUN,
    LAST_SUCCESS,
    SCHEDULED,
    UP,
    "fanlight_metric_nulls",
    "fanlight_metric_rows",
    "fanlight_metric_rows_without_organisation",
    METRIC_SERIES,
    METRIC_UP,
    "fanlight_sink_left_out",
    SINK_SCHEDULED,
    "fanlight_sink_series",
    SINK_UP,
    "fanlight_target_unknown_states",
    "fanlight_target_up",
];

/// The group of a job's self-metrics.
pub(crate) fn group(job: &str, grouping: &[(String, String)]) -> GroupingKey {
    let mut labels = vec![(JOB_LABEL.to_owned(), job.to_owned())];
    labels.extend_from_slice(grouping);
    GroupingKey::new(SELF_GROUP, &labels)
}

/// The self-metrics of a run in the text format. Families that the run has nothing to say about are left out, so that a
/// POST leaves them as they stand: the last success after a failure, the scheduled time when nothing was pushed.
pub(super) fn encode(report: &RunReport) -> Result<Vec<u8>, prometheus::Error> {
    let registry = Registry::new();
    let gauge = |name: &str, help: &str, value: f64| -> Result<(), prometheus::Error> {
        let gauge = Gauge::new(name, help)?;
        gauge.set(value);
        registry.register(Box::new(gauge))
    };
    let ended = seconds(report.ended);
    gauge(LAST_RUN, "When the job last ran, whatever came of it.", ended)?;
    gauge(
        UP,
        "Whether the job's last run succeeded in everything.",
        f64::from(u8::from(report.succeeded())),
    )?;
    gauge(
        DURATION,
        "How long the job's last run took.",
        report.duration.as_secs_f64(),
    )?;
    if report.succeeded() {
        gauge(LAST_SUCCESS, "When the job last succeeded in everything.", ended)?;
    }
    if report.push.done() {
        let help = "The scheduled time of the newest run whose series were pushed.";
        gauge(SCHEDULED, help, seconds(report.scheduled_time))?;
    }
    let build = GaugeVec::new(
        Opts::new("fanlight_build_info", "The version that ran; always 1."),
        &["version"],
    )?;
    build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1.0);
    registry.register(Box::new(build))?;
    encode_metrics(&registry, &report.metrics)?;
    encode_targets(&registry, &report.targets)?;
    encode_sinks(&registry, &report.sinks)?;
    let mut text = Vec::new();
    TextEncoder::new().encode(&registry.gather(), &mut text)?;
    Ok(text)
}

/// What a family says of a target, if anything.
type TargetReading = fn(&TargetReport) -> Option<f64>;
/// What a family says of a further sink, if anything.
type SinkReading = fn(&SinkReport) -> Option<f64>;
/// What a family says of a metric, if anything.
type Reading = fn(&MetricReport) -> Option<f64>;

fn encode_metrics(registry: &Registry, metrics: &[MetricReport]) -> Result<(), prometheus::Error> {
    let up = "Whether the metric could be made in the job's last run.";
    let rows = "How many rows the metric's query gave in the job's last run; 0 if the metric failed.";
    let series = "How many series the metric had in the job's last run; 0 if it failed.";
    let nulls = "How many values were NULL in the job's last run; 0 if the metric failed.";
    let orphans =
        "How many rows of an external metric were left out in the job's last run for want of an organisation.";
    let families: [(&str, &str, Reading); 5] = [
        (METRIC_UP, up, |metric| Some(f64::from(u8::from(metric.result.is_ok())))),
        ("fanlight_metric_rows", rows, |metric| Some(metric.counts().rows as f64)),
        (METRIC_SERIES, series, |metric| Some(metric.counts().series as f64)),
        ("fanlight_metric_nulls", nulls, |metric| {
            Some(metric.counts().nulls as f64)
        }),
        ("fanlight_metric_rows_without_organisation", orphans, |metric| {
            metric.external.then(|| metric.counts().without_organisation as f64)
        }),
    ];
    for (name, help, value) in families {
        let family = GaugeVec::new(Opts::new(name, help), &[METRIC_LABEL])?;
        for metric in metrics {
            if let Some(value) = value(metric) {
                family.with_label_values(&[&metric.name]).set(value);
            }
        }
        registry.register(Box::new(family))?;
    }
    Ok(())
}

fn encode_targets(registry: &Registry, targets: &[TargetReport]) -> Result<(), prometheus::Error> {
    let up = "Whether the target gave its rows in the job's last run.";
    let unknown = "How many checks of the target were in a state that is not known in the job's last run.";
    let families: [(&str, &str, TargetReading); 2] = [
        ("fanlight_target_up", up, |target| {
            Some(f64::from(u8::from(target.failure.is_none())))
        }),
        ("fanlight_target_unknown_states", unknown, |target| {
            target.unknown_states.map(|states| states as f64)
        }),
    ];
    for (name, help, value) in families {
        let family = GaugeVec::new(Opts::new(name, help), &["target"])?;
        for target in targets {
            if let Some(value) = value(target) {
                family.with_label_values(&[&target.name]).set(value);
            }
        }
        registry.register(Box::new(family))?;
    }
    Ok(())
}

fn encode_sinks(registry: &Registry, sinks: &[SinkReport]) -> Result<(), prometheus::Error> {
    let up = "Whether the further sink took in the job's last run all series that it can take.";
    let series = "How many series the further sink took in the job's last run.";
    let scheduled = "The scheduled time of the newest run of which the further sink has, or may have, series.";
    let left_out = "How many series the further sink cannot take, and was not sent in the job's last run.";
    let families: [(&str, &str, SinkReading); 4] = [
        (SINK_UP, up, |sink| Some(f64::from(u8::from(sink.failure.is_none())))),
        ("fanlight_sink_series", series, |sink| Some(sink.series as f64)),
        ("fanlight_sink_left_out", left_out, |sink| {
            Some(sink.left_out.values().sum::<u64>() as f64)
        }),
        (SINK_SCHEDULED, scheduled, |sink| sink.newest.map(seconds)),
    ];
    for (name, help, value) in families {
        let family = GaugeVec::new(Opts::new(name, help), &[SINK_LABEL])?;
        for sink in sinks {
            if let Some(value) = value(sink) {
                family.with_label_values(&[&sink.name]).set(value);
            }
        }
        registry.register(Box::new(family))?;
    }
    Ok(())
}

fn seconds(time: jiff::Timestamp) -> f64 {
    time.as_duration().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    /// Alerts may read these, and a name that is not here is told as a mistake.
    #[test]
    fn the_names_are_those_that_are_written() {
        let source = include_str!("self_metrics.rs");
        let (source, _) = source.split_once("#[cfg(test)]").unwrap();
        let written: BTreeSet<&str> = source.split('"').filter(|text| text.starts_with("fanlight_")).collect();
        let named: BTreeSet<&str> = super::NAMES.into_iter().chain([super::JOB_LABEL]).collect();
        assert_eq!(written, named);
    }
}
