//! The files that are built of a configuration's alerts and SLOs: for each environment and service the rules and their tests.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::alert::{Environment, Service};
use super::cases::{self, TestFile, UnitTest};
use super::proof::{self, Unproved};
use super::rules::RuleFile;
use crate::slo;

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
    /// How many alerts a rule file has, those of SLOs apart; `None` for a file of tests.
    pub alerts: Option<usize>,
    /// How many SLOs a rule file has.
    pub slos: usize,
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
        let mut writer = Writer {
            environment: &environment.name,
            files: &mut files,
        };
        for service in &environment.services {
            let Rules { alerts, slos } = Rules::of(service);
            let tests = cases::of_service(service);
            let slo_tests: Vec<_> = service.slos.iter().flat_map(slo::of_slo).collect();
            proof::prove(service, [&alerts, &slos], &tests.iter().chain(&slo_tests))?;
            let name = &service.name;
            let mut rule_files = Vec::new();
            if !alerts.is_empty() {
                rule_files.push(writer.rules(name, &alerts, service.alerts.len(), 0)?);
                writer.tests(name, &rule_files, tests)?;
            }
            if !slos.is_empty() {
                // Those of the service tell when what an SLO reads is stale.
                let name = format!("{name}.slos");
                rule_files.push(writer.rules(&name, &slos, 0, service.slos.len())?);
                writer.tests(&name, &rule_files, slo_tests)?;
            }
        }
    }
    Ok(files)
}

/// The same rules and tests once more, a pair of files for each alert and each SLO with the rules that concern it: promtool evaluates all
/// rules that a file of tests names, in each of its tests.
///
/// # Errors
/// As of [`build`].
pub fn parts(environments: &[Environment]) -> Result<Vec<BuiltFile>, BuildError> {
    let mut files = Vec::new();
    for environment in environments {
        let mut writer = Writer {
            environment: &environment.name,
            files: &mut files,
        };
        for service in &environment.services {
            let Rules { alerts, slos } = Rules::of(service);
            for alert in &service.alerts {
                let name = format!("{}.{}", service.name, alert.name);
                let own = alerts.only(&alert.name, &alert.subjects, &alert.team);
                let rules = writer.rules(&name, &own, 1, 0)?;
                writer.tests(&name, &[rules], cases::of_alert(alert))?;
            }
            for (slo, group) in service.slos.iter().zip(slos.groups) {
                let name = format!("{}.{}", service.name, slo.alert_name());
                let mut own = alerts.only("", &slo.subjects, &slo.team);
                own.groups.push(group);
                let rules = writer.rules(&name, &own, 0, 1)?;
                writer.tests(&name, &[rules], slo::of_slo(slo))?;
            }
        }
    }
    Ok(files)
}

/// The rules of a service.
struct Rules {
    /// Its alerts, and those that tell what is stale.
    alerts: RuleFile,
    /// Its SLOs, a group each.
    slos: RuleFile,
}

impl Rules {
    fn of(service: &Service) -> Self {
        Self {
            alerts: RuleFile::of(service),
            slos: RuleFile {
                groups: service.slos.iter().map(slo::group).collect(),
            },
        }
    }
}

struct Writer<'a> {
    environment: &'a str,
    files: &'a mut Vec<BuiltFile>,
}

impl Writer<'_> {
    /// A file of rules; its name.
    fn rules(&mut self, name: &str, rules: &RuleFile, alerts: usize, slos: usize) -> Result<String, BuildError> {
        let name = format!("{name}.rules.yaml");
        self.files.push(BuiltFile {
            environment: self.environment.to_owned(),
            path: PathBuf::from(self.environment).join(&name),
            text: yaml(rules)?,
            alerts: Some(alerts),
            slos,
            tests: 0,
        });
        Ok(name)
    }

    /// Files of tests, one for each time from one value to the next, since promtool evaluates all rules of a file at one interval.
    fn tests(&mut self, name: &str, rules: &[String], tests: Vec<UnitTest>) -> Result<(), BuildError> {
        let mut by_step: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for test in tests {
            by_step.entry(test.step).or_default().push(test);
        }
        for (step, tests) in by_step {
            let every = if step == 1 { String::new() } else { format!(".{step}m") };
            self.files.push(BuiltFile {
                environment: self.environment.to_owned(),
                path: PathBuf::from(self.environment).join(format!("{name}{every}.tests.yaml")),
                alerts: None,
                slos: 0,
                tests: tests.len(),
                text: yaml(&TestFile::new(rules.to_vec(), step, tests))?,
            });
        }
        Ok(())
    }
}

fn yaml(file: &impl serde::Serialize) -> Result<String, BuildError> {
    Ok(format!("{HEAD}{}", serde_saphyr::to_string(file)?))
}
