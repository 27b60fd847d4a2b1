//! The series that a run has made, read back from the text that the gateway gets.
//!
//! They are written as they stream by and kept as compressed text only; reading them back one by one keeps it so.

use std::io::{self, BufRead, BufReader};

use flate2::bufread::MultiGzDecoder;

use crate::exposition;
use crate::pushgateway::Body;

/// A series and its value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample {
    /// The metric's full name.
    pub(crate) name: String,
    /// Its own labels, none of which is empty, in the order of their names.
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) value: f64,
}

/// The samples of a body, in their order.
pub(crate) struct Samples<'b> {
    text: Box<dyn BufRead + Send + 'b>,
    line: String,
}

impl<'b> Samples<'b> {
    pub(super) fn new(body: &'b Body) -> Self {
        let text: Box<dyn BufRead + Send + 'b> = match body {
            Body::Gzip(members) => Box::new(BufReader::new(MultiGzDecoder::new(members.as_ref()))),
            Body::Plain(text) => Box::new(text.as_ref()),
        };
        Self {
            text,
            line: String::new(),
        }
    }

    /// The next one.
    ///
    /// # Errors
    /// The text is not what the encoder writes.
    pub(crate) fn next(&mut self) -> io::Result<Option<Sample>> {
        loop {
            self.line.clear();
            if self.text.read_line(&mut self.line)? == 0 {
                return Ok(None);
            }
            if self.line.starts_with('#') {
                continue;
            }
            let end = self.line.find(['{', ' ']).unwrap_or(self.line.len());
            let (name, rest) = self.line.split_at(end);
            let Some((labels, value)) = exposition::sample(rest) else {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a line that is no sample"));
            };
            let labels = labels.into_iter().map(|(name, value)| (name.to_owned(), value));
            return Ok(Some(Sample {
                name: name.to_owned(),
                labels: labels.collect(),
                value,
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;
    use crate::config::job::MetricKind;
    use crate::exposition::{Encoder, LabelText};

    fn read(body: &Body) -> Vec<Sample> {
        let mut samples = Samples::new(body);
        std::iter::from_fn(|| samples.next().unwrap()).collect()
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_back_over_all_members(
            series in prop::collection::vec((any::<String>(), "[\\\\\"\n{},= a#é]{0,12}", any::<f64>()), 0..6),
        ) {
            let mut members = Vec::new();
            for (at, (a, b, value)) in series.iter().enumerate() {
                let mut encoder = Encoder::new(Vec::new());
                encoder.family(&format!("m_{at}"), "help {a=\"b\"} 1\n", MetricKind::Gauge);
                let mut labels = LabelText::default();
                labels.push("a", a);
                labels.push("b", b);
                encoder.sample(labels.as_bytes(), *value).unwrap();
                let mut member = GzEncoder::new(Vec::new(), Compression::fast());
                member.write_all(&encoder.finish().unwrap()).unwrap();
                members.extend(member.finish().unwrap());
            }
            let body = if members.is_empty() { Body::Plain(members.into()) } else { Body::Gzip(members.into()) };
            let read = read(&body);
            prop_assert_eq!(read.len(), series.len());
            for (at, (sample, (a, b, value))) in read.iter().zip(&series).enumerate() {
                let labels = [("a", a), ("b", b)].into_iter().filter(|(_, value)| !value.is_empty());
                let labels: Vec<_> = labels.map(|(name, value)| (name.to_owned(), value.clone())).collect();
                prop_assert_eq!(&sample.name, &format!("m_{at}"));
                prop_assert_eq!(&sample.labels, &labels);
                prop_assert!(sample.value.to_bits() == value.to_bits() || sample.value.is_nan() && value.is_nan());
            }
        }
    }
}
