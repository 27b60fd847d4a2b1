//! `fanlight slo`: what teams promise, for other tools.

use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use shared::config::FolderError;
use shared::slo::openslo;

/// Prints the SLOs beside the metrics for other tools.
#[derive(Debug, Args)]
pub struct SloArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Prints them as OpenSLO v1, a stream of YAML documents
    Openslo {
        /// The environment
        #[arg(long, value_name = "NAME", default_value = "prod")]
        environment: String,
    },
}

/// Why there is nothing to print.
#[derive(Debug, thiserror::Error)]
pub enum SloError {
    /// The configuration cannot be read.
    #[error(transparent)]
    Configuration(#[from] FolderError),
    /// It has mistakes.
    #[error(
        "the configuration has mistakes: nothing is printed, for a promise that is left out would be missed by nobody"
    )]
    Flawed,
    /// There is no such environment.
    #[error("there is no environment `{name}`: {help}")]
    Environment {
        /// The name asked for.
        name: String,
        /// What there is.
        help: String,
    },
    /// An SLO cannot be written as YAML.
    #[error("the SLOs cannot be written as YAML: {0}")]
    Yaml(String),
}

/// Runs the command.
///
/// # Errors
/// When the configuration cannot be used, or has no such environment.
pub fn run(args: &SloArgs, config: &Path) -> Result<ExitCode, SloError> {
    let loaded = shared::config::load_with_alerts(config)?;
    if loaded.report.mistakes() > 0 {
        eprint!("{}", loaded.report.render(io::stderr().is_terminal()));
        return Err(SloError::Flawed);
    }
    let Command::Openslo { environment: name } = &args.command;
    let environments = &loaded.configuration.environments;
    let Some(environment) = environments.iter().find(|environment| environment.name == *name) else {
        let names: Vec<_> = environments
            .iter()
            .map(|environment| environment.name.as_str())
            .collect();
        return Err(SloError::Environment {
            name: name.clone(),
            help: shared::suggest::closest(name, names.iter().copied()).map_or_else(
                || format!("there are {}", names.join(", ")),
                |near| format!("did you mean `{near}`?"),
            ),
        });
    };
    print!(
        "{}",
        openslo(environment.slos()).map_err(|error| SloError::Yaml(error.to_string()))?
    );
    Ok(ExitCode::SUCCESS)
}
