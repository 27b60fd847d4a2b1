//! What is stale, how jobs are and which are to be healed, by gateways that are made up here.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::stale::{Because, Findings, Search, Why, find};
use super::status::{State, of_job, of_jobs};
use super::{Holdings, Survey, SurveyError, heal};
use crate::config::Configuration;
use crate::pushgateway::{Auth, Family, GatewayError, Group, Pushgateway, Sample};

const NOW: &str = "2026-11-21T12:00:00Z";

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

const OLD: &str = "2026-11-20T12:00:00Z";

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

fn stale_at_one(configuration: &Configuration, groups: Vec<Group>, search: &Search) -> Vec<String> {
    let surveys = surveys(configuration, [Some(holdings("http://gw", groups, None))]);
    show(&find(&configuration.jobs, &surveys, search, at(NOW)))
}

#[test]
fn only_what_a_job_pushed_that_left_is_stale() {
    let configuration = jobs("", &[("here", ""), ("off", "enabled: false,")]);
    let all = [Ran::new("here", OLD), Ran::new("off", OLD), Ran::new("gone", OLD)];
    let mut groups: Vec<Group> = all.iter().flat_map(Ran::both).collect();
    // Other pushers', some of them confusingly like ours.
    groups.extend([
        group(&[("job", "backup")], OLD, &["backup_number"]),
        group(&[("job", "gone"), ("instance", "x")], OLD, &["gone_number"]),
        group(&[("job", "fanlight")], OLD, &["fanlight_job_up"]),
        group(&[("job", "fanlight"), ("fanlight_job", "backup")], OLD, &["other"]),
        group(
            &[("job", "other"), ("fanlight_job", "backup")],
            OLD,
            &["fanlight_job_up"],
        ),
    ]);
    let gone = r#"gone@0 removed: {job="gone"} {job="fanlight", fanlight_job="gone"}"#;
    assert_eq!(
        stale_at_one(&configuration, groups.clone(), &an_hour()),
        [gone, "disabled: 1"]
    );
    let search = Search {
        disabled: true,
        ..an_hour()
    };
    let off = r#"off@0 disabled: {job="off"} {job="fanlight", fanlight_job="off"}"#;
    assert_eq!(stale_at_one(&configuration, groups, &search), [off, gone]);
}

#[test]
fn what_tells_of_a_job_is_stale_where_nothing_else_stands_and_nothing_is_where_nothing_tells() {
    let configuration = jobs("", &[("here", "")]);
    let gone = Ran::new("gone", OLD);
    assert_eq!(
        stale_at_one(&configuration, vec![gone.told()], &an_hour()),
        [r#"gone@0 removed: {job="fanlight", fanlight_job="gone"}"#]
    );
    assert_eq!(stale_at_one(&configuration, vec![gone.data()], &an_hour()), [""; 0]);
}

#[test]
fn what_others_push_or_still_push_is_left_alone() {
    let configuration = jobs("", &[("here", "")]);
    let gone = Ran::new("gone", OLD);
    let mut shared = gone.data();
    shared.families.insert(
        "theirs".to_owned(),
        Family {
            series: 1,
            samples: Vec::new(),
        },
    );
    assert_eq!(
        stale_at_one(&configuration, vec![shared, gone.told()], &an_hour()),
        ["gone@0 spared: holds theirs"]
    );

    let recent = Ran::new("gone", "2026-11-21T11:30:00Z");
    let pushed = "gone@0 spared: pushed 2026-11-21T11:30:00Z";
    // Either of the two groups tells that something still pushes.
    assert_eq!(
        stale_at_one(&configuration, vec![recent.data(), gone.told()], &an_hour()),
        [pushed]
    );
    assert_eq!(
        stale_at_one(&configuration, vec![gone.data(), recent.told()], &an_hour()),
        [pushed]
    );
    let search = Search::default();
    assert_eq!(stale_at_one(&configuration, recent.both().to_vec(), &search).len(), 1);
    // A clock that is behind the gateway's.
    let future = Ran::new("gone", "2026-11-21T12:30:00Z");
    assert_eq!(
        stale_at_one(&configuration, future.both().to_vec(), &an_hour()).len(),
        1
    );
    assert!(stale_at_one(&configuration, future.both().to_vec(), &an_hour())[0].contains("spared"));
}

#[test]
fn what_replaced_a_jobs_series_under_their_own_name_is_left_alone() {
    let configuration = jobs("", &[("here", "")]);
    let gone = Ran::new("gone", OLD);
    let later = "2026-11-20T12:00:01Z";
    let replaced = Ran::new("gone", later).data();
    let failed = Ran { up: false, ..gone };
    let spared = "gone@0 spared: pushed after at 2026-11-20T12:00:01Z";
    for told in [Ran::new("gone", OLD).told(), failed.told()] {
        assert_eq!(
            stale_at_one(&configuration, vec![replaced.clone(), told], &an_hour()),
            [spared]
        );
    }
    // A run tells of itself a moment after its push, and one that failed long after what stands.
    let told_later = Ran::new("gone", later);
    let failed_later = Ran {
        up: false,
        ..Ran::new("gone", later)
    };
    for told in [told_later.told(), failed_later.told()] {
        let found = stale_at_one(&configuration, vec![failed.data(), told], &an_hour());
        assert!(found[0].starts_with("gone@0 removed: {job="), "{found:?}");
    }

    let mut more = failed.data();
    for family in more.families.values_mut() {
        family.series = 2;
    }
    let told = Ran::new("gone", OLD).told();
    assert_eq!(
        stale_at_one(&configuration, vec![more.clone(), told], &an_hour()),
        ["gone@0 spared: gone_number is 2 and not 1"]
    );
    // What an earlier run left is not told of.
    assert_eq!(
        stale_at_one(&configuration, vec![more, failed.told()], &an_hour()).len(),
        1
    );
    assert!(stale_at_one(&configuration, vec![failed.data(), failed.told()], &an_hour())[0].contains("removed"));
}

#[test]
fn a_job_without_a_grouping_may_be_another_deployments() {
    let blue = "sinks: {default: {pushgateway: {url: 'http://gw', grouping: {cluster: blue}}}}";
    for (head, grouping, labelled) in [("", &[] as &[_], false), (blue, &[("cluster", "blue")], true)] {
        let configuration = jobs(head, &[("here", "")]);
        let groups = Ran::new("gone", OLD).under(grouping).both();
        let surveys = surveys(&configuration, [Some(holdings("http://gw", groups, None))]);
        let findings = find(&configuration.jobs, &surveys, &an_hour(), at(NOW));
        assert_eq!(findings.stale[0].labelled, labelled, "{head}");
    }
}

#[test]
fn other_deployments_are_told_by_their_grouping() {
    let blue = "sinks: {default: {pushgateway: {url: 'http://gw', grouping: {cluster: blue}}}}";
    let configuration = jobs(blue, &[("here", "")]);
    let groups: Vec<Group> = [
        Ran::new("gone", OLD).under(&[("cluster", "blue")]),
        Ran::new("gone", OLD).under(&[("cluster", "green")]),
        Ran::new("here", OLD).under(&[("cluster", "red")]),
        Ran::new("here", OLD).under(&[("cluster", "blue"), ("env", "x")]),
        Ran::new("here", OLD).under(&[("cluster", "blue")]),
        Ran::new("gone", OLD),
        Ran::new("here", OLD),
    ]
    .iter()
    .flat_map(Ran::both)
    .collect();
    let like = [
        "like ours: []",
        r#"like ours: [("cluster", "blue"), ("env", "x")]"#,
        r#"like ours: [("cluster", "red")]"#,
    ];
    let gone = r#"gone@0 removed: {job="gone", cluster="blue"} {job="fanlight", cluster="blue", fanlight_job="gone"}"#;
    let expected: Vec<_> = [gone].into_iter().chain(like).collect();
    assert_eq!(stale_at_one(&configuration, groups.clone(), &an_hour()), expected);

    // The key that the sink had before.
    let former = Search {
        former_groupings: vec![Vec::new()],
        ..an_hour()
    };
    let found = stale_at_one(&configuration, groups, &former);
    assert_eq!(
        found[..3],
        [
            gone,
            r#"gone@0 removed: {job="gone"} {job="fanlight", fanlight_job="gone"}"#,
            r#"here@0 moved to default: {job="here"} {job="fanlight", fanlight_job="here"}"#,
        ]
    );
    assert_eq!(found[3..], like[1..]);
    // Nothing has come under the new key yet: what stands is all there is.
    let only_before = Ran::new("here", OLD).both().to_vec();
    assert_eq!(
        stale_at_one(&configuration, only_before, &former),
        ["here@0 spared: not at default"]
    );
}

const TWO: &str = "sinks:
  a: {pushgateway: {url: 'http://a'}}
  b: {pushgateway: {url: 'http://b'}}";

#[test]
fn a_job_that_moved_to_another_sink_is_stale_once_it_has_arrived() {
    let configuration = jobs(TWO, &[("m", "sink: b,")]);
    let before = || Some(holdings("http://a", Ran::new("m", OLD).both(), None));
    let later = "2026-11-21T11:50:00Z";
    let stale = |b: Option<Holdings>| {
        let surveys = surveys(&configuration, [before(), b]);
        show(&find(&configuration.jobs, &surveys, &an_hour(), at(NOW)))
    };
    let moved = r#"m@0 moved to b: {job="m"} {job="fanlight", fanlight_job="m"}"#;
    assert_eq!(
        stale(Some(holdings("http://b", Ran::new("m", later).both(), None))),
        [moved]
    );
    assert_eq!(stale(Some(holdings("http://b", [], None))), ["m@0 spared: not at b"]);
    assert_eq!(stale(None), ["m@0 spared: unknown at b"]);
}

#[test]
fn sinks_that_are_one_gateway_are_no_two() {
    let configuration = jobs(TWO, &[("m", "sink: b,")]);
    let groups = || {
        let gone = Ran::new("gone", OLD);
        Ran::new("m", OLD).both().into_iter().chain(gone.both())
    };
    let gone = r#"gone@0 removed: {job="gone"} {job="fanlight", fanlight_job="gone"}"#;
    // By one URL, and by two of its names.
    for b in ["http://a/", "http://b"] {
        let found = [
            Some(holdings("http://a", groups(), None)),
            Some(holdings(b, groups(), None)),
        ];
        let surveys = surveys(&configuration, found);
        assert_eq!(
            show(&find(&configuration.jobs, &surveys, &an_hour(), at(NOW))),
            [gone],
            "{b}"
        );
    }
}

#[test]
fn a_sink_that_no_job_uses_any_more_is_looked_through() {
    for configuration in [
        jobs("", &[]),
        jobs("sinks: {only: {pushgateway: {url: 'http://gw'}}}", &[]),
    ] {
        let groups = Ran::new("gone", OLD).both().to_vec();
        assert_eq!(stale_at_one(&configuration, groups, &an_hour()).len(), 1);
    }
}

#[test]
fn a_jobs_state_is_told_by_its_schedule() {
    let configuration = jobs("", &[("j", "timeout: 2m,")]);
    let job = &configuration.jobs[0];
    let failed = |at| Ran {
        up: false,
        ..Ran::new("j", at)
    };
    let state = |groups: Vec<Group>, started: Option<&str>, now: &str| {
        let holdings = holdings("http://gw", groups, started);
        let status = of_job(job, &holdings, at(now));
        (status.state, status.reason)
    };
    let ran = Ran::new("j", "2026-11-21T11:50:03Z");
    let foreign = || group(&[("job", "j")], "2026-11-21T11:51:00Z", &["theirs"]);
    let none = String::new;
    for (groups, started, now, expected) in [
        (ran.both().to_vec(), None, "2026-11-21T11:55:00Z", (State::Ok, none())),
        // It was due at 12:00, and has two minutes and one for its delivery.
        (ran.both().to_vec(), None, "2026-11-21T12:02:59Z", (State::Ok, none())),
        (
            ran.both().to_vec(),
            None,
            "2026-11-21T12:03:00Z",
            (
                State::Stale,
                "it was due at 2026-11-21T12:00:00Z and has not run since".to_owned(),
            ),
        ),
        (
            failed("2026-11-21T11:50:03Z").both().to_vec(),
            None,
            "2026-11-21T11:55:00Z",
            (State::Failing, "in its last run failed: j_number".to_owned()),
        ),
        (
            vec![ran.told()],
            None,
            "2026-11-21T11:55:00Z",
            (
                State::Vanished,
                "the series of its last run are gone from the gateway".to_owned(),
            ),
        ),
        // Somebody else's stand in their place.
        (
            vec![foreign(), ran.told()],
            None,
            "2026-11-21T11:55:00Z",
            (
                State::Vanished,
                "the series of its last run are gone from the gateway".to_owned(),
            ),
        ),
        (
            Vec::new(),
            Some("2026-11-21T11:52:00Z"),
            "2026-11-21T11:55:00Z",
            (
                State::Vanished,
                "nothing stands in the gateway, which was started at 2026-11-21T11:52:00Z, after the job was last due"
                    .to_owned(),
            ),
        ),
        (
            Vec::new(),
            Some("2026-11-21T11:49:00Z"),
            "2026-11-21T11:55:00Z",
            (
                State::Never,
                "nothing stands in the gateway: it never ran, or its groups were deleted".to_owned(),
            ),
        ),
    ] {
        assert_eq!(state(groups, started, now), expected, "{now} {started:?}");
    }
    let off = jobs("", &[("j", "enabled: false,")]);
    let status = of_job(&off.jobs[0], &holdings("http://gw", ran.both(), None), at(NOW));
    assert_eq!((status.state, status.next_run), (State::Disabled, None));
    let surveys = surveys(&configuration, [None]);
    let statuses = of_jobs(&configuration.jobs, &surveys, at(NOW));
    assert_eq!(statuses[0].state, State::Unknown);
    assert!(statuses[0].reason.contains("`default`"), "{}", statuses[0].reason);
}

#[test]
fn a_status_tells_what_the_gateway_holds() {
    let configuration = jobs("", &[("j", "timezone: Europe/Paris,")]);
    let job = &configuration.jobs[0];
    let mut data = Ran::new("j", OLD).data();
    data.push_failure_time = at("2026-11-20T11:50:00Z").as_duration().as_secs_f64();
    let status = of_job(
        job,
        &holdings("http://gw", [data, Ran::new("j", OLD).told()], None),
        at("2026-11-20T12:01:00Z"),
    );
    assert_eq!((status.state, status.series), (State::Ok, Some(1)));
    assert_eq!(status.last_success, Some(at(OLD)));
    assert_eq!(
        status.last_failure,
        Some(at("2026-11-20T11:50:00Z")),
        "the push that was refused"
    );
    assert_eq!(status.duration, Some(Duration::from_millis(250)));
    assert_eq!(status.next_run, Some(at("2026-11-20T12:10:00Z")));
    let failed = Ran {
        up: false,
        ..Ran::new("j", OLD)
    };
    let status = of_job(
        job,
        &holdings("http://gw", failed.both(), None),
        at("2026-11-20T12:01:00Z"),
    );
    assert_eq!((status.last_success, status.last_failure), (None, Some(at(OLD))));
    assert_eq!(status.failed_metrics, ["j_number"]);
}

#[test]
fn what_vanished_is_healed_for_the_time_that_it_was_last_due() {
    let configuration = jobs("", &[("daily", "schedule: '0 6 * * *', timeout: 10m,")]);
    let need = |groups: Vec<Group>, min_period: u64, named: &[&str], now: &str| {
        let holdings = holdings("http://gw", groups, None);
        let scope = heal::Scope {
            min_period: Duration::from_secs(min_period),
            jobs: named.iter().map(|&name| name.to_owned()).collect(),
        };
        match heal::need(&configuration.jobs[0], &holdings, &scope, at(now)) {
            heal::Need::None => "none".to_owned(),
            heal::Need::Run(lost) => format!("run for {} {}", lost.scheduled_time, lost.again),
            heal::Need::Wait(reason) => reason,
        }
    };
    let ran = |time| Ran::new("daily", time);
    let failed = |time| Ran { up: false, ..ran(time) };
    let six = "2026-11-21T06:00:00Z";
    let theirs = || group(&[("job", "daily")], NOW, &["theirs"]);
    // A run whose every metric failed, and which does not keep what stood (`on_error: drop`).
    let empty = || group(&[("job", "daily")], six, &[]);
    let run = "run for 2026-11-21T06:00:00Z false";
    let hour = 3_600;
    for (groups, min_period, now, expected) in [
        (ran(six).both().to_vec(), hour, NOW, "none"),
        (Vec::new(), hour, NOW, run),
        (Vec::new(), 86_400, NOW, run),
        (
            Vec::new(),
            86_401,
            NOW,
            "it is due again at 2026-11-22T06:00:00Z, for it runs every 24h",
        ),
        // It has eleven minutes to run and to be delivered.
        (
            Vec::new(),
            hour,
            "2026-11-21T06:10:59Z",
            "it was due at 2026-11-21T06:00:00Z and may still be running",
        ),
        (Vec::new(), hour, "2026-11-21T06:11:00Z", run),
        (
            Vec::new(),
            hour,
            "2026-11-22T05:50:00Z",
            "it is due again at 2026-11-22T06:00:00Z",
        ),
        // Only its series are gone: it runs for the same time, or for a later one that somebody ran it for.
        (vec![ran(six).told()], hour, NOW, "run for 2026-11-21T06:00:00Z true"),
        (
            vec![ran("2026-11-21T07:30:00Z").told()],
            hour,
            NOW,
            "run for 2026-11-21T07:30:00Z true",
        ),
        (vec![ran("2026-11-20T06:00:00Z").told()], hour, NOW, run),
        // A clock that was wrong.
        (vec![ran("2030-11-20T06:00:00Z").told()], hour, NOW, run),
        // It failed, and is tried again an hour later, however long ago it was due.
        (
            vec![failed("2026-11-22T03:00:00Z").told()],
            hour,
            "2026-11-22T04:00:00Z",
            run,
        ),
        (
            vec![failed("2026-11-22T03:00:00Z").told()],
            hour,
            "2026-11-22T03:59:59Z",
            "its run at 2026-11-22T03:00:00Z failed; it is tried again from 2026-11-22T04:00:00Z on, or at once by its name",
        ),
        (
            vec![failed("2026-11-22T05:10:00Z").told()],
            hour,
            "2026-11-22T05:20:00Z",
            "its run at 2026-11-22T05:10:00Z failed; it is due again at 2026-11-22T06:00:00Z, or runs at once by its name",
        ),
        // A clock that was wrong.
        (vec![failed("2030-11-20T06:00:00Z").told()], hour, NOW, run),
        (failed(six).both().to_vec(), hour, NOW, "none"),
        // Somebody else's series stand where the job's did.
        (
            vec![theirs(), ran(six).told()],
            hour,
            NOW,
            "run for 2026-11-21T06:00:00Z true",
        ),
        (vec![theirs(), failed(six).told()], hour, NOW, run),
        (vec![empty(), failed(six).told()], hour, NOW, "none"),
    ] {
        assert_eq!(need(groups, min_period, &[], now), expected, "{now}");
    }
    let just_failed = || vec![failed("2026-11-22T03:00:00Z").told()];
    assert_eq!(need(just_failed(), hour, &["daily"], "2026-11-22T03:00:01Z"), run);
}

#[test]
fn a_push_that_was_refused_from_the_first_holds_no_group() {
    let configuration = jobs("", &[("daily", "schedule: '0 6 * * *',")]);
    let ran = Ran::new("daily", "2026-11-21T06:00:00Z");
    let mut refused = ran.data();
    (refused.push_time, refused.families) = (0.0, BTreeMap::new());
    let holdings = holdings("http://gw", [refused, ran.told()], None);
    let need = heal::need(&configuration.jobs[0], &holdings, &heal::Scope::default(), at(NOW));
    assert!(matches!(need, heal::Need::Run(_)), "{need:?}");
}
