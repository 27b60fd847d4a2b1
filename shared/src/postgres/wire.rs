//! PostgreSQL's messages on a logged-in connection: requests in a batch, answers one by one, all under a deadline.
//!
//! Only statements without a name are ever prepared, so that nothing is left on a server's connection that PgBouncer
//! will hand to somebody else, and nothing of somebody else's is in the way.

use std::io;

use bytes::BytesMut;
use fallible_iterator::FallibleIterator;
use postgres_protocol::IsNull;
use postgres_protocol::message::backend::{Header, Message};
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use super::handover::Socket;
use super::server_error::ServerError;

/// What is read at once. Rows are handed on as they lie in this buffer, which bounds the memory of a result.
const READ_BUFFER: usize = 64 * 1024;
/// No row that becomes a sample is this large; a larger one would have to be held in memory whole.
const LARGEST_MESSAGE: usize = 16 * 1024 * 1024;

/// A connection after its login.
pub(super) struct Wire {
    stream: Box<dyn Socket>,
    incoming: BytesMut,
    outgoing: BytesMut,
}

/// Why nothing more can be read from a connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    #[error("the server closed the connection")]
    Closed,
    #[error("the server ended the connection: {0}")]
    Ended(ServerError),
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    #[error("the server sent a message out of order")]
    OutOfOrder,
    #[error("a row takes more than 16 MiB")]
    TooLarge,
    #[error("the server did not answer in time")]
    Deadline,
}

/// Where the session stands when it is ready for the next request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Idle,
    InTransaction,
    Failed,
}

/// What the server sends.
pub(super) enum Incoming {
    Message(Message),
    /// The request failed; the server skips to its end.
    Refused(ServerError),
    /// The request has ended.
    Ready(Status),
}

/// How a request ended.
pub(super) struct Ready {
    pub(super) status: Status,
    pub(super) error: Option<ServerError>,
}

/// Rows of text, for the few small results that are needed whole.
pub(super) type Rows = Vec<Vec<Option<String>>>;

impl Wire {
    pub(super) fn new(stream: Box<dyn Socket>) -> Self {
        Self {
            stream,
            incoming: BytesMut::with_capacity(READ_BUFFER),
            outgoing: BytesMut::new(),
        }
    }

    /// Adds a request of one or more statements in the simple protocol. Only for text of our own.
    pub(super) fn add_simple(&mut self, sql: &str) -> io::Result<()> {
        frontend::query(sql, &mut self.outgoing)
    }

    /// Adds the parsing of a statement, which the server refuses if it is several.
    pub(super) fn add_parse(&mut self, sql: &str) -> io::Result<()> {
        frontend::parse("", sql, [], &mut self.outgoing)
    }

    /// Adds the question for the parsed statement's parameters and columns.
    pub(super) fn add_describe(&mut self) -> io::Result<()> {
        frontend::describe(b'S', "", &mut self.outgoing)
    }

    /// Adds the execution of the parsed statement; the server converts the parameters' text to the types it inferred.
    pub(super) fn add_execute(&mut self, parameters: &[Option<String>]) -> io::Result<()> {
        let serialise = |parameter: &Option<String>, buffer: &mut BytesMut| {
            Ok(parameter.as_ref().map_or(IsNull::Yes, |text| {
                buffer.extend_from_slice(text.as_bytes());
                IsNull::No
            }))
        };
        frontend::bind("", "", [], parameters, serialise, [], &mut self.outgoing).map_err(|error| match error {
            frontend::BindError::Conversion(error) => io::Error::other(error),
            frontend::BindError::Serialization(error) => error,
        })?;
        frontend::execute("", 0, &mut self.outgoing)
    }

    /// Ends a request of parsing and executing, after which the server says that it is ready.
    pub(super) fn add_sync(&mut self) {
        frontend::sync(&mut self.outgoing);
    }

    /// Sends what has been added.
    pub(super) async fn send(&mut self, deadline: Instant) -> Result<(), WireError> {
        let write = async {
            self.stream.write_all(&self.outgoing).await?;
            self.stream.flush().await
        };
        let sent = timeout_at(deadline, write).await.map_err(|_| WireError::Deadline)?;
        self.outgoing.clear();
        Ok(sent?)
    }

    /// The next message, but for those that may come at any time.
    pub(super) async fn next(&mut self, deadline: Instant) -> Result<Incoming, WireError> {
        loop {
            match Message::parse(&mut self.incoming)? {
                Some(Message::NoticeResponse(_) | Message::ParameterStatus(_) | Message::NotificationResponse(_)) => {}
                Some(Message::ErrorResponse(body)) => {
                    let error = ServerError::read(&body);
                    if error.fatal {
                        return Err(WireError::Ended(error));
                    }
                    return Ok(Incoming::Refused(error));
                }
                Some(Message::ReadyForQuery(body)) => {
                    return Ok(Incoming::Ready(match body.status() {
                        b'I' => Status::Idle,
                        b'T' => Status::InTransaction,
                        b'E' => Status::Failed,
                        _ => return Err(WireError::OutOfOrder),
                    }));
                }
                Some(message) => return Ok(Incoming::Message(message)),
                None => self.fill(deadline).await?,
            }
        }
    }

    async fn fill(&mut self, deadline: Instant) -> Result<(), WireError> {
        if let Some(header) = Header::parse(&self.incoming)?
            && usize::try_from(header.len()).is_ok_and(|length| length > LARGEST_MESSAGE)
        {
            return Err(WireError::TooLarge);
        }
        // A timeout looks at the clock only when it has to wait, which a server that keeps on sending never makes it do.
        if Instant::now() >= deadline {
            return Err(WireError::Deadline);
        }
        // Without room for more, the tail of a large row would arrive in driblets.
        self.incoming.reserve(READ_BUFFER);
        let read = timeout_at(deadline, self.stream.read_buf(&mut self.incoming)).await;
        match read.map_err(|_| WireError::Deadline)?? {
            0 => Err(WireError::Closed),
            _ => Ok(()),
        }
    }

    /// Reads to the end of a request and hands over each message before it; the first error is in the result.
    pub(super) async fn finish(
        &mut self,
        deadline: Instant,
        mut each: impl FnMut(Message) -> Result<(), WireError>,
    ) -> Result<Ready, WireError> {
        let mut error = None;
        loop {
            match self.next(deadline).await? {
                Incoming::Ready(status) => return Ok(Ready { status, error }),
                Incoming::Refused(refusal) => error = error.or(Some(refusal)),
                Incoming::Message(message) => each(message)?,
            }
        }
    }

    /// Sends statements of our own and collects the rows.
    pub(super) async fn simple(&mut self, sql: &str, deadline: Instant) -> Result<(Ready, Rows), WireError> {
        self.add_simple(sql)?;
        self.send(deadline).await?;
        let mut rows = Rows::new();
        let ready = self.finish(deadline, |message| collect(&message, &mut rows)).await?;
        Ok((ready, rows))
    }
}

/// Adds the row that a message holds, if it holds one.
pub(super) fn collect(message: &Message, rows: &mut Rows) -> Result<(), WireError> {
    if let Message::DataRow(row) = message {
        let cells = row
            .ranges()
            .map(|range| Ok(range.map(|range| String::from_utf8_lossy(&row.buffer()[range]).into_owned())));
        rows.push(cells.collect()?);
    }
    Ok(())
}
