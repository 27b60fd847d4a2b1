//! Searching eight bytes at a time, in plain arithmetic.
//!
//! Every search gives a word whose lowest set bit lies in the first byte that was searched for; what is above it says
//! nothing, since borrows and carries run upwards.

#![expect(
    clippy::inline_always,
    reason = "a call would cost more than what is called, and they are few"
)]

/// The byte in all eight places.
const fn splat(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

const HIGH: u64 = splat(0x80);

/// The eight bytes at `at`, the first being the lowest, if there are as many.
#[inline(always)]
pub(super) fn word(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// How many bytes of the word stand before the first that was found.
#[inline(always)]
pub(super) const fn before(found: u64) -> usize {
    (found.trailing_zeros() / 8) as usize
}

/// Bytes that end the plain part of a JSON string: quotes, backslashes, control characters.
#[inline(always)]
pub(super) const fn string_ends(word: u64) -> u64 {
    // 0x22 ^ 2 is 0x20, and control characters stay below: one comparison finds both.
    let quotes = word ^ splat(0x02);
    let backslashes = word ^ splat(b'\\');
    (quotes.wrapping_sub(splat(0x21)) & !quotes | backslashes.wrapping_sub(splat(0x01)) & !backslashes) & HIGH
}

/// Bytes that are no letter, digit or underscore, nor, in a `COLON` name, a colon.
#[inline(always)]
pub(super) const fn name_ends<const COLON: bool>(word: u64) -> u64 {
    // Without the highest bits no sum carries into the next byte.
    let low = word & !HIGH;
    let folded = low | splat(0x20);
    let letters = (folded + splat(0x80 - b'a')) & !(folded + splat(0x80 - b'z' - 1));
    let after_digits = if COLON { b':' + 1 } else { b'9' + 1 };
    let digits = (low + splat(0x80 - b'0')) & !(low + splat(0x80 - after_digits));
    let underscores = !((low ^ splat(b'_')) + splat(0x7f));
    !((letters | digits | underscores) & !word) & HIGH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_told_apart_in_every_place() {
        for byte in 0..=u8::MAX {
            for place in 0..8 {
                let mut bytes = [b'x'; 8];
                bytes[place] = byte;
                let word = u64::from_le_bytes(bytes);
                let found = |ends: u64| (ends != 0).then(|| before(ends));
                let expected = |is: bool| is.then_some(place);
                assert_eq!(
                    found(string_ends(word)),
                    expected(byte < b' ' || matches!(byte, b'"' | b'\\'))
                );
                let classic = byte.is_ascii_alphanumeric() || byte == b'_';
                assert_eq!(found(name_ends::<false>(word)), expected(!classic), "{byte}");
                assert_eq!(
                    found(name_ends::<true>(word)),
                    expected(!classic && byte != b':'),
                    "{byte}"
                );
            }
        }
    }

    #[test]
    fn the_first_of_several_is_found() {
        for (text, at) in [
            (b"abc\"\"\"\"\"", 3),
            (b"\\\"!#[]^x", 0),
            (b"!#[]^x\"\x1f", 6),
            (b"\xc3\xa4\x80\xff!!\x1f#", 6),
        ] {
            assert_eq!(before(string_ends(u64::from_le_bytes(*text))), at);
        }
    }
}
