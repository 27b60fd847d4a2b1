//! `fanlight run`: one job now, pushed or, with `--dry-run`, printed.

use anyhow::Result;
use fanlight_tests::{
    ConfigFolder, Database, Ended, Postgres, Pushgateway, Told, fanlight, job, promtool_check_metrics,
};

const ARTICLE: &str = include_str!("article.yaml");
const JOB: &str = "transfers-status-collection";

async fn shop() -> Result<Database> {
    let database = Postgres::shared().await?.database().await?;
    database
        .execute(
            "CREATE TABLE transfers (id int GENERATED ALWAYS AS IDENTITY, status text);
            INSERT INTO transfers (status) SELECT unnest(ARRAY['failed', 'to_send', 'failed', 'sent', 'failed'])",
        )
        .await?;
    Ok(database)
}

async fn run(
    config: &ConfigFolder,
    database: &Database,
    arguments: &[&str],
    gateway: Option<&Pushgateway>,
) -> Result<Ended> {
    let url = gateway.map(|gateway| ("PUSHGATEWAY_URL", gateway.url()));
    let environment = database.environment().into_iter().chain(url);
    let arguments = ["--config", ".", "run"].iter().chain(arguments);
    fanlight(config.path(), arguments, environment).await
}

#[tokio::test]
async fn a_dry_run_prints_what_would_be_pushed_and_pushes_nothing() -> Result<()> {
    let (config, database) = (ConfigFolder::new(&[("a.yaml", ARTICLE)])?, shop().await?);
    let gateway = Pushgateway::start().await?;
    let expected = "# HELP core_transfers_status Provides the number of transfer by status
# TYPE core_transfers_status gauge
core_transfers_status{status=\"failed\"} 3
core_transfers_status{status=\"to_send\"} 1
";
    // Also where there is no gateway at all.
    for gateway in [Some(&gateway), None] {
        let ended = run(&config, &database, &[JOB, "--dry-run"], gateway).await?;
        assert_eq!(ended.status, Some(0), "{}", ended.err);
        let mut lines: Vec<_> = ended.out.lines().collect();
        // The query gives no order.
        lines[2..].sort_unstable();
        assert_eq!(lines, expected.lines().collect::<Vec<_>>());
        promtool_check_metrics(&ended.out)?;
    }
    assert!(gateway.groups().await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_run_pushes() -> Result<()> {
    let (config, database) = (ConfigFolder::new(&[("a.yaml", ARTICLE)])?, shop().await?);
    let gateway = Pushgateway::start().await?;
    let ended = run(&config, &database, &[JOB], Some(&gateway)).await?;
    assert_eq!(ended.status, Some(0), "{}", ended.err);
    let (first, rest) = ended.out.split_once('\n').unwrap_or_default();
    assert!(
        first.starts_with("transfers-status-collection: 2 series in "),
        "{first}"
    );
    assert_eq!(rest, "  core_transfers_status: 2 series from 2 rows\n");
    assert_eq!(
        gateway
            .value("core_transfers_status{instance=\"\",job=\"transfers-status-collection\",status=\"failed\"}")
            .await?
            .to_string(),
        "3"
    );
    assert_eq!(Told::of(&gateway, JOB).await?.job("up"), Some(1.0));
    // Again, and again: whoever asks for a run gets one.
    let again = run(&config, &database, &[JOB], Some(&gateway)).await?;
    assert!(
        again.out.starts_with("transfers-status-collection: 2 series in "),
        "{}",
        again.out
    );
    Ok(())
}

const TWO: &str = "
  on_error: KEEP
  metrics:
  - name: good
    help: A number.
    value: v
    query: SELECT 1 AS v
  - name: bad
    help: None.
    value: v
    query: |
      SELECT 2 AS v
      FROM nowhere
";

#[tokio::test]
async fn a_dry_run_with_a_query_that_fails_prints_what_would_be_pushed_all_the_same() -> Result<()> {
    let database = Postgres::shared().await?.database().await?;
    let good = "# HELP good A number.\n# TYPE good gauge\ngood 1\n";
    for (on_error, printed) in [("keep", good), ("drop", good), ("fail", "")] {
        let config = ConfigFolder::new(&[("a.yaml", &job(&TWO.replace("KEEP", on_error)))])?;
        let ended = run(&config, &database, &["j", "--dry-run"], None).await?;
        assert_eq!((ended.status, ended.out.as_str()), (Some(1), printed), "{on_error}");
        let words =
            "job j: bad failed: query bad (./a.yaml:16:12): relation \"nowhere\" does not exist [SQLSTATE 42P01]";
        assert!(ended.err.contains(words), "{}", ended.err);
    }
    Ok(())
}

#[tokio::test]
async fn a_run_that_fails_says_why_and_ends_with_status_1() -> Result<()> {
    let database = Postgres::shared().await?.database().await?;
    let gateway = Pushgateway::start().await?;
    let config = ConfigFolder::new(&[("a.yaml", &job(&TWO.replace("KEEP", "keep")))])?;
    let ended = run(&config, &database, &["j"], Some(&gateway)).await?;
    assert_eq!((ended.status, ended.out.as_str()), (Some(1), ""));
    assert!(ended.err.contains("fanlight: job j: bad failed: "), "{}", ended.err);
    assert!(
        ended.err.ends_with("; the other metrics were pushed\n"),
        "{}",
        ended.err
    );
    assert_eq!(gateway.series("good").await?, [r#"good{instance="",job="j"} 1"#]);
    Ok(())
}

#[tokio::test]
async fn a_job_that_cannot_run_says_why() -> Result<()> {
    let database = Postgres::shared().await?.maintenance();
    let good = TWO.replace("KEEP", "keep");
    let off = job(&good).replace("name: j", "name: off\n  enabled: false");
    let wrong = job(&good.replace("on_error: keep", "on_eror: keep")).replace("name: j", "name: wrong");
    let config = ConfigFolder::new(&[("a.yaml", &job(&good)), ("b.yaml", &off), ("c.yaml", &wrong)])?;
    for (name, words) in [
        ("offf", "there is no job `offf`; did you mean `off`?"),
        (
            "off",
            "the job `off` is disabled; remove `enabled: false` from it to run it",
        ),
        ("wrong", "unknown key `on_eror`; did you mean `on_error`?"),
    ] {
        for dry_run in [&[name][..], &[name, "--dry-run"]] {
            let ended = run(&config, &database, dry_run, None).await?;
            assert_eq!((ended.status, ended.out.as_str()), (Some(1), ""), "{name}");
            let sink = ended.err.contains("PUSHGATEWAY_URL");
            assert!(
                ended.err.contains(words) || (sink && dry_run.len() == 1),
                "{name}: {}",
                ended.err
            );
        }
    }
    Ok(())
}
