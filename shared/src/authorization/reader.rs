//! Who reads the dashboards: one's own Grafana and whoever imports them, and never a customer.
//!
//! A reader's credentials stand in a secret of their own, and what API Gateway is told of him names no organisation. So a reader is
//! nobody to the customers' endpoints, as a [`Caller`] is nobody here.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::caller::{CLIENT, Caller, EXPIRES, NoCaller, ORGANISATIONS, end, text};

pub(super) const SCOPE: &str = "scope";
const DASHBOARDS: &str = "dashboards";

/// Somebody who has proved that he may read the dashboards, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reader {
    /// His name.
    pub client: String,
    /// When his credentials end, in whole seconds; from then on he is nobody.
    pub expires: Timestamp,
}

/// Somebody who is let in, and as what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admitted {
    /// A customer, for his series.
    Customer(Caller),
    /// A reader, for the dashboards.
    Reader(Reader),
}

impl Admitted {
    /// His name.
    #[must_use]
    pub fn client(&self) -> &str {
        match self {
            Self::Customer(caller) => &caller.client,
            Self::Reader(reader) => &reader.client,
        }
    }
}

impl Reader {
    /// The values that the authorizer adds to a request; all are texts.
    #[must_use]
    pub fn context(&self) -> Map<String, Value> {
        [
            (CLIENT, self.client.clone()),
            (SCOPE, DASHBOARDS.to_owned()),
            (EXPIRES, self.expires.as_second().to_string()),
        ]
        .map(|(name, text)| (name.to_owned(), text.into()))
        .into_iter()
        .collect()
    }

    /// The reader that a request's context names; `value` looks one up by its name.
    ///
    /// # Errors
    /// Something is missing, empty or malformed, the context is a customer's, or the credentials have expired by `now`.
    pub fn from_context<'v>(value: impl Fn(&str) -> Option<&'v Value>, now: Timestamp) -> Result<Self, NoCaller> {
        if text(&value, SCOPE)? != DASHBOARDS || value(ORGANISATIONS).is_some() {
            return Err(NoCaller::Malformed(SCOPE));
        }
        Ok(Self {
            client: text(&value, CLIENT)?.to_owned(),
            expires: end(&value, now)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap()
    }

    fn read(context: &Map<String, Value>) -> Result<Reader, NoCaller> {
        Reader::from_context(|name| context.get(name), now())
    }

    #[test]
    fn a_reader_is_no_caller_and_a_caller_is_no_reader() {
        let expires = Timestamp::from_second(1_800_000_001).unwrap();
        let reader = Reader {
            client: "grafana".to_owned(),
            expires,
        };
        let context = reader.context();
        assert!(context.values().all(Value::is_string));
        assert_eq!(read(&context), Ok(reader));
        let caller = Caller::from_context(|name| context.get(name), now());
        assert_eq!(caller, Err(NoCaller::Malformed(SCOPE)));

        let customer = Caller {
            client: "acme".to_owned(),
            organisations: vec!["acme-fr".to_owned()],
            plan: "default".to_owned(),
            expires,
        };
        assert_eq!(read(&customer.context()), Err(NoCaller::Absent(SCOPE)));
    }

    #[test]
    fn whatever_else_is_nobody() {
        use NoCaller::{Absent, Empty, Expired, Malformed};
        let context = || {
            let context = json!({"client": "grafana", "scope": "dashboards", "expires": "1800000001"});
            context.as_object().unwrap().clone()
        };
        assert_eq!(read(&Map::new()), Err(Absent(SCOPE)));
        for (name, value, error) in [
            (SCOPE, json!("series"), Malformed(SCOPE)),
            (SCOPE, json!("Dashboards"), Malformed(SCOPE)),
            (SCOPE, json!(["dashboards"]), Absent(SCOPE)),
            (SCOPE, json!(""), Empty(SCOPE)),
            // Nobody is both.
            (ORGANISATIONS, json!("[\"acme\"]"), Malformed(SCOPE)),
            (ORGANISATIONS, json!(null), Malformed(SCOPE)),
            (CLIENT, json!(""), Empty(CLIENT)),
            (CLIENT, json!(null), Absent(CLIENT)),
            (EXPIRES, json!("1800000000"), Expired),
            (EXPIRES, json!("never"), Malformed(EXPIRES)),
            (EXPIRES, json!(1_800_000_001), Absent(EXPIRES)),
        ] {
            let mut context = context();
            context.insert(name.to_owned(), value.clone());
            assert_eq!(read(&context), Err(error), "{name} {value}");
        }
    }
}
