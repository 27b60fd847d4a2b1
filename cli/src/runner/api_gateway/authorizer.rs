//! A Lambda authorizer of type `REQUEST`: who is asked, what its answer means, and how long that holds.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-use-lambda-authorizer.html>

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::time::timeout;
use tracing::warn;

use super::gateway_response::GatewayError;
use super::policy::{Policy, Verdict};
use crate::runner::{Function, Outcome};

/// How long an answer is kept unless said otherwise.
const DEFAULT_TTL: Duration = Duration::from_mins(5);
/// The longest that API Gateway waits.
const LONGEST_WAIT: Duration = Duration::from_secs(29);

/// The authorizer of an API. Its identity sources are the header `Authorization` and the client's address: a request
/// without the former is refused without asking, and what was answered for both is kept for as long as set.
pub struct Authorizer {
    function: Function,
    ttl: Duration,
    cache: Mutex<HashMap<Identity, Kept>>,
}

/// The values of the identity sources.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Identity {
    authorization: String,
    source_ip: IpAddr,
}

struct Kept {
    until: Instant,
    answer: Arc<Answer>,
}

/// What the authorizer answered.
struct Answer {
    policy: Policy,
    /// The context as the integration sees it, with `principalId`.
    context: Map<String, Value>,
    usage_identifier_key: Option<String>,
}

/// A request that may reach its integration.
pub(super) struct Authorized {
    pub(super) context: Map<String, Value>,
    pub(super) usage_identifier_key: Option<String>,
}

impl Authorizer {
    /// The function behind the authorizer. Its answers are kept for 5 minutes.
    pub fn new(function: Function) -> Self {
        Self {
            function,
            ttl: DEFAULT_TTL,
            cache: Mutex::default(),
        }
    }

    /// How long an answer is kept; zero for not at all. AWS takes up to an hour.
    #[must_use]
    pub fn cache_ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// Lets a request pass or not. An answer that has been kept is held against the method of each request anew, so a
    /// policy for one method alone denies all others for as long as it is kept.
    pub(super) async fn authorize(
        &self,
        authorization: Option<&str>,
        source_ip: IpAddr,
        method_arn: &str,
        event: impl FnOnce() -> Bytes,
    ) -> Result<Authorized, GatewayError> {
        let authorization = authorization
            .filter(|value| !value.is_empty())
            .ok_or(GatewayError::Unauthorized)?;
        let identity = Identity {
            authorization: authorization.into(),
            source_ip,
        };
        let began = Instant::now();
        let (answer, latency) = match self.kept(&identity) {
            Some(answer) => (answer, 0),
            None => {
                let answer = Arc::new(self.ask(event()).await?);
                self.keep(identity, &answer);
                (answer, u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX))
            }
        };
        match answer.policy.verdict(method_arn) {
            Verdict::Allow => {
                let mut context = answer.context.clone();
                context.insert("integrationLatency".into(), latency.into());
                Ok(Authorized {
                    context,
                    usage_identifier_key: answer.usage_identifier_key.clone(),
                })
            }
            Verdict::Deny => Err(GatewayError::AccessDenied { explicitly: true }),
            Verdict::Silent => Err(GatewayError::AccessDenied { explicitly: false }),
        }
    }

    fn kept(&self, identity: &Identity) -> Option<Arc<Answer>> {
        let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = cache.get(identity)?;
        (Instant::now() < kept.until).then(|| Arc::clone(&kept.answer))
    }

    fn keep(&self, identity: Identity, answer: &Arc<Answer>) {
        if self.ttl.is_zero() {
            return;
        }
        let now = Instant::now();
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.retain(|_, kept| now < kept.until);
        let kept = Kept {
            until: now + self.ttl,
            answer: Arc::clone(answer),
        };
        cache.insert(identity, kept);
    }

    async fn ask(&self, event: Bytes) -> Result<Answer, GatewayError> {
        let name = self.function.name();
        let refuse = |why: &dyn std::fmt::Display| {
            warn!(authorizer = name, "the authorizer cannot be used: {why}");
            GatewayError::Authorizer
        };
        let invocation = timeout(LONGEST_WAIT, self.function.invoke(event))
            .await
            .map_err(|_| refuse(&"it took longer than 29 seconds"))?
            .map_err(|error| refuse(&error))?;
        match invocation.outcome {
            Outcome::Success(reply) => Answer::parse(&reply.body).map_err(|error| refuse(&error)),
            // The one error that means 401.
            Outcome::Failure(failure) if failure.message == "Unauthorized" => Err(GatewayError::Unauthorized),
            Outcome::Failure(failure) => Err(refuse(&failure)),
        }
    }
}

/// An answer that is none.
#[derive(Debug, thiserror::Error)]
enum MalformedAnswer {
    #[error("what it answered is not what an authorizer answers: {0}")]
    Shape(#[source] serde_json::Error),
    #[error("its policyDocument is none, or has what is not evaluated here: {0}")]
    Policy(#[source] serde_json::Error),
    #[error("its context has, under `{0}`, what is neither a string nor a number nor a boolean")]
    Context(String),
}

impl Answer {
    /// Reads `{"principalId", "policyDocument", "context", "usageIdentifierKey"}`.
    /// <https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-output.html>
    fn parse(body: &[u8]) -> Result<Self, MalformedAnswer> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Wire {
            principal_id: String,
            policy_document: Value,
            context: Option<Map<String, Value>>,
            usage_identifier_key: Option<String>,
        }
        let wire: Wire = serde_json::from_slice(body).map_err(MalformedAnswer::Shape)?;
        let policy = Policy::parse(&wire.policy_document).map_err(MalformedAnswer::Policy)?;
        let mut context = Map::new();
        for (name, value) in wire.context.unwrap_or_default() {
            let value = match value {
                Value::String(text) => text.into(),
                Value::Number(number) => number.to_string().into(),
                Value::Bool(value) => value.to_string().into(),
                // Which AWS passes on (DefinitelyTyped/DefinitelyTyped pull request 69823).
                Value::Null => Value::Null,
                Value::Array(_) | Value::Object(_) => return Err(MalformedAnswer::Context(name)),
            };
            context.insert(name, value);
        }
        context.insert("principalId".into(), wire.principal_id.into());
        Ok(Self {
            policy,
            context,
            usage_identifier_key: wire.usage_identifier_key,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_context_reaches_the_integration_as_strings() {
        let answer = json!({
            "principalId": "acme",
            "policyDocument": {"Version": "2012-10-17", "Statement": []},
            "context": {"s": "text", "n": 1.5, "i": 7, "b": true, "z": null, "principalId": "spoofed"},
            "usageIdentifierKey": "key",
        });
        let answer = Answer::parse(answer.to_string().as_bytes()).expect("an answer");
        let expected = json!({"s": "text", "n": "1.5", "i": "7", "b": "true", "z": null, "principalId": "acme"});
        assert_eq!(Value::Object(answer.context), expected);
        assert_eq!(answer.usage_identifier_key.as_deref(), Some("key"));
    }

    #[test]
    fn a_malformed_answer_says_what_is_wrong() {
        let policy = json!({"Version": "2012-10-17", "Statement": []});
        let cases = [
            (json!(null), "not what an authorizer answers"),
            (json!({"policyDocument": policy}), "missing field `principalId`"),
            (json!({"principalId": "a"}), "missing field `policyDocument`"),
            (
                json!({"principalId": "a", "policyDocument": {}}),
                "missing field `Statement`",
            ),
            (
                json!({"principalId": "a", "policyDocument": policy, "context": {"list": ["a"]}}),
                "under `list`",
            ),
            (
                json!({"principalId": "a", "policyDocument": policy, "context": "text"}),
                "not what an authorizer answers",
            ),
        ];
        for (answer, words) in cases {
            let error = Answer::parse(answer.to_string().as_bytes())
                .err()
                .expect("an error")
                .to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
