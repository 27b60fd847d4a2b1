//! What is stale, and what never is.

use super::super::stale::find;
use super::*;

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
