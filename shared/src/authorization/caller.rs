//! Who calls, and the form in which the authorizer tells the API: API Gateway's context of a request.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::reader::SCOPE;

pub(super) const CLIENT: &str = "client";
pub(super) const ORGANISATIONS: &str = "organisations";
const PLAN: &str = "plan";
pub(super) const EXPIRES: &str = "expires";

/// Somebody who has proved who he is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// His name.
    pub client: String,
    /// Whose series he may read; never empty.
    pub organisations: Vec<String>,
    /// The name of his plan.
    pub plan: String,
    /// When his credentials end, in whole seconds; from then on he is nobody.
    pub expires: Timestamp,
}

/// A request's context names no caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoCaller {
    /// A value is not there, as when no authorizer stands before the API.
    #[error("the authorizer's context has no text `{0}`")]
    Absent(&'static str),
    /// A value is there and says nothing.
    #[error("the authorizer's context has an empty `{0}`")]
    Empty(&'static str),
    /// A value is not in the form that the authorizer gives it.
    #[error("the authorizer's context has a malformed `{0}`")]
    Malformed(&'static str),
    /// API Gateway has kept the answer for longer than the credentials live.
    #[error("the caller's credentials have expired")]
    Expired,
}

impl Caller {
    /// The values that the authorizer adds to a request. All are texts, since API Gateway carries no lists and turns
    /// numbers into texts on its way: `organisations` is a JSON array, `expires` the seconds since 1970.
    #[must_use]
    pub fn context(&self) -> Map<String, Value> {
        let organisations = Value::from(self.organisations.as_slice()).to_string();
        [
            (CLIENT, self.client.clone()),
            (ORGANISATIONS, organisations),
            (PLAN, self.plan.clone()),
            (EXPIRES, self.expires.as_second().to_string()),
        ]
        .map(|(name, text)| (name.to_owned(), text.into()))
        .into_iter()
        .collect()
    }

    /// The caller that a request's context names; `value` looks one up by its name.
    ///
    /// # Errors
    /// Something is missing, empty or malformed, or the credentials have expired by `now`: then nobody calls.
    pub fn from_context<'v>(value: impl Fn(&str) -> Option<&'v Value>, now: Timestamp) -> Result<Self, NoCaller> {
        // Whoever is something else is no customer as well.
        if value(SCOPE).is_some() {
            return Err(NoCaller::Malformed(SCOPE));
        }
        let text = |name| text(&value, name);
        let client = text(CLIENT)?.to_owned();
        let organisations: Vec<String> =
            serde_json::from_str(text(ORGANISATIONS)?).map_err(|_| NoCaller::Malformed(ORGANISATIONS))?;
        if organisations.is_empty() || organisations.iter().any(String::is_empty) {
            return Err(NoCaller::Empty(ORGANISATIONS));
        }
        let plan = text(PLAN)?.to_owned();
        Ok(Self {
            client,
            organisations,
            plan,
            expires: end(&value, now)?,
        })
    }

    /// The value of the API key by which API Gateway's usage plans know the caller; see [`usage_identifier_key`].
    #[must_use]
    pub fn usage_identifier_key(&self) -> String {
        usage_identifier_key(&self.client)
    }
}

/// A text of a context.
pub(super) fn text<'v>(value: &impl Fn(&str) -> Option<&'v Value>, name: &'static str) -> Result<&'v str, NoCaller> {
    match value(name).and_then(Value::as_str) {
        Some("") => Err(NoCaller::Empty(name)),
        Some(text) => Ok(text),
        None => Err(NoCaller::Absent(name)),
    }
}

/// When the credentials of a context end, which is after `now`.
pub(super) fn end<'v>(value: &impl Fn(&str) -> Option<&'v Value>, now: Timestamp) -> Result<Timestamp, NoCaller> {
    let seconds = text(value, EXPIRES)?.parse().ok();
    let expires = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
    match expires.ok_or(NoCaller::Malformed(EXPIRES))? {
        expires if expires <= now => Err(NoCaller::Expired),
        expires => Ok(expires),
    }
}

/// The value of a client's API key: `fanlight-` and the first 40 hexadecimal digits of the SHA-256 of his name.
///
/// With `ApiKeySourceType: AUTHORIZER`, API Gateway counts a request against the key whose *value* (20 to 128
/// characters) the authorizer returns. It opens no door, since no header is read for it; so it may be derived, and a key
/// can be made for a client before he has ever called.
#[must_use]
pub fn usage_identifier_key(client: &str) -> String {
    let mut key = "fanlight-".to_owned();
    for byte in &digest(&SHA256, client.as_bytes()).as_ref()[..20] {
        // Writing to a String does not fail.
        let _ = write!(key, "{byte:02x}");
    }
    key
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn now() -> Timestamp {
        Timestamp::from_second(NOW).unwrap()
    }

    fn context() -> Map<String, Value> {
        let context = json!({"client": "acme", "organisations": "[\"a\",\"b\"]", "plan": "p", "expires": "1800000001",
            "principalId": "acme", "integrationLatency": 3});
        context.as_object().unwrap().clone()
    }

    fn caller(context: &Map<String, Value>) -> Result<Caller, NoCaller> {
        Caller::from_context(|name| context.get(name), now())
    }

    #[test]
    fn what_the_gateway_adds_is_no_matter() {
        let expected = Caller {
            client: "acme".to_owned(),
            organisations: vec!["a".to_owned(), "b".to_owned()],
            plan: "p".to_owned(),
            expires: Timestamp::from_second(NOW + 1).unwrap(),
        };
        assert_eq!(caller(&context()), Ok(expected));
    }

    #[test]
    fn whatever_else_is_nobody() {
        use NoCaller::{Absent, Empty, Expired, Malformed};
        assert_eq!(caller(&Map::new()), Err(Absent("client")));
        for name in [CLIENT, ORGANISATIONS, PLAN, EXPIRES] {
            let mut context = context();
            context.remove(name);
            assert_eq!(caller(&context), Err(Absent(name)), "{name}");
            for (value, error) in [
                (json!(null), Absent(name)),
                (json!(1), Absent(name)),
                (json!(["a"]), Absent(name)),
                (json!(""), Empty(name)),
            ] {
                context.insert(name.to_owned(), value);
                assert_eq!(caller(&context), Err(error), "{name}");
            }
        }
        for (name, value, error) in [
            (ORGANISATIONS, "[]", Empty(ORGANISATIONS)),
            (ORGANISATIONS, "[\"\"]", Empty(ORGANISATIONS)),
            (ORGANISATIONS, "[\"a\",\"\"]", Empty(ORGANISATIONS)),
            (ORGANISATIONS, "a", Malformed(ORGANISATIONS)),
            (ORGANISATIONS, "\"a\"", Malformed(ORGANISATIONS)),
            (ORGANISATIONS, "[1]", Malformed(ORGANISATIONS)),
            (ORGANISATIONS, "null", Malformed(ORGANISATIONS)),
            (ORGANISATIONS, "[\"a\"]]", Malformed(ORGANISATIONS)),
            (EXPIRES, "never", Malformed(EXPIRES)),
            (EXPIRES, "1e12", Malformed(EXPIRES)),
            (EXPIRES, "99999999999999", Malformed(EXPIRES)),
            (EXPIRES, "1800000000", Expired),
            (EXPIRES, "-1", Expired),
            (SCOPE, "dashboards", Malformed(SCOPE)),
            (SCOPE, "", Malformed(SCOPE)),
        ] {
            let mut context = context();
            context.insert(name.to_owned(), value.into());
            assert_eq!(caller(&context), Err(error), "{name} {value}");
        }
    }

    #[test]
    fn the_key_of_a_usage_plan_is_the_clients_own() {
        // printf acme | sha256sum
        assert_eq!(
            usage_identifier_key("acme"),
            "fanlight-822b33ad87c148a0a20a5ba7cd5ebcaa68d36a18"
        );
        assert_ne!(usage_identifier_key("acme"), usage_identifier_key("Acme"));
    }

    proptest! {
        #[test]
        fn the_api_reads_what_the_authorizer_wrote(
            client in ".{1,40}",
            organisations in prop::collection::vec(".{1,20}", 1..5),
            plan in ".{1,20}",
            life in 1_i64..10_000_000_000,
        ) {
            let expires = Timestamp::from_second(NOW + life).unwrap();
            let before = Caller { client, organisations, plan, expires };
            let context = before.context();
            prop_assert!(context.values().all(Value::is_string));
            prop_assert_eq!(caller(&context), Ok(before));
        }
    }
}
