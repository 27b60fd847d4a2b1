//! The policy in an authorizer's answer: whether it allows a method.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html>

use serde::Deserialize;
use serde_json::Value;

/// What the caller of a method has to be allowed.
const ACTION: &str = "execute-api:Invoke";

/// A policy document. What is not evaluated here (`Condition`, `NotAction`, `NotResource`) is not taken either.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Policy {
    #[serde(rename = "Version", default)]
    _version: Version,
    #[serde(rename = "Id", default)]
    _id: Option<String>,
    statement: OneOrMany<Statement>,
}

#[derive(Debug, Clone, Default, Deserialize)]
enum Version {
    #[serde(rename = "2012-10-17")]
    Current,
    #[default]
    #[serde(rename = "2008-10-17")]
    First,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Statement {
    #[serde(rename = "Sid", default)]
    _sid: Option<String>,
    effect: Effect,
    action: OneOrMany<String>,
    resource: OneOrMany<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum Effect {
    Allow,
    Deny,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    Many(Vec<T>),
    One(T),
}

impl<T> OneOrMany<T> {
    fn as_slice(&self) -> &[T] {
        match self {
            Self::Many(many) => many,
            Self::One(one) => std::slice::from_ref(one),
        }
    }
}

/// What a policy says of a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Allow,
    /// A statement denies it.
    Deny,
    /// No statement says anything of it.
    Silent,
}

impl Policy {
    pub(super) fn parse(document: &Value) -> Result<Self, serde_json::Error> {
        Self::deserialize(document)
    }

    /// A denial counts more than any permission.
    pub(super) fn verdict(&self, method_arn: &str) -> Verdict {
        let mut verdict = Verdict::Silent;
        for statement in self.statement.as_slice() {
            if !statement.is_about(method_arn) {
                continue;
            }
            match statement.effect {
                Effect::Deny => return Verdict::Deny,
                Effect::Allow => verdict = Verdict::Allow,
            }
        }
        verdict
    }
}

impl Statement {
    fn is_about(&self, method_arn: &str) -> bool {
        let action = ACTION.to_ascii_lowercase();
        let mut actions = self.action.as_slice().iter();
        let mut resources = self.resource.as_slice().iter();
        actions.any(|pattern| matches(pattern.to_ascii_lowercase().as_bytes(), action.as_bytes()))
            && resources.any(|pattern| matches(pattern.as_bytes(), method_arn.as_bytes()))
    }
}

/// Whether the text is as the pattern says, in which `*` stands for any bytes and `?` for one. Takes at most the
/// product of both lengths.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at_pattern, mut at_text) = (0, 0);
    // Behind the last asterisk, and where in the text what follows it was last tried.
    let mut retry: Option<(usize, usize)> = None;
    while at_text < text.len() {
        match pattern.get(at_pattern) {
            Some(b'*') => {
                at_pattern += 1;
                retry = Some((at_pattern, at_text));
            }
            Some(byte) if *byte == b'?' || *byte == text[at_text] => {
                at_pattern += 1;
                at_text += 1;
            }
            _ => match &mut retry {
                Some((behind, tried)) => {
                    *tried += 1;
                    (at_pattern, at_text) = (*behind, *tried);
                }
                None => return false,
            },
        }
    }
    pattern[at_pattern..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ARN: &str = "arn:aws:execute-api:eu-west-1:000000000000:local00000/prod/GET/api/v1/query";

    #[test]
    fn patterns_are_globs() {
        let cases = [
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("a*c", "abcbc", true),
            ("a*b*c", "a__b__b__c", true),
            ("a*b", "a__b__", false),
            ("**a**", "a", true),
            ("*a", "b", false),
            ("[a]", "a", false),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(
                matches(pattern.as_bytes(), text.as_bytes()),
                expected,
                "{pattern} {text}"
            );
        }
    }

    #[test]
    fn a_method_is_allowed_denied_or_not_spoken_of() {
        let statement = |effect: &str, action: Value, resource: Value| json!({"Effect": effect, "Action": action, "Resource": resource});
        let invoke = || json!("execute-api:Invoke");
        let prod = "arn:aws:execute-api:eu-west-1:000000000000:local00000/prod/*";
        let other = "arn:aws:execute-api:eu-west-1:000000000000:local00000/prod/GET/api/v1/labels";
        let cases = [
            (json!([statement("Allow", invoke(), json!(ARN))]), Verdict::Allow),
            (statement("Allow", invoke(), json!([other, prod])), Verdict::Allow),
            (
                json!([statement("Allow", json!(["EXECUTE-API:*"]), json!("*"))]),
                Verdict::Allow,
            ),
            (
                json!([statement(
                    "Allow",
                    json!("*"),
                    json!("arn:aws:execute-api:*:*:*/*/G?T/*")
                )]),
                Verdict::Allow,
            ),
            (json!([statement("Allow", invoke(), json!(other))]), Verdict::Silent),
            (
                json!([statement("Allow", json!("execute-api:ManageConnections"), json!("*"))]),
                Verdict::Silent,
            ),
            (json!([]), Verdict::Silent),
            (
                json!([
                    statement("Allow", invoke(), json!("*")),
                    statement("Deny", invoke(), json!(prod))
                ]),
                Verdict::Deny,
            ),
            (
                json!([
                    statement("Deny", invoke(), json!(other)),
                    statement("Allow", invoke(), json!("*"))
                ]),
                Verdict::Allow,
            ),
            // A resource is not an IAM pattern of lower and upper case.
            (
                json!([statement("Allow", invoke(), json!(ARN.to_uppercase()))]),
                Verdict::Silent,
            ),
        ];
        for (statements, expected) in cases {
            let policy = Policy::parse(&json!({"Version": "2012-10-17", "Statement": statements})).expect("a policy");
            assert_eq!(policy.verdict(ARN), expected, "{statements}");
        }
    }

    #[test]
    fn what_cannot_be_evaluated_is_no_policy() {
        let good = json!({"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"});
        let with = |key: &str, value: Value| {
            let mut statement = good.clone();
            statement[key] = value;
            json!({"Version": "2012-10-17", "Statement": [statement]})
        };
        assert!(Policy::parse(&with("Sid", json!("a"))).is_ok());
        for document in [
            json!(null),
            json!({}),
            json!({"Version": "2012-10-17"}),
            json!({"Version": "2020-01-01", "Statement": [good]}),
            with("Effect", json!("allow")),
            with("Action", json!(7)),
            with("Resource", json!(null)),
            with("Condition", json!({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}})),
            with("NotResource", json!("*")),
        ] {
            assert!(Policy::parse(&document).is_err(), "{document}");
        }
    }
}
