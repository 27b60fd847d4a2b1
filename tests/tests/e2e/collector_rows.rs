//! What rows become in the gateway: labels, values and policies, through the collector's binary.

use anyhow::Result;
use fanlight_tests::{Stage, job};
use serde_json::json;

/// The gateway's series of a metric without the labels that all have.
async fn series(stage: &Stage, metric: &str) -> Result<Vec<String>> {
    let series = stage.gateway.series(metric).await?;
    let short = |line: String| {
        line.replace(r#"{instance="",job="j"}"#, "")
            .replace(r#"instance="",job="j","#, "")
    };
    let mut series: Vec<_> = series.into_iter().map(short).collect();
    series.sort();
    Ok(series)
}

#[tokio::test]
async fn label_sets_that_vanish_from_the_database_vanish_from_the_gateway() -> Result<()> {
    let stage = Stage::new(
        &job("
  metrics:
  - name: m
    help: h
    labels: [l]
    value: v
    query: SELECT l, v FROM t
"),
        "CREATE TABLE t (l text, v int); INSERT INTO t VALUES ('a', 1), ('b', 2)",
    )
    .await?;
    stage.succeed("j").await?;
    assert_eq!(series(&stage, "m").await?, [r#"m{l="a"} 1"#, r#"m{l="b"} 2"#]);
    stage.database.execute("DELETE FROM t WHERE l = 'a'").await?;
    stage.succeed("j").await?;
    assert_eq!(series(&stage, "m").await?, [r#"m{l="b"} 2"#]);
    stage.database.execute("DELETE FROM t").await?;
    assert_eq!(stage.succeed("j").await?, json!({"job": "j", "series": 0}));
    assert_eq!(series(&stage, "m").await?, Vec::<String>::new());
    let told = stage.told("j").await?;
    assert_eq!((told.job("up"), told.metrics("series").as_str()), (Some(1.0), "m=0"));
    Ok(())
}

#[tokio::test]
async fn no_rows_are_what_on_empty_says() -> Result<()> {
    let metric = |policy: &str, more: &str| {
        format!(
            "  - name: {policy}\n    help: h\n    on_empty: {policy}\n    value: v\n    query: SELECT v FROM t\n{more}"
        )
    };
    let grid = "  - name: grid\n    help: h\n    on_empty: zero\n    labels: [l]\n    fill: {l: [a, b]}\n    value: v\n    \
                query: SELECT v, 'a' AS l FROM t\n";
    let config = job(&format!(
        "  metrics:\n{}{}{}{grid}",
        metric("clear", ""),
        metric("zero", ""),
        metric("error", "")
    ));
    // A job of its own, since `keep` is told by a POST of the others.
    let keep = job(&format!("  metrics:\n{}", metric("keep", "")));
    let keep = keep.trim_start_matches("jobs:\n").replace("name: j", "name: k");
    let stage = Stage::new(&format!("{config}{keep}"), "CREATE TABLE t AS SELECT 5 AS v").await?;
    stage.succeed("j").await?;
    stage.succeed("k").await?;
    stage.database.execute("DELETE FROM t").await?;
    let (kind, message) = stage.fail("j").await?;
    assert_eq!(kind, "rows");
    assert!(
        message.contains("error failed: query error (")
            && message.contains("the query gave no rows, which `on_empty: error` makes a failure"),
        "{message}"
    );
    stage.succeed("k").await?;
    assert_eq!(series(&stage, "keep").await?, [r#"keep{instance="",job="k"} 5"#]);
    assert_eq!(series(&stage, "zero").await?, ["zero 0"]);
    assert_eq!(series(&stage, "error").await?, ["error 5"], "its last good value");
    assert_eq!(series(&stage, "grid").await?, [r#"grid{l="a"} 0"#, r#"grid{l="b"} 0"#]);

    stage.database.execute("INSERT INTO t VALUES (6)").await?;
    stage.succeed("j").await?;
    stage.succeed("k").await?;
    for metric in ["clear", "zero", "error"] {
        assert_eq!(series(&stage, metric).await?, [format!("{metric} 6")]);
    }
    assert_eq!(series(&stage, "grid").await?, [r#"grid{l="a"} 6"#, r#"grid{l="b"} 0"#]);
    assert_eq!(series(&stage, "keep").await?, [r#"keep{instance="",job="k"} 6"#]);
    Ok(())
}

#[tokio::test]
async fn clear_removes_the_series_when_there_are_no_rows() -> Result<()> {
    let stage = Stage::new(
        &job("
  metrics:
  - name: cleared
    help: h
    value: v
    query: SELECT v FROM t
  - name: stays
    help: h
    value: v
    query: SELECT 1 AS v
"),
        "CREATE TABLE t AS SELECT 5 AS v",
    )
    .await?;
    stage.succeed("j").await?;
    stage.database.execute("DELETE FROM t").await?;
    stage.succeed("j").await?;
    assert_eq!(series(&stage, "cleared").await?, Vec::<String>::new());
    assert_eq!(series(&stage, "stays").await?, ["stays 1"]);
    Ok(())
}

#[tokio::test]
async fn nulls_are_what_the_policies_say() -> Result<()> {
    let metric = |policy: &str| {
        format!(
            "  - name: {policy}\n    help: h\n    null_value: {policy}\n    labels: [l]\n    value: v\n    from_query: q\n"
        )
    };
    let policies = ["skip", "zero", "nan", "error"].map(metric).concat();
    let config = job(&format!(
        "  queries: {{q: {{query: 'SELECT l, v FROM t ORDER BY l'}}}}\n  metrics:\n{policies}  - name: named\n    help: \
         h\n    null_label: nobody\n    labels: [l]\n    value: v\n    query: SELECT NULL::text AS l, 1 AS v\n"
    ));
    let stage = Stage::new(
        &config,
        "CREATE TABLE t (l text, v numeric); INSERT INTO t VALUES ('a', 1.5), ('b', NULL), (NULL, 3)",
    )
    .await?;
    let (kind, message) = stage.fail("j").await?;
    assert_eq!(kind, "rows");
    assert!(message.starts_with("job j: error failed: query q ("), "{message}");
    assert!(message.contains("row 2: value column \"v\" is NULL"), "{message}");
    let others = [r#"{l="a"} 1.5"#, r#"{l="b"} "#, " 3"];
    assert_eq!(series(&stage, "skip").await?, ["skip 3", r#"skip{l="a"} 1.5"#]);
    for (metric, null) in [("zero", "0"), ("nan", "NaN")] {
        let mut expected = others.map(|rest| format!("{metric}{rest}"));
        expected[1].push_str(null);
        expected.sort();
        assert_eq!(series(&stage, metric).await?, expected);
    }
    assert_eq!(series(&stage, "error").await?, Vec::<String>::new());
    assert_eq!(series(&stage, "named").await?, [r#"named{l="nobody"} 1"#]);
    assert_eq!(
        stage.told("j").await?.metrics("nulls"),
        "error=0 named=0 nan=1 skip=1 zero=1"
    );
    Ok(())
}

#[tokio::test]
async fn external_rows_without_an_organisation_are_never_pushed() -> Result<()> {
    let stage = Stage::new(
        &job("
  static_labels: {origin: cards}
  metrics:
  - name: external
    help: h
    external: true
    labels: [organisation_id, kind]
    value: v
    query: SELECT organisation_id, kind, v FROM t
    # What would give rows without an organisation one.
    null_label: nobody
"),
        "CREATE TABLE t (organisation_id text, kind text, v int);
        INSERT INTO t VALUES ('o1', 'x', 1), (NULL, 'x', 2), ('', 'x', 3), ('o2', NULL, 4)",
    )
    .await?;
    assert_eq!(stage.succeed("j").await?, json!({"job": "j", "series": 2}));
    assert_eq!(
        series(&stage, "external").await?,
        [
            r#"external{kind="nobody",metric_purpose="external",organisation_id="o2",origin="cards"} 4"#,
            r#"external{kind="x",metric_purpose="external",organisation_id="o1",origin="cards"} 1"#,
        ]
    );
    Ok(())
}

#[tokio::test]
async fn rows_without_an_organisation_are_counted_and_warned_about() -> Result<()> {
    let stage = Stage::new(
        &job("
  metrics:
  - name: external
    help: h
    external: true
    labels: [organisation_id]
    value: v
    query: SELECT organisation_id, v FROM t
"),
        "CREATE TABLE t (organisation_id uuid, v int);
        INSERT INTO t VALUES ('9f86d081-884c-4d65-9a2f-eaa0c55ad015', 1), (NULL, 2), (NULL, 3)",
    )
    .await?;
    stage.succeed("j").await?;
    assert_eq!(
        series(&stage, "external").await?,
        [r#"external{metric_purpose="external",organisation_id="9f86d081-884c-4d65-9a2f-eaa0c55ad015"} 1"#]
    );
    let told = stage.told("j").await?;
    assert_eq!(told.metrics("rows_without_organisation"), "external=2");
    assert_eq!(
        (told.metrics("rows"), told.metrics("series")),
        ("external=3".into(), "external=1".into())
    );
    let log = stage.collector.log();
    let warning = log
        .lines()
        .find(|line| line.contains("rows without an organisation were left out of an external metric"));
    assert!(
        warning.is_some_and(|line| line.contains(r#""level":"WARN""#) && line.contains(r#""rows":2"#)),
        "{log}"
    );
    Ok(())
}

#[tokio::test]
async fn an_external_metric_without_the_label_does_not_run() -> Result<()> {
    let stage = Stage::new(
        &job("
  metrics:
  - name: external
    help: h
    external: true
    labels: [kind]
    value: v
    query: SELECT 'x' AS kind, 1 AS v
"),
        "",
    )
    .await?;
    let (kind, message) = stage.fail("j").await?;
    assert_eq!(kind, "unknown_job");
    assert_eq!(
        message,
        "the job `j` does not run because of a mistake, which `fanlight check` shows"
    );
    let log = stage.collector.log();
    assert!(
        log.contains("`external` is external but has no label `organisation_id`"),
        "{log}"
    );
    assert!(stage.gateway.groups().await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn one_query_gives_several_metrics_and_several_values() -> Result<()> {
    let stage = Stage::new(
        &job("
  static_labels: {env: test, region: here}
  queries:
    q:
      query: SELECT step, started, ended, seconds FROM t
  metrics:
  - name: people
    help: h
    from_query: q
    labels: {at: step}
    values: {label: phase, columns: {started: started, finished: ended}}
  - name: wait_seconds
    unit: seconds
    help: h
    from_query: q
    labels: [step]
    static_labels: {region: there}
    value: seconds
"),
        "CREATE TABLE t (step text, started int, ended bigint, seconds interval);
        INSERT INTO t VALUES ('mail', 10, 7, '1 minute 0.5 seconds'), ('phone', 7, 3, NULL)",
    )
    .await?;
    assert_eq!(stage.succeed("j").await?, json!({"job": "j", "series": 5}));
    assert_eq!(
        series(&stage, "people").await?,
        [
            r#"people{at="mail",env="test",phase="finished",region="here"} 7"#,
            r#"people{at="mail",env="test",phase="started",region="here"} 10"#,
            r#"people{at="phone",env="test",phase="finished",region="here"} 3"#,
            r#"people{at="phone",env="test",phase="started",region="here"} 7"#,
        ]
    );
    assert_eq!(
        series(&stage, "wait_seconds").await?,
        [r#"wait_seconds{env="test",region="there",step="mail"} 60.5"#]
    );
    Ok(())
}

#[tokio::test]
async fn windows_bind_to_the_scheduled_time() -> Result<()> {
    let stage = Stage::new(
        &job("
  metrics:
  - name: in_window
    help: h
    value: v
    query: SELECT count(*) AS v FROM t WHERE at > $1 AND at <= $2 AND kind = $3 AND n = $4 AND ($5::text IS NULL) AND b = $6
    parameters: [{scheduled_time: -1h}, {scheduled_time: 0s}, \"it's; DROP TABLE t\", 7, ~, true]
"),
        "CREATE TABLE t (at timestamptz, kind text, n int, b bool);
        INSERT INTO t SELECT at, 'it''s; DROP TABLE t', 7, true FROM unnest(ARRAY[
            '2026-01-31T09:20:00Z', '2026-01-31T09:20:01Z', '2026-01-31T10:20:00Z', '2026-01-31T10:20:01Z',
            '2026-01-31T11:00:00Z']::timestamptz[]) AS at",
    )
    .await?;
    // Long after its time, and still the window of its time.
    stage.deliver("j", "2026-01-31T10:20:00Z").await??;
    assert_eq!(series(&stage, "in_window").await?, ["in_window 2"]);
    stage.deliver("j", "2026-01-31T11:00:00Z").await??;
    assert_eq!(series(&stage, "in_window").await?, ["in_window 3"]);
    assert_eq!(stage.database.value("SELECT count(*) FROM t").await?, "5");
    Ok(())
}

#[tokio::test]
async fn a_grid_is_filled_and_other_values_fall_into_a_bucket() -> Result<()> {
    let stage = Stage::new(
        &job("
  metrics:
  - name: m
    help: h
    labels: [os, step]
    fill: {os: [ios, other], step: [a, b]}
    allowed_values: {os: [ios, android]}
    value: v
    query: SELECT os, step, v FROM t
"),
        "CREATE TABLE t (os text, step text, v numeric);
        INSERT INTO t VALUES ('ios', 'a', 1), ('symbian', 'a', 2.5), ('beos', 'a', 3), ('android', 'c', 4)",
    )
    .await?;
    stage.succeed("j").await?;
    assert_eq!(
        series(&stage, "m").await?,
        [
            r#"m{os="android",step="c"} 4"#,
            r#"m{os="ios",step="a"} 1"#,
            r#"m{os="ios",step="b"} 0"#,
            r#"m{os="other",step="a"} 5.5"#,
            r#"m{os="other",step="b"} 0"#,
        ]
    );
    Ok(())
}

#[tokio::test]
async fn duplicates_are_what_the_policies_say() -> Result<()> {
    let metric = |policy: &str| {
        let name = if policy == "error" { "refused" } else { policy };
        format!(
            "  - name: {name}_of\n    help: h\n    duplicates: {policy}\n    labels: [l]\n    value: v\n    from_query: q\n"
        )
    };
    let config = job(&format!(
        "  queries: {{q: {{query: 'SELECT l, v FROM t ORDER BY n'}}}}\n  metrics:\n{}",
        ["error", "sum", "max", "last"].map(metric).concat()
    ));
    let stage = Stage::new(
        &config,
        "CREATE TABLE t (n int, l text, v int); INSERT INTO t VALUES (1, 'x', 3), (2, 'y', 1), (3, 'x', 4), (4, 'x', 2)",
    )
    .await?;
    let (kind, message) = stage.fail("j").await?;
    assert_eq!(kind, "rows");
    assert!(
        message.contains("refused_of failed: query q (")
            && message.contains(r#"row 3 has the same labels as an earlier row, {l="x"}: "#),
        "{message}"
    );
    for (metric, value) in [("sum_of", 9), ("max_of", 4), ("last_of", 2)] {
        assert_eq!(
            series(&stage, metric).await?,
            [
                format!(r#"{metric}{{l="x"}} {value}"#),
                format!(r#"{metric}{{l="y"}} 1"#)
            ]
        );
    }
    Ok(())
}

#[tokio::test]
async fn more_series_than_allowed_fail_the_metric_and_leave_its_last_series() -> Result<()> {
    let stage = Stage::new(
        &job("
  metrics:
  - name: m
    help: h
    max_series: 2
    labels: [l]
    value: l
    query: SELECT l FROM t
"),
        "CREATE TABLE t AS SELECT generate_series(1, 2) AS l",
    )
    .await?;
    stage.succeed("j").await?;
    stage
        .database
        .execute("INSERT INTO t SELECT generate_series(3, 100000)")
        .await?;
    let (kind, message) = stage.fail("j").await?;
    assert_eq!(kind, "rows");
    assert!(
        message.contains("more than 2 series: group by fewer labels"),
        "{message}"
    );
    assert_eq!(series(&stage, "m").await?, [r#"m{l="1"} 1"#, r#"m{l="2"} 2"#]);
    Ok(())
}

/// Every scalar type in one query, as a value or as a label.
#[tokio::test]
async fn every_scalar_type_arrives() -> Result<()> {
    let values = [
        ("int2", "'-32768'::int2", "-32768"),
        ("int8", "'9007199254740993'::int8", "9.007199254740992e+15"),
        ("numeric", "'0.1'::numeric", "0.1"),
        ("numeric_nan", "'NaN'::numeric", "NaN"),
        ("float4", "'0.1'::float4", "0.1"),
        ("float8", "'-Infinity'::float8", "-Inf"),
        ("bool", "true", "1"),
        ("interval", "'2 hours 0.25 seconds'::interval", "7200.25"),
        ("timestamptz", "'2026-01-31T10:20:00+01'::timestamptz", "1.7698512e+09"),
        ("timestamp", "'2026-01-31T09:20:00'::timestamp", "1.7698512e+09"),
        ("date", "'1970-01-02'::date", "86400"),
    ];
    let labels = [
        ("text", r#"e'q"b\\s\nn'"#, r#"q\"b\\s\nn"#),
        ("mood", "'happy'::mood", "happy"),
        (
            "uuid",
            "'9F86D081-884C-4D65-9A2F-EAA0C55AD015'::uuid",
            "9f86d081-884c-4d65-9a2f-eaa0c55ad015",
        ),
        ("int", "42", "42"),
        ("boolean", "false", "false"),
    ];
    let columns = values.iter().map(|(name, sql, _)| format!("{sql} AS v_{name}"));
    let columns = columns.chain(labels.iter().map(|(name, sql, _)| format!("{sql} AS l_{name}")));
    let sql = columns.collect::<Vec<_>>().join(", ").replace('\'', "''");
    let names = |prefix: &str, rows: &[(&str, &str, &str)]| {
        rows.iter()
            .map(|(name, ..)| format!("{name}: {prefix}_{name}"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let config = job(&format!(
        "  metrics:\n  - name: m\n    help: h\n    labels: {{{}}}\n    values: {{label: type, columns: {{{}}}}}\n    \
         query: 'SELECT {sql}'\n",
        names("l", &labels),
        names("v", &values),
    ));
    let stage = Stage::new(&config, "CREATE TYPE mood AS ENUM ('happy')").await?;
    stage.succeed("j").await?;
    let series = series(&stage, "m").await?;
    assert_eq!(series.len(), values.len());
    for (name, _, value) in values {
        let line = series.iter().find(|line| line.contains(&format!(r#"type="{name}""#)));
        assert!(
            line.is_some_and(|line| line.ends_with(&format!(" {value}"))),
            "{name}: {line:?}"
        );
    }
    for (name, _, value) in labels {
        assert!(
            series[0].contains(&format!(r#"{name}="{value}""#)),
            "{name}: {}",
            series[0]
        );
    }
    Ok(())
}
