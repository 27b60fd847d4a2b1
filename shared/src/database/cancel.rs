//! Requests to a server that it ends what a session does.

use std::fmt::Display;
use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};

/// How long a request may take when nobody waits for it any more.
const LAST_WORD: Duration = Duration::from_mins(1);

/// Sends a request and waits until the server has dealt with it, so that it cannot hit the next statement.
pub(crate) async fn cancel<E: Display + Send + 'static>(
    request: impl Future<Output = Result<(), E>> + Send + 'static,
    deadline: Instant,
) {
    // A task of its own goes on when there is no time left to wait: PgBouncer 1.18 does not survive a client that leaves
    // before its request has been passed on.
    let request = tokio::spawn(timeout(LAST_WORD, request));
    match timeout_at(deadline, request).await {
        Ok(Ok(Ok(Ok(())))) => {}
        Ok(Ok(Ok(Err(error)))) => tracing::debug!(%error, "a query could not be cancelled"),
        Ok(Ok(Err(_)) | Err(_)) | Err(_) => tracing::debug!("a query could not be cancelled in time"),
    }
}
