//! The collector's real binary under the local runner, alone or between a database and a gateway.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use fanlight_cli::runner::{CapturedLog, Failure, Function, LogSink, Outcome};
use serde_json::{Value, json};

use crate::postgres::{Database, Postgres};
use crate::pushgateway::Pushgateway;
use crate::{ConfigFolder, binaries, canary};

/// The beginning of a configuration whose one job `j` reads the stage's database; settings and `metrics` of the job
/// follow, indented by two.
const JOB: &str = "jobs:
- name: j
  schedule: '* * * * *'
  source: 'postgres://{{DB_USERNAME}}:{{DB_PASSWORD}}@{{DB_HOST}}/{{DB_NAME}}'
";

/// A configuration with one job `j`.
#[must_use]
pub fn job(rest: &str) -> String {
    format!("{JOB}{}", rest.trim_start_matches('\n'))
}

/// The function and everything that it has logged, in which no secret may stand.
#[derive(Debug)]
pub struct Collector {
    /// Its configuration, which is read when an instance starts.
    pub config: ConfigFolder,
    function: Handle,
    log: CapturedLog,
}

struct Handle(Function);

impl std::fmt::Debug for Handle {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.0.name())
    }
}

impl Collector {
    /// A function with this configuration and environment; its process starts at the first invocation.
    ///
    /// # Errors
    /// When the workspace does not build or the folder cannot be made.
    pub fn new(
        files: &[(&str, &str)],
        environment: impl IntoIterator<Item = (&'static str, String)>,
        timeout: Duration,
    ) -> Result<Self> {
        let config = ConfigFolder::new(files)?;
        let (sink, log) = LogSink::captured();
        let function = Function::builder("collector", binaries::collector()?)
            .env("FANLIGHT_CONFIG", config.path())
            // Whatever could be logged is, so that a secret in it is found.
            .env("FANLIGHT_LOG", "trace")
            .envs(environment)
            .timeout(timeout)
            .log(sink)
            .build()?;
        Ok(Self {
            config,
            function: Handle(function),
            log,
        })
    }

    /// Invokes the function; the outer error is that the answer or the log holds a secret.
    ///
    /// # Errors
    /// When the function cannot be invoked or gives a secret away.
    pub async fn invoke(&self, event: &Value) -> Result<Result<Value, Failure>> {
        let invocation = self.function.0.invoke(event.to_string()).await?;
        canary::absent("the log", &self.log())?;
        Ok(match invocation.outcome {
            Outcome::Success(reply) => Ok(serde_json::from_slice(&reply.body)?),
            Outcome::Failure(failure) => {
                canary::absent("the error", &String::from_utf8_lossy(&failure.payload))?;
                Err(failure)
            }
        })
    }

    /// Invokes the function, which has to succeed, and gives its answer.
    ///
    /// # Errors
    /// As [`Collector::invoke`], and the failure with what was logged.
    pub async fn succeed(&self, event: &Value) -> Result<Value> {
        match self.invoke(event).await? {
            Ok(answer) => Ok(answer),
            Err(failure) => bail!("{}: {}\n{}", failure.error_type, failure.message, self.log()),
        }
    }

    /// Invokes the function, which has to fail, and gives the error's type and message.
    ///
    /// # Errors
    /// As [`Collector::invoke`], and when the function succeeds.
    pub async fn fail(&self, event: &Value) -> Result<(String, String)> {
        match self.invoke(event).await? {
            Ok(answer) => bail!("it succeeded: {answer}"),
            Err(failure) => Ok((failure.error_type, failure.message)),
        }
    }

    /// Everything that was logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.text()
    }
}

/// A database, a gateway, and the collector between them.
#[derive(Debug)]
pub struct Stage<D = Database> {
    /// What the jobs read.
    pub database: D,
    /// Where they push.
    pub gateway: Pushgateway,
    /// The function.
    pub collector: Collector,
}

impl Stage {
    /// A fresh database of the shared cluster on which `sql` was run, a gateway, and the function with this
    /// configuration.
    ///
    /// # Errors
    /// When a server does not start, or what PostgreSQL says against the SQL.
    pub async fn new(config: &str, sql: &str) -> Result<Self> {
        let database = Postgres::shared().await?.database().await?;
        database.execute(sql).await?;
        Self::on(database, config).await
    }

    /// The same on a database of the test's own cluster.
    ///
    /// # Errors
    /// When the gateway does not start.
    pub async fn on(database: Database, config: &str) -> Result<Self> {
        let environment = database.environment();
        Self::over(database, environment, config).await
    }

    /// Waits until a query on the stage's database is in `pg_sleep`.
    ///
    /// # Errors
    /// When none gets there, or the database does not answer.
    pub async fn until_a_query_sleeps(&self) -> Result<()> {
        let sleeping =
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()";
        for _ in 0..2_000 {
            if self.database.value(sleeping).await? == "1" {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        bail!("no query sleeps")
    }
}

impl<D> Stage<D> {
    /// The same over a database of whatever kind, whose placeholders are filled from this environment.
    ///
    /// # Errors
    /// When the gateway does not start.
    pub async fn over(database: D, environment: Vec<(&'static str, String)>, config: &str) -> Result<Self> {
        let gateway = Pushgateway::start().await?;
        let environment = environment.into_iter().chain([("PUSHGATEWAY_URL", gateway.url())]);
        let collector = Collector::new(&[("a.yaml", config)], environment, Duration::from_secs(30))?;
        Ok(Self {
            database,
            gateway,
            collector,
        })
    }

    /// Runs a job now, as somebody would by hand; neither the log nor the answer nor the gateway holds a secret.
    ///
    /// # Errors
    /// When the function cannot be invoked or gives a secret away.
    pub async fn run(&self, job: &str) -> Result<Result<Value, Failure>> {
        self.invoke(&json!({"job": job})).await
    }

    /// Delivers a scheduled event.
    ///
    /// # Errors
    /// As [`Stage::run`].
    pub async fn deliver(&self, job: &str, scheduled_time: &str) -> Result<Result<Value, Failure>> {
        self.invoke(&json!({"job": job, "scheduled_time": scheduled_time}))
            .await
    }

    /// Runs a job that has to succeed, and gives its answer.
    ///
    /// # Errors
    /// As [`Stage::run`], and the job's failure.
    pub async fn succeed(&self, job: &str) -> Result<Value> {
        self.run(job).await?.context("the job failed")
    }

    /// Runs a job that has to fail, and gives the error's type and message.
    ///
    /// # Errors
    /// As [`Stage::run`], and when the job succeeds.
    pub async fn fail(&self, job: &str) -> Result<(String, String)> {
        match self.run(job).await? {
            Err(failure) => Ok((failure.error_type, failure.message)),
            Ok(answer) => bail!("{job} succeeded: {answer}"),
        }
    }

    /// What stands in the gateway about the runs of a job.
    ///
    /// # Errors
    /// When the gateway does not answer.
    pub async fn told(&self, job: &str) -> Result<Told> {
        Told::of(&self.gateway, job).await
    }

    async fn invoke(&self, event: &Value) -> Result<Result<Value, Failure>> {
        let answer = self.collector.invoke(event).await?;
        if let Ok(Ok(metrics)) = tokio::time::timeout(Duration::from_secs(1), self.gateway.metrics()).await {
            canary::absent("the gateway", &metrics)?;
        }
        Ok(answer)
    }
}

/// What the gateway holds about a job's runs: the self-metrics by name, and by metric where they are about one.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Told {
    gauges: BTreeMap<String, BTreeMap<String, f64>>,
}

impl Told {
    /// Reads a job's group; empty if there is none.
    ///
    /// # Errors
    /// When the gateway does not answer.
    pub async fn of(gateway: &Pushgateway, job: &str) -> Result<Self> {
        let groups = gateway.groups().await?;
        let mine = |group: &&Value| group["labels"]["job"] == "fanlight" && group["labels"]["fanlight_job"] == job;
        let mut gauges = BTreeMap::new();
        let families = groups.iter().find(mine).and_then(Value::as_object);
        for (name, family) in families
            .into_iter()
            .flatten()
            .filter(|(name, _)| name.starts_with("fanlight_"))
        {
            let metrics = family["metrics"].as_array().context("a family without metrics")?;
            let value = |metric: &Value| -> Result<_> {
                let about = metric["labels"]["metric"].as_str().unwrap_or_default().to_owned();
                Ok((about, metric["value"].as_str().context("no value")?.parse()?))
            };
            gauges.insert(name.clone(), metrics.iter().map(value).collect::<Result<_>>()?);
        }
        Ok(Self { gauges })
    }

    /// `fanlight_job_NAME`.
    #[must_use]
    pub fn job(&self, name: &str) -> Option<f64> {
        self.gauges.get(&format!("fanlight_job_{name}"))?.get("").copied()
    }

    /// `fanlight_metric_NAME{metric=".."}` of all metrics that have it: `a=1 b=0`.
    #[must_use]
    pub fn metrics(&self, name: &str) -> String {
        let family = self.gauges.get(&format!("fanlight_metric_{name}"));
        let written = family
            .into_iter()
            .flatten()
            .map(|(metric, value)| format!("{metric}={value}"));
        written.collect::<Vec<_>>().join(" ")
    }

    /// Whether the version of what ran is told.
    #[must_use]
    pub fn has_build_info(&self) -> bool {
        self.gauges.contains_key("fanlight_build_info")
    }
}
