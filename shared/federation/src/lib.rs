//! What turns a Prometheus instant query's JSON into exposition text, CSV or NDJSON, a sample at a time.
//!
//! Prometheus' own `/federate` reads its storage. This one is made from the answer of `/api/v1/query`, so that it works
//! where the upstream has no `/federate`: [`union`] writes the query, [`negotiate`] finds the [`Format`], a
//! [`Converter`] takes the answer in whatever pieces it arrives. Memory does not depend on the answer's size.
//!
//! What differs from Prometheus' own:
//!
//! - The samples have the time of the query, which is what instant queries answer with.
//! - The order is the answer's. Series of one name need not stand together, which no parser of Prometheus minds.
//! - No types are given, as they are not known.
//! - At the end stand `fanlight_federate_samples`, the number of samples written, and how many were skipped because
//!   they are native histograms (`fanlight_federate_histograms_skipped`) or have no name
//!   (`fanlight_federate_nameless_skipped`). So there is always a metric, and an empty selection is not an outage.
//!   An answer without `fanlight_federate_samples` is not complete.
//!
//! Samples as Prometheus writes them take a fast path (`fused`), which recognises or leaves alone; all others are read
//! by `element`, and both give the same text. `RUSTC_BOOTSTRAP=1 cargo fuzz run -s none federate --
//! -dict=fuzz/federate.dict` looks for answers where they do not.

mod broken;
mod converter;
mod element;
mod format;
mod fused;
mod names;
#[cfg(test)]
mod reading;
mod skim;
#[cfg(test)]
mod tests;
mod union;
mod utf8;
mod words;
mod write;

pub use broken::Broken;
pub use converter::Converter;
pub use format::{Escaping, Format, OpenMetricsVersion, negotiate};
pub use union::union;

/// The largest sample, and the most that is held back while it is not known what the answer is, in bytes.
const PART_LIMIT: usize = 1 << 20;

/// How deep brackets may be nested within a value.
const DEPTH_LIMIT: u32 = u128::BITS;

/// What became of an answer's series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Samples written.
    pub samples: u64,
    /// Native histograms, which the formats cannot say.
    pub histograms_skipped: u64,
    /// Samples without a metric's name, which the text formats cannot say.
    pub nameless_skipped: u64,
}
