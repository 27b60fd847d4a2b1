//! How sources of databases log in, by a password in the URL or by RDS' IAM authentication, and what becomes of a login
//! that is refused.

use std::path::PathBuf;

use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::time::timeout_at;

use super::{Context, MetricFailure};
use crate::config::{Entry, File, Mistake, Scope};
use crate::database::{Database, UrlFinding, UrlSeverity, inspect, inspect_for_token, login_for_token};
use crate::placeholders::Template;
use crate::rds::{Login, Tokens};

/// RDS' IAM authentication, with the function's own credentials.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RdsIamSpec {
    /// The Region of the database. Default: the function's own.
    region: Option<Entry<String>>,
}

/// What stands in the configuration for any database.
pub(crate) struct Settings<'s> {
    pub(super) url: &'s Option<Entry<String>>,
    pub(super) ca_file: &'s Option<Entry<String>>,
    pub(super) rds_iam: &'s Option<Entry<RdsIamSpec>>,
}

/// How to log in to a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Access {
    /// The connection URL, with placeholders.
    pub(crate) url: Template,
    /// Certificates to trust (the RDS bundle), these and no others.
    pub(crate) ca_file: Option<PathBuf>,
    /// Whether the password is a token of RDS' IAM authentication.
    pub(crate) rds_iam: Option<RdsIam>,
}

/// RDS' IAM authentication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RdsIam {
    /// The Region of the database; the function's own if it is not given.
    pub(crate) region: Option<String>,
}

/// What a login is tried with.
pub(super) struct Credentials {
    pub(super) url: SecretString,
    /// Instead of a password in the URL.
    pub(super) token: Option<SecretString>,
}

impl Access {
    /// How to log in by these settings. Mistakes are told to the scope.
    pub(super) fn resolve<D: Database>(
        scope: &mut Scope<'_>,
        file: &File,
        url: &Entry<String>,
        ca_file: Option<&Entry<String>>,
        rds_iam: Option<&Entry<RdsIamSpec>>,
    ) -> Option<Self> {
        let text = url.get()?;
        let mut findings = inspect::<D>(text);
        let wrong = |finding: &UrlFinding| finding.severity == UrlSeverity::Error;
        if rds_iam.is_some() && !findings.iter().any(wrong) {
            findings.extend(inspect_for_token::<D>(text));
        }
        for finding in findings {
            let span = file.part(url, &finding.range);
            scope.report(match finding.severity {
                UrlSeverity::Warning => Mistake::warning(&file.path, span, finding.message),
                UrlSeverity::Error => Mistake::new(&file.path, span, finding.message),
            });
        }
        let ca_file = scope.optional_path(file, ca_file)?;
        let rds_iam = match rds_iam {
            None => None,
            Some(entry) => {
                let region = entry.get()?.region.as_ref();
                Some(RdsIam {
                    region: region.and_then(Entry::get).cloned(),
                })
            }
        };
        Some(Self {
            url: scope.template(file, url)?,
            ca_file,
            rds_iam,
        })
    }

    /// What to log in with.
    ///
    /// # Errors
    /// As [`Context::resolve_url`], and when there is no token.
    pub(super) async fn credentials<D: Database>(
        &self,
        tokens: &Tokens,
        context: &Context<'_>,
    ) -> Result<Credentials, MetricFailure> {
        let url = context.resolve_url(&self.url).await?;
        let Some(iam) = &self.rds_iam else {
            return Ok(Credentials { url, token: None });
        };
        let login = self.login_of::<D>(&url, context)?;
        let fail = |message: String| MetricFailure::new("login", context.about_source(&message));
        let token = match timeout_at(context.deadline, tokens.token(&login, iam.region.as_deref())).await {
            Ok(Ok(token)) => token,
            Ok(Err(error)) => return Err(fail(error.to_string())),
            Err(_) => return Err(fail("AWS gave no credentials in the time that the job has".to_owned())),
        };
        Ok(Credentials {
            url,
            token: Some(token),
        })
    }

    /// What to log in with once more, since these were refused: the secrets may have been rotated, and the token may be of
    /// credentials that have ended. `None` where nothing has changed.
    ///
    /// # Errors
    /// As [`Self::credentials`].
    pub(super) async fn anew<D: Database>(
        &self,
        refused: &Credentials,
        tokens: &Tokens,
        context: &Context<'_>,
    ) -> Result<Option<Credentials>, MetricFailure> {
        if refused.token.is_some() {
            tokens.forget(&self.login_of::<D>(&refused.url, context)?).await;
        }
        context.refresh([&self.url]).await?;
        let anew = self.credentials::<D>(tokens, context).await?;
        let exposed = |token: &Option<SecretString>| token.as_ref().map(|token| token.expose_secret().to_owned());
        let same = anew.url.expose_secret() == refused.url.expose_secret();
        if same && exposed(&anew.token) == exposed(&refused.token) {
            return Ok(None);
        }
        tracing::info!("the database refused the login; trying again with the secret fetched anew");
        Ok(Some(anew))
    }

    fn login_of<D: Database>(&self, url: &SecretString, context: &Context<'_>) -> Result<Login, MetricFailure> {
        let login = login_for_token::<D>(url, self.ca_file.as_deref());
        login.map_err(|error| MetricFailure::new("connect", context.about_source(&error)))
    }
}
