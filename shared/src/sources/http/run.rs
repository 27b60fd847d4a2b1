//! Pages fetched side by side, and their rows handed over in the order of the targets.

use futures_util::future::join_all;
use reqwest::header::{ACCEPT, HeaderValue};
use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use tokio::sync::Semaphore;
use tracing::{info, warn};

use super::client::{Client, Limits};
use super::credentials::Credentials;
use super::feed::Feed;
use super::oauth2::Tokens;
use super::query::Query;
use super::target::{Located, NoPage};
use super::{Source, json};
use crate::config::job;
use crate::sources::{Asking, Context, Finding, Intake, MetricFailure, TargetReport};

pub(super) async fn run(
    source: &Source,
    tokens: &Tokens,
    queries: Vec<Asking<'_, '_, Query>>,
    context: &Context<'_>,
) -> Result<(), MetricFailure> {
    let targets = locate(source, context).await;
    let mut session = match Session::begin(source, targets, tokens, context).await {
        Ok(session) => session,
        Err((targets, failure)) => {
            for (_, intake) in queries {
                fail(&targets, intake, &failure);
            }
            return Ok(());
        }
    };
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
    let targets = locate(source, context).await;
    let session = Session::begin(source, targets, tokens, context).await;
    let mut session = session.map_err(|(_, failure)| failure)?;
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

async fn locate(source: &Source, context: &Context<'_>) -> Vec<Located> {
    let mut targets = Vec::with_capacity(source.targets.len());
    for target in &source.targets {
        targets.push(Located::new(target, context).await);
    }
    targets
}

/// No target could be asked a query.
fn fail(targets: &[Located], intake: &mut Intake<'_>, failure: &MetricFailure) {
    intake.fail(failure.clone());
    for target in targets {
        intake.lost_target(&target.name, failure.clone());
    }
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
    /// Gives the targets back where none can be asked.
    async fn begin(
        source: &'a Source,
        targets: Vec<Located>,
        tokens: &'a Tokens,
        context: &'a Context<'a>,
    ) -> Result<Self, (Vec<Located>, MetricFailure)> {
        let client = match Client::new(source.ca_file.as_deref(), source.timeout) {
            Ok(client) => client,
            Err(error) => return Err((targets, MetricFailure::new("connect", context.about_source(&error)))),
        };
        let credentials = match Credentials::resolve(source, &client, tokens, context).await {
            Ok(credentials) => credentials,
            Err(failure) => return Err((targets, failure)),
        };
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
                fail(&self.targets, intake, &failure);
                return Vec::new();
            }
        };
        let pages = self.pages(query, &parameters).await;
        let place = intake.query().place(None);
        let failure =
            |target: &Located, no_page: &NoPage<'_>| target.failure(&place, query, no_page, &self.source.auth);
        let mut feed = Feed::new(query, log);
        let (mut answered, mut rows) = (Vec::new(), Vec::new());
        for (target, page) in self.targets.iter().zip(&pages) {
            let taken = match page {
                Ok(page) => feed
                    .take(&target.name, page)
                    .map_err(|problem| failure(target, &NoPage::Page(problem))),
                Err(no_page) => Err(failure(target, no_page)),
            };
            match taken {
                Ok(taken) => {
                    answered.push((target, taken.unknown_states));
                    rows.push(taken.rows);
                }
                Err(failure) => intake.lost_target(&target.name, failure),
            }
        }
        if !answered.is_empty() {
            let unfit = intake.rows_of_targets(&query.columns, &rows);
            for ((target, unknown_states), unfit) in answered.into_iter().zip(unfit) {
                let name = target.name.clone();
                let failure = unfit.map(|(metric, error)| failure(target, &NoPage::Unfit { metric, error }));
                intake.target(TargetReport {
                    name,
                    failure,
                    unknown_states,
                });
            }
        }
        feed.absent()
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
    async fn pages(&mut self, query: &Query, parameters: &[(String, String)]) -> Vec<Result<Value, NoPage<'static>>> {
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
    ) -> Vec<Result<Value, NoPage<'static>>> {
        let places = Semaphore::new(self.source.concurrency);
        let page = async |at: &usize| {
            // The semaphore is never closed, and were it, a request too many does no harm.
            let _place = places.acquire().await;
            self.page(&self.targets[*at], query, parameters).await
        };
        join_all(targets.iter().map(page)).await
    }

    async fn page(
        &self,
        target: &Located,
        query: &Query,
        parameters: &[(String, String)],
    ) -> Result<Value, NoPage<'static>> {
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
