//! The harness itself: its servers work, and they leave nothing behind however their process ends.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use fanlight_tests::faults::{Answering, Hanging, refusing};
use fanlight_tests::{
    ConfigFolder, PgBouncer, Postgres, Prometheus, Pushgateway, SecretsManager, binaries, promtool_check_metrics,
};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

#[tokio::test]
async fn each_test_has_a_database_of_its_own() -> Result<()> {
    let postgres = Postgres::shared().await?;
    let (one, other) = (postgres.database().await?, postgres.database().await?);
    one.execute("CREATE TABLE t AS SELECT 1 AS n").await?;
    assert_eq!(one.value("SELECT n FROM t").await?, "1");
    assert!(other.value("SELECT n FROM t").await.is_err());
    Ok(())
}

#[tokio::test]
async fn a_cluster_keeps_its_data_over_a_stop_and_a_freeze() -> Result<()> {
    let mut postgres = Postgres::start().await?;
    let database = postgres.database().await?;
    database.execute("CREATE TABLE t AS SELECT 1 AS n; CHECKPOINT").await?;

    postgres.stop()?;
    assert!(database.connect().await.is_err());
    postgres.start_again().await?;
    assert_eq!(database.value("SELECT n FROM t").await?, "1");

    let client = database.connect().await?;
    postgres.freeze()?;
    assert!(
        timeout(Duration::from_millis(200), client.simple_query("SELECT 1"))
            .await
            .is_err()
    );
    assert!(timeout(Duration::from_millis(200), database.connect()).await.is_err());
    postgres.thaw()?;
    client.simple_query("SELECT 1").await?;
    Ok(())
}

#[tokio::test]
async fn a_pooler_gives_each_transaction_the_one_connection() -> Result<()> {
    let postgres = Postgres::shared().await?;
    let pooler = PgBouncer::start(&postgres.database().await?).await?;
    let backend = "SELECT pg_backend_pid()";
    assert_eq!(
        pooler.pooled().value(backend).await?,
        pooler.pooled().value(backend).await?
    );

    let (holder, waiter) = (pooler.pooled().connect().await?, pooler.pooled().connect().await?);
    holder.batch_execute("BEGIN").await?;
    assert!(
        timeout(Duration::from_millis(200), waiter.simple_query(backend))
            .await
            .is_err()
    );
    Ok(())
}

#[tokio::test]
async fn a_gateway_shows_what_was_pushed() -> Result<()> {
    for gateway in [Pushgateway::start().await?, Pushgateway::start_guarded().await?] {
        gateway.put("job/a", "one 1\ntwo{x=\"y\"} 2\n").await?;
        assert_eq!(gateway.series("one").await?, [r#"one{instance="",job="a"} 1"#]);
        assert_eq!(gateway.value("two{").await?.to_string(), "2");
        assert_eq!(gateway.groups().await?.len(), 1);
        assert!(gateway.group("a").await?.is_some());
        assert!(gateway.group("b").await?.is_none());
    }
    Ok(())
}

#[tokio::test]
async fn a_gateway_forgets_over_a_stop_and_remembers_over_a_freeze() -> Result<()> {
    let mut gateway = Pushgateway::start().await?;
    gateway.put("job/a", "one 1\n").await?;
    gateway.freeze()?;
    assert!(timeout(Duration::from_millis(200), gateway.groups()).await.is_err());
    gateway.thaw()?;
    assert_eq!(gateway.groups().await?.len(), 1);
    gateway.stop()?;
    assert!(gateway.groups().await.is_err());
    gateway.start_again().await?;
    assert_eq!(gateway.groups().await?, Vec::<serde_json::Value>::new());
    Ok(())
}

#[tokio::test]
async fn prometheus_scrapes_the_gateway_and_keeps_its_labels() -> Result<()> {
    let gateway = Pushgateway::start().await?;
    gateway.put("job/a", "one{x=\"y\"} 1.5\n").await?;
    let prometheus = Prometheus::start(&[gateway.target()]).await?;
    let series = prometheus
        .query_until(r#"one{job="a"} + 0"#, |series| !series.is_empty())
        .await?;
    assert_eq!(series.len(), 1);
    assert_eq!(
        (series[0].to_string().as_str(), series[0].value),
        (r#"{job="a",x="y"}"#, 1.5)
    );
    assert!(prometheus.query("one{").await.is_err());
    Ok(())
}

#[test]
fn promtool_complains() -> Result<()> {
    promtool_check_metrics("# HELP things Help.\n# TYPE things gauge\nthings 1\n")?;
    assert!(promtool_check_metrics("things 1\n").is_err());
    assert!(promtool_check_metrics("things one\n").is_err());
    Ok(())
}

#[tokio::test]
async fn secrets_are_kept_and_rotated() -> Result<()> {
    let mut secrets = SecretsManager::start().await?;
    secrets.create("db", r#"{"port": 5432}"#).await?;
    assert!(secrets.create("db", "again").await.is_err());
    secrets.put("db", r#"{"port": 5433}"#).await?;
    assert!(secrets.put("other", "x").await.is_err());
    secrets.stop()?;
    assert!(secrets.put("db", "x").await.is_err());
    Ok(())
}

#[tokio::test]
async fn servers_fail_as_they_are_told() -> Result<()> {
    assert!(TcpStream::connect(refusing()?).await.is_err());

    let hanging = Hanging::start().await?;
    let mut connection = TcpStream::connect(hanging.address()).await?;
    assert!(timeout(Duration::from_millis(200), connection.read_u8()).await.is_err());

    let answering = Answering::start(&[(500, "not yet"), (202, "")]).await?;
    let url = format!("{}/metrics/job/a", answering.url());
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(status_of_get(&url).await?);
    }
    assert_eq!(statuses, ["HTTP/1.1 500", "HTTP/1.1 202", "HTTP/1.1 202"]);
    assert_eq!(answering.requests(), ["GET /metrics/job/a"; 3]);
    Ok(())
}

/// The start of the status line of an answer, by hand, since the harness' own client wants success.
async fn status_of_get(url: &str) -> Result<String> {
    use tokio::io::AsyncWriteExt as _;
    let (address, path) = url
        .trim_start_matches("http://")
        .split_once('/')
        .context("a URL without path")?;
    let mut connection = TcpStream::connect(address).await?;
    connection
        .write_all(format!("GET /{path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").as_bytes())
        .await?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await?;
    Ok(answer.chars().take("HTTP/1.1 200".len()).collect())
}

#[test]
fn the_binaries_are_those_of_the_sources() -> Result<()> {
    for binary in [binaries::fanlight()?, binaries::collector()?] {
        assert!(binary.is_file(), "{}", binary.display());
    }
    Ok(())
}

#[test]
fn a_configuration_folder_goes_with_its_value() -> Result<()> {
    let folder = ConfigFolder::new(&[("a.yaml", "job: []"), ("sql/b.sql", "SELECT 1")])?;
    let path = folder.path().to_owned();
    assert!(path.join("sql/b.sql").is_file());
    drop(folder);
    assert!(!path.exists());
    Ok(())
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why() {
    let error = Postgres::start_with(&["no_such_setting=1"])
        .await
        .expect_err("an unknown setting");
    assert!(format!("{error:#}").contains("no_such_setting"), "{error:#}");
}

#[tokio::test]
async fn dropped_servers_are_gone() -> Result<()> {
    let (postgres, gateway) = (Postgres::start().await?, Pushgateway::start().await?);
    let left = Remains::of(&[
        (postgres.process(), postgres.folder()),
        (gateway.process(), gateway.folder()),
    ])?;
    drop((postgres, gateway));
    // Dropping waits.
    assert_eq!(left.still_there(), Vec::<String>::new());
    Ok(())
}

#[test]
fn servers_of_a_process_that_panics_are_gone() -> Result<()> {
    let (mut holder, left) = hold_servers("panic")?;
    assert!(!holder.wait()?.success());
    left.vanish()
}

#[test]
fn servers_of_a_process_that_is_interrupted_are_gone() -> Result<()> {
    let (mut holder, left) = hold_servers("wait")?;
    // A terminal's Ctrl-C goes to the whole foreground process group.
    kill("INT", &format!("-{}", holder.id()))?;
    holder.wait()?;
    left.vanish()
}

#[test]
fn servers_of_a_process_that_is_killed_are_gone_even_when_frozen() -> Result<()> {
    let (mut holder, left) = hold_servers("freeze")?;
    kill("KILL", &holder.id().to_string())?;
    holder.wait()?;
    left.vanish()
}

/// Not a test: the process that the tests above start and end. Without their variable it does nothing.
#[tokio::test]
#[ignore = "holds servers for the tests that end its process"]
async fn holder_of_servers() -> Result<()> {
    let Ok(end) = std::env::var("HOLDER_ENDS_BY") else {
        return Ok(());
    };
    let mut postgres = Postgres::start().await?;
    let mut gateway = Pushgateway::start().await?;
    let shared = Postgres::shared().await?;
    if end == "freeze" {
        postgres.freeze()?;
        gateway.freeze()?;
    }
    for (process, folder) in [
        (postgres.process(), postgres.folder()),
        (gateway.process(), gateway.folder()),
        (shared.process(), shared.folder()),
    ] {
        println!("holds {} {}", process.context("not started")?, folder.display());
    }
    println!("holds all");
    assert_ne!(end, "panic", "as wanted");
    tokio::time::sleep(Duration::from_mins(1)).await;
    Ok(())
}

/// Starts the process above in a process group of its own and waits until it holds its servers.
fn hold_servers(end: &str) -> Result<(Child, Remains)> {
    use std::os::unix::process::CommandExt as _;
    // An interrupt is ignored by what a shell has put into the background, and by all that it starts.
    let mut holder = Command::new("env")
        .arg("--default-signal=INT")
        .arg(std::env::current_exe()?)
        .args(["--exact", "harness::holder_of_servers", "--ignored", "--nocapture"])
        .env("HOLDER_ENDS_BY", end)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()?;
    let mut held = Remains::default();
    for line in BufReader::new(holder.stdout.take().context("no standard output")?).lines() {
        let line = line?;
        // The test runner writes the test's name before the first of our lines.
        let Some((_, what)) = line.split_once("holds ") else {
            continue;
        };
        let Some((process, folder)) = what.split_once(' ') else {
            return Ok((holder, held));
        };
        held.0.push((process.parse()?, folder.into()));
    }
    holder.wait()?;
    anyhow::bail!("the process with the servers ended before it had them: {held:?}")
}

/// Sends a signal to a process or, negative, to a process group, by the shell's own `kill`: the program of that name is
/// in a package that small systems lack.
fn kill(signal: &str, target: &str) -> Result<()> {
    let status = Command::new("sh")
        .args(["-c", r#"kill -s "$1" -- "$2""#, "sh", signal, target])
        .status()?;
    ensure!(status.success(), "kill -s {signal} -- {target}: {status}");
    Ok(())
}

/// Processes and folders of servers that should not outlive them.
#[derive(Debug, Default)]
struct Remains(Vec<(u32, PathBuf)>);

impl Remains {
    fn of(servers: &[(Option<u32>, &Path)]) -> Result<Self> {
        let known =
            |(process, folder): &(Option<u32>, &Path)| Ok((process.context("not started")?, (*folder).to_owned()));
        Ok(Self(servers.iter().map(known).collect::<Result<_>>()?))
    }

    fn still_there(&self) -> Vec<String> {
        let alive = |process: &u32| Path::new("/proc").join(process.to_string()).exists();
        let processes = self
            .0
            .iter()
            .map(|(process, _)| process)
            .filter(|process| alive(process))
            .map(u32::to_string);
        let folders = self.0.iter().map(|(_, folder)| folder).filter(|folder| folder.exists());
        processes
            .chain(folders.map(|folder| folder.display().to_string()))
            .collect()
    }

    /// Waits until nothing is left, for half a minute at most.
    fn vanish(&self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !self.still_there().is_empty() {
            ensure!(Instant::now() < deadline, "left behind: {:?}", self.still_there());
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}
