//! Samples as lines of a format, and how an answer ends.

use jiff::Timestamp;
use memchr::{memchr, memchr3};

use super::element::{Sample, milliseconds};
use super::format::{Escaping, Format};
use super::names::{Kind, is_classic, push_escaped};
use super::{Broken, Summary};

/// What a series without an instance gets in the text formats, as in Prometheus' own federation: otherwise the scraper
/// would take our address for its instance, also with `honor_labels`.
pub(super) const NO_INSTANCE: &[u8] = br#"instance="""#;

/// Writes samples in one format.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) format: Format,
    /// The samples of an instant query have one time: it is worked out once.
    pub(super) time: Time,
    labels: Vec<u8>,
}

/// The time of the last sample.
#[derive(Debug, Default)]
pub(super) struct Time {
    /// As the answer has it.
    pub(super) given: Vec<u8>,
    /// As the format has it; in the text formats with the space before it and the line feed after it.
    pub(super) written: Vec<u8>,
}

impl Writer {
    pub(super) fn new(format: Format) -> Self {
        Self {
            format,
            time: Time::default(),
            labels: Vec::new(),
        }
    }

    pub(super) fn is_text(&self) -> bool {
        matches!(self.format, Format::Text(_) | Format::OpenMetrics(..))
    }

    /// What stands before the first sample.
    pub(super) fn head(&self, out: &mut Vec<u8>) {
        if self.format == Format::Csv {
            out.extend_from_slice(b"name,labels,time,value\r\n");
        }
    }

    pub(super) fn sample(&mut self, sample: &Sample<'_>, out: &mut Vec<u8>) -> Result<(), Broken> {
        self.set_time(sample.time)?;
        match self.format {
            Format::Text(escaping) | Format::OpenMetrics(_, escaping) => self.text(sample, escaping, out),
            Format::Csv => self.csv(sample, out),
            Format::NdJson => self.ndjson(sample, out),
        }
        Ok(())
    }

    fn set_time(&mut self, given: &str) -> Result<(), Broken> {
        if self.time.given == given.as_bytes() {
            return Ok(());
        }
        let milliseconds = milliseconds(given)?;
        let (seconds, fraction) = (milliseconds / 1000, milliseconds % 1000);
        let written = match self.format {
            Format::Text(_) => format!(" {milliseconds}\n"),
            Format::OpenMetrics(..) if fraction == 0 => format!(" {seconds}\n"),
            Format::OpenMetrics(..) => format!(" {seconds}.{fraction:03}\n"),
            Format::Csv | Format::NdJson => Timestamp::from_millisecond(milliseconds)
                .map_err(|_| Broken::Time)?
                .strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
                .to_string(),
        };
        self.time.given.clear();
        self.time.given.extend_from_slice(given.as_bytes());
        self.time.written = written.into_bytes();
        Ok(())
    }

    fn text(&self, sample: &Sample<'_>, escaping: Escaping, out: &mut Vec<u8>) {
        let quoted = escaping == Escaping::AllowUtf8 && !is_classic(&sample.name, Kind::Metric);
        // A name in quotes stands within the braces.
        let mut separator = b'{';
        if quoted {
            out.push(separator);
            separator = b',';
        }
        push_name(out, &sample.name, Kind::Metric, escaping);
        for (label, value) in &sample.labels {
            out.push(separator);
            separator = b',';
            push_name(out, label, Kind::Label, escaping);
            out.push(b'=');
            push_quoted(out, value);
        }
        if !sample.labels.iter().any(|(label, _)| label == "instance") {
            out.push(separator);
            out.extend_from_slice(NO_INSTANCE);
        }
        out.extend_from_slice(b"} ");
        out.extend_from_slice(sample.value.as_bytes());
        out.extend_from_slice(&self.time.written);
    }

    fn csv(&mut self, sample: &Sample<'_>, out: &mut Vec<u8>) {
        // A spreadsheet takes such a cell for a formula. Labels are safe as JSON, and values are numbers.
        let formula = sample.name.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
        push_cell(out, if formula { b"'" } else { b"" }, sample.name.as_bytes());
        out.push(b',');
        self.labels.clear();
        push_labels(&mut self.labels, sample);
        push_cell(out, b"", &self.labels);
        out.push(b',');
        out.extend_from_slice(&self.time.written);
        out.push(b',');
        out.extend_from_slice(sample.value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }

    fn ndjson(&self, sample: &Sample<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"name":"#);
        push_json(out, &sample.name);
        out.extend_from_slice(br#","labels":"#);
        push_labels(out, sample);
        out.extend_from_slice(br#","time":""#);
        out.extend_from_slice(&self.time.written);
        out.extend_from_slice(br#"","value":"#);
        let quote: &[u8] = if sample.is_finite() { b"" } else { b"\"" };
        for part in [quote, sample.value.as_bytes(), quote, b"}\n"] {
            out.extend_from_slice(part);
        }
    }

    /// What stands after the last sample. The number of samples comes last: it says that the answer is complete.
    pub(super) fn tail(&self, summary: &Summary, out: &mut Vec<u8>) {
        for (name, value) in [
            ("fanlight_federate_histograms_skipped", summary.histograms_skipped),
            ("fanlight_federate_nameless_skipped", summary.nameless_skipped),
            ("fanlight_federate_samples", summary.samples),
        ] {
            let line = match self.format {
                Format::Text(_) | Format::OpenMetrics(..) => format!("# TYPE {name} gauge\n{name} {value}\n"),
                Format::Csv => format!("{name},{{}},,{value}\r\n"),
                Format::NdJson => format!("{{\"name\":\"{name}\",\"labels\":{{}},\"time\":null,\"value\":{value}}}\n"),
            };
            out.extend_from_slice(line.as_bytes());
        }
        if let Format::OpenMetrics(..) = self.format {
            out.extend_from_slice(b"# EOF\n");
        }
    }

    /// What makes an answer invalid that ends with it.
    pub(super) fn broken(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(match self.format {
            // No line may start with an exclamation mark.
            Format::Text(_) | Format::OpenMetrics(..) => b"! the upstream's answer broke off: this is incomplete\n",
            // A quoted field that does not end, where a row has four.
            Format::Csv => b"\"the upstream's answer broke off: this is incomplete\r\n".as_slice(),
            Format::NdJson => b"{\"error\":\"the upstream's answer broke off: this is incomplete\"}\n",
        });
    }
}

fn push_name(out: &mut Vec<u8>, name: &str, kind: Kind, escaping: Escaping) {
    if is_classic(name, kind) {
        out.extend_from_slice(name.as_bytes());
    } else if escaping == Escaping::AllowUtf8 {
        push_quoted(out, name);
    } else {
        push_escaped(out, name, kind, escaping);
    }
}

/// Appends a string of the text formats.
fn push_quoted(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = memchr3(b'\\', b'"', b'\n', rest) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(match rest[at] {
            b'\\' => b"\\\\",
            b'"' => b"\\\"",
            _ => b"\\n",
        });
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Appends a cell in quotes, which do no harm where they are not needed.
fn push_cell(out: &mut Vec<u8>, guard: &[u8], text: &[u8]) {
    out.push(b'"');
    out.extend_from_slice(guard);
    let mut rest = text;
    while let Some(at) = memchr(b'"', rest) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(b"\"\"");
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

fn push_labels(out: &mut Vec<u8>, sample: &Sample<'_>) {
    let mut separator = b'{';
    if sample.labels.is_empty() {
        out.push(separator);
    }
    for (label, value) in &sample.labels {
        out.push(separator);
        separator = b',';
        push_json(out, label);
        out.push(b':');
        push_json(out, value);
    }
    out.push(b'}');
}

fn push_json(out: &mut Vec<u8>, text: &str) {
    // Strings are always valid, and writing to a vector cannot fail.
    _ = serde_json::to_writer(out, text);
}
