//! `{{NAME}}` placeholders: found when the configuration loads, filled in when a job runs.

mod template;

pub use template::{Placeholder, Template, TemplateError, TemplateErrorKind};
