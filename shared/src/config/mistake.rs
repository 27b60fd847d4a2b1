//! What is wrong with a configuration, where, and what to do: collected as it is found, shown with the text underlined.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::ops::Range;
use std::path::{Path, PathBuf};

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::job::Origin;
use super::passwords::{self, mask};

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

/// Findings of one file and severity that are kept; of more, only the number is told, so that a hostile file cannot make
/// many long, nor warnings hide mistakes.
const MAX_FINDINGS: usize = 100;
/// A line longer than this is not shown with the finding.
const MAX_SHOWN_LINE: usize = 1_000;

/// Everything found in a configuration, with the texts that it was found in.
#[derive(Debug, Default)]
pub struct Report {
    files: BTreeMap<PathBuf, FileReport>,
    told: usize,
}

/// What was found in a file.
#[derive(Default)]
struct FileReport {
    text: String,
    mistakes: Kept,
    warnings: Kept,
    /// Bytes of the text that may hold a secret and are never shown.
    secrets: Vec<Range<usize>>,
}

/// Findings of one severity.
#[derive(Default)]
struct Kept {
    first: Vec<Mistake>,
    /// Findings beyond the first [`MAX_FINDINGS`], by where they begin and the hash of what they say.
    more: BTreeSet<(usize, u64)>,
}

impl Kept {
    /// Keeps a finding, once: environments and jobs that share a place find it again, though perhaps with another remedy.
    fn add(&mut self, mistake: Mistake) {
        let same = |kept: &Mistake| kept.span == mistake.span && kept.message == mistake.message;
        if self.first.iter().any(same) {
            return;
        }
        if self.first.len() < MAX_FINDINGS {
            self.first.push(mistake);
        } else {
            let mut hasher = DefaultHasher::new();
            mistake.message.hash(&mut hasher);
            self.more.insert((mistake.span.start, hasher.finish()));
        }
    }

    fn len(&self) -> usize {
        self.first.len() + self.more.len()
    }
}

impl std::fmt::Debug for FileReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the text.
        f.debug_list().entries(self.findings()).finish()
    }
}

impl Report {
    /// Adds a finding, once: what several jobs share is found again with each of them.
    pub(crate) fn add(&mut self, mistake: Mistake) {
        self.told += usize::from(mistake.severity == Severity::Mistake);
        let mistake = Mistake {
            message: mask(&mistake.message),
            help: mistake.help.as_deref().map(mask),
            ..mistake
        };
        let file = self.files.entry(mistake.file.clone()).or_default();
        match mistake.severity {
            Severity::Mistake => file.mistakes.add(mistake),
            Severity::Warning => file.warnings.add(mistake),
        }
    }

    /// Whether a file has so many mistakes that more are only counted: then there is no use in thinking of a remedy.
    pub(crate) fn is_full(&self, file: &Path) -> bool {
        self.files
            .get(file)
            .is_some_and(|file| file.mistakes.first.len() >= MAX_FINDINGS)
    }

    pub(crate) fn add_text(&mut self, file: &Path, text: &str) {
        self.files.entry(file.to_owned()).or_default().text = text.to_owned();
    }

    /// Keeps bytes of a file, save placeholders, out of everything that is shown: someone wrote a secret where a
    /// placeholder belongs. What [`passwords::passwords`] finds need not be named.
    pub(crate) fn hide(&mut self, file: &Path, span: Range<usize>) {
        self.files.entry(file.to_owned()).or_default().secrets.push(span);
    }

    /// How often a mistake was told, those included that had been told before: that two jobs share one makes neither
    /// of them right.
    pub(crate) fn mistakes_told(&self) -> usize {
        self.told
    }

    /// The bytes of a line and column of a query's SQL in the file where it stands: to the end of the word there, or the
    /// SQL's first line when no place is known.
    pub(crate) fn span_in_query(&self, origin: &Origin, sql: &str, at: Option<(usize, usize)>) -> Range<usize> {
        let text = self.text(&origin.file);
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

    fn text(&self, file: &Path) -> &str {
        self.files.get(file).map_or("", |file| file.text.as_str())
    }

    /// Everything found, in the order of files and lines; of a file with very much wrong in it, the first findings.
    pub fn findings(&self) -> impl Iterator<Item = &Mistake> {
        let mut sorted: Vec<_> = self.files.values().flat_map(FileReport::findings).collect();
        sorted.sort_by(|a, b| (&a.file, a.span.start, b.severity).cmp(&(&b.file, b.span.start, a.severity)));
        sorted.into_iter()
    }

    /// How many findings stop a deployment.
    pub fn mistakes(&self) -> usize {
        self.files.values().map(|file| file.mistakes.len()).sum()
    }

    /// How many findings do not.
    pub fn warnings(&self) -> usize {
        self.files.values().map(|file| file.warnings.len()).sum()
    }

    /// The files with more wrong in them than is shown, and how much more.
    fn uncounted(&self) -> impl Iterator<Item = String> {
        self.files.iter().flat_map(|(path, file)| {
            [(&file.mistakes, "mistakes"), (&file.warnings, "warnings")]
                .into_iter()
                .filter(|(kept, _)| !kept.more.is_empty())
                .map(move |(kept, what)| format!("{}: and {} more {what}", path.display(), kept.more.len()))
        })
    }

    /// The line and column, from 1 and in characters, where a finding begins.
    pub fn position(&self, mistake: &Mistake) -> (usize, usize) {
        position(self.text(&mistake.file), mistake.span.start)
    }

    /// Every finding with its lines of the file, the wrong part underlined, and what to do.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let mut out = String::new();
        for mistake in self.findings() {
            // Writing into a String does not fail.
            let _ = writeln!(out, "{}\n", self.render_one(&renderer, mistake));
        }
        for line in self.uncounted() {
            let _ = writeln!(out, "{line}\n");
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
        lines.chain(self.uncounted()).collect::<Vec<_>>().join("\n")
    }

    fn render_one(&self, renderer: &Renderer, mistake: &Mistake) -> String {
        let level = match mistake.severity {
            Severity::Mistake => Level::ERROR.with_name(Some("mistake")),
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(&mistake.message);
        let path = mistake.file.display().to_string();
        let (line, column) = self.position(mistake);
        let shown = self.files.get(&mistake.file).and_then(|file| file.line(&mistake.span));
        let mut group: Group<'_> = match &shown {
            Some((text, span)) => {
                let annotation = AnnotationKind::Primary.span(span.clone());
                title.element(
                    Snippet::source(text.as_str())
                        .path(&path)
                        .line_start(line)
                        .annotation(annotation),
                )
            }
            None => title.element(annotate_snippets::Origin::path(&path).line(line).char_column(column)),
        };
        if let Some(help) = &mistake.help {
            group = group.element(Level::HELP.message(help));
        }
        renderer.render(&[group])
    }
}

impl FileReport {
    fn findings(&self) -> impl Iterator<Item = &Mistake> {
        self.mistakes.first.iter().chain(&self.warnings.first)
    }

    /// The line where a span begins, and the part of it that is worth underlining: of a block of many lines the first.
    /// Bytes of a secret are asterisks, so that all positions stay true.
    fn line(&self, span: &Range<usize>) -> Option<(String, Range<usize>)> {
        let text = self.text.as_bytes();
        let start = span.start.min(text.len());
        let begin = text[..start]
            .iter()
            .rposition(|&byte| byte == b'\n')
            .map_or(0, |newline| newline + 1);
        let length = text[begin..]
            .iter()
            .position(|&byte| byte == b'\n')
            .unwrap_or(text.len() - begin);
        if text.is_empty() || length > MAX_SHOWN_LINE {
            return None;
        }
        let line = &self.text[begin..begin + length];
        let boundary = |at: usize| line.floor_char_boundary(at.clamp(begin, begin + length) - begin);
        let mut masked = line.as_bytes().to_vec();
        let is_here = |secret: &&Range<usize>| secret.start < begin + length && secret.end > begin;
        let told = self.secrets.iter().filter(is_here).flat_map(|secret| {
            let from = boundary(secret.start);
            passwords::without_placeholders(line, from..boundary(secret.end).max(from))
        });
        for secret in told.chain(passwords::passwords(line)) {
            masked[secret].fill(b'*');
        }
        // Only whole characters are hidden, so this replaces nothing.
        let line = String::from_utf8_lossy(&masked).into_owned();
        let boundary = |at: usize| line.floor_char_boundary(at.clamp(begin, begin + length) - begin);
        let shown = boundary(start)..boundary(span.end).max(boundary(start));
        Some((line, shown))
    }
}

/// The line and column, from 1 and in characters, of a byte.
#[must_use]
pub fn position(text: &str, at: usize) -> (usize, usize) {
    let before = &text.as_bytes()[..at.min(text.len())];
    let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
    let begin = before
        .iter()
        .rposition(|&byte| byte == b'\n')
        .map_or(0, |newline| newline + 1);
    let column = String::from_utf8_lossy(&before[begin..]).chars().count() + 1;
    (line, column)
}
