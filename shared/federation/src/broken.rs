//! Why an upstream's answer cannot be converted, in words that hold nothing of the answer itself.

use thiserror::Error;

/// The upstream's answer is not the complete, successful answer of an instant query.
///
/// No variant holds bytes of the answer: they may name what the caller must not see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Broken {
    /// The first character is not a brace, as in a page of HTML.
    #[error("the upstream answered with something else than a JSON object, such as a page of HTML")]
    NotJson,
    /// A character stands where JSON allows none.
    #[error("the upstream's answer is not valid JSON")]
    Malformed,
    /// The answer ended within the document.
    #[error("the upstream's answer ended before it was complete")]
    Truncated,
    /// The document ended before the answer.
    #[error("the upstream's answer goes on after its JSON document")]
    Trailing,
    /// `status` is something else than `success`.
    #[error("the upstream could not answer the query: the `status` of its answer is not `success`")]
    Unsuccessful,
    /// `resultType` is something else than `vector`.
    #[error("the upstream's answer is not an instant vector: its `resultType` is not `vector`")]
    NotVector,
    /// A field of the envelope is absent.
    #[error("the upstream's answer has no `{0}`")]
    Missing(&'static str),
    /// A field of the envelope stands there twice.
    #[error("the upstream's answer has more than one `{0}`")]
    Repeated(&'static str),
    /// A field of the envelope has another type.
    #[error("the `{field}` of the upstream's answer is not {expected}")]
    WrongType {
        /// The field's name.
        field: &'static str,
        /// What it should be, with an article.
        expected: &'static str,
    },
    /// An element of `result` is no sample.
    #[error("a sample of the upstream's answer is not made of a `metric` and a `value` or `histogram`")]
    Sample,
    /// A sample's time is no number between the years 1970 and 9999, which is what all formats can say.
    #[error("a sample of the upstream's answer has a time that is not between the years 1970 and 9999")]
    Time,
    /// A sample's value is not what Prometheus writes for a float.
    #[error("a sample of the upstream's answer has a value that is not a number, `NaN`, `+Inf` or `-Inf`")]
    Value,
    /// A sample or a key is larger than can be held.
    #[error("a single part of the upstream's answer is larger than {} KiB", super::PART_LIMIT >> 10)]
    TooLarge,
    /// Brackets are nested deeper than in any answer.
    #[error("the upstream's answer is nested deeper than {} levels", super::DEPTH_LIMIT)]
    TooDeep,
    /// `status` or `resultType` follow a `result` that is too large to be held back until they come.
    #[error("the upstream's answer says what it is only after more than {} KiB of `result`", super::PART_LIMIT >> 10)]
    LateHead,
}
