//! An HTTP service that the configuration names: its URL, the credentials for it, and how it stands in messages.

use std::error::Error;

use reqwest::{RequestBuilder, Url};
use secrecy::{ExposeSecret as _, SecretString};

/// What Fanlight calls itself.
pub(crate) const USER_AGENT: &str = concat!("fanlight/", env!("CARGO_PKG_VERSION"));

/// Credentials for a service or the proxy in front of it, filled in.
#[derive(Debug, Default)]
pub enum Auth {
    /// No `Authorization` header.
    #[default]
    None,
    /// HTTP basic authentication.
    Basic {
        /// The user's name.
        username: SecretString,
        /// The password.
        password: SecretString,
    },
    /// A bearer token.
    Bearer(SecretString),
}

impl Auth {
    /// Adds the credentials to a request.
    pub(crate) fn apply(&self, request: RequestBuilder) -> RequestBuilder {
        match self {
            Self::None => request,
            Self::Basic { username, password } => {
                request.basic_auth(username.expose_secret(), Some(password.expose_secret()))
            }
            Self::Bearer(token) => request.bearer_auth(token.expose_secret()),
        }
    }
}

/// A service's URL. Its path, which may hold a secret, is kept as a prefix and not shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct BaseUrl(Url);

/// Why a text is no such URL. It is not shown, because it may hold secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BaseUrlError {
    /// It cannot be read.
    #[error("is not a URL: {0}")]
    Url(String),
    /// It is of another scheme.
    #[error("must begin with `http://` or `https://` and name a host")]
    Scheme,
    /// It holds credentials.
    #[error("holds credentials: put them under `basic` or `bearer` instead")]
    Credentials,
    /// It holds what cannot be kept when paths are added to it.
    #[error("has a query or a fragment, to which no path can be added: remove it")]
    Query,
}

impl BaseUrl {
    pub(crate) fn parse(url: &str) -> Result<Self, BaseUrlError> {
        let url = Url::parse(url).map_err(|error| BaseUrlError::Url(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(BaseUrlError::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BaseUrlError::Credentials);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(BaseUrlError::Query);
        }
        Ok(Self(url))
    }

    /// A path of the service, behind the prefix that its URL may have.
    pub(crate) fn path(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        url.set_path(&format!("{}{path}", self.0.path().trim_end_matches('/')));
        url
    }

    /// The URL as it was given.
    pub(crate) fn url(&self) -> &Url {
        &self.0
    }

    /// The host, and the port where it is not the scheme's own.
    pub(crate) fn host(&self) -> String {
        let at = self.at();
        at.split_once("://").map_or(at.as_str(), |(_, host)| host).to_owned()
    }

    /// The service in messages: scheme, host and port.
    pub(crate) fn at(&self) -> String {
        self.0.origin().ascii_serialization()
    }
}

/// The last of an error's causes: the ones before it name the library's layers, and the URL.
pub(crate) fn innermost(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

/// Where a redirect points, without a path or query that might hold a secret.
pub(crate) fn redirect_origin(location: Option<&str>, base: &Url) -> String {
    let location = location.and_then(|location| base.join(location).ok());
    location.map_or_else(|| "nowhere".to_owned(), |url| url.origin().ascii_serialization())
}
