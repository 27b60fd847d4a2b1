//! Serves a function behind a REST API until it is killed: `cargo run --example rest_api -- BINARY`.

use std::io::Write;
use std::time::Duration;

use fanlight_cli::runner::Function;
use fanlight_cli::runner::api_gateway::{Integration, RestApi};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let binary = std::env::args().nth(1).ok_or("usage: rest_api BINARY")?;
    let timeout = Duration::from_mins(15);
    let function = Function::builder("example", binary)
        .envs(std::env::vars_os())
        .timeout(timeout)
        .build()?;
    let api = RestApi::builder()
        .any("/{proxy+}", Integration::streamed(function).timeout(timeout))
        .build()?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    writeln!(std::io::stdout(), "{}", api.url(listener.local_addr()?))?;
    api.serve(listener).await?;
    Ok(())
}
