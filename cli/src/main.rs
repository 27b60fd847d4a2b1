//! The `fanlight` command.

#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use fanlight_cli::{check, dev, enforce, invoke, render, run, token};

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
    Dev(dev::DevArgs),
    Invoke(invoke::InvokeArgs),
    Render(render::RenderArgs),
    Enforce(enforce::EnforceArgs),
    Token(token::TokenArgs),
    /// Prints the JSON Schema of a configuration file
    Schema,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Err(error) = shared::logging::init(shared::logging::Audience::Command) {
        eprintln!("fanlight: {error}");
        return ExitCode::FAILURE;
    }
    execute(arguments).await.unwrap_or_else(|error| {
        eprintln!("fanlight: {error}");
        ExitCode::FAILURE
    })
}

async fn execute(Arguments { config, command }: Arguments) -> Result<ExitCode, Box<dyn std::error::Error>> {
    match command {
        Command::Check(args) => Ok(check::run(args, &config).await?),
        Command::Run(args) => run::run(args, &config).await,
        Command::Dev(args) => Ok(dev::run(args, &config).await?),
        Command::Invoke(args) => Ok(invoke::run(args, &config).await?),
        Command::Render(args) => Ok(render::run(&args, &config)?),
        Command::Enforce(args) => Ok(enforce::run(&args)),
        Command::Token(args) => Ok(token::run(args, &config)?),
        Command::Schema => {
            print!("{}", shared::config::schema());
            Ok(ExitCode::SUCCESS)
        }
    }
}
