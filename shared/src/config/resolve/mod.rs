//! From the files as written to jobs as they run: names looked up, defaults applied, and every mistake told.
//!
//! A job with a mistake is left out, so that one team's mistake does not keep another team's jobs from running. So is
//! every job that would get something from a place with a mistake: its file's or the shared file's defaults and labels,
//! its source, its sink, a placeholder. Without them it would run as nobody has written it.

mod alerting;
mod alerts;
mod dashboards;
mod heal;
mod job;
mod metric;
mod metrics_api;
mod query;
mod sink;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;

use super::Declared;
use super::document::{BasicSpec, Defaults, Document, ProviderSpec};
use super::folder::File;
use super::heal::HealSettings;
use super::job::{Job, PushgatewaySink, Source};
use super::mistake::{Mistake, Report};
use super::read::{Entry, Mapping};
use crate::placeholders::{Provider, Template};
use crate::sinks;

pub(crate) use alerting::resolve as alerting;
pub(crate) use alerts::resolve as alerts;
pub(crate) use dashboards::resolve as dashboards;
pub(crate) use metric::most_series;

/// Headers that this client sets by itself, or that say where a message ends or to whom it goes.
const OWN_HEADERS: [&str; 9] = [
    "accept",
    "accept-encoding",
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "host",
    "te",
    "transfer-encoding",
];

/// What the files come to.
#[derive(Debug, Default)]
pub(crate) struct Resolved {
    pub(crate) jobs: Vec<Job>,
    pub(crate) sinks: Vec<PushgatewaySink>,
    pub(crate) providers: BTreeMap<String, Provider>,
    pub(crate) metrics_api: Declared,
    pub(crate) heal: Option<HealSettings>,
    /// The names of jobs that do not run.
    pub(crate) left_out: BTreeSet<String>,
    pub(crate) placeholders: Vec<PlaceholderUse>,
    pub(crate) places: BTreeMap<String, JobPlace>,
}

/// A placeholder, and where it is used.
#[derive(Debug)]
pub(crate) struct PlaceholderUse {
    pub(crate) name: String,
    pub(crate) file: std::path::PathBuf,
    pub(crate) span: Range<usize>,
}

/// Where a job stands.
#[derive(Debug)]
pub(crate) struct JobPlace {
    pub(crate) file: std::path::PathBuf,
    pub(crate) name: Range<usize>,
    /// The schedule's text without its quotes.
    pub(crate) schedule: Range<usize>,
}

pub(crate) fn resolve(files: &[File], report: &mut Report) -> Resolved {
    let mut scope = Scope::new(files, report);
    let shared_is_flawed = files.iter().any(|file| file.is_shared() && file.flawed);
    let mut jobs: Vec<Job> = Vec::new();
    let mut left_out = BTreeSet::new();
    let mut places = BTreeMap::new();
    let mut names: BTreeMap<&str, Place<'_>> = BTreeMap::new();
    let mut families = metric::Families::default();
    for file in files {
        let defaults = scope.defaults(file);
        let document = &file.document;
        if let (Some(_), Some(second)) = (&document.job, &document.jobs) {
            let mistake = Mistake::new(
                &file.path,
                second.span.clone(),
                "`job` and `jobs` are the same key, given twice",
            );
            scope
                .report
                .add(mistake.help("put all jobs of the file under one of them"));
        }
        let runs = !file.flawed && !shared_is_flawed;
        for entry in document.jobs() {
            let before = scope.report.mistakes_told();
            let Some(spec) = entry.get() else { continue };
            if let Some(name) = &spec.name
                && let Some(text) = name.get()
            {
                let place = Place {
                    file,
                    span: name.span.clone(),
                };
                if let Some(first) = names.insert(text, place) {
                    scope.mistake(
                        file,
                        &name.span,
                        format!("the job `{text}` is declared a second time"),
                        |mistake| mistake.help(format!("the first stands at {}; rename one of them", first.position())),
                    );
                }
            }
            let job = job::resolve(&mut scope, file, &defaults, spec, &entry.span, &mut families);
            if let Some(job) = job
                && runs
                && entry.problems == spec.problems_beside_metrics()
                && scope.report.mistakes_told() == before
            {
                let span = spec.name.as_ref().map_or(0..0, |name| name.span.clone());
                let whole = 0..job.schedule.expression().len();
                places.insert(
                    job.name.clone(),
                    JobPlace {
                        file: file.path.clone(),
                        name: span,
                        schedule: spec.schedule.as_ref().map_or(0..0, |entry| file.part(entry, &whole)),
                    },
                );
                jobs.push(job);
            } else if let Some(name) = spec.name.as_ref().and_then(Entry::get) {
                left_out.insert(name.clone());
            }
        }
    }
    families.check(scope.report);
    let metrics_api = metrics_api::resolve(&mut scope, files);
    let heal = heal::resolve(&mut scope, files);
    Resolved {
        jobs,
        sinks: sink::all(&scope),
        metrics_api,
        heal,
        providers: scope.providers,
        left_out,
        placeholders: scope.placeholders,
        places,
    }
}

/// A place in a file.
#[derive(Clone)]
pub(crate) struct Place<'a> {
    file: &'a File,
    span: Range<usize>,
}

impl Place<'_> {
    fn position(&self) -> String {
        let (line, column) = super::mistake::position(&self.file.text, self.span.start);
        format!("{}:{line}:{column}", self.file.path.display())
    }
}

/// What is known while jobs are resolved: the names that all files share, and what has been found so far.
pub(crate) struct Scope<'a> {
    report: &'a mut Report,
    shared: Option<&'a File>,
    /// Declared sources; `None` where one has a mistake, which has been told.
    sources: BTreeMap<&'a str, Option<Source>>,
    /// Declared Pushgateways, likewise.
    sinks: BTreeMap<&'a str, Option<PushgatewaySink>>,
    /// Declared sinks of any other kind, likewise.
    further_sinks: BTreeMap<&'a str, Option<sinks::Sink>>,
    providers: BTreeMap<String, Provider>,
    /// Declared placeholders with a mistake.
    broken_providers: BTreeSet<&'a str>,
    placeholders: Vec<PlaceholderUse>,
}

impl<'a> Scope<'a> {
    fn new(files: &'a [File], report: &'a mut Report) -> Self {
        let shared = files.iter().find(|file| file.is_shared());
        let mut scope = Self {
            report,
            shared,
            sources: BTreeMap::new(),
            sinks: BTreeMap::new(),
            further_sinks: BTreeMap::new(),
            providers: BTreeMap::new(),
            broken_providers: BTreeSet::new(),
            placeholders: Vec::new(),
        };
        scope.declare_providers(files);
        source::declare(&mut scope, files);
        sink::declare(&mut scope, files);
        scope
    }

    /// Tells a finding.
    pub(crate) fn report(&mut self, finding: Mistake) {
        self.report.add(finding);
    }

    /// Tells a mistake at a place; `complete` adds its remedy.
    pub(crate) fn mistake(
        &mut self,
        file: &File,
        span: &Range<usize>,
        message: impl Into<String>,
        complete: impl FnOnce(Mistake) -> Mistake,
    ) {
        let mistake = Mistake::new(&file.path, span.clone(), message);
        // A remedy may take a while to think of, and of a hostile file's thousand mistakes only the first are shown.
        let mistake = if self.report.is_full(&file.path) {
            mistake
        } else {
            complete(mistake)
        };
        self.report.add(mistake);
    }

    /// Tells a name that is not declared; never one that is a URL or the like, which may hold a password.
    pub(crate) fn unknown(
        &mut self,
        file: &File,
        span: Range<usize>,
        what: &str,
        name: &str,
        remedy: impl FnOnce(&Self) -> String,
    ) {
        let message = if name.contains("://") || name.contains('@') {
            self.report.hide(&file.path, span.clone());
            format!("the name of a {what} is expected here, and this is none")
        } else {
            format!("there is no {what} `{name}`")
        };
        let mistake = Mistake::new(&file.path, span, message);
        let mistake = if self.report.is_full(&file.path) {
            mistake
        } else {
            mistake.help(remedy(self))
        };
        self.report.add(mistake);
    }

    fn declare_providers(&mut self, files: &'a [File]) {
        let mut places = BTreeMap::new();
        for (file, name, spec) in declarations(files, |document| &document.placeholders) {
            let Some(text) = name.value.as_deref() else { continue };
            match self.provider(file, spec, name) {
                Some(provider) if spec.problems == 0 => {
                    self.declare_once(&mut places, "placeholder", file, name);
                    self.providers.insert(text.to_owned(), provider);
                }
                _ => {
                    self.broken_providers.insert(text);
                }
            }
        }
    }

    fn provider(&mut self, file: &File, spec: &Entry<ProviderSpec>, name: &Entry<String>) -> Option<Provider> {
        let ProviderSpec { env, secret, field } = spec.get()?;
        match (env, secret, field) {
            (Some(variable), None, None) => Some(Provider::Environment {
                variable: variable.get()?.clone(),
            }),
            (None, Some(secret), field) => {
                let field = field
                    .as_ref()
                    .map(|field| field.get().cloned().ok_or(()))
                    .transpose()
                    .ok()?;
                Some(Provider::Secret {
                    id: secret.get()?.clone(),
                    field,
                })
            }
            _ => {
                let name = name.value.as_deref().unwrap_or_default();
                let message = format!("the placeholder `{name}` needs either `env` or `secret`");
                self.mistake(file, &spec.span, message, |mistake| {
                    mistake.help("say `env: VARIABLE`, or `secret: NAME` and the `field` of a JSON secret")
                });
                None
            }
        }
    }

    /// Notes a name that all files share; a second declaration is a mistake.
    fn declare_once(
        &mut self,
        places: &mut BTreeMap<&'a str, Place<'a>>,
        what: &str,
        file: &'a File,
        name: &'a Entry<String>,
    ) {
        let Some(text) = name.value.as_deref() else { return };
        if let Some(first) = places.insert(
            text,
            Place {
                file,
                span: name.span.clone(),
            },
        ) {
            self.mistake(
                file,
                &name.span,
                format!("the {what} `{text}` is declared a second time"),
                |mistake| mistake.help(format!("the first stands at {}; rename one of them", first.position())),
            );
        }
    }

    /// The defaults that hold in a file, the nearest first, each with the file that says so.
    fn defaults(&self, file: &'a File) -> Vec<(&'a File, &'a Defaults)> {
        let own = (!file.is_shared()).then_some(file);
        let files = own.into_iter().chain(self.shared);
        files
            .filter_map(|file| Some((file, file.document.defaults.as_ref()?.get()?)))
            .collect()
    }

    /// Text with placeholders; each is noted, so that `check` can tell those that nobody provides.
    pub(crate) fn template(&mut self, file: &File, entry: &Entry<String>) -> Option<Template> {
        let text = entry.get()?;
        match Template::parse(text) {
            // Its value would come from the environment, where nobody has said that it does.
            Ok(template) if template.names().any(|name| self.broken_providers.contains(name)) => None,
            Ok(template) => {
                for placeholder in template.placeholders() {
                    self.placeholders.push(PlaceholderUse {
                        name: placeholder.name.clone(),
                        file: file.path.clone(),
                        span: file.part(entry, &placeholder.range),
                    });
                }
                Some(template)
            }
            Err(error) => {
                let span = file.part(entry, &error.range);
                self.mistake(file, &span, error.to_string(), |mistake| mistake);
                None
            }
        }
    }

    /// Like [`Self::template`], for a value that is a secret: what stands there literally is kept out of every message.
    pub(crate) fn secret(&mut self, file: &File, entry: &Entry<String>, what: &str) -> Option<Template> {
        let template = self.template(file, entry)?;
        if template.names().next().is_none() {
            self.report.hide(&file.path, entry.span.clone());
            let warning = Mistake::warning(
                &file.path,
                entry.span.clone(),
                format!("{what} stands in the file in clear text"),
            );
            self.report
                .add(warning.help("put a placeholder there and its value into AWS Secrets Manager"));
        }
        Some(template)
    }

    /// Both parts of basic authentication, which must both be there.
    pub(crate) fn basic(&mut self, file: &File, entry: &Entry<BasicSpec>) -> Option<(Template, Template)> {
        let BasicSpec { username, password } = entry.get()?;
        let (Some(username), Some(password)) = (username, password) else {
            let message = "basic authentication needs `username` and `password`";
            self.mistake(file, &entry.span, message, |mistake| mistake);
            return None;
        };
        let username = self.template(file, username)?;
        Some((username, self.secret(file, password, "the password")?))
    }

    /// Headers with fixed values: in lower case, in the order of their names, none that the client sets by itself.
    pub(crate) fn headers(
        &mut self,
        file: &File,
        entry: Option<&Entry<Mapping<String>>>,
    ) -> Option<Vec<(String, Template)>> {
        let Some(entry) = entry else { return Some(Vec::new()) };
        let Mapping(entries) = entry.get()?;
        let mut headers = BTreeMap::new();
        for (name, value) in entries {
            let written = name.get()?;
            let lower = written.to_ascii_lowercase();
            if http::HeaderName::from_bytes(lower.as_bytes()).is_err() {
                let message = format!("`{written}` cannot be a header's name");
                self.mistake(file, &name.span, message, |mistake| mistake);
            } else if OWN_HEADERS.contains(&lower.as_str()) {
                self.report.hide(&file.path, value.span.clone());
                let message = format!("the header `{written}` is not for the configuration to set");
                self.mistake(file, &name.span, message, |mistake| {
                    mistake.help(
                        "credentials go into keys of their own, such as `basic`; the rest the client says by itself",
                    )
                });
            }
            let value = self.template(file, value)?;
            if headers.insert(lower, value).is_some() {
                let message = format!("the header `{written}` is given twice");
                self.mistake(file, &name.span, message, |mistake| mistake);
            }
        }
        Some(headers.into_iter().collect())
    }

    /// Tells what is wrong with a URL that something is to be appended to; `what` is its subject in a sentence.
    pub(crate) fn check_http_url(&mut self, file: &File, url: &Entry<String>, what: &str) {
        let Some(text) = url.get() else { return };
        let http = text.starts_with("http://") || text.starts_with("https://");
        if !http && !text.trim_start().starts_with("{{") {
            let message = format!("{what} begins with `http://` or `https://`");
            self.mistake(file, &url.span, message, |mistake| mistake);
        } else if text.contains('@') {
            self.report.hide(&file.path, url.span.clone());
            self.mistake(file, &url.span, "credentials do not belong into the URL", |mistake| {
                mistake.help("use `basic: {username: .., password: ..}` or `bearer`, with placeholders")
            });
        } else if text.contains(['?', '#']) {
            let message = format!("{what} has no query and no fragment");
            self.mistake(file, &url.span, message, |mistake| mistake);
        }
    }

    /// Like [`Self::path`], where a file may be named; `None` for a mistake.
    #[expect(clippy::option_option, reason = "the outer one is whether to go on")]
    pub(crate) fn optional_path(
        &mut self,
        file: &File,
        entry: Option<&Entry<String>>,
    ) -> Option<Option<std::path::PathBuf>> {
        match entry {
            Some(entry) => self.path(file, entry).map(Some),
            None => Some(None),
        }
    }

    /// A file named in the configuration, which must lie in the configuration's folder: the folder is what is deployed.
    fn path(&mut self, file: &File, entry: &Entry<String>) -> Option<std::path::PathBuf> {
        let name = entry.get()?;
        let inside = Path::new(name).components().all(|component| {
            matches!(
                component,
                std::path::Component::Normal(_) | std::path::Component::CurDir
            )
        });
        if !inside || name.is_empty() {
            self.mistake(
                file,
                &entry.span,
                format!("`{name}` lies outside of the configuration folder"),
                |mistake| mistake.help("name a file beside this one or below it: only the folder is deployed"),
            );
            return None;
        }
        let path = file.path.parent().unwrap_or(Path::new(".")).join(name);
        if !path.is_file() {
            self.mistake(
                file,
                &entry.span,
                format!("there is no file {}", path.display()),
                |mistake| mistake.help("a file is named relative to the one that names it"),
            );
            return None;
        }
        Some(path)
    }
}

/// The declarations of one kind in all files.
fn declarations<'a, T: 'a>(
    files: &'a [File],
    section: impl Fn(&'a Document) -> &'a Option<Entry<Mapping<T>>>,
) -> impl Iterator<Item = (&'a File, &'a Entry<String>, &'a Entry<T>)> {
    files.iter().flat_map(move |file| {
        let mapping = section(&file.document).as_ref().and_then(Entry::get);
        mapping
            .into_iter()
            .flat_map(move |Mapping(entries)| entries.iter().map(move |(name, value)| (file, name, value)))
    })
}

/// Where to tell of something missing: at the value that names its owner, or where the owner begins.
fn span_or_start<T>(entry: Option<&Entry<T>>, owner: &Range<usize>) -> Range<usize> {
    entry.map_or(owner.start..owner.start, |entry| entry.span.clone())
}

/// The first of several layers that says something.
fn first<'a, T>(layers: impl IntoIterator<Item = Option<&'a Entry<T>>>) -> Option<&'a T> {
    layers.into_iter().flatten().find_map(Entry::get)
}
