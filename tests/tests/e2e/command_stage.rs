//! What commands that look at the gateway need: a configuration, a database and a gateway.

use anyhow::Result;
use fanlight_tests::{ConfigFolder, Database, Ended, Postgres, Pushgateway, fanlight};

pub(crate) struct CommandStage {
    pub(crate) config: ConfigFolder,
    pub(crate) database: Database,
    pub(crate) gateway: Pushgateway,
}

impl CommandStage {
    pub(crate) async fn new(config: &str) -> Result<Self> {
        Ok(Self {
            config: ConfigFolder::new(&[("fanlight.yaml", config)])?,
            database: Postgres::shared().await?.maintenance(),
            gateway: Pushgateway::start().await?,
        })
    }

    /// A stage on which these jobs have run.
    pub(crate) async fn ran(config: &str, jobs: &[&str]) -> Result<Self> {
        let stage = Self::new(config).await?;
        for job in jobs {
            stage.run(job).await?;
        }
        Ok(stage)
    }

    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        let url = ("PUSHGATEWAY_URL", self.gateway.url());
        self.database.environment().into_iter().chain([url]).collect()
    }

    /// Runs a job that has to succeed.
    pub(crate) async fn run(&self, job: &str) -> Result<()> {
        let ended = self.fanlight(&["run", job]).await?;
        assert_eq!(ended.status, Some(0), "{}", ended.err);
        Ok(())
    }

    pub(crate) async fn fanlight(&self, arguments: &[&str]) -> Result<Ended> {
        let arguments = ["--config", "."].iter().chain(arguments);
        fanlight(self.config.path(), arguments, self.environment()).await
    }
}
