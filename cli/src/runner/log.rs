//! A function's log: what its processes write to standard output and error, and the platform's own lines about them.

use std::fs::File;
use std::io::{self, Read, Write};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::unix::pipe;

/// Longer lines are cut into pieces; CloudWatch takes 1 MiB an event.
const LONGEST_LINE: usize = 256 * 1024;

/// One line of a function's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// The function's name.
    pub function: Arc<str>,
    /// The log stream: one for each instance of the function.
    pub stream: Arc<str>,
    /// The line without its end; bytes that are not UTF-8 are replaced.
    pub text: String,
}

/// Where log lines go.
#[derive(Clone)]
pub struct LogSink(Arc<dyn Fn(LogLine) + Send + Sync>);

/// The lines that a [`LogSink::captured`] has seen so far.
#[derive(Debug, Clone, Default)]
pub struct CapturedLog(Arc<Mutex<Vec<LogLine>>>);

impl LogSink {
    /// Hands each line to `sink`, which must not block.
    pub fn new(sink: impl Fn(LogLine) + Send + Sync + 'static) -> Self {
        Self(Arc::new(sink))
    }

    /// Writes each line to standard error, after the function's name.
    #[must_use]
    pub fn stderr() -> Self {
        Self::new(|line| {
            // Nobody is left to tell that standard error is closed.
            let _ = writeln!(io::stderr().lock(), "{} | {}", line.function, line.text);
        })
    }

    /// Keeps the lines for a test to look at.
    #[must_use]
    pub fn captured() -> (Self, CapturedLog) {
        let captured = CapturedLog::default();
        let lines = captured.clone();
        (
            Self::new(move |line| lines.0.lock().unwrap_or_else(PoisonError::into_inner).push(line)),
            captured,
        )
    }

    pub(super) fn write(&self, line: LogLine) {
        (self.0)(line);
    }
}

impl CapturedLog {
    /// The lines in the order in which they were read.
    #[must_use]
    pub fn lines(&self) -> Vec<LogLine> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The text of all lines.
    #[must_use]
    pub fn text(&self) -> String {
        self.lines().into_iter().map(|line| line.text + "\n").collect()
    }
}

/// The log of one instance.
#[derive(Clone)]
pub(super) struct LogStream {
    pub(super) function: Arc<str>,
    pub(super) stream: Arc<str>,
    pub(super) sink: LogSink,
}

impl LogStream {
    pub(super) fn line(&self, text: impl Into<String>) {
        self.sink.write(LogLine {
            function: Arc::clone(&self.function),
            stream: Arc::clone(&self.stream),
            text: text.into(),
        });
    }
}

/// The reading end of the pipe that is a process's standard output and error: one pipe, so that the order of its lines
/// is kept.
pub(super) struct LogPipe {
    /// Tells when there is something to read.
    receiver: pipe::Receiver,
    /// The same pipe, read without asking the reactor.
    file: File,
    begun: Mutex<Vec<u8>>,
    log: LogStream,
}

impl LogPipe {
    /// The pipe, and its writing end twice: for standard output and for standard error.
    pub(super) fn open(log: LogStream) -> io::Result<(Arc<Self>, Stdio, Stdio)> {
        let (sender, receiver) = pipe::pipe()?;
        let output = sender.into_blocking_fd()?;
        let error = output.try_clone()?;
        let reader = receiver.into_nonblocking_fd()?;
        let file = File::from(reader.try_clone()?);
        let receiver = pipe::Receiver::from_owned_fd(reader)?;
        Ok((
            Arc::new(Self {
                receiver,
                file,
                begun: Mutex::default(),
                log,
            }),
            output.into(),
            error.into(),
        ))
    }

    /// Forwards lines until no process holds the writing end any more.
    pub(super) async fn forward(&self) {
        // Reading through the receiver tells it when the pipe is empty, so that it waits.
        while self.receiver.readable().await.is_ok() && !self.read(|buffer| self.receiver.try_read(buffer)) {}
    }

    /// Forwards all that has been written so far, also what the reactor has not noticed yet: what a process printed
    /// before it answered stands in the log before the answer's report.
    pub(super) fn drain(&self) {
        self.read(|buffer| (&self.file).read(buffer));
    }

    /// Forwards what can be read without waiting. True at the end of the log.
    fn read(&self, read: impl Fn(&mut [u8]) -> io::Result<usize>) -> bool {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let mut buffer = [0; 8192];
        loop {
            match read(&mut buffer) {
                Ok(0) => {
                    if !begun.is_empty() {
                        self.emit(&begun);
                        begun.clear();
                    }
                    return true;
                }
                Ok(count) => self.push(&mut begun, &buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                Err(_) => return true,
            }
        }
    }

    fn push(&self, begun: &mut Vec<u8>, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            begun.extend_from_slice(piece);
            if begun.ends_with(b"\n") {
                begun.pop();
            } else if begun.len() < LONGEST_LINE {
                continue;
            }
            self.emit(begun);
            begun.clear();
        }
    }

    fn emit(&self, line: &[u8]) {
        self.log.line(String::from_utf8_lossy(line));
    }
}
