//! End to end: the real binaries against real servers.

mod build;
mod collector_article;
mod collector_database_failures;
mod collector_gateway_failures;
mod collector_query_failures;
mod collector_secrets;
mod harness;
mod postgres;
mod pushgateway;
mod secrets;
