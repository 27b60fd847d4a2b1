//! The headers that prove who asks.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};

use super::client::Client;
use super::oauth2::Tokens;
use super::{Auth, Source};
use crate::placeholders::Template;
use crate::sources::{Context, MetricFailure};

/// Headers of every request for a page. A `Debug` does not show their values.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Credentials(HeaderMap);

impl Credentials {
    /// # Errors
    /// A placeholder without a value, a value that cannot be a header's, no token.
    pub(super) async fn resolve(
        source: &Source,
        client: &Client,
        tokens: &Tokens,
        context: &Context<'_>,
    ) -> Result<Self, MetricFailure> {
        let mut headers = HeaderMap::new();
        for (name, template) in &source.headers {
            let value = context.resolve(template).await?;
            let header = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| unusable(context, &format!("`{name}` is no name of a header")))?;
            headers.insert(header, header_value(context, name, value.expose_secret())?);
        }
        let authorization = match &source.auth {
            Auth::None => None,
            Auth::Basic { username, password } => {
                let username = context.resolve(username).await?;
                let password = context.resolve(password).await?;
                let value = basic(username.expose_secret(), password.expose_secret());
                Some(header_value(context, "basic", value.expose_secret())?)
            }
            Auth::Bearer(token) => {
                let token = context.resolve(token).await?;
                let value = format!("Bearer {}", token.expose_secret());
                Some(header_value(context, "bearer", &value)?)
            }
            Auth::OAuth2(oauth2) => {
                let timeout = source.timeout;
                Some(tokens.token(oauth2, client, timeout, context).await?)
            }
        };
        headers.extend(authorization.map(|value| (AUTHORIZATION, value)));
        Ok(Self(headers))
    }

    /// The same with secrets fetched again and a new token, unless they are as they were.
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub(super) async fn anew(
        &self,
        source: &Source,
        client: &Client,
        tokens: &Tokens,
        context: &Context<'_>,
    ) -> Result<Option<Self>, MetricFailure> {
        let mut templates: Vec<&Template> = source.headers.iter().map(|(_, template)| template).collect();
        match &source.auth {
            Auth::None => {}
            Auth::Basic { username, password } => templates.extend([username, password]),
            Auth::Bearer(token) => templates.push(token),
            Auth::OAuth2(oauth2) => {
                templates.extend(oauth2.secrets());
                if let Some(token) = self.0.get(AUTHORIZATION) {
                    tokens.forget(token);
                }
            }
        }
        context.refresh(templates).await?;
        let anew = Self::resolve(source, client, tokens, context).await?;
        Ok((anew != *self).then_some(anew))
    }

    pub(super) fn headers(&self) -> &HeaderMap {
        &self.0
    }
}

pub(super) fn basic(username: &str, password: &str) -> SecretString {
    format!("Basic {}", STANDARD.encode(format!("{username}:{password}"))).into()
}

/// A header's value, which a `Debug` does not show.
pub(super) fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_bytes(text.as_bytes()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn header_value(context: &Context<'_>, name: &str, text: &str) -> Result<HeaderValue, MetricFailure> {
    sensitive(text).ok_or_else(|| {
        let message = format!("the value of `{name}` holds a line break or another control character");
        unusable(context, &message)
    })
}

pub(super) fn unusable(context: &Context<'_>, message: &str) -> MetricFailure {
    MetricFailure::new("placeholder", context.about_source(&message))
}
