//! Structured logs: JSON in Lambda, human at a terminal.
//!
//! Libraries' logs are held at `warn` whatever the level: below it, some print SQL with its parameters, headers, or
//! what they receive, and with these secrets. Records of the `log` crate (tokio-postgres) are not taken in at all.

mod filter;
mod json;

use std::fmt;
use std::io::IsTerminal as _;

use tracing::Subscriber;
use tracing_subscriber::Registry;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::fmt::{self as text, MakeWriter};
use tracing_subscriber::layer::SubscriberExt as _;

use json::JsonLines;

pub use filter::{FilterError, FilterErrorKind};

/// Logs that cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The environment asks for a level that cannot be read.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// Somebody was first.
    #[error("logging is already set up in this process")]
    AlreadySetUp,
}

/// Who reads the logs when the environment does not say how much there is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Whoever looks after a function: `info`.
    Function,
    /// Whoever looks after the authorizer: likewise, without the errors that it returns. "Unauthorized" is the answer
    /// that API Gateway wants for everybody's bad token, and the authorizer logs its own failures itself.
    Authorizer,
    /// Whoever has typed a command and sees what it prints: `warn`, without what came of a run.
    Command,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// One JSON object a line, on standard output.
    Json,
    /// For people, on standard error.
    Human,
}

/// Sets up the process's logs: JSON on standard output in Lambda, and text on standard error elsewhere, with colours
/// at a terminal unless `NO_COLOR` is set.
///
/// The level suits the audience, unless the first of `FANLIGHT_LOG`, `AWS_LAMBDA_LOG_LEVEL` (Lambda sets it from the
/// function's logging configuration) and `RUST_LOG` says otherwise: `debug`, or also `info,shared::secrets=debug`.
///
/// # Errors
/// The variable cannot be read, or logging is already set up.
pub fn init(audience: Audience) -> Result<(), LoggingError> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let filter = filter::from_environment(audience, variable)?;
    let outcome = match format(variable) {
        Format::Json => tracing::subscriber::set_global_default(json(filter, std::io::stdout)),
        Format::Human => {
            let terminal = std::io::stderr().is_terminal();
            let colours = terminal && variable("NO_COLOR").is_none();
            tracing::subscriber::set_global_default(human(filter, Clock { short: terminal }, colours, std::io::stderr))
        }
    };
    outcome.map_err(|_| LoggingError::AlreadySetUp)
}

fn format(variable: impl Fn(&str) -> Option<String>) -> Format {
    // The local runner sets the first as Lambda does, and Lambda both.
    if ["AWS_LAMBDA_RUNTIME_API", "AWS_LAMBDA_FUNCTION_NAME"]
        .into_iter()
        .any(|name| variable(name).is_some())
    {
        Format::Json
    } else {
        Format::Human
    }
}

fn json(filter: Targets, writer: impl for<'w> MakeWriter<'w> + Send + Sync + 'static) -> impl Subscriber + Send + Sync {
    Registry::default().with(filter).with(JsonLines::new(writer))
}

fn human(
    filter: Targets,
    clock: Clock,
    colours: bool,
    writer: impl for<'w> MakeWriter<'w> + Send + Sync + 'static,
) -> impl Subscriber + Send + Sync {
    let lines = text::layer()
        .with_writer(writer)
        .with_ansi(colours)
        .with_target(false)
        .with_timer(clock);
    Registry::default().with(filter).with(lines)
}

/// The time of day for those who watch, the full time for those who read it later.
#[derive(Debug, Clone, Copy)]
struct Clock {
    short: bool,
}

impl FormatTime for Clock {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        if self.short {
            write!(writer, "{}", jiff::Zoned::now().strftime("%H:%M:%S"))
        } else {
            write!(writer, "{:.3}", jiff::Timestamp::now())
        }
    }
}

#[cfg(test)]
mod tests;
