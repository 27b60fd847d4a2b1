//! End to end: the real binaries against real servers.

mod build;
mod harness;
mod postgres;
mod pushgateway;
mod secrets;
