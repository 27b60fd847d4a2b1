//! The functions' memory allocator, which keeps what the runtime leaks apart from our buffers.
//!
//! `lambda_runtime` sets the environment variable `_X_AMZN_TRACE_ID` for each invocation, and glibc's `setenv` never frees
//! a value. In a heap shared with them these few bytes come to lie behind each large buffer, so that the place of a freed
//! one soon fits no other: the Metrics API grew by 30 KB a request. With an allocator of its own for everything in Rust
//! what remains are the variable's 130 bytes.
//!
//! A function names it in its `main.rs`:
//!
//! ```
//! #[global_allocator]
//! static ALLOCATOR: shared::allocator::Allocator = shared::allocator::Allocator;
//! ```

/// Doug Lea's allocator, from which glibc's descends, in Rust: as small, and it gives memory back as readily.
pub use dlmalloc::GlobalDlmalloc as Allocator;
