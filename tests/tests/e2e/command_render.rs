//! `fanlight render`: the repository's own schedules, what happens to a file, and what the scheduler's API says to it.

use std::collections::BTreeMap;
use std::fs;
use std::iter;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use fanlight_tests::{ConfigFolder, Ended, SecretsManager, binaries, fanlight, job};
use serde_json::{Value, json};

const NOTHING: iter::Empty<(&str, String)> = iter::empty();
const METRIC: &str = "
  metrics:
  - {name: things, help: Things., value: v, query: SELECT 1 AS v}
";

async fn render(config: &ConfigFolder, arguments: &[&str]) -> Result<Ended> {
    let arguments = ["--config", "config", "render"].iter().chain(arguments);
    fanlight(config.path(), arguments, NOTHING).await
}

fn ended(status: i32, out: &str, err: &str) -> Ended {
    Ended {
        status: Some(status),
        out: out.to_owned(),
        err: err.to_owned(),
    }
}

#[tokio::test]
async fn the_repositorys_schedules_are_those_of_its_configuration() -> Result<()> {
    let checked = fanlight(binaries::workspace(), ["render", "--check"], NOTHING).await?;
    assert_eq!(checked, ended(0, "", ""));
    Ok(())
}

#[tokio::test]
async fn a_stale_file_is_told_of_and_written_anew() -> Result<()> {
    let config = ConfigFolder::new(&[("config/a.yaml", &job(METRIC))])?;
    let lacking = "schedules.yaml is stale: it is not there; run `fanlight render` and commit what it writes\n";
    assert_eq!(render(&config, &["--check"]).await?, ended(1, "", lacking));
    assert_eq!(
        render(&config, &[]).await?,
        ended(0, "schedules.yaml: 1 schedule\n", "")
    );
    assert_eq!(render(&config, &["--check"]).await?, ended(0, "", ""));
    let again = render(&config, &[]).await?;
    assert_eq!(again, ended(0, "schedules.yaml: 1 schedule, as before\n", ""));

    config.write("config/a.yaml", &job(METRIC).replace("* * * * *", "*/5 * * * *"))?;
    let stale = render(&config, &["--check"]).await?;
    assert_eq!((stale.status, stale.out.as_str()), (Some(1), ""));
    ensure!(
        stale.err.contains(
            "is `ScheduleExpression: 'cron(* * * * ? *)'` and should be `ScheduleExpression: 'cron(*/5 * * * ? *)'`;"
        ),
        "{}",
        stale.err
    );
    assert_eq!(render(&config, &["--output", "other.yaml"]).await?.status, Some(0));
    let other = fs::read_to_string(config.path().join("other.yaml"))?;
    assert!(other.contains("cron(*/5 * * * ? *)"), "{other}");
    let mut names = Vec::new();
    for entry in fs::read_dir(config.path())? {
        names.push(entry?.file_name().into_string().unwrap());
    }
    names.sort();
    assert_eq!(names, ["config", "other.yaml", "schedules.yaml"]);
    Ok(())
}

#[tokio::test]
async fn a_job_longer_than_the_collectors_usual_time_is_told_of() -> Result<()> {
    let long = job(METRIC).replace("name: j", "name: long\n  timeout: 5m");
    let config = ConfigFolder::new(&[("config/a.yaml", &long)])?;
    let warning = "warning: the job `long` may take longer than 60 s: deploy with CollectorTimeout=305 at least, or \
                   what takes longer is ended\n";
    let rendered = render(&config, &[]).await?;
    assert_eq!(rendered, ended(0, "schedules.yaml: 1 schedule\n", warning));

    config.write("config/a.yaml", &long.replace("5m", "5m\n  enabled: false"))?;
    assert_eq!(render(&config, &[]).await?.err, "");
    config.write("config/a.yaml", &long.replace("5m", "1m"))?;
    assert_eq!(render(&config, &[]).await?.err, "");
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_deployed_is_shown_and_leaves_the_file_as_it_was() -> Result<()> {
    let config = ConfigFolder::new(&[("config/a.yaml", &job(METRIC).replace("* * * * *", "0 0 13 * FRI"))])?;
    config.write("schedules.yaml", "as it was")?;
    let refused = render(&config, &[]).await?;
    assert_eq!((refused.status, refused.out.as_str()), (Some(1), ""));
    insta::assert_snapshot!(refused.err, @r"
    mistake: EventBridge Scheduler cannot fire on the days of the month `13` and also on the days of the week `FRI`, as unix cron does
     --> config/a.yaml:3:18
      |
    3 |   schedule: '0 0 13 * FRI'
      |                  ^^^^^^^^
      |
      = help: write `*` for one of the two, or make two jobs of it

    fanlight: 1 mistake in the configuration: nothing is rendered, for a job that is left out would lose its schedule; `fanlight check` says more
    ");
    assert_eq!(fs::read_to_string(config.path().join("schedules.yaml"))?, "as it was");
    let checked = fanlight(config.path(), ["check"], [("PUSHGATEWAY_URL", "http://g".to_owned())]).await?;
    assert_eq!(checked.status, Some(1));
    assert!(
        checked.err.contains("EventBridge Scheduler cannot fire on"),
        "{}",
        checked.err
    );

    config.write("config/a.yaml", "jobs: []")?;
    let none = render(&config, &[]).await?;
    assert_eq!(none, ended(0, "schedules.yaml: 0 schedules\n", ""));
    Ok(())
}

/// Creates what a template has with the scheduler's API, and prints what the API then knows.
const DEPLOY: &str = "
import json, sys
import boto3, yaml
values = json.loads(sys.argv[2])
class Loader(yaml.SafeLoader):
    pass
Loader.add_constructor('!Ref', lambda loader, node: values[loader.construct_scalar(node)])
template = yaml.load(open(sys.argv[1]), Loader)
assert sorted(template['Parameters']) == sorted(values), template['Parameters']
scheduler = boto3.client('scheduler')
scheduler.create_schedule_group(Name=values['ScheduleGroupName'])
known = {}
for resource in template['Resources'].values():
    assert resource['Type'] == 'AWS::Scheduler::Schedule', resource
    properties = resource['Properties']
    scheduler.create_schedule(**properties)
    schedule = scheduler.get_schedule(GroupName=properties['GroupName'], Name=properties['Name'])
    known[properties['Name']] = {name: schedule[name] for name in properties}
print(json.dumps(known))
";

#[tokio::test]
async fn the_schedulers_api_takes_every_schedule() -> Result<()> {
    let aws = SecretsManager::start().await?;
    let values = json!({
        "CollectorArn": "arn:aws:lambda:eu-west-3:123456789012:function:collector",
        "SchedulerRoleArn": "arn:aws:iam::123456789012:role/scheduler",
        "DeadLetterQueueArn": "arn:aws:sqs:eu-west-3:123456789012:dead",
        "ScheduleGroupName": "fanlight",
    });
    let second = job(METRIC).replace("name: j", "name: 'une tâche: \"j\"'\n  jitter: 5m\n  owner: data");
    let second = second
        .replace("name: things", "name: more")
        .replace("* * * * *", "*/20 2-4 * * 5-7");
    let config = ConfigFolder::new(&[
        (
            "config/a.yaml",
            &format!("defaults: {{timezone: Europe/Paris}}\n{}", job(METRIC)),
        ),
        ("config/b.yaml", &second),
    ])?;
    assert_eq!(render(&config, &[]).await?.status, Some(0));
    let output = Command::new(binaries::workspace().join(".venv/bin/python"))
        .args(["-c", DEPLOY])
        .arg(config.path().join("schedules.yaml"))
        .arg(values.to_string())
        .envs(aws.environment())
        .env("AWS_DEFAULT_REGION", "eu-west-3")
        .output()
        .context(".venv/bin/python is lacking: scripts/install makes it")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let known: BTreeMap<String, Value> = serde_json::from_slice(&output.stdout)?;
    let target = |input: Value, age: u64| {
        json!({
            "Arn": values["CollectorArn"],
            "RoleArn": values["SchedulerRoleArn"],
            "DeadLetterConfig": {"Arn": values["DeadLetterQueueArn"]},
            "RetryPolicy": {"MaximumEventAgeInSeconds": age, "MaximumRetryAttempts": 20},
            "Input": input,
        })
    };
    let mut found = Vec::new();
    for mut schedule in known.into_values() {
        // As the collector reads it.
        let input: Value = serde_json::from_str(schedule["Target"]["Input"].as_str().context("an input")?)?;
        schedule["Target"]["Input"] = input;
        found.push(schedule);
    }
    let input = |job: &str| json!({"job": job, "scheduled_time": "<aws.scheduler.scheduled-time>"});
    let expected = [
        json!({
            "Name": "j",
            "GroupName": "fanlight",
            "Description": "j",
            "ScheduleExpression": "cron(* * * * ? *)",
            "ScheduleExpressionTimezone": "Europe/Paris",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "Target": target(input("j"), 60),
        }),
        json!({
            "Name": "une-t-che---j--8d9caeb5",
            "GroupName": "fanlight",
            "Description": "une t?che: \"j\", of data",
            "ScheduleExpression": "cron(*/20 2-4 ? * SUN,FRI,SAT *)",
            "ScheduleExpressionTimezone": "UTC",
            "FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 5},
            "Target": target(input("une tâche: \"j\""), 1200),
        }),
    ];
    assert_eq!(found, expected);
    Ok(())
}
