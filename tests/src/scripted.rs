//! An HTTP server that answers byte by byte as a test tells it, and remembers all that it was asked.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use percent_encoding::percent_decode_str;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// How long something may take that a test waits for.
const HOLDS_WITHIN: Duration = Duration::from_secs(20);

/// A step of an answer. After the last one the connection waits for the next request.
#[derive(Debug, Clone)]
pub enum Step {
    /// These bytes.
    Send(Vec<u8>),
    /// These bytes, so many times over.
    Repeat(Vec<u8>, u64),
    /// Nothing, until the other side has closed the connection.
    Hold,
    /// The connection is closed.
    Close,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Which connection it came on, from 0.
    pub connection: u64,
    /// The method.
    pub method: String,
    /// The path and the query, not decoded.
    pub target: String,
    /// The names in lower case, and the values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Asked {
    /// The values of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Vec<&str> {
        let of_name = self.headers.iter().filter(|(given, _)| given == name);
        of_name.map(|(_, value)| value.as_str()).collect()
    }

    /// The parameters of the URL and of the body, decoded.
    #[must_use]
    pub fn form(&self) -> Vec<(String, String)> {
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        let pairs = query.split('&').chain(self.body.split('&'));
        let decode = |text: &str| {
            percent_decode_str(&text.replace('+', " "))
                .decode_utf8_lossy()
                .into_owned()
        };
        pairs
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(name, value)| (decode(name), decode(value)))
            .collect()
    }
}

/// The server.
#[derive(Debug)]
pub struct Scripted {
    address: SocketAddr,
    script: Arc<Script>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Script {
    replies: Vec<Vec<Step>>,
    /// What is answered to labels and their values instead.
    labels: Option<Vec<Step>>,
    asked: Mutex<Vec<Asked>>,
    sent: AtomicU64,
    ended: AtomicU64,
    /// Whenever a connection has ended.
    change: Notify,
}

impl Scripted {
    /// One that gives these answers in turn, the last one for ever.
    ///
    /// # Errors
    /// When nothing can be listened on.
    pub async fn start(replies: Vec<Vec<Step>>) -> Result<Self> {
        Self::answering(replies, None).await
    }

    async fn answering(replies: Vec<Vec<Step>>, labels: Option<Vec<Step>>) -> Result<Self> {
        ensure!(!replies.is_empty(), "a server without answers");
        let script = Arc::new(Script {
            replies,
            labels,
            asked: Mutex::default(),
            sent: AtomicU64::default(),
            ended: AtomicU64::default(),
            change: Notify::new(),
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::clone(&script);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            let mut number = 0;
            while let Ok((stream, _)) = listener.accept().await {
                // As Prometheus does.
                let _ = stream.set_nodelay(true);
                let script = Arc::clone(&shared);
                connections.spawn(async move {
                    // Whoever asks may leave at any time.
                    let _ = script.serve(number, stream).await;
                    script.ended.fetch_add(1, Ordering::Relaxed);
                    script.change.notify_waiters();
                });
                number += 1;
            }
        });
        Ok(Self { address, script, task })
    }

    /// One that always answers with this.
    ///
    /// # Errors
    /// When nothing can be listened on.
    pub async fn always(reply: Vec<Step>) -> Result<Self> {
        Self::start(vec![reply]).await
    }

    /// One that always answers with this, and to labels and their values with that.
    ///
    /// # Errors
    /// When nothing can be listened on.
    pub async fn with_labels(reply: Vec<Step>, labels: Vec<Step>) -> Result<Self> {
        Self::answering(vec![reply], Some(labels)).await
    }

    /// The server's address, without a slash at its end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The port, by which what names the server is found.
    #[must_use]
    pub fn port(&self) -> String {
        self.address.port().to_string()
    }

    /// What it was asked so far.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.script.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many bytes have been sent, or wait in the kernel to be.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.script.sent.load(Ordering::Relaxed)
    }

    /// Waits until so many connections have ended.
    ///
    /// # Errors
    /// When they do not.
    pub async fn ended(&self, connections: u64) -> Result<()> {
        let ended = async {
            loop {
                let change = self.script.change.notified();
                tokio::pin!(change);
                change.as_mut().enable();
                if self.script.ended.load(Ordering::Relaxed) >= connections {
                    return;
                }
                change.await;
            }
        };
        let waited = tokio::time::timeout(HOLDS_WITHIN, ended).await;
        waited.with_context(|| format!("{connections} connections did not end in {HOLDS_WITHIN:?}"))
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Script {
    async fn serve(&self, connection: u64, mut stream: TcpStream) -> Result<()> {
        let mut read = Vec::new();
        while let Some(asked) = request(connection, &mut stream, &mut read).await? {
            let reply = {
                let of_labels = asked.target.starts_with("/api/v1/label");
                let mut all = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
                all.push(asked);
                match &self.labels {
                    Some(labels) if of_labels => labels,
                    _ => &self.replies[(all.len() - 1).min(self.replies.len() - 1)],
                }
            };
            for step in reply {
                match step {
                    Step::Send(bytes) => self.send(&mut stream, bytes).await?,
                    Step::Repeat(bytes, times) => {
                        for _ in 0..*times {
                            self.send(&mut stream, bytes).await?;
                        }
                    }
                    Step::Hold => {
                        while stream.read(&mut [0; 64]).await? > 0 {}
                        return Ok(());
                    }
                    Step::Close => return Ok(()),
                }
            }
        }
        Ok(())
    }

    async fn send(&self, stream: &mut TcpStream, bytes: &[u8]) -> Result<()> {
        stream.write_all(bytes).await?;
        self.sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }
}

/// The next request; `None` at the connection's end. What was read too far stays in `read`.
async fn request(connection: u64, stream: &mut TcpStream, read: &mut Vec<u8>) -> Result<Option<Asked>> {
    const END: &[u8] = b"\r\n\r\n";
    let head = loop {
        if let Some(at) = read.windows(END.len()).position(|window| window == END) {
            let rest = read.split_off(at + END.len());
            break String::from_utf8(std::mem::replace(read, rest))?;
        }
        if stream.read_buf(read).await? == 0 {
            return Ok(None);
        }
    };
    let mut lines = head.trim_end().split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.map_or(Ok(0), |(_, length)| length.parse())?;
    while read.len() < length {
        ensure!(stream.read_buf(read).await? > 0, "a body that breaks off");
    }
    let rest = read.split_off(length);
    Ok(Some(Asked {
        connection,
        method: method.to_owned(),
        target: target.to_owned(),
        headers,
        body: String::from_utf8(std::mem::replace(read, rest))?,
    }))
}

/// A whole answer, after which the connection is kept.
#[must_use]
pub fn whole(status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Vec<Step> {
    let body = body.as_ref();
    let length = body.len().to_string();
    let mut bytes = head(status, &[headers, &[("content-length", length.as_str())]].concat());
    bytes.extend_from_slice(body);
    vec![Step::Send(bytes)]
}

/// The beginning of an answer with a success, in one chunk that is not the last, and how it goes on.
#[must_use]
pub fn beginning(headers: &[(&str, &str)], body: impl AsRef<[u8]>, then: Step) -> Vec<Step> {
    let body = body.as_ref();
    let mut bytes = head(200, &[headers, &[("transfer-encoding", "chunked")]].concat());
    bytes.extend_from_slice(format!("{:x}\r\n", body.len()).as_bytes());
    bytes.extend_from_slice(body);
    bytes.extend_from_slice(b"\r\n");
    vec![Step::Send(bytes), then]
}

/// The head of an answer.
#[must_use]
pub fn head(status: u16, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} Status\r\n");
    for (name, value) in headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    head.push_str("\r\n");
    head.into_bytes()
}
