//! One instance of a function: a process, its Runtime API and its log.

use std::io;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tokio::task::JoinHandle;
use tokio::time;
use uuid::Uuid;

use super::environment::{Description, environment};
use super::invocation::{Failure, FailureKind, Outcome, Reply};
use super::log::{LogPipe, LogStream};
use super::process::Process;
use super::runtime_api::{Event, ReportedError, RuntimeApi, Work};
use super::settings::Specification;
use super::streaming::ReplySender;

pub(super) struct Instance {
    process: Process,
    api: RuntimeApi,
    pipe: Arc<LogPipe>,
    forwarder: JoinHandle<()>,
    pub(super) log: LogStream,
    started: Instant,
}

/// Why a process did not become ready for its first invocation.
pub(super) enum InitFailure {
    /// It could not be started at all.
    NotStarted(io::Error),
    /// It ended.
    Ended(io::Result<ExitStatus>),
    /// It reported an error.
    Reported(ReportedError),
    /// It took too long.
    TimedOut,
}

/// The end of an invocation.
pub(super) struct Ended {
    pub(super) outcome: Outcome,
    /// Whether the instance waits for its next invocation.
    pub(super) reusable: bool,
}

impl Instance {
    /// Starts the process; it is still to be waited for with [`Instance::initialise`].
    pub(super) async fn launch(specification: &Specification) -> io::Result<Self> {
        let now = jiff::Zoned::now().with_time_zone(jiff::tz::TimeZone::UTC);
        let log = LogStream {
            function: Arc::clone(&specification.name),
            stream: format!("{}/[$LATEST]{}", now.strftime("%Y/%m/%d"), Uuid::new_v4().simple()).into(),
            sink: specification.log.clone(),
        };
        let api = RuntimeApi::start().await?;
        let description = Description {
            function: &specification.name,
            binary: &specification.binary,
            memory_mb: specification.memory_mb,
            log_stream: &log.stream,
            runtime_api: api.address,
        };
        let environment = environment(&specification.environment, &description);
        let (pipe, stdout, stderr) = LogPipe::open(log.clone())?;
        let started = Instant::now();
        let process = Process::start(&specification.binary, &environment, stdout, stderr)?;
        let forwarder = tokio::spawn({
            let pipe = Arc::clone(&pipe);
            async move { pipe.forward().await }
        });
        Ok(Self {
            process,
            api,
            pipe,
            forwarder,
            log,
            started,
        })
    }

    /// Waits for the first poll and says how long it took since the process was started.
    pub(super) async fn initialise(&mut self, limit: Duration) -> Result<Duration, InitFailure> {
        let limit = time::sleep(limit);
        tokio::pin!(limit);
        loop {
            // What the process has said comes before what became of it.
            tokio::select! {
                biased;
                event = self.api.event() => match event {
                    Event::Polled => {
                        let took = self.started.elapsed();
                        self.pipe.drain();
                        return Ok(took);
                    }
                    Event::InitError(error) => return Err(InitFailure::Reported(error)),
                    _ => {}
                },
                status = self.process.ended() => return Err(InitFailure::Ended(status)),
                () = &mut limit => return Err(InitFailure::TimedOut),
            }
        }
    }

    /// Hands one invocation over and waits for its answer and the poll after it, at most until the timeout.
    pub(super) async fn invoke(&mut self, work: Work, timeout: Duration, sink: Sink) -> Ended {
        let request_id = work.request_id.clone();
        let expiry = time::sleep(timeout);
        tokio::pin!(expiry);
        // Asked now for the case that the process is gone at the end.
        self.process.peak_memory();
        self.api.hand_over(work).await;
        let mut answer = Answer::new(sink);
        loop {
            tokio::select! {
                biased;
                () = answer.hand_on(), if answer.is_waiting() => {}
                event = self.api.event(), if !answer.is_waiting() => {
                    if let Event::Polled = event {
                        self.pipe.drain();
                        let lost = || Failure::platform(
                            FailureKind::Crashed,
                            &request_id,
                            "Runtime.InvalidNextRequest",
                            "the runtime asked for the next invocation before it had answered",
                        );
                        return Ended { outcome: answer.outcome(lost), reusable: true };
                    }
                    answer.take(event);
                },
                status = self.process.ended() => {
                    let crashed = || ended(FailureKind::Crashed, &request_id, status);
                    return Ended { outcome: answer.outcome(crashed), reusable: false };
                }
                () = &mut expiry => {
                    self.pipe.drain();
                    let timed_out = || Failure::timed_out(&request_id, timeout);
                    return Ended { outcome: answer.outcome(timed_out), reusable: false };
                }
            }
        }
    }

    pub(super) fn has_ended(&mut self) -> bool {
        self.process.has_ended()
    }

    pub(super) fn peak_memory(&mut self) -> Option<u64> {
        self.process.peak_memory()
    }

    /// Kills the process, forwards the rest of its log and returns when nothing is left of either.
    pub(super) async fn stop(mut self) {
        self.process.kill().await;
        // The log ends with the last process of the group. One that has left the group can hold it open: it may.
        let _ = time::timeout(Duration::from_secs(1), &mut self.forwarder).await;
        self.forwarder.abort();
    }
}

impl InitFailure {
    /// The failure as the client sees it.
    pub(super) fn into_failure(self, request_id: &str, limit: Duration) -> Failure {
        match self {
            Self::NotStarted(error) => Failure::platform(
                FailureKind::InitFailed,
                request_id,
                "Runtime.InvalidEntrypoint",
                &error.to_string(),
            ),
            Self::Ended(status) => ended(FailureKind::InitFailed, request_id, status),
            Self::Reported(error) => Failure::reported(FailureKind::InitFailed, error),
            Self::TimedOut => Failure::timed_out(request_id, limit),
        }
    }
}

fn ended(kind: FailureKind, request_id: &str, status: io::Result<ExitStatus>) -> Failure {
    match status {
        Ok(status) => Failure::exited(kind, request_id, status),
        Err(error) => Failure::platform(kind, request_id, "Runtime.ExitError", &error.to_string()),
    }
}

/// Where the bytes of an answer go.
pub(super) enum Sink {
    /// Into the outcome.
    Gather(BytesMut),
    /// To a reader, while they come.
    Stream(ReplySender),
}

/// What has been answered so far.
struct Answer {
    begun: Option<Reply>,
    sink: Sink,
    ended: Option<Outcome>,
}

impl Answer {
    fn new(sink: Sink) -> Self {
        Self {
            begun: None,
            sink,
            ended: None,
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::ReplyBegun { content_type, streamed } => {
                if let Sink::Stream(sender) = &mut self.sink {
                    sender.begin(content_type.clone(), streamed);
                }
                self.begun = Some(Reply {
                    content_type,
                    streamed,
                    ..Reply::default()
                });
            }
            Event::ReplyBytes(bytes) => match &mut self.sink {
                Sink::Gather(body) => body.extend_from_slice(&bytes),
                Sink::Stream(sender) => sender.take(bytes),
            },
            Event::ReplyEnded { error: None } => {
                if let Some(reply) = self.reply() {
                    self.end(Outcome::Success(reply));
                }
            }
            Event::ReplyEnded { error: Some(error) } => {
                let partial = self.partial();
                self.end(Outcome::Failure(Failure {
                    partial,
                    ..Failure::broken_stream(error)
                }));
            }
            Event::ReplyTooLarge => self.end(Outcome::Failure(Failure::response_too_large())),
            Event::Error(error) => {
                self.end(Outcome::Failure(Failure::reported(FailureKind::FunctionError, error)));
            }
            Event::InitError(_) | Event::Polled => {}
        }
    }

    /// Whether the reader must take bytes before anything further is heard from the function.
    fn is_waiting(&self) -> bool {
        matches!(&self.sink, Sink::Stream(sender) if sender.is_waiting())
    }

    async fn hand_on(&mut self) {
        if let Sink::Stream(sender) = &mut self.sink {
            sender.hand_on().await;
        }
    }

    fn end(&mut self, outcome: Outcome) {
        self.tell(&outcome);
        self.ended = Some(outcome);
    }

    /// Tells the reader how the answer ended.
    fn tell(&mut self, outcome: &Outcome) {
        if let Sink::Stream(sender) = &mut self.sink {
            sender.end(match outcome {
                Outcome::Success(_) => Ok(()),
                Outcome::Failure(failure) => Err(failure.clone()),
            });
        }
    }

    fn reply(&mut self) -> Option<Reply> {
        let body = match &mut self.sink {
            Sink::Gather(body) => body.split().freeze(),
            Sink::Stream(_) => Bytes::new(),
        };
        self.begun.take().map(|begun| Reply { body, ..begun })
    }

    /// What a failed invocation had answered, unless a reader has it already.
    fn partial(&mut self) -> Option<Box<Reply>> {
        let reply = self.reply();
        reply.filter(|_| matches!(self.sink, Sink::Gather(_))).map(Box::new)
    }

    /// The answer if it was complete, and otherwise why it is not.
    fn outcome(mut self, failure: impl FnOnce() -> Failure) -> Outcome {
        if let Some(ended) = self.ended.take() {
            return ended;
        }
        let partial = self.partial();
        let outcome = Outcome::Failure(Failure { partial, ..failure() });
        self.tell(&outcome);
        outcome
    }
}
