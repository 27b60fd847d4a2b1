//! Who is calling the Metrics API, and whose metrics he may read.
//!
//! The authorizer's side is the [`Authenticator`]: it reads the credentials of a [`Request`], a token whose SHA-256 stands
//! in a [`Record`] or the JWT of a trusted issuer, and tells API Gateway who the [`Caller`] is. The API's side is
//! [`Caller::from_context`], which trusts nothing else, and for the dashboards [`Reader::from_context`]. Whatever is missing, malformed, unknown or past its end denies.

mod authenticator;
mod caller;
mod credentials;
#[cfg(test)]
mod fake_issuer;
mod jwt;
mod key_set;
mod keys;
mod object;
mod origin;
mod reader;
mod record;
mod records;
mod refusal;
mod request;
mod token;

pub use authenticator::Authenticator;
pub use caller::{Caller, NoCaller, usage_identifier_key};
pub use key_set::{IssuerError, KeysError, KeysErrorReason};
pub use origin::{Origin, OriginError};
pub use reader::{Admitted, Reader};
pub use record::{Flaw, Record, is_client, is_id};
pub use records::{DocumentError, Opens, RecordFlaw, Records};
pub use refusal::{Denied, NotAuthenticated, Reason, Unavailable};
pub use request::{MalformedRequest, Request};
pub use token::{NoRandomness, Token, TokenHash, random_text};
