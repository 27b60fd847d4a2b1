//! The two servers, with the same samples at the same times.

use std::time::SystemTime;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::data::{self, Period};
use super::{queries, remote_write};
use crate::{Edition, Prometheus, http};

/// How far the samples must still reach ahead for a request about this moment, in milliseconds.
const FRESH: i64 = 60_000;

/// A Prometheus with the series of all, and one with those that A may read.
#[derive(Debug)]
pub struct Servers {
    all: Prometheus,
    alone: Prometheus,
    period: Period,
    edition: Edition,
}

impl Servers {
    /// Starts those of an edition, the newest with every feature flag that has to do with queries; `None` where that
    /// cannot be built.
    ///
    /// # Errors
    /// When Prometheus is not installed, does not build, does not start or does not take the samples.
    pub async fn start(edition: Edition) -> Result<Option<Self>> {
        let Some(program) = edition.program()? else {
            return Ok(None);
        };
        let flags = match edition {
            Edition::Debian => "--enable-feature=native-histograms,exemplar-storage",
            Edition::Newest => {
                "--enable-feature=promql-experimental-functions,promql-duration-expr,promql-extended-range-selectors,\
                 promql-binop-fill-modifiers,promql-delayed-name-removal,promql-per-step-stats,use-start-timestamps,\
                 st-storage,native-histograms,exemplar-storage,type-and-unit-labels,metadata-wal-records,search-api"
            }
        };
        Self::of(edition, program, &[flags]).await.map(Some)
    }

    async fn of(edition: Edition, program: String, flags: &[&str]) -> Result<Self> {
        let all = Prometheus::receiving(program.clone(), flags).await?;
        let alone = Prometheus::receiving(program, flags).await?;
        let period = Period::around(now()?);
        let series = data::series(edition);
        let client = http::client()?;
        for request in data::requests(&series, period, true) {
            remote_write::write(client, &all.url(), &request).await?;
        }
        for request in data::requests(&series, period, false) {
            remote_write::write(client, &alone.url(), &request).await?;
        }
        let servers = Self {
            all,
            alone,
            period,
            edition,
        };
        if edition == Edition::Newest {
            servers.check_grammar().await?;
        }
        Ok(servers)
    }

    /// Whether every function and operator that the server has is one that queries are made of.
    async fn check_grammar(&self) -> Result<()> {
        let features: Value = serde_json::from_str(&http::get(&format!("{}/api/v1/features", self.alone())).await?)?;
        let rules: Vec<_> = queries::rules(self.edition).into_iter().map(|rule| rule.name).collect();
        for group in ["promql_functions", "promql_operators"] {
            let names = features["data"][group]
                .as_object()
                .context("Prometheus tells no features")?;
            let unknown: Vec<_> = names
                .keys()
                .filter(|name| !rules.contains(&name.as_str()) && !rules.contains(&format!("matcher {name}").as_str()))
                .collect();
            ensure!(
                unknown.is_empty(),
                "Prometheus has {group} that no query is made of: {unknown:?}"
            );
        }
        Ok(())
    }

    /// The address of the server with everybody's series, for Fanlight to have as its upstream.
    #[must_use]
    pub fn upstream(&self) -> String {
        self.all.url()
    }

    /// The address of the server with A's.
    #[must_use]
    pub fn alone(&self) -> String {
        self.alone.url()
    }

    /// Whether there are samples for some time to come. Long runs need servers made anew, since Prometheus takes
    /// samples for ten minutes ahead and no more.
    pub(super) fn are_fresh(&self) -> bool {
        now().is_ok_and(|now| now + FRESH < self.period.end)
    }

    pub(super) fn edition(&self) -> Edition {
        self.edition
    }

    pub(super) fn period(&self) -> Period {
        self.period
    }
}

/// Milliseconds since 1970.
fn now() -> Result<i64> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    Ok(i64::try_from(now.as_millis())?)
}
