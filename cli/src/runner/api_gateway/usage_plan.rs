//! Usage plans: how fast and how often the holder of an API key may call.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-api-usage-plans.html>

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use uuid::Uuid;

use super::gateway_response::GatewayError;

/// A usage plan. Its limits hold for each API key by itself.
#[derive(Debug, Clone)]
pub struct UsagePlan {
    /// Requests a second over time: what the bucket is filled with.
    pub rate: f64,
    /// Requests at once: what the bucket holds.
    pub burst: u32,
    /// Requests in a period, which here is the life of the runner; on AWS a day, a week or a month.
    pub quota: Option<u64>,
}

/// An API key of a plan, and what it has used.
pub(super) struct ApiKey {
    pub(super) id: String,
    plan: UsagePlan,
    usage: Mutex<Usage>,
}

struct Usage {
    tokens: f64,
    filled: Instant,
    requests: u64,
}

impl ApiKey {
    pub(super) fn new(plan: UsagePlan) -> Self {
        let id = Uuid::new_v4().simple().to_string();
        Self {
            id: id[..10].into(),
            usage: Mutex::new(Usage {
                tokens: f64::from(plan.burst),
                filled: Instant::now(),
                requests: 0,
            }),
            plan,
        }
    }

    /// Counts a request, or says which limit it is beyond; then it is not counted.
    pub(super) fn take(&self, now: Instant) -> Result<(), GatewayError> {
        let mut usage = self.usage.lock().unwrap_or_else(PoisonError::into_inner);
        if self.plan.quota.is_some_and(|quota| usage.requests >= quota) {
            return Err(GatewayError::QuotaExceeded);
        }
        let since = now.saturating_duration_since(usage.filled).as_secs_f64();
        usage.tokens = since
            .mul_add(self.plan.rate, usage.tokens)
            .min(f64::from(self.plan.burst));
        usage.filled = now;
        if usage.tokens < 1.0 {
            return Err(GatewayError::Throttled);
        }
        usage.tokens -= 1.0;
        usage.requests += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_bucket_holds_the_burst_and_fills_at_the_rate() {
        let key = ApiKey::new(UsagePlan {
            rate: 2.0,
            burst: 3,
            quota: None,
        });
        let start = Instant::now();
        let take = |milliseconds| key.take(start + Duration::from_millis(milliseconds));
        for _ in 0..3 {
            assert_eq!(take(0), Ok(()));
        }
        assert_eq!(take(0), Err(GatewayError::Throttled));
        assert_eq!(take(499), Err(GatewayError::Throttled));
        assert_eq!(take(501), Ok(()));
        assert_eq!(take(502), Err(GatewayError::Throttled));
        // No more than the burst, however long nobody called.
        for _ in 0..3 {
            assert_eq!(take(1_000_000), Ok(()));
        }
        assert_eq!(take(1_000_000), Err(GatewayError::Throttled));
    }

    #[test]
    fn a_spent_quota_stays_spent() {
        let key = ApiKey::new(UsagePlan {
            rate: 1000.0,
            burst: 1000,
            quota: Some(2),
        });
        let now = Instant::now();
        assert_eq!([key.take(now), key.take(now)], [Ok(()), Ok(())]);
        assert_eq!(
            key.take(now + Duration::from_hours(1)),
            Err(GatewayError::QuotaExceeded)
        );
    }
}
