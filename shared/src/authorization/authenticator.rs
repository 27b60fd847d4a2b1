//! Credentials to callers, by the tokens' records and the trusted issuers.

use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};

use super::caller::Caller;
use super::credentials::Credentials;
use super::jwt::{self, Trusted};
use super::key_set::{IssuerError, Times};
use super::reader::{Admitted, Reader};
use super::record::Record;
use super::records::{DocumentError, Opens, Records};
use super::refusal::{Denied, NotAuthenticated, Reason, Unavailable};
use super::request::Request;
use super::token::Token;
use crate::config::metrics_api::MetricsApi;
use crate::placeholders::{Resolver, Template};
use crate::promql::Limits;

/// Tells callers from strangers, as the configuration says.
pub struct Authenticator {
    metrics_api: MetricsApi,
    resolver: Resolver,
    trusted: Vec<Trusted>,
    /// The customers' records as they were last read.
    customers: Mutex<Read>,
    /// The readers' records, likewise.
    readers: Mutex<Read>,
}

/// Records as they were last read, by the SHA-256 of their text.
type Read = Option<(Vec<u8>, Arc<Records>)>;

impl Authenticator {
    /// Everything that is needed; nothing is fetched yet.
    ///
    /// # Errors
    /// An issuer's CA file cannot be used.
    pub fn new(metrics_api: MetricsApi, resolver: Resolver) -> Result<Self, IssuerError> {
        let issuers = metrics_api.authorizer.issuers.iter();
        let trusted = issuers.map(|issuer| Trusted::new(issuer.clone(), Times::default()));
        Ok(Self {
            trusted: trusted.collect::<Result<_, _>>()?,
            metrics_api,
            resolver,
            customers: Mutex::default(),
            readers: Mutex::default(),
        })
    }

    /// Who sends the request. Whatever comes of it is logged, by a reason and without the credentials.
    ///
    /// # Errors
    /// Nobody who may, or it cannot be known.
    pub async fn authenticate(&self, request: &Request, now: Timestamp) -> Result<Admitted, NotAuthenticated> {
        let outcome = self.identify(request, now).await;
        match &outcome {
            Ok((Admitted::Customer(caller), record)) => {
                tracing::info!(client = caller.client, record, plan = caller.plan, "let in");
            }
            Ok((Admitted::Reader(reader), record)) => {
                tracing::info!(client = reader.client, record, "let in to the dashboards");
            }
            Err(NotAuthenticated::Denied(Denied { reason, client, record })) => {
                let source = request.source.map(tracing::field::display);
                tracing::info!(reason = reason.name(), client, record, source, "denied");
            }
            Err(NotAuthenticated::Unavailable(error)) => {
                tracing::error!(%error, error_type = error.kind(), "cannot tell who is calling");
            }
        }
        outcome.map(|(admitted, _)| admitted)
    }

    /// Who it is, and the `id` of his token's record.
    async fn identify(
        &self,
        request: &Request,
        now: Timestamp,
    ) -> Result<(Admitted, Option<String>), NotAuthenticated> {
        let (admitted, record) = match Credentials::read(&request.authorization)? {
            Credentials::Bearer(text) if text.expose_secret().contains('.') => {
                let caller = jwt::authenticate(text.expose_secret(), &self.trusted).await?;
                (Admitted::Customer(caller), None)
            }
            Credentials::Bearer(token) => self.by_token(&token, None, request, now).await?,
            Credentials::Basic { user, password } => self.by_token(&password, Some(&user), request, now).await?,
        };
        match self.admit(&admitted) {
            Ok(()) => Ok((admitted, record)),
            Err(reason) => Err(NotAuthenticated::Denied(Denied {
                reason,
                client: Some(admitted.client().to_owned()),
                record,
            })),
        }
    }

    async fn by_token(
        &self,
        text: &SecretString,
        user: Option<&str>,
        request: &Request,
        now: Timestamp,
    ) -> Result<(Admitted, Option<String>), NotAuthenticated> {
        let token = Token::parse(text.expose_secret()).ok_or(Reason::MalformedToken)?;
        let (opens, record) = self.record(&token).await?.ok_or(Reason::UnknownToken)?;
        let mistake = if user.is_some_and(|user| user != record.client) {
            Some(Reason::WrongClient)
        } else if record.expires <= now {
            Some(Reason::Expired)
        } else if !record.may_come_from(request.source) {
            Some(Reason::Origin)
        } else {
            None
        };
        if let Some(reason) = mistake {
            return Err(NotAuthenticated::Denied(Denied {
                reason,
                client: Some(record.client),
                record: Some(record.id),
            }));
        }
        let admitted = match opens {
            Opens::Series => Admitted::Customer(Caller {
                client: record.client,
                organisations: record.organisations,
                plan: record.plan,
                expires: record.expires,
            }),
            Opens::Dashboards => Admitted::Reader(Reader {
                client: record.client,
                expires: record.expires,
            }),
        };
        Ok((admitted, Some(record.id)))
    }

    /// The token's record, and what it opens; the secrets are fetched again before a token counts as unknown, for it may be a
    /// new one. A token that is a customer's is nothing else. Customers come first, so that no flaw of the readers' secret is
    /// one of theirs; where theirs cannot be read, whose a token is cannot be known.
    async fn record(&self, token: &Token) -> Result<Option<(Opens, Record)>, Unavailable> {
        let authorizer = &self.metrics_api.authorizer;
        let customers = (Opens::Series, authorizer.tokens.as_ref());
        let readers = (Opens::Dashboards, authorizer.dashboards.as_ref());
        match self.look(token, customers).await {
            Ok(Some(found)) => return Ok(Some(found)),
            Ok(None) => {
                if let Ok(Some(found)) = self.look(token, readers).await {
                    return Ok(Some(found));
                }
            }
            Err(_) => {}
        }
        match self.look_anew(token, customers).await? {
            Some(found) => Ok(Some(found)),
            None => self.look_anew(token, readers).await,
        }
    }

    /// As [`Self::look`], in a document that has been fetched again.
    async fn look_anew(
        &self,
        token: &Token,
        (opens, template): (Opens, Option<&Template>),
    ) -> Result<Option<(Opens, Record)>, Unavailable> {
        let unavailable = |error| Unavailable::Records { opens, error };
        self.resolver.refresh(template).await.map_err(unavailable)?;
        self.look(token, (opens, template)).await
    }

    /// The token's record in a document, if that is there and has it.
    async fn look(
        &self,
        token: &Token,
        (opens, template): (Opens, Option<&Template>),
    ) -> Result<Option<(Opens, Record)>, Unavailable> {
        let Some(template) = template else { return Ok(None) };
        let records = self.records(opens, template).await?;
        Ok(records.of(token).map(|record| (opens, record.clone())))
    }

    async fn records(&self, opens: Opens, template: &Template) -> Result<Arc<Records>, Unavailable> {
        let unavailable = |error| Unavailable::Records { opens, error };
        let text = self.resolver.resolve(template).await.map_err(unavailable)?;
        Ok(self.read(text.expose_secret(), opens)?)
    }

    /// Reads the document, and tells its flaws, once for each text.
    fn read(&self, text: &str, opens: Opens) -> Result<Arc<Records>, DocumentError> {
        let hash = digest(&SHA256, text.as_bytes()).as_ref().to_vec();
        // Whatever stands there is whole: it is put there in one step.
        let read = match opens {
            Opens::Series => &self.customers,
            Opens::Dashboards => &self.readers,
        };
        let mut read = read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, records)) = read.as_ref()
            && *known == hash
        {
            return Ok(Arc::clone(records));
        }
        let records = Arc::new(Records::read(text, opens)?);
        for flaw in &records.flaws {
            tracing::warn!(%flaw, "a token cannot be used");
        }
        *read = Some((hash, Arc::clone(&records)));
        Ok(records)
    }

    /// Whether the API could serve the caller: it would refuse him too, but only with each of his requests.
    fn admit(&self, admitted: &Admitted) -> Result<(), Reason> {
        let Admitted::Customer(caller) = admitted else {
            return Ok(());
        };
        if !self.metrics_api.plans.contains_key(&caller.plan) {
            return Err(Reason::UnknownPlan);
        }
        let policy = self.metrics_api.policy(&caller.organisations, Limits::default());
        policy.map(drop).map_err(|_| Reason::Organisation)
    }
}

#[cfg(test)]
mod tests;
