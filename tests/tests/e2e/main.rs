//! End to end: the real binaries against real servers.

// All of this crate is tests, helpers included.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod build;
mod cloudwatch_sink;
mod cloudwatch_source;
mod collector_article;
mod collector_database_failures;
mod collector_deliveries;
mod collector_gateway_failures;
mod collector_mysql;
mod collector_query_failures;
mod collector_rds;
mod collector_rows;
mod collector_secrets;
mod collector_session;
mod collector_watchdog;
mod command_alerts;
mod command_check;
mod command_dashboards;
mod command_dev;
mod command_heal;
mod command_import;
mod command_invoke;
mod command_prune;
mod command_render;
mod command_run;
mod command_schema;
mod command_status;
mod harness;
mod http_source;
mod isolation;
mod metrics_api;
mod metrics_api_callers;
mod metrics_api_clients;
mod metrics_api_dashboards;
mod metrics_api_faults;
mod metrics_api_hostile;
mod metrics_api_issuer;
mod metrics_api_memory;
mod metrics_api_shop;
mod mysql;
mod postgres;
mod pushgateway;
mod secrets;
