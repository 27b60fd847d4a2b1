//! The template of the schedules: one `AWS::Scheduler::Schedule` for each enabled job, always in the same words.
//!
//! Names come from the jobs' names alone, so that a job that is added, moved or switched off changes no other's schedule.
//! Nothing that stands in a job's name or owner means anything to YAML, to CloudFormation or to the scheduler.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use shared::config::heal::HealSettings;
use shared::config::job::Job;
use shared::schedule::InvalidCron;

/// How many resources a stack may have.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html>
const MOST_SCHEDULES: usize = 500;
/// The longest name of a schedule. <https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html>
const LONGEST_NAME: usize = 64;
/// The longest description of one.
const LONGEST_DESCRIPTION: usize = 512;
/// What the scheduler takes for the age at which it gives an event up, at least.
const LEAST_EVENT_AGE: Duration = Duration::from_mins(1);
/// Long enough for a failure of AWS' that passes, and short enough that someone is told the same morning.
const MOST_EVENT_AGE: Duration = Duration::from_hours(1);
/// The age ends them; this is only in order that a broken permission is not tried 185 times.
const RETRIES: u32 = 20;

const HEAD: &str = "\
# Written by `fanlight render` from the jobs of the configuration: change them there, and run it again.
AWSTemplateFormatVersion: '2010-09-09'
Description: The schedules of Fanlight, one for each enabled job
Parameters:
  CollectorArn:
    Type: String
    Description: The function that runs the jobs
  SchedulerRoleArn:
    Type: String
    Description: The role by which the scheduler invokes it, and sends to the queue
  DeadLetterQueueArn:
    Type: String
    Description: The queue for events that the scheduler could not hand over
  ScheduleGroupName:
    Type: String
    Description: The group of the schedules, one a deployment
Resources:
";

/// The name of the schedule for healing, which no job's may have.
const HEAL_NAME: &str = "fanlight.heal";

/// A template must have a resource; this one is nothing and costs nothing.
const NONE: &str = "  NoJobIsEnabled:\n    Type: AWS::CloudFormation::WaitConditionHandle\n";

/// Why jobs have no template.
#[derive(Debug, thiserror::Error)]
pub enum Unrenderable {
    /// More than a stack holds.
    #[error(
        "there would be {0} schedules, and a stack of CloudFormation holds {MOST_SCHEDULES}; divide the \
         configuration into folders of at most so many jobs and deploy each as a stack of its own"
    )]
    TooMany(usize),
    /// Two jobs whose schedules would have one name.
    #[error("the jobs `{0}` and `{1}` would have schedules of the same name; rename one of them")]
    SameName(String, String),
    /// A job whose schedule would have the name of the one for healing.
    #[error("the job `{0}` would have a schedule of the same name as that of the section `heal`; rename it")]
    Heal(String),
    /// A schedule that EventBridge does not have.
    #[error("the job `{job}`: {source}")]
    Schedule {
        /// The job.
        job: String,
        /// What is the matter.
        source: InvalidCron,
    },
}

/// The template for these jobs, whatever their order, and for healing them, where that is configured.
pub(super) fn template(jobs: &[Job], heal: Option<&HealSettings>) -> Result<String, Unrenderable> {
    let mut enabled: Vec<&Job> = jobs.iter().filter(|job| job.enabled).collect();
    let schedules = enabled.len() + usize::from(heal.is_some());
    if schedules > MOST_SCHEDULES {
        return Err(Unrenderable::TooMany(schedules));
    }
    enabled.sort_by(|a, b| a.name.cmp(&b.name));
    let mut template = HEAD.to_owned();
    let mut names = BTreeMap::new();
    for job in &enabled {
        let named = [("Name", schedule_name(&job.name)), ("ID", logical_id(&job.name))];
        for name in named {
            if let Some(first) = names.insert(name, &job.name) {
                return Err(Unrenderable::SameName(first.clone(), job.name.clone()));
            }
        }
        template += &schedule(job)?;
    }
    if let Some(heal) = heal {
        if let Some(first) = names.get(&("Name", HEAL_NAME.to_owned())) {
            return Err(Unrenderable::Heal((*first).clone()));
        }
        template += &heal_schedule(heal)?;
    }
    if schedules == 0 {
        template += NONE;
    }
    Ok(template)
}

fn heal_schedule(heal: &HealSettings) -> Result<String, Unrenderable> {
    let expression = heal
        .schedule
        .to_eventbridge()
        .map_err(|source| Unrenderable::Schedule {
            job: "heal".to_owned(),
            source,
        })?;
    Ok(format!(
        "  Heal:
    Type: AWS::Scheduler::Schedule
    Properties:
      Name: {HEAL_NAME}
      GroupName: !Ref ScheduleGroupName
      Description: Which groups have vanished from the gateway? Their jobs run again.
      ScheduleExpression: {expression}
      ScheduleExpressionTimezone: {time_zone}
      FlexibleTimeWindow:
        Mode: 'OFF'
      Target:
        Arn: !Ref CollectorArn
        RoleArn: !Ref SchedulerRoleArn
        Input: '{{\"heal\":{{}}}}'
        # The next look is as good as another try.
        RetryPolicy:
          MaximumEventAgeInSeconds: 300
          MaximumRetryAttempts: 3
        DeadLetterConfig:
          Arn: !Ref DeadLetterQueueArn
",
        expression = quoted(&expression),
        time_zone = quoted(heal.schedule.time_zone()),
    ))
}

fn schedule(job: &Job) -> Result<String, Unrenderable> {
    let expression = job.schedule.to_eventbridge().map_err(|source| Unrenderable::Schedule {
        job: job.name.clone(),
        source,
    })?;
    let window = match job.jitter.as_secs() / 60 {
        // In YAML, OFF without quotes is false.
        0 => "Mode: 'OFF'".to_owned(),
        minutes => format!("Mode: FLEXIBLE\n        MaximumWindowInMinutes: {minutes}"),
    };
    // When the next run is due, the last one's event is too old to be worth another try.
    let age = job.schedule.intervals().shortest.clamp(LEAST_EVENT_AGE, MOST_EVENT_AGE);
    Ok(format!(
        "  {id}:
    Type: AWS::Scheduler::Schedule
    Properties:
      Name: {name}
      GroupName: !Ref ScheduleGroupName
      Description: {description}
      ScheduleExpression: {expression}
      ScheduleExpressionTimezone: {time_zone}
      FlexibleTimeWindow:
        {window}
      Target:
        Arn: !Ref CollectorArn
        RoleArn: !Ref SchedulerRoleArn
        Input: {input}
        RetryPolicy:
          MaximumEventAgeInSeconds: {age}
          MaximumRetryAttempts: {RETRIES}
        DeadLetterConfig:
          Arn: !Ref DeadLetterQueueArn
",
        id = logical_id(&job.name),
        name = quoted(&schedule_name(&job.name)),
        description = quoted(&description(job)),
        expression = quoted(&expression),
        time_zone = quoted(job.schedule.time_zone()),
        input = quoted(&input(&job.name)),
        age = age.as_secs(),
    ))
}

/// The event, in which the scheduler puts the time for `<aws.scheduler.scheduled-time>`.
fn input(job: &str) -> String {
    format!(
        r#"{{"job":{},"scheduled_time":"<aws.scheduler.scheduled-time>"}}"#,
        json(job)
    )
}

/// A string of JSON in ASCII, without what the scheduler (`<aws. ..>`) or CloudFormation (`{{resolve: ..}}`) would fill
/// in, and which CloudFormation's templates carry unharmed.
fn json(text: &str) -> String {
    let mut json = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => json.extend(['\\', character]),
            ' '..='~' if !matches!(character, '<' | '>' | '{' | '}' | '$') => json.push(character),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    // Writing to a String does not fail.
                    let _ = write!(json, "\\u{unit:04x}");
                }
            }
        }
    }
    json.push('"');
    json
}

/// For people who look at the schedule: plain ASCII, as CloudFormation has no other.
fn description(job: &Job) -> String {
    let words = match &job.owner {
        Some(owner) => format!("{}, of {owner}", job.name),
        None => job.name.clone(),
    };
    let plain = words.chars().map(|character| match character {
        '{' => '(',
        '}' => ')',
        ' '..='~' => character,
        _ => '?',
    });
    plain.take(LONGEST_DESCRIPTION).collect()
}

/// Text that YAML reads as it is: there is no other escape between single quotes, and no line ends in what comes here.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The job's name where it may be a schedule's, else what is left of it and a part of its hash.
fn schedule_name(job: &str) -> String {
    let may_stand = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.');
    if job.len() <= LONGEST_NAME && job.chars().all(may_stand) {
        return job.to_owned();
    }
    let hash = short_hash(job);
    let room = LONGEST_NAME - hash.len() - 1;
    let characters = job
        .chars()
        .map(|character| if may_stand(character) { character } else { '-' });
    let readable: String = characters.take(room).collect();
    format!("{readable}-{hash}")
}

/// `TransfersStatusCollection4FAC6163`: letters and digits only, and a part of the hash, since `a-b` and `a_b` are two.
fn logical_id(job: &str) -> String {
    let mut id = String::new();
    for word in job.split(|character: char| !character.is_ascii_alphanumeric()) {
        let mut characters = word.chars();
        id.extend(characters.next().map(|first| first.to_ascii_uppercase()));
        id.extend(characters);
    }
    id + &short_hash(job).to_ascii_uppercase()
}

/// Eight hexadecimal digits of the name's SHA-256.
fn short_hash(job: &str) -> String {
    let mut hash = String::new();
    for byte in &digest(&SHA256, job.as_bytes()).as_ref()[..4] {
        // Writing to a String does not fail.
        let _ = write!(hash, "{byte:02x}");
    }
    hash
}
