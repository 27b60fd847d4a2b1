//! What became of an invocation, in the words that Lambda uses.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;

use super::runtime_api::ReportedError;

/// The largest response that Lambda takes unless it is streamed: 6 MB and what its envelope needs.
pub(super) const LARGEST_REPLY: usize = 6_291_556;

/// One invocation of a function, and what became of it.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// A UUID; the same in the function's log and in each attempt at an asynchronous event.
    pub request_id: String,
    /// The answer, or why there is none.
    pub outcome: Outcome,
    /// From handing the event over to the runtime's next poll, or to the end of the process.
    pub duration: Duration,
    /// From starting the process to its first poll; `None` when the process was there already.
    pub init_duration: Option<Duration>,
    /// The most memory that the process has had resident, in bytes; `None` when it was gone before it could be asked.
    pub max_memory: Option<u64>,
}

/// The answer to an invocation, or why there is none.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// The function answered.
    Success(Reply),
    /// It did not.
    Failure(Failure),
}

impl Outcome {
    /// The body of the answer, or the failure.
    ///
    /// # Errors
    /// The failure.
    pub fn into_result(self) -> Result<Bytes, Failure> {
        match self {
            Self::Success(reply) => Ok(reply.body),
            Self::Failure(failure) => Err(failure),
        }
    }
}

/// A function's answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reply {
    /// The content type that the runtime gave.
    pub content_type: Option<String>,
    /// Whether the function streamed it.
    pub streamed: bool,
    /// The bytes, of a streamed answer with its prelude.
    pub body: Bytes,
}

impl Reply {
    /// The JSON prelude (`statusCode`, `headers`, `cookies`) and the body of an answer that is meant for API Gateway;
    /// `None` for any other.
    #[must_use]
    pub fn http_parts(&self) -> Option<(Bytes, Bytes)> {
        const DELIMITER: [u8; 8] = [0; 8];
        if self.content_type.as_deref() != Some("application/vnd.awslambda.http-integration-response") {
            return None;
        }
        let at = self
            .body
            .windows(DELIMITER.len())
            .position(|window| window == DELIMITER)?;
        Some((self.body.slice(..at), self.body.slice(at + DELIMITER.len()..)))
    }
}

/// The end of a streamed answer that failed half-way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamError {
    /// From the trailer `Lambda-Runtime-Function-Error-Type`, or `Runtime.TruncatedResponse`.
    pub error_type: String,
    /// From the trailer `Lambda-Runtime-Function-Error-Body`, in base64 as it came.
    pub body: String,
}

/// Why a function gave no (whole) answer; displayed as `errorType: errorMessage`.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{error_type}: {message}")]
pub struct Failure {
    /// What happened.
    pub kind: FailureKind,
    /// Lambda's `errorType`: `Runtime.ExitError`, `Sandbox.Timedout`, or the function's own.
    pub error_type: String,
    /// Lambda's `errorMessage`, or the function's own.
    pub message: String,
    /// What Lambda answers to the client: JSON with `errorType` and `errorMessage`, or what the function reported.
    pub payload: Bytes,
    /// What had been answered until then, of a streamed answer.
    pub partial: Option<Box<Reply>>,
}

/// What happened to an invocation that gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// The function reported an error; a panic that its runtime caught is one.
    FunctionError,
    /// The function broke off a streamed answer.
    BrokenStream,
    /// The answer is larger than Lambda allows.
    ResponseTooLarge,
    /// The process ended before it had answered.
    Crashed,
    /// The timeout passed; the process was killed.
    TimedOut,
    /// The process ended or reported an error before it asked for its first invocation, also at the second try.
    InitFailed,
}

impl FailureKind {
    /// The `Status` of the REPORT line.
    pub(super) fn status(self) -> &'static str {
        match self {
            Self::TimedOut => "timeout",
            _ => "error",
        }
    }
}

impl Failure {
    /// A failure that the platform reports.
    pub(super) fn platform(kind: FailureKind, request_id: &str, error_type: &str, error: &str) -> Self {
        let message = format!("RequestId: {request_id} Error: {error}");
        let payload = serde_json::json!({"errorType": error_type, "errorMessage": message})
            .to_string()
            .into();
        Self {
            kind,
            error_type: error_type.into(),
            message,
            payload,
            partial: None,
        }
    }

    pub(super) fn exited(kind: FailureKind, request_id: &str, status: ExitStatus) -> Self {
        Self::platform(kind, request_id, "Runtime.ExitError", &describe_exit(status))
    }

    pub(super) fn timed_out(request_id: &str, timeout: Duration) -> Self {
        let error = format!("Task timed out after {:.2} seconds", timeout.as_secs_f64());
        Self::platform(FailureKind::TimedOut, request_id, "Sandbox.Timedout", &error)
    }

    pub(super) fn response_too_large() -> Self {
        let message = format!("Response payload size exceeded maximum allowed payload size ({LARGEST_REPLY} bytes).");
        let error_type = "Function.ResponseSizeTooLarge";
        let payload = serde_json::json!({"errorType": error_type, "errorMessage": message})
            .to_string()
            .into();
        Self {
            kind: FailureKind::ResponseTooLarge,
            error_type: error_type.into(),
            message,
            payload,
            partial: None,
        }
    }

    /// A failure that the function reported itself, in its own words.
    pub(super) fn reported(kind: FailureKind, error: ReportedError) -> Self {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Words {
            error_type: Option<String>,
            error_message: Option<String>,
        }
        let words: Option<Words> = serde_json::from_slice(&error.payload).ok();
        let (own_type, own_message) = words
            .map(|words| (words.error_type, words.error_message))
            .unwrap_or_default();
        Self {
            kind,
            error_type: own_type
                .or(error.error_type)
                .unwrap_or_else(|| "Runtime.Unknown".into()),
            message: own_message.unwrap_or_else(|| String::from_utf8_lossy(&error.payload).into_owned()),
            payload: error.payload,
            partial: None,
        }
    }

    pub(super) fn broken_stream(error: StreamError) -> Self {
        let StreamError { error_type, body } = error;
        let payload = serde_json::json!({"errorType": error_type, "errorMessage": body})
            .to_string()
            .into();
        Self {
            kind: FailureKind::BrokenStream,
            error_type,
            message: body,
            payload,
            partial: None,
        }
    }
}

/// The end of a process as Lambda words it.
fn describe_exit(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(0), _) => "Runtime exited without providing a reason".into(),
        (Some(code), _) => format!("Runtime exited with error: exit status {code}"),
        (None, signal) => {
            let core = if status.core_dumped() { " (core dumped)" } else { "" };
            let name = match signal {
                Some(4) => "illegal instruction",
                Some(6) => "aborted",
                Some(7) => "bus error",
                Some(8) => "floating point exception",
                Some(9) => "killed",
                Some(11) => "segmentation fault",
                Some(15) => "terminated",
                Some(other) => return format!("Runtime exited with error: signal: signal {other}{core}"),
                None => return format!("Runtime exited with error: {status}"),
            };
            format!("Runtime exited with error: signal: {name}{core}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_process_is_worded_as_lambda_does() {
        let cases = [
            (0, "Runtime exited without providing a reason"),
            (1 << 8, "Runtime exited with error: exit status 1"),
            (137 << 8, "Runtime exited with error: exit status 137"),
            (9, "Runtime exited with error: signal: killed"),
            (6 | 0x80, "Runtime exited with error: signal: aborted (core dumped)"),
            (11, "Runtime exited with error: signal: segmentation fault"),
            (12, "Runtime exited with error: signal: signal 12"),
        ];
        for (raw, words) in cases {
            assert_eq!(describe_exit(ExitStatus::from_raw(raw)), words);
        }
    }

    #[test]
    fn an_error_is_reported_in_the_functions_own_words() {
        let cases = [
            (
                r#"{"errorType":"Broken","errorMessage":"no luck"}"#,
                Some("Runtime.X"),
                "Broken: no luck",
            ),
            (r#"{"errorMessage":"no luck"}"#, Some("Runtime.X"), "Runtime.X: no luck"),
            ("plain words", None, "Runtime.Unknown: plain words"),
        ];
        for (payload, header, displayed) in cases {
            let error = ReportedError {
                error_type: header.map(Into::into),
                payload: payload.into(),
            };
            let failure = Failure::reported(FailureKind::FunctionError, error);
            assert_eq!(failure.to_string(), displayed);
            assert_eq!(failure.payload, payload);
        }
    }

    #[test]
    fn an_answer_for_api_gateway_is_split_at_eight_nuls() {
        let reply = |content_type: &str, body: &[u8]| Reply {
            content_type: Some(content_type.into()),
            streamed: true,
            body: Bytes::copy_from_slice(body),
        };
        let http = "application/vnd.awslambda.http-integration-response";
        let parts = reply(http, b"{\"statusCode\":200}\0\0\0\0\0\0\0\0\0body").http_parts();
        assert_eq!(parts, Some(("{\"statusCode\":200}".into(), "\0body".into())));
        assert_eq!(reply(http, b"{}\0\0\0\0\0\0\0").http_parts(), None);
        assert_eq!(reply("application/json", b"{}\0\0\0\0\0\0\0\0").http_parts(), None);
    }
}
