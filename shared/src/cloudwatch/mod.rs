//! CloudWatch as a job's source and sinks reach it: the region, the role to assume, and what its refusals mean.

mod account;
mod refusal;

pub(crate) use account::{Account, Clients, Repeats};
pub(crate) use refusal::Refusal;

/// The most dimensions that a metric has.
pub(crate) const MOST_DIMENSIONS: usize = 30;
/// The most bytes of a namespace, and of the names of metrics and dimensions.
const LONGEST_NAME: usize = 255;
/// The most bytes of a dimension's value.
const LONGEST_VALUE: usize = 1024;

/// Text as CloudWatch takes it: ASCII without control characters, and not blank.
fn is_plain(text: &str, most: usize) -> bool {
    text.len() <= most
        && text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
        && text.bytes().any(|byte| byte != b' ')
}

/// Whether a metric can have this name.
pub(crate) fn is_metric_name(text: &str) -> bool {
    is_plain(text, LONGEST_NAME)
}

/// Whether a dimension can have this name.
pub(crate) fn is_dimension_name(text: &str) -> bool {
    is_plain(text, LONGEST_NAME) && !text.starts_with(':')
}

/// Whether a dimension can have this value.
pub(crate) fn is_dimension_value(text: &str) -> bool {
    is_plain(text, LONGEST_VALUE)
}

/// What is wrong with a namespace, and what to do.
pub(crate) fn namespace_problem(text: &str) -> Option<(String, &'static str)> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_/#: ".contains(&byte);
    if !is_plain(text, LONGEST_NAME) || text.starts_with(':') || !text.bytes().all(allowed) {
        let message = "a namespace has from 1 to 255 letters, digits, spaces and `.-_/#:`, and no `:` at its beginning";
        return Some((message.to_owned(), "write one such as `Fanlight/Shop`"));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_as_cloudwatch_takes_them() {
        let long = "x".repeat(255);
        for (text, metric, dimension, value) in [
            ("RequestCount", true, true, true),
            ("Per-VPC Metrics", true, true, true),
            (":colon", true, false, true),
            ("", false, false, false),
            ("   ", false, false, false),
            ("a\tb", false, false, false),
            ("é", false, false, false),
            (long.as_str(), true, true, true),
            (&"x".repeat(256), false, false, true),
            (&"x".repeat(1024), false, false, true),
            (&"x".repeat(1025), false, false, false),
        ] {
            let taken = (is_metric_name(text), is_dimension_name(text), is_dimension_value(text));
            assert_eq!(taken, (metric, dimension, value), "{text:?}");
        }
        for (text, right) in [
            ("AWS/ApplicationELB", true),
            ("Shop #1: a_b-c.d", true),
            (":a", false),
            ("a,b", false),
            ("é", false),
            ("", false),
            (long.as_str(), true),
        ] {
            assert_eq!(namespace_problem(text).is_none(), right, "{text:?}");
        }
    }
}
