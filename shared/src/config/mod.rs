//! The configuration: YAML files, one a team, read with the place of every mistake.

mod document;
pub mod job;
mod mistake;
mod read;
mod yaml;

pub use mistake::{Mistake, Report, Severity};
