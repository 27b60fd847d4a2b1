//! An upstream that does what a test wants.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::*;

/// The answer to whoever asks of nothing.
pub(super) const NOTHING: &str = r#"{"status":"success","data":[]}"#;

/// Whether a request asks of nothing.
pub(super) fn is_probe(request: &str) -> bool {
    request.contains("__fanlight_probe__")
}

/// An upstream that reads a request, writes what it is given, and closes the connection or keeps it open.
pub(super) struct Fake {
    at: SocketAddr,
    pub(super) received: Arc<Mutex<Vec<String>>>,
    /// Hears of each connection that the other side has closed.
    pub(super) closed: mpsc::UnboundedReceiver<()>,
}

/// What comes after the answer's bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    Close,
    Hang,
}

impl Fake {
    pub(super) async fn new(answer: Vec<u8>, then: Then) -> Self {
        Self::answering(move |_| answer.clone(), then).await
    }

    /// One that answers each request as it deserves.
    pub(super) async fn answering(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static, then: Then) -> Self {
        let answer = Arc::new(answer);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let (sender, closed) = mpsc::unbounded_channel();
        let kept = Arc::clone(&received);
        tokio::spawn(async move {
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                let (answer, kept, sender) = (Arc::clone(&answer), Arc::clone(&kept), sender.clone());
                tokio::spawn(async move {
                    let request = request(&mut socket).await;
                    let answer = answer(&request);
                    kept.lock().unwrap().push(request);
                    // Whoever has read enough may have gone.
                    drop(socket.write_all(&answer).await);
                    if then == Then::Hang {
                        drop(socket.read(&mut [0; 64]).await);
                        let _ = sender.send(());
                    }
                });
            }
        });
        Self { at, received, closed }
    }

    /// One with Prometheus' JSON.
    pub(super) async fn of_json(json: &str) -> Self {
        Self::new(http(200, &[], json.as_bytes()), Then::Close).await
    }

    pub(super) fn settings(&self) -> Settings {
        settings(&format!("http://{}", self.at))
    }

    pub(super) fn api(&self) -> MetricsApi {
        api(self.settings())
    }

    pub(super) fn only_request(&self) -> String {
        let received = self.received.lock().unwrap();
        assert_eq!(received.len(), 1, "{received:?}");
        received[0].clone()
    }
}

async fn request(socket: &mut tokio::net::TcpStream) -> String {
    let mut read = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let length = socket.read(&mut buffer).await.unwrap_or_default();
        read.extend_from_slice(&buffer[..length]);
        let text = String::from_utf8_lossy(&read).into_owned();
        let whole = text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
            let length = head
                .lines()
                .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            body.len() >= length.unwrap_or(0_usize)
        });
        if whole || length == 0 {
            return text;
        }
    }
}

pub(super) fn http(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let headers: String = headers
        .iter()
        .map(|(name, value)| [name, ": ", value, "\r\n"].concat())
        .collect();
    let length = body.len();
    let head = format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n");
    [head.as_bytes(), body].concat()
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(super) fn gunzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut text).map(|_| text)
}
