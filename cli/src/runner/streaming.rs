//! Streamed invocations: an answer that is handed on while the function is still giving it.

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::function::{Function, InvokeError, Running};
use super::instance::Sink;
use super::invocation::{Failure, Invocation};

/// How many pieces wait for the reader before the function has to; each is what one read of its connection gave.
const WAITING_PIECES: usize = 4;

/// What came of a streamed invocation, as soon as that is known.
#[derive(Debug)]
pub enum Streaming {
    /// The function has begun to answer.
    Begun(StreamedInvocation),
    /// It failed before it had begun to.
    Failed(Invocation),
}

/// An answer that is still being given.
///
/// The function waits when nobody reads. When this is dropped the function runs on to its end, as on Lambda, and what it
/// still answers is thrown away.
#[derive(Debug)]
pub struct StreamedInvocation {
    /// A UUID; the same in the function's log.
    pub request_id: String,
    /// What is known of the answer before its first byte.
    pub head: ReplyHead,
    bytes: mpsc::Receiver<Bytes>,
    end: oneshot::Receiver<Result<(), Failure>>,
    invocation: Running,
}

/// What is known of an answer before its first byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyHead {
    /// The content type that the runtime gave.
    pub content_type: Option<String>,
    /// Whether the function streams it.
    pub streamed: bool,
}

/// Why a streamed answer is not whole.
#[derive(Debug, thiserror::Error)]
pub enum BrokenStream {
    /// The function failed in the middle.
    #[error(transparent)]
    Failed(Failure),
    /// The invocation was ended together with the function.
    #[error(transparent)]
    Ended(InvokeError),
}

impl StreamedInvocation {
    /// The next bytes of the answer as they came; `None` once it is whole. After an error there is nothing more.
    pub async fn next(&mut self) -> Option<Result<Bytes, BrokenStream>> {
        if let Some(bytes) = self.bytes.recv().await {
            return Some(Ok(bytes));
        }
        match (&mut self.end).await {
            Ok(Ok(())) => None,
            Ok(Err(failure)) => Some(Err(BrokenStream::Failed(failure))),
            Err(_) => Some(Err(BrokenStream::Ended(self.invocation.function.shut_down()))),
        }
    }

    /// Waits until the invocation is reported, throws away what is still to come of the answer, and says what became of
    /// it. A success here has no body: the reader has had it.
    ///
    /// # Errors
    /// When the function was shut down before.
    pub async fn finished(self) -> Result<Invocation, InvokeError> {
        let Self { bytes, invocation, .. } = self;
        drop(bytes);
        invocation.finished().await
    }
}

impl Function {
    /// Invokes the function and returns as soon as it begins to answer; the answer can be read while it comes. The
    /// invocation runs to its end also when nobody reads it.
    ///
    /// # Errors
    /// Only when the function was not invoked, or was shut down before it had begun to answer.
    pub async fn invoke_streaming(&self, payload: impl Into<Bytes>) -> Result<Streaming, InvokeError> {
        let (head_sender, head) = oneshot::channel();
        let (bytes_sender, bytes) = mpsc::channel(WAITING_PIECES);
        let (end_sender, end) = oneshot::channel();
        let sender = ReplySender {
            head: Some(head_sender),
            bytes: Some(bytes_sender),
            waiting: None,
            end: Some(end_sender),
        };
        let request_id = Uuid::new_v4().to_string();
        let invocation = self.begin(request_id.clone(), payload.into(), Sink::Stream(sender))?;
        match head.await {
            Ok(head) => Ok(Streaming::Begun(StreamedInvocation {
                request_id,
                head,
                bytes,
                end,
                invocation,
            })),
            Err(_) => invocation.finished().await.map(Streaming::Failed),
        }
    }
}

/// The writing end of a streamed answer, which the invocation holds.
pub(super) struct ReplySender {
    head: Option<oneshot::Sender<ReplyHead>>,
    /// `None` once the answer has ended or nobody wants it any more.
    bytes: Option<mpsc::Sender<Bytes>>,
    waiting: Option<Bytes>,
    end: Option<oneshot::Sender<Result<(), Failure>>>,
}

impl ReplySender {
    // Nobody listens any more wherever sending fails here, which is the reader's right.

    pub(super) fn begin(&mut self, content_type: Option<String>, streamed: bool) {
        if let Some(sender) = self.head.take() {
            let _ = sender.send(ReplyHead { content_type, streamed });
        }
    }

    /// Takes bytes, which are handed on by [`ReplySender::hand_on`].
    pub(super) fn take(&mut self, bytes: Bytes) {
        if self.bytes.is_some() {
            self.waiting = Some(bytes);
        }
    }

    /// Whether bytes wait for the reader: nothing further must be taken before.
    pub(super) fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    /// Hands on the bytes that wait, as soon as the reader has room for them. May be dropped and called again.
    pub(super) async fn hand_on(&mut self) {
        let Some(sender) = &self.bytes else {
            return;
        };
        if let Ok(permit) = sender.reserve().await {
            if let Some(bytes) = self.waiting.take() {
                permit.send(bytes);
            }
        } else {
            self.waiting = None;
            self.bytes = None;
        }
    }

    /// Says how the answer ended; only the first time counts.
    pub(super) fn end(&mut self, result: Result<(), Failure>) {
        self.waiting = None;
        if let Some(sender) = self.end.take() {
            let _ = sender.send(result);
        }
        self.bytes = None;
    }
}
