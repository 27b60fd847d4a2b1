//! What is stale, how jobs are and which are to be healed, by gateways that are made up here.

mod stale;
mod states;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::stale::{Because, Findings, Search, Why};
use super::{Holdings, Survey, SurveyError};
use crate::config::Configuration;
use crate::pushgateway::{Auth, Family, GatewayError, Group, Pushgateway, Sample};

const NOW: &str = "2026-11-21T12:00:00Z";
const OLD: &str = "2026-11-20T12:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn configuration(text: &str) -> Configuration {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("fanlight.yaml"), text).unwrap();
    let loaded = crate::config::load(folder.path()).unwrap();
    assert_eq!(loaded.report.summary(), "");
    loaded.configuration
}

/// Jobs of these names, each with what follows its name.
fn jobs(head: &str, jobs: &[(&str, &str)]) -> Configuration {
    let job = |(name, rest): &(&str, &str)| {
        let often = if rest.contains("schedule") {
            ""
        } else {
            "schedule: '*/10 * * * *', "
        };
        let metric = format!("{{name: {name}_number, help: H., value: v, query: SELECT}}");
        format!("- {{name: {name}, {often}{rest} metrics: [{metric}]}}\n")
    };
    let list: String = jobs.iter().map(job).collect();
    let key = if jobs.is_empty() { "" } else { "jobs:\n" };
    configuration(&format!(
        "{head}\ndefaults: {{source: 'postgres://u@h/d'}}\n{key}{list}"
    ))
}

fn group(labels: &[(&str, &str)], pushed: &str, families: &[&str]) -> Group {
    let labels = labels
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let families = families.iter().map(|name| {
        let family = Family {
            series: 1,
            samples: Vec::new(),
        };
        ((*name).to_owned(), family)
    });
    Group {
        labels: labels.collect(),
        push_time: at(pushed).as_duration().as_secs_f64(),
        push_failure_time: 0.0,
        families: families.collect(),
    }
}

/// What a job's run leaves in the gateway: its data, and what it tells of itself.
struct Ran<'a> {
    job: &'a str,
    grouping: &'a [(&'a str, &'a str)],
    at: &'a str,
    up: bool,
}

impl<'a> Ran<'a> {
    fn new(job: &'a str, at: &'a str) -> Self {
        Self {
            job,
            grouping: &[],
            at,
            up: true,
        }
    }

    fn under(self, grouping: &'a [(&'a str, &'a str)]) -> Self {
        Self { grouping, ..self }
    }

    fn data(&self) -> Group {
        let labels = [&[("job", self.job)], self.grouping].concat();
        group(&labels, self.at, &[&format!("{}_number", self.job)])
    }

    fn told(&self) -> Group {
        let labels = [&[("job", "fanlight"), ("fanlight_job", self.job)], self.grouping].concat();
        let mut told = group(&labels, self.at, &[]);
        let seconds = at(self.at).as_duration().as_secs_f64();
        let mut gauge = |name: &str, metric: Option<String>, value: f64| {
            let labels: BTreeMap<_, _> = metric.map(|metric| ("metric".to_owned(), metric)).into_iter().collect();
            let samples = vec![Sample { labels, value }];
            told.families.insert(name.to_owned(), Family { series: 1, samples });
        };
        let (up, metric) = (f64::from(u8::from(self.up)), format!("{}_number", self.job));
        gauge("fanlight_job_up", None, up);
        gauge("fanlight_job_last_run_timestamp_seconds", None, seconds);
        gauge("fanlight_job_duration_seconds", None, 0.25);
        if self.up {
            gauge("fanlight_job_last_success_timestamp_seconds", None, seconds);
            gauge("fanlight_job_scheduled_timestamp_seconds", None, seconds);
        }
        gauge("fanlight_metric_up", Some(metric.clone()), up);
        gauge("fanlight_metric_series", Some(metric), up);
        told
    }

    fn both(&self) -> [Group; 2] {
        [self.data(), self.told()]
    }
}

fn holdings(url: &str, groups: impl IntoIterator<Item = Group>, started: Option<&str>) -> Holdings {
    Holdings {
        client: Pushgateway::new(url, Auth::None, None, Duration::from_secs(1)).unwrap(),
        groups: groups.into_iter().collect(),
        started: started.map(at),
    }
}

fn surveys(configuration: &Configuration, found: impl IntoIterator<Item = Option<Holdings>>) -> Vec<Survey<'_>> {
    let unreachable = || {
        SurveyError::from(GatewayError::NoTimeLeft {
            at: "http://gw".to_owned(),
        })
    };
    let found = found.into_iter().map(|found| found.ok_or_else(unreachable));
    let surveys: Vec<_> = configuration
        .sinks
        .iter()
        .zip(found)
        .map(|(sink, found)| Survey { sink, found })
        .collect();
    assert_eq!(surveys.len(), configuration.sinks.len());
    surveys
}

fn an_hour() -> Search {
    Search {
        min_age: SignedDuration::from_hours(1),
        ..Search::default()
    }
}

/// `a removed: 2` for what is stale, `a spared: why` for what is left alone, and the rest.
fn show(findings: &Findings<'_>) -> Vec<String> {
    let stale = findings.stale.iter().map(|stale| {
        let why = match &stale.why {
            Why::Removed => "removed".to_owned(),
            Why::Disabled => "disabled".to_owned(),
            Why::Moved(sink) => format!("moved to {sink}"),
        };
        let keys: Vec<_> = stale.groups.iter().map(|group| group.key().to_string()).collect();
        format!("{}@{} {why}: {}", stale.job, stale.survey, keys.join(" "))
    });
    let spared = findings.spared.iter().map(|spared| {
        let because = match &spared.because {
            Because::StillPushed(pushed) => format!("pushed {pushed}"),
            Because::Foreign(families) => format!("holds {}", families.join(",")),
            Because::PushedAfter(pushed) => format!("pushed after at {pushed}"),
            Because::Differs(family, held, told) => format!("{family} is {held} and not {told}"),
            Because::NotArrived(sink) => format!("not at {sink}"),
            Because::Unknown(sink) => format!("unknown at {sink}"),
        };
        format!("{}@{} spared: {because}", spared.job, spared.survey)
    });
    let like = findings
        .like_ours
        .iter()
        .map(|grouping| format!("like ours: {grouping:?}"));
    let disabled = (findings.disabled > 0).then(|| format!("disabled: {}", findings.disabled));
    stale.chain(spared).chain(like).chain(disabled).collect()
}
