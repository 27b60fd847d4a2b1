//! Jobs as teams write them, right and wrong.

use super::*;

#[test]
fn the_articles_example_loads_unmodified() {
    let loaded = load_text(ARTICLE);
    assert_eq!(loaded.report.summary(), "");
    let job = loaded.configuration.job("transfers-status-collection").unwrap();
    assert_eq!(job.schedule.expression(), "*/10 * * * *");
    assert_eq!(job.schedule.time_zone(), "UTC");
    assert!(job.enabled);
    let [query] = job.queries.as_slice() else {
        panic!("one query")
    };
    assert!(
        sql_of(query)
            .text
            .starts_with("SELECT COUNT(*) AS count, status\nFROM transfers\n")
    );
    assert_eq!((query.origin.line, query.origin.indent), (13, 6));
    let [metric] = query.metrics.as_slice() else {
        panic!("one metric")
    };
    assert_eq!(metric.name, "core_transfers_status");
    assert_eq!(metric.kind, MetricKind::Gauge);
    assert_eq!(
        metric.labels,
        [Label {
            name: "status".into(),
            column: "status".into(),
            allowed: None
        }]
    );
    assert_eq!(metric.values, Values::Column("count".into()));
    let Sink::Pushgateway(sink) = &job.sink;
    assert_eq!(sink.url.names().collect::<Vec<_>>(), ["PUSHGATEWAY_URL"]);
}

#[test]
#[expect(
    clippy::too_many_lines,
    reason = "one configuration with every key, and what each comes to"
)]
fn every_key_reaches_the_job() {
    let shared = "
defaults: {timezone: Europe/Paris, owner: platform, sink: main, null_label: none, timeout: 1m}
static_labels: {env: test, region: eu-west-1}
sources:
  shop: {postgres: {url: 'postgres://{{U}}:{{P}}@h/d', ca_file: ca.pem}}
sinks:
  main:
    pushgateway:
      url: 'https://{{HOST}}/gw'
      basic: {username: u, password: '{{P}}'}
      timeout: 5s
      grouping: {cluster: blue}
      series_budget: 10000
placeholders:
  P: {secret: shop/db, field: password}
  U: {env: SHOP_USER}
";
    let team = "
defaults: {owner: growth, on_error: drop}
static_labels: {team: growth, region: none}
jobs:
- name: funnel
  schedule: '5 3 * * 1-5'
  source: shop
  timezone: America/New_York
  enabled: false
  namespace: growth
  static_labels: {tier: gold}
  on_error: fail
  queries:
    steps: {query_file: sql/steps.sql, parameters: [1, 1.5, true, ~, 'x{{P}}', {scheduled_time: -1h}]}
  metrics:
  - name: steps_total
    type: counter
    help: Steps.
    from_query: steps
    labels: {os: device_os, step: step}
    values: {label: phase, columns: {start: started, end: ended}}
    allowed_values: {os: [ios, android]}
    other: elsewhere
    fill: {os: [ios, elsewhere], step: [a, b, c]}
    null_value: zero
    on_empty: zero
    duplicates: sum
    max_series: 40
    static_labels: {tier: '', kind: x}
  - name: steps_seconds
    subsystem: time
    unit: seconds
    help: Duration.
    from_query: steps
    labels: [organisation_id]
    value: seconds
    external: true
";
    let folder = Folder::new(&[
        ("fanlight.yaml", shared),
        ("growth.yaml", team),
        ("ca.pem", ""),
        ("sql/steps.sql", "SELECT 1"),
    ]);
    let loaded = folder.load();
    assert_eq!(loaded.report.summary(), "");
    let job = loaded.configuration.job("funnel").unwrap();
    assert_eq!((job.schedule.time_zone(), job.enabled), ("America/New_York", false));
    assert_eq!(
        (job.owner.as_deref(), job.timeout, job.on_error),
        (Some("growth"), Duration::from_mins(1), OnError::Fail)
    );
    let Kind::Postgres(source) = &job.source.kind else {
        panic!("a database")
    };
    assert_eq!(
        (job.source.name.as_deref(), source.access.ca_file.is_some()),
        (Some("shop"), true)
    );
    let Sink::Pushgateway(sink) = &job.sink;
    assert_eq!(
        (sink.name.as_str(), sink.timeout, sink.series_budget),
        ("main", Duration::from_secs(5), 10_000)
    );
    assert_eq!(sink.grouping, [("cluster".to_owned(), "blue".to_owned())]);
    assert!(matches!(sink.auth, SinkAuth::Basic { .. }));
    let [query] = job.queries.as_slice() else {
        panic!("one query for both metrics")
    };
    assert_eq!(
        (query.name.as_str(), sql_of(query).text.as_str(), query.origin.line),
        ("steps", "SELECT 1", 1)
    );
    assert!(matches!(
        sql_of(query).parameters.as_slice(),
        [Parameter::Text(_), Parameter::Text(_), Parameter::Text(_), Parameter::Null, Parameter::Text(_), Parameter::ScheduledTime(offset)]
            if offset.as_secs() == -3600
    ));
    let [steps, seconds] = query.metrics.as_slice() else {
        panic!("two metrics")
    };
    assert_eq!(
        (steps.name.as_str(), steps.kind),
        ("growth_steps_total", MetricKind::Counter)
    );
    assert_eq!(steps.labels[0].column, "device_os");
    assert_eq!(
        steps.labels[0].allowed,
        Some(AllowedValues {
            values: vec!["ios".into(), "android".into()],
            other: "elsewhere".into()
        })
    );
    assert_eq!(
        steps.values,
        Values::Columns {
            label: "phase".into(),
            columns: vec![("started".into(), "start".into()), ("ended".into(), "end".into())]
        }
    );
    assert_eq!(steps.fill, [vec!["ios", "elsewhere"], vec!["a", "b", "c"]]);
    assert_eq!((steps.null_value, steps.null_label.as_str()), (NullValue::Zero, "none"));
    assert_eq!(
        (steps.on_empty, steps.duplicates, steps.max_series),
        (OnEmpty::Zero, Duplicates::Sum, 40)
    );
    let labels = |metric: &Metric| {
        metric
            .static_labels
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(labels(steps), "env=test kind=x region=none team=growth");
    assert_eq!(seconds.name, "growth_time_steps_seconds");
    assert_eq!(
        labels(seconds),
        "env=test metric_purpose=external region=none team=growth tier=gold"
    );
    assert!(seconds.external);
    assert_eq!(loaded.configuration.providers.len(), 2);
}

#[test]
fn each_mistake_in_a_job_has_its_place_and_its_remedy() {
    for (job, expected) in [
        (
            "timezone: Europe/Pariss",
            "<Europe/Pariss> there is no time zone `Europe/Pariss`",
        ),
        ("schedule: '61 * * * *'", "duplicate mapping key"),
        (
            "sink: nowhere",
            "<nowhere> there is no sink `nowhere`; declare it under `sinks`",
        ),
        ("timeout: 16m", "<16m> a run cannot take more than 15 minutes"),
        (
            "timeout: 0s",
            "<0s> a length of time must be more than nothing, not 0s: write one such as `30s`",
        ),
        ("timeout: 5", "<5> 5 of which unit?; write `5s`;"),
        ("jitter: '5'", "<'5'> 5 of which unit?; write `5m`;"),
        ("timeout: 1mo", "<1mo> `1mo` has no fixed length"),
        ("timeout: [5s]", "expected a length of time such as `30s`"),
        ("timeout: soon", "<soon> `soon` is not a length of time such as `30s`"),
        (
            "on_error: ignore",
            "<ignore> `ignore` is not one of `keep`, `drop` or `fail`",
        ),
        (
            "static_labels: {job: x}",
            "<job> `job` cannot be a label here: the gateway overwrites it",
        ),
        ("static_labels: {9x: x}", "<9x> `9x` cannot be a label's name"),
        ("max_series: 1.5", "<1.5> expected a whole number"),
        (
            "queries: {unused: {query: SELECT 2}}",
            "<unused> no metric uses the query `unused`",
        ),
        (
            "enable: false",
            "<enable> unknown key `enable`; did you mean `enabled`?",
        ),
        (
            "namespace: push",
            "<m> `push_m` begins with `push_`, and such metrics are the Pushgateway's own",
        ),
    ] {
        let text = minimal(job, "");
        let findings = findings(&[("a.yaml", &text)]);
        assert!(
            findings.len() == 1 && findings[0].contains(expected),
            "{job}: {findings:#?}"
        );
    }
}

#[test]
fn what_is_missing_is_told_at_the_job_or_metric_that_lacks_it() {
    let text =
        "jobs:\n- schedule: '* * * * *'\n- name: a\n- name: b\n  metrics: []\n- name: c\n  metrics:\n  - help: x\n";
    let findings = findings(&[("a.yaml", text)]);
    for expected in [
        "2:3 <> the job has no `name`; add `name",
        "3:9 <a> the job has no `schedule`",
        "3:9 <a> the job has no `source`",
        "3:9 <a> the job has no `metrics`; list at least one",
        "5:12 <[> the list of metrics is empty; list at least one",
        "8:5 <> the metric has no `name`; add `name",
    ] {
        assert!(
            findings.iter().any(|finding| finding.starts_with(expected)),
            "{expected}: {findings:#?}"
        );
    }
}

#[test]
fn a_schedule_that_cannot_be_deployed_is_a_mistake_and_runs_all_the_same() {
    let cases: [(&str, &str, &[&str]); 9] = [
        (
            "'0 0 13 * FRI'",
            "",
            &[
                "3:18 <13 * FRI> EventBridge Scheduler cannot fire on the days of the month `13` and also on the days of the \
                 week `FRI`, as unix cron does; write `*` for one of the two, or make two jobs of it",
            ],
        ),
        (
            "\"0 0 13\\x20* FRI\"",
            "",
            &[
                "3:13 <\"0 0 13\\x20* FRI\"> EventBridge Scheduler cannot fire on the days of the month `13` and also on the \
                 days of the week `FRI`, as unix cron does; write `*` for one of the two, or make two jobs of it",
            ],
        ),
        ("'*/10 * * * *'", "jitter: 9m", &[]),
        ("'* * * * *'", "jitter: 0s", &[]),
        (
            "'*/10 * * * *'",
            "jitter: 10m",
            &[
                "3:14 <*/10 * * * *> the jitter of 10 min is not shorter than the 10 min between two runs: a run could overtake \
               the one before it; write a shorter `jitter`, or `jitter: 0s` for none",
            ],
        ),
        (
            "'0 0 * * *'",
            "jitter: 24h",
            &[
                "3:14 <0 0 * * *> the jitter of 1440 min is not shorter than the 1440 min between two \
          runs: a run could overtake the one before it; write a shorter `jitter`, or `jitter: 0s` for none",
            ],
        ),
        ("'0 0 1 * *'", "jitter: 24h", &[]),
        (
            "'0 0 1 * *'",
            "jitter: 90s",
            &[
                "5:11 <90s> a jitter is a number of whole minutes, and of 24 hours at most; EventBridge Scheduler has no other \
               windows: write such as `2m`, or `0s` for none",
            ],
        ),
        (
            "'0 0 1 * *'",
            "jitter: -1h",
            &[
                "5:11 <-1h> a jitter is a number of whole minutes, and of 24 hours at most; EventBridge Scheduler has no other \
               windows: write such as `2m`, or `0s` for none",
            ],
        ),
    ];
    for (schedule, job, expected) in cases {
        let text = minimal(job, "").replace("'* * * * *'", schedule);
        assert_eq!(findings(&[("a.yaml", &text)]), expected, "{schedule} {job}");
    }
    let loaded = load_text(&minimal("", "").replace("* * * * *", "0 0 13 * FRI"));
    assert!(loaded.configuration.job("j").is_ok());
    let defaults = "defaults: {jitter: 3m}\n".to_owned() + &minimal("", "").replace("* * * * *", "0 * * * *");
    assert_eq!(
        load_text(&defaults).configuration.jobs[0].jitter,
        Duration::from_mins(3)
    );
}
