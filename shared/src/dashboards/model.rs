//! What dashboards are drawn from: plain data of the jobs that run.

use std::time::Duration;

use crate::alerts::Freshness;

/// What one file of the configuration draws.
#[derive(Debug, Clone)]
pub struct Service {
    /// The name of the file without its extension.
    pub name: String,
    /// The folder in Grafana.
    pub folder: String,
    /// Its enabled jobs, in the order of the file.
    pub jobs: Vec<DrawnJob>,
    /// The funnels beside its metrics, likewise.
    pub funnels: Vec<Funnel>,
    /// The full names of metrics whose jobs are disabled, which are drawn where a dashboard knows them by name.
    pub disabled: Vec<String>,
}

/// A job, as far as it is drawn.
#[derive(Debug, Clone)]
pub struct DrawnJob {
    /// Its name, the label `job`.
    pub name: String,
    /// Further labels of the grouping key.
    pub grouping: Vec<(String, String)>,
    /// How often it pushes, and from when on that is stale.
    pub freshness: Freshness,
    /// The most that a run may take.
    pub timeout: Duration,
    /// Its metrics, in the order of the file.
    pub metrics: Vec<Drawn>,
}

/// A metric.
#[derive(Debug, Clone)]
pub struct Drawn {
    /// Its full name.
    pub name: String,
    /// What it means.
    pub help: String,
    /// The unit that the configuration names: what its name ends in.
    pub unit: Option<String>,
    /// Whether it is a counter.
    pub counter: bool,
    /// The labels that tell its series apart, in the order of the file.
    pub labels: Vec<DrawnLabel>,
    /// More series than this fail it.
    pub max_series: usize,
}

/// A label.
#[derive(Debug, Clone)]
pub struct DrawnLabel {
    /// Its name.
    pub name: String,
    /// How many values it can have, where that is known.
    pub values: Option<usize>,
}

/// Steps one after the other, at each of which some begin and some complete.
#[derive(Debug, Clone)]
pub struct Funnel {
    /// The end of the dashboard's name.
    pub name: String,
    /// The metric's full name.
    pub metric: String,
    /// Its job.
    pub job: String,
    /// Further labels of the grouping key.
    pub grouping: Vec<(String, String)>,
    /// The label that names the step.
    pub label: String,
    /// The steps, the first first; at least two.
    pub steps: Vec<String>,
    /// The values of labels by which those are known who begin a step.
    pub begun: Vec<(String, String)>,
    /// Those who complete it.
    pub completed: Vec<(String, String)>,
    /// The label by which conversion is told apart.
    pub by: String,
}
