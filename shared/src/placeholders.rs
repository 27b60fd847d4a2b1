//! `{{NAME}}` placeholders: found when the configuration loads, filled in when a job runs.

/// Text with placeholders, as it stands in the configuration.
#[derive(Debug, Clone)]
pub struct Template {}
