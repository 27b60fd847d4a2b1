//! The text exposition format 0.0.4, written one sample at a time.
//!
//! The format is [Prometheus' own](https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format).
//! Nothing is allocated per sample, and a sample's labels are encoded once, so that the same bytes that are written can
//! be hashed to find duplicates.

use std::io::{self, Write};

use memchr::{memchr2, memchr3};

use crate::config::job::MetricKind;

#[cfg(test)]
pub(crate) mod reading;
mod sample;

pub(crate) use sample::{Labels, sample};

/// The `Content-Type` of what [`Encoder`] writes.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How much text is collected before it is handed to the writer, in bytes.
const BUFFER: usize = 32 * 1024;

/// A sample's labels as they stand between the braces: `status="failed",os="ios"`.
///
/// Two label sets that are pushed in the same order of names have the same bytes exactly if they are the same labels.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelText(Vec<u8>);

impl LabelText {
    /// Adds a label. An empty value adds nothing: to Prometheus an empty label is an absent one.
    ///
    /// The name must be a valid label name, which is not checked here.
    pub fn push(&mut self, name: &str, value: &str) {
        if value.is_empty() {
            return;
        }
        if !self.0.is_empty() {
            self.0.push(b',');
        }
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"=\"");
        let mut rest = value.as_bytes();
        while let Some(at) = memchr3(b'\\', b'"', b'\n', rest) {
            self.0.extend_from_slice(&rest[..at]);
            self.0.extend_from_slice(escaped(rest[at]));
            rest = &rest[at + 1..];
        }
        self.0.extend_from_slice(rest);
        self.0.push(b'"');
    }

    /// The encoded labels.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The length in bytes, to come back to with [`LabelText::truncate`].
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no labels.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Goes back to an earlier length and drops the labels pushed since.
    pub fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }
}

fn escaped(byte: u8) -> &'static [u8] {
    match byte {
        b'\\' => b"\\\\",
        b'"' => b"\\\"",
        _ => b"\\n",
    }
}

/// Writes families in the text format.
///
/// Names are taken as they are: the configuration has checked them. What is written ends in a line feed, which the
/// Pushgateway insists on.
#[derive(Debug)]
pub struct Encoder<W> {
    writer: W,
    buffer: Vec<u8>,
    name: Vec<u8>,
}

impl<W: Write> Encoder<W> {
    /// An encoder that has written nothing yet.
    pub fn new(writer: W) -> Self {
        Self {
            writer,
            buffer: Vec::with_capacity(BUFFER),
            name: Vec::new(),
        }
    }

    /// Begins a family: `# HELP` and `# TYPE`. The samples that follow are its own.
    pub fn family(&mut self, name: &str, help: &str, kind: MetricKind) {
        self.name.clear();
        self.name.extend_from_slice(name.as_bytes());
        let out = &mut self.buffer;
        out.extend_from_slice(b"# HELP ");
        out.extend_from_slice(name.as_bytes());
        out.push(b' ');
        let mut rest = help.as_bytes();
        while let Some(at) = memchr2(b'\\', b'\n', rest) {
            out.extend_from_slice(&rest[..at]);
            out.extend_from_slice(escaped(rest[at]));
            rest = &rest[at + 1..];
        }
        out.extend_from_slice(rest);
        out.extend_from_slice(b"\n# TYPE ");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(match kind {
            MetricKind::Gauge => b" gauge\n",
            MetricKind::Counter => b" counter\n",
        });
    }

    /// Writes one sample of the family that was begun last.
    ///
    /// # Errors
    /// What the writer reports when the collected text is handed to it.
    pub fn sample(&mut self, labels: &[u8], value: f64) -> io::Result<()> {
        let out = &mut self.buffer;
        out.extend_from_slice(&self.name);
        if !labels.is_empty() {
            out.push(b'{');
            out.extend_from_slice(labels);
            out.push(b'}');
        }
        out.push(b' ');
        push_value(out, value);
        out.push(b'\n');
        if out.len() >= BUFFER {
            self.writer.write_all(out)?;
            out.clear();
        }
        Ok(())
    }

    /// Hands over what is left and gives the writer back.
    ///
    /// # Errors
    /// What the writer reports.
    pub fn finish(mut self) -> io::Result<W> {
        self.writer.write_all(&self.buffer)?;
        Ok(self.writer)
    }
}

/// Appends a sample value: integers without a fraction, other numbers with the fewest digits that read back the same.
fn push_value(out: &mut Vec<u8>, value: f64) {
    /// Beyond this, not every integer is a float.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.is_nan() {
        out.extend_from_slice(b"NaN");
    } else if value.is_infinite() {
        out.extend_from_slice(if value > 0.0 { b"+Inf" } else { b"-Inf" });
    } else if value.trunc().to_bits() == value.to_bits()
        && value.abs() < EXACT
        && value.to_bits() != (-0.0_f64).to_bits()
    {
        #[expect(clippy::cast_possible_truncation, reason = "an integer below 2^53 in magnitude")]
        out.extend_from_slice(itoa::Buffer::new().format(value as i64).as_bytes());
    } else {
        let mut digits = zmij::Buffer::new();
        let digits = digits.format_finite(value);
        out.extend_from_slice(digits.strip_suffix(".0").unwrap_or(digits).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> LabelText {
        let mut text = LabelText::default();
        for (name, value) in pairs {
            text.push(name, value);
        }
        text
    }

    fn written(name: &str, help: &str, kind: MetricKind, samples: &[(&[(&str, &str)], f64)]) -> String {
        let mut encoder = Encoder::new(Vec::new());
        encoder.family(name, help, kind);
        for (pairs, value) in samples {
            encoder.sample(labels(pairs).as_bytes(), *value).unwrap();
        }
        String::from_utf8(encoder.finish().unwrap()).unwrap()
    }

    #[test]
    fn a_family_reads_as_the_format_says() {
        let text = written(
            "core_transfers_status",
            "Back\\slash, \"quotes\"\nand a second line",
            MetricKind::Gauge,
            &[
                (&[("status", "failed")], 3.0),
                (&[("status", "to_send"), ("os", "")], 0.5),
                (&[("status", "a\"b\\c\nd"), ("os", "é{},= ")], -7.0),
                (&[], f64::NAN),
            ],
        );
        assert_eq!(
            text,
            "# HELP core_transfers_status Back\\\\slash, \"quotes\"\\nand a second line\n\
             # TYPE core_transfers_status gauge\n\
             core_transfers_status{status=\"failed\"} 3\n\
             core_transfers_status{status=\"to_send\"} 0.5\n\
             core_transfers_status{status=\"a\\\"b\\\\c\\nd\",os=\"é{},= \"} -7\n\
             core_transfers_status NaN\n"
        );
        assert!(written("a_total", "", MetricKind::Counter, &[]).ends_with("# TYPE a_total counter\n"));
    }

    #[test]
    fn values_have_their_shortest_form() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-42.0, "-42"),
            (0.1, "0.1"),
            (1.0 / 3.0, "0.3333333333333333"),
            (1_700_000_000.25, "1700000000.25"),
            (9_007_199_254_740_991.0, "9007199254740991"),
            (9_007_199_254_740_992.0, "9007199254740992"),
            (1e300, "1e+300"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            let mut out = Vec::new();
            push_value(&mut out, value);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn text_reaches_the_writer_in_pieces_and_a_full_disk_is_reported() {
        #[derive(Debug)]
        struct Full(usize);
        impl Write for Full {
            fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
                self.0 = self.0.checked_sub(piece.len()).ok_or(io::ErrorKind::StorageFull)?;
                Ok(piece.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut encoder = Encoder::new(Full(3 * BUFFER));
        encoder.family("a", "b", MetricKind::Gauge);
        let long = "x".repeat(BUFFER);
        let label = labels(&[("l", &long)]);
        assert!(encoder.sample(label.as_bytes(), 1.0).is_ok());
        assert!(encoder.sample(label.as_bytes(), 1.0).is_ok());
        assert_eq!(
            encoder.sample(label.as_bytes(), 1.0).unwrap_err().kind(),
            io::ErrorKind::StorageFull
        );
    }

    /// Text that tries to break out of its quotes.
    fn hostile() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<String>(),
            "[\\\\\"\n{},= a#]{0,12}",
            Just("\\".to_owned()),
            Just("\\n\n\\\"".to_owned()),
            Just("\"} 1\nfake{a=\"".to_owned()),
            (1_usize..70_000).prop_map(|n| "é".repeat(n)),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(
            help in hostile(),
            samples in prop::collection::vec((hostile(), hostile(), any::<f64>()), 0..5),
        ) {
            let mut encoder = Encoder::new(Vec::new());
            encoder.family("m", &help, MetricKind::Gauge);
            for (a, b, value) in &samples {
                encoder.sample(labels(&[("a", a), ("b", b)]).as_bytes(), *value).unwrap();
            }
            let text = String::from_utf8(encoder.finish().unwrap()).unwrap();
            let read = reading::families(&text);
            prop_assert_eq!(read.len(), 1);
            prop_assert_eq!(&read[0].help, &help);
            prop_assert_eq!(read[0].samples.len(), samples.len());
            for ((a, b, value), (labels, read)) in samples.iter().zip(&read[0].samples) {
                let expected = [("a", a), ("b", b)].into_iter().filter(|(_, v)| !v.is_empty());
                prop_assert_eq!(labels, &expected.map(|(n, v)| (n.to_owned(), v.clone())).collect());
                prop_assert!(read.to_bits() == value.to_bits() || read.is_nan() && value.is_nan());
            }
        }

        #[test]
        fn label_texts_are_the_same_only_if_the_labels_are(
            one in (hostile(), hostile()),
            other in (hostile(), hostile()),
        ) {
            let encode = |(a, b): &(String, String)| labels(&[("a", a), ("b", b)]);
            prop_assert_eq!(encode(&one) == encode(&other), one == other);
        }
    }
}
