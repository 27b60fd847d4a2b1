//! Deleting what was found to be stale, unless somebody has pushed to it since.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Holdings;
use super::stale::Stale;
use crate::pushgateway::{GatewayError, Group};

/// The gateway answers before it deletes, which takes it milliseconds.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// What became of a job's groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// So many were deleted.
    Groups(usize),
    /// Somebody has pushed to one of them since they were found; they stand as they are.
    PushedSince,
}

/// Deletes the groups of these jobs from one gateway, and returns when they are gone.
///
/// # Errors
/// The gateway does not answer, or says no; jobs before that are deleted.
pub async fn delete(
    stale: &[&Stale<'_>],
    holdings: &Holdings,
    deadline: Instant,
) -> Result<Vec<Deleted>, GatewayError> {
    let client = &holdings.client;
    // Whoever was asked may have taken an hour to answer.
    let now = client.groups(deadline).await?;
    let mut outcomes = Vec::new();
    let mut gone = Vec::new();
    for job in stale {
        if !is_as_found(job, holdings, &now) {
            outcomes.push(Deleted::PushedSince);
            continue;
        }
        for group in &job.groups {
            client.delete(&group.key(), deadline).await?;
            gone.push(&group.labels);
        }
        outcomes.push(Deleted::Groups(job.groups.len()));
    }
    while !gone.is_empty() && Instant::now() < deadline {
        let left = client.groups(deadline).await?;
        if !left.iter().any(|group| gone.contains(&&group.labels)) {
            break;
        }
        sleep(LOOK_AGAIN_AFTER).await;
    }
    Ok(outcomes)
}

/// Whether nobody has pushed to a job's groups, of which there are no more and no others.
fn is_as_found(job: &Stale<'_>, found: &Holdings, now: &[Group]) -> bool {
    let Some(told) = job.groups.last().and_then(|group| super::Told::of(group)) else {
        return false;
    };
    let stands = |group: &&Group| {
        let current = now.iter().find(|current| current.labels == group.labels);
        current.is_none_or(|current| current.push_time.to_bits() == group.push_time.to_bits())
    };
    let key = told.data_key();
    let appeared = found.group(&key).is_none() && now.iter().any(|group| group.key() == key);
    !appeared && job.groups.iter().all(stands)
}
