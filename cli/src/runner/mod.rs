//! The local runner: starts the functions' own binaries as AWS Lambda does, and invokes them.
//!
//! [`Function`] is one function and its instances, each a process with a Runtime API of its own; [`scheduler`] fires
//! jobs at their times as EventBridge Scheduler does; [`invoke_api`] is Lambda's Invoke API for the AWS command line and
//! the SDKs; [`api_gateway`] is a REST API of API Gateway with its authorizer.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use fanlight_cli::runner::Function;
//!
//! let collector = Function::builder("collector", "target/debug/collector").build()?;
//! let invocation = collector.invoke(r#"{"job": "transfers"}"#).await?;
//! println!("{:?} in {:?}", invocation.outcome, invocation.duration);
//! collector.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! What differs from Lambda: a process is not frozen between its invocations, memory is measured but not limited, and
//! nothing isolates the process from the machine.

pub mod api_gateway;
mod asynchronous;
mod environment;
mod function;
mod instance;
mod invocation;
pub mod invoke_api;
mod log;
mod process;
mod quick_ack;
mod report;
mod runtime_api;
pub mod scheduler;
mod settings;
mod streaming;

pub use asynchronous::{EventEnd, EventInvocation, EventReport};
pub use function::{Function, InvokeError};
pub use invocation::{Failure, FailureKind, Invocation, Outcome, Reply, StreamError};
pub use log::{CapturedLog, LogLine, LogSink};
pub use settings::{FunctionBuilder, InvalidFunction};
pub use streaming::{BrokenStream, ReplyHead, StreamedInvocation, Streaming};
