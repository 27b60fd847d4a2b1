//! The newest complete data point of each set of dimensions, by `GetMetricData`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricDataResult, MetricStat, ScanBy, StatusCode};
use tracing::warn;

use super::expression::{Expression, numbered};
use super::window::{Reach, Window};
use crate::backoff::jittered;
use crate::cloudwatch::Refusal;

/// The entries that one request may have.
const MOST_ENTRIES: usize = 500;
/// So often a request is made for data points that CloudWatch itself calls incomplete.
const ATTEMPTS: u32 = 3;
const FIRST_BACKOFF: Duration = Duration::from_millis(200);
const ACTION: &str = "cloudwatch:GetMetricData";

/// A query with the values of its placeholders.
pub(super) struct Metrics<'q> {
    pub(super) client: &'q Client,
    pub(super) region: Option<&'q str>,
    /// The query's dimensions and their values; `None` for every value.
    pub(super) dimensions: Vec<(&'q str, Option<String>)>,
    pub(super) inputs: Vec<ResolvedInput<'q>>,
    pub(super) expression: Option<&'q Expression>,
    pub(super) reach: Reach,
    pub(super) window: Window,
    /// The most metrics that may be asked for.
    pub(super) limit: usize,
    pub(super) spent: &'q Spent,
}

pub(super) struct ResolvedInput<'q> {
    pub(super) name: &'q str,
    pub(super) namespace: &'q str,
    pub(super) metric: &'q str,
    pub(super) statistic: &'q str,
    pub(super) dimensions: Vec<(String, String)>,
}

/// What AWS bills.
#[derive(Debug, Default)]
pub(super) struct Spent {
    metrics: AtomicU64,
    list_requests: AtomicU64,
}

impl Spent {
    pub(super) fn list_request(&self) {
        self.list_requests.fetch_add(1, Ordering::Relaxed);
    }

    /// Metrics requested by `GetMetricData`, each as often as it was, and requests of `ListMetrics`.
    pub(super) fn both(&self) -> (u64, u64) {
        (
            self.metrics.load(Ordering::Relaxed),
            self.list_requests.load(Ordering::Relaxed),
        )
    }
}

/// When a data point's period begins, in seconds since the epoch, and its value.
pub(super) type Point = (i64, f64);

/// Why there is no answer to a query.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Refused(Refusal),
    #[error(
        "there are more than {limit} metrics, which AWS would bill each time: \
         name fewer dimensions with `'*'`, or raise `max_metrics`"
    )]
    TooMany { limit: usize },
    #[error(
        "CloudWatch gave {incomplete} of {all} metrics in part only, {ATTEMPTS} times over ({status}{said}); the first is {first}"
    )]
    Partial {
        incomplete: usize,
        all: usize,
        status: String,
        said: String,
        first: String,
    },
    #[error("CloudWatch does not give {metric}: forbidden{said}; allow `{ACTION}` to the role that asks")]
    Forbidden { metric: String, said: String },
    #[error(
        "the expression gives several series where one is expected, `{one}` and `{other}`: write one that gives one series of its inputs"
    )]
    Several { one: String, other: String },
}

impl Failure {
    /// One of the kinds of a metric's failures.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.kind,
            Self::TooMany { .. } => "query",
            Self::Partial { .. } => "partial",
            Self::Forbidden { .. } => "login",
            Self::Several { .. } => "rows",
        }
    }
}

/// What has come of one set of dimensions, over all pages.
#[derive(Default)]
struct Answer {
    label: Option<String>,
    newest: Option<Point>,
    status: Option<StatusCode>,
    messages: Vec<String>,
}

impl Metrics<'_> {
    /// The points of sets of dimensions' values, in their order; `None` where there is none in the window.
    pub(super) async fn fetch(&self, sets: &[Vec<String>]) -> Result<Vec<Option<Point>>, Failure> {
        let entries = self.inputs.len() + usize::from(self.expression.is_some());
        let mut points = Vec::with_capacity(sets.len());
        for batch in sets.chunks(MOST_ENTRIES / entries) {
            points.extend(self.batch(batch).await?);
        }
        Ok(points)
    }

    async fn batch(&self, batch: &[Vec<String>]) -> Result<Vec<Option<Point>>, Failure> {
        let mut points = vec![None; batch.len()];
        let mut open: Vec<usize> = (0..batch.len()).collect();
        let mut attempt = 1;
        loop {
            let mut answers = self.pages(batch, &open).await?;
            let mut first_incomplete = None;
            let mut incomplete = Vec::new();
            for number in open {
                let answer = answers.remove(&result_id(number)).unwrap_or_default();
                match answer.status {
                    Some(StatusCode::Complete) => points[number] = answer.newest,
                    Some(StatusCode::Forbidden) => {
                        return Err(Failure::Forbidden {
                            metric: self.describe(&batch[number]),
                            said: said(&answer),
                        });
                    }
                    _ => {
                        incomplete.push(number);
                        first_incomplete.get_or_insert((number, answer));
                    }
                }
            }
            let Some((number, answer)) = first_incomplete else {
                return Ok(points);
            };
            if attempt == ATTEMPTS {
                return Err(Failure::Partial {
                    incomplete: incomplete.len(),
                    all: batch.len(),
                    status: answer
                        .status
                        .as_ref()
                        .map_or("no answer", StatusCode::as_str)
                        .to_owned(),
                    said: said(&answer),
                    first: self.describe(&batch[number]),
                });
            }
            warn!(
                metrics = incomplete.len(),
                attempt, "data points are incomplete; asking again"
            );
            // Jittered, since others may have been answered incompletely at the same moment.
            let pause = FIRST_BACKOFF * 2_u32.pow(attempt - 1);
            tokio::time::sleep(jittered(pause)).await;
            attempt += 1;
            open = incomplete;
        }
    }

    /// All pages of one request.
    async fn pages(&self, batch: &[Vec<String>], open: &[usize]) -> Result<BTreeMap<String, Answer>, Failure> {
        let asked = open
            .iter()
            .flat_map(|number| self.entries(*number, &batch[*number]))
            .collect();
        let request = self
            .client
            .get_metric_data()
            .start_time(DateTime::from_secs(self.window.start))
            .end_time(DateTime::from_secs(self.window.end))
            .scan_by(ScanBy::TimestampDescending)
            .set_metric_data_queries(Some(asked));
        let metrics = u64::try_from(open.len() * self.inputs.len()).unwrap_or(u64::MAX);
        self.spent.metrics.fetch_add(metrics, Ordering::Relaxed);
        let mut answers: BTreeMap<String, Answer> = BTreeMap::new();
        let mut token: Option<String> = None;
        loop {
            let page = request.clone().set_next_token(token.clone()).send().await;
            let page = page.map_err(|error| Failure::Refused(Refusal::of(ACTION, self.region, &error)))?;
            for message in page.messages() {
                let (code, text) = (message.code().unwrap_or_default(), message.value().unwrap_or_default());
                warn!(code, message = text, "CloudWatch has something to say");
            }
            for result in page.metric_data_results() {
                let answer = answers.entry(result.id().unwrap_or_default().to_owned()).or_default();
                self.take(answer, result)?;
            }
            match page.next_token {
                // The same page again would go on for ever.
                Some(next) if token.as_ref() != Some(&next) => token = Some(next),
                _ => return Ok(answers),
            }
        }
    }

    fn take(&self, answer: &mut Answer, result: &MetricDataResult) -> Result<(), Failure> {
        let label = result.label().unwrap_or_default();
        match &answer.label {
            Some(known) if known != label => {
                return Err(Failure::Several {
                    one: known.clone(),
                    other: label.to_owned(),
                });
            }
            Some(_) => {}
            None => answer.label = Some(label.to_owned()),
        }
        let times = result.timestamps().iter().map(DateTime::secs);
        let points = times.zip(result.values().iter().copied());
        answer.newest = self.window.newest(points.chain(answer.newest));
        answer.status = result.status_code().cloned();
        for message in result.messages() {
            let (code, text) = (message.code().unwrap_or_default(), message.value().unwrap_or_default());
            answer.messages.push(format!("{code}: {text}"));
        }
        Ok(())
    }

    /// The entries of a request for one set of dimensions' values.
    fn entries(&self, number: usize, set: &[String]) -> impl Iterator<Item = MetricDataQuery> {
        let own = self
            .dimensions
            .iter()
            .map(|(name, _)| *name)
            .zip(set.iter().map(String::as_str));
        let own: Vec<_> = own.collect();
        let inputs = self.inputs.iter().map(move |input| {
            let further = input
                .dimensions
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()));
            let dimensions = own.iter().copied().chain(further);
            let dimensions = dimensions.map(|(name, value)| Dimension::builder().name(name).value(value).build());
            let metric = Metric::builder()
                .namespace(input.namespace)
                .metric_name(input.metric)
                .set_dimensions(Some(dimensions.collect()))
                .build();
            let statistic = MetricStat::builder()
                .metric(metric)
                .period(i32::try_from(self.reach.period).unwrap_or(i32::MAX))
                .stat(input.statistic)
                .build();
            let id = match self.expression {
                Some(_) => numbered(input.name, number),
                None => result_id(number),
            };
            let entry = MetricDataQuery::builder().id(id).metric_stat(statistic);
            entry.return_data(self.expression.is_none()).build()
        });
        let expression = self.expression.map(|expression| {
            MetricDataQuery::builder()
                .id(result_id(number))
                .expression(expression.numbered(number))
                .return_data(true)
                .build()
        });
        inputs.chain(expression).collect::<Vec<_>>().into_iter()
    }

    /// A metric for people: `AWS/ELB RequestCount {LoadBalancer=app}`.
    pub(super) fn describe(&self, set: &[String]) -> String {
        let metrics: Vec<String> = self
            .inputs
            .iter()
            .map(|input| format!("{} {}", input.namespace, input.metric))
            .collect();
        let pairs = self.dimensions.iter().zip(set);
        let pairs: Vec<String> = pairs.map(|((name, _), value)| format!("{name}={value}")).collect();
        format!("{} {{{}}}", metrics.join(", "), pairs.join(", "))
    }
}

/// What a result is called in a request: unlike any input, which has a `_`.
fn result_id(number: usize) -> String {
    format!("r{number}")
}

fn said(answer: &Answer) -> String {
    if answer.messages.is_empty() {
        String::new()
    } else {
        format!("; AWS says: {}", answer.messages.join("; "))
    }
}
