//! `{{NAME}}` placeholders: found when the configuration loads, filled in when a job runs.

mod resolver;
mod template;
mod url;

pub use resolver::{Environment, PlaceholderError, Provider, ResolveError, Resolver, UnresolvedReason};
pub use template::{Placeholder, Template, TemplateError, TemplateErrorKind};
pub use url::UrlTemplateError;
