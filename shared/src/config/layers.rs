//! The folders of environments: beside `growth.yaml` the folder `growth` with `common`, `develop`, `prod`, read in that order.

use std::fs;
use std::path::{Path, PathBuf};

use super::folder::{self, File, SHARED_FILE};
use super::mistake::{Mistake, Report};
use super::read::{Entry, list};
use crate::suggest;

/// The folder of what holds in every environment.
pub(crate) const COMMON: &str = "common";
/// The environments where none are named.
const DEFAULT: [&str; 2] = ["develop", "prod"];
/// More files than this in one folder are not a configuration.
const MAX_FILES: usize = 100;

/// A file in the folder of an environment.
#[derive(Debug)]
pub(crate) struct LayerFile {
    /// The service, which is the name of the file beside the folder.
    pub(crate) service: String,
    /// The environment; `None` for what holds in all of them.
    pub(crate) environment: Option<String>,
    pub(crate) file: File,
}

/// The name of a file without its extension: that of the service.
pub(crate) fn service(file: &File) -> String {
    let stem = file.path.file_stem().unwrap_or_default();
    stem.to_string_lossy().into_owned()
}

/// The environments that alerts are built for, in the order in which they are named.
pub(crate) fn environments(files: &[File], report: &mut Report) -> Vec<String> {
    let mut named = None;
    for file in files {
        let Some(entry) = &file.document.environments else {
            continue;
        };
        if !file.is_shared() {
            let message = "`environments` are the same for all teams";
            report.add(Mistake::new(&file.path, entry.span.clone(), message).help("name them in `fanlight.yaml`"));
            continue;
        }
        named = entry.get().map(|names| (file, entry, names));
    }
    let Some((file, entry, names)) = named else {
        return DEFAULT.map(str::to_owned).into();
    };
    let mut environments: Vec<String> = Vec::new();
    for name in names {
        let Some(text) = name.get() else { continue };
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        let problem = if text.is_empty() || !text.chars().all(plain) {
            (
                "the name of an environment is that of a folder: lower-case letters, digits, `-` and `_`".to_owned(),
                "write it as `prod`".to_owned(),
            )
        } else if text == COMMON {
            (
                format!("`{COMMON}` is what holds in every environment"),
                "remove it: it is read for each of the others".to_owned(),
            )
        } else if environments.contains(text) {
            (format!("`{text}` is given twice"), "remove one of them".to_owned())
        } else {
            environments.push(text.clone());
            continue;
        };
        let (problem, help) = problem;
        report.add(Mistake::new(&file.path, name.span.clone(), problem).help(help));
    }
    if names.is_empty() {
        let mistake = Mistake::new(&file.path, entry.span.clone(), "the list of environments is empty");
        let default = DEFAULT.join(", ");
        report.add(mistake.help(format!(
            "write `environments: [{default}]`, which is also what holds without the key, or the names of your own"
        )));
    }
    environments
}

/// Reads the folders of all services; what cannot be read is reported.
pub(crate) fn read(folder: &Path, files: &[File], environments: &[String], report: &mut Report) -> Vec<LayerFile> {
    let services: Vec<String> = files.iter().filter(|file| !file.is_shared()).map(service).collect();
    let known = || environments.iter().map(String::as_str).chain([COMMON]);
    let mut layers = Vec::new();
    for (path, name) in folders(folder) {
        let inside = folders(&path);
        if !services.contains(&name) {
            if let Some((message, help)) = misplaced(&path, &name, &inside, &services, &known()) {
                report.add(Mistake::new(&path, 0..0, message).help(help));
            }
            continue;
        }
        for stray in yaml_files(&path) {
            let mistake = Mistake::new(
                &stray,
                0..0,
                "this file stands in no environment's folder, and is not read",
            );
            report.add(mistake.help(format!("put it into `{COMMON}`, or into the folder of an environment")));
        }
        for (path, layer) in inside {
            let found = yaml_files(&path);
            if !known().any(|known| known == layer) {
                if !found.is_empty() {
                    let message = format!("there is no environment `{layer}`");
                    let help = suggest::closest(&layer, known()).map_or_else(
                        || {
                            format!(
                                "the folders are {}; name others under `environments` in `fanlight.yaml`",
                                list(&known().collect::<Vec<_>>())
                            )
                        },
                        |near| format!("did you mean `{near}`?"),
                    );
                    report.add(Mistake::new(&path, 0..0, message).help(help));
                }
                continue;
            }
            if found.len() > MAX_FILES {
                let message = format!("the folder holds more than {MAX_FILES} files");
                report.add(Mistake::new(&path, 0..0, message));
                continue;
            }
            for path in found {
                let file = folder::read_file(path, report);
                only_alerts(&file, report);
                layers.push(LayerFile {
                    service: name.clone(),
                    environment: (layer != COMMON).then(|| layer.clone()),
                    file,
                });
            }
        }
    }
    layers
}

/// What is wrong with a folder beside the files that is no service's, and what to do; nothing where it is somebody's own, such as one
/// with SQL.
fn misplaced<'a>(
    path: &Path,
    name: &str,
    inside: &[(PathBuf, String)],
    services: &[String],
    environments: &(impl Iterator<Item = &'a str> + Clone),
) -> Option<(String, String)> {
    let service = services.first().map_or("growth", String::as_str);
    if environments.clone().any(|known| known == name) {
        // Of a folder of an environment the files count, or those of a service in it.
        let mut folders = inside.iter().map(|(path, _)| path.as_path());
        let any = !yaml_files(path).is_empty() || folders.any(|path| !yaml_files(path).is_empty());
        let message = format!("the folder `{name}` of an environment stands in no service's, and is not read");
        let help = format!("move what it holds below the service's folder, such as `{service}/{name}/alerts.yaml`");
        return any.then_some((message, help));
    }
    if !inside
        .iter()
        .any(|(_, layer)| environments.clone().any(|known| known == layer))
    {
        return None;
    }
    if Path::new(SHARED_FILE).file_stem().is_some_and(|stem| stem == name) {
        let message = format!("`{SHARED_FILE}` is what all teams share, and has no folder of environments");
        let help = format!(
            "say what differs under `alerting: {{environments: ..}}` in it; alerts and SLOs stand in a service's folder, such as \
             `{service}/prod/alerts.yaml`"
        );
        return Some((message, help));
    }
    let message = format!("there is no service `{name}`: a folder of environments stands beside a file of its name");
    let near = suggest::closest(name, services.iter().map(String::as_str));
    let help = near.map_or_else(
        || format!("add `{name}.yaml`"),
        |near| format!("did you mean `{near}`?"),
    );
    Some((message, help))
}

/// What else a configuration file may hold is the same in every environment.
fn only_alerts(file: &File, report: &mut Report) {
    let document = &file.document;
    let sections = [
        ("job", span(document.job.as_ref())),
        ("jobs", span(document.jobs.as_ref())),
        ("defaults", span(document.defaults.as_ref())),
        ("static_labels", span(document.static_labels.as_ref())),
        ("sources", span(document.sources.as_ref())),
        ("sinks", span(document.sinks.as_ref())),
        ("placeholders", span(document.placeholders.as_ref())),
        ("metrics_api", span(document.metrics_api.as_ref())),
        ("alerting", span(document.alerting.as_ref())),
        ("environments", span(document.environments.as_ref())),
        ("dashboards", span(document.dashboards.as_ref())),
    ];
    for (key, span) in sections {
        if let Some(span) = span {
            let message = format!("`{key}` does not belong into an environment's folder");
            let mistake = Mistake::new(&file.path, span, message);
            report.add(mistake.help(
                "only `alerts` and `slos` differ from one environment to another; put it into the service's own file",
            ));
        }
    }
}

fn span<T>(entry: Option<&Entry<T>>) -> Option<std::ops::Range<usize>> {
    entry.map(|entry| entry.span.clone())
}

/// The folders in a folder, in the order of their names; none where it cannot be read.
fn folders(folder: &Path) -> Vec<(PathBuf, String)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut folders: Vec<_> = entries
        .filter(|entry| entry.path().is_dir())
        .filter_map(|entry| Some((entry.path(), entry.file_name().into_string().ok()?)))
        .filter(|(_, name)| !name.starts_with('.'))
        .collect();
    folders.sort();
    folders
}

/// The YAML files in a folder, in the order of their names.
fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| folder::is_yaml(path))
        .collect();
    files.sort();
    files
}
