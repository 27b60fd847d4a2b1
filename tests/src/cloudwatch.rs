//! CloudWatch as moto plays it, or as a test says.
//!
//! The SDK speaks CBOR with CloudWatch, and moto JSON only: what stands between them here translates, remembers what was
//! asked, and answers itself where a test wants what moto never does.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, ensure};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use ciborium::Value as Cbor;
use flate2::read::GzDecoder;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::aws::{REGION, moto};
use crate::http;
use crate::supervisor::Supervised;

const OPERATIONS: &str = "/service/GraniteServiceVersion20100801/operation/";
/// More than any request may have.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// What a test answers.
#[derive(Debug, Clone)]
pub enum Say {
    /// Success.
    Answer(Value),
    /// An error of this status and code.
    Refuse(u16, &'static str),
    /// Nothing, for ever.
    Hang,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Told {
    /// The operation, such as `GetMetricData`.
    pub operation: String,
    /// What it was given.
    pub input: Value,
    /// The bytes of it before they were compressed.
    pub bytes: usize,
    /// Whether it was compressed.
    pub compressed: bool,
    /// The `Authorization` header: access key, date, region and service.
    pub authorization: String,
}

/// By what was told, and how many requests of the operation came before it; `None` leaves it to moto.
type Script = dyn Fn(&Told, usize) -> Option<Say> + Send + Sync;

/// A CloudWatch for one test.
pub struct CloudWatch {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
    _moto: Option<Supervised>,
}

struct Shared {
    moto: Option<String>,
    script: Box<Script>,
    told: Mutex<Vec<Told>>,
}

impl std::fmt::Debug for CloudWatch {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("CloudWatch")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl CloudWatch {
    /// moto's, empty.
    ///
    /// # Errors
    /// When moto is not installed or does not start.
    pub async fn start() -> Result<Self> {
        let (server, port) = moto().await?;
        Self::serve(
            Some((server, format!("http://127.0.0.1:{port}"))),
            Box::new(|_, _| None),
        )
        .await
    }

    /// moto's, but for what the script answers.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn start_with(script: impl Fn(&Told, usize) -> Option<Say> + Send + Sync + 'static) -> Result<Self> {
        let (server, port) = moto().await?;
        Self::serve(Some((server, format!("http://127.0.0.1:{port}"))), Box::new(script)).await
    }

    /// One that answers by a script alone.
    ///
    /// # Errors
    /// When the machine has no free port.
    pub async fn scripted(script: impl Fn(&Told, usize) -> Say + Send + Sync + 'static) -> Result<Self> {
        Self::serve(None, Box::new(move |told, before| Some(script(told, before)))).await
    }

    async fn serve(moto: Option<(Supervised, String)>, script: Box<Script>) -> Result<Self> {
        let (server, url) = moto.unzip();
        let shared = Arc::new(Shared {
            moto: url,
            script,
            told: Mutex::default(),
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self {
            address,
            shared,
            task,
            _moto: server,
        })
    }

    /// The variables that lead the AWS SDK here.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ENDPOINT_URL", format!("http://{}", self.address)),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ]
    }

    /// What was asked so far of an operation.
    #[must_use]
    pub fn told(&self, operation: &str) -> Vec<Told> {
        let told = self.shared.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.iter()
            .filter(|told| told.operation == operation)
            .cloned()
            .collect()
    }

    /// Puts a data point into moto.
    ///
    /// # Errors
    /// What moto says against it.
    pub async fn put(
        &self,
        namespace: &str,
        metric: &str,
        dimensions: &[(&str, &str)],
        seconds: i64,
        value: f64,
    ) -> Result<()> {
        let dimensions: Vec<Value> = dimensions
            .iter()
            .map(|(name, value)| json!({"Name": name, "Value": value}))
            .collect();
        let datum = json!({"MetricName": metric, "Dimensions": dimensions, "Timestamp": seconds, "Value": value});
        self.ask_moto("PutMetricData", &json!({"Namespace": namespace, "MetricData": [datum]}))
            .await?;
        Ok(())
    }

    /// Asks moto as the SDK would.
    ///
    /// # Errors
    /// What moto says against it.
    pub async fn ask_moto(&self, operation: &str, input: &Value) -> Result<Value> {
        // moto checks no signature but reads region and service from it.
        let scope = format!("AWS4-HMAC-SHA256 Credential=test/20260101/{REGION}/monitoring/aws4_request");
        let moto = self
            .shared
            .moto
            .as_deref()
            .context("there is no moto behind this one")?;
        let (status, answer) = translated(moto, operation, input, &scope).await?;
        ensure!(status.is_success(), "{operation}: {status}: {answer}");
        Ok(answer)
    }
}

impl Drop for CloudWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    match exchange(&shared, request).await {
        Ok(response) => response,
        Err(error) => (StatusCode::BAD_GATEWAY, format!("{error:#}")).into_response(),
    }
}

async fn exchange(shared: &Shared, request: Request) -> Result<Response> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, MOST_BYTES).await?;
    let compressed = parts
        .headers
        .get("content-encoding")
        .is_some_and(|encoding| encoding == "gzip");
    let plain = if compressed {
        let mut plain = Vec::new();
        std::io::Read::read_to_end(&mut GzDecoder::new(body.as_ref()), &mut plain)?;
        Bytes::from(plain)
    } else {
        body
    };
    let operation = parts.uri.path().strip_prefix(OPERATIONS);
    let (operation, input) = match operation {
        Some(operation) => (
            operation.to_owned(),
            from_cbor(&ciborium::from_reader(plain.as_ref())?)?,
        ),
        // STS speaks forms.
        None => {
            let form = form(&plain);
            (form["Action"].as_str().unwrap_or_default().to_owned(), form)
        }
    };
    let told = Told {
        operation: operation.clone(),
        input,
        bytes: plain.len(),
        compressed,
        authorization: header(&parts.headers, "authorization"),
    };
    let before = {
        let mut all = shared.told.lock().unwrap_or_else(PoisonError::into_inner);
        let before = all.iter().filter(|told| told.operation == operation).count();
        all.push(told.clone());
        before
    };
    let speaks_cbor = parts.uri.path().starts_with(OPERATIONS);
    match (shared.script)(&told, before) {
        Some(Say::Hang) => {
            std::future::pending::<()>().await;
            anyhow::bail!("it hangs")
        }
        Some(Say::Answer(answer)) => in_cbor(StatusCode::OK, &answer),
        Some(Say::Refuse(status, code)) if speaks_cbor => {
            let body = json!({"__type": format!("com.amazonaws.cloudwatch#{code}"), "message": "so says the test"});
            in_cbor(StatusCode::from_u16(status)?, &body)
        }
        Some(Say::Refuse(status, code)) => {
            let body = format!(
                "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>so says the test</Message></Error>\
                 <RequestId>1</RequestId></ErrorResponse>"
            );
            Ok((StatusCode::from_u16(status)?, [("content-type", "text/xml")], body).into_response())
        }
        None => {
            let moto = shared.moto.as_deref().context("there is no moto behind this one")?;
            if speaks_cbor {
                let (status, answer) = translated(moto, &operation, &told.input, &told.authorization).await?;
                return in_cbor(status, &answer);
            }
            let request = http::client()?
                .post(moto)
                .header("authorization", &told.authorization)
                .header("content-type", header(&parts.headers, "content-type"));
            let answer = request.body(plain).send().await?;
            let status = answer.status();
            let body = Body::from(answer.bytes().await?);
            Ok((status, [("content-type", "text/xml")], body).into_response())
        }
    }
}

async fn translated(moto: &str, operation: &str, input: &Value, authorization: &str) -> Result<(StatusCode, Value)> {
    let request = http::client()?
        .post(moto)
        .header("x-amz-target", format!("GraniteServiceVersion20100801.{operation}"))
        .header("content-type", "application/x-amz-json-1.0")
        .header("authorization", authorization);
    let answer = request.body(input.to_string()).send().await?;
    let status = answer.status();
    let text = answer.text().await?;
    let answer = serde_json::from_str(&text).with_context(|| format!("moto: {status}: {text}"))?;
    Ok((status, answer))
}

fn header(headers: &HeaderMap, name: &str) -> String {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_owned()
}

fn form(body: &[u8]) -> Value {
    let text = String::from_utf8_lossy(body);
    let decode = |text: &str| {
        let text = text.replace('+', " ");
        percent_encoding::percent_decode_str(&text)
            .decode_utf8_lossy()
            .into_owned()
    };
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    Value::Object(
        pairs
            .map(|(name, value)| (decode(name), Value::String(decode(value))))
            .collect(),
    )
}

fn in_cbor(status: StatusCode, answer: &Value) -> Result<Response> {
    let mut body = Vec::new();
    ciborium::into_writer(&to_cbor(answer, ""), &mut body)?;
    let headers = [("content-type", "application/cbor"), ("smithy-protocol", "rpc-v2-cbor")];
    Ok((status, headers, body).into_response())
}

fn from_cbor(value: &Cbor) -> Result<Value> {
    Ok(match value {
        Cbor::Null => Value::Null,
        Cbor::Bool(value) => Value::Bool(*value),
        Cbor::Integer(number) => json!(i64::try_from(*number)?),
        Cbor::Float(number) => json!(number),
        Cbor::Text(text) => Value::String(text.clone()),
        // A point in time is seconds since the epoch, as in JSON.
        Cbor::Tag(1, time) => {
            let seconds = from_cbor(time)?;
            let whole = seconds.as_f64().filter(|seconds| seconds.fract() == 0.0);
            // Text and back, for floats have no way to integers that cannot fail.
            match whole {
                Some(seconds) => serde_json::from_str(&format!("{seconds:.0}"))?,
                None => seconds,
            }
        }
        Cbor::Array(items) => Value::Array(items.iter().map(from_cbor).collect::<Result<_>>()?),
        Cbor::Map(entries) => {
            let mut map = Map::new();
            for (name, value) in entries {
                let name = name.as_text().context("a name that is no text")?;
                map.insert(name.to_owned(), from_cbor(value)?);
            }
            Value::Object(map)
        }
        other => anyhow::bail!("what is {other:?}?"),
    })
}

/// `member` is the name under which the value stands: JSON does not say of which type its numbers are.
fn to_cbor(value: &Value, member: &str) -> Cbor {
    match value {
        Value::Null => Cbor::Null,
        Value::Bool(value) => Cbor::Bool(*value),
        Value::Number(number) => {
            let number = number.as_f64().unwrap_or_default();
            match member {
                "Timestamps" => Cbor::Tag(1, Box::new(Cbor::Float(number))),
                _ => Cbor::Float(number),
            }
        }
        Value::String(text) => Cbor::Text(text.clone()),
        Value::Array(items) => Cbor::Array(items.iter().map(|item| to_cbor(item, member)).collect()),
        Value::Object(map) => Cbor::Map(
            map.iter()
                .map(|(name, value)| (Cbor::Text(name.clone()), to_cbor(value, name)))
                .collect(),
        ),
    }
}
