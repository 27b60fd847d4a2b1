//! Whether text that comes in pieces is UTF-8.

use super::Broken;

/// Remembers the character that the last piece ended in.
#[derive(Debug, Default)]
pub(super) struct Utf8 {
    begun: Vec<u8>,
}

impl Utf8 {
    /// How many of the next bytes are, or may become, UTF-8, and whether all do.
    pub(super) fn check(&mut self, bytes: &[u8]) -> (usize, Result<(), Broken>) {
        let mut at = 0;
        while !self.begun.is_empty() {
            let Some(&byte) = bytes.get(at) else {
                return (at, Ok(()));
            };
            self.begun.push(byte);
            match std::str::from_utf8(&self.begun) {
                Ok(_) => self.begun.clear(),
                Err(error) if error.error_len().is_some() => return (at, Err(Broken::Malformed)),
                Err(_) => {}
            }
            at += 1;
        }
        match std::str::from_utf8(&bytes[at..]) {
            Ok(_) => (bytes.len(), Ok(())),
            Err(error) if error.error_len().is_some() => (at + error.valid_up_to(), Err(Broken::Malformed)),
            Err(error) => {
                self.begun.extend_from_slice(&bytes[at + error.valid_up_to()..]);
                (bytes.len(), Ok(()))
            }
        }
    }
}
