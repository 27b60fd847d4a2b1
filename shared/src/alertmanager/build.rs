//! The files of an environment's Alertmanager.

use std::path::PathBuf;

use super::cases::Cases;
use super::configuration::File;
use super::text;
use crate::alerts::{BuildError, BuiltFile, Environment, HEAD};

/// The name of the configuration.
pub const CONFIGURATION: &str = "alertmanager.yml";
/// The name of the templates that it refers to.
pub const TEXT: &str = "alertmanager.tmpl";
/// The name of what amtool has to find in both.
pub const CASES: &str = "alertmanager.cases.yaml";

/// Builds the configuration of each environment that says how its alerts reach people, and the cases that prove it.
///
/// # Errors
/// When they cannot be written as YAML.
pub fn build(environments: &[Environment]) -> Result<Vec<BuiltFile>, BuildError> {
    let mut files = Vec::new();
    for environment in environments {
        let Some(alerting) = &environment.alerting else {
            continue;
        };
        let configuration = serde_saphyr::to_string(&File::new(environment, alerting))?;
        let cases = Cases::of(environment, alerting);
        let texts = [
            (CONFIGURATION, configuration, 0),
            (TEXT, text::templates(&environment.name), 0),
            (
                CASES,
                serde_saphyr::to_string(&cases)?,
                cases.routes.len() + cases.messages.len(),
            ),
        ];
        files.extend(texts.map(|(name, text, tests)| BuiltFile {
            environment: environment.name.clone(),
            path: PathBuf::from(&environment.name).join(name),
            text: format!("{HEAD}{text}"),
            alerts: None,
            slos: 0,
            tests,
        }));
    }
    Ok(files)
}
