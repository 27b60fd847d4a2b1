//! One gauge's values out of all that the gateway holds, in constant memory.

use std::io::{self, Write};
use std::time::Duration;

use flate2::write::MultiGzDecoder;
use memchr::memchr;
use reqwest::RequestBuilder;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING};

use super::error::Attempt;
use super::retry::{Failure, answer};
use crate::exposition::{self, Labels, sample};

/// Lines that are longer are not looked at, in bytes: the gauges that we look for are our own, and theirs are short.
const LONGEST_LINE: usize = 64 * 1024;

/// Reads the gateway's exposition until the scanner has what it wants or nothing more can come.
pub(super) async fn read(
    request: RequestBuilder,
    limit: Duration,
    scanner: Scanner<'_, impl FnMut(&Labels<'_>, f64) -> bool>,
) -> Result<(), Failure> {
    let request = request
        .header(ACCEPT, exposition::CONTENT_TYPE)
        .header(ACCEPT_ENCODING, "gzip");
    let mut response = answer(request, limit).await?;
    let gzip = response
        .headers()
        .get(CONTENT_ENCODING)
        .is_some_and(|encoding| encoding == "gzip");
    let mut text = if gzip {
        Text::Gzip(Box::new(MultiGzDecoder::new(scanner)))
    } else {
        Text::Plain(scanner)
    };
    let broken = |error: io::Error| Attempt::Broken(error.to_string());
    while let Some(chunk) = response.chunk().await.map_err(|error| Attempt::of(&error, limit))? {
        text.write_all(&chunk).map_err(broken)?;
        if text.scanner().done {
            return Ok(());
        }
    }
    text.finish().map_err(broken)?;
    Ok(())
}

/// The answer's body as it comes.
enum Text<S: Write> {
    Gzip(Box<MultiGzDecoder<S>>),
    Plain(S),
}

impl<S: Write> Text<S> {
    fn write_all(&mut self, chunk: &[u8]) -> io::Result<()> {
        match self {
            Self::Gzip(decoder) => decoder.write_all(chunk),
            Self::Plain(scanner) => scanner.write_all(chunk),
        }
    }

    fn scanner(&self) -> &S {
        match self {
            Self::Gzip(decoder) => decoder.get_ref(),
            Self::Plain(scanner) => scanner,
        }
    }

    /// Fails when a compressed body is incomplete.
    fn finish(self) -> io::Result<S> {
        match self {
            Self::Gzip(decoder) => decoder.finish(),
            Self::Plain(scanner) => Ok(scanner),
        }
    }
}

/// Looks for the series of one family in text that comes in pieces.
pub(super) struct Scanner<'a, F> {
    name: &'a str,
    /// Takes each series' labels and value, and says whether it wants more.
    take: F,
    /// The beginning of a line whose end has not come yet.
    line: Vec<u8>,
    /// Whether the line at hand is too long to be looked at.
    skipping: bool,
    /// Whether the family has begun.
    begun: bool,
    /// Whether nothing that follows can matter.
    done: bool,
}

impl<'a, F: FnMut(&Labels<'_>, f64) -> bool> Scanner<'a, F> {
    pub(super) fn new(name: &'a str, take: F) -> Self {
        Self {
            name,
            take,
            line: Vec::new(),
            skipping: false,
            begun: false,
            done: false,
        }
    }

    fn line(&mut self, line: &[u8]) {
        let labels = line
            .strip_prefix(self.name.as_bytes())
            .filter(|rest| matches!(rest.first(), Some(b'{' | b' ')));
        let Some(rest) = labels else {
            // A family's samples stand together.
            self.done |= self.begun;
            return;
        };
        self.begun = true;
        if let Some((labels, value)) = std::str::from_utf8(rest).ok().and_then(sample) {
            self.done = !(self.take)(&labels, value);
        }
    }
}

impl<F: FnMut(&Labels<'_>, f64) -> bool> Write for Scanner<'_, F> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let mut rest = piece;
        while !self.done
            && let Some(end) = memchr(b'\n', rest)
        {
            if self.line.is_empty() && !self.skipping {
                self.line(&rest[..end]);
            } else if !self.skipping {
                let mut line = std::mem::take(&mut self.line);
                line.extend_from_slice(&rest[..end]);
                self.line(&line);
                line.clear();
                self.line = line;
            }
            self.skipping = false;
            rest = &rest[end + 1..];
        }
        if !self.done && !self.skipping {
            self.line.extend_from_slice(rest);
            if self.line.len() > LONGEST_LINE {
                self.line.clear();
                self.skipping = true;
            }
        }
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = concat!(
        "# HELP fanlight_job_scheduled_time_seconds When.\n",
        "# TYPE fanlight_job_scheduled_time_seconds gauge\n",
        "fanlight_job_scheduled_time_seconds{instance=\"\",job=\"a\"} 1.7e+09\n",
        "fanlight_job_scheduled_time_seconds{env=\"x\",instance=\"\",job=\"a\"} 2\n",
        "fanlight_job_scheduled_time_seconds{instance=\"\",job=\"a\\\\b\\\"c\\nd,}=é\"} -3.5\n",
        "fanlight_job_scheduled_time_seconds 4\n",
        "# TYPE fanlight_job_scheduled_time_seconds_more gauge\n",
        "fanlight_job_scheduled_time_seconds_more{job=\"b\"} 5\n",
    );

    fn found<'a>(text: &str, name: &'a str, labels: &[(&'a str, &'a str)], piece: usize) -> (Option<f64>, bool) {
        let mut found = None;
        let wanted: Vec<_> = labels.iter().copied().filter(|(_, value)| !value.is_empty()).collect();
        let mut scanner = Scanner::new(name, |labels, value| {
            let mut labels: Vec<_> = labels.iter().map(|(name, value)| (*name, value.as_str())).collect();
            labels.sort_by_key(|(name, _)| wanted.iter().position(|(wanted, _)| wanted == name));
            if labels == wanted {
                found = Some(value);
            }
            found.is_none()
        });
        for piece in text.as_bytes().chunks(piece) {
            scanner.write_all(piece).unwrap();
        }
        let done = scanner.done;
        (found, done)
    }

    #[test]
    fn exactly_the_series_is_found_in_whatever_pieces_it_comes() {
        let time = "fanlight_job_scheduled_time_seconds";
        for piece in [1, 2, 7, 64, 10_000] {
            for (name, labels, expected) in [
                (time, vec![("job", "a")], (Some(1.7e9), true)),
                (time, vec![("job", "a"), ("env", "x")], (Some(2.0), true)),
                (time, vec![("job", "a"), ("env", "")], (Some(1.7e9), true)),
                (time, vec![("job", "a\\b\"c\nd,}=é")], (Some(-3.5), true)),
                (time, vec![], (Some(4.0), true)),
                (time, vec![("job", "b")], (None, true)),
                (
                    "fanlight_job_scheduled_time_seconds_more",
                    vec![("job", "b")],
                    (Some(5.0), true),
                ),
                ("fanlight", vec![("job", "a")], (None, false)),
            ] {
                assert_eq!(
                    found(TEXT, name, &labels, piece),
                    expected,
                    "{name} {labels:?} in pieces of {piece}"
                );
            }
        }
    }

    #[test]
    fn a_line_without_end_is_not_kept() {
        let mut found = None;
        let mut scanner = Scanner::new("a", |_, value| {
            found = Some(value);
            false
        });
        for _ in 0..100 {
            scanner.write_all("a{b=\"".repeat(1000).as_bytes()).unwrap();
            assert!(scanner.line.capacity() <= 4 * LONGEST_LINE);
        }
        scanner.write_all(b"\"} 1\na 2\n").unwrap();
        assert_eq!(found, Some(2.0));
    }

    #[test]
    fn broken_lines_are_passed_over() {
        for line in [
            "a{",
            "a{b",
            "a{b=\"",
            "a{b=\"c\\",
            "a{b=\"c\"",
            "a{b=\"c\"}",
            "a{b=\"c\"} x",
            "a{b=\"\"x\"} 1",
        ] {
            assert_eq!(
                found(&format!("{line}\na{{b=\"c\"}} 6\n"), "a", &[("b", "c")], 1000),
                (Some(6.0), true),
                "{line}"
            );
        }
    }
}
