//! Where the values of placeholders come from when a job runs.

use std::collections::{BTreeMap, HashMap};
use std::env::VarError;

use futures_util::future::join_all;
use secrecy::{ExposeSecret, SecretString};

use super::template::Template;
use super::url::UrlTemplateError;
use crate::secrets::{Limits, SecretError, SecretsManager};

/// Where the value of a name comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Provider {
    /// An environment variable.
    Environment {
        /// The variable's name.
        variable: String,
    },
    /// A secret in AWS Secrets Manager.
    Secret {
        /// Its name or ARN.
        id: String,
        /// The field of the JSON object that it holds; `None` for its whole text.
        field: Option<String>,
    },
}

/// Environment variables: the process's own, or given ones.
#[derive(Debug, Clone, Default)]
pub enum Environment {
    /// Those of the process.
    #[default]
    Process,
    /// Exactly these.
    Given(HashMap<String, SecretString>),
}

/// Fills in templates. A name that has no provider comes from the environment variable of that name.
#[derive(Debug, Clone)]
pub struct Resolver {
    providers: BTreeMap<String, Provider>,
    environment: Environment,
    secrets: SecretsManager,
}

/// A template that cannot be filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// A placeholder has no value.
    #[error(transparent)]
    Placeholder(#[from] PlaceholderError),
    /// All have, but they do not make a URL.
    #[error(transparent)]
    Url(#[from] UrlTemplateError),
}

/// A placeholder that has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{{{{{name}}}}}: {reason}")]
pub struct PlaceholderError {
    /// The placeholder's name.
    pub name: String,
    /// Why it has none.
    pub reason: UnresolvedReason,
}

/// Why a placeholder has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnresolvedReason {
    /// The environment variable is missing.
    #[error(
        "the environment variable {variable} is not set: set it, or name the secret that holds the value \
         in the configuration"
    )]
    NotSet {
        /// The variable's name.
        variable: String,
    },
    /// The environment variable is set to bytes that are no text.
    #[error("the environment variable {variable} is not Unicode: set it to UTF-8 text")]
    NotUnicode {
        /// The variable's name.
        variable: String,
    },
    /// The secret cannot be had.
    #[error(transparent)]
    Secret(#[from] SecretError),
}

impl Resolver {
    /// A resolver; nothing is read or fetched yet.
    #[must_use]
    pub fn new(providers: BTreeMap<String, Provider>, environment: Environment, secrets: SecretsManager) -> Self {
        Self {
            providers,
            environment,
            secrets,
        }
    }

    /// The resolver of this process: its environment, and AWS as the environment describes it.
    #[must_use]
    pub fn of_process(providers: BTreeMap<String, Provider>) -> Self {
        let secrets = SecretsManager::from_environment(Limits::default());
        Self::new(providers, Environment::Process, secrets)
    }

    /// The text with its placeholders' values as they are.
    ///
    /// # Errors
    /// A placeholder has no value.
    pub async fn resolve(&self, template: &Template) -> Result<SecretString, ResolveError> {
        let values = self.values(template).await?;
        Ok(template.fill(&exposed(&values)).into())
    }

    /// The URL with each placeholder's value percent-encoded for the place where it stands, so that none can change
    /// the URL's shape; the value of a template that is one single placeholder is the URL itself.
    ///
    /// # Errors
    /// A placeholder has no value, or the template cannot be read as a URL (see [`Template::check_url`]).
    pub async fn resolve_url(&self, template: &Template) -> Result<SecretString, ResolveError> {
        template.check_url()?;
        let values = self.values(template).await?;
        Ok(template.fill_url(&exposed(&values))?.into())
    }

    /// Fetches the secrets behind these templates again, for a caller whose login failed: they may have been rotated.
    /// Returns whether there are any; if so, resolve again, and log in once more if the result differs.
    ///
    /// # Errors
    /// A secret cannot be fetched; the values that were known stay.
    pub async fn refresh<'a>(&self, templates: impl IntoIterator<Item = &'a Template>) -> Result<bool, ResolveError> {
        let secrets: BTreeMap<&str, &str> = templates
            .into_iter()
            .flat_map(Template::names)
            .filter_map(|name| match self.providers.get(name) {
                Some(Provider::Secret { id, .. }) => Some((id.as_str(), name)),
                _ => None,
            })
            .collect();
        // To their end, also where one fails at once: a fetch that nobody waits for ends, and would begin again with each login.
        let refreshed = join_all(secrets.iter().map(async |(id, name)| {
            self.secrets
                .refresh(id)
                .await
                .map_err(|error| PlaceholderError::new(name, error))
        }));
        refreshed.await.into_iter().collect::<Result<(), _>>()?;
        Ok(!secrets.is_empty())
    }

    /// The values of a template's placeholders, in their order.
    async fn values(&self, template: &Template) -> Result<Vec<SecretString>, PlaceholderError> {
        let values = join_all(template.names().map(|name| self.value(name))).await;
        values.into_iter().collect()
    }

    async fn value(&self, name: &str) -> Result<SecretString, PlaceholderError> {
        let value = match self.providers.get(name) {
            Some(Provider::Secret { id, field }) => self
                .secrets
                .value(id, field.as_deref())
                .await
                .map_err(UnresolvedReason::from),
            Some(Provider::Environment { variable }) => self.environment.get(variable),
            None => self.environment.get(name),
        };
        value.map_err(|reason| PlaceholderError::new(name, reason))
    }
}

impl Environment {
    fn get(&self, variable: &str) -> Result<SecretString, UnresolvedReason> {
        match self {
            Self::Process => match std::env::var(variable) {
                Ok(value) => Ok(value.into()),
                Err(VarError::NotPresent) => Err(UnresolvedReason::NotSet {
                    variable: variable.to_owned(),
                }),
                Err(VarError::NotUnicode(_)) => Err(UnresolvedReason::NotUnicode {
                    variable: variable.to_owned(),
                }),
            },
            Self::Given(variables) => variables
                .get(variable)
                .cloned()
                .ok_or_else(|| UnresolvedReason::NotSet {
                    variable: variable.to_owned(),
                }),
        }
    }
}

impl PlaceholderError {
    fn new(name: &str, reason: impl Into<UnresolvedReason>) -> Self {
        Self {
            name: name.to_owned(),
            reason: reason.into(),
        }
    }
}

fn exposed(values: &[SecretString]) -> Vec<&str> {
    values.iter().map(ExposeSecret::expose_secret).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolver(variables: &[(&str, &str)], providers: &[(&str, Provider)]) -> Resolver {
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), SecretString::from(*value)))
            .collect();
        let providers = providers
            .iter()
            .map(|(name, provider)| ((*name).to_owned(), provider.clone()))
            .collect();
        Resolver::new(
            providers,
            Environment::Given(variables),
            SecretsManager::from_environment(Limits::default()),
        )
    }

    fn template(text: &str) -> Template {
        Template::parse(text).unwrap()
    }

    #[tokio::test]
    async fn undeclared_names_are_environment_variables() {
        let resolver = resolver(&[("USER", "p@ss/w:rd#?%"), ("HOST", "db:5432"), ("EMPTY", "")], &[]);
        let template = template("postgres://{{USER}}:{{USER}}@{{HOST}}/{{ EMPTY }}");
        let text = resolver.resolve(&template).await.unwrap();
        assert_eq!(text.expose_secret(), "postgres://p@ss/w:rd#?%:p@ss/w:rd#?%@db:5432/");
        let url = resolver.resolve_url(&template).await.unwrap();
        assert_eq!(
            url.expose_secret(),
            "postgres://p%40ss%2Fw%3Ard%23%3F%25:p%40ss%2Fw%3Ard%23%3F%25@db:5432/"
        );
    }

    #[tokio::test]
    async fn a_declared_variable_may_have_another_name() {
        let provider = Provider::Environment {
            variable: "SHOP_USER".to_owned(),
        };
        let resolver = resolver(&[("SHOP_USER", "app"), ("USER", "root")], &[("USER", provider)]);
        assert_eq!(
            resolver.resolve(&template("{{USER}}")).await.unwrap().expose_secret(),
            "app"
        );
    }

    #[tokio::test]
    async fn a_missing_variable_is_named() {
        let provider = Provider::Environment {
            variable: "SHOP_PASSWORD".to_owned(),
        };
        let resolver = resolver(&[], &[("B", provider)]);
        for (text, expected) in [
            (
                "{{A}}",
                "{{A}}: the environment variable A is not set: set it, or name the secret that",
            ),
            (
                "x://{{B}}",
                "{{B}}: the environment variable SHOP_PASSWORD is not set: set it, or",
            ),
        ] {
            let template = template(text);
            for error in [resolver.resolve(&template).await, resolver.resolve_url(&template).await] {
                let error = error.unwrap_err().to_string();
                assert!(error.starts_with(expected), "{error}");
            }
        }
    }

    #[tokio::test]
    async fn what_is_no_url_is_refused_before_any_value_is_asked_for() {
        let error = resolver(&[], &[]).resolve_url(&template("{{A}}/b")).await.unwrap_err();
        assert_eq!(error, ResolveError::Url(UrlTemplateError::NoScheme));
    }

    #[tokio::test]
    async fn without_secrets_there_is_nothing_to_refresh() {
        let resolver = resolver(&[], &[]);
        assert_eq!(
            resolver.refresh([&template("{{A}}"), &template("plain")]).await,
            Ok(false)
        );
    }

    #[tokio::test]
    async fn debug_shows_no_value() {
        let resolver = resolver(&[("PASSWORD", "hunter2")], &[]);
        let value = resolver.resolve(&template("{{PASSWORD}}")).await.unwrap();
        assert!(!format!("{resolver:?} {value:?}").contains("hunter2"));
    }

    #[test]
    fn the_process_environment_is_read() {
        let environment = Environment::Process;
        assert_eq!(
            environment.get("PATH").unwrap().expose_secret(),
            std::env::var("PATH").unwrap()
        );
        let missing = environment.get("FANLIGHT_TEST_NO_SUCH_VARIABLE").unwrap_err();
        assert!(matches!(missing, UnresolvedReason::NotSet { .. }));
    }
}
