//! Why nobody is let in: a reason for the log, and nothing for whoever asked.

use super::key_set::KeysError;
use super::records::{DocumentError, Opens};
use crate::placeholders::ResolveError;

/// A request that is let in by nobody's fault but its own, or not yet.
#[derive(Debug, thiserror::Error)]
pub enum NotAuthenticated {
    /// The credentials are not good: HTTP status 401. The message is the one by which API Gateway tells it.
    #[error("Unauthorized")]
    Denied(Denied),
    /// Whether they are good cannot be known now: HTTP status 500, since a customer who is told that his token is bad
    /// throws it away.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Why credentials are not good; for the log only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// What is wrong.
    pub reason: Reason,
    /// Whose credentials they would be, once that is proved.
    pub client: Option<String>,
    /// The `id` of the token's record.
    pub record: Option<String>,
}

/// What is wrong with credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// There are none.
    NoCredentials,
    /// There are several, and which of them counts is anybody's guess.
    SeveralCredentials,
    /// Neither `Bearer` nor `Basic`.
    Scheme,
    /// Not what the scheme asks for.
    MalformedCredentials,
    /// Not in the form of a token.
    MalformedToken,
    /// No record is of this token.
    UnknownToken,
    /// The user's name is not that of the token's client.
    WrongClient,
    /// The token, or the JWT, is past its end.
    Expired,
    /// The token may not be used from there.
    Origin,
    /// The configuration has no such plan.
    UnknownPlan,
    /// An organisation that cannot be the value of a label.
    Organisation,
    /// Not in the form of a JWT.
    MalformedJwt,
    /// A JWT that is meant for something else, or asks for what is not understood.
    JwtHeader,
    /// A JWT of somebody who is not trusted.
    Issuer,
    /// An algorithm that its issuer may not use.
    Algorithm,
    /// A key that its issuer does not have.
    UnknownKey,
    /// The signature is not that of its issuer.
    Signature,
    /// A JWT for somebody else.
    Audience,
    /// A JWT that is not valid yet.
    NotYetValid,
    /// Claims that are missing, or hold something else than they should.
    Claims,
}

impl Reason {
    /// The name under which it is logged.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NoCredentials => "no_credentials",
            Self::SeveralCredentials => "several_credentials",
            Self::Scheme => "scheme",
            Self::MalformedCredentials => "malformed_credentials",
            Self::MalformedToken => "malformed_token",
            Self::UnknownToken => "unknown_token",
            Self::WrongClient => "wrong_client",
            Self::Expired => "expired",
            Self::Origin => "origin",
            Self::UnknownPlan => "unknown_plan",
            Self::Organisation => "organisation",
            Self::MalformedJwt => "malformed_jwt",
            Self::JwtHeader => "jwt_header",
            Self::Issuer => "issuer",
            Self::Algorithm => "algorithm",
            Self::UnknownKey => "unknown_key",
            Self::Signature => "signature",
            Self::Audience => "audience",
            Self::NotYetValid => "not_yet_valid",
            Self::Claims => "claims",
        }
    }
}

impl From<Reason> for Denied {
    fn from(reason: Reason) -> Self {
        Self {
            reason,
            client: None,
            record: None,
        }
    }
}

impl From<Reason> for NotAuthenticated {
    fn from(reason: Reason) -> Self {
        Self::Denied(reason.into())
    }
}

impl From<Denied> for NotAuthenticated {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

/// What would tell good credentials from bad ones cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    /// The records of tokens cannot be read.
    #[error("the {}: {error}", opens.records())]
    Records {
        /// What the tokens open.
        opens: Opens,
        /// Why.
        error: ResolveError,
    },
    /// They can, and are of no use.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// An issuer's keys cannot be fetched.
    #[error(transparent)]
    Keys(#[from] KeysError),
}

impl Unavailable {
    /// A stable name of its kind.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Records { .. } => "tokens_unavailable",
            Self::Document(_) => "tokens_malformed",
            Self::Keys(_) => "keys_unavailable",
        }
    }
}
