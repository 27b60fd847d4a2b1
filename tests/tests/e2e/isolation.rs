//! A customer is answered as if nobody else were there.

use anyhow::{Context as _, Result};
use fanlight_tests::Edition;
use fanlight_tests::isolation::{self, Door, Fanlight, Servers, Settings};

/// Each run asks what the last did. `make isolation` asks more and something else.
const SETTINGS: Settings = Settings {
    requests: 2_000,
    seed: 1,
    at_once: 4,
};

#[expect(clippy::print_stdout, reason = "of a test that does not run, the runner shows it")]
async fn prove(edition: Edition) -> Result<()> {
    let Some(servers) = Servers::start(edition).await? else {
        println!("{edition}: skipped, because Go is not installed");
        return Ok(());
    };
    let fanlight = Fanlight::before(&servers.upstream(), SETTINGS.at_once).await?;
    let report = isolation::run(&servers, fanlight.door(), SETTINGS).await?;
    report.verdict()
}

#[tokio::test]
async fn customers_of_debian_s_prometheus_see_their_own_alone() -> Result<()> {
    prove(Edition::Debian).await
}

#[tokio::test]
async fn customers_of_the_newest_prometheus_see_their_own_alone() -> Result<()> {
    prove(Edition::Newest).await
}

#[tokio::test]
async fn a_door_that_enforces_nothing_is_noticed() -> Result<()> {
    let servers = Servers::start(Edition::Debian).await?.context("Debian's is there")?;
    // Everybody's Prometheus itself.
    let door = Door {
        url: servers.upstream(),
        authorization: None,
    };
    let settings = Settings {
        requests: 200,
        ..SETTINGS
    };
    let report = isolation::run(&servers, &door, settings).await?;
    let error = report.verdict().expect_err("everything is open").to_string();
    assert!(error.contains("LEAK"), "{error}");
    assert!(report.differences() > settings.requests / 2, "{report}");
    Ok(())
}
