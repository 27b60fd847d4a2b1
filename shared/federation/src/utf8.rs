//! Whether text that comes in pieces is UTF-8.

use super::Broken;

/// Keeps the beginning of a character until the next piece completes it.
#[derive(Debug, Default)]
pub(super) struct Utf8 {
    begun: Vec<u8>,
}

/// What a piece has to give.
pub(super) struct Checked<'a> {
    /// The character that the piece has completed, if any.
    pub(super) first: Vec<u8>,
    /// The characters after it that stand in the piece as a whole.
    pub(super) rest: &'a [u8],
    /// Whether something else follows.
    pub(super) result: Result<(), Broken>,
}

impl Utf8 {
    /// Whether the last character is not complete.
    pub(super) fn is_within_character(&self) -> bool {
        !self.begun.is_empty()
    }

    /// Takes the next bytes.
    pub(super) fn check<'a>(&mut self, mut bytes: &'a [u8]) -> Checked<'a> {
        let mut checked = Checked {
            first: Vec::new(),
            rest: &[],
            result: Ok(()),
        };
        while !self.begun.is_empty() {
            let Some((byte, after)) = bytes.split_first() else {
                return checked;
            };
            bytes = after;
            self.begun.push(*byte);
            match std::str::from_utf8(&self.begun) {
                Ok(_) => checked.first = std::mem::take(&mut self.begun),
                Err(error) if error.error_len().is_some() => {
                    checked.result = Err(Broken::Malformed);
                    return checked;
                }
                Err(_) => {}
            }
        }
        checked.rest = bytes;
        if let Err(error) = std::str::from_utf8(bytes) {
            let (valid, others) = bytes.split_at(error.valid_up_to());
            checked.rest = valid;
            if error.error_len().is_some() {
                checked.result = Err(Broken::Malformed);
            } else {
                self.begun.extend_from_slice(others);
            }
        }
        checked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_make_no_difference() {
        let texts: [&[u8]; 8] = [
            b"",
            "aé€😀z".as_bytes(),
            b"a\xff",
            b"a\xe2(\xa1",
            b"\xe2\x82",
            b"\xed\xa0\x80",
            b"\xf0\x9f\x98",
            b"\xc3\xa9\xa9",
        ];
        for text in texts {
            for size in 1..=8 {
                let (mut utf8, mut read, mut valid) = (Utf8::default(), Vec::new(), true);
                for piece in text.chunks(size) {
                    let checked = utf8.check(piece);
                    read.extend(checked.first);
                    read.extend(checked.rest);
                    valid = checked.result.is_ok();
                    if !valid {
                        break;
                    }
                }
                let error = std::str::from_utf8(text).err();
                assert_eq!(read, text[..error.map_or(text.len(), |error| error.valid_up_to())]);
                assert_eq!(valid, error.is_none_or(|error| error.error_len().is_none()));
                if valid {
                    assert_eq!(utf8.is_within_character(), error.is_some(), "{text:?}");
                }
            }
        }
    }
}
