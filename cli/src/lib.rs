//! The `fanlight` command as a library: one module a subcommand, and the local runner that the tests share.

// Its macros are for all modules below.
#[macro_use]
pub mod output;

mod age;
pub mod alerts;
mod built;
pub mod check;
mod colour;
mod count;
pub mod dashboards;
pub mod dev;
pub mod enforce;
pub mod heal;
pub mod import;
pub mod invoke;
pub mod metrics_api;
pub mod prune;
pub mod render;
pub mod run;
pub mod runner;
pub mod slo;
pub mod status;
pub mod token;
