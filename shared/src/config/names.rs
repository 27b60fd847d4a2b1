//! What Prometheus and the Pushgateway allow as names, and what promtool's lint would say of a metric.

use super::job::{EXTERNAL_PURPOSE, MetricKind};

/// Why a text cannot be a metric's name (<https://prometheus.io/docs/concepts/data_model/>).
#[must_use]
pub fn metric_name_problem(name: &str) -> Option<String> {
    if !is_name(name, |c| c == ':') {
        return Some(format!(
            "`{name}` cannot be a metric's name: letters, digits, `_` and `:` are allowed, and no digit first"
        ));
    }
    let reserved = [
        ("push_", "the Pushgateway's own"),
        ("pushgateway_", "the Pushgateway's own"),
        ("go_", "the Go runtime's own"),
        ("process_", "every process' own"),
        ("promhttp_", "every exporter's own"),
        ("scrape_", "Prometheus' own"),
        ("fanlight_", "Fanlight's own"),
    ];
    if let Some((prefix, whose)) = reserved.iter().find(|(prefix, _)| name.starts_with(prefix)) {
        return Some(format!("`{name}` begins with `{prefix}`, and such metrics are {whose}"));
    }
    match name {
        "up" | "ALERTS" | "ALERTS_FOR_STATE" => Some(format!("`{name}` is Prometheus' own metric")),
        // The family would stand in its place, and nobody could tell whose group it is.
        "labels" | "last_push_successful" => Some(format!(
            "`{name}` is what the Pushgateway lists of a group beside its metrics"
        )),
        _ => None,
    }
}

/// Why a text cannot be a label's name. `grouping` are the names of the sink's grouping key besides `job`: the gateway
/// overwrites such labels without a word.
#[must_use]
pub fn label_name_problem(name: &str, grouping: &[(String, String)]) -> Option<String> {
    if !is_name(name, |_| false) {
        return Some(format!(
            "`{name}` cannot be a label's name: letters, digits and `_` are allowed, and no digit first"
        ));
    }
    let reason = match name {
        _ if name.starts_with("__") => "names that begin with `__` are Prometheus' own",
        "job" | "instance" => "the gateway overwrites it with the group's own",
        "le" | "quantile" => "it belongs to histograms and summaries",
        _ if name == EXTERNAL_PURPOSE.0 => "`external: true` sets it",
        _ if grouping.iter().any(|(label, _)| label == name) => "it is part of the sink's grouping key",
        _ => return None,
    };
    Some(format!("`{name}` cannot be a label here: {reason}"))
}

fn is_name(name: &str, extra: impl Fn(char) -> bool) -> bool {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_' || extra(c);
    name.starts_with(first) && name.chars().all(|c| first(c) || c.is_ascii_digit())
}

/// Units that promtool knows by several names, and the base unit for each
/// (<https://prometheus.io/docs/practices/naming/#base-units>).
const UNITS: [(&str, &str); 33] = [
    ("nanoseconds", "seconds"),
    ("microseconds", "seconds"),
    ("milliseconds", "seconds"),
    ("minutes", "seconds"),
    ("hours", "seconds"),
    ("days", "seconds"),
    ("weeks", "seconds"),
    ("kelvin", "celsius"),
    ("kelvins", "celsius"),
    ("fahrenheit", "celsius"),
    ("rankine", "celsius"),
    ("inches", "meters"),
    ("yards", "meters"),
    ("miles", "meters"),
    ("kilometers", "meters"),
    ("millimeters", "meters"),
    ("bits", "bytes"),
    ("kilobits", "bytes"),
    ("megabits", "bytes"),
    ("kilobytes", "bytes"),
    ("kibibytes", "bytes"),
    ("megabytes", "bytes"),
    ("mebibytes", "bytes"),
    ("gigabytes", "bytes"),
    ("gibibytes", "bytes"),
    ("terabytes", "bytes"),
    ("calories", "joules"),
    ("kilowatthours", "joules"),
    ("milliamperes", "amperes"),
    ("millivolts", "volts"),
    ("kilograms", "grams"),
    ("milligrams", "grams"),
    ("tonnes", "grams"),
];

/// Abbreviations that promtool takes for units.
const ABBREVIATIONS: [&str; 14] = [
    "s", "ms", "us", "ns", "sec", "b", "kb", "mb", "gb", "tb", "pb", "m", "h", "d",
];

/// What promtool's lint says of a metric: each a sentence, none of them fatal.
pub(crate) fn lint(name: &str, kind: MetricKind, help: &str) -> Vec<String> {
    let mut findings = Vec::new();
    if help.trim().is_empty() {
        findings.push("the metric has no `help`: say in a sentence what the number means".to_owned());
    }
    match kind {
        MetricKind::Counter if !name.ends_with("_total") => {
            findings.push("a counter's name ends in `_total`".to_owned());
        }
        MetricKind::Gauge if name.ends_with("_total") => {
            findings.push("only a counter's name ends in `_total`; say `type: counter` or rename it".to_owned());
        }
        _ => {}
    }
    if name.contains(':') {
        findings.push("colons are for recording rules".to_owned());
    }
    if name.chars().any(|c| c.is_ascii_uppercase()) {
        findings.push("metric names are written in snake_case".to_owned());
    }
    for suffix in ["_count", "_sum", "_bucket"] {
        if name.ends_with(suffix) {
            findings.push(format!(
                "names that end in `{suffix}` belong to histograms and summaries"
            ));
        }
    }
    let words: Vec<_> = name.split('_').collect();
    for kind in ["gauge", "counter", "histogram", "summary"] {
        if words.contains(&kind) {
            findings.push(format!("the name should not tell the type (`{kind}`)"));
        }
    }
    // The last word, or the one before `total`, is the unit.
    let unit = words.iter().rev().find(|word| **word != "total");
    if let Some((_, base)) = unit.and_then(|unit| UNITS.iter().find(|(other, _)| other == unit)) {
        findings.push(format!("use the base unit `{base}`"));
    }
    if words.len() > 1 && unit.is_some_and(|unit| ABBREVIATIONS.contains(unit)) {
        findings.push("write the unit out (`seconds`, `bytes`)".to_owned());
    }
    findings
}

/// Whether a name ends in its unit, before the `_total` of a counter.
pub(crate) fn ends_in_unit(name: &str, unit: &str) -> bool {
    let name = name.strip_suffix("_total").unwrap_or(name);
    name.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metric_names_follow_prometheus_rules() {
        for name in ["core_transfers_status", "a", "_x", "a:b", "A9"] {
            assert_eq!(metric_name_problem(name), None, "{name}");
        }
        for name in [
            "",
            "9a",
            "a-b",
            "é",
            "a b",
            "push_time_seconds",
            "go_goroutines",
            "process_x",
            "up",
            "fanlight_up",
            "labels",
            "last_push_successful",
        ] {
            assert!(metric_name_problem(name).is_some(), "{name}");
        }
    }

    #[test]
    fn label_names_follow_prometheus_rules() {
        let grouping = [("env".to_owned(), "prod".to_owned())];
        for name in ["status", "_a", "environment"] {
            assert_eq!(label_name_problem(name, &grouping), None, "{name}");
        }
        for name in [
            "",
            "1a",
            "a:b",
            "a-b",
            "__name__",
            "job",
            "instance",
            "env",
            "le",
            "metric_purpose",
        ] {
            assert!(label_name_problem(name, &grouping).is_some(), "{name}");
        }
    }

    #[test]
    fn lint_says_what_promtool_says() {
        let clean = [
            ("core_transfers", MetricKind::Gauge),
            ("a_seconds_total", MetricKind::Counter),
        ];
        for (name, kind) in clean {
            assert_eq!(lint(name, kind, "Help."), Vec::<String>::new(), "{name}");
        }
        for (name, kind, help, part) in [
            ("a", MetricKind::Gauge, " ", "no `help`"),
            ("a", MetricKind::Counter, "h", "ends in `_total`"),
            ("a_total", MetricKind::Gauge, "h", "only a counter's"),
            ("a:b", MetricKind::Gauge, "h", "recording rules"),
            ("aB", MetricKind::Gauge, "h", "snake_case"),
            ("a_count", MetricKind::Gauge, "h", "`_count`"),
            ("a_gauge", MetricKind::Gauge, "h", "tell the type"),
            ("a_milliseconds", MetricKind::Gauge, "h", "base unit `seconds`"),
            ("a_minutes_total", MetricKind::Counter, "h", "base unit `seconds`"),
            ("a_ms", MetricKind::Gauge, "h", "write the unit out"),
        ] {
            let findings = lint(name, kind, help);
            assert!(
                findings.len() == 1 && findings[0].contains(part),
                "{name}: {findings:?}"
            );
        }
    }

    #[test]
    fn the_unit_is_the_last_word_or_the_one_before_total() {
        assert!(ends_in_unit("a_seconds", "seconds"));
        assert!(ends_in_unit("a_seconds_total", "seconds"));
        assert!(!ends_in_unit("seconds", "seconds"));
        assert!(!ends_in_unit("a_milliseconds", "seconds"));
    }
}
