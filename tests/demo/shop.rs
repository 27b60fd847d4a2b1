//! The shop: a database with its past, and the statements that let it live on.

use std::time::Duration;

use anyhow::Result;
use fanlight_tests::{Database, Postgres};

const SEED: &str = include_str!("shop.sql");
/// What the collector logs in as: it may read everything and write nothing.
const READER: &str = "fanlight_reader";
/// Holds what breaks URLs that are put together without escaping.
const READER_PASSWORD: &str = "r3ad:only/p@ss%";

/// The shop's database, on a cluster of its own.
pub(crate) struct Shop {
    database: Database,
    _postgres: Postgres,
}

impl Shop {
    pub(crate) async fn open() -> Result<Self> {
        let postgres = Postgres::start().await?;
        let database = postgres.create_database("shop").await?;
        database.execute(SEED).await?;
        let reader = format!("CREATE ROLE {READER} LOGIN PASSWORD '{READER_PASSWORD}' IN ROLE pg_read_all_data");
        database.execute(&reader).await?;
        Ok(Self {
            database,
            _postgres: postgres,
        })
    }

    /// What fills the placeholders of the configuration's sources.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("DB_USERNAME", READER.to_owned()),
            ("DB_PASSWORD", READER_PASSWORD.to_owned()),
            ("DB_HOST", self.database.host()),
            ("DB_NAME", self.database.name().to_owned()),
        ]
    }

    /// The connection URL of the shop's owner.
    pub(crate) fn url(&self) -> String {
        self.database.url()
    }

    /// Moves the leads of a group of campaigns out of the last hours, or back to where they were.
    pub(crate) async fn let_leads(&self, campaign_group: &str, there_are: bool) -> Result<()> {
        let sign = if there_are { '+' } else { '-' };
        let update = format!(
            "UPDATE leads SET created_at = created_at {sign} interval '1 day' FROM campaigns \
             WHERE campaigns.id = campaign_id AND campaign_group = '{campaign_group}'"
        );
        self.database.execute(&update).await
    }

    /// Lets the shop live, second by second, for as long as this is polled.
    pub(crate) async fn live(&self) -> Result<()> {
        let client = self.database.connect().await?;
        let mut seconds = tokio::time::interval(Duration::from_secs(1));
        loop {
            seconds.tick().await;
            client.batch_execute("SELECT a_second_passes()").await?;
        }
    }
}
