//! The files that are built of a configuration's alerts: for each environment and service the rules and their tests.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::alert::Environment;
use super::cases::{self, TestFile};
use super::proof::{self, Unproved};
use super::rules::RuleFile;

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
    /// They cannot be written as YAML.
    #[error("the rules cannot be written as YAML: {0}")]
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
    }
    Ok(files)
}

fn yaml(file: &impl serde::Serialize) -> Result<String, BuildError> {
    Ok(format!("{HEAD}{}", serde_saphyr::to_string(file)?))
}
