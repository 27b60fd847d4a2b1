//! The configuration as it is written: one struct a mapping of the YAML, which is also where the JSON Schema comes from.

mod alerting;
mod alerts;
mod dashboards;
mod heal;
mod metrics_api;
mod slos;

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

use super::job::{Duplicates, MetricKind, NullValue, OnEmpty, OnError};
use super::read::{Entry, LENGTH, Mapping};
use crate::sinks::SinkSettings;
use crate::sources::{QueryDescription, SourceSettings};

pub(crate) use alerting::{AlertingLayerSpec, AlertingSpec, SlackSpec, TimingSpec, VictorOpsSpec, WatchdogSpec};
pub(crate) use alerts::{AlertSpec, CaseSpec, Number, RatioSpec, TermSpec};
pub(crate) use dashboards::{DashboardsSpec, FunnelSpec};
pub(crate) use heal::HealSpec;
pub(crate) use metrics_api::{
    AuthorizerSpec, IssuerSpec, LabelSpec, MetricsApiSpec, PlanSpec, SigV4Spec, UpstreamSpec,
};
pub(crate) use slos::{EventsSpec, FreshnessSpec, IndicatorSpec, SloSpec, ThresholdSpec};

/// One file of a Fanlight configuration: a team's jobs, or what all teams share.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Fanlight configuration")]
pub(crate) struct Document {
    /// The jobs; `jobs` is the same.
    pub(crate) job: Option<Entry<Vec<Entry<JobSpec>>>>,
    /// The jobs; `job` is the same.
    pub(crate) jobs: Option<Entry<Vec<Entry<JobSpec>>>>,
    /// What jobs get that do not say otherwise. In `fanlight.yaml` for every job, in any other file for the jobs of that
    /// file.
    pub(crate) defaults: Option<Entry<Defaults>>,
    /// Labels with a fixed value for every series. In `fanlight.yaml` for every job, in any other file for the jobs of
    /// that file.
    pub(crate) static_labels: Option<Entry<Mapping<String>>>,
    /// Where queries run, by name, for a job's `source`.
    pub(crate) sources: Option<Entry<Mapping<SourceSpec>>>,
    /// Where series go, by name, for a job's `sink`. Without any, `default` is the Pushgateway at `{{PUSHGATEWAY_URL}}`.
    pub(crate) sinks: Option<Entry<Mapping<SinkSettings>>>,
    /// Where the values of `{{NAME}}` placeholders come from. A name that is not declared comes from the environment
    /// variable of that name.
    pub(crate) placeholders: Option<Entry<Mapping<ProviderSpec>>>,
    /// The Metrics API, by which customers query their own series. In `fanlight.yaml` only.
    pub(crate) metrics_api: Option<Entry<MetricsApiSpec>>,
    /// Alerts of no one metric, and in an environment's folder what is different there.
    pub(crate) alerts: Option<Entry<Vec<Entry<AlertSpec>>>>,
    /// How alerts reach people, for which Alertmanager is configured. In `fanlight.yaml` only.
    pub(crate) alerting: Option<Entry<AlertingSpec>>,
    /// SLOs of no one metric, and in an environment's folder what is different there.
    pub(crate) slos: Option<Entry<Vec<Entry<SloSpec>>>>,
    /// The environments for which alerts are built. In `fanlight.yaml` only. Default: develop and prod.
    pub(crate) environments: Option<Entry<Vec<Entry<String>>>>,
    /// Where the dashboards of this file's jobs stand; in `fanlight.yaml`, of those of all files that do not say.
    pub(crate) dashboards: Option<Entry<DashboardsSpec>>,
    /// Running again, by itself, the jobs whose groups vanished with a restart of their gateway. In `fanlight.yaml` only.
    pub(crate) heal: Option<Entry<HealSpec>>,
}

impl Document {
    /// The specifications of jobs, under either key.
    pub(crate) fn jobs(&self) -> impl Iterator<Item = &Entry<JobSpec>> {
        let lists = [&self.job, &self.jobs];
        lists.into_iter().flatten().filter_map(Entry::get).flatten()
    }

    /// How much could not be read where it concerns nothing else: in jobs, in the Metrics API, in `heal`.
    pub(crate) fn contained_problems(&self) -> usize {
        let in_jobs: usize = self.jobs().map(|job| job.problems).sum();
        in_jobs
            + self.metrics_api.as_ref().map_or(0, |section| section.problems)
            + self.heal.as_ref().map_or(0, |section| section.problems)
            + self.alerts.as_ref().map_or(0, |section| section.problems)
            + self.alerting.as_ref().map_or(0, |section| section.problems)
            + self.slos.as_ref().map_or(0, |section| section.problems)
            + self.environments.as_ref().map_or(0, |section| section.problems)
            + self.dashboards.as_ref().map_or(0, |section| section.problems)
    }
}

/// What jobs get that do not say otherwise.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Defaults {
    /// The time zone that schedules are read in. Default: UTC.
    pub(crate) timezone: Option<Entry<String>>,
    /// The window after its scheduled time in which EventBridge Scheduler may start a run. Default: none.
    #[schemars(with = "Option<String>")]
    pub(crate) jitter: Option<Entry<OffsetText>>,
    /// The team to ask.
    pub(crate) owner: Option<Entry<String>>,
    /// A name under `sources`, or a URL.
    pub(crate) source: Option<Entry<SourceSpec>>,
    /// A Pushgateway under `sinks`.
    pub(crate) sink: Option<Entry<String>>,
    /// Names under `sinks` where a job's series go besides its Pushgateway.
    pub(crate) also_to: Option<Entry<Vec<Entry<String>>>>,
    /// The first part of every metric's name.
    pub(crate) namespace: Option<Entry<String>>,
    /// The most that a run may take, queries and push together. Default: 30s.
    pub(crate) timeout: Option<Entry<DurationText>>,
    /// What happens to the job's other metrics when one fails: `keep` (default) replaces those that succeeded and leaves
    /// the failed ones at their last good series, `drop` removes the failed ones, `fail` pushes nothing.
    pub(crate) on_error: Option<Entry<OnError>>,
    /// What a NULL in a value column means: no series (`skip`, default), 0, NaN, or an error.
    pub(crate) null_value: Option<Entry<NullValue>>,
    /// The label value that stands for NULL. Default: empty, which leaves the label out.
    pub(crate) null_label: Option<Entry<String>>,
    /// What no rows mean: `clear` (default) removes the metric's series, `keep` leaves them, `zero` sets them to 0,
    /// `error` fails the metric.
    pub(crate) on_empty: Option<Entry<OnEmpty>>,
    /// What several rows with the same labels mean: an `error` (default), or their `sum`, `max` or `last`.
    pub(crate) duplicates: Option<Entry<Duplicates>>,
    /// More series than this fail a metric. Default: 500.
    pub(crate) max_series: Option<Entry<Count>>,
}

/// A job: queries of one source on one schedule, whose metrics stand and fall together.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct JobSpec {
    /// Unique in the whole configuration; the `job` label of everything the job pushes.
    #[schemars(required)]
    pub(crate) name: Option<Entry<String>>,
    /// Unix cron, five fields: minute, hour, day of month, month, day of week.
    #[schemars(required, example = "*/10 * * * *")]
    pub(crate) schedule: Option<Entry<String>>,
    /// The time zone that the schedule is read in, such as `Europe/Paris`. Default: UTC.
    pub(crate) timezone: Option<Entry<String>>,
    /// The window after its scheduled time in which EventBridge Scheduler may start a run, so that jobs of one schedule do
    /// not all start at once: whole minutes, 24 hours at most, less than between two runs. Default: none, `0s`.
    #[schemars(example = "2m")]
    #[schemars(with = "Option<String>")]
    pub(crate) jitter: Option<Entry<OffsetText>>,
    /// `false` keeps the job in the configuration, checked but never run.
    pub(crate) enabled: Option<Entry<bool>>,
    /// The team to ask.
    pub(crate) owner: Option<Entry<String>>,
    /// A name under `sources`, or a URL such as `postgres://{{DB_USERNAME}}:{{DB_PASSWORD}}@{{DB_HOST}}/{{DB_NAME}}`.
    pub(crate) source: Option<Entry<SourceSpec>>,
    /// A Pushgateway under `sinks`. Default: `default`, or the only one there is.
    pub(crate) sink: Option<Entry<String>>,
    /// Names under `sinks` where the job's series go besides its Pushgateway, such as a namespace of CloudWatch.
    pub(crate) also_to: Option<Entry<Vec<Entry<String>>>>,
    /// The first part of the job's metrics' names.
    pub(crate) namespace: Option<Entry<String>>,
    /// Labels with a fixed value for every series of the job.
    pub(crate) static_labels: Option<Entry<Mapping<String>>>,
    /// The most that a run may take, queries and push together. Default: 30s.
    pub(crate) timeout: Option<Entry<DurationText>>,
    /// What happens to the job's other metrics when one fails: `keep` (default) replaces those that succeeded and leaves
    /// the failed ones at their last good series, `drop` removes the failed ones, `fail` pushes nothing.
    pub(crate) on_error: Option<Entry<OnError>>,
    /// See the metric's `null_value`; here for all of the job's metrics.
    pub(crate) null_value: Option<Entry<NullValue>>,
    /// See the metric's `null_label`; here for all of the job's metrics.
    pub(crate) null_label: Option<Entry<String>>,
    /// See the metric's `on_empty`; here for all of the job's metrics.
    pub(crate) on_empty: Option<Entry<OnEmpty>>,
    /// See the metric's `duplicates`; here for all of the job's metrics.
    pub(crate) duplicates: Option<Entry<Duplicates>>,
    /// See the metric's `max_series`; here for all of the job's metrics.
    pub(crate) max_series: Option<Entry<Count>>,
    /// Queries by name, for metrics that share one: see the metric's `from_query`.
    pub(crate) queries: Option<Entry<Mapping<QuerySpec>>>,
    /// What the rows become.
    #[schemars(required)]
    pub(crate) metrics: Option<Entry<Vec<Entry<MetricSpec>>>>,
}

impl JobSpec {
    /// How much could not be read of the alerts, SLOs and funnels beside its metrics, which keeps no job from running.
    pub(crate) fn problems_beside_metrics(&self) -> usize {
        let metrics = self.metrics.iter().filter_map(Entry::get).flatten();
        let beside = |metric: &MetricSpec| {
            let alerts = metric.alerts.as_ref().map_or(0, |alerts| alerts.problems);
            let slos = metric.slos.as_ref().map_or(0, |slos| slos.problems);
            alerts + slos + metric.funnel.as_ref().map_or(0, |funnel| funnel.problems)
        };
        metrics.filter_map(Entry::get).map(beside).sum()
    }
}

/// A query that several metrics of a job share.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct QuerySpec {
    /// What the source is asked: SQL, one statement that reads; or a description, for a source that takes no SQL.
    pub(crate) query: Option<Entry<AskedSpec>>,
    /// A file with the SQL, relative to this one, instead of `query`.
    pub(crate) query_file: Option<Entry<String>>,
    /// What `$1`, `$2` .. in the SQL stand for.
    pub(crate) parameters: Option<Entry<Vec<Entry<ParameterSpec>>>>,
}

/// A metric: how a query's rows become the series of one name.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MetricSpec {
    /// The last part of the metric's name, which is `namespace_subsystem_name`.
    #[schemars(required)]
    pub(crate) name: Option<Entry<String>>,
    /// The middle part of the metric's name.
    pub(crate) subsystem: Option<Entry<String>>,
    /// The first part of the metric's name.
    pub(crate) namespace: Option<Entry<String>>,
    /// What the number means, in a sentence.
    pub(crate) help: Option<Entry<String>>,
    /// `gauge` (default), or `counter` for a value that only goes up.
    #[serde(rename = "type")]
    pub(crate) kind: Option<Entry<MetricKind>>,
    /// The unit, in the plural and unabbreviated (`seconds`, `bytes`, `euros`); the name must end in it.
    pub(crate) unit: Option<Entry<String>>,
    /// Labels with a fixed value.
    pub(crate) static_labels: Option<Entry<Mapping<String>>>,
    /// Labels taken from columns: a list of columns, or a mapping of label to column.
    pub(crate) labels: Option<Entry<LabelsSpec>>,
    /// The column that holds the value.
    pub(crate) value: Option<Entry<String>>,
    /// Several columns that hold values, instead of `value`: one series a column, told apart by a label.
    pub(crate) values: Option<Entry<ValuesSpec>>,
    /// What the source is asked: SQL, one statement that reads; or a description, for a source that takes no SQL.
    pub(crate) query: Option<Entry<AskedSpec>>,
    /// A file with the SQL, relative to this one, instead of `query`.
    pub(crate) query_file: Option<Entry<String>>,
    /// A name under the job's `queries`, instead of `query`.
    pub(crate) from_query: Option<Entry<String>>,
    /// What `$1`, `$2` .. in the SQL stand for.
    pub(crate) parameters: Option<Entry<Vec<Entry<ParameterSpec>>>>,
    /// What a NULL in a value column means: no series (`skip`, default), 0, NaN, or an error.
    pub(crate) null_value: Option<Entry<NullValue>>,
    /// The label value that stands for NULL. Default: empty, which leaves the label out.
    pub(crate) null_label: Option<Entry<String>>,
    /// What no rows mean: `clear` (default) removes the metric's series, `keep` leaves them, `zero` sets them to 0 (with
    /// labels this needs `fill`), `error` fails the metric.
    pub(crate) on_empty: Option<Entry<OnEmpty>>,
    /// Values for every label, whose combinations are 0 when the query gives no row for them.
    pub(crate) fill: Option<Entry<Mapping<Vec<Entry<String>>>>>,
    /// The values a label may take; any other becomes the `other` bucket, whose rows are added up.
    pub(crate) allowed_values: Option<Entry<Mapping<Vec<Entry<String>>>>>,
    /// The label value that stands for all values outside `allowed_values`. Default: other.
    pub(crate) other: Option<Entry<String>>,
    /// What several rows with the same labels mean: an `error` (default), or their `sum`, `max` or `last`.
    pub(crate) duplicates: Option<Entry<Duplicates>>,
    /// More series than this fail the metric. Default: 500.
    pub(crate) max_series: Option<Entry<Count>>,
    /// Whether customers may see it: each sees the series of his own `organisation_id`, which must be a label.
    pub(crate) external: Option<Entry<bool>>,
    /// When someone is told.
    pub(crate) alerts: Option<Entry<Vec<Entry<AlertSpec>>>>,
    /// What is promised.
    pub(crate) slos: Option<Entry<Vec<Entry<SloSpec>>>>,
    /// Steps one after the other, which get a dashboard of their own.
    pub(crate) funnel: Option<Entry<FunnelSpec>>,
}

/// What a source is asked: SQL, or a description under the key of the source's kind.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename = "$fanlight::Shape")]
#[schemars(rename = "AskedSpec", untagged)]
pub(crate) enum AskedSpec {
    /// SQL: one statement that reads.
    #[serde(rename = "text")]
    Sql(String),
    /// A description.
    #[serde(rename = "a mapping")]
    Described(Box<QueryDescription>),
}

/// Several columns that hold values.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ValuesSpec {
    /// The label that tells the columns apart.
    #[schemars(required)]
    pub(crate) label: Option<Entry<String>>,
    /// A list of columns, each its own label value, or a mapping of label value to column.
    #[schemars(required)]
    pub(crate) columns: Option<Entry<LabelsSpec>>,
}

/// A list of columns, or a mapping of name to column.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename = "$fanlight::Shape")]
#[schemars(rename = "LabelsSpec", untagged)]
pub(crate) enum LabelsSpec {
    /// Each column under its own name.
    #[serde(rename = "a list")]
    Columns(Vec<Entry<String>>),
    /// Name to column.
    #[serde(rename = "a mapping")]
    Renamed(Mapping<String>),
}

/// Where queries run.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename = "$fanlight::Shape")]
#[schemars(rename = "SourceSpec", untagged)]
pub(crate) enum SourceSpec {
    /// A URL, or a name under `sources`.
    #[serde(rename = "text")]
    Text(String),
    /// A source with its settings.
    #[serde(rename = "a mapping")]
    Settings(Box<SourceSettings>),
}

/// A Prometheus Pushgateway.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PushgatewaySpec {
    /// `https://host:port/prefix`, with placeholders.
    #[schemars(required)]
    pub(crate) url: Option<Entry<String>>,
    /// Basic authentication.
    pub(crate) basic: Option<Entry<BasicSpec>>,
    /// A bearer token, normally a placeholder.
    pub(crate) bearer: Option<Entry<String>>,
    /// A file with certificates to trust besides the public ones, relative to this one.
    pub(crate) ca_file: Option<Entry<String>>,
    /// The most that one request may take. Default: 10s.
    pub(crate) timeout: Option<Entry<DurationText>>,
    /// Labels of the grouping key besides `job`, where several deployments share a gateway.
    pub(crate) grouping: Option<Entry<Mapping<String>>>,
    /// The most series that this endpoint may hold for all jobs together. Default: 5000.
    pub(crate) series_budget: Option<Entry<Count>>,
}

/// Basic authentication.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BasicSpec {
    /// The user's name.
    #[schemars(required)]
    pub(crate) username: Option<Entry<String>>,
    /// The password, normally a placeholder.
    #[schemars(required)]
    pub(crate) password: Option<Entry<String>>,
}

/// Where the value of a placeholder comes from: `env`, or `secret` and where needed its `field`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProviderSpec {
    /// An environment variable.
    pub(crate) env: Option<Entry<String>>,
    /// The name or ARN of a secret in AWS Secrets Manager.
    pub(crate) secret: Option<Entry<String>>,
    /// A field of a secret that is a JSON object, such as `password`.
    pub(crate) field: Option<Entry<String>>,
}

/// A bound parameter: a plain value, or a point in time relative to the run's scheduled time.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename = "$fanlight::Shape")]
#[schemars(rename = "ParameterSpec", untagged)]
pub(crate) enum ParameterSpec {
    /// NULL.
    #[serde(rename = "null")]
    Null,
    /// A truth value.
    #[serde(rename = "a truth value")]
    Boolean(bool),
    /// A whole number.
    #[serde(rename = "a whole number")]
    Integer(i64),
    /// A number with a fraction.
    #[serde(rename = "a number")]
    Float(f64),
    /// Text, with placeholders.
    #[serde(rename = "text")]
    Text(String),
    /// A point in time.
    #[serde(rename = "a mapping")]
    Time(TimeSpec),
}

/// A point in time relative to the run's scheduled time.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TimeSpec {
    /// How far from the scheduled time: `0s`, or `-1h` for an hour before it.
    #[schemars(required, with = "String")]
    pub(crate) scheduled_time: Option<Entry<OffsetText>>,
}

/// How many there may be: 1 or more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
pub(crate) struct Count(#[schemars(range(min = 1))] pub(crate) u64);

/// A length of time as people write it: `30s`, `5m`, `1h 30m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
#[schemars(with = "String", extend("examples" = ["30s", "5m"]))]
pub struct DurationText(pub Duration);

/// A length of time that may point into the past: `-1h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OffsetText(pub(crate) jiff::SignedDuration);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u64::deserialize(deserializer)? {
            0 => Err(de::Error::custom("expected a number of 1 or more, found 0")),
            count => Ok(Self(count)),
        }
    }
}

impl<'de> Deserialize<'de> for OffsetText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OffsetVisitor;

        impl<'de> Visitor<'de> for OffsetVisitor {
            type Value = OffsetText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a length of time such as `30s`, `5m`, `1h 30m` or `-1d`")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<OffsetText, E> {
                // A day is 24 hours here: lengths of time have no calendar. Months and years have none either.
                let span = text.trim().parse::<jiff::Span>().map_err(|_| {
                    E::custom(format!(
                        "`{text}` is not a length of time such as `30s`, `5m`, `1h 30m` or `-1d`"
                    ))
                })?;
                let length = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours());
                length.map(OffsetText).map_err(|_| {
                    E::custom(format!(
                        "`{text}` has no fixed length, as months and years have none: write days, such as `30d`"
                    ))
                })
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<OffsetText, D::Error> {
                deserializer.deserialize_any(self)
            }
        }

        deserializer.deserialize_newtype_struct(LENGTH, OffsetVisitor)
    }
}

/// The unit that a length of time without one most likely has, by the struct and the key that it stands under.
pub(crate) fn likely_unit(structure: &str, key: &str) -> &'static str {
    match (structure, key) {
        ("SloSpec", "window") | ("PlanSpec", "range" | "reach") => "d",
        (_, "repeat_interval" | "scheduled_time") => "h",
        (
            _,
            "absent_for" | "at" | "for" | "group_interval" | "interval" | "jitter" | "min_period" | "no_increase_for"
            | "window" | "within",
        ) => "m",
        _ => "s",
    }
}

impl<'de> Deserialize<'de> for DurationText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let OffsetText(signed) = OffsetText::deserialize(deserializer)?;
        match Duration::try_from(signed) {
            Ok(duration) if !duration.is_zero() => Ok(Self(duration)),
            _ => Err(de::Error::custom(format!(
                "a length of time must be more than nothing, not {signed:#}: write one such as `30s`"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::de::IntoDeserializer;
    use serde::de::value::{Error, StrDeserializer};

    use super::*;

    #[test]
    fn a_length_of_time_is_read_as_people_write_it() {
        let read = |text: &'static str| {
            let deserializer: StrDeserializer<'_, Error> = text.into_deserializer();
            OffsetText::deserialize(deserializer).map(|OffsetText(length)| length.as_secs())
        };
        for (text, seconds) in [
            ("30s", 30),
            ("5m", 300),
            ("1h 30m", 5_400),
            ("-1h", -3_600),
            ("31d", 2_678_400),
            ("-1d", -86_400),
            ("2w", 1_209_600),
            (" 1s ", 1),
        ] {
            assert_eq!(read(text), Ok(seconds), "{text}");
        }
        for text in ["", "soon", "1mo", "1y", "5", "1d2"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
