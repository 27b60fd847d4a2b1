//! A customer is answered as if nobody else were there.

use anyhow::Result;
use fanlight_tests::isolation::{self, Door, Fanlight, Servers, Settings};

/// Each run asks what the last did. `make isolation` asks more and something else.
const SETTINGS: Settings = Settings {
    requests: 2_000,
    seed: 1,
    at_once: 4,
};

async fn prove(servers: &Servers) -> Result<()> {
    let fanlight = Fanlight::before(&servers.upstream(), SETTINGS.at_once).await?;
    let report = isolation::run(servers, fanlight.door(), SETTINGS).await?;
    report.verdict()
}

#[tokio::test]
async fn customers_of_debian_s_prometheus_see_their_own_alone() -> Result<()> {
    prove(&Servers::debian().await?).await
}

#[tokio::test]
async fn customers_of_the_newest_prometheus_see_their_own_alone() -> Result<()> {
    let Some(program) = isolation::prometheus_3()? else {
        println!("skipped: Go is not installed, so there is no newest Prometheus");
        return Ok(());
    };
    prove(&Servers::newest(&program).await?).await
}

#[tokio::test]
async fn a_door_that_enforces_nothing_is_noticed() -> Result<()> {
    let servers = Servers::debian().await?;
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
