//! The envelope of an instant query's answer, read in pieces of any size.

use super::element::{Element, Text, read};
use super::format::Format;
use super::fused::{SLACK, convert};
use super::skim::Skim;
use super::utf8::Utf8;
use super::write::Writer;
use super::{Broken, PART_LIMIT, Summary};

/// How much JSON is converted before the room for its text is measured anew, in bytes.
const WINDOW: usize = 16 << 10;

/// The most that is looked at of a piece to complete the sample that the last one ended in, in bytes.
const SEAM: usize = 1 << 10;

/// Converts the JSON answer of an instant query, in pieces of any size, to a [`Format`].
///
/// Each sample is written as soon as it has been read; what is held in between is at most one sample, or what came
/// before `status` and `resultType`, and never more than 1 MiB.
///
/// ```
/// use federation::{Converter, Format};
///
/// let answer = br#"{"status":"success","data":{"resultType":"vector","result":[
///     {"metric":{"__name__":"up","job":"api"},"value":[1435781451.781,"1"]}]}}"#;
/// let mut converter = Converter::new(Format::default());
/// let mut text = Vec::new();
/// for piece in answer.chunks(50) {
///     converter.push(piece, &mut text)?;
/// }
/// let summary = converter.finish(&mut text)?;
/// assert_eq!(summary.samples, 1);
/// assert!(text.starts_with(b"up{job=\"api\",instance=\"\"} 1 1435781451781\n"));
/// # Ok::<(), federation::Broken>(())
/// ```
#[derive(Debug)]
pub struct Converter {
    writer: Writer,
    summary: Summary,
    place: Place,
    utf8: Utf8,
    skim: Skim,
    /// What has come of an unfinished key, text or sample.
    part: Vec<u8>,
    envelope: Envelope,
    /// Samples that came before the head was complete.
    held: Vec<u8>,
    /// The first fault, which is also that of everything after it.
    broken: Option<Broken>,
    finished: bool,
}

/// What is known of the answer as a whole.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent facts, not states")]
struct Envelope {
    data: bool,
    success: bool,
    vector: bool,
    result: bool,
    begun: bool,
}

/// What comes next.
#[derive(Debug, Clone, Copy)]
enum Place {
    Start,
    /// After the brace that opens an object.
    FirstKey(Level),
    /// After a comma.
    NextKey(Level),
    Key(Level),
    Colon(Level, Field),
    Value(Level, Field),
    /// Within a value that says what the answer is.
    Text(Level, Field),
    /// Within a value that does not matter.
    Skipped(Level),
    AfterValue(Level),
    /// After the bracket that opens `result`.
    FirstElement,
    NextElement,
    Element,
    AfterElement,
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Top,
    Data,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Status,
    Data,
    ResultType,
    Result,
    Other,
}

impl Converter {
    /// A converter that has read nothing yet.
    #[must_use]
    pub fn new(format: Format) -> Self {
        Self {
            writer: Writer::new(format),
            summary: Summary::default(),
            place: Place::Start,
            utf8: Utf8::default(),
            skim: Skim::new(),
            part: Vec::new(),
            envelope: Envelope::default(),
            held: Vec::new(),
            broken: None,
            finished: false,
        }
    }

    /// Whether the answer is known to be successful and an instant vector, whose samples have begun.
    ///
    /// Until then nothing is written, so that the client can still be sent an error instead.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.envelope.begun
    }

    /// Reads the next piece of the answer and appends the text of all samples that are complete with it.
    ///
    /// # Errors
    ///
    /// [`Broken`] says what is wrong with the answer. The samples before have been written nevertheless, the same
    /// whatever the pieces; all later calls fail alike.
    pub fn push(&mut self, json: &[u8], out: &mut Vec<u8>) -> Result<(), Broken> {
        if let Some(broken) = self.broken {
            return Err(broken);
        }
        let checked = self.utf8.check(json);
        let result = self
            .walk(&checked.first, out)
            .and_then(|()| self.walk(checked.rest, out))
            .and(checked.result);
        self.broken = result.err();
        result
    }

    /// Ends the answer: appends the numbers of samples written and skipped, and what ends a text of the format.
    ///
    /// # Errors
    ///
    /// [`Broken`] if the answer was not complete; nothing is written then.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<Summary, Broken> {
        if let Some(broken) = self.broken {
            return Err(broken);
        }
        let result = self.complete();
        self.broken = result.err();
        if result.is_ok() && !self.finished {
            self.finished = true;
            self.writer.tail(&self.summary, out);
        }
        result.map(|()| self.summary)
    }

    /// Appends what makes the answer invalid, so that nobody takes it for complete: for when the upstream's breaks off
    /// or is broken after [`Converter::has_begun`]. Nothing can be pushed any more.
    ///
    /// The text formats get a line that no parser of Prometheus accepts, CSV a quoted field that does not end, NDJSON
    /// an object with nothing but an `error`. `fanlight_federate_samples` and `# EOF` are absent.
    pub fn break_off(&mut self, out: &mut Vec<u8>) {
        self.broken.get_or_insert(Broken::Truncated);
        self.writer.broken(out);
    }

    fn complete(&self) -> Result<(), Broken> {
        if !matches!(self.place, Place::End) {
            return Err(Broken::Truncated);
        }
        if self.utf8.is_within_character() {
            return Err(Broken::Trailing);
        }
        for (present, name) in [
            (self.envelope.success, "status"),
            (self.envelope.data, "data"),
            (self.envelope.vector, "resultType"),
            (self.envelope.result, "result"),
        ] {
            if !present {
                return Err(Broken::Missing(name));
            }
        }
        Ok(())
    }

    fn walk(&mut self, json: &[u8], out: &mut Vec<u8>) -> Result<(), Broken> {
        let mut at = 0;
        while let Some(&byte) = json.get(at) {
            match self.place {
                Place::Key(_) | Place::Text(..) | Place::Element => {
                    at += match self.fast_across(&json[at..], out) {
                        Some(length) => length,
                        None => self.collect(&json[at..], out)?,
                    };
                }
                Place::Skipped(level) => match self.skim.feed(&json[at..])? {
                    Some(length) => {
                        at += length;
                        self.place = Place::AfterValue(level);
                    }
                    None => at = json.len(),
                },
                _ if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') => at += 1,
                Place::FirstElement | Place::NextElement if byte == b'{' => {
                    at += self.fast(&json[at..], out);
                    if !matches!(self.place, Place::AfterElement) {
                        self.begin(Place::Element);
                    }
                    self.hold()?;
                }
                _ => at += self.step(byte)?,
            }
            if !self.envelope.begun && self.envelope.success && self.envelope.vector && self.envelope.result {
                self.envelope.begun = true;
                self.writer.head(out);
                out.append(&mut std::mem::take(&mut self.held));
            }
        }
        Ok(())
    }

    /// Takes a character of the envelope's structure. Gives 0 if it is the first of a value, else 1.
    fn step(&mut self, byte: u8) -> Result<usize, Broken> {
        self.place = match self.place {
            Place::Start if byte == b'{' => Place::FirstKey(Level::Top),
            Place::Start => return Err(Broken::NotJson),
            Place::FirstKey(level) | Place::AfterValue(level) if byte == b'}' => match level {
                Level::Data => Place::AfterValue(Level::Top),
                Level::Top => Place::End,
            },
            Place::FirstKey(level) | Place::NextKey(level) if byte == b'"' => {
                self.begin(Place::Key(level));
                return Ok(0);
            }
            Place::Colon(level, field) if byte == b':' => Place::Value(level, field),
            Place::Value(level, field) => return self.value(level, field, byte),
            Place::AfterValue(level) if byte == b',' => Place::NextKey(level),
            Place::FirstElement | Place::AfterElement if byte == b']' => Place::AfterValue(Level::Data),
            Place::AfterElement if byte == b',' => Place::NextElement,
            // The element is no object: it must at least be JSON.
            Place::FirstElement | Place::NextElement => {
                self.begin(Place::Element);
                return Ok(0);
            }
            Place::End => return Err(Broken::Trailing),
            _ => return Err(Broken::Malformed),
        };
        Ok(1)
    }

    /// Begins a value of the envelope.
    fn value(&mut self, level: Level, field: Field, byte: u8) -> Result<usize, Broken> {
        let (first, expected) = match field {
            Field::Data => (b'{', "an object"),
            Field::Result => (b'[', "an array"),
            Field::Status | Field::ResultType => (b'"', "a string"),
            Field::Other => {
                self.begin(Place::Skipped(level));
                return Ok(0);
            }
        };
        if byte != first {
            let field = field.name();
            return Err(Broken::WrongType { field, expected });
        }
        match field {
            Field::Data => self.place = Place::FirstKey(Level::Data),
            Field::Result => {
                self.envelope.result = true;
                self.place = Place::FirstElement;
            }
            _ => {
                self.begin(Place::Text(level, field));
                return Ok(0);
            }
        }
        Ok(1)
    }

    fn begin(&mut self, place: Place) {
        self.skim = Skim::new();
        self.part.clear();
        self.place = place;
    }

    /// Goes on with a key, a text or an element. Gives how much of the JSON belongs to it.
    fn collect(&mut self, json: &[u8], out: &mut Vec<u8>) -> Result<usize, Broken> {
        let json = &json[..json.len().min(PART_LIMIT - self.part.len())];
        let end = self.skim.feed(json)?;
        let length = end.unwrap_or(json.len());
        self.part.extend_from_slice(&json[..length]);
        if end.is_some() {
            self.collected(out)?;
        } else if self.part.len() == PART_LIMIT {
            return Err(Broken::TooLarge);
        }
        Ok(length)
    }

    fn collected(&mut self, out: &mut Vec<u8>) -> Result<(), Broken> {
        match self.place {
            Place::Key(level) => {
                let Text(key) = serde_json::from_slice(&self.part).map_err(|_| Broken::Malformed)?;
                let field = Field::named(level, &key);
                let twice = match field {
                    Field::Status => self.envelope.success,
                    Field::Data => std::mem::replace(&mut self.envelope.data, true),
                    Field::ResultType => self.envelope.vector,
                    Field::Result => self.envelope.result,
                    Field::Other => false,
                };
                if twice {
                    return Err(Broken::Repeated(field.name()));
                }
                self.place = Place::Colon(level, field);
            }
            Place::Text(level, field) => {
                let Text(text) = serde_json::from_slice(&self.part).map_err(|_| Broken::Malformed)?;
                match (field, &*text) {
                    (Field::Status, "success") => self.envelope.success = true,
                    (Field::Status, _) => return Err(Broken::Unsuccessful),
                    (_, "vector") => self.envelope.vector = true,
                    _ => return Err(Broken::NotVector),
                }
                self.place = Place::AfterValue(level);
            }
            _ => {
                match read(&self.part)? {
                    Element::Sample(sample) => {
                        let out = if self.envelope.begun { out } else { &mut self.held };
                        self.writer.sample(&sample, out)?;
                        self.summary.samples += 1;
                    }
                    Element::Histogram => self.summary.histograms_skipped += 1,
                    Element::Nameless => self.summary.nameless_skipped += 1,
                }
                self.place = Place::AfterElement;
                self.hold()?;
            }
        }
        Ok(())
    }

    /// Refuses to hold back more than a little.
    fn hold(&self) -> Result<(), Broken> {
        if self.held.len() > PART_LIMIT {
            return Err(Broken::LateHead);
        }
        Ok(())
    }

    fn may_be_fast(&self) -> bool {
        self.envelope.begun && self.writer.is_text()
    }

    /// Converts the sample that began in an earlier piece, if the fast path takes it. Gives how much of the JSON
    /// belongs to it.
    fn fast_across(&mut self, json: &[u8], out: &mut Vec<u8>) -> Option<usize> {
        let begun = self.part.len();
        let seam = &json[..json.len().min(SEAM)];
        // Nothing is looked at again more often than new bytes come.
        if !matches!(self.place, Place::Element) || begun == 0 || seam.len() < begun || !self.may_be_fast() {
            return None;
        }
        self.part.extend_from_slice(seam);
        let end = out.len();
        out.resize(end + self.part.len() + SLACK, 0);
        let sample = convert(&self.part, &mut out[end..], &self.writer.time);
        out.truncate(end + sample.map_or(0, |sample| sample.written));
        self.part.truncate(begun);
        let length = sample?.read.checked_sub(begun)?;
        self.summary.samples += 1;
        self.place = Place::AfterElement;
        Some(length)
    }

    /// Converts all samples that the JSON begins with and that the fast path takes. Gives their length, with the commas
    /// between them.
    fn fast(&mut self, json: &[u8], out: &mut Vec<u8>) -> usize {
        if !self.may_be_fast() {
            return 0;
        }
        let mut read = 0;
        loop {
            let window = &json[read..json.len().min(read + WINDOW)];
            let mut at = 0;
            let mut written = out.len();
            out.resize(written + window.len() + SLACK, 0);
            while let Some(sample) = convert(&window[at..], &mut out[written..], &self.writer.time) {
                at += sample.read;
                written += sample.written;
                self.summary.samples += 1;
                self.place = Place::AfterElement;
                if !window[at..].starts_with(b",{") {
                    break;
                }
                at += 1;
                self.place = Place::NextElement;
            }
            out.truncate(written);
            read += at;
            if at == 0 || !matches!(self.place, Place::NextElement) {
                return read;
            }
        }
    }
}

impl Field {
    const NAMED: [(Level, Self); 4] = [
        (Level::Top, Self::Status),
        (Level::Top, Self::Data),
        (Level::Data, Self::ResultType),
        (Level::Data, Self::Result),
    ];

    fn named(level: Level, name: &str) -> Self {
        Self::NAMED
            .into_iter()
            .find(|(within, field)| *within == level && field.name() == name)
            .map_or(Self::Other, |(_, field)| field)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Data => "data",
            Self::ResultType => "resultType",
            Self::Result => "result",
            Self::Other => "",
        }
    }
}
