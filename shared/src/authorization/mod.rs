//! Who is calling the Metrics API, and whose metrics he may read.

mod caller;
mod object;
mod origin;
mod record;
mod records;
mod token;

pub use caller::{Caller, NoCaller, usage_identifier_key};
pub use origin::{Origin, OriginError};
pub use record::{Flaw, Record, is_client, is_id};
pub use records::{DocumentError, RecordFlaw, Records};
pub use token::{NoRandomness, PREFIX, Token, TokenHash, random_text};
