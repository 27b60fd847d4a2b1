//! Pauses between attempts.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

/// Between half the pause and the whole, so that jobs that failed together do not come back together.
pub(crate) fn jittered(pause: Duration) -> Duration {
    let random = RandomState::new().hash_one(pause);
    pause.mul_f64(0.5 + random as f64 / u64::MAX as f64 / 2.0)
}
