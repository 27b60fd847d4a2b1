//! The configuration: YAML files, one a team, read with the place of every mistake.

pub mod job;
