//! Passwords of RDS' IAM authentication: signed requests to connect, each good for 15 minutes.
//!
//! As [Connecting to your DB instance using IAM authentication](https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.Connecting.html)
//! describes them: a GET of `https://HOST:PORT/?Action=connect&DBUser=USER`, signed in its query for the service `rds-db`,
//! without the scheme.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials as _;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::SecretString;
use tokio::sync::{Mutex, OnceCell};

use crate::aws;

/// How long RDS takes a token for a login.
const GOOD_FOR: Duration = Duration::from_mins(15);
/// How long one is used, so that none expires on its way.
const KEPT: Duration = Duration::from_mins(10);
/// All but what RFC 3986 leaves as it is, as the signature counts on it.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Who logs in where: what a token is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The instance's or the cluster's own endpoint: a token for another name of it is refused.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The database's user.
    pub user: String,
}

/// Makes tokens with the process's own AWS credentials, and keeps each for a while.
#[derive(Default)]
pub(crate) struct Tokens {
    config: OnceCell<SdkConfig>,
    kept: Mutex<Vec<Kept>>,
}

struct Kept {
    login: Login,
    region: Option<String>,
    token: SecretString,
    until: SystemTime,
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
#[error("there is no token for RDS: {0}")]
pub(crate) struct TokenError(String);

impl Tokens {
    /// A token for a login in a Region, which is the process's own if it is not given.
    ///
    /// # Errors
    /// When there is no Region, or AWS gives no credentials.
    pub(crate) async fn token(&self, login: &Login, region: Option<&str>) -> Result<SecretString, TokenError> {
        self.token_at(SystemTime::now, login, region).await
    }

    /// As [`Self::token`], by a clock.
    async fn token_at(
        &self,
        clock: impl FnOnce() -> SystemTime,
        login: &Login,
        region: Option<&str>,
    ) -> Result<SecretString, TokenError> {
        // Held while one is made: who else wants it, waits for it.
        let mut kept = self.kept.lock().await;
        let now = clock();
        kept.retain(|kept| now < kept.until);
        let same = |kept: &&Kept| kept.login == *login && kept.region.as_deref() == region;
        if let Some(kept) = kept.iter().find(same) {
            return Ok(kept.token.clone());
        }
        let credentials = self.credentials().await?;
        let expiry = credentials.expiry();
        let token = signed(login, &self.region(region).await?, credentials, now)?;
        // A token is good for no longer than the credentials that signed it.
        let until = expiry.map_or(now + KEPT, |expiry| expiry.min(now + KEPT));
        kept.push(Kept {
            login: login.clone(),
            region: region.map(str::to_owned),
            token: token.clone(),
            until,
        });
        Ok(token)
    }

    /// Forgets the tokens for a login, since one was refused.
    pub(crate) async fn forget(&self, login: &Login) {
        self.kept.lock().await.retain(|kept| kept.login != *login);
    }

    async fn config(&self) -> &SdkConfig {
        self.config.get_or_init(aws::environment).await
    }

    async fn region(&self, region: Option<&str>) -> Result<String, TokenError> {
        let own = self.config().await.region().map(ToString::to_string);
        let none = || TokenError("no AWS region is known: set `region` under `rds_iam`, or AWS_REGION".to_owned());
        region.map(str::to_owned).or(own).ok_or_else(none)
    }

    async fn credentials(&self) -> Result<Credentials, TokenError> {
        let provider = self.config().await.credentials_provider();
        let provider = provider.ok_or_else(|| TokenError("AWS is configured to be asked without any".to_owned()))?;
        provider.provide_credentials().await.map_err(|error| {
            let message = crate::endpoint::innermost(&error);
            TokenError(format!("AWS gave no credentials: {message}"))
        })
    }
}

fn signed(login: &Login, region: &str, credentials: Credentials, time: SystemTime) -> Result<SecretString, TokenError> {
    let fail = |error: &dyn std::fmt::Display| TokenError(format!("it cannot be signed: {error}"));
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(GOOD_FOR);
    let identity = credentials.into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("rds-db")
        .time(time)
        .settings(settings)
        .build()
        .map_err(|error| fail(&error))?
        .into();
    let Login { host, port, user } = login;
    let mut token = format!("{host}:{port}/?Action=connect&DBUser={}", encoded(user));
    let url = format!("https://{token}");
    let request = SignableRequest::new("GET", &url, std::iter::empty(), SignableBody::Bytes(&[]));
    let (instructions, _) = sign(request.map_err(|error| fail(&error))?, &params)
        .map_err(|error| fail(&error))?
        .into_parts();
    for (name, value) in instructions.params() {
        // Writing into a string cannot fail.
        let _ = write!(token, "&{name}={}", encoded(value));
    }
    Ok(token.into())
}

fn encoded(text: &str) -> impl std::fmt::Display {
    utf8_percent_encode(text, RESERVED).to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use aws_config::{BehaviorVersion, Region};
    use aws_credential_types::provider::SharedCredentialsProvider;
    use secrecy::ExposeSecret as _;

    use super::*;

    /// 2026-01-31T10:20:00Z.
    const TIME: Duration = Duration::from_mins(29_497_580);

    fn login(port: u16, user: &str) -> Login {
        Login {
            host: "shop.abc123.eu-west-3.rds.amazonaws.com".to_owned(),
            port,
            user: user.to_owned(),
        }
    }

    fn credentials(session: Option<&str>, expiry: Option<SystemTime>) -> Credentials {
        let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        Credentials::new("AKIDEXAMPLE", secret, session.map(str::to_owned), expiry, "test")
    }

    async fn tokens(region: Option<&'static str>, expiry: Option<SystemTime>) -> Tokens {
        let provider = SharedCredentialsProvider::new(credentials(None, expiry));
        let config = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .credentials_provider(provider)
            .region(region.map(Region::new))
            .load()
            .await;
        Tokens {
            config: OnceCell::new_with(Some(config)),
            kept: Mutex::default(),
        }
    }

    /// The expected tokens were computed apart from this code, by AWS' own botocore and by HMAC from its description.
    #[test]
    fn tokens_are_those_of_awss_own_clients() {
        for (login, session, expected) in [
            (
                login(5432, "fanlight"),
                None,
                "shop.abc123.eu-west-3.rds.amazonaws.com:5432/?Action=connect&DBUser=fanlight&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20260131%2Feu-west-3%2Frds-db%2Faws4_request&X-Amz-Date=20260131T102000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Signature=e88d3683aaa9b8ed245ca3096f2a269fd87a46acb6213efe66b5c66828fa0cbf",
            ),
            (
                login(3306, "a+b@c"),
                Some("IQoJ/session+token=="),
                "shop.abc123.eu-west-3.rds.amazonaws.com:3306/?Action=connect&DBUser=a%2Bb%40c&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20260131%2Feu-west-3%2Frds-db%2Faws4_request&X-Amz-Date=20260131T102000Z&X-Amz-Expires=900&X-Amz-Security-Token=IQoJ%2Fsession%2Btoken%3D%3D&X-Amz-SignedHeaders=host&X-Amz-Signature=1b7f1242b59dcb89886791e9fd1c1f5881e03e68912e0003ba86f68863eb340f",
            ),
        ] {
            let time = SystemTime::UNIX_EPOCH + TIME;
            let token = signed(&login, "eu-west-3", credentials(session, None), time).unwrap();
            // The order of the parameters is free.
            let parts = |token: &str| {
                let (place, query) = token.split_once('?').unwrap();
                (
                    place.to_owned(),
                    query.split('&').map(str::to_owned).collect::<BTreeSet<_>>(),
                )
            };
            assert_eq!(parts(token.expose_secret()), parts(expected));
        }
    }

    #[tokio::test]
    async fn a_token_is_kept_for_its_login_and_region_until_it_is_refused() {
        let tokens = tokens(Some("eu-west-3"), None).await;
        let token = async |after: Duration, user: &str, region: Option<&str>| {
            let clock = || SystemTime::UNIX_EPOCH + TIME + after;
            let token = tokens.token_at(clock, &login(5432, user), region).await.unwrap();
            token.expose_secret().to_owned()
        };
        let begin = Duration::ZERO;
        let first = token(begin, "a", None).await;
        assert!(first.contains("%2Feu-west-3%2Frds-db%2Faws4_request"), "{first}");
        let other = token(begin, "b", None).await;
        assert_ne!(other, first);
        let elsewhere = token(begin, "a", Some("us-east-1")).await;
        assert!(elsewhere.contains("%2Fus-east-1%2Frds-db%2F"), "{elsewhere}");
        // Signatures tell the second in which they were made.
        let later = KEPT.saturating_sub(Duration::from_secs(1));
        assert_eq!(token(later, "a", None).await, first);
        tokens.forget(&login(5432, "a")).await;
        assert_ne!(token(later, "a", None).await, first);
        assert_ne!(token(KEPT, "b", None).await, other);
    }

    #[tokio::test]
    async fn a_token_is_not_kept_longer_than_its_credentials() {
        let soon = SystemTime::now() + Duration::from_mins(1);
        let tokens = tokens(Some("eu-west-3"), Some(soon)).await;
        tokens.token(&login(5432, "a"), None).await.unwrap();
        assert_eq!(tokens.kept.lock().await[0].until, soon);
    }

    #[tokio::test]
    async fn what_is_lacking_is_said() {
        let tokens = tokens(None, None).await;
        let error = tokens.token(&login(5432, "a"), None).await.unwrap_err();
        let said = "there is no token for RDS: no AWS region is known: set `region` under `rds_iam`, or AWS_REGION";
        assert_eq!(error.to_string(), said);
    }
}
