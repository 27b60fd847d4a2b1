//! The files that are built of a configuration's alerts: for each environment and service the rules and their tests.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::alert::Environment;
use super::cases::{self, TestFile};
use super::proof::{self, Unproved};
use super::rules::RuleFile;
use crate::alertmanager;

/// The first line of every file that is built; a file without it is nobody's to overwrite or remove.
pub const HEAD: &str =
    "# Written by `fanlight alerts build` from the configuration: change it there, and run it again.\n";

/// A file to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltFile {
    /// The environment.
    pub environment: String,
    /// Its path below the folder of what is built.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// How many alerts a rule file has; `None` for a file of tests.
    pub alerts: Option<usize>,
    /// How many tests a file of tests has.
    pub tests: usize,
}

/// Why files cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The tests would prove nothing.
    #[error(transparent)]
    Unproved(#[from] Unproved),
    /// A service is called as Fanlight's own is.
    #[error("the file `{0}.yaml` is called as what Fanlight builds of its own: rename it")]
    Taken(&'static str),
    /// They cannot be written as YAML.
    #[error("what is built cannot be written as YAML: {0}")]
    Yaml(#[from] serde_saphyr::ser::Error),
}

/// Builds the rules and tests of environments, in their order.
///
/// # Errors
/// When an alert would be without one of its tests.
pub fn build(environments: &[Environment]) -> Result<Vec<BuiltFile>, BuildError> {
    let mut files = Vec::new();
    for environment in environments {
        for service in &environment.services {
            let rules = RuleFile::of(service);
            let tests = cases::of_service(service);
            proof::prove(service, &rules, &tests)?;
            let rules_name = format!("{}.rules.yaml", service.name);
            let folder = PathBuf::from(&environment.name);
            files.push(BuiltFile {
                environment: environment.name.clone(),
                path: folder.join(&rules_name),
                text: yaml(&rules)?,
                alerts: Some(service.alerts.len()),
                tests: 0,
            });
            // promtool evaluates all rules of a file at one interval.
            let mut by_step: BTreeMap<_, Vec<_>> = BTreeMap::new();
            for test in tests {
                by_step.entry(test.step).or_default().push(test);
            }
            for (step, tests) in by_step {
                let every = if step == 1 { String::new() } else { format!(".{step}m") };
                files.push(BuiltFile {
                    environment: environment.name.clone(),
                    path: folder.join(format!("{}{every}.tests.yaml", service.name)),
                    alerts: None,
                    tests: tests.len(),
                    text: yaml(&TestFile::new(&rules_name, step, tests))?,
                });
            }
        }
        if environment
            .alerting
            .as_ref()
            .is_some_and(|alerting| alerting.watchdog.is_some())
        {
            files.extend(watchdog(environment)?);
        }
    }
    Ok(files)
}

/// The rule that always fires, and its test.
fn watchdog(environment: &Environment) -> Result<[BuiltFile; 2], BuildError> {
    let service = alertmanager::SERVICE;
    if environment.services.iter().any(|other| other.name == service) {
        return Err(BuildError::Taken(service));
    }
    let rules_name = format!("{service}.rules.yaml");
    let folder = PathBuf::from(&environment.name);
    let rules = BuiltFile {
        environment: environment.name.clone(),
        path: folder.join(&rules_name),
        text: format!("{HEAD}{}", alertmanager::watchdog_rules()),
        alerts: Some(1),
        tests: 0,
    };
    let tests = BuiltFile {
        environment: environment.name.clone(),
        path: folder.join(format!("{service}.tests.yaml")),
        text: format!("{HEAD}{}", alertmanager::watchdog_tests(&rules_name)),
        alerts: None,
        tests: 1,
    };
    Ok([rules, tests])
}

fn yaml(file: &impl serde::Serialize) -> Result<String, BuildError> {
    Ok(format!("{HEAD}{}", serde_saphyr::to_string(file)?))
}
