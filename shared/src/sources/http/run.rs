//! Pages fetched side by side, and their rows handed over in the order of the targets.

use futures_util::future::join_all;
use reqwest::header::{ACCEPT, HeaderValue};
use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use tokio::sync::Semaphore;
use tracing::{info, warn};

use super::client::{Client, FetchError, Limits};
use super::credentials::{Credentials, Tokens};
use super::json::{self, PageProblem};
use super::query::{Page, Query};
use super::{Auth, Source, Target, health};
use crate::config::job;
use crate::endpoint::BaseUrl;
use crate::rows::{Cell, Cells, Consumer as _};
use crate::sources::{Asking, Context, Finding, Intake, MetricFailure, TargetReport};

pub(super) async fn run(
    source: &Source,
    tokens: &Tokens,
    queries: Vec<Asking<'_, '_, Query>>,
    context: &Context<'_>,
) -> Result<(), MetricFailure> {
    let mut session = Session::begin(source, tokens, context).await?;
    for (query, intake) in queries {
        let name = &intake.query().name;
        for column in session.ask(query, intake, true).await {
            warn!(query = name, column, "no row of the page has this column");
        }
    }
    Ok(())
}

pub(super) async fn check(
    source: &Source,
    tokens: &Tokens,
    queries: &[(&job::Query, &Query)],
    context: &Context<'_>,
) -> Result<Vec<Finding>, MetricFailure> {
    let mut session = Session::begin(source, tokens, context).await?;
    let mut findings = Vec::new();
    for (query, asked) in queries {
        let mut intake = Intake::new(query, context.form, true);
        let absent = session.ask(asked, &mut intake, false).await;
        let (made, targets) = intake.finish();
        let failures: Vec<&MetricFailure> = targets.iter().filter_map(|target| target.failure.as_ref()).collect();
        if let Some(first) = failures.first()
            && failures.len() == targets.len()
            && failures.iter().all(|failure| failure.kind == "connect")
        {
            return Err((*first).clone());
        }
        let mut told: Vec<String> = failures.into_iter().map(|failure| failure.message.clone()).collect();
        for failure in made.into_iter().filter_map(|(_, outcome)| outcome.err()) {
            // What a target has failed for is told already, and so is what several metrics fail for.
            if !told.iter().any(|known| failure.message.contains(known)) {
                told.push(failure.message);
            }
        }
        findings.extend(told.into_iter().map(|message| Finding::new(query, message)));
        for column in absent {
            let help =
                "every row is NULL there; a pointer that begins with `/` is sought in the page, any other in the row";
            findings.push(Finding::new(query, format!("no row of the page has the column `{column}`")).help(help));
        }
    }
    Ok(findings)
}

/// What a run has at hand for its pages.
struct Session<'a> {
    source: &'a Source,
    client: Client,
    tokens: &'a Tokens,
    context: &'a Context<'a>,
    targets: Vec<Located>,
    credentials: Credentials,
    /// Whether the credentials have been fetched anew in this run.
    renewed: bool,
}

impl<'a> Session<'a> {
    async fn begin(source: &'a Source, tokens: &'a Tokens, context: &'a Context<'a>) -> Result<Self, MetricFailure> {
        let client = Client::new(source.ca_file.as_deref(), source.timeout)
            .map_err(|error| MetricFailure::new("connect", context.about_source(&error)))?;
        let credentials = Credentials::resolve(source, &client, tokens, context).await?;
        let mut targets = Vec::with_capacity(source.targets.len());
        for target in &source.targets {
            targets.push(Located::new(target, context).await);
        }
        Ok(Self {
            source,
            client,
            tokens,
            context,
            targets,
            credentials,
            renewed: false,
        })
    }

    /// Asks every target and hands over the rows of those that answer. Gives the names of the columns that no row has.
    async fn ask<'q>(&mut self, query: &'q Query, intake: &mut Intake<'_>, log: bool) -> Vec<&'q str> {
        let parameters = match self.parameters(query, &intake.query().name).await {
            Ok(parameters) => parameters,
            Err(failure) => {
                intake.fail(failure);
                return Vec::new();
            }
        };
        let pages = self.pages(query, &parameters).await;
        let place = intake.query().place(None);
        let mut feed = Feed::new(query, intake, log);
        let mut reports = Vec::with_capacity(pages.len());
        for (target, page) in self.targets.iter().zip(pages) {
            let taken = page.and_then(|page| feed.take(&target.name, &page).map_err(NoPage::Page));
            let (failure, unknown_states) = match taken {
                Ok(unknown_states) => (None, unknown_states),
                Err(no_page) => (Some(target.failure(&place, query, &no_page, &self.source.auth)), None),
            };
            reports.push(TargetReport {
                name: target.name.clone(),
                failure,
                unknown_states,
            });
        }
        let absent = feed.absent();
        let begun = feed.begun;
        if let (false, Some(first)) = (begun, reports.iter().find_map(|report| report.failure.clone())) {
            intake.fail(first);
        }
        for report in reports {
            intake.target(report);
        }
        absent
    }

    /// What follows the `?`. A NULL is left out.
    async fn parameters(&self, query: &Query, name: &str) -> Result<Vec<(String, String)>, MetricFailure> {
        let mut parameters = Vec::with_capacity(query.parameters.len());
        for (key, parameter) in &query.parameters {
            if let Some(value) = self.context.parameter(name, parameter).await? {
                parameters.push((key.clone(), value.expose_secret().to_owned()));
            }
        }
        Ok(parameters)
    }

    /// The page of each target; those that refuse the credentials are asked once more with credentials fetched anew.
    async fn pages(&mut self, query: &Query, parameters: &[(String, String)]) -> Vec<Result<Value, NoPage>> {
        let all: Vec<usize> = (0..self.targets.len()).collect();
        let mut pages = self.fetch(query, parameters, &all).await;
        let refused: Vec<usize> = all
            .into_iter()
            .filter(|at| matches!(pages[*at], Err(NoPage::Refused(_))))
            .collect();
        if !refused.is_empty() && self.renew().await {
            let again = self.fetch(query, parameters, &refused).await;
            for (at, page) in refused.into_iter().zip(again) {
                pages[at] = page;
            }
        }
        pages
    }

    async fn renew(&mut self) -> bool {
        if std::mem::replace(&mut self.renewed, true) {
            return false;
        }
        let anew = self
            .credentials
            .anew(self.source, &self.client, self.tokens, self.context);
        match anew.await {
            Ok(Some(anew)) => {
                info!("the credentials were refused; trying again with credentials fetched anew");
                self.credentials = anew;
                true
            }
            Ok(None) => false,
            Err(failure) => {
                warn!(
                    error = failure.message,
                    "the credentials were refused, and cannot be fetched anew"
                );
                false
            }
        }
    }

    async fn fetch(
        &self,
        query: &Query,
        parameters: &[(String, String)],
        targets: &[usize],
    ) -> Vec<Result<Value, NoPage>> {
        let places = Semaphore::new(self.source.concurrency);
        let page = async |at: &usize| {
            // The semaphore is never closed, and were it, a request too many does no harm.
            let _place = places.acquire().await;
            self.page(&self.targets[*at], query, parameters).await
        };
        join_all(targets.iter().map(page)).await
    }

    async fn page(&self, target: &Located, query: &Query, parameters: &[(String, String)]) -> Result<Value, NoPage> {
        let base = target
            .url
            .as_ref()
            .map_err(|failure| NoPage::Unasked(failure.clone()))?;
        let mut url = if query.path.is_empty() {
            base.url().clone()
        } else {
            base.path(&query.path)
        };
        if !parameters.is_empty() {
            url.query_pairs_mut().extend_pairs(parameters);
        }
        let request = self
            .client
            .request(Method::GET, url)
            .headers(self.credentials.headers().clone())
            .header(ACCEPT, HeaderValue::from_static("application/json, */*;q=0.1"))
            .build()
            .map_err(|error| NoPage::Request(error.without_url().to_string()))?;
        let limits = Limits {
            deadline: self.context.deadline,
            timeout: self.source.timeout,
            max_bytes: self.source.max_bytes,
        };
        let answer = self.client.fetch(request, limits).await.map_err(NoPage::Fetch)?;
        match answer.status {
            status if query.statuses.contains(&status.as_u16()) => json::parse(&answer.body).map_err(NoPage::Page),
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => Err(NoPage::Refused(status)),
            status => Err(NoPage::Status {
                status,
                json: json::parse(&answer.body).is_ok(),
            }),
        }
    }
}

/// A target with its URL filled in.
struct Located {
    /// The column `target` of its rows.
    name: String,
    url: Result<BaseUrl, MetricFailure>,
}

impl Located {
    async fn new(target: &Target, context: &Context<'_>) -> Self {
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
    fn failure(&self, place: &str, query: &Query, no_page: &NoPage, auth: &Auth) -> MetricFailure {
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
        };
        MetricFailure::new(kind, format!("{place}: {told}"))
    }
}

/// Why a target gave no page.
enum NoPage {
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
}

/// Hands the rows of one page after the other to a query's intake.
struct Feed<'f, 'q, 'i> {
    query: &'q Query,
    intake: &'f mut Intake<'i>,
    log: bool,
    begun: bool,
    rows: u64,
    /// Which of the table's cells any row had.
    seen: Vec<bool>,
}

impl<'f, 'q, 'i> Feed<'f, 'q, 'i> {
    fn new(query: &'q Query, intake: &'f mut Intake<'i>, log: bool) -> Self {
        let cells = match &query.page {
            Page::Health { .. } => 0,
            Page::Table { cells, .. } => cells.len(),
        };
        Self {
            query,
            intake,
            log,
            begun: false,
            rows: 0,
            seen: vec![false; cells],
        }
    }

    /// Takes a target's page whole or not at all. Gives the checks of a health page whose state is not known.
    fn take(&mut self, target: &str, page: &Value) -> Result<Option<u64>, PageProblem> {
        match &self.query.page {
            Page::Health { checks } => {
                let checks = health::checks(page, checks)?;
                if self.log {
                    health::log(target, &checks);
                }
                self.begin();
                for check in &checks {
                    for cells in check.rows(target) {
                        self.row(&cells);
                    }
                }
                Ok(Some(checks.iter().filter(|check| !check.is_known()).count() as u64))
            }
            Page::Table { rows, keyed, cells } => {
                let rows = json::rows(page, rows, *keyed)?;
                self.begin();
                let mut values = Vec::with_capacity(self.query.columns.len());
                for (key, row) in rows {
                    values.clear();
                    values.push(Cell::Text(target.into()));
                    values.extend(key.map(|key| Cell::Text(key.into())));
                    for (at, pointer) in cells.iter().enumerate() {
                        let value = pointer.get(page, row);
                        self.seen[at] |= value.is_some();
                        values.push(json::cell(value));
                    }
                    self.row(&values);
                }
                Ok(None)
            }
        }
    }

    fn begin(&mut self) {
        if !std::mem::replace(&mut self.begun, true) {
            // Whoever wants no rows knows why, and takes none.
            let _ = self.intake.columns(&self.query.columns);
        }
    }

    fn row(&mut self, cells: &[Cell<'_>]) {
        self.rows += 1;
        let row = Cells {
            columns: &self.query.columns,
            cells,
        };
        let _ = self.intake.row(&row);
    }

    /// The columns of a table that no row had, if there were rows.
    fn absent(&self) -> Vec<&'q str> {
        if self.rows == 0 {
            return Vec::new();
        }
        let first = self.query.columns.len() - self.seen.len();
        let columns = self.query.columns[first..].iter().zip(&self.seen);
        columns
            .filter(|(_, seen)| !**seen)
            .map(|(column, _)| column.name.as_str())
            .collect()
    }
}
