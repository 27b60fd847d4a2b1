//! Why a metric could not be made, and what came of the places where a source has asked.

/// Why a metric could not be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricFailure {
    /// The kind of failure, for logs and alerts, of low cardinality. The same for all sources: `placeholder` and
    /// `parameter` before anything is asked; `connect` and `login`; `sql` (what is asked is refused), `timeout`,
    /// `connection` (lost on the way), `status` and `page` (an answer over HTTP that is none), `throttled` (too many
    /// requests), `partial` (an answer that says of itself that it is not whole) and `query` (anything else); `column`,
    /// `external` and `rows` where the answer is not what the metric is made from.
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

/// What came of one of the several services that a source has asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetReport {
    /// The column `target` of its rows.
    pub name: String,
    /// Why it gave no rows, or none that some metric takes.
    pub failure: Option<MetricFailure>,
    /// How many of its checks were in a state that is not known; `None` for what has no states.
    pub unknown_states: Option<u64>,
}

impl TargetReport {
    /// What came of the same target in another query of the run.
    pub(crate) fn merge(&mut self, other: Self) {
        if self.failure.is_none() {
            self.failure = other.failure;
        }
        self.unknown_states = match (self.unknown_states, other.unknown_states) {
            (Some(one), Some(two)) => Some(one + two),
            (one, two) => one.or(two),
        };
    }
}
