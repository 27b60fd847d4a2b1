//! A body as it comes from the upstream to a body as it goes to the caller, with the same encoding.
//!
//! A compressed body has to be read to be looked through. A small one is kept meanwhile, so that the upstream's own bytes
//! go on when nothing was left out of them and nothing stands beside them; a large one is decompressed, looked through and
//! compressed again as it passes.

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, Stream, StreamExt as _};
use passage::{Head, Passage, PassageError, UpstreamSaid};

use crate::compression::{Gunzip, GunzipError, Gzip};

/// The longest compressed body that is kept whole, in bytes.
const LONGEST_KEPT: usize = 64 * 1024;

/// How much is decompressed at a time, in bytes.
const STEP: usize = 16 * 1024;

/// How much output is gathered before it goes out, in bytes.
const BATCH: usize = 16 * 1024;

/// What an answer comes to.
pub enum Relayed<E> {
    /// A success.
    Success {
        /// The body to answer with, encoded as the upstream's. Its items are never empty. An `Err` is its last item: what
        /// has gone out until then is incomplete, in its JSON and in its compression, and must be left so.
        body: BoxStream<'static, Result<Bytes, RelayError<E>>>,
        /// Whether its `data` is known, by its beginning, to be an array of something.
        has_elements: bool,
    },
    /// An error that came with the status of a success.
    Error(UpstreamSaid),
}

/// An answer that cannot be passed on, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum RelayError<E> {
    /// It did not come.
    #[error("{0}")]
    Upstream(E),
    /// Its JSON cannot be passed on.
    #[error(transparent)]
    Passage(#[from] PassageError),
    /// Its compression is wrong.
    #[error("the answer cannot be decompressed: {0}")]
    Gunzip(#[from] GunzipError),
}

/// Passes an answer on that came with the status of a success, of at most so many bytes of JSON. Returns when it is known
/// what it is and nothing has gone out yet, so that the status of the caller's answer can still be chosen.
///
/// # Errors
/// [`RelayError`].
pub async fn relay<E: Send + 'static>(
    body: impl Stream<Item = Result<Bytes, E>> + Send + Unpin + 'static,
    gzip: bool,
    limit_bytes: u64,
) -> Result<Relayed<E>, RelayError<E>> {
    let mut passing = Passing {
        body,
        relay: Relay::new(gzip, limit_bytes),
        stage: Stage::Reading,
        ended: false,
    };
    let Some(first) = passing.next().await? else {
        // A success is never without bytes.
        return match passing.relay.passage.head() {
            Head::Error(said) => Ok(Relayed::Error(said.clone())),
            Head::Success | Head::Undecided => Err(PassageError::Broken("it is empty").into()),
        };
    };
    let has_elements = passing.relay.passage.has_elements();
    let rest = stream::unfold(Some(passing), async |passing| {
        let mut passing = passing?;
        match passing.next().await {
            Ok(Some(bytes)) => Some((Ok(bytes), Some(passing))),
            Ok(None) => None,
            Err(error) => Some((Err(error), None)),
        }
    });
    Ok(Relayed::Success {
        body: stream::iter([Ok(first)]).chain(rest).boxed(),
        has_elements,
    })
}

/// A body on its way.
struct Passing<S> {
    body: S,
    relay: Relay,
    stage: Stage,
    /// Whether the upstream's body has ended.
    ended: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Reading,
    GoingOn,
    Done,
}

impl<S, E> Passing<S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
{
    /// The next bytes to go out.
    async fn next(&mut self) -> Result<Option<Bytes>, RelayError<E>> {
        let mut output = Vec::new();
        loop {
            self.stage = match self.stage {
                Stage::Reading if self.ended => match self.relay.finish(&mut output)? {
                    Finish::Done => Stage::Done,
                    Finish::GoOn => Stage::GoingOn,
                },
                Stage::Reading => match self.body.next().await {
                    Some(chunk) => {
                        self.relay.push(chunk.map_err(RelayError::Upstream)?, &mut output)?;
                        Stage::GoingOn
                    }
                    None => {
                        self.ended = true;
                        Stage::Reading
                    }
                },
                Stage::GoingOn if self.relay.go_on(&mut output)? => Stage::GoingOn,
                Stage::GoingOn => Stage::Reading,
                Stage::Done => return Ok((!output.is_empty()).then(|| output.into())),
            };
            // A little that goes out before its end is there waits for the acknowledgement of what went before, some 40 ms:
            // the runtime's connection leaves Nagle's algorithm on.
            if output.len() >= BATCH {
                return Ok(Some(output.into()));
            }
        }
    }
}

/// Why a step cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Passage(PassageError),
    Gunzip(GunzipError),
}

impl From<PassageError> for Fault {
    fn from(error: PassageError) -> Self {
        Self::Passage(error)
    }
}

impl From<GunzipError> for Fault {
    fn from(error: GunzipError) -> Self {
        Self::Gunzip(error)
    }
}

impl<E> From<Fault> for RelayError<E> {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Passage(error) => Self::Passage(error),
            Fault::Gunzip(error) => Self::Gunzip(error),
        }
    }
}

/// The passage of one body.
#[derive(Debug)]
struct Relay {
    limit: u64,
    passage: Passage,
    path: Path,
}

#[derive(Debug)]
enum Path {
    Identity,
    /// A compressed body that is kept, as long as it is small.
    Kept(Vec<u8>),
    Gzip(Box<Recompression>),
}

/// The way of a body that is decompressed and compressed again.
#[derive(Debug, Default)]
struct Recompression {
    gunzip: Gunzip,
    gzip: Gzip,
    /// What is not yet decompressed.
    input: Bytes,
    plain: Vec<u8>,
}

impl Relay {
    /// For a body of at most so many bytes of JSON, compressed or not.
    fn new(gzip: bool, limit_bytes: u64) -> Self {
        Self {
            limit: limit_bytes,
            passage: Passage::new(limit_bytes),
            path: if gzip { Path::Kept(Vec::new()) } else { Path::Identity },
        }
    }

    /// Takes the next bytes of the body, and adds to `output` what goes on. Call [`Relay::go_on`] until it returns false
    /// before the next.
    fn push(&mut self, chunk: Bytes, output: &mut Vec<u8>) -> Result<(), Fault> {
        match &mut self.path {
            Path::Identity => self.passage.push(&chunk, output)?,
            Path::Kept(kept) if kept.len() + chunk.len() <= LONGEST_KEPT => kept.extend_from_slice(&chunk),
            Path::Kept(kept) => {
                kept.extend_from_slice(&chunk);
                self.path = Path::Gzip(Box::new(Recompression {
                    input: std::mem::take(kept).into(),
                    ..Recompression::default()
                }));
            }
            Path::Gzip(gzip) => gzip.input = chunk,
        }
        Ok(())
    }

    /// Goes on with what was taken, in small steps: few compressed bytes may stand for very many. Returns whether there
    /// is more.
    fn go_on(&mut self, output: &mut Vec<u8>) -> Result<bool, Fault> {
        match &mut self.path {
            Path::Gzip(gzip) => gzip.step(&mut self.passage, output),
            Path::Identity | Path::Kept(_) => Ok(false),
        }
    }

    /// Adds to `output` the end of a body that is complete. See [`Finish`].
    fn finish(&mut self, output: &mut Vec<u8>) -> Result<Finish, Fault> {
        match &mut self.path {
            Path::Identity => self.passage.finish(output)?,
            Path::Kept(kept) => {
                let mut look = Recompression {
                    input: std::mem::take(kept).into(),
                    ..Recompression::default()
                };
                let whole = look.input.clone();
                while look.look(&mut self.passage)? {}
                look.gunzip.finish()?;
                self.passage.finish(&mut Vec::new())?;
                if !matches!(self.passage.head(), Head::Success) {
                    return Ok(Finish::Done);
                }
                if self.passage.is_filtered() || look.gunzip.members() > 1 || has_text(&whole) {
                    // Once more, and now to go out.
                    self.passage = Passage::new(self.limit);
                    self.path = Path::Gzip(Box::new(Recompression {
                        input: whole,
                        ..Recompression::default()
                    }));
                    return Ok(Finish::GoOn);
                }
                output.extend_from_slice(&whole);
            }
            Path::Gzip(gzip) => {
                gzip.gunzip.finish()?;
                let mut end = Vec::new();
                self.passage.finish(&mut end)?;
                if matches!(self.passage.head(), Head::Success) {
                    gzip.gzip.write(&end, output);
                    std::mem::take(&mut gzip.gzip).finish(output);
                }
            }
        }
        Ok(Finish::Done)
    }
}

/// Whether the header of a gzip member has room for more than the fixed fields: a file's name, a comment, or whatever else
/// (RFC 1952, section 2.3.1). Nothing has looked at what stands there.
fn has_text(member: &[u8]) -> bool {
    member.get(3) != Some(&0)
}

/// Whether a body has gone out whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Finish {
    /// It has.
    Done,
    /// It goes on by [`Relay::go_on`] until that returns false, then [`Relay::finish`] once more.
    GoOn,
}

impl Recompression {
    /// Decompresses a piece into `self.plain`; whether there was any.
    fn decompress(&mut self) -> Result<bool, GunzipError> {
        self.plain.resize(STEP, 0);
        let mut rest = &self.input[..];
        let written = self.gunzip.step(&mut rest, &mut self.plain)?;
        let read = self.input.len() - rest.len();
        self.input = self.input.slice(read..);
        self.plain.truncate(written);
        Ok(written > 0)
    }

    fn step(&mut self, passage: &mut Passage, output: &mut Vec<u8>) -> Result<bool, Fault> {
        if !self.decompress()? {
            return Ok(false);
        }
        let mut passed = Vec::new();
        passage.push(&self.plain, &mut passed)?;
        self.gzip.write(&passed, output);
        Ok(true)
    }

    /// Only looks.
    fn look(&mut self, passage: &mut Passage) -> Result<bool, Fault> {
        if !self.decompress()? {
            return Ok(false);
        }
        passage.push(&self.plain, &mut Vec::new())?;
        Ok(true)
    }
}
