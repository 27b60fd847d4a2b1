//! What servers do when they are not well, for the cases that the real ones cannot be brought to.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::supervisor::free_port;

/// An address where nothing listens, so that connections are refused.
///
/// # Errors
/// When the machine has no free port.
pub fn refusing() -> Result<SocketAddr> {
    Ok((Ipv4Addr::LOCALHOST, free_port()?).into())
}

/// A server that accepts every connection and never says anything.
#[derive(Debug)]
pub struct Hanging {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Hanging {
    /// One on a free port.
    ///
    /// # Errors
    /// When the machine has no free port.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok(accepted) = listener.accept().await {
                held.push(accepted);
            }
        });
        Ok(Self { address, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An HTTP server that gives prepared answers in turn, the last one for ever, and remembers what it was asked.
#[derive(Debug)]
pub struct Answering {
    address: SocketAddr,
    script: Arc<Script>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Script {
    answers: Vec<(StatusCode, String)>,
    requests: Mutex<Vec<(String, HeaderMap)>>,
}

impl Answering {
    /// One on a free port with these statuses and bodies.
    ///
    /// # Errors
    /// When a status is none, or the machine has no free port.
    pub async fn start(answers: &[(u16, &str)]) -> Result<Self> {
        let answers = answers
            .iter()
            .map(|(status, body)| Ok((StatusCode::from_u16(*status)?, (*body).to_owned())));
        let answers = answers.collect::<Result<Vec<_>>>()?;
        anyhow::ensure!(!answers.is_empty(), "a server without answers");
        let script = Arc::new(Script {
            answers,
            requests: Mutex::default(),
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let router = Router::new().fallback(answer).with_state(Arc::clone(&script));
        let task = tokio::spawn(async move {
            // Accepting goes on until the task is aborted.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, script, task })
    }

    /// The server's address, without a slash at its end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it was asked so far: `METHOD /path`.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        self.script.asked().iter().map(|(what, _)| what.clone()).collect()
    }

    /// A header of each request that had it.
    #[must_use]
    pub fn header(&self, name: &str) -> Vec<String> {
        let value = |(_, headers): &(_, HeaderMap)| Some(headers.get(name)?.to_str().ok()?.to_owned());
        self.script.asked().iter().filter_map(value).collect()
    }
}

impl Script {
    fn asked(&self) -> MutexGuard<'_, Vec<(String, HeaderMap)>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(State(script): State<Arc<Script>>, request: Request) -> (StatusCode, String) {
    let mut asked = script.asked();
    let turn = asked.len().min(script.answers.len() - 1);
    let what = format!("{} {}", request.method(), request.uri().path());
    asked.push((what, request.into_parts().0.headers));
    script.answers[turn].clone()
}
