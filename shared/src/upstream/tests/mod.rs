//! The client against upstreams that answer, refuse, fail, hang and break off.

mod answers;
mod certificates;
mod credentials;
mod failures;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request as Incoming, State};
use axum::response::{IntoResponse as _, Response as Outgoing};
use futures_util::StreamExt as _;
use reqwest::header::HeaderName;
use rustls::pki_types::pem::PemObject as _;
use secrecy::SecretString;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::config::metrics_api::UpstreamAuth;
use crate::placeholders::{Environment, Template};
use crate::secrets::{Limits, SecretsManager};

const CANARY: &str = "canary-7c1e";

/// What a request was.
#[derive(Debug)]
struct Received {
    line: String,
    headers: HeaderMap,
    body: String,
}

impl Received {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    fn names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }
}

type Answered = (u16, Vec<(&'static str, &'static str)>, &'static str);

/// An upstream that gives prepared answers, the last one for ever, and keeps what it was asked.
#[derive(Clone)]
struct Fake {
    at: SocketAddr,
    answers: Arc<Mutex<VecDeque<Answered>>>,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Fake {
    async fn answering(answers: impl IntoIterator<Item = Answered>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let fake = Self {
            at: listener.local_addr().unwrap(),
            answers: Arc::new(Mutex::new(answers.into_iter().collect())),
            received: Arc::default(),
        };
        let app = Router::new().fallback(Self::answer).with_state(fake.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        fake
    }

    async fn answer(State(fake): State<Self>, request: Incoming) -> Outgoing {
        let (head, body) = request.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        fake.received.lock().unwrap().push(Received {
            line: format!("{} {}", head.method, head.uri),
            headers: head.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        });
        let mut answers = fake.answers.lock().unwrap();
        let next = if answers.len() > 1 {
            answers.pop_front()
        } else {
            answers.front().cloned()
        };
        let (status, headers, body) = next.unwrap();
        let mut response = (StatusCode::from_u16(status).unwrap(), body).into_response();
        for (name, value) in headers {
            response.headers_mut().insert(name, value.parse().unwrap());
        }
        response
    }

    fn received(&self) -> Vec<Received> {
        std::mem::take(&mut self.received.lock().unwrap())
    }
}

fn template(text: &str) -> Template {
    Template::parse(text).unwrap()
}

fn settings(url: &str) -> UpstreamSettings {
    UpstreamSettings {
        url: template(url),
        auth: UpstreamAuth::None,
        headers: Vec::new(),
        ca_file: None,
        client_certificate: None,
        timeout: Duration::from_secs(20),
    }
}

fn resolver(variables: &[(&str, &str)]) -> Resolver {
    let variables: HashMap<_, _> = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), SecretString::from(*value)))
        .collect();
    let secrets = SecretsManager::from_environment(Limits::default());
    Resolver::new(BTreeMap::new(), Environment::Given(variables), secrets)
}

fn plain(at: SocketAddr) -> Upstream {
    Upstream::new(settings(&format!("http://{at}")), resolver(&[]))
}

fn question(method: Method, path: &str, form: &[(&str, &str)]) -> Question {
    Question {
        method,
        path: path.to_owned(),
        form: form
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        gzip: true,
    }
}

fn up() -> Question {
    question(Method::Post, "/api/v1/query", &[("query", "up")])
}

fn soon() -> Instant {
    Instant::now() + Duration::from_mins(1)
}

async fn text(answer: Answer) -> Result<String, UpstreamError> {
    let body = answer.body.beginning(1 << 20).await?;
    Ok(String::from_utf8(body).unwrap())
}

/// A server that treats each connection by its number.
async fn raw<F>(treat: impl Fn(usize, TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for number in 0.. {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(treat(number, stream));
        }
    });
    at
}

/// Reads one request, whose body comes in one piece with its head.
async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> bool {
    let mut buffer = [0; 4096];
    matches!(stream.read(&mut buffer).await, Ok(1..))
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
