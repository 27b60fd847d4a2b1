//! Which records are logged, as the environment says.

use tracing_subscriber::filter::{LevelFilter, Targets};

use super::Audience;
use crate::suggest::closest;

/// The variables that may hold a filter; the first that is set counts.
const VARIABLES: [&str; 3] = [FANLIGHT_LOG, "AWS_LAMBDA_LOG_LEVEL", RUST_LOG];
const FANLIGHT_LOG: &str = "FANLIGHT_LOG";
/// Shared by all Rust programs, so that it may name crates that are none of our business.
const RUST_LOG: &str = "RUST_LOG";

/// Our own crates: their records are written with secrets in mind.
const OWN: [&str; 6] = [
    "shared",
    "collector",
    "metrics_api",
    "authorizer",
    "fanlight",
    "fanlight_cli",
];
/// The span that carries an invocation's request ID; the module logs nothing else.
const REQUEST_SPAN: &str = "lambda_runtime::layers::trace";
/// Logs every error that a function returns, and panics, which the panic hook logs too.
const RETURNED_ERRORS: &str = "lambda_runtime::layers::panic";
/// The most that is logged of anything but our own crates.
const FOREIGN: LevelFilter = LevelFilter::WARN;
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// What came of a run, which the command prints itself.
const OUTCOMES: &str = "shared::collect::report";

/// A variable that does not say which records to log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the environment variable {variable} has {directive:?}, {kind}")]
pub struct FilterError {
    /// The variable's name.
    pub variable: &'static str,
    /// The part of its value that cannot be used.
    pub directive: String,
    /// What is wrong with it.
    pub kind: FilterErrorKind,
}

/// What is wrong with a part of a filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterErrorKind {
    /// No level where one belongs.
    #[error(
        "which is no level{}: write off, error, warn, info, debug or trace, \
         or a module's level such as `shared::secrets=debug`",
        did_you_mean(suggestion.as_deref())
    )]
    NoLevel {
        /// The level that was probably meant.
        suggestion: Option<String>,
    },
    /// A crate that is not ours, at a level at which it may print secrets.
    #[error(
        "but libraries are held at warn because below it some of them log secrets: \
         name a module of Fanlight's ({}), or leave it out", OWN.join(", ")
    )]
    Foreign,
}

/// The filter that the environment asks for; if it asks for none, what suits those who read.
pub(super) fn from_environment(
    audience: Audience,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Targets, FilterError> {
    let asked = VARIABLES.into_iter().find_map(|name| {
        let text = variable(name).filter(|text| !text.trim().is_empty())?;
        Some(parse(name, &text))
    });
    let filter = asked.unwrap_or_else(|| {
        Ok(match audience {
            Audience::Function | Audience::Authorizer => filter(LevelFilter::INFO, Vec::new()),
            Audience::Command => filter(LevelFilter::WARN, vec![(OUTCOMES.to_owned(), LevelFilter::OFF)]),
        })
    })?;
    Ok(match audience {
        Audience::Authorizer => filter.with_target(RETURNED_ERRORS, LevelFilter::OFF),
        Audience::Function | Audience::Command => filter,
    })
}

fn parse(variable: &'static str, text: &str) -> Result<Targets, FilterError> {
    let mut default = LevelFilter::INFO;
    let mut targets = Vec::new();
    for directive in text.split(',').map(str::trim).filter(|directive| !directive.is_empty()) {
        let error = |kind| FilterError {
            variable,
            directive: directive.to_owned(),
            kind,
        };
        let (target, word) = match directive.split_once('=') {
            Some((target, word)) => (Some(target.trim()), word.trim()),
            None => (None, directive),
        };
        let Some(level) = level(word) else {
            let suggestion = closest(word, LEVELS).map(str::to_owned);
            return Err(error(FilterErrorKind::NoLevel { suggestion }));
        };
        match target {
            None => default = level,
            Some(target) if is_own(target) || level <= FOREIGN => targets.push((target.to_owned(), level)),
            Some(_) if variable == RUST_LOG => {}
            Some(_) => return Err(error(FilterErrorKind::Foreign)),
        }
    }
    Ok(filter(default, targets))
}

fn level(word: &str) -> Option<LevelFilter> {
    Some(match word.to_ascii_lowercase().as_str() {
        "off" => LevelFilter::OFF,
        // Lambda knows a level above errors.
        "error" | "fatal" => LevelFilter::ERROR,
        "warn" => LevelFilter::WARN,
        "info" => LevelFilter::INFO,
        "debug" => LevelFilter::DEBUG,
        "trace" => LevelFilter::TRACE,
        _ => return None,
    })
}

fn filter(default: LevelFilter, targets: Vec<(String, LevelFilter)>) -> Targets {
    Targets::new()
        .with_default(default.min(FOREIGN))
        .with_target(REQUEST_SPAN, LevelFilter::INFO)
        .with_targets(OWN.map(|own| (own, default)))
        .with_targets(targets)
}

fn is_own(target: &str) -> bool {
    let name = target.split("::").next().unwrap_or_default();
    OWN.contains(&name)
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map_or_else(String::new, |level| format!(" (did you mean `{level}`?)"))
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<Targets, FilterError> {
        from_environment(Audience::Function, |name| {
            variables
                .iter()
                .find(|each| each.0 == name)
                .map(|each| each.1.to_owned())
        })
    }

    #[test]
    fn the_first_variable_that_is_set_counts() {
        for (variables, most) in [
            (&[][..], Level::INFO),
            (
                &[
                    ("FANLIGHT_LOG", "debug"),
                    ("AWS_LAMBDA_LOG_LEVEL", "ERROR"),
                    ("RUST_LOG", "trace"),
                ],
                Level::DEBUG,
            ),
            (
                &[("AWS_LAMBDA_LOG_LEVEL", "ERROR"), ("RUST_LOG", "trace")],
                Level::ERROR,
            ),
            (&[("AWS_LAMBDA_LOG_LEVEL", "FATAL")], Level::ERROR),
            (&[("RUST_LOG", "trace")], Level::TRACE),
            (&[("FANLIGHT_LOG", " "), ("RUST_LOG", "Warn")], Level::WARN),
        ] {
            let filter = of(variables).unwrap();
            for level in [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE] {
                assert_eq!(
                    filter.would_enable("shared::collect", &level),
                    level <= most,
                    "{variables:?} {level}"
                );
            }
        }
    }

    #[test]
    fn what_the_authorizer_returns_is_no_error_of_its_own() {
        for variables in [&[][..], &["trace"], &["warn,lambda_runtime=error"]] {
            let variable = |name: &str| {
                let text = variables.first().filter(|_| name == FANLIGHT_LOG);
                text.map(|text| (*text).to_owned())
            };
            for (audience, logged) in [(Audience::Function, true), (Audience::Authorizer, false)] {
                let filter = from_environment(audience, variable).unwrap();
                assert_eq!(
                    filter.would_enable(RETURNED_ERRORS, &Level::ERROR),
                    logged,
                    "{variables:?} {audience:?}"
                );
                assert!(filter.would_enable("lambda_runtime::layers::api_response", &Level::ERROR));
                assert!(filter.would_enable("shared::authorization", &Level::ERROR));
            }
        }
    }

    #[test]
    fn libraries_are_held_at_warn() {
        for text in ["trace", "debug", "info", "shared=trace", "warn,shared=debug"] {
            let filter = of(&[("FANLIGHT_LOG", text)]).unwrap();
            for target in [
                "aws_smithy_runtime",
                "hyper_util::client",
                "tokio_postgres",
                "rustls",
                "lambda_runtime",
            ] {
                assert!(filter.would_enable(target, &Level::WARN), "{text} {target}");
                assert!(!filter.would_enable(target, &Level::INFO), "{text} {target}");
            }
        }
        let quiet = of(&[("FANLIGHT_LOG", "error,hyper=off")]).unwrap();
        assert!(!quiet.would_enable("rustls", &Level::WARN));
        assert!(!quiet.would_enable("hyper::client", &Level::ERROR));
    }

    #[test]
    fn modules_have_levels_of_their_own() {
        let filter = of(&[("FANLIGHT_LOG", "warn, shared::secrets = debug ,")]).unwrap();
        assert!(filter.would_enable("shared::secrets::fetch", &Level::DEBUG));
        assert!(!filter.would_enable("shared::collect", &Level::INFO));
        assert!(filter.would_enable(REQUEST_SPAN, &Level::INFO));
    }

    #[test]
    fn mistakes_name_the_variable_and_the_directive() {
        for (variables, expected) in [
            (
                [("FANLIGHT_LOG", "info,shared=debgu")],
                "the environment variable FANLIGHT_LOG has \"shared=debgu\", which is no level (did you mean `debug`?): \
                 write off, error, warn, info, debug or trace, or a module's level such as `shared::secrets=debug`",
            ),
            (
                [("AWS_LAMBDA_LOG_LEVEL", "loud")],
                "the environment variable AWS_LAMBDA_LOG_LEVEL has \"loud\", which is no level: write off, error, warn, \
                 info, debug or trace, or a module's level such as `shared::secrets=debug`",
            ),
            (
                [("FANLIGHT_LOG", "tokio_postgres=debug")],
                "the environment variable FANLIGHT_LOG has \"tokio_postgres=debug\", but libraries are held at warn \
                 because below it some of them log secrets: name a module of Fanlight's (shared, collector, \
                 metrics_api, authorizer, fanlight, fanlight_cli), or leave it out",
            ),
        ] {
            assert_eq!(of(&variables).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn what_others_want_of_other_programs_is_no_mistake() {
        let filter = of(&[("RUST_LOG", "cargo=trace,hyper[span]=debug,debug")]).unwrap();
        assert!(filter.would_enable("shared", &Level::DEBUG));
        assert!(!filter.would_enable("cargo", &Level::INFO));
    }
}
