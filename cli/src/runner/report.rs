//! The platform's lines about an invocation, as they stand in CloudWatch.

use std::sync::Arc;
use std::time::Duration;

use super::invocation::{Failure, FailureKind, Invocation, Outcome};
use super::log::LogStream;
use super::settings::Specification;

impl Specification {
    /// The log of what happens while there is no instance.
    pub(super) fn platform_log(&self) -> LogStream {
        LogStream {
            function: Arc::clone(&self.name),
            stream: "platform".into(),
            sink: self.log.clone(),
        }
    }
}

impl LogStream {
    pub(super) fn start(&self, request_id: &str) {
        self.line(format!("START RequestId: {request_id} Version: $LATEST"));
    }

    /// A process that did not become ready.
    pub(super) fn init_report(&self, phase: &str, took: Duration, failure: &Failure) {
        self.line(format!(
            "INIT_REPORT Init Duration: {} ms\tPhase: {phase}\tStatus: {}\tError Type: {}",
            milliseconds(took),
            failure.kind.status(),
            failure.error_type
        ));
    }

    /// The end of an invocation.
    pub(super) fn report(&self, invocation: &Invocation, memory_mb: u32) {
        let Invocation {
            request_id,
            outcome,
            duration,
            init_duration,
            max_memory,
        } = invocation;
        let mut status = String::new();
        if let Outcome::Failure(failure) = outcome {
            match failure.kind {
                FailureKind::TimedOut | FailureKind::Crashed | FailureKind::InitFailed => {
                    self.line(format!("{} {}", failure.message, failure.error_type));
                }
                FailureKind::FunctionError | FailureKind::BrokenStream | FailureKind::ResponseTooLarge => {}
            }
            status = format!(
                "\tStatus: {}\tError Type: {}",
                failure.kind.status(),
                failure.error_type
            );
        }
        let billed = (*duration + init_duration.unwrap_or_default())
            .as_micros()
            .div_ceil(1000);
        let init = init_duration
            .map(|took| format!("\tInit Duration: {} ms", milliseconds(took)))
            .unwrap_or_default();
        let used = max_memory.map(|bytes| format!("\tMax Memory Used: {} MB", bytes.div_ceil(1024 * 1024)));
        self.line(format!("END RequestId: {request_id}"));
        self.line(format!(
            "REPORT RequestId: {request_id}\tDuration: {} ms\tBilled Duration: {billed} ms\tMemory Size: {} MB{}{init}{status}",
            milliseconds(*duration),
            memory_mb,
            used.unwrap_or_default(),
        ));
    }
}

fn milliseconds(duration: Duration) -> String {
    format!("{:.2}", duration.as_secs_f64() * 1000.0)
}
