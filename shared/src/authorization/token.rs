//! Tokens: 256 random bits in a form that scanners for lost secrets recognise.
//!
//! `fanlight_`, 43 letters and digits, and 6 more that are the CRC-32 of all before. The checksum tells a token from what
//! only looks like one without asking anybody. What is stored is the SHA-256 of the whole text; a slow hash, as for
//! passwords, would add nothing, since 256 random bits cannot be guessed.

use std::fmt::{self, Write as _};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand;
use secrecy::{ExposeSecret as _, SecretString};

/// What every token begins with.
const PREFIX: &str = "fanlight_";
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 62 to the power of 43 is more than 2 to the power of 256.
const RANDOM: usize = 43;
const CHECKSUM: usize = 6;
const HASH: usize = 32;

/// A token, which proves whoever sends it to be the client that it was made for.
#[derive(Debug, Clone)]
pub struct Token(SecretString);

/// The SHA-256 of a token, by which it is known.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TokenHash([u8; HASH]);

/// The operating system has no random numbers to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operating system's random number generator failed")]
pub struct NoRandomness;

impl From<Unspecified> for NoRandomness {
    fn from(_: Unspecified) -> Self {
        Self
    }
}

impl Token {
    /// A new token.
    ///
    /// # Errors
    /// There are no random numbers.
    pub fn generate() -> Result<Self, NoRandomness> {
        let mut text = format!("{PREFIX}{}", random_text(RANDOM)?);
        text.push_str(&checksum(&text));
        Ok(Self(text.into()))
    }

    /// The token that a text is; `None` for whatever has not the form of one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(PREFIX)?;
        if rest.len() != RANDOM + CHECKSUM || !rest.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return None;
        }
        let (before, sum) = text.split_at(text.len() - CHECKSUM);
        (checksum(before) == sum).then(|| Self(text.into()))
    }

    /// By what it is known.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        let mut hash = [0; HASH];
        hash.copy_from_slice(digest(&SHA256, self.expose().as_bytes()).as_ref());
        TokenHash(hash)
    }

    /// The token itself, to be shown once to whom it is for.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl TokenHash {
    /// Reads 64 hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 2 * HASH {
            return None;
        }
        let mut hash = [0; HASH];
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            let digit = |digit: u8| {
                char::from(digit)
                    .to_digit(16)
                    .and_then(|digit| u8::try_from(digit).ok())
            };
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Self(hash))
    }

    /// Whether both are the same, in a time that says nothing of where they differ.
    pub(super) fn is(&self, other: &Self) -> bool {
        verify_slices_are_equal(&self.0, &other.0).is_ok()
    }

    /// Its 64 hexadecimal digits, for the record.
    #[must_use]
    pub fn to_hex(&self) -> String {
        self.0.iter().fold(String::new(), |mut text, byte| {
            // Writing to a String does not fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TokenHash(…)")
    }
}

/// Random letters and digits, each as likely as any other.
///
/// # Errors
/// There are no random numbers.
pub fn random_text(length: usize) -> Result<String, NoRandomness> {
    let mut text = String::with_capacity(length);
    while text.len() < length {
        let mut bytes = [0; RANDOM];
        rand::fill(&mut bytes)?;
        // Six bits a byte; what lies beyond the alphabet is thrown away, which keeps the rest equally likely.
        let letters = bytes.iter().filter_map(|byte| ALPHABET.get(usize::from(byte & 63)));
        text.extend(letters.take(length - text.len()).map(|letter| char::from(*letter)));
    }
    Ok(text)
}

/// The CRC-32 in the alphabet's digits, the highest first.
fn checksum(text: &str) -> String {
    let mut crc = flate2::Crc::new();
    crc.update(text.as_bytes());
    let mut rest = crc.sum() as usize;
    let mut digits = [ALPHABET[0]; CHECKSUM];
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[rest % ALPHABET.len()];
        rest /= ALPHABET.len();
    }
    digits.iter().map(|digit| char::from(*digit)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_token_is_known_by_its_form_and_each_is_another() {
        let mut seen = HashSet::new();
        let mut letters = HashSet::new();
        for _ in 0..200 {
            let token = Token::generate().unwrap();
            let text = token.expose();
            assert_eq!(text.len(), 58, "{text}");
            assert_eq!(Token::parse(text).unwrap().hash(), token.hash());
            letters.extend(text[PREFIX.len()..PREFIX.len() + RANDOM].bytes());
            assert!(seen.insert(text.to_owned()), "{text} came twice");
        }
        assert_eq!(letters.len(), ALPHABET.len(), "every letter is used");
    }

    #[test]
    fn what_only_looks_like_a_token_is_none() {
        let token = Token::generate().unwrap();
        let text = token.expose();
        for (index, byte) in text.bytes().enumerate() {
            let other = if byte == b'x' { "y" } else { "x" };
            let mut changed = text.to_owned();
            changed.replace_range(index..=index, other);
            assert!(Token::parse(&changed).is_none(), "{changed}");
        }
        for changed in [
            String::new(),
            PREFIX.to_owned(),
            format!("{text}0"),
            format!(" {text}"),
            format!("{text}\n"),
            text[1..].to_owned(),
            text[..57].to_owned(),
            text.to_uppercase(),
            text.replacen("fanlight_", "fanlight-", 1),
            format!("{PREFIX}é{}", &text[PREFIX.len() + 2..]),
        ] {
            assert!(Token::parse(&changed).is_none(), "{changed}");
        }
    }

    #[test]
    fn the_checksum_is_the_usual_one() {
        // The check value of CRC-32/ISO-HDLC for "123456789" is 0xcbf43926.
        assert_eq!(checksum("123456789"), "3jZRME");
    }

    #[test]
    fn the_hash_is_that_of_the_text() {
        let token = Token("hello".to_owned().into());
        // printf hello | sha256sum
        let hex = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
        assert_eq!(token.hash().to_hex(), hex);
        assert_eq!(TokenHash::parse(hex), Some(token.hash()));
        assert_eq!(TokenHash::parse(&hex.to_uppercase()), Some(token.hash()));
        for text in [
            "",
            &hex[1..],
            &format!("{hex}0"),
            &hex.replace('2', "g"),
            &hex.replace("2c", "é"),
        ] {
            assert_eq!(TokenHash::parse(text), None, "{text}");
        }
        assert!(token.hash().is(&TokenHash::parse(hex).unwrap()));
        assert!(!token.hash().is(&TokenHash::parse(&hex.replace('2', "3")).unwrap()));
    }

    #[test]
    fn debug_shows_neither() {
        let token = Token::generate().unwrap();
        let shown = format!("{token:?} {:?}", token.hash());
        assert!(
            !shown.contains(&token.expose()[10..]) && !shown.contains(&token.hash().to_hex()[..8]),
            "{shown}"
        );
    }
}
