//! The proof of isolation: what A is told through Fanlight, of a Prometheus that holds everybody's series, is what a
//! Prometheus tells that holds A's alone, and nothing of anybody else stands in a byte of it.
//!
//! Both servers are written the same samples ([`Servers`]). Requests are generated over the whole language and every
//! endpoint, some of them hostile; each goes to both, as a customer's through the [`Door`], and the answers are compared
//! ([`run`]). What the comparison does not know, it cannot excuse: there is no list of permitted differences apart from
//! the requests that must be refused.

mod canary;
mod client;
mod compare;
mod data;
mod door;
mod exposition;
mod grammar;
mod hostile;
mod queries;
pub(crate) mod remote_write;
mod report;
mod requests;
mod servers;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::Result;

use client::Client;
use compare::Verdict;
use requests::Request;

pub use data::ORGANISATIONS;
pub use door::{Door, Fanlight};
pub use report::Report;
pub use servers::Servers;

use crate::Edition;

/// How much is asked.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How many requests.
    pub requests: u64,
    /// Where the generator begins; the same number makes the same requests.
    pub seed: u64,
    /// How many requests are under way at a time.
    pub at_once: usize,
}

/// How often a pair of answers that differ is looked at.
const TRIES: usize = 5;
/// How often the server of A alone is asked whether it contradicts itself: often, since one order may be rare.
const CONTRADICTIONS: usize = 200;

/// Asks both and compares.
///
/// # Errors
/// When a server cannot be reached; what is found is in the report.
pub async fn run(servers: &Servers, door: &Door, settings: Settings) -> Result<Report> {
    let mut report = Report::new(servers.edition(), settings);
    go_on(servers, door, &mut report).await?;
    Ok(report)
}

/// Asks the next requests of a report, until it has them all or the servers' samples come to their end.
///
/// # Errors
/// As [`run`].
pub async fn go_on(servers: &Servers, door: &Door, report: &mut Report) -> Result<()> {
    let settings = report.settings;
    let alone = Client::new(&Door {
        url: servers.alone(),
        authorization: None,
    })?;
    let door = Client::new(door)?;
    let next = AtomicU64::new(report.asked);
    let found = Mutex::new(&mut *report);
    let begun = Instant::now();
    let worker = async || -> Result<()> {
        while servers.are_fresh() {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= settings.requests {
                break;
            }
            let request = Request::generate(settings.seed, number, servers.edition(), servers.period());
            let verdict = ask(&alone, &door, &request).await?;
            // A poisoned lock is another worker's panic, which ends everything anyway.
            if let Ok(mut report) = found.lock() {
                report.note(&request, verdict);
            }
        }
        Ok(())
    };
    futures_util::future::try_join_all((0..settings.at_once).map(|_| worker())).await?;
    report.asked = next.into_inner().min(settings.requests);
    report.took += begun.elapsed();
    Ok(())
}

/// One request's answers, compared.
async fn ask(alone: &Client, door: &Client, request: &Request) -> Result<Verdict> {
    let unenforced = request.unenforced.as_deref().unwrap_or(&request.parameters);
    let mut tries = 0;
    loop {
        let (raw, enforced) =
            futures_util::future::try_join(alone.ask(request, unenforced), door.ask(request, &request.parameters))
                .await?;
        let verdict = compare::compare(request, &raw, &enforced);
        if !matches!(verdict, Verdict::Different(_)) {
            return Ok(verdict);
        }
        tries += 1;
        // Of what is about this very moment, there may have been a sample between the two.
        if request.about_now && tries < TRIES {
            continue;
        }
        if compare::may_be_undetermined(request) {
            for _ in 0..CONTRADICTIONS {
                if compare::contradict(request, &raw, &alone.ask(request, unenforced).await?) {
                    return Ok(Verdict::Undetermined);
                }
            }
        }
        return Ok(verdict);
    }
}
