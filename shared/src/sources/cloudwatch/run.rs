//! A job's queries, side by side under the run's deadline, and their rows.

use aws_sdk_cloudwatch::Client;
use futures_util::future::join_all;
use secrecy::ExposeSecret as _;
use tokio::sync::Semaphore;
use tracing::info;

use super::discover::Which;
use super::fetch::{Failure, Metrics, Point, ResolvedInput, Spent};
use super::query::{Query, Wanted};
use super::{Clients, Source};
use crate::cloudwatch::{Repeats, is_dimension_value};
use crate::config::job;
use crate::placeholders::Template;
use crate::rows::{Cell, Cells, Consumer as _};
use crate::sources::{Asking, Context, Finding, Intake, MetricFailure};

/// How many queries are asked at the same time.
const CONCURRENCY: usize = 4;

/// A set of dimensions' values, and its data point.
type Found = (Vec<String>, Option<Point>);

pub(super) async fn run(
    source: &Source,
    clients: &Clients,
    queries: Vec<Asking<'_, '_, Query>>,
    context: &Context<'_>,
) -> Result<(), MetricFailure> {
    let session = Session::begin(source, clients, context).await?;
    let turns = Semaphore::new(CONCURRENCY);
    let answers = join_all(queries.iter().map(async |(query, intake)| {
        let _turn = turns.acquire().await;
        session.ask(intake.query(), query).await
    }))
    .await;
    for ((query, intake), answer) in queries.into_iter().zip(answers) {
        match answer {
            Ok(found) => hand_over(query, intake, found),
            Err(failure) => intake.fail(failure),
        }
    }
    Ok(())
}

pub(super) async fn check(
    source: &Source,
    clients: &Clients,
    queries: &[(&job::Query, &Query)],
    context: &Context<'_>,
) -> Result<Vec<Finding>, MetricFailure> {
    let session = Session::begin(source, clients, context).await?;
    let mut findings = Vec::new();
    for (query, asked) in queries {
        match session.look(query, asked).await {
            Ok(None) => {}
            Ok(Some(unknown)) => findings.push(Finding::new(query, unknown).help(
                "check the names, the dimensions, which must be all that the metric has, and the region; CloudWatch \
                 forgets what has had no data for two weeks",
            )),
            // Whoever may not ask one may ask none.
            Err(failure) if matches!(failure.kind, "login" | "connect" | "timeout") => return Err(failure),
            Err(failure) => findings.push(Finding::new(query, failure.message)),
        }
    }
    Ok(findings)
}

/// CloudWatch of an account, for the queries of one run.
struct Session<'s> {
    client: Client,
    context: &'s Context<'s>,
}

impl<'s> Session<'s> {
    async fn begin(source: &Source, clients: &Clients, context: &'s Context<'s>) -> Result<Self, MetricFailure> {
        let account = context.within(source.account.reach(context.resolver)).await?;
        let client = clients.client(&account, Repeats::Yes).await;
        if client.config().region().is_none() {
            let message = "no AWS region is known: set AWS_REGION, or give the source a `region`";
            return Err(MetricFailure::new("connect", context.about_source(&message)));
        }
        Ok(Self { client, context })
    }

    /// Each set of dimensions that a query asks for, with its newest data point.
    async fn ask(&self, query: &job::Query, asked: &Query) -> Result<Vec<Found>, MetricFailure> {
        let spent = Spent::default();
        let metrics = self.metrics(query, asked, &spent).await?;
        let answer = self.in_time(async {
            let sets = if asked.is_open() {
                metrics.discover(Which::Recent).await?.into_iter().collect()
            } else {
                vec![exact(&metrics)]
            };
            metrics.check_limit(sets.len())?;
            let points = metrics.fetch(&sets).await?;
            Ok(sets.into_iter().zip(points).collect::<Vec<_>>())
        });
        let answer = answer.await;
        // Also what has failed is billed.
        let (metrics_requested, list_requests) = spent.both();
        info!(query = query.name, metrics_requested, list_requests, "asked CloudWatch");
        answer.map_err(|MetricFailure { kind, message }| {
            let message = self.context.about_source(&message);
            MetricFailure::new(kind, format!("{}: {message}", query.place(None)))
        })
    }

    /// Why a query would find nothing, if its metric is not known; what is known is asked once, as a run would.
    async fn look(&self, query: &job::Query, asked: &Query) -> Result<Option<String>, MetricFailure> {
        let spent = Spent::default();
        let metrics = self.metrics(query, asked, &spent).await?;
        let answer = self.in_time(async {
            let found = metrics.discover(Which::Known).await?;
            if found.is_empty() {
                let names: Vec<_> = metrics.dimensions.iter().map(|(name, _)| *name).collect();
                let of = if names.is_empty() {
                    "without dimensions".to_owned()
                } else {
                    format!("with exactly the dimensions {} and their values", names.join(", "))
                };
                let metric = &metrics.inputs[0];
                return Ok(Some(format!(
                    "CloudWatch knows no metric `{}` of `{}` {of}",
                    metric.metric, metric.namespace
                )));
            }
            let sets: Vec<_> = found.into_iter().collect();
            metrics.fetch(&sets).await.map(|_| None)
        });
        answer.await
    }

    async fn in_time<T>(&self, step: impl Future<Output = Result<T, Failure>>) -> Result<T, MetricFailure> {
        match tokio::time::timeout_at(self.context.deadline, step).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(failure)) => Err(MetricFailure::new(failure.kind(), failure.to_string())),
            Err(_) => {
                let message = "CloudWatch did not answer, or went on to refuse, in the time that the job has";
                Err(MetricFailure::new("timeout", message))
            }
        }
    }

    /// The query with the values of its placeholders.
    async fn metrics<'q>(
        &'q self,
        query: &job::Query,
        asked: &'q Query,
        spent: &'q Spent,
    ) -> Result<Metrics<'q>, MetricFailure> {
        let mut dimensions = Vec::new();
        for (name, wanted) in &asked.dimensions {
            let value = match wanted {
                Wanted::Every => None,
                Wanted::Exactly(template) => Some(self.value(query, name, template).await?),
            };
            dimensions.push((name.as_str(), value));
        }
        let mut inputs = Vec::new();
        for input in &asked.inputs {
            let mut own = Vec::new();
            for (name, template) in &input.dimensions {
                own.push((name.clone(), self.value(query, name, template).await?));
            }
            inputs.push(ResolvedInput {
                name: &input.name,
                namespace: &input.namespace,
                metric: &input.metric,
                statistic: &input.statistic,
                dimensions: own,
            });
        }
        Ok(Metrics {
            client: &self.client,
            region: self.client.config().region().map(AsRef::as_ref),
            dimensions,
            inputs,
            expression: asked.expression.as_ref(),
            reach: asked.reach,
            window: asked.reach.window(self.context.scheduled_time),
            limit: asked.max_metrics,
            spent,
        })
    }

    async fn value(&self, query: &job::Query, name: &str, template: &Template) -> Result<String, MetricFailure> {
        let value = self.context.resolve(template).await?;
        if is_dimension_value(value.expose_secret()) {
            return Ok(value.expose_secret().to_owned());
        }
        let message = format!(
            "{}: the value of the dimension `{name}` is not from 1 to 1024 characters of ASCII",
            query.place(None)
        );
        Err(MetricFailure::new("placeholder", message))
    }
}

/// The one set of a query that names each value.
fn exact(metrics: &Metrics<'_>) -> Vec<String> {
    let values = metrics.dimensions.iter().filter_map(|(_, value)| value.clone());
    values.collect()
}

fn hand_over(query: &Query, intake: &mut Intake<'_>, found: Vec<Found>) {
    // Whoever wants no rows knows why, and takes none.
    let _ = intake.columns(&query.columns);
    for (set, point) in found {
        let dimensions = set.into_iter().map(|value| Cell::Text(value.into()));
        let (value, timestamp) = match point {
            Some((begins, value)) => (Cell::Number(value), Cell::Number(begins as f64)),
            None => (Cell::Null, Cell::Null),
        };
        let cells: Vec<_> = dimensions.chain([value, timestamp]).collect();
        let _ = intake.row(&Cells {
            columns: &query.columns,
            cells: &cells,
        });
    }
}
