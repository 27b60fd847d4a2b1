//! A target, and why it gave no page, in words that show nothing of what may be a secret.

use reqwest::StatusCode;
use secrecy::ExposeSecret as _;

use super::client::FetchError;
use super::json::PageProblem;
use super::query::Query;
use super::{Auth, Target};
use crate::assembly::MetricError;
use crate::endpoint::BaseUrl;
use crate::sources::{Context, MetricFailure};

/// A target with its URL filled in.
pub(super) struct Located {
    /// The column `target` of its rows.
    pub(super) name: String,
    pub(super) url: Result<BaseUrl, MetricFailure>,
}

impl Located {
    pub(super) async fn new(target: &Target, context: &Context<'_>) -> Self {
        let url = match context.resolve_url(&target.url).await {
            Ok(url) => BaseUrl::parse(url.expose_secret())
                .map_err(|error| MetricFailure::new("placeholder", format!("its URL {error}"))),
            Err(failure) => Err(failure),
        };
        let name = match (&target.name, &url) {
            (Some(name), _) => name.clone(),
            (None, Ok(url)) => url.host(),
            // Its rows cannot be, but it is told of.
            (None, Err(_)) => "unknown".to_owned(),
        };
        Self { name, url }
    }

    /// Why it gave no page, with the place of the query. Of its URL only what cannot be a secret is shown.
    pub(super) fn failure(&self, place: &str, query: &Query, no_page: &NoPage<'_>, auth: &Auth) -> MetricFailure {
        let target = match &self.url {
            Ok(url) if url.host() == self.name => format!("the target at {}{}", url.at(), query.path),
            Ok(url) => format!("the target `{}` at {}{}", self.name, url.at(), query.path),
            Err(_) => format!("the target `{}`", self.name),
        };
        let (kind, told) = match no_page {
            NoPage::Unasked(failure) => (failure.kind, format!("{target}: {}", failure.message)),
            NoPage::Request(problem) => ("query", format!("{target} cannot be asked: {problem}")),
            NoPage::Fetch(error) => (error.kind(), format!("{target} {error}")),
            NoPage::Refused(status) => {
                let what_to_do = match auth {
                    Auth::None => "give the source `basic`, `bearer` or `oauth2`",
                    Auth::Basic { .. } => "check `basic`",
                    Auth::Bearer(_) => "check `bearer`",
                    Auth::OAuth2(_) => "check what the token of `oauth2` allows, its `scope` and `parameters`",
                };
                (
                    "login",
                    format!("{target} refused the credentials with {status}: {what_to_do}"),
                )
            }
            NoPage::Status { status, json } => {
                let hint = if *json {
                    let statuses = query
                        .statuses
                        .iter()
                        .chain([&status.as_u16()])
                        .map(u16::to_string)
                        .collect::<Vec<_>>();
                    format!(
                        " with JSON all the same: if that is the page, say `statuses: [{}]`",
                        statuses.join(", ")
                    )
                } else {
                    String::new()
                };
                ("status", format!("{target} answered {status}{hint}"))
            }
            NoPage::Page(problem) => (problem.kind(), format!("the page of {target} {problem}")),
            NoPage::Unfit { metric, error } => (
                "rows",
                format!("`{metric}` takes no row of the page of {target}: {error}"),
            ),
        };
        MetricFailure::new(kind, format!("{place}: {told}"))
    }
}

/// Why a target gave no page.
pub(super) enum NoPage<'q> {
    /// Its URL is not known.
    Unasked(MetricFailure),
    /// No request can be made of what is asked.
    Request(String),
    /// No whole answer came.
    Fetch(FetchError),
    /// It wants other credentials.
    Refused(StatusCode),
    /// It answered with a status under which there is no page.
    Status { status: StatusCode, json: bool },
    /// The page is not what was expected.
    Page(PageProblem),
    /// Its rows are not what a metric is made from.
    Unfit { metric: &'q str, error: MetricError },
}
