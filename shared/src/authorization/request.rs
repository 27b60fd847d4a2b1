//! What API Gateway asks of the authorizer, and what it is told.
//!
//! The event of a REST API's authorizer of type REQUEST. Of all that stands in it, only what is needed is read: the
//! `Authorization` header, the address that API Gateway itself has seen, and the ARN of the method.

use std::net::IpAddr;

use secrecy::SecretString;
use serde_json::{Value, json};

use super::reader::Admitted;

const HEADER: &str = "authorization";
/// What readers of dashboards may ask for, as the patterns of a policy.
const READERS_PATHS: [&str; 2] = ["grafana", "grafana/*"];

/// The question whether a request may pass.
#[derive(Debug)]
pub struct Request {
    /// The values of the `Authorization` header.
    pub(super) authorization: Vec<SecretString>,
    /// Where it comes from, as far as API Gateway can tell.
    pub(super) source: Option<IpAddr>,
    /// The stage of the API, such as `arn:aws:execute-api:eu-west-3:123456789012:abcdef1234/live`.
    stage: String,
}

/// An event that no authorizer of type REQUEST gets. Shows none of its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed event: {0}; expected what API Gateway sends to an authorizer of type REQUEST")]
pub struct MalformedRequest(&'static str);

impl Request {
    /// Reads the event's JSON.
    ///
    /// # Errors
    /// What is missing.
    pub fn parse(event: &Value) -> Result<Self, MalformedRequest> {
        if event.get("type").and_then(Value::as_str) != Some("REQUEST") {
            return Err(MalformedRequest("its `type` is not `REQUEST`"));
        }
        let arn = event.get("methodArn").and_then(Value::as_str).and_then(stage);
        let source = event.pointer("/requestContext/identity/sourceIp");
        Ok(Self {
            authorization: authorization(event)?,
            source: source.and_then(Value::as_str).and_then(|address| address.parse().ok()),
            stage: arn
                .ok_or(MalformedRequest("its `methodArn` is not a method's"))?
                .to_owned(),
        })
    }

    /// What API Gateway is told to let somebody in.
    ///
    /// A customer's policy allows the whole stage and not this method alone, since API Gateway keeps it and asks it about the
    /// caller's next requests too. What a caller may read is not the policy's to say but the context's. A reader's allows what
    /// there is for readers; and he has no API key, without which the customers' methods let nobody in.
    #[must_use]
    pub fn allow(&self, admitted: &Admitted) -> Value {
        let stage = &self.stage;
        let (resources, context) = match admitted {
            Admitted::Customer(caller) => (json!(format!("{stage}/*")), caller.context()),
            Admitted::Reader(reader) => {
                let methods = ["GET", "HEAD"].into_iter();
                let resources = methods.flat_map(|method| {
                    READERS_PATHS
                        .into_iter()
                        .map(move |path| format!("{stage}/{method}/{path}"))
                });
                (resources.collect(), reader.context())
            }
        };
        let mut answer = json!({
            "principalId": admitted.client(),
            "policyDocument": {
                "Version": "2012-10-17",
                "Statement": [{
                    "Effect": "Allow",
                    "Action": "execute-api:Invoke",
                    "Resource": resources,
                }],
            },
            "context": context,
        });
        if let Admitted::Customer(caller) = admitted {
            answer["usageIdentifierKey"] = caller.usage_identifier_key().into();
        }
        answer
    }
}

/// All values of the header, from the map that does not drop any.
fn authorization(event: &Value) -> Result<Vec<SecretString>, MalformedRequest> {
    let malformed = MalformedRequest("its headers are not maps of texts");
    let text = |value: &Value| value.as_str().map(SecretString::from).ok_or(malformed);
    let (headers, several) = match (&event["multiValueHeaders"], &event["headers"]) {
        (Value::Object(headers), _) => (headers, true),
        (Value::Null, Value::Object(headers)) => (headers, false),
        (Value::Null, Value::Null) => return Ok(Vec::new()),
        _ => return Err(malformed),
    };
    let mut values = Vec::new();
    for (_, value) in headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(HEADER)) {
        match value {
            Value::Array(list) if several => {
                for value in list {
                    values.push(text(value)?);
                }
            }
            value => values.push(text(value)?),
        }
    }
    Ok(values)
}

/// `arn:partition:execute-api:region:account:api/stage` of `../METHOD/path`, whose path is the client's to choose.
fn stage(arn: &str) -> Option<&str> {
    let mut parts = arn.splitn(6, ':');
    let head = [
        parts.next()?,
        parts.next()?,
        parts.next()?,
        parts.next()?,
        parts.next()?,
    ];
    let mut resource = parts.next()?.splitn(3, '/');
    let (api, stage) = (resource.next()?, resource.next()?);
    let plain = |text: &&str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let method = head[0] == "arn" && head[2] == "execute-api" && resource.next().is_some();
    (method && head.iter().chain([&api, &stage]).all(plain))
        .then(|| &arn[..head.iter().map(|part| part.len() + 1).sum::<usize>() + api.len() + 1 + stage.len()])
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use secrecy::ExposeSecret as _;

    use super::super::{Caller, Reader};
    use super::*;

    const ARN: &str = "arn:aws:execute-api:eu-west-3:123456789012:abcdef1234/live/GET/api/v1/query";

    fn event(more: &Value) -> Value {
        let mut event = json!({"type": "REQUEST", "methodArn": ARN,
            "requestContext": {"identity": {"sourceIp": "203.0.113.9"}}});
        for (name, value) in more.as_object().unwrap() {
            event[name] = value.clone();
        }
        event
    }

    fn header(more: &Value) -> Vec<String> {
        let request = Request::parse(&event(more)).unwrap();
        request
            .authorization
            .iter()
            .map(|value| value.expose_secret().to_owned())
            .collect()
    }

    #[test]
    fn the_example_is_an_event() {
        let example = include_str!("../../../events/authorizer-request.json");
        let request = Request::parse(&serde_json::from_str(example).unwrap()).unwrap();
        let [authorization] = request.authorization.as_slice() else {
            panic!("one value")
        };
        assert!(authorization.expose_secret().starts_with("Basic "));
        assert_eq!(request.source, Some("203.0.113.9".parse().unwrap()));
        assert_eq!(
            request.stage,
            "arn:aws:execute-api:eu-west-3:123456789012:abcdef1234/prod"
        );
    }

    #[test]
    fn every_value_of_the_header_is_found() {
        for (more, expected) in [
            (json!({}), &[][..]),
            (json!({"headers": null, "multiValueHeaders": null}), &[]),
            (json!({"headers": {"Authorization": "a"}}), &["a"]),
            (
                json!({"headers": {"authorization": "a", "AUTHORIZATION": "b"}}),
                &["b", "a"],
            ),
            (json!({"multiValueHeaders": {"aUTHORIZATION": ["a"]}}), &["a"]),
            // The map with one value each holds the last only.
            (
                json!({"headers": {"Authorization": "b"}, "multiValueHeaders": {"Authorization": ["a", "b"]}}),
                &["a", "b"],
            ),
            (
                json!({"multiValueHeaders": {"Authorization": ["a"], "authorization": ["b"]}}),
                &["a", "b"],
            ),
            (json!({"headers": {"Authorization": "a"}, "multiValueHeaders": {}}), &[]),
            (
                json!({"multiValueHeaders": {"X-Authorization": ["a"], "Proxy-Authorization": ["b"]}}),
                &[],
            ),
        ] {
            assert_eq!(header(&more), expected, "{more}");
        }
    }

    #[test]
    fn the_address_is_the_gateways_word() {
        let forwarded = json!({"headers": {"X-Forwarded-For": "198.51.100.1"}});
        assert_eq!(
            Request::parse(&event(&forwarded)).unwrap().source,
            Some("203.0.113.9".parse().unwrap())
        );
        for context in [
            json!({}),
            json!({"identity": {"sourceIp": "test-invoke-source-ip"}}),
            json!(null),
        ] {
            let request = Request::parse(&event(&json!({"requestContext": context}))).unwrap();
            assert_eq!(request.source, None);
        }
    }

    #[test]
    fn the_answer_lets_the_caller_into_the_stage_and_no_further() {
        let caller = Caller {
            client: "acme".to_owned(),
            organisations: vec!["acme-fr".to_owned(), "acme-de".to_owned()],
            plan: "gold".to_owned(),
            expires: Timestamp::from_second(1_800_000_000).unwrap(),
        };
        assert_eq!(
            Request::parse(&event(&json!({})))
                .unwrap()
                .allow(&Admitted::Customer(caller)),
            json!({
                "principalId": "acme",
                "policyDocument": {"Version": "2012-10-17", "Statement": [{
                    "Effect": "Allow", "Action": "execute-api:Invoke",
                    "Resource": "arn:aws:execute-api:eu-west-3:123456789012:abcdef1234/live/*",
                }]},
                "context": {"client": "acme", "organisations": "[\"acme-fr\",\"acme-de\"]", "plan": "gold",
                    "expires": "1800000000"},
                "usageIdentifierKey": "fanlight-822b33ad87c148a0a20a5ba7cd5ebcaa68d36a18",
            })
        );
    }

    #[test]
    fn a_reader_is_let_in_to_the_dashboards_and_counted_by_no_plan() {
        let reader = Reader {
            client: "grafana".to_owned(),
            expires: Timestamp::from_second(1_800_000_000).unwrap(),
        };
        let stage = "arn:aws:execute-api:eu-west-3:123456789012:abcdef1234/live";
        assert_eq!(
            Request::parse(&event(&json!({})))
                .unwrap()
                .allow(&Admitted::Reader(reader)),
            json!({
                "principalId": "grafana",
                "policyDocument": {"Version": "2012-10-17", "Statement": [{
                    "Effect": "Allow", "Action": "execute-api:Invoke",
                    "Resource": [
                        format!("{stage}/GET/grafana"), format!("{stage}/GET/grafana/*"),
                        format!("{stage}/HEAD/grafana"), format!("{stage}/HEAD/grafana/*"),
                    ],
                }]},
                "context": {"client": "grafana", "scope": "dashboards", "expires": "1800000000"},
            })
        );
    }

    #[test]
    fn only_a_methods_arn_has_a_stage() {
        for (arn, expected) in [
            (ARN, Some("arn:aws:execute-api:eu-west-3:123456789012:abcdef1234/live")),
            (
                "arn:aws-cn:execute-api:cn-north-1:1:a/b_c/POST/x:y/*/../d",
                Some("arn:aws-cn:execute-api:cn-north-1:1:a/b_c"),
            ),
            ("arn:aws:execute-api:r:1:a/s/GET/", Some("arn:aws:execute-api:r:1:a/s")),
            ("arn:aws:execute-api:r:1:a/s", None),
            ("arn:aws:execute-api:r:1:a/*/GET/", None),
            ("arn:aws:execute-api:r:1:*/s/GET/", None),
            ("arn:aws:execute-api:r::a/s/GET/", None),
            ("arn:aws:execute-api:r:1:/s/GET/", None),
            ("arn:aws:lambda:r:1:a/s/GET/", None),
            ("a/s/GET/", None),
            ("", None),
        ] {
            assert_eq!(stage(arn), expected, "{arn}");
        }
    }

    #[test]
    fn another_event_is_refused_and_none_of_its_values_shown() {
        for (more, expected) in [
            (
                json!({"type": "TOKEN", "authorizationToken": "hunter2"}),
                "its `type` is not `REQUEST`",
            ),
            (json!({"type": null}), "its `type` is not `REQUEST`"),
            (json!({"methodArn": "hunter2"}), "its `methodArn` is not a method's"),
            (json!({"headers": "hunter2"}), "its headers are not maps of texts"),
            (
                json!({"headers": {"Authorization": ["hunter2"]}}),
                "its headers are not maps of texts",
            ),
            (
                json!({"multiValueHeaders": {"Authorization": [1]}}),
                "its headers are not maps of texts",
            ),
            (
                json!({"multiValueHeaders": ["hunter2"]}),
                "its headers are not maps of texts",
            ),
        ] {
            let error = Request::parse(&event(&more)).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!(
                    "malformed event: {expected}; expected what API Gateway sends to an authorizer of type REQUEST"
                )
            );
        }
        assert!(Request::parse(&json!("hunter2")).is_err());
        let request = Request::parse(&event(&json!({"headers": {"Authorization": "Bearer hunter2"}}))).unwrap();
        assert!(!format!("{request:?}").contains("hunter2"), "{request:?}");
    }
}
