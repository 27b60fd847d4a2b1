//! What is wrong with a configuration, where, and what to do: collected as it is found, shown with the text underlined.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::job::Origin;

/// Whether a finding stops a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It works, but not as well as it should.
    Warning,
    /// It does not work, or not as it reads.
    Mistake,
}

/// One finding of `fanlight check`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Whether it stops a deployment.
    pub severity: Severity,
    /// The file, as the user would name it.
    pub file: PathBuf,
    /// The bytes of the file that are wrong; empty where something is missing.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Mistake {
    pub(crate) fn new(file: &Path, span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Mistake,
            file: file.to_owned(),
            span,
            message: message.into(),
            help: None,
        }
    }

    pub(crate) fn warning(file: &Path, span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::new(file, span, message)
        }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Everything found in a configuration, with the texts that it was found in.
#[derive(Debug, Default)]
pub struct Report {
    mistakes: Vec<Mistake>,
    texts: BTreeMap<PathBuf, Text>,
}

/// A file's text, and the bytes of it that may hold a secret and are never shown.
#[derive(Default)]
struct Text {
    text: String,
    secrets: Vec<Range<usize>>,
}

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Text({} bytes)", self.text.len())
    }
}

impl Report {
    /// Adds a finding, once: what several jobs share is found again with each of them.
    pub(crate) fn add(&mut self, mistake: Mistake) {
        if !self.mistakes.contains(&mistake) {
            self.mistakes.push(mistake);
        }
    }

    pub(crate) fn add_text(&mut self, file: &Path, text: &str) {
        self.texts.entry(file.to_owned()).or_default().text = text.to_owned();
    }

    /// Keeps bytes of a file out of everything that is shown: someone wrote a password where a placeholder belongs.
    pub(crate) fn hide(&mut self, file: &Path, span: Range<usize>) {
        self.texts.entry(file.to_owned()).or_default().secrets.push(span);
    }

    /// How many findings there are, to tell later what came since.
    pub(crate) fn count(&self) -> usize {
        self.mistakes.len()
    }

    /// How many findings since `count` stop a deployment.
    pub(crate) fn mistakes_since(&self, count: usize) -> usize {
        self.mistakes[count..]
            .iter()
            .filter(|mistake| mistake.severity == Severity::Mistake)
            .count()
    }

    /// The bytes of a line and column of a query's SQL in the file where it stands: to the end of the word there, or the
    /// SQL's first line when no place is known.
    pub(crate) fn span_in_query(&self, origin: &Origin, sql: &str, at: Option<(usize, usize)>) -> Range<usize> {
        let text = self.texts.get(&origin.file).map_or("", |text| text.text.as_str());
        let (line, column) = at.unwrap_or_else(|| {
            let blank = sql.lines().take_while(|line| line.trim().is_empty()).count();
            (blank + 1, 1)
        });
        let mut lines = text.split_inclusive('\n');
        let begin: usize = lines
            .by_ref()
            .take((origin.line + line).saturating_sub(2))
            .map(str::len)
            .sum();
        let found = lines.next().unwrap_or_default().trim_end();
        let skipped: usize = found
            .chars()
            .take((origin.indent + column).saturating_sub(1))
            .map(char::len_utf8)
            .sum();
        let rest = &found[skipped..];
        let word = rest
            .find(|c: char| !c.is_alphanumeric() && c != '_' && c != '.')
            .unwrap_or(rest.len());
        let length = match at {
            Some(_) => word.max(rest.chars().next().map_or(0, char::len_utf8)),
            None => rest.len(),
        };
        begin + skipped..begin + skipped + length
    }

    /// Everything found, in the order of files and lines.
    pub fn findings(&self) -> impl Iterator<Item = &Mistake> {
        let mut sorted: Vec<_> = self.mistakes.iter().collect();
        sorted.sort_by(|a, b| (&a.file, a.span.start, b.severity).cmp(&(&b.file, b.span.start, a.severity)));
        sorted.into_iter()
    }

    /// How many findings stop a deployment.
    pub fn mistakes(&self) -> usize {
        self.mistakes
            .iter()
            .filter(|mistake| mistake.severity == Severity::Mistake)
            .count()
    }

    /// How many findings do not.
    pub fn warnings(&self) -> usize {
        self.mistakes.len() - self.mistakes()
    }

    /// The line and column, from 1 and in characters, where a finding begins.
    pub fn position(&self, mistake: &Mistake) -> (usize, usize) {
        let text = self.texts.get(&mistake.file).map_or("", |text| text.text.as_str());
        position(text, mistake.span.start)
    }

    /// Every finding with its lines of the file, the wrong part underlined, and what to do.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let mut out = String::new();
        for mistake in self.findings() {
            // Writing into a String does not fail.
            let _ = writeln!(out, "{}\n", self.render_one(&renderer, mistake));
        }
        out
    }

    /// Every finding on a line of its own: `file:line:column: what; what to do`. For logs.
    pub fn summary(&self) -> String {
        let lines = self.findings().map(|mistake| {
            let (line, column) = self.position(mistake);
            let help = mistake
                .help
                .as_ref()
                .map(|help| format!("; {help}"))
                .unwrap_or_default();
            format!("{}:{line}:{column}: {}{help}", mistake.file.display(), mistake.message)
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    fn render_one(&self, renderer: &Renderer, mistake: &Mistake) -> String {
        let level = match mistake.severity {
            Severity::Mistake => Level::ERROR.with_name(Some("mistake")),
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(&mistake.message);
        let path = mistake.file.display().to_string();
        let shown = self.texts.get(&mistake.file).map(Text::shown);
        let mut group: Group<'_> = match &shown {
            Some(text) if !text.is_empty() => {
                let span = visible(text, &mistake.span);
                let snippet = Snippet::source(text.as_str())
                    .path(&path)
                    .annotation(AnnotationKind::Primary.span(span));
                title.element(snippet)
            }
            _ => title.element(annotate_snippets::Origin::path(&path)),
        };
        if let Some(help) = &mistake.help {
            group = group.element(Level::HELP.message(help));
        }
        renderer.render(&[group])
    }
}

impl Text {
    /// The text with every byte of a secret replaced by an asterisk, so that all positions stay true.
    fn shown(&self) -> String {
        let mut bytes = self.text.clone().into_bytes();
        for span in &self.secrets {
            if let Some(secret) = bytes.get_mut(span.clone()) {
                secret.fill(b'*');
            }
        }
        // Only whole characters are hidden, so this replaces nothing.
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// The part of a span that is worth underlining: of a block of many lines the first, and never a half character.
fn visible(text: &str, span: &Range<usize>) -> Range<usize> {
    let boundary = |mut at: usize| {
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let start = boundary(span.start.min(text.len()));
    let end = boundary(span.end.min(text.len())).max(start);
    let first_line = text[start..end].find('\n').map_or(end, |length| start + length);
    start..first_line
}

/// The line and column, from 1 and in characters, of a byte.
pub(crate) fn position(text: &str, at: usize) -> (usize, usize) {
    let before = &text.as_bytes()[..at.min(text.len())];
    let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
    let begin = before
        .iter()
        .rposition(|&byte| byte == b'\n')
        .map_or(0, |newline| newline + 1);
    let column = String::from_utf8_lossy(&before[begin..]).chars().count() + 1;
    (line, column)
}
