//! `fanlight import`: configurations of other SQL exporters as ours, and what of them cannot be carried over.

mod connection;
mod document;
mod interval;
mod justwatch;
mod model;
mod mysql;
mod normalise;
mod postgres_exporter;
mod query_exporter;
mod sql;
mod sql_exporter;
mod writer;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use shared::config::yaml::Node;
use shared::schedule::Schedule;

use self::document::{Document, Tree as _};
use self::model::Imported;
use crate::count::count;

pub use self::document::Unreadable;

/// Turns another exporter's configuration into one of Fanlight, and lists what could not be carried over.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The file; collector files that it names are read from beside it
    file: PathBuf,
    /// Whose configuration it is; found out by what stands in it, where it is not said
    #[arg(long, value_enum)]
    from: Option<Format>,
    /// The file to write, instead of standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write the file also where there is one
    #[arg(long, requires = "output")]
    force: bool,
    /// When jobs run that the other exporter runs at each scrape
    #[arg(long, value_name = "CRON", default_value = "* * * * *", value_parser = cron)]
    schedule: String,
}

/// Whose configuration a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// `burningalchemist/sql_exporter`, also a single collector file
    #[value(name = "sql_exporter")]
    SqlExporter,
    /// `justwatchcom/sql_exporter`
    #[value(name = "justwatch")]
    Justwatch,
    /// `albertodonato/query-exporter`
    #[value(name = "query_exporter", alias = "query-exporter")]
    QueryExporter,
    /// `queries.yaml` of `postgres_exporter`
    #[value(name = "postgres_exporter")]
    PostgresExporter,
}

/// Why nothing is imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A file cannot be read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// It is not known whose it is.
    #[error("{}: it is not clear whose configuration this is: say --from {}", .0.display(), NAMES.join(", "))]
    UnknownFormat(PathBuf),
    /// There is nothing in it.
    #[error("{}: there is nothing in it that could be carried over", .0.display())]
    Nothing(PathBuf),
    /// There is such a file already.
    #[error("{} is there already: name another file, or say --force to replace it", .0.display())]
    Exists(PathBuf),
    /// The file cannot be written.
    #[error("{} cannot be written: {source}", path.display())]
    Output {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Why what is written could not be held against the rules.
#[derive(Debug, thiserror::Error)]
enum Unchecked {
    #[error("a temporary file cannot be made: {0}")]
    File(#[from] io::Error),
    #[error(transparent)]
    Folder(#[from] shared::config::FolderError),
}

const NAMES: [&str; 4] = ["sql_exporter", "justwatch", "query_exporter", "postgres_exporter"];

impl Format {
    fn name(self) -> &'static str {
        match self {
            Self::SqlExporter => "burningalchemist's sql_exporter",
            Self::Justwatch => "justwatch's sql_exporter",
            Self::QueryExporter => "query-exporter",
            Self::PostgresExporter => "postgres_exporter",
        }
    }

    fn of(root: &Node) -> Option<Self> {
        [
            (Self::QueryExporter, query_exporter::is_it as fn(&Node) -> bool),
            (Self::SqlExporter, sql_exporter::is_it),
            (Self::Justwatch, justwatch::is_it),
            (Self::PostgresExporter, postgres_exporter::is_it),
        ]
        .into_iter()
        .find_map(|(format, is_it)| is_it(root).then_some(format))
    }
}

/// What holds where a configuration says nothing.
struct Defaults {
    schedule: String,
}

fn cron(text: &str) -> Result<String, String> {
    match Schedule::parse(text, "UTC") {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Runs the command.
///
/// # Errors
/// The file cannot be read, is none of a known kind, or holds nothing; or the other cannot be written.
pub fn run(args: &ImportArgs) -> Result<ExitCode, ImportError> {
    if let Some(path) = args.output.as_ref().filter(|path| !args.force && path.exists()) {
        return Err(ImportError::Exists(path.clone()));
    }
    let document = Document::read(&args.file)?;
    let unknown = || ImportError::UnknownFormat(args.file.clone());
    let format = args.from.or_else(|| Format::of(&document.root)).ok_or_else(unknown)?;
    let (text, mut imported) = import(&document, format, &args.schedule)?;
    imported.notes.sort_by(|a, b| a.place.cmp(&b.place));
    for note in &imported.notes {
        eprintln!("{}: {}", note.place, note.message);
    }
    let shown = args.output.as_deref().unwrap_or(Path::new("standard output"));
    let checked = mistakes(&text);
    if let Err(why) = &checked {
        eprintln!("{}: could not be checked: {why}; run `fanlight check`", shown.display());
    }
    let mistakes = checked.unwrap_or_default();
    for mistake in &mistakes {
        eprintln!("{}:{mistake}", shown.display());
    }
    match &args.output {
        Some(path) => std::fs::write(path, &text).map_err(|source| ImportError::Output {
            path: path.clone(),
            source,
        })?,
        None => print!("{text}"),
    }
    let metrics: usize = imported.jobs.iter().map(|job| job.metrics.len()).sum();
    let written = args.output.as_ref().map(|path| format!(" into {}", path.display()));
    let mended = (!mistakes.is_empty()).then(|| format!(", and {} to be mended", count(mistakes.len(), "mistake")));
    eprintln!(
        "{} and {} of {}{}; {} to be looked at{}",
        count(imported.jobs.len(), "job"),
        count(metrics, "metric"),
        format.name(),
        written.unwrap_or_default(),
        count(imported.notes.len(), "point"),
        mended.unwrap_or_default()
    );
    Ok(ExitCode::SUCCESS)
}

/// The file, and what it was made from.
fn import(document: &Document, format: Format, schedule: &str) -> Result<(String, Imported), ImportError> {
    let defaults = Defaults {
        schedule: schedule.to_owned(),
    };
    let mut imported = Imported::default();
    match format {
        Format::SqlExporter => sql_exporter::read(document, &defaults, &mut imported)?,
        Format::Justwatch => justwatch::read(document, &defaults, &mut imported),
        Format::QueryExporter => query_exporter::read(document, &defaults, &mut imported),
        Format::PostgresExporter => postgres_exporter::read(document, &defaults, &mut imported),
    }
    if imported.jobs.is_empty() {
        for note in &imported.notes {
            eprintln!("{}: {}", note.place, note.message);
        }
        return Err(ImportError::Nothing(document.path().to_owned()));
    }
    let max_series = normalise::normalise(&mut imported);
    let from = format!("{} of {}", file_name(document.path()), format.name());
    Ok((writer::write(&imported, &from, max_series), imported))
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// What `fanlight check` says against a file, but for placeholders that stand elsewhere: `line:column: what`.
fn mistakes(text: &str) -> Result<Vec<String>, Unchecked> {
    let folder = tempfile::Builder::new().prefix("fanlight-import.").tempdir()?;
    let path = folder.path().join("imported.yaml");
    std::fs::write(&path, text)?;
    let mut loaded = shared::config::load(folder.path())?;
    loaded.check(|_| true);
    let report = &loaded.report;
    let of_consequence = report
        .findings()
        .filter(|finding| finding.severity == shared::config::Severity::Mistake);
    let told = of_consequence.map(|finding| {
        let (line, column) = report.position(finding);
        let help = finding
            .help
            .as_ref()
            .map(|help| format!("; {help}"))
            .unwrap_or_default();
        format!("{line}:{column}: {}{help}", finding.message)
    });
    Ok(told.collect())
}

/// The schedule of an interval, or the default where there is none.
fn of_interval(document: &Document, node: Option<&Node>, defaults: &Defaults, imported: &mut Imported) -> String {
    let Some((node, text)) = node.and_then(|node| Some((node, node.text()?))) else {
        return defaults.schedule.clone();
    };
    let place = document.place(&node.span);
    match interval::read(&text) {
        Some(length) if length.is_zero() => defaults.schedule.clone(),
        Some(length) => {
            let (schedule, exactly) = interval::schedule(length);
            if !exactly {
                let message = format!("an interval of {text} is no schedule; it becomes `{schedule}`");
                imported.note(place, message);
            }
            schedule.to_owned()
        }
        None => {
            let message = format!("an interval that cannot be read; it becomes `{}`", defaults.schedule);
            imported.note(place, message);
            defaults.schedule.clone()
        }
    }
}

/// A schedule that is cron already.
fn of_cron(document: &Document, node: &Node, defaults: &Defaults, imported: &mut Imported) -> String {
    let text = node.text().unwrap_or_default();
    match Schedule::parse(&text, "UTC") {
        Ok(_) => text,
        Err(error) => {
            let message = format!("{error}; it becomes `{}`", defaults.schedule);
            imported.note(document.place(&node.span), message);
            defaults.schedule.clone()
        }
    }
}
