//! Sources: databases by name or by URL. A new kind of source adds its line to `KINDS` and its key to `from_settings`.

use std::collections::BTreeMap;

use super::{Scope, declarations};
use crate::config::document::{PostgresSpec, SourceSettings, SourceSpec};
use crate::config::folder::File;
use crate::config::job::{PostgresSource, Source};
use crate::config::mistake::Mistake;
use crate::config::read::Entry;
use crate::postgres::{self, UrlSeverity};
use crate::suggest;

/// A kind of source that a URL can name.
struct Kind {
    schemes: &'static [&'static str],
    from_url: fn(&mut Scope<'_>, &File, &Entry<String>) -> Option<Source>,
}

const KINDS: [Kind; 1] = [Kind {
    schemes: &["postgres", "postgresql"],
    from_url: |scope, file, url| postgres_source(scope, file, url, None).map(Source::Postgres),
}];

pub(super) fn declare<'a>(scope: &mut Scope<'a>, files: &'a [File]) {
    let mut places = BTreeMap::new();
    for (file, name, spec) in declarations(files, |document| &document.sources) {
        let Some(text) = name.value.as_deref() else { continue };
        scope.declare_once(&mut places, "source", file, name);
        let before = scope.report.mistakes_told();
        let source = match spec.get() {
            Some(SourceSpec::Text(url)) if is_url(url) => from_url(scope, file, &text_entry(spec, url)),
            Some(SourceSpec::Text(other)) => {
                if other.contains('@') {
                    // A URL without its scheme, password and all.
                    scope.report.hide(&file.path, spec.span.clone());
                }
                scope.mistake(
                    file,
                    &spec.span,
                    format!("the source `{text}` is not a URL"),
                    |mistake| {
                        mistake.help("write `postgres://{{DB_USERNAME}}:{{DB_PASSWORD}}@{{DB_HOST}}/{{DB_NAME}}`")
                    },
                );
                None
            }
            Some(SourceSpec::Settings(settings)) => from_settings(scope, file, spec, settings),
            None => None,
        };
        let right = spec.problems == 0 && scope.report.mistakes_told() == before;
        let source = source.filter(|_| right).map(|source| named(source, text));
        scope.sources.insert(text, source);
    }
}

/// A job's source: a name, a URL, or settings that stand in the job.
pub(super) fn resolve(scope: &mut Scope<'_>, file: &File, spec: &Entry<SourceSpec>) -> Option<Source> {
    match spec.get()? {
        SourceSpec::Text(url) if is_url(url) => from_url(scope, file, &text_entry(spec, url)),
        SourceSpec::Text(name) => {
            if let Some(declared) = scope.sources.get(name.as_str()) {
                return declared.clone();
            }
            let none = "declare it under `sources`, or write a URL";
            scope.unknown(file, spec.span.clone(), "source", name, |scope| {
                suggest::remedy(name, scope.sources.keys().copied(), "sources", none)
            });
            None
        }
        SourceSpec::Settings(settings) => from_settings(scope, file, spec, settings),
    }
}

/// A URL or a placeholder that holds one; anything else is a name.
fn is_url(text: &str) -> bool {
    text.contains("://") || text.contains("{{")
}

fn text_entry(spec: &Entry<SourceSpec>, text: &str) -> Entry<String> {
    Entry::new(spec.span.clone(), text.to_owned())
}

fn named(source: Source, name: &str) -> Source {
    match source {
        Source::Postgres(postgres) => Source::Postgres(PostgresSource {
            name: Some(name.to_owned()),
            ..postgres
        }),
    }
}

fn from_url(scope: &mut Scope<'_>, file: &File, url: &Entry<String>) -> Option<Source> {
    let text = url.get()?;
    let Some((scheme, _)) = text.split_once("://") else {
        let message = "of which kind is this source? The placeholder stands where the URL's scheme should be";
        scope.mistake(file, &url.span, message, |mistake| {
            mistake.help("write `postgres: {url: '{{DATABASE_URL}}'}`, or the URL with placeholders for its parts")
        });
        return None;
    };
    let Some(kind) = KINDS.iter().find(|kind| kind.schemes.contains(&scheme)) else {
        let schemes: Vec<_> = KINDS.iter().flat_map(|kind| kind.schemes).copied().collect();
        let span = file.part(url, &(0..scheme.len()));
        scope.mistake(file, &span, format!("`{scheme}` is not a kind of source"), |mistake| {
            mistake.help(format!("the kinds are {}", schemes.join(", ")))
        });
        return None;
    };
    (kind.from_url)(scope, file, url)
}

fn from_settings(
    scope: &mut Scope<'_>,
    file: &File,
    spec: &Entry<SourceSpec>,
    settings: &SourceSettings,
) -> Option<Source> {
    let SourceSettings {
        postgres: spec_postgres,
    } = settings;
    let Some(entry) = spec_postgres else {
        scope.mistake(
            file,
            &spec.span,
            "the source does not say of which kind it is",
            |mistake| mistake.help("write `postgres: {url: ..}`"),
        );
        return None;
    };
    let PostgresSpec { url, ca_file } = entry.get()?;
    let Some(url) = url else {
        scope.mistake(file, &entry.span, "a PostgreSQL source needs a `url`", |mistake| {
            mistake.help("add `url: 'postgres://{{DB_USERNAME}}:{{DB_PASSWORD}}@{{DB_HOST}}/{{DB_NAME}}'`")
        });
        return None;
    };
    Some(Source::Postgres(postgres_source(scope, file, url, ca_file.as_ref())?))
}

fn postgres_source(
    scope: &mut Scope<'_>,
    file: &File,
    url: &Entry<String>,
    ca_file: Option<&Entry<String>>,
) -> Option<PostgresSource> {
    let text = url.get()?;
    for finding in postgres::inspect(text) {
        let span = file.part(url, &finding.range);
        scope.report.add(match finding.severity {
            UrlSeverity::Warning => Mistake::warning(&file.path, span, finding.message),
            UrlSeverity::Error => Mistake::new(&file.path, span, finding.message),
        });
    }
    let ca_file = match ca_file {
        Some(entry) => Some(scope.path(file, entry)?),
        None => None,
    };
    Some(PostgresSource {
        name: None,
        url: scope.template(file, url)?,
        ca_file,
    })
}
