//! A function: its instances, and one invocation from START to REPORT.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::asynchronous::AsynchronousSettings;
use super::environment::region;
use super::instance::{InitFailure, Instance, Sink};
use super::invocation::{Failure, Invocation, Outcome};
use super::runtime_api::Work;
use super::settings::{FunctionBuilder, Specification};

/// The account in the names of functions: one that AWS gives to nobody.
pub(super) const ACCOUNT: &str = "000000000000";

/// A function on this machine: a binary that is started as Lambda would start it. Clones are the same function.
///
/// Its processes end with [`Function::shutdown`], with its last clone, or with the runner, also when that is killed.
#[derive(Clone)]
pub struct Function {
    inner: Arc<Inner>,
}

struct Inner {
    specification: Specification,
    idle: Mutex<Vec<(Instance, Place)>>,
    /// How many places are taken, those of idle instances among them.
    places: Arc<watch::Sender<usize>>,
    closing: watch::Sender<bool>,
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Function")
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}

/// An invocation that runs by itself, also when this is dropped.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) function: Function,
    task: JoinHandle<Result<Invocation, InvokeError>>,
}

impl Running {
    /// Waits for its end.
    pub(super) async fn finished(self) -> Result<Invocation, InvokeError> {
        match self.task.await {
            Ok(result) => result,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(self.function.shut_down()),
        }
    }
}

/// An invocation that never reached the function.
#[derive(Debug, thiserror::Error)]
pub enum InvokeError {
    /// Every instance that the function may have is busy; Lambda's `TooManyRequestsException`.
    #[error("function {function}: all of its {concurrency} instances are busy; try again later")]
    Throttled {
        /// The function's name.
        function: String,
        /// The most instances that it may have.
        concurrency: usize,
    },
    /// The function has been shut down, before or during the invocation.
    #[error("function {function} has been shut down")]
    ShutDown {
        /// The function's name.
        function: String,
    },
}

impl Function {
    pub(super) fn new(specification: Specification) -> Self {
        Self {
            inner: Arc::new(Inner {
                specification,
                idle: Mutex::default(),
                places: Arc::new(watch::Sender::new(0)),
                closing: watch::Sender::new(false),
            }),
        }
    }

    /// Begins the settings of a function with this name and binary.
    pub fn builder(name: impl Into<Arc<str>>, binary: impl AsRef<Path>) -> FunctionBuilder {
        FunctionBuilder::new(name.into(), binary.as_ref().into())
    }

    /// The function's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.specification.name
    }

    /// The function's Amazon Resource Name, of an account that does not exist.
    #[must_use]
    pub fn arn(&self) -> String {
        let region = self.region();
        format!("arn:aws:lambda:{region}:{ACCOUNT}:function:{}", self.name())
    }

    pub(super) fn region(&self) -> String {
        region(&self.inner.specification.environment)
    }

    pub(super) fn asynchronous_settings(&self) -> &AsynchronousSettings {
        &self.inner.specification.asynchronous
    }

    /// Invokes the function and waits for its answer: on an idle instance, on a new one, or not at all when as many as
    /// allowed are busy. The invocation runs to its end also when the caller does not wait for it.
    ///
    /// # Errors
    /// Only when the function was not invoked; what it did is the invocation's outcome.
    pub async fn invoke(&self, payload: impl Into<Bytes>) -> Result<Invocation, InvokeError> {
        self.invoke_as(Uuid::new_v4().to_string(), payload.into()).await
    }

    pub(super) async fn invoke_as(&self, request_id: String, payload: Bytes) -> Result<Invocation, InvokeError> {
        let gather = Sink::Gather(BytesMut::new());
        self.begin(request_id, payload, gather)?.finished().await
    }

    /// Begins an invocation, which runs by itself from here on.
    pub(super) fn begin(&self, request_id: String, payload: Bytes, sink: Sink) -> Result<Running, InvokeError> {
        let (idle, place) = self.take_place()?;
        let task = tokio::spawn(self.clone().run(idle, place, request_id, payload, sink));
        Ok(Running {
            function: self.clone(),
            task,
        })
    }

    /// Kills the function's processes, also in the middle of an invocation, and returns when they are gone.
    pub async fn shutdown(&self) {
        self.inner.closing.send_replace(true);
        let idle = std::mem::take(&mut *self.idle());
        for (instance, _place) in idle {
            instance.stop().await;
        }
        // The sender lives in `self`.
        let _ = self.inner.places.subscribe().wait_for(|taken| *taken == 0).await;
    }

    fn idle(&self) -> MutexGuard<'_, Vec<(Instance, Place)>> {
        self.inner.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn shut_down(&self) -> InvokeError {
        InvokeError::ShutDown {
            function: self.name().into(),
        }
    }

    /// The instance that was used last, as it is the warmest, or the room for a new one.
    fn take_place(&self) -> Result<(Option<Instance>, Place), InvokeError> {
        // The lock orders this against `shutdown`, which closes before it empties.
        let mut idle = self.idle();
        if *self.inner.closing.borrow() {
            return Err(self.shut_down());
        }
        if let Some((instance, place)) = idle.pop() {
            return Ok((Some(instance), place));
        }
        let concurrency = self.inner.specification.concurrency;
        let room = self.inner.places.send_if_modified(|taken| {
            let room = *taken < concurrency;
            *taken += usize::from(room);
            room
        });
        if !room {
            return Err(InvokeError::Throttled {
                function: self.name().into(),
                concurrency,
            });
        }
        Ok((None, Place(Arc::clone(&self.inner.places))))
    }

    /// Leaves the instance to the next invocation, unless the function is being shut down.
    async fn leave(&self, instance: Instance, place: Place) {
        {
            let mut idle = self.idle();
            if !*self.inner.closing.borrow() {
                idle.push((instance, place));
                return;
            }
        }
        instance.stop().await;
    }

    /// One invocation from START to REPORT.
    async fn run(
        self,
        idle: Option<Instance>,
        place: Place,
        request_id: String,
        payload: Bytes,
        sink: Sink,
    ) -> Result<Invocation, InvokeError> {
        let specification = &self.inner.specification;
        let mut init_duration = None;
        let mut instance = idle;
        if let Some(ended) = instance.take_if(Instance::has_ended) {
            ended.stop().await;
        }
        if instance.is_none()
            && let Ok((new, took)) = self.start(Phase::Init, &request_id).await?
        {
            init_duration = Some(took);
            instance = Some(new);
        }
        let log = instance
            .as_ref()
            .map_or_else(|| specification.platform_log(), |instance| instance.log.clone());
        log.start(&request_id);
        let began = Instant::now();
        let started = match instance {
            Some(instance) => Ok(instance),
            // As Lambda does when the init phase has failed.
            None => self
                .start(Phase::Invoke, &request_id)
                .await?
                .map(|(instance, _)| instance),
        };
        let (outcome, max_memory, reusable) = match started {
            Ok(mut instance) => {
                let timeout = specification.timeout.saturating_sub(began.elapsed());
                let work = Work {
                    request_id: request_id.clone(),
                    deadline: Timestamp::now() + timeout,
                    function_arn: self.arn(),
                    trace_id: trace_id(),
                    payload,
                };
                let Some(ended) = self.unless_shut_down(instance.invoke(work, timeout, sink)).await else {
                    instance.stop().await;
                    return Err(self.shut_down());
                };
                let max_memory = instance.peak_memory();
                if ended.reusable {
                    (ended.outcome, max_memory, Some(instance))
                } else {
                    instance.stop().await;
                    (ended.outcome, max_memory, None)
                }
            }
            Err(failure) => (Outcome::Failure(failure), None, None),
        };
        let invocation = Invocation {
            request_id,
            outcome,
            duration: began.elapsed(),
            init_duration,
            max_memory,
        };
        log.report(&invocation, specification.memory_mb);
        if let Some(instance) = reusable {
            self.leave(instance, place).await;
        }
        Ok(invocation)
    }

    /// Starts an instance and waits until it is ready, or says why it is not.
    async fn start(
        &self,
        phase: Phase,
        request_id: &str,
    ) -> Result<Result<(Instance, Duration), Failure>, InvokeError> {
        let specification = &self.inner.specification;
        let limit = match phase {
            Phase::Init => specification.init_limit,
            Phase::Invoke => specification.timeout,
        };
        let began = Instant::now();
        let mut log = specification.platform_log();
        let failure = match Instance::launch(specification).await {
            Err(error) => InitFailure::NotStarted(error),
            Ok(mut instance) => {
                log = instance.log.clone();
                match self.unless_shut_down(instance.initialise(limit)).await {
                    Some(Ok(took)) => return Ok(Ok((instance, took))),
                    Some(Err(failure)) => {
                        instance.stop().await;
                        failure
                    }
                    None => {
                        instance.stop().await;
                        return Err(self.shut_down());
                    }
                }
            }
        };
        let failure = failure.into_failure(request_id, limit);
        log.init_report(phase.name(), began.elapsed(), &failure);
        Ok(Err(failure))
    }

    /// What the future gives, or nothing when the function is shut down before.
    pub(super) async fn unless_shut_down<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let mut closing = self.inner.closing.subscribe();
        tokio::select! {
            output = future => Some(output),
            _ = closing.wait_for(|closing| *closing) => None,
        }
    }
}

/// When an instance is started: before its first invocation, or within it because that has failed.
#[derive(Clone, Copy)]
enum Phase {
    Init,
    Invoke,
}

impl Phase {
    fn name(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Invoke => "invoke",
        }
    }
}

/// Counts an instance as long as it is there, or is to be. It does not hold the function itself: an idle instance would
/// keep alive what it belongs to.
struct Place(Arc<watch::Sender<usize>>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.send_modify(|taken| *taken -= 1);
    }
}

/// A trace that nobody samples, in the form of the `X-Amzn-Trace-Id` header.
fn trace_id() -> String {
    let parent = Uuid::new_v4().simple().to_string();
    format!("{};Parent={};Sampled=0", trace_root(), &parent[..16])
}

/// The part of a trace's name that API Gateway makes up.
pub(super) fn trace_root() -> String {
    let trace = Uuid::new_v4().simple().to_string();
    let seconds = Timestamp::now().as_second();
    format!("Root=1-{seconds:08x}-{}", &trace[..24])
}
