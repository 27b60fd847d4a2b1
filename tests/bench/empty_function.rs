//! The smallest Lambda function there is, for the benchmark: what the others' start, and what they add to an invocation,
//! is held against. It answers with its event; where that is API Gateway's, with a stream, as the Metrics API does.

use std::convert::Infallible;

use futures_util::stream::{self, Iter};
use lambda_runtime::{Error, FunctionResponse, LambdaEvent, StreamResponse, run, service_fn};
use serde_json::Value;

type Answer = FunctionResponse<Value, Iter<std::option::IntoIter<Result<&'static str, Infallible>>>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(async |event: LambdaEvent<Value>| {
        Ok::<Answer, Error>(if event.payload.get("httpMethod").is_some() {
            let stream = stream::iter(Some(Ok("{}")));
            FunctionResponse::StreamingResponse(StreamResponse::from(stream))
        } else {
            FunctionResponse::BufferedResponse(event.payload)
        })
    }))
    .await
}
