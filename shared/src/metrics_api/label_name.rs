//! A label's name as a segment of a path: read once, and written again in one way.

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::form::has_broken_escape;
use super::problem::{Kind, Problem};

/// What stays as it is (RFC 3986's unreserved characters).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// How Prometheus 3 marks a name with characters that were none of a name's before: `U__http_2e_status`.
const ESCAPED: &str = "U__";

/// More than any label's name in use, and less than a URL.
const LONGEST: usize = 1024;

/// A label's name, of any characters but NUL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LabelName(String);

impl LabelName {
    /// Reads a segment of a path, percent-encoded or escaped by `U__` as Prometheus 3 has it.
    pub(super) fn of_segment(segment: &str) -> Result<Self, Problem> {
        let refuse = |why: &str| Problem::new(Kind::Parameter, format!("the label's name in the path {why}"));
        if segment.len() > LONGEST {
            return Err(refuse(&format!("has more than the {LONGEST} bytes allowed")));
        }
        if has_broken_escape(segment.as_bytes()) {
            return Err(refuse("has a % that is not followed by two hexadecimal digits"));
        }
        let decoded = percent_decode_str(segment)
            .decode_utf8()
            .map_err(|_| refuse("is not UTF-8"))?;
        let name = unescape(&decoded).unwrap_or_else(|| decoded.into_owned());
        if name.is_empty() {
            return Err(refuse("is empty"));
        }
        if name.contains(char::is_control) {
            return Err(refuse("has a control character"));
        }
        Ok(Self(name))
    }

    /// The segment for an upstream, which reads this name in it and no other, and neither another path.
    pub(super) fn segment(&self) -> String {
        let name = &self.0;
        // Routers decode `%2F` before they look for slashes, and `.` and `..` are resolved.
        if name.starts_with(ESCAPED) || name.contains(['/', '\\', '%', '?', '#']) || name.starts_with('.') {
            return escape(name);
        }
        utf8_percent_encode(name, ENCODED).to_string()
    }
}

/// What a name escaped by `U__` stands for; `None` if it is none, which then stands for itself.
fn unescape(name: &str) -> Option<String> {
    let mut rest = name.strip_prefix(ESCAPED)?;
    let mut unescaped = String::with_capacity(rest.len());
    while let Some((plain, escape)) = rest.split_once('_') {
        unescaped.push_str(plain);
        let (digits, after) = escape.split_once('_')?;
        if digits.is_empty() {
            unescaped.push('_');
        } else {
            if digits.len() > 6 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return None;
            }
            unescaped.push(char::from_u32(u32::from_str_radix(digits, 16).ok()?)?);
        }
        rest = after;
    }
    unescaped.push_str(rest);
    Some(unescaped)
}

fn escape(name: &str) -> String {
    let mut escaped = String::from(ESCAPED);
    for (index, c) in name.chars().enumerate() {
        match c {
            '_' => escaped.push_str("__"),
            'a'..='z' | 'A'..='Z' => escaped.push(c),
            '0'..='9' if index > 0 => escaped.push(c),
            _ => {
                // Writing to a string does not fail.
                let _ = write!(escaped, "_{:x}_", u32::from(c));
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn segments_are_read_as_prometheus_3_reads_them() {
        for (segment, name, sent) in [
            ("job", "job", "job"),
            ("__name__", "__name__", "__name__"),
            ("http.status", "http.status", "http.status"),
            ("http%2estatus", "http.status", "http.status"),
            ("U__http_2e_status", "http.status", "http.status"),
            ("U__a__b", "a_b", "a_b"),
            ("U__a_2F_b", "a/b", "U__a_2f_b"),
            ("a%2Fb", "a/b", "U__a_2f_b"),
            ("..", "..", "U___2e__2e_"),
            ("%2e%2e", "..", "U___2e__2e_"),
            ("%2525", "%25", "U___25_25"),
            ("U__U____a", "U__a", "U__U____a"),
            ("U__", "", ""),
            ("U__a_zz_", "U__a_zz_", "U__U____a__zz__"),
            ("U__a_d800_", "U__a_d800_", "U__U____a__d800__"),
            ("U__a_", "U__a_", "U__U____a__"),
            ("größe", "größe", "gr%C3%B6%C3%9Fe"),
            ("gr%C3%B6%C3%9Fe", "größe", "gr%C3%B6%C3%9Fe"),
            ("a b", "a b", "a%20b"),
            ("a+b", "a+b", "a%2Bb"),
            ("", "", ""),
        ] {
            match LabelName::of_segment(segment) {
                Ok(read) => assert_eq!((read.0.as_str(), read.segment().as_str()), (name, sent), "{segment}"),
                Err(problem) => assert_eq!(
                    (name, problem.message.as_str()),
                    ("", "the label's name in the path is empty"),
                    "{segment}"
                ),
            }
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for (segment, why) in [
            ("%", "a % that is not followed"),
            ("a%2", "a % that is not followed"),
            ("%zz", "a % that is not followed"),
            ("%ff", "not UTF-8"),
            ("%c3%28", "not UTF-8"),
            ("a%00b", "a control character"),
            ("a%0d%0ab", "a control character"),
            ("U__a_0_", "a control character"),
            (&"a".repeat(2000), "more than the 1024 bytes"),
        ] {
            let message = LabelName::of_segment(segment).unwrap_err().message;
            assert!(message.contains(why), "{segment}: {message}");
        }
    }

    proptest! {
        #[test]
        fn what_is_sent_reads_as_the_same_name_and_is_one_segment(name in "[^\\x00-\\x1f\\x7f-\\u{9f}]{1,20}") {
            prop_assume!(unescape(&name).is_none());
            let encoded = utf8_percent_encode(&name, ENCODED).to_string();
            let read = LabelName::of_segment(&encoded).unwrap();
            prop_assert_eq!(&read.0, &name);
            let sent = read.segment();
            prop_assert!(sent.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~%".contains(&byte)));
            prop_assert!(!sent.starts_with('.'));
            prop_assert_eq!(LabelName::of_segment(&sent).unwrap(), read);
        }
    }
}
