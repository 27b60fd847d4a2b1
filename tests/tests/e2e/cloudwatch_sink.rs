//! CloudWatch as a further sink: moto's for what moto does right, scripted answers for what it never does.

use std::time::Duration;

use anyhow::Result;
use fanlight_tests::{CloudWatch, CloudWatchTold, Collector, Pushgateway, Say};
use serde_json::{Value, json};

const SCHEDULED: &str = "2026-11-21T10:07:00Z";
/// That time in seconds, and the end of the newest period that is read for it.
const TIME: i64 = 1_795_255_620;
const END: i64 = 1_795_255_200;

/// A job that reads a metric of each balancer and sends it on, by the settings of the sink `cw`.
fn config(sink: &str) -> String {
    format!(
        "
sinks:
  default: {{pushgateway: {{url: '{{{{PUSHGATEWAY_URL}}}}', grouping: {{env: test}}}}}}
  cw: {{cloudwatch: {sink}}}
sources: {{cw: {{cloudwatch: {{}}}}}}
jobs:
- name: j
  schedule: '* * * * *'
  source: cw
  also_to: [cw]
  timeout: 8s
  metrics:
  - name: wait_seconds
    help: h
    labels: {{balancer: LoadBalancer}}
    value: value
    null_value: nan
    max_series: 5000
    query: {{cloudwatch: {{namespace: N, metric: M, dimensions: {{LoadBalancer: '*'}}, statistic: Sum, max_metrics: 5000}}}}
"
    )
}

/// What the source gives: a name and a value for each balancer.
type Balancers = Vec<(String, Option<f64>)>;

fn some(count: u32) -> Balancers {
    (0..count)
        .map(|number| (format!("app/{number:04}"), Some(f64::from(number))))
        .collect()
}

/// What the source is answered; `None` for anything else.
fn source(balancers: &Balancers, told: &CloudWatchTold) -> Option<Say> {
    match told.operation.as_str() {
        "ListMetrics" => {
            let metric = |(name, _): &(String, _)| json!({"Dimensions": [{"Name": "LoadBalancer", "Value": name}]});
            Some(Say::Answer(
                json!({"Metrics": balancers.iter().map(metric).collect::<Vec<_>>()}),
            ))
        }
        "GetMetricData" => {
            let result = |entry: &Value| {
                let name = entry["MetricStat"]["Metric"]["Dimensions"][0]["Value"]
                    .as_str()
                    .unwrap();
                let value = balancers
                    .iter()
                    .find(|(known, _)| known == name)
                    .and_then(|(_, value)| *value);
                let points: Vec<f64> = value.into_iter().collect();
                json!({"Id": entry["Id"], "StatusCode": "Complete", "Values": points,
                    "Timestamps": points.iter().map(|_| END - 300).collect::<Vec<_>>()})
            };
            let entries = told.input["MetricDataQueries"].as_array().unwrap();
            Some(Say::Answer(
                json!({"MetricDataResults": entries.iter().map(result).collect::<Vec<_>>()}),
            ))
        }
        _ => None,
    }
}

/// A CloudWatch that answers the source, and each `PutMetricData` by its number.
async fn cloud(balancers: Balancers, put: fn(usize) -> Say) -> Result<CloudWatch> {
    CloudWatch::scripted(move |told, before| source(&balancers, told).unwrap_or_else(|| put(before))).await
}

fn taken(_: usize) -> Say {
    Say::Answer(json!({}))
}

/// The delivery of the job's schedule.
fn event() -> Value {
    json!({"job": "j", "scheduled_time": SCHEDULED})
}

struct Stage {
    aws: CloudWatch,
    gateway: Pushgateway,
    collector: Collector,
}

impl Stage {
    async fn new(aws: CloudWatch, sink: &str) -> Result<Self> {
        let gateway = Pushgateway::start().await?;
        let environment = aws
            .environment()
            .into_iter()
            .chain([("PUSHGATEWAY_URL", gateway.url())]);
        let collector = Collector::new(&[("a.yaml", &config(sink))], environment, Duration::from_secs(30))?;
        Ok(Self {
            aws,
            gateway,
            collector,
        })
    }

    async fn succeed(&self) -> Result<Value> {
        self.collector.succeed(&event()).await
    }

    async fn fail(&self) -> Result<(String, String)> {
        self.collector.fail(&event()).await
    }

    /// `fanlight_sink_NAME` of the sink, for each of the names: `1 2`.
    async fn told<const N: usize>(&self, names: [&str; N]) -> Result<String> {
        let mut values = Vec::new();
        for name in names {
            values.push(
                self.gateway
                    .value(&format!("fanlight_sink_{name}{{"))
                    .await?
                    .to_string(),
            );
        }
        Ok(values.join(" "))
    }

    fn puts(&self) -> Vec<CloudWatchTold> {
        self.aws.told("PutMetricData")
    }
}

fn data(put: &CloudWatchTold) -> &[Value] {
    put.input["MetricData"].as_array().unwrap()
}

#[tokio::test]
async fn a_jobs_series_stand_in_the_namespace_at_the_scheduled_time() -> Result<()> {
    let balancers = some(2);
    let aws = CloudWatch::start_with(move |told, _| source(&balancers, told)).await?;
    let stage = Stage::new(aws, "{namespace: Fanlight/Shop, region: us-east-1}").await?;
    stage.succeed().await?;
    let [put] = stage.puts().try_into().unwrap();
    assert!(
        put.authorization.contains("/us-east-1/monitoring/"),
        "{}",
        put.authorization
    );
    assert_eq!(put.input["Namespace"], "Fanlight/Shop");
    let dimension = |name: &str, value: &str| json!({"Name": name, "Value": value});
    assert_eq!(
        data(&put)[1],
        json!({
            "MetricName": "wait_seconds",
            "Dimensions": [dimension("job", "j"), dimension("env", "test"), dimension("balancer", "app/0001")],
            "Timestamp": TIME,
            "Value": 1.0,
            "Unit": "Seconds",
            "StorageResolution": 60,
        })
    );
    assert_eq!(stage.gateway.series("wait_seconds").await?.len(), 2);
    assert_eq!(stage.told(["up", "series"]).await?, "1 2");
    assert_eq!(
        stage.told(["left_out", "scheduled_timestamp_seconds"]).await?,
        format!("0 {TIME}")
    );

    // A doubled delivery adds nothing up.
    stage.collector.invoke(&event()).await??;
    assert_eq!(stage.puts().len(), 1);
    Ok(())
}

#[tokio::test]
async fn moto_gives_back_what_was_sent() -> Result<()> {
    let balancers = some(1).into_iter().map(|(name, _)| (name, Some(7.5))).collect();
    let aws = CloudWatch::start_with(move |told, _| source(&balancers, told)).await?;
    let stage = Stage::new(aws, "{namespace: Shop, resolution: 1s}").await?;
    stage.succeed().await?;
    let dimensions = stage.puts()[0].input["MetricData"][0]["Dimensions"].clone();
    let metric = json!({"Namespace": "Shop", "MetricName": "wait_seconds", "Dimensions": dimensions});
    let entry = json!({"Id": "a", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}});
    let asked = json!({"StartTime": TIME - 60, "EndTime": TIME + 60, "MetricDataQueries": [entry]});
    let answer = stage.aws.ask_moto("GetMetricData", &asked).await?;
    assert_eq!(answer["MetricDataResults"][0]["Values"], json!([7.5]), "{answer}");
    Ok(())
}

#[tokio::test]
async fn requests_are_within_the_limits_and_what_cannot_be_taken_is_counted() -> Result<()> {
    let mut balancers = some(2_500);
    balancers[3].1 = None;
    balancers[4].1 = Some(1e200);
    balancers[5].1 = Some(-1e200);
    let stage = Stage::new(cloud(balancers, taken).await?, "{namespace: Shop}").await?;
    stage.succeed().await?;
    let puts = stage.puts();
    assert_eq!(
        puts.iter().map(|put| data(put).len()).collect::<Vec<_>>(),
        [1_000, 1_000, 497]
    );
    assert!(puts.iter().all(|put| put.compressed));
    assert_eq!(stage.told(["series", "left_out"]).await?, "2497 3");
    let log = stage.collector.log();
    assert!(log.contains(r#""reason":"not_finite","series":1"#), "{log}");
    assert!(log.contains(r#""reason":"out_of_range","series":2"#));
    // The gateway has them all, NaN too.
    assert_eq!(stage.gateway.series("wait_seconds").await?.len(), 2_500);

    let long = (0..1_100)
        .map(|number| (format!("{number:01000}"), Some(1.0)))
        .collect();
    let stage = Stage::new(cloud(long, taken).await?, "{namespace: Shop}").await?;
    stage.succeed().await?;
    let puts = stage.puts();
    assert_eq!(puts.iter().map(|put| data(put).len()).sum::<usize>(), 1_100);
    assert!(
        puts.len() > 1 && puts.iter().all(|put| put.bytes <= 1_000_000),
        "{:?}",
        puts.iter().map(|put| put.bytes).collect::<Vec<_>>()
    );
    Ok(())
}

#[tokio::test]
async fn a_request_that_was_not_taken_is_repeated() -> Result<()> {
    let put = |before| match before {
        0 | 1 => Say::Refuse(400, "Throttling"),
        _ => taken(before),
    };
    let stage = Stage::new(cloud(some(1_001), put).await?, "{namespace: Shop}").await?;
    stage.succeed().await?;
    let sizes: Vec<_> = stage.puts().iter().map(|put| data(put).len()).collect();
    assert_eq!(sizes, [1_000, 1_000, 1_000, 1]);
    assert_eq!(stage.told(["series"]).await?, "1001");
    Ok(())
}

#[tokio::test]
async fn one_that_may_have_been_taken_is_told_and_never_repeated() -> Result<()> {
    let put = |before| match before {
        1 => Say::Refuse(500, "InternalServiceFault"),
        _ => taken(before),
    };
    let stage = Stage::new(cloud(some(2_001), put).await?, "{namespace: Shop}").await?;
    let (kind, message) = stage.fail().await?;
    assert_eq!(kind, "status");
    for part in [
        "sink cw failed: CloudWatch (eu-west-3): cloudwatch:PutMetricData: it failed by itself",
        "whether 1000 of the series were taken is not known, and they are not sent again",
        "the gateway has the job's series",
    ] {
        assert!(message.contains(part), "{part:?}: {message}");
    }
    assert_eq!(stage.puts().len(), 3, "the third is sent all the same");
    assert_eq!(stage.told(["up", "series"]).await?, "0 1001");
    assert_eq!(stage.gateway.series("wait_seconds").await?.len(), 2_001);

    // Lambda delivers what has failed again; what was taken would be added up.
    let (kind, message) = stage.fail().await?;
    assert_eq!(kind, "sent_before");
    assert!(
        message.contains("an earlier run for 2026-11-21T10:07:00Z has sent a part"),
        "{message}"
    );
    assert_eq!(stage.puts().len(), 3);
    assert_eq!(stage.told(["scheduled_timestamp_seconds"]).await?, TIME.to_string());
    Ok(())
}

#[tokio::test]
async fn what_was_surely_not_taken_is_sent_with_the_next_delivery() -> Result<()> {
    let put = |before| match before {
        0 => Say::Refuse(403, "AccessDeniedException"),
        _ => taken(before),
    };
    let stage = Stage::new(cloud(some(2), put).await?, "{namespace: Shop}").await?;
    let (kind, message) = stage.fail().await?;
    assert_eq!(kind, "login");
    assert!(
        message.contains("allow `cloudwatch:PutMetricData`") && message.contains("2 of the series were not taken"),
        "{message}"
    );
    stage.succeed().await?;
    assert_eq!((stage.puts().len(), stage.told(["up"]).await?.as_str()), (2, "1"));
    Ok(())
}

#[tokio::test]
async fn a_role_that_cannot_be_assumed_leaves_the_gateway_its_series() -> Result<()> {
    let aws = cloud(some(2), |_| Say::Refuse(403, "AccessDenied")).await?;
    let role = "arn:aws:iam::123456789012:role/writer";
    let stage = Stage::new(aws, &format!("{{namespace: Shop, role: '{role}'}}")).await?;
    let (kind, message) = stage.fail().await?;
    assert_eq!(kind, "login");
    assert!(
        message.contains("there are no credentials to ask with") && message.contains("AccessDenied"),
        "{message}"
    );
    assert!(stage.puts().is_empty());
    assert_eq!(stage.aws.told("AssumeRole").last().unwrap().input["RoleArn"], role);
    assert_eq!(stage.gateway.series("wait_seconds").await?.len(), 2);
    Ok(())
}

#[tokio::test]
async fn a_sink_that_hangs_leaves_the_gateway_its_time() -> Result<()> {
    let stage = Stage::new(cloud(some(2), |_| Say::Hang).await?, "{namespace: Shop}").await?;
    let (kind, message) = stage.fail().await?;
    assert_eq!(kind, "timeout");
    assert!(
        message.contains("whether it took 2 of the series is not known"),
        "{message}"
    );
    assert_eq!(stage.gateway.series("wait_seconds").await?.len(), 2);
    assert_eq!(stage.told(["up", "series"]).await?, "0 0");
    Ok(())
}

#[tokio::test]
async fn a_gateway_that_fails_leaves_the_sink_its_series() -> Result<()> {
    let mut stage = Stage::new(cloud(some(2), taken).await?, "{namespace: Shop}").await?;
    stage.gateway.stop()?;
    let (kind, message) = stage.fail().await?;
    assert_eq!(kind, "push");
    assert!(message.contains("nothing was pushed"), "{message}");
    assert_eq!(stage.puts().len(), 1);
    Ok(())
}
