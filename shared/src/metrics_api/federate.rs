//! `/federate` as it streams: the upstream's JSON, decompressed, converted and compressed a little at a time.

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};

use crate::compression::{Gunzip, GunzipError, Gzip};
use crate::federation::{Broken, Converter, Format};
use crate::upstream::{Answer, Body, UpstreamError};

use super::problem::{Kind, Problem};
use super::record::BrokenOff;
use super::upstream_answer;

/// How much JSON is converted at a time, in bytes.
const STEP: usize = 16 << 10;
/// How much text goes out at a time, in bytes. Answers of less never break off: they are refused instead.
const BATCH: usize = 64 << 10;
/// The room for a batch: with that of one step more, and the little by which the converter wants more than it writes.
const ROOM: usize = BATCH + STEP + (4 << 10);

/// Why a conversion does not come to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    #[error("the upstream's answer cannot be decompressed: {0}")]
    Gunzip(#[from] GunzipError),
    #[error(transparent)]
    Broken(#[from] Broken),
    #[error("the answer is longer than the {limit} bytes that the plan allows")]
    TooLarge { limit: u64 },
}

impl Fault {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Upstream(error) => upstream_answer::kind(error),
            Self::Gunzip(_) | Self::Broken(_) => Kind::Upstream,
            Self::TooLarge { .. } => Kind::CostLimit,
        }
    }
}

/// A conversion under way.
pub(super) struct Conversion {
    body: Body,
    gunzip: Option<Gunzip>,
    converter: Converter,
    gzip: Option<Gzip>,
    /// What has come and is not yet decompressed or converted.
    input: Bytes,
    /// Where it is decompressed to.
    json: Vec<u8>,
    text: Vec<u8>,
    /// How much more text there may be, in bytes.
    left: u64,
    limit: u64,
    ended: bool,
}

impl Conversion {
    /// Converts an answer to at most `limit` bytes of text.
    pub(super) fn new(answer: Answer, format: Format, gzip: bool, limit: u64) -> Self {
        let gunzip = answer.gzip;
        Self {
            body: answer.body,
            gunzip: gunzip.then(Gunzip::default),
            converter: Converter::new(format),
            gzip: gzip.then(Gzip::default),
            input: Bytes::new(),
            json: if gunzip { vec![0; STEP] } else { Vec::new() },
            text: Vec::with_capacity(ROOM),
            left: limit,
            limit,
            ended: false,
        }
    }

    /// Converts until there is a batch, or all. Before the first has succeeded the status can still be chosen.
    pub(super) async fn fill(&mut self) -> Result<(), Fault> {
        while !self.ended && self.text.len() < BATCH {
            let before = self.text.len();
            if self.input.is_empty() {
                match self.body.next().await {
                    Some(chunk) => self.input = chunk?,
                    None => {
                        if let Some(gunzip) = &self.gunzip {
                            gunzip.finish()?;
                        }
                        self.converter.finish(&mut self.text)?;
                        self.ended = true;
                    }
                }
            } else {
                self.step()?;
            }
            let written = (self.text.len() - before) as u64;
            self.left = self
                .left
                .checked_sub(written)
                .ok_or(Fault::TooLarge { limit: self.limit })?;
        }
        Ok(())
    }

    fn step(&mut self) -> Result<(), Fault> {
        match &mut self.gunzip {
            None => {
                let piece = self.input.split_to(self.input.len().min(STEP));
                self.converter.push(&piece, &mut self.text)?;
            }
            Some(gunzip) => {
                let mut rest = &self.input[..];
                let length = gunzip.step(&mut rest, &mut self.json)?;
                let read = self.input.len() - rest.len();
                self.input = self.input.slice(read..);
                if length == 0 && read == 0 {
                    return Err(GunzipError::Garbage.into());
                }
                self.converter.push(&self.json[..length], &mut self.text)?;
            }
        }
        Ok(())
    }

    /// The batch as it goes out, which may be nothing where the compression has kept it.
    fn take(&mut self) -> Bytes {
        let Some(gzip) = &mut self.gzip else {
            return std::mem::replace(&mut self.text, Vec::with_capacity(ROOM)).into();
        };
        let mut output = Vec::new();
        gzip.write(&self.text, &mut output);
        self.text.clear();
        if self.ended
            && let Some(gzip) = self.gzip.take()
        {
            gzip.finish(&mut output);
        }
        output.into()
    }

    /// What still goes out when it breaks off: what is complete, what makes it invalid, and no end of the compression.
    fn break_off(mut self, fault: &Fault) -> BrokenOff {
        self.converter.break_off(&mut self.text);
        self.ended = false;
        BrokenOff {
            kind: fault.kind(),
            reason: fault.to_string(),
            last: self.take(),
        }
    }

    /// The rest, whose first batch is there.
    pub(super) fn stream(self) -> BoxStream<'static, Result<Bytes, BrokenOff>> {
        stream::unfold(Some(self), async |conversion| {
            let mut conversion = conversion?;
            loop {
                if conversion.text.is_empty() && conversion.ended {
                    return None;
                }
                if let Err(fault) = conversion.fill().await {
                    return Some((Err(conversion.break_off(&fault)), None));
                }
                let bytes = conversion.take();
                if !bytes.is_empty() {
                    return Some((Ok(bytes), Some(conversion)));
                }
            }
        })
        .boxed()
    }
}

/// What a caller is told when the conversion fails before anything has gone out.
pub(super) fn problem(fault: &Fault, plan: &str) -> Problem {
    match fault {
        Fault::TooLarge { limit } => too_large(*limit, plan),
        Fault::Upstream(error) => upstream_answer::unanswered(error),
        Fault::Gunzip(_) | Fault::Broken(_) => {
            Problem::new(Kind::Upstream, "the upstream's answer cannot be understood")
        }
    }
}

pub(super) fn too_large(limit: u64, plan: &str) -> Problem {
    let message = format!(
        "the answer is larger than the {limit} bytes that the plan {plan:?} allows (limit `response_bytes`); ask for less"
    );
    Problem::new(Kind::CostLimit, message)
}
