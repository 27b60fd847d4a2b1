//! The source and its queries as they are configured.

use crate::config::sample::{findings, loaded};

fn job(source: &str, query: &str) -> String {
    format!(
        "sources: {{s: {{cloudwatch: {{{source}}}}}}}\njobs:\n- name: j\n  schedule: '* * * * *'\n  source: s\n  \
         metrics:\n  - {{name: m, help: h, value: value, query: {{cloudwatch: {{{query}}}}}}}\n"
    )
}

const METRIC: &str = "namespace: AWS/SQS, metric: Sent, statistic: Sum";

#[test]
fn everything_that_can_be_said_is_read() {
    let text = "
sources:
  other:
    cloudwatch: {region: eu-west-3, role: 'arn:aws:iam::123456789012:role/path/{{ROLE}}', external_id: '{{EXTERNAL}}'}
jobs:
- name: balancers
  schedule: '* * * * *'
  source: other
  queries:
    errors:
      query:
        cloudwatch:
          namespace: AWS/ApplicationELB
          dimensions: {LoadBalancer: '*', Stage: '{{STAGE}}'}
          statistic: Sum
          expression: 100 * FILL(errors, 0) / requests
          inputs:
            errors: {metric: HTTPCode_ELB_5XX_Count}
            requests: {metric: RequestCount, namespace: Own, statistic: TM(5%:95%), dimensions: {Kind: web}}
          period: 1m
          length: 10m
          delay: 0s
          max_metrics: 20
  metrics:
  - {name: errors_percent, help: h, labels: {balancer: LoadBalancer}, value: value, from_query: errors}
  - {name: errors_timestamp_seconds, help: h, labels: {balancer: LoadBalancer}, value: timestamp, from_query: errors}
- name: messages
  schedule: '* * * * *'
  source: {cloudwatch: {}}
  metrics:
  - {name: sent, help: h, value: value, query: {cloudwatch: {namespace: AWS/SQS, metric: Sent, statistic: p99.9}}}
";
    let loaded = loaded(text);
    assert_eq!(loaded.report.summary(), "");
    let shown = format!("{:?}", loaded.configuration.job("balancers").unwrap().queries[0].asked);
    for part in [
        r#"("LoadBalancer", Every), ("Stage", Exactly("#,
        r#"Input { name: "errors", namespace: "AWS/ApplicationELB", metric: "HTTPCode_ELB_5XX_Count", statistic: "Sum""#,
        r#"Input { name: "requests", namespace: "Own", metric: "RequestCount", statistic: "TM(5%:95%)", dimensions: [("Kind""#,
        "Reach { period: 60, length: 600, delay: 0 }, max_metrics: 20",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let shown = format!("{:?}", loaded.configuration.job("messages").unwrap().queries[0].asked);
    assert!(
        shown.contains("Reach { period: 300, length: 300, delay: 300 }, max_metrics: 500"),
        "{shown}"
    );
}

#[test]
fn mistakes_of_a_source_are_told_where_they_stand() {
    for (source, expected) in [
        (
            "region: Paris",
            "<Paris> `Paris` is not a region of AWS; write one such as `eu-west-3`; without any, the function's own is asked",
        ),
        (
            "region: eu-west-",
            "<eu-west-> `eu-west-` is not a region of AWS; write one such as `eu-west-3`; without any, the function's own is asked",
        ),
        (
            "role: reader",
            "<reader> a role is named by its ARN; write `arn:aws:iam::123456789012:role/NAME`",
        ),
        (
            "role: 'arn:aws:iam::1234:role/reader'",
            "<'arn:aws:iam::1234:role/reader'> a role is named by its ARN; write `arn:aws:iam::123456789012:role/NAME`",
        ),
        (
            "external_id: x",
            "<x> an `external_id` belongs to a `role`; add `role: 'arn:aws:iam::ACCOUNT:role/NAME'`, or remove it",
        ),
    ] {
        assert_eq!(findings(&job(source, METRIC)), [expected], "{source}");
    }
}

#[test]
fn mistakes_of_a_query_are_told_where_they_stand() {
    for (query, expected) in [
        (
            "namespace: N, statistic: Sum",
            "the query names no metric; add `metric: NAME`, or an `expression` and its `inputs`",
        ),
        (
            "metric: M, statistic: Sum",
            "`namespace` is lacking here; add `namespace: AWS/ApplicationELB`",
        ),
        (
            "namespace: N, metric: M",
            "`statistic` is lacking here; add `statistic: Sum`",
        ),
        (
            "namespace: N, metric: M, statistic: sum",
            "<sum> `sum` is not a statistic of CloudWatch; did you mean `Sum`?",
        ),
        (
            "namespace: ':N', metric: M, statistic: Sum",
            "<':N'> a namespace has from 1 to 255",
        ),
        (
            "namespace: N, metric: é, statistic: Sum",
            "<é> a metric's name has from 1 to 255 characters of ASCII",
        ),
        (
            "period: 90s",
            "<90s> a period is 1, 5, 10, 20 or 30 seconds, or a number of whole minutes up to a day; write such as `period: 5m`",
        ),
        (
            "length: 7m",
            "<7m> a length is a number of whole periods, 1440 at most; its newest data point is taken: write such as `length: 900s`",
        ),
        (
            "delay: -1m",
            "<-1m> a delay does not point into the future; write such as `delay: 2m`",
        ),
        (
            "period: 10s, delay: 4h",
            "<10s> the window begins more than 3 hours ago, where CloudWatch keeps whole minutes only; make `period` longer, or `delay` or `length` shorter",
        ),
        (
            "delay: 500d, period: 1h",
            "<500d> the window begins before what CloudWatch keeps, which is 455 days; make `delay` or `length` shorter",
        ),
        (
            "dimensions: {value: x}",
            "<value> a dimension `value` would be a second column of that name; `value` and `timestamp` are the data point's own columns",
        ),
        (
            "dimensions: {':a': x}",
            "<':a'> a dimension's name has from 1 to 255 characters of ASCII",
        ),
        (
            "dimensions: {a: é}",
            "<é> a dimension's value has from 1 to 1024 characters of ASCII; write it as CloudWatch shows it, or `'*'` for every value",
        ),
        (
            "expression: a",
            "there is both a `metric` and an expression with `inputs`",
        ),
    ] {
        let query = if query.starts_with("namespace") || query.starts_with("metric") {
            query.to_owned()
        } else {
            format!("{METRIC}, {query}")
        };
        let found = findings(&job("", &query));
        assert!(found.len() == 1 && found[0].contains(expected), "{query}: {found:#?}");
    }
    let many: Vec<String> = (0..31).map(|number| format!("d{number}: x")).collect();
    let found = findings(&job("", &format!("{METRIC}, dimensions: {{{}}}", many.join(", "))));
    assert!(
        found
            .iter()
            .any(|found| found.contains("at most 30 dimensions, not 31")),
        "{found:#?}"
    );
}

#[test]
fn mistakes_of_an_expression_are_told_where_they_stand() {
    let inputs = "inputs: {errors: {metric: E}, requests: {metric: R}}";
    for (query, expected) in [
        (
            "expression: errors".to_owned(),
            "<errors> an `expression` needs `inputs`",
        ),
        (inputs.to_owned(), "`inputs` need an `expression`"),
        (
            format!("expression: errors / request, {inputs}"),
            "<errors / request> there is no input `request`; did you mean `requests`?",
        ),
        (
            format!("expression: 'SEARCH(requests)', {inputs}"),
            "`SEARCH` gives series that have no dimensions to tell them apart",
        ),
        (
            format!("expression: errors, {inputs}"),
            "<requests> the expression does not use `requests`, which would be paid for; use it, or remove it",
        ),
        (
            format!("expression: '', {inputs}"),
            "an expression has from 1 to 2048 characters",
        ),
        (
            format!("expression: 'errors/requests{}', {inputs}", "+errors".repeat(300)),
            "an expression has from 1 to 2048 characters",
        ),
        (
            "expression: Errors, inputs: {Errors: {metric: E}}".to_owned(),
            "<Errors> an input's name begins in lower case",
        ),
        (
            "expression: e, inputs: {e: {statistic: Sum}}".to_owned(),
            "`metric` is lacking here; add `metric: RequestCount`",
        ),
        (
            "expression: e, inputs: {}".to_owned(),
            "an expression has from 1 to 20 inputs",
        ),
        (
            "expression: e, inputs: {e: {metric: E, dimensions: {a: '*'}}}".to_owned(),
            "<'*'> an input has one value of each dimension of its own",
        ),
        (
            "dimensions: {a: b}, expression: e, inputs: {e: {metric: E, dimensions: {a: c}}}".to_owned(),
            "`e` has the query's dimension `a` already",
        ),
    ] {
        let found = findings(&job("", &format!("namespace: N, statistic: Sum, {query}")));
        assert!(
            found.iter().any(|found| found.contains(expected)),
            "{query}: {found:#?}"
        );
    }
}

#[test]
fn metrics_are_held_against_the_columns_before_anything_is_asked() {
    let text = job("", METRIC).replace("value: value", "labels: [QueueName], value: value");
    assert_eq!(
        findings(&text),
        ["<QueueName> the query gives no column `QueueName`, which `m` needs; it gives value, timestamp"]
    );
}
