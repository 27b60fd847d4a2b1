//! An HTTP client that sends what it is told and tells a whole answer from one that was cut off.

use std::net::SocketAddr;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// An answer as it came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Whether the body ended as its framing says, rather than with the connection.
    pub(crate) whole: bool,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(given, _)| given == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }
}

/// A connection on which a request was sent and whose answer is read bit by bit.
pub(crate) struct Connection {
    reader: BufReader<TcpStream>,
}

impl Connection {
    pub(crate) async fn send(address: SocketAddr, request: &[u8]) -> Self {
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        // The answer may come before all of a request that is refused has been sent.
        let _ = stream.write_all(request).await;
        Self {
            reader: BufReader::new(stream),
        }
    }

    pub(crate) async fn get(address: SocketAddr, path: &str) -> Self {
        Self::send(address, &request(address, "GET", path, "", b"")).await
    }

    /// The status and the headers.
    pub(crate) async fn head(&mut self) -> (u16, Vec<(String, String)>) {
        let status = line(&mut self.reader).await.expect("a status line");
        let status = status.split(' ').nth(1).and_then(|status| status.parse().ok());
        let mut headers = Vec::new();
        while let Some(header) = line(&mut self.reader).await.filter(|line| !line.is_empty()) {
            let (name, value) = header.split_once(": ").expect("a header");
            headers.push((name.to_lowercase(), value.to_owned()));
        }
        (status.expect("a status"), headers)
    }

    /// The next chunk, an empty one at the end, none where the connection is cut.
    pub(crate) async fn chunk(&mut self) -> Option<Vec<u8>> {
        let size = line(&mut self.reader).await?;
        let size = usize::from_str_radix(&size, 16).expect("a size");
        let mut bytes = vec![0; size];
        self.reader.read_exact(&mut bytes).await.ok()?;
        line(&mut self.reader).await?;
        Some(bytes)
    }

    /// The rest of a chunked body, and whether it is whole.
    pub(crate) async fn rest(&mut self, mut take: impl FnMut(&[u8])) -> bool {
        loop {
            match self.chunk().await {
                Some(bytes) if bytes.is_empty() => return true,
                Some(bytes) => take(&bytes),
                None => return false,
            }
        }
    }
}

/// A line without its end; none when the connection is closed before.
async fn line(reader: &mut (impl AsyncBufRead + Unpin)) -> Option<String> {
    let mut line = String::new();
    reader.read_line(&mut line).await.ok()?;
    line.strip_suffix("\r\n").map(Into::into)
}

fn request(address: SocketAddr, method: &str, path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "{method} /prod{path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// A request below the stage and its whole answer.
pub(crate) async fn exchange(address: SocketAddr, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
    send(address, &request(address, method, path, headers, body)).await
}

/// Any bytes, and the whole answer.
pub(crate) async fn send(address: SocketAddr, request: &[u8]) -> Answer {
    let mut connection = Connection::send(address, request).await;
    let (status, headers) = connection.head().await;
    let mut answer = Answer {
        status,
        headers,
        body: Vec::new(),
        whole: false,
    };
    if answer.header("transfer-encoding") == Some("chunked") {
        let mut body = Vec::new();
        answer.whole = connection.rest(|bytes| body.extend_from_slice(bytes)).await;
        answer.body = body;
    } else {
        let length: usize = answer
            .header("content-length")
            .map_or(0, |length| length.parse().expect("a length"));
        // What a refused request had still to send may have reset the connection.
        let _ = connection.reader.read_to_end(&mut answer.body).await;
        answer.whole = answer.body.len() == length;
    }
    answer
}
