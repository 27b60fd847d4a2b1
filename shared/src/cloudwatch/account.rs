//! Whose CloudWatch it is: a region and, where it is another account's, the role to assume.

use std::time::Duration;

use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{Region, SdkConfig};
use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::config::Builder;
use aws_sdk_cloudwatch::config::retry::RetryConfig;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::{Mutex, OnceCell};

use crate::aws;
use crate::config::{Entry, File, Scope};
use crate::placeholders::{ResolveError, Resolver, Template};

const CONNECT: Duration = Duration::from_secs(3);
/// One attempt, which may read five hundred metrics.
const ATTEMPT: Duration = Duration::from_secs(10);
/// With the pauses between them these take 10 seconds at most, which a run has.
const ATTEMPTS: u32 = 7;
const FIRST_BACKOFF: Duration = Duration::from_millis(200);
const LONGEST_BACKOFF: Duration = Duration::from_secs(4);
/// Whose name the assumed role's sessions bear in AWS' trail of what was done.
const SESSION: &str = "fanlight";

/// A region and a role as they are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    /// `None` for the function's own.
    region: Option<String>,
    role: Option<Role>,
}

/// A role to assume.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Role {
    arn: Template,
    external_id: Option<Template>,
}

impl Account {
    /// Mistakes are told to the scope.
    pub(crate) fn resolve(
        scope: &mut Scope<'_>,
        file: &File,
        region: Option<&Entry<String>>,
        role: Option<&Entry<String>>,
        external_id: Option<&Entry<String>>,
    ) -> Option<Self> {
        let region = match region {
            Some(entry) => Some(self::region(scope, file, entry)?),
            None => None,
        };
        let role = match (role, external_id) {
            (Some(role), external_id) => Some(self::role(scope, file, role, external_id)?),
            (None, Some(external_id)) => {
                let message = "an `external_id` belongs to a `role`";
                scope.mistake(file, &external_id.span, message, |mistake| {
                    mistake.help("add `role: 'arn:aws:iam::ACCOUNT:role/NAME'`, or remove it")
                });
                return None;
            }
            (None, None) => None,
        };
        Some(Self { region, role })
    }

    /// The account with the values of its placeholders.
    ///
    /// # Errors
    /// A placeholder has no value.
    pub(crate) async fn reach(&self, resolver: &Resolver) -> Result<Reached, ResolveError> {
        let (mut role, mut external_id) = (None, None);
        if let Some(written) = &self.role {
            role = Some(resolver.resolve(&written.arn).await?);
            if let Some(template) = &written.external_id {
                external_id = Some(resolver.resolve(template).await?);
            }
        }
        Ok(Reached {
            region: self.region.clone(),
            role,
            external_id,
        })
    }
}

/// An account whose placeholders are filled in.
#[derive(Debug, Clone)]
pub(crate) struct Reached {
    region: Option<String>,
    role: Option<SecretString>,
    external_id: Option<SecretString>,
}

impl PartialEq for Reached {
    fn eq(&self, other: &Self) -> bool {
        fn same(one: Option<&SecretString>, other: Option<&SecretString>) -> bool {
            one.map(SecretString::expose_secret) == other.map(SecretString::expose_secret)
        }
        self.region == other.region
            && same(self.role.as_ref(), other.role.as_ref())
            && same(self.external_id.as_ref(), other.external_id.as_ref())
    }
}

/// Whether the SDK repeats requests by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeats {
    /// As those that only read.
    Yes,
    /// As those that may have been taken although no answer came.
    No,
}

/// Clients by account, with the credentials that they have obtained.
#[derive(Default)]
pub(crate) struct Clients {
    environment: OnceCell<SdkConfig>,
    kept: Mutex<Vec<(Reached, Repeats, Client)>>,
}

impl Clients {
    /// The client of an account; none is connected before its first request.
    pub(crate) async fn client(&self, account: &Reached, repeats: Repeats) -> Client {
        let mut kept = self.kept.lock().await;
        let known = kept
            .iter()
            .find(|(reached, known, _)| reached == account && *known == repeats);
        if let Some((_, _, client)) = known {
            return client.clone();
        }
        let client = self.build(account, repeats).await;
        kept.push((account.clone(), repeats, client.clone()));
        client
    }

    async fn build(&self, account: &Reached, repeats: Repeats) -> Client {
        let environment = self.environment.get_or_init(aws::environment).await;
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT)
            .operation_attempt_timeout(ATTEMPT)
            .build();
        let retries = match repeats {
            // Not adaptive: a limit of the client's own on top of the pauses would use up the run's time, and a run that is
            // still throttled then could not say so.
            Repeats::Yes => RetryConfig::standard()
                .with_max_attempts(ATTEMPTS)
                .with_initial_backoff(FIRST_BACKOFF)
                .with_max_backoff(LONGEST_BACKOFF),
            Repeats::No => RetryConfig::disabled(),
        };
        let mut config = Builder::from(environment)
            .timeout_config(timeouts)
            .retry_config(retries);
        let region = account.region.clone().map(Region::new);
        if let Some(role) = &account.role {
            let mut provider = AssumeRoleProvider::builder(role.expose_secret())
                .session_name(SESSION)
                .configure(environment);
            if let Some(external_id) = &account.external_id {
                provider = provider.external_id(external_id.expose_secret());
            }
            if let Some(region) = &region {
                provider = provider.region(region.clone());
            }
            config = config.credentials_provider(provider.build().await);
        }
        if let Some(region) = region {
            config = config.region(region);
        }
        Client::from_conf(config.build())
    }
}

fn region(scope: &mut Scope<'_>, file: &File, entry: &Entry<String>) -> Option<String> {
    let text = entry.get()?;
    let parts: Vec<&str> = text.split('-').collect();
    let plain = text
        .bytes()
        .all(|byte| byte == b'-' || byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let numbered = parts
        .last()
        .is_some_and(|last| !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()));
    if !plain || parts.len() < 3 || !numbered || parts.iter().any(|part| part.is_empty()) {
        let message = format!("`{text}` is not a region of AWS");
        scope.mistake(file, &entry.span, message, |mistake| {
            mistake.help("write one such as `eu-west-3`; without any, the function's own is asked")
        });
        return None;
    }
    Some(text.clone())
}

fn role(
    scope: &mut Scope<'_>,
    file: &File,
    entry: &Entry<String>,
    external_id: Option<&Entry<String>>,
) -> Option<Role> {
    let text = entry.get()?;
    let arn = scope.template(file, entry)?;
    if arn.names().next().is_none() && !is_role(text) {
        let message = "a role is named by its ARN";
        scope.mistake(file, &entry.span, message, |mistake| {
            mistake.help("write `arn:aws:iam::123456789012:role/NAME`")
        });
        return None;
    }
    let external_id = match external_id {
        Some(entry) => Some(scope.template(file, entry)?),
        None => None,
    };
    Some(Role { arn, external_id })
}

fn is_role(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    matches!(parts.as_slice(), ["arn", partition, "iam", "", account, role]
        if partition.starts_with("aws")
            && account.len() == 12
            && account.bytes().all(|byte| byte.is_ascii_digit())
            && role.strip_prefix("role/").is_some_and(|name| !name.is_empty()))
}
