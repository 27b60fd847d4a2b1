//! The files that are built of a configuration's alerts and SLOs: for each environment and service the rules and their tests.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::alert::{Environment, Service};
use super::cases::{self, TestFile, UnitTest};
use super::proof::{self, Unproved};
use super::rules::{RuleFile, STALE};
use crate::{alertmanager, slo};

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
    /// Two of them have the same path.
    #[error("two built files would be `{}`: those of {one} and of {other}; rename a file of the configuration", file.display())]
    SamePath {
        /// The path.
        file: PathBuf,
        /// Whose the one is.
        one: String,
        /// Whose the other is.
        other: String,
    },
    /// They cannot be written as YAML.
    #[error("what is built cannot be written as YAML: {0}")]
    Yaml(#[from] serde_saphyr::ser::Error),
}

/// Builds the rules and tests of environments, in their order.
///
/// # Errors
/// When an alert would be without one of its tests, or two files would have the same path.
pub fn build(environments: &[Environment]) -> Result<Vec<BuiltFile>, BuildError> {
    let mut files = Vec::new();
    for environment in environments {
        let mut writer = Writer::new(&environment.name);
        for service in &environment.services {
            let Rules { alerts, slos } = Rules::of(service);
            let tests = cases::of_service(service);
            let slo_tests: Vec<_> = service.slos.iter().flat_map(slo::of_slo).collect();
            proof::prove(service, [&alerts, &slos], &tests.iter().chain(&slo_tests))?;
            let name = &service.name;
            let mut rule_files = Vec::new();
            if !alerts.is_empty() {
                writer.whose = format!("the alerts of the service `{name}`");
                rule_files.push(writer.rules(name, &alerts, service.alerts.len(), 0)?);
                writer.tests(name, &rule_files, tests)?;
            }
            if !slos.is_empty() {
                writer.whose = format!("the SLOs of the service `{name}`");
                // Those of the service tell when what an SLO reads is stale.
                let name = format!("{name}.slos");
                rule_files.push(writer.rules(&name, &slos, 0, service.slos.len())?);
                writer.tests(&name, &rule_files, slo_tests)?;
            }
        }
        writer.watchdog(environment)?;
        files.extend(writer.files);
    }
    Ok(files)
}

/// The same rules and tests once more, a pair of files for each alert and each SLO with the rules that concern it, and one for those that
/// tell of stale metrics: promtool evaluates all rules that a file of tests names, in each of its tests.
///
/// # Errors
/// As of [`build`].
pub fn parts(environments: &[Environment]) -> Result<Vec<BuiltFile>, BuildError> {
    let mut files = Vec::new();
    for environment in environments {
        let mut writer = Writer::new(&environment.name);
        for service in &environment.services {
            let Rules { alerts, slos } = Rules::of(service);
            let begin = |writer: &mut Writer<'_>, alert: &str| {
                writer.whose = format!("the alert `{alert}` of the service `{}`", service.name);
                format!("{}.{alert}", service.name)
            };
            for alert in &service.alerts {
                let name = begin(&mut writer, &alert.name);
                let own = alerts.only(&alert.name, &alert.subjects, &alert.team);
                let rules = writer.rules(&name, &own, 1, 0)?;
                writer.tests(&name, &[rules], cases::of_alert(alert))?;
            }
            let stale = alerts.only(STALE, &[], "");
            if !stale.is_empty() {
                let name = begin(&mut writer, STALE);
                let rules = writer.rules(&name, &stale, 0, 0)?;
                writer.tests(&name, &[rules], cases::of_stale(service))?;
            }
            for (slo, group) in service.slos.iter().zip(slos.groups) {
                let name = begin(&mut writer, &slo.alert_name());
                let mut own = alerts.only("", &slo.subjects, &slo.team);
                own.groups.push(group);
                let rules = writer.rules(&name, &own, 0, 1)?;
                writer.tests(&name, &[rules], slo::of_slo(slo))?;
            }
        }
        writer.watchdog(environment)?;
        files.extend(writer.files);
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

/// The files of an environment.
struct Writer<'a> {
    environment: &'a str,
    /// What they are about that are written now.
    whose: String,
    /// What each path is about.
    taken: BTreeMap<PathBuf, String>,
    files: Vec<BuiltFile>,
}

impl<'a> Writer<'a> {
    fn new(environment: &'a str) -> Self {
        Self {
            environment,
            whose: String::new(),
            taken: BTreeMap::new(),
            files: Vec::new(),
        }
    }

    /// A file of rules; its name.
    fn rules(&mut self, name: &str, rules: &RuleFile, alerts: usize, slos: usize) -> Result<String, BuildError> {
        let name = format!("{name}.rules.yaml");
        self.write(&name, &serde_saphyr::to_string(rules)?, (Some(alerts), slos, 0))?;
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
            let count = tests.len();
            let file = TestFile::new(rules.to_vec(), step, tests);
            let name = format!("{name}{every}.tests.yaml");
            self.write(&name, &serde_saphyr::to_string(&file)?, (None, 0, count))?;
        }
        Ok(())
    }

    /// The rule that always fires, and its test, where there is a watchdog.
    fn watchdog(&mut self, environment: &Environment) -> Result<(), BuildError> {
        let alerting = environment.alerting.as_ref();
        if alerting.is_none_or(|alerting| alerting.watchdog.is_none()) {
            return Ok(());
        }
        "the watchdog".clone_into(&mut self.whose);
        let [rules, tests] = ["rules", "tests"].map(|what| format!("{}.{what}.yaml", alertmanager::SERVICE));
        self.write(&rules, &alertmanager::watchdog_rules(), (Some(1), 0, 0))?;
        self.write(&tests, &alertmanager::watchdog_tests(&rules), (None, 0, 1))
    }

    fn write(
        &mut self,
        name: &str,
        text: &str,
        (alerts, slos, tests): (Option<usize>, usize, usize),
    ) -> Result<(), BuildError> {
        let path = PathBuf::from(self.environment).join(name);
        if let Some(one) = self.taken.insert(path.clone(), self.whose.clone()) {
            return Err(BuildError::SamePath {
                file: path,
                one,
                other: self.whose.clone(),
            });
        }
        self.files.push(BuiltFile {
            environment: self.environment.to_owned(),
            path,
            text: format!("{HEAD}{text}"),
            alerts,
            slos,
            tests,
        });
        Ok(())
    }
}
