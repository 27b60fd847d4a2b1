//! The configuration: YAML files, one a team, read with the place of every mistake.
//!
//! Text becomes a tree with places (`yaml`), the tree the structs as written (`read`, `document`), and these the jobs as
//! they run (`resolve`, [`job`]). Whatever is wrong on the way is collected in a [`Report`].

mod budget;
mod deployment;
mod document;
mod folder;
pub mod heal;
pub mod job;
mod layers;
pub mod metrics_api;
mod mistake;
mod names;
mod passwords;
mod read;
mod resolve;
#[cfg(test)]
pub(crate) mod sample;
mod schema;
#[cfg(test)]
mod tests;
pub mod yaml;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

pub use document::DurationText as LengthOfTime;
pub use folder::FolderError;
pub use mistake::{Mistake, Report, Severity, position};
pub use names::{label_name_problem, metric_name_problem};
pub use schema::schema;

// What sources read their own parts of the configuration with.
pub(crate) use document::{BasicSpec, Count, DurationText, OffsetText, ParameterSpec, PushgatewaySpec};
pub(crate) use folder::File;
pub(crate) use passwords::mask;
pub(crate) use read::{Entry, Mapping};
pub(crate) use resolve::Scope;

use crate::alertmanager;
use crate::alerts::{self, Environment};
use crate::dashboards::{self, Service as Dashboards};
use crate::placeholders::Provider;
use crate::suggest;
use heal::HealSettings;
use job::{Job, PushgatewaySink};
use metrics_api::MetricsApi;
use resolve::{JobPlace, PlaceholderUse, Resolved};

/// The jobs that can run, and where their placeholders' values come from.
#[derive(Debug, Default)]
pub struct Configuration {
    /// The jobs without mistakes, in the order of files.
    pub jobs: Vec<Job>,
    /// The sinks without mistakes, in the order of their names, those among them that no job uses any more.
    pub sinks: Vec<PushgatewaySink>,
    /// Where the values of declared placeholders come from, by name.
    pub providers: BTreeMap<String, Provider>,
    /// The alerts without mistakes of every environment; none where only what functions need was read.
    pub environments: Vec<Environment>,
    /// What dashboards are drawn from, file by file; none where only what functions need was read.
    pub dashboards: Vec<Dashboards>,
    /// When jobs are healed, where that is declared.
    pub heal: Option<HealSettings>,
    /// The Metrics API, where it is declared.
    metrics_api: Declared,
    /// The names of jobs that have mistakes, or need something that has one.
    left_out: BTreeSet<String>,
}

/// The environment of a function that is told of none.
const DEFAULT_ENVIRONMENT: &str = "prod";

/// What the configuration says of the Metrics API.
#[derive(Debug, Default)]
pub(crate) enum Declared {
    #[default]
    Nothing,
    /// Something that cannot be relied upon.
    Flawed,
    Right(Box<MetricsApi>),
}

/// The Metrics API cannot be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoMetricsApi {
    /// Nobody has configured it.
    #[error("`fanlight.yaml` has no `metrics_api`: say there which upstream is asked and who may call")]
    NotDeclared,
    /// It is not known what was meant.
    #[error("`metrics_api` has a mistake, which `fanlight check` shows; nothing is served until it is mended")]
    Flawed,
}

/// A configuration as it was read, with everything that is wrong with it.
#[derive(Debug)]
pub struct Loaded {
    /// What can run; jobs with mistakes are left out.
    pub configuration: Configuration,
    /// What is wrong.
    pub report: Report,
    /// How many files were read.
    pub files: usize,
    folder: PathBuf,
    placeholders: Vec<PlaceholderUse>,
    places: BTreeMap<String, JobPlace>,
}

/// No job of that name can run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct UnknownJob {
    /// The name asked for.
    pub name: String,
    reason: String,
}

impl Configuration {
    /// The job of a name.
    ///
    /// # Errors
    /// There is none, and the error suggests the nearest name; or it has mistakes.
    pub fn job(&self, name: &str) -> Result<&Job, UnknownJob> {
        self.jobs.iter().find(|job| job.name == name).ok_or_else(|| {
            let names = || self.jobs.iter().map(|job| job.name.as_str());
            let reason = match suggest::closest(name, names()) {
                _ if self.left_out.contains(name) => {
                    format!("the job `{name}` does not run because of a mistake, which `fanlight check` shows")
                }
                Some(near) => format!("there is no job `{name}`; did you mean `{near}`?"),
                None if self.jobs.is_empty() => {
                    format!("there is no job `{name}`; the configuration has no job that can run")
                }
                None => format!(
                    "there is no job `{name}`; the jobs are {}",
                    names().collect::<Vec<_>>().join(", ")
                ),
            };
            UnknownJob {
                name: name.to_owned(),
                reason,
            }
        })
    }

    /// The names of jobs that do not run because of a mistake.
    pub fn left_out(&self) -> impl Iterator<Item = &str> {
        self.left_out.iter().map(String::as_str)
    }

    /// The Metrics API.
    ///
    /// # Errors
    /// It is not declared, or has a mistake: what protects one customer's series from another is never guessed.
    pub fn metrics_api(&self) -> Result<&MetricsApi, NoMetricsApi> {
        match &self.metrics_api {
            Declared::Nothing => Err(NoMetricsApi::NotDeclared),
            Declared::Flawed => Err(NoMetricsApi::Flawed),
            Declared::Right(metrics_api) => Ok(metrics_api),
        }
    }

    /// The most series that the enabled jobs together can push.
    #[must_use]
    pub fn most_series(&self) -> usize {
        self.jobs
            .iter()
            .filter(|job| job.enabled)
            .map(budget::of_job)
            .fold(0, usize::saturating_add)
    }
}

/// The configuration folder of a deployed function: `FANLIGHT_CONFIG`, or where Lambda puts a layer.
#[must_use]
pub fn deployed_folder() -> PathBuf {
    std::env::var_os("FANLIGHT_CONFIG").map_or_else(|| PathBuf::from("/opt/config"), PathBuf::from)
}

/// The dashboards of a deployed function's environment: `FANLIGHT_ENVIRONMENT`, or `prod`, in `FANLIGHT_DASHBOARDS`, or in the
/// folder `dashboards` beside the configuration's, which is where both stand in a layer as in a repository.
#[must_use]
pub fn deployed_dashboards() -> PathBuf {
    let environment = std::env::var_os("FANLIGHT_ENVIRONMENT").filter(|name| !name.is_empty());
    let beside = || deployed_folder().parent().unwrap_or(Path::new("")).join("dashboards");
    let folder = std::env::var_os("FANLIGHT_DASHBOARDS").map_or_else(beside, PathBuf::from);
    folder.join(environment.unwrap_or_else(|| DEFAULT_ENVIRONMENT.into()))
}

/// Reads a folder of YAML files: what functions need of it. Mistakes are reported, not returned as an error: the jobs without
/// mistakes run.
///
/// # Errors
/// The folder cannot be read, or holds no YAML file.
pub fn load(folder: &Path) -> Result<Loaded, FolderError> {
    let mut report = Report::default();
    let files = folder::read(folder, &mut report)?;
    let resolved = resolve::resolve(&files, &mut report);
    Ok(loaded(folder, resolved, Vec::new(), Vec::new(), files.len(), report))
}

/// Reads a folder of YAML files with the alerts of all environments and what dashboards are drawn from. No function needs these,
/// and no mistake in one may keep a job from running.
///
/// # Errors
/// The folder cannot be read, or holds no YAML file.
pub fn load_with_alerts(folder: &Path) -> Result<Loaded, FolderError> {
    let mut report = Report::default();
    let files = folder::read(folder, &mut report)?;
    let names = layers::environments(&files, &mut report);
    let layers = layers::read(folder, &files, &names, &mut report);
    let resolved = resolve::resolve(&files, &mut report);
    let mut environments = resolve::alerts(&files, &layers, names, &resolved, &mut report);
    resolve::alerting(&files, &mut environments, &mut report);
    let dashboards = resolve::dashboards(&files, &environments, &resolved, &mut report);
    Ok(loaded(
        folder,
        resolved,
        environments,
        dashboards,
        files.len() + layers.len(),
        report,
    ))
}

fn loaded(
    folder: &Path,
    resolved: Resolved,
    environments: Vec<Environment>,
    dashboards: Vec<Dashboards>,
    files: usize,
    report: Report,
) -> Loaded {
    Loaded {
        configuration: Configuration {
            jobs: resolved.jobs,
            environments,
            dashboards,
            sinks: resolved.sinks,
            providers: resolved.providers,
            heal: resolved.heal,
            metrics_api: resolved.metrics_api,
            left_out: resolved.left_out,
        },
        report,
        files,
        folder: folder.to_owned(),
        placeholders: resolved.placeholders,
        places: resolved.places,
    }
}

impl Loaded {
    /// What matters before a deployment and not to a run: the series budget, schedules that cannot be deployed, placeholders that
    /// nobody provides, and whatever would keep rules or dashboards from being built. `has_variable` tells whether an environment
    /// variable is set.
    pub fn check(&mut self, has_variable: impl Fn(&str) -> bool) {
        budget::check(&self.configuration, &self.places, &mut self.report);
        self.check_schedules();
        let mut told = BTreeSet::new();
        for PlaceholderUse { name, file, span } in &self.placeholders {
            // One declaration mends all uses, so the first is told.
            if self.configuration.providers.contains_key(name) || has_variable(name) || !told.insert(name) {
                continue;
            }
            let declared = self.configuration.providers.keys().map(String::as_str).take(500);
            let suggestion = suggest::closest(name, declared)
                .map(|near| format!("did you mean `{near}`? Or "))
                .unwrap_or_default();
            let message = format!("nobody provides a value for the placeholder `{name}`");
            let help = format!(
                "{suggestion}declare it under `placeholders` (`{name}: {{env: {name}}}`, or `{{secret: .., field: ..}}`), or \
                 set the environment variable {name}"
            );
            self.report.add(Mistake::new(file, span.clone(), message).help(help));
        }
        self.check_builds();
    }

    /// Builds what `fanlight alerts` and `fanlight dashboards` would. What they refuse should have been found at its place; this tells
    /// of what was not.
    fn check_builds(&mut self) {
        if self.report.mistakes() > 0 {
            // Nothing is built then, and what is left out might be missed.
            return;
        }
        let Configuration {
            environments,
            dashboards,
            ..
        } = &self.configuration;
        let refusals = [
            alerts::build(environments).err().map(|error| error.to_string()),
            alerts::parts(environments).err().map(|error| error.to_string()),
            alertmanager::build(environments).err().map(|error| error.to_string()),
            dashboards::build(environments, dashboards)
                .err()
                .map(|error| error.to_string()),
        ];
        for refusal in refusals.into_iter().flatten() {
            self.report.add(Mistake::new(&self.folder, 0..0, refusal));
        }
    }

    /// Of that, the schedules that cannot be deployed.
    pub fn check_schedules(&mut self) {
        deployment::check(&self.configuration, &self.places, &mut self.report);
    }

    /// Adds a finding about a query, at a line and column of what it asks (both from 1).
    pub fn add_query_finding(
        &mut self,
        query: &job::Query,
        at: Option<(usize, usize)>,
        message: String,
        help: Option<String>,
    ) {
        let sql = query.asked.sql().map_or("", |sql| sql.text.as_str());
        let span = self.report.span_in_query(&query.origin, sql, at);
        let mistake = Mistake::new(&query.origin.file, span, message);
        self.report.add(Mistake { help, ..mistake });
    }
}
