//! The passage of an answer's JSON: `data` byte for byte, and beside it only what is known to name nothing of others.

pub mod safe;
mod value;

use value::{Malformed, Utf8, Value};

/// The most that is kept of a key or a value beside `data`, and of the white space between them, in bytes.
const MOST_KEPT: usize = 64 * 1024;

/// The passage of one answer.
///
/// Nothing comes out before `"status":"success"` has been seen and `data` begins. From then on its bytes come out as they
/// come in. Of the other members, `status`, a Boolean `isPartial` (how `VictoriaMetrics` says that the answer is not
/// whole), and those of `warnings` and `infos` that [`safe`] knows are passed on; what is not known is left out.
#[derive(Debug)]
pub struct Passage {
    limit: u64,
    read: u64,
    utf8: Utf8,
    place: Place,
    /// The key of the member at hand.
    key: Key,
    /// What stands between the last member and the value at hand, its key included.
    before: Vec<u8>,
    /// Where in `before` the key begins.
    key_at: usize,
    /// The value at hand, unless it is `data` or one that is left out.
    value: Kept,
    /// What has been decided to come out and may not yet.
    held: Vec<u8>,
    /// Whether a member was passed on.
    passed: bool,
    /// Whether the value of `data` has begun, and with it what comes out.
    begun: bool,
    /// Whether the array that is `data` has shown an element; `None` of anything else.
    has_elements: Option<bool>,
    /// Which members have come, one bit each.
    seen: u8,
    /// What `status` said.
    success: Option<bool>,
    said: UpstreamSaid,
    filtered: bool,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    /// Before the opening brace.
    Start,
    /// Behind it.
    First,
    /// Behind a comma.
    Next,
    /// In a key.
    Key(Value),
    /// Behind a key.
    Colon,
    /// Behind the colon.
    Value,
    /// In a value.
    In(Value),
    /// Behind a value.
    Behind,
    /// Behind the closing brace.
    End,
    /// Something was wrong.
    Failed(PassageError),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Status,
    Data,
    ErrorType,
    Error,
    Annotations,
    IsPartial,
    Unknown,
}

/// A value up to a length.
#[derive(Debug, Default)]
struct Kept {
    bytes: Vec<u8>,
    too_long: bool,
}

impl Kept {
    fn push(&mut self, bytes: &[u8]) {
        self.too_long |= self.bytes.len() + bytes.len() > MOST_KEPT;
        if self.too_long {
            self.bytes.clear();
        } else {
            self.bytes.extend_from_slice(bytes);
        }
    }
}

/// What an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head<'a> {
    /// Not known yet; nothing has come out.
    Undecided,
    /// A success, whose `data` has begun.
    Success,
    /// An error; nothing comes out. Known at the end of the document.
    Error(&'a UpstreamSaid),
}

/// What the upstream said of an error, in its own words: not for callers as it is. See [`safe::error`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpstreamSaid {
    /// Its `errorType`; empty where there is none.
    pub error_type: String,
    /// Its `error`; empty where there is none.
    pub error: String,
}

/// An answer that cannot be passed on. Says nothing of what stood in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PassageError {
    /// It is not what a Prometheus answers.
    #[error("the answer is not in Prometheus' form: {0}")]
    Broken(&'static str),
    /// It is longer than allowed.
    #[error("the answer is longer than {limit} bytes")]
    TooLarge {
        /// The most bytes, before compression.
        limit: u64,
    },
}

const NOT_JSON: PassageError = PassageError::Broken("it is not valid JSON, or nested too deep");

impl From<Malformed> for PassageError {
    fn from(_: Malformed) -> Self {
        NOT_JSON
    }
}

impl Passage {
    /// A passage for at most so many bytes of JSON.
    #[must_use]
    pub fn new(limit_bytes: u64) -> Self {
        Self {
            limit: limit_bytes,
            read: 0,
            utf8: Utf8::default(),
            place: Place::Start,
            key: Key::Unknown,
            before: Vec::new(),
            key_at: 0,
            value: Kept::default(),
            held: Vec::new(),
            passed: false,
            begun: false,
            has_elements: None,
            seen: 0,
            success: None,
            said: UpstreamSaid::default(),
            filtered: false,
        }
    }

    /// Takes the next bytes of the answer, and adds to `output` what may be passed on.
    ///
    /// # Errors
    /// [`PassageError`]; it stays, and nothing comes out any more.
    pub fn push(&mut self, chunk: &[u8], output: &mut Vec<u8>) -> Result<(), PassageError> {
        let outcome = self.take(chunk, output);
        if let Err(error) = outcome {
            self.place = Place::Failed(error);
        }
        outcome
    }

    /// What the answer is, as far as it is known.
    #[must_use]
    pub fn head(&self) -> Head<'_> {
        match (self.place, self.success) {
            (Place::End, Some(false)) => Head::Error(&self.said),
            _ if self.begun => Head::Success,
            _ => Head::Undecided,
        }
    }

    /// Whether something was left out or changed, so that what came out is not what came in.
    #[must_use]
    pub fn is_filtered(&self) -> bool {
        self.filtered
    }

    /// Whether `data` is an array of something, as far as it has come.
    #[must_use]
    pub fn has_elements(&self) -> bool {
        self.has_elements == Some(true)
    }

    /// Adds to `output` the closing brace, which is held back until the answer is known to be complete: without it, nobody
    /// can take what came out for a whole.
    ///
    /// # Errors
    /// [`PassageError`].
    pub fn finish(&mut self, output: &mut Vec<u8>) -> Result<(), PassageError> {
        match self.place {
            Place::End => {
                if self.begun {
                    output.append(&mut self.before);
                }
                Ok(())
            }
            Place::Failed(error) => Err(error),
            _ => Err(PassageError::Broken("it ends too early")),
        }
    }

    fn take(&mut self, chunk: &[u8], output: &mut Vec<u8>) -> Result<(), PassageError> {
        if let Place::Failed(error) = self.place {
            return Err(error);
        }
        self.read = self.read.saturating_add(chunk.len() as u64);
        if self.read > self.limit {
            return Err(PassageError::TooLarge { limit: self.limit });
        }
        self.utf8.read(chunk)?;
        let mut rest = chunk;
        while let Some(&byte) = rest.first() {
            match self.place {
                Place::Key(mut key) => {
                    let (length, over) = key.read(rest)?;
                    self.keep_before(&rest[..length])?;
                    rest = &rest[length..];
                    self.place = if over { self.meet_key()? } else { Place::Key(key) };
                }
                Place::In(mut value) => {
                    let (length, over) = value.read(rest)?;
                    match self.key {
                        Key::Data if self.success == Some(true) => {
                            let is_element = |byte: &u8| !matches!(byte, b'[' | b']' | b' ' | b'\t' | b'\n' | b'\r');
                            if self.has_elements == Some(false) {
                                self.has_elements = Some(rest[..length].iter().any(is_element));
                            }
                            output.extend_from_slice(&rest[..length]);
                        }
                        Key::Data | Key::Unknown => {}
                        _ => self.value.push(&rest[..length]),
                    }
                    rest = &rest[length..];
                    self.place = Place::In(value);
                    if over {
                        self.place = Place::Behind;
                        self.meet_value(output)?;
                    }
                }
                _ => {
                    if self.between(byte, output)? {
                        rest = &rest[1..];
                    }
                }
            }
        }
        Ok(())
    }

    /// One byte between keys and values; whether it is used up.
    fn between(&mut self, byte: u8, output: &mut Vec<u8>) -> Result<bool, PassageError> {
        let place = match (self.place, byte) {
            (_, b' ' | b'\t' | b'\n' | b'\r') => self.place,
            (Place::Start, b'{') => Place::First,
            (Place::First | Place::Next, b'"') => {
                self.key_at = self.before.len();
                self.place = Place::Key(Value::new());
                return Ok(false);
            }
            (Place::Colon, b':') => Place::Value,
            (Place::Value, _) => {
                self.meet_beginning(byte, output)?;
                self.place = Place::In(Value::new());
                return Ok(false);
            }
            (Place::Behind, b',') => Place::Next,
            (Place::First | Place::Behind, b'}') => {
                self.meet_end()?;
                Place::End
            }
            (Place::Start, _) => return Err(PassageError::Broken("it is not a JSON object")),
            (Place::End, _) => return Err(PassageError::Broken("something stands behind it")),
            _ => return Err(NOT_JSON),
        };
        self.place = place;
        self.keep_before(&[byte])?;
        Ok(true)
    }

    fn keep_before(&mut self, bytes: &[u8]) -> Result<(), PassageError> {
        if self.before.len() + bytes.len() > MOST_KEPT {
            return Err(PassageError::Broken("a key, or the white space before it, is too long"));
        }
        self.before.extend_from_slice(bytes);
        Ok(())
    }

    fn meet_key(&mut self) -> Result<Place, PassageError> {
        // Some strings are JSON and no text: lone surrogates.
        let key: String = serde_json::from_slice(&self.before[self.key_at..]).map_err(|_| NOT_JSON)?;
        let (key, bit) = match key.as_str() {
            "status" => (Key::Status, 0),
            "data" => (Key::Data, 1),
            "errorType" => (Key::ErrorType, 2),
            "error" => (Key::Error, 3),
            "warnings" => (Key::Annotations, 4),
            "infos" => (Key::Annotations, 5),
            "isPartial" => (Key::IsPartial, 6),
            _ => (Key::Unknown, 7),
        };
        // Readers disagree on which of two counts.
        if key != Key::Unknown && self.seen & (1 << bit) != 0 {
            return Err(PassageError::Broken("it has a member twice"));
        }
        self.seen |= 1 << bit;
        self.key = key;
        Ok(Place::Colon)
    }

    fn meet_beginning(&mut self, byte: u8, output: &mut Vec<u8>) -> Result<(), PassageError> {
        self.value = Kept::default();
        if self.key != Key::Data {
            return Ok(());
        }
        match self.success {
            None => return Err(PassageError::Broken("`data` comes before `status`")),
            Some(false) => return Ok(()),
            Some(true) => {}
        }
        if !matches!(byte, b'{' | b'[' | b'"' | b'n') {
            return Err(PassageError::Broken(
                "`data` is neither an object, an array nor a string",
            ));
        }
        self.has_elements = (byte == b'[').then_some(false);
        self.pass_before();
        output.append(&mut self.held);
        self.begun = true;
        Ok(())
    }

    /// Passes on what stands before a member that is passed on.
    fn pass_before(&mut self) {
        let mut before = std::mem::take(&mut self.before);
        if !self.passed && self.filtered {
            // The first that is passed on is not the first that came.
            before.drain(..self.key_at);
            before.insert(0, b'{');
        }
        self.passed = true;
        self.held.append(&mut before);
    }

    fn meet_value(&mut self, output: &mut Vec<u8>) -> Result<(), PassageError> {
        let value = std::mem::take(&mut self.value);
        match self.key {
            Key::Data => {}
            Key::Unknown => self.leave_out(),
            Key::Status => {
                self.success = Some(match text(&value).as_deref() {
                    Some("success") => true,
                    Some("error") => false,
                    _ => return Err(PassageError::Broken("its `status` is neither `success` nor `error`")),
                });
                self.pass_before();
                self.held.extend_from_slice(&value.bytes);
            }
            Key::ErrorType | Key::Error => {
                // Too long a message is none that is known.
                let said = if value.too_long {
                    String::new()
                } else {
                    text(&value).ok_or(PassageError::Broken("its `error` or `errorType` is not text"))?
                };
                if self.key == Key::Error {
                    self.said.error = said;
                } else {
                    self.said.error_type = said;
                }
                self.leave_out();
            }
            Key::IsPartial => {
                if matches!(&*value.bytes, b"true" | b"false") {
                    self.pass_before();
                    self.held.extend_from_slice(&value.bytes);
                } else {
                    self.leave_out();
                }
            }
            Key::Annotations => self.meet_annotations(&value)?,
        }
        // Before `data` all is held back, for it may yet be an error.
        if self.begun {
            output.append(&mut self.held);
        }
        Ok(())
    }

    fn meet_annotations(&mut self, value: &Kept) -> Result<(), PassageError> {
        if value.too_long {
            self.leave_out();
            return Ok(());
        }
        let given: Option<Vec<String>> = serde_json::from_slice(&value.bytes)
            .map_err(|_| PassageError::Broken("its `warnings` or `infos` are not an array of text"))?;
        let Some(given) = given else {
            self.leave_out();
            return Ok(());
        };
        let safe: Vec<_> = given
            .iter()
            .filter_map(|annotation| safe::annotation(annotation))
            .collect();
        if safe.iter().copied().eq(given.iter().map(String::as_str)) {
            self.pass_before();
            self.held.extend_from_slice(&value.bytes);
        } else if safe.is_empty() {
            self.leave_out();
        } else {
            self.pass_before();
            self.filtered = true;
            let safe = serde_json::to_vec(&safe).map_err(|_| NOT_JSON)?;
            self.held.extend_from_slice(&safe);
        }
        Ok(())
    }

    fn leave_out(&mut self) {
        self.filtered = true;
        self.before.clear();
    }

    fn meet_end(&self) -> Result<(), PassageError> {
        match self.success {
            None => Err(PassageError::Broken("it has no `status`")),
            Some(true) if !self.begun => Err(PassageError::Broken("it has no `data`")),
            _ => Ok(()),
        }
    }
}

fn text(value: &Kept) -> Option<String> {
    serde_json::from_slice(&value.bytes).ok()
}
