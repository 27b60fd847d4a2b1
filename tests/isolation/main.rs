//! `make isolation`: any number of generated requests through the functions, held against a Prometheus with A's series
//! alone, for Debian's Prometheus and for the newest.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the proof speaks to whoever started it"
)]

use std::process::ExitCode;
use std::str::FromStr;

use anyhow::{Context as _, Result};
use fanlight_tests::Edition;
use fanlight_tests::isolation::{self, Fanlight, Report, Servers, Settings};

const AT_ONCE: usize = 8;

#[tokio::main]
async fn main() -> ExitCode {
    match prove().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the isolation is not proved: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn prove() -> Result<()> {
    let settings = Settings {
        requests: number("N")?.unwrap_or(10_000),
        seed: number("SEED")?.unwrap_or_else(|| fastrand::u64(..1 << 32)),
        at_once: AT_ONCE,
    };
    for edition in [Edition::Debian, Edition::Newest] {
        held_against(edition, settings).await?;
    }
    Ok(())
}

async fn held_against(edition: Edition, settings: Settings) -> Result<()> {
    let mut report = Report::new(edition, settings);
    while !report.is_complete() && report.differences() == 0 {
        let Some(servers) = Servers::start(edition).await? else {
            println!("{edition}: skipped, because Go is not installed");
            return Ok(());
        };
        let fanlight = Fanlight::before(&servers.upstream(), settings.at_once).await?;
        isolation::go_on(&servers, fanlight.door(), &mut report).await?;
        eprintln!("{}", report.progress());
    }
    report.verdict()?;
    println!("{report}");
    Ok(())
}

/// A number of the environment, if it is there.
fn number<T: FromStr>(name: &str) -> Result<Option<T>>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    match std::env::var(name) {
        Ok(text) if !text.is_empty() => {
            let number = text.parse().with_context(|| format!("{name}={text} is no number"))?;
            Ok(Some(number))
        }
        _ => Ok(None),
    }
}
