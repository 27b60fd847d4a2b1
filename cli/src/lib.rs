//! The `fanlight` command as a library.

pub mod dev;
pub mod runner;
