//! Metrics and what they may become: names, labels, budgets.

use super::*;

#[test]
fn each_mistake_in_a_metric_has_its_place_and_its_remedy() {
    for (metric, expected) in [
        ("labels: [a, a]", "<a> `a` is given twice"),
        ("labels: [job]", "<job> `job` cannot be a label here"),
        ("labels: [a-b]", "<a-b> `a-b` cannot be a label's name"),
        (
            "values: {label: x, columns: [a]}",
            "<v> there is both `value` and `values`",
        ),
        (
            "query_file: x.sql",
            "<x.sql> there is both a `query` and a `query_file`",
        ),
        (
            "from_query: shared",
            "<SELECT 1 AS v> the metric has a query of its own and one that it shares",
        ),
        (
            "on_empty: zero\nlabels: [a]",
            "<zero> `m` has labels: which of its series are 0",
        ),
        (
            "external: true",
            "<true> `m` is external but has no label `organisation_id`",
        ),
        ("labels: [metric_purpose]", "`external: true` sets it"),
        (
            "external: true\nlabels: [organisation_id]\nallowed_values: {organisation_id: [a]}",
            "<organisation_id> `organisation_id` of an external metric cannot have `allowed_values`: a bucket would mix \
             customers; remove it",
        ),
        ("labels: [a, b]\nfill: {a: [x]}", "`fill` lacks the values of b"),
        (
            "labels: [a]\nfill: {aa: [x]}",
            "<aa> there is no label `aa`; the metric's labels are a",
        ),
        ("labels: [a]\nfill: {a: []}", "the list is empty"),
        (
            "labels: [a]\nfill: {a: [x, y, z]}\nmax_series: 2",
            "the grid alone has 3 series, and `max_series` is 2",
        ),
        (
            "labels: [a]\nallowed_values: {a: [x]}\nfill: {a: [y]}",
            "<y> `y` is not among the label's `allowed_values`",
        ),
        ("other: rest", "<rest> `other` says nothing without `allowed_values`"),
        (
            "unit: ''",
            "<''> the unit is empty; write what the metric's name ends in, such as `seconds`",
        ),
        ("unit: m/s", "<m/s> `m/s` cannot be the end of a metric's name"),
        (
            "unit: seconds",
            "<seconds> the unit is `seconds`, but `m` does not end in it; call the metric `m_seconds`",
        ),
        (
            "labels: [a]\nstatic_labels: {a: x}",
            "<a> the label `a` is given here and taken from a column",
        ),
        (
            "type: histogram",
            "<histogram> `histogram` is not one of `gauge` or `counter`",
        ),
        ("type: counter", "<m> `m`: a counter's name ends in `_total`"),
        (
            "parameters: [{scheduled: 1}]",
            "<scheduled> unknown key `scheduled`; the keys here are scheduled_time",
        ),
        ("parameters: ['{{A']", "a placeholder that is never closed"),
        (
            "parameters: [[1]]",
            "<[> expected null, a truth value, a whole number, a number, text or a mapping, found a list",
        ),
    ] {
        let text = minimal("", metric);
        let findings = findings(&[("a.yaml", &text)]);
        assert!(
            findings.iter().any(|finding| finding.contains(expected)),
            "{metric}: {findings:#?}"
        );
    }
}

#[test]
fn names_are_unique_and_a_metric_has_one_type_and_one_help_in_all_files() {
    let a = minimal("", "");
    let b = minimal("", "").replace("help: h", "help: other");
    let sources = "sources: {s: 'postgres://u@h/d'}\n";
    let findings = findings(&[("a.yaml", &(a + sources)), ("b.yaml", &(b + sources))]);
    assert_eq!(findings.len(), 3, "{findings:#?}");
    assert!(findings[0].contains("the job `j` is declared a second time; the first stands at a.yaml:2:9"));
    assert!(findings[1].contains("`m` has another help here than in its first use; it stands at a.yaml:6:11"));
    assert!(findings[2].contains("the source `s` is declared a second time"));
}

#[test]
fn jobs_beyond_an_endpoints_budget_are_a_mistake_and_known_label_values_count() {
    let roomy = minimal("max_series: 6000", "labels: [a]");
    assert!(findings(&[("a.yaml", &roomy)])[0].contains("may push 6000 series, and its budget is 5000"));
    let known = minimal("max_series: 6000", "labels: [a]\nallowed_values: {a: [x, y]}");
    assert_eq!(findings(&[("a.yaml", &known)]), [""; 0]);
    let disabled = minimal("max_series: 6000\nenabled: false", "labels: [a]");
    assert_eq!(findings(&[("a.yaml", &disabled)]), [""; 0]);
}

#[test]
fn a_metric_that_keeps_its_series_stands_alone_or_among_its_like() {
    let second = "- name: n\n  help: h\n  value: v\n  query: SELECT 1 AS v\n";
    let two = |first: &str, more: &str, job: &str| {
        let text = minimal(job, first);
        let indented = |by, lines: &str| lines.lines().flat_map(|line| [by, line, "\n"]).collect::<String>();
        text + &indented("  ", second) + &indented("    ", more)
    };
    for (first, more, job, expected) in [
        (
            "on_empty: keep",
            "",
            "",
            "`m` keeps its series when there are no rows, and `n` does not",
        ),
        (
            "on_empty: keep",
            "on_empty: zero",
            "on_error: drop",
            "the job's `on_error` drops those that fail",
        ),
        ("on_empty: keep", "on_empty: keep", "", ""),
        ("on_empty: keep", "on_empty: zero", "", ""),
        ("", "", "on_error: drop", ""),
    ] {
        let findings = findings(&[("a.yaml", &two(first, more, job))]);
        assert_eq!(
            findings.len(),
            usize::from(!expected.is_empty()),
            "{first} {more} {job}: {findings:#?}"
        );
        assert!(
            findings.iter().all(|finding| finding.contains(expected)),
            "{findings:#?}"
        );
    }
    assert_eq!(
        findings(&[("a.yaml", &minimal("on_error: drop", "on_empty: keep"))]),
        [""; 0]
    );
}
