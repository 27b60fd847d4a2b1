//! The files that are built: for each environment a folder of dashboards for each of Grafana's folders.

use std::collections::BTreeMap;
use std::fmt;
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
    #[error(transparent)]
    SameFile(#[from] SameFile),
    /// They cannot be written as JSON.
    #[error("the dashboards cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// Two dashboards of the same file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("two dashboards would be `{file}`: that of {one} and that of {other}")]
pub struct SameFile {
    /// The file.
    pub file: String,
    /// What the one is about.
    pub one: About,
    /// What the other is about.
    pub other: About,
}

/// What a dashboard is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// What a service measures.
    Service {
        /// The service.
        service: String,
    },
    /// One of its funnels.
    Funnel {
        /// The service.
        service: String,
        /// The funnel.
        funnel: String,
    },
    /// Fanlight's own functions.
    Functions,
}

impl fmt::Display for About {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service { service } => write!(formatter, "`{service}`"),
            Self::Funnel { service, funnel } => write!(formatter, "the funnel `{funnel}` of `{service}`"),
            Self::Functions => formatter.write_str("Fanlight's functions"),
        }
    }
}

/// Builds the dashboards of environments, in their order.
///
/// # Errors
/// When two of them would have the same file.
pub fn build(environments: &[Environment], services: &[Service]) -> Result<Vec<BuiltDashboard>, BuildError> {
    let mut built = Vec::new();
    for environment in environments {
        let pages = pages(environment, services);
        if let Some(same) = same_files(&pages).into_iter().next() {
            return Err(same.into());
        }
        for (_, page) in pages {
            let path = [&environment.name, &page.folder, &file(&page)].iter().collect();
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

/// The dashboards of an environment that have the same file as one before them.
pub(crate) fn clashes(environment: &Environment, services: &[Service]) -> Vec<SameFile> {
    same_files(&pages(environment, services))
}

fn same_files(pages: &[(About, Page)]) -> Vec<SameFile> {
    let mut seen: BTreeMap<String, &About> = BTreeMap::new();
    let mut same = Vec::new();
    for (about, page) in pages {
        let file = file(page);
        match seen.get(&file) {
            Some(one) => same.push(SameFile {
                file,
                one: (*one).clone(),
                other: about.clone(),
            }),
            None => {
                seen.insert(file, about);
            }
        }
    }
    same
}

/// The name of a dashboard's file, whatever its folder: by that it is served.
fn file(page: &Page) -> String {
    format!("{}.json", name::plain(&page.name))
}

fn pages(environment: &Environment, services: &[Service]) -> Vec<(About, Page)> {
    let mut pages = Vec::new();
    for drawn in services {
        let mut of_service = environment.services.iter();
        let declared = of_service.find(|service| service.name == drawn.name);
        let alerts = declared.map_or(&[][..], |service| &service.alerts);
        let slos = declared.map_or(&[][..], |service| &service.slos);
        let service = || drawn.name.clone();
        let own = service::pages(drawn, alerts, slos).into_iter();
        pages.extend(own.map(|page| (About::Service { service: service() }, page)));
        pages.extend(drawn.funnels.iter().map(|funnel| {
            let about = About::Funnel {
                service: service(),
                funnel: funnel.name.clone(),
            };
            (about, funnel::page(drawn, funnel, alerts))
        }));
    }
    pages.extend(functions::page(services).map(|page| (About::Functions, page)));
    pages
}
