//! Gzip in both directions, piece by piece, in memory that does not depend on what passes.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// The size of deflate's window, as a power of two: what every gzip program may have used.
const WINDOW_BITS: u8 = 15;

/// How much room is made at a time for what is compressed, in bytes.
const ROOM: usize = 4096;

/// Decompresses gzip (RFC 1952): one member, or several one behind the other.
#[derive(Debug)]
pub struct Gunzip {
    member: Decompress,
    state: State,
    members: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing has come yet.
    Empty,
    /// In the middle of a member.
    Inside,
    /// Behind a member's trailer.
    Between,
}

/// Compressed text that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GunzipError {
    /// It is no gzip, or its check sum is wrong.
    #[error("it is not valid gzip")]
    Garbage,
    /// It ends before its trailer.
    #[error("the gzip stream ends before its trailer")]
    Truncated,
}

impl Default for Gunzip {
    fn default() -> Self {
        Self {
            member: Decompress::new_gzip(WINDOW_BITS),
            state: State::Empty,
            members: 0,
        }
    }
}

impl Gunzip {
    /// Decompresses until `output` is full or `input` is used up; `input` is moved on behind what was used. Returns the
    /// bytes written, which may be none while a header is read. Never writes more than fits, so that a small text that
    /// stands for an enormous one takes no memory.
    ///
    /// # Errors
    /// [`GunzipError::Garbage`]; nothing can be read any more.
    pub fn step(&mut self, input: &mut &[u8], output: &mut [u8]) -> Result<usize, GunzipError> {
        let mut written = 0;
        while written < output.len() {
            if self.state != State::Inside {
                if input.is_empty() {
                    break;
                }
                if self.state == State::Between {
                    self.member = Decompress::new_gzip(WINDOW_BITS);
                }
                self.state = State::Inside;
                self.members = self.members.saturating_add(1);
            }
            let (read, wrote) = (self.member.total_in(), self.member.total_out());
            let status = self
                .member
                .decompress(input, &mut output[written..], FlushDecompress::None)
                .map_err(|_| GunzipError::Garbage)?;
            let read = difference(self.member.total_in(), read);
            let wrote = difference(self.member.total_out(), wrote);
            *input = &input[read..];
            written += wrote;
            if status == Status::StreamEnd {
                self.state = State::Between;
            } else if read == 0 && wrote == 0 {
                break;
            }
        }
        Ok(written)
    }

    /// How many members have begun.
    #[must_use]
    pub fn members(&self) -> u32 {
        self.members
    }

    /// Whether everything was read to its end.
    ///
    /// # Errors
    /// [`GunzipError::Truncated`], also when nothing came at all.
    pub fn finish(&self) -> Result<(), GunzipError> {
        if self.state == State::Between {
            Ok(())
        } else {
            Err(GunzipError::Truncated)
        }
    }
}

/// Compresses into one gzip member, fast rather than small.
///
/// The member is complete only by [`Gzip::finish`]. What was made by one that is dropped before has no trailer, and every
/// decoder says so.
#[derive(Debug)]
pub struct Gzip {
    member: Compress,
}

impl Default for Gzip {
    fn default() -> Self {
        Self {
            member: Compress::new_gzip(Compression::fast(), WINDOW_BITS),
        }
    }
}

impl Gzip {
    /// Compresses `input` to the end of `output`; a part of it is kept back for later.
    pub fn write(&mut self, mut input: &[u8], output: &mut Vec<u8>) {
        while !input.is_empty() {
            let read = self.member.total_in();
            self.run(input, output, FlushCompress::None);
            input = &input[difference(self.member.total_in(), read)..];
        }
    }

    /// Writes out all that was kept back, and the trailer.
    pub fn finish(mut self, output: &mut Vec<u8>) {
        while self.run(&[], output, FlushCompress::Finish) != Status::StreamEnd {}
    }

    #[expect(
        clippy::expect_used,
        reason = "deflate fails only when it is called after its end, which `finish` rules out by consuming it"
    )]
    fn run(&mut self, input: &[u8], output: &mut Vec<u8>, flush: FlushCompress) -> Status {
        if output.capacity() == output.len() {
            output.reserve(ROOM);
        }
        self.member
            .compress_vec(input, output, flush)
            .expect("deflate goes on until its end")
    }
}

/// How far a count has gone on during one call: no more than the length of a slice.
fn difference(now: u64, before: u64) -> usize {
    usize::try_from(now - before).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use flate2::read::MultiGzDecoder;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn gunzip(compressed: &[u8], chunk: usize, room: usize) -> Result<Vec<u8>, GunzipError> {
        let mut gunzip = Gunzip::default();
        let mut text = Vec::new();
        let mut output = vec![0; room];
        for mut chunk in compressed.chunks(chunk) {
            loop {
                let written = gunzip.step(&mut chunk, &mut output)?;
                text.extend_from_slice(&output[..written]);
                if chunk.is_empty() && written < room {
                    break;
                }
            }
        }
        gunzip.finish().map(|()| text)
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out_however_it_is_cut(
            texts in prop::collection::vec(prop::collection::vec(0_u8..4, 0..600), 1..4),
            chunk in 1_usize..40,
            room in 1_usize..40,
        ) {
            let members: Vec<u8> = texts.iter().flat_map(|text| gzip(text)).collect();
            prop_assert_eq!(gunzip(&members, chunk, room).unwrap(), texts.concat());

            let mut ours = Vec::new();
            let mut writer = Gzip::default();
            for text in &texts {
                writer.write(text, &mut ours);
            }
            writer.finish(&mut ours);
            let mut text = Vec::new();
            MultiGzDecoder::new(&ours[..]).read_to_end(&mut text).unwrap();
            prop_assert_eq!(text, texts.concat());
        }

        #[test]
        fn garbage_is_an_error_or_the_text(mut compressed in Just(gzip(b"hello hello hello")), at in 0_usize..30, byte: u8) {
            let at = at % compressed.len();
            compressed[at] = byte;
            if let Ok(text) = gunzip(&compressed, 7, 16) {
                prop_assert_eq!(text, b"hello hello hello");
            }
        }
    }

    #[test]
    fn what_was_not_finished_can_never_look_complete() {
        let mut writer = Gzip::default();
        let mut compressed = Vec::new();
        let text: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
        writer.write(&text, &mut compressed);
        assert!(compressed.len() > 1000);
        assert_eq!(gunzip(&compressed, 1000, 1000), Err(GunzipError::Truncated));
        drop(writer);
        let mut text = Vec::new();
        let error = MultiGzDecoder::new(&compressed[..]).read_to_end(&mut text).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn what_is_no_gzip_or_not_all_of_it_is_named() {
        let whole = gzip(b"hello");
        let mut wrong_sum = whole.clone();
        let sum = wrong_sum.len() - 8;
        wrong_sum[sum] ^= 1;
        for (compressed, error) in [
            (&b""[..], GunzipError::Truncated),
            (b"hello, world", GunzipError::Garbage),
            (&[&whole[..], b"tail"].concat(), GunzipError::Garbage),
            (&[&whole[..], &[0; 4]].concat(), GunzipError::Garbage),
            (&wrong_sum, GunzipError::Garbage),
            (&whole[..5], GunzipError::Truncated),
            (&whole[..whole.len() - 1], GunzipError::Truncated),
            (&[&whole[..], &whole[..4]].concat(), GunzipError::Truncated),
        ] {
            assert_eq!(gunzip(compressed, 3, 64), Err(error), "{compressed:?}");
        }
    }

    #[test]
    fn a_bomb_comes_out_in_pieces() {
        let bomb = gzip(&vec![0; 10 << 20]);
        let mut gunzip = Gunzip::default();
        let mut output = [0; 1000];
        let mut rest = &bomb[..];
        let mut total = 0;
        loop {
            let written = gunzip.step(&mut rest, &mut output).unwrap();
            total += written;
            if written == 0 {
                break;
            }
        }
        assert_eq!((total, gunzip.finish()), (10 << 20, Ok(())));
    }
}
