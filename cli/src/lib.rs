//! The `fanlight` command as a library: one module a subcommand, and the local runner that the tests share.

// What a command says on standard output and standard error is what it is for.
#![allow(clippy::print_stdout, clippy::print_stderr)]

pub mod check;
pub mod dev;
pub mod enforce;
pub mod invoke;
pub mod metrics_api;
pub mod render;
pub mod run;
pub mod runner;
pub mod token;
