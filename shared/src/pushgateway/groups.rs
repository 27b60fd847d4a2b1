//! What the gateway holds, group by group, as its query API lists it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp, Unit};
use reqwest::RequestBuilder;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use super::error::Attempt;
use super::grouping::GroupingKey;
use super::retry::{Failure, answer};

/// A listing that is larger is not read, in bytes; 100,000 series take some 30 MB.
const LARGEST_LISTING: usize = 256 << 20;
/// The families whose samples are read; of all others the series are counted.
const READ: [&str; 2] = ["fanlight_", "push_"];

/// A group as the gateway holds it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Group {
    /// The grouping key: `job` and what else stood in the path of the push.
    pub labels: BTreeMap<String, String>,
    /// When it was last pushed to with success, in seconds since the epoch, as the gateway says; 0 if it never was.
    pub push_time: f64,
    /// When a push was last refused, likewise.
    pub push_failure_time: f64,
    /// What was pushed, by the families' names.
    pub families: BTreeMap<String, Family>,
}

/// A family of a group.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Family {
    /// How many series it has.
    pub series: usize,
    /// The samples of one of Fanlight's own; of others, none.
    pub samples: Vec<Sample>,
}

/// A sample of a gauge.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sample {
    /// All of its labels, those of the grouping key among them.
    pub labels: BTreeMap<String, String>,
    /// Its value.
    pub value: f64,
}

impl Group {
    /// The key as it is pushed to and deleted.
    #[must_use]
    pub fn key(&self) -> GroupingKey {
        let job = self.labels.get("job").map(String::as_str).unwrap_or_default();
        let others: Vec<_> = self
            .labels
            .iter()
            .filter(|(name, _)| *name != "job")
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        GroupingKey::new(job, &others)
    }

    /// When it was last pushed to with success, if it ever was.
    #[must_use]
    pub fn pushed(&self) -> Option<Timestamp> {
        time(self.push_time)
    }

    /// When a push was last refused, if one ever was.
    #[must_use]
    pub fn refused(&self) -> Option<Timestamp> {
        time(self.push_failure_time)
    }

    /// How many series were pushed.
    #[must_use]
    pub fn series(&self) -> usize {
        self.families.values().map(|family| family.series).sum()
    }

    /// The value of a gauge that has no labels but those of the grouping key.
    #[must_use]
    pub fn gauge(&self, name: &str) -> Option<f64> {
        self.families.get(name)?.samples.first().map(|sample| sample.value)
    }
}

/// A point in time from the seconds that a gauge holds; 0 is none.
pub(crate) fn time(seconds: f64) -> Option<Timestamp> {
    if seconds == 0.0 {
        return None;
    }
    let time = Timestamp::from_duration(SignedDuration::try_from_secs_f64(seconds).ok()?).ok()?;
    // Schedules have whole seconds; a gauge's 64 bits hold milliseconds without loss for thousands of years.
    time.round(Unit::Millisecond).ok()
}

/// Asks for the listing and reads it.
pub(super) async fn read(request: RequestBuilder, limit: Duration) -> Result<Vec<Group>, Failure> {
    let mut response = answer(request, limit).await?;
    let mut text = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| Attempt::of(&error, limit))? {
        if text.len() + chunk.len() > LARGEST_LISTING {
            let mebibytes = LARGEST_LISTING >> 20;
            return Err(Failure::Unreadable(format!("more than {mebibytes} MiB")));
        }
        text.extend_from_slice(&chunk);
    }
    parse(&text).map_err(|error| Failure::Unreadable(error.to_string()))
}

fn parse(text: &[u8]) -> Result<Vec<Group>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Answer {
        // Without any group it is null.
        data: Option<Vec<Listed>>,
    }

    let answer: Answer = serde_json::from_slice(text)?;
    let groups = answer.data.unwrap_or_default().into_iter();
    let mut groups: Vec<Group> = groups.filter_map(|Listed(group)| group).collect();
    // The gateway lists them in a new order each time.
    groups.sort_by(|a, b| a.labels.cmp(&b.labels));
    Ok(groups)
}

/// A group of the listing; none where somebody's family of the name `labels` stands in place of the grouping key.
struct Listed(Option<Group>);

impl<'de> Deserialize<'de> for Listed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct GroupVisitor;

        impl<'de> Visitor<'de> for GroupVisitor {
            type Value = Listed;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a group")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Listed, A::Error> {
                let mut group = Group::default();
                let mut labels = None;
                while let Some(name) = map.next_key::<String>()? {
                    match name.as_str() {
                        "labels" => labels = map.next_value::<Labels>()?.known(),
                        "last_push_successful" => {
                            map.next_value::<IgnoredAny>()?;
                        }
                        _ if READ.iter().any(|read| name.starts_with(read)) => {
                            let family = map.next_value::<ReadFamily>()?.family();
                            let first = family.samples.first().map_or(0.0, |sample| sample.value);
                            match name.as_str() {
                                "push_time_seconds" => group.push_time = first,
                                "push_failure_time_seconds" => group.push_failure_time = first,
                                _ => {
                                    group.families.insert(name, family);
                                }
                            }
                        }
                        _ => {
                            let series = map.next_value::<CountedFamily>()?.metrics.len();
                            let samples = Vec::new();
                            group.families.insert(name, Family { series, samples });
                        }
                    }
                }
                Ok(Listed(labels.map(|labels| Group { labels, ..group })))
            }
        }

        deserializer.deserialize_map(GroupVisitor)
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Labels {
    Known(BTreeMap<String, String>),
    Hidden(IgnoredAny),
}

impl Labels {
    fn known(self) -> Option<BTreeMap<String, String>> {
        match self {
            Self::Known(labels) => Some(labels),
            Self::Hidden(IgnoredAny) => None,
        }
    }
}

#[derive(Deserialize)]
struct CountedFamily {
    #[serde(default)]
    metrics: Vec<IgnoredAny>,
}

#[derive(Deserialize)]
struct ReadFamily {
    #[serde(default)]
    metrics: Vec<ReadSample>,
}

#[derive(Deserialize)]
struct ReadSample {
    #[serde(default)]
    labels: BTreeMap<String, String>,
    /// Histograms and summaries have none.
    value: Option<String>,
}

impl ReadFamily {
    fn family(self) -> Family {
        let series = self.metrics.len();
        let samples = self.metrics.into_iter().filter_map(|sample| {
            Some(Sample {
                labels: sample.labels,
                value: sample.value?.parse().ok()?,
            })
        });
        Family {
            series,
            samples: samples.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn a_listing_is_read_as_the_gateway_writes_it() {
        let text = br#"{"status":"success","data":[{
            "labels":{"env":"","job":"a"},"last_push_successful":true,
            "m":{"time_stamp":"2026-11-21T16:08:49Z","type":"UNTYPED","metrics":[
                {"labels":{"job":"a"},"value":"1"},{"labels":{"job":"a","x":"y"},"value":"NaN"}]},
            "h":{"type":"HISTOGRAM","metrics":[{"buckets":{"+Inf":"1"},"count":"1","labels":{},"sum":"1"}]},
            "fanlight_job_up":{"type":"GAUGE","metrics":[{"labels":{"job":"a"},"value":"1"}]},
            "push_failure_time_seconds":{"metrics":[{"labels":{},"value":"0"}]},
            "push_time_seconds":{"metrics":[{"labels":{},"value":"1.7952773297789204e+09"}]}}]}"#;
        let groups = parse(text).unwrap();
        let [group] = groups.as_slice() else {
            panic!("{groups:?}")
        };
        assert_eq!(group.labels, labels(&[("env", ""), ("job", "a")]));
        assert_eq!(group.key().path(), "/job/a/env@base64/=");
        assert_eq!(group.pushed().unwrap().to_string(), "2026-11-21T16:08:49.779Z");
        assert_eq!(group.refused(), None);
        assert_eq!(group.series(), 4);
        assert_eq!(
            group.families["m"],
            Family {
                series: 2,
                samples: Vec::new()
            }
        );
        assert_eq!(group.gauge("fanlight_job_up"), Some(1.0));
        assert_eq!(group.gauge("m"), None, "only Fanlight's own are read");
    }

    #[test]
    fn groups_whose_key_a_family_hides_are_left_out_and_the_others_are_read() {
        let text = br#"{"status":"success","data":[
            {"labels":{"type":"UNTYPED","metrics":[{"labels":{"a":"b","job":"b"},"value":"1"}]},
             "last_push_successful":{"metrics":[]},"push_time_seconds":{"metrics":[]}},
            {"labels":{"job":"c"},"fanlight_odd":{"type":"HISTOGRAM","metrics":[{"buckets":{},"labels":{}}]}}]}"#;
        let groups = parse(text).unwrap();
        assert_eq!(groups.len(), 1, "{groups:?}");
        assert_eq!(groups[0].labels, labels(&[("job", "c")]));
        assert_eq!((groups[0].series(), groups[0].pushed()), (1, None));
    }

    #[test]
    fn a_gateway_without_groups_has_none_and_what_is_no_listing_is_an_error() {
        assert_eq!(parse(br#"{"status":"success","data":null}"#).unwrap(), []);
        for text in ["", "<html>", "[]", r#"{"data":{}}"#, r#"{"data":[1]}"#] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
