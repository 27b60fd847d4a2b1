//! An answer's body as it comes, never later than agreed.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, Stream, StreamExt as _};
use reqwest::Response;
use tokio::time::Instant;

use super::error::{Problem, UpstreamError};

/// The most that may pass between two pieces of a body.
const LONGEST_GAP: Duration = Duration::from_secs(15);

/// A body as a stream of pieces, which ends with the first error.
pub struct Body(BoxStream<'static, Result<Bytes, UpstreamError>>);

impl fmt::Debug for Body {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Body").finish_non_exhaustive()
    }
}

impl Body {
    pub(super) fn new(at: String, response: Response, deadline: Instant) -> Self {
        let pieces = stream::unfold(Some((at, response)), move |going| async move {
            let (at, mut response) = going?;
            match piece(&mut response, deadline).await {
                Ok(None) => None,
                Ok(Some(bytes)) => Some((Ok(bytes), Some((at, response)))),
                Err(problem) => Some((Err(UpstreamError::at(at, problem)), None)),
            }
        });
        Self(pieces.boxed())
    }

    /// The body as far as it fits into `most` bytes.
    ///
    /// # Errors
    /// It breaks off.
    pub async fn beginning(mut self, most: usize) -> Result<Vec<u8>, UpstreamError> {
        let mut beginning = Vec::new();
        while beginning.len() < most
            && let Some(piece) = self.0.next().await
        {
            let piece = piece?;
            beginning.extend_from_slice(&piece[..piece.len().min(most - beginning.len())]);
        }
        Ok(beginning)
    }
}

impl Stream for Body {
    type Item = Result<Bytes, UpstreamError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(context)
    }
}

async fn piece(response: &mut Response, deadline: Instant) -> Result<Option<Bytes>, Problem> {
    let now = Instant::now();
    if deadline <= now {
        // A time-out alone would let pass whatever is there already, and so an answer that never stops.
        return Err(Problem::Overdue);
    }
    let gap_over = now + LONGEST_GAP;
    match tokio::time::timeout_at(deadline.min(gap_over), response.chunk()).await {
        Ok(Ok(piece)) => Ok(piece),
        Ok(Err(error)) => Err(match Problem::of(&error, Duration::ZERO) {
            Problem::Cut => Problem::CutInside,
            problem => problem,
        }),
        Err(_) if deadline <= gap_over => Err(Problem::Overdue),
        Err(_) => Err(Problem::Stalled(LONGEST_GAP)),
    }
}
