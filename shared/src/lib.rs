//! What Fanlight's functions and its command have in common, one module a concern.
//!
//! Pure logic (configuration, schedules, assembly of series, exposition) knows nothing of networks; the modules that
//! talk to PostgreSQL, AWS and the Pushgateway know nothing of one another; [`collect`] is where they meet.

pub mod alertmanager;
pub mod alerts;
pub mod allocator;
pub mod assembly;
pub mod authorization;
mod aws;
mod backoff;
mod cloudwatch;
pub mod collect;
pub mod compression;
pub mod config;
pub mod dashboards;
pub mod database;
mod endpoint;
pub mod envelope;
pub mod event;
pub mod exposition;
pub mod logging;
pub mod metrics_api;
pub mod moment;
pub mod mysql;
pub mod placeholders;
pub mod postgres;
pub mod pushgateway;
pub mod rds;
pub mod rows;
pub mod schedule;
pub mod secrets;
pub mod sinks;
pub mod slo;
pub mod sources;
pub mod suggest;
pub mod tidy;
pub mod tls;
pub mod upstream;

pub use {federation, promql};
