//! What the settings' placeholders come to: the URL, the headers, the client's certificate.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};

use super::error::{Problem, UpstreamError};
use crate::config::metrics_api::{UpstreamAuth, UpstreamSettings};
use crate::endpoint::BaseUrl;
use crate::placeholders::{Resolver, Template};

/// How the upstream is reached, all filled in.
#[derive(Clone)]
pub(super) struct Access {
    pub(super) url: BaseUrl,
    headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) identity: Option<Identity>,
}

/// A client's certificate and its private key, in PEM.
#[derive(Clone)]
pub(super) struct Identity {
    pub(super) certificate: SecretString,
    pub(super) key: SecretString,
}

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        let same = |one: &SecretString, other: &SecretString| one.expose_secret() == other.expose_secret();
        same(&self.certificate, &other.certificate) && same(&self.key, &other.key)
    }
}

impl Access {
    pub(super) async fn resolve(settings: &UpstreamSettings, resolver: &Resolver) -> Result<Self, UpstreamError> {
        let url = resolver
            .resolve_url(&settings.url)
            .await
            .map_err(|error| setting("url", error))?;
        let url = BaseUrl::parse(url.expose_secret()).map_err(|error| setting("url", error))?;
        let value = async |name: &str, template: &Template| match resolver.resolve(template).await {
            Ok(value) => Ok(value),
            Err(error) => Err(UpstreamError::at(
                url.at(),
                Problem::Credentials(format!("its `{name}`: {error}")),
            )),
        };
        let mut headers = Vec::with_capacity(settings.headers.len() + 1);
        for (name, template) in &settings.headers {
            let text = value(name, template).await?;
            let name = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| setting("headers", format!("`{name}` is no name of a header")))?;
            headers.push((name.clone(), secret_header(name.as_str(), text.expose_secret())?));
        }
        let authorization = match &settings.auth {
            UpstreamAuth::None | UpstreamAuth::SigV4 { .. } => None,
            UpstreamAuth::Basic { username, password } => {
                let username = value("basic", username).await?;
                let password = value("basic", password).await?;
                let both = format!("{}:{}", username.expose_secret(), password.expose_secret());
                Some(secret_header("basic", &format!("Basic {}", STANDARD.encode(both)))?)
            }
            UpstreamAuth::Bearer(token) => {
                let token = value("bearer", token).await?;
                Some(secret_header("bearer", &format!("Bearer {}", token.expose_secret()))?)
            }
        };
        headers.extend(authorization.map(|value| (AUTHORIZATION, value)));
        let identity = match &settings.client_certificate {
            None => None,
            Some(identity) => Some(Identity {
                certificate: value("client_certificate", &identity.certificate).await?,
                key: value("client_certificate", &identity.key).await?,
            }),
        };
        Ok(Self { url, headers, identity })
    }

    /// The same with secrets fetched again, unless they are as they were.
    pub(super) async fn anew(&self, settings: &UpstreamSettings, resolver: &Resolver) -> Option<Self> {
        let mut templates: Vec<&Template> = settings.headers.iter().map(|(_, template)| template).collect();
        match &settings.auth {
            UpstreamAuth::None | UpstreamAuth::SigV4 { .. } => {}
            UpstreamAuth::Basic { username, password } => templates.extend([username, password]),
            UpstreamAuth::Bearer(token) => templates.push(token),
        }
        if !resolver.refresh(templates).await.unwrap_or(false) {
            return None;
        }
        let anew = Self::resolve(settings, resolver).await.ok()?;
        (anew.headers != self.headers).then_some(anew)
    }

    /// The headers of every request.
    pub(super) fn headers(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        self.headers.iter().map(|(name, value)| (name, value))
    }
}

/// A header's value, which a `Debug` does not show. Its bytes are not in the error either.
fn secret_header(name: &str, text: &str) -> Result<HeaderValue, UpstreamError> {
    let mut value = HeaderValue::from_str(text)
        .or_else(|_| HeaderValue::from_bytes(text.as_bytes()))
        .map_err(|_| setting(name, "its value holds a line break or another control character"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn setting(name: &str, error: impl std::fmt::Display) -> UpstreamError {
    UpstreamError::unnamed(Problem::Settings(format!("its `{name}`: {error}")))
}
