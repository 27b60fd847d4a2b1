//! Pages of services over HTTP as a source: health pages as older services answer them, and JSON of any shape.
//!
//! A source is one service or several, its targets, which share their credentials; each row carries the name of its target.
//! A target that fails takes down its own series only, where a metric tells targets apart ([`super::Intake::lost_target`]).
//!
//! Credentials go to the targets' own hosts and nowhere else: a redirect to another one is not followed. No message shows
//! what a page or a URL's path holds, but for the checks of a health page, which are told to the log shortened and on one
//! line each.

mod client;
mod credentials;
mod feed;
mod health;
mod json;
mod message;
mod oauth2;
mod query;
mod run;
mod settings;
mod target;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use super::{Asking, Context, Finding, MetricFailure, SourceKind};
use crate::config::{Entry, File, Scope, job};
use crate::placeholders::Template;

pub use query::Query;

pub(crate) use oauth2::Tokens as Clients;
pub(crate) use query::QuerySpec;
pub(crate) use settings::SourceSpec;

/// Services that answer over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The services, at least one.
    targets: Vec<Target>,
    auth: Auth,
    /// Headers of every request for a page, in lower case.
    headers: Vec<(String, Template)>,
    /// Certificates to trust besides the public ones.
    ca_file: Option<PathBuf>,
    /// The most that one page may take.
    timeout: Duration,
    /// The most bytes that a page may have.
    max_bytes: usize,
    /// How many pages are fetched at the same time.
    concurrency: usize,
}

/// One service.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Target {
    /// `None` for the only one, which is called by its host.
    name: Option<String>,
    url: Template,
}

/// What proves to the targets who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Auth {
    None,
    Basic { username: Template, password: Template },
    Bearer(Template),
    OAuth2(OAuth2),
}

/// OAuth 2.0 client credentials ([RFC 6749](https://www.rfc-editor.org/rfc/rfc6749), section 4.4).
#[derive(Debug, Clone, PartialEq, Eq)]
struct OAuth2 {
    token_url: Template,
    client_id: Template,
    client_secret: Template,
    /// `scope`, `audience` and the like, in the order of their names.
    parameters: Vec<(String, Template)>,
    client_auth: settings::ClientAuth,
}

impl SourceKind for Source {
    type Spec = SourceSpec;
    type Query = Query;
    type Clients = Clients;

    const SCHEMES: &'static [&'static str] = &["http", "https"];

    fn from_url(scope: &mut Scope<'_>, file: &File, url: &Entry<String>) -> Option<Self> {
        settings::from_url(scope, file, url)
    }

    fn from_settings(scope: &mut Scope<'_>, file: &File, entry: &Entry<SourceSpec>) -> Option<Self> {
        settings::resolve(scope, file, entry)
    }

    async fn run(
        &self,
        tokens: &Clients,
        queries: Vec<Asking<'_, '_, Query>>,
        context: &Context<'_>,
    ) -> Result<(), MetricFailure> {
        run::run(self, tokens, queries, context).await
    }

    async fn check(
        &self,
        tokens: &Clients,
        queries: &[(&job::Query, &Query)],
        context: &Context<'_>,
    ) -> Result<Vec<Finding>, MetricFailure> {
        run::check(self, tokens, queries, context).await
    }
}
