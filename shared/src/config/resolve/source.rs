//! Sources: by name, by URL, or by their settings.

use std::collections::BTreeMap;

use super::{Scope, declarations};
use crate::config::document::SourceSpec;
use crate::config::folder::File;
use crate::config::job::{Kind, Source};
use crate::config::read::{Entry, list};
use crate::sources::SourceSettings;
use crate::suggest;

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
        let source = source.filter(|_| right).map(|Source { kind, .. }| Source {
            name: Some(text.to_owned()),
            kind,
        });
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

fn from_url(scope: &mut Scope<'_>, file: &File, url: &Entry<String>) -> Option<Source> {
    let text = url.get()?;
    let Some((scheme, _)) = text.split_once("://") else {
        let message = "of which kind is this source? The placeholder stands where the URL's scheme should be";
        scope.mistake(file, &url.span, message, |mistake| {
            mistake.help("write `postgres: {url: '{{DATABASE_URL}}'}`, or the URL with placeholders for its parts")
        });
        return None;
    };
    let Some(kind) = Kind::from_url(scope, file, scheme, url) else {
        let schemes: Vec<_> = Kind::schemes().collect();
        let span = file.part(url, &(0..scheme.len()));
        scope.mistake(file, &span, format!("`{scheme}` is not a kind of source"), |mistake| {
            mistake.help(format!("the kinds are {}", schemes.join(", ")))
        });
        return None;
    };
    kind.map(unnamed)
}

fn from_settings(
    scope: &mut Scope<'_>,
    file: &File,
    spec: &Entry<SourceSpec>,
    settings: &SourceSettings,
) -> Option<Source> {
    match settings.given().as_slice() {
        [_] => settings.resolve(scope, file).map(unnamed),
        [] => {
            let message = "the source does not say of which kind it is";
            scope.mistake(file, &spec.span, message, |mistake| {
                mistake.help(format!("give it its settings under {}", list(SourceSettings::KEYS)))
            });
            None
        }
        [_, second, ..] => {
            scope.mistake(file, second, "a source is of one kind", |mistake| {
                mistake.help("remove the other, or declare two sources")
            });
            None
        }
    }
}

fn unnamed(kind: Kind) -> Source {
    Source { name: None, kind }
}
