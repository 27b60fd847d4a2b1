//! Why a metric could not be made.

/// Why a metric could not be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricFailure {
    /// The kind of failure, for logs and alerts, of low cardinality. The same for all sources: `placeholder` and
    /// `parameter` before anything is asked; `connect` and `login`; `sql` (what is asked is refused), `timeout`,
    /// `connection` (lost on the way) and `query` (anything else); `column`, `external` and `rows` where the answer is
    /// not what the metric is made from.
    pub kind: &'static str,
    /// What went wrong and where, in a sentence.
    pub message: String,
}

impl MetricFailure {
    /// A failure of a kind.
    pub(crate) fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }
}
