//! The template of jobs with ordinary, difficult and hostile names.

use super::*;

/// Jobs of these names (as YAML between double quotes), each with further lines.
fn jobs(jobs: &[(&str, &str)]) -> Vec<Job> {
    let folder = tempfile::tempdir().expect("a folder");
    let mut text = String::from("jobs:\n");
    for (at, (name, rest)) in jobs.iter().enumerate() {
        let _ = write!(
            text,
            "- name: \"{name}\"\n  source: postgres://u@h/d\n  metrics:\n  - {{name: m{at}, help: h, value: v, query: SELECT}}\n"
        );
        let rest = if rest.contains("schedule:") {
            (*rest).to_owned()
        } else {
            format!("schedule: '0 6 * * *'\n{rest}")
        };
        for line in rest.lines().filter(|line| !line.is_empty()) {
            let _ = writeln!(text, "  {line}");
        }
    }
    std::fs::write(folder.path().join("a.yaml"), text).expect("written");
    let loaded = shared::config::load(folder.path()).expect("a folder");
    assert_eq!(loaded.report.summary(), "");
    loaded.configuration.jobs
}

fn rendered(names: &[(&str, &str)]) -> String {
    template(&jobs(names), None).expect("a template")
}

#[test]
fn a_schedule_says_all_that_the_job_says() {
    let job = "schedule: '*/10 8-18 * * 1-5'\ntimezone: Europe/Paris\njitter: 2m\nowner: the team's";
    let expected = HEAD.to_owned()
        + "  TransfersByStatus59D65DED:
    Type: AWS::Scheduler::Schedule
    Properties:
      Name: 'transfers.by_status'
      GroupName: !Ref ScheduleGroupName
      Description: 'transfers.by_status, of the team''s'
      ScheduleExpression: 'cron(*/10 8-18 ? * MON-FRI *)'
      ScheduleExpressionTimezone: 'Europe/Paris'
      FlexibleTimeWindow:
        Mode: FLEXIBLE
        MaximumWindowInMinutes: 2
      Target:
        Arn: !Ref CollectorArn
        RoleArn: !Ref SchedulerRoleArn
        Input: '{\"job\":\"transfers.by_status\",\"scheduled_time\":\"<aws.scheduler.scheduled-time>\"}'
        RetryPolicy:
          MaximumEventAgeInSeconds: 600
          MaximumRetryAttempts: 20
        DeadLetterConfig:
          Arn: !Ref DeadLetterQueueArn
";
    assert_eq!(rendered(&[("transfers.by_status", job)]), expected);
}

#[test]
fn an_event_is_given_up_when_the_next_is_due() {
    let cases = [
        ("* * * * *", 60),
        ("*/7 * * * *", 240),
        ("0 */2 * * *", 3600),
        ("0 0 1 * *", 3600),
    ];
    for (cron, age) in cases {
        let template = rendered(&[("j", &format!("schedule: '{cron}'"))]);
        assert!(
            template.contains(&format!("MaximumEventAgeInSeconds: {age}\n")),
            "{cron}: {template}"
        );
    }
}

#[test]
fn only_enabled_jobs_have_schedules_and_their_order_is_no_matter() {
    let one = rendered(&[("b", ""), ("off", "enabled: false"), ("a", "")]);
    assert_eq!(one, rendered(&[("a", ""), ("b", "")]));
    let names: Vec<_> = one
        .lines()
        .filter_map(|line| line.strip_prefix("      Name: "))
        .collect();
    assert_eq!(names, ["'a'", "'b'"]);
    assert_eq!(rendered(&[("off", "enabled: false")]), HEAD.to_owned() + NONE);
}

#[test]
fn names_are_valid_stable_and_each_jobs_own() {
    let long = "a".repeat(100);
    let cases = [
        (
            "transfers-status-collection",
            "transfers-status-collection",
            "TransfersStatusCollection",
        ),
        (
            "transfers_status-collection",
            "transfers_status-collection",
            "TransfersStatusCollection",
        ),
        ("9 o'clock", "9-o-clock-", "9OClock"),
        ("ünï/cödé", "-n--c-d--", "NCD"),
        ("日本", "---", ""),
        (&long, &"a".repeat(55), "Aaa"),
        (&long[..64], &long[..64], "Aaa"),
    ];
    let mut seen = BTreeMap::new();
    for (job, name, id) in cases {
        let (found_name, found_id) = (schedule_name(job), logical_id(job));
        assert!(
            found_name.starts_with(name) && found_id.starts_with(id),
            "{job}: {found_name} {found_id}"
        );
        assert!((1..=LONGEST_NAME).contains(&found_name.len()), "{found_name}");
        assert!(
            found_name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)),
            "{found_name}"
        );
        assert!(
            found_id.len() <= 255 && found_id.chars().all(|c| c.is_ascii_alphanumeric()),
            "{found_id}"
        );
        assert_eq!(seen.insert(found_name, job), None);
        assert_eq!(seen.insert(found_id, job), None);
    }
    assert_eq!(
        logical_id("transfers-status-collection"),
        "TransfersStatusCollection4FAC6163"
    );
}

#[test]
fn a_name_that_another_jobs_name_becomes_is_refused() {
    let taken = schedule_name("a b");
    let error = template(&jobs(&[("a b", ""), (&taken, "")]), None).expect_err("refused");
    assert_eq!(
        error.to_string(),
        format!("the jobs `a b` and `{taken}` would have schedules of the same name; rename one of them")
    );
}

#[test]
fn nothing_in_a_name_or_an_owner_is_filled_in_by_anybody() {
    let name = r#"a'b\"c\\{{resolve:ssm:x}} <aws.scheduler.execution-id> ${AWS::Region} é 😀 #: x"#;
    let owner = "owner: \"'{{resolve:secretsmanager:y}}\\n- !Ref é\"";
    let text = rendered(&[(name, owner)]);
    assert!(text.is_ascii(), "{text}");
    assert!(
        !text.contains("resolve:secretsmanager:y}}") && !text.contains("{{") && !text.contains("${"),
        "{text}"
    );
    let input = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("Input: '"))
        .expect("an input");
    let input = input.strip_suffix('\'').expect("a quote").replace("''", "'");
    assert_eq!(input.matches('<').count(), 1, "{input}");
    let input: serde_json::Value = serde_json::from_str(&input).expect("JSON");
    assert_eq!(
        input["job"],
        r#"a'b"c\{{resolve:ssm:x}} <aws.scheduler.execution-id> ${AWS::Region} é 😀 #: x"#
    );
    assert_eq!(text.lines().count(), HEAD.lines().count() + 19, "{text}");
}

#[test]
fn a_stack_holds_five_hundred_schedules() {
    let of = |count: usize| {
        let names: Vec<String> = (0..count).map(|at| format!("{at:0>64}")).collect();
        let named: Vec<_> = names.iter().map(|name| (name.as_str(), "")).collect();
        let mut jobs = jobs(&named[..1]);
        let job = jobs.remove(0);
        template(
            &names
                .into_iter()
                .map(|name| Job { name, ..job.clone() })
                .collect::<Vec<_>>(),
            None,
        )
    };
    let largest = of(500).expect("a template");
    // The largest template that CloudFormation takes from S3 has 1 MB.
    assert!(largest.len() < 1_000_000, "{}", largest.len());
    assert_eq!(
        of(501).expect_err("too many").to_string(),
        "there would be 501 schedules, and a stack of CloudFormation holds 500; divide the configuration into folders \
         of at most so many jobs and deploy each as a stack of its own"
    );
}

#[test]
fn healing_has_a_schedule_where_it_is_configured() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = "heal: {schedule: '7,37 * * * *', timezone: Europe/Paris}\n";
    std::fs::write(folder.path().join("fanlight.yaml"), text).expect("written");
    let loaded = shared::config::load(folder.path()).expect("a folder");
    assert_eq!(loaded.report.summary(), "");
    let heal = loaded.configuration.heal.as_ref();
    let expected = HEAD.to_owned()
        + "  Heal:
    Type: AWS::Scheduler::Schedule
    Properties:
      Name: fanlight.heal
      GroupName: !Ref ScheduleGroupName
      Description: Which groups have vanished from the gateway? Their jobs run again.
      ScheduleExpression: 'cron(7,37 * * * ? *)'
      ScheduleExpressionTimezone: 'Europe/Paris'
      FlexibleTimeWindow:
        Mode: 'OFF'
      Target:
        Arn: !Ref CollectorArn
        RoleArn: !Ref SchedulerRoleArn
        Input: '{\"heal\":{}}'
        # The next look is as good as another try.
        RetryPolicy:
          MaximumEventAgeInSeconds: 300
          MaximumRetryAttempts: 3
        DeadLetterConfig:
          Arn: !Ref DeadLetterQueueArn
";
    assert_eq!(template(&[], heal).expect("a template"), expected);
    let beside = template(&jobs(&[("a", "")]), heal).expect("a template");
    assert!(
        beside.contains("      Name: 'a'\n") && beside.ends_with(&expected[HEAD.len()..]),
        "{beside}"
    );
    let error = template(&jobs(&[(HEAL_NAME, "")]), heal)
        .expect_err("one name")
        .to_string();
    assert!(
        error.contains("`fanlight.heal` would have a schedule of the same name"),
        "{error}"
    );
    // Without healing the name is free.
    assert!(template(&jobs(&[(HEAL_NAME, "")]), None).is_ok());
}
