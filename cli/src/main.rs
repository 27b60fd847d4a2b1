//! The `fanlight` command.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use fanlight_cli::{
    alerts, check, dashboards, dev, enforce, heal, import, invoke, output, prune, render, run, slo, status, token,
};

/// Business queries into Prometheus, and each customer his own metrics out of it.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The folder with the configuration
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        default_value = "config",
        env = "FANLIGHT_CONFIG"
    )]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(check::CheckArgs),
    Run(run::RunArgs),
    Status(status::StatusArgs),
    Heal(heal::HealArgs),
    Prune(prune::PruneArgs),
    Dev(dev::DevArgs),
    Invoke(invoke::InvokeArgs),
    Render(render::RenderArgs),
    Enforce(enforce::EnforceArgs),
    Alerts(alerts::AlertsArgs),
    Dashboards(dashboards::DashboardsArgs),
    Slo(slo::SloArgs),
    Token(token::TokenArgs),
    Import(import::ImportArgs),
    /// Prints the JSON Schema of a configuration file
    Schema,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Err(error) = shared::logging::init(shared::logging::Audience::Command) {
        return failed(&error);
    }
    let status = execute(arguments).await.unwrap_or_else(|error| failed(&error));
    match output::finish() {
        Ok(()) => status,
        Err(error) => failed(&format_args!("standard output cannot be written: {error}")),
    }
}

fn failed(error: &dyn std::fmt::Display) -> ExitCode {
    output::err(format_args!("fanlight: {error}\n"));
    ExitCode::FAILURE
}

async fn execute(Arguments { config, command }: Arguments) -> Result<ExitCode, Box<dyn std::error::Error>> {
    match command {
        Command::Check(args) => Ok(check::run(args, &config).await?),
        Command::Run(args) => run::run(args, &config).await,
        Command::Status(args) => status::run(args, &config).await,
        Command::Heal(args) => heal::run(args, &config).await,
        Command::Prune(args) => prune::run(args, &config).await,
        Command::Dev(args) => Ok(dev::run(args, &config).await?),
        Command::Invoke(args) => Ok(invoke::run(args, &config).await?),
        Command::Render(args) => Ok(render::run(&args, &config)?),
        Command::Enforce(args) => Ok(enforce::run(&args)),
        Command::Alerts(args) => Ok(alerts::run(&args, &config)?),
        Command::Dashboards(args) => Ok(dashboards::run(&args, &config)?),
        Command::Slo(args) => Ok(slo::run(&args, &config)?),
        Command::Import(args) => Ok(import::run(&args)?),
        Command::Token(args) => Ok(token::run(args, &config)?),
        Command::Schema => {
            output::out(format_args!("{}", shared::config::schema()));
            Ok(ExitCode::SUCCESS)
        }
    }
}
