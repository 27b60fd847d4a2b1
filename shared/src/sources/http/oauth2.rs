//! OAuth 2.0 client credentials ([RFC 6749](https://www.rfc-editor.org/rfc/rfc6749), section 4.4): tokens are fetched once
//! and kept until shortly before they end.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::OAuth2;
use super::client::{Client, FetchError, Limits};
use super::credentials::{basic, sensitive, unusable};
use super::settings::ClientAuth;
use crate::endpoint::BaseUrl;
use crate::moment::Moment;
use crate::placeholders::Template;
use crate::sources::{Context, MetricFailure};

/// A token that is about to end is not used any more.
const MARGIN: Duration = Duration::from_secs(30);
/// How long a token is kept that does not say how long it is valid.
const UNKNOWN_LIFETIME: Duration = Duration::from_mins(5);
/// Tokens of one function that are kept between runs.
const KEPT: usize = 8;
/// An answer of a token endpoint has no more bytes.
const MOST_BYTES: usize = 64 * 1024;
/// What a token endpoint may say is wrong (RFC 6749, section 5.2). Anything else it says is not repeated.
const ERROR_CODES: [&str; 6] = [
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
];

/// The tokens of a function, kept from one run to the next.
#[derive(Default)]
pub(crate) struct Tokens(Mutex<Vec<Kept>>);

struct Kept {
    grant: Grant,
    token: HeaderValue,
    fetched: Moment,
    lifetime: Duration,
}

/// A request for a token, all filled in.
#[derive(Clone)]
struct Grant {
    url: BaseUrl,
    authorization: Option<SecretString>,
    body: SecretString,
}

impl PartialEq for Grant {
    fn eq(&self, other: &Self) -> bool {
        let text = |secret: Option<&SecretString>| secret.map(|secret| secret.expose_secret().to_owned());
        self.url == other.url
            && self.body.expose_secret() == other.body.expose_secret()
            && text(self.authorization.as_ref()) == text(other.authorization.as_ref())
    }
}

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum TokenError {
    #[error("{0}")]
    Fetch(FetchError),
    #[error("refused the client with {status}{}; check `client_id` and `client_secret`", code.map(|code| format!(" ({code})")).unwrap_or_default())]
    Refused {
        status: StatusCode,
        code: Option<&'static str>,
    },
    #[error("answered {0}")]
    Status(StatusCode),
    #[error("did not answer with a token as RFC 6749 has it: {0}")]
    NoToken(&'static str),
}

impl TokenError {
    fn kind(&self) -> &'static str {
        match self {
            Self::Fetch(error) => error.kind(),
            Self::Refused { .. } => "login",
            Self::Status(_) => "status",
            Self::NoToken(_) => "page",
        }
    }
}

impl OAuth2 {
    pub(super) fn secrets(&self) -> [&Template; 2] {
        [&self.client_id, &self.client_secret]
    }

    async fn grant(&self, context: &Context<'_>) -> Result<Grant, MetricFailure> {
        let url = context.resolve_url(&self.token_url).await?;
        let url = BaseUrl::parse(url.expose_secret())
            .map_err(|error| unusable(context, &format!("the `token_url` {error}")))?;
        let client_id = context.resolve(&self.client_id).await?;
        let client_secret = context.resolve(&self.client_secret).await?;
        let mut form = vec![("grant_type", encoded("client_credentials"))];
        for (name, template) in &self.parameters {
            let value = context.resolve(template).await?;
            form.push((name, encoded(value.expose_secret())));
        }
        let id = encoded(client_id.expose_secret());
        let secret = encoded(client_secret.expose_secret());
        let authorization = match self.client_auth {
            // Encoded as in a form before they become basic authentication (RFC 6749, section 2.3.1).
            ClientAuth::Header => Some(basic(&id, &secret)),
            ClientAuth::Body => {
                form.extend([("client_id", id), ("client_secret", secret)]);
                None
            }
        };
        let pairs: Vec<_> = form
            .iter()
            .map(|(name, value)| format!("{}={value}", encoded(name)))
            .collect();
        let body = pairs.join("&");
        Ok(Grant {
            url,
            authorization,
            body: body.into(),
        })
    }
}

impl Tokens {
    /// The token that is kept, or a new one; when the client is refused, once more with secrets fetched anew, for they may
    /// have been rotated.
    pub(super) async fn token(
        &self,
        oauth2: &OAuth2,
        client: &Client,
        timeout: Duration,
        context: &Context<'_>,
    ) -> Result<HeaderValue, MetricFailure> {
        let limits = Limits {
            deadline: context.deadline,
            timeout,
            max_bytes: MOST_BYTES,
        };
        let grant = oauth2.grant(context).await?;
        if let Some(token) = self.kept(&grant) {
            return Ok(token);
        }
        let told = |grant: &Grant, error: &TokenError| {
            let message = format!("the token endpoint at {} {error}", grant.url.at());
            MetricFailure::new(error.kind(), context.about_source(&message))
        };
        let error = match self.fetch(&grant, client, limits).await {
            Ok(token) => return Ok(token),
            Err(error @ TokenError::Refused { .. }) => error,
            Err(error) => return Err(told(&grant, &error)),
        };
        let refreshed = context.refresh(oauth2.secrets()).await?;
        let anew = oauth2.grant(context).await?;
        if !refreshed || anew == grant {
            return Err(told(&grant, &error));
        }
        tracing::info!("the token endpoint refused the client; trying again with the secret fetched anew");
        self.fetch(&anew, client, limits)
            .await
            .map_err(|error| told(&anew, &error))
    }

    fn kept(&self, grant: &Grant) -> Option<HeaderValue> {
        let now = Moment::now();
        let mut kept = self.lock();
        kept.retain(|token| !token.fetched.is_older_than(token.lifetime, now));
        kept.iter()
            .find(|token| token.grant == *grant)
            .map(|kept| kept.token.clone())
    }

    pub(super) fn forget(&self, token: &HeaderValue) {
        self.lock().retain(|kept| kept.token != *token);
    }

    async fn fetch(&self, grant: &Grant, client: &Client, limits: Limits) -> Result<HeaderValue, TokenError> {
        let fetched = Moment::now();
        let mut request = client
            .request(Method::POST, grant.url.url().clone())
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(grant.body.expose_secret().to_owned());
        if let Some(authorization) = &grant.authorization {
            let value = sensitive(authorization.expose_secret()).ok_or(TokenError::NoToken("a credential is none"))?;
            request = request.header(AUTHORIZATION, value);
        }
        let request = request
            .build()
            .map_err(|_| TokenError::NoToken("its URL cannot be asked"))?;
        let answer = client.fetch(request, limits).await.map_err(TokenError::Fetch)?;
        let body: Option<Value> = serde_json::from_slice(&answer.body).ok();
        match answer.status {
            status if status.is_success() => {}
            status @ (StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                let code = body.as_ref().and_then(|body| body.get("error")?.as_str());
                let code = code.and_then(|code| ERROR_CODES.into_iter().find(|known| *known == code));
                return Err(TokenError::Refused { status, code });
            }
            status => return Err(TokenError::Status(status)),
        }
        let body = body.ok_or(TokenError::NoToken("it is not JSON"))?;
        let (token, lifetime) = read(&body).map_err(TokenError::NoToken)?;
        // One that ends at once is good for this run.
        if let Some(lifetime) = lifetime.checked_sub(MARGIN).filter(|left| !left.is_zero()) {
            let mut kept = self.lock();
            kept.push(Kept {
                grant: grant.clone(),
                token: token.clone(),
                fetched,
                lifetime,
            });
            if kept.len() > KEPT {
                kept.remove(0);
            }
        }
        Ok(token)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Kept>> {
        // Whoever panicked has left whole tokens behind: they are put in and taken out as one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The token as a header's value, and how long it is valid.
fn read(body: &Value) -> Result<(HeaderValue, Duration), &'static str> {
    let token = body.get("access_token").and_then(Value::as_str).unwrap_or_default();
    if token.is_empty() {
        return Err("it has no `access_token`");
    }
    // It must be there, but not all endpoints know that.
    let is_bearer = |kind: &Value| kind.as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("bearer"));
    if !body.get("token_type").is_none_or(is_bearer) {
        return Err("its `token_type` is not `Bearer`");
    }
    let lifetime = match body.get("expires_in") {
        None | Some(Value::Null) => UNKNOWN_LIFETIME,
        Some(Value::String(text)) => text.parse().map(Duration::from_secs).unwrap_or_default(),
        Some(number) => number.as_u64().map(Duration::from_secs).unwrap_or_default(),
    };
    let value = sensitive(&format!("Bearer {token}")).ok_or("its `access_token` cannot be a header's value")?;
    Ok((value, lifetime))
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_token_is_read_as_endpoints_write_it() {
        for (body, expected) in [
            (
                json!({"access_token": "t", "token_type": "Bearer", "expires_in": 3600}),
                Ok(3600),
            ),
            (
                json!({"access_token": "t", "token_type": "bearer", "expires_in": "60"}),
                Ok(60),
            ),
            (json!({"access_token": "t"}), Ok(300)),
            (json!({"access_token": "t", "expires_in": null}), Ok(300)),
            (json!({"access_token": "t", "expires_in": 0}), Ok(0)),
            (json!({"access_token": "t", "expires_in": -1}), Ok(0)),
            (json!({"access_token": "t", "expires_in": "soon"}), Ok(0)),
            (
                json!({"access_token": "t", "token_type": "mac"}),
                Err("its `token_type` is not `Bearer`"),
            ),
            (json!({"access_token": ""}), Err("it has no `access_token`")),
            (json!({"access_token": 1}), Err("it has no `access_token`")),
            (
                json!({"access_token": "a\nb"}),
                Err("its `access_token` cannot be a header's value"),
            ),
            (json!(["access_token"]), Err("it has no `access_token`")),
        ] {
            let read = read(&body).map(|(token, lifetime)| {
                assert_eq!(token, "Bearer t");
                assert!(token.is_sensitive());
                lifetime.as_secs()
            });
            assert_eq!(read, expected, "{body}");
        }
    }
}
