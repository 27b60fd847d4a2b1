//! CloudWatch as a source: moto's for what moto does right, scripted answers for what it never does.

use std::time::Duration;

use anyhow::Result;
use fanlight_tests::faults::{self, Hanging};
use fanlight_tests::{CloudWatch, CloudWatchTold, Collector, ConfigFolder, Pushgateway, Say, Told, fanlight};
use serde_json::{Value, json};

/// Periods of five minutes end before it: at 10:00 with the default delay of five minutes.
const SCHEDULED: &str = "2026-11-21T10:07:00Z";
/// 10:00 of that day.
const END: i64 = 1_795_255_200;

/// A configuration with one job that reads CloudWatch by `source`; the job's settings and metrics follow.
fn job(source: &str, rest: &str) -> String {
    format!(
        "sources: {{cw: {{cloudwatch: {source}}}}}\njobs:\n- name: j\n  schedule: '* * * * *'\n  source: cw\n{}",
        rest.trim_start_matches('\n')
    )
}

/// A job with one metric `m` of the query's value, by `LoadBalancer`.
fn balancers(query: &str) -> String {
    job(
        "{}",
        &format!(
            "  metrics:\n  - {{name: m, help: h, labels: [LoadBalancer], value: value, query: {{cloudwatch: {{{query}}}}}}}\n"
        ),
    )
}

const REQUESTS: &str =
    "namespace: AWS/ApplicationELB, metric: RequestCount, dimensions: {LoadBalancer: '*'}, statistic: Sum";

/// The delivery of the job's schedule.
fn event() -> Value {
    json!({"job": "j", "scheduled_time": SCHEDULED})
}

/// A CloudWatch, a gateway, and the collector between them.
struct Stage {
    gateway: Pushgateway,
    collector: Collector,
}

impl Stage {
    async fn new(config: &str, environment: Vec<(&'static str, String)>) -> Result<Self> {
        let gateway = Pushgateway::start().await?;
        let environment = environment.into_iter().chain([("PUSHGATEWAY_URL", gateway.url())]);
        let collector = Collector::new(&[("a.yaml", config)], environment, Duration::from_secs(30))?;
        Ok(Self { gateway, collector })
    }

    async fn succeed(&self) -> Result<Value> {
        self.collector.succeed(&event()).await
    }

    async fn fail(&self) -> Result<(String, String)> {
        self.collector.fail(&event()).await
    }

    async fn series(&self, metric: &str) -> Result<Vec<String>> {
        let series = self.gateway.series(metric).await?;
        let short = |line: &String| {
            line.replace(r#"instance="",job="j""#, "")
                .replace(",}", "}")
                .replace("{,", "{")
        };
        Ok(series.iter().map(short).collect())
    }
}

/// What `ListMetrics` answers of load balancers.
fn listed(names: impl IntoIterator<Item = String>, next: Option<&str>) -> Say {
    let metrics = names.into_iter().map(|name| {
        json!({"Namespace": "AWS/ApplicationELB", "MetricName": "RequestCount",
            "Dimensions": [{"Name": "LoadBalancer", "Value": name}]})
    });
    let mut answer = json!({"Metrics": metrics.collect::<Vec<_>>()});
    if let Some(next) = next {
        answer["NextToken"] = next.into();
    }
    Say::Answer(answer)
}

/// A complete answer of one point to each entry that wants one, whose value is what `value` says of the entry.
fn points(told: &CloudWatchTold, value: impl Fn(&Value) -> f64) -> Vec<Value> {
    let entries = told.input["MetricDataQueries"].as_array().unwrap();
    let wanted = entries.iter().filter(|entry| entry["ReturnData"] != json!(false));
    wanted
        .map(|entry| {
            json!({"Id": entry["Id"], "Label": "l", "StatusCode": "Complete",
                "Timestamps": [END - 300], "Values": [value(entry)]})
        })
        .collect()
}

/// The value of an entry's first dimension.
fn dimension(entry: &Value) -> &str {
    entry["MetricStat"]["Metric"]["Dimensions"][0]["Value"]
        .as_str()
        .unwrap()
}

#[tokio::test]
async fn each_load_balancer_has_its_newest_complete_point_and_its_time() -> Result<()> {
    let aws = CloudWatch::start().await?;
    let put = async |dimensions: &[(&str, &str)], seconds: i64, value: f64| {
        aws.put("AWS/ApplicationELB", "RequestCount", dimensions, seconds, value)
            .await
    };
    let one = [("LoadBalancer", "app/one")];
    // Two of one period are added up; the period before is old, the one after not complete.
    put(&one, END - 300, 3.0).await?;
    put(&one, END - 60, 4.0).await?;
    put(&one, END - 360, 100.0).await?;
    put(&one, END + 10, 1000.0).await?;
    put(&[("LoadBalancer", "app/two")], END - 400, 9.0).await?;
    // Of one further dimension, it is another metric.
    put(
        &[("LoadBalancer", "app/one"), ("AvailabilityZone", "a")],
        END - 300,
        50.0,
    )
    .await?;
    let config = job(
        "{}",
        "
  queries:
    requests: {query: {cloudwatch: {namespace: AWS/ApplicationELB, metric: RequestCount, dimensions: {LoadBalancer: '*'},
      statistic: Sum, length: 10m}}}
    latest: {query: {cloudwatch: {namespace: AWS/ApplicationELB, metric: RequestCount, dimensions: {LoadBalancer: '*'},
      statistic: Sum}}}
  metrics:
  - {name: requests, help: h, labels: {balancer: LoadBalancer}, value: value, from_query: requests}
  - {name: requests_timestamp_seconds, help: h, labels: {balancer: LoadBalancer}, value: timestamp, from_query: requests}
  - {name: skipped, help: h, labels: [LoadBalancer], value: value, from_query: latest}
  - {name: zero, help: h, labels: [LoadBalancer], value: value, null_value: zero, from_query: latest}
  - {name: not, help: h, labels: [LoadBalancer], value: value, null_value: nan, from_query: latest}
",
    );
    let stage = Stage::new(&config, aws.environment()).await?;
    stage.succeed().await?;
    assert_eq!(
        stage.series("requests").await?,
        [r#"requests{balancer="app/one"} 7"#, r#"requests{balancer="app/two"} 9"#]
    );
    let times = stage.series("requests_timestamp_seconds").await?.join(" ");
    assert!(
        times.contains("app/one") && times.contains("1.7952549e+09") && times.contains("1.7952546e+09"),
        "{times}"
    );
    assert_eq!(stage.series("skipped").await?, [r#"skipped{LoadBalancer="app/one"} 7"#]);
    assert_eq!(
        stage.series("zero").await?,
        [r#"zero{LoadBalancer="app/one"} 7"#, r#"zero{LoadBalancer="app/two"} 0"#]
    );
    assert_eq!(
        stage.series("not").await?,
        [r#"not{LoadBalancer="app/one"} 7"#, r#"not{LoadBalancer="app/two"} NaN"#]
    );
    let log = stage.collector.log();
    let spent = log.lines().filter(|line| line.contains("asked CloudWatch"));
    assert!(
        spent.clone().count() == 2 && spent.clone().all(|line| line.contains(r#""metrics_requested":2"#)),
        "{:?}",
        spent.collect::<Vec<_>>()
    );
    Ok(())
}

#[tokio::test]
async fn pages_and_batches_are_put_together() -> Result<()> {
    const ALL: usize = 1_100;
    let aws = CloudWatch::scripted(|told, _| {
        let token = told.input["NextToken"].as_str().map(str::to_owned);
        if told.operation == "ListMetrics" {
            // Pages of 500, as CloudWatch's own.
            let page: usize = token.map_or(0, |token| token.parse().unwrap());
            let names = (page * 500..ALL.min((page + 1) * 500)).map(|number| format!("app/{number:04}"));
            return listed(names, ["1", "2"].get(page).copied());
        }
        let mut all = points(told, |entry| dimension(entry)["app/".len()..].parse().unwrap());
        // The first page holds half of the metrics, and of the last of them an old point only.
        let rest = all.split_off(all.len() / 2);
        if token.is_some() {
            let mut again = all.pop().unwrap();
            again["Timestamps"] = json!([END - 600, END - 900]);
            again["Values"] = json!([-1, -2]);
            let results = [rest, vec![again]].concat();
            return Say::Answer(json!({"MetricDataResults": results}));
        }
        all.last_mut().unwrap()["StatusCode"] = "PartialData".into();
        Say::Answer(json!({"MetricDataResults": all, "NextToken": "more", "Messages": [
            {"Code": "Hint", "Value": "canary of a message"}]}))
    })
    .await?;
    let config = balancers(&format!("{REQUESTS}, length: 15m, max_metrics: 2000"))
        .replace("name: m,", "name: m, max_series: 2000,");
    let stage = Stage::new(&config, aws.environment()).await?;
    stage.succeed().await?;
    let series = stage.series("m").await?;
    assert_eq!(series.len(), ALL);
    for (number, line) in series.iter().enumerate() {
        assert_eq!(*line, format!(r#"m{{LoadBalancer="app/{number:04}"}} {number}"#));
    }
    let asked = aws.told("GetMetricData");
    let entries = |told: &CloudWatchTold| told.input["MetricDataQueries"].as_array().unwrap().len();
    assert_eq!(
        asked.iter().map(entries).collect::<Vec<_>>(),
        [500, 500, 500, 500, 100, 100]
    );
    assert_eq!(asked[0].input["StartTime"], json!(END - 900));
    assert_eq!(asked[0].input["EndTime"], json!(END));
    let log = stage.collector.log();
    assert!(
        log.contains(r#""metrics_requested":1100"#) && log.contains(r#""list_requests":3"#),
        "{log}"
    );
    assert!(log.contains("canary of a message"));
    Ok(())
}

#[tokio::test]
async fn an_expression_is_asked_with_its_inputs_for_each_set_of_dimensions() -> Result<()> {
    let aws = CloudWatch::scripted(|told, _| {
        if told.operation == "ListMetrics" {
            // A balancer without errors has no metric of them; one of another kind is not asked for.
            let metric = |balancer: &str, kind: Option<&str>| {
                let mut dimensions = vec![json!({"Name": "LoadBalancer", "Value": balancer})];
                dimensions.extend(kind.map(|kind| json!({"Name": "Kind", "Value": kind})));
                json!({"Namespace": "N", "MetricName": "M", "Dimensions": dimensions})
            };
            let metrics = if told.input["MetricName"] == "Errors" {
                vec![metric("b", Some("5xx")), metric("c", Some("4xx")), metric("d", None)]
            } else {
                vec![metric("b", None), metric("a", None)]
            };
            return Say::Answer(json!({"Metrics": metrics}));
        }
        Say::Answer(json!({"MetricDataResults": points(told, |_| 0.5)}))
    })
    .await?;
    let config = balancers(
        "namespace: AWS/ApplicationELB, dimensions: {LoadBalancer: '*'}, statistic: Sum, period: 60s, delay: 7m,
        expression: 'FILL(errors, 0) / requests',
        inputs: {errors: {metric: Errors, dimensions: {Kind: '{{KIND}}'}}, requests: {metric: RequestCount, statistic: p99}}",
    );
    let mut environment = aws.environment();
    environment.push(("KIND", "5xx".to_owned()));
    let stage = Stage::new(&config.replace("period: 60s", "period: 300s"), environment).await?;
    stage.succeed().await?;
    assert_eq!(
        stage.series("m").await?,
        [r#"m{LoadBalancer="a"} 0.5"#, r#"m{LoadBalancer="b"} 0.5"#]
    );
    let [asked] = aws.told("GetMetricData").try_into().unwrap();
    let entries = asked.input["MetricDataQueries"].as_array().unwrap();
    assert_eq!(entries.len(), 6);
    let balancer = json!({"Name": "LoadBalancer", "Value": "b"});
    let stat = |metric: &str, dimensions: &[&Value], stat: &str| {
        json!({"Metric": {"Namespace": "AWS/ApplicationELB", "MetricName": metric, "Dimensions": dimensions},
            "Period": 300, "Stat": stat})
    };
    let kind = json!({"Name": "Kind", "Value": "5xx"});
    let errors = stat("Errors", &[&balancer, &kind], "Sum");
    let requests = stat("RequestCount", &[&balancer], "p99");
    assert_eq!(
        entries[3],
        json!({"Id": "errors_1", "MetricStat": errors, "ReturnData": false})
    );
    assert_eq!(
        entries[4],
        json!({"Id": "requests_1", "MetricStat": requests, "ReturnData": false})
    );
    assert_eq!(
        entries[5],
        json!({"Id": "r1", "Expression": "FILL(errors_1, 0) / requests_1", "ReturnData": true})
    );
    Ok(())
}

#[tokio::test]
async fn the_role_is_assumed_with_its_external_id_and_asked_in_its_region() -> Result<()> {
    let aws = CloudWatch::start().await?;
    let config = job(
        "{region: us-east-1, role: 'arn:aws:iam::123456789012:role/{{ROLE}}', external_id: '{{EXTERNAL}}'}",
        "  metrics:\n  - {name: m, help: h, value: value, null_value: zero, query: {cloudwatch: {namespace: Shop, metric: Sales, statistic: Maximum}}}\n",
    );
    let mut environment = aws.environment();
    environment.extend([("ROLE", "reader".to_owned()), ("EXTERNAL", "x-1".to_owned())]);
    let stage = Stage::new(&config, environment).await?;
    stage.succeed().await?;
    assert_eq!(stage.series("m").await?, ["m{} 0"]);
    let [assumed] = aws.told("AssumeRole").try_into().unwrap();
    assert_eq!(assumed.input["RoleArn"], "arn:aws:iam::123456789012:role/reader");
    assert_eq!(assumed.input["ExternalId"], "x-1");
    assert!(assumed.authorization.contains("Credential=test/") && assumed.authorization.contains("/us-east-1/sts/"));
    let [asked] = aws.told("GetMetricData").try_into().unwrap();
    assert!(
        !asked.authorization.contains("Credential=test/") && asked.authorization.contains("/us-east-1/monitoring/"),
        "{}",
        asked.authorization
    );
    // A warm function keeps the client and its credentials.
    stage.collector.invoke(&json!({"job": "j"})).await??;
    assert_eq!((aws.told("AssumeRole").len(), aws.told("GetMetricData").len()), (1, 2));
    Ok(())
}

#[tokio::test]
async fn what_passes_is_waited_for() -> Result<()> {
    let aws = CloudWatch::scripted(|told, before| match (told.operation.as_str(), before) {
        ("ListMetrics", 0) => Say::Refuse(400, "ThrottlingException"),
        ("ListMetrics", _) => listed(["a".to_owned(), "b".to_owned()], None),
        (_, 0) => Say::Refuse(400, "Throttling"),
        (_, 1) => Say::Refuse(500, "InternalServiceFault"),
        (_, before) => {
            let mut all = points(told, |_| 1.0);
            if before == 2 {
                // One comes in part, and is asked for by itself.
                all[1]["StatusCode"] = "InternalError".into();
            }
            Say::Answer(json!({"MetricDataResults": all}))
        }
    })
    .await?;
    let stage = Stage::new(&balancers(REQUESTS), aws.environment()).await?;
    stage.succeed().await?;
    assert_eq!(stage.series("m").await?.len(), 2);
    let asked = aws.told("GetMetricData");
    let entries = |told: &CloudWatchTold| told.input["MetricDataQueries"].as_array().unwrap().len();
    assert_eq!(asked.iter().map(entries).collect::<Vec<_>>(), [2, 2, 2, 1]);
    assert_eq!(dimension(&asked[3].input["MetricDataQueries"][0]), "b");
    Ok(())
}

/// What a script makes of a request for data points; `ListMetrics` knows two balancers.
async fn failing(answer: fn(&CloudWatchTold) -> Say) -> Result<CloudWatch> {
    CloudWatch::scripted(move |told, _| match told.operation.as_str() {
        "ListMetrics" => listed(["a".to_owned(), "b".to_owned()], None),
        _ => answer(told),
    })
    .await
}

fn with_status(told: &CloudWatchTold, status: &str) -> Say {
    let mut all = points(told, |_| 1.0);
    all[0]["StatusCode"] = status.into();
    all[0]["Messages"] = json!([{"Code": "Because", "Value": "so it is"}]);
    Say::Answer(json!({"MetricDataResults": all}))
}

#[tokio::test]
async fn each_failure_has_its_kind_and_says_what_to_do() -> Result<()> {
    type Case = (&'static str, fn(&CloudWatchTold) -> Say, &'static [&'static str]);
    let cases: [Case; 9] = [
        (
            "login",
            |_| Say::Refuse(403, "AccessDeniedException"),
            &["allow `cloudwatch:GetMetricData`", "so says the test"],
        ),
        (
            "login",
            |_| Say::Refuse(403, "InvalidClientTokenId"),
            &["InvalidClientTokenId"],
        ),
        (
            "query",
            |_| Say::Refuse(400, "ValidationError"),
            &["refused: ValidationError: so says the test"],
        ),
        (
            "status",
            |_| Say::Refuse(500, "InternalServiceFault"),
            &["it failed by itself"],
        ),
        ("throttled", |_| Say::Refuse(400, "Throttling"), &["too many requests"]),
        (
            "partial",
            |told| with_status(told, "PartialData"),
            &[
                "1 of 2 metrics in part only, 3 times over (PartialData",
                "Because: so it is",
                "LoadBalancer=a",
            ],
        ),
        (
            "partial",
            |_| Say::Answer(json!({"MetricDataResults": []})),
            &["2 of 2 metrics in part only", "no answer"],
        ),
        (
            "login",
            |told| with_status(told, "Forbidden"),
            &[
                "AWS/ApplicationELB RequestCount {LoadBalancer=a}: forbidden",
                "so it is",
            ],
        ),
        (
            "rows",
            |told| {
                let mut all = points(told, |_| 1.0);
                all.push(json!({"Id": all[0]["Id"], "Label": "other", "StatusCode": "Complete"}));
                Say::Answer(json!({"MetricDataResults": all}))
            },
            &["several series where one is expected, `l` and `other`"],
        ),
    ];
    let run = async |(expected, answer, parts): Case| {
        let aws = failing(answer).await?;
        let stage = Stage::new(&balancers(REQUESTS), aws.environment()).await?;
        let (_, message) = stage.fail().await?;
        for part in parts
            .iter()
            .chain(&["job j: m failed: query m (", "a.yaml:7:", "source `cw`: "])
        {
            assert!(message.contains(part), "{expected}: {part:?} is not in {message}");
        }
        let log = stage.collector.log();
        assert!(
            log.contains(&format!(r#""error_type":"{expected}""#)),
            "{expected}: {log}"
        );
        let told = Told::of(&stage.gateway, "j").await?;
        assert_eq!(
            (told.job("up"), told.metrics("up")),
            (Some(0.0), "m=0".to_owned()),
            "{expected}"
        );
        anyhow::Ok(())
    };
    let all = futures_util::future::join_all(cases.map(run)).await;
    all.into_iter().collect()
}

#[tokio::test]
async fn who_does_not_answer_is_told_by_name() -> Result<()> {
    let hanging = Hanging::start().await?;
    let refusing = format!("http://{}", faults::refusing()?);
    let hangs = format!("http://{}", hanging.address());
    let denied = CloudWatch::scripted(|_, _| Say::Refuse(403, "AccessDenied")).await?;
    let role = "{role: 'arn:aws:iam::123456789012:role/reader'}";
    for (name, source, endpoint, timeout, kind, part) in [
        // Long enough for all attempts, whose pauses are random.
        ("refused", "{}", refusing, "20s", "connect", "is not reachable"),
        ("hanging", "{}", hangs, "2s", "timeout", "in the time that the job has"),
        (
            "no role",
            role,
            denied.environment()[0].1.clone(),
            "5s",
            "login",
            "there are no credentials to ask with",
        ),
    ] {
        let query = "{cloudwatch: {namespace: N, metric: M, statistic: Sum}}";
        let metric = format!("{{name: m, help: h, value: value, query: {query}}}");
        let config = job(source, &format!("  timeout: {timeout}\n  metrics:\n  - {metric}\n"));
        let environment = vec![
            ("AWS_ENDPOINT_URL", endpoint),
            ("AWS_REGION", "eu-west-3".to_owned()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ];
        let stage = Stage::new(&config, environment).await?;
        let (_, message) = stage.fail().await?;
        assert!(message.contains(part), "{name}: {message}");
        let log = stage.collector.log();
        assert!(log.contains(&format!(r#""error_type":"{kind}""#)), "{name}: {message}");
    }
    Ok(())
}

#[tokio::test]
async fn more_metrics_than_allowed_are_not_paid_for() -> Result<()> {
    let aws = CloudWatch::scripted(|_, _| listed((0..11).map(|number| number.to_string()), None)).await?;
    let stage = Stage::new(&balancers(&format!("{REQUESTS}, max_metrics: 10")), aws.environment()).await?;
    let (_, message) = stage.fail().await?;
    assert!(
        message.contains("there are more than 10 metrics") && message.contains("`max_metrics`"),
        "{message}"
    );
    assert!(aws.told("GetMetricData").is_empty());
    Ok(())
}

#[tokio::test]
async fn balancers_without_recent_data_are_asked_for_only_where_the_window_is_older() -> Result<()> {
    let aws = failing(|told| Say::Answer(json!({"MetricDataResults": points(told, |_| 1.0)}))).await?;
    let stage = Stage::new(&balancers(REQUESTS), aws.environment()).await?;
    stage.succeed().await?;
    stage.collector.invoke(&json!({"job": "j"})).await??;
    let recently = aws
        .told("ListMetrics")
        .into_iter()
        .map(|told| told.input["RecentlyActive"].clone());
    assert_eq!(recently.collect::<Vec<_>>(), [Value::Null, json!("PT3H")]);
    Ok(())
}

#[tokio::test]
async fn check_live_finds_metrics_that_nobody_has() -> Result<()> {
    let aws = CloudWatch::scripted(|told, _| match told.operation.as_str() {
        "ListMetrics" if told.input["MetricName"] == "RequestCount" => listed(["a".to_owned()], None),
        "ListMetrics" => listed([], None),
        _ if told.input["MetricDataQueries"][0]["MetricStat"]["Stat"] == "p99" => Say::Refuse(400, "ValidationError"),
        _ => Say::Answer(json!({"MetricDataResults": points(told, |_| 1.0)})),
    })
    .await?;
    let metric = |name: &str, metric: &str, dimensions: &str, statistic: &str| {
        let query = format!("namespace: N, metric: {metric}, dimensions: {dimensions}, statistic: {statistic}");
        format!(
            "  - {{name: {name}, help: h, labels: [LoadBalancer], value: value, query: {{cloudwatch: {{{query}}}}}}}\n"
        )
    };
    let metrics = [
        metric("right", "RequestCount", "{LoadBalancer: '*'}", "Sum"),
        metric("unknown", "RequestCont", "{LoadBalancer: a}", "Sum"),
        metric("refused", "RequestCount", "{LoadBalancer: a}", "p99"),
    ];
    let config = ConfigFolder::new(&[("a.yaml", &job("{}", &format!("  metrics:\n{}", metrics.concat())))])?;
    let environment = aws
        .environment()
        .into_iter()
        .chain([("PUSHGATEWAY_URL", "http://h".to_owned())]);
    let ended = fanlight(config.path(), ["check", "--live", "."], environment).await?;
    assert_ne!(ended.status, Some(0));
    for part in [
        "CloudWatch knows no metric `RequestCont` of `N` with exactly the dimensions LoadBalancer and their values",
        "check the names, the dimensions, which must be all that the metric has, and the region",
        "mistake: CloudWatch (eu-west-3): cloudwatch:GetMetricData: refused: ValidationError: so says the test",
    ] {
        assert!(ended.err.contains(part), "{part:?}: {}", ended.err);
    }
    assert_eq!(ended.err.matches("--> ./a.yaml:").count(), 2, "{}", ended.err);
    assert!(
        aws.told("ListMetrics")
            .iter()
            .all(|told| told.input["RecentlyActive"].is_null())
    );
    Ok(())
}
