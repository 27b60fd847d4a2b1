//! End to end: the real binaries against real servers.

mod build;
mod collector_article;
mod harness;
mod pushgateway;
mod secrets;
