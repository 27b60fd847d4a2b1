//! The files that are built: for each environment a folder of dashboards for each of Grafana's folders.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::model::Service;
use super::page::Page;
use super::{functions, funnel, name, service};
use crate::alerts::Environment;

/// Stands in the description of every dashboard that is built; a file without it is nobody's to overwrite or remove.
pub const HEAD: &str = "Written by `fanlight dashboards build` from the configuration: change it there.";

/// A dashboard to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltDashboard {
    /// The environment.
    pub environment: String,
    /// Its path below the folder of what is built: the environment, Grafana's folder, the file.
    pub path: PathBuf,
    /// Its JSON.
    pub text: String,
    /// How many panels it has.
    pub panels: usize,
}

/// Why dashboards cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Two dashboards have the same file.
    #[error(
        "two dashboards would be `{file}`: those of {one} and of {other}; rename a file of the configuration or a funnel"
    )]
    SameFile {
        /// The file.
        file: String,
        /// What the one is about.
        one: String,
        /// What the other is about.
        other: String,
    },
    /// They cannot be written as JSON.
    #[error("the dashboards cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// Builds the dashboards of environments, in their order.
///
/// # Errors
/// When two of them would have the same file.
pub fn build(environments: &[Environment], services: &[Service]) -> Result<Vec<BuiltDashboard>, BuildError> {
    let mut built = Vec::new();
    for environment in environments {
        let mut seen: BTreeMap<String, String> = BTreeMap::new();
        for page in pages(environment, services) {
            let file = format!("{}.json", name::plain(&page.name));
            if let Some(one) = seen.insert(file.clone(), page.name.clone()) {
                let other = page.name;
                return Err(BuildError::SameFile { file, one, other });
            }
            let path = [&environment.name, &page.folder, &file].iter().collect();
            let panels = page.panels.len();
            let mut text = serde_json::to_string_pretty(&page.dashboard(&environment.name, HEAD))?;
            text.push('\n');
            built.push(BuiltDashboard {
                environment: environment.name.clone(),
                path,
                text,
                panels,
            });
        }
    }
    Ok(built)
}

fn pages(environment: &Environment, services: &[Service]) -> Vec<Page> {
    let mut pages = Vec::new();
    for drawn in services {
        let mut of_service = environment.services.iter();
        let declared = of_service.find(|service| service.name == drawn.name);
        let alerts = declared.map_or(&[][..], |service| &service.alerts);
        let slos = declared.map_or(&[][..], |service| &service.slos);
        pages.extend(service::pages(drawn, alerts, slos));
        pages.extend(drawn.funnels.iter().map(|funnel| funnel::page(drawn, funnel, alerts)));
    }
    pages.extend(functions::page(services));
    pages
}
