//! `fanlight invoke`: one event through a function on this machine, and what it answers.

use std::fmt;
use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use axum::http::StatusCode;
use clap::{Args, ValueEnum};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use crate::output::unless_closed;
use crate::runner::{Failure, Function, InvalidFunction, InvokeError, Outcome, Reply};

/// The longest that Lambda allows: what ends sooner does so by its own limits.
const TIMEOUT: Duration = Duration::from_mins(15);

/// Runs a function once, on an event such as those in events/, with the variables of this shell.
///
/// Prints its answer, that of the Metrics API with status and headers before the body, and writes its log to standard
/// error. Exit status 1 if it gave none, or broke off; an HTTP answer is one whatever its status.
#[derive(Debug, Args)]
pub struct InvokeArgs {
    /// The function
    function: Package,
    /// A file with the event's JSON; `-` for standard input
    event: PathBuf,
    /// The function's binary; the one beside this command by default
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
}

/// A function of the bundle, by its package's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Package {
    Collector,
    MetricsApi,
    Authorizer,
}

impl fmt::Display for Package {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Collector => "collector",
            Self::MetricsApi => "metrics-api",
            Self::Authorizer => "authorizer",
        })
    }
}

/// Why there is no (whole) answer.
#[derive(Debug, thiserror::Error)]
pub enum InvocationError {
    /// The event cannot be read.
    #[error("the event {} cannot be read: {source}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no JSON, which Lambda would refuse as well.
    #[error("the event {} is not JSON: {source}", file.display())]
    NoJson {
        /// The file.
        file: PathBuf,
        /// What is wrong, and where.
        source: serde_json::Error,
    },
    /// The function's binary is not where it should be.
    #[error("{source}; build it (`cargo build -p {package}`) or name it with --binary PATH")]
    Function {
        /// The function and its package.
        package: String,
        /// What is wrong.
        source: InvalidFunction,
    },
    /// It was not invoked.
    #[error(transparent)]
    NotInvoked(#[from] InvokeError),
    /// It failed.
    #[error("the function failed: {0}")]
    Failed(Failure),
    /// It answered with something that API Gateway would not take.
    #[error("the answer's prelude cannot be read: {0}")]
    Prelude(#[from] serde_json::Error),
    /// The system refused something else.
    #[error("cannot run: {0}")]
    Io(#[from] io::Error),
}

/// Runs the command.
///
/// # Errors
/// When the event or the function cannot be used, or the function gives no whole answer.
pub async fn run(args: InvokeArgs, config: &Path) -> Result<ExitCode, InvocationError> {
    let event = read_event(&args.event)?;
    let package = args.function.to_string();
    let binary = match args.binary {
        Some(binary) => binary,
        None => std::env::current_exe()?.with_file_name(&package),
    };
    let function = Function::builder(package.as_str(), binary)
        .envs(std::env::vars_os())
        // Absolute, as the function runs in its binary's folder.
        .env("FANLIGHT_CONFIG", std::path::absolute(config)?)
        .timeout(TIMEOUT)
        .build()
        .map_err(|source| InvocationError::Function { package, source })?;
    let outcome = function.invoke(event).await.map(|invocation| invocation.outcome);
    function.shutdown().await;
    let mut text = Vec::new();
    let show = |text: &[u8]| {
        let mut out = io::stdout().lock();
        unless_closed(out.write_all(text).and_then(|()| out.flush()))
    };
    match outcome? {
        Outcome::Success(reply) => {
            print(&mut text, &reply)?;
            show(&text)?;
        }
        Outcome::Failure(failure) => {
            if let Some(partial) = &failure.partial {
                print(&mut text, partial)?;
                // The error that follows begins a line of its own where both are shown.
                text.push(b'\n');
                show(&text)?;
            }
            return Err(InvocationError::Failed(failure));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn read_event(file: &Path) -> Result<Vec<u8>, InvocationError> {
    let mut event = Vec::new();
    let read = if file == Path::new("-") {
        io::stdin().lock().read_to_end(&mut event).map(drop)
    } else {
        std::fs::read(file).map(|bytes| event = bytes)
    };
    let file = || file.to_owned();
    read.map_err(|source| InvocationError::Unreadable { file: file(), source })?;
    serde_json::from_slice::<IgnoredAny>(&event).map_err(|source| InvocationError::NoJson { file: file(), source })?;
    Ok(event)
}

/// What stands before the body of an answer for API Gateway.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Prelude {
    status_code: u16,
    #[serde(default)]
    headers: Map<String, Value>,
}

/// An answer for API Gateway as `curl -i` would show it, any other as it came and a new line.
fn print(out: &mut impl Write, reply: &Reply) -> Result<(), InvocationError> {
    match reply.http_parts() {
        Some((prelude, body)) => {
            let Prelude { status_code, headers } = serde_json::from_slice(&prelude)?;
            let reason = StatusCode::from_u16(status_code)
                .ok()
                .and_then(|status| status.canonical_reason());
            writeln!(out, "HTTP/1.1 {status_code} {}", reason.unwrap_or_default())?;
            for (name, value) in &headers {
                let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
                for value in values {
                    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    writeln!(out, "{name}: {text}")?;
                }
            }
            writeln!(out)?;
            out.write_all(&body)?;
        }
        None => {
            out.write_all(&reply.body)?;
            writeln!(out)?;
        }
    }
    Ok(out.flush()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(content_type: &str, body: &'static [u8]) -> Result<String, InvocationError> {
        let reply = Reply {
            content_type: Some(content_type.to_owned()),
            streamed: true,
            body: body.into(),
        };
        let mut out = Vec::new();
        print(&mut out, &reply)?;
        Ok(String::from_utf8(out).expect("text"))
    }

    #[test]
    fn an_answer_for_api_gateway_is_shown_as_http_and_any_other_as_it_is() {
        let http = "application/vnd.awslambda.http-integration-response";
        let body =
            b"{\"statusCode\":404,\"headers\":{\"a\":\"b\",\"c\":[\"d\",\"e\"]},\"cookies\":[]}\0\0\0\0\0\0\0\0no\n";
        let cases: [(&str, &[u8], &str); 3] = [
            (http, body, "HTTP/1.1 404 Not Found\na: b\nc: d\nc: e\n\nno\n"),
            (http, b"{\"statusCode\":200}\0\0\0\0\0\0\0\0", "HTTP/1.1 200 OK\n\n"),
            ("application/json", b"{\"series\":1}", "{\"series\":1}\n"),
        ];
        for (content_type, body, text) in cases {
            assert_eq!(printed(content_type, body).expect("printed"), text);
        }
        let error = printed(http, b"{}\0\0\0\0\0\0\0\0").expect_err("no status").to_string();
        assert!(error.contains("missing field `statusCode`"), "{error}");
    }
}
