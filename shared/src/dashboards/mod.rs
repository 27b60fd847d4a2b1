//! Dashboards as code: what a configuration says of its metrics, alerts and promises becomes Grafana's dashboards, each one page.
//!
//! Nothing here does I/O. [`Service`]s come resolved from the configuration; [`service`], [`functions`] and [`funnel`] decide what
//! is drawn, [`layout`] where, and [`grafana`] is the classic JSON that Grafana imports.

mod build;
mod functions;
mod funnel;
mod grafana;
mod layout;
mod model;
mod name;
mod page;
mod panel;
mod promql;
mod service;
mod slo;
mod thresholds;
mod unit;

pub use build::{About, BuildError, BuiltDashboard, HEAD, SameFile, build};
pub use model::{Drawn, DrawnJob, DrawnLabel, Funnel, Service};

pub(crate) use build::clashes;
pub(crate) use name::{DEFAULT_FOLDER, folder_problem};
