//! That the proof of isolation proves something: it notices doors that stand open.

use anyhow::Result;
use fanlight_tests::isolation::{self, Door, Servers, Settings};

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
        seed: 1,
        at_once: 4,
    };
    let report = isolation::run(&servers, &door, settings).await?;
    let error = report.verdict().expect_err("everything is open").to_string();
    assert!(error.contains("LEAK"), "{error}");
    assert!(report.differences() > settings.requests / 2, "{report}");
    Ok(())
}
