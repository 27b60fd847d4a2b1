//! The fast path: a sample is checked while it is copied, eight bytes at a time, without being taken apart.
//!
//! It takes samples as Prometheus writes them, `{"metric":{..},"value":[time,"value"]}` without spaces, and leaves all
//! others to the slow path: what it does not recognise, it does not judge. Quotes, backslashes and line feeds within
//! strings are spelled alike in JSON and in the text formats, so that most strings are copied as they are.

#![expect(
    clippy::inline_always,
    reason = "a call would cost more than what is called, and they are few"
)]

use super::words::{before, name_ends, string_ends, word};
use super::write::{NO_INSTANCE, Time};

/// How many bytes of room there must be beyond the length of the JSON: copies come in whole words.
pub(super) const SLACK: usize = 64;

const NAME: u64 = u64::from_le_bytes(*b"__name__");
const INSTANCE: u64 = u64::from_le_bytes(*b"instance");
const HELPER_START: u64 = u64::from_le_bytes(*b"__fanlig");

/// How much of `json` a sample took, and how much room its line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Converted {
    pub(super) read: usize,
    pub(super) written: usize,
}

/// Converts the sample that `json` begins with to a line of a text format.
///
/// Nothing if it is not complete, is not written as usual, has names that are not classic or another time than the
/// sample before. The JSON must be UTF-8, and `room` longer by [`SLACK`].
#[inline]
pub(super) fn convert(json: &[u8], room: &mut [u8], time: &Time) -> Option<Converted> {
    const START: &[u8] = br#"{"metric":{"#;
    if !json.starts_with(START) {
        return None;
    }
    let mut copy = Copy {
        json,
        room,
        read: START.len(),
        written: 1,
    };
    // The name goes before the brace as soon as it is found.
    *copy.room.first_mut()? = b'{';
    let mut labels = None;
    let mut has_instance = false;
    loop {
        copy.expect(b'"')?;
        let first = word(json, copy.read)?;
        if first == NAME && json[copy.read + 8..].starts_with(br#"":""#) {
            if labels.is_some() {
                return None;
            }
            copy.read += 11;
            labels = Some(copy.metric_name()?);
        } else {
            let start = copy.written;
            has_instance |= first == INSTANCE && json[copy.read + 8..].starts_with(br#"":"#);
            let is_helper = first == HELPER_START && json[copy.read + 8..].starts_with(br#"ht_name__":"#);
            copy.label()?;
            if is_helper {
                copy.written = start;
            } else {
                copy.put(b',')?;
            }
        }
        match copy.next()? {
            b',' => {}
            b'}' => break,
            _ => return None,
        }
    }
    labels?;
    if !has_instance {
        copy.put_all(NO_INSTANCE)?;
        copy.put(b',')?;
    }
    // There is a comma, as there is always an instance.
    copy.room[copy.written - 1] = b'}';
    copy.put(b' ')?;
    copy.value(time)?;
    Some(Converted {
        read: copy.read,
        written: copy.written,
    })
}

struct Copy<'a> {
    json: &'a [u8],
    room: &'a mut [u8],
    read: usize,
    written: usize,
}

impl Copy<'_> {
    #[inline(always)]
    fn next(&mut self) -> Option<u8> {
        let byte = *self.json.get(self.read)?;
        self.read += 1;
        Some(byte)
    }

    #[inline(always)]
    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    #[inline(always)]
    fn put(&mut self, byte: u8) -> Option<()> {
        *self.room.get_mut(self.written)? = byte;
        self.written += 1;
        Some(())
    }

    #[inline(always)]
    fn put_all(&mut self, bytes: &[u8]) -> Option<()> {
        self.room
            .get_mut(self.written..self.written + bytes.len())?
            .copy_from_slice(bytes);
        self.written += bytes.len();
        Some(())
    }

    #[inline(always)]
    fn put_word(&mut self, word: u64) -> Option<()> {
        *self.room.get_mut(self.written..)?.first_chunk_mut()? = word.to_le_bytes();
        Some(())
    }

    #[inline(always)]
    fn advance(&mut self, bytes: usize) {
        self.read += bytes;
        self.written += bytes;
    }

    /// Copies a name of classic characters, not its quotes.
    #[inline(always)]
    fn name<const COLON: bool>(&mut self) -> Option<()> {
        let start = self.read;
        loop {
            let word = word(self.json, self.read)?;
            self.put_word(word)?;
            let ends = name_ends::<COLON>(word);
            if ends != 0 {
                self.advance(before(ends));
                break;
            }
            self.advance(8);
        }
        if self.read == start || self.json[start].is_ascii_digit() {
            return None;
        }
        self.expect(b'"')
    }

    /// Copies the metric's name to before the brace and all labels that came first. Gives where the labels begin.
    #[inline(always)]
    fn metric_name(&mut self) -> Option<usize> {
        let brace = self.written;
        if brace == 1 {
            self.written = 0;
            self.name::<true>()?;
            self.put(b'{')?;
            return Some(self.written);
        }
        // Only labels that begin with capitals stand before the name.
        self.name::<true>()?;
        let length = self.written - brace;
        self.room[..self.written].rotate_right(length);
        Some(length + 1)
    }

    /// Copies a label and its value.
    #[inline(always)]
    fn label(&mut self) -> Option<()> {
        self.name::<false>()?;
        self.expect(b':')?;
        self.expect(b'"')?;
        self.put(b'=')?;
        self.put(b'"')?;
        loop {
            let word = word(self.json, self.read)?;
            self.put_word(word)?;
            let ends = string_ends(word);
            if ends == 0 {
                self.advance(8);
                continue;
            }
            self.advance(before(ends));
            match self.json[self.read] {
                b'"' => break,
                b'\\' => self.escape()?,
                _ => return None,
            }
        }
        self.read += 1;
        self.put(b'"')
    }

    /// Copies what a backslash begins.
    fn escape(&mut self) -> Option<()> {
        let (char, length) = match *self.json.get(self.read + 1)? {
            b'"' | b'\\' | b'n' => {
                for _ in 0..2 {
                    let byte = self.next()?;
                    self.put(byte)?;
                }
                return Some(());
            }
            b'/' => ('/', 2),
            b't' => ('\t', 2),
            b'r' => ('\r', 2),
            b'b' => ('\x08', 2),
            b'f' => ('\x0c', 2),
            b'u' => {
                let digits = self.json.get(self.read + 2..self.read + 6)?;
                let mut code = 0;
                for digit in digits {
                    code = code << 4 | char::from(*digit).to_digit(16)?;
                }
                // Surrogates are left to the slow path.
                (char::from_u32(code)?, 6)
            }
            _ => return None,
        };
        self.read += length;
        let mut bytes = [0; 4];
        let bytes: &[u8] = match char {
            '"' => b"\\\"",
            '\\' => b"\\\\",
            '\n' => b"\\n",
            _ => char.encode_utf8(&mut bytes).as_bytes(),
        };
        for byte in bytes {
            self.put(*byte)?;
        }
        Some(())
    }

    /// Copies the value and the time of the last sample, if that is the time of this one.
    #[inline(always)]
    fn value(&mut self, time: &Time) -> Option<()> {
        let rest = self.json.get(self.read..)?.strip_prefix(br#","value":["#)?;
        // Before the first sample there is no time, and nothing is a prefix of anything.
        if time.given.is_empty() {
            return None;
        }
        let rest = rest.strip_prefix(&*time.given)?.strip_prefix(b",\"")?;
        let length = float_length(rest)?;
        let tail = rest[length..].strip_prefix(b"\"]}")?;
        let line = self
            .room
            .get_mut(self.written..)?
            .get_mut(..length + time.written.len())?;
        let (value, after) = line.split_at_mut(length);
        value.copy_from_slice(&rest[..length]);
        after.copy_from_slice(&time.written);
        self.written += length + time.written.len();
        self.read = self.json.len() - tail.len();
        Some(())
    }
}

/// The length of the float that the text begins with; nothing where it has an exponent, or too many digits to be sure
/// that it is finite.
#[inline(always)]
fn float_length(text: &[u8]) -> Option<usize> {
    let digits = |from: usize| text[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let sign = usize::from(text.first() == Some(&b'-'));
    let whole = digits(sign);
    if whole == 0 {
        return [b"NaN".as_slice(), b"+Inf", b"-Inf"]
            .into_iter()
            .find(|word| text.starts_with(word))
            .map(<[u8]>::len);
    }
    let mut length = sign + whole;
    // JSON has no leading zeros.
    if whole > 300 || whole > 1 && text[sign] == b'0' {
        return None;
    }
    if text.get(length) == Some(&b'.') {
        let fraction = digits(length + 1);
        if fraction == 0 {
            return None;
        }
        length += 1 + fraction;
    }
    Some(length)
}
