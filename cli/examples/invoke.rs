//! Invokes a function's binary once: `cargo run --example invoke -- BINARY [EVENT]`.

use std::io::Write;

use fanlight_cli::runner::Function;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let binary = arguments.next().ok_or("usage: invoke BINARY [EVENT]")?;
    let event = arguments.next().unwrap_or_else(|| "{}".into());
    let function = Function::builder("example", binary)
        .envs(std::env::vars_os())
        .timeout(std::time::Duration::from_mins(15))
        .build()?;
    let invocation = function.invoke(event).await?;
    let mut out = std::io::stdout();
    out.write_all(&invocation.outcome.into_result()?)?;
    writeln!(out)?;
    function.shutdown().await;
    Ok(())
}
