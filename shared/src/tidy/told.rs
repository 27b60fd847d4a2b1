//! What a job's own group in the gateway tells of its runs.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::collect::self_metrics::{
    DURATION, JOB_LABEL, LAST_RUN, LAST_SUCCESS, METRIC_LABEL, METRIC_SERIES, METRIC_UP, SCHEDULED, UP,
};
use crate::config::job::SELF_GROUP;
use crate::pushgateway::{Group, GroupingKey, time};

/// What Fanlight told of a job, in a group of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Told<'a> {
    /// The job's name.
    pub job: String,
    /// The grouping key's labels besides `job`, in the order of their names.
    pub grouping: Vec<(String, String)>,
    /// The group that tells it.
    pub group: &'a Group,
    /// Whether the last run succeeded in everything.
    pub up: bool,
    /// When the last run ended.
    pub last_run: Option<Timestamp>,
    /// When a run last succeeded in everything.
    pub last_success: Option<Timestamp>,
    /// The scheduled time of the newest run whose series were pushed.
    pub scheduled: Option<Timestamp>,
    /// How long the last run took.
    pub duration: Option<Duration>,
    /// The metrics of the last run.
    pub metrics: BTreeMap<String, MetricTold>,
}

/// What a run told of a metric.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MetricTold {
    /// Whether it could be made.
    pub up: bool,
    /// How many series it had.
    pub series: u64,
}

impl<'a> Told<'a> {
    /// What a group tells, if it is one of Fanlight's own. Somebody else's may have the same labels; it does not hold the
    /// gauge that every run pushes.
    #[must_use]
    pub fn of(group: &'a Group) -> Option<Self> {
        let labels = &group.labels;
        let job = labels.get(JOB_LABEL).filter(|job| !job.is_empty())?;
        if labels.get("job").is_none_or(|job| job != SELF_GROUP) {
            return None;
        }
        let last_run = group.gauge(LAST_RUN)?;
        let grouping = labels
            .iter()
            .filter(|(name, _)| *name != "job" && *name != JOB_LABEL)
            .map(|(name, value)| (name.clone(), value.clone()));
        let at = |name: &str| group.gauge(name).and_then(time);
        Some(Self {
            job: job.clone(),
            grouping: grouping.collect(),
            up: group.gauge(UP).is_some_and(|up| up > 0.0),
            last_run: time(last_run),
            last_success: at(LAST_SUCCESS),
            scheduled: at(SCHEDULED),
            duration: group
                .gauge(DURATION)
                .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
            metrics: metrics(group),
            group,
        })
    }

    /// The key of the group that holds the job's series.
    #[must_use]
    pub fn data_key(&self) -> GroupingKey {
        GroupingKey::new(&self.job, &self.grouping)
    }

    /// The series that the last run pushed, or would have.
    #[must_use]
    pub fn series(&self) -> u64 {
        self.metrics.values().map(|metric| metric.series).sum()
    }
}

fn metrics(group: &Group) -> BTreeMap<String, MetricTold> {
    let mut metrics: BTreeMap<String, MetricTold> = BTreeMap::new();
    for family in [METRIC_UP, METRIC_SERIES] {
        for sample in group
            .families
            .get(family)
            .into_iter()
            .flat_map(|family| &family.samples)
        {
            let Some(name) = sample.labels.get(METRIC_LABEL) else {
                continue;
            };
            let metric = metrics.entry(name.clone()).or_default();
            if family == METRIC_UP {
                metric.up = sample.value > 0.0;
            } else {
                // A count of series is a small whole number; what is none counts as 0.
                metric.series = format!("{:.0}", sample.value).parse().unwrap_or_default();
            }
        }
    }
    metrics
}
