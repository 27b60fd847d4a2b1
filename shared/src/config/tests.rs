//! Configurations as teams write them, right and wrong.

mod alerts;
mod metrics_api;
mod slos;

use std::fs;
use std::time::{Duration, Instant};

use super::job::*;
use super::*;
use crate::config::mistake::position;

/// The example of the article that Fanlight began with, letter for letter.
const ARTICLE: &str = r"job:
- name: 'transfers-status-collection' # job name
  schedule: '*/10 * * * *' # every 10 minutes
  source: 'postgres://{{DB_USERNAME}}:{{DB_PASSWORD}}@{{DB_HOST}}/{{DB_NAME}}'
  metrics:
  - name: 'transfers_status' # metric name
    subsystem: 'core'
    help: 'Provides the number of transfer by status'
    labels:
    - status
    value: count
    query: |
      SELECT COUNT(*) AS count, status
      FROM transfers
      WHERE status IN ('to_send', 'failed')
      GROUP BY(status);
";

/// A job with nothing but what it needs; `METRIC` and `JOB` are replaced by what a case is about.
const MINIMAL: &str = "jobs:
- name: j
  schedule: '* * * * *'
  source: postgres://u@h/d
JOB
  metrics:
  - name: m
    help: h
    value: v
    query: SELECT 1 AS v
METRIC
";

struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Self(folder)
    }

    fn load(&self) -> Loaded {
        let mut loaded = load(self.0.path()).unwrap();
        loaded.check(|_| true);
        loaded
    }
}

fn load_text(text: &str) -> Loaded {
    Folder::new(&[("a.yaml", text)]).load()
}

fn minimal(job: &str, metric: &str) -> String {
    let indent = |text: &str, by: &str| text.lines().flat_map(|line| [by, line, "\n"]).collect::<String>();
    MINIMAL
        .replace("JOB\n", &indent(job, "  "))
        .replace("METRIC\n", &indent(metric, "    "))
}

/// Every finding as `line:column <underlined> message; help`.
fn findings(files: &[(&str, &str)]) -> Vec<String> {
    let folder = Folder::new(files);
    let loaded = folder.load();
    loaded
        .report
        .findings()
        .map(|finding| {
            let text = fs::read_to_string(&finding.file).unwrap();
            let (line, column) = position(&text, finding.span.start);
            let help = finding
                .help
                .as_ref()
                .map(|help| format!("; {help}"))
                .unwrap_or_default();
            let help = help.replace(&format!("{}/", folder.0.path().display()), "");
            let message = finding.message.replace(&format!("{}/", folder.0.path().display()), "");
            format!("{line}:{column} <{}> {message}{help}", &text[finding.span.clone()])
        })
        .collect()
}

fn sql_of(query: &Query) -> &Sql {
    query.asked.sql().expect("a query in SQL")
}

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
        ("timeout: 5", "<5> 5 of which unit? Write `5s` for seconds"),
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
fn a_query_is_asked_as_its_source_takes_it() {
    let job = |query: &str| {
        format!(
            "jobs:\n- {{name: j, schedule: '* * * * *', source: 'postgres://u@h/d', metrics: [{{name: m, help: h, value: v, query: {query}}}]}}\n"
        )
    };
    for (query, expected) in [
        ("{}", "<{> `postgres` sources are asked in SQL; write it as text"),
        ("{sql: x}", "<sql> unknown key `sql`"),
        ("[SELECT 1]", "expected text or a mapping, found a list"),
        ("7", "expected text or a mapping, found the number 7"),
    ] {
        let findings = findings(&[("a.yaml", &job(query))]);
        assert!(
            findings.iter().any(|finding| finding.contains(expected)),
            "{query}: {findings:#?}"
        );
    }
}

#[test]
fn each_mistake_in_a_metric_has_its_place_and_its_remedy() {
    for (metric, expected) in [
        ("labels: [a, a]", "<a> `a` is given twice"),
        ("labels: [job]", "<job> `job` cannot be a label here"),
        ("labels: [a-b]", "<a-b> `a-b` cannot be a label's name"),
        (
            "values: {label: x, columns: [a]}",
            "<v> there is both `value` and `values`",
        ),
        (
            "query_file: x.sql",
            "<x.sql> there is both a `query` and a `query_file`",
        ),
        (
            "from_query: shared",
            "<SELECT 1 AS v> the metric has a query of its own and one that it shares",
        ),
        (
            "on_empty: zero\nlabels: [a]",
            "<zero> `m` has labels: which of its series are 0",
        ),
        (
            "external: true",
            "<true> `m` is external but has no label `organisation_id`",
        ),
        ("labels: [metric_purpose]", "`external: true` sets it"),
        (
            "external: true\nlabels: [organisation_id]\nallowed_values: {organisation_id: [a]}",
            "<organisation_id> `organisation_id` of an external metric cannot have `allowed_values`: a bucket would mix \
             customers; remove it",
        ),
        ("labels: [a, b]\nfill: {a: [x]}", "`fill` lacks the values of b"),
        (
            "labels: [a]\nfill: {aa: [x]}",
            "<aa> there is no label `aa`; the metric's labels are a",
        ),
        ("labels: [a]\nfill: {a: []}", "the list is empty"),
        (
            "labels: [a]\nfill: {a: [x, y, z]}\nmax_series: 2",
            "the grid alone has 3 series, and `max_series` is 2",
        ),
        (
            "labels: [a]\nallowed_values: {a: [x]}\nfill: {a: [y]}",
            "<y> `y` is not among the label's `allowed_values`",
        ),
        ("other: rest", "<rest> `other` says nothing without `allowed_values`"),
        (
            "unit: seconds",
            "<seconds> the unit is `seconds`, but `m` does not end in it; call the metric `m_seconds`",
        ),
        (
            "labels: [a]\nstatic_labels: {a: x}",
            "<a> the label `a` is given here and taken from a column",
        ),
        (
            "type: histogram",
            "<histogram> `histogram` is not one of `gauge` or `counter`",
        ),
        ("type: counter", "<m> `m`: a counter's name ends in `_total`"),
        (
            "parameters: [{scheduled: 1}]",
            "<scheduled> unknown key `scheduled`; the keys here are scheduled_time",
        ),
        ("parameters: ['{{A']", "a placeholder that is never closed"),
        (
            "parameters: [[1]]",
            "<[> expected null, a truth value, a whole number, a number, text or a mapping, found a list",
        ),
    ] {
        let text = minimal("", metric);
        let findings = findings(&[("a.yaml", &text)]);
        assert!(
            findings.iter().any(|finding| finding.contains(expected)),
            "{metric}: {findings:#?}"
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
fn names_are_unique_and_a_metric_has_one_type_and_one_help_in_all_files() {
    let a = minimal("", "");
    let b = minimal("", "").replace("help: h", "help: other");
    let sources = "sources: {s: 'postgres://u@h/d'}\n";
    let findings = findings(&[("a.yaml", &(a + sources)), ("b.yaml", &(b + sources))]);
    assert_eq!(findings.len(), 3, "{findings:#?}");
    assert!(findings[0].contains("the job `j` is declared a second time; the first stands at a.yaml:2:9"));
    assert!(findings[1].contains("`m` has another help here than in its first use; it stands at a.yaml:6:11"));
    assert!(findings[2].contains("the source `s` is declared a second time"));
}

#[test]
fn a_source_or_sink_that_is_not_there_suggests_the_one_that_is() {
    let text = minimal("sink: mian", "").replace("postgres://u@h/d", "shopp")
        + "sources: {shop: 'postgres://u@h/d'}\nsinks: {main: {pushgateway: {url: 'http://g'}}}\n";
    let findings = findings(&[("a.yaml", &text)]);
    assert_eq!(findings.len(), 2, "{findings:#?}");
    assert!(
        findings[0].contains("<shopp> there is no source `shopp`; did you mean `shop`?"),
        "{findings:#?}"
    );
    assert!(
        findings[1].contains("<mian> there is no sink `mian`; did you mean `main`"),
        "{findings:#?}"
    );
}

#[test]
fn each_mistake_in_a_source_or_sink_has_its_place_and_its_remedy() {
    for (section, expected) in [
        (
            "sources: {s: 'oracle://h/d'}",
            "<oracle> `oracle` is not a kind of source; the kinds are postgres, postgresql",
        ),
        (
            "sources: {s: 'postgres://u@h/d?sslmod=x'}",
            "the parameter \"sslmod\" is not supported",
        ),
        ("sources: {s: shop}", "<shop> the source `s` is not a URL"),
        ("sources: {s: '{{URL}}'}", "of which kind is this source?"),
        ("sources: {s: {}}", "<{> the source does not say of which kind it is"),
        ("sources: {s: {postgres: {}}}", "a PostgreSQL source needs a `url`; add"),
        ("sources: {s: {mysql: {}}}", "a MySQL source needs a `url`; add"),
        (
            "sources: {s: 'mysql://u@h/d?sslmode=x'}",
            "<sslmode> the parameter \"sslmode\" is not supported; known are connect-timeout, ssl-ca, ssl-mode",
        ),
        (
            "sources: {s: {mysql: {url: 'mysql://u:{{P}}@h/d', rds_iam: {}}}}",
            "the URL has a password, and rds_iam makes one: remove it",
        ),
        (
            "sources: {s: {postgres: {url: 'postgres://u@h/d', rds_iam: {}}}}",
            "rds_iam needs sslmode=verify-full",
        ),
        (
            "sources: {s: {postgres: {url: 'postgres://u@h,i/d?sslmode=verify-full', rds_iam: {}}}}",
            "rds_iam needs one host",
        ),
        (
            "sources: {s: {postgres: {url: 'postgres://u@h/d', ca_file: ../x.pem}}}",
            "<../x.pem> `../x.pem` lies outside",
        ),
        (
            "sources: {s: {postgres: {url: 'postgres://u@h/d', ca_file: x.pem}}}",
            "<x.pem> there is no file x.pem; a file is named relative",
        ),
        ("sinks: {s: {}}", "the sink `s` does not say of which kind it is"),
        ("sinks: {s: {pushgateway: {}}}", "the sink `s` needs a `url`; add"),
        (
            "sinks: {s: {pushgateway: {url: 'gateway:9091'}}}",
            "begins with `http://` or `https://`",
        ),
        (
            "sinks: {s: {pushgateway: {url: 'http://u:p@g'}}}",
            "credentials do not belong into the URL",
        ),
        ("sinks: {s: {pushgateway: {url: 'http://g?x'}}}", "has no query"),
        (
            "sinks: {s: {pushgateway: {url: 'http://g', basic: {username: u}}}}",
            "needs `username` and `password`",
        ),
        (
            "sinks: {s: {pushgateway: {url: 'http://g', bearer: '{{T}}', basic: {username: u, password: '{{P}}'}}}}",
            "has both `basic` and `bearer`",
        ),
        (
            "sinks: {s: {pushgateway: {url: 'http://g', bearer: abc}}}",
            "the token stands in the file in clear text",
        ),
        (
            "sinks: {s: {pushgateway: {url: 'http://g', grouping: {instance: x}}}}",
            "<instance> `instance` cannot be a label",
        ),
        (
            "placeholders: {A: {}}",
            "the placeholder `A` needs either `env` or `secret`",
        ),
        (
            "placeholders: {A: {env: X, field: y}}",
            "the placeholder `A` needs either `env` or `secret`",
        ),
    ] {
        let text = minimal("", "") + section + "\n";
        let findings = findings(&[("a.yaml", &text)]);
        assert!(
            findings.iter().any(|finding| finding.contains(expected)),
            "{section}: {findings:#?}"
        );
    }
}

#[test]
fn the_label_of_several_values_is_not_part_of_the_grouping_key() {
    let text = minimal("", "").replace("value: v", "values: {label: cluster, columns: [v]}")
        + "sinks: {default: {pushgateway: {url: 'http://g', grouping: {cluster: blue}}}}\n";
    let findings = findings(&[("a.yaml", &text)]);
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert!(
        findings[0].contains("<cluster> `cluster` cannot be a label here: it is part of the sink's grouping key"),
        "{findings:#?}"
    );
}

#[test]
fn an_empty_query_is_told_with_its_remedy() {
    let text = minimal("", "").replace("SELECT 1 AS v", "' '");
    let findings = findings(&[("a.yaml", &text)]);
    assert!(
        findings[0].contains("the query is empty; write one SQL statement"),
        "{findings:#?}"
    );
}

#[test]
fn a_placeholder_that_nobody_provides_is_a_mistake() {
    let text = minimal("", "").replace("postgres://u@h/d", "postgres://{{USER}}:{{PASS}}@h/d")
        + "placeholders: {PASS: {env: X}}\nsinks: {default: {pushgateway: {url: 'http://g'}}}\n";
    let folder = Folder::new(&[("a.yaml", &text)]);
    let mut loaded = load(folder.0.path()).unwrap();
    loaded.check(|_| false);
    let summary = loaded.report.summary();
    assert!(
        summary.contains(":4:22: nobody provides a value for the placeholder `USER`"),
        "{summary}"
    );
    assert_eq!(loaded.report.mistakes(), 1, "{summary}");
    assert_eq!(loaded.configuration.jobs.len(), 1, "a run may still find it");
}

#[test]
fn placeholders_in_sql_are_refused_and_arrays_are_not() {
    for (sql, refused) in [
        ("SELECT {{A}} AS v", true),
        ("SELECT '{{1,2},{3,4}}' AS v", false),
        ("SELECT '{{' AS v", false),
    ] {
        let text = minimal("", "").replace("SELECT 1 AS v", &format!("\"{sql}\""));
        let findings = findings(&[("a.yaml", &text)]);
        assert_eq!(findings.len(), usize::from(refused), "{sql}: {findings:#?}");
        assert!(
            findings
                .iter()
                .all(|finding| finding.contains("parameters: ['{{NAME}}']"))
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

#[test]
fn jobs_beyond_an_endpoints_budget_are_a_mistake_and_known_label_values_count() {
    let roomy = minimal("max_series: 6000", "labels: [a]");
    assert!(findings(&[("a.yaml", &roomy)])[0].contains("may push 6000 series, and its budget is 5000"));
    let known = minimal("max_series: 6000", "labels: [a]\nallowed_values: {a: [x, y]}");
    assert_eq!(findings(&[("a.yaml", &known)]), [""; 0]);
    let disabled = minimal("max_series: 6000\nenabled: false", "labels: [a]");
    assert_eq!(findings(&[("a.yaml", &disabled)]), [""; 0]);
}

#[test]
fn a_mistake_in_one_job_leaves_the_others_running() {
    let text = minimal("", "") + "- name: broken\n  source: postgres://u@h/d\n  schedule: never\n";
    let loaded = load_text(&text);
    assert_eq!(
        loaded
            .configuration
            .jobs
            .iter()
            .map(|job| job.name.as_str())
            .collect::<Vec<_>>(),
        ["j"]
    );
    assert!(loaded.report.mistakes() > 0);
    let error = loaded.configuration.job("broken").unwrap_err();
    assert_eq!(
        error.to_string(),
        "the job `broken` does not run because of a mistake, which `fanlight check` shows"
    );
    let error = loaded.configuration.job("nowhere").unwrap_err();
    assert_eq!(error.to_string(), "there is no job `nowhere`; the jobs are j");
}

#[test]
fn a_password_in_clear_text_is_told_and_never_shown() {
    let text = minimal("timezone: 7", "").replace("postgres://u@h/d", "postgres://u:hunter2@h/d")
        + "sinks: {default: {pushgateway: {url: 'http://g', bearer: hunter2}}}\n";
    let loaded = load_text(&text);
    let shown = loaded.report.render(false);
    assert!(
        shown.contains("clear text") && shown.contains("a password stands in the configuration"),
        "{shown}"
    );
    let everything = shown + &loaded.report.summary() + &format!("{loaded:?}");
    assert!(!everything.contains("hunter2"), "{everything}");
}

/// Slips by which a secret gets where nobody looks for one; each is told without it.
#[test]
#[expect(clippy::too_many_lines, reason = "a table of slips")]
fn a_secret_is_not_shown_where_it_is_not_understood() {
    let secret = "8520147";
    let source = |line: &str| minimal("", "").replace("source: postgres://u@h/d", line);
    let section = |line: &str| minimal("", "") + line + "\n";
    let sink = |auth: &str| {
        section(&format!(
            "sinks: {{default: {{pushgateway: {{url: 'http://g', {auth}}}}}}}"
        ))
    };
    for (text, told) in [
        (source("sorce: 'postgres://bob:8520147@h/d'"), "did you mean `source`?"),
        (
            source("source: 'postgress://bob:8520147@h/d'"),
            "`postgress` is not a kind",
        ),
        (source("source: oracle://bob:8520147@h/d"), "`oracle` is not a kind"),
        (source("source: 'bob:8520147@h/d'"), "the name of a source is expected"),
        (source("source: 'bob@8520147'"), "the name of a source is expected"),
        (
            source("source: {postgres: 'postgres://bob:8520147@h/d'}"),
            "expected a mapping",
        ),
        (source("source: 'postgres://bob:8520147#@h/d'"), "mistake"),
        (source("source: 'postgres://bob:85/8520147?@h/d'"), "mistake"),
        (
            source("source: postgres://u@h/d\n  sink: 'http://x:8520147@g'"),
            "the name of a sink",
        ),
        (
            source("source: postgres://u@h/d\n  timeout: 'http://x:8520147@g'"),
            "is not a length of time",
        ),
        (
            source("source: postgres://u@h/d\n  on_error: 'http://x:8520147@g'"),
            "is not one of",
        ),
        (
            section("sources: {s: {postgres: {url: 'postgres://u@h/d', pasword: 8520147}}}"),
            "`pasword`",
        ),
        (section("sources: {s: 'bob:8520147@h/d'}"), "is not a URL"),
        (
            section("sources: {'postgres://bob:8520147@h/d': 7}"),
            "expected text or a mapping",
        ),
        (section("placeholders: {DB_PASSWORD: 8520147}"), "expected a mapping"),
        (section("placeholders: {DB_PASSWORD: 'x8520147'}"), "expected a mapping"),
        (section("placeholders: {DB_PASSWORD: {value: 8520147}}"), "`value`"),
        (sink("bearrer: '8520147'"), "did you mean `bearer`?"),
        (sink("bearrer: [{x: '8520147'}]"), "did you mean `bearer`?"),
        (
            sink("bearer: 8520147"),
            "expected text, found a whole number; put it in quotes",
        ),
        (sink("bearer: [x8520147]"), "expected text, found a list"),
        (sink("bearer: 'x8520147', timeout: soon"), "is not a length of time"),
        (sink("bearer 8520147"), "this is no key; write `key: value`"),
        (sink("bearer=8520147"), "this is no key"),
        (sink("bearer:8520147"), "this is no key"),
        (
            section("sinks:\n  s:\n    pushgateway:\n      bearer 8520147\n      url: x"),
            "mistake",
        ),
        (
            section("sinks:\n  s:\n    pushgateway:\n      url: http://g\n      basic: |\n        8520147"),
            "expected a mapping",
        ),
        (
            section("sinks:\n  s:\n    pushgateway:\n      url: http://g\n      bearrer:\n        8520147"),
            "`bearer`",
        ),
        (sink("basic: 'bob:8520147'"), "expected a mapping, found text"),
        (
            sink("basic: {username: u, pasword: '8520147'}"),
            "did you mean `password`?",
        ),
        (sink("basic: {password: '8520147'}"), "needs `username`"),
        (
            section("sinks: {s: {pushgateway: {bearer: '8520147'}}}"),
            "needs a `url`",
        ),
        (
            section("sinks: {s: {pushgateway: {url: 'ftp://x:8520147@g'}}}"),
            "begins with `http://`",
        ),
        (section("sinks:\n  s:\n    bearer: 8520147: x"), "mistake"),
        (
            section("x:\n  password: a\n  password: 8520147"),
            "duplicate mapping key",
        ),
        (section("x:\n  passwort: a: 8520147"), "mistake"),
        (
            section("sinks: {s: {pushgateway: {url: 'http://g', bearer: 'x8520147"),
            "mistake",
        ),
    ] {
        let loaded = load_text(&text);
        let shown = loaded.report.render(false);
        let summary = loaded.report.summary();
        assert!(loaded.report.findings().count() > 0, "{text}");
        assert!(told == "mistake" || summary.contains(told), "{told}: {shown}{summary}");
        let everything = shown + &summary + &format!("{loaded:?}");
        assert!(!everything.contains(secret), "{text}\n{everything}");
    }
}

#[test]
fn placeholders_stay_visible_in_what_is_hidden() {
    let text = minimal("", "").replace("source: postgres://u@h/d", "sorce: 'postgres://{{U}}:{{P}}@h/d'");
    let shown = load_text(&text).report.render(false);
    assert!(shown.contains("{{U}}*{{P}}"), "{shown}");
}

#[test]
fn warnings_do_not_hide_mistakes() {
    let lint = "  - {name: a_gauge, value: v, query: SELECT 1}\n";
    let mut text = minimal("", "");
    text.extend((0..150).flat_map(|job| {
        let begin = format!("- name: w{job}\n  schedule: '* * * * *'\n  source: postgres://u@h/d\n  metrics:\n");
        [begin, lint.to_owned()]
    }));
    text += "- {name: last, schedule: never, source: postgres://u@h/d}\n";
    let report = load_text(&text).report;
    assert!(
        report.summary().contains("the job has no `metrics`"),
        "{}",
        report.summary()
    );
    // Without `help`, and told by its type: two a metric.
    assert_eq!(report.warnings(), 300);
    assert!(
        report.summary().contains("and 200 more warnings"),
        "{}",
        report.summary()
    );
    assert_eq!(
        report.findings().filter(|f| f.severity == Severity::Warning).count(),
        100
    );
}

#[test]
fn a_shared_file_by_the_wrong_name_is_a_mistake_and_nothing_runs_without_it() {
    let folder = Folder::new(&[("fanlight.yml", "defaults: {timeout: 1s}\n"), ("a.yaml", ARTICLE)]);
    let loaded = folder.load();
    let summary = loaded.report.summary();
    assert!(
        summary.contains("fanlight.yml:1:1: what all teams share is read from `fanlight.yaml`")
            && summary.contains("rename it to fanlight.yaml"),
        "{summary}"
    );
    assert_eq!(loaded.report.mistakes(), 1, "{summary}");
    assert!(loaded.configuration.jobs.is_empty());
}

#[test]
fn a_finding_is_shown_with_its_line_underlined() {
    let folder = Folder::new(&[("a.yaml", &minimal("owner: 7", ""))]);
    let shown = folder
        .load()
        .report
        .render(false)
        .replace(&format!("{}/", folder.0.path().display()), "");
    let expected = "mistake: expected text, found the number 7
 --> a.yaml:5:10
  |
5 |   owner: 7
  |          ^
  |
  = help: put it in quotes
";
    assert_eq!(shown.trim_end(), expected.trim_end());
}

#[test]
fn a_query_finding_stands_at_the_queries_own_line() {
    let folder = Folder::new(&[("a.yaml", ARTICLE)]);
    let mut loaded = folder.load();
    let query = loaded.configuration.jobs[0].queries[0].clone();
    loaded.add_query_finding(&query, Some((3, 7)), "no such column".into(), None);
    let shown = loaded.report.render(false);
    assert!(shown.contains("a.yaml:15:13"), "{shown}");
    assert!(
        shown.contains("15 |       WHERE status IN ('to_send', 'failed')\n   |             ^^^^^^"),
        "{shown}"
    );
}

#[test]
fn hostile_files_end_in_an_error_within_a_second() {
    let laughs = (1..12).fold("a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned(), |text, n| {
        format!("{text}a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 9].join(", "))
    });
    let deep = format!("x-deep: {}", "[".repeat(10_000));
    let wrong = format!(
        "jobs:\n{}",
        "- {name: j, source: s, nope: 1, metrics: [{}]}\n".repeat(4_500)
    );
    // As many as the limit of 50,000 values lets through.
    let misspelt = format!("jobs:\n{}", "- {nam: y}\n".repeat(16_000));
    let values = (0..45_000).map(|n| format!("v{n}")).collect::<Vec<_>>().join(", ");
    let allowed = minimal(
        "",
        &format!("labels: [a]\nallowed_values: {{a: [{values}]}}\nlables: [b]"),
    );
    let folder = Folder::new(&[
        ("misspelt.yaml", &misspelt),
        ("allowed.yaml", &allowed),
        ("laughs.yaml", &laughs),
        ("deep.yaml", &deep),
        ("wrong.yaml", &wrong),
        ("binary.yaml", ""),
        ("good.yaml", ARTICLE),
    ]);
    fs::write(folder.0.path().join("binary.yaml"), b"jobs: \xff\xfe").unwrap();
    // A sparse file: 100 MB that take no room.
    fs::File::create(folder.0.path().join("huge.yaml"))
        .unwrap()
        .set_len(100 << 20)
        .unwrap();
    let begun = Instant::now();
    let loaded = folder.load();
    println!("read in {:?}", begun.elapsed());
    let summary = loaded.report.summary();
    let shown = loaded.report.render(false);
    println!("told in {:?}, {} bytes", begun.elapsed(), shown.len());
    for expected in [
        "more than 50000 values",
        "nested more than 32 levels",
        "not UTF-8",
        "102400 KiB large",
        "wrong.yaml: and ",
        "misspelt.yaml: and ",
        "did you mean `labels`?",
    ] {
        assert!(summary.contains(expected), "{expected}: {summary}");
    }
    assert_eq!(loaded.configuration.jobs.len(), 1, "the good file's job still runs");
}

#[test]
fn a_folder_that_is_no_configuration_says_so() {
    let error = load(std::path::Path::new("/nonexistent/config")).unwrap_err();
    assert!(
        error.to_string().contains("/nonexistent/config cannot be read"),
        "{error}"
    );
    let empty = Folder::new(&[("readme.md", "")]);
    assert!(
        load(empty.0.path())
            .unwrap_err()
            .to_string()
            .contains("holds no .yaml or .yml file")
    );
}

/// A mistake, in which file, and whether it stops only the jobs of the file `a` or also those of the file `b`.
#[test]
fn a_job_does_not_run_otherwise_than_it_is_written() {
    let good = minimal("", "");
    let other = minimal("", "")
        .replace("name: j", "name: other")
        .replace("name: m", "name: n");
    let (a, b, shared) = ("a.yaml", "b.yaml", "fanlight.yaml");
    let sink = |extra: &str| format!("sinks: {{default: {{pushgateway: {{url: 'http://h', {extra}}}}}}}\n");
    for (file, text, left) in [
        (a, minimal("on_error: ignore", ""), vec!["other"]),
        (a, minimal("timeut: 1s", ""), vec!["other"]),
        (a, minimal("", "null_value: eror"), vec!["other"]),
        (a, minimal("", "extrenal: true"), vec!["other"]),
        (a, minimal("", "labels: {a: 1}"), vec!["other"]),
        (a, format!("{good}defaults: {{on_error: ignore}}\n"), vec!["other"]),
        (a, format!("{good}defaults: {{timeout: 16m}}\n"), vec!["other"]),
        (a, format!("{good}default: {{on_error: fail}}\n"), vec!["other"]),
        (a, format!("{good}static_labels: {{a: 1}}\n"), vec!["other"]),
        (a, format!("{good}static_labels: {{job: x}}\n"), vec!["other"]),
        (a, format!("{good}: x\n"), vec!["other"]),
        (b, "jobs: [\n".to_owned(), vec!["j", "other"]),
        (shared, "jobs: [{name: third}]\n".to_owned(), vec!["j", "other"]),
        (
            shared,
            "jobs: [{name: third, timeut: 1s}]\n".to_owned(),
            vec!["j", "other"],
        ),
        (shared, "static_labels: {a: 1}\n".to_owned(), vec![]),
        (shared, "static_labels: {job: x}\n".to_owned(), vec![]),
        (shared, "defaults: {timeout: 16m}\n".to_owned(), vec![]),
        (shared, "defaults: [\n".to_owned(), vec![]),
        (shared, "- defaults\n".to_owned(), vec![]),
        (
            shared,
            "placeholders: {PUSHGATEWAY_URL: {secret: s, feild: f}}\n".to_owned(),
            vec![],
        ),
        (b, "placeholders: {PUSHGATEWAY_URL: {field: f}}\n".to_owned(), vec![]),
        (
            b,
            "placeholders: {PUSHGATEWAY_URL: {secret: s, feild: f}}\n".to_owned(),
            vec![],
        ),
        (b, sink("ca_file: ../ca.pem"), vec![]),
        (b, sink("ca_flie: ca.pem"), vec![]),
        (b, sink("timeout: soon"), vec![]),
        (b, sink("grouping: {job: x}"), vec![]),
        (b, sink("timeout: 1s"), vec!["j", "other"]),
    ] {
        let mut files = vec![("other.yaml", other.as_str()), (file, text.as_str())];
        if file != a {
            files.push((a, &good));
        }
        let loaded = Folder::new(&files).load();
        let jobs: Vec<_> = loaded.configuration.jobs.iter().map(|job| job.name.as_str()).collect();
        assert_eq!(jobs, left, "{file}: {text}\n{}", loaded.report.summary());
        assert_eq!(loaded.report.mistakes() == 0, text == sink("timeout: 1s"), "{text}");
    }
}

#[test]
fn a_metric_that_keeps_its_series_stands_alone_or_among_its_like() {
    let second = "- name: n\n  help: h\n  value: v\n  query: SELECT 1 AS v\n";
    let two = |first: &str, more: &str, job: &str| {
        let text = minimal(job, first);
        let indented = |by, lines: &str| lines.lines().flat_map(|line| [by, line, "\n"]).collect::<String>();
        text + &indented("  ", second) + &indented("    ", more)
    };
    for (first, more, job, expected) in [
        (
            "on_empty: keep",
            "",
            "",
            "`m` keeps its series when there are no rows, and `n` does not",
        ),
        (
            "on_empty: keep",
            "on_empty: zero",
            "on_error: drop",
            "the job's `on_error` drops those that fail",
        ),
        ("on_empty: keep", "on_empty: keep", "", ""),
        ("on_empty: keep", "on_empty: zero", "", ""),
        ("", "", "on_error: drop", ""),
    ] {
        let findings = findings(&[("a.yaml", &two(first, more, job))]);
        assert_eq!(
            findings.len(),
            usize::from(!expected.is_empty()),
            "{first} {more} {job}: {findings:#?}"
        );
        assert!(
            findings.iter().all(|finding| finding.contains(expected)),
            "{findings:#?}"
        );
    }
    assert_eq!(
        findings(&[("a.yaml", &minimal("on_error: drop", "on_empty: keep"))]),
        [""; 0]
    );
}

#[test]
fn heal_is_read_from_the_shared_file_alone() {
    let text = "heal: {schedule: '7,37 * * * *', timezone: Europe/Paris, min_period: 2h}\n";
    let loaded = Folder::new(&[("fanlight.yaml", text), ("a.yaml", &minimal("", ""))]).load();
    assert_eq!(loaded.report.summary(), "");
    let heal = loaded.configuration.heal.as_ref().unwrap();
    assert_eq!(
        (heal.schedule.expression(), heal.schedule.time_zone()),
        ("7,37 * * * *", "Europe/Paris")
    );
    assert_eq!(heal.min_period, Duration::from_hours(2));
    let heal = |text: &str| {
        let loaded = Folder::new(&[("fanlight.yaml", text), ("a.yaml", &minimal("", ""))]).load();
        // Whatever is wrong with it, the jobs run.
        assert_eq!(loaded.configuration.jobs.len(), 1, "{text}");
        let min_period = loaded.configuration.heal.as_ref().map(|heal| heal.min_period);
        (
            min_period,
            loaded
                .report
                .summary()
                .split_once(": ")
                .map(|(_, what)| what.to_owned()),
        )
    };
    assert_eq!(
        heal("heal: {schedule: '7 * * * *'}"),
        (Some(Duration::from_hours(1)), None)
    );
    for (text, words) in [
        ("heal: {}", "`heal` has no `schedule`; say when to look"),
        ("heal: {schedule: hourly}", "the schedule"),
        ("heal: {schedule: '0 0 13 * FRI'}", "EventBridge"),
        (
            "heal: {schedule: '7 * * * *', timezone: Europe/Pariss}",
            "there is no time zone `Europe/Pariss`; did you mean",
        ),
        ("heal: {schedule: '7 * * * *', min_period: 1}", "1 of which unit?"),
        ("heal: {schedule: '7 * * * *', period: 1h}", "unknown key `period`"),
    ] {
        let (settings, told) = heal(text);
        assert_eq!(settings, None, "{text}");
        assert!(
            told.as_ref().is_some_and(|told| told.contains(words)),
            "{text}: {told:?}"
        );
    }
    let elsewhere = minimal("", "") + "heal: {schedule: '7 * * * *'}\n";
    let loaded = load_text(&elsewhere);
    assert!(
        loaded
            .report
            .summary()
            .contains("only `fanlight.yaml` says when jobs are healed; move `heal` there")
    );
}

#[test]
fn a_grouping_key_has_no_label_of_fanlights_own() {
    let text = "sinks: {default: {pushgateway: {url: 'http://gw', grouping: {fanlight_job: x}}}}\n".to_owned()
        + &minimal("", "");
    let summary = load_text(&text).report.summary();
    assert!(
        summary.contains("`fanlight_job` tells Fanlight's own groups apart"),
        "{summary}"
    );
}

#[test]
fn all_sinks_are_known_those_that_no_job_uses_among_them() {
    let names = |text: &str| -> Vec<String> {
        let sinks = load_text(text).configuration.sinks;
        sinks.into_iter().map(|sink| sink.name).collect()
    };
    assert_eq!(names(&minimal("", "")), ["default"]);
    assert_eq!(
        names("defaults: {owner: a}\n"),
        ["default"],
        "the one that there is where none is declared"
    );
    let two = "sinks: {b: {pushgateway: {url: 'http://b'}}, a: {pushgateway: {url: 'http://a'}}}\n";
    assert_eq!(names(two), ["a", "b"]);
}
