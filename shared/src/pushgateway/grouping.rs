//! Grouping keys: the labels that name a group in the gateway, as the path of its URL.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Everything but the unreserved characters of RFC 3986, section 2.3.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The labels that every series of a group has: `job` and those that the sink adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupingKey(Vec<(String, String)>);

impl GroupingKey {
    /// The key of a job's group; `others` are the labels besides `job`.
    #[must_use]
    pub fn new(job: &str, others: &[(String, String)]) -> Self {
        let job = ("job".to_owned(), job.to_owned());
        Self(std::iter::once(job).chain(others.iter().cloned()).collect())
    }

    /// All labels, `job` first.
    #[must_use]
    pub fn labels(&self) -> &[(String, String)] {
        &self.0
    }

    /// The key as the gateway's URLs have it: `/job/transfers/env@base64/YS9i`.
    #[must_use]
    pub fn path(&self) -> String {
        let mut path = String::new();
        for (name, value) in &self.0 {
            path.push('/');
            path.push_str(name);
            path.push_str(&segment(value));
        }
        path
    }
}

/// As PromQL would select it: `{job="transfers", env="a/b"}`.
impl fmt::Display for GroupingKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let labels: Vec<_> = self.0.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
        write!(formatter, "{{{}}}", labels.join(", "))
    }
}

/// A value as a path segment can carry it. What no segment can carry is told by `@base64`: `/` and the empty value, which
/// is `=`, as the gateway's documentation has it, and `.` and `..`, which clients take out of a path.
fn segment(value: &str) -> String {
    match value {
        "" => "@base64/=".to_owned(),
        value if value.contains('/') || matches!(value, "." | "..") => {
            format!("@base64/{}", URL_SAFE_NO_PAD.encode(value))
        }
        value => format!("/{}", utf8_percent_encode(value, SEGMENT)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_told_in_a_way_that_a_path_can_carry() {
        for (value, expected) in [
            ("transfers", "/job/transfers"),
            ("a b+c@d", "/job/a%20b%2Bc%40d"),
            ("50%", "/job/50%25"),
            ("é\n", "/job/%C3%A9%0A"),
            ("a?b#c", "/job/a%3Fb%23c"),
            ("...", "/job/..."),
            ("", "/job@base64/="),
            ("a/b", "/job@base64/YS9i"),
            ("?/?>", "/job@base64/Py8_Pg"),
            (".", "/job@base64/Lg"),
            ("..", "/job@base64/Li4"),
        ] {
            assert_eq!(GroupingKey::new(value, &[]).path(), expected, "{value:?}");
        }
        let others = [
            ("env".to_owned(), String::new()),
            ("region".to_owned(), "eu".to_owned()),
        ];
        let key = GroupingKey::new("a", &others);
        assert_eq!(key.path(), "/job/a/env@base64/=/region/eu");
        assert_eq!(key.to_string(), r#"{job="a", env="", region="eu"}"#);
    }
}
