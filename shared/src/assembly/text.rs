//! Where a family's text goes while it is written: compressed for the push, or as it is for a dry run.

use std::io::{self, BufReader, Seek, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::SpooledTempFile;

/// Plain text beyond this goes to a temporary file, in bytes.
const IN_MEMORY: usize = 1024 * 1024;
/// Text comes out of it in pieces of this size: with the 8 KiB of [`io::copy`], the calls would cost as much as the rows.
const PIECE: usize = 128 * 1024;

/// The form in which the text is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Compressed, for the push.
    Gzip,
    /// As it is, for people and `promtool`.
    Plain,
}

/// A family's whole text.
#[derive(Debug)]
pub enum EncodedText {
    /// One gzip member, or nothing at all for no text. Members may be put one behind the other: a gzip reader gives
    /// their contents as one text ([RFC 1952](https://www.rfc-editor.org/rfc/rfc1952), section 2.2).
    Gzip(Vec<u8>),
    /// The text, positioned at its beginning.
    Plain(SpooledTempFile),
}

impl EncodedText {
    /// No text.
    pub(super) fn empty(form: Form) -> Self {
        match form {
            Form::Gzip => Self::Gzip(Vec::new()),
            Form::Plain => Self::Plain(SpooledTempFile::new(IN_MEMORY)),
        }
    }

    /// Copies the text, in the form it has, to a writer.
    ///
    /// # Errors
    /// What the writer, or reading the temporary file, reports.
    pub fn write_to(self, writer: &mut impl Write) -> io::Result<()> {
        match self {
            Self::Gzip(member) => writer.write_all(&member),
            Self::Plain(file) => io::copy(&mut BufReader::with_capacity(PIECE, file), writer).map(|_| ()),
        }
    }
}

/// What an encoder writes into.
#[derive(Debug)]
pub(super) enum TextWriter {
    Gzip(GzEncoder<Vec<u8>>),
    Plain(SpooledTempFile),
}

impl TextWriter {
    pub(super) fn new(form: Form) -> Self {
        match form {
            // The fastest level: exposition text repeats itself so much that higher ones gain little.
            Form::Gzip => Self::Gzip(GzEncoder::new(Vec::new(), Compression::fast())),
            Form::Plain => Self::Plain(SpooledTempFile::new(IN_MEMORY)),
        }
    }

    pub(super) fn finish(self) -> io::Result<EncodedText> {
        match self {
            Self::Gzip(encoder) => Ok(EncodedText::Gzip(encoder.finish()?)),
            Self::Plain(mut file) => {
                file.rewind()?;
                Ok(EncodedText::Plain(file))
            }
        }
    }
}

impl Write for TextWriter {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        match self {
            Self::Gzip(encoder) => encoder.write(text),
            Self::Plain(file) => file.write(text),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Gzip(encoder) => encoder.flush(),
            Self::Plain(file) => file.flush(),
        }
    }
}
