//! How large a query may be before it is refused unread.

/// The size, tokens and nesting a query may have. Prometheus' own parser takes time quadratic in the length of a chain
/// and in the depth of parentheses, so these protect the upstream as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the query; 64 KiB by default.
    pub bytes: u32,
    /// Tokens of the query; 50,000 by default.
    pub tokens: u32,
    /// Open parentheses, calls, aggregations, signs and operators that await their right side; 256 by default.
    pub depth: u32,
    /// Selectors of the query; 1,000 by default.
    pub selectors: u32,
    /// Bytes of the query after enforcement, which repeats the policy in every selector; 4 MiB by default.
    pub enforced_bytes: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 64 << 10,
            tokens: 50_000,
            depth: 256,
            selectors: 1_000,
            enforced_bytes: 4 << 20,
        }
    }
}
