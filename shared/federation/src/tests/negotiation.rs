//! The format that a caller accepts, its content type, and the union of several selectors.

use super::super::{negotiate, union};
use super::*;

#[test]
fn formats_by_accept() {
    use Escaping::{AllowUtf8, Dots, Underscores, Values};
    use OpenMetricsVersion::{V0_0_1, V1_0_0};
    let cases = [
        ("", TEXT),
        ("*/*", TEXT),
        // Prometheus 2.42, 3, and 3 with protobuf first.
        (
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            Format::OpenMetrics(V1_0_0, Underscores),
        ),
        (
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.7,application/openmetrics-text;version=0.0.1;q=0.6,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.4,*/*;q=0.3",
            Format::OpenMetrics(V1_0_0, AllowUtf8),
        ),
        (
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,application/openmetrics-text;version=1.0.0;escaping=underscores;q=0.6,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            Format::OpenMetrics(V1_0_0, Underscores),
        ),
        // `scrape_protocols: [PrometheusText1.0.0, PrometheusText0.0.4]`
        (
            "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.7,text/plain;version=0.0.4;q=0.6,*/*;q=0.5",
            Format::Text(AllowUtf8),
        ),
        ("text/plain;version=1.0.0", TEXT),
        ("text/plain;version=0.0.4;escaping=dots", Format::Text(Dots)),
        ("text/plain; escaping=\"values\"", Format::Text(Values)),
        ("text/plain;escaping=runes", TEXT),
        ("application/openmetrics-text", Format::OpenMetrics(V0_0_1, Underscores)),
        ("application/openmetrics-text;version=2.0.0", TEXT),
        (
            "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8",
            TEXT,
        ),
        ("text/csv", Format::Csv),
        ("Text/CSV; Charset=utf-8", Format::Csv),
        ("application/x-ndjson", Format::NdJson),
        ("*/*, text/csv", Format::Csv),
        ("text/*, application/x-ndjson", Format::NdJson),
        ("text/csv;q=0.5, */*;q=0.9", TEXT),
        ("text/csv;q=0.5, application/x-ndjson;q=0.501", Format::NdJson),
        ("text/csv , application/x-ndjson", Format::Csv),
        ("text/csv;q=0, application/x-ndjson;q=0.001", Format::NdJson),
        ("text/csv;q=0.000", TEXT),
        // Malformed ranges count for nothing.
        ("text/csv;q=2", TEXT),
        ("text/csv;q=0.1234", TEXT),
        ("text/csv;q=high", TEXT),
        ("text/csv;charset", TEXT),
        ("csv", TEXT),
        (",;=,;;,/,q=1,text/csv;;", Format::Csv),
        ("application/json", TEXT),
        ("image/*", TEXT),
    ];
    for (accept, expected) in cases {
        assert_eq!(negotiate(Some(accept)), expected, "{accept}");
    }
    assert_eq!(negotiate(None), TEXT);
}

#[test]
fn content_types() {
    let cases = [
        (TEXT, "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"),
        (QUOTED, "text/plain; version=0.0.4; charset=utf-8; escaping=allow-utf-8"),
        (DOTS, "text/plain; version=0.0.4; charset=utf-8; escaping=dots"),
        (VALUES, "text/plain; version=0.0.4; charset=utf-8; escaping=values"),
        (
            OPEN_METRICS,
            "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
        ),
        (
            Format::OpenMetrics(OpenMetricsVersion::V0_0_1, Escaping::Dots),
            "application/openmetrics-text; version=0.0.1; charset=utf-8; escaping=dots",
        ),
        (Format::Csv, "text/csv; charset=utf-8; header=present"),
        (Format::NdJson, "application/x-ndjson"),
    ];
    for (format, expected) in cases {
        assert_eq!(format.content_type(), expected);
    }
}

#[test]
fn unions() {
    let of = |selectors: &[&str]| union(&selectors.iter().map(ToString::to_string).collect::<Vec<_>>());
    let named = |selector: &str| format!(r#"label_replace({selector},"__fanlight_name__","$1","__name__","(.*)")"#);
    assert_eq!(of(&[]), "");
    assert_eq!(of(&["a"]), "a");
    assert_eq!(of(&["a", "a"]), "a");
    assert_eq!(of(&["a", "b", "a"]), format!("{} or {}", named("a"), named("b")));
    let three = of(&["{x=\"1\"}", "b", "c"]);
    assert_eq!(
        three,
        format!("{} or {} or {}", named("{x=\"1\"}"), named("b"), named("c"))
    );
    promql::parse(&three, &promql::Limits::default()).unwrap();
}
