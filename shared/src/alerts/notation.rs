//! How durations, labels, numbers and templates are written for Prometheus.

use std::fmt::Write as _;
use std::time::Duration;

/// A duration as PromQL and rule files have it: `1h30m`.
pub(crate) fn duration(duration: Duration) -> String {
    let mut left = duration.as_millis();
    let mut text = String::new();
    for (unit, millis) in [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1_000),
        ("ms", 1),
    ] {
        if left >= millis {
            // Writing to a String does not fail.
            let _ = write!(text, "{}{unit}", left / millis);
            left %= millis;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// A text in double quotes, as PromQL reads it.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            // Prometheus takes this one for bytes that are no UTF-8, and refuses it.
            char::REPLACEMENT_CHARACTER => quoted.push_str("\\ufffd"),
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

/// `{a="1", b="2"}`, with nothing for no labels.
pub(crate) fn labels<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let pairs: Vec<_> = pairs
        .into_iter()
        .map(|(name, value)| format!("{name}={}", quoted(value)))
        .collect();
    if pairs.is_empty() {
        String::new()
    } else {
        format!("{{{}}}", pairs.join(", "))
    }
}

/// The same of labels that are owned.
pub(crate) fn labels_of(pairs: &[(String, String)]) -> String {
    labels(borrowed(pairs))
}

/// Labels that are owned, as others than their owner have them.
pub(crate) fn borrowed(pairs: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
    pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))
}

/// A number as templates of Go print it (`%v`): shortest digits, an exponent for what is very small or has seven digits.
pub(super) fn go_number(value: f64) -> String {
    const LARGE: i32 = 6;
    const SMALL: i32 = -4;
    if value == 0.0 {
        return if value.is_sign_negative() { "-0" } else { "0" }.to_owned();
    }
    if !value.is_finite() {
        let sign = if value.is_nan() {
            ""
        } else if value > 0.0 {
            "+"
        } else {
            "-"
        };
        return format!("{sign}{}", if value.is_nan() { "NaN" } else { "Inf" });
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (SMALL..LARGE).contains(&exponent) {
        return format!("{value}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

/// A threshold as it stands in PromQL.
pub(crate) fn number(value: f64) -> String {
    format!("{value}")
}

/// The templates of a description: what stands between `{{` and `}}`, without the spaces around it; `Err` for braces that are
/// not closed.
pub(crate) fn templates(text: &str) -> Result<Vec<&str>, ()> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        let inside = &rest[start + 2..];
        let end = inside.find("}}").ok_or(())?;
        found.push(inside[..end].trim());
        rest = &inside[end + 2..];
    }
    Ok(found)
}

/// The label that a template prints: `$labels.NAME`.
pub(crate) fn is_template_of(template: &str) -> Option<&str> {
    let name = template.strip_prefix("$labels.")?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (!name.is_empty() && name.chars().all(plain)).then_some(name)
}

/// The template that prints the value.
pub(crate) const VALUE_TEMPLATE: &str = "$value";

/// A description with its templates filled in as Prometheus would.
pub(crate) fn filled(text: &str, labels: &[(String, String)], value: f64) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, inside)) = rest.split_once("{{") {
        filled.push_str(before);
        let Some((template, after)) = inside.split_once("}}") else {
            filled.push_str("{{");
            rest = inside;
            continue;
        };
        let template = template.trim();
        if template == VALUE_TEMPLATE {
            filled.push_str(&go_number(value));
        } else if let Some(name) = is_template_of(template) {
            let value = labels.iter().find(|(label, _)| label == name);
            filled.push_str(value.map_or("", |(_, value)| value));
        }
        rest = after;
    }
    filled + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_in_the_units_of_prometheus() {
        for (seconds, text) in [
            (0, "0s"),
            (30, "30s"),
            (90, "1m30s"),
            (3_600, "1h"),
            (5_400, "1h30m"),
            (86_400, "1d"),
            (2_592_061, "30d1m1s"),
        ] {
            assert_eq!(duration(Duration::from_secs(seconds)), text);
        }
        assert_eq!(duration(Duration::from_millis(1_500)), "1s500ms");
    }

    #[test]
    fn values_are_printed_as_go_prints_them() {
        // What promtool 2.42 fills in for `{{ $value }}`.
        for (value, text) in [
            (0.0, "0"),
            (1.0, "1"),
            (-3.0, "-3"),
            (0.5, "0.5"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (999_999.0, "999999"),
            (1_000_000.0, "1e+06"),
            (1_234_567.0, "1.234567e+06"),
            (21_234_567.5, "2.12345675e+07"),
            (1e100, "1e+100"),
        ] {
            assert_eq!(go_number(value), text);
        }
    }

    #[test]
    fn templates_are_found_and_filled() {
        assert_eq!(
            templates("a {{ $value }} b {{$labels.os}}"),
            Ok(vec!["$value", "$labels.os"])
        );
        assert_eq!(templates("a {{ b"), Err(()));
        let labels = [("os".to_owned(), "ios".to_owned())];
        let text = "{{ $labels.os }}: {{ $value }} of {{ $labels.none }}";
        assert_eq!(filled(text, &labels, 0.25), "ios: 0.25 of ");
    }

    #[test]
    fn labels_are_quoted() {
        assert_eq!(labels([("a", "x\"y\\\n")]), r#"{a="x\"y\\\n"}"#);
        assert_eq!(labels([]), "");
    }
}
