//! AWS' request signature, version 4, as Amazon Managed Service for Prometheus asks for it.

use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};
use tokio::sync::{Mutex, OnceCell};

use super::error::Problem;
use crate::aws;
use crate::config::metrics_api::UpstreamAuth;

/// How long before they expire credentials are fetched anew.
const BEFORE_EXPIRY: Duration = Duration::from_mins(5);

/// How long credentials that do not expire are kept.
const LONGEST_KEPT: Duration = Duration::from_mins(5);

/// The name by which an assumed role's use is logged at AWS.
const SESSION: &str = "fanlight";

/// Signs requests.
pub(super) struct Signer {
    region: Option<String>,
    service: String,
    role: Option<String>,
    config: Option<SdkConfig>,
    source: OnceCell<Source>,
    credentials: Mutex<Option<(Credentials, SystemTime)>>,
}

/// Where credentials come from, and for where.
struct Source {
    provider: SharedCredentialsProvider,
    region: String,
}

impl Signer {
    /// The signer that the settings ask for, if they do. Nothing is looked for yet.
    pub(super) fn of(auth: &UpstreamAuth, config: Option<SdkConfig>) -> Option<Self> {
        let UpstreamAuth::SigV4 { region, service, role } = auth else {
            return None;
        };
        Some(Self {
            region: region.clone(),
            service: service.clone(),
            role: role.clone(),
            config: config.map(aws::by_our_client),
            source: OnceCell::new(),
            credentials: Mutex::new(None),
        })
    }

    /// Signs a request and adds the signature to its headers.
    pub(super) async fn sign(
        &self,
        method: &Method,
        url: &Url,
        headers: &mut HeaderMap,
        body: &[u8],
    ) -> Result<(), Problem> {
        let source = self.source.get_or_try_init(|| self.look()).await?;
        let credentials = self.credentials(source).await?;
        self.sign_with(
            credentials,
            &source.region,
            SystemTime::now(),
            (method, url, headers, body),
        )
    }

    fn sign_with(
        &self,
        credentials: Credentials,
        region: &str,
        time: SystemTime,
        (method, url, headers, body): (&Method, &Url, &mut HeaderMap, &[u8]),
    ) -> Result<(), Problem> {
        let fail = |error: String| Problem::Credentials(format!("the request cannot be signed: {error}"));
        let identity = credentials.into();
        let params = SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name(&self.service)
            .time(time)
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| fail(error.to_string()))?
            .into();
        let given = headers
            .iter()
            .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let request = SignableRequest::new(method.as_str(), url.as_str(), given, SignableBody::Bytes(body))
            .map_err(|error| fail(error.to_string()))?;
        let (instructions, _) = sign(request, &params)
            .map_err(|error| fail(error.to_string()))?
            .into_parts();
        let (signature, _) = instructions.into_parts();
        for header in signature {
            let mut value = HeaderValue::from_str(header.value()).map_err(|error| fail(error.to_string()))?;
            value.set_sensitive(true);
            headers.insert(HeaderName::from_static(header.name()), value);
        }
        Ok(())
    }

    async fn look(&self) -> Result<Source, Problem> {
        let config = match &self.config {
            Some(config) => config,
            None => &aws::environment().await,
        };
        let region = self.region.clone().or_else(|| config.region().map(ToString::to_string));
        let region = region.ok_or_else(|| {
            Problem::Credentials("no AWS region is known: set `region` under its `sigv4`, or AWS_REGION".to_owned())
        })?;
        let provider = match &self.role {
            None => config.credentials_provider(),
            Some(role) => {
                let role = AssumeRoleProvider::builder(role)
                    .session_name(SESSION)
                    .configure(config);
                Some(SharedCredentialsProvider::new(role.build().await))
            }
        };
        let provider =
            provider.ok_or_else(|| Problem::Credentials("AWS is configured to be asked without any".to_owned()))?;
        Ok(Source { provider, region })
    }

    async fn credentials(&self, source: &Source) -> Result<Credentials, Problem> {
        let mut kept = self.credentials.lock().await;
        let now = SystemTime::now();
        if let Some((credentials, until)) = &*kept
            && now < *until
        {
            return Ok(credentials.clone());
        }
        let credentials = source.provider.provide_credentials().await.map_err(|error| {
            let role = self.role.as_ref().map(|role| format!(" for the role {role}"));
            let message = crate::endpoint::innermost(&error);
            Problem::Credentials(format!("AWS gave none{}: {message}", role.unwrap_or_default()))
        })?;
        let until = match credentials.expiry() {
            Some(expiry) => expiry - BEFORE_EXPIRY,
            None => now + LONGEST_KEPT,
        };
        *kept = Some((credentials.clone(), until));
        Ok(credentials)
    }
}
