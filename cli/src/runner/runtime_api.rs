//! The Lambda Runtime API of one instance: hands out one invocation at a time and takes its response or error.
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http_body_util::BodyExt;
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::invocation::{LARGEST_REPLY, StreamError};
use super::quick_ack::QuickListener;

const ERROR_TYPE: &str = "lambda-runtime-function-error-type";
const ERROR_BODY: &str = "lambda-runtime-function-error-body";

/// An invocation on its way to the function.
pub(super) struct Work {
    pub(super) request_id: String,
    pub(super) deadline: Timestamp,
    pub(super) function_arn: String,
    pub(super) trace_id: String,
    pub(super) payload: Bytes,
}

/// What the function's runtime did.
pub(super) enum Event {
    /// It asked for the next invocation.
    Polled,
    /// It began its response.
    ReplyBegun {
        content_type: Option<String>,
        streamed: bool,
    },
    /// The next bytes of the response.
    ReplyBytes(Bytes),
    /// The response is complete, or was broken off.
    ReplyEnded { error: Option<StreamError> },
    /// The response, which was not streamed, is larger than Lambda allows.
    ReplyTooLarge,
    /// It reported that the invocation failed.
    Error(ReportedError),
    /// It reported that it could not initialise.
    InitError(ReportedError),
}

/// An error as the runtime reported it.
pub(super) struct ReportedError {
    /// The header, which names the category; the function's own type stands in the payload.
    pub(super) error_type: Option<String>,
    pub(super) payload: Bytes,
}

pub(super) struct RuntimeApi {
    pub(super) address: SocketAddr,
    work: mpsc::Sender<Work>,
    events: mpsc::Receiver<Event>,
    server: JoinHandle<io::Result<()>>,
}

impl RuntimeApi {
    /// Serves on a free port of the loopback interface.
    pub(super) async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (work_sender, work) = mpsc::channel(1);
        let (events_sender, events) = mpsc::channel(16);
        let endpoint = Arc::new(Endpoint {
            work: tokio::sync::Mutex::new(work),
            events: events_sender,
            current: Mutex::new(Current::None),
        });
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
            .route("/2018-06-01/runtime/init/error", post(init_error))
            .with_state(endpoint);
        let server = tokio::spawn(axum::serve(QuickListener(listener), router).into_future());
        Ok(Self {
            address,
            work: work_sender,
            events,
            server,
        })
    }

    pub(super) async fn hand_over(&self, work: Work) {
        // The receiver lives as long as the server. If that has failed, the invocation ends by its timeout.
        let _ = self.work.send(work).await;
    }

    /// The next event; never returns once the server has failed.
    pub(super) async fn event(&mut self) -> Event {
        match self.events.recv().await {
            Some(event) => event,
            None => std::future::pending().await,
        }
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// What the handlers share.
struct Endpoint {
    work: tokio::sync::Mutex<mpsc::Receiver<Work>>,
    events: mpsc::Sender<Event>,
    current: Mutex<Current>,
}

/// The invocation that the function is working on.
enum Current {
    None,
    Open(String),
    Answered(String),
}

impl Endpoint {
    fn set_current(&self, current: Current) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = current;
    }

    /// Lets the first answer to the current invocation pass, and refuses any other as Lambda does.
    fn answer(&self, id: &str) -> Result<(), Refusal> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        match &*current {
            Current::Open(open) if open == id => {
                *current = Current::Answered(id.into());
                Ok(())
            }
            Current::Answered(answered) if answered == id => Err(Refusal {
                status: StatusCode::FORBIDDEN,
                error_type: "InvalidStateTransition",
                message: "the invocation has been answered already",
            }),
            _ => Err(Refusal {
                status: StatusCode::BAD_REQUEST,
                error_type: "InvalidRequestID",
                message: "the request ID is not that of the current invocation",
            }),
        }
    }

    async fn report(&self, event: Event) {
        // The instance is being stopped if nobody listens.
        let _ = self.events.send(event).await;
    }
}

struct Refusal {
    status: StatusCode,
    error_type: &'static str,
    message: &'static str,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = serde_json::json!({"errorType": self.error_type, "errorMessage": self.message});
        (self.status, [(CONTENT_TYPE, "application/json")], body.to_string()).into_response()
    }
}

fn accepted() -> Response {
    (
        StatusCode::ACCEPTED,
        [(CONTENT_TYPE, "application/json")],
        r#"{"status":"OK"}"#,
    )
        .into_response()
}

async fn next(State(endpoint): State<Arc<Endpoint>>) -> Response {
    endpoint.set_current(Current::None);
    endpoint.report(Event::Polled).await;
    let Some(work) = endpoint.work.lock().await.recv().await else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let headers = [
        ("lambda-runtime-aws-request-id", work.request_id.clone()),
        ("lambda-runtime-deadline-ms", work.deadline.as_millisecond().to_string()),
        ("lambda-runtime-invoked-function-arn", work.function_arn),
        ("lambda-runtime-trace-id", work.trace_id),
        ("content-type", "application/json".into()),
    ];
    let headers: HeaderMap = headers
        .into_iter()
        .filter_map(|(name, value)| Some((HeaderName::from_static(name), HeaderValue::try_from(value).ok()?)))
        .collect();
    endpoint.set_current(Current::Open(work.request_id));
    (headers, work.payload).into_response()
}

async fn response(
    State(endpoint): State<Arc<Endpoint>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    mut body: Body,
) -> Result<Response, Refusal> {
    endpoint.answer(&id)?;
    let streamed = text(&headers, "lambda-runtime-function-response-mode").as_deref() == Some("streaming");
    let content_type = text(&headers, CONTENT_TYPE.as_str());
    endpoint.report(Event::ReplyBegun { content_type, streamed }).await;
    let mut size = 0;
    let mut error = None;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            error = Some(StreamError {
                error_type: "Runtime.TruncatedResponse".into(),
                body: String::new(),
            });
            break;
        };
        match frame.into_data() {
            Ok(bytes) => {
                size += bytes.len();
                if size > LARGEST_REPLY && !streamed {
                    endpoint.report(Event::ReplyTooLarge).await;
                    return Err(Refusal {
                        status: StatusCode::PAYLOAD_TOO_LARGE,
                        error_type: "RequestEntityTooLarge",
                        message: "Exceeded maximum allowed payload size (6291556 bytes).",
                    });
                }
                endpoint.report(Event::ReplyBytes(bytes)).await;
            }
            // A stream that fails half-way says so in its trailers.
            Err(frame) => {
                let trailers = frame.into_trailers().unwrap_or_default();
                error = text(&trailers, ERROR_TYPE).map(|error_type| StreamError {
                    error_type,
                    body: text(&trailers, ERROR_BODY).unwrap_or_default(),
                });
            }
        }
    }
    endpoint.report(Event::ReplyEnded { error }).await;
    Ok(accepted())
}

async fn error(
    State(endpoint): State<Arc<Endpoint>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    endpoint.answer(&id)?;
    endpoint
        .report(Event::Error(ReportedError {
            error_type: text(&headers, ERROR_TYPE),
            payload: body,
        }))
        .await;
    Ok(accepted())
}

async fn init_error(State(endpoint): State<Arc<Endpoint>>, headers: HeaderMap, body: Bytes) -> Response {
    endpoint
        .report(Event::InitError(ReportedError {
            error_type: text(&headers, ERROR_TYPE),
            payload: body,
        }))
        .await;
    accepted()
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(Into::into)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    fn work(id: &str) -> Work {
        Work {
            request_id: id.into(),
            deadline: Timestamp::from_second(1_800_000_000).expect("in range"),
            function_arn: "arn:aws:lambda:eu-west-1:000000000000:function:probe".into(),
            trace_id: "Root=1-2-3".into(),
            payload: Bytes::from_static(b"{}"),
        }
    }

    /// Sends the bytes and says what came back.
    async fn exchange(api: &RuntimeApi, request: &str) -> String {
        let mut stream = TcpStream::connect(api.address).await.expect("a connection");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        answer
    }

    fn post(path: &str, headers: &str, body: &str) -> String {
        let length = body.len();
        format!(
            "POST /2018-06-01/runtime/{path} HTTP/1.1\r\nHost: runtime\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        )
    }

    const NEXT: &str = "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: runtime\r\nConnection: close\r\n\r\n";

    /// An API whose function is working on the invocation `one`.
    async fn working() -> RuntimeApi {
        let mut api = RuntimeApi::start().await.expect("a port");
        api.hand_over(work("one")).await;
        exchange(&api, NEXT).await;
        assert!(matches!(api.event().await, Event::Polled));
        api
    }

    #[tokio::test]
    async fn next_carries_the_event_and_its_headers() {
        let api = RuntimeApi::start().await.expect("a port");
        api.hand_over(work("one")).await;
        let answer = exchange(&api, NEXT).await;
        for part in [
            "HTTP/1.1 200 OK\r\n",
            "lambda-runtime-aws-request-id: one\r\n",
            "lambda-runtime-deadline-ms: 1800000000000\r\n",
            "lambda-runtime-invoked-function-arn: arn:aws:lambda:eu-west-1:000000000000:function:probe\r\n",
            "lambda-runtime-trace-id: Root=1-2-3\r\n",
            "\r\n\r\n{}",
        ] {
            assert!(answer.contains(part), "{part} in {answer}");
        }
    }

    #[tokio::test]
    async fn only_the_first_answer_to_the_current_invocation_counts() {
        let mut api = working().await;
        let answer = exchange(&api, &post("invocation/other/response", "", "1")).await;
        assert!(
            answer.starts_with("HTTP/1.1 400") && answer.contains("InvalidRequestID"),
            "{answer}"
        );
        let answer = exchange(&api, &post("invocation/one/response", "", "1")).await;
        assert!(
            answer.starts_with("HTTP/1.1 202") && answer.ends_with(r#"{"status":"OK"}"#),
            "{answer}"
        );
        for path in ["invocation/one/response", "invocation/one/error"] {
            let answer = exchange(&api, &post(path, "", "2")).await;
            assert!(
                answer.starts_with("HTTP/1.1 403") && answer.contains("InvalidStateTransition"),
                "{answer}"
            );
        }
        assert!(matches!(api.event().await, Event::ReplyBegun { streamed: false, .. }));
        assert!(matches!(api.event().await, Event::ReplyBytes(bytes) if bytes == "1"));
        assert!(matches!(api.event().await, Event::ReplyEnded { error: None }));
        assert!(api.events.try_recv().is_err());
    }

    #[tokio::test]
    async fn the_trailers_of_a_stream_tell_of_its_failure() {
        let mut api = working().await;
        let request = "POST /2018-06-01/runtime/invocation/one/response HTTP/1.1\r\nHost: runtime\r\n\
            Connection: close\r\nTransfer-Encoding: chunked\r\nLambda-Runtime-Function-Response-Mode: streaming\r\n\
            Content-Type: application/vnd.awslambda.http-integration-response\r\n\
            Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n\r\n\
            4\r\nhalf\r\n0\r\nLambda-Runtime-Function-Error-Type: Runtime.Half\r\n\
            Lambda-Runtime-Function-Error-Body: aGFsZg==\r\n\r\n";
        assert!(exchange(&api, request).await.starts_with("HTTP/1.1 202"));
        match api.event().await {
            Event::ReplyBegun {
                streamed: true,
                content_type: Some(content_type),
            } => {
                assert_eq!(content_type, "application/vnd.awslambda.http-integration-response");
            }
            _ => panic!("not the beginning of a stream"),
        }
        assert!(matches!(api.event().await, Event::ReplyBytes(bytes) if bytes == "half"));
        let Event::ReplyEnded { error: Some(error) } = api.event().await else {
            panic!("not failed")
        };
        assert_eq!(
            (error.error_type.as_str(), error.body.as_str()),
            ("Runtime.Half", "aGFsZg==")
        );
    }

    #[tokio::test]
    async fn a_stream_that_breaks_off_is_not_whole() {
        let mut api = working().await;
        let mut stream = TcpStream::connect(api.address).await.expect("a connection");
        let request = "POST /2018-06-01/runtime/invocation/one/response HTTP/1.1\r\nHost: runtime\r\n\
            Transfer-Encoding: chunked\r\nLambda-Runtime-Function-Response-Mode: streaming\r\n\r\n4\r\nhalf\r\n";
        stream.write_all(request.as_bytes()).await.expect("sent");
        assert!(matches!(api.event().await, Event::ReplyBegun { streamed: true, .. }));
        assert!(matches!(api.event().await, Event::ReplyBytes(_)));
        stream.shutdown().await.expect("closed");
        let Event::ReplyEnded { error: Some(error) } = api.event().await else {
            panic!("not failed")
        };
        assert_eq!(error.error_type, "Runtime.TruncatedResponse");
    }

    #[tokio::test]
    async fn an_error_before_the_first_poll_is_an_init_error() {
        let mut api = RuntimeApi::start().await.expect("a port");
        let header = "Lambda-Runtime-Function-Error-Type: Runtime.NoConfiguration\r\n";
        let answer = exchange(&api, &post("init/error", header, r#"{"errorMessage":"none"}"#)).await;
        assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
        let Event::InitError(error) = api.event().await else {
            panic!("not an init error")
        };
        assert_eq!(error.error_type.as_deref(), Some("Runtime.NoConfiguration"));
        assert_eq!(error.payload, r#"{"errorMessage":"none"}"#);
    }
}
