//! A Lambda function that does what the event says, for the tests of the runner.

use std::io::Write;
use std::time::Duration;

use lambda_runtime::streaming::{Body, channel};
use lambda_runtime::{Error, FunctionResponse, LambdaEvent, StreamResponse, service_fn};
use serde_json::{Value, json};

type Response = FunctionResponse<Value, Body>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    match std::env::var("PROBE_INIT").as_deref() {
        Ok("exit") => {
            note("cannot start");
            std::process::exit(3)
        }
        Ok("hang") => std::future::pending().await,
        _ => {}
    }
    lambda_runtime::run(service_fn(handle)).await
}

async fn handle(event: LambdaEvent<Value>) -> Result<Response, Error> {
    let LambdaEvent { payload, context } = event;
    let number = payload["number"].as_u64().or_else(default_number).unwrap_or_default();
    let by_default = std::env::var("PROBE_DO").unwrap_or_else(|_| "echo".into());
    match payload["do"].as_str().unwrap_or(&by_default) {
        "fail" => return Err("no luck".into()),
        "panic" => panic!("at the disco"),
        "abort" => std::process::abort(),
        "exit" => std::process::exit(i32::try_from(number)?),
        "hang" => {
            note(&format!("pid {}", std::process::id()));
            std::future::pending::<()>().await;
        }
        "sleep" => tokio::time::sleep(Duration::from_millis(number)).await,
        // A child of the function, which must not outlive the runner either.
        "fork" => {
            let child = tokio::process::Command::new("sleep").arg("600").spawn()?;
            note(&format!("pid {}", child.id().unwrap_or_default()));
            std::future::pending::<()>().await;
        }
        "print" => {
            for line in 0..number {
                note(&format!("line {line}"));
            }
            let mut out = std::io::stdout().lock();
            out.write_all(b"not UTF-8: \xff, not ended")?;
            out.flush()?;
            drop(out);
            note(", ended by another");
        }
        "remember" => {
            static BEFORE: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
            let before = BEFORE.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            return Ok(FunctionResponse::BufferedResponse(
                json!({"pid": std::process::id(), "before": before}),
            ));
        }
        "memory" => {
            let megabytes = vec![1_u8; usize::try_from(number)? << 20];
            let sum: u64 = megabytes.iter().map(|byte| u64::from(*byte)).sum();
            return Ok(FunctionResponse::BufferedResponse(sum.into()));
        }
        "large" => {
            return Ok(FunctionResponse::BufferedResponse(
                "x".repeat(usize::try_from(number)?).into(),
            ));
        }
        "environment" => {
            let variables: serde_json::Map<String, Value> =
                std::env::vars().map(|(name, value)| (name, value.into())).collect();
            return Ok(FunctionResponse::BufferedResponse(variables.into()));
        }
        "context" => {
            return Ok(FunctionResponse::BufferedResponse(json!({
                "request_id": context.request_id,
                "deadline": context.deadline,
                "arn": context.invoked_function_arn,
                "trace_id": context.xray_trace_id,
            })));
        }
        "stream" | "stream and exit" => return Ok(stream(number, payload["do"] == "stream and exit")),
        _ => {}
    }
    Ok(FunctionResponse::BufferedResponse(payload))
}

fn default_number() -> Option<u64> {
    std::env::var("PROBE_NUMBER").ok()?.parse().ok()
}

/// Chunks of a kilobyte each, and perhaps the end of the process half-way.
fn stream(chunks: u64, exit: bool) -> Response {
    let (mut sender, body) = channel();
    tokio::spawn(async move {
        for _ in 0..chunks {
            if sender.send_data("x".repeat(1024).into()).await.is_err() {
                return;
            }
        }
        if exit {
            // Long enough for what has been sent to leave the process.
            tokio::time::sleep(Duration::from_millis(100)).await;
            std::process::exit(4);
        }
    });
    FunctionResponse::StreamingResponse(StreamResponse::from(body))
}

fn note(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
