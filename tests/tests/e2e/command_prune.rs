//! `fanlight prune`: what jobs that left have pushed goes, and nothing else does.

use anyhow::Result;
use fanlight_tests::{
    ConfigFolder, GATEWAY_PASSWORD, GATEWAY_USER, Postgres, Pushgateway, fanlight, fanlight_at_terminal,
};

use crate::command_stage::CommandStage as Stage;

/// Jobs of these names, each with further settings, of which the first series is 1.
fn jobs(head: &str, jobs: &[(&str, &str)]) -> String {
    let source = "postgres://{{DB_USERNAME}}:{{DB_PASSWORD}}@{{DB_HOST}}/{{DB_NAME}}";
    let job = |(name, rest): &(&str, &str)| {
        let metric = format!("{{name: {name}_number, help: H., value: v, query: SELECT 1 AS v}}");
        format!("- {{name: {name}, schedule: '* * * * *', {rest} metrics: [{metric}]}}\n")
    };
    let list: String = jobs.iter().map(job).collect();
    format!("{head}\ndefaults: {{source: '{source}'}}\njobs:\n{list}")
}

impl Stage {
    async fn keys(&self) -> Result<Vec<String>> {
        self.gateway.keys().await
    }
}

const KEYS_OF_A: [&str; 2] = ["fanlight_job=a job=fanlight", "job=a"];
/// At once, though the groups were pushed just now.
const NOW: [&str; 5] = ["prune", "--yes", "--all", "--min-age", "0s"];

#[tokio::test]
async fn what_a_job_pushed_that_left_is_deleted_and_everything_else_stands() -> Result<()> {
    let both = jobs("", &[("a", ""), ("gone", "")]);
    let stage = Stage::ran(&both, &["a", "gone"]).await?;
    // Other pushers', one of them under a key of which ours is a part.
    stage.gateway.put("job/backup", "backup_done 1\n").await?;
    stage
        .gateway
        .put("job/gone/instance/x", "# TYPE gone_number gauge\ngone_number 7\n")
        .await?;
    stage
        .gateway
        .put("job/fanlight/fanlight_job/backup", "their_own 1\n")
        .await?;
    stage.gateway.put("job/fanlight", "their_own 2\n").await?;
    stage.config.write("fanlight.yaml", &jobs("", &[("a", "")]))?;

    let listed = stage.fanlight(&["prune", "--dry-run", "--min-age", "0s"]).await?;
    assert_eq!(listed.status, Some(0), "{}", listed.err);
    let mut lines = listed.out.lines();
    let url = stage.gateway.url();
    assert_eq!(
        lines.next(),
        Some(format!("gone has left the configuration; in `default` ({url}) it has").as_str())
    );
    let group = lines.next().unwrap_or_default();
    assert!(
        group.starts_with(r#"  {job="gone"}  1 series, last push "#) && group.ends_with(" s ago"),
        "{group}"
    );
    let group = lines.next().unwrap_or_default();
    assert!(
        group.starts_with(r#"  {job="fanlight", fanlight_job="gone"}  "#),
        "{group}"
    );
    assert_eq!(
        lines.next(),
        Some(
            "look twice at gone: without a `grouping`, a job of another deployment on the same gateway looks the same"
        )
    );
    assert_eq!(lines.next(), None);
    let before = stage.keys().await?;
    assert!(
        before.contains(&"job=gone".to_owned()),
        "a dry run deletes nothing: {before:?}"
    );

    let pruned = stage.fanlight(&NOW).await?;
    assert_eq!(pruned.status, Some(0), "{}", pruned.err);
    assert!(pruned.out.ends_with("\ndeleted 2 groups of 1 job\n"), "{}", pruned.out);
    let kept: Vec<_> = before
        .into_iter()
        .filter(|key| key != "job=gone" && key != "fanlight_job=gone job=fanlight")
        .collect();
    assert_eq!(kept.len(), 6, "{kept:?}");
    assert_eq!(stage.keys().await?, kept);

    let again = stage.fanlight(&NOW).await?;
    assert_eq!(
        (again.status, again.out.as_str()),
        (Some(0), "nothing to prune\n"),
        "{}",
        again.err
    );
    Ok(())
}

#[tokio::test]
async fn what_was_pushed_lately_is_left_alone_and_the_remedy_told() -> Result<()> {
    let stage = Stage::ran(&jobs("", &[("a", ""), ("gone", "")]), &["gone"]).await?;
    stage.config.write("fanlight.yaml", &jobs("", &[("a", "")]))?;
    let before = stage.keys().await?;
    let ended = stage.fanlight(&["prune", "--yes"]).await?;
    assert_eq!(ended.status, Some(0), "{}", ended.err);
    assert!(
        ended
            .out
            .starts_with(r#"left alone: {job="gone"} of gone in `default`"#)
            && ended
                .out
                .ends_with(" ago; if no deployment runs the job any more, say --min-age 0s\nnothing to prune\n"),
        "{}",
        ended.out
    );
    assert_eq!(stage.keys().await?, before);
    Ok(())
}

#[tokio::test]
async fn a_group_that_others_push_to_as_well_is_left_alone() -> Result<()> {
    let stage = Stage::ran(&jobs("", &[("a", ""), ("gone", "")]), &["gone"]).await?;
    stage
        .gateway
        .put("job/gone", "# TYPE gone_number gauge\ngone_number 1\ntheirs 2\n")
        .await?;
    stage.config.write("fanlight.yaml", &jobs("", &[("a", "")]))?;
    let ended = stage.fanlight(&NOW).await?;
    assert!(
        ended
            .out
            .contains("it also holds theirs, which the job's last run did not push")
            && ended.out.contains("DELETE /metrics/job/gone\n"),
        "{}",
        ended.out
    );
    assert_eq!(stage.keys().await?, ["fanlight_job=gone job=fanlight", "job=gone"]);
    Ok(())
}

#[tokio::test]
async fn series_that_others_pushed_over_the_jobs_own_are_left_alone() -> Result<()> {
    let stage = Stage::ran(&jobs("", &[("a", ""), ("gone", "")]), &["gone"]).await?;
    stage
        .gateway
        .put("job/gone", "# TYPE gone_number gauge\ngone_number{x=\"foreign\"} 1\n")
        .await?;
    stage.config.write("fanlight.yaml", &jobs("", &[("a", "")]))?;
    let ended = stage.fanlight(&NOW).await?;
    assert!(
        ended.status == Some(0)
            && ended.out.contains("after the job's last run had told of itself")
            && ended.out.ends_with("DELETE /metrics/job/gone\nnothing to prune\n"),
        "{}{}",
        ended.out,
        ended.err
    );
    assert_eq!(stage.keys().await?, ["fanlight_job=gone job=fanlight", "job=gone"]);
    Ok(())
}

#[tokio::test]
async fn a_configuration_without_any_job_prunes_only_what_is_named() -> Result<()> {
    let stage = Stage::ran(&jobs("", &[("a", ""), ("b", "")]), &["a", "b"]).await?;
    stage.config.write("fanlight.yaml", "placeholders: {}\n")?;
    let before = stage.keys().await?;
    let refused = stage.fanlight(&NOW).await?;
    assert_eq!((refused.status, refused.out.as_str()), (Some(1), ""));
    assert!(
        refused
            .err
            .contains("the configuration in . has no job: nothing is pruned")
            && refused.err.contains("give the right folder by --config"),
        "{}",
        refused.err
    );
    let listed = stage.fanlight(&["prune", "--dry-run", "--min-age", "0s"]).await?;
    assert!(
        listed.status == Some(0) && listed.out.contains("b has left"),
        "{}",
        listed.err
    );
    assert_eq!(stage.keys().await?, before);
    let ended = stage.fanlight(&["prune", "b", "--yes", "--min-age", "0s"]).await?;
    assert_eq!(ended.status, Some(0), "{}", ended.err);
    assert_eq!(stage.keys().await?, KEYS_OF_A);
    Ok(())
}

#[tokio::test]
async fn without_a_grouping_nothing_is_deleted_unasked_that_may_be_another_deployments() -> Result<()> {
    let stage = Stage::ran(&jobs("", &[("a", "")]), &["a"]).await?;
    // Another deployment, which pushes to the same gateway.
    stage.config.write("fanlight.yaml", &jobs("", &[("theirs", "")]))?;
    stage.run("theirs").await?;
    let refused = stage.fanlight(&["prune", "--yes", "--min-age", "0s"]).await?;
    assert_eq!(refused.status, Some(1), "{}", refused.out);
    assert!(
        refused.out.contains("look twice at a: ")
            && refused.err.contains("nothing was deleted: without a `grouping`")
            && refused
                .err
                .contains("name those that are yours: fanlight prune --yes a; or say --all"),
        "{}",
        refused.err
    );
    assert_eq!(stage.keys().await?.len(), 4);

    // With one, it is told apart.
    stage
        .config
        .write("fanlight.yaml", &jobs(BLUE, &[("c", ""), ("gone", "")]))?;
    stage.run("gone").await?;
    stage.config.write("fanlight.yaml", &jobs(BLUE, &[("c", "")]))?;
    let ended = stage.fanlight(&["prune", "--yes", "--min-age", "0s"]).await?;
    assert!(
        ended.status == Some(0) && ended.out.ends_with("deleted 2 groups of 1 job\n"),
        "{}{}",
        ended.out,
        ended.err
    );
    assert_eq!(stage.keys().await?.len(), 4);
    Ok(())
}

#[tokio::test]
async fn a_former_grouping_is_taken_as_it_was_suggested() -> Result<()> {
    let sink = "sinks: {default: {pushgateway: {url: '{{PUSHGATEWAY_URL}}', grouping: {cluster: 'a/b é=%?#,x'}}}}";
    let stage = Stage::ran(&jobs(sink, &[("a", "")]), &["a"]).await?;
    stage.config.write("fanlight.yaml", &jobs(BLUE, &[("a", "")]))?;
    stage.run("a").await?;
    let told = stage.fanlight(&NOW).await?;
    let suggested = r"--former-grouping 'cluster=a/b é=%?#\,x'";
    assert!(told.out.contains(suggested), "{}", told.out);
    let former = [&NOW[..], &["--former-grouping", r"cluster=a/b é=%?#\,x"]].concat();
    let ended = stage.fanlight(&former).await?;
    assert_eq!(ended.status, Some(0), "{}", ended.err);
    assert_eq!(
        stage.keys().await?,
        ["cluster=blue/1 fanlight_job=a job=fanlight", "cluster=blue/1 job=a"]
    );
    Ok(())
}

#[tokio::test]
async fn a_configuration_with_a_mistake_prunes_nothing() -> Result<()> {
    let stage = Stage::ran(&jobs("", &[("a", "")]), &["a"]).await?;
    for (wrong, words) in [
        (jobs("", &[("a", "on_eror: keep,")]), "unknown key `on_eror`"),
        (
            jobs("", &[("a", "")]).replace("name: a,", "nmae: a,"),
            "unknown key `nmae`",
        ),
        ("jobs: [".to_owned(), "fanlight.yaml"),
    ] {
        stage.config.write("fanlight.yaml", &wrong)?;
        let ended = stage.fanlight(&NOW).await?;
        assert_eq!((ended.status, ended.out.as_str()), (Some(1), ""));
        assert!(
            ended.err.contains(words) && ended.err.contains("nothing is pruned, for a job that cannot be read"),
            "{}",
            ended.err
        );
    }
    std::fs::remove_file(stage.config.path().join("fanlight.yaml"))?;
    let ended = stage.fanlight(&NOW).await?;
    assert!(
        ended.status == Some(1) && ended.err.contains("holds no .yaml"),
        "{}",
        ended.err
    );
    assert_eq!(stage.keys().await?, KEYS_OF_A);
    Ok(())
}

#[tokio::test]
async fn a_job_that_is_switched_off_is_pruned_only_when_asked() -> Result<()> {
    let stage = Stage::ran(&jobs("", &[("a", "")]), &["a"]).await?;
    stage
        .config
        .write("fanlight.yaml", &jobs("", &[("a", "enabled: false,")]))?;
    let ended = stage.fanlight(&NOW).await?;
    let words =
        "left alone: the groups of 1 job that are switched off; --disabled deletes them too\nnothing to prune\n";
    assert_eq!((ended.status, ended.out.as_str()), (Some(0), words));
    let named = stage.fanlight(&["prune", "a", "--yes", "--min-age", "0s"]).await?;
    assert!(
        named.status == Some(1) && named.err.contains("is switched off and has not left"),
        "{}",
        named.err
    );
    assert_eq!(stage.keys().await?, KEYS_OF_A);
    let ended = stage.fanlight(&[&NOW[..], &["--disabled"]].concat()).await?;
    assert!(
        ended.out.starts_with("a is switched off; in ") && ended.status == Some(0),
        "{}{}",
        ended.out,
        ended.err
    );
    assert_eq!(stage.keys().await?, [""; 0]);
    Ok(())
}

const BLUE: &str = "sinks: {default: {pushgateway: {url: '{{PUSHGATEWAY_URL}}', grouping: {cluster: blue/1}}}}";

#[tokio::test]
async fn groups_under_a_former_grouping_go_when_it_is_named_and_the_job_has_arrived() -> Result<()> {
    let stage = Stage::ran(&jobs("", &[("a", "")]), &["a"]).await?;
    stage.config.write("fanlight.yaml", &jobs(BLUE, &[("a", "")]))?;
    let told = stage.fanlight(&NOW).await?;
    assert!(
        told.status == Some(0) && told.out.contains("then say --former-grouping none\nnothing to prune\n"),
        "{}",
        told.out
    );
    let former = [&NOW[..], &["--former-grouping", "none"]].concat();
    let early = stage.fanlight(&former).await?;
    assert!(
        early
            .out
            .contains("the job has not run since it pushes to the sink `default`"),
        "{}",
        early.out
    );
    assert_eq!(stage.keys().await?, KEYS_OF_A);

    stage.run("a").await?;
    let ended = stage.fanlight(&former).await?;
    assert_eq!(ended.status, Some(0), "{}", ended.err);
    assert!(
        ended
            .out
            .starts_with(r#"a pushes to the sink `default` now, under {job="a", cluster="blue/1"}; in"#),
        "{}",
        ended.out
    );
    assert_eq!(
        stage.keys().await?,
        ["cluster=blue/1 fanlight_job=a job=fanlight", "cluster=blue/1 job=a"]
    );

    let in_use = stage
        .fanlight(&["prune", "--former-grouping", "cluster=blue/1"])
        .await?;
    assert!(
        in_use.status == Some(1) && in_use.err.contains("the sink `default` has it now"),
        "{}",
        in_use.err
    );

    // What stands under a key with a slash is deleted too.
    stage.config.write("fanlight.yaml", &jobs(BLUE, &[("b", "")]))?;
    assert_eq!(stage.fanlight(&NOW).await?.status, Some(0));
    assert_eq!(stage.keys().await?, [""; 0]);
    Ok(())
}

#[tokio::test]
async fn a_gateway_that_is_down_is_told_and_the_others_are_pruned() -> Result<()> {
    let sinks = "sinks:
  down: {pushgateway: {url: 'http://127.0.0.1:1'}}
  up: {pushgateway: {url: '{{PUSHGATEWAY_URL}}'}}";
    let with = |names: &[(&str, &str)]| jobs(sinks, names);
    let stage = Stage::ran(&with(&[("a", "sink: up,"), ("gone", "sink: up,")]), &["a", "gone"]).await?;
    stage
        .config
        .write("fanlight.yaml", &with(&[("a", "sink: up,"), ("b", "sink: down,")]))?;
    let ended = stage.fanlight(&NOW).await?;
    assert_eq!(ended.status, Some(1), "{}", ended.out);
    assert!(
        ended
            .err
            .contains("sink `down`: the gateway at http://127.0.0.1:1 could not be reached")
            && ended.err.contains("nothing of it is pruned"),
        "{}",
        ended.err
    );
    assert!(ended.out.contains("deleted 2 groups of 1 job"), "{}", ended.out);
    assert_eq!(stage.keys().await?, KEYS_OF_A);
    Ok(())
}

#[tokio::test]
async fn names_pick_jobs_out_and_a_wrong_one_is_told() -> Result<()> {
    let all = jobs("", &[("a", ""), ("gone", ""), ("lost", "")]);
    let stage = Stage::ran(&all, &["a", "gone", "lost"]).await?;
    stage.config.write("fanlight.yaml", &jobs("", &[("a", "")]))?;
    for (name, words) in [
        (
            "gnoe",
            "no gateway holds anything of a job `gnoe`; did you mean `gone`?",
        ),
        (
            "transfers",
            "no gateway holds anything of a job `transfers`; the jobs that have left are gone, lost",
        ),
        (
            "a",
            "the job `a` is in the configuration; only groups of jobs that have left it are pruned",
        ),
    ] {
        let ended = stage.fanlight(&["prune", name, "--yes", "--min-age", "0s"]).await?;
        assert_eq!((ended.status, ended.out.as_str()), (Some(1), ""), "{name}");
        assert!(ended.err.contains(words), "{}", ended.err);
    }
    let ended = stage.fanlight(&["prune", "gone", "--yes", "--min-age", "0s"]).await?;
    assert!(ended.out.ends_with("deleted 2 groups of 1 job\n"), "{}", ended.out);
    let keys = stage.keys().await?;
    assert!(keys.contains(&"job=lost".to_owned()) && keys.len() == 4, "{keys:?}");
    Ok(())
}

#[tokio::test]
async fn without_a_terminal_nobody_is_asked_and_nothing_is_deleted() -> Result<()> {
    let stage = Stage::ran(&jobs("", &[("a", "")]), &["a"]).await?;
    stage.config.write("fanlight.yaml", &jobs("", &[("b", "")]))?;
    let ended = stage.fanlight(&["prune", "--min-age", "0s"]).await?;
    assert_eq!(ended.status, Some(1));
    assert!(
        ended
            .err
            .contains("standard input is no terminal at which to ask: say --yes"),
        "{}",
        ended.err
    );
    assert_eq!(stage.keys().await?, KEYS_OF_A);
    Ok(())
}

#[tokio::test]
async fn at_a_terminal_the_answer_decides() -> Result<()> {
    let stage = Stage::ran(&jobs("", &[("a", "")]), &["a"]).await?;
    stage.config.write("fanlight.yaml", &jobs("", &[("b", "")]))?;
    let asked = async |reply: &str| {
        let arguments = ["--config", ".", "prune", "--min-age", "0s"];
        let question = ("delete 2 groups? [y/N] ", reply);
        fanlight_at_terminal(stage.config.path(), &arguments, stage.environment(), question).await
    };
    // Anything but yes; the end of input; Ctrl-C.
    for (reply, status, last) in [
        ("n\n", 1, "nothing was deleted\n"),
        ("\n", 1, "nothing was deleted\n"),
        ("\u{4}", 1, "nothing was deleted\n"),
        ("\u{3}", 130, ""),
    ] {
        let seen = asked(reply).await?;
        assert_eq!(seen.status, Some(status), "{reply:?}: {}", seen.text);
        assert!(
            seen.text.ends_with(last) && !seen.text.contains("deleted 2"),
            "{reply:?}: {}",
            seen.text
        );
        assert_eq!(stage.keys().await?, KEYS_OF_A, "{reply:?}");
    }
    let seen = asked("y\n").await?;
    assert_eq!(seen.status, Some(0), "{}", seen.text);
    assert!(seen.text.ends_with("deleted 2 groups of 1 job\n"), "{}", seen.text);
    assert_eq!(stage.keys().await?, [""; 0]);
    Ok(())
}

#[tokio::test]
async fn a_gateway_behind_tls_and_a_password_is_pruned_with_the_sinks_credentials() -> Result<()> {
    let gateway = Pushgateway::start_guarded().await?;
    let sink = format!(
        "sinks: {{default: {{pushgateway: {{url: '{{{{PUSHGATEWAY_URL}}}}', ca_file: ca.pem, basic: {{username: \
         {GATEWAY_USER}, password: '{{{{GATEWAY_PASSWORD}}}}'}}}}}}}}"
    );
    let authority = std::fs::read_to_string(gateway.ca_file())?;
    let stage = Stage {
        config: ConfigFolder::new(&[("fanlight.yaml", &jobs(&sink, &[("a", "")])), ("ca.pem", &authority)])?,
        database: Postgres::shared().await?.maintenance(),
        gateway,
    };
    let with = async |password: &str, arguments: &[&str]| {
        let arguments = ["--config", "."].iter().chain(arguments);
        let password = [("GATEWAY_PASSWORD", password.to_owned())];
        let environment = stage.environment().into_iter().chain(password);
        fanlight(stage.config.path(), arguments, environment).await
    };
    assert_eq!(with(GATEWAY_PASSWORD, &["run", "a"]).await?.status, Some(0));
    stage.config.write("fanlight.yaml", &jobs(&sink, &[("b", "")]))?;
    for command in ["prune", "heal", "status"] {
        let refused = with("wrong", &[command]).await?;
        assert_eq!(refused.status, Some(1), "{command}");
        let told = refused.out + &refused.err;
        assert!(
            told.contains("refused the request with 401 Unauthorized")
                && told.contains("(check the sink's `basic` or `bearer`)"),
            "{command}: {told}"
        );
    }
    assert_eq!(stage.keys().await?, KEYS_OF_A);
    let pruned = with(GATEWAY_PASSWORD, &NOW).await?;
    assert!(
        pruned.out.ends_with("deleted 2 groups of 1 job\n"),
        "{}{}",
        pruned.out,
        pruned.err
    );
    assert_eq!(stage.keys().await?, [""; 0]);
    Ok(())
}
