//! SLOs as OpenSLO has them (`openslo/v1`), for tools that read that.
//!
//! What OpenSLO has no word for is left out: that an alert looks at two windows, and that too few events say nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::model::{Events, Indicator, Slo};
use crate::alerts::{Comparison, Selection, Term, duration, labels, selected, self_labels};
use crate::collect::self_metrics::SCHEDULED;

const VERSION: &str = "openslo/v1";
/// The longest description that it allows.
const LONGEST_DESCRIPTION: usize = 1_050;
/// What is good in a slice of time is good all the time in it, for a value stands from one push to the next.
const WHOLE_SLICE: f64 = 1.0;

/// One object of a stream of them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Object<'a, S> {
    api_version: &'static str,
    kind: &'static str,
    metadata: Metadata<'a>,
    spec: S,
}

#[derive(Debug, Serialize)]
struct Metadata<'a> {
    name: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<&'static str, &'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<&'static str, &'a str>,
}

#[derive(Debug, Serialize)]
struct ServiceSpec {
    description: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SloSpec<'a> {
    description: String,
    service: String,
    indicator: IndicatorObject<'a>,
    time_window: [TimeWindow; 1],
    budgeting_method: &'static str,
    objectives: [Objective; 1],
}

#[derive(Debug, Serialize)]
struct IndicatorObject<'a> {
    metadata: Metadata<'a>,
    spec: Sli,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
enum Sli {
    RatioMetric {
        counter: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        good: Option<Metric>,
        #[serde(skip_serializing_if = "Option::is_none")]
        bad: Option<Metric>,
        total: Metric,
    },
    ThresholdMetric(Metric),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Metric {
    metric_source: MetricSource,
}

#[derive(Debug, Serialize)]
struct MetricSource {
    #[serde(rename = "type")]
    kind: &'static str,
    spec: Query,
}

#[derive(Debug, Serialize)]
struct Query {
    query: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TimeWindow {
    duration: String,
    is_rolling: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Objective {
    display_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    op: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<f64>,
    target: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_slice_target: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_slice_window: Option<String>,
}

/// A stream of YAML documents: the services, and their SLOs.
///
/// # Errors
/// When something cannot be written as YAML.
pub fn openslo<'a>(slos: impl IntoIterator<Item = &'a Slo>) -> Result<String, serde_saphyr::ser::Error> {
    let slos: Vec<_> = slos.into_iter().collect();
    let services: BTreeSet<_> = slos.iter().map(|slo| slo.service.as_str()).collect();
    let mut documents = Vec::new();
    for service in services {
        let object = Object {
            api_version: VERSION,
            kind: "Service",
            metadata: named(rfc1123(service)),
            spec: ServiceSpec {
                description: format!("The service {service} of a Fanlight configuration."),
            },
        };
        documents.push(serde_saphyr::to_string(&object)?);
    }
    for slo in slos {
        documents.push(serde_saphyr::to_string(&object(slo))?);
    }
    Ok(documents.iter().flat_map(|document| ["---\n", document]).collect())
}

fn named<'a>(name: String) -> Metadata<'a> {
    Metadata {
        name,
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
    }
}

/// A file's name as that of an object.
fn rfc1123(name: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    let name: String = name.chars().map(plain).collect();
    name.trim_matches('-').chars().take(63).collect()
}

fn object(slo: &Slo) -> Object<'_, SloSpec<'_>> {
    let mut metadata = named(slo.name.clone());
    metadata.labels.insert("team", &slo.team);
    metadata.annotations.insert("runbook_url", &slo.handbook);
    let by_time = !matches!(slo.indicator, Indicator::Ratio { .. });
    let (op, value) = match &slo.indicator {
        Indicator::Ratio { .. } => (None, None),
        // OpenSLO says what is good.
        Indicator::Threshold { bad, threshold, .. } => match bad {
            Comparison::Above => (Some("lte"), Some(*threshold)),
            Comparison::Below => (Some("gte"), Some(*threshold)),
        },
        Indicator::Freshness { within } => (Some("lte"), Some(within.as_secs_f64())),
    };
    let slice = slo.subjects.iter().map(|subject| subject.freshness.longest).max();
    Object {
        api_version: VERSION,
        kind: "SLO",
        metadata,
        spec: SloSpec {
            description: slo.description.chars().take(LONGEST_DESCRIPTION).collect(),
            service: rfc1123(&slo.service),
            indicator: IndicatorObject {
                metadata: named(slo.name.clone()),
                spec: indicator(slo),
            },
            time_window: [TimeWindow {
                duration: duration(slo.window),
                is_rolling: true,
            }],
            budgeting_method: if by_time { "Timeslices" } else { "Occurrences" },
            objectives: [Objective {
                display_name: format!("{} %", slo.objective),
                op,
                value,
                target: slo.objective_ratio(),
                time_slice_target: by_time.then_some(WHOLE_SLICE),
                time_slice_window: slice
                    .filter(|_| by_time)
                    .map(|slice| format!("{}m", slice.as_secs().div_ceil(60))),
            }],
        },
    }
}

fn indicator(slo: &Slo) -> Sli {
    match &slo.indicator {
        Indicator::Ratio {
            events,
            total,
            counters,
            ..
        } => {
            let sum = |term: &Term| metric(added_up(slo, term));
            let (good, bad) = match events {
                Events::Good(good) => (Some(sum(good)), None),
                Events::Bad(bad) => (None, Some(sum(bad))),
            };
            Sli::RatioMetric {
                counter: *counters,
                good,
                bad,
                total: sum(total),
            }
        }
        Indicator::Threshold { term, bad, .. } => {
            let worst = match bad {
                Comparison::Above => "max",
                Comparison::Below => "min",
            };
            let selection = Selection {
                term: term.clone(),
                by: None,
            };
            let series = selected(&slo.subjects, &selection, |series| series);
            let by = match slo.by.as_slice() {
                [] => String::new(),
                by => format!(" by ({}) ", by.join(", ")),
            };
            Sli::ThresholdMetric(metric(format!("{worst}{by}({series})")))
        }
        Indicator::Freshness { .. } => {
            let pushed = slo.subjects.first().map(|subject| labels(self_labels(subject)));
            Sli::ThresholdMetric(metric(format!(
                "time() - max({SCHEDULED}{})",
                pushed.unwrap_or_default()
            )))
        }
    }
}

fn added_up(slo: &Slo, term: &Term) -> String {
    let selection = Selection {
        term: term.clone(),
        by: Some(slo.by.clone()),
    };
    selected(&slo.subjects, &selection, |series| series)
}

fn metric(query: String) -> Metric {
    Metric {
        metric_source: MetricSource {
            kind: "Prometheus",
            spec: Query { query },
        },
    }
}
